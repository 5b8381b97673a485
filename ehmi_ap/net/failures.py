"""What a failed connection means, in one sentence with its fix. The rows go from the special to the general."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

import aiohttp

from ehmi_ap.errors import TransportError

E = TypeVar("E", bound=OSError)

_LATER = "Ask the partner whether its system is up; sending goes on by itself."
_HANDSHAKE = "It may want a client certificate ([web.tls] in ehmi-ap.toml), or other TLS versions and suites."
_CUT = "Ask the partner whether its system is up, and whether it wants a client certificate; sending goes on by itself."
_SETTINGS = "Compare the TLS versions and suites of both sides."

_REFUSED_US = {
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


def explain(error: Exception, url: str, *, timeout: float, connect_timeout: float) -> TransportError:
    """The TransportError for what aiohttp, ssl or the operating system raised on the way to `url`."""
    host = _host(url)
    tls = _find(error, ssl.SSLError)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return TransportError(
            f"the TLS certificate of {host} is not accepted: {tls.verify_message}",
            fix="Check the server's certificate and name, and the CA in the P-Mode's `tls_trust`.",
        )
    if isinstance(error, ssl.CertificateError | aiohttp.ServerFingerprintMismatch):
        return TransportError(f"the TLS certificate of {host} is not accepted", fix="Check the server's certificate.")
    if tls is not None:
        return _tls(tls, host)
    for kind, make in _ROWS:
        if isinstance(error, kind):
            what, fix = make(host, error)
            return TransportError(what.format(timeout=timeout, connect=connect_timeout), fix=fix)
    return TransportError(f"the exchange with {host} failed ({type(error).__name__})", fix=_LATER)


def _tls(error: ssl.SSLError, host: str) -> TransportError:
    reason = error.reason or str(error)
    for name, meaning in _REFUSED_US.items():
        if reason.endswith(name):
            return TransportError(
                f"{host} {meaning}",
                fix="Agree on a client certificate with the partner and name it under [web.tls] in ehmi-ap.toml.",
            )
    if reason.endswith("HANDSHAKE_FAILURE"):
        return TransportError(f"{host} broke off the TLS handshake", fix=_HANDSHAKE)
    if "VERSION" in reason or "PROTOCOL" in reason or "CIPHER" in reason:
        return TransportError(f"no TLS version and suite in common with {host} ({reason})", fix=_SETTINGS)
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return TransportError(f"{host} does not speak TLS on this port", fix="Check the URL's port.")
    return TransportError(f"TLS with {host} failed ({reason})", fix=_SETTINGS)


def _connecting(host: str, error: Exception) -> tuple[str, str]:
    """A connector fails with a reset only once TCP stands: the peer did not like our TLS, and did not say why."""
    if _find(error, ConnectionResetError):
        return f"{host} broke off the TLS handshake", _HANDSHAKE
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    if _find(error, ConnectionRefusedError):
        return f"{host} refuses connections", "Check the URL's host and port, and that the partner's system is up."
    return f"no connection to {host}: {reason}", "Check the URL, the network and the firewalls in between."


Row = tuple[type[Exception] | tuple[type[Exception], ...], Callable[[str, Exception], tuple[str, str]]]

_ROWS: tuple[Row, ...] = (
    (
        (aiohttp.ClientConnectorDNSError, socket.gaierror),
        lambda host, _: (f"the name {host} cannot be resolved", "Check the URL's host, and our DNS."),
    ),
    (
        aiohttp.ConnectionTimeoutError,
        lambda host, _: (
            f"no connection to {host} within {{connect:.0f}} s",
            "Check the URL, and the firewalls in between.",
        ),
    ),
    (aiohttp.ClientConnectorError, _connecting),
    (
        (TimeoutError, asyncio.TimeoutError),
        lambda host, _: (
            f"no whole answer from {host} within {{timeout:.0f}} s",
            "Raise the P-Mode's `timeout` if the payloads are large; a slow peer may have the message already.",
        ),
    ),
    (
        (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, ConnectionError),
        lambda host, _: (f"{host} closed the connection before its answer was whole", _CUT),
    ),
    (
        (aiohttp.InvalidURL, ValueError),
        lambda _, __: ("the partner's URL cannot be used", "Correct `url` in the P-Mode."),
    ),
    (
        aiohttp.ClientResponseError,
        lambda host, _: (f"{host} does not answer with HTTP", "Check the URL's port."),
    ),
    (aiohttp.ClientOSError, lambda host, _: (f"the connection to {host} broke", _CUT)),
)


def _find(error: BaseException | None, kind: type[E]) -> E | None:
    """The first error of a kind among an error, what it wraps and what it came from, but for aiohttp's own classes.

    Those derive from the kinds too, without their attributes.
    """
    seen = 0
    while error is not None and seen < 8:
        if isinstance(error, kind) and not isinstance(error, aiohttp.ClientError):
            return error
        wrapped = getattr(error, "os_error", None) or getattr(error, "certificate_error", None)
        error = wrapped if wrapped is not None else error.__cause__ or error.__context__
        seen += 1
    return None


def _host(url: str) -> str:
    """Host and port of a URL, for a text; never its path or query, which may hold a name."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    except ValueError:
        return "the partner"
