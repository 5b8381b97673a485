"""A process that works on a store until it is killed: `store_child.py write|work FOLDER NAME`.

It prints a word about everything that is durable as far as it was told, one per line, in one write each.
"""

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from store_samples import NOW, accept, claim_one, event, keep, message, payload, reply, signed

from ehmi_ap.lifecycle import Happening
from ehmi_ap.model import Direction, EventKind
from ehmi_ap.store.blobs import FileBlobs
from ehmi_ap.store.sqlite import SqliteStore

LANES = 8
MESSAGES = 12  # of each working process


def content(name: str) -> bytes:
    """What the message of this name holds; every fourth is a file."""
    size = 100_000 if name.endswith(("3", "7")) else 5_000
    return (name.encode() * (size // len(name) + 1))[:size]


async def open_store(folder: Path) -> SqliteStore:
    return await SqliteStore.open(folder / "store.db", FileBlobs(folder / "payloads", threshold=50_000))


def say(word: str) -> None:
    os.write(1, f"{word}\n".encode())


async def write(store: SqliteStore, lane: int) -> None:
    """Accept and keep until killed, and bring every second message to its end."""
    number = 0
    while True:
        number += 1
        name = f"{lane}-{number}"
        await accept(store, message(f"out-{name}", payloads=(payload(content(name)),)))
        say(f"out-{name}")
        await keep(store, message(f"in-{name}", payloads=(payload(content(name)),)), answer=reply(name.encode()))
        say(f"in-{name}")
        job = await claim_one(store, Direction.OUTBOUND)
        await store.keep_signed(job.key, signed(content(name)))
        say(f"signed-{job.key}")
        done = [event(job.message.message_id, EventKind.SENT)]
        await store.settle(job.key, Happening.SETTLED, now=NOW, receipt=reply(), events=done)
        say(f"settled-{job.key}")


async def work(store: SqliteStore, name: str) -> None:
    """Bring some messages, then claim what there is, whoever brought it."""
    for number in range(MESSAGES):
        await accept(store, message(f"{name}-{number}"))
    while jobs := await store.claim(Direction.OUTBOUND, now=NOW, lease=60, limit=3):
        for job in jobs:
            say(f"claimed-{job.key}")
            await store.settle(job.key, Happening.SETTLED, now=NOW)


async def main(mode: str, folder: Path, name: str) -> None:
    store = await open_store(folder)
    if mode == "write":
        await asyncio.gather(*[write(store, lane) for lane in range(LANES)])
    await work(store, name)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
