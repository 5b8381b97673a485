"""Our SMPs over mutual TLS, our DNS server in front of them, and the clients of peppol-commons."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.demo.dns import Zone
from ehmi_ap.demo.dns import serving as serving_zone
from ehmi_ap.demo.pages import Page, Segments
from ehmi_ap.demo.pages import serving as serving_pages
from ehmi_ap.demo.smp import Publisher
from ehmi_ap.discovery.found import Wanted
from ehmi_ap.discovery.network import Naming
from ehmi_ap.discovery.published import Dialect, Metadata, Process, PublishedCertificate, PublishedEndpoint
from ehmi_ap.discovery.sml import dns_name
from ehmi_ap.discovery.smp_urls import metadata_urls
from ehmi_ap.net.documents import WebDocuments
from ehmi_ap.net.tls import client_context, server_context
from ehmi_ap.questions import WebQuestion
from tests.interop import identities, maven
from tests.interop.letters import Json
from tests.interop.smp import reader
from tests.publisher import PROFILE, WANTED, ZONE
from tests.simulated_network import certificate, key_pair

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
Site = Literal["here", "elsewhere", "untrusted", "expired"]
"""An SMP, by whom it signs as: two that are trusted, and two that are not."""


@dataclass
class Scene:
    """`change` is done to every page that is served, as long as a cell runs."""

    reader: reader.Reader
    zone: Zone
    smps: Mapping[tuple[Site, Dialect], Publisher]
    signers: Mapping[Site, Certificate]
    root: bytes  # PEM, as the next
    issuer: bytes
    access_point: Certificate
    now: datetime
    documents: WebDocuments
    asked: list[Segments] = field(default_factory=list)
    change: list[Callable[[bytes], bytes]] = field(default_factory=list)

    @property
    def versions(self) -> Mapping[str, object]:
        return {"peppol-commons": self.reader.versions["client"]}

    def smp(self, dialect: Dialect, site: Site = "here") -> Publisher:
        return self.smps[site, dialect]

    def endpoint(self, **changes: Any) -> PublishedEndpoint:
        published = (PublishedCertificate(certificate=self.access_point),)
        values = {"transport_profile": PROFILE, "url": "https://ap.example/as4", "certificates": published}
        return PublishedEndpoint(**{**values, **changes})

    def register(self, dialect: Dialect, *processes: Process, wanted: Wanted = WANTED, site: Site = "here") -> Metadata:
        """At the SMP of that dialect; without `processes` one with one endpoint."""
        metadata = Metadata(
            dialect=dialect,
            participant=wanted.participant,
            document=wanted.document,
            processes=processes or (Process(identifiers=(wanted.process,), endpoints=(self.endpoint(),)),),
        )
        self.smp(dialect, site).register(metadata, now=self.now)
        return metadata

    async def ask(self, ask: str, dialect: Dialect = "oasis1", wanted: Wanted = WANTED, **question: Any) -> Json:
        """The clients, about the SMP of the dialect unless another `smp` is named."""
        whole = {
            "dialect": dialect,
            "smp": self.smp(dialect).base,
            "zone": ZONE,
            "participant": wanted.participant,
            "document": wanted.document,
            "process": wanted.process,
            "profile": PROFILE,
            **question,
        }
        return await self.reader.ask(ask, **whole)

    async def served(self, dialect: Dialect, wanted: Wanted = WANTED, site: Site = "here") -> bytes:
        """What is at the URL of the metadata, by our own client."""
        base = self.smp(dialect, site).base
        [url, *_] = metadata_urls(base, wanted.participant, wanted.document, smp2=dialect == "oasis2")
        answer = await self.documents.fetch(WebQuestion(url=url, private=True))
        assert answer.status == 200, answer
        return answer.body

    def locate(self, wanted: Wanted, *records: str) -> str:
        """Put the records of a participant into the zone; its name there."""
        name = dns_name(wanted.participant, ZONE, Naming())
        self.zone.put(f"{name}.", "NAPTR", *records)
        return name

    def page(self, smp: Publisher, path: Segments) -> Page | None:
        self.asked.append(path)
        found = smp.page(path)
        if found is not None:
            for change in self.change:
                found = replace(found, body=change(found.body))
        return found

    async def begin(self, cell_id: str) -> None:
        self.asked.clear()
        self.change.clear()

    async def end(self, cell_id: str) -> None:
        """What is registered stays: cells register what they ask for."""


@asynccontextmanager
async def opened(folder: Path, keep: Path | None) -> AsyncIterator[Scene]:
    """Raises Missing and BuildFailed as `maven`, PeerFailed when the clients do not start."""
    command = maven.smp_client()
    keys = identities.make()
    files = folder / "keys"
    keys.write(files)
    signers: dict[Site, Any] = {
        "here": keys.ours,
        "elsewhere": keys.other,
        "untrusted": keys.stranger,
        "expired": keys.ours_expired,
    }
    zone = Zone(ZONE)
    async with AsyncExitStack() as stack:
        config = {
            "trust": [str(files / "issuing.pem")],
            "tls": {
                "p12": str(files / "client.p12"),
                "password": identities.PASSWORD,
                "trust": [str(files / "issuing.pem")],
            },
            "dns": await stack.enter_async_context(serving_zone(zone)),
        }
        scene = Scene(
            reader=await stack.enter_async_context(reader.running(command, folder, config)),
            zone=zone,
            smps=_smps(signers),
            signers={site: certificate(identity) for site, identity in signers.items()},
            root=keys.root.pem,
            issuer=keys.issuing.pem,
            access_point=certificate(keys.phase4),
            now=datetime.now(UTC).replace(microsecond=0),
            documents=await stack.enter_async_context(_documents(files, keys.root.der)),
        )
        tls = server_context(
            certificate=files / "server.chain.pem", key=files / "server.key.pem", client_ca=files / "root.pem"
        )
        for (site, _), smp in scene.smps.items():
            if not smp.base:
                page = _pages(scene, smp)
                smp.base = await stack.enter_async_context(serving_pages(page, tls=tls, path=f"/{site}"))
        yield scene


def _smps(signers: Mapping[Site, Any]) -> dict[tuple[Site, Dialect], Publisher]:
    """OASIS SMP 1.0 and 2.0 are published side by side, as other products do."""
    smps: dict[tuple[Site, Dialect], Publisher] = {}
    for site, identity in signers.items():
        smps[site, "peppol"] = Publisher(key_pair(identity), dialect="peppol")
        smps[site, "oasis1"] = smps[site, "oasis2"] = Publisher(key_pair(identity), dialect="oasis1")
    return smps


def _documents(files: Path, anchor: bytes) -> WebDocuments:
    """Our own client."""
    shown = {"certificate": files / "client.chain.pem", "key": files / "client.key.pem"}
    return WebDocuments(client_context(anchors=[anchor], **shown))


def _pages(scene: Scene, smp: Publisher) -> Callable[[Segments], Page | None]:
    return lambda path: scene.page(smp, path)


@asynccontextmanager
async def overheard() -> AsyncIterator[tuple[str, list[str]]]:
    """The base URL of a server that has nothing, and what is asked of it, to the letter."""
    targets: list[str] = []

    async def answer(reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        head = await reading.readuntil(b"\r\n\r\n")
        targets.append(head.split(b" ", 2)[1].decode())
        writing.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writing.drain()
        writing.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}", targets
