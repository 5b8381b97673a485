"""A receipt or an error that a peer posts by itself, instead of answering with it: late, but not lost.

Nothing is owed in return, and a signal is never answered with an error (as4-wire 5.2). What is not signed by the
partner changes nothing: anybody could have posted it. Of a partner that was looked up, it is the certificates that
look-ups gave for this message that may sign.
"""

import logging

from ehmi_ap.agreements import Agreements
from ehmi_ap.as4.conclude import conclude
from ehmi_ap.flows.explain import quoted, told_once
from ehmi_ap.flows.terms import found_judges
from ehmi_ap.flows.world import World
from ehmi_ap.lifecycle import Happening
from ehmi_ap.model import Acknowledged, DeliveryEvent, Direction, EventKind, MessageId, Refused, Unsettled, Wire
from ehmi_ap.ports import Sent

log = logging.getLogger(__name__)

LATE = "the receipt came late, by a connection of its own"


async def note_signal(wire: Wire, message_id: MessageId, agreements: Agreements, world: World) -> None:
    """Settle the message that a posted receipt proves, record the error that the partner signed; log the rest."""
    facts = {"message_id": message_id}
    sent = await world.store.sent(message_id)
    pmode = next((pmode for pmode in agreements.pmodes if sent is not None and pmode.name == sent.pmode), None)
    if sent is None or pmode is None or not sent.references:
        log.info("signal about a message that we never sent", extra={"message_id": quoted(message_id)})
        return
    trust = agreements.trust
    if pmode.network is not None:
        pmode, trust = found_judges(pmode, sent.message.to.id, sent.signers)
    outcome = conclude(
        wire,
        message_id=message_id,
        references=sent.references,
        pmode=pmode,
        trust=trust,
        now=world.now(),
    )
    match outcome:
        case Acknowledged():
            await _settle(sent, outcome, world)
        case Refused():
            await _record(sent, outcome, world)
        case Unsettled():
            log.warning("posted signal proves nothing", extra={**facts, "detail": quoted(outcome.reason)})


async def _settle(sent: Sent, outcome: Acknowledged, world: World) -> None:
    told = quoted(f"receipt {outcome.receipt.message_id}; {LATE}")
    applied = await world.store.settle(
        sent.key,
        Happening.SETTLED,
        now=world.now(),
        receipt=outcome.wire,
        detail=LATE,
        events=[_event(sent, EventKind.SENT, world, detail=told)],
    )
    if applied:
        world.count("sent")
    log.info(LATE if applied else "receipt posted once more", extra={"message_id": sent.message.message_id})


async def _record(sent: Sent, refused: Refused, world: World) -> None:
    """An error changes no state here: retries go on, and their own answers decide."""
    facts = {"message_id": sent.message.message_id}
    signed = [error for error in refused.errors if error.signed_by is not None]
    if not signed:
        log.warning("posted error is not signed by the partner, ignored", extra=facts)
        return
    events = [_event(sent, EventKind.ERROR, world, code=error.code, detail=told_once(error)) for error in signed]
    await world.store.record(events)
    log.warning("the partner posted an error", extra={**facts, "code": signed[0].code, "detail": events[0].detail})


def _event(sent: Sent, kind: EventKind, world: World, *, code: str | None = None, detail: str = "") -> DeliveryEvent:
    return DeliveryEvent(
        kind=kind,
        message_id=sent.message.message_id,
        direction=Direction.OUTBOUND,
        at=world.now(),
        code=code,
        detail=detail,
        backend=sent.backend,
    )
