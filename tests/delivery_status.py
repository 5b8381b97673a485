"""EHMI's delivery status service and the authorization server before it, small and strict, for tests over real TLS.

What they check is what their specification says that the real ones check (spec/eds.md 3, 4): the client by its TLS
certificate, the form of the grant, the scope against the enrolment; and for each event the token's signature, end,
audience and scope, the certificate that it is bound to, and organisation and device against the AuditEvent.
"""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests import pki

Json = dict[str, Any]
Answerer = Callable[[web.Request], Awaitable[web.StreamResponse]]

AUDIENCE = "https://eds.example"
_BASE_SCOPE = {"EDS", "system/AuditEvent.crs"}
_PROFILES = "http://medcomehmi.dk/ig/eds/StructureDefinition/"
_PS256 = (padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """What the operator of the authorization server was told about a client."""

    client_id: str
    subject: str  # RFC 4514
    device_id: str
    organisations: frozenset[tuple[str, str]]  # SOR, GLN


@dataclass
class AuthorizationServer:
    """Makes tokens that live `lives` seconds; `instead` answers a path in its place."""

    enrolment: Enrolment
    path: str = ""  # of the issuer
    lives: Any = 300
    key: pki.Identity = field(default_factory=lambda: pki.make_ca("Token signer", key="rsa3072-a"))
    instead: dict[str, Answerer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)  # paths
    scopes: list[str] = field(default_factory=list)  # of the tokens that were made

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if request.path in self.instead:
            return await self.instead[request.path](request)
        if request.path == f"/.well-known/oauth-authorization-server{self.path}":
            return web.json_response(self.metadata(request))
        return await self.token(request) if request.path == f"{self.path}/mtls/token" else web.Response(status=404)

    def metadata(self, request: web.Request, **changes: Any) -> Json:
        issuer = f"https://{request.host}{self.path}"
        aliases = {"token_endpoint": f"{issuer}/mtls/token"}
        return {"issuer": issuer, "token_endpoint": f"{issuer}/token", "mtls_endpoint_aliases": aliases, **changes}

    async def token(self, request: web.Request) -> web.Response:
        """RFC 6749 4.4 and 5.2, RFC 8705 2.1 and 3."""
        form = await request.post()
        if request.method != "POST" or request.content_type != "application/x-www-form-urlencoded":
            return _refuse("invalid_request")
        if Counter(form.keys()) != Counter(("grant_type", "scope", "client_id")):
            return _refuse("invalid_request")
        der = _certificate(request)
        subject = x509.load_der_x509_certificate(der).subject.rfc4514_string()
        if (form["client_id"], subject) != (self.enrolment.client_id, self.enrolment.subject):
            return _refuse("invalid_client", 401)
        if form["grant_type"] != "client_credentials":
            return _refuse("unsupported_grant_type")
        organisation = self._organisation(str(form["scope"]))
        if organisation is None:
            return _refuse("invalid_scope")
        self.scopes.append(str(form["scope"]))
        token = _jwt(self.key, self._claims(str(form["scope"]), organisation, der))
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": self.lives})

    def _organisation(self, scope: str) -> tuple[str, str] | None:
        words = scope.split(" ")
        named = dict(word.split(":", 1) for word in words if word not in _BASE_SCOPE and ":" in word)
        right = len(words) == 4 and set(words) > _BASE_SCOPE and set(named) == {"SOR", "GLN"}
        pair = (named.get("SOR", ""), named.get("GLN", ""))
        return pair if right and pair in self.enrolment.organisations else None

    def _claims(self, scope: str, organisation: tuple[str, str], der: bytes) -> Json:
        return {
            "aud": AUDIENCE,
            "jti": f"token-{len(self.scopes)}",
            "scope": scope,
            "cnf": {"x5t#S256": _thumbprint(der)},
            "ehmi:eer:device_id": self.enrolment.device_id,
            "ehmi:org_context": {"sor": organisation[0], "gln": organisation[1]},
        }


@dataclass
class StatusService:
    """Takes AuditEvents; `revoked` are ids of tokens that it no longer believes, `answer` is said in its place."""

    signer: pki.Identity
    taken: list[Json] = field(default_factory=list)
    contexts: list[tuple[str, str]] = field(default_factory=list)  # SOR, GLN of the tokens that these came with
    requests: list[Mapping[str, str]] = field(default_factory=list)  # headers
    revoked: set[str] = field(default_factory=set)
    answer: Answerer | None = None

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.headers)
        if self.answer is not None:
            return await self.answer(request)
        if (request.method, request.path) != ("POST", "/fhir/AuditEvent"):
            return web.Response(status=404)
        token = _claims_of(request.headers.get("Authorization", ""), self.signer)
        bound = token is not None and token["cnf"]["x5t#S256"] == _thumbprint(_certificate(request))
        if token is None or not bound or token["aud"] != AUDIENCE or token["jti"] in self.revoked:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        if request.content_type != "application/fhir+json":
            return web.Response(status=415)
        event = json.loads(await request.read())
        if not _may(token, event):
            return outcome(403, "forbidden", "this client may not post for that organisation or device")
        if not _of_a_profile(event):
            return outcome(422, "invalid", "no profile of EDS")
        self.taken.append(event)
        self.contexts.append((token["ehmi:org_context"]["sor"], token["ehmi:org_context"]["gln"]))
        return web.json_response(event, status=201, headers={"Location": f"/fhir/AuditEvent/{len(self.taken)}"})


def outcome(status: int, code: str, diagnostics: str) -> web.Response:
    """An OperationOutcome with one error."""
    issue = {"severity": "error", "code": code, "diagnostics": diagnostics}
    body = json.dumps({"resourceType": "OperationOutcome", "issue": [issue]})
    return web.Response(status=status, text=body, content_type="application/fhir+json")


def _may(token: Json, event: Json) -> bool:
    """Scope, and the organisation and device of the token against those of the event (spec/eds.md 4)."""
    organisation = token["ehmi:org_context"]
    agents = {
        (agent["who"]["identifier"]["value"], agent["extension"][0]["valueIdentifier"]["value"])
        for agent in event["agent"]
    }
    observer = event["source"]["observer"]["identifier"]["value"]
    words = set(token["scope"].split())
    named = {f"SOR:{organisation['sor']}", f"GLN:{organisation['gln']}"}
    mine = (organisation["sor"], organisation["gln"]) in agents
    return words == _BASE_SCOPE | named and mine and observer == token["ehmi:eer:device_id"]


def _of_a_profile(event: Json) -> bool:
    known = {f"{_PROFILES}Eds{kind}DeliveryStatus" for kind in ("Basic", "Patient")}
    return event.get("resourceType") == "AuditEvent" and bool(known & set(event["meta"]["profile"]))


def _refuse(error: str, status: int = 400) -> web.Response:
    return web.json_response({"error": error}, status=status)


def _certificate(request: web.Request) -> bytes:
    """The client's TLS certificate, DER; the server's context demands one."""
    assert request.transport is not None
    der: bytes = request.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return der


def _thumbprint(der: bytes) -> str:
    return _encoded(hashlib.sha256(der).digest())


def _jwt(signer: pki.Identity, claims: Json) -> str:
    """RFC 7515, PS256."""
    signed = f"{_encoded(json.dumps({'alg': 'PS256'}).encode())}.{_encoded(json.dumps(claims).encode())}"
    return f"{signed}.{_encoded(signer.key.sign(signed.encode(), *_PS256))}"


def _claims_of(authorization: str, signer: pki.Identity) -> Json | None:
    """The claims of a bearer token whose signature holds."""
    kind, _, token = authorization.partition(" ")
    signed, _, signature = token.rpartition(".")
    if kind != "Bearer" or signed.count(".") != 1:
        return None
    try:
        signer.key.public_key().verify(_decoded(signature), signed.encode(), *_PS256)
    except InvalidSignature:
        return None
    claims: Json = json.loads(_decoded(signed.partition(".")[2]))
    return claims


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
