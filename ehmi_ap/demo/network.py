"""Two access points of ours that know each other, each complete: the network that the demo and tests run in.

    async with network(home, now=now, offer=addressing) as net:
        net.c2, net.c3                      each with its configuration, store, TLS listener and internal listener

Rules of this room:
- Nothing of the product is replaced: the configurations are files that `ehmi-ap serve` would take as well, the
  access points are AccessPoint, the listeners are the server's, on ports of the loopback that the system chooses.
- Everything is below one folder, and everything that was started has ended when the block ends.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ehmi_ap import tables
from ehmi_ap.access_point import AccessPoint
from ehmi_ap.as4 import mime
from ehmi_ap.config import Config
from ehmi_ap.demo.pki import Authority, write_private
from ehmi_ap.errors import PeerError
from ehmi_ap.model import Wire
from ehmi_ap.pmode import Addressing
from ehmi_ap.server import Addresses, listening

PARTY_TYPE = "urn:oasis:names:tc:ebcore:partyid-type:unregistered"
AUTHORITY = "demo-ca"


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
    """An access point that remembers the outer form of what came in over AS4, for the demo to show."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.seen: list[Seen] = []

    async def receive(self, wire: Wire) -> Wire:
        request = _seen(wire)
        answer = await super().receive(wire)
        self.seen.append(Seen(request, _seen(answer)))
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One running access point, with the system behind it (C1 or C4) as a backend that is a folder of files."""

    name: str
    system: str
    ap: WatchedAccessPoint
    addresses: Addresses
    token: str = field(repr=False)
    files: Path


@dataclass(frozen=True, slots=True)
class Network:
    """C1 talks to C2, C2 to C3, C3 to C4."""

    c2: Site
    c3: Site


@asynccontextmanager
async def network(home: Path, *, now: datetime, offer: Addressing) -> AsyncIterator[Network]:
    """Lay out two access points below `home` (empty), start them, and agree on what `offer` says is exchanged.

    Their P-Modes are put in place while they run, because only then are the ports known.
    """
    authority = Authority.new("ehmi-ap demo CA", now=now)
    configs = {name: _lay_out(home / name, name, system, authority, now) for name, system in _SYSTEMS.items()}
    async with AsyncExitStack() as stack:
        sites = {}
        for name, config in configs.items():
            ap = WatchedAccessPoint(config)
            await stack.enter_async_context(ap)
            addresses = await stack.enter_async_context(listening(ap))
            token = (home / name / "token").read_text()
            system = _SYSTEMS[name]
            sites[name] = Site(name=name, system=system, ap=ap, addresses=addresses, token=token, files=home / system)
        c2, c3 = sites["c2"], sites["c3"]
        await _introduce(c2, to=c3, offer=offer)
        await _introduce(c3, to=c2, offer=offer)
        yield Network(c2, c3)


_SYSTEMS = {"c2": "c1", "c3": "c4"}
"""Who stands behind which access point; also the name of its backend."""


def _lay_out(folder: Path, name: str, system: str, authority: Authority, now: datetime) -> Config:
    """Write keys, certificates and ehmi-ap.toml of one access point, and read them back."""
    party = _party(name)
    keys = authority.access_point(party, now=now).write(folder / "keys", "ap")
    tls = authority.tls_server(party, now=now).write(folder / "keys", "tls")
    (folder / "trust").mkdir()
    (folder / "trust" / f"{AUTHORITY}.pem").write_bytes(authority.certificate_pem)
    (folder / "pmodes").mkdir()
    write_private(folder / "token", secrets.token_urlsafe(24).encode())
    settings = {
        "domain": f"{name}.demo.example",
        "party": {"id": party, "type": PARTY_TYPE},
        "as4": {
            "host": "127.0.0.1",
            "port": 0,
            "public_url": "https://localhost/as4",
            "tls": {"certificate": f"keys/{tls.certificate.name}", "key": f"keys/{tls.key.name}"},
        },
        "internal": {"host": "127.0.0.1", "port": 0},
        "keys": {"signing": {"file": f"keys/{keys.key.name}", "certificate": f"keys/{keys.certificate.name}"}},
        "backends": {system: {"kind": "directory", "path": f"../{system}", "token": {"file": "token"}}},
        "log": {"level": "error"},
    }
    file = folder / "ehmi-ap.toml"
    file.write_text(tables.to_toml(settings))
    return Config.load(file)


async def _introduce(site: Site, *, to: Site, offer: Addressing) -> None:
    """Give `site` the certificate of `to` and a P-Mode with it, as an administrator would over REST."""
    certificate = to.ap.config.keys.signing.certificate
    assert certificate is not None  # _lay_out writes it beside the key
    await site.ap.put_certificate(to.name, certificate.read_bytes())
    pmode: dict[str, object] = {
        "profile": "ehmi",
        "partner": _party(to.name),
        "url": to.addresses.as4,
        "certificate": to.name,
        "trust": [AUTHORITY],
        "tls_trust": AUTHORITY,
        "service": offer.service.value,
        "actions": [offer.action],
    }
    if ":" not in offer.service.value:
        pmode["party_id_uri"] = False  # a PROCESSID of before 2026, `sdn-emergence`, is no URI (ehmi O-7)
    await site.ap.put_pmode(to.name, pmode)


def _party(name: str) -> str:
    return f"demo-ap-{name}"


def _seen(wire: Wire) -> SeenMessage:
    try:
        parts = mime.read(wire)
    except PeerError:
        parts = []
    seen = tuple(SeenPart(part.content_type, part.content_id, part.body.size) for part in parts)
    return SeenMessage(datetime.now(UTC), wire.content_type, wire.body.size, seen)
