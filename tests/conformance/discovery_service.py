"""The platform's discovery service: an SML and an SMP on the loopback, in which R is registered as a test says.

async with discovery_service(sides) as service:          # writes the network for both sides
    service.register(RECEIVER, R's certificate, R's URL, "LOOKED_UP")
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import KeyPair
from ehmi_ap.demo.dns import Zone, u_naptr
from ehmi_ap.demo.dns import serving as serving_zone
from ehmi_ap.demo.pages import serving as serving_pages
from ehmi_ap.demo.smp import Publisher
from ehmi_ap.discovery.found import Identifier
from ehmi_ap.discovery.identifiers import read_participant
from ehmi_ap.discovery.network import Naming
from ehmi_ap.discovery.published import Metadata, Process, PublishedCertificate, PublishedEndpoint
from ehmi_ap.discovery.sml import dns_name
from ehmi_ap.model import Participant
from ehmi_ap.tables import to_toml
from tests import pki
from tests.pair import Side

NETWORK = "conformance"
ZONE = "sml.test"
PROFILE = "bdxr-transport-ebms3-as4-v1p0"


@dataclass
class DiscoveryService:
    """The SML's zone, and the SMP."""

    zone: Zone
    smp: Publisher

    def register(self, participant: Participant, certificate: pki.Identity, url: str, pmode: str) -> None:
        """`participant` receives what the P-Mode is for at this URL, encrypted for this certificate."""
        known = read_participant(str(participant), None)
        name = dns_name(known, ZONE, Naming())
        self.zone.put(f"{name}.", "NAPTR", u_naptr(self.smp.base))
        published = PublishedCertificate(certificate=Certificate.from_der(certificate.der))
        endpoint = PublishedEndpoint(transport_profile=PROFILE, url=url, certificates=(published,))
        process = Identifier(f"SRV_{pmode}", "cenbii-procid-ubl")
        metadata = Metadata(
            dialect="oasis1",
            participant=known,
            document=Identifier(f"ACT_{pmode}", "busdox-docid-qns"),
            processes=(Process(identifiers=(process,), endpoints=(endpoint,)),),
        )
        self.smp.register(metadata, now=datetime.now(UTC))


@asynccontextmanager
async def discovery_service(sides: Sequence[Side]) -> AsyncIterator[DiscoveryService]:
    """Started, and known to both access points as the network NETWORK."""
    window = {"not_before": datetime.now(UTC) - timedelta(days=1), "not_after": datetime.now(UTC) + timedelta(days=9)}
    authority = pki.make_ca("SMP CA", **window)
    signer = pki.make_leaf(authority, "SMP", key="c", **window)
    own = Certificate.from_der(signer.der)
    service = DiscoveryService(Zone(ZONE), Publisher(KeyPair(signer.key, own, (own,))))
    async with AsyncExitStack() as stack:
        resolver = await stack.enter_async_context(serving_zone(service.zone))
        service.smp.base = await stack.enter_async_context(serving_pages(service.smp.page))
        for side in sides:
            (side.home / "trust" / "smp-ca.pem").write_bytes(authority.pem)
            (side.home / "networks").mkdir()
            (side.home / "networks" / f"{NETWORK}.toml").write_text(to_toml(_network(resolver)), encoding="utf-8")
        yield service


def _network(resolver: str) -> dict[str, object]:
    """All of it is on the loopback, in the clear; the certificates name nobody who knows what is revoked."""
    closed = {"revocation": "off", "https_only": False, "private_addresses": True}
    return {
        "zones": [ZONE],
        "resolver": {"servers": [resolver]},
        "publishers": {"trust": ["smp-ca"], **closed},
        "receivers": {"trust": ["pair-ca"], "transport_profiles": [PROFILE], **closed},
    }
