"""The bell, reading in threads, and upkeep."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from flow_world import accept, keep, world

from ehmi_ap.body import MemoryBody
from ehmi_ap.flows.bell import Bell
from ehmi_ap.flows.offload import reading
from ehmi_ap.flows.upkeep import upkeep
from ehmi_ap.lifecycle import Happening
from ehmi_ap.model import Direction, MessageId
from ehmi_ap.ports import Query

NewId = Callable[[], MessageId]


async def test_a_ring_between_looking_and_waiting_is_heard() -> None:
    """By everybody who listened before it; not by those who come later."""
    bell = Bell()
    first, second = bell.listen(), bell.listen()
    bell.ring()
    assert await first(1)
    assert await second(1)
    assert not await bell.listen()(0)


class File:
    size, resident = 0, False

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        yield from ()


async def test_what_is_in_memory_is_read_at_once_and_files_in_a_thread() -> None:
    """Design decision 24."""
    here = threading.get_ident()
    assert await reading([MemoryBody(b"")], threading.get_ident) == here
    assert await reading([MemoryBody(b""), File()], threading.get_ident) != here


async def test_a_cancelled_reader_waits_for_its_thread() -> None:
    """So that nobody throws away a spool that a thread still writes."""
    started, release, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        release.wait(5)
        ended.set()

    task = asyncio.create_task(reading([File()], work))
    await asyncio.to_thread(started.wait, 5)
    task.cancel()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


@dataclass(frozen=True)
class Retention:
    payload_days: int = 14
    failed_payload_days: int = 60
    message_days: int = 180


async def test_g39_old_things_are_purged_by_age(new_id: NewId, now: datetime) -> None:
    """Payloads first, then the message; what is not final stays, however old."""
    to = world(new_id, now)
    await accept(to, "waiting")
    await keep(to, "done")
    [job] = await to.store.claim(Direction.INBOUND, now=now, lease=60, limit=1)
    await to.store.settle(job.key, Happening.SETTLED, now=now)

    async def after(days: int) -> tuple[int, list[bool]]:
        later = world(new_id, now + timedelta(days=days), store=to.store)
        touched = await upkeep(later, Retention())
        return touched, [stored.payloads_kept for stored in await to.store.find(Query())]

    assert await after(14) == (0, [True, True])
    assert await after(15) == (1, [False, True])
    assert await after(181) == (1, [True])
