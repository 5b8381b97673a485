"""The judge of AuditEvents, a process of its own on the loopback, and what it says of one."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.interop import maven, report
from tests.interop.peer import PeerFailed

STARTED = 120.0
"""Seconds for a JVM on a busy machine to load FHIR."""
ENDED = 20.0
CHECKOUT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Scene:
    """`data` is the folder with `eds` and `ehmi`, whose contents are not in the repository."""

    url: str
    session: aiohttp.ClientSession
    data: Path
    versions: Mapping[str, object]

    async def report(self, event: Mapping[str, Any]) -> tuple[int, list[str]]:
        """The status, and what the OperationOutcome calls an error."""
        body = json.dumps(event).encode()
        headers = {"Content-Type": "application/fhir+json"}
        async with self.session.post(self.url, data=body, headers=headers) as answer:
            said = json.loads(await answer.read())
            errors = [each for each in said["issue"] if each["severity"] in ("fatal", "error")]
            return answer.status, [each["diagnostics"] for each in errors]

    async def begin(self, cell_id: str) -> None:
        """Nothing is left of a cell that the next one would see."""

    async def end(self, cell_id: str) -> None:
        """As before."""


@asynccontextmanager
async def opened(folder: Path, keep: Path | None) -> AsyncIterator[Scene]:
    """Raises Missing without Java, Maven or the profiles; PeerFailed when the judge does not start."""
    command = maven.fhir()
    data = Path(os.environ.get("EHMI_AP_SHARED", CHECKOUT.parent / "shared")) / "data"
    if not (data / "eds").is_dir():
        raise maven.Missing("no profiles of EDS: set EHMI_AP_SHARED to the folder that holds `data/eds`")
    log = folder / "judge.log"
    with log.open("wb") as stderr:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, str(data / "eds"), stdin=pipe, stdout=pipe, stderr=stderr
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(STARTED):
                line = await process.stdout.readline()
            if not line:
                raise PeerFailed(f"the judge did not start:\n{log.read_text(errors='replace')[-2000:]}")
            ready = json.loads(line)
            if ready["hapi"] != report.HAPI:
                raise PeerFailed(f"the cells are about HAPI {report.HAPI}, this is {ready['hapi']}")
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
                yield Scene(ready.pop("url"), session, data, ready)
        finally:
            await _end(process)


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
