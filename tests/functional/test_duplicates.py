"""The same message more than once: one delivery, one receipt, byte for byte."""

from sim import Net, Site, lose_answer, party, twice

from ehmi_ap.body import MemoryBody, read_all
from ehmi_ap.model import Payload
from ehmi_ap.store.memory import MemoryStore


async def test_two_equal_posts_in_flight_deliver_once(net: Net, c2: Site, c3: Site) -> None:
    """Both get the same receipt (peers-live 10, receiver 5); `twice` compares the two answers."""
    message_id = await c2.submit()
    net.forecast(twice)
    await c2.send_due()
    await c3.deliver_due()
    assert len(c3.inbox.messages) == 1
    assert sorted(await c3.events(message_id)) == [
        ("duplicate", False, None),
        ("msg-received", False, None),
        ("msg-sent", False, None),
    ]


async def test_a_duplicate_after_delivery_gets_the_stored_receipt(net: Net, c2: Site, c3: Site) -> None:
    """Long after: the byte-identical receipt, no second delivery (decision 1)."""
    await c2.submit()
    await c2.send_due()
    await c3.deliver_due()
    net.clock.advance(20 * 86400)
    again = await c3.receive(net.posts[0])
    assert read_all(again.body) == read_all(net.answers[0].body)
    assert (again.status, again.content_type) == (200, net.answers[0].content_type)
    assert await c3.deliver_due() == 0
    assert len(c3.inbox.messages) == 1


async def test_other_content_under_the_same_id_is_not_delivered(net: Net, c2: Site, c3: Site) -> None:
    """Decision 19: the first receipt again, whose digests do not fit, so the sender sees the mismatch."""
    payload = Payload(body=MemoryBody(b"<result>1</result>"), mime_type="application/xml")
    message_id = await c2.submit(payloads=(payload,), message_id="42@c2.example")
    await c2.send_due()
    await c2.close()
    c2.store, c2.folder = MemoryStore(), None  # it has forgotten what it sent
    await c2.open()
    await c2.submit(b"<result>2</result>", message_id="42@c2.example")
    await c2.send_due()
    await c3.deliver_due()
    [message] = c3.inbox.messages
    assert read_all(message.payloads[0].body) == b"<result>1</result>"
    assert read_all(net.answers[1].body) == read_all(net.answers[0].body)
    assert (await c2.events(message_id))[-1] == ("attempt", False, "EBMS:0302")


async def test_the_same_id_from_another_party_is_another_message(
    net: Net, c2: Site, c3: Site, test_pki: object
) -> None:
    """Decision 22: no partner can block another's message by taking its id."""
    other = Site(net, "c9", c2.identity, folder=None)
    await other.open()
    other.knows(c3)
    c3.knows(other)
    for site in (c2, other):
        await site.submit(message_id="42@shared.example")
        await site.send_due()
    await c3.deliver_due()
    assert {message.from_.id for message in c3.inbox.messages} == {party("c2"), party("c9")}


async def test_a_lost_receipt_costs_no_second_delivery(net: Net, c2: Site, c3: Site) -> None:
    """C4 has taken the message before the duplicate comes, and takes it no more."""
    await c2.submit()
    net.forecast(lose_answer)
    await c2.send_due()
    await c3.deliver_due()
    net.clock.advance(30)
    await c2.send_due()
    await c3.deliver_due()
    assert [len(handed) for handed in c3.inbox.taken.values()] == [1]
