"""Events that are taken, and the tokens that this needs."""

from tests.interop.cells import Cell
from tests.interop.eds.clients import party
from tests.interop.eds.realm import AUDIENCE, LIFE
from tests.interop.eds.scene import Scene, claims
from tests.interop.eds.terms import TAKEN, TOKEN, adding, is_taken
from tests.interop.evidence import equal

CELLS: list[Cell] = []
cell = adding(CELLS, "Events are taken")


@cell(
    "the events of every envelope at hand, received and sent, with either outcome, of both profiles",
    "taken, each once and in order, with one token for each organisation",
)
async def envelopes(scene: Scene) -> None:
    before = len(scene.eds.taken)
    async with scene.client() as client:
        for event in scene.events:
            is_taken(await client.report(event))
        equal(client.heard().count(TOKEN), len({party(event) for event in scene.events}))
    equal(scene.eds.taken[before:], scene.events)
    equal(len({event["meta"]["profile"][0] for event in scene.events}), 2)


@cell("what a token says", "who, for whom, how long, and by which certificate, as EHMI's security architecture has it")
async def token(scene: Scene) -> None:
    sender = party(scene.event)
    found = claims(await scene.token())
    equal(found["header"]["alg"], "PS256")
    equal((found["iss"], found["aud"]), (scene.keycloak.issuer, AUDIENCE))
    assert found["exp"] - found["iat"] in (LIFE, LIFE + 1)
    equal(set(found["scope"].split()), {"EDS", "system/AuditEvent.crs", f"SOR:{sender.sor}", f"GLN:{sender.gln}"})
    equal(found["cnf"], {"x5t#S256": scene.ids.thumbprint("ap")})
    equal(found["ehmi:org_context"], {"sor": sender.sor, "gln": sender.gln})
    equal(found["ehmi:eer:device_id"], scene.event["source"]["observer"]["identifier"]["value"])


@cell("events of two organisations in turn", "taken, with a token for each, that is used until it ends")
async def organisations(scene: Scene) -> None:
    sender, receiver = party(scene.event), party(scene.event, role=1)
    async with scene.client() as client:
        for organisation in (sender, receiver, sender, receiver):
            is_taken(await client.report(scene.event, organisation))
        equal(client.heard(), [TOKEN, TAKEN, TOKEN, TAKEN, TAKEN, TAKEN])


@cell("events until the end of a token", "the token is renewed half a minute before, and EDS refuses none")
async def renewal(scene: Scene) -> None:
    passed = [0.0]
    async with scene.client(clock=lambda: passed[-1]) as client:
        for seconds in (0.0, LIFE - 35.0, LIFE - 29.0):  # Keycloak may count a second less
            passed.append(seconds)
            is_taken(await client.report(scene.event))
        equal(client.heard(), [TOKEN, TAKEN, TAKEN, TOKEN, TAKEN])


@cell("a certificate that was renewed, with the same subject and another key", "taken, without a new enrolment")
async def renewed_certificate(scene: Scene) -> None:
    assert scene.ids.thumbprint("renewed") != scene.ids.thumbprint("ap")
    async with scene.client(asks="renewed") as client:
        is_taken(await client.report(scene.event))
