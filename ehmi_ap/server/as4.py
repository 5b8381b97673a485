"""POST /as4: what the world may reach."""

from aiohttp import web

from ehmi_ap.access_point import AccessPoint


def as4_application(ap: AccessPoint) -> web.Application:
    """An application with POST /as4 (the path of the configuration) and nothing else."""
    raise RuntimeError("being written")
