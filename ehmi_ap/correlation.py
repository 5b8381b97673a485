"""Business envelopes as a port: what a store knows of them, so that an answer finds its message (spec/ehmi.md 3.3)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ehmi_ap.envelope import Answer, Envelope, Kind, Original
from ehmi_ap.lifecycle import State
from ehmi_ap.model import DeliveryEvent, Direction, MessageId
from ehmi_ap.reports import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Enveloped:
    """What is stored of a message's business envelope, in the transaction that stores the message.

    `status` is what EDS is told of it, if anything. `answers` is the key of the message that it answers, where we have
    that, and `told` what that one's timeline says of it. A receipt is awaited no longer then, in whichever envelopes
    that message was sent.
    """

    envelope: Envelope
    status: Status | None = None
    answers: int | None = None
    told: DeliveryEvent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEnvelope:
    """An envelope that we have, by the message that carries it; `receipt` is the first one that came for it."""

    key: int
    message_id: MessageId
    direction: Direction
    backend: str
    kind: Kind
    sender: str  # GLN, as is `receiver`
    receiver: str
    original: Original
    receipt: Answer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """A message of ours whose envelope receipt did not come by the time that it says."""

    key: int
    message_id: MessageId
    state: State
    due: datetime


class Envelopes(Protocol):
    """What a store knows of business envelopes. Raises StoreError, as the store does."""

    async def find(
        self,
        direction: Direction,
        *,
        sender: str,
        receiver: str,
        identifiers: Collection[str],
        messages: Collection[str],
    ) -> Sequence[KnownEnvelope]:
        """What `sender` sent with these EnvelopeIdentifiers, and to `receiver` with these MessageIdentifiers (GLNs).

        Oldest first, and only a few for each identifier: the oldest of an envelope's, the newest of a message's. Who
        uses one for everything costs no more than others.
        """

    async def unanswered(self, *, now: datetime, limit: int) -> Sequence[Unanswered]:
        """Messages we sent whose receipt is overdue, which nobody was told."""

    async def tell_unanswered(self, key: int, event: DeliveryEvent | None) -> bool:
        """Write the event that says so, if any, and await its receipt no longer.

        False: it was answered, or told, meanwhile.
        """
