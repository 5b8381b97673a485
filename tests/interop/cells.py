"""What a matrix is made of, and how it is run.

A cell is one exchange in one direction with everything that is to be found about it. It is green when all of it was
found. Where a peer does something else than the specifications ask, the cell names that `Limit`, and finds exactly
what the peer does instead: it is then explained, and a peer that changes turns it red.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

PATIENCE = 300.0
"""Seconds for one cell; the slowest, 20 MB to a Java that decrypts in quadratic time, takes a good minute."""


class Way(Enum):
    """Who sends."""

    OUT = "us → phase4"
    IN = "phase4 → us"
    CHECK = "us → WSS4J"  # nothing is exchanged: what we make is given to the library alone
    ASK = "us → DNS"
    READ = "us → peppol-commons"
    VERIFY = "us → xmlsec"
    REPORT = "us → HAPI"
    ENROL = "us → Keycloak"
    TELL = "us → EDS"


class Verdict(Enum):
    GREEN = "green"
    EXPLAINED = "explained"
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A documented difference of the peer: its `name`, what the peer does, and where that can be read."""

    name: str
    what: str
    source: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. `run` gets the scene and raises at the first thing that is not as `expected`."""

    name: str
    group: str
    way: Way
    what: str
    expected: str
    run: Callable[[Any], Awaitable[object]]
    limit: Limit | None = None

    @property
    def id(self) -> str:
        """The name, and the direction where there are two."""
        return f"{self.name}-{self.way.name.lower()}" if self.way in (Way.OUT, Way.IN) else self.name

    @property
    def declared(self) -> Verdict:
        """What it is when all of it is found."""
        return Verdict.GREEN if self.limit is None else Verdict.EXPLAINED


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a cell: `why` is the trace of the failure of a red one."""

    cell: Cell
    verdict: Verdict
    why: str = ""


class Stage(Protocol):
    """What cells run on: a scene of their own kind."""

    @property
    def versions(self) -> Mapping[str, object]:
        """Of what is tried, by name."""

    async def begin(self, cell_id: str) -> None:
        """Clear the table before a cell."""

    async def end(self, cell_id: str) -> None:
        """Put away what a cell left."""


async def run(cells: Iterable[Cell], scene: Stage, *, told: Callable[[Outcome], None]) -> None:
    """Run the cells one after the other; `told` hears of each as it ends."""
    for cell in cells:
        told(await _outcome(cell, scene))


async def _outcome(cell: Cell, scene: Stage) -> Outcome:
    try:
        await scene.begin(cell.id)
        try:
            async with asyncio.timeout(PATIENCE):
                await cell.run(scene)
        finally:
            await scene.end(cell.id)
    except Exception:
        return Outcome(cell, Verdict.RED, traceback.format_exc())
    return Outcome(cell, cell.declared)
