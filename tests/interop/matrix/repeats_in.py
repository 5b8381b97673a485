"""What comes late, never or twice between phase4 and us: C4 has the message once, and phase4 the first receipt."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Literal

from ehmi_ap.lifecycle import State
from ehmi_ap.model import Direction, EventKind
from tests import independent
from tests.interop import claims
from tests.interop.cells import Cell, Limit, Way
from tests.interop.evidence import equal
from tests.interop.http1 import answer
from tests.interop.matrix import limits, terms
from tests.interop.matrix.exchanges import ARRIVES, TWO, XML
from tests.interop.matrix.repeats_out import GROUP
from tests.interop.proxy import LOSE_ANSWER, Weather
from tests.interop.scene import Scene


def _cell(
    name: str, what: str, expected: str, run: Callable[[Scene], Awaitable[None]], limit: Limit | None = None
) -> Cell:
    return Cell(name, GROUP, Way.IN, what, expected, run, limit)


def cells() -> Iterator[Cell]:
    once = "phase4 sends it again and gets the first receipt, byte for byte; delivered once"
    for name, what, weather in (
        ("lost-receipt", "the connection reset before our answer", LOSE_ANSWER),
        ("cut-receipt", "the connection reset in the middle of our answer", Weather(cut_answer=400)),
        ("slow", "no answer within phase4's timeout", Weather(hold=True)),
    ):
        yield _cell(name, what, once, partial(_lost, weather=weather))
    yield _cell(
        "lost-request",
        "the connection reset in the middle of the request",
        "phase4 sends it again; delivered once, and proven by a receipt",
        _lost_request,
    )
    yield _cell(
        "unavailable",
        "HTTP 503 in place of our answer",
        "phase4 calls it a failure that it may repeat, and does; delivered once",
        _unavailable,
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
        "the same receipt twice, byte for byte; delivered once",
        partial(_repeated, again="after"),
    )
    yield _cell(
        "at-once",
        "the same request twice at the same time",
        "the same receipt twice, byte for byte; delivered once",
        partial(_repeated, again="beside"),
    )
    yield _cell(
        "taken-id",
        "a MessageId that phase4 has used for another message",
        "the first receipt, whose digests do not fit, and no delivery; phase4 calls it success",
        _taken_id,
        limits.ANY_RECEIPT,
    )


async def _lost(scene: Scene, weather: Weather) -> None:
    scene.to_ours.forecast(weather)
    result = await scene.phase4_sends(XML, terms.PLAIN, retries=1, timeout_ms=3000)
    claims.success(result)
    first, second = scene.to_ours.of(result["message_id"])
    equal((first.request.body, first.answer.body), (second.request.body, second.answer.body))
    await claims.at_c4(scene, result["message_id"], XML, terms.PLAIN)
    await claims.right_receipt_of_ours(scene, result, second)
    await scene.ours.happened(result["message_id"], EventKind.DUPLICATE, Direction.INBOUND)


async def _lost_request(scene: Scene) -> None:
    scene.to_ours.forecast(Weather(cut_request=3000))
    result = await scene.phase4_sends(XML, terms.PLAIN, retries=1)
    claims.success(result)
    equal(len(scene.to_ours.exchanges), 2)
    await claims.at_c4(scene, result["message_id"], XML, terms.PLAIN)
    await claims.right_receipt_of_ours(scene, result, scene.to_ours.exchanges[1])


async def _unavailable(scene: Scene) -> None:
    scene.to_ours.forecast(
        Weather(instead=answer(503, "text/plain; charset=utf-8", b"The message cannot be taken now."))
    )
    result = await scene.phase4_sends(XML, terms.PLAIN, retries=1)
    claims.success(result)
    equal([bool(exchange.answers) for exchange in scene.to_ours.exchanges], [False, True])
    await claims.at_c4(scene, result["message_id"], XML, terms.PLAIN)


async def _dripping(scene: Scene) -> None:
    scene.to_ours.forecast(Weather(drip=100))
    await claims.in_(scene, XML, terms.PLAIN)


async def _repeated(scene: Scene, again: Literal["after", "beside"]) -> None:
    scene.to_ours.forecast(Weather(again=again))
    result = await claims.in_(scene, XML, terms.PLAIN)
    [exchange] = scene.to_ours.exchanges
    equal(exchange.answers[0].body, exchange.answers[1].body)
    await scene.ours.happened(result["message_id"], EventKind.DUPLICATE, Direction.INBOUND)


async def _taken_id(scene: Scene) -> None:
    first = await claims.in_(scene, XML, terms.PLAIN)
    again = await scene.phase4_sends(replace(TWO, message_id=first["message_id"]), terms.PLAIN)
    equal((again["result"], again["receipt"]["references"]), ("SUCCESS", "different"))
    equal(again["receipt"]["message_id"], first["receipt"]["message_id"])
    await claims.at_c4(scene, first["message_id"], XML, terms.PLAIN)
    stored = await scene.ours.stored(first["message_id"], Direction.INBOUND)
    assert stored is not None
    equal((stored.state, independent.check(*scene.to_ours.exchanges[1].answer.content).errors), (State.DELIVERED, []))
