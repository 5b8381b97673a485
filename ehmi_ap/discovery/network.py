"""A network's rules as one value: zones, names, dialects, trust, transport, dates (spec/discovery.md 0.1).

Read from TOML, as P-Modes are: the shipped ones (`ehmi`, `nemhandel`, `peppol`, `eu`, `static`) and an operator's own.
Certificates are named as in P-Modes: `trust/NAME.pem`. What is not known yet may be left empty: such a network can be
read, and is no use before it is complete.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from string import Formatter
from typing import Literal

from ehmi_ap import tables
from ehmi_ap.discovery.published import Dialect
from ehmi_ap.discovery.urls import refusal
from ehmi_ap.errors import ConfigError

Revocation = Literal["off", "soft", "hard"]

_PORT = re.compile(r"[1-9][0-9]{0,4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How the DNS name of a participant is made (spec/discovery.md 1.1).

    `template` has {hash} and {zone}, and may have {scheme} and {icd}, the four digits of an ISO 6523 identifier.
    """

    template: str = "{hash}.{scheme}.{zone}"
    hashed: Literal["value", "scheme::value"] = "value"
    digest: Literal["sha256", "sha224", "md5"] = "sha256"
    encoding: Literal["base32", "hex"] = "base32"
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """A DNS server: its IP address and port."""

    host: str
    port: int

    @classmethod
    def read(cls, text: str) -> "Server":
        """From ADDRESS:PORT, an address of IPv6 in brackets; raises ValueError for anything else."""
        host, _, port = text.rpartition(":")
        inner = host.removeprefix("[").removesuffix("]")
        address = ip_address(inner)
        in_brackets = host == f"[{inner}]"
        if in_brackets != (address.version == 6) or not _PORT.fullmatch(port) or int(port) > 65535:
            raise ValueError
        return cls(str(address), int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """Whom DNS is asked, and what of DNSSEC is demanded. No `servers`: those of the system."""

    servers: tuple[str, ...] = ()  # HOST:PORT; a second one confirms that a name is not there
    dnssec: Literal["off", "prefer", "require"] = "off"  # the AD bit of a validating resolver that we trust
    tcp: bool = False
    timeout: float = 2.0  # seconds for one try
    lifetime: float = 6.0  # seconds for all tries


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishers:
    """What is demanded of an SMP and its answers."""

    dialects: tuple[Dialect, ...] = ("peppol", "oasis1", "oasis2")  # the first is asked for first
    trust: tuple[str, ...] = ()  # anchors of signers, or the signers themselves
    subject: str | None = None  # regular expression that the signer's subject (RFC 4514) has to match as a whole
    policies: tuple[str, ...] = ()
    sha1: bool = False  # rsa-sha1 and sha1 digests too: Peppol's before 2020
    revocation: Revocation = "hard"  # soft: unknown passes
    redirects: int = 1  # 0 or 1: a second one is never followed
    https_only: bool = True
    tls_trust: str | None = None  # name of the CAs of SMP servers; None: the system's
    client_certificate: bool = False  # mTLS: show the certificate of [discovery.tls]
    private_addresses: bool = False  # a closed network such as SDN: RFC 1918 addresses may be asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Receivers:
    """What is demanded of a published endpoint."""

    transport_profiles: tuple[str, ...] = ("bdxr-transport-ebms3-as4-v1p0",)  # the first is preferred
    trust: tuple[str, ...] = ()  # anchors of access points' certificates
    policies: tuple[str, ...] = ()
    revocation: Revocation = "hard"
    https_only: bool = True
    private_addresses: bool = False
    party_id: Literal["subject-cn", "subject-serial"] = "subject-cn"  # where eb:PartyId of the access point comes from
    party_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """How long results are kept, in seconds."""

    ttl: float = 900.0
    negative: float = 60.0
    stale: float = 4 * 3600.0  # a result may be used this much longer while nothing can be asked
    refresh: float = 0.8  # part of its life after which it is asked anew in the background
    size: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The rules of one network.

    Where an SMP is: `smps` of the participant, else `smp`, else DNS below `zones` (the first in which the name is).
    """

    name: str
    zones: tuple[str, ...] = ()
    zone_of: Mapping[str, str] = field(default_factory=dict)  # participant value -> zone, before `zones`
    smp: str | None = None
    smps: Mapping[str, str] = field(default_factory=dict)  # participant value -> base URL
    services: tuple[str, ...] = ("Meta:SMP",)  # of U-NAPTR records, the first is preferred
    naming: Naming = field(default_factory=Naming)
    legacy: bool = False  # ask for the MD5 CNAME too (BUSDOX)
    regexp: bool = False  # expand regular expressions of NAPTR records other than .* and ^.*$
    participant_scheme: str | None = "iso6523-actorid-upis"
    document_scheme: str | None = "busdox-docid-qns"
    process_scheme: str | None = "cenbii-procid-ubl"
    wildcards: bool = False  # peppol-doctype-wildcard
    fold_case: bool = False  # document and process identifiers are compared without case (OASIS SMP 1.0)
    spellings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # identifier -> others meaning the same
    resolver: Resolver = field(default_factory=Resolver)
    publishers: Publishers = field(default_factory=Publishers)
    receivers: Receivers = field(default_factory=Receivers)
    cache: Cache = field(default_factory=Cache)


# --- parse --------------------------------------------------------------------------------------------------------


def parse_network(name: str, table: Mapping[str, object]) -> Network:
    """The network that networks/`name`.toml describes (docs/reference/networks.md has every key).

    An empty text stands for none, as for a scheme that identifiers do not have.

    Raises:
        ConfigError: with all findings; an unknown key is one, whatever its value.
    """
    where = f"networks/{name}.toml"
    findings = [f"{where}: name: is the file's name; leave it out"] if "name" in table else []
    try:
        network = tables.read(Network, {**_emptied(table), "name": name}, where=where)
    except ConfigError as error:
        raise ConfigError([*findings, *error.findings]) from None
    findings += [f"{where}: {text}" for text in _contradictions(network)]
    if findings:
        raise ConfigError(findings)
    return network


def asks_nobody(network: Network) -> bool:
    """Whether nothing says where an SMP is: only what is stored can say where a participant is."""
    return not (network.zones or network.zone_of or network.smp or network.smps)


def gaps(network: Network, *, offline: bool = False) -> tuple[str, ...]:
    """What a network still lacks before anything can be looked up in it, as "key: what; what to do".

    `offline`: there are snapshots of it, so nobody need be asked.
    """
    found = []
    if asks_nobody(network) and not offline:
        found.append("zones: nothing says where an SMP is; name the SML's zone, or the SMP's URL in `smp`")
    if not network.publishers.trust:
        found.append("[publishers] trust: no SMP can be believed; name the CA of the network's SMPs")
    if not network.receivers.trust:
        found.append("[receivers] trust: no endpoint can be believed; name the CA of the network's access points")
    return tuple(found)


def _emptied(table: Mapping[str, object]) -> dict[str, object]:
    """The table with none for every empty text; a prefix may be empty, and is not none."""
    return {
        key: _emptied(value) if isinstance(value, Mapping) else None if value == "" and key != "prefix" else value
        for key, value in table.items()
    }


def _contradictions(network: Network) -> Iterator[str]:
    """What each key allows and all of them together do not, as "key: what; what to do"."""
    yield from _of_names(network)
    yield from _of_addresses(network)
    yield from _of_trust(network)
    yield from (f"[resolver] {text}" for text in resolver_mistakes(network.resolver))
    yield from _of_numbers(network)


_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_ZONE = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_OID = re.compile(r"[0-2](?:\.[0-9]+)+")
_CHARACTERS = {("sha256", "base32"): 52, ("sha224", "hex"): 56, ("sha224", "base32"): 45}
_CHARACTERS |= {("md5", "hex"): 32, ("md5", "base32"): 26}
_FIELDS = {"hash", "scheme", "icd", "zone"}


def _of_names(network: Network) -> Iterator[str]:
    naming = network.naming
    for key, zones in (("zones", network.zones), ("[zone_of]", network.zone_of.values())):
        if not all(_ZONE.fullmatch(zone) for zone in zones):
            yield f"{key}: has to be names of DNS zones"
    try:
        names = {each for _, each, _, _ in Formatter().parse(naming.template) if each is not None}
    except ValueError:
        names = set()
    if not {"hash", "zone"} <= names <= _FIELDS:
        yield "[naming] template: needs {hash} and {zone}, and may have {scheme} and {icd}, nothing else"
    if _CHARACTERS.get((naming.digest, naming.encoding), 64) + len(naming.prefix) > 63:
        yield "[naming] encoding: digest and prefix are longer than a DNS label; use base32"
    if network.legacy and network.publishers.https_only:
        yield "legacy: a CNAME leads to plain http; allow it by `[publishers] https_only = false`"
    if network.zones and not network.services:
        yield 'services: is empty; name at least one, such as "Meta:SMP"'


def _of_addresses(network: Network) -> Iterator[str]:
    publishers = network.publishers
    for key, urls in (("smp", [network.smp] if network.smp else []), ("[smps]", network.smps.values())):
        for url in urls:
            # The operator names it: it may be at an address of a closed network.
            refused = refusal(url, https_only=publishers.https_only, private=True)
            if refused:
                yield f"{key}: an SMP's URL cannot be used: {refused}; correct it"


def _of_trust(network: Network) -> Iterator[str]:
    publishers, receivers = network.publishers, network.receivers
    if not publishers.dialects:
        yield "[publishers] dialects: is empty; name at least one"
    if not receivers.transport_profiles:
        yield "[receivers] transport_profiles: is empty; name at least one"
    for key, policies in (("publishers", publishers.policies), ("receivers", receivers.policies)):
        if not all(_OID.fullmatch(policy) for policy in policies):
            yield f'[{key}] policies: has to be object identifiers: "1.2.208.1"'
    if publishers.subject is not None and not _compiles(publishers.subject):
        yield "[publishers] subject: is no regular expression of Python's; correct it"


def resolver_mistakes(resolver: Resolver) -> Iterator[str]:
    """What each key allows and all of them together do not, as "key: what; what to do"."""
    if not all(map(_is_server, resolver.servers)):
        yield 'servers: has to be addresses with a port: "192.0.2.1:53", "[2001:db8::1]:53"'
    if resolver.dnssec != "off" and not resolver.servers:
        yield "dnssec: needs `servers`: one that validates, and the way to which is trusted"
    if not 0 < resolver.timeout <= resolver.lifetime:
        yield "timeout, lifetime: timeout has to be more than 0 seconds, and lifetime at least as long"


def _is_server(text: str) -> bool:
    try:
        Server.read(text)
    except ValueError:
        return False
    return True


def _compiles(expression: str) -> bool:
    try:
        re.compile(expression)
    except re.error:
        return False
    return True


def _of_numbers(network: Network) -> Iterator[str]:
    cache = network.cache
    if network.publishers.redirects not in (0, 1):
        yield "[publishers] redirects: has to be 0 or 1; a second one is never followed"
    if cache.ttl < 0 or cache.stale < 0 or not 0 <= cache.negative <= LONGEST_NEGATIVE:
        yield f"[cache] ttl, negative, stale: in seconds, from 0; negative at most {LONGEST_NEGATIVE}"
    if not 0 < cache.refresh <= 1 or cache.size < 1:
        yield "[cache] refresh, size: refresh is a part of the life, above 0 to 1; size at least 1"


LONGEST_NEGATIVE = 60
"""Seconds for which we remember that somebody is not registered: resolvers do so too, and longer (spec 4)."""
