"""The suite, its catalogue and the committed page agree."""

import re
from pathlib import Path

from tests.conformance.catalogue import BY_ID, LEVELS, ROWS
from tests.conformance.report import HEADINGS, PAGE

_QUOTED_ID = re.compile(r'"((?:CP|4CT|SBDH|DR|DS)_TA\d\d|G\d\d)"')


def test_every_row_has_a_test_and_is_named_once() -> None:
    tests = [path for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__)]
    shown = {row for path in tests for row in _QUOTED_ID.findall(path.read_text(encoding="utf-8"))}
    assert shown == set(BY_ID)
    assert len(BY_ID) == len(ROWS)
    assert {row.level for row in ROWS} == set(LEVELS)


def test_all_that_needs_no_discovery_is_there() -> None:
    """46 of the Common Profile and 3 of Four Corner."""
    assert {f"CP_TA{number:02}" for number in range(1, 47)} <= set(BY_ID)
    assert {f"4CT_TA{number:02}" for number in range(1, 4)} <= set(BY_ID)


def test_the_page_lists_the_rows_of_the_suite() -> None:
    """Otherwise: pytest tests/conformance --write-conformance"""
    lines = [line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    assert tuple(lines[0]) == HEADINGS
    assert [tuple(line[:3]) for line in lines[2:]] == [(row.id, row.level, row.about) for row in ROWS]
