"""Every link of the way to a receiver, broken on purpose, and what `ehmi-ap doctor` says of it.

tests/functional/test_doctor.py breaks each on real parts; `python -m tests.links_reference` writes the page.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.x509.oid import NameOID

from ehmi_ap.crypto import enveloped
from ehmi_ap.demo.dns import u_naptr
from ehmi_ap.demo.pages import Page, Segments
from ehmi_ap.discovery import smp, smp1
from ehmi_ap.discovery.faults import FAULTS
from ehmi_ap.discovery.found import Identifier
from ehmi_ap.discovery.published import PublishedCertificate
from ehmi_ap.flows.checkup import REASONS
from ehmi_ap.flows.explain import hint
from ehmi_ap.net.tls import server_context
from tests.nameservers import nameserver, refusing, silent
from tests.pair import free_ports
from tests.pki import NOW, Identity, make_ca
from tests.publisher import WANTED
from tests.servers import alerting_peer, peer
from tests.simulated_network import ap_certificate, certificate, key_pair, other_signer, redirect, smp_certificate
from tests.whole_way import OWN, Way, write_keys, write_pmode

Break = Callable[[Way], Awaitable[None] | None]


@dataclass(frozen=True)
class Link:
    """What is broken, how, and what is said of it; `...` in `says` stands for what differs from run to run."""

    what: str
    outcome: str
    reason: str
    says: str
    fix: str
    breaks: Break


LINKS: list[Link] = []


def link(what: str, outcome: str, reason: str, says: str, fix: str | None = None) -> Callable[[Break], Break]:
    """`fix`: where it is not the reason's own."""

    def add(breaks: Break) -> Break:
        LINKS.append(Link(what, outcome, reason, says, fix or {**FAULTS, **REASONS}[reason][1], breaks))
        return breaks

    return add


def names(way: Way, **record: Any) -> None:
    """Another NAPTR record."""
    way.net.zone.put(way.net.name(), "NAPTR", u_naptr(**{"url": way.net.smp.base, **record}))


# -- DNS


@link(
    "The resolver is dead",
    "unavailable",
    "DNS_TECHNICAL_FAILURE",
    "...sml.test: no answer, 127.0.0.1:...: no answer within 0.1 s...",
)
async def _(way: Way) -> None:
    server = await way.stack.enter_async_context(nameserver(silent))
    way.net.change("resolver", servers=(server.address,), timeout=0.1, lifetime=0.2)


@link(
    "DNSSEC is bogus: SERVFAIL",
    "unavailable",
    "DNS_TECHNICAL_FAILURE",
    "...sml.test: no answer, 127.0.0.1:...: SERVFAIL, ...bogus...",
)
async def _(way: Way) -> None:
    server = await way.stack.enter_async_context(nameserver(refusing("SERVFAIL", reason=(6, "bogus"))))
    way.net.change("resolver", servers=(server.address,), timeout=0.1, lifetime=0.2)


@link(
    "DNSSEC is demanded, and the resolver does not validate",
    "untrusted",
    "DNS_NOT_VALIDATED",
    "...sml.test: 1 NAPTR record, ...not validated by DNSSEC",
)
def _(way: Way) -> None:
    way.net.change("resolver", dnssec="require")


@link(
    "The participant is not in the SML: NXDOMAIN, twice",
    "not-registered",
    "PARTICIPANT_NOT_REGISTERED",
    "...5790000121526 is not registered in sml.test: there is no ...sml.test",
)
def _(way: Way) -> None:
    way.net.zone.remove(way.net.name())


@link(
    "The name is there, but no NAPTR record",
    "not-registered",
    "PARTICIPANT_WITHOUT_RECORD",
    "...5790000121526 has a name in sml.test, which leads to no SMP",
)
def _(way: Way) -> None:
    way.net.zone.remove(way.net.name())
    way.net.zone.put(way.net.name(), "TXT", '"nothing"')


@link(
    "The record's service is an URL",
    "not-supported",
    "NO_MATCHING_SMP_SERVICE",
    'no record has a service of Meta:SMP: 100 10 "U" "https://smp.example" ...',
)
def _(way: Way) -> None:
    names(way, service="https://smp.example")


@link(
    "The record's expression lacks its last delimiter",
    "not-supported",
    "RESOLVED_URI_SYNTAX_ERROR",
    "no record gives a URL that may be asked: ...: its regexp field has not three delimiters",
)
def _(way: Way) -> None:
    way.net.zone.put(way.net.name(), "NAPTR", '100 10 "U" "Meta:SMP" "!.*!https://smp.example" .')


@link(
    "The record's URL is no https",
    "not-supported",
    "RESOLVED_URI_SYNTAX_ERROR",
    "no record gives a URL that may be asked: ...",
)
def _(way: Way) -> None:
    names(way, url="http://smp.example")


# -- the SMP


@link("The SMP is down", "unavailable", "SMP_UNREACHABLE", "https://localhost:...: localhost:... refuses connections")
def _(way: Way) -> None:
    names(way, url=f"https://localhost:{free_ports(1)[0]}")


@link(
    "The SMP's TLS certificate is of another CA",
    "unavailable",
    "SMP_TLS",
    "https://localhost:...: the TLS certificate of localhost:... is not accepted: self...",
)
def _(way: Way) -> None:
    way.net.change("publishers", tls_trust="ap-ca")


@link(
    "The SMP does not accept our client certificate",
    "misconfigured",
    "CLIENT_CERTIFICATE_REFUSED",
    "https://localhost:...: localhost:... does not trust the CA of our client certificate",
)
async def _(way: Way) -> None:
    settings = way.us / "ehmi-ap.toml"
    settings.write_text(settings.read_text().replace("client.pem", "stranger.pem"))
    names(way, url=(await _alerting(way)).removesuffix("/as4"))


@link(
    "The SMP knows us, and does not let us in: 403", "misconfigured", "SMP_FORBIDDEN", "https://localhost:...: HTTP 403"
)
async def _(way: Way) -> None:
    await _status(way, 403)


@link("The SMP is out of order: 503", "unavailable", "SMP_STATUS", "https://localhost:...: HTTP 503")
async def _(way: Way) -> None:
    await _status(way, 503)


@link("The SMP redirects by HTTP", "unavailable", "SMP_HTTP_REDIRECT", "https://localhost:...: HTTP 302")
async def _(way: Way) -> None:
    await _status(way, 302)


@link(
    "The SMP is at an address of our own network",
    "untrusted",
    "ADDRESS_REFUSED",
    "https://localhost:...: localhost:...: ... is not an address that may be asked",
)
def _(way: Way) -> None:
    way.net.change("publishers", private_addresses=False)


@link(
    "A proxy's page in place of the SMP's answer",
    "unavailable",
    "SMP_NOT_XML",
    "not well-formed XML at line 1, column 18 (ERR_TAG_NAME_MISMATCH)",
)
def _(way: Way) -> None:
    _answers(way, b"<html><br></html>")


@link(
    "The SMP does not know the participant: 404",
    "not-registered",
    "PARTICIPANT_UNKNOWN_TO_SMP",
    "https://localhost:.../smp does not know ...5790000121526",
)
def _(way: Way) -> None:
    way.net.smp.remove(WANTED.participant, WANTED.document)


@link(
    "The participant does not take this document: 404",
    "not-supported",
    "DOCUMENT_NOT_REGISTERED",
    "...5790000121526 is registered for busdox-docid-qns::urn:other, not for ...",
)
def _(way: Way) -> None:
    way.net.smp.remove(WANTED.participant, WANTED.document)
    way.net.register(replace(WANTED, document=Identifier("urn:other", WANTED.document.scheme)))


# -- what is signed


@link("The metadata is not signed", "untrusted", "SIGNATURE_MISSING", "the SMP's metadata is not signed")
def _(way: Way) -> None:
    _answers(way, _text(way).encode())


@link(
    "The metadata was changed after it was signed",
    "untrusted",
    "SIGNATURE_DIGEST",
    "a digest differs from what was signed",
)
def _(way: Way) -> None:
    _answers(way, _signed(way).replace(b"/as4<", b"/as5<"))


@link(
    "The metadata is signed with SHA-1",
    "untrusted",
    "SIGNATURE_ALGORITHM",
    "signature algorithm http://www.w3.org/2000/09/xmldsig#rsa-sha1 is not allowed",
)
def _(way: Way) -> None:
    _answers(way, _signed(way, algorithm="rsa-sha1", digest="sha1"))


@link(
    "The signer is of another CA",
    "untrusted",
    "SIGNER_UNTRUSTED",
    "the signer of the SMP's answer, CN=SMP,...: no path from the certificate to a trusted one",
)
def _(way: Way) -> None:
    _answers(way, _signed(way, smp_certificate(issuer=make_ca("Another CA", key="intermediate"))))


@link(
    "The signer's certificate has expired",
    "untrusted",
    "SIGNER_EXPIRED",
    "the signer of the SMP's answer, CN=SMP,...: the certificate expired on 2026-11-22 12:00:00Z",
)
def _(way: Way) -> None:
    _answers(way, _signed(way, smp_certificate(not_after=NOW - timedelta(days=1))))


@link(
    "The signer's certificate was revoked",
    "untrusted",
    "SIGNER_REVOKED",
    "CN=SMP,... (serial ..., ...): CRL at http://localhost:.../smp.crl: revoked",
)
def _(way: Way) -> None:
    way.net.revoke(way.net.signer)


@link(
    "The list of revoked certificates cannot be had",
    "unavailable",
    "REVOCATION_UNAVAILABLE",
    "CN=SMP,... (serial ..., ...): http://localhost:.../smp.crl: HTTP 404",
)
def _(way: Way) -> None:
    way.net.lists.clear()


@link(
    "The SMP answers for another participant",
    "untrusted",
    "OTHER_IDENTIFIERS",
    "the SMP answered for the participant ...5790000201389, not for ...5790000121526",
)
def _(way: Way) -> None:
    _answers(way, _signed(way, text=_text(way).replace("5790000121526", "5790000201389")))


@link(
    "A redirect leads to another redirect",
    "untrusted",
    "REDIRECT_TWICE",
    "https://localhost:... redirects again, to ...",
)
def _(way: Way) -> None:
    _answers(way, _redirect(way, "again", way.net.signer))


@link(
    "A redirect names another certificate than that of who signed",
    "untrusted",
    "REDIRECT_CERTIFICATE",
    "the redirect named CN=Other SMP,..., and CN=SMP,... signed",
)
def _(way: Way) -> None:
    good = Page(body=_signed(way), since=NOW)
    bounce = Page(body=_redirect(way, "there", other_signer()), since=NOW)

    def pages(path: Segments) -> Page | None:
        return good if path[0] == "there" else bounce

    way.net.instead = pages


# -- the endpoint, as it is published


@link(
    "The participant takes the document in another process",
    "not-supported",
    "PROCESS_NOT_REGISTERED",
    "the receiver has no endpoint for the document in the process ...sdn-emergence",
)
def _(way: Way) -> None:
    way.net.register(replace(WANTED, process=Identifier("urn:other", WANTED.process.scheme)))


@link(
    "The endpoint speaks AS2",
    "not-supported",
    "NO_TRANSPORT_PROFILE",
    "no endpoint of the process can be used; of the nearest one, its transport profile is busdox-transport-as2-ver2p0",
)
def _(way: Way) -> None:
    way.register(transport_profile="busdox-transport-as2-ver2p0")


@link(
    "The endpoint's entry has ended",
    "not-supported",
    "NO_ACTIVE_ENDPOINT",
    "...of the nearest one, it expired at 2026-11-22 12:00:00Z",
)
def _(way: Way) -> None:
    way.register(expires=NOW - timedelta(days=1))


@link(
    "The endpoint's URL is no https",
    "untrusted",
    "ENDPOINT_URL_REFUSED",
    "...of the nearest one, its URL is refused: it is not https",
)
def _(way: Way) -> None:
    way.register(url="http://localhost/as4")


@link(
    "The endpoint's certificate has expired",
    "untrusted",
    "ENDPOINT_EXPIRED",
    "...its certificate, CN=ap.example,...: the certificate expired on 2026-11-22 12:00:00Z",
)
def _(way: Way) -> None:
    way.register(certificates=_published(ap_certificate(not_after=NOW - timedelta(days=1))))


@link(
    "The endpoint's certificate is of another CA",
    "untrusted",
    "ENDPOINT_UNTRUSTED",
    "...its certificate, CN=ap.example,...: no path from the certificate to a trusted one",
)
def _(way: Way) -> None:
    way.register(certificates=_published(ap_certificate(issuer=make_ca("Another CA", key="c"))))


@link(
    "The endpoint's certificate was revoked",
    "untrusted",
    "ENDPOINT_REVOKED",
    "CN=ap.example,... (serial ..., ...): CRL at http://localhost:.../ap.crl: revoked",
)
def _(way: Way) -> None:
    way.net.revoke(way.net.access_point)


# -- the endpoint, as it is


@link(
    "The access point is down",
    "unavailable",
    "ENDPOINT_UNREACHABLE",
    "https://localhost:.../as4: localhost:... refuses connections",
)
def _(way: Way) -> None:
    way.register(url=f"https://localhost:{free_ports(1)[0]}/as4")


@link(
    "The access point's TLS certificate is of another CA",
    "unavailable",
    "ENDPOINT_TLS",
    "https://localhost:.../as4: the TLS certificate of localhost:... is not accepted: self...",
)
def _(way: Way) -> None:
    _pmode(way, tls_trust="ap-ca")


@link(
    "The access point's TLS certificate bears another name",
    "unavailable",
    "ENDPOINT_TLS",
    "https://127.0.0.1:.../as4: the TLS certificate of 127.0.0.1:... is not accepted: ...",
)
def _(way: Way) -> None:
    way.register(url=way.url.replace("localhost", "127.0.0.1"))


@link(
    "The access point does not accept our client certificate",
    "misconfigured",
    "ENDPOINT_CLIENT_CERTIFICATE",
    "https://localhost:.../as4: localhost:... does not trust the CA of our client certificate",
)
async def _(way: Way) -> None:
    with (way.us / "ehmi-ap.toml").open("a") as settings:
        settings.write(f'\n[web.tls]\ncertificate = "{way.folder}/stranger.pem"\n')
    way.register(url=await _alerting(way))


@link(
    "The endpoint is at an address of our own network",
    "untrusted",
    "ENDPOINT_ADDRESS",
    "https://localhost:.../as4: localhost:...: ... is not an address that may be asked",
)
def _(way: Way) -> None:
    way.net.change("receivers", private_addresses=False)


@link(
    "What answers at the endpoint does not speak HTTP",
    "unavailable",
    "ENDPOINT_BROKEN",
    "https://localhost:.../as4: localhost:... does not answer with HTTP",
)
async def _(way: Way) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await reader.read()
        writer.close()

    context = server_context(certificate=way.folder / "server.pem")
    server = await way.stack.enter_async_context(await asyncio.start_server(speak, "127.0.0.1", 0, ssl=context))
    way.register(url=f"https://localhost:{server.sockets[0].getsockname()[1]}/as4")


@link(
    "Another server is where the access point should be",
    "unavailable",
    "TEST_UNANSWERED",
    "https://localhost:.../as4: HTTP 404 without an ebMS signal",
)
async def _(way: Way) -> None:
    way.register(url=await _serving(way, 404))


@link(
    "A certificate is published whose key the access point does not have",
    "untrusted",
    "TEST_NOT_DECRYPTED",
    "https://localhost:.../as4 refuses the test message: EBMS:0102 FailedDecryption: ...",
)
def _(way: Way) -> None:
    way.register(certificates=_published(ap_certificate(key="c", extensions=way.lists)))


@link(
    "The access point signs with another key than the published one",
    "untrusted",
    "TEST_RECEIPT",
    "https://localhost:.../as4: the receipt is not proven: the signer's certificate is not the one agreed with ...",
)
def _(way: Way) -> None:
    signing = key_pair(ap_certificate(key="c"))
    way.ap.agreements = replace(way.ap.agreements, keys=replace(way.ap.agreements.keys, signing=signing))


@link(
    "The access point does not know us",
    "not-supported",
    "TEST_REFUSED",
    "https://localhost:.../as4 refuses the test message: EBMS:0101 FailedAuthentication: ...",
    hint("EBMS:0101"),
)
def _(way: Way) -> None:
    """Our certificate says another name than our PartyId."""
    write_keys(way.us, ap_certificate("somebody.else", key="d"))
    way.own = ""


@link(
    "The published certificate does not say which party it is of",
    "untrusted",
    "PARTY_ID_MISSING",
    "the certificate of https://localhost:.../as4, O=Test, has no CN to be its PartyId",
    "Compare `[receivers] party_id` of the network with the subjects that its access points have.",
)
def _(way: Way) -> None:
    nameless = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test")])
    way.register(certificates=_published(ap_certificate(subject=nameless, extensions=way.lists)))


# -- our own side


@link(
    "Our signing certificate has expired",
    "misconfigured",
    "TEST_NOT_SENT",
    "Our signing certificate must not be used: the certificate expired on 2026-11-22 12:00:00Z.",
    "Put the new one in its place; sending goes on by itself.",
)
def _(way: Way) -> None:
    write_keys(way.us, ap_certificate("we.example", key="d", not_after=NOW - timedelta(days=1)))
    way.own = ""


@link(
    "Our clock is an hour ahead",
    "misconfigured",
    "CLOCK_OFF",
    "our clock differs from all others: localhost:... is 3... s behind, localhost:... is 3... s behind",
)
def _(way: Way) -> None:
    way.ahead = timedelta(hours=1)


@link(
    "Our own entry has a certificate that is not ours",
    "misconfigured",
    "OWN_CERTIFICATE",
    "our entry has CN=ap.example,..., for which we have no key",
)
def _(way: Way) -> None:
    way.register_us(way.net.access_point)


@link(
    "Our own entry leads elsewhere",
    "misconfigured",
    "OWN_URL",
    "our entry leads to https://localhost/old, and we are at https://localhost/ours",
)
def _(way: Way) -> None:
    way.register_us(url="https://localhost/old")


@link(
    "We are not registered",
    "not-registered",
    "PARTICIPANT_NOT_REGISTERED",
    "our own entry: ...5790000201389 is not registered in sml.test: ...",
)
def _(way: Way) -> None:
    way.net.zone.remove(way.net.name(OWN))


# -- what they are broken with


def _answers(way: Way, body: bytes) -> None:
    """The SMP says this to whatever it is asked."""
    way.net.instead = lambda path: Page(body=body, since=NOW)


def _text(way: Way) -> str:
    """The metadata, not signed."""
    return smp1.metadata_text(way.net.register(url=way.url), smp1.OASIS)


def _signed(way: Way, signer: Identity | None = None, *, text: str = "", **options: Any) -> bytes:
    return enveloped.signed((text or _text(way)).encode(), key_pair(signer or way.net.signer), **options)


def _redirect(way: Way, path: str, named: Identity) -> bytes:
    """A redirect there, which names this certificate."""
    return smp.write(redirect(f"{way.net.smp.base}/{path}", named), key_pair(way.net.signer))


def _published(identity: Identity) -> tuple[PublishedCertificate, ...]:
    return (PublishedCertificate(certificate=certificate(identity)),)


def _pmode(way: Way, **changes: object) -> None:
    pmode = {"network": "test", "tls_trust": "tls", "service": WANTED.process.value, "actions": [WANTED.document.value]}
    write_pmode(way.us, {**pmode, **changes})


async def _serving(way: Way, status: int) -> str:
    """The URL of a server that says this to whatever it is asked."""

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status, headers={"Location": "https://localhost/"} if status == 302 else {})

    return await way.stack.enter_async_context(peer(answer, server_context(certificate=way.folder / "server.pem")))


async def _status(way: Way, status: int) -> None:
    names(way, url=(await _serving(way, status)).removesuffix("/as4"))


async def _alerting(way: Way) -> str:
    """The URL of a server that demands another client certificate, in TLS 1.2: there the alert cannot get lost."""
    files = {"certificate": way.folder / "server.pem", "client_ca": way.folder / "ca.pem"}
    context = server_context(**files, versions=["1.2"])
    return await way.stack.enter_async_context(alerting_peer(context))
