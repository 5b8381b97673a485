"""Claim what is due and work on it: event-driven, several at a time, fair to all partners.

    wake() or a due time ->  claim a few  ->  one task each  ->  a free slot wakes it again

Rules: a lane is a partner (outbound: its P-Mode) or a backend (inbound). One lane gets half of the slots at most, and
one slot while its last attempt went wrong, so that a slow or dead partner never holds up the others. Leases are renewed
while a task runs; a process that dies lets them run out. A sweep is only the safety net.
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
        lane: Callable[[Job], str],
    ) -> None:
        """`work` does one job and says whether its lane is fine; `lease` is in seconds."""
        self._direction = direction
        self._work = work
        self._world = world
        self._workers = workers
        self._lease = lease
        self._lane = lane
        self._lanes: dict[str, _Lane] = {}
        self._jobs: dict[asyncio.Task[None], Job] = {}
        self._news = asyncio.Event()
        self._stopping = False
        self.trouble: str | None = None

    @property
    def in_flight(self) -> int:
        """How many jobs are being worked on."""
        return len(self._jobs)

    def wake(self) -> None:
        """Something may be due."""
        self._news.set()

    async def run(self) -> None:
        """Until stop()."""
        renewing = asyncio.create_task(self._renew())
        try:
            while not self._stopping:
                self._news.clear()
                try:
                    wait = 0.0 if await self._claim() else await self._until_due()
                    self.trouble = None
                except StoreError as error:
                    self.trouble, wait = error.what, SWEEP
                    log.error("nothing can be claimed", extra={"what": error.what, "fix": error.fix})
                if wait:
                    await self._wait(wait)
            if self._jobs:
                await asyncio.wait(self._jobs)
        finally:
            renewing.cancel()

    async def stop(self, grace: float) -> None:
        """Claim nothing more; give what is in flight `grace` seconds. What is cut off is claimed again later."""
        self._stopping = True
        self.wake()
        if self._jobs:
            await asyncio.wait(self._jobs, timeout=grace)
        left = list(self._jobs)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _claim(self) -> bool:
        """Start some jobs, no more than fit into any lane. Whether there may be more."""
        room = self._room()
        if not room:
            return False
        jobs = await self._world.store.claim(
            self._direction, now=self._world.now(), lease=self._lease, limit=room, pass_over=self._full()
        )
        for job in jobs:
            self._start(job)
        return bool(jobs)

    def _room(self) -> int:
        """How many may be claimed at once whoever they are for."""
        lanes = [self._width(lane) - lane.in_flight for lane in self._lanes.values()]
        free = [room for room in lanes if room > 0]
        return min(self._workers - self.in_flight, self._width(_Lane()), *free)

    def _width(self, lane: _Lane) -> int:
        return 1 if lane.troubled else (self._workers + 1) // 2

    def _full(self) -> list[str]:
        return [name for name, lane in self._lanes.items() if lane.in_flight >= self._width(lane)]

    def _start(self, job: Job) -> None:
        lane = self._lanes.setdefault(self._lane(job), _Lane())
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
        name = self._lane(self._jobs.pop(task))
        lane = self._lanes[name]
        lane.in_flight -= 1
        if lane == _Lane():
            del self._lanes[name]
        self.wake()

    async def _until_due(self) -> float:
        """Seconds until there may be something to claim."""
        if not self._room():
            return SWEEP
        due = await self._world.store.next_due(self._direction, pass_over=self._full())
        if due is None:
            return SWEEP
        return min(SWEEP, max(SHORTEST_WAIT, (due - self._world.now()) / timedelta(seconds=1)))

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass

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
