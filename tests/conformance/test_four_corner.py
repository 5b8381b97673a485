"""Four corners and the standalone SBDH (4CT_TA01-03, SBDH_TA01-02, G45)."""

import pytest
from lxml import etree

from ehmi_ap.model import MessageId, Participant
from tests.conformance import judge
from tests.conformance.catalogue import assertion
from tests.conformance.world import CORNERS, RECEIVER, SENDER, World, binary, message, names, xml

pytestmark = pytest.mark.asyncio(loop_scope="session")

SH = "http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader"


@assertion("4CT_TA01")
async def test_c1_and_c4_are_named_as_p_gave_them(world: World) -> None:
    for sender, receiver in ((SENDER, RECEIVER), (Participant("urn:c1"), Participant("0088:5790000120048", "iso6523"))):
        root = judge.sent(await world.exchange(message(sender=sender, receiver=receiver)), world.c3).root
        found = {item.get("name"): (item.text, item.get("type")) for item in root.iterfind(".//{*}Property")}
        assert found["originalSender"] == (sender.value, sender.scheme)
        assert found["finalRecipient"] == (receiver.value, receiver.scheme)


@assertion("4CT_TA02")
async def test_the_tracking_identifier_arrives(world: World) -> None:
    submission = message(tracking_id="C1C2Identifier")
    exchange = await world.exchange(submission)
    judge.nrr(exchange, world.c3)
    assert judge.properties(judge.sent(exchange, world.c3).root)["trackingIdentifier"] == "C1C2Identifier"
    received = await world.delivered(MessageId(submission.message_id or ""))
    assert received.participant("trackingIdentifier") == Participant("C1C2Identifier")


@assertion("4CT_TA03")
async def test_from_and_to_are_the_access_points(world: World) -> None:
    root = judge.sent(await world.exchange(message()), world.c3).root
    parties = [judge.text(root, f"eb:UserMessage/eb:PartyInfo/eb:{end}/eb:PartyId") for end in ("From", "To")]
    assert parties == [world.c2.side.name, world.c3.side.name]


@assertion("G45")
@pytest.mark.parametrize("missing", ["originalSender", "finalRecipient"])
async def test_r_refuses_a_message_without_a_corner(world: World, missing: str) -> None:
    properties = "".join(item for item in CORNERS.replace("><", ">\0<").split("\0") if missing not in item)
    exchange = await world.post(world.crafted(properties=properties))
    judge.err(exchange, "EBMS:0010")
    assert await world.not_kept(exchange.message_id)


def _sbdh(*content_ids: str) -> bytes:
    items = "".join(
        "<sh:ManifestItem><sh:MimeTypeQualifierCode>application/octet-stream</sh:MimeTypeQualifierCode>"
        f"<sh:UniformResourceIdentifier>{cid}</sh:UniformResourceIdentifier></sh:ManifestItem>"
        for cid in content_ids
    )
    return (
        f'<sh:StandardBusinessDocumentHeader xmlns:sh="{SH}"><sh:HeaderVersion>1.0</sh:HeaderVersion><sh:Manifest>'
        f"<sh:NumberOfItems>{len(content_ids)}</sh:NumberOfItems>{items}</sh:Manifest></sh:StandardBusinessDocumentHeader>"
    ).encode()


@assertion("SBDH_TA01")
@assertion("SBDH_TA02")
async def test_a_standalone_sbdh_comes_first_and_its_manifest_still_fits(world: World) -> None:
    """Content-IDs are P's, so that ManifestItem n is PartInfo n + 1."""
    others = (binary("a@minder", b"\x01"), binary("b@minder", b"\x02"))
    submission = message(xml("sbdh@minder", _sbdh("a@minder", "b@minder")), *others)
    exchange = await world.exchange(submission)
    facts = judge.sent(exchange, world.c3)
    assert judge.hrefs(facts.root)[0] == "cid:sbdh@minder"
    judge.nrr(exchange, world.c3)
    message_id = MessageId(submission.message_id or "")
    received = await world.delivered(message_id)
    header = etree.fromstring(world.c3.corner.payloads[message_id][0])
    listed = [item.text for item in header.iterfind(f".//{{{SH}}}UniformResourceIdentifier")]
    assert names(received.payloads) == ["sbdh@minder", *listed]
