"""Detached JWS over a digest: jwcrypto and the openssl command as oracles, and everything that must not pass.

What is refused here for its shape was signed rightly, by a key that is trusted: so it is the shape that is refused.
"""

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import pki
import pytest
from jwcrypto import jwk
from jwcrypto import jws as other

from ehmi_ap.body import MemoryBody
from ehmi_ap.crypto import jws
from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.keys import KeyPair
from ehmi_ap.crypto.signers import Signers
from ehmi_ap.errors import (
    BudgetExceeded,
    CertificateRefused,
    MalformedSecurity,
    NotAllowedAlgorithm,
    WrongSignature,
    XmlSecurityError,
)

BY_OPENSSL = (
    "eyJhbGciOiJFUzI1NiIsIng1YyI6WyJNSUlCeERDQ0FXbWdBd0lCQWdJVWJLYVlRZXFmblJ4YVhCdmxFT2cyMkU2eXM2MHdDZ1lJ"
    "S29aSXpqMEVBd0l3TGpFTE1Ba0dBMVVFQmhNQ1JFc3hEVEFMQmdOVkJBb01CRlJsYzNReEVEQU9CZ05WQkFNTUIyOXdaVzV6YzJ3"
    "d0lCY05Nall4TVRJek1UUXhORFExV2hnUE1qRXlOakV3TXpBeE5ERTBORFZhTUM0eEN6QUpCZ05WQkFZVEFrUkxNUTB3Q3dZRFZR"
    "UUtEQVJVWlhOME1SQXdEZ1lEVlFRRERBZHZjR1Z1YzNOc01Ga3dFd1lIS29aSXpqMENBUVlJS29aSXpqMERBUWNEUWdBRVcvWElG"
    "MU9Ea2pENTlvN09wVUVSL1JXalo0OE1rUmkwaVEvT1NRV21WVzFwRTNPWUNuNGxQYWxOeTVOeEkzek5uMU1mWmt2dVpRMWR1bnVm"
    "K214QXphTmpNR0V3SFFZRFZSME9CQllFRkpNRFBiSTN3Tk1teXNjQlhFOVRvN0JiN2tRR01COEdBMVVkSXdRWU1CYUFGSk1EUGJJ"
    "M3dOTW15c2NCWEU5VG83QmI3a1FHTUE4R0ExVWRFd0VCL3dRRk1BTUJBZjh3RGdZRFZSMFBBUUgvQkFRREFnZUFNQW9HQ0NxR1NN"
    "NDlCQU1DQTBrQU1FWUNJUUNZbDk5bHZ5ODhUM21jckpZaHBGRnlhWmFBZDd4R0c4d2t3bG14bmV0K2t3SWhBTng2Q2V2cVBZVUxZ"
    "eEp1Vy8zUStqdkg2MFFObnNyOG9TcUM5RVhXbnltYiJdfQ..3T9uJzXuaZ-OEf02p5gKh2qshM6GQO4HjkUHeP7bghUNK2rnZYVM"
    "EFOCgypcoNu_8JO27-0mVSRE5Bg7Oxu3AQ"
)
"""By `openssl dgst -sha256 -sign` over b"hello, C2", its certificate by `openssl req`; valid for a hundred years."""

BODY = b"<StandardBusinessDocument/>"
DIGEST = hashlib.sha256(BODY).digest()
CONTENT = jws.content_digest(DIGEST)
ROOT = pki.make_ca("MSH root")
ISSUING = pki.make_ca("MSH issuing CA", issuer=ROOT)
LEAF = pki.make_leaf(ISSUING, "msh", key="a", policies=["1.2.3", "1.2.4"])
EC_LEAF = pki.make_leaf(ISSUING, "msh-ec", key="p256")
STRANGER = pki.make_leaf(pki.make_ca("another root", key="c"), "msh", key="b")
SUBJECT = "CN=msh,O=Test,C=DK"


def certificate(identity: pki.Identity) -> Certificate:
    return Certificate.from_x509(identity.cert)


def pair(identity: pki.Identity) -> KeyPair:
    chain = tuple(Certificate.from_x509(each) for each in identity.chain)
    return KeyPair(identity.key, chain[0], chain)


BELOW_ROOT = Signers(anchors=(certificate(ROOT),))


def verify(text: str, digest: bytes = DIGEST, signers: Signers = BELOW_ROOT, **changes: Any) -> Certificate:
    return jws.verify(text, digest, signers, now=changes.get("now", pki.NOW))


def x5c(*identities: pki.Identity) -> list[str]:
    return [base64.b64encode(each.der).decode() for each in identities]


def by_jwcrypto(
    header: dict[str, Any] | str, identity: pki.Identity = LEAF, content: str = CONTENT, *, key: jwk.JWK | None = None
) -> str:
    """A compact JWS with its content left out, whatever the header says."""
    text = header if isinstance(header, str) else json.dumps(header)
    word = json.loads(text)["alg"]
    token = other.JWS(content)
    token.allowed_algs = [word]
    token.add_signature(key or jwk.JWK.from_pem(identity.key_pem), alg=word, protected=text)
    if '"b64": false' in text:
        token.detach_payload()
    protected, _, value = token.serialize(compact=True).split(".")
    return f"{protected}..{value}"


def read_by_jwcrypto(text: str, content: str = CONTENT) -> None:
    protected, _, value = text.split(".")
    header = json.loads(base64.urlsafe_b64decode(protected + "=="))
    key = jwk.JWK.from_pem(
        pki.x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0])).public_bytes(
            pki.serialization.Encoding.PEM
        )
    )
    whole = f"{protected}.{base64.urlsafe_b64encode(content.encode()).decode().rstrip('=')}.{value}"
    token = other.JWS()
    token.allowed_algs = list(jws.ALGORITHMS)
    token.deserialize(whole, key)
    assert token.payload.decode() == content


# -- what passes


@pytest.mark.parametrize(("identity", "word"), [(LEAF, "PS256"), (EC_LEAF, "ES256")])
def test_what_we_make_verifies_here_and_with_jwcrypto(identity, word):
    text = jws.make(DIGEST, pair(identity))

    assert verify(text) == certificate(identity)
    read_by_jwcrypto(text)
    header = json.loads(base64.urlsafe_b64decode(text.split(".")[0] + "=="))
    assert header == {"alg": word, "x5c": x5c(identity, ISSUING)}  # a root helps nobody who does not have it


def test_a_key_on_p384_signs_by_es384():
    key = pki.ec.generate_private_key(pki.ec.SECP384R1())
    leaf = self_signed(key)
    own = Certificate.from_x509(leaf)

    text = jws.make(DIGEST, KeyPair(key, own, (own,)))

    assert verify(text, signers=Signers(anchors=(own,))) == own
    read_by_jwcrypto(text)


def self_signed(key: Any) -> pki.x509.Certificate:
    name = pki.name("p384")
    builder = pki.x509.CertificateBuilder(name, name, key.public_key(), 7, pki.NOW - pki.YEAR, pki.NOW + pki.YEAR)
    return builder.sign(key, pki.hashes.SHA384())


@pytest.mark.parametrize(("identity", "word"), [(LEAF, "PS256"), (EC_LEAF, "ES256")])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"typ": "JOSE", "kid": "1", "iat": 1, "jku": "https://nobody.example/keys"},
        {"crit": ["b64"], "b64": False},
        {"crit": ["b64"], "b64": True},
    ],
)
def test_what_jwcrypto_makes_verifies_here(identity, word, more):
    header = {"alg": word, "x5c": x5c(identity, ISSUING), **more}

    assert verify(by_jwcrypto(header, identity)) == certificate(identity)


def test_what_the_openssl_command_makes_verifies_here():
    text = base64.urlsafe_b64decode(BY_OPENSSL.split(".")[0] + "==")
    own = Certificate.from_der(base64.b64decode(json.loads(text)["x5c"][0]))
    digest = jws.digest_of(MemoryBody(b"hello, C2"))

    assert verify(BY_OPENSSL, digest, Signers(anchors=(own,)), now=own.not_before) == own
    with pytest.raises(WrongSignature):
        verify(BY_OPENSSL, DIGEST, Signers(anchors=(own,)), now=own.not_before)


def test_the_content_is_the_content_digest_of_rfc_9530():
    """The example of RFC 9530, appendix D (its body ends with a line feed)."""
    body = MemoryBody(b'{"hello": "world"}\n')

    assert jws.content_digest(jws.digest_of(body)) == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"


def test_a_signer_may_be_pinned():
    assert verify(jws.make(DIGEST, pair(LEAF)), signers=Signers(anchors=(certificate(LEAF),))) == certificate(LEAF)


@pytest.mark.parametrize("subjects", [(SUBJECT,), ("C=DK, O=test, CN=MSH",), ("CN=other", SUBJECT)])
def test_subjects_are_compared_as_names(subjects):
    assert verify(jws.make(DIGEST, pair(LEAF)), signers=Signers(anchors=BELOW_ROOT.anchors, subjects=subjects))


# -- who may not sign


@pytest.mark.parametrize(
    ("signers", "when", "reason"),
    [
        (Signers(anchors=(certificate(STRANGER),)), pki.NOW, "untrusted"),
        (Signers(anchors=()), pki.NOW, "untrusted"),
        (BELOW_ROOT, pki.NOW + 11 * pki.YEAR, "expired"),
        (BELOW_ROOT, pki.NOW - 2 * pki.YEAR, "not-yet-valid"),
        (Signers(anchors=BELOW_ROOT.anchors, subjects=("CN=other,O=Test,C=DK",)), pki.NOW, "subject"),
        (Signers(anchors=BELOW_ROOT.anchors, policies=("1.2.3", "1.2.5")), pki.NOW, "policy"),
    ],
)
def test_a_signer_who_may_not(signers, when, reason):
    text = jws.make(DIGEST, pair(LEAF))

    with pytest.raises(CertificateRefused) as caught:
        verify(text, signers=signers, now=when)
    assert caught.value.reason == reason


def test_the_level_that_is_asked_for_is_enough():
    assert verify(
        jws.make(DIGEST, pair(LEAF)), signers=Signers(anchors=BELOW_ROOT.anchors, policies=("1.2.4", "1.2.3"))
    )


def test_a_certificate_that_is_not_for_signing():
    leaf = pki.make_leaf(ISSUING, "tls", key="b", key_usage=("key_encipherment",))

    with pytest.raises(CertificateRefused, match="KeyUsage"):
        verify(jws.make(DIGEST, pair(leaf)))


def test_a_chain_that_does_not_lead_to_the_anchor():
    header = {"alg": "PS256", "x5c": x5c(LEAF)}

    with pytest.raises(CertificateRefused, match="no path"):
        verify(by_jwcrypto(header))
    assert verify(by_jwcrypto(header), signers=Signers(anchors=(certificate(ISSUING),)))


# -- what was not signed by the one who is named


def test_another_body():
    with pytest.raises(WrongSignature):
        verify(jws.make(hashlib.sha256(b"another").digest(), pair(LEAF)))


def test_the_certificate_of_somebody_who_is_trusted_in_place_of_the_signer_s():
    header = {"alg": "PS256", "x5c": x5c(LEAF, ISSUING)}

    with pytest.raises(WrongSignature):
        verify(by_jwcrypto(header, STRANGER))


def test_a_certificate_put_into_a_header_after_signing():
    text = by_jwcrypto({"alg": "PS256", "x5c": x5c(STRANGER)}, STRANGER)
    swapped = base64.urlsafe_b64encode(json.dumps({"alg": "PS256", "x5c": x5c(LEAF, ISSUING)}).encode()).decode()

    with pytest.raises(WrongSignature):
        verify(f"{swapped.rstrip('=')}..{text.split('.')[2]}")


@pytest.mark.parametrize("identity", [LEAF, EC_LEAF])
def test_a_signature_that_was_changed_or_cut(identity):
    protected, _, value = jws.make(DIGEST, pair(identity)).split(".")
    octets = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))

    for changed in (bytes((octets[0] ^ 1,)) + octets[1:], octets[:-1], octets + b"\0", bytes(len(octets)), b"\0"):
        with pytest.raises(WrongSignature):
            verify(f"{protected}..{base64.urlsafe_b64encode(changed).decode().rstrip('=')}")


def test_an_ecdsa_signature_in_der_is_none_of_jose():
    protected = jws.make(DIGEST, pair(EC_LEAF)).partition(".")[0]
    signed = f"{protected}.{base64.urlsafe_b64encode(CONTENT.encode()).decode().rstrip('=')}".encode()
    der = EC_LEAF.key.sign(signed, pki.ec.ECDSA(pki.hashes.SHA256()))

    with pytest.raises(WrongSignature, match="length"):
        verify(f"{protected}..{base64.urlsafe_b64encode(der).decode().rstrip('=')}")


# -- algorithms


def hs256(header: dict[str, Any], secret: bytes) -> str:
    key = jwk.JWK(kty="oct", k=base64.urlsafe_b64encode(secret).decode().rstrip("="))
    return by_jwcrypto(header, key=key)


def test_hmac_with_the_public_key_as_its_secret():
    public = LEAF.key.public_key().public_bytes(
        pki.serialization.Encoding.PEM, pki.serialization.PublicFormat.SubjectPublicKeyInfo
    )

    for secret in (public, LEAF.pem, LEAF.der):
        with pytest.raises(NotAllowedAlgorithm, match="HS256"):
            verify(hs256({"alg": "HS256", "x5c": x5c(LEAF, ISSUING)}, secret))


@pytest.mark.parametrize("word", ["none", "None", "NONE", "", "HS512", "RS256", "RS512", "PS512", "EdDSA", "ES256K"])
def test_no_other_algorithm(word):
    with pytest.raises(NotAllowedAlgorithm, match="JWS algorithm"):
        verify(unsigned({"alg": word, "x5c": x5c(LEAF, ISSUING)}))


@pytest.mark.parametrize("word", [None, 1, ["PS256"], {"PS256": 1}])
def test_an_algorithm_that_is_no_text(word):
    with pytest.raises(NotAllowedAlgorithm):
        verify(unsigned({"alg": word, "x5c": x5c(LEAF, ISSUING)}))


@pytest.mark.parametrize(("word", "identity"), [("ES256", LEAF), ("ES384", EC_LEAF), ("PS256", EC_LEAF)])
def test_an_algorithm_for_another_kind_of_key(word, identity):
    with pytest.raises(NotAllowedAlgorithm, match="for the key"):
        verify(unsigned({"alg": word, "x5c": x5c(identity, ISSUING)}))


def test_a_key_that_cannot_sign_a_jws():
    leaf = pki.make_leaf(None, "ed", key="ed25519")

    with pytest.raises(NotAllowedAlgorithm, match="this kind of key"):
        jws.make(DIGEST, pair(leaf))


# -- shapes


def unsigned(header: Any, value: bytes = b"1" * 256) -> str:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return "..".join(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in (text, value))


GOOD = {"alg": "PS256", "x5c": x5c(LEAF, ISSUING)}
TEXT = jws.make(DIGEST, pair(LEAF))
PROTECTED, _, VALUE = TEXT.split(".")

SHAPES: dict[str, tuple[str, type[XmlSecurityError], str]] = {
    "nothing": ("", MalformedSecurity, "compact form"),
    "no dots": ("abc", MalformedSecurity, "compact form"),
    "four parts": (TEXT + ".", MalformedSecurity, "compact form"),
    "no header": (f"..{VALUE}", MalformedSecurity, "compact form"),
    "no value": (f"{PROTECTED}..", MalformedSecurity, "compact form"),
    "content inside": (f"{PROTECTED}.eA.{VALUE}", MalformedSecurity, "holds its content"),
    "the right content inside": (
        f"{PROTECTED}.{base64.urlsafe_b64encode(CONTENT.encode()).decode().rstrip('=')}.{VALUE}",
        MalformedSecurity,
        "holds its content",
    ),
    "padding": (f"{PROTECTED}..{VALUE}==", MalformedSecurity, "base64url"),
    "the other base64": (f"{PROTECTED}..+/{VALUE[2:]}", MalformedSecurity, "base64url"),
    "white space": (f"{PROTECTED}..{VALUE[:9]} {VALUE[9:]}", MalformedSecurity, "base64url"),
    "a line end behind it": (TEXT + "\n", MalformedSecurity, "base64url"),
    "letters of elsewhere": (f"{PROTECTED}..{VALUE}æ", MalformedSecurity, "base64url"),
    "half a surrogate": (f"{PROTECTED}\udc80..{VALUE}", MalformedSecurity, "base64url"),
    "no JSON": (unsigned(b"{"), MalformedSecurity, "not JSON"),
    "not UTF-8": (unsigned(b'{"alg":"\xff"}'), MalformedSecurity, "not JSON"),
    "a list": (unsigned([1]), MalformedSecurity, "not a JSON object"),
    "nested beyond measure": (unsigned(b"[" * 8000), MalformedSecurity, "not JSON"),
    "alg twice": (unsigned(json.dumps(GOOD).encode()[:-1] + b',"alg":"PS256"}'), MalformedSecurity, "member twice"),
    "no alg": (unsigned({"x5c": GOOD["x5c"]}), NotAllowedAlgorithm, "None"),
    "no x5c": (unsigned({"alg": "PS256"}), MalformedSecurity, "does not hold its signer's certificate"),
    "x5c is text": (unsigned({"alg": "PS256", "x5c": x5c(LEAF)[0]}), MalformedSecurity, "does not hold"),
    "x5c is empty": (unsigned({"alg": "PS256", "x5c": []}), MalformedSecurity, "does not hold"),
    "x5c of numbers": (unsigned({"alg": "PS256", "x5c": [1]}), MalformedSecurity, "does not hold"),
    "a key in place of x5c": (unsigned({"alg": "PS256", "jwk": {"kty": "RSA"}}), MalformedSecurity, "does not hold"),
    "x5c in base64url": (
        unsigned({"alg": "PS256", "x5c": [base64.urlsafe_b64encode(LEAF.der + b"\xff\xff\xff").decode()]}),
        MalformedSecurity,
        "not base64",
    ),
    "x5c is no certificate": (unsigned({"alg": "PS256", "x5c": ["AAAA"]}), MalformedSecurity, "not a certificate"),
    "more behind a certificate": (
        unsigned({"alg": "PS256", "x5c": [base64.b64encode(LEAF.der + b"1").decode()]}),
        MalformedSecurity,
        "not a certificate",
    ),
    "too many certificates": (unsigned({"alg": "PS256", "x5c": ["AAAA"] * 9}), BudgetExceeded, "certificates"),
    "too long": (unsigned({**GOOD, "kid": "x" * jws.MAX_CHARACTERS}), BudgetExceeded, "characters of a JWS"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_that_must_not_pass(shape):
    text, error, words = SHAPES[shape]

    with pytest.raises(error, match=words) as caught:
        verify(text)
    assert type(caught.value) is error


CRITICAL: list[dict[str, Any]] = [
    {"crit": ["exp"], "exp": 1},
    {"crit": ["b64", "exp"], "b64": True, "exp": 1},
    {"crit": ["b64"]},
    {"crit": []},
    {"crit": "b64", "b64": True},
    {"crit": 1},
    {"crit": [["b64"]]},
    {"crit": ["b64"], "b64": "false"},
    {"crit": ["b64"], "b64": 0},
    {"b64": False},
    {"b64": True},
]


@pytest.mark.parametrize("more", CRITICAL)
def test_what_is_critical_has_to_be_known(more):
    """The value is right for both ways of reading it: only the header is wrong."""
    for content in (CONTENT.encode(), base64.urlsafe_b64encode(CONTENT.encode()).rstrip(b"=")):
        protected = base64.urlsafe_b64encode(json.dumps({**GOOD, **more}).encode()).rstrip(b"=")
        value = LEAF.key.sign(protected + b"." + content, PSS, pki.hashes.SHA256())

        with pytest.raises(MalformedSecurity, match=r"critical|not in crit"):
            verify(f"{protected.decode()}..{base64.urlsafe_b64encode(value).decode().rstrip('=')}")


PSS = pki.padding.PSS(mgf=pki.padding.MGF1(pki.hashes.SHA256()), salt_length=32)


def test_a_salt_of_another_length_is_none_of_ps256():
    protected = base64.urlsafe_b64encode(json.dumps(GOOD).encode()).rstrip(b"=")
    content = base64.urlsafe_b64encode(CONTENT.encode()).rstrip(b"=")
    salt = pki.padding.PSS(mgf=pki.padding.MGF1(pki.hashes.SHA256()), salt_length=20)
    value = LEAF.key.sign(protected + b"." + content, salt, pki.hashes.SHA256())

    with pytest.raises(WrongSignature):
        verify(f"{protected.decode()}..{base64.urlsafe_b64encode(value).decode().rstrip('=')}")


def test_a_chain_that_is_too_long_to_send():
    long = pki.make_leaf(None, "x" * 60, key="rsa4096-a", san=[f"{n:06}.example" for n in range(700)])

    with pytest.raises(BudgetExceeded, match="characters of a JWS"):
        jws.make(DIGEST, pair(long))


def test_validity_ends_with_the_certificate():
    leaf = pki.make_leaf(ISSUING, "short", key="b", not_after=pki.NOW)
    text = jws.make(DIGEST, pair(leaf))

    assert verify(text)
    with pytest.raises(CertificateRefused, match="expired"):
        verify(text, now=pki.NOW + timedelta(seconds=1))
