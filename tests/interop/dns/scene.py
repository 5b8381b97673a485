"""An SMP of ours, a signed zone of bind9 that leads to it in every way there is, and unbound, which validates."""

import re
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ehmi_ap.discovery.found import Result, Wanted
from ehmi_ap.discovery.network import Naming, Resolver
from ehmi_ap.discovery.sml import LEGACY, dns_name
from ehmi_ap.model import Participant
from ehmi_ap.net.dns import RecursiveDns
from ehmi_ap.questions import DnsAnswer, DnsQuestion
from tests.interop import debian
from tests.interop.dns import servers
from tests.publisher import WANTED, ZONE, Net, published

UNSIGNED = "plain.test"
MOVED = f"moved.{ZONE}"  # a DNAME into the zone that is not signed
DEAD = "dead.test"
NEGATIVE = 30  # seconds

PLAIN, ORDERED, ALIAS, BACK, NODATA, LEGACY_ONLY, MANY, FORGED, AWAY, MISSING = (
    replace(WANTED, participant=Participant(f"0088:579000000{number:04}", WANTED.participant.scheme))
    for number in range(10)
)
"""Participants, each registered in its own way; the last one in none."""


@dataclass(frozen=True, slots=True)
class Scene:
    """`resolver` is unbound, `authority` bind9, `dead` a port where nobody is; each HOST:PORT."""

    net: Net
    resolver: str
    authority: str
    dead: str
    versions: Mapping[str, object]

    async def ask(self, wanted: Wanted | str, *via: str, **question: Any) -> DnsAnswer:
        """One question, to unbound unless other servers are named."""
        name = wanted if isinstance(wanted, str) else _name(wanted)
        return await self._dns(via).ask(DnsQuestion(name=name, **question))

    async def look_up(self, wanted: Wanted, *via: str, dnssec: str = "require", **network: Any) -> Result:
        """A whole look-up, by default one that wants everything validated."""
        resolver = replace(self.net.network.resolver, dnssec=dnssec)
        net = replace(self.net, dns=self._dns(via), network=replace(self.net.network, resolver=resolver, **network))
        return await net.look_up(wanted)

    def _dns(self, via: tuple[str, ...]) -> RecursiveDns:
        return RecursiveDns(Resolver(servers=via or (self.resolver,), timeout=1.0, lifetime=5.0))

    async def begin(self, cell_id: str) -> None:
        """Nothing is left of a cell that the next one would see."""

    async def end(self, cell_id: str) -> None:
        """As before."""


@asynccontextmanager
async def opened(folder: Path, keep: Path | None) -> AsyncIterator[Scene]:
    """Raises Missing when a package is missing, PeerFailed when a server does not start."""
    programs = debian.programs(servers.PACKAGES)
    (folder / "keys").mkdir()
    async with published(folder / "keys") as net:
        for wanted in (PLAIN, ORDERED, ALIAS, MANY):
            net.register(wanted)
        _write_zones(folder, net.smp.base)
        anchor = servers.sign(programs, folder, ZONE)
        _forge(folder / f"{ZONE}.signed")
        zones = {ZONE: f"{ZONE}.signed", UNSIGNED: UNSIGNED}
        dead = f"127.0.0.1:{servers.free_port()}"
        async with servers.bind(programs, folder, zones) as authority:
            stubs = {ZONE: authority, UNSIGNED: authority, DEAD: dead}
            async with servers.unbound(programs, folder, stubs, [anchor]) as resolver:
                yield Scene(net, resolver, authority, dead, _versions(programs))


def _write_zones(folder: Path, base: str) -> None:
    """Unsigned; the records are those of spec/discovery.md 7."""
    head = f"$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 {NEGATIVE}\n@ NS ns\nns A 127.0.0.1\n"
    smp = _u_naptr(base)
    records = [
        f"{_name(PLAIN)}. {_u_naptr(base + '/')}",
        f'{_name(ORDERED)}. NAPTR 10 10 "S" "Meta:SMP" "" _smp._tcp.other.test.',
        f"{_name(ORDERED)}. {_u_naptr('https://second.test')}".replace("100 10", "20 20"),
        f"{_name(ORDERED)}. {smp}".replace("100 10", "20 10").replace('"U" "Meta:SMP"', '"u" "meta:smp"'),
        f"{_name(ORDERED)}. {_u_naptr(base, 'oasis-bdxr-smp-2')}",
        f"{_name(ALIAS)}. CNAME publisher",
        f"publisher {smp}",
        f"{_name(BACK)}. CNAME back",
        r'back NAPTR 100 10 "U" "Meta:SMP" "!^([^.]+)\\..*$!https://smp1.test/\\1!i" .',
        f"{_name(NODATA)}. A 192.0.2.1",
        f"{dns_name(LEGACY_ONLY.participant, ZONE, LEGACY)}. CNAME smp",
        "smp A 192.0.2.7",
        "smp AAAA 2001:db8::7",
        *(f"{_name(MANY)}. {smp}".replace("100 10", f"{number} 10") for number in range(100, 160)),
        f"{_name(FORGED)}. {_u_naptr('https://signed.test')}",
        f"{_name(AWAY)}. CNAME elsewhere.example.",
        f"moved DNAME {UNSIGNED}.",
    ]
    (folder / ZONE).write_text(head + "\n".join(records) + "\n")
    elsewhere = _name(PLAIN).replace(ZONE, UNSIGNED)
    (folder / UNSIGNED).write_text(f"{head}{elsewhere}. {smp}\n")


def _u_naptr(url: str, service: str = "Meta:SMP") -> str:
    return f'NAPTR 100 10 "U" "{service}" "!.*!{url}!" .'


def _name(wanted: Wanted) -> str:
    return dns_name(wanted.participant, ZONE, Naming())


def _forge(signed: Path) -> None:
    """Change a record after it was signed."""
    text = signed.read_text()
    assert text.count("https://signed.test") == 1
    signed.write_text(text.replace("https://signed.test", "https://forged.test"))


def _versions(programs: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name, flag in (("named", "-v"), ("unbound", "-V")):
        said = subprocess.run([programs[name], flag], capture_output=True, text=True, check=False).stdout
        number = re.search(r"\d+(?:\.\d+)+", said)
        found[name] = number[0] if number else "unknown"
    return found
