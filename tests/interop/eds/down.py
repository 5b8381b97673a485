"""Keycloak, EDS or both are away, and come back."""

import asyncio
from collections import Counter, defaultdict

from ehmi_ap.reports import ReportState
from tests.audit_events import of
from tests.interop.cells import Cell
from tests.interop.eds import reporters
from tests.interop.eds.clients import party
from tests.interop.eds.scene import Scene
from tests.interop.eds.terms import TAKEN, TOKEN, adding, is_later, is_taken
from tests.interop.evidence import equal

CELLS: list[Cell] = []
RETRY_AFTER = 7.0
"""Seconds that our EDS asks for while it has no keys."""
cell = adding(CELLS, "Something is down")


@cell(
    "Keycloak is stopped, then EDS; EDS is started again, and has no keys yet; then Keycloak",
    "taken with a token at hand, later without one; later; later, by 503 and Retry-After; then taken with the same token",
)
async def outage(scene: Scene) -> None:
    event, other = scene.event, party(scene.event, role=1)
    async with scene.client() as client:
        is_taken(await client.report(event))
        await scene.keycloak.stop()
        is_taken(await client.report(event))
        is_later(await client.report(event, other), "the authorization server:", "refuses connections")
        equal(client.heard(), [TOKEN, TAKEN, TAKEN, ("token", None)])
        await scene.eds.stop()
        is_later(await client.report(event), "EDS:", "refuses connections")
        is_later(await client.report(event, other), "the authorization server:", "refuses connections")
        await scene.eds.start()
        answer = await client.report(event)
        is_later(answer, "EDS answers with HTTP 503", "keys")
        equal(answer.retry_after, RETRY_AFTER)
        await scene.keycloak.start()
        is_taken(await client.report(event))
        is_taken(await client.report(event, other))
        equal(client.heard(), [("AuditEvent", None), ("AuditEvent", 503), TAKEN, TOKEN, TAKEN])


@cell(
    "two access points with five messages between them; Keycloak and EDS are stopped for three of these",
    "all are delivered; EDS is told of each envelope, by each access point, that it was received and sent, in this order",
)
async def access_points(scene: Scene) -> None:
    before = len(scene.eds.taken)
    place = {"issuer": scene.keycloak.issuer, "base": scene.eds.base}
    async with reporters.running(scene.folder / "access-points", scene.ids, **place) as ours:
        await ours.send()
        await ours.reports(ReportState.TAKEN, 2)
        await asyncio.gather(scene.keycloak.stop(), scene.eds.stop())
        for _ in range(3):
            await ours.send()
        await ours.reports(ReportState.WAITING, 6)
        await asyncio.gather(scene.keycloak.start(), scene.eds.start())
        await ours.retry()
        await ours.send()
        await ours.reports(ReportState.TAKEN, 10)
    told: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for event in scene.eds.taken[before:]:
        device = event["source"]["observer"]["identifier"]["value"]
        envelope = of(event, "ehmiTransportEnvelope")["what"]["identifier"]["value"]
        told[device, envelope].append(event["subtype"][0]["code"])
    equal(list(told.values()), [["msg-received", "msg-sent"]] * 10)
    equal(Counter(device for device, _ in told), {"Our-AP": 5, "Another-AP": 5})
