"""Keycloak, EDS or both are away, and come back."""

from tests.interop.cells import Cell
from tests.interop.eds.clients import party
from tests.interop.eds.scene import Scene
from tests.interop.eds.terms import TAKEN, TOKEN, adding, is_later, is_taken
from tests.interop.evidence import equal

CELLS: list[Cell] = []
RETRY_AFTER = 7.0
"""Seconds that our EDS asks for while it has no keys."""
cell = adding(CELLS, "Something is down")


@cell("EDS is stopped, and started again", "later, with the token that is at hand; then taken with it")
async def eds_down(scene: Scene) -> None:
    async with scene.client() as client:
        is_taken(await client.report(scene.event))
        await scene.eds.stop()
        is_later(await client.report(scene.event), "EDS:", "refuses connections")
        await scene.eds.start()
        is_taken(await client.report(scene.event))
        equal(client.heard(), [TOKEN, TAKEN, ("AuditEvent", None), TAKEN])


@cell(
    "Keycloak is stopped, then EDS; EDS is started again, and has no keys yet; then Keycloak",
    "taken with a token at hand, later without one; later; later, by 503 and Retry-After; then all taken, once, in order",
)
async def both_down(scene: Scene) -> None:
    before = len(scene.eds.taken)
    first, *events = scene.events[:5]
    other = party(first, role=1)
    async with scene.client() as client:
        is_taken(await client.report(first))
        await scene.keycloak.stop()
        is_taken(await client.report(first))
        is_later(await client.report(first, other), "the authorization server:", "refuses connections")
        await scene.eds.stop()
        for organisation in (party(first), other):
            is_later(await client.report(first, organisation), "refuses connections")
        await scene.eds.start()
        answer = await client.report(first)
        is_later(answer, "EDS answers with HTTP 503", "keys")
        equal(answer.retry_after, RETRY_AFTER)
        await scene.keycloak.start()
        for event in events:
            is_taken(await client.report(event, party(event, role=1)))
    equal(scene.eds.taken[before:], [first, first, *events])
