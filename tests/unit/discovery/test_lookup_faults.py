"""The fault matrix: each link of a look-up broken on purpose, and what the operator is told.

Every row has the outcome's reason and words of its fix; every reason there is has a row.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ehmi_ap.discovery import smp1
from ehmi_ap.discovery.faults import FAULTS
from ehmi_ap.discovery.found import Identifier
from ehmi_ap.discovery.published import Process, Target
from ehmi_ap.model import Participant
from ehmi_ap.questions import DnsStatus, Naptr, WebAnswer, WebFailure
from tests.pki import NOW, Identity, make_ca
from tests.simulated_network import (
    AP_CRL,
    GROUP_URL,
    HCO,
    LEGACY_NAME,
    METADATA_URL,
    METADATA_URL_2,
    NAME,
    OTHER_URL,
    PROFILE,
    RECEIVER,
    SMP,
    SMP_CRL,
    WANTED,
    World,
    access_point,
    answered,
    ap_ca,
    ap_certificate,
    crl,
    endpoint,
    group,
    metadata,
    naptr,
    nothing,
    other_signer,
    records,
    redirect,
    rewritten,
    served,
    signed,
    smp_ca,
    smp_certificate,
    smp_signer,
    tampered,
)

DAY = timedelta(days=1)
OTHER_DOCUMENT = Identifier("urn:other::document##urn:other::1.0", "busdox-docid-qns")
OTHER_PROCESS = Identifier("urn:www.digst.dk:profile:sdn-emergence", "cenbii-procid-ubl")

Break = Callable[[World], Any]


# --- ways to break a link -----------------------------------------------------------------------------------------


def dns(answer: Any, *, again: Any = None) -> Break:
    def act(world: World) -> None:
        world.dns[NAME] = answer
        if again is not None:
            world.again[NAME] = again

    return act


def naptrs(*all_of_them: Naptr) -> Break:
    return dns(records(*all_of_them))


def web(answer: WebAnswer, url: str = METADATA_URL) -> Break:
    return lambda world: world.web.update({url: answer})


def fails(failure: WebFailure, url: str = METADATA_URL) -> Break:
    return web(WebAnswer(failure=failure, detail="it happened"), url)


def status(number: int, url: str = METADATA_URL, **more: Any) -> Break:
    return web(WebAnswer(status=number, **more), url)


def gone(url: str) -> Break:
    return lambda world: world.web.pop(url)


def network(**changes: Any) -> Break:
    return lambda world: world.change(**changes)


def all_of(*breaks: Break) -> Break:
    def act(world: World) -> None:
        for each in breaks:
            each(world)

    return act


def signs(**options: Any) -> Break:
    """Metadata signed by another certificate of the SMP."""
    return lambda world: world.web.update({METADATA_URL: answered(metadata(), smp_certificate(**options))})


def receives(**options: Any) -> Break:
    """An endpoint with another certificate."""
    return lambda world: world.web.update(
        {METADATA_URL: answered(metadata(endpoint(identity=ap_certificate(**options))))}
    )


def publishes(**changes: Any) -> Break:
    return lambda world: world.web.update({METADATA_URL: answered(metadata(endpoint(**changes)))})


def redirects(there: WebAnswer | None = None, **options: Any) -> Break:
    """The SMP redirects; `there` is what the other one answers."""

    def act(world: World) -> None:
        world.web[METADATA_URL] = answered(redirect(**options))
        if there is not None:
            world.web[OTHER_URL] = there

    return act


def elsewhere() -> WebAnswer:
    return answered(metadata(), other_signer())


def trusts_itself(key: str) -> Identity:
    return make_ca("Somebody's CA", key=key)


BILLION_LAUGHS = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><x>&b;</x>'
)  # fmt: skip
EXTERNAL_ENTITY = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'
HTML = b"<!DOCTYPE html><html><head><title>Please log in</title></head><body></body></html>"
SHA1_DIGEST = b"http://www.w3.org/2000/09/xmldsig#sha1"
SHA256_DIGEST = b"http://www.w3.org/2001/04/xmlenc#sha256"

UNSIGNED = smp1.metadata_text(metadata(), smp1.OASIS).encode()


def forged_digest() -> WebAnswer:
    """Another document's digest is put in, so that the digest is right and the signature's value is not."""
    one, other = signed(metadata()), signed(metadata(endpoint(url="https://ap.evil/as4")))
    digests = [re.search(b"<DigestValue>(.*?)<", each, re.DOTALL)[1] for each in (one, other)]
    return served(one.replace(*digests).replace(b"https://ap.example/", b"https://ap.evil/"))


def with_certificate(text: str) -> WebAnswer:
    encoded = base64.b64encode(access_point().der).decode()
    return rewritten(encoded, text)


def redirects_to_nobody() -> Break:
    unnamed = Target(href=OTHER_URL, subject="")
    return redirects(elsewhere(), target=unnamed)


CASES: list[tuple[str, Break, str, str]] = [
    # --- not registered
    ("no such name, said twice", dns(nothing()), "PARTICIPANT_NOT_REGISTERED", "ask the receiver to be registered"),
    (
        "in none of two zones",
        all_of(dns(nothing()), network(zones=("sml.example", "sml2.example"))),
        "PARTICIPANT_NOT_REGISTERED",
        "Check the receiver's identifier",
    ),
    (
        "neither by NAPTR nor by CNAME",
        all_of(dns(nothing()), network(legacy=True, publishers={"https_only": False})),
        "PARTICIPANT_NOT_REGISTERED",
        "Check the receiver's identifier",
    ),
    ("a name without records", dns(nothing(DnsStatus.NO_DATA)), "PARTICIPANT_WITHOUT_RECORD", "`legacy = true`"),
    ("found, and no record", dns(records(naptrs=())), "PARTICIPANT_WITHOUT_RECORD", "leads nowhere"),
    (
        "a CNAME to a name that is not there",
        dns(nothing(aliases=("publisher.sml.example",))),
        "PARTICIPANT_WITHOUT_RECORD",
        "register it again",
    ),
    (
        "in one zone without record, in the other not at all",
        all_of(dns(nothing(DnsStatus.NO_DATA)), network(zones=("sml.example", "sml2.example"))),
        "PARTICIPANT_WITHOUT_RECORD",
        "register it again",
    ),
    (
        "unknown to the SMP",
        all_of(gone(METADATA_URL), gone(GROUP_URL)),
        "PARTICIPANT_UNKNOWN_TO_SMP",
        "at which SMP it is registered",
    ),
    # --- not supported
    ("another service", naptrs(naptr(service="Other:SMP")), "NO_MATCHING_SMP_SERVICE", "`services`"),
    ("another flag", naptrs(naptr(flags="S")), "NO_MATCHING_SMP_SERVICE", "register it again"),
    ("the URL as service", naptrs(naptr(service=SMP, regexp="")), "NO_MATCHING_SMP_SERVICE", "Compare the services"),
    ("a broken record", naptrs(naptr(regexp="!noSeparator")), "RESOLVED_URI_SYNTAX_ERROR", "correct its record"),
    ("plain http", naptrs(naptr("http://smp.example")), "RESOLVED_URI_SYNTAX_ERROR", "no URL that may be asked"),
    ("credentials in the URL", naptrs(naptr("https://a:b@smp.example")), "RESOLVED_URI_SYNTAX_ERROR", "no URL"),
    (
        "an expression that is not expanded",
        naptrs(naptr(regexp=r"!^([^.]+)\..*$!https://smp.example/\1!")),
        "RESOLVED_URI_SYNTAX_ERROR",
        "correct its record",
    ),
    ("another kind of XML", web(served(b"<feed xmlns='urn:x'/>")), "UNKNOWN_DIALECT", "Peppol or OASIS"),
    ("a group where metadata is", web(answered(group(HCO))), "UNKNOWN_DIALECT", "service metadata"),
    (
        "metadata where a group is",
        all_of(gone(METADATA_URL), web(answered(metadata()), GROUP_URL)),
        "UNKNOWN_DIALECT",
        "service metadata",
    ),
    (
        "a dialect that the network does not have",
        network(publishers={"dialects": ("peppol",)}),
        "DIALECT_NOT_ALLOWED",
        "`[publishers] dialects`",
    ),
    (
        "SMP 1.0 where SMP 2.0 is registered",
        all_of(
            network(services=("oasis-bdxr-smp-2",)),
            naptrs(naptr(service="oasis-bdxr-smp-2")),
            web(answered(metadata()), METADATA_URL_2),
        ),
        "DIALECT_NOT_ALLOWED",
        "`[publishers] dialects`",
    ),
    ("400", status(400), "SMP_BAD_REQUEST", "Check the spelling"),
    (
        "another document is registered",
        all_of(gone(METADATA_URL), web(answered(group(OTHER_DOCUMENT)), GROUP_URL)),
        "DOCUMENT_NOT_REGISTERED",
        "name it in `[spellings]`",
    ),
    (
        "no document is registered",
        all_of(gone(METADATA_URL), web(answered(group()), GROUP_URL)),
        "DOCUMENT_NOT_REGISTERED",
        "ask the receiver to register it",
    ),
    ("listed, but not there", gone(METADATA_URL), "DOCUMENT_WITHOUT_METADATA", "percent-encoded"),
    ("nothing where the redirect leads", redirects(), "DOCUMENT_WITHOUT_METADATA", "Show the operator of the SMP"),
    (
        "another process",
        web(answered(metadata(processes=(Process(identifiers=(OTHER_PROCESS,), endpoints=(endpoint(),)),)))),
        "PROCESS_NOT_REGISTERED",
        "Check the process's identifier",
    ),
    (
        "another transport",
        publishes(transport_profile="busdox-transport-as2-ver1p0"),
        "NO_TRANSPORT_PROFILE",
        "`[receivers] transport_profiles`",
    ),
    ("no URL", publishes(url=None), "ENDPOINT_WITHOUT_URL", "without a URL"),
    ("an endpoint that expired", publishes(expires=NOW - DAY), "NO_ACTIVE_ENDPOINT", "outside the dates"),
    ("an endpoint not active yet", publishes(activates=NOW + DAY), "NO_ACTIVE_ENDPOINT", "outside the dates"),
    # --- unavailable
    ("no answer from DNS", dns(nothing(DnsStatus.FAILED, detail="timeout")), "DNS_TECHNICAL_FAILURE", "`[resolver]`"),
    (
        "bogus DNSSEC",
        dns(nothing(DnsStatus.FAILED, detail="SERVFAIL (DNSSEC Bogus)")),
        "DNS_TECHNICAL_FAILURE",
        "tried again",
    ),
    (
        "the first of two zones cannot be asked",
        all_of(dns(nothing(DnsStatus.FAILED)), network(zones=("sml.example", "sml2.example"))),
        "DNS_TECHNICAL_FAILURE",
        "`[resolver]`",
    ),
    (
        "no such name, and nobody to confirm it",
        dns(nothing(), again=nothing(DnsStatus.FAILED)),
        "DNS_NOT_CONFIRMED",
        "second server",
    ),
    (
        "the CNAME cannot be asked for",
        all_of(
            dns(nothing()),
            network(legacy=True, publishers={"https_only": False}),
            lambda world: world.dns.update({LEGACY_NAME: nothing(DnsStatus.FAILED)}),
        ),
        "DNS_TECHNICAL_FAILURE",
        "`[resolver]`",
    ),
    ("connection refused", fails(WebFailure.CONNECT), "SMP_UNREACHABLE", "firewall"),
    ("no TLS", fails(WebFailure.TLS), "SMP_TLS", "`[publishers] tls_trust`"),
    ("too slow", fails(WebFailure.TIMEOUT), "SMP_TIMEOUT", "Check the way to the SMP"),
    ("ends in the middle", fails(WebFailure.BROKEN), "SMP_BROKEN", "in the middle of an answer"),
    ("too large", fails(WebFailure.TOO_LARGE), "SMP_TOO_LARGE", "larger than metadata can be"),
    ("too many elements", web(served(b"<a>" + b"<b/>" * 6000 + b"</a>")), "SMP_TOO_LARGE", "larger than metadata"),
    *[
        (f"HTTP {number}", status(number, retry_after=120.0), "SMP_STATUS", "it cannot answer now")
        for number in (204, 304, 408, 410, 418, 429, 500, 502, 503, 504)
    ],
    *[
        (f"HTTP {number}", status(number), "SMP_HTTP_REDIRECT", "redirects by HTTP")
        for number in (301, 302, 303, 307, 308)
    ],
    (
        "the group cannot be asked for",
        all_of(gone(METADATA_URL), status(503, GROUP_URL)),
        "SMP_STATUS",
        "it cannot answer now",
    ),
    (
        "the other SMP cannot be asked",
        all_of(redirects(), fails(WebFailure.TIMEOUT, OTHER_URL)),
        "SMP_TIMEOUT",
        "Check the way to the SMP",
    ),
    ("a log-in page", web(served(HTML)), "SMP_NOT_XML", "a proxy or a portal"),
    ("nothing in it", web(served(b"")), "SMP_NOT_XML", "no XML"),
    ("half of it", web(served(signed(metadata())[:2000])), "SMP_NOT_XML", "no XML"),
    ("entities that grow", web(served(BILLION_LAUGHS)), "SMP_NOT_XML", "no XML"),
    ("an external entity", web(served(EXTERNAL_ENTITY)), "SMP_NOT_XML", "no XML"),
    ("the signer's CRL is not there", gone(SMP_CRL), "REVOCATION_UNAVAILABLE", "OCSP and CRL servers"),
    ("the receiver's CRL is not there", fails(WebFailure.TIMEOUT, AP_CRL), "REVOCATION_UNAVAILABLE", "OCSP and CRL"),
    (
        "a CRL of somebody else",
        web(served(crl(trusts_itself("d"))), SMP_CRL),
        "REVOCATION_UNAVAILABLE",
        "it is tried again",
    ),
    # --- untrusted
    (
        "DNS that is not validated",
        network(resolver={"dnssec": "require"}),
        "DNS_NOT_VALIDATED",
        "validates DNSSEC",
    ),
    (
        "a missing name that is not validated",
        all_of(dns(nothing()), network(resolver={"dnssec": "require"})),
        "DNS_NOT_VALIDATED",
        "the zone is signed",
    ),
    ("a private address", fails(WebFailure.ADDRESS), "ADDRESS_REFUSED", "`private_addresses = true`"),
    ("a redirect to plain http", redirects(href="http://other.example"), "REDIRECT_URL_REFUSED", "must not be asked"),
    (
        "a redirect into our network",
        redirects(href="https://10.1.2.3/smp"),
        "REDIRECT_URL_REFUSED",
        "must not be asked",
    ),
    ("a redirect to a file", redirects(href="file:///etc/passwd"), "REDIRECT_URL_REFUSED", "must not be asked"),
    (
        "a redirect to a private name",
        all_of(redirects(), fails(WebFailure.ADDRESS, OTHER_URL)),
        "ADDRESS_REFUSED",
        "`private_addresses = true`",
    ),
    ("no signature", web(served(UNSIGNED)), "SIGNATURE_MISSING", "have to be signed"),
    (
        "two references",
        web(tampered(b"<Reference ", b"<Reference/><Reference ")),
        "SIGNATURE_FORM",
        "the form",
    ),
    ("SHA-1", web(tampered(SHA256_DIGEST, SHA1_DIGEST)), "SIGNATURE_ALGORITHM", "`[publishers] sha1 = true`"),
    (
        "another URL",
        web(tampered(b"https://ap.example", b"https://ap.evil")),
        "SIGNATURE_DIGEST",
        "after it was signed",
    ),
    ("another digest", web(forged_digest()), "SIGNATURE_VALUE", "was not made with the key"),
    (
        "signed, and no metadata",
        web(rewritten("ProcessList", "ProcessTable")),
        "METADATA_MALFORMED",
        "its dialect's schema",
    ),
    ("a signer of another CA", signs(issuer=trusts_itself("d")), "SIGNER_UNTRUSTED", "`[publishers] trust`"),
    (
        "a receiver's certificate as signer",
        web(answered(metadata(), access_point())),
        "SIGNER_UNTRUSTED",
        "do not trust this SMP",
    ),
    ("a signer that expired", signs(not_after=NOW - DAY), "SIGNER_EXPIRED", "has to be renewed"),
    ("a signer of tomorrow", signs(not_before=NOW + DAY), "SIGNER_NOT_YET_VALID", "this machine's clock"),
    ("a signer that may not sign", signs(key_usage=("key_encipherment",)), "SIGNER_UNFIT", "not one to sign with"),
    ("a signer with a short key", signs(key="rsa1024-a"), "SIGNER_WEAK", "too short"),
    (
        "a signer without the policy",
        network(publishers={"policies": ("1.2.208.1",)}),
        "SIGNER_POLICY",
        "`[publishers] policies`",
    ),
    (
        "a signer of another name",
        network(publishers={"subject": "CN=THE SMP,.*"}),
        "SIGNER_SUBJECT",
        "`[publishers] subject`",
    ),
    (
        "a signer that is revoked",
        web(served(crl(smp_ca(), smp_signer())), SMP_CRL),
        "SIGNER_REVOKED",
        "until it has another",
    ),
    (
        "a revoked signer, where nobody has to be asked",
        all_of(network(publishers={"revocation": "soft"}), web(served(crl(smp_ca(), smp_signer())), SMP_CRL)),
        "SIGNER_REVOKED",
        "until it has another",
    ),
    ("a signer that names no CRL", signs(extensions=[]), "REVOCATION_UNKNOWN", '`revocation = "soft"`'),
    (
        "another participant",
        web(answered(metadata(participant=Participant("0088:5790000201389", RECEIVER.scheme)))),
        "OTHER_IDENTIFIERS",
        "another participant or document",
    ),
    (
        "another participant's group",
        all_of(
            gone(METADATA_URL),
            web(answered(group(HCO, participant=Participant("0088:5790000201389", RECEIVER.scheme))), GROUP_URL),
        ),
        "OTHER_IDENTIFIERS",
        "another participant or document",
    ),
    ("another document", web(answered(metadata(document=OTHER_DOCUMENT))), "OTHER_IDENTIFIERS", "`[spellings]`"),
    (
        "another scheme of the document",
        web(answered(metadata(document=Identifier(HCO.value, "dk-medcom-messaging")))),
        "OTHER_IDENTIFIERS",
        "`[spellings]`",
    ),
    ("a redirect to a redirect", redirects(answered(redirect(), other_signer())), "REDIRECT_TWICE", "another redirect"),
    (
        "a redirect where none is followed",
        all_of(redirects(elsewhere()), network(publishers={"redirects": 0})),
        "REDIRECT_NOT_ALLOWED",
        "`[publishers] redirects = 1`",
    ),
    (
        "a redirect to another SMP than it names",
        redirects(answered(metadata())),
        "REDIRECT_CERTIFICATE",
        "another than the redirect names",
    ),
    ("a redirect that names nobody", redirects_to_nobody(), "REDIRECT_CERTIFICATE", "another than the redirect names"),
    (
        "an unsigned redirect",
        web(served(smp1.metadata_text(redirect(), smp1.OASIS).encode())),
        "SIGNATURE_MISSING",
        "have to be signed",
    ),
    (
        "a redirect to unsigned metadata",
        redirects(served(UNSIGNED)),
        "SIGNATURE_MISSING",
        "have to be signed",
    ),
    ("a receiver at plain http", publishes(url="http://ap.example/as4"), "ENDPOINT_URL_REFUSED", "https_only = false"),
    ("a receiver in our network", publishes(url="https://127.0.0.1/as4"), "ENDPOINT_URL_REFUSED", "must not be used"),
    (
        "a certificate that is none",
        web(rewritten("<Certificate>MII", "<Certificate>%%%")),
        "ENDPOINT_UNREADABLE",
        "read",
    ),
    ("a placeholder", web(with_certificate("{Certificate}")), "ENDPOINT_UNREADABLE", "cannot be read"),
    ("a receiver of another CA", receives(issuer=trusts_itself("d")), "ENDPOINT_UNTRUSTED", "`[receivers] trust`"),
    ("the SMP as receiver", publishes(identity=smp_signer()), "ENDPOINT_UNTRUSTED", "`[receivers] trust`"),
    ("a receiver that expired", receives(not_after=NOW - DAY), "ENDPOINT_EXPIRED", "registered in the SMP"),
    ("a receiver of tomorrow", receives(not_before=NOW + DAY), "ENDPOINT_NOT_YET_VALID", "this machine's clock"),
    ("nothing to encrypt for", receives(key_usage=("digital_signature",)), "ENDPOINT_UNFIT", "to encrypt for"),
    ("nobody to sign receipts", receives(key_usage=("key_encipherment",)), "ENDPOINT_UNFIT", "to sign with"),
    ("a receiver with a short key", receives(key="rsa1024-a"), "ENDPOINT_WEAK", "too short"),
    (
        "a receiver without the policy",
        network(receivers={"policies": ("1.2.208.1",)}),
        "ENDPOINT_POLICY",
        "`[receivers] policies`",
    ),
    (
        "a receiver that is revoked",
        web(served(crl(ap_ca(), access_point())), AP_CRL),
        "ENDPOINT_REVOKED",
        "another has to be registered",
    ),
    ("a receiver that names no CRL", receives(extensions=[]), "REVOCATION_UNKNOWN", '`revocation = "soft"`'),
    # --- misconfigured
    ("nothing says where the SMP is", network(zones=()), "NETWORK_INCOMPLETE", "`ehmi-ap check`"),
    ("nobody is trusted", network(publishers={"trust": ()}), "NETWORK_INCOMPLETE", "whom to ask"),
    ("no receiver is trusted", network(receivers={"trust": ()}), "NETWORK_INCOMPLETE", "whom to ask"),
    ("a CA that is not there", network(publishers={"trust": ("smp-ca", "x")}), "TRUST_MISSING", "trust/"),
    ("what the resolver calls no name", dns(nothing(DnsStatus.BAD_NAME)), "DOMAIN_NAME_SYNTAX_ERROR", "`[naming]`"),
    ("a zone that is none", network(zones=("no zone",)), "DOMAIN_NAME_SYNTAX_ERROR", "`zones`"),
    (
        "our certificate is not taken",
        fails(WebFailure.CLIENT_CERTIFICATE),
        "CLIENT_CERTIFICATE_REFUSED",
        "`[discovery.tls]`",
    ),
    *[(f"HTTP {number}", status(number), "SMP_FORBIDDEN", "through EER") for number in (401, 403, 407)],
    (
        "an identifier that is none",
        network(smps={"": "https://x"}),
        "IDENTIFIER_SYNTAX_ERROR",
        "Correct the identifier",
    ),
]


@pytest.mark.parametrize(("break_", "reason", "fix"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_broken_link(break_: Break, reason: str, fix: str) -> None:
    world = World()
    break_(world)
    missed = world.missed()
    assert missed.error.reason == reason, missed.error
    assert isinstance(missed.error, FAULTS[reason][0])
    assert fix in missed.error.fix
    assert [step.ok for step in missed.steps] == [True] * (len(missed.steps) - 1) + [False]
    assert missed.steps[-1].evidence == str(missed.error)


def test_every_reason_is_in_the_matrix() -> None:
    assert {reason for _, _, reason, _ in CASES} == set(FAULTS)


def test_every_case_breaks_what_otherwise_holds() -> None:
    assert World().found().endpoint.transport_profile == PROFILE
    assert len(CASES) == len({name for name, *_ in CASES})


def test_a_retry_after_is_handed_on() -> None:
    world = World()
    world.web[METADATA_URL] = WebAnswer(status=503, retry_after=120.0)
    assert world.missed().error.retry_after == 120.0


def test_a_participant_whose_scheme_makes_no_name() -> None:
    wanted = replace(WANTED, participant=Participant("x", "urn:some:scheme"))
    assert World().missed(wanted).error.reason == "DOMAIN_NAME_SYNTAX_ERROR"


def test_what_others_wrote_cannot_move_a_terminal() -> None:
    world = World()
    world.dns[NAME] = records(naptr(service="\x1b[2J\x9b31m\r\nX"))
    missed = world.missed()
    assert all(step.evidence.isprintable() for step in missed.steps)
