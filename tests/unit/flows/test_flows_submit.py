"""Submitting: which P-Mode, which addressing, and what a bad submission leaves behind."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from flow_world import KEYS, PMODE, THEM, world

from ehmi_ap.agreements import Agreements
from ehmi_ap.body import MemoryBody, read_all
from ehmi_ap.crypto.keys import Trust
from ehmi_ap.errors import MalformedXml, SubmissionConflict, SubmissionError
from ehmi_ap.flows.submit import submit
from ehmi_ap.flows.world import World
from ehmi_ap.model import MessageId, Participant, PartyId, Payload, Service, Submission, UserMessage
from ehmi_ap.pmode import PMode
from ehmi_ap.ports import Query
from ehmi_ap.profile import Addressing, Checked, Finding, Profile

NewId = Callable[[], MessageId]
XML = Payload(body=MemoryBody(b"<a/>"), mime_type="application/xml")
SBD = Payload(body=MemoryBody(b"<sbd/>"), mime_type="application/xml")
SAID = Addressing(
    sender=Participant("s"), receiver=Participant("r"), service=Service("urn:network"), action="urn:document"
)


def said(payload: Payload) -> Addressing | None:
    return SAID if read_all(payload.body) == b"<sbd/>" else None


NETWORK = replace(PMODE, name="network", profile="network", service=Service("urn:network"), actions=("urn:document",))


def with_pmodes(to: World, *pmodes: PMode, **profiles: Profile) -> World:
    agreements = Agreements(pmodes=pmodes, keys=KEYS, trust=Trust({}))
    return replace(to, agreements=lambda: agreements, profiles=profiles)


@pytest.fixture
def to(new_id: NewId, now: datetime) -> World:
    return world(new_id, now)


async def accepted(to: World) -> UserMessage:
    [stored] = await to.store.find(Query())
    return stored.message


async def test_an_envelope_addresses_what_c1_leaves_out(to: World) -> None:
    """Sender, receiver, service and action from the SBD, and the P-Mode by them."""
    to = with_pmodes(to, PMODE, NETWORK, network=Profile(name="network", address=said))
    await submit(Submission(payloads=(SBD,)), to, backend="rest")
    message = await accepted(to)
    assert (message.service, message.action) == (SAID.service, SAID.action)
    assert message.participant("originalSender") == SAID.sender
    assert message.participant("finalRecipient") == SAID.receiver


async def test_what_c1_says_goes_before_its_envelope(to: World) -> None:
    to = with_pmodes(to, NETWORK, network=Profile(name="network", address=said))
    await submit(Submission(payloads=(SBD,), receiver=Participant("own")), to, backend="rest")
    assert (await accepted(to)).participant("finalRecipient") == Participant("own")


async def test_another_profile_is_not_asked(to: World) -> None:
    """A submission for a partner of another network is not read as this network's envelope."""
    other = replace(PMODE, name="other", partner=PartyId("other"))
    to = with_pmodes(to, other, NETWORK, network=Profile(name="network", address=said))
    await submit(Submission(payloads=(SBD,), to=PartyId("other")), to, backend="rest")
    assert (await accepted(to)).participant("originalSender") is None


async def test_an_envelope_that_cannot_be_read_is_c1s_fault(to: World) -> None:
    def unreadable(payload: Payload) -> Addressing | None:
        raise MalformedXml("no XML at line 1")

    to = with_pmodes(to, NETWORK, network=Profile(name="network", address=unreadable))
    with pytest.raises(SubmissionError, match="no XML at line 1"):
        await submit(Submission(payloads=(SBD,)), to, backend="rest")


async def test_a_profile_that_rejects_says_all_that_is_wrong(to: World) -> None:
    """Nothing is stored, and C1 reads every rule and fix at once; a warning only goes into the log."""
    findings = [
        Finding("S-1", "reject", "no sender", "Add a sender."),
        Finding("S-2", "warn", "odd id"),
        Finding("S-3", "reject", "no receiver", "Add a receiver."),
    ]
    to = with_pmodes(to, NETWORK, network=Profile(name="network", check=lambda message: Checked(findings)))
    with pytest.raises(SubmissionError, match="S-1: no sender; S-3: no receiver") as caught:
        await submit(Submission(payloads=(XML,)), to, backend="rest")
    assert caught.value.fix == "Add a sender. Add a receiver."
    assert await to.store.find(Query()) == []


@pytest.mark.parametrize(
    "submission",
    [
        Submission(payloads=(XML,), pmode="nobody"),
        Submission(payloads=(XML,), to=PartyId("nobody")),
        Submission(payloads=(XML,), service=Service("urn:nothing")),
        Submission(payloads=(XML,), action="urn:nothing"),
        Submission(payloads=(XML,), message_id=MessageId("no id")),
        Submission(payloads=(replace(XML, mime_type="?"),)),
    ],
)
async def test_a_bad_submission_stores_nothing_and_says_what_to_change(to: World, submission: Submission) -> None:
    with pytest.raises(SubmissionError) as caught:
        await submit(submission, to, backend="rest")
    assert caught.value.fix
    assert await to.store.find(Query()) == []
    assert await to.store.events() == []


async def test_two_partners_need_a_choice(to: World) -> None:
    to = with_pmodes(to, PMODE, replace(PMODE, name="other", partner=PartyId("other")))
    with pytest.raises(SubmissionError, match="other, them"):
        await submit(Submission(payloads=(XML,)), to, backend="rest")
    await submit(Submission(payloads=(XML,), to=THEM), to, backend="rest")
    assert (await accepted(to)).to.id == THEM


async def test_repeating_a_submission_is_one_message(to: World) -> None:
    """Also at once; other content, or another backend, is a conflict (G02, issue: idempotent)."""
    given = Submission(payloads=(XML,), message_id=MessageId("1@c1.example"))
    ids = await asyncio.gather(*(submit(given, to, backend="rest") for _ in range(3)))
    assert set(ids) == {"1@c1.example"}
    await accepted(to)
    assert len(await to.store.events()) == 1
    for other, backend in ((replace(given, payloads=(SBD,)), "rest"), (given, "files")):
        with pytest.raises(SubmissionConflict):
            await submit(other, to, backend=backend)


async def test_a_reply_takes_the_conversation_of_its_partner_only(to: World) -> None:
    """A MessageId that two partners used: the conversation is the one with whom we talk."""
    outcome: Any = None
    pmodes = (PMODE, replace(PMODE, name="other", partner=PartyId("other")))
    to = with_pmodes(to, *pmodes)
    first = await submit(
        Submission(payloads=(XML,), to=PartyId("other"), conversation_id="with other"), to, backend="rest"
    )
    await submit(Submission(payloads=(XML,), to=THEM, ref_to=first), to, backend="rest")
    await submit(Submission(payloads=(XML,), to=PartyId("other"), ref_to=first), to, backend="rest")
    outcome = [stored.message.conversation_id for stored in await to.store.find(Query())]
    assert outcome[0] == outcome[2] == "with other"
    assert outcome[1] != "with other"
