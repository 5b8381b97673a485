"""Whatever happens to a message on the way: an answer, never an exception, and never another message (fuzzing)."""

import random
import re
from dataclasses import replace
from functools import cache

import craft
import pytest
from craft import Part
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_exchange import answered, by_hand, concluded, contents, message, payload, received, sent, verified

from ehmi_ap.as4.unpack import Rejected, Verified
from ehmi_ap.body import MemoryBody, read_all
from ehmi_ap.model import Acknowledged, Packed, UserMessage, Wire

# Damage may well hit the serial number of a certificate; cryptography then warns while it refuses.
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number")

PARTS = (
    Part(),
    Part(content_id="2@x", compress=False, mime_type="text/plain", data=b"a\r\nb"),
    Part(content_id="3@x", compress=False),
)
_SPICE = b"abc#:%/=+-0123456789 \n\r\"'<>&"


@cache
def _request() -> tuple[craft.Made, UserMessage]:
    made = craft.make(by_hand(parts=PARTS))
    wire = Wire(content_type=made.content_type, body=MemoryBody(made.body))
    return made, verified(wire).message


@cache
def _answer() -> tuple[Packed, Wire]:
    packed = sent(message(payload(), payload(b"second")))
    return packed, answered(verified(packed.wire))


def _damage(data: bytes, seed: int) -> bytes:
    """Up to four strokes: a bit, a cut, a repetition; tags, attributes or texts exchanged or made up."""
    chance = random.Random(seed)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(len(data))
        stroke = chance.randrange(6)
        if stroke == 0:
            data = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
        elif stroke == 1:
            data = data[:at] + data[at + chance.randrange(1, 60) :]
        elif stroke == 2:
            start = chance.randrange(len(data))
            data = data[:at] + data[start : start + chance.randrange(400)] + data[at:]
        else:
            pattern = (rb"<[^<>]+>", rb'"[^"<>]*"', rb"(?<=>)[^<>]+(?=<)")[stroke - 3]
            data = _exchange(data, pattern, chance)
    return data


def _exchange(data: bytes, pattern: bytes, chance: random.Random) -> bytes:
    found = list(re.finditer(pattern, data))
    if not found:
        return data
    here = chance.choice(found)
    made_up = bytes(chance.choice(_SPICE) for _ in range(chance.randrange(20)))
    new = chance.choice((made_up, chance.choice(found)[0]))
    return data[: here.start()] + new + data[here.end() :]


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.integers(0, 2**63))
def test_a_damaged_request(seed: int) -> None:
    """Verified means: every byte that is delivered is what was signed."""
    made, original = _request()
    result = received(Wire(content_type=made.content_type, body=MemoryBody(_damage(made.body, seed))))
    if isinstance(result, Verified):
        assert replace(result.message, payloads=()) == replace(original, payloads=())
        assert contents(result.message.payloads) == contents(original.payloads)
    else:
        assert isinstance(result, Rejected)
        assert result.error.what


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.integers(0, 2**63))
def test_a_damaged_answer(seed: int) -> None:
    """Acknowledged means: the receipt is the one that was signed."""
    packed, reply = _answer()
    outcome = concluded(replace(reply, body=MemoryBody(_damage(read_all(reply.body), seed))), packed)
    if isinstance(outcome, Acknowledged):
        assert [each.key() for each in outcome.receipt.references] == [each.key() for each in packed.references]
        assert outcome.receipt.ref_to == packed.message_id
