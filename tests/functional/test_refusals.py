"""What C3 refuses once it knows the sender, what it answers when it fails itself, and whom it tells."""

from dataclasses import replace

import pytest
from sim import Net, Site, party

from ehmi_ap.as4.conclude import conclude
from ehmi_ap.body import MemoryBody, MemorySpool, Spool, read_all
from ehmi_ap.errors import StoreError
from ehmi_ap.lifecycle import State
from ehmi_ap.model import Direction, MessageId, Outcome, Participant, Property, Refused, UserMessage, Wire
from ehmi_ap.ports import Query
from ehmi_ap.profile import Checked, Finding, Profile

CORNERS = {"sender": Participant("0088:1", "iso6523-actorid-upis"), "receiver": Participant("0088:2")}


def judged(site: Site, answer: Wire, message_id: MessageId) -> Outcome:
    """The answer as the sender reads it."""
    agreements = site.world.agreements()
    return conclude(
        answer,
        message_id=message_id,
        references=(),
        pmode=agreements.pmodes[0],
        trust=agreements.trust,
        now=site.net.clock.now(),
    )


async def refused_with(site: Site, message_id: MessageId) -> str | None:
    [stored] = await site.store.find(Query(message_id=message_id, direction=Direction.OUTBOUND))
    assert stored.state is State.FAILED
    return stored.last_code


async def test_g45_missing_corners_are_refused(net: Net, c2: Site, c3: Site) -> None:
    """EBMS:0010, signed; nothing kept, nothing delivered, no receipt."""
    c3.knows(c2, four_corner=True)
    message_id = await c2.submit()
    await c2.send_due()
    assert await refused_with(c2, message_id) == "EBMS:0010"
    outcome = judged(c2, net.answers[0], message_id)
    assert isinstance(outcome, Refused)
    assert outcome.errors[0].signed_by is not None
    assert await c3.store.find(Query()) == []


@pytest.mark.parametrize("notify", [True, False])
async def test_c4_hears_of_a_refusal_where_the_pmode_says_so(net: Net, c2: Site, c3: Site, notify: bool) -> None:
    """PMode[].ErrorHandling.Report.ProcessErrorNotifyConsumer (conformance CP_TA31)."""
    finding = Finding("S-1", "reject", "no envelope")
    c3.profiles["strict"] = Profile(name="strict", check=lambda message: Checked([finding]))
    c3.knows(c2, profile="strict", notify_consumer=notify)
    message_id = await c2.submit()
    await c2.send_due()
    await c3.report()
    assert c3.inbox.told(message_id) == ([("refused", True, "EBMS:0004")] if notify else [])
    assert await c3.store.find(Query()) == []


async def test_g45_four_corners_reach_c4_with_their_types(net: Net, c2: Site, c3: Site) -> None:
    """4CT_TA01, 4CT_TA02, G44: exactly C1's values, in their order, then C1's own properties."""
    c2.knows(c3, four_corner=True)
    c3.knows(c2, four_corner=True)
    own = Property("documentType", "42", "urn:example")
    await c2.submit(**CORNERS, tracking_id="C1C2Identifier", properties=(own,))
    await c2.send_due()
    await c3.deliver_due()
    [message] = c3.inbox.messages
    assert message.properties == (
        Property("originalSender", "0088:1", "iso6523-actorid-upis"),
        Property("finalRecipient", "0088:2"),
        Property("trackingIdentifier", "C1C2Identifier"),
        own,
    )
    assert (message.from_.id, message.to.id) == (party("c2"), party("c3"))


async def test_a_profile_that_rejects_is_0004_with_its_rule(net: Net, c2: Site, c3: Site) -> None:
    """as4-wire 6.4: the rule's id in ErrorDetail; what only warns does not hinder."""

    def check(message: UserMessage) -> Checked:
        bad = read_all(message.payloads[0].body) == b"<bad/>"
        return Checked([Finding("S-7", "reject" if bad else "warn", "the envelope has no sender", "Add one.")])

    c3.profiles["strict"] = Profile(name="strict", check=check)
    c3.knows(c2, profile="strict")
    good, bad = await c2.submit(b"<good/>"), await c2.submit(b"<bad/>")
    await c2.send_due()
    assert await refused_with(c2, bad) == "EBMS:0004"
    outcome = judged(c2, net.answers[1], bad)
    assert isinstance(outcome, Refused)
    assert "S-7" in outcome.errors[0].detail
    await c3.deliver_due()
    assert [message.message_id for message in c3.inbox.messages] == [good]


class DiskFull:
    """A store that cannot take a message in."""

    def __init__(self, store: object, error: Exception) -> None:
        self._store, self._error = store, error

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def keep(self, *args: object, **kwargs: object) -> None:
        raise self._error


async def test_g30_a_full_disk_is_503_and_the_sender_comes_back(net: Net, c2: Site, c3: Site) -> None:
    """No receipt before durable storage; Retry-After, no eb:Error; then the message arrives."""
    message_id = await c2.submit()
    whole = c3.world
    c3.world = replace(whole, store=DiskFull(whole.store, StoreError("the disk is full")))  # type: ignore[arg-type]
    await c2.send_due()
    assert net.answers[0].status == 503
    assert net.answers[0].retry_after == 60.0
    c3.world = whole
    net.clock.advance(60)
    await c2.send_due()
    await c3.deliver_due()
    assert [message.message_id for message in c3.inbox.messages] == [message_id]


async def test_g31_a_full_disk_is_0202_where_the_pmode_asks_for_it(net: Net, c2: Site, c3: Site) -> None:
    """EBMS:0202, signed; the sender passes it to C1."""
    c3.knows(c2, answer_own_failure=True)
    message_id = await c2.submit()
    c3.world = replace(c3.world, store=DiskFull(c3.world.store, StoreError("full")))  # type: ignore[arg-type]
    await c2.send_due()
    assert await refused_with(c2, message_id) == "EBMS:0202"


async def test_a_failure_of_our_own_is_500_with_a_sentence(net: Net, c2: Site, c3: Site) -> None:
    """Never a closed connection, never a trace for the peer (peers-live 10, receiver 8)."""
    await c2.submit()
    c3.world = replace(c3.world, store=DiskFull(c3.world.store, ZeroDivisionError("secret")))  # type: ignore[arg-type]
    await c2.send_due()
    [answer] = net.answers
    assert answer.status == 500
    assert b"secret" not in read_all(answer.body)
    assert answer.content_type.startswith("text/plain")


@pytest.mark.parametrize("body", [b"", b"hello", b"<a/>"])
async def test_an_unreadable_request_is_refused_below_ebms(net: Net, c3: Site, body: bytes) -> None:
    """as4-wire 6.4: 400 with one sentence, never 2xx and silence."""
    answer = await c3.receive(Wire(content_type="application/soap+xml", body=MemoryBody(body)))
    assert answer.status == 400
    assert answer.body.size > 0


class CountedSpool(MemorySpool):
    """Knows whether it was thrown away."""

    made: list["CountedSpool"]
    discarded = False

    def discard(self) -> None:
        self.discarded = True
        super().discard()


async def test_g41_what_is_refused_leaves_no_payload_behind(net: Net, c2: Site, c3: Site) -> None:
    """Every spool of a refused or repeated message is discarded; those of a kept one are the store's."""
    made: list[CountedSpool] = []

    class Blobs:
        def spool(self, *, kept: bool = True, read_soon: bool = True) -> Spool:
            made.append(CountedSpool())
            return made[-1]

    c3.world = replace(c3.world, blobs=Blobs())
    await c2.submit()
    await c2.send_due()
    assert made
    assert not any(spool.discarded for spool in made)
    kept = len(made)
    await c3.receive(net.posts[0])
    assert len(made) > kept
    assert all(spool.discarded for spool in made[kept:])
    repeated = len(made)
    c3.profiles["strict"] = Profile(
        name="strict", check=lambda message: Checked([Finding("S-1", "reject", "no envelope")])
    )
    c3.knows(c2, profile="strict")
    await c2.submit()
    await c2.send_due()
    assert len(made) > repeated
    assert all(spool.discarded for spool in made[repeated:])
