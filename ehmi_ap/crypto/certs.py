"""Judging certificates: fit for a purpose at a given time, and below an anchor.

Rules: check_fit() judges one certificate for one purpose (validity, key type and size, KeyUsage); check_chain()
looks for a certification path to the caller's anchors by RFC 5280 section 6 (as4-wire 9.43): every certificate of it is
within its validity, the anchor too; only CAs issue (BasicConstraints, and keyCertSign where there is a KeyUsage); an
unknown critical extension refuses; an absent KeyUsage restricts nothing; RSASSA-PSS signatures are as good as others
(Danish OCES3). Both checks are needed, and neither knows the other's answer. Whether a certificate belongs to a
party is for the caller to ask; revocation is not looked at. Chains are leaf first, but for the PKIPath token.

The path search is cryptography.x509.verification, whose interface is not yet stable: it is used only here.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from ehmi_ap.crypto.certificate import Certificate, PublicKey
from ehmi_ap.errors import CertificateRefused, MalformedSecurity

__all__ = ["Certificate", "Purpose", "Refusal", "check_chain", "check_fit", "check_validity", "pkipath", "to_pkipath"]

Purpose = Literal["sign", "encrypt"]

MAX_PATH = 8
"""Certificates of a path, and of a PKIPath that we read."""

RSA_BITS = range(2048, 4097)
_SEQUENCE = 0x30
_NO_PATH = "not a PKIPath of a few certificates"
_REMEMBERED = 1024
_Key = tuple[Certificate, tuple[Certificate, ...], tuple[Certificate, ...]]
_paths: OrderedDict[_Key, tuple[Certificate, ...]] = OrderedDict()


class Refusal(StrEnum):
    """Why a certificate must not be used: the `reason` of CertificateRefused."""

    UNTRUSTED = "untrusted"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    UNFIT = "unfit"
    WEAK = "weak"
    POLICY = "policy"
    SUBJECT = "subject"


def check_fit(certificate: Certificate, purpose: Purpose, at: datetime) -> None:
    """Whether the certificate may be used for `purpose` at that time, whoever issued it (as4-wire 3.6, 9.30, 9.40).

    Raises:
        CertificateRefused: expired, not-yet-valid, weak (RSA below 2048 bits, a curve below 256) or unfit (RSA above
            4096 bits, a kind of key or a KeyUsage that does not allow the purpose).
    """
    check_validity(certificate, at)
    _check_kind(certificate, purpose)


@lru_cache(_REMEMBERED)
def _check_kind(certificate: Certificate, purpose: Purpose) -> None:
    """What of a certificate's fitness does not depend on the time; a refusal is not remembered."""
    _check_key(certificate.public_key, purpose)
    usage = certificate.key_usage
    if usage is None:  # restricts nothing (as4-wire 9.43)
        return
    if purpose == "sign":
        fits = usage.digital_signature or usage.content_commitment
    else:
        fits = usage.key_encipherment if isinstance(certificate.public_key, rsa.RSAPublicKey) else usage.key_agreement
    if not fits:
        wanted = "signatures" if purpose == "sign" else "encryption"
        raise CertificateRefused(Refusal.UNFIT, f"the KeyUsage of the certificate does not allow {wanted}")


def check_validity(certificate: Certificate, at: datetime) -> None:
    """Raises CertificateRefused (expired, not-yet-valid)."""
    if at < certificate.not_before:
        raise CertificateRefused(
            Refusal.NOT_YET_VALID, f"the certificate is not valid before {certificate.not_before:%F %T}Z"
        )
    if at > certificate.not_after:
        raise CertificateRefused(Refusal.EXPIRED, f"the certificate expired on {certificate.not_after:%F %T}Z")


def _check_key(key: PublicKey, purpose: Purpose) -> None:
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < RSA_BITS.start:
            raise CertificateRefused(Refusal.WEAK, f"an RSA key of {key.key_size} bits is too short")
        if _is_too_long(key):
            raise CertificateRefused(Refusal.UNFIT, f"an RSA key of {key.key_size} bits is longer than 4096")
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.key_size < 256:
            raise CertificateRefused(Refusal.WEAK, f"a curve of {key.key_size} bits is too small")
    elif isinstance(key, ed25519.Ed25519PublicKey) != (purpose == "sign"):
        raise CertificateRefused(Refusal.UNFIT, "the key of the certificate is of a kind for another purpose")


def _is_too_long(key: PublicKey) -> bool:
    return isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_BITS.stop


def check_chain(
    certificate: Certificate,
    *,
    intermediates: Sequence[Certificate],
    anchors: Sequence[Certificate],
    at: datetime,
    policies: Iterable[str] = (),
) -> tuple[Certificate, ...]:
    """The certification path from `certificate` to one of `anchors`, leaf first, at that time.

    A certificate that is itself an anchor needs no issuer: partners are often pinned by their own one. `policies`
    are the OIDs of which the certificate must have all. A path once found is remembered for as long as it is valid.

    Raises:
        CertificateRefused: expired, not-yet-valid (it, or one above it), untrusted (no path), policy.
    """
    check_validity(certificate, at)
    if not certificate.policies.issuperset(policies):
        raise CertificateRefused(Refusal.POLICY, "the certificate was not issued under the policies that are asked for")
    if certificate in anchors:
        return (certificate,)
    key = (certificate, tuple(intermediates), tuple(anchors))
    path = _paths.get(key)
    if path is None or not all(each.valid_at(at) for each in path):
        path = _find_path(*key, at)
        _remember(key, path)
    return path


def _remember(key: _Key, path: tuple[Certificate, ...]) -> None:
    _paths[key] = path
    while len(_paths) > _REMEMBERED:
        _paths.popitem(last=False)


def _find_path(
    certificate: Certificate, intermediates: tuple[Certificate, ...], anchors: tuple[Certificate, ...], at: datetime
) -> tuple[Certificate, ...]:
    if not anchors:
        raise CertificateRefused(Refusal.UNTRUSTED, "no certificate is trusted for this signer")
    builder = PolicyBuilder().store(Store([each.x509 for each in anchors])).time(at).max_chain_depth(MAX_PATH)
    builder = builder.extension_policies(ca_policy=_CA, ee_policy=ExtensionPolicy.permit_all())
    # Intermediates come from anybody, and each may be computed with as often as the search allows.
    usable = [each.x509 for each in intermediates if not _is_too_long(each.public_key)]
    try:
        found = builder.build_client_verifier().verify(certificate.x509, usable)
    except VerificationError:
        raise _why(certificate, (*intermediates, *anchors), at) from None
    return tuple(Certificate.from_x509(each) for each in found.chain)


def _may_issue(_: Policy, __: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("not a CA")


def _may_sign_certificates(_: Policy, __: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("KeyUsage without keyCertSign")


_CA = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _may_issue)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign_certificates)
)


def _why(certificate: Certificate, others: tuple[Certificate, ...], at: datetime) -> CertificateRefused:
    """Why there is no path: a CA out of its validity is worth telling apart, for renewing it helps."""
    for other in others:
        if not other.valid_at(at) and _issued(certificate, other):
            return CertificateRefused(Refusal.EXPIRED, "a CA certificate above the signer is not valid at this time")
    return CertificateRefused(Refusal.UNTRUSTED, "no path from the certificate to a trusted one")


def _issued(certificate: Certificate, issuer: Certificate) -> bool:
    try:
        certificate.x509.verify_directly_issued_by(issuer.x509)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def to_pkipath(chain: Sequence[Certificate]) -> bytes:
    """The X509PKIPathv1 of a chain that is leaf first: a DER SEQUENCE of certificates, root first (as4-wire 3.5)."""
    content = b"".join(each.der for each in reversed(chain))
    length = len(content)
    if length < 0x80:
        return bytes((_SEQUENCE, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((_SEQUENCE, 0x80 | len(octets))) + octets + content


def pkipath(data: bytes) -> list[Certificate]:
    """The certificates of an X509PKIPathv1 in its own order: root first, the one meant last.

    Raises:
        MalformedSecurity: not a DER SEQUENCE of one to MAX_PATH certificates.
        CertificateRefused: as Certificate.from_der.
    """
    start, end = _sequence(data, 0)
    if end != len(data) or start == end:
        raise MalformedSecurity(_NO_PATH)
    path: list[Certificate] = []
    while start < end:
        _, after = _sequence(data, start)
        if len(path) == MAX_PATH or after > end:
            raise MalformedSecurity(_NO_PATH)
        path.append(Certificate.from_der(data[start:after]))
        start = after
    return path


def _sequence(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of the DER SEQUENCE at `at` starts and ends (X.690 8.1.3, definite lengths only)."""
    if len(data) < at + 2 or data[at] != _SEQUENCE:
        raise MalformedSecurity(_NO_PATH)
    start, length = at + 2, data[at + 1]
    if length >= 0x80:
        octets = length - 0x80
        if not 1 <= octets <= 4:
            raise MalformedSecurity(_NO_PATH)
        start, length = start + octets, int.from_bytes(data[start : start + octets])
    if start + length > len(data):
        raise MalformedSecurity(_NO_PATH)
    return start, start + length
