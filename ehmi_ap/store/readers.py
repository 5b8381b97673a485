"""Connections that read: beside the writer, on a snapshot each, never waiting for it (WAL)."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from ehmi_ap.body import CHUNK
from ehmi_ap.errors import NotFound, StoreError
from ehmi_ap.store.writer import store_error

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class Readers:
    """A few threads for coroutines, and as many connections as are in use at once."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], threads: int = 2) -> None:
        self._connect = connect
        self._free: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False
        self._threads = ThreadPoolExecutor(threads, "ehmi-ap store reader")

    async def run(self, work: Work[T]) -> T:
        """Run `work` in a thread. Raises StoreError."""
        if self._closed:
            raise StoreError("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.run_here, work)

    def run_here(self, work: Work[T]) -> T:
        """Run `work` in the thread of the caller. Raises StoreError."""
        with self._connection() as connection:
            try:
                return work(connection)
            except sqlite3.Error as error:
                raise store_error(error) from error

    def close(self) -> None:
        """Wait for the threads and close the connections; one that is in use is closed by its user."""
        self._closed = True
        self._threads.shutdown()
        with self._lock:
            while self._free:
                self._free.pop().close()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = self._take() or self._connect()
        try:
            yield connection
        finally:
            self._put(connection)

    def _take(self) -> sqlite3.Connection | None:
        with self._lock:
            if self._closed:
                raise StoreError("the store is closed")
            return self._free.pop() if self._free else None

    def _put(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if self._closed:
                connection.close()
            else:
                self._free.append(connection)


class InlineBody:
    """A payload inside its row, read when it is asked for: a list of messages loads no payloads.

    Raises, while it is read: NotFound when it was purged, StoreError when the database fails.
    """

    __slots__ = ("_key", "_query", "_readers", "_size", "_start")

    def __init__(self, readers: Readers, query: str, key: int, start: int, size: int) -> None:
        self._readers = readers
        self._query = query
        self._key = key
        self._start = start
        self._size = size

    @property
    def size(self) -> int:
        return self._size

    @property
    def resident(self) -> bool:
        return False

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        end = self._size if stop is None else min(stop, self._size)
        for low in range(start, end, CHUNK):
            yield self._readers.run_here(partial(self._fetch, low, min(CHUNK, end - low)))

    def _fetch(self, start: int, size: int, connection: sqlite3.Connection) -> bytes:
        row = connection.execute(self._query, (self._key, self._start + start + 1, size)).fetchone()
        if row is None or row[0] is None:
            raise NotFound("the bytes of this payload are no longer kept")
        data: bytes = row[0]
        return data
