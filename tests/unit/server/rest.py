"""Two access points with REST backends that exchange for real, and a client whose every answer is held against OpenAPI."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import store_samples as samples
from yarl import URL

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.config import Config
from ehmi_ap.model import Direction, EventKind, MessageId
from ehmi_ap.server import Addresses, listening
from ehmi_ap.server.internal import ROUTES
from ehmi_ap.server.openapi import document
from tests.pair import ACTION, SERVICE, Side, write_pair
from tests.unit.server.openapi_check import Description

ADMIN = "admin-token-of-the-tests-0123456789"
C1, OTHER, C4 = "c1-token-0123456789abcdef", "other-token-0123456789abcdef", "c4-token-0123456789abcdef"
PUSHED = "pushed-token-0123456789abcdef"
API = "/api/v1"
DESCRIPTION = Description(document(ROUTES))

T = TypeVar("T")


@dataclass(frozen=True)
class Said:
    """An answer of the REST."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Rest:
    """The REST of one access point."""

    ap: AccessPoint
    addresses: Addresses
    session: aiohttp.ClientSession
    token: str

    async def ask(self, method: str, path: str, *, token: str | None = "", **more: Any) -> Said:
        """Ask below /api/v1, and hold the answer against the OpenAPI document. `token` None: none; "": its own."""
        headers = dict(more.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token or self.token}"
        url = URL(self.addresses.internal + API + path, encoded=True)
        async with self.session.request(method, url, headers=headers, **more) as answer:
            said = Said(answer.status, answer.headers, await answer.read())
        media = said.headers.get("Content-Type", "")
        DESCRIPTION.check(method, path.partition("?")[0], said.status, media, said.body)
        return said

    async def submit(self, *payloads: bytes, **metadata: Any) -> Said:
        """Submit payloads to the partner with a form."""
        form = aiohttp.FormData()
        fitting = {"service": SERVICE, "action": ACTION, **metadata}
        form.add_field("metadata", json.dumps(fitting), content_type="application/json")
        for number, payload in enumerate(payloads, 1):
            form.add_field(f"p{number}", BytesIO(payload), content_type="application/xml", filename=f"p{number}.xml")
        return await self.ask("POST", "/messages", data=form, token=self.token)

    async def keep_told(self, message_id: str) -> int:
        """A message that arrived and waits to be fetched, of which EDS is to be told. The number of that report."""
        event = samples.event(message_id, direction=Direction.INBOUND, backend="c4")
        told = samples.enveloped(organisation=samples.RECEIVER)
        kept = {"backend": "c4", "fetched": True, "events": [event], "enveloped": told}
        await samples.keep(self.ap.store, samples.message(message_id), **kept)
        [report] = await self.ap.store.reports.find(message_id=MessageId(message_id))
        return report.event.seq

    async def settled(self, message_id: str) -> None:
        """Returns when C3's receipt has come."""
        async for event in self.ap.events(message_id=message_id):  # type: ignore[arg-type]
            if event.kind is EventKind.SENT:
                assert not event.failed, event.detail
                return


def at(message_id: str, rest: str = "") -> str:
    return f"/messages/{quote(message_id, safe='')}{rest}"


def _backend(name: str) -> str:
    return f'kind = "rest"\ntoken = {{ file = "keys/{name}.token" }}\n'


@asynccontextmanager
async def exchange(folder: Path) -> AsyncIterator[tuple[Rest, Rest]]:
    """`alpha` with backends c1 and other, `beta` with c4."""
    backends = {name: _backend(name) for name in ("c1", "other", "c4")}
    backends["c1"] += "built_together = true\n"
    backends["pushed"] = 'kind = "directory"\npath = "files"\ntoken = { file = "keys/pushed.token" }\n'
    alpha, beta = write_pair(folder, backends=backends)
    async with AsyncExitStack() as stack:
        running = [await stack.enter_async_context(_running(side, token)) for side, token in ((alpha, C1), (beta, C4))]
        yield running[0], running[1]


@asynccontextmanager
async def _running(side: Side, token: str) -> AsyncIterator[Rest]:
    for name, secret in (("c1", C1), ("other", OTHER), ("c4", C4), ("pushed", PUSHED)):
        file = side.home / "keys" / f"{name}.token"
        file.touch(mode=0o600)
        file.write_text(secret + "\n")
    config = Config.load(side.config)
    default = "c1" if side.name == "alpha" else "c4"
    config = replace(config, default_backend=default, web=replace(config.web, insecure_http=True))
    config = replace(config, internal=replace(config.internal, port=0))
    async with (
        AccessPoint(config) as ap,
        listening(ap) as addresses,
        aiohttp.ClientSession() as session,
    ):
        yield Rest(ap, addresses, session, token)


class Running:
    """Both in a thread of their own, for what is synchronous, and a way to wait for what they do."""

    def __init__(self, folder: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._live, args=(folder,))
        self._thread.start()
        assert self._ready.wait(20)

    def _live(self, folder: Path) -> None:
        self._loop.run_until_complete(self._exchange(folder))

    async def _exchange(self, folder: Path) -> None:
        async with exchange(folder) as (self.alpha, self.beta):
            self._ready.set()
            await self._stop.wait()

    def settled(self, message_id: str, by: Rest | None = None) -> None:
        self.run((by or self.alpha).settled(message_id))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What it gives, run in their thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        self._loop.close()
