"""What is done now and then: throw away what has been kept long enough."""

import logging
from datetime import timedelta
from typing import Protocol

from ehmi_ap.flows.world import World

log = logging.getLogger(__name__)


TOO_OLD = "given up: EDS did not take it within [retention] failed_payload_days"


class Retention(Protocol):
    """How long things are kept, in days after the last change of a message (conformance G39)."""

    @property
    def payload_days(self) -> int: ...

    @property
    def failed_payload_days(self) -> int: ...

    @property
    def message_days(self) -> int: ...


async def upkeep(world: World, retention: Retention) -> int:
    """Purge old payloads and old messages, what failed later than the rest; returns how many messages were touched.

    A lease that ran out needs no upkeep: Store.claim() takes its message up again. Delivery status that EDS did not
    take is given up when the payload of a failed message would be: it names the patient too.
    """
    now = world.now()
    before = now - timedelta(days=retention.failed_payload_days)
    given_up = await world.store.reports.expire(before=before, now=now, what=TOO_OLD)
    if given_up:
        world.count("status_lost")
        fix = "These are lost to EDS. `ehmi-ap eds queue` says why it does not take the others."
        log.error("delivery status was given up: EDS did not take it in time", extra={"messages": given_up, "fix": fix})
    touched = await world.store.purge(
        payloads_before=now - timedelta(days=retention.payload_days),
        failed_payloads_before=before,
        messages_before=now - timedelta(days=retention.message_days),
    )
    if touched:
        log.info("old messages purged", extra={"messages": touched})
    return touched
