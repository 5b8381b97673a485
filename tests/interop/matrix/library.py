"""WSS4J without phase4 as a second verifier of what we make, in all forms; nothing is sent.

Every message and signal of ours that travels in the other cells passes it too (`evidence.right_by_wss4j`). Here is what
they leave out: each pair of token forms, the form that WSS4J does not know, and the makers of messages in our own
tests, whose word counts only if theirs are right.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

from ehmi_ap.as4.pack import seal, sign
from ehmi_ap.body import MemorySpool, read_all
from ehmi_ap.flows.compose import compose
from ehmi_ap.model import MessageId
from tests import craft, independent, pki
from tests.bench import lean
from tests.interop import evidence, samples
from tests.interop.cells import Cell, Way
from tests.interop.evidence import equal
from tests.interop.letters import Letter
from tests.interop.matrix import limits, terms
from tests.interop.matrix.exchanges import NAMES
from tests.interop.scene import Scene

GROUP = "WSS4J alone"
TWO = Letter(parts=(samples.XML, samples.TEXT))
HOLDS = "signature, digests, decryption and coverage hold"


def cells() -> Iterator[Cell]:
    for token in terms.TOKENS:
        what = f"the signer named by {NAMES[token]}, the recipient in each of five ways"
        yield Cell(
            name=f"wss4j-{token}",
            group=GROUP,
            way=Way.CHECK,
            what=what,
            expected=HOLDS,
            run=partial(_pairs, token=token),
        )
    for name, token, rule in (
        ("signer", "sign_token", "R5417"),
        ("recipient", "encrypt_token", "R5426"),
    ):
        yield Cell(
            name=f"wss4j-x509-ski-{name}",
            group=GROUP,
            way=Way.CHECK,
            what=f"the {name} named by ds:X509SKI without a SecurityTokenReference",
            expected=f"right by the independent checker; refused by WSS4J with {rule}",
            run=partial(_x509_ski, token=token, rule=rule),
            limit=limits.X509_SKI,
        )
    for name, what, run in (
        ("craft", "the message by hand in which our tests plant faults", _craft),
        ("lean", "message and receipt of the lean peer that our benchmark measures with", _lean),
    ):
        yield Cell(name=f"wss4j-{name}", group=GROUP, way=Way.CHECK, what=what, expected=HOLDS, run=run)


async def _pairs(scene: Scene, token: str) -> None:
    for recipient in terms.TOKENS:
        body, content_type = _made(scene, sign_token=token, encrypt_token=recipient)
        facts = independent.check(body, content_type, [scene.ids.phase4.key_pem], [scene.ids.ours.pem])
        await _holds(scene, body, content_type, facts, signer=scene.ids.ours)


async def _x509_ski(scene: Scene, token: str, rule: str) -> None:
    body, content_type = _made(scene, **{token: "x509-ski"})
    facts = independent.check(body, content_type, [scene.ids.phase4.key_pem], [scene.ids.ours.pem])
    equal((facts.signed, facts.encrypted), (True, True))
    found = await scene.phase4.verify(content_type, body, decrypt="main")
    assert found["signature"].startswith(f"BSP:{rule}:"), found


def _made(scene: Scene, **security: Any) -> tuple[bytes, str]:
    """A message of ours, as it would travel."""
    agreements, now = scene.ours.ap.agreements, datetime.now(UTC)
    plain = next(pmode for pmode in agreements.pmodes if pmode.name == terms.PLAIN.name)
    pmode = replace(plain, security=replace(plain.security, **security))
    message = compose(
        TWO.submission(terms.PLAIN),
        pmode,
        conversation_id=None,
        new_id=lambda: MessageId(f"{uuid4()}@ehmi-ap.example"),
        now=now,
    )
    signed = sign(message, pmode, keys=agreements.keys, new_spool=MemorySpool)
    wire = seal(signed, message.message_id, pmode, to=agreements.recipient(pmode, now)).wire
    return read_all(wire.body), wire.content_type


async def _craft(scene: Scene) -> None:
    made = craft.make(
        craft.Message(
            sender=scene.ids.ours,
            recipient=scene.ids.phase4,
            from_id="ehmi-ap",
            to_id="phase4",
            party_type=terms.PLAIN.us.type or "",
            service="urn:s",
            action="a",
            parts=(
                craft.Part(),
                craft.Part(content_id="p2@craft.example", data=samples.TEXT.data, mime_type="text/plain"),
            ),
        )
    )
    facts = independent.check(made.body, made.content_type, [scene.ids.phase4.key_pem])
    await _holds(scene, made.body, made.content_type, facts, signer=scene.ids.ours)


async def _lean(scene: Scene) -> None:
    sender, receiver = (lean.Identity(who.key, who.cert) for who in (scene.ids.ours, scene.ids.phase4))
    agreed = lean.Agreement(
        sender=sender, receiver=receiver, from_id="a", to_id="b", party_type="urn:t", service="urn:s", action="a"
    )
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}"
    message = lean.send(agreed, "1@lean.example", samples.XML.data, now)
    facts = independent.check(message.body, message.content_type, [scene.ids.phase4.key_pem])
    await _holds(scene, message.body, message.content_type, facts, signer=scene.ids.ours)
    receipt = lean.receipt(receiver, "1@lean.example", message.references, now)
    content_type = "application/soap+xml; charset=UTF-8"
    facts = independent.check(receipt, content_type)
    await _holds(scene, receipt, content_type, facts, signer=scene.ids.phase4)


async def _holds(
    scene: Scene, body: bytes, content_type: str, facts: independent.Facts, *, signer: pki.Identity
) -> None:
    """Both verifiers find the same."""
    assert facts.signed
    await evidence.right_by_wss4j(scene.phase4, body, content_type, facts, signer=signer, decrypt="main")
