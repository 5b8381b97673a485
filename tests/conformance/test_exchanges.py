"""One-way and two-way exchanges, parties, conversations, the test service (CP_TA01-03, 14, 16-22, 46)."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.body import MemoryBody
from ehmi_ap.config import Config
from ehmi_ap.lifecycle import State
from ehmi_ap.model import Direction, EventKind, MessageId, PartyId, Service, Wire
from ehmi_ap.server import listening
from tests.conformance import judge
from tests.conformance.catalogue import assertion
from tests.conformance.world import (
    BINARY,
    CORNERS,
    INITIATOR,
    RECEIVER,
    RESPONDER,
    SENDER,
    Corner,
    World,
    binary,
    happened,
    message,
    xml,
)
from tests.craft import EB, Part
from tests.functional.sim import Forward
from tests.independent import NS
from tests.pair import PARTY_TYPE, write_pair

pytestmark = pytest.mark.asyncio(loop_scope="session")

PING = {"service": Service(f"{EB}service"), "action": f"{EB}test"}


@assertion("CP_TA01")
@assertion("G29")
async def test_a_push_is_answered_with_a_receipt(world: World) -> None:
    """On the back-channel, and by no connection of R's own."""
    judge.nrr(await world.exchange(message()), world.c3)
    assert world.c3.link.exchanges == []


@assertion("CP_TA01")
async def test_a_message_like_the_commission_s_of_2019_is_answered(world: World) -> None:
    """PartyIds without type that are no URIs, AgreementRef/@pmode, a time without zone, CharacterSet on a binary part."""
    properties = (
        '<eb:Property name="MimeType">application/octet-stream</eb:Property>'
        '<eb:Property name="CompressionType">application/gzip</eb:Property>'
        '<eb:Property name="CharacterSet">ISO-8859-1</eb:Property>'
    )
    crafted = world.crafted(
        "UNTYPED",
        user_message=lambda text: text.replace(f' type="{PARTY_TYPE}"', "", 2),
        agreement='<eb:AgreementRef pmode="UNTYPED">agreed</eb:AgreementRef>',
        timestamp="2019-07-01T12:00:00",
        parts=[Part(data=BINARY, mime_type="application/octet-stream", properties=properties)],
    )
    exchange = await world.post(crafted)
    assert [dict(party.attrib) for party in judge.envelope(exchange.request).iterfind(".//eb:PartyId", NS)] == [{}, {}]
    judge.nrr(exchange, world.c3)
    received = await world.delivered(exchange.message_id)
    assert received.from_.id == PartyId(world.c2.side.name)
    root = judge.sent(await world.exchange(message(pmode="UNTYPED")), world.c3).root
    assert [dict(party.attrib) for party in root.iterfind(".//eb:PartyId", NS)] == [{}, {}]


@assertion("CP_TA02")
@assertion("CP_TA19")
async def test_a_reply_is_an_exchange_of_its_own_in_the_same_conversation(world: World) -> None:
    """Its own MessageId and receipt; parties, roles and corners change places; RefToMessageId and ConversationId."""
    first = message(pmode="SIMPLE_TWOWAY", conversation_id="P's conversation")
    assert first.message_id is not None
    one = await world.exchange(first)
    await world.delivered(first.message_id)
    reply = message(pmode="SIMPLE_TWOWAY", ref_to=first.message_id, sender=RECEIVER, receiver=SENDER)
    two = await world.exchange(reply, at=world.c3)
    judge.nrr(one, world.c3)
    judge.nrr(two, world.c2)
    m1, m2 = judge.sent(one, world.c3).root, judge.sent(two, world.c2).root
    assert judge.text(m2, "eb:UserMessage/eb:MessageInfo/eb:RefToMessageId") == first.message_id
    assert judge.text(m2, "eb:UserMessage/eb:MessageInfo/eb:MessageId") == reply.message_id != first.message_id
    for root in (m1, m2):
        path = "eb:UserMessage/eb:CollaborationInfo/eb:ConversationId"
        assert judge.text(root, path) == "P's conversation"
    for end, other in (("From", "To"), ("To", "From")):
        for what in ("PartyId", "Role"):
            path = f"eb:UserMessage/eb:PartyInfo/eb:{{}}/eb:{what}"
            assert judge.text(m1, path.format(end)) == judge.text(m2, path.format(other))
    assert judge.text(m1, "eb:UserMessage/eb:PartyInfo/eb:From/eb:Role") == INITIATOR
    assert judge.text(m2, "eb:UserMessage/eb:PartyInfo/eb:From/eb:Role") == RESPONDER
    corners = ("originalSender", "finalRecipient")
    assert [judge.properties(m1)[name] for name in corners] == [judge.properties(m2)[name] for name in corners[::-1]]
    assert (await world.delivered(MessageId(reply.message_id or ""), at=world.c2)).ref_to == first.message_id


@assertion("CP_TA14")
async def test_a_two_way_message_gets_its_receipt_at_once_and_alone(world: World) -> None:
    exchange = await world.exchange(message(pmode="SIMPLE_TWOWAY"))
    signal = judge.nrr(exchange, world.c3)
    assert signal.getparent().findall("eb:UserMessage", NS) == []
    assert world.c3.link.exchanges == []


@assertion("CP_TA03")
async def test_messages_name_one_party_each_way(world: World) -> None:
    for pmode in ("SIMPLE_ONEWAY", "SIMPLE_TWOWAY", "ONEWAY_ONLY_SIGN"):
        root = judge.sent(await world.exchange(message(pmode=pmode)), world.c3).root
        [info] = root.findall(".//eb:PartyInfo", NS)
        for end in ("From", "To"):
            assert len(info.findall(f"eb:{end}", NS)) == len(info.findall(f"eb:{end}/eb:PartyId", NS)) == 1


@assertion("CP_TA16")
@assertion("CP_TA17")
async def test_a_ping_is_answered_and_not_delivered(world: World) -> None:
    ping = message(pmode=None, to=PartyId(world.c3.side.name, PARTY_TYPE), **PING)
    assert ping.message_id is not None
    exchange = await world.exchange(ping)
    root = judge.sent(exchange, world.c3).root
    assert judge.text(root, "eb:UserMessage/eb:CollaborationInfo/eb:Service") == f"{EB}service"
    assert judge.text(root, "eb:UserMessage/eb:CollaborationInfo/eb:Action") == f"{EB}test"
    judge.nrr(exchange, world.c3)
    kept = await world.c3.stored(ping.message_id, Direction.INBOUND)
    assert kept is not None
    assert kept.state is State.ANSWERED, "no deliverer takes it up from this state"
    assert ping.message_id not in world.c3.corner.messages


@assertion("CP_TA17")
async def test_a_foreign_ping_is_answered_and_not_delivered(world: World) -> None:
    """Whatever its action (ebMS3 core 5.2.2.8)."""
    for action in (f"{EB}test", "urn:any"):
        exchange = await world.post(world.crafted(service=f"{EB}service", action=action))
        judge.nrr(exchange, world.c3)
        kept = await world.c3.stored(exchange.message_id, Direction.INBOUND)
        assert kept is not None
        assert kept.state is State.ANSWERED


@assertion("G38")
@pytest.mark.parametrize(
    ("pmode", "ref_to"), [("SIMPLE_ONEWAY", None), ("SIMPLE_TWOWAY", MessageId("request@minder")), ("AGREED", None)]
)
async def test_every_p_mode_has_its_test_service(world: World, pmode: str, ref_to: MessageId | None) -> None:
    """With its parties in their roles, its agreement and its security; these are what tells P-Modes apart here."""
    exchange = await world.exchange(message(pmode=pmode, ref_to=ref_to, **PING))
    facts = judge.sent(exchange, world.c3)
    assert facts.encrypted
    role = judge.text(facts.root, "eb:UserMessage/eb:PartyInfo/eb:From/eb:Role")
    assert role == (RESPONDER if ref_to else INITIATOR)
    assert len(facts.root.findall(".//eb:AgreementRef", NS)) == (pmode == "AGREED")
    judge.nrr(exchange, world.c3)


@assertion("CP_TA18")
async def test_a_conversation_id_is_made_where_p_gives_none(world: World) -> None:
    found = set()
    for _ in range(2):
        root = judge.sent(await world.exchange(message(conversation_id=None)), world.c3).root
        found.add(judge.text(root, "eb:UserMessage/eb:CollaborationInfo/eb:ConversationId"))
    assert len(found) == 2
    assert "" not in found


@assertion("CP_TA20")
async def test_message_properties_have_a_type_or_none(world: World) -> None:
    more = '<eb:Property name="typed" type="urn:t">1</eb:Property><eb:Property name="plain">2</eb:Property>'
    exchange = await world.post(world.crafted(properties=CORNERS + more))
    judge.nrr(exchange, world.c3)
    received = await world.delivered(exchange.message_id)
    assert [(item.name, item.value, item.type) for item in received.properties[2:]] == [
        ("typed", "1", "urn:t"),
        ("plain", "2", None),
    ]


@assertion("CP_TA21")
async def test_a_message_with_payload_is_multipart(world: World) -> None:
    exchange = await world.exchange(message(xml(), binary()))
    assert exchange.request.content_type.startswith("multipart/related;")
    judge.nrr(exchange, world.c3)


@assertion("CP_TA22")
@pytest.mark.parametrize("form", ["simple", "multipart"])
async def test_a_receipt_without_attachments_closes_the_message(world: World, form: str) -> None:
    """As bare SOAP, and (ours) as the only part of a multipart: no retry, and P hears of it."""

    async def wrapped(wire: Wire, forward: Forward) -> Wire:
        answer = await forward(wire)
        part = b"--b\r\nContent-Type: application/soap+xml\r\n\r\n" + b"".join(answer.body.chunks()) + b"\r\n--b--\r\n"
        return replace(
            answer,
            content_type='multipart/related; boundary="b"; type="application/soap+xml"',
            body=MemoryBody(part),
        )

    if form == "multipart":
        world.c2.link.forecast(wrapped)
    submission = message(pmode="ONEWAY_RETRY")
    assert submission.message_id is not None
    exchange = await world.exchange(submission)
    if form == "simple":
        judge.nrr(exchange, world.c3)
    assert exchange.answered.content_type.startswith(f"{'application/soap+xml' if form == 'simple' else 'multipart'}")
    told = await world.c2.corner.told(submission.message_id, EventKind.SENT)
    assert not told.failed
    kept = await world.c2.stored(submission.message_id, Direction.OUTBOUND)
    assert kept is not None
    assert (kept.state, kept.attempts, kept.due) == (State.ACKNOWLEDGED, 1, None)
    assert len(world.c2.link.of(submission.message_id)) == 1


@assertion("CP_TA46", over="http")
async def test_ipv4_and_ipv6_in_both_roles(tmp_path: Path) -> None:
    """Each of two access points listens on one of them and sends to the other."""
    if not _has_ipv6():
        pytest.skip("no IPv6 on this machine")
    alpha, beta = write_pair(tmp_path, backends={"corner": 'kind = "memory"\n'})
    for path in (beta.config, alpha.home / "pmodes" / "beta.toml"):
        text = path.read_text("utf-8").replace('host = "127.0.0.1"', 'host = "::1"').replace("//127.0.0.1", "//[::1]")
        path.write_text(text, "utf-8")
    async with (
        AccessPoint(Config.load(alpha.config), backends={"corner": Corner()}) as c2,
        AccessPoint(Config.load(beta.config), backends={"corner": Corner()}) as c3,
        listening(c2) as on_ipv4,
        listening(c3) as on_ipv6,
    ):
        assert on_ipv4.as4.startswith("http://127.0.0.1:")
        assert on_ipv6.as4.startswith("http://[::1]:")
        for ap, partner in ((c2, "beta"), (c3, "alpha")):
            message_id = await ap.submit(message(pmode=partner))
            assert not (await happened(ap, message_id, EventKind.SENT)).failed


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True
