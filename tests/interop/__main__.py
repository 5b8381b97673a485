"""`make interop`: our access point beside those that others made, live.

    python -m tests.interop [CELL ...] [--keep DIR]

CELL is the id of a cell, or how several begin; without any, all are run, and the pages and build/interop.json are
written. --keep writes what travelled and the logs into DIR. The exit code is 1 when a cell is red. Where something that
a part needs is missing, it says so, and fails only where the environment has CI.
"""

import argparse
import asyncio
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from tests.interop import cells, maven, report, scene
from tests.interop.cells import Cell, Outcome, Stage, Verdict
from tests.interop.dns import cells as dns_cells
from tests.interop.dns import scene as dns_scene
from tests.interop.eds import cells as eds_cells
from tests.interop.eds import scene as eds_scene
from tests.interop.fhir import cells as fhir_cells
from tests.interop.fhir import scene as fhir_scene
from tests.interop.matrix import CELLS
from tests.interop.matrix.terms import ALL
from tests.interop.peer import PeerFailed
from tests.interop.smp import cells as smp_cells
from tests.interop.smp import scene as smp_scene


@dataclass(frozen=True, slots=True)
class Part:
    """Cells that share a scene. `opened` is given an empty folder, and the folder in which to keep things, if any."""

    name: str
    page: report.Page
    cells: Sequence[Cell]
    opened: Callable[[Path, Path | None], AbstractAsyncContextManager[Stage]]


def _phase4(folder: Path, keep: Path | None) -> AbstractAsyncContextManager[Stage]:
    return scene.opened(folder, maven.phase4(), ALL, keep=keep)


PARTS = (
    Part("phase4", report.MATRIX, CELLS, _phase4),
    Part("dns", report.DISCOVERY, dns_cells.CELLS, dns_scene.opened),
    Part("smp", report.DISCOVERY, smp_cells.CELLS, smp_scene.opened),
    Part("fhir", report.STATUS, fhir_cells.CELLS, fhir_scene.opened),
    Part("eds", report.STATUS, eds_cells.CELLS, eds_scene.opened),
)
"""Everything that `make interop` runs. The totals of the JSON are those of the first."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop", description="Live exchanges with other products.")
    parser.add_argument("ids", nargs="*", metavar="CELL", help="the id of a cell, or how several begin")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="an empty folder for what travelled, keys and logs")
    arguments = parser.parse_args()
    known = [cell.id for part in PARTS for cell in part.cells]
    for wanted in arguments.ids:
        if not any(each.startswith(wanted) for each in known):
            parser.error(f"no cell is called {wanted}, or begins so")
    if arguments.keep and arguments.keep.exists() and any(arguments.keep.iterdir()):
        parser.error(f"{arguments.keep} is not empty")
    found = [_part(part, arguments.ids, arguments.keep) for part in PARTS]
    if not arguments.ids:
        _write([outcomes for _, outcomes in found])
    return max(code for code, _ in found)


def _part(part: Part, ids: Sequence[str], keep: Path | None) -> tuple[int, list[Outcome]]:
    """Run a part and say what it found: the exit code, and what became of its cells; none where it was not run."""
    wanted = [cell for cell in part.cells if not ids or cell.id.startswith(tuple(ids))]
    if not wanted:
        return 0, []
    start = time.monotonic()
    try:
        versions, outcomes = asyncio.run(_run(part, wanted, keep))
    except maven.Missing as missing:
        print(f"{part.name}: not run: {missing}")
        return 1 if os.environ.get("CI") else 0, []
    except (maven.BuildFailed, PeerFailed) as failure:
        print(f"{part.name}: {failure}", file=sys.stderr)
        return 1, []
    seconds = round(time.monotonic() - start, 1)
    _show(outcomes, seconds)
    if not ids and part is PARTS[0]:
        report.write_json(outcomes, about={"seconds": seconds, **versions})
    return int(any(outcome.verdict is Verdict.RED for outcome in outcomes)), outcomes


def _write(found: Sequence[Sequence[Outcome]]) -> None:
    """The pages all of whose parts were run."""
    pages = [part.page for part in PARTS]
    for page in dict.fromkeys(pages):
        parts = [outcomes for outcomes, of in zip(found, pages, strict=True) if of is page]
        if all(parts):
            page.write(chain.from_iterable(parts))


async def _run(part: Part, wanted: Sequence[Cell], keep: Path | None) -> tuple[Mapping[str, object], list[Outcome]]:
    """The versions of the peer, and what became of each cell; progress goes to stderr."""
    finished: list[Outcome] = []

    def tell(outcome: Outcome) -> None:
        finished.append(outcome)
        if sys.stderr.isatty():
            print(f"\r{len(finished)} of {len(wanted)}", end="\r", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="ehmi-ap-interop-") as name:
        folder = keep / part.name if keep else Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        with _logging_into(folder / "ours.log"):
            async with part.opened(folder, keep) as stage:
                await cells.run(wanted, stage, told=tell)
                return stage.versions, finished


@contextmanager
def _logging_into(path: Path) -> Iterator[None]:
    """What our access points log goes into a file, not between the lines of the table."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        handler.close()


def _show(outcomes: Sequence[Outcome], seconds: float) -> None:
    for outcome in outcomes:
        if outcome.verdict is Verdict.RED:
            print(f"\n{outcome.cell.id}: expected: {outcome.cell.expected}\n{outcome.why}")
    print(report.table(outcomes))
    print(f"\n{report.told(report.totals(outcome.verdict for outcome in outcomes))}, in {seconds:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
