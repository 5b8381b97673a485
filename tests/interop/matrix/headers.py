"""Exchanges that differ in what the header says: properties, agreements, replies, the test service, and EHMI's envelope."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from ehmi_ap.lifecycle import State
from ehmi_ap.model import Direction
from ehmi_ap.pmode import TEST_ACTION, TEST_SERVICE
from tests.interop import claims, samples
from tests.interop.cells import Cell, Way
from tests.interop.evidence import equal
from tests.interop.letters import FOUR_CORNERS, Letter, prop
from tests.interop.matrix import limits, terms
from tests.interop.matrix.exchanges import ARRIVES, XML, both
from tests.interop.scene import Scene


def headers() -> Iterator[Cell]:
    group = "Header"
    typed = (*FOUR_CORNERS, prop("trackingIdentifier", "track-1"), prop("kind", "result", "urn:type:of:kind"))
    untyped = tuple({**item, "type": None} for item in typed)
    yield from both("properties-typed", group, "message properties with types", replace(XML, properties=typed))
    yield from both("properties-untyped", group, "message properties without types", replace(XML, properties=untyped))
    danish = (*FOUR_CORNERS, prop("afdeling", "Børneafdelingen på Ærø <&> \"'"))
    yield from both(
        "properties-text", group, "a property with letters and marks that XML escapes", replace(XML, properties=danish)
    )
    for name, type_ in (("typed", "urn:type:of:colour"), ("untyped", None)):
        part = replace(samples.XML, properties=(prop("colour", "red", type_), prop("shade", "dark", type_)))
        told = "with types" if type_ else "without types"
        yield from both(f"part-properties-{name}", group, f"part properties {told}", Letter(parts=(part,)))
    part = replace(samples.TEXT, charset="UTF-8")
    yield from both("charset", group, "a part with CharacterSet", Letter(parts=(part,)))
    yield from both("conversation", group, "a ConversationId of C1's", replace(XML, conversation_id="case-4711"))
    yield from both("agreement", group, "an agreement without a type", agreed=terms.AGREEMENT)
    yield from both("agreement-typed", group, "an agreement with a type", agreed=terms.TYPED_AGREEMENT)
    yield from both("service-typed", group, "a service with a type", agreed=terms.TYPED_SERVICE)
    yield from both("parties-untyped", group, "party ids that are URIs, without types", agreed=terms.URIS)
    for way, run in ((Way.OUT, _reply_out), (Way.IN, _reply_in)):
        yield Cell(
            name="reply",
            group=group,
            way=way,
            what="a reply under a two-way agreement",
            expected=f"{ARRIVES}; it refers to the message before, in its conversation, with roles swapped",
            run=run,
        )


async def _reply_out(scene: Scene) -> None:
    """phase4 asks, we answer; C1 names the message, its conversation is ours to remember."""
    asked = await claims.in_(scene, replace(XML, conversation_id="case-1"), terms.TWO_WAY)
    sent = await claims.out(scene, replace(XML, ref_to=asked["message_id"]), terms.TWO_WAY)
    [record] = await scene.phase4.received(sent.message_id)
    equal(record["conversation_id"], "case-1")


async def _reply_in(scene: Scene) -> None:
    """We ask, phase4 answers."""
    asked = await claims.out(scene, XML, terms.TWO_WAY)
    conversation_id = asked.stored.message.conversation_id
    letter = replace(XML, ref_to=asked.message_id, conversation_id=conversation_id)
    await claims.in_(scene, letter, terms.TWO_WAY)


def test_service() -> Iterator[Cell]:
    test = replace(XML, service={"value": TEST_SERVICE}, action=TEST_ACTION)
    for name, letter, what in (
        ("test-service", test, "a message to the test service"),
        ("test-service-bare", replace(test, parts=()), "one without a payload: a bare envelope"),
    ):
        yield Cell(
            name=name,
            group="Test service",
            way=Way.OUT,
            what=what,
            expected="a receipt; phase4 hands it to its backend",
            run=partial(claims.out, letter=letter, terms=terms.PLAIN),
            limit=limits.TEST_SERVICE,
        )
        yield Cell(
            name=name,
            group="Test service",
            way=Way.IN,
            what=what,
            expected="a receipt that phase4 verifies; never delivered",
            run=partial(_test_in, letter=letter),
        )


async def _test_in(scene: Scene, *, letter: Letter) -> None:
    result = await scene.phase4_sends(letter, terms.PLAIN)
    claims.success(result)
    [exchange] = scene.to_ours.exchanges
    await claims.right_receipt_of_ours(scene, result, exchange)
    stored = await scene.ours.stored(result["message_id"], Direction.INBOUND)
    assert stored is not None
    equal((stored.state, scene.ours.delivered(result["message_id"])), (State.ANSWERED, []))


def sbdh() -> Iterator[Cell]:
    group = "SBDH"
    for way, run in ((Way.OUT, _sbdh_out), (Way.IN, _sbdh_in)):
        yield Cell(
            name="sbdh",
            group=group,
            way=way,
            what="an ehmiSBDH with a HomeCareObservation, under the EHMI profile",
            expected=f"{ARRIVES}; addressed by its envelope",
            run=run,
        )
    yield Cell(
        name="sbdh-wrong",
        group=group,
        way=Way.IN,
        what="an ehmiSBDH that contradicts the header's corners",
        expected="refused with a signed EBMS:0004 whose detail names the rule; phase4 reads it",
        run=_sbdh_wrong,
    )


def _enveloped() -> Letter:
    """The letter that the envelope asks for."""
    corners = (("originalSender", "0088:9520000001018"), ("finalRecipient", "0088:9520000001025"))
    properties = tuple(prop(name, value, "iso6523-actorid-upis") for name, value in corners)
    return Letter(parts=(samples.envelope(),), properties=properties)


async def _sbdh_out(scene: Scene) -> None:
    """C1 gives nothing but the document; who and what it is for stands in its envelope."""
    letter = _enveloped()
    sent = await claims.send(scene, replace(letter, properties=()), terms.EHMI)
    equal(sent.stored.state, State.ACKNOWLEDGED)
    [exchange] = sent.exchanges
    await claims.right_message(scene, exchange.request, letter, terms.EHMI)
    await claims.at_phase4(scene, sent.message_id, letter, terms.EHMI)
    await claims.right_receipt_for_us(scene, sent, exchange)


async def _sbdh_in(scene: Scene) -> None:
    await claims.in_(scene, _enveloped(), terms.EHMI)


async def _sbdh_wrong(scene: Scene) -> None:
    letter = _enveloped()
    result = await claims.refused_by_us(scene, replace(letter, properties=FOUR_CORNERS), terms.EHMI, "EBMS:0004")
    assert "V-4" in result["errors"][0]["detail"], result["errors"]


def cells() -> Iterator[Cell]:
    yield from headers()
    yield from test_service()
    yield from sbdh()
