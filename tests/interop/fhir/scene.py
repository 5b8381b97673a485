"""The judge of AuditEvents, a process of its own on the loopback, and what it says of one."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.interop import maven
from tests.interop.fhir import judge

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
    maven.fhir()
    data = shared()
    async with (
        judge.running(data / "eds", folder / "judge.log") as ready,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session,
    ):
        yield Scene(f"http://127.0.0.1:{ready.pop('port')}/AuditEvent", session, data, ready)


def shared() -> Path:
    """The folder with `eds` and `ehmi`; raises Missing."""
    data = Path(os.environ.get("EHMI_AP_SHARED", CHECKOUT.parent / "shared")) / "data"
    if not (data / "eds").is_dir():
        raise maven.Missing("no profiles of EDS: set EHMI_AP_SHARED to the folder that holds `data/eds`")
    return data
