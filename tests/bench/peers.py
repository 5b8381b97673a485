"""`make bench-peers`: our access point beside phase4 on the same machine, in one run. Needs Java 17 and Maven, and Linux.

    python -m tests.bench.peers [--messages N] [--warm-up N]

Ours and phase4 send to ours and to phase4, each a process on a core of its own. Messages have one payload of 10 KB of
FHIR-like XML in memory, are compressed, signed and encrypted with RSA-2048, and are answered by a signed receipt, over plain
HTTP on the loopback. After --warm-up messages with 16 in flight, --messages are measured with 1, and then with 16 in flight.
Memory is that of two fresh processes after one file of 100 MB that gzips to 30 %. Prints a table in Markdown, writes build/bench-peers.json.

`cpu_ratio_receive` and `cpu_ratio_send` are phase4's CPU ms per message over ours, with 16 in flight: to receive what we
send (us → phase4 over us → us), and to send to us (phase4 → us over us → us).

The comparison is unfair to us: our sides keep every message durably before they sign a receipt, or send; phase4's sides
write nothing to a disk.
"""

import argparse
import asyncio
import base64
import json
import os
import platform
import random
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import floor, sides
from tests.bench.comparison import CONCURRENCIES, PAIRS, PHASE4, Large, Pair, Rate, as_json, markdown
from tests.bench.processes import ROOT, cpu_seconds, peak_mb
from tests.bench.sides import SideFailed
from tests.interop import maven, report
from tests.interop.peer import PeerFailed

LARGE = 100_000_000
HEAP = "512m"
SMALLEST = {"send": "96m", "receive": "192m"}
"""Java heaps with which phase4 sends and receives the large payload; less does not do (Java 25)."""
FILE = ROOT / "build" / "bench-peers.json"


def with_images(size: int) -> bytes:
    """XML that gzips to some 30 %: what floor.fhir_like makes, with random images in base64 between."""
    chance = random.Random(1)
    made = []
    for block in floor.fhir_like(size * 2 // 3):
        image = base64.b64encode(chance.randbytes(len(block) * 3 // 8))
        made += [block, b'<Binary><data value="', image, b'"/></Binary>\n']
    return b"".join(made)[:size]


async def rates(kinds: tuple[str, str], folder: Path, *, messages: int, warm_up: int) -> list[Rate]:
    """Messages per second, and the CPU of both sides."""
    alpha, beta = sides.write_pair(folder)
    found = []
    async with (
        sides.receiver(kinds[1], beta, folder, heap=HEAP) as to,
        sides.sender(kinds[0], alpha, beta, folder, to=to, heap=HEAP) as by,
    ):
        await by.send(warm_up, max(CONCURRENCIES))
        for concurrency in CONCURRENCIES:
            before = cpu_seconds(by.pid), cpu_seconds(to.pid)
            seconds = await by.send(messages, concurrency)
            spent = cpu_seconds(by.pid) - before[0], cpu_seconds(to.pid) - before[1]
            found.append(
                Rate.of(
                    concurrency=concurrency,
                    messages=messages,
                    seconds=seconds,
                    send_cpu=spent[0],
                    receive_cpu=spent[1],
                )
            )
    return found


async def large(kinds: tuple[str, str], folder: Path, payload: Path) -> Large:
    """Memory for one large payload, of processes that did nothing else."""
    alpha, beta = sides.write_pair(folder)
    async with (
        sides.receiver(kinds[1], beta, folder, heap=SMALLEST["receive"]) as to,
        sides.sender(kinds[0], alpha, beta, folder, to=to, heap=SMALLEST["send"]) as by,
    ):
        seconds = await by.send_file(payload)
        return Large(seconds=seconds, sender_mib=peak_mb(by.pid), receiver_mib=peak_mb(to.pid))


async def until_told(folder: Path, *, messages: int, warm_up: int) -> list[Pair]:
    """measure(); SIGTERM ends it, and with it every process."""
    running = asyncio.current_task()
    assert running is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    return await measure(folder, messages=messages, warm_up=warm_up)


async def measure(folder: Path, *, messages: int, warm_up: int) -> list[Pair]:
    payload = folder / "payload.xml"
    payload.write_bytes(with_images(LARGE))
    found = []
    for kinds in PAIRS:
        name = "-".join(kinds)
        print(f"{kinds[0]} → {kinds[1]} ...", file=sys.stderr, flush=True)
        measured = await rates(kinds, folder / name, messages=messages, warm_up=warm_up)
        most = await large(kinds, folder / f"{name}-large", payload)
        found.append(Pair(sender=kinds[0], receiver=kinds[1], rates=measured, large=most))
    return found


def conditions(*, messages: int, warm_up: int) -> dict[str, object]:
    """What the figures depend on."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cpu": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "java": maven.java_version(maven.java()),
        PHASE4: report.PHASE4,
        "java_heap": {"messages": HEAP, "large": SMALLEST},
        "messages": messages,
        "warm_up": warm_up,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description="Our access point beside phase4.")
    parser.add_argument("--messages", type=_some, default=2000, metavar="N", help="measured in each run (default 2000)")
    parser.add_argument("--warm-up", type=_some, default=4000, metavar="N", help="sent before (default 4000)")
    wanted = vars(parser.parse_args(arguments))
    if not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2:
        print("bench-peers: not run: it needs Linux and two cores, one for each side", file=sys.stderr)
        return 1
    try:
        maven.phase4()
        told = conditions(**wanted)
        with tempfile.TemporaryDirectory(prefix="ehmi-ap-bench-") as folder:
            pairs = asyncio.run(until_told(Path(folder), **wanted))
    except maven.Missing as missing:
        print(f"bench-peers: not run: {missing}", file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        print("bench-peers: ended before it was done", file=sys.stderr)
        return 1
    except (maven.BuildFailed, PeerFailed, SideFailed) as failure:
        print(f"bench-peers: {failure}", file=sys.stderr)
        return 1
    print(markdown(pairs, told))
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(as_json(pairs, told), indent=2) + "\n")
    return 0


def _some(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    sys.exit(main())
