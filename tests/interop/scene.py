"""Everything that runs during the matrix: phase4, our access points, and a proxy on either way between them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.interop import identities, ours, peer, report
from tests.interop.http1 import Http
from tests.interop.identities import Identities
from tests.interop.letters import Json, Letter, Terms
from tests.interop.ours import Ours
from tests.interop.peer import PeerFailed, Phase4
from tests.interop.proxy import Proxy

TRUSTED_BY_PHASE4 = ("root", "issuing", "ours")
"""Our own certificate too: a token that only names it (SKI, IssuerSerial, thumbprint) has to be looked up."""


@dataclass(frozen=True, slots=True)
class Scene:
    """`to_phase4` and `to_ours` are the proxies; all but TLS goes through one of them."""

    folder: Path
    files: Path
    ids: Identities
    phase4: Phase4
    ours: Ours
    to_phase4: Proxy
    to_ours: Proxy
    terms: Sequence[Terms]
    keep: Path | None = None

    @property
    def versions(self) -> Json:
        """Of Java, phase4 and WSS4J."""
        return {name: self.phase4.versions[name] for name in ("java", "phase4", "wss4j")}

    async def phase4_sends(self, letter: Letter, terms: Terms, *, url: str | None = None, **changes: Any) -> Json:
        """Let phase4 send the letter to us, with something changed in the order; what it made of our answer."""
        folder = self.folder / "orders"
        folder.mkdir(exist_ok=True)
        order = letter.order(terms, folder)
        order |= {"url": url or self.to_ours.url, "recipient": self.certificate("ours"), **changes}
        return await self.phase4.send(order)

    async def post(self, content_type: str, body: bytes) -> Http:
        """Post a message made by hand to phase4; its answer."""
        headers = {"Content-Type": content_type, "Accept-Encoding": "identity"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.to_phase4.url, data=body, headers=headers) as response,
        ):
            await response.read()
        return self.to_phase4.exchanges[-1].answer

    def certificate(self, name: str) -> str:
        """Path of somebody's certificate."""
        return str(self.files / f"{name}.pem")

    @asynccontextmanager
    async def another(self, name: str, **settings: str) -> AsyncIterator[Ours]:
        """A further access point of ours with other settings (see `ours.opened`), for one cell."""
        home = self.folder / name
        given = {"url": self.to_phase4.url, **settings}
        async with ours.opened(home, self.files, self.terms, **given) as running:
            yield running

    async def begin(self, cell_id: str) -> None:
        """A clean table for the next cell."""
        self.to_phase4.clear()
        self.to_ours.clear()
        self.ours.clear()

    async def end(self, cell_id: str) -> None:
        """Keep what travelled, if that was asked for."""
        if self.keep is not None:
            for name, proxy in (("out", self.to_phase4), ("in", self.to_ours)):
                if proxy.exchanges:
                    folder = self.keep / cell_id / name
                    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
                    proxy.dump(folder)


@asynccontextmanager
async def opened(
    folder: Path, command: Sequence[str], terms: Sequence[Terms], *, keep: Path | None = None
) -> AsyncIterator[Scene]:
    """Start everything below `folder`; `command` starts phase4. Raises PeerFailed."""
    everybody = identities.make()
    files = folder / "identities"
    everybody.write(files)
    async with AsyncExitStack() as stack:
        proxies = Proxy(), Proxy()
        for proxy in proxies:
            await proxy.start()
            stack.push_async_callback(proxy.stop)
        to_phase4, to_ours = proxies
        phase4 = await stack.enter_async_context(
            peer.running(command, folder / "phase4", peer.config(files, trust=TRUSTED_BY_PHASE4))
        )
        found = (phase4.versions["phase4"], phase4.versions["wss4j"])
        if found != (report.PHASE4, report.WSS4J):
            raise PeerFailed(f"phase4 and WSS4J are {found}: change report.py, and judge every limit anew")
        await phase4.accept(signed=True, encrypted=False)  # what has to be encrypted, each cell finds for itself
        to_phase4.target = phase4.as4
        own = await stack.enter_async_context(ours.opened(folder / "ours", files, terms, url=to_phase4.url))
        to_ours.target = own.address
        yield Scene(folder, files, everybody, phase4, own, to_phase4, to_ours, terms, keep)
