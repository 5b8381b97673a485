"""HTTP to the peers: `ports.Web` on aiohttp.

One connection pool for all peers; a request streams its body and says its length beforehand. Redirects are not
followed, encodings are not offered, an answer is bounded, and nothing is sent a second time (see the room's rules).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from ssl import SSLContext

import aiohttp

from ehmi_ap.body import CHUNK, Body, MemoryBody, read_all
from ehmi_ap.errors import ApError, TransportError
from ehmi_ap.model import Wire
from ehmi_ap.net.addresses import socket_for
from ehmi_ap.net.answers import UnusableAnswer, body_of, retry_after
from ehmi_ap.net.failures import explain
from ehmi_ap.net.sessions import Closing, session
from ehmi_ap.ports import Reach

ANSWER_LIMIT = 1024 * 1024
"""Bytes of an answer, before and after its Content-Encoding is undone: a receipt for 100 parts has some 60 KB."""

IDLE = 5.0
"""Seconds that an idle connection is kept; below the keep-alive time of every peer seen, so that few POSTs meet a
connection which the peer is just closing."""

CONNECT_TIMEOUT = 20.0

_NO_AS4 = "Check the partner's URL, it may not be an AS4 address; if it is one, tell the partner."


class PeerWeb(Closing):
    """Connections to all peers; made inside a running event loop, ended by close() or by leaving its block."""

    def __init__(
        self,
        context: Callable[[str | None], SSLContext],
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        allow_http: bool = False,
    ) -> None:
        """`context` gives the TLS context for a P-Mode's `tls_trust`, the same object for the same trust.

        `connect_timeout` is in seconds, for TCP and the TLS handshake. `allow_http` lets plain http URLs pass: for
        tests, interceptors and measuring (eDelivery AS4 1.15 3.2.6 wants TLS always).
        """
        self._context = context
        self._connect_timeout = connect_timeout
        self._allow_http = allow_http
        self._sessions: dict[Reach, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        """Close all connections."""
        for each in self._sessions.values():
            await each.close()

    def _session(self, reach: Reach) -> aiohttp.ClientSession:
        if reach not in self._sessions:
            guard = None if reach is Reach.ANY else partial(socket_for, private=reach is Reach.CLOSED)
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE, socket_factory=guard)
            self._sessions[reach] = session(connector)
        return self._sessions[reach]

    async def post(
        self, url: str, wire: Wire, *, timeout: float, tls_trust: str | None, reach: Reach = Reach.ANY
    ) -> Wire:
        """POST `wire` and read the answer, whatever its status; all of it within `timeout` seconds.

        A connection that was made for one `reach` is never used for another.

        Raises:
            TransportError: no whole answer came; the text says why and what to do.
            ApError: the body could not be read on our side (StoreError).
        """
        if not url.startswith("https://") and not (self._allow_http and url.startswith("http://")):
            raise TransportError(
                "the partner's URL is no https URL", fix="Correct `url` in the P-Mode; messages travel over TLS only."
            )
        outgoing = _Outgoing(wire.body)
        try:
            async with self._session(reach).post(
                url,
                data=outgoing.data(),
                headers={"Content-Type": wire.content_type, "Content-Length": str(wire.body.size)},
                ssl=self._context(tls_trust) if url.startswith("https://") else True,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout, connect=self._connect_timeout),
            ) as answer:
                return await _answer(answer)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if outgoing.failure is not None:
                raise outgoing.failure from error
            raise explain(error, url, timeout=timeout, connect_timeout=self._connect_timeout) from error


class _Outgoing:
    """The body of a request: in one piece when it is small and in memory, else chunk by chunk."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self.failure: ApError | None = None

    def data(self) -> bytes | AsyncIterator[bytes]:
        if self._body.resident and self._body.size <= CHUNK:
            return read_all(self._body)
        return self._chunks()

    async def _chunks(self) -> AsyncIterator[bytes]:
        """What a file holds is read in a thread, the next chunk while this one is on its way."""
        chunks = self._body.chunks()
        try:
            if self._body.resident:
                for chunk in chunks:
                    yield chunk
                return
            coming = _next(chunks)
            try:
                while chunk := await asyncio.shield(coming):
                    coming = _next(chunks)
                    yield chunk
            finally:
                await asyncio.wait([coming])
        except ApError as error:
            self.failure = error
            raise


async def _answer(answer: aiohttp.ClientResponse) -> Wire:
    try:
        body = await body_of(answer, ANSWER_LIMIT)
    except UnusableAnswer as error:
        raise TransportError(str(error), fix=_NO_AS4) from error
    return Wire(
        content_type=answer.headers.get("Content-Type", ""),
        body=MemoryBody(body),
        status=answer.status,
        retry_after=retry_after(answer),
    )


def _next(chunks: Iterator[bytes]) -> "asyncio.Future[bytes]":
    return asyncio.ensure_future(asyncio.to_thread(next, chunks, b""))
