"""Writing eb:Messaging and the SOAP Body as text that is its own exclusive canonical form (python-stack 3, XML).

STUB in the making: signatures are final, bodies follow.
"""

from collections.abc import Sequence
from datetime import datetime

from ehmi_ap.as4.ebms import PartInfo
from ehmi_ap.errors import EbmsError
from ehmi_ap.model import MessageId, Receipt, UserMessage


def timestamp(at: datetime) -> str:
    """UTC with milliseconds: YYYY-MM-DDThh:mm:ss.sssZ (as4-wire 2.2). `at` is aware."""
    raise NotImplementedError


def write_user_message(message: UserMessage, parts: Sequence[PartInfo], wsu_id: str) -> str:
    """eb:Messaging with one eb:UserMessage; PartInfo in the order given, href None or `cid:...` as given."""
    raise NotImplementedError


def write_receipt(receipt: Receipt, wsu_id: str) -> str:
    """eb:Messaging with a non-repudiation receipt; each Reference.xml verbatim, one child of eb:Receipt (AS4 1.0 5.1.8)."""
    raise NotImplementedError


def write_errors(
    errors: Sequence[EbmsError], wsu_id: str, *, message_id: MessageId, ref_to: MessageId | None, now: datetime
) -> str:
    """eb:Messaging with a signal of these errors; Description and ErrorDetail hold error.public (ebMS3 core 6.2)."""
    raise NotImplementedError


def write_body(wsu_id: str, fault: str | None = None) -> str:
    """env:Body, empty, or with an env:Fault (code env:Receiver) whose reason is `fault`."""
    raise NotImplementedError


def write_must_understand() -> str:
    """A whole env:Envelope with the MustUnderstand fault (SOAP 1.2 part 1, 5.4.8)."""
    raise NotImplementedError
