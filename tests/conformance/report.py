"""A pytest plugin: the table of assertions after the run, and on request the page docs/reference/conformance.md.

    pytest tests/conformance                       # prints the table
    pytest tests/conformance --write-conformance   # and writes it to the page

What a test shows travels in its report's `user_properties`, so that the table is whole and printed once when several
processes share the tests. The page is written only when every row has been tried in this run.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from tests.conformance.catalogue import BY_ID, LEVELS, ROWS, TRANSPORTS, Row

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "conformance.md"

Results = Mapping[tuple[str, str], set[str]]
"""(row, transport) -> the outcomes of its tests."""

_HEAD = """\
# Conformance

Which assertions hold, as the last run of `pytest tests/conformance --write-conformance` found them. The ids CP, 4CT,
SBDH, DR and DS are those of the European Commission's *eDelivery AS4 profile – Test Assertions* v1.2 (Common Profile,
Four Corner, SBDH, Dynamic Receiver, Dynamic Sender). G rows are rules of eDelivery AS4 1.15 that no assertion covers.

Each row is tried twice, by the same tests: *in-process*, two access points joined in memory, and *http*, the same two
with their listeners on the loopback. Both have real stores, keys and P-Modes (those of the Commission's test that ship
in `pmodes/`), and an interceptor between them records, withholds or alters what passes. The DS rows look R up in a DNS
zone and an SMP of their own, by DNS and HTTP in both columns. Messages that a sender would
never make are made by hand; what is sent is judged by a checker that shares no code with the product. TLS rows are
tried with TLS clients, `–` means that a column does not apply.

Levels: {levels}. *n/t*: the Commission marks the assertion as not testable; what can be seen of it is tried all the same.
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-conformance", action="store_true", help=f"write the table to docs/reference/{PAGE.name}")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "assertion(row, over): shows that a conformance assertion holds")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note on each test which cell of the table it fills; a row that is not in the catalogue is a mistake."""
    for item in items:
        for marker in item.iter_markers("assertion"):
            [row] = marker.args
            if row not in BY_ID:
                raise pytest.UsageError(f"{item.nodeid}: the catalogue has no assertion {row}")
            parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
            transport = marker.kwargs["over"] or parameters.get("transport")
            if transport not in TRANSPORTS:
                raise pytest.UsageError(f"{item.nodeid}: over which of {', '.join(TRANSPORTS)}?")
            item.user_properties.append(("assertion", (row, transport)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    results = _results(report for reports in terminalreporter.stats.values() for report in reports)
    if not results:
        return
    terminalreporter.section("conformance")
    rows = [cells(row, results) for row in ROWS if any((row.id, transport) in results for transport in TRANSPORTS)]
    for line in aligned([HEADINGS, *rows]):
        terminalreporter.write_line(line)
    if config.getoption("write_conformance"):
        missing = sorted({row.id for row in ROWS} - {row[0] for row in rows})
        if missing:
            terminalreporter.write_line(f"not written, since these were not tried: {', '.join(missing)}", red=True)
        else:
            PAGE.write_text(page(results), encoding="utf-8")
            terminalreporter.write_line(f"written: {PAGE}")


HEADINGS = ("id", "level", "about", *TRANSPORTS, "verdict")


def cells(row: Row, results: Results) -> tuple[str, ...]:
    """The row's line of the table."""
    columns = [_word(results.get((row.id, transport), set())) for transport in TRANSPORTS]
    tried = [word for word in columns if word != "–"]
    verdict = next((word for word in ("fails", "skipped") if word in tried), "holds" if tried else "–")
    return (row.id, row.level, row.about, *columns, verdict if row.testable else f"n/t, {verdict}")


def aligned(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """The cells in columns."""
    listed = list(rows)
    widths = [max(len(row[column]) for row in listed) for column in range(len(HEADINGS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in listed]


def page(results: Results) -> str:
    """docs/reference/conformance.md."""
    levels = ", ".join(f"{letter} {word}" for letter, word in LEVELS.items())
    lines = [HEADINGS, tuple("-" * len(heading) for heading in HEADINGS), *(cells(row, results) for row in ROWS)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{_HEAD.format(levels=levels)}\n{table}\n"


def _word(outcomes: set[str]) -> str:
    for outcome, word in (("failed", "fails"), ("skipped", "skipped"), ("passed", "holds")):
        if outcome in outcomes:
            return word
    return "–"


def _results(reports: Iterable[object]) -> dict[tuple[str, str], set[str]]:
    """Outcomes by cell; a test whose set-up or tear-down fails has failed."""
    results: dict[tuple[str, str], set[str]] = {}
    for report in reports:
        if not isinstance(report, pytest.TestReport) or (report.when != "call" and report.outcome == "passed"):
            continue
        for name, value in report.user_properties:
            if name == "assertion":
                row, transport = value  # type: ignore[misc]
                results.setdefault((row, transport), set()).add(report.outcome)
    return results
