"""The management service of an SML, small but real: what clients are tried against, over TLS with their certificates.

Built from the published interfaces and not from our WSDL (phax/peppol-commons, peppol-sml-client: the three WSDLs and
peppol-sml-types-v1, peppol-identifiers-v1, BDMSLService-1.0; names and order as there). Requests have to follow them to
the letter. What is answered, and when, is what the services in use do: faults with HTTP 400, 401 and 404, the text in
FaultMessage and, with the number of the request, in faultstring; lists in pages; an empty Body where there is nothing to
list.

    with SmlStub() as sml:      # for clients that trust ROOT and show FIRST or SECOND
        sml.url, sml.publishers, sml.participants, sml.migrations, sml.zone
"""

import base64
import hashlib
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.sax.saxutils import escape

from cryptography import x509
from lxml import etree

from tests import pki
from tests.pki import Identity

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
LOCATOR = "http://busdox.org/serviceMetadata/locator/1.0/"
IDS = "http://busdox.org/transport/identifiers/1.0/"
BDMSL = "ec:services:wsdl:BDMSL:data:1.0"
BASE = "/edelivery-sml"
ZONE = "sml.test"
MOST = 100

ROOT = pki.make_ca("SML root")
SERVER = pki.make_leaf(ROOT, "localhost", san=["localhost"])
FIRST = pki.make_leaf(ROOT, "first operator", key="b")
SECOND = pki.make_leaf(ROOT, "second operator", key="c")

# -- the published schemas: a text, or a sequence of (name, least, most, content) ------------------------------------

TEXT = None
Content = Any
_SMP_ID = (f"{{{LOCATOR}}}ServiceMetadataPublisherID", 1, 1, TEXT)
_PARTICIPANT = (f"{{{IDS}}}ParticipantIdentifier", 1, 1, TEXT)
_ENDPOINT = (
    f"{{{LOCATOR}}}PublisherEndpoint",
    1,
    1,
    ((f"{{{LOCATOR}}}LogicalAddress", 1, 1, TEXT), (f"{{{LOCATOR}}}PhysicalAddress", 1, 1, TEXT)),
)
_PUBLISHER = (_ENDPOINT, _SMP_ID)
_FOR_PARTICIPANT = (_SMP_ID, _PARTICIPANT)
_NEXT = (f"{{{LOCATOR}}}NextPageIdentifier", 0, 1, TEXT)
_PAGE = ((_PARTICIPANT[0], 0, None, TEXT), (_SMP_ID[0], 0, 1, TEXT), _NEXT)
_MIGRATION = (_SMP_ID, _PARTICIPANT, (f"{{{LOCATOR}}}MigrationKey", 1, 1, TEXT))

_METADATA = "http://busdox.org/serviceMetadata/ManageServiceMetadataService/1.0/:"
_IDENTIFIER = "http://busdox.org/serviceMetadata/ManageBusinessIdentifierService/1.0/         :"  # nine blanks
_SERVICE = "ec:services:wsdl:BDMSL:1.0:"

OPERATIONS: dict[tuple[str, str], tuple[str, Content]] = {
    ("/manageservicemetadata", f"{_METADATA}createIn"): (
        f"{{{LOCATOR}}}CreateServiceMetadataPublisherService",
        _PUBLISHER,
    ),
    # As published the endpoint is required here too; every client in use leaves it out.
    ("/manageservicemetadata", f"{_METADATA}readIn"): (
        f"{{{LOCATOR}}}ReadServiceMetadataPublisherService",
        ((_ENDPOINT[0], 0, 1, _ENDPOINT[3]), _SMP_ID),
    ),
    ("/manageservicemetadata", f"{_METADATA}updateIn"): (
        f"{{{LOCATOR}}}UpdateServiceMetadataPublisherService",
        _PUBLISHER,
    ),
    ("/manageservicemetadata", f"{_METADATA}deleteIn"): (_SMP_ID[0], TEXT),
    ("/manageparticipantidentifier", f"{_IDENTIFIER}createIn"): (
        f"{{{LOCATOR}}}CreateParticipantIdentifier",
        _FOR_PARTICIPANT,
    ),
    ("/manageparticipantidentifier", f"{_IDENTIFIER}createListIn"): (f"{{{LOCATOR}}}CreateList", _PAGE),
    ("/manageparticipantidentifier", f"{_IDENTIFIER}deleteIn"): (
        f"{{{LOCATOR}}}DeleteParticipantIdentifier",
        _FOR_PARTICIPANT,
    ),
    ("/manageparticipantidentifier", f"{_IDENTIFIER}deleteListIn"): (f"{{{LOCATOR}}}DeleteList", _PAGE),
    ("/manageparticipantidentifier", f"{_IDENTIFIER}listIn"): (f"{{{LOCATOR}}}PageRequest", (_SMP_ID, _NEXT)),
    ("/manageparticipantidentifier", f"{_IDENTIFIER}prepareMigrateIn"): (
        f"{{{LOCATOR}}}PrepareMigrationRecord",
        _MIGRATION,
    ),
    ("/manageparticipantidentifier", f"{_IDENTIFIER}migrateIn"): (f"{{{LOCATOR}}}CompleteMigrationRecord", _MIGRATION),
    ("/bdmslservice", f"{_SERVICE}prepareChangeCertificateIn"): (
        f"{{{BDMSL}}}PrepareChangeCertificate",
        ((f"{{{BDMSL}}}newCertificatePublicKey", 1, 1, TEXT), (f"{{{BDMSL}}}migrationDate", 0, 1, TEXT)),
    ),
    ("/bdmslservice", f"{_SERVICE}createParticipantIdentifierIn"): (
        f"{{{BDMSL}}}SMPAdvancedServiceForParticipantService",
        (
            (f"{{{BDMSL}}}CreateParticipantIdentifier", 1, 1, _FOR_PARTICIPANT),
            (f"{{{BDMSL}}}serviceName", 1, 1, TEXT),
        ),
    ),
    ("/bdmslservice", f"{_SERVICE}isAliveIn"): (f"{{{BDMSL}}}IsAlive", ()),
}


def check_content(element: etree._Element, content: Content) -> None:
    """Children as a schema wants them, in its order. Raises Refused."""
    children = list(element)
    if content is TEXT:
        allowed = {"scheme"} if element.tag == _PARTICIPANT[0] else set()
        if children or not set(element.attrib) <= allowed:
            raise Refused("BadRequest", f"{element.tag} is a text")
        return
    for name, least, most, inner in content:
        there = 0
        while children and children[0].tag == name and (most is None or there < most):
            check_content(children.pop(0), inner)
            there += 1
        if there < least:
            raise Refused("BadRequest", f"{name} is missing in {element.tag}")
    if children:
        raise Refused("BadRequest", f"{children[0].tag} is out of place in {element.tag}")


# -- the service -----------------------------------------------------------------------------------------------------


class Refused(Exception):
    """Becomes a fault; `kind` without its `Fault`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message


@dataclass
class PublisherRecord:
    """A registered SMP; `owner` is the certificate it was registered with."""

    logical: str
    physical: str
    owner: str


@dataclass(frozen=True)
class Told:
    """A request, as the stub received it."""

    path: str
    action: str
    headers: dict[str, str]
    body: bytes


STATUS = {"BadRequest": 400, "Unauthorized": 401, "NotFound": 404, "InternalError": 500}
Scene = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class State:
    """What the SML knows. Participants are (scheme, value in small letters)."""

    publishers: dict[str, PublisherRecord] = field(default_factory=dict)
    participants: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)  # -> SMP, NAPTR service
    migrations: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)  # -> old SMP, key
    changes: dict[str, tuple[str, str | None]] = field(default_factory=dict)  # owner -> PEM, day
    told: list[Told] = field(default_factory=list)
    page: int = 50


class SmlStub(State):
    """Runs in a thread of its own while the block does. `scene` answers in place of the service, as long as it is set."""

    def __init__(self, *, server: Identity = SERVER, newest: str = "1.3") -> None:
        """A client has to show a certificate below ROOT. `newest`: the TLS version, from 1.2."""
        super().__init__()
        self.scene: Scene | None = None
        self.over = threading.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        with TemporaryDirectory() as folder:
            file = Path(folder) / "server.pem"
            file.write_bytes(server.key_pem + server.chain_pem)
            context.load_cert_chain(file)
        if newest == "1.2":  # where a client's certificate is refused before the client has sent anything
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=ROOT.pem.decode())
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://localhost:{self._server.server_address[1]}{BASE}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> "SmlStub":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def zone(self) -> dict[str, tuple[int, int, str, str, str]]:
        """What the SML would publish: the NAPTR record of each name (spec/discovery.md 1.1, 4)."""
        return {
            dns_name(scheme, value): (100, 10, "U", service, f"!.*!{self.publishers[smp].logical}!")
            for (scheme, value), (smp, service) in self.participants.items()
        }

    def answer(self, told: Told, owner: str) -> str:
        """The content of the Body that answers a request. Raises Refused."""
        expected = OPERATIONS.get((told.path.removeprefix(BASE), told.action))
        if expected is None:
            raise Refused("", f"The given SOAPAction {told.action} does not match an operation.")
        if told.headers["content-type"].replace(" ", "").lower() != "text/xml;charset=utf-8":
            raise Refused("", f"cannot read {told.headers['content-type']}")
        envelope = etree.fromstring(told.body)
        if envelope.tag != f"{{{SOAP}}}Envelope" or [child.tag for child in envelope] != [f"{{{SOAP}}}Body"]:
            raise Refused("", "not an envelope of SOAP 1.1 with a Body and nothing else")
        [request] = envelope[0]
        name, content = expected
        if request.tag != name:
            raise Refused("BadRequest", f"{request.tag} in place of {name}")
        check_content(request, content)
        return str(getattr(self, f"_{etree.QName(request).localname}")(request, owner) or "")

    # -- ManageServiceMetadata -----------------------------------------------------------------------------------

    def _CreateServiceMetadataPublisherService(self, request: etree._Element, owner: str) -> None:
        smp = _text(request, _SMP_ID[0])
        if smp in self.publishers:
            raise Refused("BadRequest", f"[ERR-106] The SMP '{smp}' already exists.")
        self.publishers[smp] = _record(request, owner)

    def _ReadServiceMetadataPublisherService(self, request: etree._Element, owner: str) -> str:
        smp = _text(request, _SMP_ID[0])
        found = self._own(smp, owner)
        return (
            f'<ServiceMetadataPublisherService xmlns="{LOCATOR}"><PublisherEndpoint>'
            f"<LogicalAddress>{escape(found.logical)}</LogicalAddress>"
            f"<PhysicalAddress>{escape(found.physical)}</PhysicalAddress></PublisherEndpoint>"
            f"<ServiceMetadataPublisherID>{smp}</ServiceMetadataPublisherID></ServiceMetadataPublisherService>"
        )

    def _UpdateServiceMetadataPublisherService(self, request: etree._Element, owner: str) -> None:
        smp = _text(request, _SMP_ID[0])
        self._own(smp, owner)
        self.publishers[smp] = _record(request, owner)

    def _ServiceMetadataPublisherID(self, request: etree._Element, owner: str) -> None:
        smp = request.text or ""
        self._own(smp, owner)
        if any(old == smp for old, _ in self.migrations.values()):
            raise Refused("Unauthorized", f"[ERR-109] A migration is planned for the SMP {smp}.")
        self.participants = {who: at for who, at in self.participants.items() if at[0] != smp}
        del self.publishers[smp]

    # -- ManageParticipantIdentifier -----------------------------------------------------------------------------

    def _CreateParticipantIdentifier(self, request: etree._Element, owner: str) -> None:
        self._add(_text(request, _SMP_ID[0]), _whom(request), owner)

    def _CreateList(self, request: etree._Element, owner: str) -> None:
        self._add(_text(request, _SMP_ID[0]), _whom(request), owner)

    def _DeleteParticipantIdentifier(self, request: etree._Element, owner: str) -> None:
        self._remove(_text(request, _SMP_ID[0]), _whom(request), owner)

    def _DeleteList(self, request: etree._Element, owner: str) -> None:
        self._remove(_text(request, _SMP_ID[0]), _whom(request), owner)

    def _PageRequest(self, request: etree._Element, owner: str) -> str:
        smp, asked = _text(request, _SMP_ID[0]), request.findtext(_NEXT[0]) or "1"
        self._own(smp, owner)
        if not asked.isdecimal() or asked == "0":
            raise Refused("BadRequest", "The NextPageIdentifier must be a positive integer")
        here = [who for who, at in self.participants.items() if at[0] == smp]
        start = (int(asked) - 1) * self.page
        shown = here[start : start + self.page]
        if not shown:
            return ""
        listed = "".join(
            f'<i:ParticipantIdentifier scheme="{s}">{escape(v)}</i:ParticipantIdentifier>' for s, v in shown
        )
        more = start + self.page < len(here)
        next_page = f"<NextPageIdentifier>{int(asked) + 1}</NextPageIdentifier>" if more else ""
        return (
            f'<ParticipantIdentifierPage xmlns="{LOCATOR}" xmlns:i="{IDS}">{listed}'
            f"<ServiceMetadataPublisherID>{smp}</ServiceMetadataPublisherID>{next_page}</ParticipantIdentifierPage>"
        )

    def _PrepareMigrationRecord(self, request: etree._Element, owner: str) -> None:
        smp, [who] = _text(request, _SMP_ID[0]), _whom(request)
        self._own(smp, owner)
        self._at(smp, who)
        self.migrations[who] = (smp, _text(request, f"{{{LOCATOR}}}MigrationKey"))

    def _CompleteMigrationRecord(self, request: etree._Element, owner: str) -> None:
        smp, [who] = _text(request, _SMP_ID[0]), _whom(request)
        self._own(smp, owner)
        if who not in self.migrations:
            raise Refused("NotFound", "[ERR-111] No migration record found.")
        if self.migrations[who][1] != _text(request, f"{{{LOCATOR}}}MigrationKey"):
            raise Refused("Unauthorized", "[ERR-101] The migration key doesn't match the expected one")
        self.participants[who] = (smp, self.participants[who][1])
        del self.migrations[who]

    # -- BDMSL ---------------------------------------------------------------------------------------------------

    def _PrepareChangeCertificate(self, request: etree._Element, owner: str) -> None:
        pem = _text(request, f"{{{BDMSL}}}newCertificatePublicKey")
        on = request.findtext(f"{{{BDMSL}}}migrationDate")
        try:
            certificate = x509.load_pem_x509_certificate(pem.encode())
        except ValueError:
            raise Refused("BadRequest", f"[ERR-106] The new certificate is not valid: {pem}") from None
        if on is None and certificate.not_valid_before_utc <= datetime.now(UTC):
            raise Refused("BadRequest", "[ERR-106] The migration date can't be in the past")
        self.changes[owner] = (pem, on)

    def _SMPAdvancedServiceForParticipantService(self, request: etree._Element, owner: str) -> None:
        inner = request[0]
        service = _text(request, f"{{{BDMSL}}}serviceName")
        self._add(_text(inner, _SMP_ID[0]), _whom(inner), owner, service)  # whatever it says: phoss-smp 482

    def _IsAlive(self, request: etree._Element, owner: str) -> None:
        """It does."""

    # -- below ---------------------------------------------------------------------------------------------------

    def _own(self, smp: str, owner: str) -> PublisherRecord:
        if smp not in self.publishers:
            raise Refused("NotFound", f"[ERR-100] The SMP '{smp}' doesn't exist.")
        found = self.publishers[smp]
        if found.owner != owner:
            raise Refused("Unauthorized", f"[ERR-101] The SMP [{smp}] was not created with the certificate [{owner}]")
        return found

    def _at(self, smp: str, who: tuple[str, str]) -> None:
        if self.participants.get(who, ("", ""))[0] != smp:
            raise Refused(
                "NotFound", f"[ERR-110] The participant identifier '{who[1]}' doesn't exist for the SMP {smp}"
            )

    def _add(self, smp: str, whom: list[tuple[str, str]], owner: str, service: str = "Meta:SMP") -> None:
        self._own(smp, owner)
        if not whom or len(whom) > MOST or len(set(whom)) != len(whom):
            raise Refused("BadRequest", f"[ERR-106] 1 to {MOST} different participants are allowed")
        for scheme, value in whom:
            if (scheme, value) in self.participants:
                raise Refused("BadRequest", f"[ERR-106] The participant identifier [{value}] already exist")
        self.participants |= dict.fromkeys(whom, (smp, service))

    def _remove(self, smp: str, whom: list[tuple[str, str]], owner: str) -> None:
        self._own(smp, owner)
        for who in whom:
            self._at(smp, who)
            if who in self.migrations:
                raise Refused("Unauthorized", f"[ERR-109] A migration is planned for the participants [{who[1]}]")
        for who in whom:
            del self.participants[who]


def dns_name(scheme: str, value: str) -> str:
    """Where the SML publishes a participant: the hash of its value, or of a whole ebCore URN (spec/discovery.md 1.1)."""
    is_urn = scheme.lower().startswith("urn:oasis:names:tc:ebcore:partyid-type:")
    hashed = f"{scheme}:{value}" if is_urn else value
    digest = hashlib.sha256(hashed.lower().encode()).digest()
    label = base64.b32encode(digest).decode().rstrip("=").lower()
    return f"{label}.{ZONE}" if is_urn else f"{label}.{scheme}.{ZONE}"


def envelope(body: str) -> bytes:
    """An answer as the services in use write it."""
    return f'<soap:Envelope xmlns:soap="{SOAP}"><soap:Body>{body}</soap:Body></soap:Envelope>'.encode()


def fault(kind: str, message: str) -> bytes:
    """A fault as the services in use write it; `kind` '': one without a detail."""
    detail = (
        f'<detail><{kind}Fault xmlns="{LOCATOR}" xmlns:ns2="{IDS}"><FaultMessage>{escape(message)}</FaultMessage>'
        f"</{kind}Fault></detail>"
    )
    number = " [VH_QReaAzDt]" if kind else ""
    return envelope(
        f"<soap:Fault><faultcode>soap:Server</faultcode><faultstring>{escape(message)}{number}</faultstring>"
        f"{detail if kind else ''}</soap:Fault>"
    )


def _text(element: etree._Element, name: str) -> str:
    return element.findtext(name) or ""


def _whom(request: etree._Element) -> list[tuple[str, str]]:
    return [(each.get("scheme", ""), (each.text or "").lower()) for each in request.findall(_PARTICIPANT[0])]


def _record(request: etree._Element, owner: str) -> PublisherRecord:
    endpoint = request[0]
    return PublisherRecord(
        logical=_text(endpoint, f"{{{LOCATOR}}}LogicalAddress"),
        physical=_text(endpoint, f"{{{LOCATOR}}}PhysicalAddress"),
        owner=owner,
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that TLS refused, or that left; the tests look at the client's side."""


def _handler(stub: SmlStub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            told = Told(
                path=self.path,
                action=self.headers.get("SOAPAction", "").removeprefix('"').removesuffix('"'),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(int(self.headers["Content-Length"])),
            )
            stub.told.append(told)
            if stub.scene is not None:
                stub.scene(self)
                return
            certificate: Any = self.connection.getpeercert() or {}  # type: ignore[attr-defined] # an SSLSocket
            names = dict(pair for part in certificate.get("subject", ()) for pair in part)
            try:
                say(self, 200, envelope(stub.answer(told, f"CN={names.get('commonName')}")))
            except Refused as no:
                say(self, STATUS.get(no.kind, 500), fault(no.kind, no.message))

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    return Handler


def say(
    handler: BaseHTTPRequestHandler, status: int, body: bytes, content_type: str = "text/xml;charset=UTF-8"
) -> None:
    """Answer with these bytes."""
    handler.send_response(status)
    handler.send_header("Content-Type", content_type)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
