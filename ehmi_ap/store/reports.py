"""`ports.Envelopes` and `reports.Reports` on SQLite, and what accept() and keep() write of an envelope."""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ehmi_ap.correlation import Enveloped, KnownEnvelope, Unanswered
from ehmi_ap.envelope import Document, Kind, Original
from ehmi_ap.model import DeliveryEvent, Direction, MessageId, Organisation
from ehmi_ap.reports import OPEN, Report, ReportState
from ehmi_ap.store import codec
from ehmi_ap.store.codec import micros, moment
from ehmi_ap.store.readers import Readers
from ehmi_ap.store.rules import FEW
from ehmi_ap.store.statements import SQL, insert_events
from ehmi_ap.store.writer import Writer

_OPEN = codec.encode_list(OPEN)
_EVERYTHING = -1  # as a limit
_ONLY_OPEN = "r.state IN ('waiting', 'parked')"
"""As the index of these has it: SQLite would not use that otherwise, and look through all that EDS ever took."""


def insert_envelope(connection: sqlite3.Connection, key: int, direction: Direction, enveloped: Enveloped) -> None:
    """Before the first events of the message: they may be reported."""
    envelope, status = enveloped.envelope, enveloped.status
    awaited = envelope.answer_due if direction is Direction.OUTBOUND else None
    row = (
        key,
        direction.value,
        envelope.kind.value,
        envelope.positive,
        envelope.transport.identifier,
        envelope.message.identifier,
        envelope.message.type,
        envelope.message.version,
        envelope.sender.gln,
        envelope.receiver.gln,
        enveloped.answers,
        micros(awaited) if awaited is not None else None,
    )
    connection.execute(SQL["insert_envelope"], row)
    if status is not None:
        connection.execute(SQL["insert_status"], (key, _organisation_row(status.organisation), status.facts))
    if enveloped.answers is not None and enveloped.told is not None:
        if envelope.kind is Kind.RECEIPT:
            connection.execute(SQL["await_no_receipt"], (enveloped.answers,))
        insert_event_of(connection, enveloped.answers, enveloped.told)


def insert_event_of(connection: sqlite3.Connection, key: int, event: DeliveryEvent) -> None:
    """An event of another message than the one at hand, if that is still there."""
    row = connection.execute(SQL["backend_of"], (key,)).fetchone()
    if row is not None:
        insert_events(connection, [event], key, row[0])


class SqliteEnvelopes:
    """What envelopes say of themselves."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def find(
        self,
        direction: Direction,
        *,
        sender: str,
        receiver: str,
        identifiers: Collection[str],
        messages: Collection[str],
    ) -> Sequence[KnownEnvelope]:
        lists = (codec.encode_list(list(identifiers)), codec.encode_list(list(messages)))
        values = (direction.value, sender, receiver, *lists, FEW)
        rows = await self._readers.run(lambda c: c.execute(SQL["known_envelopes"], values).fetchall())
        return [_known(*row) for row in rows]

    async def unanswered(self, *, now: datetime, limit: int) -> Sequence[Unanswered]:
        rows = await self._readers.run(lambda c: c.execute(SQL["unanswered"], (micros(now), limit)).fetchall())
        return [
            Unanswered(key=key, message_id=MessageId(message_id), state=codec.STATE[state], due=moment(due))
            for key, message_id, state, due in rows
        ]

    async def tell_unanswered(self, key: int, event: DeliveryEvent | None) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            if connection.execute(SQL["await_no_answer"], (key,)).rowcount == 0:
                return False
            if event is not None:
                insert_event_of(connection, key, event)
            return True

        return await self._writer.run(work)


class SqliteReports:
    """What EDS is told."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def organisations(self) -> Sequence[Organisation]:
        rows = await self._readers.run(lambda c: c.execute(SQL["reporting_organisations"]).fetchall())
        return [_organisation(name) for (name,) in rows]

    async def claim(self, organisation: Organisation, *, now: datetime, lease: float, limit: int) -> Sequence[Report]:
        asked = (_organisation_row(organisation), micros(now), limit)
        until = micros(now + timedelta(seconds=lease))

        def work(connection: sqlite3.Connection) -> list[Any]:
            seqs = [seq for (seq,) in connection.execute(SQL["claimable_reports"], asked).fetchall()]
            if not seqs:
                return []
            connection.executemany(SQL["hold_report"], [(seq, until, 0, "", "") for seq in seqs])
            sql = SQL["reports"].format(facts="s.facts", where="r.seq IN (SELECT value FROM json_each(:seqs))")
            return connection.execute(sql, {"seqs": codec.encode_list(seqs), "limit": _EVERYTHING}).fetchall()

        return [_report(*row) for row in await self._writer.run(work)]

    async def hold(
        self, seqs: Collection[int], *, until: datetime, what: str = "", fix: str = "", counts: bool = False
    ) -> None:
        rows = [(seq, micros(until), int(counts), what, fix) for seq in seqs]
        await self._writer.run(lambda connection: _ignored(connection.executemany(SQL["hold_report"], rows)))

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
        row = (seq, state.value, micros(now), what, fix, reference, _OPEN)
        return await self._writer.run(lambda c: c.execute(SQL["settle_report"], row).rowcount > 0)

    async def reopen(self, seq: int | None = None, *, now: datetime) -> int:
        return await self._writer.run(lambda c: c.execute(SQL["reopen_reports"], (seq, micros(now))).rowcount)

    async def expire(self, *, before: datetime, now: datetime, what: str) -> int:
        row = (micros(before), micros(now), what)
        return await self._writer.run(lambda c: c.execute(SQL["expire_reports"], row).rowcount, long=True)

    async def find(
        self,
        *,
        states: Collection[ReportState] = (),
        message_id: MessageId | None = None,
        after: int = 0,
        limit: int = 50,
    ) -> Sequence[Report]:
        sql = found_reports(states, message_id)
        values = {
            "message_id": message_id,
            "after": after,
            "limit": limit,
            "states": codec.encode_list(list(states)),
        }
        return [_report(*row) for row in await self._readers.run(lambda c: c.execute(sql, values).fetchall())]

    async def get(self, seq: int) -> Report | None:
        found = await self.find(after=seq - 1, limit=1)
        return found[0] if found and found[0].event.seq == seq else None

    async def counts(self) -> Mapping[ReportState, int]:
        rows = await self._readers.run(lambda c: c.execute(SQL["report_counts"]).fetchall())
        return {ReportState(state): number for state, number in rows}

    async def free(self) -> None:
        """For who is alone on the store: nobody holds anything."""
        await self._writer.run(lambda connection: _ignored(connection.execute(SQL["free_reports"])))


def found_reports(states: Collection[ReportState], message_id: MessageId | None) -> str:
    """The query of find()."""
    where = ["r.seq > :after"]
    if message_id is not None:
        where.append("r.key IN (SELECT key FROM message WHERE message_id = :message_id)")
    if states:
        where.append("r.state IN (SELECT value FROM json_each(:states))")
    if states and set(states) <= set(OPEN):
        where.append(_ONLY_OPEN)
    return SQL["reports"].format(facts="NULL", where=" AND ".join(where))


def _ignored(cursor: sqlite3.Cursor) -> None:
    """What a statement gives that nobody asks."""


def _organisation_row(organisation: Organisation) -> str:
    return codec.encode_list((organisation.sor, organisation.gln))


def _organisation(row: str) -> Organisation:
    sor, gln = codec.decode_list(row)
    return Organisation(sor, gln)


def _known(
    key: int,
    message_id: str,
    direction: str,
    backend: str,
    kind: str,
    sender: str,
    receiver: str,
    identifier: str,
    message: str,
    standard: str,
    version: str,
    receipt: str | None,
) -> KnownEnvelope:
    return KnownEnvelope(
        key=key,
        message_id=MessageId(message_id),
        direction=codec.DIRECTION[direction],
        backend=backend,
        kind=Kind(kind),
        sender=sender,
        receiver=receiver,
        original=Original(identifier, Document(message, standard, version)),
        receipt=codec.decode_answer(codec.decode_list(receipt)) if receipt is not None else None,
    )


def _report(
    key: int,
    organisation: str,
    state: str,
    tries: int,
    changed_at: int,
    facts: str | None,
    what: str,
    fix: str,
    reference: str | None,
    *event: Any,
) -> Report:
    return Report(
        key=key,
        event=codec.decode_event(event),
        organisation=_organisation(organisation),
        state=ReportState(state),
        tries=tries,
        changed_at=moment(changed_at),
        facts=facts,
        what=what,
        fix=fix,
        reference=reference,
    )
