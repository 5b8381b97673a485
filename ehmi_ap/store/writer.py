"""The one writing connection: all that waits shares one transaction, so that many messages share one fsync.

    requests wait  ->  BEGIN and their statements, on the event loop  ->  COMMIT, in a thread  ->  their futures

The statements of a message take some 50 us, less than handing them to a thread and the interpreter lock back and forth
would (tests/bench); the COMMIT waits for the disk. What comes meanwhile is the next group. Rules of this file:

- A request runs whole or not at all, and its future is resolved only after the commit that holds it.
- When one request of a group fails, the group is rolled back and each runs in a transaction of its own: nobody
  fails for another's fault, and the many groups without a failure pay for no savepoint.
  A request may therefore run twice; it must have no effect but through its connection.
- When BEGIN or COMMIT fails, all of the group fail: it is the disk's fault or another process's, not theirs.
- `after` is told the end of every request, also when nobody waits for it any more: result, or None for a failure.
- The transaction is BEGIN IMMEDIATE, so that what a request read is still true when it writes, in every process.
- What takes long is asked for as such (`long`), and runs in the thread from BEGIN to COMMIT.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from ehmi_ap.errors import ApError, StoreError
from ehmi_ap.store.database import BUSY_SECONDS, is_busy

T = TypeVar("T")
GROUP = 256
"""Requests in one transaction at most, so that the first of them does not wait too long."""
GATHER = 0.001
"""Seconds to wait for company before a transaction, when the last one had company: an fsync for several costs less CPU
each than one for each, and those who come one at a time do not wait."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.0001, 0.002  # seconds between two looks whether another process is done


@dataclass(slots=True, eq=False)
class _Request:
    work: Callable[[sqlite3.Connection], Any]
    after: Callable[[Any], None] | None
    future: "asyncio.Future[Any]"
    long: bool
    alone: bool = False  # its group failed: it gets a transaction of its own
    result: Any = None
    error: BaseException | None = None


class Writer:
    """The one writing connection of a store. It serves one event loop at a time: that of the last run()."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        """Opens the connection. Raises StoreError."""
        self._connection = connect()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ehmi-ap store writer")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[_Request] = deque()
        self._group: list[_Request] = []  # what the thread commits
        self._ending: Future[None] | None = None
        self._next: asyncio.Handle | None = None  # the next turn
        self._busy_since: float | None = None  # another process writes
        self._crowded = self._closed = False

    def run(
        self,
        work: Callable[[sqlite3.Connection], T],
        after: Callable[[T | None], None] | None = None,
        *,
        long: bool = False,
    ) -> "asyncio.Future[T]":
        """Run `work` in a transaction. The future raises StoreError, or what `work` raised."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._closed:
            if after is not None:
                after(None)
            future.set_exception(StoreError("the store is closed"))
            return future
        if loop is not self._loop:
            self._settle()  # another loop, which may be gone, has left something under way
            if self._next is not None:
                self._next.cancel()  # it may come back too
            self._loop, self._next = loop, None
        self._waiting.append(_Request(work, after, future, long))
        self._arrange()
        return future

    def close(self) -> None:
        """Take no more; write what waits, here and now, and close the connection. Allowed more than once."""
        if self._closed:
            return
        self._closed = True
        if self._next is not None:
            self._next.cancel()
        self._settle()
        while group := self._take():
            self._group, self._ending = group, self._thread.submit(self._whole, group)
            self._settle()
        self._thread.shutdown()
        self._connection.close()

    def _arrange(self) -> None:
        """See to it that what waits gets its turn."""
        if self._waiting and self._next is None and self._ending is None and self._loop is not None:
            turn = self._loop.call_soon if not self._crowded else partial(self._loop.call_later, GATHER)
            self._next = turn(self._turn)

    def _turn(self) -> None:
        """One transaction over all that waits, up to its COMMIT."""
        self._next = None
        group = self._take()
        if not group:
            return
        if group[0].long:
            self._commit(group, partial(self._whole, group))
        elif self._begin(group):
            if _run_all(self._connection, group):
                self._commit(group, partial(_commit, self._connection))
            else:
                _roll_back(self._connection)
                self._retry(group)

    def _take(self) -> list[_Request]:
        group: list[_Request] = []
        while self._waiting and len(group) < GROUP:
            request = self._waiting[0]
            single = request.long or request.alone
            if group and single:
                break
            self._waiting.popleft()
            if request.future.cancelled():
                _end(request, failed=True)
                continue
            group.append(request)
            if single:
                break
        return group

    def _begin(self, group: list[_Request]) -> bool:
        """Whether the transaction has begun; otherwise it is tried again a little later, or has failed for all.

        SQLite's own waiting sleeps up to a tenth of a second at a time, which is a hundred transactions of another.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            now = time.monotonic()
            since = self._busy_since = self._busy_since or now
            if is_busy(error) and now - since < BUSY_SECONDS and self._loop is not None:
                self._waiting.extendleft(reversed(group))
                pause = min(max((now - since) / 2, SHORTEST_PAUSE), LONGEST_PAUSE)
                self._next = self._loop.call_later(pause, self._turn)
                return False
            self._busy_since = None
            _fail(group, error)
            self._arrange()
            return False
        self._busy_since = None
        return True

    def _retry(self, group: list[_Request]) -> None:
        """One of them failed: it alone, if it was alone; else each again in a transaction of its own."""
        if len(group) == 1:
            _end(group[0])
        else:
            for request in group:
                request.error, request.alone = None, True
            self._waiting.extendleft(reversed(group))
        self._arrange()

    def _commit(self, group: list[_Request], work: Callable[[], None]) -> None:
        assert self._loop is not None  # whose turn it is
        self._crowded = len(group) > 1
        self._group, self._ending = group, self._thread.submit(work)
        self._ending.add_done_callback(partial(self._tell, self._loop))

    def _tell(self, loop: asyncio.AbstractEventLoop, ending: Future[None]) -> None:
        """In the thread: let the loop go on. A loop that was closed meanwhile waits for nothing."""
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self._committed, ending)

    def _committed(self, ending: Future[None]) -> None:
        if ending is self._ending:
            self._settle()
            self._arrange()

    def _settle(self) -> None:
        """Resolve what the thread has committed; wait for it, if it has not ended yet."""
        if self._ending is None:
            return
        error = self._ending.exception()
        group, self._group, self._ending = self._group, [], None
        if error is not None:
            _roll_back(self._connection)
            _fail(group, error)
            return
        for request in group:
            _end(request)

    def _whole(self, group: list[_Request]) -> None:
        """In the thread: a whole transaction, waiting for other processes as long as it takes."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                break
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise
            time.sleep(LONGEST_PAUSE)
        if _run_all(self._connection, group):
            self._connection.execute("COMMIT")
            return
        _roll_back(self._connection)
        if len(group) > 1:
            for request in group:
                self._by_itself(request)

    def _by_itself(self, request: _Request) -> None:
        """In the thread: again, in a transaction of its own, whose failure is nobody else's."""
        request.error = None
        try:
            self._whole([request])
        except sqlite3.Error as error:
            _roll_back(self._connection)
            request.error = store_error(error)


def _commit(connection: sqlite3.Connection) -> None:
    connection.execute("COMMIT")


def _run_all(connection: sqlite3.Connection, group: list[_Request]) -> bool:
    """Whether all did their work; the one that did not has the error."""
    for request in group:
        try:
            request.result = request.work(connection)
        except BaseException as error:
            request.error = store_error(error)
            return False
    return True


def _end(request: _Request, *, failed: bool = False) -> None:
    """Tell the end of a request to `after`, and to whoever waits."""
    if request.after is not None:
        request.after(None if failed or request.error else request.result)
    if request.future.done() or request.future.get_loop().is_closed():
        return
    if request.error is None:
        request.future.set_result(request.result)
    else:
        request.future.set_exception(request.error)


def _fail(group: list[_Request], error: BaseException) -> None:
    """Tell all of a group that its transaction failed."""
    for request in group:
        request.error = store_error(error)
        _end(request)


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
