"""EDS, EHMI's delivery status service, small and strict: it takes AuditEvents from whoever may report them.

    async with delivery_status(tls=context) as eds:        # the context demands a client certificate
        eds.authorization.enrol(...)
        eds.base, eds.issuer                                what an access point's [eds] names
        eds.service.taken

It checks what EHMI says that the real one checks (spec/eds.md 3, 4): the token's signature, end, audience and scope,
the certificate that it is bound to, and the token's organisation and device against the event's. Of the event it
checks that it claims a profile of EDS.
"""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ehmi_ap.demo.authorization import (
    AUDIENCE,
    AuthorizationServer,
    Claims,
    certificate_of,
    is_scope_of,
    thumbprint,
    verified,
)
from ehmi_ap.demo.pages import answering
from ehmi_ap.ehmi.auditevent import PROFILES
from ehmi_ap.model import Organisation
from ehmi_ap.net.eds import FHIR

BASE, ISSUER = "/fhir", "/realms/ehmi"
"""Paths of EDS and of the authorization server."""
_KNOWN = {f"{PROFILES}Eds{kind}DeliveryStatus" for kind in ("Basic", "Patient")}

Json = dict[str, Any]


class StatusService:
    """`taken` are the events that it has, in the order in which they came; `key` is the authorization server's."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self.taken: list[Json] = []
        self._key = key

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to a request."""
        if (request.method, request.path) != ("POST", f"{BASE}/AuditEvent"):
            return web.Response(status=404)
        claims = self.claims(request)
        if claims is None:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        if request.content_type != FHIR:
            return web.Response(status=415)
        try:
            return self.answer_to(json.loads(await request.read()), claims)
        except (ValueError, LookupError, TypeError, RecursionError):
            return outcome(400, "structure", "no AuditEvent with agents, observer and profile, as JSON")

    def claims(self, request: web.BaseRequest) -> Claims | None:
        """Those of a token that is right, and shown by whom it was made for."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        claims = verified(token, self._key) if kind == "Bearer" else None
        certificate = certificate_of(request)
        if claims is None or certificate is None or claims["cnf"]["x5t#S256"] != thumbprint(certificate):
            return None
        return claims if claims["aud"] == AUDIENCE and time.time() < claims["exp"] else None

    def answer_to(self, event: Json, claims: Claims) -> web.Response:
        """Take an event that came with these claims, or say why not; raises what reading a wrong one raises."""
        if not _may(claims, event):
            return outcome(403, "forbidden", "this client may not post for that organisation or device")
        if event["resourceType"] != "AuditEvent" or _KNOWN.isdisjoint(event["meta"]["profile"]):
            return outcome(422, "invalid", "no profile of EDS")
        self.taken.append(event)
        return web.json_response(event, status=201, headers={"Location": f"{BASE}/AuditEvent/{len(self.taken)}"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Eds:
    """Both servers, running: `base` and `issuer` are their URLs."""

    base: str
    issuer: str
    authorization: AuthorizationServer
    service: StatusService


@asynccontextmanager
async def delivery_status(*, tls: SSLContext, host: str = "localhost") -> AsyncIterator[Eds]:
    """EDS and its authorization server, at which nobody is enrolled yet."""
    authorization = AuthorizationServer(path=ISSUER)
    service = StatusService(authorization.key.public_key())
    async with answering(authorization, tls=tls, host=host) as issuer, answering(service, tls=tls, host=host) as eds:
        yield Eds(base=eds + BASE, issuer=issuer + ISSUER, authorization=authorization, service=service)


def organisation_of(claims: Claims) -> Organisation:
    """On whose behalf its client may report."""
    return Organisation(**claims["ehmi:org_context"])


def outcome(status: int, code: str, diagnostics: str) -> web.Response:
    """An OperationOutcome with one error."""
    issue = {"severity": "error", "code": code, "diagnostics": diagnostics}
    body = json.dumps({"resourceType": "OperationOutcome", "issue": [issue]})
    return web.Response(status=status, text=body, content_type=FHIR)


def _may(claims: Claims, event: Json) -> bool:
    """Scope, and the organisation and device of the token against those of the event (spec/eds.md 4)."""
    organisation = organisation_of(claims)
    agents = [
        Organisation(agent["who"]["identifier"]["value"], agent["extension"][0]["valueIdentifier"]["value"])
        for agent in event["agent"]
    ]
    observer = event["source"]["observer"]["identifier"]["value"]
    ours = organisation in agents and observer == claims["ehmi:eer:device_id"]
    return ours and is_scope_of(claims["scope"], organisation)
