"""What is stored of a message's business envelope: what EDS is told of it, and which message it answers.

Envelope receipts and acknowledgements pass as messages; each is an event of the message that it answers, where we have
that. Only who got a message can answer it: its receiver has to be the sender of the answer, by their GLNs. Whether that
sender is who it says is settled as for any message: by whom the P-Mode trusts.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ehmi_ap.correlation import Enveloped, KnownEnvelope
from ehmi_ap.ehmi.checks import RECEIPT_WITHIN
from ehmi_ap.ehmi.status import Facts, facts, to_json
from ehmi_ap.envelope import Envelope, Kind
from ehmi_ap.flows.explain import quoted
from ehmi_ap.flows.seen import seen_before
from ehmi_ap.flows.world import World
from ehmi_ap.model import DeliveryEvent, Direction, EventKind, Organisation, UserMessage
from ehmi_ap.reports import Status

log = logging.getLogger(__name__)

_ANSWERED: Mapping[Kind, tuple[Kind, ...]] = {
    Kind.MESSAGE: (),
    Kind.ACKNOWLEDGEMENT: (Kind.MESSAGE,),
    Kind.RECEIPT: (Kind.MESSAGE, Kind.ACKNOWLEDGEMENT),  # never a receipt (spec/ehmi.md 3.2)
}
"""What each kind answers."""


@dataclass(frozen=True, slots=True)
class Correlated:
    """What is stored with a message of its envelope, if we know that, and what its own timeline says besides."""

    enveloped: Enveloped | None = None
    events: tuple[DeliveryEvent, ...] = ()


async def correlate(
    envelope: Envelope | None, message: UserMessage, direction: Direction, backend: str, world: World
) -> Correlated:
    """Compare an envelope with those that came and went before. Raises StoreError."""
    if envelope is None:
        return Correlated()
    known = await _answered(envelope, direction, world)
    seen = await seen_before(envelope, message, direction, backend, known, world)
    enveloped = Enveloped(
        envelope=_awaiting(envelope, world),
        status=_status(envelope, message, direction, known, world),
        answers=known.key if known is not None else None,
        told=_answer(envelope, message, known, world) if known is not None else None,
    )
    return Correlated(enveloped, (seen,) if seen is not None else ())


async def _answered(envelope: Envelope, direction: Direction, world: World) -> KnownEnvelope | None:
    """The message that this one answers; it went the other way."""
    if envelope.kind is Kind.MESSAGE:
        return None
    found = await world.store.envelopes.find(
        Direction.INBOUND if direction is Direction.OUTBOUND else Direction.OUTBOUND,
        sender=envelope.receiver.gln,
        receiver=envelope.sender.gln,
        identifiers={each for each in (envelope.answers, envelope.correlates) if each},
        messages={each for each in (envelope.answers_message,) if each},
    )
    fitting = [each for each in found if _may_answer(envelope, each)]
    return max(fitting, key=lambda each: _agreement(envelope, each), default=None)


def _may_answer(envelope: Envelope, known: KnownEnvelope) -> bool:
    return known.receiver == envelope.sender.gln and known.kind in _ANSWERED[envelope.kind]


def _agreement(envelope: Envelope, known: KnownEnvelope) -> tuple[int, ...]:
    """How much of what an answer says of its original fits; then the surer words; then the newest.

    A message may have been sent again in another envelope, and a receipt may have one of its references wrong
    (spec/ehmi.md 3.3, 9.1).
    """
    identifier, message = known.original.identifier, known.original.message.identifier
    said = (identifier == envelope.answers, identifier == envelope.correlates, message == envelope.answers_message)
    return (sum(said), *said, known.key)


def _awaiting(envelope: Envelope, world: World) -> Envelope:
    """One whose receipt was due before we had it gets the usual time from now."""
    now = world.now()
    late = envelope.answer_due is not None and envelope.answer_due <= now
    return replace(envelope, answer_due=now + RECEIPT_WITHIN) if late else envelope


def _answer(envelope: Envelope, message: UserMessage, known: KnownEnvelope, world: World) -> DeliveryEvent:
    what = envelope.type if envelope.kind is Kind.RECEIPT else envelope.message.type
    return DeliveryEvent(
        kind=EventKind.ANSWERED,
        message_id=known.message_id,
        direction=known.direction,
        at=world.now(),
        failed=envelope.positive is False,
        code=envelope.kind.value,
        detail=quoted(f"{what} in message {message.message_id}"),
        backend=known.backend,
    )


def _status(
    envelope: Envelope, message: UserMessage, direction: Direction, known: KnownEnvelope | None, world: World
) -> Status | None:
    """What EDS is told; None: we report to none. An envelope that lacks something gets reports that are parked."""
    if not world.reports_status:
        return None
    found = facts(envelope, known.original if known is not None else None)
    if not isinstance(found, Facts):
        world.count("status_incomplete")
        lacking = ", ".join(found.missing)
        log.warning(
            "no delivery status can be made",
            extra={
                "message_id": message.message_id,
                "detail": f"the envelope lacks {lacking}",
                "fix": "Have whoever makes the envelopes write these scopes once each. The message passes.",
            },
        )
        return Status(organisation=Organisation("", ""), facts=to_json(found))
    ours = found.sender if direction is Direction.OUTBOUND else found.receiver  # design decision 11
    return Status(organisation=ours, facts=to_json(found))
