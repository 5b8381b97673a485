"""The two HTTP faces of an access point, on two ports.

    as4_application(ap)       POST /as4 and nothing else: what the world may reach
    internal_application(ap)  REST under /api/v1, its OpenAPI document, /health, /metrics: for C1, C4 and operators
    listening(ap)             both of them on the ports of the configuration, while the block runs
    serve(config)             an access point with both, until SIGTERM or SIGINT; run(config) is its synchronous twin

Faces translate: HTTP to the calls of AccessPoint and back. They take no decision of the protocol, hold no state
that matters, and never show a payload, a CPR number or a trace to anybody who did not ask for that message.
The two applications are ordinary aiohttp.web applications, to be mounted in a host's own server too
(docs/how-to/embed.md).
"""

from ehmi_ap.server.as4 import as4_application
from ehmi_ap.server.internal import internal_application
from ehmi_ap.server.listen import Addresses, listening, run, serve

__all__ = ["Addresses", "as4_application", "internal_application", "listening", "run", "serve"]
