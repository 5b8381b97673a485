"""Reply -> Acknowledged | Refused | Unsettled. (Signature published; body follows.)"""

from collections.abc import Sequence
from datetime import datetime

from ehmi_ap.crypto.keys import Trust
from ehmi_ap.model import MessageId, Outcome, Reference, Wire
from ehmi_ap.pmode import PMode


def conclude(
    reply: Wire,
    *,
    message_id: MessageId,
    references: Sequence[Reference],
    pmode: PMode,
    trust: Trust,
    now: datetime,
) -> Outcome:
    """What the answer to `message_id` means (as4-wire 1.3, 5.2)."""
    raise NotImplementedError
