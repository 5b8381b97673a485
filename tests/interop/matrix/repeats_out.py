"""What comes late, never or twice between us and phase4: it has the message once, and we know what we may know."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial

from ehmi_ap.flows.verdict import WITHOUT_EVIDENCE
from ehmi_ap.lifecycle import State
from ehmi_ap.model import EventKind
from tests import independent
from tests.interop import claims, evidence
from tests.interop.cells import Cell, Limit, Way
from tests.interop.claims import Sent
from tests.interop.evidence import equal
from tests.interop.http1 import Http
from tests.interop.letters import Terms
from tests.interop.matrix import limits, terms
from tests.interop.matrix.exchanges import ARRIVES, TWO, XML
from tests.interop.proxy import LOSE_ANSWER, Weather
from tests.interop.scene import Scene

GROUP = "Lost, late and twice"


def _cell(
    name: str, what: str, expected: str, run: Callable[[Scene], Awaitable[None]], limit: Limit | None = None
) -> Cell:
    return Cell(name, GROUP, Way.OUT, what, expected, run, limit)


def cells() -> Iterator[Cell]:
    once = "sent again, refused as a duplicate: acknowledged without evidence; phase4 delivered it once"
    for name, what, run in (
        ("lost-receipt", "the connection reset before the answer", partial(_lost, weather=LOSE_ANSWER)),
        (
            "cut-receipt",
            "the connection reset in the middle of the answer",
            partial(_lost, weather=Weather(cut_answer=400)),
        ),
        (
            "slow",
            "no answer within the P-Mode's timeout",
            partial(_lost, weather=Weather(hold=True), agreed=terms.IMPATIENT),
        ),
    ):
        yield _cell(name, what, once, run, limits.DUPLICATE)
    yield _cell(
        "lost-request",
        "the connection reset in the middle of the request",
        "sent again, with the same digests; delivered once and proven by a receipt",
        _lost_request,
    )
    yield _cell(
        "dripping",
        "request and answer arrive in pieces of 100 bytes",
        ARRIVES,
        _dripping,
    )
    yield _cell(
        "repeated",
        "the same request twice",
        "phase4 delivers it once, its second answer is an error; ours is settled by the first",
        _repeated,
        limits.DUPLICATE,
    )
    yield _cell(
        "taken-id",
        "a MessageId that phase4 has from somebody else, on a first attempt",
        "refused as a duplicate: failed, and C1 is told to ask the peer",
        _taken_id,
        limits.DUPLICATE,
    )


async def _lost(scene: Scene, weather: Weather, *, agreed: Terms = terms.RETRYING) -> None:
    scene.to_phase4.forecast(weather)
    sent = await claims.send(scene, XML, agreed)
    equal((sent.stored.state, sent.stored.attempts, sent.stored.has_receipt), (State.ACKNOWLEDGED, 2, False))
    equal((sent.stored.last_code, sent.stored.last_detail), ("EBMS:0004", WITHOUT_EVIDENCE))
    _same_digests(sent)
    await claims.right_message(scene, sent.exchanges[1].request, XML, agreed)
    says_duplicate(sent.exchanges[1].answer)
    await claims.at_phase4(scene, sent.message_id, XML, agreed)
    evidence.receipt_proves(sent.exchanges[0].answer, sent.exchanges[0].request, signer=scene.ids.phase4)
    kinds = [event.kind for event in await scene.ours.told(sent.message_id)]
    equal(kinds, [EventKind.RECEIVED, EventKind.ATTEMPT, EventKind.SENT])


async def _lost_request(scene: Scene) -> None:
    scene.to_phase4.forecast(Weather(cut_request=3000))
    message_id = await scene.ours.submit(XML, terms.RETRYING)
    stored = await scene.ours.settled(message_id)
    equal((stored.state, stored.attempts, len(scene.to_phase4.exchanges)), (State.ACKNOWLEDGED, 2, 2))
    exchange = scene.to_phase4.exchanges[1]
    await claims.right_message(scene, exchange.request, XML, terms.RETRYING)
    await claims.at_phase4(scene, message_id, XML, terms.RETRYING)
    await claims.right_receipt_for_us(scene, Sent(message_id, stored, [exchange]), exchange)


async def _dripping(scene: Scene) -> None:
    scene.to_phase4.forecast(Weather(drip=100))
    await claims.out(scene, XML, terms.PLAIN)


async def _repeated(scene: Scene) -> None:
    scene.to_phase4.forecast(Weather(again="after"))
    sent = await claims.out(scene, XML, terms.PLAIN)
    says_duplicate(sent.exchanges[0].answers[1])


async def _taken_id(scene: Scene) -> None:
    """Another access point of ours has sent a message with this id, and what it was nobody knows here."""
    async with scene.another("namesake") as namesake:
        first = await claims.send(scene, XML, terms.PLAIN, ours=namesake)
        equal(first.stored.state, State.ACKNOWLEDGED)
    sent = await claims.send(scene, replace(TWO, message_id=first.message_id), terms.PLAIN)
    claims.given_up(sent, "EBMS:0004", "duplicate", attempts=1)
    assert "Ask the peer" in sent.stored.last_detail, sent.stored.last_detail
    await claims.at_phase4(scene, sent.message_id, XML, terms.PLAIN)


def says_duplicate(answer: Http) -> None:
    """phase4 4.4.1's way to say that it has the message."""
    facts = independent.check(*answer.content)
    equal((facts.errors, facts.receipt), (["EBMS:0004"], []))
    detail = facts.root.findtext(".//eb:Error/eb:ErrorDetail", "", independent.NS)
    assert "this is a duplicate" in detail, detail


def _same_digests(sent: Sent) -> None:
    signed = [evidence.signed_references(exchange.request) for exchange in sent.exchanges]
    equal(signed[1:], signed[:-1])
