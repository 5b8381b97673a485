"""What the runs found: a table for the terminal, pages of docs/reference, and build/interop.json.

A page holds nothing that differs from run to run, so that it can be compared: with every cell as it is declared it
is what the repository has (tests/interop/test_cells.py), and a run that finds the same writes the same.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tests.interop.cells import Cell, Limit, Outcome, Verdict

ROOT = Path(__file__).resolve().parents[2]
JSON = ROOT / "build" / "interop.json"

PHASE4, WSS4J = "4.4.1", "4.0.1"
"""The versions that the page speaks of; a peer of another version is not asked (`scene.opened`)."""
PEPPOL = "12.4.0"
"""That of peppol-commons, likewise (`smp.reader.running`)."""
KEYCLOAK = "26.7.3"
"""That of Keycloak, likewise (`eds.scene.opened`)."""
HAPI = "8.8.0"
"""That of HAPI FHIR, likewise (`fhir.scene.opened`)."""

_MATRIX = f"""\
# Interoperability

<!-- Written by `make interop`. Change the cells in tests/interop, and run it. -->

What `make interop` found when it ran our access point beside [phase4](https://github.com/phax/phase4) {PHASE4}, a Java
AS4 library with WSS4J {WSS4J}: real listeners, stores and keys on both sides, on the loopback, with a relay between them
that keeps what travels and makes the faults. It builds phase4's side with Maven and needs Java 17 or newer. One
cell, or all whose ids begin alike: `python -m tests.interop payloads --keep DIR`, which also keeps what travelled.
How receivers are found is tried as well: [SMP and DNS](interop-discovery.md).

{{total}}

A cell that has to succeed is green when all of this was found: the payloads are the same by SHA-256 and in number, order
and type; parties, service, action, agreement and all properties with their types are the same; the receipt proves the
message by the sender's own code; and an [independent checker](../../tests/independent.py) finds the same on the
wire. Our messages, receipts and errors are given to WSS4J as well, without phase4. A cell with a fault is green when
it was noticed by whom it has to be, with the code and words that are told, and when nothing was lost or delivered twice.

*Explained* means that phase4 does something else than it should, which is documented; the cell found exactly that, so
that a change would make it red.

## What phase4 does otherwise

Files are those of the release {PHASE4}, below `phase4-lib/src/main/java/com/helger/phase4`, unless another is named.

| name | what | source |
|---|---|---|
{{limits}}
"""

_DISCOVERY = f"""\
# Interoperability of look-ups

<!-- Written by `make interop`. Change the cells in tests/interop/dns and tests/interop/smp, and run it. -->

What `make interop` found when it looked receivers up on DNS servers that others made, and let others read what our small
SMP publishes. Both are tried so that our parts are not consistent with themselves alone:

- Our look-ups ask unbound, which validates and asks bind9, which has authority over a zone that is signed.
- Our SMP, over mutual TLS, and our DNS server are asked by the clients of
  [peppol-commons](https://github.com/phax/peppol-commons) {PEPPOL}, a Java library that much of Peppol looks receivers up
  with. They check the signature against our CA, and each document against its XML schema. libxmlsec, which is another
  implementation of XML signatures, verifies the same documents.

One cell, or all whose ids begin alike: `python -m tests.interop smp-redirected`. Java 17 or newer, Maven, and Debian's
bind9, bind9-utils and unbound are needed.

{{total}}

A cell is green when exactly what is expected was found. *Explained* means that peppol-commons does something else than it
should, which its source shows; the cell found exactly that, so that a change would make it red.

## What peppol-commons does otherwise

Files are those of the release {PEPPOL}, below `com/helger`, unless another is named.

| name | what | source |
|---|---|---|
{{limits}}
"""

_STATUS = f"""\
# Interoperability of delivery status

<!-- Written by `make interop`. Change the cells in tests/interop/fhir and tests/interop/eds, and run it. -->

What `make interop` found when it put AuditEvents before the validator of [HAPI FHIR](https://github.com/hapifhir/hapi-fhir)
{HAPI} with the compiled profiles of EDS, and when our client reported them to an EDS. That the validator sees what is
wrong is shown by mutants of an official example.

The EDS is a program of ours over that validator, as EDS itself is a HAPI server. It wants a client certificate, and a
token for the organisation and the device of the event that is bound to that certificate. The tokens are those of
[Keycloak](https://www.keycloak.org) {KEYCLOAK}, whose realm is made of what `ehmi-ap eds enrolment` prints for a certificate
with the subject of an OCES system certificate.

Profiles, examples and envelopes are not in the repository; without them, or without Java 17 and Maven, these parts are not
run. What is reported, and why so: [delivery status](../explanation/delivery-status.md).

{{total}}

A cell is green when exactly what is expected was found. *Explained* means that something else is found than would be best,
for a reason that the table has; the cell found exactly that, so that a change would make it red.

## What is otherwise

| name | what | source |
|---|---|---|
{{limits}}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of the documentation: its file, and what stands before the cells, with places for total and limits."""

    path: Path
    head: str

    def text(self, verdicts: Mapping[Cell, Verdict]) -> str:
        """The whole page: a section for each group, in the order of the cells."""
        limits = dict.fromkeys(cell.limit for cell in verdicts if cell.limit is not None)
        head = self.head.format(
            total=f"**{told(totals(verdicts.values()))}.**", limits="\n".join(_limit(limit) for limit in limits)
        )
        return head + "".join(
            _section(group, list(cells), verdicts) for group, cells in groupby(verdicts, lambda c: c.group)
        )

    def write(self, outcomes: Iterable[Outcome]) -> None:
        """Write the file."""
        self.path.write_text(self.text({each.cell: each.verdict for each in outcomes}), encoding="utf-8")


MATRIX = Page(path=ROOT / "docs" / "reference" / "interop.md", head=_MATRIX)
DISCOVERY = Page(path=ROOT / "docs" / "reference" / "interop-discovery.md", head=_DISCOVERY)
STATUS = Page(path=ROOT / "docs" / "reference" / "interop-status.md", head=_STATUS)


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


def write_json(outcomes: Sequence[Outcome], *, about: Mapping[str, object]) -> None:
    """Write build/interop.json; `about` are facts on the run."""
    JSON.parent.mkdir(exist_ok=True)
    numbers = totals(each.verdict for each in outcomes)
    verdicts = {each.cell.id: each.verdict.value for each in outcomes}
    JSON.write_text(json.dumps({**numbers, **about, "verdicts": verdicts}, indent=2) + "\n", encoding="utf-8")
