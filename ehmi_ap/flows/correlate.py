"""What is stored of a message's business envelope: what EDS is told of it, and which message it answers.

Envelope receipts and acknowledgements pass as messages; each is an event of the message that it answers, where we have
that. Only who got a message can answer it: its receiver has to be the sender of the answer.
"""

import logging

from ehmi_ap.ehmi.status import Facts, facts, to_json
from ehmi_ap.envelope import Envelope, Kind
from ehmi_ap.flows.explain import quoted
from ehmi_ap.flows.world import World
from ehmi_ap.model import DeliveryEvent, Direction, EventKind, Organisation, UserMessage
from ehmi_ap.ports import Enveloped, KnownEnvelope
from ehmi_ap.reports import Status

log = logging.getLogger(__name__)


async def enveloped(
    envelope: Envelope | None, message: UserMessage, direction: Direction, world: World
) -> Enveloped | None:
    """What is stored with a message of its envelope. None: it has none that we know. Raises StoreError."""
    if envelope is None:
        return None
    known = await _answered(envelope, direction, world)
    return Enveloped(
        envelope=envelope,
        status=_status(envelope, message, direction, known, world),
        answers=known.key if known is not None else None,
        told=_answer(envelope, message, known, world) if known is not None else None,
    )


async def _answered(envelope: Envelope, direction: Direction, world: World) -> KnownEnvelope | None:
    """The message that this one answers; it went the other way."""
    if envelope.kind is Kind.MESSAGE:
        return None
    there = Direction.INBOUND if direction is Direction.OUTBOUND else Direction.OUTBOUND
    identifiers = [each for each in (envelope.answers, envelope.correlates) if each]
    messages = [each for each in (envelope.answers_message,) if each]
    found = await world.store.envelopes.find(there, identifiers=identifiers, messages=messages)
    fitting = [each for each in found if (each.receiver, each.sender) == (envelope.sender.gln, envelope.receiver.gln)]
    # By its envelope first: a message may have been sent again in another one (ehmi.md 3.3).
    return max(fitting, key=lambda each: (each.original.identifier in identifiers, each.key), default=None)


def _answer(envelope: Envelope, message: UserMessage, known: KnownEnvelope, world: World) -> DeliveryEvent:
    return DeliveryEvent(
        kind=EventKind.ANSWERED,
        message_id=known.message_id,
        direction=known.direction,
        at=world.now(),
        code=envelope.kind.value,
        detail=f"{quoted(envelope.type)} in message {message.message_id}",
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
            extra={"message_id": message.message_id, "detail": f"the envelope lacks {lacking}"},
        )
        return Status(organisation=Organisation("", ""), facts=to_json(found))
    ours = found.sender if direction is Direction.OUTBOUND else found.receiver  # design decision 11
    return Status(organisation=ours, facts=to_json(found))
