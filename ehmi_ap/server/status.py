"""/health and /metrics: for load balancers and monitoring; open, as they tell nothing of any message."""

import json
from datetime import UTC, datetime

from aiohttp import web

from ehmi_ap.server import metrics
from ehmi_ap.server.routes import Call


async def health(call: Call) -> web.StreamResponse:
    """GET /health: 200 while messages can be taken and sent, 503 otherwise."""
    said = dict(await call.ap.health())
    status = 200 if said.get("status", "ok") == "ok" else 503
    return web.json_response(said, status=status, dumps=lambda document: json.dumps(document, default=str))


async def show_metrics(call: Call) -> web.StreamResponse:
    """GET /metrics: Prometheus text format."""
    body = await metrics.of(call.ap).exposition(call.ap.store, datetime.now(UTC))
    return web.Response(body=body, headers={"Content-Type": metrics.CONTENT_TYPE})
