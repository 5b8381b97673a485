"""A message service handler on another server: mutual TLS and signatures over real HTTPS, both ways, and what is refused."""

import asyncio
import base64
import hashlib
import http.client
import json
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import pytest_asyncio
from jwcrypto import jwk
from jwcrypto import jws as other
from lxml import etree

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.client import Client, Upload
from ehmi_ap.config import Config
from ehmi_ap.crypto import enveloped, jws
from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.keys import KeyPair
from ehmi_ap.crypto.signers import Signers
from ehmi_ap.demo.bundle import PATIENT_CPR
from ehmi_ap.demo.envelope import standard_business_document
from ehmi_ap.demo.pki import write_private
from ehmi_ap.ehmi.unwrap import unwrap
from ehmi_ap.errors import (
    CertificateRefused,
    MalformedSecurity,
    NoSignersAgreed,
    SignatureRefused,
    TransportError,
)
from ehmi_ap.server import listening
from tests import pki
from tests.logged import logged
from tests.pair import Side, write_pair

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "inbox-token-of-the-tests-0123456789"
ADMIN = "admin-token-of-the-tests-0123456789"
XML_TOKEN = "xml-token-of-the-tests-0123456789"
NOW = datetime.now(UTC)
WINDOW = {"not_before": NOW - timedelta(days=1), "not_after": NOW + timedelta(days=30)}
BACKEND = """\
kind = "rest"
token = {{ file = "keys/{token}.token" }}
[backends.{name}.signature]
demand = "{demand}"
trust = ["system-ca"]
subjects = ["C=DK, O=Test, CN=MSH of {side}"]
policies = ["1.2.3.4"]
[backends.{name}.signature.key]
file = "keys/delivery.pem"
"""
INTERNAL_TLS = """\
[internal.tls]
certificate = "keys/tls.crt.pem"
key = "keys/tls.key.pem"
client_ca = "keys/msh-tls-ca.pem"
"""


def key_pair(identity: pki.Identity) -> KeyPair:
    chain = tuple(Certificate.from_x509(each) for each in identity.chain)
    return KeyPair(identity.key, chain[0], chain)


SYSTEM_CA = pki.make_ca("Test system CA", key="ca", **WINDOW)
STRANGERS_CA = pki.make_ca("Test system CA", key="intermediate", **WINDOW)
TLS_CA = pki.make_ca("Test TLS CA", key="intermediate", **WINDOW)
system = partial(pki.make_leaf, SYSTEM_CA, policies=["1.2.3.4"])
MSH = system("MSH of alpha", key="a", **WINDOW)
DELIVERY = system("delivery", key="p256", **WINDOW)
OURS = Signers(anchors=(Certificate.from_x509(SYSTEM_CA.cert),), subjects=("CN=delivery,O=Test,C=DK",))


@dataclass
class Msh:
    """A system beside a running access point, with the certificate that it shows and the key by which it signs."""

    ap: AccessPoint
    url: str
    folder: Path

    def client(self, token: str = TOKEN, *, signing: pki.Identity | None = MSH, shown: bool = True) -> Client:
        return Client(
            self.url,
            token,
            verify=self.folder / "ca.pem",
            certificate=self.folder / "msh-tls.pem" if shown else None,
            signing=key_pair(signing) if signing is not None else None,
        )

    def post(self, body: bytes, *fields: tuple[str, str], token: str = TOKEN, path: str = "") -> tuple[int, Any]:
        """POST /messages with these header fields, each as often as it is named."""
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        context.load_cert_chain(self.folder / "msh-tls.pem")
        where = urlsplit(self.url)
        connection = http.client.HTTPSConnection(where.hostname or "", where.port, context=context, timeout=30)
        connection.putrequest("POST", f"/api/v1/messages{path}")
        types = () if any(name == "Content-Type" for name, _ in fields) else (("Content-Type", "application/xml"),)
        for name, value in (("Authorization", f"Bearer {token}"), ("Content-Length", str(len(body))), *types, *fields):
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        return answer.status, json.loads(said) if "json" in (answer.getheader("Content-Type") or "") else said

    async def kept(self) -> object:
        files = sorted(str(path) for path in (self.ap.config.store / "payloads").rglob("*") if path.is_file())
        return await self.ap.store.counts(), files


@dataclass
class Both:
    alpha: Msh
    beta: Msh
    log: list[logging.LogRecord]


def write_side(side: Side) -> None:
    """The keys and certificates that an operator agrees on with the MSH."""
    (side.home / "trust" / "system-ca.pem").write_bytes(SYSTEM_CA.pem)
    write_private(side.home / "keys" / "delivery.pem", DELIVERY.key_pem + DELIVERY.chain_pem)
    write_private(side.home / "keys" / "xml.token", XML_TOKEN.encode())
    (side.home / "keys" / "msh-tls-ca.pem").write_bytes(TLS_CA.pem)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Both]:
    folder = tmp_path_factory.mktemp("msh")
    backends = {
        "msh": BACKEND.format(name="msh", token="inbox", demand="jws", side="alpha"),
        "xml": BACKEND.format(name="xml", token="xml", demand="any", side="alpha"),
    }
    sides = write_pair(folder, tls=True, profile="ehmi", backends=backends, settings=INTERNAL_TLS)
    shown = pki.make_leaf(TLS_CA, "msh", key="c", **WINDOW)
    write_private(folder / "msh-tls.pem", shown.key_pem + shown.pem)
    (folder / "ca.pem").write_bytes((sides[0].home / "trust" / "pair-ca.pem").read_bytes())
    async with AsyncExitStack() as stack:
        records = stack.enter_context(logged())
        running = []
        for side in sides:
            write_side(side)
            config = Config.load(side.config)
            ap = await stack.enter_async_context(
                AccessPoint(replace(config, internal=replace(config.internal, port=0)))
            )
            addresses = await stack.enter_async_context(listening(ap))
            assert addresses.internal.startswith("https://")
            running.append(Msh(ap, addresses.internal.replace("127.0.0.1", "localhost"), folder))
        yield Both(*running, records)


def envelope() -> bytes:
    return standard_business_document(now=datetime.now(UTC), new_uuid=uuid4)


async def fetched(msh: Msh, message_id: str, to: Path, *, signers: Signers | None = OURS, token: str = TOKEN) -> bytes:
    """What C4 gets of a message, once it is there."""
    async with asyncio.timeout(60):
        async for event in msh.ap.events():
            if event.message_id == message_id:
                break

    def fetch() -> bytes:
        with msh.client(token, signing=None) as client:
            client.payload(message_id, 1, to=to, direction="inbound", signers=signers)
            return to.read_bytes()

    return await asyncio.to_thread(fetch)


# -- what goes through


@pytest.mark.parametrize("size", [0, 9_000_000])
async def test_signed_from_c1_to_c2_and_from_c3_to_c4(both: Both, tmp_path: Path, size: int) -> None:
    """The very bytes, also of a document that is never held in memory as a whole."""
    document = envelope()
    end = document.rindex(b"</", 0, document.rindex(b"</"))  # of the BinaryContent
    document = document[:end] + b"\n" * size + document[end:]

    with both.alpha.client() as client:
        message_id = await asyncio.to_thread(client.submit_sbd, document)

    assert await fetched(both.beta, message_id, tmp_path / "got.xml") == document


async def test_a_form_has_the_signature_of_each_payload_in_its_metadata(both: Both, tmp_path: Path) -> None:
    document = envelope()
    with both.alpha.client() as client:
        uploads = [Upload(source=document, mime_type="application/xml")]
        message_id = await asyncio.to_thread(client.submit, {"pmode": "beta"}, uploads)

    assert await fetched(both.beta, message_id, tmp_path / "got.xml") == document


async def test_a_document_signed_by_itself_arrives_as_what_was_signed(both: Both, tmp_path: Path) -> None:
    """C2 takes the signature out, so that C3 finds an envelope: two children, and no third."""
    document = envelope()
    with_signature = enveloped.signed(document, key_pair(MSH))

    with both.alpha.client(XML_TOKEN, signing=None) as client:
        message_id = await asyncio.to_thread(client.submit_sbd, with_signature)
        with pytest.raises(SignatureRefused, match="does not count"):
            await asyncio.to_thread(client.submit_sbd, with_signature.replace(b"0088", b"0089", 1))
    got = await fetched(both.beta, message_id, tmp_path / "got.xml")

    assert got == etree.tostring(etree.fromstring(document), method="c14n", with_comments=False)
    assert unwrap(got).header.instance_identifier == unwrap(document).header.instance_identifier


async def test_c4_takes_nothing_that_is_not_signed_by_whom_it_expects(both: Both, tmp_path: Path) -> None:
    with both.alpha.client() as client:
        message_id = await asyncio.to_thread(client.submit_sbd, envelope())
    got = tmp_path / "got.xml"

    with pytest.raises(CertificateRefused, match="subject"):
        await fetched(both.beta, message_id, got, signers=replace(OURS, subjects=("CN=msh,O=Test,C=DK",)))
    with both.alpha.client(signing=None) as client:
        fetch = partial(client.payload, message_id, 1, to=got, direction="outbound", signers=OURS)
        with pytest.raises(MalformedSecurity, match="not signed"):  # what C1 submitted is not what we sign
            await asyncio.to_thread(fetch)
    assert list(tmp_path.iterdir()) == []


async def test_the_digest_stands_beside_the_signature(both: Both, tmp_path: Path) -> None:
    """RFC 9530: so C4 may verify with any HTTP client and any JOSE library."""
    document = envelope()
    with both.alpha.client() as client:
        message_id = await asyncio.to_thread(client.submit_sbd, document)
    await fetched(both.beta, message_id, tmp_path / "got.xml")

    def look() -> Any:
        with both.beta.client(signing=None) as client:
            return client._session.get(f"{both.beta.url}/api/v1/messages/{message_id}/payloads/1")

    answer = await asyncio.to_thread(look)
    content = f"sha-256=:{base64.b64encode(hashlib.sha256(document).digest()).decode()}:"
    assert answer.headers["Content-Digest"] == content
    protected, _, value = answer.headers["Ehmi-Ap-JWS"].split(".")
    token = other.JWS()
    token.deserialize(
        f"{protected}.{base64.urlsafe_b64encode(content.encode()).decode().rstrip('=')}.{value}",
        jwk.JWK.from_pem(DELIVERY.pem),
    )
    assert token.payload.decode() == content


async def test_whoever_shows_no_certificate_is_not_heard(both: Both) -> None:
    with both.alpha.client(shown=False) as client, pytest.raises(TransportError):
        await asyncio.to_thread(client.submit_sbd, envelope())


# -- what does not


DOCUMENT = envelope()
ANOTHER = envelope()


def made(document: bytes = DOCUMENT, identity: pki.Identity = MSH) -> str:
    return jws.make(hashlib.sha256(document).digest(), key_pair(identity))


def headed(header: dict[str, Any], value: str) -> str:
    return f"{base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip('=')}..{value}"


def hs256() -> str:
    """A JWS that verifies by HMAC, whose secret is the signer's public certificate."""
    header = json.dumps({"alg": "HS256", "x5c": [base64.b64encode(MSH.der).decode()]})
    token = other.JWS(jws.content_digest(hashlib.sha256(DOCUMENT).digest()))
    key = jwk.JWK(kty="oct", k=base64.urlsafe_b64encode(MSH.pem).decode().rstrip("="))
    token.add_signature(key, alg="HS256", protected=header)
    protected, _, value = token.serialize(compact=True).split(".")
    return f"{protected}..{value}"


X5C = [base64.b64encode(MSH.der).decode()]
EXPIRED = system("MSH of alpha", key="a", not_before=NOW - timedelta(days=9), not_after=NOW - timedelta(days=1))
SOMEBODY = system("MSH of beta", key="b", **WINDOW)
LOWER = pki.make_leaf(SYSTEM_CA, "MSH of alpha", key="a", policies=["1.2.3.5"], **WINDOW)
STRANGER = pki.make_leaf(STRANGERS_CA, "MSH of alpha", key="a", policies=["1.2.3.4"], **WINDOW)
TAMPERED = DOCUMENT.replace(b"0088", b"0089", 1)

FORGED: dict[str, tuple[bytes, str | None, str]] = {
    "no signature": (DOCUMENT, None, "no JWS"),
    "a document changed by one byte": (TAMPERED, made(), "something else"),
    "the signature of another document": (ANOTHER, made(), "something else"),
    "a key below another CA of the same name": (DOCUMENT, made(identity=STRANGER), "no path"),
    "a certificate that has ended": (DOCUMENT, made(identity=EXPIRED), "expired"),
    "somebody else of the same CA": (DOCUMENT, made(identity=SOMEBODY), "subject"),
    "a lower level": (DOCUMENT, made(identity=LOWER), "policies"),
    "alg none without a value": (DOCUMENT, headed({"alg": "none", "x5c": X5C}, ""), "compact form"),
    "alg none": (DOCUMENT, headed({"alg": "none", "x5c": X5C}, made().split(".")[2]), "none is not allowed"),
    "HS256 by the public certificate": (DOCUMENT, hs256(), "HS256 is not allowed"),
    "x5c swapped": (
        DOCUMENT,
        headed({"alg": "PS256", "x5c": X5C}, made(identity=SOMEBODY).split(".")[2]),
        "something else",
    ),
    "two in one field": (DOCUMENT, f"{made()}, {made()}", "compact form"),
    "empty": (DOCUMENT, "", "compact form"),
    "longer than any": (DOCUMENT, made() + "A" * (jws.MAX_CHARACTERS - 1000), "characters of a JWS"),
}


@pytest.mark.parametrize("case", FORGED)
async def test_what_is_not_rightly_signed_is_403_and_leaves_nothing(both: Both, case: str) -> None:
    document, signature, words = FORGED[case]
    before = await both.alpha.kept()
    both.log.clear()

    fields = () if signature is None else ((jws.FIELD, signature),)
    status, problem = await asyncio.to_thread(both.alpha.post, document, *fields)

    assert (status, problem["code"], problem["fault"]) == (403, "submission.signature", "submitter")
    assert words in problem["detail"]
    assert problem["fix"]
    assert problem["resend"] is False
    assert await both.alpha.kept() == before
    shown = f"{problem} {[vars(record) for record in both.log]}"
    assert PATIENT_CPR.encode() in base64.b64decode(etree.fromstring(document)[1].text or "")  # the canary is in it
    assert PATIENT_CPR not in shown
    assert unwrap(DOCUMENT).header.instance_identifier not in shown


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (((jws.FIELD, made()), (jws.FIELD, made())), 400),
        (((jws.FIELD, made()), (jws.FIELD.upper(), "x")), 400),
        (((jws.FIELD, "A" * 20_000),), 431),
        (((jws.FIELD, made()), ("Content-Type", "multipart/form-data; boundary=b")), 400),
    ],
)
async def test_fields_that_are_not_read(both: Both, fields: tuple[tuple[str, str], ...], status: int) -> None:
    before = await both.alpha.kept()
    said, _ = await asyncio.to_thread(both.alpha.post, DOCUMENT, *fields)
    assert said == status
    assert await both.alpha.kept() == before


async def test_the_administrator_submits_in_somebody_s_name_and_signs_as_well(both: Both) -> None:
    for backend, signing, error in (
        ("msh", None, SignatureRefused),
        (None, None, SignatureRefused),
        ("nobody", None, NoSignersAgreed),
        ("nobody", MSH, NoSignersAgreed),
    ):
        with both.alpha.client(ADMIN, signing=signing) as client, pytest.raises(error) as caught:
            await asyncio.to_thread(partial(client.submit_sbd, DOCUMENT, backend=backend))
        assert caught.value.__cause__.status == 403  # type: ignore[union-attr]  # it is the client's own


async def test_trust_that_is_taken_away_over_rest_is_gone_at_once(both: Both) -> None:
    """And back again; no restart."""
    with both.alpha.client(ADMIN, signing=None) as admin, both.alpha.client() as client:
        await asyncio.to_thread(admin.put_certificate, "system-ca", STRANGERS_CA.pem)
        try:
            with pytest.raises(SignatureRefused, match="no path"):
                await asyncio.to_thread(client.submit_sbd, envelope())
        finally:
            await asyncio.to_thread(admin.put_certificate, "system-ca", SYSTEM_CA.pem)
        assert await asyncio.to_thread(client.submit_sbd, envelope())
