"""Rules of eDelivery AS4 1.15 that no assertion of the Commission covers (G01-14, 28, 37, 47).

Every way to be refused is in tests/functional/bad_input; here stands what shows a row, over both transports.
"""

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ehmi_ap.body import MemoryBody
from ehmi_ap.errors import SubmissionError
from ehmi_ap.model import AgreementRef, Direction, EventKind, MessageId, Payload, Property
from tests import independent
from tests.conformance import judge
from tests.conformance.catalogue import assertion
from tests.conformance.world import XML, World, binary, message, names, xml
from tests.craft import Part
from tests.independent import NS

pytestmark = pytest.mark.asyncio(loop_scope="session")

TWO_PARTS = (Part(), Part(content_id="p2@craft.example", data=b"<second/>"))


@assertion("G01")
async def test_one_user_message_in_a_soap_1_2_envelope_in_utf_8(world: World) -> None:
    exchange = await world.exchange(message(tracking_id="søg"))
    facts = judge.sent(exchange, world.c3)
    assert facts.root.tag == f"{{{NS['s']}}}Envelope"
    assert len(facts.root.findall("s:Header/eb:Messaging/*", NS)) == 1
    assert "søg".encode() in exchange.request.body
    kind = independent.split(exchange.request.body, exchange.request.content_type)[0][0]
    assert kind.lower().replace(" ", "").replace('"', "") == "application/soap+xml;charset=utf-8"


@assertion("G01")
async def test_a_byte_order_mark_is_taken(world: World) -> None:
    exchange = await world.post(world.crafted(envelope=lambda text: b"\xef\xbb\xbf" + text))
    judge.nrr(exchange, world.c3)


@assertion("G02")
@assertion("G03")
@assertion("G08")
@assertion("G10")
async def test_what_p_sets_c_sees(world: World) -> None:
    """Ids, the conversation, properties of message and part with their types, and Content-IDs."""
    item = Property("name", "value", "urn:type")
    part = Payload(body=MemoryBody(XML), mime_type="text/xml", content_id="own@minder", properties=(item,))
    submission = message(part, conversation_id="c", ref_to=MessageId("r@minder"), properties=(item,))
    message_id = MessageId(submission.message_id or "")
    root = judge.sent(await world.exchange(submission), world.c3).root
    assert judge.text(root, "eb:UserMessage/eb:MessageInfo/eb:MessageId") == message_id
    received = await world.delivered(message_id)
    assert (received.conversation_id, received.ref_to) == ("c", "r@minder")
    assert item in received.properties
    assert [(each.content_id, each.mime_type, each.properties) for each in received.payloads] == [
        ("own@minder", "text/xml", (item,))
    ]


def _replaced(old: str, new: str) -> Callable[[str], str]:
    def replaced(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return replaced


def _body(text: str) -> str:
    return text.replace("></env:Body>", '><x xmlns="urn:x"/></env:Body>')


def _twice(text: str) -> str:
    """Two PartyIds in From."""
    party = text[text.index("<eb:PartyId") : text.index("</eb:PartyId>") + len("</eb:PartyId>")]
    return text.replace(party, party * 2, 1)


INITIATOR_ROLE, RESPONDER_ROLE = "200704/initiator</eb:Role>", "200704/responder</eb:Role>"
ZIP = '<eb:Property name="MimeType">application/xml</eb:Property><eb:Property name="CompressionType">application/zip</eb:Property>'

REFUSED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "another From party": ("G06", "EBMS:0010", {"from_id": "nobody"}),
    "another To party": ("G06", "EBMS:0010", {"to_id": "nobody"}),
    "another From role": ("G06", "EBMS:0010", {"user_message": _replaced(INITIATOR_ROLE, "200704/other</eb:Role>")}),
    "another To role": ("G06", "EBMS:0010", {"user_message": _replaced(RESPONDER_ROLE, "200704/other</eb:Role>")}),
    "another service": ("G06", "EBMS:0010", {"service": "urn:other"}),
    "another action": ("G06", "EBMS:0010", {"action": "urn:other"}),
    "an agreement": ("G06", "EBMS:0010", {"agreement": "<eb:AgreementRef>urn:other</eb:AgreementRef>"}),
    "a payload in the Body": ("G09", "EBMS:0008", {"body": _body}),
    "another CompressionType": ("G28", "EBMS:0003", {"parts": [Part(properties=ZIP)]}),
    "two PartyIds": ("G37", "EBMS:0003", {"user_message": _twice}),
}


@pytest.mark.parametrize("fault", [pytest.param(name, marks=assertion(row)) for name, (row, _, _) in REFUSED.items()])
async def test_r_refuses(world: World, fault: str) -> None:
    _, code, changes = REFUSED[fault]
    exchange = await world.post(world.crafted(**changes))
    judge.err(exchange, code)
    assert await world.not_kept(exchange.message_id)


@assertion("G04")
async def test_message_ids_that_p_does_not_give_are_made(world: World) -> None:
    """RFC 2822 msg-ids without angle brackets, unique, with a UUID on the left and our domain on the right."""
    found = set()
    for _ in range(2):
        message_id = await world.c2.ap.submit(replace(message(), message_id=None))
        await world.c2.outcome(message_id)
        [exchange] = world.c2.link.of(message_id)
        root = judge.sent(exchange, world.c3).root
        found.add(judge.text(root, "eb:UserMessage/eb:MessageInfo/eb:MessageId"))
    assert len(found) == 2
    for left, _, right in (message_id.partition("@") for message_id in found):
        assert str(uuid.UUID(left)) == left
        assert right == "alpha.example"


@assertion("G05")
@assertion("G07")
async def test_an_agreement_is_sent_and_taken_as_agreed(world: World) -> None:
    """With its type and without @pmode; a peer may name its P-Mode all the same (the Commission's messages do)."""
    submission = message(pmode=None, agreement=AgreementRef("urn:agreed", "urn:type"))
    root = judge.sent(await world.exchange(submission), world.c3).root
    [agreement] = root.findall(".//eb:AgreementRef", NS)
    assert (agreement.text, dict(agreement.attrib)) == ("urn:agreed", {"type": "urn:type"})
    for pmode in ("", 'pmode="any" '):
        element = f'<eb:AgreementRef {pmode}type="urn:type">urn:agreed</eb:AgreementRef>'
        judge.nrr(await world.post(world.crafted("AGREED", agreement=element)), world.c3)
    judge.err(await world.post(world.crafted("AGREED")), "EBMS:0010")


@assertion("G11")
async def test_parts_in_another_order_are_given_in_that_of_part_info(world: World) -> None:
    def turned(mime: bytes) -> bytes:
        delimiter, root, one, two, end = (b"--craft-7d3f0c", *mime.split(b"--craft-7d3f0c")[1:])
        return delimiter.join((b"", two, root, one, end))

    exchange = await world.post(world.crafted(parts=TWO_PARTS, mime=turned))
    judge.nrr(exchange, world.c3)
    received = await world.delivered(exchange.message_id)
    assert names(received.payloads) == [part.content_id for part in TWO_PARTS]
    assert world.c3.corner.payloads[exchange.message_id] == [part.data for part in TWO_PARTS]


@assertion("G14")
async def test_p_is_told_of_the_error_that_r_returned(world: World) -> None:
    submission = message(pmode="UNKNOWN_THERE")
    exchange = await world.exchange(submission)
    judge.err(exchange, "EBMS:0010")
    told = await world.c2.corner.told(MessageId(submission.message_id or ""), EventKind.ERROR)
    assert told.code == "EBMS:0010"


@assertion("G28")
async def test_p_cannot_set_compression_type_and_c_does_not_see_it(world: World) -> None:
    submission = message(xml(properties=(Property("CompressionType", "application/gzip"),)))
    with pytest.raises(SubmissionError, match="CompressionType"):
        await world.c2.ap.submit(submission)
    message_id = MessageId(submission.message_id or "")
    assert await world.c2.stored(message_id, Direction.OUTBOUND) is None
    right = message()
    await world.exchange(right)
    [payload] = (await world.delivered(MessageId(right.message_id or ""))).payloads
    assert payload.properties == ()


@assertion("G47")
async def test_the_root_is_named_by_start_and_every_part_has_a_content_id(world: World) -> None:
    request = (await world.exchange(message(xml(), binary()))).request
    parts = independent.split(request.body, request.content_type)
    assert f'start="<{parts[0][2]}>"' in request.content_type
    assert len({cid for _, _, cid in parts} - {""}) == 3
