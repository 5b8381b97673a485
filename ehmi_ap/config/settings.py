"""The settings of ehmi-ap.toml as frozen values: their names, types and defaults (docs/reference/configuration.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MinLen

from ehmi_ap.discovery.network import Resolver
from ehmi_ap.ehmi.auditevent import Device
from ehmi_ap.model import PartyId
from ehmi_ap.profile import Profile
from ehmi_ap.profiles import PROFILES, with_levels
from ehmi_ap.tables import Secret

Port = Annotated[int, Ge(0), Le(65535)]
Seconds = Annotated[float, Gt(0)]
Days = Annotated[int, Ge(0)]
Text = Annotated[str, MinLen(1)]
TlsVersion = Literal["1.2", "1.3"]
Level = Literal["off", "warn", "reject"]

UNREGISTERED = "urn:oasis:names:tc:ebcore:partyid-type:unregistered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """TLS of a listener, or of our connections to peers (conformance CP_TA39)."""

    certificate: Path | None = None  # PEM: ours first, then the intermediates
    key: Path | None = None  # PEM; None: in the certificate's file
    key_password: Secret | None = None
    client_ca: Path | None = None  # listener: demand a client certificate below this CA (mTLS)
    versions: tuple[TlsVersion, ...] = ("1.2", "1.3")
    ciphers: tuple[str, ...] = ()  # TLS 1.2 suites by OpenSSL name; empty: ECDHE with AEAD only


@dataclass(frozen=True, slots=True, kw_only=True)
class As4Listener:
    """Where peers reach us: POST `path`, nothing else."""

    public_url: Text  # what partners are told
    host: str = "0.0.0.0"  # noqa: S104 - peers come from outside
    port: Port = 8443
    path: str = "/as4"
    tls: Tls | None = None
    insecure_http: bool = False  # plain HTTP, for tests and behind a TLS terminator


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalListener:
    """REST, health and metrics; plain HTTP only on a loopback address or with `insecure_http`."""

    host: str = "127.0.0.1"
    port: Port = 8080
    tls: Tls | None = None
    insecure_http: bool = False
    admin_token: Secret | None = None  # None: no administrator over REST


@dataclass(frozen=True, slots=True, kw_only=True)
class WebClient:
    """Our own connections to peers. `tls.certificate` is shown to peers that ask for one."""

    tls: Tls = field(default_factory=Tls)
    insecure_http: bool = False  # allow P-Modes whose url is plain http://
    connect_timeout: Seconds = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """Where partners are looked up whose P-Mode names a network (docs/reference/networks.md)."""

    networks: Path = Path("networks")  # folder of NAME.toml, beside the networks that ship; it need not be there
    offline: Path | None = None  # folder of signed metadata, NETWORK/*.xml, for when nobody can be asked
    tls: Tls = field(default_factory=Tls)  # what an SMP is shown that wants to know who asks
    resolver: Resolver = field(default_factory=Resolver)  # for networks that say nothing about theirs


@dataclass(frozen=True, slots=True, kw_only=True)
class EdsDevice:
    """This access point as a Device of EER; `id` is a name there, not a UUID (spec/eds.md 4)."""

    id: Text
    name: Text | None = None
    manufacturer: Text | None = None
    source: Literal["AP", "AP-MSH"] = "AP"  # AP-MSH: access point and message service handler are one


@dataclass(frozen=True, slots=True, kw_only=True)
class EdsOrganisation:
    """An organisation that this access point serves, and reports for."""

    name: Text
    sor: Text
    gln: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Eds:
    """EHMI's delivery status service, its authorization server, and what we are enrolled with at both."""

    base: Text  # URL of the FHIR server
    issuer: Text  # of the authorization server, as it writes it itself
    client_id: Text | None = None  # None: until the enrolment has given one
    device: EdsDevice
    organisations: Annotated[tuple[EdsOrganisation, ...], MinLen(1)]
    renamed: Mapping[str, Text] = field(default_factory=dict)  # word of the envelope -> word of the events (O-21)
    failures: bool = True  # whether a message that was given up is reported, with outcome 8 (O-21)
    tls_trust: Text | None = None  # name of the CAs of both servers, in `trust`; None: the system's
    tls: Tls  # its certificate is who we are, for both

    def as_told(self) -> Device:
        """This access point, and the organisations it serves, as its events name them."""
        return Device(
            id=self.device.id,
            source=self.device.source,
            manufacturer=self.device.manufacturer,
            name=self.device.name,
            names={each.sor: each.name for each in self.organisations},
            renamed=self.renamed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """A private key with its certificate: PKCS#12, or PEM (both in one file, or the certificate beside it)."""

    file: Path
    certificate: Path | None = None
    password: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFiles:
    """Our keys. `decryption` empty: the signing key; several: old ones too, while partners change over."""

    signing: KeyFile
    decryption: tuple[KeyFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSignature:
    """How a backend's systems and we sign what we hand each other (docs/how-to/connect-an-msh.md)."""

    trust: Annotated[tuple[Text, ...], MinLen(1)]  # names in trust/: CAs of the signers, or their own certificates
    demand: Literal["jws", "xml", "any"] = "jws"  # what C1 signs by
    subjects: tuple[Text, ...] = ()  # distinguished names that may sign; empty: all below `trust`
    policies: tuple[Text, ...] = ()  # certificate policy OIDs of which the signer's must have all: its level
    key: KeyFile | None = None  # signs what C4 is given; a key apart from [keys]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendConfig:
    """One backend: `kind` is its entry point's name; `options` is the rest of its table."""

    kind: Text
    token: Secret | None = None  # REST: what its programs show
    built_together: bool = False  # its systems are one with this access point: nothing is signed between them
    signature: BackendSignature | None = None
    options: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long things are kept, in days after a message came to its final state."""

    payload_days: Days = 14
    failed_payload_days: Days = 60  # of what failed and nobody came for; it can be resent until then
    message_days: Annotated[int, Ge(30)] = 180  # header, events and receipt; holds the duplicate key


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """How much is done at a time; `lease`: after how many seconds a dead process's work is taken up."""

    send: Annotated[int, Ge(1), Le(256)] = 8
    deliver: Annotated[int, Ge(1), Le(256)] = 4
    lease: Annotated[float, Ge(5)] = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Budgets on one HTTP request, before a P-Mode is known."""

    message_bytes: Annotated[int, Ge(1024)] = 4 * 1024**3
    idle_timeout: Seconds = 60.0  # seconds without a byte of the body
    total_timeout: Seconds = 3600.0  # seconds for the whole body
    requests: Annotated[int, Ge(1)] = 64  # in progress at a time; more wait for their turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything ehmi-ap.toml says. `home` is the folder of that file; every path is absolute."""

    home: Path
    party: PartyId
    domain: Text  # the right side of our MessageIds
    as4: As4Listener
    keys: KeyFiles
    internal: InternalListener = field(default_factory=InternalListener)
    web: WebClient = field(default_factory=WebClient)
    discovery: Discovery = field(default_factory=Discovery)
    eds: Eds | None = None
    trust: Path = Path("trust")  # folder of *.pem
    pmodes: Path = Path("pmodes")  # folder of *.toml
    store: Path = Path("data")  # folder of the database and the payloads
    backends: Mapping[str, BackendConfig] = field(default_factory=dict)
    default_backend: str | None = None  # may be left out where there is only one
    checks: Mapping[str, Level] = field(default_factory=dict)  # profile rule id -> level
    retention: Retention = field(default_factory=Retention)
    workers: Workers = field(default_factory=Workers)
    limits: HttpLimits = field(default_factory=HttpLimits)
    log: Log = field(default_factory=Log)

    @classmethod
    def load(cls, path: Path) -> "Config":
        """Read ehmi-ap.toml.

        Raises:
            ConfigError: with all findings, each as "ehmi-ap.toml: [TABLE] KEY: what is wrong; what to do".
        """
        from ehmi_ap.config.reading import read_config  # it needs the classes of this file

        return read_config(path)

    def profiles(self) -> Mapping[str, Profile]:
        """The networks' profiles by name, with the levels of `checks` applied."""
        return {name: with_levels(profile, self.checks) for name, profile in PROFILES.items()}

    def backend_of(self, named: str | None) -> str | None:
        """The backend for a P-Mode or submission that names one or none; None when none is configured."""
        return named or self.default_backend or next(iter(self.backends), None)
