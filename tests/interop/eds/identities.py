"""Who calls, and who is called: an access point with an OCES certificate, and those that are taken for it, or not."""

import base64
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from tests import pki
from tests.interop import identities


@dataclass(frozen=True, slots=True)
class Identities:
    """`files` has NAME.pem, NAME.chain.pem, NAME.key.pem and NAME.p12 for each of these.

    ap       the access point that is enrolled
    renewed  the same one after its certificate was renewed: same subject and CA, another key
    other    another access point that is enrolled
    unknown  one that is not, below the same CA
    impostor the subject of ap, below another CA that both servers trust
    stranger the subject of ap, below a CA that nobody trusts
    expired  ap, of last quarter
    server   both servers, 127.0.0.1
    """

    ca: pki.Identity
    files: Path

    @property
    def trusted(self) -> Path:
        """PEM file of the CAs of clients."""
        return self.files / "trusted.pem"

    def chain(self, name: str) -> Path:
        return self.files / f"{name}.chain.pem"

    def key(self, name: str) -> Path:
        return self.files / f"{name}.key.pem"

    def thumbprint(self, name: str) -> str:
        """`x5t#S256` of a certificate (RFC 8705 3.1)."""
        return base64.urlsafe_b64encode(self._certificate(name).fingerprint(hashes.SHA256())).rstrip(b"=").decode()

    def as_openssl_prints(self, name: str) -> str:
        """A subject with its first attribute first; RFC 4514 begins with the last one."""
        subject = self._certificate(name).subject
        return x509.Name(reversed(subject.rdns)).rfc4514_string(
            {NameOID.ORGANIZATION_IDENTIFIER: "organizationIdentifier"}
        )

    def _certificate(self, name: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.files / f"{name}.pem").read_bytes())


def made(files: Path) -> Identities:
    """All of them, in a folder that is made; signed as the Danish OCES CAs do, with RSASSA-PSS."""
    now = datetime.now(UTC)
    life: dict[str, Any] = {"not_before": now - timedelta(days=1), "not_after": now + timedelta(days=90)}
    old: dict[str, Any] = {"not_before": now - timedelta(days=90), "not_after": now - timedelta(days=1)}
    since = now - timedelta(days=100)
    issuer = _name(
        (NameOID.COMMON_NAME, "Test CA 1"), (NameOID.ORGANIZATION_NAME, "Test"), (NameOID.COUNTRY_NAME, "DK")
    )
    ca = pki.make_ca(subject=issuer, not_before=since, pss=True)
    another = pki.make_ca("Another test CA", key="intermediate", not_before=since)
    nobody = pki.make_ca("A CA that nobody trusts", key="rsa3072-a", not_before=since)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    everybody = {
        "ap": pki.make_leaf(ca, key="a", subject=_oces("Our AP", 1), pss=True, **life),
        "renewed": pki.make_leaf(ca, key="b", subject=_oces("Our AP", 1), pss=True, **life),
        "other": pki.make_leaf(ca, key="c", subject=_oces("Another AP", 2), pss=True, **life),
        "unknown": pki.make_leaf(ca, key="d", subject=_oces("No AP", 3), pss=True, **life),
        "impostor": pki.make_leaf(another, key="b", subject=_oces("Our AP", 1), **life),
        "stranger": pki.make_leaf(nobody, key="b", subject=_oces("Our AP", 1), **life),
        "expired": pki.make_leaf(ca, key="a", subject=_oces("Our AP", 1), pss=True, **old),
        "server": pki.make_leaf(ca, "localhost", key="d", extensions=[(loopback, False)], **life),
    }
    files.mkdir()
    for name, identity in everybody.items():
        identities.write(files, name, identity)
    (files / "trusted.pem").write_bytes(ca.pem + another.pem)
    return Identities(ca, files)


def _oces(name: str, number: int) -> x509.Name:
    """Attributes, order and types of an OCES3 system certificate; the comma has to be escaped where it is written down."""
    return _name(
        (NameOID.COMMON_NAME, name),
        (NameOID.SERIAL_NUMBER, f"UI:DK-O:G:0d3b1f3c-0f2a-4d7e-9b1a-00000000000{number}"),
        (NameOID.ORGANIZATION_NAME, "Sundhed, IT og Æter A/S"),
        (NameOID.ORGANIZATION_IDENTIFIER, "NTRDK-12345678"),
        (NameOID.COUNTRY_NAME, "DK"),
    )


def _name(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
