"""Receipts that do not come, messages that come twice (CP_TA09-11, 15). Waits are those of a P-Mode for tests."""

import asyncio
import copy
from typing import Any

import pytest

from ehmi_ap.errors import ConfigError
from ehmi_ap.lifecycle import State
from ehmi_ap.model import Direction, EventKind, MessageId, PartyId, Submission
from ehmi_ap.pmode import parse_pmode
from ehmi_ap.profiles import PROFILES
from tests.conformance import judge
from tests.conformance.catalogue import assertion
from tests.conformance.world import PATIENCE, World, message
from tests.functional.sim import lose_answer, lose_request, withhold
from tests.pair import PARTY_TYPE

pytestmark = pytest.mark.asyncio(loop_scope="session")

ATTEMPTS = 6
"""Of the P-Mode ONEWAY_RETRY, in all."""


def retried() -> tuple[Submission, MessageId]:
    submission = message(pmode="ONEWAY_RETRY")
    return submission, MessageId(submission.message_id or "")


@assertion("CP_TA09")
@assertion("CP_TA15")
@assertion("G32")
@assertion("G34")
async def test_without_a_receipt_the_message_is_sent_again_until_p_hears_of_it(world: World) -> None:
    """The same MessageId and the same digests each time, encrypted anew; 0301 to P when the limit is passed."""
    world.c2.link.forecast(*[withhold] * ATTEMPTS)
    submission, message_id = retried()
    await world.exchange(submission)
    exchanges = world.c2.link.of(message_id)
    assert len(exchanges) == ATTEMPTS
    facts = [judge.sent(exchange, world.c3) for exchange in exchanges]
    path = "eb:UserMessage/eb:MessageInfo/eb:MessageId"
    assert {judge.text(each.root, path) for each in facts} == {message_id}
    assert len({tuple(each.references) for each in facts}) == 1
    told = await world.c2.corner.told(message_id, EventKind.SENT)
    assert (told.failed, told.code) == (True, "EBMS:0301")
    kept = await world.c2.stored(message_id, Direction.OUTBOUND)
    assert kept is not None
    assert (kept.state, kept.last_code) == (State.FAILED, "EBMS:0301")
    assert await world.not_kept(message_id)


@assertion("CP_TA10")
@pytest.mark.parametrize("lost", [3, 4])
async def test_a_link_that_heals_in_time(world: World, lost: int) -> None:
    """The Commission's rehearsal: empty answers, then one is let through. C has the message once."""
    world.c2.link.forecast(*[withhold] * lost)
    submission, message_id = retried()
    exchange = await world.exchange(submission)
    judge.nrr(exchange, world.c3)
    await world.delivered(message_id)
    assert len(world.c2.link.of(message_id)) == lost + 1
    kept = await world.c2.stored(message_id, Direction.OUTBOUND)
    assert kept is not None
    assert (kept.state, kept.due) == (State.ACKNOWLEDGED, None)


@assertion("CP_TA10")
async def test_a_duplicate_gets_its_receipt_and_is_not_delivered_again(world: World) -> None:
    """The message arrives and its receipt is lost, twice; between them the connection fails once."""
    world.c2.link.forecast(lose_answer, lose_request, lose_answer)
    submission, message_id = retried()
    exchange = await world.exchange(submission)
    judge.nrr(exchange, world.c3)
    await world.delivered(message_id)
    assert len(world.c2.link.of(message_id)) == 4
    await world.c3.outcome(message_id, EventKind.DUPLICATE)
    assert len(world.c3.corner.messages[message_id]) == 1


@assertion("CP_TA10")
async def test_a_foreign_duplicate_gets_the_very_same_receipt(world: World) -> None:
    """Sent by hand, three times, two of them at once."""
    crafted = world.crafted(message_id=f"twice-{world.transport}@craft.example")
    first = await world.post(crafted)
    async with asyncio.timeout(PATIENCE):
        again = await asyncio.gather(world.post(crafted), world.post(crafted))
    judge.nrr(first, world.c3)
    assert {exchange.answered.body for exchange in (first, *again)} == {first.answered.body}
    await world.delivered(first.message_id)
    assert len(world.c3.corner.messages[first.message_id]) == 1


@assertion("CP_TA11", over="in-process")
@pytest.mark.parametrize("table", [{}, {"error_handling": {}}, {"error_handling": {"report": {}}}])
async def test_no_p_mode_names_a_third_party_for_errors(table: dict[str, Any]) -> None:
    """There is no such key, at whatever place and in whatever spelling."""
    for key in ("SenderErrorsTo", "sender_errors_to"):
        changed = copy.deepcopy(table)
        innermost = changed
        while innermost:
            [innermost] = innermost.values()
        innermost[key] = "https://third.example/as4"
        right = {"partner": "b", "certificate": "b", "service": "urn:s", "actions": ["a"]}
        us = PartyId("a", PARTY_TYPE)
        assert parse_pmode("partner", right, us=us, profiles=PROFILES).partner == PartyId("b", PARTY_TYPE)
        with pytest.raises(ConfigError, match=next(iter(changed))):
            parse_pmode("partner", {**right, **changed}, us=us, profiles=PROFILES)
