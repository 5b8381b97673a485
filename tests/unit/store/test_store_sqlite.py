"""What only the SQLite store has: files, permissions, a disk that fills up, others on the same database."""

import asyncio
import gc
import re
import sqlite3
import stat
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from store_samples import (
    NOW,
    SENDER,
    accept,
    claim_one,
    enveloped,
    event,
    keep,
    later,
    message,
    payload,
    read,
    reply,
    signed,
)

from ehmi_ap.body import MemoryBody, read_all
from ehmi_ap.errors import ConfigError, NotFound, StoreError
from ehmi_ap.lifecycle import Happening
from ehmi_ap.model import Direction, MessageId, PartyId, Wire
from ehmi_ap.ports import Query
from ehmi_ap.reports import OPEN, ReportState
from ehmi_ap.store import database
from ehmi_ap.store.blobs import FileBlobs, FileBody
from ehmi_ap.store.database import MIGRATIONS, connect, load_queries, migrate
from ehmi_ap.store.reports import found_reports
from ehmi_ap.store.sqlite import SqliteStore
from ehmi_ap.store.statements import SQL

BIG = b"0123456789abcdef" * 8192  # 128 KiB: a file


@pytest.fixture(autouse=True)
async def one_thread() -> None:
    """What is asked of a thread after something else begins when that is over and forgotten."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await open_store(tmp_path)
    yield opened
    await opened.close()


async def open_store(tmp_path: Path) -> SqliteStore:
    return await SqliteStore.open(tmp_path / "db" / "store.db", FileBlobs(tmp_path / "payloads", threshold=1000))


async def kept_files(tmp_path: Path) -> list[Path]:
    """The files that are there once nobody is at it any more."""
    for _ in range(9):
        await asyncio.sleep(0)  # callbacks of what was just done; the loop holds its last result until then
    await asyncio.to_thread(gc.collect)
    return [path for path in (tmp_path / "payloads").rglob("*") if path.is_file()]


def fill_up(store: SqliteStore) -> sqlite3.Connection:
    """Give the database no page more than it has."""
    connection = store._writer._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    return connection


async def test_only_we_can_read_the_database(store: SqliteStore, tmp_path: Path) -> None:
    await accept(store)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "db").iterdir()}
    assert modes == dict.fromkeys(("store.db", "store.db-wal", "store.db-shm", "store.db.lock"), 0o600)
    assert stat.S_IMODE((tmp_path / "db").stat().st_mode) == 0o700


async def test_every_commit_reaches_the_disk(store: SqliteStore) -> None:
    """A receipt must not rest on a commit that the power can take back."""
    connection = store._writer._connection
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)


async def test_what_was_stored_is_there_after_closing(store: SqliteStore, tmp_path: Path) -> None:
    await accept(store, message(payloads=(payload(BIG), payload(b"small"))))
    await store.close()
    again = await open_store(tmp_path)
    assert read((await claim_one(again, Direction.OUTBOUND)).message) == [BIG, b"small"]
    await again.close()


async def test_a_full_disk_stores_nothing_and_passes(store: SqliteStore, tmp_path: Path) -> None:
    """StoreError to the caller, no row, no event, no file; when there is room again, it goes on."""
    connection = fill_up(store)
    with pytest.raises(StoreError, match="full") as told:
        await accept(store, message(payloads=(payload(BIG), payload(b"x" * 60_000))))
    assert told.value.retryable
    with pytest.raises(StoreError):
        await keep(store, message(payloads=(payload(b"x" * 60_000),)))
    del told
    assert await kept_files(tmp_path) == []
    assert (await store.find(Query()), await store.events()) == ([], [])
    connection.execute("PRAGMA max_page_count = 1000000").fetchall()
    assert await accept(store)


async def test_a_check_writes(store: SqliteStore) -> None:
    """What cannot be written is found, not only what is short of space."""
    await store.check()
    store._writer._connection.execute("PRAGMA query_only = ON").fetchall()
    with pytest.raises(StoreError, match="readonly"):
        await store.check()


async def test_a_check_reaches_the_file(store: SqliteStore, tmp_path: Path) -> None:
    log = tmp_path / "db" / "store.db-wal"
    before = log.stat().st_size
    await store.check()
    assert log.stat().st_size > before


async def test_a_nearly_full_disk_is_found(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ehmi_ap.store.blobs.LEAST_FREE", 1 << 62)
    with pytest.raises(StoreError, match="the disk is full"):
        await store.check()


async def test_a_body_can_be_stored_after_a_failure(store: SqliteStore, tmp_path: Path) -> None:
    spool = FileBlobs(tmp_path / "payloads", threshold=1000).spool()
    spool.write(BIG)
    body = spool.finish()
    connection = fill_up(store)
    what = message(payloads=(payload(body), payload(b"x" * 60_000)))
    with pytest.raises(StoreError):
        await accept(store, what)
    connection.execute("PRAGMA max_page_count = 1000000").fetchall()
    assert await accept(store, what)
    assert read((await claim_one(store, Direction.OUTBOUND)).message)[0] == BIG


async def test_duplicates_leave_no_files(store: SqliteStore, tmp_path: Path) -> None:
    for _ in range(3):
        await accept(store, message(payloads=(payload(BIG),)))
        await keep(store, message(payloads=(payload(BIG),)))
    assert len(await kept_files(tmp_path)) == 2


async def test_the_receipt_takes_the_compressed_copies(store: SqliteStore, tmp_path: Path) -> None:
    """Those that are files; what is in the row goes with the payload. Envelope, references and payload stay."""
    await accept(store, message(payloads=(payload(BIG),)))
    job = await claim_one(store, Direction.OUTBOUND)
    await store.keep_signed(job.key, signed(BIG, b"small"))
    assert len(await kept_files(tmp_path)) == 2
    await store.settle(job.key, Happening.SETTLED, now=NOW, receipt=reply())
    (left,) = await kept_files(tmp_path)
    assert isinstance(job.message.payloads[0].body, FileBody)
    assert job.message.payloads[0].body.path == left
    connection = sqlite3.connect(tmp_path / "db" / "store.db")
    assert connection.execute("SELECT count(*) FROM signed_part").fetchone() == (1,)
    await store.purge(payloads_before=later(1), messages_before=NOW)
    assert connection.execute("SELECT count(*) FROM signed_part").fetchone() == (0,)
    assert connection.execute("SELECT envelope FROM signed").fetchone() == (b"<envelope/>",)
    connection.close()


async def test_signing_what_is_not_there_leaves_nothing(store: SqliteStore, tmp_path: Path) -> None:
    await store.keep_signed(99, signed(BIG))
    assert await kept_files(tmp_path) == []


async def test_purging_deletes_files_and_rows(store: SqliteStore, tmp_path: Path) -> None:
    for name in ("a", "b"):
        await keep(store, message(name, payloads=(payload(BIG), payload(b"small"))))
        job = await claim_one(store, Direction.INBOUND)
        await store.settle(job.key, Happening.SETTLED, now=NOW, events=[event(name)])
    await store.purge(payloads_before=later(1), messages_before=NOW)
    assert await kept_files(tmp_path) == []
    assert await store.purge(payloads_before=later(1), messages_before=later(1)) == 2
    connection = sqlite3.connect(tmp_path / "db" / "store.db")
    tables = ("message", "content", "receipt", "file", "event")
    assert [connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in tables] == [(0,)] * 5
    connection.close()


async def test_purged_payloads_are_overwritten(store: SqliteStore, tmp_path: Path) -> None:
    """Free pages of the database hold no patient's data."""
    for number in range(20):
        secret = f"<patient>{number}".encode() * 1000
        await keep(store, message(f"m{number}", payloads=(payload(secret),)))
    for job in await store.claim(Direction.INBOUND, now=NOW, lease=60, limit=20):
        await store.settle(job.key, Happening.SETTLED, now=NOW)
    assert await store.purge(payloads_before=later(1), messages_before=NOW) == 20
    await store.close()
    left = (tmp_path / "db" / "store.db").read_bytes()
    assert b"<patient>" not in left
    assert b"m19" in left


@pytest.mark.parametrize("late", [False, True], ids=["before the payloads went", "after"])
async def test_facts_of_a_patient_are_overwritten(store: SqliteStore, tmp_path: Path, late: bool) -> None:
    """When EDS has been told all, and the payloads are gone."""
    await accept(store, enveloped=enveloped(organisation=SENDER))
    await store.settle((await claim_one(store, Direction.OUTBOUND)).key, Happening.SETTLED, now=NOW)
    [report] = await store.reports.claim(SENDER, now=NOW, lease=60, limit=9)
    assert "0101010227" in (report.facts or "")
    if late:
        await store.purge(payloads_before=later(1), messages_before=NOW)
    await store.reports.settle(report.event.seq, ReportState.TAKEN, now=NOW)
    await store.purge(payloads_before=later(1), messages_before=NOW)
    await store.close()
    left = (tmp_path / "db" / "store.db").read_bytes()
    assert b"0101010227" not in left
    assert SENDER.sor.encode() in left


async def test_who_opens_a_store_alone_reports_at_once(store: SqliteStore, tmp_path: Path) -> None:
    """Whoever held a report is dead."""
    await accept(store, enveloped=enveloped(organisation=SENDER))
    claim = {"now": NOW, "lease": 3600.0, "limit": 9}
    assert len(await store.reports.claim(SENDER, **claim)) == 1
    assert await store.reports.claim(SENDER, **claim) == []
    await store.close()
    again = await open_store(tmp_path)
    assert len(await again.reports.claim(SENDER, **claim)) == 1
    await again.close()


async def test_what_was_signed_for_another_is_overwritten(store: SqliteStore, tmp_path: Path) -> None:
    """A look-up led elsewhere: the bytes for the first go, from the database and from the disk."""
    await accept(store)
    job = await claim_one(store, Direction.OUTBOUND)
    found: dict[str, Any] = {"attempt": 1, "signers": [b"cert"], "events": []}
    first = signed(b"<patient>" * 1000, BIG)
    assert await store.keep_found(job.key, to=PartyId("a"), signed=first, **found)
    del first
    assert len(await kept_files(tmp_path)) == 1
    assert await store.keep_found(job.key, to=PartyId("b"), signed=signed(b"new"), **found)
    assert await kept_files(tmp_path) == []
    await store.close()
    assert b"<patient>" not in (tmp_path / "db" / "store.db").read_bytes()


async def test_files_of_what_was_found_too_late_are_let_go(store: SqliteStore, tmp_path: Path) -> None:
    await accept(store)
    job = await claim_one(store, Direction.OUTBOUND)
    late: dict[str, Any] = {"attempt": 2, "to": PartyId("a"), "signers": [b"cert"], "events": []}
    assert not await store.keep_found(job.key, signed=signed(BIG), **late)
    assert await kept_files(tmp_path) == []


async def test_a_store_of_the_first_version_goes_on(tmp_path: Path) -> None:
    """What waited in it is claimed in its old lane, and its look-up is kept like any other's."""
    (tmp_path / "db").mkdir()
    connection = connect(tmp_path / "db" / "store.db")
    migrate(connection, [database._text("schema.sql")])
    header = '{"id":"m1@x","at":"2026-11-23T08:00:00+00:00","from":["us",null,"i"],"to":["them","t","r"],'
    header += '"service":["s",null],"action":"a","conversation":"c","ref":null,"mpc":null,"agreement":null,'
    header += '"properties":[],"payloads":[]}'
    row = ("outbound", "accepted", "m1@x", "", b"f", "partner", "rest", "partner", "them", None, None, "c", 0, 1, 1, 0)
    connection.execute(load_queries()["insert_message"], row)
    connection.execute(load_queries()["insert_content"], (1, header, b""))
    connection.close()
    store = await open_store(tmp_path)
    job = await claim_one(store, Direction.OUTBOUND)
    assert (job.lane, job.signers, job.message.to.id) == ("partner", (), PartyId("them", "t"))
    assert await store.keep_found(
        job.key, attempt=1, to=PartyId("new"), signers=[b"cert"], signed=signed(b"z"), events=[]
    )
    await store.settle(job.key, Happening.MISSED, now=NOW)
    job = await claim_one(store, Direction.OUTBOUND)
    assert (job.signers, job.message.to.id, job.message.to.role) == ((b"cert",), PartyId("new"), "r")
    await store.close()


async def test_a_list_loads_no_payload(store: SqliteStore) -> None:
    """Bodies of stored messages are read when they are asked for, in any thread, and then no more."""
    await keep(store, message(payloads=(payload(b"first"), payload(b"second"))))
    (stored,) = await store.find(Query())
    first, second = (item.body for item in stored.message.payloads)
    assert (first.resident, second.size) == (False, 6)
    assert await asyncio.to_thread(read_all, second) == b"second"
    assert b"".join(second.chunks(2, 4)) == b"co"
    assert list(second.chunks(6)) == []
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        read_all(first)


async def test_a_purged_message_has_no_payload_to_read(store: SqliteStore) -> None:
    await keep(store)
    job = await claim_one(store, Direction.INBOUND)
    (stored,) = await store.find(Query())
    await store.settle(job.key, Happening.SETTLED, now=NOW)
    await store.purge(payloads_before=later(1), messages_before=later(1))
    with pytest.raises(NotFound):
        read_all(stored.message.payloads[0].body)


async def test_a_reply_in_a_file_is_kept_as_any_other(store: SqliteStore, tmp_path: Path) -> None:
    path = tmp_path / "reply"
    path.write_bytes(b"<receipt/>" * 100)
    await keep(store, answer=Wire(content_type="text/xml", body=FileBody(path, 1000), status=202))
    again = await keep(store)
    assert (again.reply.status, again.reply.content_type) == (202, "text/xml")
    assert read_all(again.reply.body) == path.read_bytes()


async def test_writers_wait_for_each_other(store: SqliteStore, tmp_path: Path) -> None:
    """Another process holds the database: the write waits, reads go on, nobody fails."""
    await keep(store)
    other = sqlite3.connect(tmp_path / "db" / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.ensure_future(accept(store))
    assert len(await store.find(Query())) == 1
    assert not writing.done()
    other.execute("COMMIT")
    assert await writing
    other.close()


async def test_two_stores_on_one_database_see_each_other(store: SqliteStore, tmp_path: Path) -> None:
    other = await open_store(tmp_path)
    await accept(store)
    assert not await accept(other)
    job = await claim_one(other, Direction.OUTBOUND)
    assert await store.claim(Direction.OUTBOUND, now=NOW, lease=60, limit=1) == []
    assert await store.settle(job.key, Happening.SETTLED, now=NOW)
    assert not await other.settle(job.key, Happening.MISSED, now=NOW)
    await other.close()


async def test_a_cancelled_caller_leaves_no_orphan(store: SqliteStore, tmp_path: Path) -> None:
    """Whether it was stored or not: a file exists exactly where a row names it."""
    for number in range(12):
        storing = asyncio.ensure_future(accept(store, message(f"m{number}", payloads=(payload(BIG),))))
        for _ in range(number):
            await asyncio.sleep(0)
        storing.cancel()
        await asyncio.gather(storing, return_exceptions=True)
        del storing
    await asyncio.to_thread(gc.collect)  # behind those that were still writing files
    await store.record([])  # behind those that were still writing rows
    found = await store.find(Query())
    assert len(await kept_files(tmp_path)) == len(found)


async def test_a_newer_database_is_left_alone(store: SqliteStore, tmp_path: Path) -> None:
    await store.close()
    connection = sqlite3.connect(tmp_path / "db" / "store.db")
    with connection:
        connection.execute("INSERT INTO schema_version VALUES (99, 0)")
    connection.close()
    with pytest.raises(ConfigError, match="newer"):
        await open_store(tmp_path)


async def test_what_is_no_database_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "store.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="database"):
        await open_store(tmp_path)
    with pytest.raises(StoreError):
        await SqliteStore.open(tmp_path / "db" / "store.db" / "below", FileBlobs(tmp_path / "payloads"))


async def test_a_sweep_that_fails_opens_nothing(tmp_path: Path) -> None:
    class Broken(FileBlobs):
        def sweep(self, known: object) -> int:
            raise StoreError("the disk failed")

    with pytest.raises(StoreError, match="the disk failed"):
        await SqliteStore.open(tmp_path / "store.db", Broken(tmp_path / "payloads"))
    connection = sqlite3.connect(tmp_path / "store.db")
    assert connection.execute("SELECT max(version) FROM schema_version").fetchone() == (len(MIGRATIONS),)
    connection.close()


async def test_an_id_is_found_by_its_index(store: SqliteStore) -> None:
    """The hot queries read no table from end to end."""
    connection = store._writer._connection
    hot = {
        "first_kept": ("m", "inbound", "s"),
        "due_now": ("outbound", 1, 1, "[]"),
        "next_due": ("outbound", "[]"),
        "standing": (1,),
        "sent": ("m", "outbound"),
        "subject": ("m", "outbound"),
        "events_of_message": (0, None, 1, "m"),
        "untold_events": ("rest", 1),
        "counts": (),
        "report_counts": (),
        "reopen_reports": (None, 1),
        "expire_reports": (1, 1, ""),
    }
    queries = [(SQL[name], values) for name, values in hot.items()]
    asked = {"after": 0, "limit": 1}
    queries.append((found_reports(OPEN, None), {**asked, "states": "[]"}))
    queries.append((found_reports((), MessageId("m")), {**asked, "message_id": "m"}))
    tables = "message|m|w|content|c|event|e|signed|s|p|report|r|status"
    for sql, values in queries:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
        full = [step for step in plan if re.match(rf"SCAN ({tables})\b(?!.*INDEX)", step)]
        through_ids = [step for step in plan if re.match(r"SEARCH r USING INTEGER PRIMARY KEY \(rowid>", step)]
        assert (sql, full + through_ids) == (sql, [])


async def test_bodies_of_memory_are_not_shared_with_the_caller(store: SqliteStore) -> None:
    await accept(store, message(payloads=(payload(MemoryBody(b"abc")),)))
    known = await store.sent(MessageId("m1@x"))
    assert known is not None
    assert read(known.message) == [b"abc"]


async def test_what_is_resent_while_old_ones_are_purged_is_kept(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the list of what is old and its turn, an operator may have opened it again."""
    key = await accept(store)
    assert key is not None
    await claim_one(store, Direction.OUTBOUND)
    await store.settle(key, Happening.GIVEN_UP, now=NOW)
    listed = store._purger._old

    async def then_resent(query: str, values: Sequence[object]) -> list[Any]:
        rows = await listed(query, values)
        if rows:
            assert await store.settle(key, Happening.RESENT, now=later(5))
        return rows

    monkeypatch.setattr(store._purger, "_old", then_resent)
    purged = store.purge(payloads_before=later(1), messages_before=later(1), failed_payloads_before=later(1))
    assert await purged == 0
    job = await claim_one(store, Direction.OUTBOUND, at=later(6))
    assert job.key == key
    assert all(read(job.message))
