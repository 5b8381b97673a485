"""A small network that is real: a DNS zone, an SMP over mutual TLS, and CRLs; on the loopback, out of the demo's parts.

async with published() as net:
    net.register()
    await net.look_up()                            # Found
    net.instead = lambda path: None                # from now on the SMP has nothing
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.x509.oid import ExtensionOID

from ehmi_ap import tables
from ehmi_ap.crypto.keys import Trust
from ehmi_ap.demo.dns import Zone, u_naptr
from ehmi_ap.demo.dns import serving as serving_zone
from ehmi_ap.demo.pages import Page, Pages, Segments
from ehmi_ap.demo.pages import serving as serving_pages
from ehmi_ap.demo.smp import Publisher
from ehmi_ap.discovery.found import Found, Identifier, Result, Wanted
from ehmi_ap.discovery.identifiers import ISO6523
from ehmi_ap.discovery.lookup import lookup
from ehmi_ap.discovery.network import Network, Publishers, Receivers, Resolver
from ehmi_ap.discovery.published import Metadata, Process, PublishedCertificate, PublishedEndpoint
from ehmi_ap.discovery.sml import dns_name
from ehmi_ap.flows.ask import ask
from ehmi_ap.model import Participant
from ehmi_ap.net.dns import RecursiveDns
from ehmi_ap.net.documents import WebDocuments
from ehmi_ap.net.tls import client_context, server_context
from tests.pki import NOW, Identity
from tests.servers import TlsFiles
from tests.simulated_network import (
    ap_ca,
    ap_certificate,
    certificate,
    crl,
    key_pair,
    listed_at,
    smp_ca,
    smp_certificate,
)

CDP = ExtensionOID.CRL_DISTRIBUTION_POINTS
ZONE = "sml.test"
PROFILE = "bdxr-transport-ebms3-as4-v1p0"
WANTED = Wanted(
    participant=Participant("0088:5790000121526", ISO6523),
    document=Identifier("urn:dk:healthcare::homecareobservation-message##urn:dk:medcom/fhir::1.2", "busdox-docid-qns"),
    process=Identifier("urn:ehmi:sdn-emergence", "cenbii-procid-ubl"),
)


def lists_of(identity: Identity) -> list[Any]:
    """The extension that says where the CRL is, as in this certificate."""
    return [(each.value, each.critical) for each in identity.cert.extensions if each.oid == CDP]


@dataclass
class Net:
    """The parts, and what a look-up in them comes to. `instead` answers for the SMP when it is set."""

    zone: Zone
    server: str
    smp: Publisher
    signer: Identity
    access_point: Identity
    network: Network
    dns: RecursiveDns
    documents: WebDocuments
    lists: dict[Segments, Page] = field(default_factory=dict)
    asked: list[Segments] = field(default_factory=list)
    instead: Pages | None = None

    def register(self, wanted: Wanted = WANTED, **changes: Any) -> Metadata:
        """In the zone and at the SMP."""
        self.zone.put(self.name(wanted), "NAPTR", u_naptr(self.smp.base))
        metadata = Metadata(
            dialect="oasis1",
            participant=wanted.participant,
            document=wanted.document,
            processes=(Process(identifiers=(wanted.process,), endpoints=(self.endpoint(**changes),)),),
        )
        self.smp.register(metadata, now=NOW)
        return metadata

    def endpoint(self, **changes: Any) -> PublishedEndpoint:
        published = PublishedCertificate(certificate=certificate(self.access_point))
        values = {"transport_profile": PROFILE, "url": "https://localhost/as4", "certificates": (published,)}
        return PublishedEndpoint(**{**values, **changes})

    def name(self, wanted: Wanted = WANTED) -> str:
        """With its last dot, as in a zone file."""
        return f"{dns_name(wanted.participant, ZONE, self.network.naming)}."

    @property
    def signer_lists(self) -> list[Any]:
        """The extension of a signer's certificate that says where its CRL is."""
        return lists_of(self.signer)

    def change(self, part: str, **changes: Any) -> None:
        self.network = replace(self.network, **{part: replace(getattr(self.network, part), **changes)})

    async def look_up(self, wanted: Wanted = WANTED, *, known: Found | None = None) -> Result:
        trust = Trust({"smp-ca": [certificate(smp_ca())], "ap-ca": [certificate(ap_ca())]})
        return await ask(lookup(wanted, self.network, trust, now=NOW, known=known), self.dns, self.documents)

    def write(self, folder: Path) -> Path:
        """The network as a file."""
        path = folder / f"{self.network.name}.toml"
        path.write_text(tables.to_toml({key: value for key, value in asdict(self.network).items() if key != "name"}))
        return path

    def revoke(self, *identities: Identity) -> None:
        for name, issuer in (("smp.crl", smp_ca()), ("ap.crl", ap_ca())):
            revoked = [each for each in identities if each.issuer is issuer]
            self.lists[name,] = Page(body=crl(issuer, *revoked), content_type="application/pkix-crl", since=NOW)

    def page(self, path: Segments) -> Page | None:
        self.asked.append(path)
        return (self.instead or self.smp.page)(path)


@asynccontextmanager
async def published(folder: Path, *, client: bool = True) -> AsyncIterator[Net]:
    """`folder` is for keys; without `client` the look-ups show no client certificate, which the SMP demands."""
    tls = TlsFiles(folder)
    lists: dict[Segments, Page] = {}
    zone = Zone(ZONE)
    ours = {"certificate": tls.client} if client else {}
    async with AsyncExitStack() as stack:
        start = stack.enter_async_context
        server = await start(serving_zone(zone))
        crls = await start(serving_pages(lists.get))
        signer = smp_certificate(extensions=[listed_at(f"{crls}/smp.crl")])
        network = Network(
            name="test",
            zones=(ZONE,),
            resolver=Resolver(servers=(server,)),
            publishers=Publishers(trust=("smp-ca",), private_addresses=True),
            receivers=Receivers(transport_profiles=(PROFILE,), trust=("ap-ca",), private_addresses=True),
        )
        net = Net(
            zone=zone,
            server=server,
            smp=Publisher(key_pair(signer)),
            signer=signer,
            access_point=ap_certificate(extensions=[listed_at(f"{crls}/ap.crl")]),
            network=network,
            dns=RecursiveDns(network.resolver, moment=0.01),
            documents=await start(WebDocuments(client_context(anchors=[tls.ca.der], **ours))),
            lists=lists,
        )
        net.revoke()
        context = server_context(certificate=tls.server, client_ca=tls.client_ca)
        net.smp.base = await start(serving_pages(net.page, tls=context, path="/smp"))
        yield net
