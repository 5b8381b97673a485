"""`ports.Store` on SQLite: one file, any number of processes on it.

Every write is one request to the writer (writer.py) and so one transaction, durable when it returns; large bodies
are durable files before it begins (layout.py). Reads run beside it (readers.py). The SQL is in queries.sql.
"""

import asyncio
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from ehmi_ap.correlation import Enveloped, Envelopes
from ehmi_ap.errors import SubmissionConflict
from ehmi_ap.lifecycle import Happening, State
from ehmi_ap.model import DeliveryEvent, Direction, MessageId, PartyId, Signed, UserMessage, Wire
from ehmi_ap.ports import Job, Kept, Query, Sent, Stored
from ehmi_ap.reports import Reports
from ehmi_ap.store import codec
from ehmi_ap.store.blobs import FileBlobs
from ehmi_ap.store.codec import micros, moment
from ehmi_ap.store.database import connect_reader, connect_writer, make
from ehmi_ap.store.layout import Layout, lay_out, wire_row
from ehmi_ap.store.loading import Loader
from ehmi_ap.store.presence import Presence
from ehmi_ap.store.purging import Purger, remove_files
from ehmi_ap.store.readers import Readers
from ehmi_ap.store.reports import SqliteEnvelopes, SqliteReports, insert_envelope
from ehmi_ap.store.rules import FEW, HELD, direction_of
from ehmi_ap.store.statements import (
    FILTERS,
    SQL,
    Step,
    apply,
    claim_due,
    drop_signed,
    filter_values,
    first_kept,
    insert_events,
    insert_message,
    insert_signed,
    insert_signers,
    is_claimed,
    message_row,
    readdress,
    replace_signed,
    wire,
)
from ehmi_ap.store.writer import Writer


class SqliteStore:
    """The embedded store. Made by open(); every method but close() raises StoreError after close()."""

    def __init__(self, path: Path, blobs: FileBlobs) -> None:
        self._blobs = blobs
        self._writer = Writer(partial(connect_writer, path))
        self._presence = Presence.beside(path)
        self._readers = Readers(partial(connect_reader, path))
        self._loader = Loader(self._readers, blobs)
        self._purger = Purger(self._writer, self._readers, blobs)
        self._reports = SqliteReports(self._writer, self._readers)
        self.reports: Reports = self._reports
        self.envelopes: Envelopes = SqliteEnvelopes(self._writer, self._readers)

    @classmethod
    async def open(cls, path: Path, blobs: FileBlobs) -> "SqliteStore":
        """Open or make the database at `path`; its large payloads are kept by `blobs`.

        Raises ConfigError (SQLite too old, database too new), StoreError.
        """
        await asyncio.to_thread(make, path)
        store = await asyncio.to_thread(cls, path, blobs)
        try:
            await asyncio.to_thread(blobs.sweep, store._known_files)
            if store._presence.alone:
                held = codec.encode_list([state.value for state in HELD])
                await store._execute_many("void_leases", [(held,)])
                await store._reports.free()
                store._presence.share()
        except BaseException:
            await store.close()
            raise
        return store

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
        layout = await lay_out([payload.body for payload in message.payloads], self._blobs)
        kept = None if signed is None else await self._lay_out_signed(signed)
        state = State.ACCEPTED
        row = message_row(
            message, Direction.OUTBOUND, state, pmode, backend, fingerprint, events, found=bool(signers), lease=lease
        )
        header = codec.encode_message(message, layout.places)

        def work(connection: sqlite3.Connection) -> int | bytes:
            key = insert_message(connection, row, header, layout)
            if key is None:
                return bytes(first_kept(connection, message, Direction.OUTBOUND)[1])
            if enveloped is not None:
                insert_envelope(connection, key, Direction.OUTBOUND, enveloped)
            insert_events(connection, events, key, backend)
            if kept is not None:
                insert_signed(connection, key, *kept)
            if signers:
                insert_signers(connection, key, signers)
            return key

        def after(result: int | bytes | None) -> None:
            if not isinstance(result, int):
                self._release(layout, kept[2] if kept else None)

        first = await self._writer.run(work, after)
        if isinstance(first, int):
            return first
        if first != fingerprint:
            raise SubmissionConflict(f"message {message.message_id} was submitted before with other content")
        return None

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
        layout = await lay_out([payload.body for payload in message.payloads], self._blobs)
        row = message_row(message, Direction.INBOUND, state, pmode, backend, fingerprint, events, fetched=fetched)
        header = codec.encode_message(message, layout.places)
        answer = await wire_row(reply)
        kept = Kept(reply=reply)

        def work(connection: sqlite3.Connection) -> Kept:
            key = insert_message(connection, row, header, layout)
            if key is None:
                first = first_kept(connection, message, Direction.INBOUND)
                insert_events(connection, [repeated], first[0], first[2])
                return Kept(reply=wire(first[3:]), duplicate=True, same=first[1] == fingerprint)
            connection.execute(SQL["insert_receipt"], (key, *answer))
            if enveloped is not None:
                insert_envelope(connection, key, Direction.INBOUND, enveloped)
            insert_events(connection, events, key, backend)
            return kept

        return await self._writer.run(work, partial(self._release_unless, kept, layout))

    async def claim(
        self, direction: Direction, *, now: datetime, lease: float, limit: int, pass_over: Collection[str] = ()
    ) -> Sequence[Job]:
        until, lanes = now + timedelta(seconds=lease), codec.encode_list(list(pass_over))
        rows = await self._writer.run(lambda connection: claim_due(connection, direction, now, until, limit, lanes))
        return [self._loader.job(*row) for row in rows]

    async def next_due(self, direction: Direction, *, pass_over: Collection[str] = ()) -> datetime | None:
        row = await self._fetch_one("next_due", (direction.value, codec.encode_list(list(pass_over))))
        return None if row is None or row[0] is None else moment(row[0])

    async def renew(self, keys: Collection[int], *, now: datetime, lease: float) -> None:
        held = codec.encode_list([state.value for state in HELD])
        until = micros(now + timedelta(seconds=lease))
        await self._execute_many("renew", [(codec.encode_list(list(keys)), held, until)])

    async def keep_signed(self, key: int, signed: Signed) -> None:
        meta, envelope, layout = await self._lay_out_signed(signed)

        def work(connection: sqlite3.Connection) -> bool:
            return insert_signed(connection, key, meta, envelope, layout)

        await self._writer.run(work, partial(self._release_unless, True, layout))

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
        kept = None if signed is None else await self._lay_out_signed(signed)

        def work(connection: sqlite3.Connection) -> list[str] | None:
            held = is_claimed(connection, key, attempt)
            if held is None:
                return None
            pmode, backend = held
            readdress(connection, key, to, pmode)
            insert_signers(connection, key, signers)
            insert_events(connection, events, key, backend)
            return [] if kept is None else replace_signed(connection, key, *kept)

        def after(result: list[str] | None) -> None:
            if result is None:
                self._release(kept[2] if kept else None)

        unwanted = await self._writer.run(work, after)
        await remove_files(self._blobs, unwanted or [])
        return unwanted is not None

    async def _lay_out_signed(self, signed: Signed) -> tuple[str, bytes, Layout]:
        layout = await lay_out([part.body for part in signed.parts], self._blobs)
        return codec.encode_signed(signed, layout.places), signed.envelope, layout

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
        again = micros(due or now) if happening is Happening.MISSED else None
        step = Step(happening, micros(now), again, code, detail, attempt)
        answer = await wire_row(receipt) if receipt else None

        def work(connection: sqlite3.Connection) -> list[str] | None:
            backend = apply(connection, key, step)
            if backend is None:
                return None
            if answer is not None:
                connection.execute(SQL["insert_receipt"], (key, *answer))
            insert_events(connection, events, key, backend)
            return drop_signed(connection, key) if happening is Happening.SETTLED else []

        unwanted = await self._writer.run(work)
        await remove_files(self._blobs, unwanted or [])
        return unwanted is not None

    async def record(self, events: Sequence[DeliveryEvent]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            for event in events:
                named = (event.message_id, event.direction.value)
                key, backend = connection.execute(SQL["subject"], named).fetchone() or (None, "")
                insert_events(connection, [event], key, backend)

        await self._writer.run(work)

    async def sent(self, message_id: MessageId) -> Sent | None:
        row = await self._fetch_one("sent", (message_id, Direction.OUTBOUND.value))
        if row is None:
            return None
        key, pmode, backend, state, header, meta, signers = row
        return Sent(
            key=key,
            message=codec.decode_message(header, self._loader.lazy(key)),
            pmode=pmode,
            backend=backend,
            state=codec.STATE[state],
            references=codec.decode_references(meta) if meta else (),
            signers=codec.decode_signers(signers),
        )

    async def find(self, query: Query) -> Sequence[Stored]:
        return await self._stored(filter_values(query), query.limit, "ASC" if query.oldest_first else "DESC")

    async def get(self, key: int) -> Stored | None:
        found = await self._stored({"key": key}, 1)
        return found[0] if found else None

    async def receipt(self, key: int) -> Wire | None:
        row = await self._fetch_one("receipt", (key,))
        return wire(row) if row else None

    async def events(
        self,
        *,
        after: int = 0,
        message_id: MessageId | None = None,
        direction: Direction | None = None,
        limit: int = 500,
    ) -> Sequence[DeliveryEvent]:
        values = (after, direction.value if direction else None, limit)
        if message_id is None:
            return [codec.decode_event(row) for row in await self._fetch("events", values)]
        return [codec.decode_event(row) for row in await self._fetch("events_of_message", (*values, message_id))]

    async def undelivered_events(self, backend: str, *, limit: int) -> Sequence[DeliveryEvent]:
        return [codec.decode_event(row) for row in await self._fetch("untold_events", (backend, limit))]

    async def events_delivered(self, backend: str, seqs: Sequence[int]) -> None:
        await self._execute_many("tell_event", [(seq, backend) for seq in seqs])

    async def purge(
        self,
        *,
        payloads_before: datetime,
        messages_before: datetime,
        failed_payloads_before: datetime | None = None,
    ) -> int:
        return await self._purger.purge(
            payloads_before=payloads_before,
            messages_before=messages_before,
            failed_payloads_before=failed_payloads_before,
        )

    async def counts(self) -> Mapping[tuple[Direction, State], int]:
        rows = [(codec.STATE[state], number) for state, number in await self._fetch("counts", ())]
        return {(direction_of(state), state): number for state, number in rows}

    async def check(self) -> None:
        """Looks at the free space, and writes: one page and its fsync, which changes nothing."""
        await asyncio.to_thread(self._blobs.check_space)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(SQL["try_writing"])
            connection.execute(SQL["undo_trying"])

        await self._writer.run(work)

    async def close(self) -> None:
        self._writer.close()
        await asyncio.to_thread(self._readers.close)
        self._presence.close()

    async def _fetch(self, name: str, values: Sequence[object]) -> list[Any]:
        return await self._readers.run(lambda connection: connection.execute(SQL[name], values).fetchall())

    async def _fetch_one(self, name: str, values: Sequence[object]) -> Any:
        return await self._readers.run(lambda connection: connection.execute(SQL[name], values).fetchone())

    async def _execute_many(self, name: str, rows: Sequence[Sequence[object]]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(SQL[name], rows)

        await self._writer.run(work, long=len(rows) > 16)

    async def _stored(self, values: dict[str, object], limit: int, order: str = "DESC") -> list[Stored]:
        where = " AND ".join(FILTERS[name] for name in values) or "1"
        sql = SQL["stored"].format(where=where, order=order)
        rows = await self._readers.run(lambda c: c.execute(sql, {**values, "limit": limit, "answers": FEW}).fetchall())
        return [self._loader.stored(*row) for row in rows]

    def _release_unless(self, stored: object, layout: Layout, result: object) -> None:
        """Let go of the files of a layout whose transaction failed or found its message there already."""
        if result != stored:
            self._release(layout)

    def _release(self, *layouts: Layout | None) -> None:
        for layout in layouts:
            if layout is not None and layout.files:
                self._blobs.release(layout.files)

    def _known_files(self, names: Collection[str]) -> set[str]:
        wanted = codec.encode_list(list(names))
        rows = self._readers.run_here(lambda c: c.execute(SQL["known_files"], (wanted,)).fetchall())
        return {row[0] for row in rows}
