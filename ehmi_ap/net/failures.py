"""What a failed connection means: its kind, one sentence, and a fix. The rows go from the special to the general."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

import aiohttp

from ehmi_ap.errors import TransportError
from ehmi_ap.net.addresses import AddressRefused
from ehmi_ap.net.tls import refusal_of_us
from ehmi_ap.questions import WebFailure

E = TypeVar("E", bound=OSError)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer; `fix` is for the operator of an access point that POSTs to a partner."""

    kind: WebFailure
    what: str
    fix: str


@dataclass(frozen=True, slots=True)
class _Try:
    """What was tried: a connection to `host`; the timeouts are in seconds."""

    host: str
    timeout: float
    connect_timeout: float


_LATER = "Ask the partner whether its system is up; sending goes on by itself."
_HANDSHAKE = "It may want a client certificate ([web.tls] in ehmi-ap.toml), or other TLS versions and suites."
_CUT = "Ask the partner whether its system is up, and whether it wants a client certificate; sending goes on by itself."
_REACH = (
    "The receiver's network names this address. In a closed network set `[receivers] private_addresses = true`; in any "
    "other show the receiver this line."
)
_SETTINGS = "Compare the TLS versions and suites of both sides."


def explain(error: Exception, url: str, *, timeout: float, connect_timeout: float) -> TransportError:
    """The TransportError for what aiohttp, ssl or the operating system raised on the way to `url`."""
    failure = failure_of(error, url, timeout=timeout, connect_timeout=connect_timeout)
    return TransportError(failure.what, fix=failure.fix)


def failure_of(error: Exception, url: str, *, timeout: float, connect_timeout: float) -> Failure:
    """What it means that aiohttp, ssl or the operating system raised `error` on the way to `url`."""
    tried = _Try(_host(url), timeout, connect_timeout)
    tls = _find(error, ssl.SSLError)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return _distrusted(tried, f": {tls.verify_message}")
    if isinstance(error, ssl.CertificateError | aiohttp.ServerFingerprintMismatch):
        return _distrusted(tried)
    if tls is not None:
        return _tls(tls, tried.host)
    for kind, make in _ROWS:
        if isinstance(error, kind):
            return make(tried, error)
    return Failure(WebFailure.BROKEN, f"the exchange with {tried.host} failed ({type(error).__name__})", _LATER)


def _distrusted(tried: _Try, why: str = "") -> Failure:
    return Failure(
        WebFailure.TLS,
        f"the TLS certificate of {tried.host} is not accepted{why}",
        "Check the server's certificate and name, and the CA in the P-Mode's `tls_trust`.",
    )


def _tls(error: ssl.SSLError, host: str) -> Failure:
    reason = error.reason or str(error)
    if (refusal := refusal_of_us(reason)) is not None:
        return Failure(
            WebFailure.CLIENT_CERTIFICATE,
            f"{host} {refusal}",
            "Agree on a client certificate with the partner and name it under [web.tls] in ehmi-ap.toml.",
        )
    if reason.endswith("HANDSHAKE_FAILURE"):
        return Failure(WebFailure.TLS, f"{host} broke off the TLS handshake", _HANDSHAKE)
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return Failure(WebFailure.TLS, f"{host} does not speak TLS on this port", "Check the URL's port.")
    if "VERSION" in reason or "PROTOCOL" in reason or "CIPHER" in reason:
        return Failure(WebFailure.TLS, f"no TLS version and suite in common with {host} ({reason})", _SETTINGS)
    return Failure(WebFailure.TLS, f"TLS with {host} failed ({reason})", _SETTINGS)


def _connecting(tried: _Try, error: Exception) -> Failure:
    """A connector fails with a reset only once TCP stands: the peer did not like our TLS, and did not say why."""
    if refused := _find(error, AddressRefused):
        return Failure(WebFailure.ADDRESS, f"{tried.host}: {refused}", _REACH)
    if _find(error, ConnectionResetError):
        return Failure(WebFailure.TLS, f"{tried.host} broke off the TLS handshake", _HANDSHAKE)
    if _find(error, ConnectionRefusedError):
        return Failure(
            WebFailure.CONNECT,
            f"{tried.host} refuses connections",
            "Check the URL's host and port, and that the partner's system is up.",
        )
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return Failure(
        WebFailure.CONNECT,
        f"no connection to {tried.host}: {reason}",
        "Check the URL, the network and the firewalls in between.",
    )


def _unknown_name(tried: _Try, _: Exception) -> Failure:
    return Failure(
        WebFailure.CONNECT, f"the name {tried.host} cannot be resolved", "Check the URL's host, and our DNS."
    )


def _slow_connection(tried: _Try, _: Exception) -> Failure:
    return Failure(
        WebFailure.TIMEOUT,
        f"no connection to {tried.host} within {tried.connect_timeout:.0f} s",
        "Check the URL, and the firewalls in between.",
    )


def _slow_answer(tried: _Try, _: Exception) -> Failure:
    return Failure(
        WebFailure.TIMEOUT,
        f"no whole answer from {tried.host} within {tried.timeout:.0f} s",
        "Raise the P-Mode's `timeout` if the payloads are large; a slow peer may have the message already.",
    )


def _cut(tried: _Try, _: Exception) -> Failure:
    return Failure(WebFailure.BROKEN, f"{tried.host} closed the connection before its answer was whole", _CUT)


def _broke(tried: _Try, _: Exception) -> Failure:
    return Failure(WebFailure.BROKEN, f"the connection to {tried.host} broke", _CUT)


def _no_http(tried: _Try, _: Exception) -> Failure:
    return Failure(WebFailure.BROKEN, f"{tried.host} does not answer with HTTP", "Check the URL's port.")


def _no_url(_: _Try, __: Exception) -> Failure:
    return Failure(WebFailure.ADDRESS, "the URL cannot be used", "Correct `url` in the P-Mode.")


_Row = tuple[type[Exception] | tuple[type[Exception], ...], Callable[[_Try, Exception], Failure]]

_ROWS: tuple[_Row, ...] = (
    ((aiohttp.ClientConnectorDNSError, socket.gaierror), _unknown_name),
    (aiohttp.ConnectionTimeoutError, _slow_connection),
    (aiohttp.ClientConnectorError, _connecting),
    ((TimeoutError, asyncio.TimeoutError), _slow_answer),
    ((aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, ConnectionError), _cut),
    ((aiohttp.InvalidURL, ValueError), _no_url),
    (aiohttp.ClientResponseError, _no_http),
    (aiohttp.ClientOSError, _broke),
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
        return "the host"
