"""What is found about an exchange: by either side, by the wire, and by two verifiers that share no code with us.

`out` and `in_` are whole exchanges that have to succeed; the others are single findings for cells that plant a fault.
"""

from dataclasses import dataclass
from typing import Any

from ehmi_ap.lifecycle import State
from ehmi_ap.model import Direction, EventKind
from ehmi_ap.ports import Stored
from tests import independent
from tests.interop.evidence import equal, fingerprint, holds, receipt_proves, right_by_wss4j
from tests.interop.http1 import Http
from tests.interop.letters import Json, Letter, Terms
from tests.interop.ours import Ours
from tests.interop.proxy import Exchange
from tests.interop.scene import Scene


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of ours after its last attempt."""

    message_id: str
    stored: Stored
    exchanges: list[Exchange]


# -- from us to phase4


async def send(scene: Scene, letter: Letter, terms: Terms, *, ours: Ours | None = None) -> Sent:
    """C1 submits; wait until the message is settled, one way or the other."""
    ap = ours or scene.ours
    message_id = await ap.submit(letter, terms)
    stored = await ap.settled(message_id)
    return Sent(message_id, stored, scene.to_phase4.of(message_id))


async def out(scene: Scene, letter: Letter, terms: Terms) -> Sent:
    """A message of ours that phase4 takes at once, and everything that proves it."""
    sent = await send(scene, letter, terms)
    assert sent.stored.state is State.ACKNOWLEDGED, (sent.stored.last_code, sent.stored.last_detail)
    equal((sent.stored.attempts, sent.stored.last_code, len(sent.exchanges)), (1, None, 1))
    [exchange] = sent.exchanges
    await right_message(scene, exchange.request, letter, terms)
    await at_phase4(scene, sent.message_id, letter, terms)
    await right_receipt_for_us(scene, sent, exchange)
    return sent


async def right_message(scene: Scene, request: Http, letter: Letter, terms: Terms) -> None:
    """A message of ours holds by the independent checker and by WSS4J, and is secured as agreed."""
    facts = independent.check(*request.content, keys=[scene.ids.phase4.key_pem], certificates=[scene.ids.ours.pem])
    independent.insist(*request.content, facts)
    assert facts.signed
    equal(facts.encrypted, terms.encrypt_token is not None and bool(letter.parts))
    equal([data for _, _, data in facts.payloads], [part.data for part in letter.parts])
    await right_by_wss4j(scene.phase4, *request.content, facts, signer=scene.ids.ours, decrypt="main")


async def at_phase4(scene: Scene, message_id: str, letter: Letter, terms: Terms) -> None:
    """phase4 handed exactly this to its backend, once."""
    received = await scene.phase4.received(message_id)
    equal(len(received), 1)
    [record] = received
    holds(_content(record), letter.content(terms, ours=True))
    equal((record["signed"], record["encrypted"]), (True, terms.encrypt_token is not None and bool(letter.parts)))
    equal(record["signer_sha256"], fingerprint(scene.ids.ours.cert))
    equal([part["compressed"] for part in record["payloads"]], [terms.compress] * len(letter.parts))


async def not_at_phase4(scene: Scene, message_id: str) -> None:
    """phase4's backend never saw it."""
    equal(await scene.phase4.received(message_id), [])


def _content(record: Json) -> Json:
    """phase4's record of a message in the form of `Letter.content`."""
    agreement = record["agreement"]
    return {
        **{key: record[key] for key in ("message_id", "conversation_id", "from", "to", "ref_to", "service", "action")},
        "agreement": agreement and {key: agreement[key] for key in ("value", "type")},
        "properties": [_typed(item) for item in record["message_properties"]],
        "payloads": [
            {key: part[key] for key in ("sha256", "size", "mime_type", "charset")} | {"properties": _own(part)}
            for part in record["payloads"]
        ],
    }


def _own(part: Json) -> list[Json]:
    """The part properties that are the sender's to choose."""
    fixed = ("MimeType", "CharacterSet", "CompressionType")
    return [_typed(item) for item in part["properties"] if item["name"] not in fixed]


def _typed(item: Json) -> Json:
    """A property with its type, of which the peer says nothing where there is none."""
    return {"type": None, **item}


async def right_receipt_for_us(scene: Scene, sent: Sent, exchange: Exchange) -> None:
    """What we stored is what phase4 answered; it proves all that was sent, by our code and by the independent checker."""
    await scene.ours.proven(sent.stored)
    equal(await scene.ours.receipt(sent.stored), exchange.answer.body)
    receipt_proves(exchange.answer, exchange.request, signer=scene.ids.phase4)


async def refused(
    scene: Scene, letter: Letter, terms: Terms, code: str, says: str = "", *, ours: Ours | None = None
) -> Sent:
    """A message of ours that phase4 refuses at the first attempt: C1 is told its code and words, it has nothing."""
    sent = await send(scene, letter, terms, ours=ours)
    given_up(sent, code, says, attempts=1)
    await not_at_phase4(scene, sent.message_id)
    told = await (ours or scene.ours).happened(sent.message_id, EventKind.ERROR)
    equal(told.code, code)
    return sent


def given_up(sent: Sent, code: str, says: str = "", *, attempts: int) -> None:
    """We gave it up with this code, and kept no receipt."""
    stored = sent.stored
    equal((stored.state, stored.last_code, stored.attempts), (State.FAILED, code, attempts))
    equal(stored.has_receipt, False)
    assert says in stored.last_detail, stored.last_detail


# -- from phase4 to us


async def in_(scene: Scene, letter: Letter, terms: Terms, **changes: Any) -> Json:
    """A message of phase4 that we take, and everything that proves it."""
    result = await scene.phase4_sends(letter, terms, **changes)
    success(result)
    [exchange] = scene.to_ours.of(result["message_id"])
    await at_c4(scene, result["message_id"], letter, terms)
    right_message_of_phase4(scene, exchange.request, letter, terms)
    await right_receipt_of_ours(scene, result, exchange)
    return result


def success(result: Json) -> None:
    """phase4 got a receipt, signed by us, that repeats what it sent; by its own code."""
    equal((result["result"], result["errors"], result["exception"]), ("SUCCESS", [], None))
    receipt = result["receipt"]
    assert receipt is not None
    equal((receipt["ref_to"], receipt["signed"], receipt["signature_verified"]), (result["message_id"], True, True))
    equal(receipt["references"], "equal")


def right_message_of_phase4(scene: Scene, request: Http, letter: Letter, terms: Terms) -> None:
    """phase4's message holds by the independent checker too."""
    facts = independent.check(*request.content, keys=[scene.ids.ours.key_pem], certificates=[scene.ids.phase4.pem])
    assert facts.signed
    equal(facts.encrypted, terms.encrypt_token is not None and bool(letter.parts))
    equal([data for _, _, data in facts.payloads], [part.data for part in letter.parts])


async def at_c4(scene: Scene, message_id: str, letter: Letter, terms: Terms, *, ours: Ours | None = None) -> None:
    """We delivered exactly this, once."""
    ap = ours or scene.ours
    stored = await ap.settled(message_id, Direction.INBOUND)
    equal((stored.state, stored.pmode), (State.DELIVERED, terms.name))
    delivered = ap.delivered(message_id)
    equal(len(delivered), 1)
    holds(delivered[0], letter.content(terms, ours=False))


async def not_at_c4(scene: Scene, message_id: str, *, ours: Ours | None = None) -> None:
    """We keep nothing of it, so that it can never be delivered."""
    ap = ours or scene.ours
    equal(await ap.stored(message_id, Direction.INBOUND), None)
    equal(ap.delivered(message_id), [])


async def right_receipt_of_ours(scene: Scene, result: Json, exchange: Exchange) -> None:
    """What we answered is what we stored; it holds by the independent checker and by WSS4J, and phase4 saw our key."""
    stored = await scene.ours.stored(result["message_id"], Direction.INBOUND)
    assert stored is not None
    given = exchange.answer
    equal((given.status, given.body), (200, await scene.ours.receipt(stored)))
    facts = receipt_proves(given, exchange.request, signer=scene.ids.ours)
    equal(result["receipt"]["signer_sha256"], fingerprint(scene.ids.ours.cert))
    await right_by_wss4j(scene.phase4, *given.content, facts, signer=scene.ids.ours)


async def refused_by_us(
    scene: Scene, letter: Letter, terms: Terms, code: str, *, signed: bool = True, **changes: Any
) -> Json:
    """A message of phase4 that we refuse: phase4 reads our code, C4 gets nothing, and our error is right."""
    result = await scene.phase4_sends(letter, terms, **changes)
    equal((result["result"], result["receipt"]), ("AS4_ERROR_MESSAGE_RECEIVED", None))
    equal([(each["code"], each["severity"].lower()) for each in result["errors"]], [(code, "failure")])
    await not_at_c4(scene, result["message_id"])
    [exchange] = scene.to_ours.exchanges
    await right_error(scene, exchange.answer, code, signed=signed)
    return result


async def right_error(scene: Scene, given: Http, code: str, *, signed: bool) -> None:
    """An error of ours: signed wherever the P-Mode is known, right by the independent checker and by WSS4J."""
    facts = independent.check(*given.content)
    equal((facts.errors, facts.signed), ([code], signed))
    if signed:
        await right_by_wss4j(scene.phase4, *given.content, facts, signer=scene.ids.ours)
