"""A message from C1 to C4, in good weather."""

from sim import Net, Site

from ehmi_ap.body import read_all
from ehmi_ap.lifecycle import State
from ehmi_ap.ports import Query


async def test_a_message_arrives_once_with_its_receipt(net: Net, c2: Site, c3: Site) -> None:
    """C1's bytes reach C4, C1 and C4 are told, and the receipt is kept."""
    message_id = await c2.submit(b"<result>42</result>")
    assert await c2.send_due() == 1
    assert await c3.deliver_due() == 1
    [message] = c3.inbox.messages
    assert message.message_id == message_id
    assert read_all(message.payloads[0].body) == b"<result>42</result>"
    [sent] = await c2.store.find(Query(message_id=message_id))
    assert sent.state is State.ACKNOWLEDGED
    assert sent.has_receipt
    assert await c2.report()
    assert await c3.report()
    assert c2.inbox.told(message_id) == [("msg-received", False, None), ("msg-sent", False, None)]
    assert c3.inbox.told(message_id) == [("msg-received", False, None), ("msg-sent", False, None)]
    assert await c2.send_due() == 0
    assert await c3.deliver_due() == 0
