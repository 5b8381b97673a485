"""HTTP/1.1 below the applications: aiohttp's protocol, with our manners.

aiohttp answers what its parser refuses with a status 400 that quotes the offending bytes, and closes connections
whose client is slow or done sending without a word. Here every request, however bad, gets an answer, and no
answer or log line repeats what the client sent:

- a request line or header block over the limits: 431; anything else the parser refuses: 400
- header bytes that dribble in for longer than HEADERS_WITHIN: 408
- a client that ends its side of the connection inside a body: 400; after its request: the answer, then the end

Two names of aiohttp's protocol used here are not public (`_messages`, `_waiter`); tests over real sockets
(tests/unit/server/test_as4_http.py) guard the behaviour, and pyproject.toml the major version.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from aiohttp.streams import StreamReader

log = logging.getLogger(__name__)

SERVER = "ehmi-ap"
"""All that the Server header says."""
HEADER_BYTES = 16384
HEADERS = 100
HEADERS_WITHIN = 30.0
"""Seconds from the first byte of a request to the end of its headers."""
KEEP_ALIVE = 75.0
LINGER = 5.0
"""Seconds that an answer which comes before the end of the body waits for the rest, so that it is not lost."""

OPTIONS: Mapping[str, Any] = {
    "access_log": None,  # paths and queries hold message ids and participants
    "auto_decompress": False,
    "keepalive_timeout": KEEP_ALIVE,
    "lingering_time": LINGER,
    "logger": log,
    "max_field_size": HEADER_BYTES,
    "max_headers": HEADERS,
    "max_line_size": 8190,
}

_LATE = b"The headers of the request took too long.\n"
_LATE_ANSWER = (
    b"HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
    b"Server: %s\r\nConnection: close\r\n\r\n%s" % (len(_LATE), SERVER.encode(), _LATE)
)


class FaceProtocol(web.RequestHandler):
    """One connection."""

    __slots__ = ("_arriving", "_headers_timer", "_headers_within")

    def __init__(
        self, server: web.Server, *, loop: asyncio.AbstractEventLoop, headers_within: float = HEADERS_WITHIN
    ) -> None:
        super().__init__(server, loop=loop, **OPTIONS)
        self._headers_within = headers_within
        self._headers_timer: asyncio.TimerHandle | None = None
        self._arriving: StreamReader | None = None  # the body of the last request that began

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages:
            self._arriving = self._messages[-1][1]
        if self.is_busy():
            self._stop_timer()
        elif self._headers_timer is None and self.transport is not None:
            self._headers_timer = self._loop.call_later(self._headers_within, self._headers_late)

    def eof_received(self) -> bool | None:  # type: ignore[override]  # aiohttp says None
        """The client is done sending. True keeps our side open for the answer (impossible under TLS)."""
        if self._arriving is not None and not self._arriving.is_eof():
            self._arriving.set_exception(web.RequestPayloadError("the body was cut"))
        if self._arriving is None or not self.is_busy() or self.ssl_context is not None:
            return None
        self.close()
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - quotes what the client sent
    ) -> web.StreamResponse:
        """The answer to what the parser refused, or to a failure that no application caught."""
        if isinstance(exc, BadHttpMessage):
            status, sentence = _parser_refusal(exc)
            log.info("HTTP request refused", extra={"status": status, "reason": type(exc).__name__})
        else:
            sentence = "The access point failed; try again later."
            log.error("HTTP request failed", exc_info=exc, extra={"status": status})
        if request.writer.output_size > 0:
            raise ConnectionError("an answer had begun")
        answer = web.Response(status=status, text=sentence + "\n", headers={"Server": SERVER})
        answer.force_close()
        return answer

    def is_busy(self) -> bool:
        """Whether a request was read that is not answered yet."""
        return bool(self._messages) or self._waiter is None or self._waiter.done()

    def _headers_late(self) -> None:
        self._headers_timer = None
        if self.is_busy() or self.transport is None:
            return
        log.info("HTTP request refused", extra={"status": 408, "reason": "slow headers"})
        self.transport.write(_LATE_ANSWER)
        self.force_close()

    def _stop_timer(self) -> None:
        if self._headers_timer is not None:
            self._headers_timer.cancel()
            self._headers_timer = None


def _parser_refusal(error: BadHttpMessage) -> tuple[int, str]:
    if isinstance(error, LineTooLong) or "oo many headers" in error.message:
        return 431, "The request line or its headers are too large."
    return 400, "This is not a well-formed HTTP/1.1 request."
