"""Payloads: their place, order, compression and properties (CP_TA04-08, 23-38, 44, 45)."""

import asyncio
import gzip
from collections.abc import Callable

import pytest

from ehmi_ap.model import EventKind, MessageId
from tests.conformance import judge
from tests.conformance.catalogue import assertion
from tests.conformance.world import BINARY, XML, World, binary, message, names, xml
from tests.craft import Part
from tests.independent import NS

pytestmark = pytest.mark.asyncio(loop_scope="session")

MIME_TYPE = '<eb:Property name="MimeType">application/xml</eb:Property>'
GZIP = '<eb:Property name="CompressionType">application/gzip</eb:Property>'

SPOILT = bytes.fromhex("1FFC0800004E00160000B3C9CDCCB3B349497BB22B4ECC2D6949B5D107B16DF441C2957E6CD3781C0FF800")
"""What the Commission sends as gzip."""


@assertion("CP_TA04")
async def test_plain_payloads_are_taken_under_a_compressing_p_mode(world: World) -> None:
    exchange = await world.post(world.crafted(parts=[Part(compress=False)]))
    judge.nrr(exchange, world.c3)
    await world.delivered(exchange.message_id)
    assert world.c3.corner.payloads[exchange.message_id] == [XML]


@assertion("CP_TA05")
async def test_a_payload_is_a_part_of_its_own_and_the_body_is_empty(world: World) -> None:
    facts = judge.sent(await world.exchange(message(xml())), world.c3)
    [body] = facts.root.findall("s:Body", NS)
    assert len(body) == 0
    assert not (body.text or "").strip()
    assert judge.hrefs(facts.root) == ["cid:xmlpayload@minder"]
    assert facts.payloads == [("xmlpayload@minder", "application/xml", XML)]
    assert [item["CompressionType"] for item in judge.part_properties(facts.root)] == ["application/gzip"]


@assertion("CP_TA06")
@assertion("CP_TA07")
async def test_the_leading_document_comes_first_and_all_travel_together(world: World) -> None:
    submission = message(xml(), xml("xmlpayload2@minder", b"<second/>"), binary())
    exchange = await world.exchange(submission)
    facts = judge.sent(exchange, world.c3)
    cids = ["xmlpayload@minder", "xmlpayload2@minder", "custompayload@minder"]
    assert judge.hrefs(facts.root) == [f"cid:{cid}" for cid in cids]
    assert [item["CompressionType"] for item in judge.part_properties(facts.root)] == ["application/gzip"] * 3
    assert len(facts.root.find("s:Body", NS)) == 0
    judge.nrr(exchange, world.c3)
    message_id = MessageId(submission.message_id or "")
    assert names((await world.delivered(message_id)).payloads) == cids
    assert world.c3.corner.payloads[message_id] == [XML, b"<second/>", BINARY]


@assertion("CP_TA08")
async def test_a_payload_elsewhere_is_refused_and_not_fetched(world: World) -> None:
    """Nobody calls the address, though somebody listens there."""
    calls: list[object] = []
    async with await asyncio.start_server(lambda *streams: calls.append(streams), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        part = Part(href=f"http://127.0.0.1:{port}/payload.xml", properties="", attached=False)
        exchange = await world.post(world.crafted(parts=[part]))
    error = judge.err(exchange, "EBMS:0011")
    assert error.get("category") == "Content"
    assert await world.not_kept(exchange.message_id)
    assert calls == []


@assertion("CP_TA23")
@assertion("CP_TA24")
@assertion("CP_TA25")
async def test_what_p_submits_is_sent_as_gzip_and_says_so(world: World) -> None:
    """The type of the compressed part stands in EncryptedData; the part itself is application/octet-stream."""
    exchange = await world.exchange(message(xml()))
    facts = judge.sent(exchange, world.c3)
    [data] = facts.root.findall(".//xenc:EncryptedData", NS)
    assert data.get("MimeType") == "application/gzip"
    assert b"Content-Type: application/octet-stream" in exchange.request.body
    assert judge.part_properties(facts.root) == [{"MimeType": "application/xml", "CompressionType": "application/gzip"}]
    assert facts.payloads[0][2] == XML, "the checker inflated the part"


@assertion("CP_TA23")
async def test_the_bytes_of_a_sign_only_message_are_gzip(world: World) -> None:
    """Where nothing is encrypted, the gzip stream itself stands in the capture."""
    exchange = await world.exchange(message(xml(), pmode="ONEWAY_ONLY_SIGN"))
    part = exchange.request.body.split(b"Content-Type: application/gzip")[1].partition(b"\r\n\r\n")[2]
    assert gzip.decompress(part[: part.rindex(b"\r\n--", 0, part.rindex(b"--"))].rstrip(b"\r\n")) == XML


@assertion("CP_TA26")
async def test_a_compressed_part_without_mime_type_is_refused(world: World) -> None:
    exchange = await world.post(world.crafted(parts=[Part(properties=GZIP)]))
    judge.err(exchange, "EBMS:0003")
    assert await world.not_kept(exchange.message_id)


@assertion("CP_TA27")
async def test_utf_16_is_passed_on(world: World) -> None:
    data = '<?xml version="1.0" encoding="UTF-16"?><min>ø</min>'.encode("utf-16")
    facts = judge.sent(await world.exchange(message(xml(data=data, character_set="UTF-16"))), world.c3)
    assert judge.part_properties(facts.root)[0]["CharacterSet"] == "UTF-16"
    assert facts.payloads[0][2] == data


@assertion("CP_TA28")
@pytest.mark.parametrize("spelling", ["UTF-8", "utf-8"])
async def test_utf_8_is_passed_on_as_p_spells_it(world: World, spelling: str) -> None:
    facts = judge.sent(await world.exchange(message(xml(character_set=spelling))), world.c3)
    assert judge.part_properties(facts.root)[0]["CharacterSet"] == spelling


@assertion("CP_TA29")
async def test_a_character_set_that_is_none_is_refused(world: World) -> None:
    properties = f'{MIME_TYPE}{GZIP}<eb:Property name="CharacterSet">!utf*</eb:Property>'
    exchange = await world.post(world.crafted(parts=[Part(properties=properties)]))
    judge.err(exchange, "EBMS:0003")
    assert await world.not_kept(exchange.message_id)


def _flip(position: int) -> Callable[[bytes], bytes]:
    def flipped(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[position] ^= 0xFF
        return bytes(changed)

    return flipped


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "the Commission's": lambda _: SPOILT,
    "magic": _flip(0),
    "flags": _flip(3),
    "deflate": _flip(12),
    "crc": _flip(-8),
    "isize": _flip(-1),
    "cut": lambda data: data[:-3],
    "empty": lambda _: b"",
    "more behind it": lambda data: data + b"\0more",
    "not gzip at all": lambda _: XML,
}


@assertion("CP_TA30")
@assertion("CP_TA31")
@assertion("G13")
@pytest.mark.parametrize("damage", DAMAGE)
async def test_damaged_gzip_is_refused_and_the_consumer_told(world: World, damage: str) -> None:
    """Signed and encrypted well over the damage. CompressionType decides that it is gzip, not its first bytes."""
    exchange = await world.post(world.crafted(parts=[Part(before_digest=DAMAGE[damage])]))
    error = judge.err(exchange)
    found = [error.get(name) for name in ("errorCode", "shortDescription", "severity", "category")]
    assert found == ["EBMS:0303", "DecompressionFailure", "failure", "Communication"]
    assert await world.not_kept(exchange.message_id)
    assert world.c3.link.exchanges == [], "an error goes by the back-channel only"
    told = await world.c3.corner.told(exchange.message_id, EventKind.REFUSED)
    assert (told.code, told.failed) == ("EBMS:0303", True)


@assertion("CP_TA32")
@assertion("CP_TA33")
@pytest.mark.parametrize("count", [1, 3])
async def test_the_consumer_gets_what_was_compressed(world: World, count: int) -> None:
    data = [XML, BINARY, b"<third/>" * 5000][:count]
    parts = [
        Part(content_id=f"p{number}@craft.example", data=item, mime_type=kind)
        for number, (item, kind) in enumerate(zip(data, ("application/xml", "text/plain", "text/xml"), strict=False))
    ]
    exchange = await world.post(world.crafted(parts=parts))
    judge.nrr(exchange, world.c3)
    received = await world.delivered(exchange.message_id)
    assert world.c3.corner.payloads[exchange.message_id] == data
    assert [part.mime_type for part in received.payloads] == [part.mime_type for part in parts]


@assertion("CP_TA34")
async def test_compressed_then_signed_is_right(world: World) -> None:
    judge.nrr(await world.post(world.crafted("ONEWAY_ONLY_SIGN")), world.c3)


@assertion("CP_TA35")
async def test_signed_then_compressed_is_refused(world: World) -> None:
    """The digest is that of the plain bytes, and the part is compressed afterwards."""
    part = Part(before_digest=gzip.decompress, after_sign=gzip.compress)
    exchange = await world.post(world.crafted("ONEWAY_ONLY_SIGN", parts=[part]))
    judge.err(exchange, "EBMS:0101")
    assert await world.not_kept(exchange.message_id)


@assertion("CP_TA36")
@assertion("CP_TA38")
async def test_compressed_signed_and_encrypted_in_that_order_is_right(world: World) -> None:
    judge.nrr(await world.post(world.crafted()), world.c3)


@assertion("CP_TA37")
async def test_encrypted_then_compressed_is_refused(world: World) -> None:
    exchange = await world.post(world.crafted(parts=[Part(after_encrypt=gzip.compress)]))
    judge.err(exchange, "EBMS:0102")
    assert await world.not_kept(exchange.message_id)


@assertion("CP_TA44")
async def test_part_properties_have_a_type_or_none(world: World) -> None:
    more = '<eb:Property name="typed" type="urn:t">1</eb:Property><eb:Property name="plain">2</eb:Property>'
    exchange = await world.post(world.crafted(parts=[Part(properties=MIME_TYPE + GZIP + more)]))
    judge.nrr(exchange, world.c3)
    [payload] = (await world.delivered(exchange.message_id)).payloads
    assert [(item.name, item.value, item.type) for item in payload.properties] == [
        ("typed", "1", "urn:t"),
        ("plain", "2", None),
    ]


@assertion("CP_TA45")
@assertion("G12")
async def test_payloads_keep_the_order_of_the_submission(world: World) -> None:
    payloads = (xml(), binary("custompayloadP1@minder", b"\x01"), binary("custompayloadP2@minder", b"\x02"))
    facts = judge.sent(await world.exchange(message(*payloads)), world.c3)
    assert judge.hrefs(facts.root) == [f"cid:{cid}" for cid in names(payloads)]
