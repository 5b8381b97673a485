"""A throw-away certificate authority and what it issues; for the demo, `ehmi-ap init` and the tests.

Rules of this room:
- Nothing here is fit for production: the CA's private key is made, used and (by `generate`) written beside the rest.
- Certificates have what eDelivery's checks ask for: RSA 2048 for signing and encryption, KeyUsage (critical),
  SubjectKeyIdentifier and AuthorityKeyIdentifier, and the party id as common name (as4-wire 5; python-stack 4).
- Private keys reach the disk with mode 0600 from their first byte on.
"""

import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ehmi_ap.errors import ConfigError

Use = Literal["sign", "encrypt", "both"]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

LOOPBACK = ("localhost", "127.0.0.1", "::1")
ORGANIZATION = "ehmi-ap throw-away PKI"
_COMMON_NAME_LIMIT = 64  # ub-common-name, RFC 5280 appendix A.1
_CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Files:
    """Where a credential was written; the certificate file holds the certificate alone, in PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Credential:
    """A private key and the certificate for it."""

    key: PrivateKey
    certificate: x509.Certificate

    @property
    def certificate_pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key as unencrypted PKCS#8 PEM."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def pkcs12(self, password: str, chain: Sequence[x509.Certificate] = ()) -> bytes:
        """Key, certificate and chain as one PKCS#12 file."""
        encryption = serialization.BestAvailableEncryption(password.encode())
        return pkcs12.serialize_key_and_certificates(b"ap", self.key, self.certificate, list(chain), encryption)

    def write(self, folder: Path, stem: str) -> Files:
        """Write `<stem>.crt.pem` and `<stem>.key.pem` into `folder` (made when absent)."""
        folder.mkdir(parents=True, exist_ok=True)
        files = Files(folder / f"{stem}.crt.pem", folder / f"{stem}.key.pem")
        files.certificate.write_bytes(self.certificate_pem)
        write_private(files.key, self.key_pem)
        return files


@dataclass(frozen=True, slots=True)
class Authority:
    """A root CA that issues directly: the chain of what it issues is one certificate and the anchor.

    `crl_url` is where its list of revoked certificates is (http), as it says in what it issues; None: it has none.
    """

    credential: Credential
    crl_url: str | None = None

    @classmethod
    def new(
        cls, name: str, *, now: datetime, days: int = 3650, bits: int = 2048, crl_url: str | None = None
    ) -> "Authority":
        """A new CA called `name`, valid from shortly before `now` for `days` days."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        subject = _name(name)
        certificate = (
            _builder(subject, subject, key, not_before=now - _CLOCK_SKEW, not_after=now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(Credential(key, certificate), crl_url)

    @property
    def certificate(self) -> x509.Certificate:
        """The trust anchor."""
        return self.credential.certificate

    @property
    def certificate_pem(self) -> bytes:
        """The trust anchor in PEM."""
        return self.credential.certificate_pem

    def access_point(
        self,
        party: str,
        *,
        now: datetime,
        use: Use = "both",
        days: int = 825,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        bits: int = 2048,
    ) -> Credential:
        """What an access point signs and decrypts with; common name `party` (its PartyId value).

        One certificate serves both uses unless `use` says otherwise. Raises ConfigError for a party id that is
        empty or longer than a common name may be (64 characters).
        """
        bits_of_use = {
            "sign": ("digital_signature", "content_commitment"),
            "encrypt": ("key_encipherment",),
            "both": ("digital_signature", "content_commitment", "key_encipherment"),
        }[use]
        key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        start = not_before or now - _CLOCK_SKEW
        builder = self._leaf(party, key, not_before=start, not_after=not_after or now + timedelta(days=days))
        return self._issue(builder.add_extension(_usage(*bits_of_use), critical=True), key)

    def system(self, name: str, *, now: datetime, days: int = 825) -> Credential:
        """What a system signs with (P-256): a message service handler, or an access point for what it delivers."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._leaf(name, key, not_before=now - _CLOCK_SKEW, not_after=now + timedelta(days=days))
        return self._issue(builder.add_extension(_usage("digital_signature", "content_commitment"), critical=True), key)

    def tls_server(self, name: str, *, now: datetime, hosts: Sequence[str] = LOOPBACK, days: int = 825) -> Credential:
        """A TLS server's key (P-256) and certificate for `hosts`, DNS names and IP addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._leaf(name, key, not_before=now - _CLOCK_SKEW, not_after=now + timedelta(days=days))
        builder = (
            builder.add_extension(_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
        )
        return self._issue(builder, key)

    def tls_client(self, name: str, *, now: datetime, days: int = 825) -> Credential:
        """A TLS client's key (P-256) and certificate, for mutual TLS."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._leaf(name, key, not_before=now - _CLOCK_SKEW, not_after=now + timedelta(days=days))
        builder = builder.add_extension(_usage("digital_signature"), critical=True).add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        return self._issue(builder, key)

    def crl(self, *, now: datetime, revoked: Sequence[x509.Certificate] = (), days: int = 7) -> bytes:
        """The list of revoked certificates (DER), good from shortly before `now` for `days` days."""
        start = now - _CLOCK_SKEW
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=self.certificate.subject, last_update=start, next_update=now + timedelta(days=days)
        )
        builder = builder.add_extension(self._key_identifier(), critical=False)
        builder = builder.add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        for each in revoked:
            entry = x509.RevokedCertificateBuilder(serial_number=each.serial_number, revocation_date=start).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.credential.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def _leaf(
        self, name: str, key: PrivateKey, *, not_before: datetime, not_after: datetime
    ) -> x509.CertificateBuilder:
        builder = _builder(_name(name), self.certificate.subject, key, not_before=not_before, not_after=not_after)
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(self._key_identifier(), critical=False)
        )
        if self.crl_url is None:
            return builder
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(self.crl_url)], None, None, None)
        return builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)

    def _key_identifier(self) -> x509.AuthorityKeyIdentifier:
        ours = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ours)

    def _issue(self, builder: x509.CertificateBuilder, key: PrivateKey) -> Credential:
        return Credential(key, builder.sign(self.credential.key, hashes.SHA256()))


def generate(
    folder: Path, parties: Sequence[str], *, now: datetime, hosts: Sequence[str] = LOOPBACK
) -> tuple[Path, ...]:
    """Write a whole PKI into `folder`: a CA, and for each party an AP and a TLS server credential.

    Files: `ca.crt.pem`, `ca.key.pem`, `<party>.crt.pem`, `<party>.key.pem`, `<party>.tls.crt.pem`,
    `<party>.tls.key.pem`, where characters of the party id that a file name should not have become `-`.
    Returns the paths written. Raises ConfigError for an unusable party id, before anything is written.
    """
    authority = Authority.new("ehmi-ap throw-away CA", now=now)
    issued = [("ca", authority.credential)]
    for party in parties:
        issued.append((file_stem(party), authority.access_point(party, now=now)))
        issued.append((f"{file_stem(party)}.tls", authority.tls_server(party, now=now, hosts=hosts)))
    written = [credential.write(folder, stem) for stem, credential in issued]
    return tuple(path for files in written for path in (files.certificate, files.key))


def file_stem(party: str) -> str:
    """A file name for a party id."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", party).strip("-.") or "party"


def write_private(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that only its owner can ever read it; replaces what was there."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _name(common_name: str) -> x509.Name:
    if not 0 < len(common_name) <= _COMMON_NAME_LIMIT:
        raise ConfigError(
            [f"the common name of a certificate must have 1 to {_COMMON_NAME_LIMIT} characters, not {len(common_name)}"]
        )
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DK"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, *, not_before: datetime, not_after: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )


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


def _usage(*allowed: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in allowed for name in _USAGES})


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
