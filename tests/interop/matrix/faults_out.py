"""Faults on the way from us to phase4: what it refuses and how, and what our sender makes of its answers."""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from ehmi_ap.lifecycle import State
from tests import craft, independent
from tests.interop import claims, evidence, tampering
from tests.interop.cells import Cell, Limit, Way
from tests.interop.evidence import equal
from tests.interop.http1 import Http
from tests.interop.letters import Letter, Terms
from tests.interop.matrix import limits, terms
from tests.interop.matrix.exchanges import TWO, XML
from tests.interop.proxy import Weather
from tests.interop.scene import Scene

GROUP = "Faults"


def _cell(
    name: str, what: str, expected: str, run: Callable[[Scene], Awaitable[None]], limit: Limit | None = None
) -> Cell:
    return Cell(name, GROUP, Way.OUT, what, expected, run, limit)


def cells() -> Iterator[Cell]:
    yield from _refusals()
    yield from _silences()


# -- phase4 refuses


def _refusals() -> Iterator[Cell]:
    for name, what, code, run in (
        ("wrong-key", "encrypted for another party's certificate", "0102", _for_another),
        ("unknown-signer", "signed below a CA that phase4 does not know", "0102", _stranger),
        ("expired-signer", "signed with a certificate that has ended", "0102", _expired),
        ("algorithm", "rsa-sha512 and aes256-gcm, which phase4's P-Mode does not have", "0102", _algorithm),
        ("tampered-ciphertext", "a bit of the ciphertext flipped on the way", "0102", _tampered),
        ("tampered-payload", "a bit of a payload flipped that is only signed", "0102", _tampered_payload),
        ("tampered-header", "the ConversationId changed on the way", "0102", _tampered_header),
        ("missing-part", "a payload removed on the way", "0011", _missing),
        ("extra-part", "a part added on the way", "0011", _extra),
    ):
        yield _cell(name, what, f"refused by phase4 with EBMS:{code}; failed, and C1 is told code and text", run)
    yield _cell(
        "swapped-parts",
        "two parts in another order than their PartInfos",
        "refused by phase4 with EBMS:0003; failed, and C1 is told code and text",
        _swapped,
        limits.PART_ORDER,
    )
    yield _cell(
        "other-signer",
        "signed with another party's certificate of the same CA",
        "taken by phase4, receipt and all",
        _other,
        limits.PARTY,
    )


async def _for_another(scene: Scene) -> None:
    await claims.refused(scene, XML, terms.FOR_ANOTHER, "EBMS:0102", "Cannot find key")


async def _stranger(scene: Scene) -> None:
    async with scene.another("stranger", signing="stranger") as ours:
        await claims.refused(scene, XML, terms.PLAIN, "EBMS:0102", "EBMS:0102 FailedDecryption", ours=ours)


async def _other(scene: Scene) -> None:
    async with scene.another("other", signing="other") as ours:
        sent = await claims.send(scene, XML, terms.PLAIN, ours=ours)
        equal((sent.stored.state, sent.stored.has_receipt), (State.ACKNOWLEDGED, True))
    [record] = await scene.phase4.received(sent.message_id)
    equal(record["signer_sha256"], evidence.fingerprint(scene.ids.other.cert))


async def _expired(scene: Scene) -> None:
    """Our access point refuses to sign with it; so the message is made by hand, and the answer read by the checker."""
    agreed = terms.PLAIN
    message = craft.Message(
        sender=scene.ids.ours_expired,
        recipient=scene.ids.phase4,
        from_id=agreed.us.id,
        to_id=agreed.peer.id,
        party_type=agreed.us.type or "",
        service=agreed.agreed_service["value"],
        action=agreed.action,
    )
    made = craft.make(message)
    answer = await scene.post(made.content_type, made.body)
    facts = independent.check(answer.body, answer.content_type)
    equal((answer.status, facts.errors, facts.signer), (200, ["EBMS:0102"], scene.ids.phase4.cert))
    await claims.not_at_phase4(scene, made.message_id)
    right = craft.make(message.but(sender=scene.ids.ours))
    facts = independent.check(*(await scene.post(right.content_type, right.body)).content)
    equal((facts.errors, len(facts.receipt)), ([], 3))


async def _algorithm(scene: Scene) -> None:
    await claims.refused(scene, XML, terms.STRONG, "EBMS:0102", "INVALID_SECURITY")


async def _on_the_way(
    scene: Scene,
    change: Callable[[Http], Http],
    code: str,
    says: str,
    *,
    letter: Letter = XML,
    agreed: Terms = terms.PLAIN,
) -> None:
    scene.to_phase4.forecast(Weather(request=change))
    await claims.refused(scene, letter, agreed, code, says)


_tampered = partial(_on_the_way, change=tampering.flip_last_part, code="EBMS:0102", says="Tag mismatch")
_tampered_payload = partial(
    _on_the_way, change=tampering.flip_last_part, code="EBMS:0102", says="FAILED_CHECK", agreed=terms.SIGN_ONLY
)
_tampered_header = partial(_on_the_way, change=tampering.other_conversation, code="EBMS:0102", says="FAILED_CHECK")
_missing = partial(
    _on_the_way, change=tampering.drop_last_part, code="EBMS:0011", says="Expected 2 but having 1", letter=TWO
)
_extra = partial(_on_the_way, change=tampering.add_part, code="EBMS:0011", says="Expected 1 but having 2")
_swapped = partial(
    _on_the_way,
    change=tampering.swap_parts,
    code="EBMS:0003",
    says="does not reference the respective attachment",
    letter=TWO,
)


# -- phase4 says nothing that means anything


def _silences() -> Iterator[Cell]:
    yield _cell(
        "doctype",
        "a DOCTYPE put before the envelope on the way",
        "answered HTTP 204 and nothing: a missing receipt, tried again, EBMS:0301 in the end",
        _doctype,
        limits.SILENCE,
    )
    yield _cell(
        "boundary",
        "the boundary parameter lost on the way",
        "answered HTTP 400 without a signal: EBMS:0005, not tried again",
        _boundary,
    )


async def _doctype(scene: Scene) -> None:
    scene.to_phase4.forecast(*[Weather(request=tampering.add_doctype)] * 3)
    sent = await claims.send(scene, XML, terms.RETRYING)
    claims.given_up(sent, "EBMS:0301", "HTTP 204 with an empty answer", attempts=3)
    equal([exchange.answer.status for exchange in sent.exchanges], [204] * 3)
    await claims.not_at_phase4(scene, sent.message_id)


async def _boundary(scene: Scene) -> None:
    scene.to_phase4.forecast(Weather(request=tampering.lose_boundary))
    sent = await claims.send(scene, XML, terms.RETRYING)
    claims.given_up(sent, "EBMS:0005", "HTTP 400 without an ebMS signal", attempts=1)
    await claims.not_at_phase4(scene, sent.message_id)
