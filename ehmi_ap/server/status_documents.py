"""The JSON of the REST about what EDS is told; see documents.py."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from ehmi_ap import reports
from ehmi_ap.flows.explain import quoted
from ehmi_ap.model import Direction, EventKind, Organisation
from ehmi_ap.reports import ReportState

_CONTROLS = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
ONE_LINE = rf"^[^\s{_CONTROLS}][^{_CONTROLS}]*$"
"""As JSON Schema has it: something, without control characters."""
LONGEST_REASON = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An event that EDS is told on behalf of `organisation`, and what became of that; `seq` is the event's.

    `what` and `fix` are of the last try, `tries` counts those that failed while EDS took others. `what` of a
    dropped one is why it was. `reference` is where EDS keeps it.
    """

    seq: int
    message_id: str
    direction: Direction
    kind: EventKind
    failed: bool
    at: datetime
    organisation: Organisation
    state: ReportState
    tries: int
    what: str
    fix: str
    reference: str | None
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPage:
    """A page of reports; `next` is the cursor of the page after it, null on the last."""

    reports: tuple[Report, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """How many reports wait now, and are told at once."""

    retried: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Why a report is given up, for who looks at it later: one line."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(max_length=LONGEST_REASON, pattern=ONE_LINE)]


def report_document(report: reports.Report) -> Report:
    event = report.event
    return Report(
        seq=event.seq,
        message_id=event.message_id,
        direction=event.direction,
        kind=event.kind,
        failed=event.failed,
        at=event.at,
        organisation=Organisation(quoted(report.organisation.sor), quoted(report.organisation.gln)),
        state=report.state,
        tries=report.tries,
        what=report.what,
        fix=report.fix,
        reference=report.reference,
        changed_at=report.changed_at,
    )
