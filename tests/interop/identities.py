"""Every key and certificate of the matrix, made for one run: a test that owns all keys can forge for everybody."""

import ipaddress
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509

from tests import pki

PASSWORD = "interop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """One hierarchy of two levels for both sides, and a CA that nobody trusts."""

    root: pki.Identity
    issuing: pki.Identity
    ours: pki.Identity
    phase4: pki.Identity
    other: pki.Identity  # another party of the same CA
    expired: pki.Identity  # phase4's own, of last year
    ours_expired: pki.Identity
    stranger: pki.Identity  # below a CA that nobody trusts
    server: pki.Identity  # TLS, 127.0.0.1
    expired_server: pki.Identity
    strange_server: pki.Identity  # below the CA that nobody trusts
    client: pki.Identity  # TLS
    expired_client: pki.Identity

    def write(self, folder: Path) -> None:
        """The files of each."""
        folder.mkdir(parents=True)
        for item in fields(self):
            write(folder, item.name, getattr(self, item.name))


def write(folder: Path, name: str, identity: pki.Identity) -> None:
    """NAME.pem (certificate), NAME.chain.pem, NAME.key.pem and NAME.p12."""
    (folder / f"{name}.pem").write_bytes(identity.pem)
    (folder / f"{name}.chain.pem").write_bytes(identity.chain_pem)
    (folder / f"{name}.p12").write_bytes(identity.p12(PASSWORD))
    key = folder / f"{name}.key.pem"
    key.touch(mode=0o600)
    key.write_bytes(identity.key_pem)


def make(now: datetime | None = None) -> Identities:
    """Valid from yesterday for a quarter; the expired ones ended yesterday."""
    now = now or datetime.now(UTC)
    valid: dict[str, Any] = {"not_before": now - timedelta(days=1), "not_after": now + timedelta(days=90)}
    old: dict[str, Any] = {"not_before": now - timedelta(days=90), "not_after": now - timedelta(days=1)}
    root = pki.make_ca("Interop root", not_before=now - timedelta(days=100), not_after=now + timedelta(days=100))
    issuing = pki.make_ca(
        "Interop CA", issuer=root, not_before=now - timedelta(days=95), not_after=now + timedelta(days=95)
    )
    nobody = pki.make_ca("A CA that nobody trusts", key="rsa3072-a", **valid)
    loopback = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    here: dict[str, Any] = {"extensions": [(loopback, False)]}
    return Identities(
        root=root,
        issuing=issuing,
        ours=pki.make_leaf(issuing, "ehmi-ap", key="a", **valid),
        phase4=pki.make_leaf(issuing, "phase4", key="b", **valid),
        other=pki.make_leaf(issuing, "other", key="d", **valid),
        expired=pki.make_leaf(issuing, "phase4", key="b", **old),
        ours_expired=pki.make_leaf(issuing, "ehmi-ap", key="a", **old),
        stranger=pki.make_leaf(nobody, "ehmi-ap", key="rsa4096-a", **valid),
        server=pki.make_leaf(issuing, "localhost", key="c", **here, **valid),
        expired_server=pki.make_leaf(issuing, "localhost", key="c", **here, **old),
        strange_server=pki.make_leaf(nobody, "localhost", key="c", **here, **valid),
        client=pki.make_leaf(issuing, "client", key="d", **valid),
        expired_client=pki.make_leaf(issuing, "client", key="d", **old),
    )
