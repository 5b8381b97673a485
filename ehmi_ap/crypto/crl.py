"""Certificate revocation lists (RFC 5280 section 5): may a list be believed, and is a certificate on it.

Rules: the list is signed with SHA-2 by the issuer of the certificate itself, in its time, and complete: indirect and
delta lists, lists for some reasons only, and critical extensions that we do not know are refused.
"""

import re
from base64 import b64decode
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import x25519

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.standing import SHA2, SKEW, Standing
from ehmi_ap.errors import MalformedSecurity, WrongSignature

MAX_LIST = 16 * 1024 * 1024
"""Bytes; lists of national CAs have some million."""

_PEM = re.compile(rb"-----BEGIN X509 CRL-----(.*?)-----END X509 CRL-----", re.DOTALL)
_KNOWN = (x509.IssuingDistributionPoint, x509.CRLNumber, x509.AuthorityKeyIdentifier)


def judge(
    data: bytes, certificate: Certificate, issuer: Certificate, *, urls: Sequence[str] = (), now: datetime
) -> tuple[Standing, datetime]:
    """GOOD or REVOKED, and until when the list holds; `urls` are those that the certificate names for the list.

    Raises:
        MalformedSecurity: not a complete list of the issuer that is valid at `now`.
        WrongSignature: the issuer did not sign it, or may not.
    """
    try:
        crl = _load(data)
        until = _until(crl, now)
        _check_issuer(crl, issuer)
        _check_scope(crl, certificate, urls)
        entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if entry is not None and any(each.critical for each in entry.extensions if not _is_reason(each)):
            raise MalformedSecurity("the CRL has an entry with an extension that is not known here")
    except (ValueError, TypeError, KeyError, OverflowError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise MalformedSecurity("the CRL cannot be read") from None
    return (Standing.GOOD if entry is None else Standing.REVOKED), until


def _load(data: bytes) -> x509.CertificateRevocationList:
    armoured = _PEM.search(data)
    return x509.load_der_x509_crl(b64decode(b"".join(armoured[1].split()), validate=True) if armoured else data)


def _is_reason(extension: x509.Extension[x509.ExtensionType]) -> bool:
    return isinstance(extension.value, x509.CRLReason | x509.InvalidityDate)


def _until(crl: x509.CertificateRevocationList, now: datetime) -> datetime:
    if crl.last_update_utc > now + SKEW:
        raise MalformedSecurity("the CRL is from the future")
    until = crl.next_update_utc
    if until is None:
        raise MalformedSecurity("the CRL does not say until when it holds")
    if until <= now:
        raise MalformedSecurity(f"the CRL was good until {until:%F %T}Z only")
    return until


def _check_issuer(crl: x509.CertificateRevocationList, issuer: Certificate) -> None:
    if crl.issuer != issuer.x509.subject:
        raise MalformedSecurity("the CRL is of another issuer")
    usage = issuer.key_usage
    if usage is not None and not usage.crl_sign:
        raise WrongSignature("the issuer's certificate does not allow it to sign a CRL")
    if not isinstance(crl.signature_hash_algorithm, SHA2) and crl.signature_hash_algorithm is not None:
        raise WrongSignature("the CRL is not signed with SHA-2")
    key = issuer.public_key
    if isinstance(key, x25519.X25519PublicKey) or not crl.is_signature_valid(key):
        raise WrongSignature("the issuer did not sign the CRL")


def _check_scope(crl: x509.CertificateRevocationList, certificate: Certificate, urls: Sequence[str]) -> None:
    """Whether the list would name this certificate, were it revoked (RFC 5280 6.3.3)."""
    for extension in crl.extensions:
        if isinstance(extension.value, x509.IssuingDistributionPoint):
            _check_point(extension.value, certificate, urls)
        elif isinstance(extension.value, x509.DeltaCRLIndicator):
            raise MalformedSecurity("the CRL is a delta of another one")
        elif extension.critical and not isinstance(extension.value, _KNOWN):
            raise MalformedSecurity("the CRL has an extension that is not known here")


def _check_point(point: x509.IssuingDistributionPoint, certificate: Certificate, urls: Sequence[str]) -> None:
    if point.indirect_crl:
        raise MalformedSecurity("the CRL is an indirect one")
    if point.only_some_reasons or point.only_contains_attribute_certs:
        raise MalformedSecurity("the CRL is for other reasons, or other certificates")
    if (point.only_contains_ca_certs and not _is_ca(certificate)) or (
        point.only_contains_user_certs and _is_ca(certificate)
    ):
        raise MalformedSecurity("the CRL is for another kind of certificate")
    names = [each.value for each in point.full_name or () if isinstance(each, x509.UniformResourceIdentifier)]
    if point.full_name and not set(names) & set(urls):
        raise MalformedSecurity("the CRL is of another distribution point")


def _is_ca(certificate: Certificate) -> bool:
    try:
        return certificate.x509.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
