"""A certificate, read once: what tokens name it by, and what is asked of it at each message.

Rules: everything that may fail on odd bytes fails in from_der(), so a Certificate in hand is readable to its last
field. Reading says nothing about trust or fitness: that is certs.check_chain() and certs.check_fit().
"""

import hashlib
import re
import warnings
from base64 import b64decode
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from cryptography import x509 as pyca
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ehmi_ap.crypto.distinguished import name_text, same_name
from ehmi_ap.errors import CertificateRefused, MalformedSecurity

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | x25519.X25519PublicKey
_E = TypeVar("_E", bound=pyca.ExtensionType)
_KEY_TYPES = (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey, x25519.X25519PublicKey)

MAX_CERTIFICATE = 16_384
"""Bytes of one certificate that we read."""

_PEM = re.compile(rb"-----BEGIN (?:X509 )?CERTIFICATE-----(.*?)-----END ", re.DOTALL)
_LENGTH = rb"(?:[\x00-\x7f]|\x81.|\x82..)"
_TO_SERIAL = re.compile(rb"\x30" + _LENGTH + rb"\x30" + _LENGTH + rb"(?:\xa0\x03\x02\x01.)?\x02[\x01-\x7f]", re.DOTALL)
_UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    OverflowError,
    pyca.InvalidVersion,
    pyca.DuplicateExtension,
    pyca.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """An X.509 certificate with what we ask of it again and again; equal to another with the same bytes.

    `sha256` is lower-case hex, `sha1` the 20 bytes of the thumbprint, `ski` the SubjectKeyIdentifier: that of the
    extension, else the SHA-1 of the public key bits (as4-wire 3.5). `subject` and `issuer` are RFC 4514 text.
    """

    der: bytes = field(repr=False)
    x509: pyca.Certificate = field(repr=False)
    public_key: PublicKey = field(repr=False)
    sha256: str
    sha1: bytes = field(repr=False)
    ski: bytes = field(repr=False)
    subject: str
    issuer: str
    serial_number: int = field(repr=False)
    common_name: str | None = field(repr=False)
    serial_number_attr: str | None = field(repr=False)
    policies: frozenset[str] = field(repr=False)
    not_before: datetime = field(repr=False)
    not_after: datetime = field(repr=False)
    key_usage: pyca.KeyUsage | None = field(repr=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and other.sha256 == self.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    @classmethod
    def from_der(cls, der: bytes) -> "Certificate":
        """Reads one DER certificate; the same bytes give the same object for as long as they are remembered.

        Raises:
            MalformedSecurity: not a certificate.
            CertificateRefused: a kind of key that we do not know, or a serial number that is not positive.
        """
        if len(der) > MAX_CERTIFICATE:
            raise MalformedSecurity("a certificate is too long")
        return _read(bytes(der))

    @classmethod
    def from_pem(cls, pem: bytes) -> "Certificate":
        """Reads the first certificate of a PEM file; raises as from_der."""
        try:
            [block] = _PEM.findall(pem)[:1]
            der = b64decode(b"".join(block.split()), validate=True)
        except ValueError:
            raise MalformedSecurity("not a PEM certificate") from None
        return cls.from_der(der)

    @classmethod
    def from_x509(cls, certificate: pyca.Certificate) -> "Certificate":
        """Wraps a certificate that cryptography has read; raises as from_der."""
        return cls.from_der(certificate.public_bytes(Encoding.DER))

    def has_issuer_serial(self, issuer: str, serial: int) -> bool:
        """Whether a ds:X509IssuerSerial names this certificate; the name is compared by RDNs (as4-wire 3.5)."""
        return serial == self.serial_number and same_name(issuer, self.x509.issuer)

    def valid_at(self, at: datetime) -> bool:
        return self.not_before <= at <= self.not_after


@lru_cache(maxsize=1024)
def _read(der: bytes) -> Certificate:
    # Before cryptography reads it, which would warn of it on stderr, at each look at its number.
    if not _serial_is_positive(der):
        raise CertificateRefused("unfit", "the certificate's serial number is not positive (RFC 5280, 4.1.2.2)")
    try:
        parsed = pyca.load_der_x509_certificate(der)
        _read_names(parsed)
        key, extensions = parsed.public_key(), parsed.extensions
        if not isinstance(key, _KEY_TYPES):
            raise CertificateRefused("unfit", "the certificate has a kind of key that is not supported")
        return Certificate(
            der=der,
            x509=parsed,
            public_key=key,
            sha256=hashlib.sha256(der).hexdigest(),
            sha1=hashlib.sha1(der, usedforsecurity=False).digest(),
            ski=_ski(extensions, key),
            subject=name_text(parsed.subject),
            issuer=name_text(parsed.issuer),
            serial_number=parsed.serial_number,
            common_name=_attribute(parsed.subject, NameOID.COMMON_NAME),
            serial_number_attr=_attribute(parsed.subject, NameOID.SERIAL_NUMBER),
            policies=_policies(extensions),
            not_before=parsed.not_valid_before_utc,
            not_after=parsed.not_valid_after_utc,
            key_usage=_extension(extensions, pyca.KeyUsage),
        )
    except UnsupportedAlgorithm:
        raise CertificateRefused("unfit", "the certificate has a kind of key that is not supported") from None
    except _UNREADABLE:
        raise MalformedSecurity("not a certificate that can be read") from None


def _read_names(parsed: pyca.Certificate) -> None:
    """Has both names read, once and for all, without a warning on stderr of one that is longer than RFC 5280 allows.

    What another thread may leave behind of this filter is no more than the filter itself.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Attribute's length must be", UserWarning)
        _ = parsed.subject, parsed.issuer


def _serial_is_positive(der: bytes) -> bool:
    """The serial number is the first INTEGER of tbsCertificate, behind the version. What looks otherwise is not judged.

    Certificate ::= SEQUENCE { tbsCertificate SEQUENCE { [0] version DEFAULT v1, serialNumber INTEGER, ...
    """
    header = _TO_SERIAL.match(der)
    if header is None:
        return True
    value = der[header.end() : header.end() + der[header.end() - 1]]
    return not value or (value[0] < 0x80 and any(value))


def _extension(extensions: pyca.Extensions, kind: type[_E]) -> _E | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except pyca.ExtensionNotFound:
        return None


def _ski(extensions: pyca.Extensions, key: PublicKey) -> bytes:
    found = _extension(extensions, pyca.SubjectKeyIdentifier) or pyca.SubjectKeyIdentifier.from_public_key(key)
    return found.digest


def _policies(extensions: pyca.Extensions) -> frozenset[str]:
    found = _extension(extensions, pyca.CertificatePolicies)
    return frozenset(policy.policy_identifier.dotted_string for policy in found or ())


def _attribute(name: pyca.Name, oid: pyca.ObjectIdentifier) -> str | None:
    values = name.get_attributes_for_oid(oid)
    return str(values[0].value) if values else None
