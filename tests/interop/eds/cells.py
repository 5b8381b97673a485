"""What our client of EDS does beside Keycloak and an EDS."""

from collections.abc import Awaitable, Callable

from ehmi_ap.reports import StatusOutcome
from tests.audit_events import ours
from tests.interop.cells import Cell, Way
from tests.interop.eds.scene import Scene
from tests.interop.evidence import equal

CELLS: list[Cell] = []
Run = Callable[[Scene], Awaitable[None]]


def cell(group: str, what: str, expected: str) -> Callable[[Run], Run]:
    """The function below is a cell of that name."""

    def add(run: Run) -> Run:
        CELLS.append(Cell(f"eds-{run.__name__.replace('_', '-')}", group, Way.TELL, what, expected, run))
        return run

    return add


TAKEN = "Events are taken"


@cell(TAKEN, "every event that we make of every envelope at hand", "taken, each once and in order, with a token a pair")
async def envelopes(scene: Scene) -> None:
    before = len(scene.eds.taken)
    events = [event for _, event in ours(scene.data)]
    async with scene.client() as client:
        for event in events:
            answer = await client.report(event)
            assert answer.outcome is StatusOutcome.TAKEN, answer
    equal(scene.eds.taken[before:], events)
