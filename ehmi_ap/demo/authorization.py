"""The authorization server before EDS, small and strict: whoever is enrolled gets tokens, each for one organisation.

    server = AuthorizationServer()
    server.enrol(Enrolment(client_id=..., subject=..., device_id=..., organisations=...))
    async with answering(server, tls=context) as issuer: ...        # the context demands a client certificate

It checks what EHMI says that the real one checks (FAPI 2.0 over mutual TLS; spec/eds.md 4): the client by the subject
of its TLS certificate (RFC 8705 2.1), the form of the grant (RFC 6749 4.4), and the scope against the enrolment. A
token is a JWT that is bound to that certificate (RFC 8705 3, RFC 9068).
"""

import base64
import hashlib
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from aiohttp import web
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from ehmi_ap.model import Organisation
from ehmi_ap.net.eds import SCOPE

AUDIENCE = "https://eds.demo.example"
_FORM = ["client_id", "grant_type", "scope"]
_HEADER = {"alg": "EdDSA", "typ": "at+jwt"}

Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What the operator of the server was told about a client; `subject` is its certificate's, as RFC 4514 has it."""

    client_id: str
    subject: str
    device_id: str
    organisations: frozenset[Organisation]


class AuthorizationServer:
    """Makes tokens that live `lives` seconds, signed by `key`; `path` is that of its issuer's URL."""

    def __init__(self, *, path: str = "", lives: int = 300) -> None:
        self.path = path
        self.key = Ed25519PrivateKey.generate()
        self._lives = lives
        self._enrolled: dict[str, Enrolment] = {}

    def enrol(self, enrolment: Enrolment) -> None:
        """From now on, in the place of an earlier enrolment of the same client."""
        self._enrolled[enrolment.client_id] = enrolment

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to a request: metadata (RFC 8414 3) or a token. The endpoint without mutual TLS has nothing."""
        if request.path == f"/.well-known/oauth-authorization-server{self.path}":
            return web.json_response(self.metadata(request))
        return await self.token(request) if request.path == f"{self.path}/mtls/token" else web.Response(status=404)

    def metadata(self, request: web.BaseRequest) -> dict[str, Any]:
        """As they are for whoever asks at this host and port."""
        issuer = self._issuer(request)
        aliases = {"token_endpoint": f"{issuer}/mtls/token"}
        return {"issuer": issuer, "token_endpoint": f"{issuer}/token", "mtls_endpoint_aliases": aliases}

    async def token(self, request: web.BaseRequest) -> web.Response:
        """A token, or why there is none (RFC 6749 5.2)."""
        if request.method != "POST" or request.content_type != "application/x-www-form-urlencoded":
            return _refusal("invalid_request")
        form = await request.post()
        if sorted(name for name, _ in form.items()) != _FORM:
            return _refusal("invalid_request")
        certificate = certificate_of(request)
        client = self._enrolled.get(str(form["client_id"]))
        if client is None or certificate is None or certificate.subject.rfc4514_string() != client.subject:
            return _refusal("invalid_client", 401)
        if form["grant_type"] != "client_credentials":
            return _refusal("unsupported_grant_type")
        scope = str(form["scope"])
        organisation = next((each for each in client.organisations if is_scope_of(scope, each)), None)
        if organisation is None:
            return _refusal("invalid_scope")
        claims = self._claims(request, client, organisation, certificate)
        token = signed({**claims, "scope": scope}, self.key)
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": self._lives})

    def _issuer(self, request: web.BaseRequest) -> str:
        return f"https://{request.host}{self.path}"

    def _claims(
        self, request: web.BaseRequest, client: Enrolment, organisation: Organisation, certificate: x509.Certificate
    ) -> Claims:
        now = time.time()
        return {
            "iss": self._issuer(request),
            "aud": AUDIENCE,
            "jti": str(uuid4()),
            "iat": now,
            "exp": now + self._lives,
            "client_id": client.client_id,
            "cnf": {"x5t#S256": thumbprint(certificate)},
            "ehmi:eer:device_id": client.device_id,
            "ehmi:org_context": {"sor": organisation.sor, "gln": organisation.gln},
        }


def is_scope_of(scope: str, organisation: Organisation) -> bool:
    """Whether this is the scope for reports on behalf of an organisation, its words in any order."""
    return Counter(scope.split(" ")) == Counter(f"{SCOPE} SOR:{organisation.sor} GLN:{organisation.gln}".split(" "))


def certificate_of(request: web.BaseRequest) -> x509.Certificate | None:
    """The client's TLS certificate; None: it has shown none."""
    connection = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
    der = connection.getpeercert(binary_form=True) if connection is not None else None
    return x509.load_der_x509_certificate(der) if der else None


def thumbprint(certificate: x509.Certificate) -> str:
    """RFC 8705 3.1."""
    return _encoded(hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest())


def signed(claims: Claims, key: Ed25519PrivateKey) -> str:
    """A JWT of these claims (RFC 7519)."""
    content = ".".join(_encoded(json.dumps(part).encode()) for part in (_HEADER, claims))
    return f"{content}.{_encoded(key.sign(content.encode()))}"


def verified(token: str, key: Ed25519PublicKey) -> Claims | None:
    """The claims of a JWT that this key signed. What its header names is not asked: there is one key, for one use."""
    content, _, signature = token.rpartition(".")
    try:
        key.verify(_decoded(signature), content.encode())
    except (InvalidSignature, ValueError):
        return None
    claims: Claims = json.loads(_decoded(content.partition(".")[2]))
    return claims


def _refusal(error: str, status: int = 400) -> web.Response:
    return web.json_response({"error": error}, status=status)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
