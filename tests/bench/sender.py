"""The sending side, measured from inside a process of its own.

    python -m tests.bench.sender messages CORE CONFIG COUNT IN_FLIGHT    seconds and CPU seconds for COUNT messages
    python -m tests.bench.sender looked-up CORE CONFIG COUNT IN_FLIGHT RECEIVERS    the same to many, and look-ups
    python -m tests.bench.sender latency CORE CONFIG COUNT               one in flight: median ms from submit to receipt
    python -m tests.bench.sender bulk CORE CONFIG FILE                   one large payload: seconds, peak memory
    python -m tests.bench.sender orders CORE CONFIG                      what its standard input says, until that ends

Each prints one JSON object, `orders` one for each line: {"count": 4000, "in_flight": 16} sends that many messages,
{"file": PATH} is bulk. A message counts when its receipt is verified and the fact is durable.
"""

import asyncio
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.body import Body, MemoryBody
from ehmi_ap.config import Config
from ehmi_ap.model import EventKind, Participant, Payload, Submission
from ehmi_ap.server.listen import spare_the_collector
from tests import pair
from tests.bench import floor, partners
from tests.bench.processes import pin


def submission(body: Body, receiver: str = partners.WARM_UP) -> Submission:
    return Submission(
        payloads=(Payload(body=body, mime_type="application/fhir+xml"),),
        pmode="beta",
        sender=Participant("c1"),
        receiver=Participant(receiver),
        action=pair.ACTION,
    )


async def settled(ap: AccessPoint, count: int, after: int, each: Callable[[], None] = lambda: None) -> int:
    """Wait until `count` messages are settled, calling `each` at each; the last event's seq. A failure ends the run."""
    seq = after
    async for event in ap.events(after=after):
        seq = event.seq
        if event.kind is EventKind.SENT:
            assert not event.failed, (event.code, event.detail)
            each()
            count -= 1
            if count == 0:
                break
    return seq


async def messages(ap: AccessPoint, count: int, in_flight: int, receivers: Sequence[str] = ()) -> dict[str, object]:
    """`receivers` get their messages one after the other, each all of its share."""
    payload = MemoryBody(b"".join(floor.fhir_like(10_240)))

    async def run(number: int, receivers: Sequence[str] = (partners.WARM_UP,)) -> None:
        """Closed loop: `in_flight` messages are under way, a new one for each that is settled."""
        before, begun, tasks = ap.stats["sent"], 0, []
        while (settled := ap.stats["sent"] - before) < number:
            assert not ap.stats["send_failed"]
            while begun < min(number, settled + in_flight):
                receiver = receivers[begun * len(receivers) // number]
                tasks.append(asyncio.create_task(ap.submit(submission(payload, receiver))))
                begun += 1
            await asyncio.sleep(0.003)
        await asyncio.gather(*tasks)

    await run(200)
    start, spent = time.perf_counter(), time.process_time()
    await run(count, receivers or (partners.WARM_UP,))
    return {"seconds": time.perf_counter() - start, "cpu": time.process_time() - spent, "count": count}


async def looked_up(ap: AccessPoint, count: int, in_flight: int, receivers: int) -> dict[str, object]:
    """Nothing is remembered of any receiver; one look-up for each has to do."""
    result = await messages(ap, count, in_flight, partners.receivers(receivers))
    assert ap.stats["lookup found"] == receivers + 1, ap.stats
    return {**result, "lookups": receivers, "lookup_seconds": ap.lookups[partners.NAME, "found"][1] / (receivers + 1)}


async def latency(ap: AccessPoint, count: int) -> dict[str, object]:
    payload = MemoryBody(b"".join(floor.fhir_like(10_240)))
    seq, taken = 0, []
    for _ in range(count):
        start = time.perf_counter()
        waiting = asyncio.create_task(settled(ap, 1, seq))
        await ap.submit(submission(payload))
        seq = await waiting
        taken.append((time.perf_counter() - start) * 1000)
    return {"p50_ms": statistics.median(taken[count // 4 :])}


async def bulk(ap: AccessPoint, file: Path) -> dict[str, object]:
    """From the first byte read of the file to the verified receipt of a peer that has it durably."""
    start = time.perf_counter()
    spool = ap.blobs.spool()

    def copy() -> None:
        with file.open("rb", buffering=0) as reader:
            while chunk := reader.read(1 << 20):
                spool.write(chunk)

    await asyncio.to_thread(copy)
    waiting = asyncio.create_task(settled(ap, 1, 0))
    await ap.submit(submission(spool.finish()))
    await waiting
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "bytes": file.stat().st_size, "peak_rss_mb": peak}


async def orders(ap: AccessPoint) -> dict[str, object]:
    """Do what each line of standard input says, and answer with a line."""
    payload, seq, done = MemoryBody(b"".join(floor.fhir_like(10_240))), 0, 0

    async def send(count: int, in_flight: int) -> dict[str, object]:
        """Closed loop: a new message for each that is settled."""
        nonlocal seq
        start = time.perf_counter()
        free = asyncio.Semaphore(in_flight)

        async def begin() -> None:
            async with asyncio.TaskGroup() as submitting:
                for _ in range(count):
                    await free.acquire()
                    submitting.create_task(ap.submit(submission(payload)))

        async with asyncio.TaskGroup() as group:
            group.create_task(begin())
            seq = await settled(ap, count, seq, free.release)
        return {"seconds": time.perf_counter() - start}

    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        answer = await (bulk(ap, Path(order["file"])) if "file" in order else send(**order))
        print(json.dumps(answer), flush=True)
        done += 1
    return {"orders": done}


async def run() -> dict[str, object]:
    config = Config.load(Path(sys.argv[3]))
    async with AccessPoint(config) as ap:
        match sys.argv[1]:
            case "messages":
                return await messages(ap, int(sys.argv[4]), int(sys.argv[5]))
            case "looked-up":
                return await looked_up(ap, *map(int, sys.argv[4:7]))
            case "latency":
                return await latency(ap, int(sys.argv[4]))
            case "orders":
                return await orders(ap)
            case _:
                return await bulk(ap, Path(sys.argv[4]))


def main() -> None:
    pin(int(sys.argv[2]))
    spare_the_collector()  # as the daemon does
    try:
        import uvloop
    except ImportError:
        print(json.dumps(asyncio.run(run())))
    else:
        print(json.dumps(uvloop.run(run())))


if __name__ == "__main__":
    main()
