"""The program in src/: a process that says when it is ready, and ends with its input."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.interop import maven, report
from tests.interop.letters import Json
from tests.interop.peer import PeerFailed

STARTED = 120.0
"""Seconds for a JVM on a busy machine to load FHIR."""
ENDED = 20.0


@asynccontextmanager
async def running(profiles: Path, log: Path, config: Path | None = None) -> AsyncIterator[Json]:
    """Its port and versions; with `config`, the file of an EDS, it is one.

    Raises:
        Missing: no Java, no Maven, or libraries that cannot be fetched.
        PeerFailed: it does not start, or is of another version.
    """
    command = [*maven.fhir(), str(profiles), *([str(config)] if config else [])]
    pipe = asyncio.subprocess.PIPE
    with log.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=stderr)
        try:
            yield await _ready(process, log)
        finally:
            await _end(process)


async def _ready(process: asyncio.subprocess.Process, log: Path) -> Json:
    assert process.stdout is not None
    async with asyncio.timeout(STARTED):
        line = await process.stdout.readline()
    if not line:
        raise PeerFailed(f"the judge did not start:\n{log.read_text(errors='replace')[-2000:]}")
    ready: Json = json.loads(line)
    if ready["hapi"] != report.HAPI:
        raise PeerFailed(f"the cells are about HAPI {report.HAPI}, this is {ready['hapi']}")
    return ready


async def _end(process: asyncio.subprocess.Process) -> None:
    """It ends with its input; if it does not, it is ended."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(ENDED):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
