"""Ids of envelopes that were used before, and receipts after a receipt: told, while the message passes unchanged.

The message service handlers decide what they make of it (spec/ehmi.md 3.3; design decisions 51 and 52). Two envelopes
with the same ids that come at the same moment go unnoticed: what came before is read ahead of the transaction.
"""

import logging
from collections.abc import Mapping, Sequence

from ehmi_ap.correlation import KnownEnvelope
from ehmi_ap.ehmi.reliability import Arrival, ReceiptArrival, arrival, receipt_arrival
from ehmi_ap.envelope import Envelope, Kind
from ehmi_ap.flows.explain import quoted
from ehmi_ap.flows.world import World
from ehmi_ap.model import DeliveryEvent, Direction, EventKind, MessageId, UserMessage

log = logging.getLogger(__name__)

Row = Arrival | ReceiptArrival
"""A row of the tables of reliable messaging."""

_NOTHING_NEW: frozenset[Row] = frozenset({Arrival.ACCEPT, ReceiptArrival.TAKE})
_WRONG: frozenset[Row] = frozenset({Arrival.REFUSE, ReceiptArrival.CONTRADICTION})

_WHAT: Mapping[Row, str] = {
    Arrival.REPEAT: "EnvelopeIdentifier and MessageIdentifier were used before",
    Arrival.RESEND: "the MessageIdentifier was used before, in another envelope",
    Arrival.REFUSE: "the EnvelopeIdentifier was used before, with another MessageIdentifier or for another receiver",
    ReceiptArrival.IGNORE: "there was a receipt for the same envelope before",
    ReceiptArrival.CONTRADICTION: "the receipt before, for the same envelope, said the opposite",
}
_AT_RECEIVER: Mapping[Row, str] = {
    Arrival.REPEAT: "Ignore what is in it, and answer it as before.",
    Arrival.RESEND: "Its receipt may be lost: send that again in a new envelope, and use the content once.",
    Arrival.REFUSE: "Use nothing of it; a negative receipt (Sequence) may answer it.",
    ReceiptArrival.IGNORE: "Ignore this one.",
    ReceiptArrival.CONTRADICTION: "That is not allowed: ask its sender what became of the message.",
}
_AT_SENDER: Mapping[Row, str] = {
    Arrival.REPEAT: "If the receiver has that one, it ignores this: what is sent again needs a new EnvelopeIdentifier.",
    Arrival.RESEND: "To the receiver it is that message, sent again: a new one needs a new MessageIdentifier.",
    Arrival.REFUSE: "The receiver may refuse it: every envelope needs an EnvelopeIdentifier of its own.",
    ReceiptArrival.IGNORE: "The receiver ignores this one.",
    ReceiptArrival.CONTRADICTION: "That is not allowed: tell the receiver what became of the message.",
}
_RECEIPT = "Nobody answers a receipt: its receiver ignores it."


async def seen_before(
    envelope: Envelope,
    message: UserMessage,
    direction: Direction,
    backend: str,
    answered: KnownEnvelope | None,
    world: World,
) -> DeliveryEvent | None:
    """The event of a message whose envelope is not new, by what the same sender sent before. None: it is new.

    `answered` is what it answers, where we have that. Raises StoreError.
    """
    row, before = _receipt_row(envelope, answered)
    if row in _NOTHING_NEW:
        row, known = _row(envelope, await _known(envelope, direction, world))
        # How a message of another backend is called is that one's business.
        before = known.message_id if known is not None and known.backend == backend else None
    if row in _NOTHING_NEW:
        return None
    where = f", in message {before}" if before is not None else ""
    return DeliveryEvent(
        kind=EventKind.SEEN_BEFORE,
        message_id=message.message_id,
        direction=direction,
        at=world.now(),
        code=row.value,
        detail=quoted(f"{_WHAT[row]}{where}. {_advice(row, envelope, direction)}"),
        backend=backend,
    )


def count_seen(events: Sequence[DeliveryEvent], world: World) -> None:
    """Count and log what was noticed, once it is stored."""
    for event in events:
        world.count(f"seen_before {event.code}")
        wrong = event.code in _WRONG or (event.code == Arrival.REPEAT and event.direction is Direction.OUTBOUND)
        log.log(
            logging.WARNING if wrong else logging.INFO,
            "the envelope is not new",
            extra={"message_id": event.message_id, "code": event.code, "detail": event.detail},
        )


async def _known(envelope: Envelope, direction: Direction, world: World) -> Sequence[KnownEnvelope]:
    return await world.store.envelopes.find(
        direction,
        sender=envelope.sender.gln,
        receiver=envelope.receiver.gln,
        identifiers=[each for each in (envelope.transport.identifier,) if each],
        messages=[each for each in (envelope.message.identifier,) if each],
    )


def _receipt_row(envelope: Envelope, answered: KnownEnvelope | None) -> tuple[Row, MessageId | None]:
    """What a receipt is beside the first one for the same envelope, and the message that this one was."""
    earlier = answered.receipt if answered is not None and envelope.kind is Kind.RECEIPT else None
    if earlier is None:
        return ReceiptArrival.TAKE, None
    if earlier.positive is None or envelope.positive is None:
        return ReceiptArrival.IGNORE, earlier.message_id
    return receipt_arrival(earlier=earlier.positive, positive=envelope.positive), earlier.message_id


def _row(envelope: Envelope, known: Sequence[KnownEnvelope]) -> tuple[Row, KnownEnvelope | None]:
    """The row of the duplicate table, and the first message that brought the id in question.

    What went to another receiver is another message: a secondary copy has the MessageIdentifier of its original.
    """
    first = next((each for each in known if each.original.identifier == envelope.transport.identifier), None)
    before = None if first is None else _message_of(first) if first.receiver == envelope.receiver.gln else ""
    message = envelope.message.identifier or envelope.transport.identifier
    # Where none has this envelope's id, all that was found has its message's, and this receiver.
    row = arrival(message_of_envelope=before, message=message, message_known=bool(known))
    return row, next(iter(known), None) if first is None else first


def _message_of(known: KnownEnvelope) -> str:
    """Where it says none, its envelope's identifier stands for it (ehmi.reliability.envelope_ids)."""
    return known.original.message.identifier or known.original.identifier


def _advice(row: Row, envelope: Envelope, direction: Direction) -> str:
    if envelope.kind is Kind.RECEIPT and isinstance(row, Arrival) and direction is Direction.INBOUND:
        return _RECEIPT
    return (_AT_RECEIVER if direction is Direction.INBOUND else _AT_SENDER)[row]
