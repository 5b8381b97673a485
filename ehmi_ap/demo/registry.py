"""Where the demo's access points find each other: a zone, an SMP over mutual TLS, and the CAs with their lists.

    async with registry(folder, now=now) as found:
        found.settings                              # networks/demo.toml of who looks up here
        found.register(wanted, url=url, certificate=certificate, now=now)

Rules of this room:
- Who signs metadata, who receives and who serves TLS stand below a CA of their own: none can take another's place.
- What is published stays in `folder` too, as it was signed, for when the servers have ended.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dns.message
import dns.rcode
import dns.rdatatype

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.keys import load_key_pairs
from ehmi_ap.demo.dns import Zone, u_naptr
from ehmi_ap.demo.dns import serving as serving_zone
from ehmi_ap.demo.pages import Page, Pages, Segments, segments
from ehmi_ap.demo.pages import serving as serving_pages
from ehmi_ap.demo.pki import Authority, file_stem
from ehmi_ap.demo.smp import Publisher
from ehmi_ap.discovery.found import Wanted
from ehmi_ap.discovery.network import Network, parse_network
from ehmi_ap.discovery.published import Metadata, Process, PublishedCertificate, PublishedEndpoint
from ehmi_ap.discovery.sml import dns_name
from ehmi_ap.discovery.smp_urls import metadata_urls
from ehmi_ap.net.tls import server_context

NETWORK = "demo"
ZONE = "sml.demo.example"
HOST = "127.0.0.1"
AP_CA, SMP_CA, TLS_CA = "demo-ap-ca", "demo-smp-ca", "demo-tls-ca"
"""CAs by their names in trust/."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question that reached the zone (SML), the SMP or the CAs' lists (CA), and what it was told."""

    at: datetime
    where: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """What access points find each other by; `asked` grows with each question."""

    folder: Path
    authorities: Mapping[str, Authority]
    resolver: str
    zone: Zone
    smp: Publisher
    asked: list[Asked]

    @property
    def settings(self) -> dict[str, object]:
        """The network as its file has it; private addresses, as everybody is on this machine."""
        return {
            "zones": [ZONE],
            "resolver": {"servers": [self.resolver]},
            "publishers": {
                "trust": [SMP_CA],
                "tls_trust": TLS_CA,
                "client_certificate": True,
                "revocation": "hard",
                "private_addresses": True,
            },
            "receivers": {"trust": [AP_CA], "revocation": "hard", "private_addresses": True},
        }

    @property
    def network(self) -> Network:
        return parse_network(NETWORK, self.settings)

    def register(self, wanted: Wanted, *, url: str, certificate: Certificate, now: datetime) -> None:
        """Who receives what is `wanted` does so at `url`, with this certificate: at the SMP first, then in the zone."""
        endpoint = PublishedEndpoint(
            transport_profile=self.network.receivers.transport_profiles[0],
            url=url,
            certificates=(PublishedCertificate(certificate=certificate),),
        )
        metadata = Metadata(
            dialect="oasis1",
            participant=wanted.participant,
            document=wanted.document,
            processes=(Process(identifiers=(wanted.process,), endpoints=(endpoint,)),),
        )
        self.smp.register(metadata, now=now)
        name = dns_name(wanted.participant, ZONE, self.network.naming)
        self.zone.put(f"{name}.", "NAPTR", u_naptr(self.smp.base))
        self._keep(wanted)

    def _keep(self, wanted: Wanted) -> None:
        page = self.smp.page(segments(metadata_urls("", wanted.participant, wanted.document, smp2=False)[0]))
        assert page is not None  # it was registered just now
        (self.folder / f"{file_stem(wanted.participant.value)}.xml").write_bytes(page.body)
        (self.folder / f"{ZONE}.zone").write_text(self.zone.text(), encoding="utf-8")


@asynccontextmanager
async def registry(folder: Path, *, now: datetime) -> AsyncIterator[Registry]:
    """One with nobody in it; `folder` is for its certificates and what it publishes."""
    asked: list[Asked] = []
    lists: dict[Segments, Page] = {}
    zone = _WatchedZone(ZONE, asked)
    async with AsyncExitStack() as stack:
        start = stack.enter_async_context
        resolver = await start(serving_zone(zone, host=HOST))
        # The lists come first: every certificate says where they are.
        crls = await start(serving_pages(_watched(lists.get, asked, "CA", _list), host=HOST))
        authorities = {name: _authority(folder, name, crls, now) for name in (AP_CA, SMP_CA, TLS_CA)}
        for name, authority in authorities.items():
            lists[f"{name}.crl",] = Page(body=authority.crl(now=now), content_type="application/pkix-crl", since=now)
        signer = authorities[SMP_CA].access_point("demo-smp", use="sign", now=now)
        smp = Publisher(load_key_pairs(signer.key_pem + signer.certificate_pem)[0])
        tls = authorities[TLS_CA].tls_server("demo-smp", now=now).write(folder / "keys", "smp.tls")
        context = server_context(certificate=tls.certificate, key=tls.key, client_ca=folder / f"{TLS_CA}.pem")
        pages = _watched(smp.page, asked, "SMP", _metadata)
        smp.base = await start(serving_pages(pages, tls=context, path="/smp", host=HOST))
        yield Registry(folder=folder, authorities=authorities, resolver=resolver, zone=zone, smp=smp, asked=asked)


def _authority(folder: Path, name: str, crls: str, now: datetime) -> Authority:
    authority = Authority.new(f"ehmi-ap {name}", now=now, crl_url=f"{crls}/{name}.crl")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.pem").write_bytes(authority.certificate_pem)
    return authority


# -- what was asked


class _WatchedZone(Zone):
    def __init__(self, origin: str, asked: list[Asked]) -> None:
        super().__init__(origin)
        self._asked = asked

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        reply = super().answer(query)
        questions = ", ".join(f"{each.name} {dns.rdatatype.to_text(each.rdtype)}" for each in query.question)
        records = "; ".join(record.to_text() for found in reply.answer for record in found)
        what = f"DNS {questions}: {records or dns.rcode.to_text(reply.rcode())}"
        self._asked.append(Asked(at=datetime.now(UTC), where="SML", what=what))
        return reply


def _watched(pages: Pages, asked: list[Asked], where: str, words: Callable[[Segments], str]) -> Pages:
    def page(path: Segments) -> Page | None:
        found = pages(path)
        told = f"{len(found.body):,} bytes, signed" if found is not None else "not there"
        asked.append(Asked(at=datetime.now(UTC), where=where, what=f"HTTP GET, {words(path)}: {told}"))
        return found

    return page


def _list(path: Segments) -> str:
    return f"revocation list {'/'.join(path)!a}"


def _metadata(path: Segments) -> str:
    """Without the scheme of the participant, and without the document: the look-up has both."""
    participant = next(iter(path), "").rpartition("::")[2]
    return f"{'metadata' if 'services' in path else 'group'} of {participant!a}"
