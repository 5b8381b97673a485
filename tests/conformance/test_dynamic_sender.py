"""A receiver that S does not know, looked up in the discovery service (DS_TA01-03)."""

import re
from dataclasses import replace

import pytest

from ehmi_ap.body import MemoryBody, read_all
from ehmi_ap.model import Direction, EventKind, MessageId, Participant, PartyId, Submission, Wire
from tests.conformance import judge
from tests.conformance.catalogue import assertion
from tests.conformance.world import RECEIVER, World, message
from tests.functional.sim import Forward
from tests.pair import PARTY_TYPE

pytestmark = pytest.mark.asyncio(loop_scope="session")

TO = "eb:UserMessage/eb:PartyInfo/eb:To/eb:PartyId"


@assertion("DS_TA01")
async def test_the_access_point_of_the_final_recipient_is_looked_up(world: World) -> None:
    """S has neither party nor certificate nor URL of R; eb:To is R's, as discovered, and S takes its receipt."""
    world.service.register(RECEIVER, world.c3.side.identity, world.c3.side.url, "LOOKED_UP")
    submission = message(pmode="LOOKED_UP")
    exchange = await world.exchange(submission)
    judge.nrr(exchange, world.c3)
    assert judge.text(judge.sent(exchange, world.c3).root, TO) == world.c3.side.name
    received = await world.delivered(MessageId(submission.message_id or ""))
    assert received.to.id == PartyId(world.c3.side.name, PARTY_TYPE)
    assert not (await world.c2.outcome(received.message_id)).failed


@assertion("DS_TA02")
async def test_a_party_that_p_names_is_looked_up_itself(world: World) -> None:
    """Point to point: no corners in the message."""
    party = PartyId(world.c3.side.name, PARTY_TYPE)
    world.service.register(
        Participant(party.value, party.type), world.c3.side.identity, world.c3.side.url, "POINT_TO_POINT"
    )
    submission = message(pmode="POINT_TO_POINT", to=party, sender=None, receiver=None)
    exchange = await world.exchange(submission)
    judge.nrr(exchange, world.c3)
    root = judge.sent(exchange, world.c3).root
    assert judge.text(root, TO) == world.c3.side.name
    assert {"originalSender", "finalRecipient"}.isdisjoint(judge.properties(root))
    await world.delivered(MessageId(submission.message_id or ""))


@assertion("DS_TA03")
async def test_a_receipt_signed_by_another_certificate_than_the_registered_one(world: World) -> None:
    """R can decrypt with the registered key and signs with its own, whose certificate stands below the same CA."""
    await failed(world, other(world), "EBMS:0302")


@assertion("DS_TA03")
async def test_a_receipt_whose_signature_does_not_verify(world: World) -> None:
    async def broken(wire: Wire, forward: Forward) -> Wire:
        answer = await forward(wire)
        data = re.sub(
            rb"(<ds:SignatureValue>)(.)", lambda m: m[1] + (b"A" if m[2] != b"A" else b"B"), read_all(answer.body)
        )
        return replace(answer, body=MemoryBody(data))

    world.c2.link.forecast(broken)
    await failed(world, other(world), "EBMS:0101")


def other(world: World) -> Submission:
    """A message to a participant whose registered certificate R does not sign with."""
    receiver = Participant("C4-OTHER", RECEIVER.scheme)
    world.service.register(receiver, world.registered, world.c3.side.url, "LOOKED_UP")
    return message(pmode="LOOKED_UP", receiver=receiver)


async def failed(world: World, submission: Submission, code: str) -> None:
    """R has the message and answered a receipt; S refuses it, and P is told so."""
    exchange = await world.exchange(submission)
    message_id = MessageId(submission.message_id or "")
    assert b"NonRepudiationInformation" in exchange.answered.body
    assert await world.c3.stored(message_id, Direction.INBOUND) is not None
    told = await world.c2.corner.told(message_id, EventKind.SENT)
    assert (told.failed, told.code) == (True, code)
    stored = await world.c2.stored(message_id, Direction.OUTBOUND)
    assert stored is not None
    assert not stored.has_receipt
