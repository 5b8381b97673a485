"""What the runs found: a table for the terminal, the page docs/reference/interop.md, and build/interop.json.

The page holds nothing that differs from run to run, so that it can be compared: with every cell as it is declared it
is what the repository has (tests/interop/test_report.py), and a run that finds the same writes the same.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from tests.interop.cells import Cell, Limit, Outcome, Verdict

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "interop.md"
JSON = ROOT / "build" / "interop.json"

PHASE4, WSS4J = "4.4.1", "4.0.1"
"""The versions that the page speaks of; a peer of another version is not asked (`scene.opened`)."""

_HEAD = """\
# Interoperability

<!-- Written by `make interop`. Change the cells in tests/interop, and run it. -->

What `make interop` found when it ran our access point beside [phase4](https://github.com/phax/phase4) {phase4}, a Java
AS4 library with WSS4J {wss4j}: real listeners, stores and keys on both sides, on the loopback, with a relay between them
that keeps what travels and makes the faults. It builds phase4's side with Maven and needs Java 17 or newer. One
cell, or all whose ids begin alike: `python -m tests.interop payloads --keep DIR`, which also keeps what travelled.

{total}

A cell that has to succeed is green when all of this was found: the payloads are the same by SHA-256 and in number, order
and type; parties, service, action, agreement and all properties with their types are the same; the receipt proves the
message by the sender's own code; and an [independent checker](../../tests/independent.py) finds the same on the
wire. Our messages, receipts and errors are given to WSS4J as well, without phase4. A cell with a fault is green when
it was noticed by whom it has to be, with the code and words that are told, and when nothing was lost or delivered twice.

*Explained* means that phase4 does something else than it should, which is documented; the cell found exactly that, so
that a change would make it red.

## What phase4 does otherwise

Files are those of the release {phase4}, below `phase4-lib/src/main/java/com/helger/phase4`, unless another is named.

| name | what | source |
|---|---|---|
{limits}
"""


def totals(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """How many cells there are, and of each verdict."""
    found = list(verdicts)
    return {"cells": len(found), **{each.value: found.count(each) for each in Verdict}}


def told(numbers: Mapping[str, int]) -> str:
    """The totals as a line."""
    return "{cells} cells: {green} green, {explained} explained, {red} red".format(**numbers)


def table(outcomes: Sequence[Outcome]) -> str:
    """Every cell as a line of columns, below its group."""
    rows = [(each.cell.id, each.cell.way.value, _found(each.cell, each.verdict), each.cell.what) for each in outcomes]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = []
    for group, items in groupby(zip(outcomes, rows, strict=True), key=lambda item: item[0].cell.group):
        lines += ["", group]
        lines += [
            "  " + "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[3]]) for _, row in items
        ]
    return "\n".join(lines)


def page(verdicts: Mapping[Cell, Verdict]) -> str:
    """The whole page: a section for each group, in the order of the cells."""
    limits = dict.fromkeys(cell.limit for cell in verdicts if cell.limit is not None)
    head = _HEAD.format(
        phase4=PHASE4,
        wss4j=WSS4J,
        total=f"**{told(totals(verdicts.values()))}.**",
        limits="\n".join(_limit(limit) for limit in limits),
    )
    return head + "".join(
        _section(group, list(cells), verdicts) for group, cells in groupby(verdicts, lambda c: c.group)
    )


def _limit(limit: Limit) -> str:
    return f"| {limit.name} | {limit.what} | {limit.source} |"


def _section(group: str, cells: Sequence[Cell], verdicts: Mapping[Cell, Verdict]) -> str:
    rows = "\n".join(
        f"| `{cell.id}` | {cell.way.value} | {cell.what} | {cell.expected} | {_found(cell, verdicts[cell])} |"
        for cell in cells
    )
    return f"\n## {group}\n\n| cell | | what | expected | found |\n|---|---|---|---|---|\n{rows}\n"


def _found(cell: Cell, verdict: Verdict) -> str:
    if verdict is Verdict.EXPLAINED and cell.limit is not None:
        return f"explained: {cell.limit.name}"
    return verdict.value


def write(outcomes: Sequence[Outcome], *, about: Mapping[str, object]) -> None:
    """Write the page and the JSON; `about` are facts on the run."""
    PAGE.write_text(page({each.cell: each.verdict for each in outcomes}), encoding="utf-8")
    JSON.parent.mkdir(exist_ok=True)
    numbers = totals(each.verdict for each in outcomes)
    verdicts = {each.cell.id: each.verdict.value for each in outcomes}
    JSON.write_text(json.dumps({**numbers, **about, "verdicts": verdicts}, indent=2) + "\n", encoding="utf-8")
