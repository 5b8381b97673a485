"""One thread that writes: it takes all that is waiting into one transaction, so that many messages share one fsync.

Rules of this file:
- A request runs whole or not at all, and its future is resolved only after the commit that holds it.
- When one request of a group fails, the group is rolled back and each runs in a transaction of its own: nobody
  fails for another's fault, and the many groups without a failure pay for no savepoint.
  A request may therefore run twice; it must have no effect but through its connection.
- When BEGIN or COMMIT fails, all of the group fail: it is the disk's fault or another process's, not theirs.
- `after` is told the end of every request, also when nobody waits for it any more: result, or None for a failure.
- The transaction is BEGIN IMMEDIATE, so that what a request read is still true when it writes, in every process.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from ehmi_ap.errors import ApError, StoreError
from ehmi_ap.store.database import BUSY_SECONDS

T = TypeVar("T")
GROUP = 256
"""Requests in one transaction at most, so that the first of them does not wait too long."""
GATHER = 0.001
"""Seconds to wait for company before a commit, when the last one had company: an fsync for several costs less CPU each
than one for each, and those who come one at a time do not wait."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.0001, 0.002  # seconds between two looks whether the other is done


@dataclass(slots=True, eq=False)
class _Request:
    work: Callable[[sqlite3.Connection], Any]
    after: Callable[[Any], None] | None
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"
    result: Any = None
    error: BaseException | None = field(default=None)


class Writer:
    """The one writing connection of a store, and its thread."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        """Opens the connection. Raises StoreError."""
        self._connection = connect()
        self._queue: SimpleQueue[_Request | None] = SimpleQueue()
        self._closed = False
        self._crowded = False
        self._thread = threading.Thread(target=self._run, name="ehmi-ap store writer", daemon=True)
        self._thread.start()

    def run(
        self, work: Callable[[sqlite3.Connection], T], after: Callable[[T | None], None] | None = None
    ) -> "asyncio.Future[T]":
        """Run `work` in a transaction. The future raises StoreError, or what `work` raised."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._closed:
            if after is not None:
                after(None)
            future.set_exception(StoreError("the store is closed"))
        else:
            self._queue.put(_Request(work, after, loop, future))
        return future

    def stop(self) -> None:
        """Take no more; what is waiting is still written. Call it where run() is called."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)

    def join(self) -> None:
        """Wait until all is written and the connection closed."""
        self._thread.join()

    def _run(self) -> None:
        while self._turn():
            pass
        self._connection.close()

    def _turn(self) -> bool:
        """One transaction over all that waits; False after the last. Leaves no reference to what it did behind."""
        if self._crowded:
            time.sleep(GATHER)
        group, last = self._take()
        self._crowded = len(group) > 1
        if group:
            self._write(group)
            self._resolve(group)
        return not last

    def _take(self) -> tuple[list[_Request], bool]:
        request = self._queue.get()
        group: list[_Request] = []
        try:
            while request is not None:
                if not request.future.cancelled():
                    group.append(request)
                elif request.after is not None:
                    request.after(None)
                if len(group) == GROUP:
                    return group, False
                request = self._queue.get_nowait()
        except Empty:
            return group, False
        return group, True

    def _write(self, group: list[_Request]) -> None:
        """Run a group in one transaction; each alone, if one of them fails."""
        connection = self._connection
        try:
            _begin(connection)
            whole = _run_all(connection, group)
            if whole:
                connection.execute("COMMIT")
                return
        except BaseException as error:  # of the database or the disk: the same for all
            whole = True
            for request in group:
                request.error = store_error(error)
        _roll_back(connection)
        if not whole and len(group) > 1:
            for request in group:
                request.error = None
                self._write([request])

    def _resolve(self, group: list[_Request]) -> None:
        loops: dict[asyncio.AbstractEventLoop, list[_Request]] = {}
        for request in group:
            if request.after is not None:
                request.after(None if request.error else request.result)
            loops.setdefault(request.loop, []).append(request)
        for loop, requests in loops.items():
            with suppress(RuntimeError):  # a loop that was closed meanwhile: nobody waits there
                loop.call_soon_threadsafe(_set_all, requests)


def _begin(connection: sqlite3.Connection) -> None:
    """Begin as soon as no other process writes.

    SQLite's own waiting sleeps up to a tenth of a second at a time, which is a hundred transactions of another.
    """
    deadline, pause = time.monotonic() + BUSY_SECONDS, SHORTEST_PAUSE
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _run_all(connection: sqlite3.Connection, group: list[_Request]) -> bool:
    """Whether all did their work; the one that did not has the error."""
    for request in group:
        try:
            request.result = request.work(connection)
        except BaseException as error:
            request.error = store_error(error)
            return False
    return True


def store_error(error: BaseException) -> BaseException:
    """SQLite's and the system's errors as StoreError; others as they are."""
    if isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.ProgrammingError):
        translated: ApError = StoreError(f"the database failed: {error}")
    elif isinstance(error, OSError):
        translated = StoreError(f"the disk failed: {error.strerror}")
    else:
        return error
    # Without its traceback, whose frames would keep the bodies of what failed, and so their files.
    translated.__cause__ = error.with_traceback(None)
    return translated


def _roll_back(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):  # a disk error may have rolled back already
        connection.rollback()


def _set_all(requests: list[_Request]) -> None:
    for request in requests:
        if request.future.done():
            continue
        if request.error is None:
            request.future.set_result(request.result)
        else:
            request.future.set_exception(request.error)
