"""Senders and receivers as processes on a core each: ours, and phase4's of tests/interop.

    async with receiver(PHASE4, beta, folder, heap="512m") as to, sender(US, alpha, beta, folder, to=to, heap="512m") as by:
        seconds = await by.send(count=1000, concurrency=16)

`alpha` sends and `beta` receives, whatever runs in their place: keys, certificates and parties are those of tests.pair.
Messages have one payload of 10 KB, kept in memory. A message counts when its receipt is verified; a failure ends the run.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import pair
from tests.bench import floor, processes
from tests.bench.comparison import US
from tests.interop import maven, peer
from tests.interop.identities import PASSWORD
from tests.interop.letters import Json, Letter, Part, Party, Terms
from tests.interop.peer import Phase4

SEND, RECEIVE = 0, 1
"""The cores."""
SETTINGS = "[log]\nlevel = 'error'\n"
PMODE = "retry = { attempts = 1 }\n"
"""A failure is told at once, not tried again for a day."""
BACKENDS = {"inbox": "kind = 'rest'\ntoken = { file = 'keys/inbox.token' }\n"}
TERMS = Terms(
    name="bench",
    us=Party(id="beta"),
    peer=Party(id="alpha"),
    service={"value": pair.SERVICE},
    action=pair.ACTION,
)
"""Those of tests.pair, as phase4 is told them when it is alpha."""


def write_pair(folder: Path) -> tuple[pair.Side, pair.Side]:
    """alpha and beta."""
    return pair.write_pair(folder, pmode=PMODE, settings=SETTINGS, backends=BACKENDS)


class SideFailed(Exception):
    """A message was not sent, or a process ended."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Listens at `url`."""

    pid: int
    url: str


@dataclass(frozen=True, slots=True)
class Sender:
    """`send(count, concurrency)` and `send_file(path)` give the seconds from the start to the last verified receipt."""

    pid: int
    send: Callable[[int, int], Awaitable[float]]
    send_file: Callable[[Path], Awaitable[float]]


@asynccontextmanager
async def receiver(kind: str, side: pair.Side, folder: Path, *, heap: str) -> AsyncIterator[Receiver]:
    """`side` as ours or as phase4, with a Java heap of `heap`. Raises SideFailed, PeerFailed."""
    if kind == US:
        with processes.running(side.port, "tests.bench.daemon", RECEIVE, side.config) as daemon:
            yield Receiver(daemon.pid, side.url)
    else:
        async with _phase4(RECEIVE, side, folder / "phase4-receives", heap) as running:
            host, port = running.as4
            yield Receiver(running.pid, f"http://{host}:{port}/as4")


@asynccontextmanager
async def sender(
    kind: str, side: pair.Side, partner: pair.Side, folder: Path, *, to: Receiver, heap: str
) -> AsyncIterator[Sender]:
    """`side` as ours or as phase4, which sends to `partner` at `to`. Raises SideFailed, PeerFailed."""
    if kind == US:
        pmode = side.home / "pmodes" / f"{partner.name}.toml"
        pmode.write_text(pmode.read_text().replace(partner.url, to.url))
        async with _our_sender(side) as running:
            yield running
    else:
        async with _phase4(SEND, side, folder / "phase4-sends", heap) as phase4:
            yield phase4_sender(phase4, folder, url=to.url, recipient=side.home / "trust" / f"{partner.name}.pem")


@asynccontextmanager
async def _our_sender(side: pair.Side) -> AsyncIterator[Sender]:
    """A process that submits to its access point (tests.bench.sender); ends with its input."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.sender", "orders", str(SEND), str(side.config)),
        cwd=processes.ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    orders, answers = process.stdin, process.stdout

    async def ask(order: Json) -> float:
        orders.write(json.dumps(order).encode() + b"\n")
        line = await answers.readline()
        if not line:
            raise SideFailed("our sender ended; what it said is above")
        return float(json.loads(line)["seconds"])

    try:
        yield Sender(
            process.pid,
            lambda count, concurrency: ask({"count": count, "in_flight": concurrency}),
            lambda path: ask({"file": str(path)}),
        )
    finally:
        orders.close()
        await process.wait()


@asynccontextmanager
async def _phase4(core: int, side: pair.Side, folder: Path, heap: str) -> AsyncIterator[Phase4]:
    """phase4 with the key of `side`; what it receives it digests and drops."""
    folder.mkdir()
    key = folder / "key.p12"
    key.write_bytes(side.identity.p12(PASSWORD))
    config: Json = {
        "keys": {"main": {"p12": str(key), "password": PASSWORD}},
        "trust": [str(path) for path in sorted((side.home / "trust").glob("*.pem"))],
        "store": False,
    }
    async with peer.running(processes.pinned(core, *maven.phase4(heap)), folder / "home", config) as running:
        yield running


def phase4_sender(phase4: Phase4, folder: Path, *, url: str, recipient: Path) -> Sender:
    letter = Letter(parts=(Part(data=b"".join(floor.fhir_like(10_240))),))
    order = {**letter.order(TERMS, folder), "url": url, "recipient": str(recipient)}

    async def send(count: int, concurrency: int) -> float:
        outcome = await phase4.bench(order, count=count, concurrency=concurrency)
        if outcome["failed"]:
            raise SideFailed(
                f"phase4 has no receipt for {outcome['failed']} messages; the first: {outcome['first_failure']}"
            )
        return float(outcome["seconds"])

    async def send_file(path: Path) -> float:
        [payload] = order["payloads"]
        sent = await phase4.send({**order, "timeout_ms": 900_000, "payloads": [{**payload, "file": str(path)}]})
        if sent["result"] != "SUCCESS" or not sent["receipt"]["signature_verified"]:
            raise SideFailed(f"phase4 has no receipt for its large message: {sent}")
        return float(sent["seconds"])

    return Sender(phase4.pid, send, send_file)
