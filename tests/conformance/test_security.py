"""What S signs and encrypts, and what R refuses (CP_TA12, 13; G19-25, 33, 35)."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from lxml import etree

from ehmi_ap.body import MemoryBody
from ehmi_ap.lifecycle import State
from ehmi_ap.model import Direction, EventKind, MessageId, Submission, Wire
from tests import craft, pki
from tests.conformance import judge
from tests.conformance.catalogue import assertion
from tests.conformance.world import World, binary, message, xml
from tests.craft import Part
from tests.functional.sim import answer_with
from tests.independent import NS

pytestmark = pytest.mark.asyncio(loop_scope="session")

MGF1_SHA256 = f"{craft.XENC11}mgf1sha256"


def algorithms(root: Any, path: str) -> set[str | None]:
    return {found.get("Algorithm") for found in root.iterfind(f".//{path}", NS)}


@assertion("CP_TA12")
@assertion("G22")
async def test_the_signature_is_rsa_sha256_over_header_body_and_parts(world: World) -> None:
    facts = judge.sent(await world.exchange(message(xml(), binary())), world.c3)
    assert algorithms(facts.root, "ds:SignedInfo/ds:Reference/ds:DigestMethod") == {craft.SHA256}
    assert algorithms(facts.root, "ds:SignatureMethod") == {craft.RSA_SHA256}
    assert facts.signer == x509.load_pem_x509_certificate(world.c2.side.identity.pem)
    wsu_id = f"{{{NS['wsu']}}}Id"
    signed = [facts.root.find(path, NS).get(wsu_id) for path in ("s:Header/eb:Messaging", "s:Body")]  # type: ignore[union-attr]
    wanted = {f"#{found}" for found in signed} | {"cid:xmlpayload@minder", "cid:custompayload@minder"}
    assert {uri for uri, _ in facts.references} == wanted
    for reference in facts.root.iterfind(".//ds:SignedInfo/ds:Reference", NS):
        transforms = [found.get("Algorithm") for found in reference.iterfind("ds:Transforms/ds:Transform", NS)]
        to_part = reference.get("URI", "").startswith("cid:")
        assert transforms == [craft.CONTENT_SIGNATURE if to_part else craft.EXC]


@assertion("G26")
@assertion("G50")
@pytest.mark.parametrize("form", ["bst", "pkipath", "ski", "issuer-serial", "thumbprint", "x509-ski"])
async def test_every_token_form_is_selectable_and_taken(world: World, form: str) -> None:
    """For the signature and for the encryption, per partner; the checker finds the certificate by it."""
    table = {**world.pmode_of(world.c2), "security": {"sign_token": form, "encrypt_token": form}}
    await world.c2.ap.put_pmode("CHANGING", table)
    exchange = await world.exchange(message(pmode="CHANGING"))
    facts = judge.sent(exchange, world.c3, certificates=[world.c2.side.identity.pem])
    assert facts.signer == x509.load_pem_x509_certificate(world.c2.side.identity.pem)
    for path in ("ds:Signature", "xenc:EncryptedKey"):
        [token] = facts.root.findall(f".//{path}/ds:KeyInfo", NS)
        assert re.search(TOKENS[form], etree.tostring(token).decode())
    judge.nrr(exchange, world.c3)


TOKENS = {
    "bst": r"Reference [^>]*#X509v3",
    "pkipath": r"Reference [^>]*#X509PKIPathv1",
    "ski": r"KeyIdentifier [^>]*#X509SubjectKeyIdentifier",
    "issuer-serial": r"X509IssuerSerial",
    "thumbprint": r"KeyIdentifier [^>]*#ThumbprintSHA1",
    "x509-ski": r"X509SKI",
}


@assertion("CP_TA13")
@assertion("G23")
async def test_the_encryption_is_aes128_gcm_for_the_recipient(world: World) -> None:
    """The checker opened it with R's key; the wrapping is RSA-OAEP with SHA-256 and MGF1-SHA-256."""
    facts = judge.sent(await world.exchange(message(xml(), binary())), world.c3)
    assert facts.encrypted
    assert algorithms(facts.root, "xenc:EncryptedData/xenc:EncryptionMethod") == {craft.GCM}
    assert algorithms(facts.root, "xenc:EncryptedKey/xenc:EncryptionMethod") == {craft.OAEP}
    assert algorithms(facts.root, "xenc:EncryptedKey/xenc:EncryptionMethod/x11:MGF") == {MGF1_SHA256}
    assert algorithms(facts.root, "xenc:EncryptedKey/xenc:EncryptionMethod/ds:DigestMethod") == {craft.SHA256}


@assertion("G25")
@assertion("G35")
@assertion("G19")
async def test_parts_are_encrypted_and_nothing_else(world: World) -> None:
    """Every EncryptedData is of a part; no UsernameToken, no reliable messaging header."""
    root = judge.sent(await world.exchange(message(xml(), binary())), world.c3).root
    encrypted = [found.get("URI") for found in root.iterfind(".//xenc:CipherReference", NS)]
    assert encrypted == judge.hrefs(root) == ["cid:xmlpayload@minder", "cid:custompayload@minder"]
    assert len(root.findall(".//xenc:EncryptedData", NS)) == 2
    headers = [child.tag for child in root.find("s:Header", NS)]  # type: ignore[union-attr]
    assert headers == [f"{{{NS['wsse']}}}Security", f"{{{NS['eb']}}}Messaging"]
    assert root.findall(".//wsse:UsernameToken", NS) == []


def _username(security: str) -> str:
    token = "<wsse:UsernameToken><wsse:Username>u</wsse:Username></wsse:UsernameToken>"
    return security.replace("</wsse:Security>", f"{token}</wsse:Security>")


def _wrong_value(security: str) -> str:
    return re.sub(r"(<ds:SignatureValue>)(.)", lambda m: m[1] + ("A" if m[2] != "A" else "B"), security)


def _stranger() -> pki.Identity:
    window = {"not_before": datetime.now(UTC) - timedelta(days=1), "not_after": datetime.now(UTC) + timedelta(days=1)}
    return pki.make_leaf(pki.make_ca("Another CA", key="d", **window), "alpha", key="c", **window)


def _expired(world: World) -> pki.Identity:
    past = datetime.now(UTC) - timedelta(days=9)
    authority = world.c2.side.identity.issuer
    return pki.make_leaf(authority, "alpha", key="a", not_before=past, not_after=past + timedelta(days=1))


Changes = Callable[[World], dict[str, Any]]

REFUSED: dict[str, tuple[str, str, Changes]] = {
    "a UsernameToken": ("G19", "EBMS:0103", lambda _: {"security": _username}),
    "a broken signature value": ("G20", "EBMS:0101", lambda _: {"security": _wrong_value}),
    "a header changed after signing": (
        "G20",
        "EBMS:0101",
        lambda _: {"envelope": lambda text: text.replace(b"<eb:ConversationId>c1", b"<eb:ConversationId>c2")},
    ),
    "a payload changed after signing": (
        "G20",
        "EBMS:0101",
        lambda _: {"parts": [Part(after_sign=lambda data: data[:-1] + b"\1")]},
    ),
    "no signature": ("G20", "EBMS:0103", lambda _: {"sign": False}),
    "a header that is not signed": ("G20", "EBMS:0103", lambda _: {"sign_messaging": False}),
    "a Body that is not signed": ("G20", "EBMS:0103", lambda _: {"sign_body": False}),
    "a part that is not signed": ("G20", "EBMS:0103", lambda _: {"parts": [Part(signed=False)]}),
    "a stranger's certificate": ("G20", "EBMS:0101", lambda _: {"sender": _stranger()}),
    "an expired certificate": ("G20", "EBMS:0101", lambda world: {"sender": _expired(world)}),
    "no encryption": ("G21", "EBMS:0103", lambda _: {"encrypt": False}),
    "one part that is not encrypted": (
        "G21",
        "EBMS:0103",
        lambda _: {"parts": [Part(), Part(content_id="p2@craft.example", encrypted=False)]},
    ),
    "encryption for somebody else": ("G21", "EBMS:0102", lambda world: {"recipient": world.c2.side.identity}),
    "a wrong content key": ("G21", "EBMS:0102", lambda _: {"wrong_key": True}),
    "a broken ciphertext": (
        "G21",
        "EBMS:0102",
        lambda _: {"parts": [Part(after_encrypt=lambda data: data[:20] + bytes([data[20] ^ 1]) + data[21:])]},
    ),
}


@pytest.mark.parametrize("fault", [pytest.param(name, marks=assertion(row)) for name, (row, _, _) in REFUSED.items()])
async def test_r_refuses(world: World, fault: str) -> None:
    _, code, changes = REFUSED[fault]
    exchange = await world.post(world.crafted(**changes(world)))
    judge.err(exchange, code)
    assert await world.not_kept(exchange.message_id)


@assertion("G33")
async def test_a_receipt_for_another_message_settles_nothing(world: World) -> None:
    """It is right and R's own, and neither of its digests is ours to have signed."""
    other = (await world.exchange(message())).answered
    world.c2.link.forecast(answer_with(Wire(content_type=other.content_type, body=MemoryBody(other.body))))
    submission = message()
    await world.exchange(submission)
    await _failed(world, submission, "EBMS:0301")


@assertion("G33")
async def test_a_receipt_for_other_digests_settles_nothing(world: World) -> None:
    """R has another message under this MessageId already, and answers with the receipt for that one: 0302 for P."""
    submission = message()
    first = await world.post(world.crafted(message_id=submission.message_id))
    exchange = await world.exchange(submission)
    assert exchange.answered.body == first.answered.body
    await _failed(world, submission, "EBMS:0302")


async def _failed(world: World, submission: Submission, code: str) -> None:
    """P hears that the message was given up, and why."""
    message_id = MessageId(submission.message_id or "")
    told = await world.c2.corner.told(message_id, EventKind.SENT)
    assert (told.failed, told.code) == (True, code)
    kept = await world.c2.stored(message_id, Direction.OUTBOUND)
    assert kept is not None
    assert kept.state is State.FAILED
