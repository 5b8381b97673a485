"""What a person does about reports that EDS did not take: have them told again, or give one up for good."""

import logging
from datetime import datetime

from ehmi_ap.errors import NotAllowed, NotFound
from ehmi_ap.flows.explain import quoted
from ehmi_ap.reports import Report, Reports, ReportState

log = logging.getLogger(__name__)

_LIST = "Take one that is waiting or parked: `ehmi-ap eds queue` or GET /api/v1/eds/reports list them."


async def retry(reports: Reports, seq: int | None, *, now: datetime) -> int:
    """Parked ones wait again, all or this one, and what waits is due; how many that were.

    Raises NotFound, NotAllowed (it waits for nothing any more), StoreError.
    """
    found = await reports.reopen(seq, now=now)
    if seq is not None and not found:
        report = await _report(reports, seq)
        raise NotAllowed(f"an event that is {report.state} is not told again", fix=_LIST)
    return found


async def drop(reports: Reports, seq: int, reason: str, *, now: datetime) -> None:
    """EDS is not told this one, ever; `reason` is kept with it. Raises NotFound, NotAllowed, StoreError."""
    dropped = await reports.settle(seq, ReportState.DROPPED, now=now, what=reason)
    report = await _report(reports, seq)
    if not dropped:
        raise NotAllowed(f"an event that is {report.state} cannot be dropped", fix=_LIST)
    facts = {"message_id": report.event.message_id, "kind": report.event.kind.value, "detail": quoted(reason)}
    log.info("a delivery status was dropped, EDS is not told", extra=facts)


async def _report(reports: Reports, seq: int) -> Report:
    report = await reports.get(seq)
    if report is None:
        raise NotFound("there is no event of this number that EDS is told", fix=_LIST)
    return report
