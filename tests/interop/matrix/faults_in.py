"""Faults on the way from phase4 to us: what we refuse, how phase4 reads it, and that nothing of it is kept."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from ehmi_ap.pmode import INITIATOR
from tests.interop import claims, tampering
from tests.interop.cells import Cell, Way
from tests.interop.evidence import equal
from tests.interop.http1 import Http
from tests.interop.letters import FOUR_CORNERS, UNREGISTERED, Json, Letter, Terms
from tests.interop.matrix import terms
from tests.interop.matrix.exchanges import TWO, XML
from tests.interop.proxy import Weather
from tests.interop.scene import Scene

GROUP = "Faults"


def _cell(name: str, what: str, expected: str, run: Callable[[Scene], Awaitable[None]]) -> Cell:
    return Cell(name, GROUP, Way.IN, what, expected, run)


def cells() -> Iterator[Cell]:
    yield from _security()
    yield from _forms()


# -- what is refused


def _security() -> Iterator[Cell]:
    for name, what, code, run in (
        ("wrong-key", "encrypted for another party's certificate", "0102", partial(_refused, recipient="other")),
        ("unknown-signer", "signed below a CA that we do not know", "0101", partial(_refused, key="stranger")),
        (
            "other-signer",
            "signed with another party's certificate of the same CA",
            "0101",
            partial(_refused, key="other"),
        ),
        ("expired-signer", "signed with a certificate that has ended", "0101", partial(_refused, key="expired")),
        ("algorithm", "rsa-sha512 and aes256-gcm, which our P-Mode does not have", "0103", _algorithm),
        ("unsigned", "not signed", "0103", partial(_refused, sign=None)),
        ("unencrypted", "not encrypted", "0103", partial(_refused, encrypt=None)),
        ("tampered-ciphertext", "a bit of the ciphertext flipped on the way", "0102", _way(tampering.flip_last_part)),
        (
            "tampered-payload",
            "a bit of a payload flipped that is only signed",
            "0101",
            _way(tampering.flip_last_part, agreed=terms.SIGN_ONLY),
        ),
        ("tampered-header", "the ConversationId changed on the way", "0101", _way(tampering.other_conversation)),
        ("missing-part", "a payload removed on the way", "0103", _way(tampering.drop_last_part, letter=TWO)),
        ("extra-part", "a part added on the way", "0103", _way(tampering.add_part)),
    ):
        expected = f"refused with a signed EBMS:{code} that phase4 reads; nothing kept"
        yield _cell(name, what, expected, partial(run, code=f"EBMS:{code}"))


async def _refused(
    scene: Scene, code: str, *, letter: Letter = XML, agreed: Terms = terms.PLAIN, **changes: Any
) -> None:
    if "recipient" in changes:
        changes["recipient"] = scene.certificate(str(changes["recipient"]))
    await claims.refused_by_us(scene, letter, agreed, code, **changes)


async def _algorithm(scene: Scene, code: str) -> None:
    strong = terms.STRONG
    sign = {"token": "bst", "algorithm": strong.sign, "digest": strong.digest}
    await _refused(scene, code, sign=sign, encrypt={"token": "bst", "cipher": strong.cipher})


def _way(
    change: Callable[[Http], Http], *, letter: Letter = XML, agreed: Terms = terms.PLAIN
) -> Callable[..., Awaitable[None]]:
    async def changed(scene: Scene, code: str) -> None:
        scene.to_ours.forecast(Weather(request=change))
        await claims.refused_by_us(scene, letter, agreed, code)

    return changed


def _forms() -> Iterator[Cell]:
    yield _cell(
        "swapped-parts",
        "two parts in another order than their PartInfos",
        "delivered in the order of the PartInfos, and proven by a receipt",
        _swapped,
    )
    unsigned = "refused with EBMS:0010, which is not signed as no P-Mode is known; phase4 reads it"
    for name, what, changes in (
        ("unknown-service", "a service that no P-Mode has", {"service": {"value": "urn:nobody:agreed"}}),
        (
            "unknown-party",
            "a party that no P-Mode has",
            {"from": {"id": "somebody", "type": UNREGISTERED, "role": INITIATOR}},
        ),
        ("unknown-agreement", "an agreement that no P-Mode has", {"agreement": {"value": "urn:nobody:agreed"}}),
    ):
        yield _cell(name, what, unsigned, partial(_no_pmode, changes=changes))
    yield _cell(
        "no-corners",
        "finalRecipient missing where our P-Mode wants both corners",
        "refused with a signed EBMS:0010 that phase4 reads; nothing kept",
        partial(_refused, code="EBMS:0010", letter=replace(XML, properties=FOUR_CORNERS[:1]), agreed=terms.FOUR_CORNER),
    )
    for name, agreed, how in (
        ("error-500", terms.ERROR_500, "with HTTP 500"),
        ("error-fault", terms.ERROR_FAULT, "with HTTP 500 and an env:Fault beside it"),
    ):
        yield _cell(
            name,
            f"not encrypted, where our P-Mode sends errors {how}",
            "refused with a signed EBMS:0103 that phase4 reads all the same; nothing kept",
            partial(_status, agreed=agreed),
        )
    for name, what, change, status in (
        ("doctype", "a DOCTYPE put before the envelope on the way", tampering.add_doctype, 400),
        ("boundary", "the boundary parameter lost on the way", tampering.lose_boundary, 400),
    ):
        yield _cell(
            name,
            what,
            f"refused with HTTP {status} and a sentence; phase4 calls it a failure that it may repeat",
            partial(_no_signal, change=change, status=status),
        )


async def _swapped(scene: Scene) -> None:
    scene.to_ours.forecast(Weather(request=tampering.swap_parts))
    result = await scene.phase4_sends(TWO, terms.PLAIN)
    claims.success(result)
    await claims.at_c4(scene, result["message_id"], TWO, terms.PLAIN)


async def _no_pmode(scene: Scene, changes: Json) -> None:
    await claims.refused_by_us(scene, XML, terms.PLAIN, "EBMS:0010", signed=False, **changes)


async def _status(scene: Scene, agreed: Terms) -> None:
    result = await claims.refused_by_us(scene, XML, agreed, "EBMS:0103", encrypt=None)
    equal(result["http_status"], 500)
    equal(b"<env:Fault>" in scene.to_ours.exchanges[0].answer.body, agreed is terms.ERROR_FAULT)


async def _no_signal(scene: Scene, change: Callable[[Http], Http], status: int) -> None:
    scene.to_ours.forecast(Weather(request=change))
    result = await scene.phase4_sends(XML, terms.PLAIN)
    equal(failed(result), "NO_SIGNAL_MESSAGE_RECEIVED")
    given = scene.to_ours.exchanges[0].answer
    equal((given.status, given.content_type.partition(";")[0]), (status, "text/plain"))
    await claims.not_at_c4(scene, result["message_id"])


def failed(result: Json) -> str:
    """phase4's word for an attempt that brought no signal."""
    equal((result["receipt"], result["errors"]), (None, []))
    word: str = result["result"]
    return word
