"""`ports.Envelopes` and `reports.Reports` in memory, for the memory store; one contract suite runs over both stores."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ehmi_ap.envelope import Envelope
from ehmi_ap.model import DeliveryEvent, Direction, MessageId, Organisation
from ehmi_ap.ports import KnownEnvelope, Unanswered
from ehmi_ap.reports import OPEN, REPORTED, Report, ReportState, Status


@dataclass(slots=True)
class _Kept:
    known: KnownEnvelope
    answer_due: datetime | None


class MemoryEnvelopes:
    """What envelopes say of themselves."""

    def __init__(self, write: Callable[[int, DeliveryEvent], None]) -> None:
        """`write` adds an event to the message of a key."""
        self._write = write
        self._rows: dict[int, _Kept] = {}

    def add(self, key: int, message_id: MessageId, direction: Direction, backend: str, envelope: Envelope) -> None:
        known = KnownEnvelope(
            key=key,
            message_id=message_id,
            direction=direction,
            backend=backend,
            sender=envelope.sender.gln,
            receiver=envelope.receiver.gln,
            original=envelope.original,
        )
        self._rows[key] = _Kept(known, envelope.answer_due if direction is Direction.OUTBOUND else None)

    def await_no_answer(self, key: int) -> bool:
        """Whether one was awaited."""
        row = self._rows.get(key)
        if row is None or row.answer_due is None:
            return False
        row.answer_due = None
        return True

    def forget(self, key: int) -> None:
        self._rows.pop(key, None)

    async def find(
        self, direction: Direction, *, identifiers: Collection[str] = (), messages: Collection[str] = ()
    ) -> Sequence[KnownEnvelope]:
        rows = (row.known for row in self._rows.values() if row.known.direction is direction)
        return [
            known
            for known in rows
            if known.original.identifier in identifiers
            or (known.original.message.identifier and known.original.message.identifier in messages)
        ]

    async def unanswered(self, *, now: datetime, limit: int) -> Sequence[Unanswered]:
        rows = [
            Unanswered(key=key, message_id=row.known.message_id, backend=row.known.backend, due=row.answer_due)
            for key, row in self._rows.items()
            if row.answer_due is not None and row.answer_due <= now
        ]
        return sorted(rows, key=lambda row: row.due)[:limit]

    async def tell_unanswered(self, key: int, event: DeliveryEvent) -> bool:
        if not self.await_no_answer(key):
            return False
        self._write(key, event)
        return True


@dataclass(slots=True)
class _Waiting:
    report: Report
    held: datetime | None = None


class MemoryReports:
    """What EDS is told."""

    def __init__(self) -> None:
        self._status: dict[int, Status] = {}
        self._rows: dict[int, _Waiting] = {}

    def expect(self, key: int, status: Status) -> None:
        """The events of this message are told."""
        self._status[key] = status

    def add(self, key: int, event: DeliveryEvent) -> None:
        status = self._status.get(key)
        if status is not None and event.kind in REPORTED:
            self._rows[event.seq] = _Waiting(
                Report(
                    key=key,
                    event=event,
                    organisation=status.organisation,
                    state=ReportState.WAITING,
                    tries=0,
                    changed_at=event.at,
                )
            )

    def forget(self, key: int) -> None:
        self._status.pop(key, None)
        self._rows = {seq: row for seq, row in self._rows.items() if row.report.key != key}

    def forget_facts(self, payloads_kept: Callable[[int], bool]) -> None:
        """Of messages whose payloads are gone, unless EDS has yet to be told."""
        waiting = {row.report.key for row in self._rows.values() if row.report.state in OPEN}
        for key in list(self._status):
            if key not in waiting and not payloads_kept(key):
                del self._status[key]

    async def organisations(self) -> Sequence[Organisation]:
        found = {row.report.organisation for row in self._waiting()}
        return sorted(found, key=lambda each: (each.sor, each.gln))

    async def claim(self, organisation: Organisation, *, now: datetime, lease: float, limit: int) -> Sequence[Report]:
        claimed: list[Report] = []
        passed: set[int] = set()  # messages of which an earlier one waits elsewhere
        for row in self._waiting():
            if row.report.organisation != organisation or len(claimed) == limit:
                continue
            if row.held is not None and row.held > now:
                passed.add(row.report.key)
            elif row.report.key not in passed:
                row.held = now + timedelta(seconds=lease)
                status = self._status.get(row.report.key)
                claimed.append(replace(row.report, facts=status.facts if status is not None else None))
        return claimed

    async def hold(
        self, seqs: Collection[int], *, until: datetime, what: str = "", fix: str = "", counts: bool = False
    ) -> None:
        for row in self._waiting():
            report = row.report
            if report.event.seq in seqs:
                said = (what, fix) if what else (report.what, report.fix)
                row.held = until
                row.report = replace(report, tries=report.tries + counts, what=said[0], fix=said[1])

    async def settle(
        self,
        seq: int,
        state: ReportState,
        *,
        now: datetime,
        what: str = "",
        fix: str = "",
        reference: str | None = None,
    ) -> bool:
        row = self._rows.get(seq)
        if row is None or row.report.state not in OPEN:
            return False
        row.report = replace(row.report, state=state, changed_at=now, what=what, fix=fix, reference=reference)
        return True

    async def reopen(self, seq: int | None = None, *, now: datetime) -> int:
        rows = [row for row in self._rows.values() if row.report.state in OPEN and seq in (None, row.report.event.seq)]
        for row in rows:
            changed_at = now if row.report.state is ReportState.PARKED else row.report.changed_at
            row.held = None
            row.report = replace(row.report, state=ReportState.WAITING, changed_at=changed_at, tries=0)
        return len(rows)

    async def expire(self, *, before: datetime, now: datetime, what: str) -> int:
        old = [row for row in self._rows.values() if row.report.state in OPEN and row.report.event.at < before]
        for row in old:
            row.report = replace(row.report, state=ReportState.DROPPED, changed_at=now, what=what, fix="")
        return len(old)

    async def find(
        self,
        *,
        states: Collection[ReportState] = (),
        message_id: MessageId | None = None,
        after: int = 0,
        limit: int = 50,
    ) -> Sequence[Report]:
        reports = (row.report for seq, row in self._rows.items() if seq > after)
        fitting = (report for report in reports if not states or report.state in states)
        return [report for report in fitting if message_id in (None, report.event.message_id)][:limit]

    async def get(self, seq: int) -> Report | None:
        row = self._rows.get(seq)
        return row.report if row is not None else None

    async def counts(self) -> Mapping[ReportState, int]:
        return Counter(row.report.state for row in self._rows.values() if row.report.state in OPEN)

    def _waiting(self) -> list[_Waiting]:
        return [row for row in self._rows.values() if row.report.state is ReportState.WAITING]
