"""Is a certificate revoked? Answers of responders and lists of our own making, right ones and every wrong one."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pki
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from ehmi_ap.crypto import crl as crl_module
from ehmi_ap.crypto import ocsp as ocsp_module
from ehmi_ap.crypto import revocation
from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.revocation import Standing, Status
from ehmi_ap.errors import XmlSecurityError
from ehmi_ap.questions import WebAnswer, WebFailure, WebQuestion

NOW = pki.NOW
SHA1, SHA256 = hashes.SHA1(), hashes.SHA256()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OCSP, CRL, CRL2 = "http://ocsp.test/", "http://crl.test/ca.crl", "http://crl.test/second.crl"
GOOD, REVOKED, UNKNOWN = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN

Answer = WebAnswer | Callable[[WebQuestion], WebAnswer]


def of(identity: pki.Identity) -> Certificate:
    return Certificate.from_x509(identity.cert)


def access(*urls: str) -> tuple[x509.ExtensionType, bool]:
    descriptions = [
        x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url)) for url in urls
    ]
    return x509.AuthorityInformationAccess(descriptions), False


def points(*urls: str, reasons: frozenset[x509.ReasonFlags] | None = None, issuer: Any = None) -> Any:
    each = [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, reasons, issuer) for url in urls]
    return x509.CRLDistributionPoints(each), False


CA = pki.make_ca("Test issuing CA")
LEAF = pki.make_leaf(CA, "leaf", extensions=[access(OCSP), points(CRL)])
OCSP_ONLY = pki.make_leaf(CA, "leaf", key="b", extensions=[access(OCSP)])
CRL_ONLY = pki.make_leaf(CA, "leaf", key="c", extensions=[points(CRL, CRL2)])
NEITHER = pki.make_leaf(CA, "leaf", key="d")


def response(
    certificate: pki.Identity = OCSP_ONLY,
    status: ocsp.OCSPCertStatus = GOOD,
    *,
    issuer: pki.Identity = CA,
    signer: pki.Identity = CA,
    this: datetime = NOW - HOUR,
    next: datetime | None = NOW + DAY,  # noqa: A002 - as the field is called
    algorithm: hashes.HashAlgorithm = SHA1,
    digest: hashes.HashAlgorithm | None = SHA256,
    hold: bool = True,
) -> bytes:
    revoked = (NOW - DAY, x509.ReasonFlags.key_compromise) if status is REVOKED else (None, None)
    builder = ocsp.OCSPResponseBuilder().add_response(
        certificate.cert, issuer.cert, algorithm, status, this, next, *revoked
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.cert)
    if signer is not CA and hold:
        builder = builder.certificates([signer.cert])
    return builder.sign(signer.key, digest).public_bytes(pki.serialization.Encoding.DER)


def delegate(*, issuer: pki.Identity = CA, nocheck: bool = True, usage: Any = None, **options: Any) -> pki.Identity:
    extensions = [*options.pop("extensions", ()), *([(x509.OCSPNoCheck(), False)] if nocheck else [])]
    usages = [ExtendedKeyUsageOID.OCSP_SIGNING] if usage is None else usage
    options = {"key": "d", **options}
    return pki.make_leaf(issuer, "responder", extended_key_usage=usages, extensions=extensions, **options)


def revocation_list(
    *revoked: pki.Identity,
    signer: pki.Identity = CA,
    name: x509.Name | None = None,
    last: datetime = NOW - HOUR,
    next: datetime = NOW + DAY,  # noqa: A002 - as the field is called
    extensions: Any = (),
    entry: Any = (),
    pss: bool = False,
    digest: hashes.HashAlgorithm | None = SHA256,
    pem: bool = False,
) -> bytes:
    builder = x509.CertificateRevocationListBuilder(name or signer.cert.subject, last, next)
    for each in revoked:
        item = x509.RevokedCertificateBuilder(each.cert.serial_number, NOW - DAY)
        for extension, critical in entry:
            item = item.add_extension(extension, critical)
        builder = builder.add_revoked_certificate(item.build())
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    options = {"rsa_padding": padding.PSS(padding.MGF1(digest), digest.digest_size)} if pss else {}
    signed = builder.sign(signer.key, digest, **options)
    return signed.public_bytes(pki.serialization.Encoding.PEM if pem else pki.serialization.Encoding.DER)


def ok(body: bytes) -> WebAnswer:
    return WebAnswer(status=200, body=body)


def talk(asking: revocation.Asking, answers: Mapping[str, Answer]) -> tuple[Status, list[WebQuestion]]:
    """What it comes to, and what was asked; nobody answers where there is no answer."""
    asked: list[WebQuestion] = []
    try:
        question = next(asking)
        while True:
            asked.append(question)
            answer = answers.get(question.url, WebAnswer(failure=WebFailure.CONNECT))
            question = asking.send(answer(question) if callable(answer) else answer)
    except StopIteration as done:
        return done.value, asked


def status(identity: pki.Identity, **answers: Answer) -> Status:
    """Of a certificate below CA; `ocsp`, `crl` and `crl2` are the answers."""
    urls = {"ocsp": OCSP, "crl": CRL, "crl2": CRL2}
    by_url = {urls[name]: answer for name, answer in answers.items()}
    return talk(revocation.check(of(identity), of(CA), now=NOW), by_url)[0]


# -- OCSP


def test_a_responder_says_that_a_certificate_is_good():
    found, asked = talk(revocation.check(of(LEAF), of(CA), now=NOW), {OCSP: ok(response(LEAF))})

    assert (found.standing, found.until) == (Standing.GOOD, NOW + DAY)
    [question] = asked
    assert (question.purpose, question.content_type) == ("status", "application/ocsp-request")
    assert question.body is not None
    request = ocsp.load_der_ocsp_request(question.body)
    assert request.serial_number == LEAF.cert.serial_number
    assert len(request.extensions) == 0


def test_a_revoked_certificate_is_not_looked_up_in_the_list_any_more():
    found, asked = talk(revocation.check(of(LEAF), of(CA), now=NOW), {OCSP: ok(response(LEAF, REVOKED))})

    assert (found.standing, len(asked)) == (Standing.REVOKED, 1)


def test_what_the_responder_does_not_know_the_list_may():
    unknown = ok(response(LEAF, UNKNOWN))

    assert status(LEAF, ocsp=unknown, crl=ok(revocation_list())).standing is Standing.GOOD
    assert status(LEAF, ocsp=unknown, crl=ok(revocation_list(LEAF))).standing is Standing.REVOKED
    assert status(LEAF, ocsp=unknown).standing is Standing.UNKNOWN


def test_a_delegate_of_the_issuer_may_answer():
    for signer in (delegate(), delegate(pss=True), delegate(nocheck=False)):
        assert status(OCSP_ONLY, ocsp=ok(response(signer=signer))).standing is Standing.GOOD


def test_a_delegate_that_may_be_revoked_is_looked_up_itself():
    signer = delegate(nocheck=False, extensions=[points(CRL)])
    answer = ok(response(signer=signer))

    assert status(OCSP_ONLY, ocsp=answer, crl=ok(revocation_list())).standing is Standing.GOOD
    assert status(OCSP_ONLY, ocsp=answer, crl=ok(revocation_list(signer))).standing is Standing.UNAVAILABLE
    assert status(OCSP_ONLY, ocsp=answer).standing is Standing.UNAVAILABLE


@pytest.mark.parametrize("key", ["p256", "ed25519"])
def test_issuers_of_all_kinds_of_keys_answer(key):
    issuer = pki.make_ca("Other CA", key=key)
    leaf = pki.make_leaf(issuer, extensions=[access(OCSP), points(CRL)])
    digest = None if key == "ed25519" else hashes.SHA256()
    answers = {
        OCSP: ok(response(leaf, issuer=issuer, signer=issuer, digest=digest)),
        CRL: ok(revocation_list(leaf, signer=issuer, digest=digest)),
    }

    assert talk(revocation.check(of(leaf), of(issuer), now=NOW), answers)[0].standing is Standing.GOOD
    del answers[OCSP]
    assert talk(revocation.check(of(leaf), of(issuer), now=NOW), answers)[0].standing is Standing.REVOKED


def tlv(tag: int, content: bytes) -> bytes:
    """One DER value."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(octets))) + octets + content


SHA256_RSA, SHA1_RSA = (bytes.fromhex(f"300d06092a864886f70d0101{last}0500") for last in ("0b", "05"))


def basic_response(tbs: bytes, algorithm: bytes, signature: bytes) -> bytes:
    """An OCSPResponse of these parts, without certificates."""
    basic = tlv(0x30, tbs + algorithm + tlv(0x03, b"\x00" + signature))
    kind = bytes.fromhex("06092b0601050507300101")
    return tlv(0x30, bytes.fromhex("0a0100") + tlv(0xA0, tlv(0x30, kind + tlv(0x04, basic))))


def signed_by_pss(plain: bytes, key: Any, digest: hashes.HashAlgorithm) -> bytes:
    """The OCSP response with a signature of RSASSA-PSS, which cryptography cannot make."""
    tbs = ocsp.load_der_ocsp_response(plain).tbs_response_bytes
    certificate = pki.make_leaf(CA, pss=True, digest=digest)
    behind = certificate.der.partition(certificate.cert.tbs_certificate_bytes)[2]
    algorithm = behind[: 2 + behind[1]]  # AlgorithmIdentifier, with the PSS parameters
    pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
    return basic_response(tbs, algorithm, key.sign(tbs, pss, digest))


def sha1_response() -> bytes:
    """Signed with SHA-1, which cryptography does not do any more."""
    tbs = ocsp.load_der_ocsp_response(response()).tbs_response_bytes
    return basic_response(tbs, SHA1_RSA, CA.key.sign(tbs, padding.PKCS1v15(), SHA1))


def sha1_signed(tbs: bytes) -> bytes:
    """A certificate or list of CA, signed so; the two algorithms have names of one length."""
    tbs = tbs.replace(SHA256_RSA, SHA1_RSA)
    return tlv(0x30, tbs + SHA1_RSA + tlv(0x03, b"\x00" + CA.key.sign(tbs, padding.PKCS1v15(), SHA1)))


def sha1_delegate() -> pki.Identity:
    made = delegate()
    return pki.Identity(made.key, x509.load_der_x509_certificate(sha1_signed(made.cert.tbs_certificate_bytes)), CA)


@pytest.mark.parametrize("digest", [hashes.SHA256(), hashes.SHA512()])
def test_a_response_signed_by_rsassa_pss_counts(digest):
    answer = signed_by_pss(response(status=REVOKED), CA.key, digest)

    assert status(OCSP_ONLY, ocsp=ok(answer)).standing is Standing.REVOKED


def test_a_response_signed_by_rsassa_pss_of_a_stranger_does_not():
    answer = signed_by_pss(response(), pki.private_key("b"), hashes.SHA256())

    assert status(OCSP_ONLY, ocsp=ok(answer)).standing is Standing.UNAVAILABLE


STRANGER = pki.make_ca("Test issuing CA", key="b")
BAD_RESPONSES: dict[str, tuple[Callable[[], bytes], str]] = {
    "not a response": (lambda: b"<html/>", "cannot be read"),
    "cut short": (lambda: response()[:-20], "cannot be read"),
    "refused": (
        lambda: ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(
            pki.serialization.Encoding.DER
        ),
        "answered try_later",
    ),
    "about another certificate": (lambda: response(LEAF), "another certificate"),
    "about another issuer's": (lambda: response(issuer=STRANGER), "another certificate"),
    "another hash of the issuer": (lambda: response(algorithm=hashes.SHA256()), "another certificate"),
    "too old": (lambda: response(next=NOW), "was good until"),
    "without nextUpdate and too old": (lambda: response(this=NOW - 2 * HOUR, next=None), "was good until"),
    "from the future": (lambda: response(this=NOW + HOUR), "from the future"),
    "signed by a stranger": (lambda: response(signer=STRANGER, hold=False), "not signed by"),
    "signed with SHA-1": (sha1_response, "not signed by"),
    "a delegate of a stranger": (
        lambda: response(signer=delegate(issuer=STRANGER)),
        "did not issue",
    ),
    "a delegate for another purpose": (
        lambda: response(signer=delegate(usage=[ExtendedKeyUsageOID.CLIENT_AUTH])),
        "not issued for OCSP",
    ),
    "a delegate for any purpose": (
        lambda: response(signer=delegate(usage=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])),
        "not issued for OCSP",
    ),
    "a delegate for no named purpose": (lambda: response(signer=delegate(usage=[])), "not issued for OCSP"),
    "an expired delegate": (lambda: response(signer=delegate(not_after=NOW - DAY)), "expired"),
    "a delegate that may not sign": (lambda: response(signer=delegate(key_usage=["key_encipherment"])), "KeyUsage"),
    "a delegate with a short key": (lambda: response(signer=delegate(key="rsa1024-a")), "too short"),
    "a delegate signed with SHA-1": (lambda: response(signer=sha1_delegate()), "SHA-2"),
}


@pytest.mark.parametrize("name", BAD_RESPONSES)
def test_a_response_that_must_not_be_believed(name):
    make, text = BAD_RESPONSES[name]
    answer = make()

    found = status(OCSP_ONLY, ocsp=ok(answer))

    assert found.standing is Standing.UNAVAILABLE
    assert text in found.what
    with pytest.raises(XmlSecurityError, match=text):
        ocsp_module.judge(answer, of(OCSP_ONLY), of(CA), now=NOW)


def test_a_response_without_nextupdate_holds_for_an_hour():
    found = status(OCSP_ONLY, ocsp=ok(response(this=NOW - timedelta(minutes=10), next=None)))

    assert (found.standing, found.until) == (Standing.GOOD, NOW + timedelta(minutes=50))


def test_a_clock_may_be_a_little_behind():
    assert status(OCSP_ONLY, ocsp=ok(response(this=NOW + timedelta(minutes=4)))).standing is Standing.GOOD
    assert status(CRL_ONLY, crl=ok(revocation_list(last=NOW + timedelta(minutes=4)))).standing is Standing.GOOD


# -- CRL


@pytest.mark.parametrize("pem", [False, True])
@pytest.mark.parametrize("pss", [False, True])
def test_a_list_tells_who_is_revoked(pem, pss):
    body = revocation_list(CRL_ONLY, pem=pem, pss=pss)

    assert status(CRL_ONLY, crl=ok(body)).standing is Standing.REVOKED
    good = status(LEAF, crl=ok(body))
    assert (good.standing, good.until) == (Standing.GOOD, NOW + DAY)


def distribution(**fields: Any) -> tuple[x509.ExtensionType, bool]:
    defaults: dict[str, Any] = dict.fromkeys(("full_name", "relative_name", "only_some_reasons"))
    flags = dict.fromkeys(
        ("only_contains_user_certs", "only_contains_ca_certs", "indirect_crl", "only_contains_attribute_certs"), False
    )
    return x509.IssuingDistributionPoint(**{**defaults, **flags, **fields}), True


UNKNOWN_EXTENSION = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
ELSEWHERE = [x509.UniformResourceIdentifier("http://crl.test/other.crl")]
SILENT = pki.make_ca("Test issuing CA", key_usage=["key_cert_sign"])
BAD_LISTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "not a list": (lambda: b"<html/>", "cannot be read"),
    "broken armour": (lambda: b"-----BEGIN X509 CRL-----\n!\n-----END X509 CRL-----", "cannot be read"),
    "cut short": (lambda: revocation_list()[:-20], "cannot be read"),
    "too old": (lambda: revocation_list(next=NOW), "was good until"),
    "from the future": (lambda: revocation_list(last=NOW + HOUR), "from the future"),
    "of another name": (lambda: revocation_list(name=pki.name("Other CA")), "another issuer"),
    "of another key": (lambda: revocation_list(signer=STRANGER), "did not sign"),
    "signed with SHA-1": (
        lambda: sha1_signed(x509.load_der_x509_crl(revocation_list()).tbs_certlist_bytes),
        "SHA-2",
    ),
    "indirect": (lambda: revocation_list(extensions=[distribution(indirect_crl=True)]), "indirect"),
    "a delta": (lambda: revocation_list(extensions=[(x509.DeltaCRLIndicator(1), True)]), "delta"),
    "for some reasons": (
        lambda: revocation_list(
            extensions=[distribution(only_some_reasons=frozenset([x509.ReasonFlags.key_compromise]))]
        ),
        "other reasons",
    ),
    "for attribute certificates": (
        lambda: revocation_list(extensions=[distribution(only_contains_attribute_certs=True)]),
        "other reasons, or other certificates",
    ),
    "for CAs": (lambda: revocation_list(extensions=[distribution(only_contains_ca_certs=True)]), "another kind"),
    "of another place": (
        lambda: revocation_list(extensions=[distribution(full_name=ELSEWHERE)]),
        "another distribution point",
    ),
    "with an unknown critical extension": (
        lambda: revocation_list(extensions=[(UNKNOWN_EXTENSION, True)]),
        "not known here",
    ),
    "with an unknown critical extension of the entry": (
        lambda: revocation_list(CRL_ONLY, entry=[(UNKNOWN_EXTENSION, True)]),
        "not known here",
    ),
    "with an entry of another issuer": (
        lambda: revocation_list(CRL_ONLY, entry=[(x509.CertificateIssuer(ELSEWHERE), True)]),
        "not known here",
    ),
}


@pytest.mark.parametrize("name", BAD_LISTS)
def test_a_list_that_must_not_be_believed(name):
    make, text = BAD_LISTS[name]
    body = make()

    found = status(CRL_ONLY, crl=ok(body))

    assert found.standing is Standing.UNAVAILABLE
    with pytest.raises(XmlSecurityError, match=text):
        crl_module.judge(body, of(CRL_ONLY), of(CA), urls=(CRL, CRL2), now=NOW)


def test_an_issuer_that_may_not_sign_lists_did_not():
    with pytest.raises(XmlSecurityError, match="does not allow it to sign a CRL"):
        crl_module.judge(revocation_list(), of(CRL_ONLY), of(SILENT), urls=(CRL,), now=NOW)


def test_a_list_for_the_place_and_the_kind_counts():
    here = distribution(full_name=[x509.UniformResourceIdentifier(CRL2)], only_contains_user_certs=True)
    number = (x509.CRLNumber(7), False)

    assert status(CRL_ONLY, crl=ok(revocation_list(CRL_ONLY, extensions=[here, number]))).standing is Standing.REVOKED
    intermediate = pki.make_ca("Sub CA", issuer=CA, extensions=[points(CRL)])
    assert status(intermediate, crl=ok(revocation_list(extensions=[here]))).standing is Standing.UNAVAILABLE


def test_an_entry_on_hold_is_revoked_too():
    hold = [(x509.CRLReason(x509.ReasonFlags.certificate_hold), False)]

    assert status(CRL_ONLY, crl=ok(revocation_list(CRL_ONLY, entry=hold))).standing is Standing.REVOKED


# -- whom to ask


def test_where_one_fails_the_next_is_asked():
    assert status(LEAF, crl=ok(revocation_list())).standing is Standing.GOOD
    assert status(LEAF, ocsp=WebAnswer(status=500), crl=ok(revocation_list(LEAF))).standing is Standing.REVOKED
    assert status(CRL_ONLY, crl2=ok(revocation_list(CRL_ONLY))).standing is Standing.REVOKED
    assert status(LEAF).standing is Standing.UNAVAILABLE


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (WebAnswer(failure=WebFailure.TIMEOUT), "no answer (timeout)"),
        (WebAnswer(status=404, body=b"no"), "HTTP 404"),
    ],
)
def test_no_answer_is_unavailable_and_says_where(answer, text):
    found = status(OCSP_ONLY, ocsp=answer)

    assert (found.standing, found.what, found.until) == (Standing.UNAVAILABLE, f"{OCSP}: {text}", None)


def test_a_certificate_that_names_nobody_is_unknown():
    found, asked = talk(revocation.check(of(NEITHER), of(CA), now=NOW), {})

    assert (found.standing, asked) == (Standing.UNKNOWN, [])
    assert "names neither" in found.what


def test_only_http_is_asked_and_not_many():
    urls = ["https://a.test/", "ldap://b.test/", "file:///etc/passwd", "http://c.test/", "http://d.test/", "HTTP://e/"]
    leaf = pki.make_leaf(CA, extensions=[access(*urls), points(*urls)])

    found, asked = talk(revocation.check(of(leaf), of(CA), now=NOW, private=True), {})

    assert [each.url for each in asked] == ["http://c.test/", "http://d.test/"] * 2
    assert all(each.private and each.limit for each in asked)
    assert found.standing is Standing.UNAVAILABLE


def test_lists_of_others_and_for_some_reasons_are_not_asked_for():
    other = [x509.DirectoryName(pki.name("Other CA"))]
    for point in (points(CRL, issuer=other), points(CRL, reasons=frozenset([x509.ReasonFlags.key_compromise]))):
        leaf = pki.make_leaf(CA, extensions=[point])
        assert talk(revocation.check(of(leaf), of(CA), now=NOW), {})[1] == []


# -- paths

ROOT = pki.make_ca("Test root", key="intermediate")
ISSUING = pki.make_ca("Test issuing CA", issuer=ROOT, key="ca", extensions=[points(CRL2)])
END = pki.make_leaf(ISSUING, "end", extensions=[points(CRL)])
PATH = [of(END), of(ISSUING), of(ROOT)]


def path(**answers: bytes) -> tuple[Status, list[WebQuestion]]:
    urls = {"leaf": CRL, "ca": CRL2}
    return talk(revocation.check_path(PATH, now=NOW), {urls[name]: ok(body) for name, body in answers.items()})


def test_each_certificate_below_the_anchor_is_asked_for():
    found, asked = path(leaf=revocation_list(signer=ISSUING, next=NOW + HOUR), ca=revocation_list(signer=ROOT))

    assert [each.url for each in asked] == [CRL, CRL2]
    assert (found.standing, found.until) == (Standing.GOOD, NOW + HOUR)


def test_the_worst_of_a_path_counts():
    revoked_ca = revocation_list(ISSUING, signer=ROOT)

    assert path(ca=revoked_ca)[0].standing is Standing.REVOKED
    assert path(leaf=revocation_list(END, signer=ISSUING))[0].standing is Standing.REVOKED
    assert path(leaf=revocation_list(signer=ISSUING))[0].standing is Standing.UNAVAILABLE
    assert CRL2 in path(leaf=revocation_list(signer=ISSUING))[0].what


def test_an_anchor_is_trusted_as_it_is():
    found, asked = talk(revocation.check_path([of(END)], now=NOW), {})

    assert (found.standing, found.until, asked) == (Standing.GOOD, None, [])
