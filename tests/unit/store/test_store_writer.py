"""The writing connection: groups, faults and whose they are."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ehmi_ap.errors import StoreError
from ehmi_ap.store import writer
from ehmi_ap.store.writer import Writer


class Disk(sqlite3.Connection):
    """A connection that counts its statements, and whose disk fails at one of them after so many `passes`."""

    seen: list[str]
    broken = ""
    passes = 0
    busy: threading.Event

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:  # type: ignore[override]
        self.__dict__.setdefault("seen", []).append(sql)
        if sql == self.broken:
            self.passes -= 1
        if self.passes < 0:
            raise sqlite3.OperationalError("disk I/O error")
        try:
            return super().execute(sql, *values)  # type: ignore[arg-type]
        except sqlite3.OperationalError:
            self.busy.set()
            raise


class Bench:
    """A writer over a table of numbers, with a gate: while it is shut, requests queue up."""

    def __init__(self, path: Path) -> None:
        self.disk = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Disk)
        self.disk.busy = self.busy = threading.Event()
        self.disk.execute("CREATE TABLE n (value INTEGER UNIQUE)")
        self.writer = Writer(lambda: self.disk)
        self.gate = threading.Event()
        self.numbers = sqlite3.connect(path, isolation_level=None)

    def insert(self, value: int, after: Callable[[object], None] | None = None) -> "asyncio.Future[int]":
        def work(connection: sqlite3.Connection) -> int:
            connection.execute("INSERT INTO n VALUES (?)", (value,))
            if value < 0:
                raise ValueError(value)
            return value

        return self.writer.run(work, after)

    async def shut(self) -> "asyncio.Future[bool]":
        """Let the writer wait inside a transaction of its own until the gate opens."""
        entered = threading.Event()

        def work(_: sqlite3.Connection) -> bool:
            entered.set()
            return self.gate.wait(10)

        waiting = self.writer.run(work, long=True)
        await asyncio.to_thread(entered.wait, 10)
        return waiting

    def stored(self) -> list[int]:
        return [value for (value,) in self.numbers.execute("SELECT value FROM n ORDER BY value")]

    def commits(self) -> int:
        return self.disk.seen.count("COMMIT")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path / "n.db")
    yield bench
    bench.gate.set()
    bench.writer.close()
    bench.numbers.close()


async def test_all_that_waits_shares_one_commit(bench: Bench) -> None:
    await bench.shut()
    waiting = [bench.insert(number) for number in range(50)]
    bench.gate.set()
    assert await asyncio.gather(*waiting) == list(range(50))
    assert bench.commits() == 2
    assert bench.stored() == list(range(50))


async def test_nothing_is_reported_before_its_commit(bench: Bench) -> None:
    """Whoever sees a result sees the row, from any connection."""
    for number in range(20):
        await bench.insert(number)
        assert number in bench.stored()


async def test_one_who_fails_fails_alone(bench: Bench) -> None:
    ends: dict[int, object] = {}
    await bench.shut()
    waiting = [bench.insert(number, lambda result, n=number: ends.update({n: result})) for number in (1, -2, 3, 1, 4)]
    bench.gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(r) for r in results] == [int, ValueError, int, StoreError, int]
    assert bench.stored() == [1, 3, 4]
    assert ends == {1: None, -2: None, 3: 3, 4: 4}


@pytest.mark.parametrize("broken", ["BEGIN IMMEDIATE", "COMMIT"])
async def test_a_broken_disk_fails_all_and_the_writer_goes_on(bench: Bench, broken: str) -> None:
    """Each waits once, not once for every other; and nothing of it is stored."""
    await bench.shut()
    ends: list[object] = []
    waiting = [bench.insert(number, ends.append) for number in range(5)]
    bench.disk.seen.clear()
    bench.disk.broken, bench.disk.passes = broken, int(broken == "COMMIT")  # that of the gate's own transaction
    bench.gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(r) for r in results] == [StoreError] * 5
    assert all("disk I/O error" in str(r) for r in results)
    assert ends == [None] * 5
    assert bench.disk.seen.count("BEGIN IMMEDIATE") == 1
    bench.disk.broken, bench.disk.passes = "", 0
    assert await bench.insert(7) == 7
    assert bench.stored() == [7]


async def test_a_writer_waits_for_other_processes_but_not_for_ever(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.disk.execute("PRAGMA busy_timeout = 0")
    bench.numbers.execute("BEGIN IMMEDIATE")
    waiting = bench.insert(1)
    await asyncio.to_thread(bench.busy.wait, 10)
    assert not waiting.done()
    bench.numbers.execute("COMMIT")
    assert await waiting == 1
    bench.numbers.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(writer, "BUSY_SECONDS", 0)
    with pytest.raises(StoreError, match="locked"):
        await bench.insert(2)
    bench.numbers.execute("COMMIT")
    assert bench.stored() == [1]


async def test_what_nobody_waits_for_any_more_is_not_begun(bench: Bench) -> None:
    await bench.shut()
    ends: list[object] = []
    cancelled, wanted = bench.insert(1, ends.append), bench.insert(2, ends.append)
    cancelled.cancel()
    bench.gate.set()
    await wanted
    assert bench.stored() == [2]
    assert ends == [None, 2]


async def test_closing_finishes_what_waits_and_takes_no_more(bench: Bench) -> None:
    await bench.shut()
    waiting = bench.insert(1)
    bench.gate.set()
    bench.writer.close()
    ends: list[object] = []
    with pytest.raises(StoreError, match="closed"):
        await bench.insert(2, ends.append)
    assert await waiting == 1
    assert ends == [None]
    assert bench.stored() == [1]
    bench.writer.close()


async def test_what_takes_long_does_not_hold_up_the_loop(bench: Bench) -> None:
    """Nor does it share a transaction with others."""
    gate = await bench.shut()
    others = [bench.insert(number) for number in range(3)]
    await asyncio.sleep(0)
    assert not gate.done()
    bench.gate.set()
    assert await asyncio.gather(gate, *others) == [True, 0, 1, 2]
    assert bench.commits() == 2


async def test_one_who_fails_after_long_work_fails_alone(bench: Bench) -> None:
    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO n VALUES (7)")
        raise ValueError(7)

    with pytest.raises(ValueError, match="7"):
        await bench.writer.run(work, long=True)
    assert await bench.insert(8) == 8
    assert bench.stored() == [8]


def test_a_loop_that_is_gone_does_not_stop_the_writer(tmp_path: Path) -> None:
    """One event loop ends while its requests are under way; the next one is served, and theirs are written."""
    bench = Bench(tmp_path / "n.db")

    async def leave() -> None:
        await bench.shut()
        bench.insert(1)

    async def stay() -> int:
        return await bench.insert(2)

    asyncio.run(leave())
    bench.gate.set()
    assert asyncio.run(stay()) == 2
    bench.writer.close()
    assert bench.stored() == [1, 2]
    bench.numbers.close()


async def test_closing_tells_each_how_it_went(bench: Bench) -> None:
    """What was committed before another's commit failed is not said to have failed: its files would be deleted."""
    await bench.shut()
    ends: dict[int, object] = {}
    waiting = [bench.insert(number, lambda result, n=number: ends.update({n: result})) for number in (1, -2, 3, 4)]
    bench.disk.broken, bench.disk.passes = "COMMIT", 2  # the gate's own and that of 1
    bench.gate.set()
    bench.writer.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [int, ValueError, StoreError, StoreError]
    assert ends == {1: 1, -2: None, 3: None, 4: None}
    assert bench.stored() == [1]


def test_closing_after_a_loop_that_is_gone_and_a_commit_that_failed(tmp_path: Path) -> None:
    """There is nobody to tell, and no loop to go on in."""
    bench = Bench(tmp_path / "n.db")
    ends: list[object] = []

    async def leave() -> None:
        await bench.shut()
        bench.insert(1, ends.append)

    asyncio.run(leave())
    bench.disk.broken = "COMMIT"
    bench.gate.set()
    bench.writer.close()
    assert ends == [None]
    assert bench.stored() == []
    bench.numbers.close()


def test_another_loop_is_served_after_a_commit_that_failed(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "n.db")

    async def leave() -> None:
        await bench.shut()
        bench.insert(1)

    async def stay() -> int:
        with pytest.raises(StoreError, match="disk I/O error"):
            await bench.insert(2)
        bench.disk.broken, bench.disk.passes = "", 0
        return await bench.insert(3)

    asyncio.run(leave())
    bench.disk.broken = "COMMIT"
    bench.gate.set()
    assert asyncio.run(stay()) == 3
    bench.writer.close()
    assert bench.stored() == [3]
    bench.numbers.close()


def test_a_loop_that_comes_back_does_not_take_a_turn_of_another(tmp_path: Path) -> None:
    """What one loop had planned is void once another is served: else it would write while the thread commits."""
    bench = Bench(tmp_path / "n.db")

    async def plan() -> "asyncio.Future[int]":
        await asyncio.gather(bench.insert(1), bench.insert(2))  # company, so that the next one waits for some
        return bench.insert(3)

    async def other() -> "asyncio.Future[int]":
        await bench.shut()
        return bench.insert(4)

    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    first.run_until_complete(plan())
    waiting = second.run_until_complete(other())
    later = first.create_future()
    first.call_later(2 * writer.GATHER, later.set_result, None)
    first.run_until_complete(later)
    bench.gate.set()
    assert second.run_until_complete(waiting) == 4
    bench.writer.close()
    assert bench.stored() == [1, 2, 3, 4]
    bench.numbers.close()
    first.close()
    second.close()
