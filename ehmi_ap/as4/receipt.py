"""Non-repudiation receipts: make, compare (AS4 1.0 5.1.8; as4-wire 5)."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ehmi_ap.errors import InvalidReceipt
from ehmi_ap.model import MessageId, Receipt, Reference

if TYPE_CHECKING:
    from ehmi_ap.as4.unpack import Verified


def receipt_for(verified: "Verified", *, message_id: MessageId, now: datetime) -> Receipt:
    """The receipt for a verified message: every ds:Reference of it, in order, verbatim (as4-wire 5.1)."""
    return Receipt(
        message_id=message_id, ref_to=verified.message.message_id, timestamp=now, references=verified.references
    )


def compare(sent: Sequence[Reference], receipt: Receipt) -> None:
    """Check that the receipt names exactly the references that were sent, in whatever order (as4-wire 5.2 item 3).

    Raises:
        InvalidReceipt: one is missing, one is extra, or a digest, method or transform differs.
    """
    wanted = sorted(reference.key() for reference in sent)
    got = sorted(reference.key() for reference in receipt.references)
    if not wanted or wanted == got:
        if wanted:
            return
        raise InvalidReceipt("nothing is known of what was signed, so the receipt proves nothing")
    missing = {key[0] for key in wanted} - {key[0] for key in got}
    raise InvalidReceipt(f"the receipt does not name what was sent ({len(missing)} references are missing)")
