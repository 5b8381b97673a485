"""Reading connections: shared by threads, closed with the store."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from ehmi_ap.errors import NotFound, StoreError
from ehmi_ap.store.database import connect_reader, make
from ehmi_ap.store.readers import InlineBody, Readers


@pytest.fixture
def readers(tmp_path: Path) -> Iterator[Readers]:
    make(tmp_path / "db")
    readers = Readers(partial(connect_reader, tmp_path / "db"))
    yield readers
    readers.close()


async def test_threads_at_once_have_a_connection_each(readers: Readers) -> None:
    together = threading.Barrier(3)

    def work(connection: sqlite3.Connection) -> int:
        together.wait(10)
        return id(connection)

    used = await asyncio.gather(readers.run(work), readers.run(work), asyncio.to_thread(readers.run_here, work))
    assert len(set(used)) == 3
    assert await readers.run(id) in used


async def test_an_error_of_the_database_is_a_store_error(readers: Readers) -> None:
    with pytest.raises(StoreError, match="no such table"):
        await readers.run(lambda connection: connection.execute("SELECT * FROM missing").fetchall())


async def test_a_connection_in_use_at_close_is_closed_by_its_user(readers: Readers) -> None:
    seen: list[sqlite3.Connection] = []

    def work(connection: sqlite3.Connection) -> None:
        seen.append(connection)
        closing = threading.Thread(target=readers.close)
        closing.start()
        closing.join(10)

    readers.run_here(work)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        seen[0].execute("SELECT 1")
    with pytest.raises(StoreError, match="closed"):
        await readers.run(id)
    with pytest.raises(StoreError, match="closed"):
        readers.run_here(id)


def test_a_large_inline_body_comes_in_chunks() -> None:
    stored = bytes(range(256)) * 4096
    asked: list[tuple[int, ...]] = []

    class Rows(Readers):
        def run_here(self, work):  # type: ignore[no-untyped-def]
            return work(self)

        def execute(self, query: str, values: tuple[int, ...]) -> "Rows":
            asked.append(values)
            return self

        def fetchone(self) -> tuple[bytes]:
            key, start, size = asked[-1]
            assert key == 5
            return (stored[start - 1 : start - 1 + size],)

    rows = Rows(partial(sqlite3.connect, ":memory:"))
    body = InlineBody(rows, "query", 5, 100, 700_000)
    assert b"".join(body.chunks()) == stored[100:700_100]
    assert len(asked) == 3
    assert b"".join(body.chunks(3, 300_000)) == stored[103:300_100]
    rows.close()


def test_a_row_that_is_gone_is_not_found(readers: Readers) -> None:
    for query in ("SELECT 1 WHERE ?1 + ?2 + ?3 < 0", "SELECT NULL WHERE ?1 + ?2 + ?3 > 0"):
        with pytest.raises(NotFound):
            list(InlineBody(readers, query, 1, 0, 5).chunks())
