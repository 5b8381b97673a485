"""`ports.Store` and `ports.Blobs` in memory: for embedding and for tests. Gone with the process, otherwise the same.

Both stores pass tests/contract/test_store.py. All of it runs in one event loop, without an await, so that every
method is a transaction as it is.
"""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush

from ehmi_ap.body import Body, MemoryBody, MemorySpool, Spool, read_all
from ehmi_ap.correlation import Enveloped, Envelopes
from ehmi_ap.envelope import Kind
from ehmi_ap.errors import StoreError, SubmissionConflict
from ehmi_ap.lifecycle import Happening, State
from ehmi_ap.model import DeliveryEvent, Direction, MessageId, PartyId, Signed, UserMessage, Wire
from ehmi_ap.ports import Job, Kept, Query, Sent, Stored, found_lane, party_key
from ehmi_ap.reports import Reports
from ehmi_ap.store.memory_reports import MemoryEnvelopes, MemoryReports
from ehmi_ap.store.rows import Row, forget_payloads, job_of, matches, stored_of
from ehmi_ap.store.rules import CLAIM, FAILED, FINAL, HELD, backend_of, direction_of, lane_of, next_state


class MemoryBlobs:
    """`ports.Blobs` in memory, whatever the size."""

    def spool(self, *, kept: bool = True, read_soon: bool = True) -> Spool:  # noqa: ARG002 (the port's)
        return MemorySpool()

    def owns(self, body: Body) -> bool:
        return body.resident


_Identity = tuple[Direction, MessageId, str]


@dataclass(slots=True)
class _Tables:
    rows: dict[int, Row] = field(default_factory=dict)
    by_identity: dict[_Identity, Row] = field(default_factory=dict)
    queue: dict[Direction, list[tuple[datetime, int]]] = field(default_factory=lambda: {d: [] for d in Direction})
    events: dict[int, DeliveryEvent] = field(default_factory=dict)
    strays: set[int] = field(default_factory=set)  # events of no message
    untold: dict[str, dict[int, DeliveryEvent]] = field(default_factory=dict)


class MemoryStore:
    """The store of one process's life."""

    def __init__(self) -> None:
        self._tables: _Tables | None = _Tables()
        self._last_key = 0
        self._last_seq = 0
        self._reports = MemoryReports()
        self._envelopes = MemoryEnvelopes(self._add_event_of, lambda key: self._open.rows[key].state)
        self.reports: Reports = self._reports
        self.envelopes: Envelopes = self._envelopes

    async def accept(
        self,
        message: UserMessage,
        *,
        pmode: str,
        backend: str,
        fingerprint: bytes,
        events: Sequence[DeliveryEvent],
        signed: Signed | None = None,
        signers: Sequence[bytes] = (),
        lease: float | None = None,
        enveloped: Enveloped | None = None,
    ) -> int | None:
        first = self._open.by_identity.get(_identity(message, Direction.OUTBOUND))
        if first is not None:
            if first.fingerprint != fingerprint:
                raise SubmissionConflict(f"message {message.message_id} was submitted before with other content")
            return None
        row = self._insert(
            message, Direction.OUTBOUND, State.ACCEPTED, pmode, backend, fingerprint, False, events, enveloped
        )
        row.signed = signed
        if signers:
            row.lane, row.signers = found_lane(pmode, message.to.id), frozenset(signers)
        if lease is not None:
            self._claim(row, row.created_at, lease)
        return row.key

    async def keep(
        self,
        message: UserMessage,
        *,
        pmode: str,
        backend: str,
        fingerprint: bytes,
        reply: Wire,
        state: State,
        fetched: bool,
        events: Sequence[DeliveryEvent],
        repeated: DeliveryEvent,
        enveloped: Enveloped | None = None,
    ) -> Kept:
        first = self._open.by_identity.get(_identity(message, Direction.INBOUND))
        if first is not None:
            self._add_events([repeated], first)
            assert first.receipt is not None
            return Kept(reply=first.receipt, duplicate=True, same=first.fingerprint == fingerprint)
        row = self._insert(message, Direction.INBOUND, state, pmode, backend, fingerprint, fetched, events, enveloped)
        row.receipt = _resident(reply)
        return Kept(reply=reply)

    async def claim(
        self, direction: Direction, *, now: datetime, lease: float, limit: int, pass_over: Collection[str] = ()
    ) -> Sequence[Job]:
        queue = self._open.queue[direction]
        jobs: list[Job] = []
        passed: list[tuple[datetime, int]] = []
        while len(jobs) < limit and self._next(direction) is not None and queue[0][0] <= now:
            entry = heappop(queue)
            row = self._open.rows[entry[1]]
            if row.lane in pass_over:
                passed.append(entry)
                continue
            self._claim(row, now, lease)
            jobs.append(job_of(row))
        for entry in passed:
            heappush(queue, entry)
        return jobs

    def _claim(self, row: Row, now: datetime, lease: float) -> None:
        row.state, row.changed_at = CLAIM[row.state], now
        row.attempts += 1
        self._enqueue(row, now + timedelta(seconds=lease))

    async def next_due(self, direction: Direction, *, pass_over: Collection[str] = ()) -> datetime | None:
        if not pass_over:
            return self._next(direction)
        rows = (self._open.rows.get(key) for _, key in self._open.queue[direction])
        others = (row for row in rows if row and row.lane not in pass_over)
        return min((row.due for row in others if row.due is not None), default=None)

    async def renew(self, keys: Collection[int], *, now: datetime, lease: float) -> None:
        for key in keys:
            row = self._open.rows.get(key)
            if row is not None and row.state in HELD and row.due is not None:
                self._enqueue(row, now + timedelta(seconds=lease))

    async def keep_signed(self, key: int, signed: Signed) -> None:
        row = self._open.rows.get(key)
        if row is not None and row.signed is None:
            row.signed = signed

    async def keep_found(
        self,
        key: int,
        *,
        attempt: int,
        to: PartyId,
        signers: Sequence[bytes],
        signed: Signed | None,
        events: Sequence[DeliveryEvent],
    ) -> bool:
        row = self._open.rows.get(key)
        if row is None or row.state not in HELD or row.attempts != attempt:
            return False
        row.message = replace(row.message, to=replace(row.message.to, id=to))
        row.lane, row.signers = found_lane(row.pmode, to), row.signers | frozenset(signers)
        row.signed = signed or row.signed
        self._add_events(events, row)
        return True

    async def settle(
        self,
        key: int,
        happening: Happening,
        *,
        now: datetime,
        due: datetime | None = None,
        receipt: Wire | None = None,
        code: str | None = None,
        detail: str = "",
        events: Sequence[DeliveryEvent] = (),
        attempt: int | None = None,
    ) -> bool:
        if happening is Happening.CLAIMED:
            raise ValueError("messages are claimed with claim()")
        row = self._open.rows.get(key)
        after = next_state(row.state, happening, attempts=row.attempts, attempt=attempt) if row else None
        if row is None or after is None:
            return False
        row.state, row.changed_at = after, now
        row.receipt = row.receipt or (receipt and _resident(receipt))
        self._requeue(row, happening, now, due)
        if happening is not Happening.RESENT:
            row.code, row.detail = code, detail
        if happening is Happening.SETTLED and row.signed:
            row.signed = replace(row.signed, parts=())
        self._add_events(events, row)
        return True

    async def record(self, events: Sequence[DeliveryEvent]) -> None:
        for event in events:
            rows = self._open.rows.values()
            subject = (event.message_id, event.direction)
            known = (row for row in rows if (row.message.message_id, row.direction) == subject)
            self._add_events([event], next(known, None))

    async def sent(self, message_id: MessageId) -> Sent | None:
        row = self._open.by_identity.get((Direction.OUTBOUND, message_id, ""))
        if row is None:
            return None
        return Sent(
            key=row.key,
            message=row.message,
            pmode=row.pmode,
            backend=row.backend,
            state=row.state,
            references=row.signed.references if row.signed else (),
            signers=tuple(sorted(row.signers)),
        )

    async def find(self, query: Query) -> Sequence[Stored]:
        rows = self._open.rows.values()
        found = (row for row in (rows if query.oldest_first else reversed(rows)) if matches(row, query))
        return [self._stored(row) for row in itertools.islice(found, query.limit)]

    async def get(self, key: int) -> Stored | None:
        row = self._open.rows.get(key)
        return self._stored(row) if row else None

    def _stored(self, row: Row) -> Stored:
        answers, answered_by = self._envelopes.answers(row.key), self._envelopes.answered_by(row.key)
        return replace(stored_of(row), answers=answers, answered_by=answered_by)

    async def receipt(self, key: int) -> Wire | None:
        row = self._open.rows.get(key)
        return row.receipt if row else None

    async def events(
        self,
        *,
        after: int = 0,
        message_id: MessageId | None = None,
        direction: Direction | None = None,
        limit: int = 500,
    ) -> Sequence[DeliveryEvent]:
        return [
            event
            for event in self._open.events.values()
            if event.seq > after and message_id in (None, event.message_id) and direction in (None, event.direction)
        ][:limit]

    async def undelivered_events(self, backend: str, *, limit: int) -> Sequence[DeliveryEvent]:
        return list(self._open.untold.get(backend, {}).values())[:limit]

    async def events_delivered(self, backend: str, seqs: Sequence[int]) -> None:
        for seq in seqs:
            self._open.untold.get(backend, {}).pop(seq, None)

    async def purge(
        self,
        *,
        payloads_before: datetime,
        messages_before: datetime,
        failed_payloads_before: datetime | None = None,
    ) -> int:
        touched = self._purge(FINAL, payloads_before, messages_before)
        if failed_payloads_before is not None:
            touched += self._purge(FAILED, failed_payloads_before, min(messages_before, failed_payloads_before))
        self._forget_events([], messages_before)
        rows = self._open.rows
        self._reports.forget_facts(lambda key: key in rows and rows[key].payloads_kept)
        return touched

    def _purge(self, states: Collection[State], payloads_before: datetime, messages_before: datetime) -> int:
        rows = [row for row in self._open.rows.values() if row.state in states]
        old = [row for row in rows if row.changed_at < messages_before]
        for row in old:
            del self._open.rows[row.key]
            del self._open.by_identity[_identity(row.message, row.direction)]
            self._reports.forget(row.key)
            self._envelopes.forget(row.key)
        bare = [r for r in rows if r not in old and r.payloads_kept and r.changed_at < payloads_before]
        for row in bare:
            forget_payloads(row)
        self._forget_events(old, datetime.min.replace(tzinfo=UTC))
        return len(old) + len(bare)

    async def counts(self) -> Mapping[tuple[Direction, State], int]:
        numbers: dict[tuple[Direction, State], int] = {}
        for row in self._open.rows.values():
            which = (direction_of(row.state), row.state)
            numbers[which] = numbers.get(which, 0) + 1
        return numbers

    async def check(self) -> None:
        _ = self._open

    async def close(self) -> None:
        self._tables = None

    @property
    def _open(self) -> _Tables:
        if self._tables is None:
            raise StoreError("the store is closed")
        return self._tables

    def _insert(
        self,
        message: UserMessage,
        direction: Direction,
        state: State,
        pmode: str,
        backend: str,
        fingerprint: bytes,
        fetched: bool,
        events: Sequence[DeliveryEvent],
        enveloped: Enveloped | None,
    ) -> Row:
        at = events[0].at if events else datetime.now(UTC)
        self._last_key += 1
        row = Row(
            key=self._last_key,
            direction=direction,
            state=state,
            message=message,
            pmode=pmode,
            backend=backend,
            lane=lane_of(direction, pmode, backend),
            fingerprint=fingerprint,
            fetched=fetched,
            created_at=at,
            first_at=at,
            changed_at=at,
            due=None,
        )
        self._open.rows[row.key] = row
        self._open.by_identity[_identity(message, direction)] = row
        self._enqueue(row, None if state in FINAL else at)
        if enveloped is not None:
            self._add_envelope(row, enveloped)
        self._add_events(events, row)
        return row

    def _add_envelope(self, row: Row, enveloped: Enveloped) -> None:
        envelope = enveloped.envelope
        self._envelopes.add(row.key, row.message.message_id, row.direction, row.backend, envelope, enveloped.answers)
        if enveloped.status is not None:
            self._reports.expect(row.key, enveloped.status)
        if enveloped.answers is not None and enveloped.told is not None:
            if envelope.kind is Kind.RECEIPT:
                self._envelopes.await_no_receipt(enveloped.answers)
            self._add_event_of(enveloped.answers, enveloped.told)

    def _add_event_of(self, key: int, event: DeliveryEvent) -> None:
        """An event of a message, if that is still there."""
        if row := self._open.rows.get(key):
            self._add_events([event], row)

    def _requeue(self, row: Row, happening: Happening, now: datetime, due: datetime | None) -> None:
        if happening is Happening.RESENT:
            row.attempts, row.first_at = 0, now
        self._enqueue(row, {Happening.MISSED: due or now, Happening.RESENT: now}.get(happening))

    def _enqueue(self, row: Row, due: datetime | None) -> None:
        row.due = None if row.fetched else due
        if row.due is not None:
            heappush(self._open.queue[row.direction], (row.due, row.key))

    def _next(self, direction: Direction) -> datetime | None:
        """The earliest due; entries that a later one replaced are dropped on the way."""
        queue = self._open.queue[direction]
        while queue:
            due, key = queue[0]
            row = self._open.rows.get(key)
            if row is not None and row.due == due:
                return due
            heappop(queue)
        return None

    def _add_events(self, events: Sequence[DeliveryEvent], row: Row | None) -> None:
        for event in events:
            self._last_seq += 1
            numbered = replace(event, seq=self._last_seq, backend=backend_of(event, row.backend if row else ""))
            self._open.events[numbered.seq] = numbered
            if row is None:
                self._open.strays.add(numbered.seq)
            else:
                row.events.append(numbered.seq)
                self._reports.add(row.key, numbered)
            if numbered.backend:
                self._open.untold.setdefault(numbered.backend, {})[numbered.seq] = numbered

    def _forget_events(self, purged: Sequence[Row], before: datetime) -> None:
        """The events of purged messages, and old events of none."""
        strays = [seq for seq in self._open.strays if self._open.events[seq].at < before]
        for seq in itertools.chain(strays, *(row.events for row in purged)):
            event = self._open.events.pop(seq)
            self._open.strays.discard(seq)
            self._open.untold.get(event.backend, {}).pop(seq, None)


def _identity(message: UserMessage, direction: Direction) -> _Identity:
    """The duplicate key (design decision 22)."""
    return (direction, message.message_id, party_key(message.from_.id) if direction is Direction.INBOUND else "")


def _resident(wire: Wire) -> Wire:
    return replace(wire, body=MemoryBody(read_all(wire.body)))
