"""What an access point does by itself, beside sending and delivering: it tells backends and EDS, and keeps house.

Each part runs until it is stopped; one that fails is started again a little later, and health names it meanwhile.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from ehmi_ap.errors import StoreError
from ehmi_ap.flows.bell import Bell
from ehmi_ap.flows.overdue import tell_overdue
from ehmi_ap.flows.report import report, skip_the_deaf
from ehmi_ap.flows.status import StatusReporting
from ehmi_ap.flows.upkeep import Retention, upkeep
from ehmi_ap.flows.world import World

log = logging.getLogger(__name__)

SWEEP = 5.0
"""Seconds between looks for events that another process wrote."""
GATHER = 0.05
"""Seconds in which events come together before they are told."""
AGAIN = 5.0
"""Seconds before something that failed is started again."""
OVERDUE = 60.0
"""Seconds between looks for envelope receipts that are overdue."""
UPKEEP = 3600.0
"""Seconds between purges."""


class Background:
    """The parts that run between begin() and stop(); `trouble` names those that failed a moment ago."""

    def __init__(self, world: World, bell: Bell, retention: Retention, status: StatusReporting | None) -> None:
        """`bell` rings when there may be new events; `status` None: EDS is told nothing."""
        self._world = world
        self._bell = bell
        self._retention = retention
        self._status = status
        self._broken: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def untold(self) -> tuple[str, ...]:
        """Why EDS is not told something now. Messages pass all the same."""
        return self._status.trouble if self._status is not None else ()

    @property
    def trouble(self) -> tuple[str, ...]:
        """For health."""
        return tuple(self._broken.values())

    def begin(self, others: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
        """Start the parts of this file, and `others` by their names."""
        parts = {
            "reporting": self._report,
            "delivery status": self._report_status,
            "envelope receipts": self._watch_receipts,
            "upkeep": self._upkeep,
            **others,
        }
        self._tasks = [asyncio.create_task(self._keep_running(what, run)) for what, run in parts.items()]

    async def stop(self) -> None:
        """End what runs, wherever it is: all of it can be begun again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def retry_status(self) -> None:
        """EDS is asked again at once."""
        if self._status is not None:
            self._status.open()
        self._bell.ring()

    async def _keep_running(self, what: str, run: Callable[[], Awaitable[None]]) -> None:
        """Until it ends by itself; a failure is logged, and it is started again."""
        while True:
            try:
                return await run()
            except Exception as error:
                self._broken[what] = f"{what}: a failure of our own ({type(error).__name__}); see the log"
                log.exception("a failure in the background", extra={"part": what})
                await asyncio.sleep(AGAIN)
                del self._broken[what]

    async def _report(self) -> None:
        """Tell the backends their events, at every ring; one that did not take all is asked again a little later."""
        while True:
            heard = self._bell.listen()
            try:
                everything = await report(self._world)
            except StoreError as error:
                log.error("events could not be told", extra={"what": error.what, "fix": error.fix})
                everything = False
            await asyncio.sleep(GATHER if everything else AGAIN)
            await heard(SWEEP)

    async def _report_status(self) -> None:
        """Tell EDS, at every ring, and now and then what it did not take."""
        if self._status is None:
            return
        while True:
            heard = self._bell.listen()
            try:
                more = await self._status.round()
            except StoreError as error:
                log.error("delivery status could not be told", extra={"what": error.what, "fix": error.fix})
                more = False
            await asyncio.sleep(GATHER)
            if not more:
                await heard(SWEEP)

    async def _watch_receipts(self) -> None:
        while True:
            while await tell_overdue(self._world):
                self._bell.ring()
            await asyncio.sleep(OVERDUE)

    async def _upkeep(self) -> None:
        while True:
            await upkeep(self._world, self._retention)
            await skip_the_deaf(self._world)
            await asyncio.sleep(UPKEEP)
