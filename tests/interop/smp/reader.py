"""The clients of peppol-commons: a process of its own, asked by lines of JSON (src/main/java/interop/SmpClient.java)."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ehmi_ap.discovery.found import Identifier
from ehmi_ap.model import Participant
from tests.interop.letters import Json
from tests.interop.peer import PeerFailed
from tests.interop.report import PEPPOL

STARTED = 60.0
"""Seconds that a JVM may take to start on a busy machine."""
_LIMIT = 1 << 20  # bytes of an answer


class Reader:
    """A running process; one question at a time."""

    def __init__(self, process: asyncio.subprocess.Process, versions: Json, log: Path) -> None:
        self.versions = versions
        self._process = process
        self._log = log

    async def ask(self, ask: str, **question: Any) -> Json:
        """The answer as JSON: `refused` in it has the exception of the library and its causes."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"ask": ask, **question}, default=_identifier).encode() + b"\n")
        return await _line(self._process, self._log)


@asynccontextmanager
async def running(command: Sequence[str], folder: Path, config: Json) -> AsyncIterator[Reader]:
    """Start it, and end it by closing its input; raises PeerFailed when it does not start, or has another version."""
    path = folder / "reader.json"
    path.write_text(json.dumps(config, indent=2))
    log = folder / "reader.log"
    pipe = asyncio.subprocess.PIPE
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *command, str(path), stdin=pipe, stdout=pipe, stderr=errors, limit=_LIMIT
        )
    try:
        async with asyncio.timeout(STARTED):
            versions = await _line(process, log)
        if versions["client"] != PEPPOL:
            raise PeerFailed(f"peppol-commons is {versions['client']}, not {PEPPOL}")
        yield Reader(process, versions, log)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def _line(process: asyncio.subprocess.Process, log: Path) -> Json:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise PeerFailed(f"the clients of peppol-commons ended:\n{log.read_text(errors='replace')[-2000:]}")
    answer: Json = json.loads(line)
    return answer


def _identifier(value: Participant | Identifier) -> Json:
    return {"scheme": value.scheme, "value": value.value}
