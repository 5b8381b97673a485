"""That the servers refuse what they should: requests made by hand."""

import base64
import json
import ssl

import aiohttp
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests import pki
from tests.interop.cells import Cell
from tests.interop.eds import clients
from tests.interop.eds.realm import Json
from tests.interop.eds.scene import Scene, claims
from tests.interop.eds.terms import adding
from tests.interop.evidence import equal

CELLS: list[Cell] = []
cell = adding(CELLS, "Controls: requests made by hand")
INVALID = 'Bearer error="invalid_token"'


@cell("our token with our certificate", "EDS takes it: all that follows differs from this")
async def right(scene: Scene) -> None:
    equal((await scene.post(await scene.token())).status, 201)


@cell("our token without a certificate, and with one of a CA that nobody trusts", "EDS takes no connection")
async def no_certificate(scene: Scene) -> None:
    token = await scene.token()
    for name in (None, "stranger", "expired"):
        try:
            said = await scene.post(token, shows=name)
        except (aiohttp.ClientError, ssl.SSLError):
            continue
        raise AssertionError(f"{name}: {said}")
    equal((await scene.post(token)).status, 201)


@cell("our certificate without a token", "401, and a challenge without a reason")
async def no_token(scene: Scene) -> None:
    said = await scene.post()
    equal((said.status, said.challenge), (401, "Bearer"))


@cell("a token of which a claim was changed, or its signature", "401")
async def tampered(scene: Scene) -> None:
    head, body, signature = (await scene.token()).split(".")
    changed = {**claims(f"{head}.{body}."), "ehmi:eer:device_id": "Their-AP"}
    for token in (f"{head}.{_encoded(changed)}.{signature}", f"{head}.{body}.{signature[:9]}{signature[10:]}A"):
        said = await scene.post(token)
        equal((said.status, said.challenge), (401, INVALID))


@cell("the claims of a token, not signed, or signed with a key of ours under the id of Keycloak's", "401")
async def forged(scene: Scene) -> None:
    head, body, _ = (await scene.token()).split(".")
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    ours = pki.private_key("a").sign(f"{head}.{body}".encode(), pss, hashes.SHA256())
    none = _encoded({"alg": "none", "typ": "JWT"})
    for token in (f"{none}.{body}.", f"{head}.{body}.{_base64url(ours)}"):
        said = await scene.post(token)
        equal((said.status, said.challenge), (401, INVALID))


@cell("a token of another realm of the same Keycloak", "401")
async def another_realm(scene: Scene) -> None:
    said = await scene.post(await scene.keycloak.administrator())
    equal((said.status, said.challenge), (401, INVALID))


@cell("a token for our client id without a certificate, or with a secret", "Keycloak refuses: invalid_client")
async def no_client_certificate(scene: Scene) -> None:
    form = {"grant_type": "client_credentials", "client_id": "our-ap", "scope": "EDS"}
    for more in ({}, {"client_secret": "guess"}):
        url = f"{scene.keycloak.issuer}/protocol/openid-connect/token"
        said = await clients.post(url, scene.tls(None), data={**form, **more})
        equal((said.status, said.body["error"]), (401, "invalid_client"))


def _encoded(said: Json) -> str:
    return _base64url(json.dumps(said).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
