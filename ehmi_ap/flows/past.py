"""What a message's timeline says of earlier attempts, where its access point is looked up. Pure.

The timeline is the memory: it is written in the transactions that settle attempts, so a crash takes nothing of it away.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ehmi_ap.discovery.found import Found
from ehmi_ap.flows.explain import quoted
from ehmi_ap.flows.verdict import MISSING_RECEIPT
from ehmi_ap.model import DeliveryEvent, EventKind, PartyId


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Since C1 submitted the message, or an operator resent it; `found` is what the last recorded look-up found."""

    looked_again: bool = False
    last_code: str | None = None
    found: str = ""

    @property
    def asks_anew(self) -> bool:
        """Whether what is remembered may be the reason that the last attempt missed: EBMS codes, but "no answer"."""
        return self.last_code is not None and self.last_code.startswith("EBMS:") and self.last_code != MISSING_RECEIPT


def past_of(events: Iterable[DeliveryEvent]) -> Past:
    """From the outbound events of one message, oldest first."""
    past = Past()
    for event in events:
        match event.kind:
            case EventKind.RESENT:
                past = Past(found=past.found)
            case EventKind.ATTEMPT:
                past = replace(past, last_code=event.code)
            case EventKind.DISCOVERED if event.code is None:
                past = replace(past, found=event.detail)
            case EventKind.DISCOVERED:  # after a refusal, which would have been the end otherwise (flows.verdict)
                past = Past(looked_again=True, last_code=event.code, found=event.detail)
    return past


def described(found: Found, to: PartyId) -> str:
    """What was found, as one line of the timeline."""
    published = f"published by {found.smp}" if found.smp else "from the offline folder"
    where = quoted(f"{found.endpoint.url} of {to}")
    by = quoted(f"metadata signed by {found.signer}, {published}")
    # Not quoted, which takes ten digits in a row for a CPR number.
    return f"{where}, certificate SHA-256 {found.endpoint.encryption.sha256}; {by}"
