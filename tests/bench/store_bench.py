"""What the store costs: operations per second and CPU per operation, at 1, 16 and 64 in flight.

    python tests/bench/store_bench.py [--messages N] [--store sqlite|memory] [FOLDER]

Messages are those of the main job: one payload of 10 KB, an envelope of 8 KB, a receipt of 4 KB. An outbound
message is accept, claim, keep_signed and settle; an inbound one keep, claim and settle. CPU is that of the
whole process; claims are made one after the other, as many messages at a time as are in flight.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from store_samples import NOW, accept, event, keep, message, payload, reply, signed

from ehmi_ap.lifecycle import Happening
from ehmi_ap.model import Direction, EventKind, Signed
from ehmi_ap.ports import Job, Store
from ehmi_ap.store.blobs import FileBlobs
from ehmi_ap.store.memory import MemoryStore
from ehmi_ap.store.sqlite import SqliteStore

PAYLOAD, COMPRESSED, ENVELOPE, RECEIPT = (os.urandom(size) for size in (10_000, 3_000, 8_000, 4_000))
ROW = "{:>9} {:<12} {:>10} {:>12}"

Step = Callable[[int], Awaitable[object]]


async def measure(name: str, flying: int, count: int, step: Step, operations: int = 1) -> None:
    """Run `step` over 0..count with `flying` at a time."""
    numbers = iter(range(count))

    async def lane() -> None:
        for number in numbers:
            await step(number)

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*[lane() for _ in range(flying)])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    done = count * operations
    print(ROW.format(flying, name, f"{done / wall:,.0f}/s", f"{cpu / done * 1e6:.1f} us"))


async def claim_all(store: Store, direction: Direction, flying: int) -> list[Job]:
    jobs: list[Job] = []
    while batch := await store.claim(direction, now=NOW, lease=600, limit=flying):
        jobs += batch
    return jobs


async def run(store: Store, flying: int, count: int) -> None:
    for direction in Direction:
        outbound = direction is Direction.OUTBOUND
        ids = [f"{direction.value}-{flying}-{number}@bench" for number in range(count)]
        messages = [message(each, payloads=(payload(PAYLOAD),)) for each in ids]
        received = [[event(each, direction=direction)] for each in ids]
        sent = [[event(each, EventKind.SENT, direction=direction)] for each in ids]
        answer, form = reply(RECEIPT), signed(COMPRESSED, envelope=ENVELOPE)
        jobs: list[Job] = []

        async def begin(number: int, outbound: bool = outbound, what: Any = messages, told: Any = received) -> None:
            if outbound:
                await accept(store, what[number], events=told[number])
            else:
                await keep(store, what[number], answer=reply(RECEIPT), events=told[number])

        async def claim(_: int, direction: Direction = direction, jobs: list[Job] = jobs) -> None:
            jobs += await claim_all(store, direction, flying)

        async def sign(number: int, jobs: list[Job] = jobs, form: Signed = form) -> None:
            await store.keep_signed(jobs[number].key, form)

        async def settle(number: int, jobs: list[Job] = jobs, told: Any = sent, answer: Any = answer) -> None:
            await store.settle(jobs[number].key, Happening.SETTLED, now=NOW, receipt=answer, events=told[number])

        await measure("accept" if outbound else "keep", flying, count, begin)
        await measure("claim", 1, 1, claim, operations=count)
        if outbound:
            await measure("keep_signed", flying, count, sign)
        await measure("settle", flying, count, settle if outbound else partial(settle, answer=None))


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--store", choices=("sqlite", "memory"), default="sqlite")
    chosen = parser.parse_args()
    print(ROW.format("in flight", "operation", "per second", "CPU each"))
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        for flying in (1, 16, 64):
            store: Store = MemoryStore()
            if chosen.store == "sqlite":
                blobs = FileBlobs(Path(name) / f"{flying}")
                store = await SqliteStore.open(Path(name) / f"{flying}.db", blobs)
            await run(store, flying, chosen.messages)
            await store.close()


if __name__ == "__main__":
    asyncio.run(main())
