"""Two complete access points as folders on disk, for tests that run the real thing: crash, bench, conformance.

    alpha, beta = write_pair(folder)        # ehmi-ap.toml, keys, trust, P-Modes, directory backends
    Config.load(alpha.config)

Keys are the fixed ones of tests/keys. Ports are free ones of the loopback, chosen when the pair is written, so that a
daemon can be killed and started again at the same address.
"""

import ipaddress
import itertools
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from tests import pki

PARTY_TYPE = "urn:oasis:names:tc:ebcore:partyid-type:unregistered"
SERVICE = "urn:ehmi-ap:tests"
ACTION = "exchange"


@dataclass(frozen=True)
class Side:
    """One access point: where it lives and where it listens."""

    name: str
    home: Path
    port: int
    internal_port: int
    tls: bool
    identity: pki.Identity
    backend: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "backend", self.home / "files")

    @property
    def config(self) -> Path:
        return self.home / "ehmi-ap.toml"

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/as4"


_FIRST, _PORTS = 20_000, 12_000
"""Below the ports that systems give away by themselves, so that nobody gets one before it is used."""
_numbers = itertools.count(os.getpid() * 97)  # other processes of a test run begin elsewhere


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that are free now, none of them given before; for what is started later."""
    found: list[int] = []
    while len(found) < count:
        port = _FIRST + next(_numbers) % _PORTS
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
    return found


def write_pair(
    folder: Path,
    *,
    tls: bool = False,
    pmode: str = "",
    settings: str = "",
    backends: Mapping[str, str] | None = None,
    tls_settings: str = "",
    days: int = 90,
    profile: str = "",
) -> tuple[Side, Side]:
    """Write `alpha` and `beta` below `folder`; `pmode` and `settings` are TOML appended to each side's files.

    `backends` maps a backend's name to the body of its table; a directory backend `files` when not given.
    `tls_settings` are more lines of [as4.tls]; certificates are valid for `days` days. A `profile` names service and
    actions in the place of ours.
    """
    now = datetime.now(UTC)
    window = {"not_before": now - timedelta(days=1), "not_after": now + timedelta(days=days)}
    authority = pki.make_ca("Pair CA", **window)
    ports = free_ports(4)
    sides = [
        Side(
            name=name,
            home=folder / name,
            port=ports[2 * index],
            internal_port=ports[2 * index + 1],
            tls=tls,
            identity=pki.make_leaf(authority, name, key=key, **window),
        )
        for index, (name, key) in enumerate((("alpha", "a"), ("beta", "b")))
    ]
    server = pki.make_leaf(
        authority,
        "localhost",
        key="c",
        key_usage=("digital_signature", "key_encipherment"),
        extensions=[
            (
                x509.SubjectAlternativeName(
                    [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
                ),
                False,
            )
        ],
        **window,
    )
    alpha, beta = sides
    for side, partner in ((alpha, beta), (beta, alpha)):
        _write(
            side,
            partner,
            authority,
            server,
            pmode=pmode,
            settings=settings,
            backends=backends or {"files": ""},
            tls_settings=tls_settings,
            profile=profile,
        )
    return alpha, beta


def _write(
    side: Side,
    partner: Side,
    authority: pki.Identity,
    server: pki.Identity,
    *,
    pmode: str,
    settings: str,
    backends: Mapping[str, str],
    tls_settings: str,
    profile: str,
) -> None:
    for name in ("keys", "trust", "pmodes"):
        (side.home / name).mkdir(parents=True, mode=0o700)
    secret = side.home / "keys" / "ap.key.pem"
    secret.touch(mode=0o600)
    secret.write_bytes(side.identity.key_pem)
    (side.home / "keys" / "ap.crt.pem").write_bytes(side.identity.pem)
    tls_key = side.home / "keys" / "tls.key.pem"
    tls_key.touch(mode=0o600)
    tls_key.write_bytes(server.key_pem)
    (side.home / "keys" / "tls.crt.pem").write_bytes(server.pem)
    (side.home / "trust" / f"{partner.name}.pem").write_bytes(partner.identity.pem)
    (side.home / "trust" / "pair-ca.pem").write_bytes(authority.pem)
    listener = (
        f'[as4.tls]\ncertificate = "keys/tls.crt.pem"\nkey = "keys/tls.key.pem"\n{tls_settings}'
        if side.tls
        else "insecure_http = true\n\n[web]\ninsecure_http = true\n"
    )
    files = 'kind = "directory"\npath = "files"\npoll = 0.05\n' + ("built_together = true\n" if profile else "")
    tables = "".join(f"[backends.{name}]\n{body or files}\n" for name, body in backends.items())
    side.config.write_text(
        f'domain = "{side.name}.example"\n'
        f'party = {{ id = "{side.name}", type = "{PARTY_TYPE}" }}\n'
        f'default_backend = "{next(iter(backends))}"\n\n'
        f'[as4]\nhost = "127.0.0.1"\nport = {side.port}\npublic_url = "{side.url}"\n{listener}\n'
        f'[internal]\nport = {side.internal_port}\nadmin_token = {{ file = "keys/admin.token" }}\n\n'
        f'[keys.signing]\nfile = "keys/ap.key.pem"\ncertificate = "keys/ap.crt.pem"\n\n'
        f"{tables}{settings}"
    )
    for who in ("admin", "inbox"):
        token = side.home / "keys" / f"{who}.token"
        token.touch(mode=0o600)
        token.write_text(f"{who}-token-of-the-tests-0123456789\n")
    trust = 'tls_trust = "pair-ca"\n' if side.tls else ""
    network = f'profile = "{profile}"' if profile else f'service = "{SERVICE}"\nactions = ["{ACTION}"]'
    (side.home / "pmodes" / f"{partner.name}.toml").write_text(
        f'partner = "{partner.name}"\nurl = "{partner.url}"\ncertificate = "{partner.name}"\n{network}\n{trust}{pmode}'
    )
