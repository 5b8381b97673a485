"""TLS contexts, for the listeners and for calling peers.

Defaults follow eDelivery AS4 1.15 3.2.6 (conformance CP_TA39-43, G16, G17): TLS 1.2 and 1.3, ECDHE with AEAD, no
compression, no renegotiation. Versions and suites can be set. A context costs some milliseconds (it reads all CAs),
so build each once (python-stack 4).
"""

import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ehmi_ap.errors import ConfigError

SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""The TLS 1.2 suites when none are named; those of TLS 1.3 are all modern and always on."""

_WEAKEST = 128
"""Bits of strength a suite has to have; what has fewer is not offered, whatever the configuration says."""

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

_REFUSALS = {
    "CERTIFICATE_REQUIRED": "asks for a client certificate and got none",
    "CERTIFICATE_UNKNOWN": "does not accept our client certificate",
    "UNKNOWN_CA": "does not trust the CA of our client certificate",
    "BAD_CERTIFICATE": "calls our client certificate bad",
    "CERTIFICATE_EXPIRED": "calls our client certificate expired",
    "CERTIFICATE_REVOKED": "calls our client certificate revoked",
    "UNSUPPORTED_CERTIFICATE": "does not support our client certificate",
    "ACCESS_DENIED": "denies us access",
}
"""TLS alerts about us, by the end of OpenSSL's name for them (RFC 8446 6.2)."""


def client_context(
    *,
    anchors: Sequence[bytes] = (),
    certificate: Path | None = None,
    key: Path | None = None,
    password: str | None = None,
    versions: Sequence[str] = ("1.2", "1.3"),
    ciphers: Sequence[str] = (),
) -> ssl.SSLContext:
    """How we call a peer: its certificate has to stand below `anchors` (DER; none: the system's CAs) and bear its name.

    `certificate` and `key` (PEM files; the key may be in the certificate's file) are shown to a peer that asks for
    a client certificate. `versions` are words of 1.2 and 1.3; `ciphers` are OpenSSL names of TLS 1.2 suites.

    Raises:
        ConfigError: a file, suite or version is wrong.
    """
    context = ssl.create_default_context()
    if anchors:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_flags |= ssl.VERIFY_X509_TRUSTED_FIRST
    _harden(context, versions, ciphers)
    for der in anchors:
        context.load_verify_locations(cadata=der)
    if anchors:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an anchor may be an intermediate, or the peer's own
    if certificate is not None:
        _load(context, certificate, key, password)
    return context


def server_context(
    *,
    certificate: Path,
    key: Path | None = None,
    password: str | None = None,
    client_ca: Path | None = None,
    versions: Sequence[str] = ("1.2", "1.3"),
    ciphers: Sequence[str] = (),
) -> ssl.SSLContext:
    """How a listener answers; with `client_ca` (PEM) a client has to show a certificate below it (mTLS).

    Raises:
        ConfigError: a file, suite or version is wrong.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context, versions, ciphers)
    _load(context, certificate, key, password)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(cafile=client_ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError([f"{client_ca}: no CA certificates could be read from it ({_reason(error)})"]) from error
    return context


def refusal_of_us(reason: str) -> str | None:
    """What a server has against us, as words behind its name, when the `reason` of an SSLError is an alert about us."""
    return next((meaning for name, meaning in _REFUSALS.items() if reason.endswith(name)), None)


def _harden(context: ssl.SSLContext, versions: Sequence[str], ciphers: Sequence[str]) -> None:
    unknown = [word for word in versions if word not in _VERSIONS]
    if unknown or not versions:
        raise ConfigError([f"TLS versions are 1.2 and 1.3, not {', '.join(unknown) or 'none'}"])
    context.minimum_version = min(_VERSIONS[word] for word in versions)
    context.maximum_version = max(_VERSIONS[word] for word in versions)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    try:
        context.set_ciphers(":".join(ciphers) or SUITES)
    except ssl.SSLError as error:
        raise ConfigError([f"no known cipher suite among {', '.join(ciphers)}"]) from error
    weak = [suite["name"] for suite in context.get_ciphers() if _is_weak(suite)]
    if weak:
        raise ConfigError([f"cipher suites that must not be used: {', '.join(weak)}; name others, or none"])


def _is_weak(suite: Mapping[str, Any]) -> bool:
    """Without encryption or authentication, below 128 bits, or RC4 (eDelivery AS4 1.15 3.2.6)."""
    unproven = suite.get("auth") == "auth-null"
    return unproven or suite["strength_bits"] < _WEAKEST or "rc4" in (suite.get("symmetric") or "")


def _load(context: ssl.SSLContext, certificate: Path, key: Path | None, password: str | None) -> None:
    try:
        context.load_cert_chain(certificate, key, password or "")  # "" keeps OpenSSL from asking on the terminal
    except (OSError, ssl.SSLError) as error:
        raise ConfigError([f"{key or certificate}: no TLS key and certificate in it ({_reason(error)})"]) from error


def _reason(error: OSError) -> str:
    return error.reason if isinstance(error, ssl.SSLError) and error.reason else (error.strerror or str(error))
