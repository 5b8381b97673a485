"""Claiming what is due: at once, several at a time, and fair to all partners."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest
from flow_world import accept, event, message, world

from ehmi_ap.errors import StoreError
from ehmi_ap.flows.pickup import Pickup
from ehmi_ap.flows.world import World
from ehmi_ap.lifecycle import Happening, State
from ehmi_ap.model import Direction, MessageId
from ehmi_ap.ports import Job, Query

NewId = Callable[[], MessageId]
Work = Callable[[Job, World], Awaitable[bool]]


@asynccontextmanager
async def running(work: Work, to: World, *, workers: int = 4, lease: float = 60.0) -> AsyncIterator[Pickup]:
    """A pickup that runs; whatever a test waits for in vain ends after five seconds."""
    pickup = Pickup(Direction.OUTBOUND, work, to, workers=workers, lease=lease)
    unheard: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: unheard.append(context))
    run = asyncio.create_task(pickup.run())
    try:
        async with asyncio.timeout(5):
            yield pickup
    finally:
        await pickup.stop(0)
        await run
    assert unheard == []


async def settle(job: Job, to: World) -> bool:
    return await to.store.settle(job.key, Happening.SETTLED, now=to.now())


async def test_what_is_there_and_what_comes_is_taken_up(new_id: NewId) -> None:
    """Before the start, and after a wake."""
    to = world(new_id)
    done: asyncio.Queue[str] = asyncio.Queue()

    async def work(job: Job, to: World) -> bool:
        await done.put(job.message.message_id)
        return await settle(job, to)

    await accept(to, "before")
    async with running(work, to) as pickup:
        assert await done.get() == "before@us.example"
        await accept(to, "after")
        pickup.wake()
        assert await done.get() == "after@us.example"


async def test_what_is_due_later_is_taken_up_then(new_id: NewId) -> None:
    """By a timer, without a wake and without the sweep."""
    to = world(new_id)
    attempts: asyncio.Queue[int] = asyncio.Queue()

    async def work(job: Job, to: World) -> bool:
        await attempts.put(job.attempts)
        if job.attempts == 1:
            due = to.now() + timedelta(seconds=0.05)
            await to.store.settle(job.key, Happening.MISSED, now=to.now(), due=due)
            return False
        return await settle(job, to)

    await accept(to, "a")
    async with running(work, to):
        assert [await attempts.get(), await attempts.get()] == [1, 2]


class Gate:
    """Work that waits at a gate per P-Mode, and counts who stands there."""

    def __init__(self, *, healthy: bool = True) -> None:
        self.at: dict[str, int] = {}
        self.changed = asyncio.Condition()
        self.open: set[str] = set()
        self.healthy = healthy

    async def work(self, job: Job, to: World) -> bool:
        async with self.changed:
            self.at[job.pmode] = self.at.get(job.pmode, 0) + 1
            self.changed.notify_all()
            await self.changed.wait_for(lambda: job.pmode in self.open)
        await settle(job, to)
        return self.healthy

    async def until(self, **at: int) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: self.at == at)

    async def let(self, pmode: str) -> None:
        async with self.changed:
            self.open.add(pmode)
            self.changed.notify_all()


async def test_one_slow_partner_does_not_hold_up_the_others(new_id: NewId) -> None:
    """It gets half of the workers; the others' messages pass, though they came later."""
    to = world(new_id)
    for number in range(10):
        await accept(to, f"slow{number}", pmode="slow")
    await accept(to, "quick", pmode="quick")
    gate = Gate()
    async with running(gate.work, to, workers=4) as pickup:
        await gate.until(slow=2, quick=1)
        assert pickup.in_flight == 3
        await gate.let("quick")
        await accept(to, "quick2", pmode="quick")
        pickup.wake()
        await gate.until(slow=2, quick=2)
        await gate.let("slow")
        await gate.until(slow=10, quick=2)


async def test_a_partner_in_trouble_is_tried_one_at_a_time(new_id: NewId) -> None:
    """After an attempt that went wrong, until one goes right."""
    to = world(new_id)
    together: list[int] = []
    at_once = 0
    outcomes = iter([False, False, True])
    finished = asyncio.Event()

    async def work(job: Job, to: World) -> bool:
        nonlocal at_once
        at_once += 1
        together.append(at_once)
        for _ in range(20):
            await asyncio.sleep(0)
        at_once -= 1
        await settle(job, to)
        if len(together) == 8:
            finished.set()
        return next(outcomes, True)

    for number in range(8):
        await accept(to, f"m{number}")
    async with running(work, to, workers=4):
        await finished.wait()
    assert together[:2] == [1, 2]
    assert together[2] == 1, "two attempts went wrong: now one at a time"
    assert max(together[3:]) == 2, "one went right: two at a time again"


async def test_a_lease_is_renewed_while_the_work_goes_on(new_id: NewId, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long before it runs out, so that nobody else claims the message."""
    to = world(new_id)
    gate = Gate()
    renew = to.store.renew
    renewed: asyncio.Queue[datetime | None] = asyncio.Queue()

    async def noted(*args: object, **options: object) -> None:
        await renew(*args, **options)  # type: ignore[arg-type]
        await renewed.put(await to.store.next_due(Direction.OUTBOUND))

    monkeypatch.setattr(to.store, "renew", noted)
    await accept(to, "a")
    async with running(gate.work, to, lease=0.3):
        await gate.until(them=1)
        ends = [await to.store.next_due(Direction.OUTBOUND), await renewed.get(), await renewed.get()]
        assert gate.at == {"them": 1}
    assert all(ends)
    assert sorted(set(ends), key=str) == ends


async def test_a_failing_job_does_not_stop_the_others(new_id: NewId) -> None:
    """Its message waits for its lease; nothing is settled in its name."""
    to = world(new_id)
    done: asyncio.Queue[str] = asyncio.Queue()

    async def work(job: Job, to: World) -> bool:
        if job.pmode == "broken":
            raise ZeroDivisionError
        if job.pmode == "no disk":
            raise StoreError("full")
        await done.put(job.pmode)
        return await settle(job, to)

    for pmode in ("broken", "no disk", "good"):
        await accept(to, pmode, pmode=pmode)
    async with running(work, to, workers=1):
        assert await done.get() == "good"


async def test_a_store_that_fails_is_asked_again(new_id: NewId, monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows in `trouble` as long as it lasts."""
    monkeypatch.setattr("ehmi_ap.flows.pickup.SWEEP", 0.01)
    to = world(new_id)
    claim = to.store.claim
    troubles: list[str | None] = []
    done: asyncio.Queue[str | None] = asyncio.Queue()

    async def flaky(*args: object, **options: object) -> object:
        troubles.append(pickup.trouble)
        if len(troubles) < 3:
            raise StoreError("the disk is full")
        return await claim(*args, **options)  # type: ignore[arg-type]

    async def work(job: Job, to: World) -> bool:
        await done.put(pickup.trouble)
        return await settle(job, to)

    monkeypatch.setattr(to.store, "claim", flaky)
    await accept(to, "a")
    async with running(work, to) as pickup:
        assert await done.get() is None
    assert troubles[:3] == [None, "the disk is full", "the disk is full"]


async def test_stopping_lets_work_end_within_its_grace(new_id: NewId) -> None:
    to = world(new_id)
    gate = Gate()
    await accept(to, "a")
    async with running(gate.work, to) as pickup:
        await gate.until(them=1)
        stopping = asyncio.create_task(pickup.stop(5))
        await gate.let("them")
        await stopping
        assert pickup.in_flight == 0
    assert await to.store.next_due(Direction.OUTBOUND) is None


@pytest.mark.parametrize(("grace", "worked"), [(5.0, ["a@us.example"]), (0.0, [])])
async def test_stopping_while_a_claim_is_under_way(
    new_id: NewId, monkeypatch: pytest.MonkeyPatch, grace: float, worked: list[str]
) -> None:
    """What it claims is still worked on within the grace; without any grace it waits for its lease."""
    to = world(new_id)
    claim, asked, answer = to.store.claim, asyncio.Event(), asyncio.Event()
    done: list[str] = []

    async def slow(*args: object, **options: object) -> object:
        asked.set()
        await answer.wait()
        return await claim(*args, **options)  # type: ignore[arg-type]

    async def work(job: Job, to: World) -> bool:
        done.append(job.message.message_id)
        return await settle(job, to)

    monkeypatch.setattr(to.store, "claim", slow)
    await accept(to, "a")
    async with running(work, to) as pickup:
        await asked.wait()
        stopping = asyncio.create_task(pickup.stop(grace))
        while not grace and not pickup._cut_off:
            await asyncio.sleep(0)
        answer.set()
        await stopping
    assert done == worked


async def test_stopping_cuts_off_what_takes_longer(new_id: NewId) -> None:
    """It is claimed again when its lease runs out."""
    to = world(new_id)
    gate = Gate()
    await accept(to, "a")
    async with running(gate.work, to) as pickup:
        await gate.until(them=1)
        await pickup.stop(0)
        assert pickup.in_flight == 0
    due = await to.store.next_due(Direction.OUTBOUND)
    assert due is not None
    assert due > to.now()


async def brought(to: World, name: str, pmode: str, lease: float) -> Job:
    """Stored and claimed in one transaction, as submit does with a reserved slot."""
    what = message(name, to.now())
    key = await to.store.accept(
        what, pmode=pmode, backend="rest", fingerprint=b"f", events=[event(name, to.now())], lease=lease
    )
    assert key is not None
    return Job(key=key, message=what, pmode=pmode, backend="rest", lane=pmode, attempts=1, first_at=to.now())


async def test_what_a_slot_was_reserved_for_is_sent_without_a_claim(new_id: NewId) -> None:
    """A lane has half of the slots here too; who waits already goes before who comes."""
    to = world(new_id)
    gate = Gate()
    async with running(gate.work, to, workers=4) as pickup:
        await accept(to, "a", pmode="them")
        pickup.wake()
        assert not pickup.reserve("them")
        await gate.until(them=1)
        while not pickup.reserve("them"):  # until the claim is over that found nobody else
            await asyncio.sleep(0)
        assert not pickup.reserve("them")
        pickup.start(await brought(to, "b", "them", pickup.lease))
        await gate.until(them=2)
        assert pickup.reserve("others")
        pickup.give_back("others")
        await gate.let("them")
    stored = await to.store.find(Query())
    assert [each.state for each in stored] == [State.ACKNOWLEDGED] * 2


async def test_what_is_due_is_taken_up_under_steady_load_too(new_id: NewId, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who come with a slot of their own wake nobody; what waits for another try must not wait for a lull."""
    monkeypatch.setattr("ehmi_ap.flows.pickup.OVERDUE", 0.1)
    to = world(new_id)
    again = asyncio.Event()

    async def work(job: Job, to: World) -> bool:
        if job.pmode == "steady":
            return await settle(job, to)
        if job.attempts == 1:
            due = to.now() + timedelta(seconds=0.05)
            return not await to.store.settle(job.key, Happening.MISSED, now=to.now(), due=due)
        again.set()
        return await settle(job, to)

    await accept(to, "late")
    async with running(work, to) as pickup:
        number = 0
        while not again.is_set():
            number += 1
            if pickup.reserve("steady"):
                pickup.start(await brought(to, str(number), "steady", pickup.lease))
            await asyncio.sleep(0)


async def test_a_slot_that_is_given_back_is_used_at_once(new_id: NewId) -> None:
    """Also where others of its lane were passed over meanwhile: nobody else would say that there is room again."""
    to = world(new_id)
    gate = Gate()
    async with running(gate.work, to, workers=2) as pickup:
        while not pickup.reserve("them"):
            await asyncio.sleep(0)
        asked = asyncio.Event()
        next_due = to.store.next_due

        async def noting(direction: Direction, *, pass_over: Collection[str] = ()) -> datetime | None:
            asked.set()
            return await next_due(direction, pass_over=pass_over)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(to.store, "next_due", noting)
            await accept(to, "waits", pmode="them")
            pickup.wake()
            await asked.wait()
        pickup.give_back("them")
        async with asyncio.timeout(2):
            await gate.until(them=1)
        await gate.let("them")
