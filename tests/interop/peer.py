"""The phase4 peer: a process of its own, and the requests of its control port (tests/interop/phase4/README.md)."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.interop.identities import PASSWORD
from tests.interop.letters import Json

STARTED = 90.0
"""Seconds that a JVM may take to start on a busy machine."""


class PeerFailed(Exception):
    """The peer did not start, or its control port did not do what was asked."""


@dataclass(frozen=True, slots=True)
class Phase4:
    """A running peer: its process, where it listens, which versions it has, and its control port."""

    pid: int
    as4: tuple[str, int]
    as4s: tuple[str, int] | None
    versions: Json
    _control: str
    _session: aiohttp.ClientSession

    async def send(self, order: Json) -> Json:
        """One message by phase4's own sender: what that made of the answer."""
        made: Json = await self._call("POST", "/send", json=order)
        return made

    async def bench(self, order: Json, *, count: int, concurrency: int) -> Json:
        """One message `count` times, `concurrency` at a time: seconds, and how many receipts prove delivery."""
        made: Json = await self._call(
            "POST", "/bench", json={"send": order, "count": count, "concurrency": concurrency}
        )
        return made

    async def received(self, message_id: str) -> list[Json]:
        """What phase4 handed to its backend of a message, one for each time."""
        found = await self._call("GET", "/received", params={"message_id": message_id})
        return list(found)

    async def accept(self, *, signed: bool, encrypted: bool) -> None:
        """What its backend takes."""
        await self._call("POST", "/accept", json={"require_signed": signed, "require_encrypted": encrypted})

    async def verify(self, content_type: str, body: bytes, *, decrypt: str | None = None) -> Json:
        """What WSS4J alone makes of a message."""
        found: Json = await self._call(
            "POST",
            "/verify",
            params={"decrypt": decrypt} if decrypt else {},
            data=body,
            headers={"Content-Type": content_type},
        )
        return found

    async def _call(self, method: str, path: str, **how: Any) -> Any:
        async with self._session.request(method, self._control + path, **how) as answer:
            text = await answer.text()
            if answer.status != 200:
                raise PeerFailed(f"{method} {path}: HTTP {answer.status} {text}")
            return json.loads(text)


def config(identities: Path, *, trust: Sequence[str]) -> Json:
    """Every key of `identities`, the HTTPS listener, and whom to trust."""
    names = sorted(path.stem for path in identities.glob("*.p12"))
    return {
        "keys": {_called(name): {"p12": str(identities / f"{name}.p12"), "password": PASSWORD} for name in names},
        "trust": [str(identities / f"{name}.pem") for name in trust],
        "tls": {
            "p12": str(identities / "server.p12"),
            "password": PASSWORD,
            "client_trust": [str(identities / "root.pem"), str(identities / "issuing.pem")],
        },
    }


@asynccontextmanager
async def running(command: Sequence[str], folder: Path, config: Json) -> AsyncIterator[Phase4]:
    """Start the peer below `folder`, and end it by closing its input; `config` is its CONFIG.json without `dir`."""
    (folder / "data").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"dir": str(folder / "data"), **config}, indent=2))
    with (folder / "phase4.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            str(folder / "config.json"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
        try:
            ready = await _ready(process, folder / "phase4.log")
            timeout = aiohttp.ClientTimeout(total=None)
            async with aiohttp.ClientSession(timeout=timeout) as session:
                as4s = _address(ready["as4s"]) if ready.get("as4s") else None
                yield Phase4(process.pid, _address(ready["as4"]), as4s, ready, ready["control"], session)
        finally:
            await _end(process)


async def _ready(process: asyncio.subprocess.Process, log: Path) -> Json:
    assert process.stdout is not None
    async with asyncio.timeout(STARTED):
        line = await process.stdout.readline()
    if not line:
        raise PeerFailed(f"phase4 did not start:\n{log.read_text(errors='replace')[-2000:]}")
    ready: Json = json.loads(line)
    return ready


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(20):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _called(name: str) -> str:
    """The peer's own key is its main one."""
    return "main" if name == "phase4" else name


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.partition("://")[2].partition("/")[0].rpartition(":")
    return host, int(port)
