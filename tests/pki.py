"""Certificates made in the test: quick, because the RSA keys are fixed files in tests/keys and signing takes 0.3 ms.

    root = make_ca("Test root")
    issuing = make_ca("Test issuing CA", issuer=root, key="intermediate")
    sender = make_leaf(issuing, "sender", key="a")
    sender.pem, sender.key_pem, sender.p12("secret"), sender.chain       # and sender.key, sender.cert (cryptography)

`key` names a file of tests/keys: "a" to "d", "ca" and "intermediate" are RSA-2048; "rsa1024-a", "rsa3072-a",
"rsa4096-a" and "rsa8192-a" say what they are; "p256", "ed25519" and "x25519" are made anew. NOW is the clock: all
certificates are valid from a year before it to ten years after it, unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, x25519
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID, ObjectIdentifier

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
YEAR = timedelta(days=365)
KEYS = Path(__file__).parent / "keys"

_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
BOTH = ("digital_signature", "key_encipherment")
ISSUE = ("key_cert_sign", "crl_sign")


@dataclass(frozen=True)
class Identity:
    """A private key with its certificate and whoever issued it (None: itself)."""

    key: Any
    cert: x509.Certificate
    issuer: Identity | None = None

    @property
    def der(self) -> bytes:
        return self.cert.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.cert.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Leaf first, root last."""
        return (self.cert, *(self.issuer.chain if self.issuer else ()))

    @property
    def chain_pem(self) -> bytes:
        return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in self.chain)

    def p12(self, password: str) -> bytes:
        protection = serialization.BestAvailableEncryption(password.encode())
        return pkcs12.serialize_key_and_certificates(b"key", self.key, self.cert, self.chain[1:], protection)


@cache
def private_key(name: str) -> Any:
    """One of the fixed keys, or a fresh one of another kind (the same for the whole session)."""
    if name == "p256":
        return ec.generate_private_key(ec.SECP256R1())
    if name == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if name == "x25519":
        return x25519.X25519PrivateKey.generate()
    file = KEYS / f"{name if name.startswith('rsa') else 'rsa2048-' + name}.pem"
    return serialization.load_pem_private_key(file.read_bytes(), None, unsafe_skip_rsa_key_validation=True)


def name(common_name: str, *, organization: str = "Test", country: str = "DK", **more: str) -> x509.Name:
    """A subject; `more` names further attributes by NameOID, e.g. serial_number="UI:DK-O:G:1"."""
    pairs = [(NameOID.COUNTRY_NAME, country), (NameOID.ORGANIZATION_NAME, organization)]
    pairs += [(getattr(NameOID, key.upper()), value) for key, value in more.items()]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in [*pairs, (NameOID.COMMON_NAME, common_name)]])


def make_ca(
    common_name: str = "Test root",
    *,
    issuer: Identity | None = None,
    key: str | None = None,
    path_length: int | None = None,
    **options: Any,
) -> Identity:
    """A CA certificate, self-signed without `issuer`; `options` as in make_leaf."""
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    options.setdefault("key_usage", ISSUE)
    chosen = key or ("intermediate" if issuer else "ca")
    return make_leaf(issuer, common_name, key=chosen, basic_constraints=constraints, **options)


def make_leaf(
    issuer: Identity | None,
    common_name: str = "sender",
    *,
    key: str = "a",
    subject: x509.Name | None = None,
    key_usage: Iterable[str] | None = BOTH,
    extended_key_usage: Sequence[ObjectIdentifier] = (),
    policies: Sequence[str] = (),
    not_before: datetime = NOW - YEAR,
    not_after: datetime = NOW + 10 * YEAR,
    serial: int | None = None,
    ski: bool | bytes = True,
    san: Sequence[str] = (),
    pss: bool = False,
    digest: hashes.HashAlgorithm | None = None,
    basic_constraints: x509.BasicConstraints | None = None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> Identity:
    """An end entity certificate, self-signed when `issuer` is None.

    `key_usage` None leaves the extension out; `ski` True computes it, bytes set it, False leaves it out;
    `pss` signs the certificate with RSASSA-PSS (SHA-256, MGF1-SHA-256, salt 32) as the Danish OCES3 CAs do.
    """
    private, signer = private_key(key), issuer.key if issuer else private_key(key)
    own_name = name(common_name) if subject is None else subject
    builder = x509.CertificateBuilder(
        issuer_name=issuer.cert.subject if issuer else own_name,
        subject_name=own_name,
        public_key=private.public_key(),
        serial_number=serial or x509.random_serial_number(),
        not_valid_before=not_before,
        not_valid_after=not_after,
    )
    for extension, critical in _extensions(
        private.public_key(), basic_constraints, key_usage, extended_key_usage, policies, ski, san
    ):
        builder = builder.add_extension(extension, critical)
    if issuer:
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        builder = builder.add_extension(authority, critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Identity(private, _sign(builder, signer, pss, digest), issuer)


def _sign(builder: x509.CertificateBuilder, signer: Any, pss: bool, digest: Any) -> x509.Certificate:
    if isinstance(signer, ed25519.Ed25519PrivateKey):
        return builder.sign(signer, None)
    algorithm = digest or hashes.SHA256()
    if pss:
        return builder.sign(signer, algorithm, rsa_padding=padding.PSS(padding.MGF1(algorithm), algorithm.digest_size))
    return builder.sign(signer, algorithm)


def _extensions(
    public: Any,
    constraints: x509.BasicConstraints | None,
    key_usage: Iterable[str] | None,
    extended: Sequence[ObjectIdentifier],
    policies: Sequence[str],
    ski: bool | bytes,
    san: Sequence[str],
) -> Iterable[tuple[x509.ExtensionType, bool]]:
    if constraints is not None:
        yield constraints, True
    if key_usage is not None:
        chosen = set(key_usage)
        yield x509.KeyUsage(**{usage: usage in chosen for usage in _USAGES}), True
    if extended:
        yield x509.ExtendedKeyUsage(list(extended)), False
    if policies:
        information = [x509.PolicyInformation(ObjectIdentifier(oid), None) for oid in policies]
        yield x509.CertificatePolicies(information), False
    if san:
        yield x509.SubjectAlternativeName([x509.DNSName(host) for host in san]), False
    if isinstance(ski, bytes):
        yield x509.SubjectKeyIdentifier(ski), False
    elif ski:
        yield x509.SubjectKeyIdentifier.from_public_key(public), False
