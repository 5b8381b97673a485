"""The SQLite store under kill -9, and under several processes at once: real processes, a real disk."""

import asyncio
import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest
from store_child import MESSAGES, content, open_store
from store_samples import signed

from ehmi_ap.body import read_all
from ehmi_ap.lifecycle import State
from ehmi_ap.model import Direction, EventKind, MessageId
from ehmi_ap.ports import Query, Stored
from ehmi_ap.store.sqlite import SqliteStore

CHILD = Path(__file__).with_name("store_child.py")


async def start(mode: str, folder: Path, name: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, str(CHILD), mode, str(folder), name, stdout=asyncio.subprocess.PIPE
    )


async def killed_after(lines: int, folder: Path) -> set[str]:
    """What a writing process said was durable before it was killed in the middle of its stream."""
    process = await start("write", folder, "w")
    assert process.stdout is not None
    said = [await process.stdout.readline() for _ in range(lines)]
    os.kill(process.pid, signal.SIGKILL)
    said += (await process.stdout.read()).splitlines()
    assert await process.wait() == -signal.SIGKILL
    return {line.decode().strip() for line in said}


@pytest.mark.parametrize("lines", [1, 30, 107])
async def test_what_was_durable_is_there_and_nothing_is_half_there(tmp_path: Path, lines: int) -> None:
    said = await killed_after(lines, tmp_path)
    store = await open_store(tmp_path)
    found = {stored.message.message_id: stored for stored in await store.find(Query(limit=100_000))}
    assert {name for name in said if name.startswith(("in-", "out-"))} <= set(found)
    for stored in found.values():
        await assert_whole(store, stored)
    for name in said:
        word, _, key = name.partition("-")
        if word in ("signed", "settled"):
            await assert_kept(store, word, int(key))
    await store.close()
    assert_no_file_is_missing(tmp_path)


async def assert_whole(store: SqliteStore, stored: Stored) -> None:
    """All of one transaction or nothing: the payload, the receipt and the event of a message."""
    name = stored.message.message_id.partition("-")[2]
    assert [read_all(item.body) for item in stored.message.payloads] == [content(name)]
    kinds = [e.kind for e in await store.events(message_id=stored.message.message_id)]
    assert kinds == [EventKind.RECEIVED] + [EventKind.SENT] * (stored.state is State.ACKNOWLEDGED)
    if stored.direction is Direction.INBOUND:
        receipt = await store.receipt(stored.key)
        assert receipt is not None
        assert read_all(receipt.body) == name.encode()


async def assert_kept(store: SqliteStore, word: str, key: int) -> None:
    stored = await store.get(key)
    assert stored is not None
    known = await store.sent(MessageId(stored.message.message_id))
    assert known is not None
    assert known.references == signed().references
    if word == "settled":
        assert (stored.state, stored.has_receipt) == (State.ACKNOWLEDGED, True)


def assert_no_file_is_missing(folder: Path) -> None:
    """Every file a row names is on the disk; the others are what the sweep is for."""
    connection = sqlite3.connect(folder / "store.db")
    named = {name for (name,) in connection.execute("SELECT name FROM file")}
    connection.close()
    assert named <= {path.name for path in (folder / "payloads" / "kept").rglob("*")}


async def test_a_killed_process_leaves_what_the_sweep_takes(tmp_path: Path) -> None:
    """Files between rename and commit, and spools: gone at the next start once they are old."""
    await killed_after(40, tmp_path)
    kept, spool = tmp_path / "payloads" / "kept", tmp_path / "payloads" / "spool"
    (kept / "ab").mkdir(exist_ok=True)
    (kept / "ab" / "abandoned").write_bytes(b"x")
    (spool / "abandoned").write_bytes(b"x")
    for path in tmp_path.rglob("*"):
        if path.is_file() and "payloads" in path.parts:
            os.utime(path, (0, 0))
    (spool / "young").write_bytes(b"x")
    store = await open_store(tmp_path)
    for stored in await store.find(Query(limit=100_000)):
        await assert_whole(store, stored)
    await store.close()
    assert_no_file_is_missing(tmp_path)
    assert not (kept / "ab" / "abandoned").exists()
    assert [path.name for path in spool.iterdir()] == ["young"]


async def test_several_processes_share_one_database(tmp_path: Path) -> None:
    """All make it, fill it and empty it at the same time; every message is claimed once."""
    processes = [await start("work", tmp_path, name) for name in "abc"]
    outputs = await asyncio.gather(*[process.communicate() for process in processes])
    assert [process.returncode for process in processes] == [0, 0, 0]
    claimed = [line for output, _ in outputs for line in output.decode().split()]
    assert len(claimed) == len(set(claimed)) == 3 * MESSAGES
    store = await open_store(tmp_path)
    assert await store.counts() == {(Direction.OUTBOUND, State.ACKNOWLEDGED): 3 * MESSAGES}
    await store.close()
