"""Calls to the services of a network, EDS and its authorization server, over mutual TLS: bounded, never redirected."""

from dataclasses import dataclass
from ssl import SSLContext

import aiohttp

from ehmi_ap.net.answers import UnusableAnswer, body_of, retry_after
from ehmi_ap.net.failures import failure_of
from ehmi_ap.net.sessions import Closing, session
from ehmi_ap.questions import WebFailure

LIMIT = 256 * 1024  # bytes of an answer
CONNECT_TIMEOUT = 10.0  # seconds
IDLE = 15.0  # seconds that an idle connection is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the server said, whatever its status; `retry_after` is in seconds."""

    status: int
    body: bytes
    location: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Why there is no whole answer. `ours`: the server does not take our certificate, or we do not take the server's.

    `status` is that of an answer whose body is not to be had: cut off, too large, or in an unknown encoding.
    """

    what: str
    ours: bool = False
    status: int | None = None


class Caller(Closing):
    """Connections with one client certificate; made inside a running event loop, ended by close()."""

    def __init__(self, tls: SSLContext, *, timeout: float = 30.0) -> None:
        """`tls` has our certificate and says whose servers are trusted; `timeout` is that of a call, in seconds."""
        self._tls = tls
        self._timeout = timeout
        self._session = session(aiohttp.TCPConnector(limit=8, keepalive_timeout=IDLE))

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def call(
        self, url: str, *, data: bytes | None = None, content_type: str = "", accept: str = "", token: str = ""
    ) -> Answered | Unanswered:
        """GET, or POST where there is `data`; over https alone, as a token or our certificate's name goes with it."""
        if not url.startswith("https://"):
            return Unanswered("the URL is no https URL", ours=True)
        status: int | None = None
        headers = {"Content-Type": content_type, "Accept": accept, "Authorization": f"Bearer {token}" if token else ""}
        try:
            async with self._session.request(
                "GET" if data is None else "POST",
                url,
                data=data,
                headers={name: value for name, value in headers.items() if value},
                ssl=self._tls,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self._timeout, connect=CONNECT_TIMEOUT),
            ) as answer:
                status = answer.status
                return Answered(
                    status=status,
                    body=await body_of(answer, LIMIT),
                    location=answer.headers.get("Location"),
                    retry_after=retry_after(answer),
                )
        except UnusableAnswer as error:
            return Unanswered(str(error), status=status)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = failure_of(error, url, timeout=self._timeout, connect_timeout=CONNECT_TIMEOUT)
            ours = failure.kind in (WebFailure.TLS, WebFailure.CLIENT_CERTIFICATE)
            return Unanswered(failure.what, ours=ours, status=status)
