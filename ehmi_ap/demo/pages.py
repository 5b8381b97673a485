"""Documents over HTTP, as an SMP or a certificate authority publishes them: GET by the path as it was written.

    async with serving(publisher.page, tls=context, path="/smp") as base:        # https://localhost:PORT/smp

A path is told apart by its segments, each decoded by itself: `%2F` is no slash (spec/discovery.md 2.1).
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from ssl import SSLContext
from urllib.parse import unquote

from aiohttp import web

Segments = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What is at a path since `since` (aware)."""

    body: bytes
    content_type: str = "text/xml"
    since: datetime


Pages = Callable[[Segments], Page | None]
"""From a path's segments, decoded, to what is there."""

Answerer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
"""Any HTTP service."""


@asynccontextmanager
async def serving(
    pages: Pages, *, tls: SSLContext | None = None, path: str = "", host: str = "localhost", port: int = 0
) -> AsyncIterator[str]:
    """The base URL, without a slash at its end, below which `pages` are; port 0: a free one."""
    start = segments(path)

    async def answer(request: web.BaseRequest) -> web.Response:
        asked = segments(request.raw_path.partition("?")[0])
        if request.method != "GET":
            return web.Response(status=405, headers={"Allow": "GET"})
        page = pages(asked[len(start) :]) if asked[: len(start)] == start else None
        if page is None:
            return web.Response(status=404, text="There is nothing here.")
        headers = {"Content-Type": page.content_type, "Last-Modified": format_datetime(page.since, usegmt=True)}
        if request.if_modified_since is not None and page.since.replace(microsecond=0) <= request.if_modified_since:
            return web.Response(status=304, headers=headers)
        return web.Response(body=page.body, headers=headers)

    async with answering(answer, tls=tls, host=host, port=port) as base:
        yield f"{base}{path}"


@asynccontextmanager
async def answering(
    answer: Answerer, *, tls: SSLContext | None = None, host: str = "localhost", port: int = 0
) -> AsyncIterator[str]:
    """The URL, without a path, at which `answer` is asked; port 0: a free one."""
    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
        yield f"{'https' if tls else 'http'}://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def segments(path: str) -> Segments:
    """Of a path as it is written; one slash at its end says nothing."""
    return tuple(unquote(each) for each in path.strip("/").split("/")) if path.strip("/") else ()
