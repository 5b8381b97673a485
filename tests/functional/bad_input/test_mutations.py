"""A right message, changed anywhere on its way: refused in good form, or taken as what its signer sent, never a 500.

The message is stored once as it was sent. Whatever is changed in it, the only receipt that may ever come back is the very
one of that first time, for the very same references; anything else has to be one of the refusals of as4-wire 6.4.
"""

import gzip
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from ehmi_ap.backends.metadata import message_json
from ehmi_ap.body import read_all
from ehmi_ap.ports import Query
from tests import independent
from tests.craft import Made, Part, make
from tests.functional.bad_input.mutations import CHANGE, CHANGES, STROKES, WITHIN, rebuilt, struck
from tests.functional.bad_input.receiver import KINDS, TEXTS, Receiver, Said

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # A change may well hit the serial number of a certificate; cryptography then warns while it refuses.
    pytest.mark.filterwarnings("ignore:Parsed a serial number"),
]

SOMEBODY = "1402529990"
"""A CPR number that is in the message, and so may be in the store, but nowhere else."""
PROPERTIES = f'<eb:Property name="originalSender">{SOMEBODY}</eb:Property><eb:Property name="finalRecipient">urn:c4</eb:Property>'
PAYLOADS = (f"<patient>{SOMEBODY}</patient>".encode(), f"of {SOMEBODY}\r\n".encode(), b'<x a="1"></x>')
PARTS = (
    Part(content_id="1@x", data=PAYLOADS[0]),
    Part(content_id="2@x", data=PAYLOADS[1], mime_type="text/plain", compress=False),
    Part(content_id="3@x", data=PAYLOADS[2], compress=False),
)
BELOW_EBMS = (400, 413, 415, 431)


@dataclass(frozen=True)
class Original:
    """The message as it was sent, and the receipt for it."""

    made: Made
    receipt: bytes


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def original(receiver: Receiver) -> AsyncIterator[Original]:
    """Stored before anything is changed, and still what it was after everything."""
    made = make(receiver.message(message_id="mutant@craft.example", parts=PARTS, properties=PROPERTIES))
    said = await receiver.post(made)
    assert await receiver.accepted(said)
    yield Original(made, said.answer.body)
    [message] = await receiver.accepted(await receiver.post(made))
    assert [read_all(payload.body) for payload in message.payloads] == list(PAYLOADS)


async def judge(receiver: Receiver, original: Original, body: bytes, content_type: str | None = None) -> None:
    """POST it, and hold the answer against what may be answered."""
    made = Made(content_type or original.made.content_type, body, original.made.message_id, b"")
    said = await receiver.post(made)
    assert SOMEBODY not in f"{said.answer.headers} {said.answer.text.replace(original.receipt.decode(), '')}"
    assert not [record for record in receiver.log if SOMEBODY in str(vars(record))]
    assert await receiver.kept() == receiver.before
    lines = [line.getMessage() for line in receiver.said_to_the_operator()]
    if said.answer.body == original.receipt:
        assert lines == ["duplicate answered with the first receipt"]
    else:
        assert lines in (["message refused"], ["AS4 request refused"])
        refused_in_good_form(receiver, said)


def refused_in_good_form(receiver: Receiver, said: Said) -> None:
    """One sentence, a fault, or one eb:Error with the words of its code."""
    answer = said.answer
    if answer.headers["content-type"].startswith("text/plain"):
        assert answer.status in BELOW_EBMS
        assert answer.text.endswith(".\n")
        assert len(answer.text) < 120
        return
    root = etree.fromstring(answer.body)
    if root.find(".//eb:Messaging", independent.NS) is None:
        assert answer.status == 500
        assert root.findtext("s:Body/s:Fault/s:Code/s:Value", "", independent.NS) == "env:MustUnderstand"
        return
    facts = independent.check(answer.body, answer.headers["content-type"], certificates=[receiver.beta.identity.pem])
    assert answer.status == 200
    [code] = facts.errors
    assert code in KINDS
    assert facts.root.findtext(".//eb:ErrorDetail", "", independent.NS) == TEXTS[code]


# -- bytes


@WITHIN
@given(strokes=STROKES)
async def test_bytes_changed_anywhere(
    receiver: Receiver, original: Original, strokes: list[tuple[str, float, float, int, bytes]]
) -> None:
    await judge(receiver, original, struck(original.made.body, strokes))


@WITHIN
@given(strokes=STROKES)
async def test_bytes_changed_in_the_content_type(
    receiver: Receiver, original: Original, strokes: list[tuple[str, float, float, int, bytes]]
) -> None:
    changed = struck(original.made.content_type.encode(), strokes).decode("latin-1")
    printable = "".join(c for c in changed if " " <= c <= "~" or c == "\t")  # else it is the HTTP that is wrong
    await judge(receiver, original, original.made.body, printable)


# -- elements

_NUMBERS = itertools.count(1)


@WITHIN
@given(changes=CHANGES)
async def test_elements_changed_anywhere(
    receiver: Receiver, original: Original, changes: list[tuple[str, int, int]]
) -> None:
    made = original.made
    await judge(receiver, original, made.body.replace(made.envelope, rebuilt(made.envelope, changes)))


# -- before it is signed

_LONG = "a long text"
_ODD = st.sampled_from(
    [
        "", " ", "x", "0", "-1", "\u202e", "\u2028", "\x85", "\ufffd", "\U0001d54f", "\t\n", "../../etc/passwd", "%s%n", "' OR 1=1 --",
        "<&>\"'", _LONG, "null", "cid:1@x", "cid:%00", "cid:%ff@x", "application/gzip", "text/plain; charset=x", "urn:x",
        "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "mutant@craft.example", "a@[127.0.0.1]", '"a b"@x', "\ue000",
    ]
)  # fmt: skip


def retold(messaging: str, values: Sequence[tuple[int, int, str]], changes: Sequence[tuple[str, int, int]]) -> str:
    """eb:Messaging with odd texts and attributes in it, and its elements changed."""
    root = etree.fromstring(rebuilt(messaging.encode(), changes))
    elements = list(root.iter(etree.Element))
    for first, second, odd in values:
        value = "a" * 60_000 if odd == _LONG else odd
        element = elements[first % len(elements)]
        names = [name for name in element.keys() if not str(name).startswith("{")]  # noqa: SIM118
        if names and second % 2:
            element.set(names[second % len(names)], value)
        else:
            element.text = value
    return etree.tostring(root, encoding="unicode")


@WITHIN
@given(
    values=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), _ODD), min_size=1, max_size=3),
    changes=st.lists(CHANGE, max_size=1),
)
async def test_a_partner_who_writes_odd_headers(
    receiver: Receiver, values: list[tuple[int, int, str]], changes: list[tuple[str, int, int]]
) -> None:
    """Everything is signed and encrypted as it should be. What is taken can be read again, and is a receipt to the sender."""
    message = receiver.message(
        message_id=f"odd-{next(_NUMBERS)}@craft.example",
        properties=PROPERTIES,
        parts=PARTS,
        messaging=lambda text: retold(text, values, changes),
    )
    made = make(message)
    answer = await receiver.talk(made)
    if b"NonRepudiationInformation" in answer.body:
        facts = independent.check(
            answer.body, answer.headers["content-type"], certificates=[receiver.beta.identity.pem]
        )
        assert (answer.status, len(facts.receipt)) == (200, 5)
        [stored, *_] = await receiver.face.ap.store.find(Query())
        [first] = [read_all(each.body) for each in stored.message.payloads if each.content_id == "1@x"]
        assert PAYLOADS[0] in (
            first,
            gzip.decompress(first) if first[:2] == b"\x1f\x8b" else b"",
        )  # if not said to be gzip
        assert message_json(stored.message)["payloads"]
    elif answer.body:
        refused_in_good_form(receiver, Said(made, answer, 0.0))
    else:
        assert answer.status == 202


async def test_a_byte_that_means_nothing(receiver: Receiver, original: Original) -> None:
    """The receipt, again: what is changed is outside of all that is signed, and outside of what is read."""
    for old, new in (
        (b"\r\n--craft-7d3f0c--\r\n", b"\r\n--craft-7d3f0c--\r\nx"),
        (b"<env:Header>", b"<env:Header><!-- c -->"),
    ):
        assert old in original.made.body
        said = await receiver.post(Made(original.made.content_type, original.made.body.replace(old, new), "", b""))
        assert said.answer.body == original.receipt
