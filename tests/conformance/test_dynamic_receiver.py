"""A sender that R does not know, below an anchor that it trusts (DR_TA01-04, G49)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests import craft, pki
from tests.conformance import judge
from tests.conformance.catalogue import assertion
from tests.conformance.world import POLICY, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

WINDOW: dict[str, Any] = {
    "not_before": datetime.now(UTC) - timedelta(days=1),
    "not_after": datetime.now(UTC) + timedelta(days=1),
}


def stranger(world: World, **changes: Any) -> pki.Identity:
    """A certificate below the anchor, for a party called `newcomer`, that meets the policy."""
    values: dict[str, Any] = {"common_name": "newcomer", "key": "d", "policies": [POLICY], **WINDOW, **changes}
    issuer = values.pop("issuer", world.c2.side.identity.issuer)
    return pki.make_leaf(issuer, **values)


def unknown(world: World, sender: pki.Identity, **changes: Any) -> craft.Message:
    """A message under the P-Mode that has no partner."""
    return world.crafted("DYNAMIC", sender=sender, from_id="newcomer", **changes)


@assertion("DR_TA01")
async def test_who_is_below_the_anchor_is_answered(world: World) -> None:
    exchange = await world.post(unknown(world, stranger(world)))
    judge.nrr(exchange, world.c3)
    received = await world.delivered(exchange.message_id)
    assert received.from_.id.value == "newcomer"


@assertion("DR_TA02")
@assertion("G49")
async def test_another_anchor_is_refused(world: World) -> None:
    sender = stranger(world, issuer=pki.make_ca("Another CA", key="intermediate", **WINDOW))
    exchange = await world.post(unknown(world, sender))
    judge.err(exchange, "EBMS:0101")
    assert await world.not_kept(exchange.message_id)


@assertion("DR_TA03")
@assertion("G49")
@pytest.mark.parametrize("policies", [[], ["1.2.3.4"]])
async def test_a_missing_policy_is_refused(world: World, policies: list[str]) -> None:
    exchange = await world.post(unknown(world, stranger(world, policies=policies)))
    judge.err(exchange, "EBMS:0101")
    assert await world.not_kept(exchange.message_id)


@assertion("DR_TA04")
@assertion("G49")
async def test_another_name_than_the_certificates_is_refused(world: World) -> None:
    exchange = await world.post(unknown(world, stranger(world, common_name="somebody else")))
    judge.err(exchange, "EBMS:0101")
    assert await world.not_kept(exchange.message_id)


@assertion("G49")
async def test_an_intermediate_may_be_the_anchor(world: World) -> None:
    """Its root is not known to R; what stands below another intermediate of that root is not trusted."""
    root = pki.make_ca("Far root", **WINDOW)
    near = pki.make_ca("Near CA", issuer=root, **WINDOW)
    far = pki.make_ca("Far CA", issuer=root, key="c", **WINDOW)
    service = {"service": "urn:near", "action": "urn:near"}
    table = {"service": "urn:near", "actions": ["urn:near"], "trust": ["near-ca"], "party_binding": "subject-cn"}
    await world.c3.ap.put_certificate("near-ca", near.pem)
    await world.c3.ap.put_pmode("NEAR", table)
    try:
        judge.nrr(await world.post(unknown(world, stranger(world, issuer=near), **service)), world.c3)
        judge.err(await world.post(unknown(world, stranger(world, issuer=far), **service)), "EBMS:0101")
    finally:
        await world.c3.ap.delete_pmode("NEAR")
        await world.c3.ap.delete_certificate("near-ca")
