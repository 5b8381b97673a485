"""A network's rules as one value: zones, names, dialects, trust, transport, dates (spec/discovery.md 0.1).

Read from TOML, as P-Modes are: the shipped ones (`ehmi`, `nemhandel`, `peppol`, `eu`, `static`) and an operator's own.
Certificates are named as in P-Modes: `trust/NAME.pem`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How the DNS name of a participant is made (spec/discovery.md 1.1); `template` has {hash}, {scheme} and {zone}."""

    template: str = "{hash}.{scheme}.{zone}"
    hashed: Literal["value", "scheme::value"] = "value"
    digest: Literal["sha256", "sha224", "md5"] = "sha256"
    encoding: Literal["base32", "hex"] = "base32"
    prefix: str = ""


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

    dialects: tuple[str, ...] = ("peppol", "oasis1", "oasis2")
    trust: tuple[str, ...] = ()  # anchors of signers, or the signers themselves
    subject: str | None = None  # regular expression that the signer's subject (RFC 4514) has to match as a whole
    policies: tuple[str, ...] = ()
    sha1: bool = False  # rsa-sha1 and sha1 digests too: Peppol's before 2020
    revocation: Literal["off", "soft", "hard"] = "hard"  # soft: unknown passes
    redirects: int = 1
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
    revocation: Literal["off", "soft", "hard"] = "hard"
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
