"""Exchanges that differ in what a message carries: how many payloads, of which kind, how large."""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import pytest

from ehmi_ap.errors import SubmissionError
from tests.interop import claims, samples
from tests.interop.cells import Cell, Way
from tests.interop.evidence import equal
from tests.interop.letters import Letter, Part, Terms
from tests.interop.matrix import limits, terms
from tests.interop.matrix.exchanges import ARRIVES, both
from tests.interop.scene import Scene


def numbers() -> Iterator[Cell]:
    group = "Number of payloads"
    for count in (1, 2, 28):
        yield from both(f"payloads-{count}", group, f"{count} payload{'s' if count > 1 else ''}", _letter(count))
    refused = "refused by phase4 with EBMS:0102, and C1 is told"
    what = "29 payloads, where our P-Mode allows them"
    yield Cell("payloads-29", group, Way.OUT, what, refused, _too_many, limits.REFERENCES)
    forty = partial(claims.in_, letter=_letter(40), terms=terms.PLAIN)
    yield Cell("payloads-40", group, Way.IN, "40 payloads", ARRIVES, forty)


def _letter(count: int) -> Letter:
    """As many payloads, no two the same."""
    return Letter(parts=tuple(Part(data=b"<number>%d</number>" % number) for number in range(count)))


async def _too_many(scene: Scene) -> None:
    await claims.refused(scene, _letter(29), terms.MANY, "EBMS:0102")


def kinds() -> Iterator[Cell]:
    for kind, part in samples.KINDS.items():
        for name, agreed in (("gzip", terms.PLAIN), ("plain", terms.UNCOMPRESSED)):
            how = "compressed" if agreed.compress else "not compressed"
            yield from both(
                f"{kind}-{name}", "Kinds of payload", f"{_KINDS[kind]}, {how}", Letter(parts=(part,)), agreed
            )


def sizes() -> Iterator[Cell]:
    for name, size, what, kind, agreed in (
        ("10kb-gzip", 10_000, "10 KB of XML, compressed", XML, terms.PLAIN),
        ("10kb-plain", 10_000, "10 KB of XML, not compressed", XML, terms.UNCOMPRESSED),
        ("20mb-gzip", LARGE, "20 MB of XML, compressed", XML, terms.PLAIN),
        ("20mb-plain", LARGE, "20 MB of bytes, not compressed", "application/octet-stream", terms.UNCOMPRESSED),
    ):
        for way, run in ((Way.OUT, claims.out), (Way.IN, claims.in_)):
            sized = partial(_sized, run=run, size=size, kind=kind, agreed=agreed)
            yield Cell(name, "Sizes", way, what, ARRIVES, sized)
    budget = "our budget is 16 MiB of XML that is signed in its canonical form"
    what = "20 MB of XML, not compressed"
    yield Cell("20mb-xml", "Sizes", Way.OUT, what, f"refused when C1 submits it: {budget}", _too_large_out)
    yield Cell("20mb-xml", "Sizes", Way.IN, what, f"refused with HTTP 413: {budget}", _too_large_in)


XML, LARGE = "application/xml", 20_000_000


async def _sized(
    scene: Scene, *, run: Callable[[Scene, Letter, Terms], Awaitable[object]], size: int, kind: str, agreed: Terms
) -> None:
    await run(scene, Letter(parts=(samples.sized(size, kind),)), agreed)


async def _too_large_out(scene: Scene) -> None:
    letter = Letter(parts=(samples.sized(LARGE),))
    with pytest.raises(SubmissionError, match="16777216 bytes"):
        await scene.ours.submit(letter, terms.UNCOMPRESSED)
    equal(scene.to_phase4.exchanges, [])


async def _too_large_in(scene: Scene) -> None:
    result = await scene.phase4_sends(Letter(parts=(samples.sized(LARGE),)), terms.UNCOMPRESSED)
    equal((result["result"], result["receipt"]), ("NO_SIGNAL_MESSAGE_RECEIVED", None))
    equal(scene.to_ours.exchanges[0].answer.status, 413)
    await claims.not_at_c4(scene, result["message_id"])


_KINDS = {
    "xml": "XML that is not canonical",
    "json": "JSON",
    "text": "text with line ends of every kind",
    "pdf": "PDF",
    "empty": "0 bytes",
}


def cells() -> Iterator[Cell]:
    yield from numbers()
    yield from kinds()
    yield from sizes()
