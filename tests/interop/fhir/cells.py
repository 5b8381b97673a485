"""What is reported: official examples and mutants, which show that the judge judges, and all that we make."""

from collections.abc import Awaitable, Callable, Iterable

from tests.audit_events import BAD, GOOD, Json, mutant, official, ours
from tests.interop.cells import Cell, Way
from tests.interop.evidence import equal
from tests.interop.fhir.scene import Scene

CELLS: list[Cell] = []
GROUP = "AuditEvents before HAPI"

Run = Callable[[Scene], Awaitable[None]]


def cell(what: str, expected: str) -> Callable[[Run], Run]:
    """The function below is a cell of that name."""

    def add(run: Run) -> Run:
        CELLS.append(Cell(f"fhir-{run.__name__}", GROUP, Way.REPORT, what, expected, run))
        return run

    return add


@cell("the 34 official examples", "201 for each")
async def examples(scene: Scene) -> None:
    found = official(scene.data)
    equal(len(found), 34)
    await _all_taken(scene, found.items())


@cell("each forbidden change of an official example", "422 or 400")
async def broken(scene: Scene) -> None:
    taken = [name for name, change in BAD.items() if (await scene.report(mutant(scene.data, change)))[0] == 201]
    equal(taken, [])


@cell("each permitted change of an official example", "201")
async def changed(scene: Scene) -> None:
    await _all_taken(scene, ((name, mutant(scene.data, change)) for name, change in GOOD.items()))


@cell("every event that we make of every envelope at hand", "201 for each")
async def envelopes(scene: Scene) -> None:
    await _all_taken(scene, ours(scene.data))


async def _all_taken(scene: Scene, events: Iterable[tuple[str, Json]]) -> None:
    refused = {name: said for name, event in events if (said := await scene.report(event))[0] != 201}
    equal(refused, {})
