"""Whose envelope receipts did not come by the time that the envelopes say: told once, and nothing is sent again.

    ExpectedResponseDateTime passes -> the event `unanswered`, in the transaction that ends the waiting

A message that we gave up is not called overdue, since C1 was told that already. To send it again is for C1's message
service handler, or for the person behind it (spec/ehmi.md 3.3, O-9). A receipt that comes later counts as any.
"""

import logging

from ehmi_ap.correlation import Unanswered
from ehmi_ap.ehmi.reliability import ResendPolicy
from ehmi_ap.envelope import Kind
from ehmi_ap.flows.world import World
from ehmi_ap.lifecycle import State
from ehmi_ap.model import DeliveryEvent, Direction, EventKind

log = logging.getLogger(__name__)

AT_ONCE = 100
"""Messages in one round; what is left is for the next one."""

_POLICY = ResendPolicy()
_ARRIVED = (
    "The receiver's access point has the message, but the message service handler behind it has not answered. Ask the "
    f"receiver. It may be sent again {_POLICY.resend_after.seconds // 60} minutes after the first time, "
    f"{_POLICY.most} times at most, each time in a new envelope."
)
_UNDER_WAY = (
    "The receiver's access point does not have the message yet; its attempts say why. It is tried again by itself: do "
    "not send it again meanwhile."
)


async def tell_overdue(world: World) -> int:
    """One round; returns how many messages were told to be overdue. Raises StoreError."""
    overdue = await world.store.envelopes.unanswered(now=world.now(), limit=AT_ONCE)
    return sum([await _tell(each, world) for each in overdue])


async def _tell(overdue: Unanswered, world: World) -> bool:
    """False: another process told it, its receipt came since we looked, or its failure was told instead."""
    event = _event(overdue, world) if overdue.state is not State.FAILED else None
    ended = await world.store.envelopes.tell_unanswered(overdue.key, event)
    if not ended or event is None:
        return False
    world.count("unanswered")
    log.warning("an envelope receipt is overdue", extra={"message_id": overdue.message_id, "detail": event.detail})
    return True


def _event(overdue: Unanswered, world: World) -> DeliveryEvent:
    by = overdue.due.isoformat(timespec="seconds")
    meaning = _ARRIVED if overdue.state is State.ACKNOWLEDGED else _UNDER_WAY
    return DeliveryEvent(
        kind=EventKind.UNANSWERED,
        message_id=overdue.message_id,
        direction=Direction.OUTBOUND,
        at=world.now(),
        code=Kind.RECEIPT.value,
        detail=f"no envelope receipt came by {by}. {meaning}",
    )
