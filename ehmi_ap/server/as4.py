"""POST /as4: what the world may reach, and nothing else (as4-wire 1.1, 1.3, 6.4).

The face judges HTTP only: method, path, Content-Encoding, size, pace, how many at a time. What is inside the body is
AccessPoint.receive's to judge; its answer, receipt or error, goes out as it is. A refusal of our own is one
sentence of text/plain, without detail; a failure of our own is 503 with Retry-After, never an eb:Error, since
that would end the sender's retries.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter

from aiohttp import web

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.errors import ApError, HttpRefusal
from ehmi_ap.model import Wire
from ehmi_ap.server import metrics, reply
from ehmi_ap.server.intake import IntakeLimits, refuse_early, spooled
from ehmi_ap.server.protocol import SERVER

log = logging.getLogger(__name__)

RETRY_AFTER = 60
"""Seconds after which a peer may try again when it was we who failed."""

_SENTENCES = {
    404: "There is nothing here.",
    405: "Only POST is answered here.",
    417: "The only expectation that is met is 100-continue.",
}
_UNREAD = (400, 404, 405, 408, 413, 415, 417)
"""Refusals that leave the rest of a body unread, so that the connection cannot be used again."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def as4_application(ap: AccessPoint) -> web.Application:
    """An application with POST /as4 (the path of the configuration) and nothing else.

    `ap` has to be started while requests come. In a host's own server the host decides about what lies below an
    application: TLS, limits on headers, keep-alive.
    """
    face = _Face(ap)
    application = web.Application(middlewares=[_refuse_in_plain_text])
    application.on_response_prepare.append(name_the_server)
    application.router.add_route("POST", ap.config.as4.path, face.post, expect_handler=face.expect)
    return application


class _Face:
    """The one resource."""

    def __init__(self, ap: AccessPoint) -> None:
        limits = ap.config.limits
        self._ap = ap
        self._metrics = metrics.of(ap)
        self._limits = IntakeLimits(bytes=limits.message_bytes, idle=limits.idle_timeout, total=limits.total_timeout)
        self._places = asyncio.Semaphore(limits.requests)

    async def expect(self, request: web.Request) -> web.StreamResponse | None:
        """Expect: 100-continue is answered 100 only if what the headers say is acceptable."""
        try:
            refuse_early(request, self._limits)
        except HttpRefusal as refusal:
            return _text(refusal.status, refusal.public)
        if request.headers["Expect"].lower() != "100-continue":
            return _text(417, _SENTENCES[417])
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer proper has not begun
        return None

    async def post(self, request: web.Request) -> web.StreamResponse:
        """One message in, one answer out."""
        started = perf_counter()
        answer = await self._answer(request)
        self._metrics.as4_answered(answer.status, perf_counter() - started)
        return answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            refuse_early(request, self._limits)
            if not await self._take_place():
                log.warning("AS4 request turned away: too many are in progress")
                return _busy("Too many messages are coming in; send it again later.")
            try:
                return await self._receive(request)
            finally:
                self._places.release()
        except HttpRefusal as refusal:
            log.info("AS4 request refused", extra={"status": refusal.status, "what": refusal.what, "fix": refusal.fix})
            return _text(refusal.status, refusal.public)
        except ConnectionError:
            log.info("AS4 client went away inside its request")
            return _text(400, "The request was cut.")  # there is nobody left to read it
        except (ApError, OSError) as error:
            log.error("AS4 request failed", extra={"reason": str(error)})
            return _busy("The access point cannot take messages now; send it again later.")
        except Exception:
            log.exception("AS4 request failed")
            return _busy("The access point failed; send it again later.")

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        spool = await spooled(request, self._limits, partial(self._ap.blobs.spool, kept=False))
        try:
            wire = Wire(content_type=request.headers.get("Content-Type", ""), body=spool.finish())
            answer = await self._ap.receive(wire)
        finally:
            spool.discard()
        headers = {"Content-Type": answer.content_type} if answer.body.size else {}
        if answer.retry_after is not None:
            headers["Retry-After"] = f"{answer.retry_after:.0f}"
        return await reply.give(request, answer.body, status=answer.status, headers=headers)

    async def _take_place(self) -> bool:
        """One of the places for requests in progress. Waits for one, but not for ever: False then."""
        try:
            async with asyncio.timeout(self._limits.idle):
                return await self._places.acquire()
        except TimeoutError:
            return False


async def name_the_server(_request: web.Request, answer: web.StreamResponse) -> None:
    """The Server header names the product, not its parts and versions."""
    answer.headers["Server"] = SERVER


@web.middleware
async def _refuse_in_plain_text(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        answer = _text(refusal.status, _SENTENCES.get(refusal.status, "The request was refused."))
        if "Allow" in refusal.headers:
            answer.headers["Allow"] = refusal.headers["Allow"]
        return answer


def _text(status: int, sentence: str) -> web.Response:
    answer = web.Response(status=status, text=sentence + "\n")
    if status == 415:
        answer.headers["Accept-Encoding"] = "identity"  # RFC 9110 15.5.16
    if status in _UNREAD:
        answer.force_close()
    return answer


def _busy(sentence: str) -> web.Response:
    answer = _text(503, sentence)
    answer.headers["Retry-After"] = str(RETRY_AFTER)
    answer.force_close()
    return answer
