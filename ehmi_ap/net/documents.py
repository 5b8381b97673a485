"""Documents over HTTP: `ports.Documents` on aiohttp, for metadata of an SMP and for the status of certificates.

The URLs were written by others: by whoever writes the DNS zone, a redirect, or a certificate. So a URL is sent as it
is written but looked at first, addresses are judged when a connection is made (see addresses), and no answer of HTTP
sends us anywhere else. Nothing is raised for what the world does: the answer says it.
"""

import re
from functools import partial
from ssl import SSLContext, SSLObject
from typing import TypedDict
from urllib.parse import urlsplit

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from ehmi_ap.net.addresses import socket_for
from ehmi_ap.net.answers import UnusableAnswer, body_of, date_of, retry_after
from ehmi_ap.net.failures import failure_of
from ehmi_ap.net.sessions import Closing, session
from ehmi_ap.questions import WebAnswer, WebFailure, WebQuestion

CONNECT_TIMEOUT = 5.0  # seconds; with `TIMEOUT`, what other access points use (spec/discovery.md 8)
TIMEOUT = 10.0
IDLE = 5.0  # seconds that an idle connection is kept


class _Tls(TypedDict, total=False):
    certificate: bytes | None
    protocol: str


_WRITTEN = re.compile(r"[!-~]+", re.ASCII)
"""What a URL is written with (RFC 3986); a blank or a line's end would end the request line."""


class WebDocuments(Closing):
    """Connections to SMPs and certificate authorities; made inside a running event loop, ended by close().

    A connection that was made for a question with `private` is never used for one without.
    """

    def __init__(self, tls: SSLContext, *, connect_timeout: float = CONNECT_TIMEOUT, timeout: float = TIMEOUT) -> None:
        """`tls` says whose servers are trusted, and has our certificate if it is shown; `status` is asked without TLS.

        The timeouts are in seconds: for TCP and the TLS handshake, and for the whole question.
        """
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=connect_timeout)
        self._times = {"timeout": timeout, "connect_timeout": connect_timeout}
        self._sessions = {private: session(_connector(private=private), answers=_Response) for private in (False, True)}

    async def close(self) -> None:
        """Close all connections."""
        for each in self._sessions.values():
            await each.close()

    async def fetch(self, question: WebQuestion) -> WebAnswer:
        """Ask once; what came of it, whatever it is."""
        try:
            _check_url(question)
            async with self._sessions[question.private].request(
                "GET" if question.body is None else "POST",
                URL(question.url, encoded=True),
                data=question.body,
                headers=_headers(question),
                ssl=self._tls,
                allow_redirects=False,
                timeout=self._timeout,
            ) as answer:
                return WebAnswer(
                    status=answer.status,
                    content_type=answer.headers.get("Content-Type", ""),
                    body=await body_of(answer, question.limit),
                    last_modified=answer.headers.get("Last-Modified"),
                    retry_after=retry_after(answer),
                    date=date_of(answer),
                    **_tls_of(answer),
                )
        except UnusableAnswer as error:
            return WebAnswer(failure=error.failure, detail=str(error))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = failure_of(error, question.url, **self._times)
            return WebAnswer(failure=failure.kind, detail=failure.what)


class _Response(aiohttp.ClientResponse):
    """One that remembers the server's TLS: its connection may be gone as soon as it has begun."""

    tls: SSLObject | None = None

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        if connection.transport is not None:
            self.tls = connection.transport.get_extra_info("ssl_object")
        return await super().start(connection)


def _tls_of(answer: aiohttp.ClientResponse) -> _Tls:
    tls = answer.tls if isinstance(answer, _Response) else None
    return {"certificate": tls.getpeercert(binary_form=True), "protocol": tls.version() or ""} if tls else {}


def _connector(*, private: bool) -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(
        limit=0,
        keepalive_timeout=IDLE,
        use_dns_cache=False,
        socket_factory=partial(socket_for, private=private),
    )


def _headers(question: WebQuestion) -> dict[str, str]:
    headers = {}
    if question.body is not None:
        headers["Content-Type"] = question.content_type
    if question.if_modified_since is not None:
        headers["If-Modified-Since"] = question.if_modified_since
    return headers


def _check_url(question: WebQuestion) -> None:
    """Only http and https, the latter not for the status of a certificate: it would need another one's status."""
    schemes = ("http", "https") if question.purpose == "smp" else ("http",)
    try:
        parts = urlsplit(question.url)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not _WRITTEN.fullmatch(question.url) or parts.username is not None or "#" in question.url:
        raise UnusableAnswer(WebFailure.ADDRESS, f"the URL is none that may be asked; {' or '.join(schemes)} is")
