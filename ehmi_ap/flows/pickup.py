"""Claim what is due and work on it: event-driven, several at a time, fair to all partners.

    wake() or a due time ->  claim a few  ->  one task each  ->  a free slot wakes it again

Rules: a lane is a partner (outbound; Job.lane) or a backend (inbound). One lane gets half of the slots at most, and
one slot while its last attempt went wrong, so that a slow or dead partner never holds up the others. Leases are renewed
while a task runs; a process that dies lets them run out. The store is asked only when its answer may have changed; a
sweep is the safety net, and finds what other processes stored.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from ehmi_ap.errors import StoreError
from ehmi_ap.flows.world import World
from ehmi_ap.model import Direction
from ehmi_ap.ports import Job

log = logging.getLogger(__name__)

SWEEP = 5.0
"""Seconds between looks at the store without any reason: another process may have stored something."""
IDLE = 0.05
"""Seconds without news before the store is asked when the next message is due."""
OVERDUE = 1.0
"""Seconds after which the store is asked for what is due though there was no such lull: those who come with a slot of
their own make news all the time, and what waits for another try must not wait until they stop."""
SHORTEST_WAIT = 0.02
"""Seconds to wait at least when something is due but could not be claimed: another process has it."""


@dataclass(slots=True)
class _Lane:
    in_flight: int = 0
    troubled: bool = False


class Pickup:
    """The workers of one direction. run() runs until stop(); wake() says that something may be due."""

    def __init__(
        self,
        direction: Direction,
        work: Callable[[Job, World], Awaitable[bool]],
        world: World,
        *,
        workers: int,
        lease: float,
    ) -> None:
        """`work` does one job and says whether its lane is fine; `lease` is in seconds."""
        self._direction = direction
        self._work = work
        self._world = world
        self._workers = workers
        self._lease = lease
        self._lanes: dict[str, _Lane] = {}
        self._jobs: dict[asyncio.Task[None], Job] = {}
        self._reserved = 0
        self._news = asyncio.Event()
        self._drained: frozenset[str] | None = None  # nothing is due but for these lanes; None: there may be
        self._asked_at = 0.0  # when the store was asked for what is due, by the clock of the loop
        self._stopping = self._cut_off = False
        self._ended_all = asyncio.Event()
        self._ended_all.set()
        self.trouble: str | None = None

    @property
    def in_flight(self) -> int:
        """How many jobs are being worked on."""
        return len(self._jobs)

    def wake(self) -> None:
        """Something may be due."""
        self._drained = None
        self._news.set()

    @property
    def lease(self) -> float:
        """Seconds for which a claim holds."""
        return self._lease

    def reserve(self, lane: str) -> bool:
        """Take a slot for a job that is about to be stored, claimed; start() or give_back() has to follow.

        False: no slot is free, or others of this lane wait already, whose turn comes first.
        """
        if self._stopping or self._drained is None or lane in self._drained or not self._free():
            return False
        known = self._lanes.setdefault(lane, _Lane())
        if known.in_flight >= self._width(known):
            return False
        known.in_flight += 1
        self._reserved += 1
        return True

    def start(self, job: Job) -> None:
        """Work on a job whose slot was reserved; when we stop meanwhile, it waits for its lease."""
        self._vacate(job.lane)
        if not self._stopping:
            self._start(job)

    def give_back(self, lane: str) -> None:
        """The slot is not needed after all; others of its lane may have been passed over meanwhile."""
        self._vacate(lane)
        self._news.set()

    def _vacate(self, lane: str) -> None:
        self._reserved -= 1
        self._leave(lane)

    async def run(self) -> None:
        """Until stop(), and until the last job has ended."""
        self._ended_all.clear()
        renewing = asyncio.create_task(self._renew())
        try:
            while not self._stopping:
                self._news.clear()
                try:
                    more = await self._claim()
                    self.trouble = None
                    if not more:
                        await self._until_news()
                except StoreError as error:
                    self.trouble, self._drained = error.what, None
                    log.error("nothing can be claimed", extra={"what": error.what, "fix": error.fix})
                    await self._hear(SWEEP)
            if self._jobs:
                await asyncio.wait(self._jobs)
        finally:
            renewing.cancel()
            self._ended_all.set()

    async def stop(self, grace: float) -> None:
        """Claim nothing more; give what is in flight `grace` seconds. What is cut off is claimed again later."""
        self._stopping = True
        self.wake()
        try:
            async with asyncio.timeout(grace):
                await self._ended_all.wait()
        except TimeoutError:
            self._cut_off = True
            for task in self._jobs:
                task.cancel()
            await self._ended_all.wait()

    async def _claim(self) -> bool:
        """Start some jobs, no more than fit into any lane. Whether there may be more that could start now."""
        room, full, now = self._room(), self._full(), asyncio.get_running_loop().time()
        drained = self._drained is not None and self._drained <= full and now - self._asked_at < OVERDUE
        if not room or drained:
            return False
        self._asked_at = now
        self._drained = full  # before the store is asked: whoever wakes us meanwhile may know better
        jobs = await self._world.store.claim(
            self._direction, now=self._world.now(), lease=self._lease, limit=room, pass_over=full
        )
        if self._cut_off:
            return False
        for job in jobs:
            self._start(job)
        if len(jobs) == room:
            self._drained = None
        return len(jobs) == room

    def _room(self) -> int:
        """How many may be claimed at once whoever they are for."""
        lanes = [self._width(lane) - lane.in_flight for lane in self._lanes.values()]
        free = [room for room in lanes if room > 0]
        return min(self._free(), self._width(_Lane()), *free)

    def _free(self) -> int:
        return self._workers - self.in_flight - self._reserved

    def _width(self, lane: _Lane) -> int:
        return 1 if lane.troubled else (self._workers + 1) // 2

    def _full(self) -> frozenset[str]:
        return frozenset(name for name, lane in self._lanes.items() if lane.in_flight >= self._width(lane))

    def _start(self, job: Job) -> None:
        lane = self._lanes.setdefault(job.lane, _Lane())
        lane.in_flight += 1
        task = asyncio.create_task(self._run_one(job, lane))
        self._jobs[task] = job
        task.add_done_callback(self._ended)

    async def _run_one(self, job: Job, lane: _Lane) -> None:
        facts = {"message_id": job.message.message_id}
        try:
            lane.troubled = not await self._work(job, self._world)
        except StoreError as error:
            lane.troubled = True
            log.error("the store failed, the message waits for its lease", extra={**facts, "what": error.what})
        except Exception:
            lane.troubled = True
            log.exception("a failure of our own, the message waits for its lease", extra=facts)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._leave(self._jobs.pop(task).lane)
        self._news.set()

    def _leave(self, name: str) -> None:
        lane = self._lanes[name]
        lane.in_flight -= 1
        if lane == _Lane():
            del self._lanes[name]

    async def _until_news(self) -> None:
        """Until somebody wakes us, a slot is free, or a message is due."""
        if await self._hear(IDLE) or not self._room():
            return
        due = await self._world.store.next_due(self._direction, pass_over=self._full())
        wait = SWEEP if due is None else (due - self._world.now()) / timedelta(seconds=1)
        if not await self._hear(min(SWEEP, max(SHORTEST_WAIT, wait))):
            self._drained = None

    async def _hear(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._news.wait()
        except TimeoutError:
            return False

    async def _renew(self) -> None:
        """Three times in each lease, so that one failure does not lose it."""
        while True:
            await asyncio.sleep(self._lease / 3)
            keys = [job.key for job in self._jobs.values()]
            try:
                if keys:
                    await self._world.store.renew(keys, now=self._world.now(), lease=self._lease)
            except StoreError as error:
                log.error("leases could not be renewed", extra={"what": error.what, "fix": error.fix})
