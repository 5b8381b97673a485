"""The demo's authorization server, asked over mutual TLS as anybody might ask; the product's own client is in test_net_tokens."""

import json
import ssl
import time
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509

from ehmi_ap.demo.authorization import AUDIENCE, AuthorizationServer, Enrolment, signed, thumbprint, verified
from ehmi_ap.demo.pages import answering
from ehmi_ap.model import Organisation
from ehmi_ap.net.tls import client_context, server_context
from tests.servers import TlsFiles

NORTH, SOUTH = Organisation("9999011000016008", "9520000001018"), Organisation("9999021000016004", "9520000001025")
SCOPE = f"EDS system/AuditEvent.crs SOR:{NORTH.sor} GLN:{NORTH.gln}"
FORM = {"grant_type": "client_credentials", "scope": SCOPE, "client_id": "north"}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return TlsFiles(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server() -> AuthorizationServer:
    """Two access points are enrolled, each with a certificate, an organisation and a device of its own."""
    server = AuthorizationServer(path="/realms/ehmi")
    for name, subject, organisation in (("north", "client", NORTH), ("south", "other client", SOUTH)):
        enrolment = Enrolment(
            client_id=name,
            subject=f"CN={subject},O=Test,C=DK",
            device_id=f"{name}-AP",
            organisations=frozenset({organisation}),
        )
        server.enrol(enrolment)
    return server


@pytest.fixture
async def issuer(tls: TlsFiles, server: AuthorizationServer) -> AsyncIterator[str]:
    context = server_context(certificate=tls.server, client_ca=tls.client_ca)
    async with answering(server, tls=context) as url:
        yield f"{url}/realms/ehmi"


async def ask(issuer: str, tls: TlsFiles, *, shows: Path | None = None, method: str = "POST", **sent: Any) -> Any:
    """Status and JSON of the token endpoint."""
    context = client_context(anchors=[tls.ca.der], certificate=shows or tls.client)
    return await answered(f"{issuer}/mtls/token", context, method, **sent)


async def answered(url: str, context: ssl.SSLContext, method: str = "GET", **sent: Any) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session:
        answer = await session.request(method, url, ssl=context, **sent)
        return answer.status, json.loads(await answer.read() or b"null")


async def test_a_token_says_for_whom_it_is_and_to_which_certificate_it_is_bound(
    issuer: str, tls: TlsFiles, server: AuthorizationServer
) -> None:
    status, answer = await ask(issuer, tls, data=FORM)
    assert (status, answer["token_type"], answer["expires_in"]) == (200, "Bearer", 300)
    claims = verified(answer["access_token"], server.key.public_key())
    assert claims is not None
    certificate = x509.load_pem_x509_certificates(tls.client.read_bytes())[0]
    assert claims["cnf"] == {"x5t#S256": thumbprint(certificate)}
    assert (claims["iss"], claims["aud"], claims["scope"]) == (issuer, AUDIENCE, SCOPE)
    assert claims["ehmi:org_context"] == {"sor": NORTH.sor, "gln": NORTH.gln}
    assert (claims["ehmi:eer:device_id"], claims["client_id"]) == ("north-AP", "north")
    assert claims["iat"] <= time.time() < claims["exp"] == claims["iat"] + 300


async def test_each_client_gets_what_it_is_enrolled_for(
    issuer: str, tls: TlsFiles, server: AuthorizationServer
) -> None:
    """South with its certificate: its device, its organisation."""
    scope = f"GLN:{SOUTH.gln} SOR:{SOUTH.sor} system/AuditEvent.crs EDS"
    form = {**FORM, "client_id": "south", "scope": scope}
    status, answer = await ask(issuer, tls, shows=tls.other_client, data=form)
    claims = verified(answer["access_token"], server.key.public_key())
    assert status == 200
    assert claims is not None
    assert (claims["ehmi:eer:device_id"], claims["ehmi:org_context"]["sor"]) == ("south-AP", SOUTH.sor)


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_id": "south"}, 401, "invalid_client"),  # its name, with another one's certificate
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_secret": "x"}, 400, "invalid_request"),
        ({"scope": f"EDS system/AuditEvent.crs SOR:{SOUTH.sor} GLN:{SOUTH.gln}"}, 400, "invalid_scope"),
        ({"scope": f"EDS system/AuditEvent.crs SOR:{NORTH.sor} GLN:{SOUTH.gln}"}, 400, "invalid_scope"),
        ({"scope": "EDS system/AuditEvent.crs"}, 400, "invalid_scope"),
        ({"scope": f"{SCOPE} openid"}, 400, "invalid_scope"),
        ({"scope": f"{SCOPE} EDS"}, 400, "invalid_scope"),
        ({"scope": SCOPE.replace(".crs", ".cruds")}, 400, "invalid_scope"),
    ],
    ids=str,
)
async def test_who_asks_otherwise_gets_none(
    issuer: str, tls: TlsFiles, changes: dict[str, str], status: int, error: str
) -> None:
    assert await ask(issuer, tls, data={**FORM, **changes}) == (status, {"error": error})


async def test_a_grant_is_a_form_with_each_field_once(issuer: str, tls: TlsFiles) -> None:
    """RFC 6749 3.2."""
    refused = (400, {"error": "invalid_request"})
    assert await ask(issuer, tls, json=FORM) == refused
    assert await ask(issuer, tls, method="GET", params=FORM) == refused
    assert await ask(issuer, tls, data=[*FORM.items(), ("scope", SCOPE)]) == refused
    assert await ask(issuer, tls, data={"scope": SCOPE}) == refused


async def test_an_enrolment_may_be_changed(issuer: str, tls: TlsFiles, server: AuthorizationServer) -> None:
    subject = "CN=client,O=Test,C=DK"
    server.enrol(Enrolment(client_id="north", subject=subject, device_id="x", organisations=frozenset({SOUTH})))
    assert (await ask(issuer, tls, data=FORM))[0] == 400


async def test_without_a_client_certificate_nobody_is_known(tls: TlsFiles, server: AuthorizationServer) -> None:
    """Where a listener does not demand one."""
    async with answering(server, tls=server_context(certificate=tls.server)) as url:
        assert await ask(f"{url}/realms/ehmi", tls, data=FORM) == (401, {"error": "invalid_client"})


async def test_the_metadata_leads_to_the_endpoint_for_mutual_tls(issuer: str, tls: TlsFiles) -> None:
    context = client_context(anchors=[tls.ca.der], certificate=tls.client)
    place = issuer.replace("/realms", "/.well-known/oauth-authorization-server/realms")
    status, metadata = await answered(place, context)
    assert (status, metadata["issuer"]) == (200, issuer)
    assert metadata["mtls_endpoint_aliases"]["token_endpoint"] == f"{issuer}/mtls/token"
    for url in (metadata["token_endpoint"], issuer):
        async with aiohttp.ClientSession() as session:
            assert (await session.post(url, ssl=context, data=FORM)).status == 404


def test_a_token_is_worth_nothing_with_a_changed_letter(server: AuthorizationServer) -> None:
    token = signed({"scope": SCOPE}, server.key)
    header, claims, signature = token.split(".")
    assert json.loads(urlsafe_b64decode(header + "==")) == {"alg": "EdDSA", "typ": "at+jwt"}
    assert verified(token, server.key.public_key()) == {"scope": SCOPE}
    other = signed({"scope": "EDS"}, server.key).split(".")[1]
    for wrong in (
        f"{header}.{other}.{signature}",
        f"{header}.{claims}.",
        f"{header}.{claims}",
        "",
        "é",
        "..",
        token[:-9],
    ):
        assert verified(wrong, server.key.public_key()) is None
    assert verified(token, AuthorizationServer().key.public_key()) is None
