"""Partners that are looked up: from cold, from memory, in bad weather, and when they move or change their keys."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pki
import pytest
from registry import missed
from sim import UNREGISTERED, Net, Site, answer_with, hold_answer, lose_answer, lose_request, party
from test_retries import error_of, outcome, signed_parts

from ehmi_ap.as4.pack import pack_receipt
from ehmi_ap.as4.receipt import receipt_for
from ehmi_ap.body import MemoryBody, read_all
from ehmi_ap.errors import (
    EbmsError,
    FailedAuthentication,
    FailedDecryption,
    InvalidHeader,
    Other,
    PolicyNoncompliance,
    SubmissionError,
    ValueInconsistent,
)
from ehmi_ap.lifecycle import Happening, RetryPolicy, State
from ehmi_ap.model import (
    UNDISCOVERED,
    DeliveryEvent,
    Direction,
    EventKind,
    MessageId,
    Participant,
    Party,
    PartyId,
    Payload,
    Wire,
)
from ehmi_ap.pmode import INITIATOR, RESPONDER, TEST_ACTION, TEST_SERVICE, Service
from ehmi_ap.ports import Reach

C1, C4 = Participant("0088:1", "iso6523-actorid-upis"), Participant("0088:4", "iso6523-actorid-upis")
REFUSALS = {
    "0101": FailedAuthentication("no"),
    "0102": FailedDecryption("no"),
    "0103": PolicyNoncompliance("no"),
    "0004": Other("no"),
    "0009": InvalidHeader("no"),
}


@pytest.fixture
async def world(net: Net, folder: Path | None, test_pki: Any) -> AsyncIterator["World"]:
    sites = {}
    for name, key in (("c2", "a"), ("c3", "b"), ("other", "c")):
        site = Site(net, name, pki.make_leaf(test_pki.issuing, name, key=key), folder=folder and folder / name)
        site.looks_up(test_pki.issuing)
        await site.open()
        sites[name] = site
    made = World(net, test_pki, **sites)
    made.publish()
    yield made
    for site in sites.values():
        await site.close()


class World:
    """C2; C3, behind which C4 is registered; and another access point."""

    def __init__(self, net: Net, test_pki: Any, *, c2: Site, c3: Site, other: Site) -> None:
        self.net, self.pki = net, test_pki
        self.c2, self.c3, self.other = c2, c3, other

    def publish(self, at: Site | None = None, **changes: Any) -> None:
        """What the network says of C4 from now on."""
        site = at or self.c3
        self.net.registry.publish(C4.value, site.identity, site.url, **changes)

    def renewed(self, name: str, key: str = "d") -> pki.Identity:
        return pki.make_leaf(self.pki.issuing, name, key=key)

    async def submit(self, **changes: Any) -> MessageId:
        return await self.c2.submit(**{"sender": C1, "receiver": C4, **changes})

    async def exchange(self, **changes: Any) -> MessageId:
        message_id = await self.submit(**changes)
        await self.c2.send_due()
        return message_id

    async def state(self, message_id: MessageId) -> State:
        return (await outcome(self.c2, message_id)).state

    async def timeline(self, message_id: MessageId, site: Site | None = None) -> list[DeliveryEvent]:
        return list(await (site or self.c2).store.events(message_id=message_id))

    async def kinds(self, message_id: MessageId) -> list[tuple[str, str | None]]:
        return [(event.kind.value, event.code) for event in await self.timeline(message_id)]

    async def told(self, message_id: MessageId) -> DeliveryEvent:
        """The last thing C1 heard of a message."""
        await self.c2.report()
        return [event for event in self.c2.inbox.events if event.message_id == message_id][-1]

    @property
    def asked(self) -> int:
        return len(self.net.registry.asked)

    def roll_over(self) -> None:
        """C3 has a new key, and the network says so; C2 remembers the old one."""
        self.c3.renew(self.renewed("c3"))
        self.publish()


# -- found


async def test_ds_ta01_who_is_not_known_is_looked_up(world: World) -> None:
    """Cold: accepted without knowing whom it goes to, then looked up, addressed, signed, encrypted and receipted."""
    message_id = await world.submit()
    stored = await outcome(world.c2, message_id)
    assert (stored.message.to.id, stored.state, world.asked) == (UNDISCOVERED, State.ACCEPTED, 0)
    await world.c2.send_due()
    await world.c3.deliver_due()
    stored = await outcome(world.c2, message_id)
    assert (stored.state, stored.has_receipt, stored.message.to.id) == (State.ACKNOWLEDGED, True, party("c3"))
    [delivered] = world.c3.inbox.messages
    assert (delivered.to.id, delivered.from_.id) == (party("c3"), party("c2"))
    assert delivered.participant("finalRecipient") == C4
    assert await world.kinds(message_id) == [("msg-received", None), ("discovered", None), ("msg-sent", None)]


async def test_the_timeline_says_what_was_found(world: World) -> None:
    """SMP, who signed its metadata, and the certificate (spec/discovery.md 8, wish 11)."""
    world.publish(signer="CN=SMP of the network")
    message_id = await world.exchange()
    detail = (await world.timeline(message_id))[1].detail
    certificate = world.net.registry.of[C4.value].endpoint.encryption  # type: ignore[union-attr]  # it is registered
    assert detail == (
        f"https://c3.example/as4 of {UNREGISTERED}:c3, certificate SHA-256 {certificate.sha256}; "
        "metadata signed by CN=SMP of the network, published by https://smp.example/metadata"
    )


async def test_what_is_remembered_is_written_into_the_message_at_once(world: World) -> None:
    """Addressed, signed and stored in one transaction, as with a partner of a P-Mode; nobody is asked."""
    await world.exchange()
    message_id = await world.submit()
    [job] = await world.c2.store.claim(Direction.OUTBOUND, now=world.net.clock.now(), lease=0, limit=1)
    assert (job.message.to.id, job.signed is not None, len(job.signers)) == (party("c3"), True, 1)
    assert await world.kinds(message_id) == [("msg-received", None), ("discovered", None)]
    await world.c2.send_due()
    assert await world.kinds(message_id) == [("msg-received", None), ("discovered", None), ("msg-sent", None)]
    assert world.asked == 1


async def test_large_payloads_are_signed_when_they_are_sent(world: World, folder: Path | None) -> None:
    await world.exchange()
    spool = world.c2.blobs.spool()
    spool.write(b"x" * 100_000)
    payload = Payload(body=spool.finish(), mime_type="text/plain")
    message_id = await world.exchange(payloads=(payload,))
    await world.c3.deliver_due()
    assert await world.state(message_id) is State.ACKNOWLEDGED
    sizes = [item.payloads[0].body.size for item in world.c3.inbox.messages]
    assert 100_000 in sizes


async def test_ds_ta02_a_party_that_c1_names_is_looked_up_itself(world: World) -> None:
    """Point to point: no corners, and eb:To is the party that was named (eDelivery AS4 1.15 4.4.2)."""
    world.net.registry.publish("c3", world.c3.identity, world.c3.url)
    world.c2.looks_up(world.pki.issuing, four_corner=False)
    world.c3.looks_up(world.pki.issuing, four_corner=False)
    message_id = await world.c2.submit(to=party("c3"))
    assert (await outcome(world.c2, message_id)).message.to.id == party("c3")
    await world.c2.send_due()
    assert await world.state(message_id) is State.ACKNOWLEDGED
    assert world.net.registry.asked == ["c3"]


async def test_a_party_that_is_preset_is_looked_up_itself(world: World) -> None:
    """Doubt 18 of the conformance catalogue. Its name stays, whatever its certificate is called."""
    world.net.registry.publish("c3", world.c3.identity, world.c3.url)
    world.c2.looks_up(world.pki.issuing, partner=party("c3"))
    message_id = await world.exchange()
    assert (await outcome(world.c2, message_id)).message.to.id == party("c3")
    assert (await world.state(message_id), world.net.registry.asked) == (State.ACKNOWLEDGED, ["c3"])


async def test_a_ping_goes_where_the_receiver_s_messages_go(world: World) -> None:
    """Nobody registers for the test service: what is looked up is what the P-Mode is for (G38)."""
    message_id = await world.exchange(service=Service(TEST_SERVICE), action=TEST_ACTION)
    assert await world.state(message_id) is State.ACKNOWLEDGED
    assert world.c2.directory.entries()[0].wanted.document.value == "urn:example:results:submit"


async def test_nobody_to_look_for(world: World) -> None:
    world.c2.looks_up(world.pki.issuing, four_corner=False)
    with pytest.raises(SubmissionError, match="names nobody to look for") as refused:
        await world.c2.submit()
    assert "Give the receiver" in refused.value.fix
    with pytest.raises(SubmissionError, match="is not an ebCore party id"):
        await world.submit(receiver=Participant("urn:oasis:names:tc:ebcore:partyid-type:nothing:1"))
    assert await world.c2.store.events() == []


async def test_a_reply_takes_the_conversation_of_the_receiver(world: World) -> None:
    """CP_TA19: whom the reply goes to is not known yet, but who sent what it refers to."""
    world.net.registry.publish(C1.value, world.c2.identity, world.c2.url)
    asked = await world.exchange(conversation_id="talk")
    answered = await world.c3.submit(sender=C4, receiver=C1, ref_to=asked)
    stranger = await world.c3.submit(sender=C4, receiver=Participant("0088:9"), ref_to=asked)
    assert (await outcome(world.c3, answered)).message.conversation_id == "talk"
    assert (await outcome(world.c3, stranger)).message.conversation_id != "talk"


async def test_g56_a_reply_is_looked_up_itself_and_its_roles_are_swapped(world: World) -> None:
    """1.15 4.4.4: it comes from the responder, and its target is looked up for its own receiver."""
    world.net.registry.publish(C1.value, world.c2.identity, world.c2.url)
    for site in (world.c2, world.c3):
        site.looks_up(world.pki.issuing, mep="two-way")
    asked = await world.exchange()
    answered = await world.c3.submit(sender=C4, receiver=C1, ref_to=asked)
    await world.c3.send_due()
    stored = await outcome(world.c3, answered)
    assert (stored.state, stored.message.to) == (State.ACKNOWLEDGED, Party(party("c2"), INITIATOR))
    assert stored.message.from_ == Party(party("c3"), RESPONDER)
    assert world.net.registry.asked == [C4.value, C1.value]


@pytest.mark.parametrize(("private", "reach"), [(False, Reach.GLOBAL), (True, Reach.CLOSED)])
async def test_a_published_url_reaches_no_further_than_the_network_says(
    world: World, private: bool, reach: Reach
) -> None:
    world.c2.looks_up(world.pki.issuing, private=private)
    await world.exchange()
    assert world.net.reaches == [reach]


# -- one look-up for many


async def test_many_messages_to_few_receivers(world: World) -> None:
    """One look-up for each receiver, however many messages wait for it."""
    receivers = [f"0088:{number}" for number in range(10, 20)]
    for receiver in receivers:
        world.net.registry.publish(receiver, world.c3.identity, world.c3.url)
    for number in range(60):
        await world.submit(receiver=Participant(receivers[number % 10]))
    while await world.c2.send_due():
        pass
    assert await world.c2.store.counts() == {(Direction.OUTBOUND, State.ACKNOWLEDGED): 60}
    assert sorted(world.net.registry.asked) == receivers


# -- nobody can be asked


async def test_c1_is_not_held_up(world: World) -> None:
    """Accepted while DNS and SMP are down; sent once they are up (architecture 6: durable from here)."""
    world.net.registry.down = True
    message_id = await world.exchange()
    stored = await outcome(world.c2, message_id)
    assert (stored.state, stored.last_code) == (State.ACCEPTED, "discovery.unavailable")
    assert world.net.posts == []
    world.net.registry.down = False
    world.net.clock.advance(61)
    await world.c2.send_due()
    assert await world.state(message_id) is State.ACKNOWLEDGED


async def test_what_was_found_before_serves_on(world: World) -> None:
    await world.exchange()
    world.net.registry.down = True
    world.net.clock.advance(1000)
    message_id = await world.exchange()
    assert (await world.state(message_id), world.asked) == (State.ACKNOWLEDGED, 2)


async def test_a_look_up_that_stays_impossible_ends_with_the_window(world: World) -> None:
    world.c2.looks_up(world.pki.issuing, retry=RetryPolicy(first_wait=60.0, factor=1.0, jitter=0.0, attempts=3))
    world.net.registry.down = True
    message_id = await world.submit()
    for _ in range(4):
        await world.c2.send_due()
        world.net.clock.advance(60)
    told = await world.told(message_id)
    assert (told.failed, told.code) == (True, "discovery.unavailable")
    assert told.detail.startswith("the receiver could not be looked up in 3 attempts; the last one: as the test says")


# -- the network says no


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("PARTICIPANT_NOT_REGISTERED", "discovery.not-registered"),
        ("DOCUMENT_NOT_REGISTERED", "discovery.not-supported"),
        ("SIGNER_REVOKED", "discovery.untrusted"),
    ],
)
async def test_what_no_waiting_helps_is_given_up_at_once(world: World, reason: str, code: str) -> None:
    """C1 is told what it is, whose fault, and what to do; nothing was sent."""
    world.net.registry.of[C4.value] = answer = missed(reason)
    message_id = await world.exchange()
    stored = await outcome(world.c2, message_id)
    assert (stored.state, stored.last_code, stored.attempts) == (State.FAILED, code, 1)
    told = await world.told(message_id)
    assert (told.kind, told.failed, told.code) == (EventKind.SENT, True, code)
    assert told.detail == f"{answer.error.what}. {answer.error.fix}"
    assert world.net.posts == []


async def test_what_the_operator_can_mend_is_tried_again(world: World) -> None:
    world.net.registry.of[C4.value] = missed("SMP_FORBIDDEN")
    message_id = await world.exchange()
    assert (await outcome(world.c2, message_id)).last_code == "discovery.misconfigured"
    world.publish()
    world.net.clock.advance(61)
    await world.c2.send_due()
    assert await world.state(message_id) is State.ACKNOWLEDGED


async def test_a_no_after_it_may_have_arrived_is_still_a_missing_receipt(world: World) -> None:
    """It was sent once, and nobody knows what became of it: that weighs more."""
    message_id = await world.submit()

    async def silence(wire: Wire, forward: object) -> Wire:
        return Wire(content_type="", body=MemoryBody(b""), status=202)

    world.net.forecast(silence)
    await world.c2.send_due()
    world.net.registry.of[C4.value] = missed("PARTICIPANT_NOT_REGISTERED")
    world.net.clock.advance(1000)
    await world.c2.send_due()
    told = await world.told(message_id)
    assert (told.failed, told.code) == (True, "EBMS:0301")
    assert "PARTICIPANT_NOT_REGISTERED" in told.detail


async def test_an_access_point_without_a_name_is_not_sent_to(world: World) -> None:
    subject = pki.x509.Name([pki.x509.NameAttribute(pki.NameOID.ORGANIZATION_NAME, "Nobody")])
    nameless = pki.make_leaf(world.pki.issuing, subject=subject, key="b")
    world.net.registry.publish(C4.value, nameless, world.c3.url)
    message_id = await world.exchange()
    told = await world.told(message_id)
    assert (told.failed, told.code) == (True, "discovery.untrusted")
    assert "has no CN to be its PartyId" in told.detail
    again = await world.submit()
    assert (await outcome(world.c2, again)).message.to.id == UNDISCOVERED


# -- certificates change


async def test_a_roll_over_costs_one_more_attempt(world: World) -> None:
    """Decision 4, with both ends real: 0102, a fresh look-up, and the same signed bytes for the new certificate."""
    await world.exchange()
    world.roll_over()
    message_id = await world.exchange()
    stored = await outcome(world.c2, message_id)
    assert (stored.state, stored.last_code, stored.due) == (State.ACCEPTED, "EBMS:0102", world.net.clock.now())
    await world.c2.send_due()
    assert await world.state(message_id) is State.ACKNOWLEDGED
    assert await world.kinds(message_id) == [
        ("msg-received", None),
        ("discovered", None),
        ("error-received", "EBMS:0102"),
        ("discovered", "EBMS:0102"),
        ("msg-sent", None),
    ]
    [first, second] = [wire for wire in world.net.posts if str(message_id).encode() in read_all(wire.body)]
    assert b"".join(first.body.chunks()) != b"".join(second.body.chunks())
    await world.exchange()
    assert len(world.net.posts) == 4, "others go to the new one at once"


@pytest.mark.parametrize("error", REFUSALS.values(), ids=REFUSALS)
async def test_each_way_in_which_peers_say_it(world: World, error: EbmsError) -> None:
    message_id = await world.submit()
    world.net.forecast(answer_with(error_of(world.c3, error, message_id, about="dynamic")))
    await world.c2.send_due()
    assert await world.state(message_id) is State.FAILED, "nothing had changed"
    told = await world.told(message_id)
    assert told.detail.endswith("It was looked up anew: certificate and URL are the same.")

    message_id = await world.submit()
    world.net.forecast(answer_with(error_of(world.c3, error, message_id, about="dynamic")))
    world.roll_over()
    await world.c2.send_due()
    await world.c2.send_due()
    assert await world.state(message_id) is State.ACKNOWLEDGED


async def test_another_url_is_reason_enough(world: World) -> None:
    message_id = await world.submit()
    world.net.forecast(answer_with(error_of(world.c3, FailedDecryption("no"), message_id, about="dynamic")))
    await world.c2.directory.find("net", _wanted(world))
    world.net.sites["https://moved.example/as4"] = world.c3
    world.net.registry.publish(C4.value, world.c3.identity, "https://moved.example/as4")
    await world.c2.send_due()
    await world.c2.send_due()
    assert await world.state(message_id) is State.ACKNOWLEDGED


def _wanted(world: World) -> Any:
    from registry import wanted

    base = wanted(C4.value, document="urn:example:results:submit")
    process = replace(base.process, value="urn:example:results", scheme="cenbii-procid-ubl")
    document = replace(base.document, scheme="busdox-docid-qns")
    return replace(base, participant=C4, document=document, process=process)


@pytest.mark.parametrize("error", [ValueInconsistent("no")], ids=["0003"])
async def test_other_refusals_are_final(world: World, error: EbmsError) -> None:
    """Nothing that a certificate could explain: given up without another look-up."""
    message_id = await world.submit()
    world.net.forecast(answer_with(error_of(world.c3, error, message_id, about="dynamic")))
    world.c2.directory.flush()
    await world.c2.send_due()
    assert (await world.state(message_id), world.asked) == (State.FAILED, 1)


async def test_a_fresh_look_up_that_fails_is_told(world: World) -> None:
    """Nobody knows whether anything changed: C1 hears the refusal, and why it was not tried again."""
    message_id = await world.submit()
    refusal = answer_with(error_of(world.c3, FailedDecryption("no"), message_id, about="dynamic"))

    async def then_down(wire: Wire, forward: Any) -> Wire:
        world.net.registry.down = True
        return await refusal(wire, forward)

    world.net.forecast(then_down)
    await world.c2.send_due()
    told = await world.told(message_id)
    assert (told.failed, told.code) == (True, "EBMS:0102")
    assert "It was looked up anew: discovery.unavailable, as the test says" in told.detail


async def test_a_fresh_look_up_that_leads_to_a_nameless_access_point_is_told(world: World) -> None:
    """Its certificate does not say whose it is: that ends the message, which would be sent for ever otherwise."""
    message_id = await world.submit()
    refusal = answer_with(error_of(world.c3, FailedDecryption("no"), message_id, about="dynamic"))
    subject = pki.x509.Name([pki.x509.NameAttribute(pki.NameOID.ORGANIZATION_NAME, "Nobody")])

    async def then_nameless(wire: Wire, forward: Any) -> Wire:
        world.net.registry.publish(C4.value, pki.make_leaf(world.pki.issuing, subject=subject, key="d"), world.c3.url)
        return await refusal(wire, forward)

    world.net.forecast(then_nameless)
    await world.c2.send_due()
    assert await world.state(message_id) is State.FAILED
    told = await world.told(message_id)
    assert told.code == "EBMS:0102"
    assert "It was looked up anew: discovery.untrusted, the certificate of https://c3.example/as4" in told.detail


async def test_it_is_looked_up_anew_once_and_once_more_after_a_resend(world: World) -> None:
    """An SMP that names another certificate each time keeps nobody busy."""
    message_id = await world.submit()

    def refuse_and_change(key: str) -> None:
        refusal = answer_with(error_of(world.c3, FailedDecryption("no"), message_id, about="dynamic"))

        async def changing(wire: Wire, forward: Any) -> Wire:
            world.net.registry.publish(C4.value, world.renewed("c3", key), world.c3.url)
            return await refusal(wire, forward)

        world.net.forecast(changing)

    refuse_and_change("c")
    refuse_and_change("d")
    await world.c2.send_due()
    assert await world.state(message_id) is State.ACCEPTED
    await world.c2.send_due()
    stored = await outcome(world.c2, message_id)
    assert (stored.state, stored.last_code, stored.attempts) == (State.FAILED, "EBMS:0102", 2)

    resent = DeliveryEvent(
        kind=EventKind.RESENT, message_id=message_id, direction=Direction.OUTBOUND, at=world.net.clock.now()
    )
    assert await world.c2.store.settle(stored.key, Happening.RESENT, now=world.net.clock.now(), events=[resent])
    refuse_and_change("rsa3072-a")
    await world.c2.send_due()
    assert await world.state(message_id) is State.ACCEPTED
    world.publish()
    await world.c2.send_due()
    assert await world.state(message_id) is State.ACKNOWLEDGED


async def test_a_peer_that_calls_what_it_refused_a_duplicate_has_nothing(world: World) -> None:
    """A peer may note the MessageId before its application refuses: nobody may be told "delivered"."""
    message_id = await world.submit()
    await world.c2.directory.find("net", _wanted(world))
    not_serviced = error_of(world.c3, Other("no", public="PEPPOL:NOT_SERVICED"), message_id, about="dynamic")
    duplicate = error_of(world.c3, Other("dup", public="this is a duplicate"), message_id, about="dynamic")
    world.net.forecast(answer_with(not_serviced), answer_with(duplicate))
    world.net.sites["https://moved.example/as4"] = world.c3
    world.net.registry.publish(C4.value, world.c3.identity, "https://moved.example/as4")
    await world.c2.send_due()
    assert await world.state(message_id) is State.ACCEPTED
    await world.c2.send_due()
    assert await world.state(message_id) is State.FAILED


async def test_an_unsettled_attempt_in_between_does_not_allow_a_second_one(world: World) -> None:
    message_id = await world.submit()
    refusal = answer_with(error_of(world.c3, FailedDecryption("no"), message_id, about="dynamic"))
    world.net.forecast(refusal, lose_request, refusal)
    world.net.registry.publish(C4.value, world.renewed("c3"), world.c3.url)
    await world.c2.directory.find("net", _wanted(world))
    world.publish()
    await world.c2.send_due()
    await world.c2.send_due()
    assert await world.state(message_id) is State.ACCEPTED
    world.net.registry.publish(C4.value, world.renewed("c3", "c"), world.c3.url)
    world.net.clock.advance(60)
    await world.c2.send_due()
    assert (await world.state(message_id), len(world.net.posts)) == (State.FAILED, 3)


async def test_a_retry_is_acknowledged_by_the_receipt_of_before_the_roll_over(world: World) -> None:
    """C3 repeats the receipt that it signed with its old key: that certificate was found for this message too."""
    message_id = await world.submit()
    world.net.forecast(lose_answer)
    await world.c2.send_due()
    world.roll_over()
    world.net.clock.advance(1000)
    await world.c2.send_due()
    stored = await outcome(world.c2, message_id)
    assert (stored.state, stored.has_receipt) == (State.ACKNOWLEDGED, True)
    assert ("duplicate", False, None) in await world.c3.events(message_id)


# -- receipts


@pytest.mark.parametrize("heals", [True, False])
async def test_ds_ta03_a_receipt_signed_by_another_certificate(world: World, heals: bool) -> None:
    """Valid and below the anchor, but not the one that was found: 0302, unless the network comes to name it."""
    world.c2.looks_up(world.pki.issuing, retry=RetryPolicy(first_wait=60.0, jitter=0.0, attempts=2))
    found = world.net.registry.of[C4.value]
    world.net.registry.resign(C4.value, world.renewed("c3"))
    message_id = await world.exchange()
    assert (await outcome(world.c2, message_id)).last_code == "EBMS:0302"
    if heals:
        world.net.registry.of[C4.value] = found
    world.net.clock.advance(60)
    await world.c2.send_due()
    told = await world.told(message_id)
    assert (told.failed, told.code) == ((False, None) if heals else (True, "EBMS:0302"))


async def test_ds_ta03_a_receipt_that_does_not_verify(world: World) -> None:
    """0101: the signature is not one of the certificate that it names."""
    world.c2.looks_up(world.pki.issuing, retry=RetryPolicy(attempts=1))
    message_id = await world.submit()

    async def broken(wire: Wire, forward: Any) -> Wire:
        verified = signed_parts(world.c3, wire)
        receipt = receipt_for(verified, message_id=MessageId("r@c3.example"), now=world.net.clock.now())
        answer = pack_receipt(receipt, world.c3.pmodes[0], keys=world.c3.keys)
        text = read_all(answer.body).replace(b"<ds:SignatureValue>", b"<ds:SignatureValue>AAAA", 1)
        return replace(answer, body=MemoryBody(text))

    world.net.forecast(broken)
    await world.c2.send_due()
    told = await world.told(message_id)
    assert (told.failed, told.code) == (True, "EBMS:0101")


async def test_a_posted_receipt_is_judged_by_what_was_found(world: World) -> None:
    """Also after C3 changed its certificate, and by nobody's else though it stands below the same CA."""
    message_id = await world.submit()
    held: list[Wire] = []
    world.net.forecast(hold_answer(held))
    await world.c2.send_due()
    verified = signed_parts(world.c3, world.net.posts[-1])
    receipt = receipt_for(verified, message_id=MessageId("forged@c3.example"), now=world.net.clock.now())
    forged = pack_receipt(receipt, world.other.pmodes[0], keys=world.other.keys)
    await world.c2.receive(forged)
    assert await world.state(message_id) is State.ACCEPTED
    world.roll_over()
    await world.c2.receive(held[0])
    assert await world.state(message_id) is State.ACKNOWLEDGED


# -- the access point moves


async def test_who_cannot_be_reached_is_looked_up_anew(world: World) -> None:
    """It moved to another host: the next attempt goes there, though what was found is still fresh."""
    message_id = await world.submit()
    world.net.forecast(lose_request)
    await world.c2.send_due()
    world.net.sites["https://moved.example/as4"] = world.c3
    world.net.registry.publish(C4.value, world.c3.identity, "https://moved.example/as4")
    world.net.clock.advance(30)
    await world.c2.send_due()
    assert await world.state(message_id) is State.ACKNOWLEDGED
    details = [event.detail for event in await world.timeline(message_id) if event.kind is EventKind.DISCOVERED]
    assert [detail.split(" of ")[0] for detail in details] == ["https://c3.example/as4", "https://moved.example/as4"]


async def test_what_answers_there_now_is_not_believed(world: World) -> None:
    """404 where the access point was: with a partner of a P-Mode that is final, with one that is looked up it is not."""
    message_id = await world.submit()
    world.net.forecast(answer_with(Wire(content_type="text/html", body=MemoryBody(b"<html/>"), status=404)))
    await world.c2.send_due()
    assert await world.state(message_id) is State.ACCEPTED
    world.net.clock.advance(30)
    await world.c2.send_due()
    assert await world.state(message_id) is State.ACKNOWLEDGED


async def test_another_access_point_is_sent_a_message_of_its_own(world: World) -> None:
    """The participant moved to another while the answer of the first was lost: signed anew, as it names its receiver."""
    message_id = await world.submit()
    held: list[Wire] = []
    world.net.forecast(hold_answer(held))
    await world.c2.send_due()
    world.publish(at=world.other)
    world.net.clock.advance(30)
    await world.c2.send_due()
    stored = await outcome(world.c2, message_id)
    assert (stored.state, stored.message.to.id) == (State.ACKNOWLEDGED, party("other"))
    await world.other.deliver_due()
    [there] = world.other.inbox.messages
    assert there.to.id == party("other")
    first, second = signed_parts(world.c3, world.net.posts[0]), signed_parts(world.other, world.net.posts[1])
    assert first.references != second.references


async def test_the_receipt_of_the_access_point_of_before_counts_no_more(world: World) -> None:
    """It proves other bytes than those that are kept; the message goes on to where the network says."""
    message_id = await world.submit()
    held: list[Wire] = []
    world.net.forecast(hold_answer(held), lose_request)
    await world.c2.send_due()
    world.publish(at=world.other)
    world.net.clock.advance(30)
    await world.c2.send_due()
    await world.c2.receive(held[0])
    assert await world.state(message_id) is State.ACCEPTED
    world.net.clock.advance(60)
    await world.c2.send_due()
    assert (await outcome(world.c2, message_id)).message.to.id == party("other")
    assert await world.state(message_id) is State.ACKNOWLEDGED


# -- P-Modes change


async def test_a_p_mode_may_become_a_partner_s(world: World) -> None:
    """What was accepted under the template, and is not addressed yet, goes to the partner that it has now."""
    world.net.registry.down = True
    message_id = await world.exchange()
    world.c2.knows(world.c3, name="dynamic", four_corner=True, party_binding="none", trust=())
    world.net.clock.advance(30)
    await world.c2.send_due()
    stored = await outcome(world.c2, message_id)
    assert (stored.state, stored.message.to.id) == (State.ACKNOWLEDGED, party("c3"))


async def test_a_p_mode_may_become_a_template(world: World) -> None:
    world.c2.knows(world.other, name="dynamic", four_corner=True)
    message_id = await world.submit()
    world.net.forecast(lose_request)
    await world.c2.send_due()
    world.c2.looks_up(world.pki.issuing)
    world.net.clock.advance(30)
    await world.c2.send_due()
    stored = await outcome(world.c2, message_id)
    assert (stored.state, stored.message.to.id) == (State.ACKNOWLEDGED, party("c3"))


async def test_a_type_of_the_network_s_own(world: World) -> None:
    network = world.c2.networks["net"]
    receivers = replace(network.receivers, party_type="urn:fdc:peppol.eu:2017:identifiers:ap")
    world.c2.networks["net"] = replace(network, receivers=receivers)
    us = PartyId("c3", "urn:fdc:peppol.eu:2017:identifiers:ap")
    world.c3.looks_up(world.pki.issuing, us=us)
    message_id = await world.exchange()
    stored = await outcome(world.c2, message_id)
    assert (stored.state, stored.message.to.id) == (State.ACKNOWLEDGED, us)
