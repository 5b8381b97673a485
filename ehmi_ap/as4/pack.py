"""UserMessage -> Signed -> Packed, and the answers Receipt, errors, refusal -> Wire. (Signatures published; bodies follow.)"""

from collections.abc import Sequence
from datetime import datetime

from ehmi_ap.body import NewSpool
from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import Keys
from ehmi_ap.errors import EbmsError, HttpRefusal
from ehmi_ap.model import MessageId, Packed, Receipt, Signed, UserMessage, Wire
from ehmi_ap.pmode import PMode


def sign(message: UserMessage, pmode: PMode, *, keys: Keys, new_spool: NewSpool) -> Signed:
    """Header, compress, sign. Deterministic: the same message gives the same bytes. SubmissionError: too many parts."""
    raise NotImplementedError


def seal(signed: Signed, message_id: MessageId, pmode: PMode, *, to: Certificate | None) -> Packed:
    """Encrypt anew and join; encryption runs while wire.body is read. `to` None only when the P-Mode does not encrypt."""
    raise NotImplementedError


def pack_receipt(receipt: Receipt, pmode: PMode, *, keys: Keys) -> Wire:
    """A signed receipt as an HTTP answer, status 200."""
    raise NotImplementedError


def pack_errors(
    errors: Sequence[EbmsError],
    *,
    message_id: MessageId,
    ref_to: MessageId | None,
    now: datetime,
    pmode: PMode | None,
    keys: Keys | None,
) -> Wire:
    """Errors as an HTTP answer: signed when the leg and keys are known; status and Fault from the P-Mode."""
    raise NotImplementedError


def pack_refusal(error: HttpRefusal) -> Wire:
    """The answer below ebMS: text/plain with the status, or the env:MustUnderstand fault."""
    raise NotImplementedError
