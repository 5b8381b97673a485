"""What a failed exchange with the SML means, in one sentence with its fix; from the special to the general."""

import errno
import os
import socket
import ssl
from http.client import BadStatusLine, RemoteDisconnected
from typing import TypeVar
from urllib.parse import urlsplit

import requests

from ehmi_ap.errors import ApError, TransportError
from ehmi_ap.net.tls import refusal_of_us
from ehmi_ap.sml.faults import SmlTls, SmlUnreadable

E = TypeVar("E", bound=BaseException)

_LOOK = "Look first whether it was done (`ehmi-ap sml read-smp` and `ehmi-ap sml list` show it), then try again."
_MAYBE = "It may be that it does not accept our client certificate."
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL)


def failure(error: Exception, address: str, *, connect_timeout: float, timeout: float) -> ApError:
    """The error for what requests, urllib3, ssl or the system raised on the way to `address`; timeouts in seconds."""
    host = urlsplit(address).netloc
    causes = _Causes(error)
    tls = causes.first(ssl.SSLError)
    if tls is not None and not isinstance(tls, ssl.SSLEOFError):
        return _tls(tls, host)
    if isinstance(error, requests.ConnectTimeout):
        return TransportError(
            f"no connection to {host} within {connect_timeout:.0f} s",
            fix="Check the URL, and the firewalls in between.",
        )
    if isinstance(error, requests.Timeout) or causes.first(TimeoutError):
        return TransportError(f"no whole answer from {host} within {timeout:.0f} s", fix=_LOOK)
    if causes.first(socket.gaierror):
        return TransportError(f"the name {host} cannot be resolved", fix="Check the URL's host, and our DNS.")
    if causes.first(ConnectionRefusedError):
        return TransportError(f"{host} refuses connections", fix="Check the URL's host and port.")
    if number := causes.without_way():
        return TransportError(
            f"no connection to {host}: {os.strerror(number)}", fix="Check the URL, and the network in between."
        )
    status_line = causes.first(BadStatusLine)
    if status_line is not None and not isinstance(status_line, RemoteDisconnected):
        return SmlUnreadable(f"{host} does not answer with HTTP")
    return TransportError(f"{host} closed the connection before its answer was whole", fix=f"{_LOOK} {_MAYBE}")


def _tls(error: ssl.SSLError, host: str) -> SmlTls:
    if isinstance(error, ssl.SSLCertVerificationError):
        return SmlTls(
            f"the TLS certificate of {host} is not accepted: {error.verify_message}",
            fix="Check the URL's host, and the CA that is given for the SML's server.",
        )
    reason = error.reason or str(error)
    if (refusal := refusal_of_us(reason)) is not None:
        return SmlTls(
            f"{host} {refusal}",
            fix="Show the SMP's certificate, valid and issued by a CA of the SML's network, with the CA certificates "
            "in between.",
        )
    if reason.endswith("HANDSHAKE_FAILURE"):
        return SmlTls(f"{host} broke off the TLS handshake", fix=f"{_MAYBE} {SmlTls.default_fix}")
    return SmlTls(f"TLS with {host} failed ({reason})")


class _Causes:
    """An error and what it came from: requests wraps urllib3's errors, which wrap those of the system."""

    def __init__(self, error: BaseException) -> None:
        self._all = [error]
        while (cause := self._all[-1].__cause__ or self._all[-1].__context__) and len(self._all) < 12:
            self._all.append(cause)

    def first(self, kind: type[E]) -> E | None:
        return next((each for each in self._all if isinstance(each, kind)), None)

    def without_way(self) -> int | None:
        """The errno that says that there is no way to the host."""
        numbers = (each.errno for each in self._all if isinstance(each, OSError) and each.errno in _NO_WAY)
        return next(numbers, None)
