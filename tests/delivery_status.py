"""The demo's EDS and the authorization server before it, with what tests need beside: they note, and may answer otherwise."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ehmi_ap.demo import authorization, eds
from ehmi_ap.demo.authorization import Claims, Enrolment
from ehmi_ap.model import Organisation
from tests.pair import Side
from tests.servers import TlsFiles

_TABLE = """
[eds]
base = "https://localhost:{eds}/fhir"
issuer = "https://localhost:{issuer}"
client_id = "{of.client_id}"
tls_trust = "eds-ca"
tls = {{ certificate = "{client}" }}
device = {{ id = "{of.device_id}" }}
organisations = [{organisations}]
"""

Answerer = Callable[[Any], Awaitable[web.StreamResponse]]


def let_report(side: Side, enrolment: Enrolment, *, ports: tuple[int, int], tls: TlsFiles, client: Path) -> None:
    """Write [eds] of an access point; `ports` are those of EDS and of the authorization server, `client` a PEM file."""
    served = sorted((each.sor, each.gln) for each in enrolment.organisations)
    organisations = ", ".join(f'{{ name = "Ours", sor = "{sor}", gln = "{gln}" }}' for sor, gln in served)
    eds, issuer = ports
    table = _TABLE.format(eds=eds, issuer=issuer, client=client, of=enrolment, organisations=organisations)
    side.config.write_text(side.config.read_text() + table)
    (side.home / "trust" / "eds-ca.pem").write_bytes(tls.ca.pem)


class AuthorizationServer(authorization.AuthorizationServer):
    """`instead` answers a path in its place; `asked` are paths, `scopes` those of the tokens that were made."""

    def __init__(self, *enrolments: Enrolment, **options: Any) -> None:
        super().__init__(**options)
        for each in enrolments:
            self.enrol(each)
        self.instead: dict[str, Answerer] = {}
        self.asked: list[str] = []
        self.scopes: list[str] = []

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request.path)
        instead = self.instead.get(request.path)
        return await (super().__call__(request) if instead is None else instead(request))

    async def token(self, request: web.BaseRequest) -> web.Response:
        answer = await super().token(request)
        if answer.status == 200:
            self.scopes.append(str((await request.post())["scope"]))
        return answer


class StatusService(eds.StatusService):
    """`answer` is said in its place; it does not believe the next `disbelieves` tokens.

    `requests` are headers, `contexts` the organisations of the tokens that what was taken came with.
    """

    def __init__(self, key: Ed25519PublicKey) -> None:
        super().__init__(key)
        self.answer: Answerer | None = None
        self.disbelieves = 0
        self.requests: list[Mapping[str, str]] = []
        self.contexts: list[Organisation] = []

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request.headers)
        return await (super().__call__(request) if self.answer is None else self.answer(request))

    def claims(self, request: web.BaseRequest) -> Claims | None:
        self.disbelieves -= 1
        return super().claims(request) if self.disbelieves < 0 else None

    def answer_to(self, event: eds.Json, claims: Claims) -> web.Response:
        answer = super().answer_to(event, claims)
        if answer.status == 201:
            self.contexts.append(eds.organisation_of(claims))
        return answer
