"""REST, health and metrics."""

from aiohttp import web

from ehmi_ap.access_point import AccessPoint


def internal_application(ap: AccessPoint) -> web.Application:
    """An application with /api/v1, /health and /metrics."""
    raise RuntimeError("being written")
