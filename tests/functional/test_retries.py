"""Bad weather between C2 and C3: what is sent again, what is given up, and what C1 hears of it."""

from dataclasses import replace

import pki
import pytest
from sim import Net, Site, answer_with, hold_answer, lose_answer, lose_request, withhold

from ehmi_ap.as4.pack import pack_errors, pack_receipt
from ehmi_ap.as4.receipt import receipt_for
from ehmi_ap.as4.unpack import Verified, unpack
from ehmi_ap.body import MemoryBody, MemorySpool, read_all
from ehmi_ap.errors import DeliveryFailure, EbmsError, FailedDecryption, Other
from ehmi_ap.flows.verdict import WITHOUT_EVIDENCE
from ehmi_ap.lifecycle import Happening, RetryPolicy, State
from ehmi_ap.model import DeliveryEvent, Direction, EventKind, MessageId, Wire
from ehmi_ap.ports import Query, Stored

EC = RetryPolicy(first_wait=60.0, factor=1.0, jitter=0.0, attempts=6)
"""The Commission's setting: five retries, less than three minutes apart."""


async def outcome(site: Site, message_id: MessageId) -> Stored:
    [stored] = await site.store.find(Query(message_id=message_id, direction=Direction.OUTBOUND))
    return stored


def error_of(site: Site, error: EbmsError, message_id: MessageId, *, about: str = "c2") -> Wire:
    """What `site` answers when it refuses a message, signed."""
    pmode = next(pmode for pmode in site.pmodes if pmode.name == about)
    return pack_errors(
        [error],
        message_id=site.world.new_id(),
        ref_to=message_id,
        now=site.net.clock.now(),
        pmode=pmode,
        keys=site.keys,
    )


def signed_parts(site: Site, wire: Wire) -> Verified:
    """What `site` reads from a request, without keeping it."""
    agreements = site.world.agreements()
    verified = unpack(
        wire,
        pmodes=agreements.pmodes,
        keys=agreements.keys,
        trust=agreements.trust,
        now=site.net.clock.now(),
        new_spool=MemorySpool,
    )
    assert isinstance(verified, Verified)
    return verified


async def test_cp_ta09_a_lost_request_is_sent_again_with_the_same_digests(net: Net, c2: Site, c3: Site) -> None:
    """Retry keeps MessageId and signed bytes; only the encryption is new (design decision 2, G34)."""
    message_id = await c2.submit()
    net.forecast(withhold)
    await c2.send_due()
    assert await c2.send_due() == 0, "not due before the first wait is over"
    net.clock.advance(30)
    assert await c2.send_due() == 1
    first, second = (signed_parts(c3, wire) for wire in net.posts)
    assert first.message.message_id == second.message.message_id == message_id
    assert first.references == second.references
    assert read_all(net.posts[0].body) != read_all(net.posts[1].body)
    assert (await outcome(c2, message_id)).state is State.ACKNOWLEDGED


@pytest.mark.parametrize("loss", [lose_request, lose_answer, withhold])
async def test_cp_ta10_a_retry_that_succeeds_ends_the_sending(net: Net, c2: Site, c3: Site, loss: object) -> None:
    """Whatever was lost: C4 has the message once, C2 has its receipt and stops."""
    message_id = await c2.submit()
    net.forecast(loss, loss)  # type: ignore[arg-type]
    for _ in range(3):
        await c2.send_due()
        net.clock.advance(3600)
    await c3.deliver_due()
    assert len(net.posts) == 3
    assert len(c3.inbox.messages) == 1
    assert (await outcome(c2, message_id)).state is State.ACKNOWLEDGED
    assert await c2.send_due() == 0


async def test_cp_ta15_missing_receipt_reaches_c1(net: Net, c2: Site, c3: Site) -> None:
    """No receipt in any attempt: EBMS:0301, and nothing is sent any more."""
    c2.knows(c3, retry=EC)
    message_id = await c2.submit()
    net.forecast(*[withhold] * 6)
    for _ in range(8):
        await c2.send_due()
        net.clock.advance(60)
    await c2.report()
    assert len(net.posts) == 6
    stored = await outcome(c2, message_id)
    assert (stored.state, stored.last_code) == (State.FAILED, "EBMS:0301")
    assert c2.inbox.told(message_id)[-1] == ("msg-sent", True, "EBMS:0301")
    assert "MissingReceipt" in c2.inbox.events[-1].detail


async def test_g32_a_peer_that_was_never_reached_is_connection_failure(net: Net, c2: Site, c3: Site) -> None:
    """EBMS:0005 when no attempt arrived; one attempt that may have arrived makes it 0301."""
    c2.knows(c3, retry=replace(EC, attempts=2))
    never = await c2.submit()
    net.forecast(lose_request, lose_request)
    await c2.send_due()
    net.clock.advance(60)
    await c2.send_due()
    assert (await outcome(c2, never)).last_code == "EBMS:0005"
    once = await c2.submit()
    net.forecast(withhold, lose_request)
    await c2.send_due()
    net.clock.advance(60)
    await c2.send_due()
    assert (await outcome(c2, once)).last_code == "EBMS:0301"


async def test_a_late_receipt_still_settles(net: Net, c2: Site, c3: Site) -> None:
    """The receipt of attempt 1 is posted while attempt 2 waits: it settles the message, and no attempt 2 follows."""
    message_id = await c2.submit()
    held: list[Wire] = []
    net.forecast(hold_answer(held))
    await c2.send_due()
    answer = await c2.receive(held[0])
    assert (answer.status, answer.body.size) == (202, 0)
    net.clock.advance(3600)
    assert await c2.send_due() == 0
    stored = await outcome(c2, message_id)
    assert (stored.state, stored.has_receipt) == (State.ACKNOWLEDGED, True)


async def test_a_receipt_after_we_gave_up_still_counts(net: Net, c2: Site, c3: Site) -> None:
    """FAILED becomes ACKNOWLEDGED, and C1 hears it (as4-wire 5.2 item 4)."""
    c2.knows(c3, retry=replace(EC, attempts=1))
    message_id = await c2.submit()
    held: list[Wire] = []
    net.forecast(hold_answer(held))
    await c2.send_due()
    assert (await outcome(c2, message_id)).state is State.FAILED
    await c2.receive(held[0])
    await c2.receive(held[0])
    await c2.report()
    assert (await outcome(c2, message_id)).state is State.ACKNOWLEDGED
    assert [told[:2] for told in c2.inbox.told(message_id)][-2:] == [("msg-sent", True), ("msg-sent", False)]


async def test_g33_a_wrong_receipt_is_told_at_once_and_retries_go_on(net: Net, c2: Site, c3: Site) -> None:
    """EBMS:0302 to C1 at once; a right receipt still settles, else the message fails with 0302 (as4-wire 5.2)."""
    c2.knows(c3, retry=replace(EC, attempts=2))
    await c2.submit(b"<other/>")
    await c2.send_due()
    other = signed_parts(c3, net.posts[-1])
    pmode = c3.pmodes[0]

    async def wrong(wire: Wire, forward: object) -> Wire:
        verified = replace(signed_parts(c3, wire), references=other.references)
        receipt = receipt_for(verified, message_id=MessageId("r@c3.example"), now=net.clock.now())
        return pack_receipt(receipt, pmode, keys=c3.keys)

    healed = await c2.submit()
    net.forecast(wrong)
    await c2.send_due()
    assert (await c2.events(healed))[-1] == ("attempt", False, "EBMS:0302")
    net.clock.advance(60)
    await c2.send_due()
    assert (await outcome(c2, healed)).state is State.ACKNOWLEDGED

    lost = await c2.submit()
    net.forecast(wrong, withhold)
    await c2.send_due()
    net.clock.advance(60)
    await c2.send_due()
    stored = await outcome(c2, lost)
    assert (stored.state, stored.last_code) == (State.FAILED, "EBMS:0302")


@pytest.mark.parametrize(
    ("error", "code"),
    [(FailedDecryption("tag"), "EBMS:0102"), (DeliveryFailure("disk"), "EBMS:0202"), (Other("no"), "EBMS:0004")],
)
async def test_g14_g31_an_error_of_the_peer_ends_it_and_reaches_c1(
    net: Net, c2: Site, c3: Site, error: EbmsError, code: str
) -> None:
    """No retry after an ebMS failure (design decision 4); C1 is told the peer's code, 0202 too."""
    message_id = await c2.submit()
    net.forecast(answer_with(error_of(c3, error, message_id)))
    await c2.send_due()
    await c2.report()
    assert (await outcome(c2, message_id)).state is State.FAILED
    assert c2.inbox.told(message_id)[1:] == [("error-received", False, code), ("msg-sent", True, code)]
    net.clock.advance(86400)
    assert await c2.send_due() == 0


async def test_a_duplicate_error_on_a_retry_means_delivered_without_evidence(net: Net, c2: Site, c3: Site) -> None:
    """Decisions 18 and 23: settled, no receipt, an event of its own."""
    message_id = await c2.submit()
    says = Other("dup", public="This message was already handled (this is a duplicate)")
    net.forecast(lose_answer, answer_with(error_of(c3, says, message_id)))
    await c2.send_due()
    net.clock.advance(30)
    await c2.send_due()
    await c2.report()
    stored = await outcome(c2, message_id)
    assert (stored.state, stored.has_receipt) == (State.ACKNOWLEDGED, False)
    assert c2.inbox.told(message_id)[-1] == ("msg-sent", False, "EBMS:0004")
    assert c2.inbox.events[-1].detail == WITHOUT_EVIDENCE


async def test_a_duplicate_error_on_the_first_attempt_is_a_failure(net: Net, c2: Site, c3: Site) -> None:
    """Nothing of ours can be there already: somebody else's message has this id."""
    message_id = await c2.submit()
    says = Other("dup", public="This message was already handled (this is a duplicate)")
    net.forecast(answer_with(error_of(c3, says, message_id)))
    await c2.send_due()
    assert (await outcome(c2, message_id)).state is State.FAILED


async def test_an_attempt_has_the_time_that_its_p_mode_gives(net: Net, c2: Site, c3: Site) -> None:
    """peers-live 10, sender 12: some peers need minutes for a large payload, and call a retry meanwhile a duplicate."""
    for timeout in (300.0, 900.0):
        c2.knows(c3, **({} if timeout == 300.0 else {"timeout": timeout}))
        await c2.submit()
        await c2.send_due()
        assert net.timeouts.pop() == timeout


async def test_retry_after_is_heeded(net: Net, c2: Site, c3: Site) -> None:
    """A 503 with Retry-After of ten minutes: not before that."""
    message_id = await c2.submit()
    busy = Wire(content_type="text/plain", body=MemoryBody(b"busy"), status=503, retry_after=600.0)
    net.forecast(answer_with(busy))
    await c2.send_due()
    net.clock.advance(599)
    assert await c2.send_due() == 0
    net.clock.advance(1)
    assert await c2.send_due() == 1
    assert (await outcome(c2, message_id)).state is State.ACKNOWLEDGED


async def test_an_answer_that_no_retry_can_mend_ends_it(net: Net, c2: Site, c3: Site) -> None:
    """404 is final (as4-wire 1.3: only 408, 429, 5xx and connection errors are retried)."""
    message_id = await c2.submit()
    net.forecast(answer_with(Wire(content_type="text/html", body=MemoryBody(b"<html/>"), status=404)))
    await c2.send_due()
    stored = await outcome(c2, message_id)
    assert (stored.state, stored.last_code) == (State.FAILED, "EBMS:0005")


async def test_an_expired_certificate_of_the_partner_waits_for_the_operator(net: Net, c2: Site, c3: Site) -> None:
    """Nothing leaves; the event says what to do; with the new certificate the message goes by itself."""
    stale = pki.make_leaf(None, "receiver", key="b", not_after=pki.NOW - pki.YEAR / 2)
    message_id = await c2.submit()
    good = c2.certificates["c3"]
    c2.certificates["c3"] = stale.pem
    await c2.send_due()
    assert net.posts == []
    await c2.report()
    assert c2.inbox.events[-1].kind is EventKind.ATTEMPT
    assert "certificate c3 must not be used" in c2.inbox.events[-1].detail
    assert "Put the new one in its place" in c2.inbox.events[-1].detail
    c2.certificates["c3"] = good
    net.clock.advance(30)
    await c2.send_due()
    assert (await outcome(c2, message_id)).state is State.ACKNOWLEDGED


async def test_a_pmode_that_is_gone_blocks_without_losing_the_message(net: Net, c2: Site, c3: Site) -> None:
    """The operator deleted it: attempts are counted, and sending goes on once it is back."""
    message_id = await c2.submit()
    pmodes, c2.pmodes = c2.pmodes, []
    await c2.send_due()
    assert (await outcome(c2, message_id)).state is State.ACCEPTED
    c2.pmodes = pmodes
    net.clock.advance(30)
    await c2.send_due()
    assert (await outcome(c2, message_id)).state is State.ACKNOWLEDGED


async def test_a_resent_message_carries_the_signed_bytes_of_before(net: Net, c2: Site, c3: Site) -> None:
    """After FAILED an operator opens it again: the same digests, so C3 recognises what it may have."""
    c2.knows(c3, retry=replace(EC, attempts=1))
    message_id = await c2.submit()
    net.forecast(lose_answer)
    await c2.send_due()
    key = (await outcome(c2, message_id)).key
    resent = DeliveryEvent(
        kind=EventKind.RESENT, message_id=message_id, direction=Direction.OUTBOUND, at=net.clock.now()
    )
    assert await c2.store.settle(key, Happening.RESENT, now=net.clock.now(), events=[resent])
    await c2.send_due()
    await c3.deliver_due()
    assert (await outcome(c2, message_id)).state is State.ACKNOWLEDGED
    assert len(c3.inbox.messages) == 1
    assert ("duplicate", False, None) in await c3.events(message_id)


async def test_a_posted_error_is_recorded_and_changes_nothing(net: Net, c2: Site, c3: Site, test_pki: object) -> None:
    """Signed by the partner it becomes an event; unsigned, or about nothing of ours, it is only logged."""
    message_id = await c2.submit()
    net.forecast(lose_answer)
    await c2.send_due()
    before = await c2.events(message_id)
    unsigned = pack_errors(
        [Other("no")],
        message_id=MessageId("e@c3.example"),
        ref_to=message_id,
        now=net.clock.now(),
        pmode=None,
        keys=None,
    )
    assert (await c2.receive(unsigned)).status == 202
    assert await c2.events(message_id) == before
    assert (await c2.receive(error_of(c3, Other("no"), MessageId("nobody@c2.example")))).status == 202
    assert (await c2.receive(error_of(c3, Other("no"), message_id))).status == 202
    assert await c2.events(message_id) == [*before, ("error-received", False, "EBMS:0004")]
    assert (await outcome(c2, message_id)).state is State.ACCEPTED
