"""Two-way push-and-push, and the test service."""

from dataclasses import replace

import pytest
from sim import Net, Site

from ehmi_ap.errors import SubmissionError
from ehmi_ap.lifecycle import State
from ehmi_ap.model import Direction, Participant, Service
from ehmi_ap.pmode import INITIATOR, RESPONDER, TEST_ACTION, TEST_SERVICE
from ehmi_ap.ports import Query
from ehmi_ap.profile import Finding, Profile


async def test_cp_ta02_cp_ta19_a_reply_refers_and_keeps_the_conversation(net: Net, c2: Site, c3: Site) -> None:
    """C4's reply is an exchange of its own: own id and receipt, RefToMessageId, and C1's ConversationId."""
    request = await c2.submit(conversation_id="C1's conversation")
    await c2.send_due()
    await c3.deliver_due()
    reply = await c3.submit(b"<reply/>", ref_to=c3.inbox.messages[0].message_id)
    await c3.send_due()
    await c2.deliver_due()
    [message] = c2.inbox.messages
    assert message.message_id == reply != request
    assert message.ref_to == request
    assert message.conversation_id == "C1's conversation"
    assert c3.inbox.messages[0].conversation_id == "C1's conversation"
    for site, message_id in ((c2, request), (c3, reply)):
        [stored] = await site.store.find(Query(message_id=message_id, direction=Direction.OUTBOUND))
        assert (stored.state, stored.has_receipt) == (State.ACKNOWLEDGED, True)


@pytest.mark.parametrize("habit", ["two-way", "one-way"])
async def test_cp_ta02_a_two_way_p_mode_takes_replies_in_either_role(net: Net, c2: Site, c3: Site, habit: str) -> None:
    """We swap the roles of our replies; a partner's reply is taken as it comes."""
    c2.knows(c3, mep="two-way")
    c3.knows(c2, mep=habit)
    request = await c2.submit()
    reply = await c3.submit(b"<reply/>", ref_to=request)
    await c3.send_due()
    [stored] = await c2.store.find(Query(message_id=reply, direction=Direction.INBOUND))
    roles = (stored.message.from_.role, stored.message.to.role)
    assert roles == ((RESPONDER, INITIATOR) if habit == "two-way" else (INITIATOR, RESPONDER))
    [stored] = await c2.store.find(Query(message_id=request))
    assert (stored.message.from_.role, stored.message.to.role) == (INITIATOR, RESPONDER)


async def test_a_one_way_p_mode_refuses_swapped_roles(net: Net, c2: Site, c3: Site) -> None:
    """And names them to the peer's operator."""
    c3.knows(c2, mep="two-way")
    reply = await c3.submit(ref_to="request@test.example")
    await c3.send_due()
    [stored] = await c3.store.find(Query(message_id=reply))
    assert stored.state is State.FAILED
    assert await c2.store.find(Query(message_id=reply)) == []


async def test_the_corners_of_a_reply_are_c1s_to_give(net: Net, c2: Site, c3: Site) -> None:
    """G44: the access point invents none, not even by turning round those of the request."""
    for site, other in ((c2, c3), (c3, c2)):
        site.knows(other, mep="two-way", four_corner=True)
    request = await c2.submit(sender=Participant("0088:1"), receiver=Participant("0088:2"))
    await c2.send_due()
    with pytest.raises(SubmissionError, match="has no sender"):
        await c3.submit(ref_to=request)
    await c3.submit(ref_to=request, sender=Participant("0088:2"), receiver=Participant("0088:1"))


async def test_cp_ta18_a_conversation_id_is_made_when_none_is_given(net: Net, c2: Site, c3: Site) -> None:
    """Two submissions, two conversations; an empty one is kept empty (ENTSOG)."""
    for given in (None, None, ""):
        await c2.submit(conversation_id=given)
    await c2.send_due()
    await c3.deliver_due()
    first, second, empty = (message.conversation_id for message in c3.inbox.messages)
    assert first
    assert second
    assert first != second
    assert empty == ""


async def test_a_reply_to_an_unknown_message_starts_a_conversation(net: Net, c2: Site, c3: Site) -> None:
    """RefToMessageId is C1's business; only the ConversationId cannot be looked up."""
    await c2.submit(ref_to="unknown@elsewhere.example")
    await c2.send_due()
    await c3.deliver_due()
    [message] = c3.inbox.messages
    assert message.ref_to == "unknown@elsewhere.example"
    assert message.conversation_id


@pytest.mark.parametrize("action", [None, "urn:example:any"])
async def test_cp_ta16_cp_ta17_a_test_message_is_answered_and_not_delivered(
    net: Net, c2: Site, c3: Site, action: str | None
) -> None:
    """For any action of the test service (ebMS3 core 5.2.2.8); C4 hears nothing of it."""
    message_id = await c2.submit(service=Service(TEST_SERVICE), action=action)
    await c2.send_due()
    [sent] = await c2.store.find(Query(message_id=message_id))
    [kept] = await c3.store.find(Query(message_id=message_id))
    assert (sent.state, kept.state) == (State.ACKNOWLEDGED, State.ANSWERED)
    assert sent.message.action == (action or TEST_ACTION)
    assert await c3.deliver_due() == 0
    await c3.report()
    assert c3.inbox.messages == []
    assert c3.inbox.events == []


async def test_a_test_message_needs_no_payload(net: Net, c2: Site, c3: Site) -> None:
    """It carries no business, so the profile's rules do not apply; one property goes along (peers-live 3, Oxalis)."""
    finding = Finding("S-1", "reject", "no envelope")
    for site, other in ((c2, c3), (c3, c2)):
        site.profiles["strict"] = Profile(name="strict", check=lambda message: [finding])
        site.knows(other, profile="strict")
    message_id = await c2.submit(service=Service(TEST_SERVICE), payloads=())
    await c2.send_due()
    [kept] = await c3.store.find(Query(message_id=message_id))
    assert kept.state is State.ANSWERED
    assert [item.name for item in kept.message.properties] == ["trackingIdentifier"]


async def test_backends_can_be_named_per_pmode(net: Net, c2: Site, c3: Site) -> None:
    """PMode.backend decides who gets a message; an unknown one waits for the operator, nothing is lost."""
    c3.knows(c2, backend="archive")
    await c2.submit()
    await c2.send_due()
    await c3.deliver_due()
    assert c3.inbox.messages == []
    c3.world = replace(c3.world, backends={"archive": c3.inbox})
    net.clock.advance(60)
    await c3.deliver_due()
    assert len(c3.inbox.messages) == 1
