"""Taking in a request's body: bounded in bytes and in time, into a spool, however large.

The budget holds while the body arrives, not afterwards: 413 as soon as a byte too many is announced or seen, 408
when the client is slower than SLOWEST or takes longer than its total time (as4-wire 6.4). A client that goes away
leaves no spool behind.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ehmi_ap.body import CHUNK, NewSpool, Spool
from ehmi_ap.errors import HttpRefusal

log = logging.getLogger(__name__)

SLOWEST = 4096
"""Bytes per second that a body has to come at, on average, after the first `idle` seconds."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeLimits:
    """Budget of one body: bytes in all, seconds without a byte, seconds in all, bytes per second."""

    bytes: int
    idle: float
    total: float
    rate: int = SLOWEST


def refuse_early(request: web.BaseRequest, limits: IntakeLimits) -> None:
    """What the headers alone rule out: 415 for any Content-Encoding, 413 for a Content-Length over the budget."""
    if request.headers.getall("Content-Encoding", []):
        raise HttpRefusal(415, "Content-Encoding is not accepted in a request.")
    if (request.content_length or 0) > limits.bytes:
        raise _too_large(limits)


async def arriving(request: web.BaseRequest, limits: IntakeLimits) -> AsyncIterator[bytes]:
    """The body, chunk by chunk as it arrives.

    Raises HttpRefusal (400 bad framing or cut, 408, 413, 415) and ConnectionError when the client went away.
    """
    refuse_early(request, limits)
    clock = asyncio.get_running_loop().time
    started = clock()
    received = 0
    while True:
        now = clock()
        slowest = started + limits.idle + received / limits.rate
        try:
            async with asyncio.timeout_at(min(now + limits.idle, slowest, started + limits.total)):
                chunk = await request.content.readany()
        except TimeoutError:
            raise HttpRefusal(408, "The body of the request came too slowly.") from None
        except (web.RequestPayloadError, HttpProcessingError):
            raise HttpRefusal(400, "The body of the request is cut or badly framed.") from None
        if not chunk:
            return
        received += len(chunk)
        if received > limits.bytes:
            raise _too_large(limits)
        yield chunk


class Filler:
    """Writes to a spool what arrives: what is small at once, what is large in a thread, a megabyte at a time."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.size = 0
        self._waiting: list[bytes] = []
        self._waiting_size = 0

    async def write(self, data: bytes) -> None:
        self.size += len(data)
        if self.size <= CHUNK:
            self.spool.write(data)
            return
        self._waiting.append(data)
        self._waiting_size += len(data)
        if self._waiting_size >= 4 * CHUNK:
            await self.flush()

    async def flush(self) -> None:
        """Everything is in the spool when this returns."""
        if self._waiting:
            pieces, self._waiting, self._waiting_size = self._waiting, [], 0
            await in_thread(_write_all, self.spool, pieces)


async def spooled(request: web.BaseRequest, limits: IntakeLimits, new_spool: NewSpool) -> Spool:
    """The whole body in a spool that is ready for finish(); the caller discards it. Raises as arriving()."""
    filler = Filler(new_spool())
    try:
        async for chunk in arriving(request, limits):
            await filler.write(chunk)
        await filler.flush()
    except BaseException:
        filler.spool.discard()
        raise
    return filler.spool


async def small(request: web.BaseRequest, limits: IntakeLimits) -> bytes:
    """A body that is small by its budget, in memory. Raises as arriving()."""
    return b"".join([chunk async for chunk in arriving(request, limits)])


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run in a thread; when cancelled, wait for it, so that nobody touches what it still uses."""
    task = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _write_all(spool: Spool, pieces: Sequence[bytes]) -> None:
    for piece in pieces:
        spool.write(piece)


def _too_large(limits: IntakeLimits) -> HttpRefusal:
    return HttpRefusal(413, f"The body of the request is larger than {limits.bytes} bytes.")
