"""Tell each backend what happened to its messages: at least once, in order for each message.

An event that a backend cannot take holds up only its own message's later events, and is given up after a week, so that
it cannot block for ever. A backend that takes nothing at all is left alone until the next run.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby

from ehmi_ap.flows.explain import quoted
from ehmi_ap.flows.world import World
from ehmi_ap.model import DeliveryEvent
from ehmi_ap.ports import Backend

log = logging.getLogger(__name__)

BATCH = 200
AT_ONCE = 8
"""Messages whose events are told side by side."""
FUTILE = 10
"""So many failures in a row, and the backend is taken to be down."""
GIVEN_UP_AFTER = timedelta(days=7)
TIMEOUT = 60.0
"""Seconds for one notify()."""


async def report(world: World) -> bool:
    """One round over all backends that can be told. True: everything there was has been told."""
    listening = [(name, backend) for name, backend in world.backends.items() if hasattr(backend, "notify")]
    return all(await asyncio.gather(*(_tell(name, backend, world) for name, backend in listening)))


async def skip_the_deaf(world: World) -> None:
    """Events of backends that want to hear none count as told, so that none are told late if that changes.

    Only `deliver` is asked of a backend (architecture 9). Done now and then: it is no news to anybody.
    """
    for name, backend in world.backends.items():
        if not hasattr(backend, "notify"):
            while events := await world.store.undelivered_events(name, limit=BATCH):
                await world.store.events_delivered(name, [event.seq for event in events])


async def _tell(name: str, backend: Backend, world: World) -> bool:
    """All rounds for one backend, until nothing is left or nothing more succeeds."""
    while events := await world.store.undelivered_events(name, limit=BATCH):
        told = await _Round(name, backend, world).run(events)
        if told < len(events) or len(events) < BATCH:
            return told == len(events)
    return True


class _Round:
    """One batch of events of one backend."""

    def __init__(self, name: str, backend: Backend, world: World) -> None:
        self._name = name
        self._backend = backend
        self._world = world
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._futile = 0

    async def run(self, events: Sequence[DeliveryEvent]) -> int:
        """Tell them; returns how many are done with."""
        by_message = sorted(events, key=lambda event: (event.message_id, event.seq))
        groups = [list(group) for _, group in groupby(by_message, key=lambda event: event.message_id)]
        groups.sort(key=lambda group: group[0].seq)
        return sum(await asyncio.gather(*(self._tell_message(group) for group in groups)))

    async def _tell_message(self, events: Sequence[DeliveryEvent]) -> int:
        done: list[int] = []
        async with self._slots:
            for event in events:
                if self._futile >= FUTILE or not await self._tell_event(event):
                    break
                done.append(event.seq)
        if done:
            await self._world.store.events_delivered(self._name, done)
        return len(done)

    async def _tell_event(self, event: DeliveryEvent) -> bool:
        """Whether this event is done with: told, or given up."""
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._backend.notify(event)
        except Exception as error:
            self._futile += 1
            return self._give_up(event, error)
        self._futile = 0
        return True

    def _give_up(self, event: DeliveryEvent, error: Exception) -> bool:
        facts = {
            "message_id": event.message_id,
            "backend": self._name,
            "kind": event.kind.value,
            "detail": quoted(f"{type(error).__name__}: {error}"),
        }
        if self._world.now() - event.at < GIVEN_UP_AFTER:
            log.warning("a backend did not take an event", extra=facts)
            return False
        self._world.count("events_lost")
        log.error("an event was given up, no backend took it for a week", extra=facts)
        return True
