"""A cell is green, explained or red; and the matrix is what its page says."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

from tests.interop import cells, report
from tests.interop.__main__ import PARTS, Part
from tests.interop.cells import Cell, Limit, Outcome, Verdict, Way
from tests.interop.eds import cells as eds_cells
from tests.interop.eds import limits as eds_limits
from tests.interop.matrix import CELLS, limits
from tests.interop.smp import cells as smp_cells
from tests.interop.smp import limits as smp_limits

LIMIT = Limit(name="limit", what="it does otherwise", source="its manual")


class Table:
    """A stage that writes down what happens on it."""

    versions: ClassVar[Mapping[str, object]] = {}

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def begin(self, cell_id: str) -> None:
        self.seen.append(f"begin {cell_id}")

    async def end(self, cell_id: str) -> None:
        self.seen.append(f"end {cell_id}")


async def right(table: Table) -> None:
    table.seen.append("ran")


async def wrong(table: Table) -> None:
    raise AssertionError("not as expected")


def cell(run: Callable[..., Awaitable[None]] = right, limit: Limit | None = None, way: Way = Way.OUT) -> Cell:
    return Cell("name", "group", way, "what", "expected", run, limit)


async def verdicts(*given: Cell) -> tuple[list[Outcome], Table]:
    told: list[Outcome] = []
    table = Table()
    await cells.run(given, table, told=told.append)
    return told, table


async def test_what_is_found_is_green_or_explained() -> None:
    told, table = await verdicts(cell(), cell(limit=LIMIT, way=Way.IN))
    assert [each.verdict for each in told] == [Verdict.GREEN, Verdict.EXPLAINED]
    assert table.seen == ["begin name-out", "ran", "end name-out", "begin name-in", "ran", "end name-in"]


async def test_what_is_not_found_is_red_even_where_a_limit_is_named_and_the_next_cell_runs() -> None:
    told, table = await verdicts(cell(wrong), cell(wrong, LIMIT), cell())
    assert [each.verdict for each in told] == [Verdict.RED, Verdict.RED, Verdict.GREEN]
    assert "not as expected" in told[0].why
    assert table.seen.count("end name-out") == 3


async def test_a_cell_that_hangs_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "PATIENCE", 0)

    async def hang(_: Table) -> None:
        await asyncio.Event().wait()

    told, _ = await verdicts(cell(hang))
    assert told[0].verdict is Verdict.RED


def test_the_matrix_has_cells_enough_and_each_once() -> None:
    assert len(CELLS) >= 80
    every = [each for part in PARTS for each in part.cells]
    assert len({each.id for each in every}) == len(every)
    assert all(each.what and each.expected for each in every)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_cells_of_a_group_stand_together(part: Part) -> None:
    groups = [each.group for each in part.cells]
    assert groups == sorted(groups, key=groups.index)


@pytest.mark.parametrize(
    ("given", "limits"),
    [(CELLS, limits), (smp_cells.CELLS, smp_limits), (eds_cells.CELLS, eds_limits)],
    ids=["phase4", "smp", "eds"],
)
def test_every_limit_says_what_and_where_and_explains_a_cell(given: Sequence[Cell], limits: ModuleType) -> None:
    known = {value.name: value for value in vars(limits).values() if isinstance(value, Limit)}
    used = {each.limit.name: each.limit for each in given if each.limit is not None}
    assert used == known
    assert all(limit.what and limit.source for limit in known.values())


def test_the_pages_are_those_of_the_cells_with_none_red() -> None:
    """Otherwise: make interop"""
    for page in {part.page for part in PARTS}:
        cells = [each for part in PARTS if part.page is page for each in part.cells]
        assert page.path.read_text(encoding="utf-8") == page.text({each: each.declared for each in cells})


def test_a_red_cell_shows() -> None:
    found = {cell(): Verdict.RED, replace(cell(), name="other"): Verdict.GREEN, cell(limit=LIMIT): Verdict.EXPLAINED}
    page = report.MATRIX.text(found)
    assert "**3 cells: 1 green, 1 explained, 1 red.**" in page
    assert "| `name-out` | us → phase4 | what | expected | red |" in page
    assert "| limit | it does otherwise | its manual |" in page
    table = report.table([Outcome(each, verdict) for each, verdict in found.items()])
    assert [line.split()[4] for line in table.splitlines()[2:]] == ["red", "green", "explained:"]


def test_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "JSON", tmp_path / "build" / "interop.json")
    report.write_json(
        [Outcome(cell(), Verdict.GREEN), Outcome(cell(way=Way.IN), Verdict.RED, "why")], about={"java": "25"}
    )
    written = json.loads(report.JSON.read_text())
    assert {key: written[key] for key in ("cells", "green", "explained", "red", "java")} == {
        "cells": 2,
        "green": 1,
        "explained": 0,
        "red": 1,
        "java": "25",
    }
    assert written["verdicts"] == {"name-out": "green", "name-in": "red"}
