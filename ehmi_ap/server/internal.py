"""The internal face: REST under /api/v1 with the OpenAPI document it serves, /health and /metrics.

Every request goes the same way: the token says who asks, the row of the table says whether he may, the answerer
answers, and whatever goes wrong becomes an application/problem+json. One log line per request names the route, not
the path: paths and queries hold message ids and participants.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from functools import cache
from time import perf_counter

from aiohttp import web

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.errors import ApError
from ehmi_ap.server import (
    administration,
    discovery,
    feed,
    inbox,
    messages,
    metrics,
    openapi,
    problem,
    reports,
    status,
    submissions,
)
from ehmi_ap.server.as4 import name_the_server
from ehmi_ap.server.auth import Caller, Tokens, only_admin
from ehmi_ap.server.routes import API, Access, Call, Route

log = logging.getLogger(__name__)

ROUTES: tuple[Route, ...] = (
    *submissions.ROUTES,
    *messages.ROUTES,
    *inbox.ROUTES,
    *feed.ROUTES,
    *administration.ROUTES,
    *discovery.ROUTES,
    *reports.ROUTES,
)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_NOBODY = Caller("")
"""Who asks where nobody is asked for a token; sees no message."""


@cache
def _description() -> openapi.Json:
    """Made when it is first asked for: it takes a quarter of a second."""
    return openapi.document(ROUTES)


def internal_application(ap: AccessPoint) -> web.Application:
    """An application with /api/v1, /health and /metrics. Raises ConfigError when a token cannot be read.

    `ap` has to be started while requests come. It must not share a port with the AS4 application.
    """
    tokens = Tokens(ap.config)
    application = web.Application(middlewares=[_problems])
    application.on_response_prepare.append(name_the_server)
    application[feed.STOPPING] = asyncio.Event()
    application.on_shutdown.append(_stop_waiting)
    for route in ROUTES:
        # aiohttp's own pattern for a parameter leaves out braces, which a MessageId may have.
        path = re.sub(r"\{(\w+)\}", r"{\1:[^/]+}", API + route.path)
        application.router.add_route(route.method, path, _handler(ap, tokens, route))

    async def show_description(call: Call) -> web.StreamResponse:
        here = call.request.path.removesuffix("/openapi.json")  # a host may have put us below a path of its own
        return web.json_response({**_description(), "servers": [{"url": here}]})

    for path, answerer in (
        (f"{API}/openapi.json", show_description),
        ("/health", status.health),
        ("/metrics", status.show_metrics),
    ):
        application.router.add_route("GET", path, _open_handler(ap, answerer))
    return application


async def _stop_waiting(application: web.Application) -> None:
    application[feed.STOPPING].set()


def _handler(ap: AccessPoint, tokens: Tokens, route: Route) -> _Handler:
    measured = metrics.of(ap)

    async def handle(request: web.Request) -> web.StreamResponse:
        started = perf_counter()
        answer: web.StreamResponse
        try:
            caller = tokens.caller(request.headers)
            if route.access is Access.ADMIN:
                only_admin(caller)
            answer = await route.answerer(Call(request, ap, caller))
        except Exception as error:
            answer = _refused(route.name, error)
        seconds = perf_counter() - started
        measured.rest_answered(route.name, answer.status, seconds)
        log.debug("REST request", extra={"route": route.name, "status": answer.status, "seconds": round(seconds, 4)})
        return answer

    return handle


def _open_handler(ap: AccessPoint, answerer: Callable[[Call], Awaitable[web.StreamResponse]]) -> _Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await answerer(Call(request, ap, _NOBODY))

    return handle


@web.middleware
async def _problems(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """What no row caught: unknown paths, methods, and failures of the open ones."""
    try:
        return await handler(request)
    except Exception as error:
        return _refused("none", error)


def _refused(route: str, error: Exception) -> web.StreamResponse:
    answer = problem.answer(error)
    if answer.status < 500:
        log.info("REST request refused", extra={"route": route, "status": answer.status})
    elif isinstance(error, ApError):
        log.error("REST request failed", extra={"route": route, "status": answer.status, "reason": error.what})
    elif not isinstance(error, ConnectionError):
        log.error("REST request failed", exc_info=error, extra={"route": route, "status": answer.status})
    return answer
