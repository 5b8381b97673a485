"""`ports.Envelopes` and `reports.Reports` in memory, for the memory store; one contract suite runs over both stores."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ehmi_ap.correlation import KnownEnvelope, Unanswered
from ehmi_ap.envelope import Answer, Envelope, Kind
from ehmi_ap.lifecycle import State
from ehmi_ap.model import DeliveryEvent, Direction, MessageId, Organisation
from ehmi_ap.reports import OPEN, REPORTED, Report, ReportState, Status
from ehmi_ap.store.rules import FEW


@dataclass(slots=True)
class _Kept:
    known: KnownEnvelope
    positive: bool | None
    answers: int | None
    answer_due: datetime | None

    @property
    def answer(self) -> Answer:
        return Answer(self.known.kind, self.known.message_id, self.positive)


class MemoryEnvelopes:
    """What envelopes say of themselves."""

    def __init__(self, write: Callable[[int, DeliveryEvent], None], state: Callable[[int], State]) -> None:
        """`write` adds an event to the message of a key; `state` is that message's."""
        self._write = write
        self._state = state
        self._rows: dict[int, _Kept] = {}

    def add(
        self,
        key: int,
        message_id: MessageId,
        direction: Direction,
        backend: str,
        envelope: Envelope,
        answers: int | None,
    ) -> None:
        known = KnownEnvelope(
            key=key,
            message_id=message_id,
            direction=direction,
            backend=backend,
            kind=envelope.kind,
            sender=envelope.sender.gln,
            receiver=envelope.receiver.gln,
            original=envelope.original,
        )
        due = envelope.answer_due if direction is Direction.OUTBOUND else None
        self._rows[key] = _Kept(known, envelope.positive, answers, due)

    def await_no_receipt(self, key: int) -> None:
        """In none of the envelopes that its message was sent in."""
        answered = self._rows.get(key)
        for row in self._rows.values():
            if answered is not None and (row is answered or _same_message(row.known, answered.known)):
                row.answer_due = None

    def answers(self, key: int) -> MessageId | None:
        """The message that this one answers."""
        row = self._rows.get(key)
        answered = self._rows.get(row.answers) if row is not None and row.answers is not None else None
        return answered.known.message_id if answered is not None else None

    def answered_by(self, key: int) -> tuple[Answer, ...]:
        """What answers it, oldest first."""
        return tuple(row.answer for row in self._rows.values() if row.answers == key)[:FEW]

    def forget(self, key: int) -> None:
        self._rows.pop(key, None)

    async def find(
        self,
        direction: Direction,
        *,
        sender: str,
        receiver: str,
        identifiers: Collection[str],
        messages: Collection[str],
    ) -> Sequence[KnownEnvelope]:
        sent = [known for row in self._rows.values() if (known := row.known).direction is direction]
        found: set[int] = set()
        for identifier in identifiers:
            same = [each.key for each in sent if (each.sender, each.original.identifier) == (sender, identifier)]
            found.update(same[:FEW])
        for message in filter(None, messages):
            wanted = (sender, receiver, message)
            same = [
                each.key for each in sent if (each.sender, each.receiver, each.original.message.identifier) == wanted
            ]
            found.update(same[-FEW:])
        return [replace(each, receipt=self._first_receipt(each.key)) for each in sent if each.key in found]

    async def unanswered(self, *, now: datetime, limit: int) -> Sequence[Unanswered]:
        rows = [
            Unanswered(key=key, message_id=row.known.message_id, state=self._state(key), due=row.answer_due)
            for key, row in self._rows.items()
            if row.answer_due is not None and row.answer_due <= now
        ]
        return sorted(rows, key=lambda row: row.due)[:limit]

    async def tell_unanswered(self, key: int, event: DeliveryEvent | None) -> bool:
        row = self._rows.get(key)
        if row is None or row.answer_due is None:
            return False
        row.answer_due = None
        if event is not None:
            self._write(key, event)
        return True

    def _first_receipt(self, key: int) -> Answer | None:
        receipts = (row for row in self._rows.values() if row.answers == key and row.known.kind is Kind.RECEIPT)
        return next((row.answer for row in receipts), None)


def _same_message(one: KnownEnvelope, other: KnownEnvelope) -> bool:
    """Whether it is one message, sent again to whom it was for."""

    def identity(known: KnownEnvelope) -> tuple[object, ...]:
        return (known.original.message.identifier, known.direction, known.sender, known.receiver)

    return bool(one.original.message.identifier) and identity(one) == identity(other)


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
