"""Two access points of ours that find each other by discovery, each complete: the network of the demo and of tests.

    async with network(home, now=now, document=sbd) as net:
        net.c2, net.c3                      each with its configuration, store, TLS listener and internal listener
        net.registry                        the zone and the SMP that have both, and the CAs
        net.eds                             EDS and its authorization server, at which both are enrolled

Rules of this room:
- C1 and C4 are systems of their own: C1 signs what it submits, and C4 is given it signed, below a CA for systems.
- Nothing of the product is replaced: the configurations are files that `ehmi-ap serve` would take as well, the
  access points are AccessPoint, the listeners are the server's, on ports of the loopback that the system chooses.
- Everything is below one folder, and everything that was started has ended when the block ends.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from ssl import SSLContext

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.as4 import mime
from ehmi_ap.body import MemoryBody
from ehmi_ap.config import Config
from ehmi_ap.crypto.keys import KeyPair, Trust, load_key_pairs
from ehmi_ap.crypto.signers import Signers
from ehmi_ap.demo.eds import Eds, delivery_status
from ehmi_ap.demo.layout import SYSTEM_CA, SYSTEMS, Around, common_name, lay_out, subject
from ehmi_ap.demo.pki import Authority, Credential
from ehmi_ap.demo.registry import HOST, TLS_CA, Registry, registry
from ehmi_ap.discovery.found import Found, Result, Wanted
from ehmi_ap.discovery.identifiers import wanted
from ehmi_ap.discovery.network import Network as Rules
from ehmi_ap.ehmi import sbdh
from ehmi_ap.ehmi.envelope import read as read_envelope
from ehmi_ap.ehmi.status import envelope_of
from ehmi_ap.envelope import Envelope
from ehmi_ap.errors import PeerError, SubmissionError
from ehmi_ap.model import Payload, Wire
from ehmi_ap.net.tls import server_context
from ehmi_ap.profile import Addressing
from ehmi_ap.server import Addresses, listening


@dataclass(frozen=True, slots=True)
class SeenPart:
    """A MIME part as it was on the wire; `size` in bytes."""

    content_type: str
    content_id: str | None
    size: int


@dataclass(frozen=True, slots=True)
class SeenMessage:
    """An HTTP body as it was on the wire; a body that is no MIME has no parts."""

    at: datetime
    content_type: str
    size: int
    parts: tuple[SeenPart, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """One POST to an access point and what it answered."""

    request: SeenMessage
    answer: SeenMessage


class WatchedAccessPoint(AccessPoint):
    """An access point that remembers what it looked up, and the outer form of what came in over AS4, to be shown."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.seen: list[Seen] = []
        self.looked_up: list[Result] = []

    async def receive(self, wire: Wire) -> Wire:
        request = _seen(wire)
        answer = await super().receive(wire)
        self.seen.append(Seen(request, _seen(answer)))
        return answer

    async def _look_up(
        self, wanted: Wanted, network: Rules, trust: Trust, *, now: datetime, known: Found | None
    ) -> Result:
        result = await super()._look_up(wanted, network, trust, now=now, known=known)
        self.looked_up.append(result)
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One running access point, with the system behind it (C1 or C4) as a backend that is a folder of files.

    That system signs with `signing`, and takes what `signers` have signed.
    """

    name: str
    system: str
    ap: WatchedAccessPoint
    addresses: Addresses
    token: str = field(repr=False)
    files: Path
    signing: KeyPair = field(repr=False)
    signers: Signers


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """C1 talks to C2, C2 to C3, C3 to C4; C2 and C3 find each other in the registry, and both tell EDS."""

    c2: Site
    c3: Site
    registry: Registry
    eds: Eds
    envelope: Envelope  # of the document


@asynccontextmanager
async def network(home: Path, *, now: datetime, document: bytes) -> AsyncIterator[Network]:
    """Lay out a registry, EDS and two access points below `home` (empty), start them, and register them.

    The sender of `document`, an SBD, is behind C2, its receiver behind C3. They are registered when the access points
    run, because only then are the ports known.

    Raises:
        SubmissionError: the document is no right ehmiSBDH; nothing was started.
    """
    offer, envelope = _offer(document)
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(registry(home / "registry", now=now))
        eds = await stack.enter_async_context(delivery_status(tls=_tls(home / "eds", found, now), host=HOST))
        systems = Authority.new(f"ehmi-ap {SYSTEM_CA}", now=now)
        organisations = {"c2": envelope.sender, "c3": envelope.receiver}
        around = Around(registry=found, systems=systems, eds=eds, offer=offer, organisations=organisations, now=now)
        sites = {}
        for name, system in SYSTEMS.items():
            ap = WatchedAccessPoint(lay_out(home / name, name, around))
            await stack.enter_async_context(ap)
            addresses = await stack.enter_async_context(listening(ap))
            token = (home / name / "token").read_text()
            sites[name] = Site(
                name=name,
                system=system,
                ap=ap,
                addresses=addresses,
                token=token,
                files=home / system,
                signing=_pair(systems.system(common_name(system), now=now)),
                signers=Signers(anchors=(_pair(systems.credential).certificate,), subjects=(subject(name),)),
            )
        net = Network(c2=sites["c2"], c3=sites["c3"], registry=found, eds=eds, envelope=envelope)
        for site, participant in ((net.c2, offer.sender), (net.c3, offer.receiver)):
            sought = wanted(str(participant), offer.action, offer.service.value, found.network)
            certificate = site.ap.agreements.keys.signing.certificate
            found.register(sought, url=site.addresses.as4, certificate=certificate, now=now)
        yield net


def _offer(document: bytes) -> tuple[Addressing, Envelope]:
    """Who exchanges what by it, and its envelope."""
    body = MemoryBody(document)
    offer = sbdh.address(Payload(body=body, mime_type="application/xml"))
    header = read_envelope(body).header
    if offer is None or header is None:
        raise SubmissionError(
            "the file is not a right ehmiSBDH",
            fix="Give a StandardBusinessDocument, or no file: the demo brings its own.",
        )
    return offer, envelope_of(header)


def _tls(folder: Path, found: Registry, now: datetime) -> SSLContext:
    """Of EDS, which wants to know who asks."""
    server = found.authorities[TLS_CA].tls_server("demo-eds", now=now).write(folder / "keys", "tls")
    ca = found.folder / f"{TLS_CA}.pem"
    return server_context(certificate=server.certificate, key=server.key, client_ca=ca)


def _pair(credential: Credential) -> KeyPair:
    return load_key_pairs(credential.key_pem + credential.certificate_pem)[0]


def _seen(wire: Wire) -> SeenMessage:
    try:
        parts = mime.read(wire)
    except PeerError:
        parts = []
    seen = tuple(SeenPart(part.content_type, part.content_id, part.body.size) for part in parts)
    return SeenMessage(datetime.now(UTC), wire.content_type, wire.body.size, seen)
