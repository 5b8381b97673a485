"""docs/specifications.md names what exists, and leaves no rule out."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "specifications.md").read_text(encoding="utf-8")
OPERATE = (ROOT / "docs" / "how-to" / "operate.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)((?:::\w+)*)`", PAGE)))
MODULES = [path for path, test in NAMED if not test]
TESTS = [path + test for path, test in NAMED if test]


@pytest.mark.parametrize("path", MODULES)
def test_every_module_exists(path: str) -> None:
    module = ROOT / "ehmi_ap" / path
    assert module.is_file() or (ROOT / path).is_file(), "a file that was renamed? say its new name in the page"


@pytest.mark.parametrize("node", TESTS)
def test_every_test_exists(node: str) -> None:
    path, _, name = node.partition("::")
    assert name.rpartition("::")[2].startswith("test_")
    assert name in names_in(ROOT / "tests" / path), "a test that was renamed? say its new name in the page"


@pytest.mark.parametrize(
    "wanted",
    [
        [f"3.2.{number}" for number in range(1, 9)],
        ["3.3.1", "3.3.2", "3.4.1", "3.4.2", "3.4.3", "3.4.5", "3.4.6", "3.4.7", "3.5", "4.1", "4.2", "4.3", "4.4"],
        [f"G{number:02}" for number in range(1, 57)],
        [f"V-{number}" for number in range(1, 13)],
        ["11a", *map(str, range(1, 45))],
        ["wire 1.1", "wire 1.2", "wire 1.3", "wire 1.4", "wire 2.1", "wire 2.2", "wire 2.3", "wire 2.4"],
        [*(f"wire 3.{number}" for number in range(1, 8)), "wire 4.1", "wire 5.1", "wire 5.2"],
        [*(f"wire 6.{number}" for number in range(1, 5)), "wire 7 retry", "wire 7 pull", "wire 8 split"],
        [f"live S{number}" for number in range(1, 13)],
        [f"live R{number}" for number in range(1, 11)],
    ],
    ids=lambda wanted: f"{wanted[0]} to {wanted[-1]}",
)
def test_no_rule_is_left_out(wanted: list[str]) -> None:
    """Each stands in the first cell of a row."""
    cells = [cell.strip() for cell in re.findall(r"(?m)^\| ([^|]+) \|", PAGE)]
    missing = [
        rule
        for rule in wanted
        if not any(re.search(rf"(?<![\w.]){re.escape(rule)}(?![\w.]\w|\d)", cell) for cell in cells)
    ]
    assert missing == []


def test_a_rule_without_a_test_is_named_among_the_deviations() -> None:
    """`none` stands only where the code's column says that it is not there."""
    rows = re.findall(r"(?m)^\| ([^|]+) \| [^|]+ \| ([^|]+) \| none \|$", PAGE)
    assert rows
    assert [clause for clause, code in rows if not code.startswith("not ")] == []


def test_the_rules_for_a_terminator_are_told() -> None:
    """G18: the deployment guide states 1.15's rules for a TLS terminator in front."""
    told = OPERATE.partition("## Behind a TLS terminator")[2].partition("\n## ")[0]
    for rule in ("TLS 1.2 at least", "forward secrecy", "client certificate", "insecure_http = true", "no compression"):
        assert rule in told


@cache
def names_in(path: Path) -> frozenset[str]:
    """The functions of a file and the methods of its classes, as pytest names them below it."""
    if not path.is_file():
        return frozenset()
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            inner = (each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{node.name}::{each.name}" for each in inner}
    return frozenset(found)
