"""How a cell is written here, and what the cells have in common."""

from collections.abc import Awaitable, Callable

from ehmi_ap.reports import StatusAnswer, StatusOutcome
from tests.interop.cells import Cell, Limit, Way
from tests.interop.eds.scene import Scene

Run = Callable[[Scene], Awaitable[None]]

TOKEN = ("token", 200)
TAKEN = ("AuditEvent", 201)
UNAUTHORIZED = ("AuditEvent", 401)


def adding(cells: list[Cell], group: str, way: Way = Way.TELL) -> Callable[..., Callable[[Run], Run]]:
    """A decorator that makes a cell of a function, and adds it to `cells`."""

    def cell(what: str, expected: str, limit: Limit | None = None) -> Callable[[Run], Run]:
        def add(run: Run) -> Run:
            cells.append(Cell(f"eds-{run.__name__.replace('_', '-')}", group, way, what, expected, run, limit))
            return run

        return add

    return cell


def is_taken(answer: StatusAnswer) -> None:
    assert answer.outcome is StatusOutcome.TAKEN, answer


def is_later(answer: StatusAnswer, *words: str) -> None:
    _is(StatusOutcome.LATER, answer, words)


def is_ours_to_mend(answer: StatusAnswer, *words: str) -> None:
    _is(StatusOutcome.MISCONFIGURED, answer, words)


def is_refused(answer: StatusAnswer, *words: str) -> None:
    _is(StatusOutcome.REFUSED, answer, words)


def _is(outcome: StatusOutcome, answer: StatusAnswer, words: tuple[str, ...]) -> None:
    """With all of these words in what is told, and something to do."""
    assert answer.outcome is outcome, answer
    assert answer.fix, answer
    assert all(word in answer.what for word in words), answer
