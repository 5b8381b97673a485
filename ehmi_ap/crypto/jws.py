"""A detached JWS over the SHA-256 of a body, with its signer's certificate inside (RFC 7515 and its appendix F).

    PROTECTED..SIGNATURE            PROTECTED = {"alg": "ES256", "x5c": [...]}, the signer's certificate first

The content, which is not in it, is the value of the HTTP field Content-Digest (RFC 9530) as text:
`sha-256=:BASE64:`. So a body of any size is digested as a stream, and any JOSE library can sign and verify.

Rules:
- Three algorithms, each for one kind of key: what the header names never decides what a key is used for.
- The key is that of the first certificate of x5c, once it is known to be one of `signers`; every other way to name a
  key (jwk, jku, kid, x5u) is left unread.
- `crit` may hold b64 and nothing else (RFC 7797: the content is signed as it is); what is not critical is ignored
  (RFC 7515 4). Members that come twice, base64 in another spelling and content that is not detached are refused.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from ehmi_ap.body import Body
from ehmi_ap.crypto.algorithms import shown
from ehmi_ap.crypto.certificate import MAX_CERTIFICATE, Certificate, PublicKey
from ehmi_ap.crypto.certs import MAX_PATH
from ehmi_ap.crypto.keys import KeyPair, PrivateKey
from ehmi_ap.crypto.signers import Signers
from ehmi_ap.errors import BudgetExceeded, MalformedSecurity, NotAllowedAlgorithm, WrongSignature

FIELD = "Ehmi-Ap-JWS"
"""The HTTP field in which it stands beside a body that is nothing but the payload."""

MAX_CHARACTERS = 12_288
"""Of one JWS: it travels in an HTTP field, and holds three certificates of RSA-4096 with ease."""

_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)


@dataclass(frozen=True, slots=True)
class _Algorithm:
    """A row of RFC 7518 3.1; `curve` None: RSASSA-PSS with SHA-256."""

    hash: Callable[[], hashes.HashAlgorithm]
    curve: type[ec.EllipticCurve] | None = None
    octets: int = 0  # of r and of s

    def fits(self, key: PublicKey | PrivateKey) -> bool:
        if self.curve is None:
            return isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey)
        return isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey) and isinstance(
            key.curve, self.curve
        )


_ALGORITHMS: Mapping[str, _Algorithm] = {
    "PS256": _Algorithm(hashes.SHA256),
    "ES256": _Algorithm(hashes.SHA256, ec.SECP256R1, 32),
    "ES384": _Algorithm(hashes.SHA384, ec.SECP384R1, 48),
}
ALGORITHMS = tuple(_ALGORITHMS)
"""Their names (RFC 7518 3.1). No RS256: whoever can make a JWS can make PS256 with the same key."""


def digest_of(body: Body) -> bytes:
    """The SHA-256 of a body, read once from its beginning to its end."""
    digest = hashlib.sha256()
    for chunk in body.chunks():
        digest.update(chunk)
    return digest.digest()


def content_digest(digest: bytes) -> str:
    """The value of a Content-Digest field for a SHA-256 (RFC 9530 2): what is signed."""
    return f"sha-256=:{base64.b64encode(digest).decode()}:"


def make(digest: bytes, pair: KeyPair) -> str:
    """A JWS over the body with this SHA-256, by `pair`; its chain goes along, without a root.

    Raises:
        NotAllowedAlgorithm: a key of another kind than those of ALGORITHMS.
        BudgetExceeded: the chain is too long for MAX_CHARACTERS.
    """
    word = algorithm_for(pair.private_key)
    chain = [each for each in pair.chain[1:MAX_PATH] if each.x509.subject != each.x509.issuer]
    x5c = [base64.b64encode(each.der).decode() for each in (pair.certificate, *chain)]
    protected = _text(json.dumps({"alg": word, "x5c": x5c}, separators=(",", ":")).encode())
    signed = f"{protected}.{_text(content_digest(digest).encode())}".encode()
    jws = f"{protected}..{_text(_sign(_ALGORITHMS[word], pair.private_key, signed))}"
    if len(jws) > MAX_CHARACTERS:
        raise BudgetExceeded("characters of a JWS", MAX_CHARACTERS)
    return jws


def algorithm_for(key: PrivateKey) -> str:
    """Which of ALGORITHMS a key signs by; NotAllowedAlgorithm when none."""
    for word, algorithm in _ALGORITHMS.items():
        if algorithm.fits(key):
            return word
    raise NotAllowedAlgorithm("signing with this kind of key by", "JWS")


def verify(jws: str, digest: bytes, signers: Signers, *, now: datetime) -> Certificate:
    """The certificate of the signer, who is one of `signers` and signed the body with this SHA-256.

    Raises:
        MalformedSecurity: not a detached JWS in compact form with its signer's certificate, or an unknown `crit`.
        NotAllowedAlgorithm: `alg` is not one of ALGORITHMS, or not for the key of the certificate.
        CertificateRefused: the signer must not sign (Signers.check).
        WrongSignature: made over something else, or with another key.
        BudgetExceeded: more than MAX_CHARACTERS, or too many certificates.
    """
    if len(jws) > MAX_CHARACTERS:
        raise BudgetExceeded("characters of a JWS", MAX_CHARACTERS)
    protected, content, value = _segments(jws)
    if content:
        raise MalformedSecurity("the JWS holds its content; leave it out (RFC 7515, appendix F)")
    header = _header(_octets(protected))
    algorithm = _algorithm(header)
    signer, *others = _certificates(header)
    signers.check(signer, others, at=now)
    if not algorithm.fits(signer.public_key):
        raise NotAllowedAlgorithm("for the key of the signer's certificate", shown(str(header["alg"])))
    text = content_digest(digest).encode()
    signed = protected.encode() + b"." + (_text(text).encode() if _is_encoded(header) else text)
    _check(algorithm, signer.public_key, _octets(value), signed)
    return signer


def _segments(jws: str) -> tuple[str, str, str]:
    segments = jws.split(".")
    if len(segments) != 3 or not segments[0] or not segments[2]:
        raise MalformedSecurity("not a JWS in compact form: PROTECTED..SIGNATURE")
    return segments[0], segments[1], segments[2]


def _header(data: bytes) -> Mapping[str, Any]:
    try:
        header = json.loads(data.decode(), object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        raise MalformedSecurity("the protected header of the JWS is not JSON, or has a member twice") from None
    if not isinstance(header, dict):
        raise MalformedSecurity("the protected header of the JWS is not a JSON object")
    return header


def _each_once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member comes twice")
    return found


def _algorithm(header: Mapping[str, Any]) -> _Algorithm:
    word = header.get("alg")
    found = _ALGORITHMS.get(word) if isinstance(word, str) else None
    if found is None:
        raise NotAllowedAlgorithm("JWS algorithm", shown(str(word)[:120]))
    return found


def _is_encoded(header: Mapping[str, Any]) -> bool:
    """Whether the content is signed in base64url (RFC 7515) or as it is (RFC 7797 3, 6)."""
    if "crit" not in header:
        if "b64" in header:
            raise MalformedSecurity("the JWS has b64, but not in crit (RFC 7797, 6)")
        return True
    if header["crit"] != ["b64"] or not isinstance(header.get("b64"), bool):
        raise MalformedSecurity("the JWS has critical header parameters that are not known here")
    return cast(bool, header["b64"])


def _certificates(header: Mapping[str, Any]) -> list[Certificate]:
    x5c = header.get("x5c")
    if not isinstance(x5c, list) or not x5c or not all(isinstance(each, str) for each in x5c):
        raise MalformedSecurity("the JWS does not hold its signer's certificate (x5c)")
    if len(x5c) > MAX_PATH:
        raise BudgetExceeded("certificates in a JWS", MAX_PATH)
    return [Certificate.from_der(_der(each)) for each in x5c]


def _der(text: str) -> bytes:
    """A certificate of x5c: base64, not base64url (RFC 7515 4.1.6)."""
    if len(text) > 2 * MAX_CERTIFICATE:
        raise MalformedSecurity("a certificate is too long")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedSecurity("a certificate of the JWS (x5c) is not base64") from None


def _octets(text: str) -> bytes:
    """What base64url without padding stands for, in its one right spelling (RFC 7515 2)."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if _text(data) != text:
        raise MalformedSecurity("a part of the JWS is not base64url")
    return data


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _sign(algorithm: _Algorithm, key: PrivateKey, data: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, _PSS, algorithm.hash())
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # algorithm_for chose it
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(algorithm.hash())))
    return r.to_bytes(algorithm.octets) + s.to_bytes(algorithm.octets)


def _check(algorithm: _Algorithm, key: PublicKey, value: bytes, data: bytes) -> None:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(value, data, _PSS, algorithm.hash())
        else:
            assert isinstance(key, ec.EllipticCurvePublicKey)  # algorithm.fits
            key.verify(_dss(value, algorithm.octets), data, ec.ECDSA(algorithm.hash()))
    except InvalidSignature:
        raise WrongSignature("the signature of the JWS does not verify: it is over something else") from None


def _dss(value: bytes, octets: int) -> bytes:
    """r and s, each of its full length, in DER (RFC 7518 3.4)."""
    if len(value) != 2 * octets:
        raise WrongSignature("the signature of the JWS does not have the length of its algorithm")
    return encode_dss_signature(int.from_bytes(value[:octets]), int.from_bytes(value[octets:]))
