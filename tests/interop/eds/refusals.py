"""Clients, organisations, tokens and events that are refused, by Keycloak or by EDS."""

import asyncio
import json

from ehmi_ap.model import Organisation
from ehmi_ap.reports import StatusOutcome
from tests.audit_events import of
from tests.interop.cells import Cell, Way
from tests.interop.eds import limits
from tests.interop.eds.clients import party
from tests.interop.eds.realm import LIFE
from tests.interop.eds.scene import Scene
from tests.interop.eds.terms import TAKEN, TOKEN, UNAUTHORIZED, adding, is_later, is_ours_to_mend, is_refused, is_taken
from tests.interop.evidence import equal

CELLS: list[Cell] = []
REFUSED_CLIENT = ("token", 401)

# -- who asks Keycloak

asks = adding(CELLS, "Clients that Keycloak does not know", Way.ENROL)


@asks("a certificate of another subject, below the same CA", "no token: ours to mend; EDS is not asked")
async def another_subject(scene: Scene) -> None:
    await _no_token(scene, "unknown")


@asks("the certificate of another client that is enrolled", "no token: ours to mend")
async def another_client(scene: Scene) -> None:
    await _no_token(scene, "other")


@asks("the same subject below another CA that Keycloak trusts", "no token: ours to mend")
async def another_ca(scene: Scene) -> None:
    await _no_token(scene, "impostor")


@asks("a client id that nobody has", "no token: ours to mend")
async def unknown_client(scene: Scene) -> None:
    async with scene.client(client_id="nobody") as client:
        is_ours_to_mend(await client.report(scene.event), "invalid_client")
        equal(client.heard(), [REFUSED_CLIENT])


@asks(
    "our subject enrolled in openssl's order, and with the word organizationIdentifier",
    "no token: it is read by RFC 4514, without that word",
)
async def subject(scene: Scene) -> None:
    for client_id in ("subject-by-openssl", "subject-as-it-is"):
        async with scene.client(client_id=client_id) as client:
            is_ours_to_mend(await client.report(scene.event), "refuses a token")


@asks(
    "the same subject below a CA that nobody trusts, and a certificate that ended",
    "no connection: ours to mend, or later where the reason is lost",
    limits.HANGS_UP,
)
async def untrusted(scene: Scene) -> None:
    for name in ("stranger", "expired"):
        async with scene.client(asks=name) as client:
            answer = await client.report(scene.event)
            equal(client.heard(), [])
        if answer.outcome is StatusOutcome.LATER:
            is_later(answer, "the authorization server: ", "connection")
        else:
            is_ours_to_mend(answer, "the authorization server: ", "certificate")


@asks("a client that is disabled, and then enabled again", "its token lives on; no other one: ours to mend; then taken")
async def disabled(scene: Scene) -> None:
    other = party(scene.event, role=1)
    async with scene.client() as client:
        is_taken(await client.report(scene.event))
        await scene.keycloak.change("our-ap", enabled=False)
        try:
            is_taken(await client.report(scene.event))
            is_ours_to_mend(await client.report(scene.event, other), "invalid_client")
        finally:
            await scene.keycloak.change("our-ap", enabled=True)
        is_taken(await client.report(scene.event, other))


async def _no_token(scene: Scene, name: str) -> None:
    """With this certificate."""
    async with scene.client(asks=name) as client:
        is_ours_to_mend(await client.report(scene.event), "invalid_client")
        equal(client.heard(), [REFUSED_CLIENT])


# -- for whom it asks

organisations = adding(CELLS, "Organisations", Way.ENROL)


@organisations("an organisation that only another access point serves", "no token: ours to mend")
async def of_another(scene: Scene) -> None:
    async with scene.client(client_id="another-ap", asks="other") as client:
        is_ours_to_mend(await client.report(scene.event), "invalid_scope", party(scene.event).sor)


@organisations("an organisation that nobody serves", "no token: ours to mend")
async def of_nobody(scene: Scene) -> None:
    async with scene.client() as client:
        nobody = Organisation("9999999999999999", "5790000000005")
        is_ours_to_mend(await client.report(scene.event, nobody), "invalid_scope")


@organisations("the SOR code of one and the GLN of another that we serve", "EDS refuses: ours to mend", limits.PAIRS)
async def of_two(scene: Scene) -> None:
    async with scene.client() as client:
        mixed = Organisation(party(scene.event).sor, party(scene.event, role=1).gln)
        is_ours_to_mend(await client.report(scene.event, mixed), "HTTP 403: forbidden: the token is for another")
        equal(client.heard(), [TOKEN, ("AuditEvent", 403)])


@organisations("one that we serve, and that is neither sender nor receiver", "EDS refuses: ours to mend")
async def of_neither(scene: Scene) -> None:
    parties = {party(scene.event, role=role) for role in (0, 1)}
    third = next(party(each) for each in scene.events if party(each) not in parties)
    async with scene.client() as client:
        is_ours_to_mend(await client.report(scene.event, third), "HTTP 403")


@organisations("an event of another device", "EDS refuses: ours to mend")
async def device(scene: Scene) -> None:
    text = json.dumps(scene.event).replace("Our-AP", "Their-AP")
    async with scene.client() as client:
        is_ours_to_mend(await client.report(json.loads(text)), "HTTP 403")


@organisations("a token without the scope of EDS's AuditEvents", "EDS refuses: ours to mend")
async def scope(scene: Scene) -> None:
    async with scene.client(scope="EDS") as client:
        is_ours_to_mend(await client.report(scene.event), "HTTP 403: forbidden: the token's scope")


# -- what is shown to EDS

tokens = adding(CELLS, "Tokens that EDS refuses")


@tokens("a token that ended while our clock stood still", "401; renewed once, and taken")
async def expired(scene: Scene) -> None:
    sender = party(scene.event)
    async with scene.client() as client:
        await scene.keycloak.change("our-ap", attributes={"access.token.lifespan": "1"})
        try:
            kept = await client.tokens.get(f"EDS system/AuditEvent.crs SOR:{sender.sor} GLN:{sender.gln}")
        finally:
            await scene.keycloak.change("our-ap", attributes={"access.token.lifespan": str(LIFE)})
        assert isinstance(kept, str), kept
        while (await scene.post(kept)).status != 401:
            await asyncio.sleep(0.1)
        client.heard()
        is_taken(await client.report(scene.event))
        equal(client.heard(), [UNAUTHORIZED, TOKEN, TAKEN])


@tokens(
    "our token, and the certificate of another access point that is enrolled", "401 twice: ours to mend; nothing taken"
)
async def binding(scene: Scene) -> None:
    await _refused_twice(scene, shows="other")


@tokens("our token, and our certificate from after its renewal", "401 twice: ours to mend; nothing taken")
async def binding_renewed(scene: Scene) -> None:
    await _refused_twice(scene, shows="renewed")


@tokens("a token that is not bound", "401 twice: ours to mend; nothing taken")
async def unbound(scene: Scene) -> None:
    await _refused_twice(scene, client_id="unbound")


@tokens("a token for another service", "401 twice: ours to mend; nothing taken")
async def audience(scene: Scene) -> None:
    await _refused_twice(scene, client_id="elsewhere")


async def _refused_twice(scene: Scene, *, client_id: str = "our-ap", shows: str = "") -> None:
    before = len(scene.eds.taken)
    async with scene.client(client_id=client_id, shows=shows) as client:
        is_ours_to_mend(await client.report(scene.event), "HTTP 401")
        equal(client.heard(), [TOKEN, UNAUTHORIZED, TOKEN, UNAUTHORIZED])
    equal(len(scene.eds.taken), before)


# -- what is reported

events = adding(CELLS, "Events that EDS refuses")


@events(
    "a subtype that there is not, and that has the patient's CPR number",
    "refused, with EDS's words, but for the number, which EDS repeats",
)
async def invalid(scene: Scene) -> None:
    cpr = of(scene.event, "ehmiPatient")["what"]["identifier"]["value"]
    wrong = {**scene.event, "subtype": [{**scene.event["subtype"][0], "code": f"msg-{cpr}"}]}
    before = len(scene.eds.taken)
    assert cpr in json.dumps((await scene.post(await scene.token(), event=wrong)).body)
    async with scene.client() as client:
        answer = await client.report(wrong)
    is_refused(answer, "HTTP 422", "Unknown code")
    assert cpr not in answer.what
    equal(len(scene.eds.taken), before)


@events("an element that FHIR does not know", "refused, with EDS's words")
async def unknown_element(scene: Scene) -> None:
    async with scene.client() as client:
        is_refused(await client.report({**scene.event, "patient": {"reference": "#p"}}), "HTTP 400", "patient")
