"""Envelope receipts and acknowledgements pass as messages, and are told of the message that they answer."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pki
import pytest
from msh import CPR, EHMI, HOSPITAL, PRACTICE, REPOSITORY, Ehmi, rewritten, said, stored, timeline
from sim import Net, Site, lose_answer

from ehmi_ap.ehmi.receipts import envelope_receipt
from ehmi_ap.ehmi.unwrap import unwrap
from ehmi_ap.ehmi.wrap import participant
from ehmi_ap.envelope import Answer, Kind
from ehmi_ap.lifecycle import State
from ehmi_ap.model import Direction, MessageId, Organisation, Service
from ehmi_ap.ports import Query

RECEIPT, ACKNOWLEDGEMENT = Kind.RECEIPT, Kind.ACKNOWLEDGEMENT
STRANGER = Organisation("1", "5790000127092")


async def answers(site: Site, message_id: MessageId) -> list[tuple[str, ...]]:
    """What the timeline says of answers: (failed,) code and text."""
    return [line[1:] for line in await timeline(site, message_id) if line[0] == "answered"]


async def waiting(site: Site, after: float = 86400.0) -> list[str]:
    """Whose receipt is awaited."""
    site.net.clock.advance(after)
    found = await site.store.envelopes.unanswered(now=site.net.clock.now(), limit=50)
    return [each.message_id for each in found]


async def test_a_message_its_receipts_and_its_acknowledgement_stand_in_one_timeline(ehmi: Ehmi) -> None:
    """ehmi.md 1.2: message, AS4 receipt, envelope receipt, acknowledgement, and the receipt for that; at both ends."""
    hospital, practice = ehmi.hospital, ehmi.practice
    request = ehmi.request()
    message = await ehmi.send(hospital, request)
    receipt = await ehmi.send(practice, ehmi.receipt(request))
    business = ehmi.acknowledgement(request)
    acknowledgement = await ehmi.send(practice, business)
    last = await ehmi.send(hospital, ehmi.receipt(business, name="r2"))

    as4 = (await timeline(practice, message))[0][-1]
    assert as4.startswith("receipt ")
    assert as4.endswith("@practice.example")
    told = [
        ("answered", "envelope-receipt", f"ReceiptAcknowledgement in message {receipt}"),
        ("answered", "acknowledgement", f"acknowledgement-message in message {acknowledgement}"),
    ]
    assert await timeline(hospital, message) == [("msg-received",), ("msg-sent", as4), *told]
    assert await timeline(practice, message) == [("msg-received", as4), ("msg-sent",), *told]
    told = [("answered", "envelope-receipt", f"ReceiptAcknowledgement in message {last}")]
    assert (await timeline(practice, acknowledgement))[2:] == told
    assert (await timeline(hospital, acknowledgement))[2:] == told
    for site in (hospital, practice):
        assert await answers(site, receipt) == await answers(site, last) == []
        assert (await stored(site, message)).answered_by == (
            Answer(RECEIPT, receipt, True),
            Answer(ACKNOWLEDGEMENT, acknowledgement, None),
        )
        links = {receipt: message, acknowledgement: message, last: acknowledgement, message: None}
        assert {name: (await stored(site, name)).answers for name in links} == links
        assert await waiting(site, 0) == []
    assert await waiting(hospital) == await waiting(practice) == []


async def test_c1_and_c4_are_told(ehmi: Ehmi) -> None:
    request = ehmi.request()
    message = await ehmi.send(ehmi.hospital, request)
    await ehmi.send(ehmi.practice, ehmi.receipt(request))
    for site in (ehmi.hospital, ehmi.practice):
        await site.report()
        assert site.inbox.told(message)[-1] == ("answered", False, "envelope-receipt")


async def test_the_official_envelopes(ehmi: Ehmi, shared_data: Path) -> None:
    """As they were published: the receipt unchanged; the acknowledgement with its GLNs swapped, which the IG forgot, and
    an identifier of its own. The message has placeholders for correlation, and its receipt was due in 2021."""
    hospital, practice = ehmi.repository, ehmi.practice  # by the GLNs of the files
    folder = shared_data / "ehmi" / "sbdh" / "valid"
    practices = Organisation("263001000016001", "5790000201389")
    for one, other, end in ((hospital, practice, practices), (practice, hospital, REPOSITORY)):
        one.knows(other, participants=(participant(end).value,), **EHMI)
    message = await ehmi.send(hospital, (folder / "ig-fullsample-hco.xml").read_bytes())
    assert (await stored(hospital, message)).state is State.ACKNOWLEDGED
    assert await waiting(hospital, 599) == []

    published = (folder / "ig-envelope-receipt.xml").read_bytes()
    document = unwrap(published).header.scope("DOCUMENTID") or ""
    historic = {"service": Service("sdn-emergence"), "actions": (document,), "party_id_uri": False}
    for one, other in ((hospital, practice), (practice, hospital)):
        one.knows(other, **{**EHMI, **historic}, name="historic")
    receipt = await ehmi.send(practice, published)

    text = (folder / "ig-fullsample-ack.xml").read_bytes()
    swapped = rewritten(text, lambda header: replace(header, sender=header.receiver, receiver=header.sender))
    business = rewritten(swapped, lambda header: replace(header, instance_identifier=str(uuid4())))
    acknowledgement = await ehmi.send(practice, business)
    last = await ehmi.send(hospital, envelope_receipt(unwrap(business).header, now=pki.NOW, new_uuid=uuid4))

    for site in (hospital, practice):
        assert await answers(site, message) == [
            ("envelope-receipt", f"SBDHReceiptAcknowledgement in message {receipt}"),
            ("acknowledgement", f"acknowledgement-message in message {acknowledgement}"),
        ]
        assert await answers(site, acknowledgement) == [
            ("envelope-receipt", f"ReceiptAcknowledgement in message {last}")
        ]
    assert await waiting(hospital) == await waiting(practice) == []


async def test_a_negative_receipt_is_a_failure_in_the_timeline(ehmi: Ehmi) -> None:
    request = ehmi.request()
    message = await ehmi.send(ehmi.hospital, request)
    receipt = await ehmi.send(ehmi.practice, ehmi.receipt(request, positive=False))
    for site in (ehmi.hospital, ehmi.practice):
        assert await answers(site, message) == [
            ("failed", "envelope-receipt", f"ReceiptException in message {receipt}")
        ]
        assert (await stored(site, message)).answered_by == (Answer(RECEIPT, receipt, False),)
    assert await waiting(ehmi.hospital) == []


async def test_an_answer_that_comes_before_our_as4_receipt(net: Net, ehmi: Ehmi) -> None:
    """It changes no state: the AS4 receipt is still asked for, and comes with the next attempt."""
    request = ehmi.request()
    net.forecast(lose_answer)
    message = await ehmi.send(ehmi.hospital, request)
    assert (await stored(ehmi.hospital, message)).state is State.ACCEPTED
    await ehmi.send(ehmi.practice, ehmi.receipt(request))
    assert len(await answers(ehmi.hospital, message)) == 1
    assert (await stored(ehmi.hospital, message)).state is State.ACCEPTED
    net.clock.advance(31)
    await ehmi.carry()
    assert (await stored(ehmi.hospital, message)).state is State.ACKNOWLEDGED
    assert await waiting(ehmi.hospital) == []


# who answers what


@pytest.mark.parametrize("who", [STRANGER, HOSPITAL])
async def test_only_who_got_a_message_answers_it(ehmi: Ehmi, who: Organisation) -> None:
    """Not a third one, behind the same access point, and not its sender."""
    request = ehmi.request()
    message = await ehmi.send(ehmi.hospital, request)
    for forged in (ehmi.receipt(request, sender=participant(who)), ehmi.acknowledgement(request)):
        answer = rewritten(forged, lambda header: replace(header, sender=participant(who)))
        name = await ehmi.send(ehmi.practice, answer)
        assert (await stored(ehmi.hospital, name)).answers is None
    assert await answers(ehmi.hospital, message) == []
    assert await waiting(ehmi.hospital) == [message]


@pytest.mark.parametrize(
    ("correlated", "changes"),
    [
        ("e1", {"ORIGINALENVELOPEIDENTIFIER": "wrong"}),
        ("e1", {"ORIGINALENVELOPEIDENTIFIER": None, "ORIGINALMESSAGEIDENTIFIER": None}),
        ("9a6ff82208de-5a6f-9670-9fa4b9d2f0dh", {}),
        ("wrong", {"ORIGINALMESSAGEIDENTIFIER": "wrong"}),
        ("wrong", {"ORIGINALENVELOPEIDENTIFIER": None}),
        ("e1", {"ORIGINALENVELOPEIDENTIFIER": "other-envelope"}),
        ("other-envelope", {}),
    ],
)
async def test_a_receipt_with_a_wrong_reference(ehmi: Ehmi, correlated: str, changes: dict[str, Any]) -> None:
    """Most of it counts; samples of the IG have their correlation malformed."""
    request = ehmi.request()
    message = await ehmi.send(ehmi.hospital, request)
    other = await ehmi.send(ehmi.hospital, ehmi.request("other-envelope", "other"))
    receipt = rewritten(ehmi.receipt(request), lambda header: said(header, correlated, **changes))
    await ehmi.send(ehmi.practice, receipt)
    for site in (ehmi.hospital, ehmi.practice):
        assert len(await answers(site, message)) == 1
        assert await answers(site, other) == []


async def test_a_receipt_for_nothing_we_know_is_a_message_like_others(ehmi: Ehmi) -> None:
    request = ehmi.request()
    message = await ehmi.send(ehmi.hospital, request)
    unknown = ehmi.receipt(ehmi.request("unknown", "unknown"))
    receipt = await ehmi.send(ehmi.practice, unknown)
    assert (await stored(ehmi.hospital, receipt)).answers is None
    assert await answers(ehmi.hospital, message) == []


async def test_a_receipt_is_not_awaited_and_not_answered(ehmi: Ehmi) -> None:
    """Even one that asks for a receipt, which is wrong, and one that names a receipt."""
    request = ehmi.request()
    await ehmi.send(ehmi.hospital, request)
    asking = unwrap(request).header.scopes[-1]
    receipt = rewritten(ehmi.receipt(request), lambda header: replace(header, scopes=(*header.scopes[:-1], asking)))
    first = await ehmi.send(ehmi.practice, receipt)
    assert await waiting(ehmi.practice) == []
    of_receipt = rewritten(
        ehmi.receipt(ehmi.request("r1", "r1-message")),
        lambda header: replace(header, sender=header.receiver, receiver=header.sender, instance_identifier="r2"),
    )
    second = await ehmi.send(ehmi.hospital, of_receipt)
    assert await answers(ehmi.hospital, first) == await answers(ehmi.practice, first) == []
    assert (await stored(ehmi.practice, second)).answers is None


async def test_an_acknowledgement_answers_no_acknowledgement(ehmi: Ehmi) -> None:
    request = ehmi.request()
    await ehmi.send(ehmi.hospital, request)
    business = ehmi.acknowledgement(request)
    first = await ehmi.send(ehmi.practice, business)
    second = await ehmi.send(ehmi.hospital, ehmi.acknowledgement(business, name="a2"))
    assert await answers(ehmi.practice, first) == []
    assert (await stored(ehmi.practice, second)).answers is None


@pytest.mark.parametrize("answered", ["e1", "e2"])
async def test_a_receipt_for_one_envelope_is_one_for_the_message_sent_again(ehmi: Ehmi, answered: str) -> None:
    """ehmi.md 3.3: the receiver repeats the receipt for the first envelope, or answers the second."""
    sent = {name: ehmi.request(name) for name in ("e1", "e2")}
    messages = {name: await ehmi.send(ehmi.hospital, envelope) for name, envelope in sent.items()}
    await ehmi.send(ehmi.practice, ehmi.receipt(sent[answered]))
    for name, message in messages.items():
        assert len(await answers(ehmi.hospital, message)) == (name == answered)
    assert await waiting(ehmi.hospital) == []


async def test_an_acknowledgement_is_of_the_message_and_of_no_copy(ehmi: Ehmi) -> None:
    request = ehmi.request()
    message = await ehmi.send(ehmi.hospital, request)
    copy = await ehmi.send(ehmi.hospital, ehmi.request("e2", to=REPOSITORY))
    await ehmi.send(ehmi.practice, ehmi.acknowledgement(request))
    assert len(await answers(ehmi.hospital, message)) == 1
    assert await answers(ehmi.hospital, copy) == []


async def test_no_number_of_a_patient_comes_into_the_text(ehmi: Ehmi) -> None:
    """Type and MessageId are others' to write; UUIDs stay as they are."""
    request = ehmi.request()
    message = await ehmi.send(ehmi.hospital, request)
    odd = ehmi.receipt(request, type=CPR)
    await ehmi.send(ehmi.practice, odd, message_id=MessageId(f"{CPR}@practice.example"))
    uuid = "ab345678-1234-4234-8234-a0102031234b@practice.example"
    await ehmi.send(ehmi.practice, ehmi.receipt(request, name="r2"), message_id=MessageId(uuid))
    for site in (ehmi.hospital, ehmi.practice):
        assert await answers(site, message) == [
            ("envelope-receipt", "[number] in message [number]@practice.example"),
            ("envelope-receipt", f"ReceiptAcknowledgement in message {uuid}"),
        ]
        assert [each.positive for each in (await stored(site, message)).answered_by] == [None, True]
        assert CPR not in str(
            [await timeline(site, each.message.message_id) for each in await site.store.find(Query())]
        )


async def test_we_may_send_to_ourselves(ehmi: Ehmi) -> None:
    """Both ends behind one access point: the one answers what came in, and the other what went out."""
    site = ehmi.hospital
    site.knows(site, participants=(participant(HOSPITAL).value, participant(PRACTICE).value), **EHMI)
    site.pmodes = [pmode for pmode in site.pmodes if pmode.name == site.name]
    request = ehmi.request()
    message = await ehmi.send(site, request)
    receipt = await ehmi.send(site, ehmi.receipt(request))
    for direction in Direction:
        told = [line for line in await timeline(site, message, direction) if line[0] == "answered"]
        assert told == [("answered", "envelope-receipt", f"ReceiptAcknowledgement in message {receipt}")]
    assert await waiting(site) == []


# the secondary flow


@pytest.mark.parametrize("agreed", ["by its participants", "by a look-up"])
async def test_a_copy_goes_to_the_repository_as_to_any_receiver(ehmi: Ehmi, net: Net, agreed: str) -> None:
    """O-16: the envelope says who gets it; the repository has its own receipt, and the practice another one."""
    hospital, repository = ehmi.hospital, ehmi.repository
    if agreed == "by a look-up":
        hospital.pmodes = []
        hospital.looks_up(ehmi.anchor, **EHMI)
        for organisation, site in ((PRACTICE, ehmi.practice), (REPOSITORY, repository)):
            net.registry.publish(participant(organisation).value, site.identity, site.url)
    request, copied = ehmi.request(), ehmi.request("e2", to=REPOSITORY)
    message, copy = await ehmi.send(hospital, request), await ehmi.send(hospital, copied)
    assert [each.message_id for each in ehmi.practice.inbox.messages] == [message]
    assert [each.message_id for each in repository.inbox.messages] == [copy]
    assert b"XDS-METADATA" in copied
    assert await waiting(hospital, 600) == [message, copy]
    if agreed == "by a look-up":
        return  # they know us by a P-Mode of their own, which other tests show
    await ehmi.send(repository, ehmi.receipt(copied))
    assert len(await answers(hospital, copy)) == 1
    assert await answers(hospital, message) == []
    assert await waiting(hospital, 0) == [message]
