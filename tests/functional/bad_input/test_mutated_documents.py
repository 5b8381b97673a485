"""An ehmiSBDH changed anywhere before it was signed: taken, or refused by the rules it breaks, never a 500 (ehmi.md 2.7)."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given

from tests import independent
from tests.craft import Part, make
from tests.functional.bad_input.documents import CORNERS, DOCUMENT, PATIENT
from tests.functional.bad_input.mutations import CHANGES, STROKES, WITHIN, rebuilt, struck
from tests.functional.bad_input.receiver import Receiver

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def judge(receiver: Receiver, document: bytes) -> bool:
    """Whether it was taken; a refusal names rules and nothing else, and neither it nor the log names the patient."""
    receiver.log.clear()
    made = make(receiver.message(action="ehmi", properties=CORNERS, parts=[Part(data=document)]))
    answer = await receiver.talk(made)
    assert answer.status == 200
    facts = independent.check(answer.body, answer.headers["content-type"], certificates=[receiver.beta.identity.pem])
    assert facts.signed
    assert PATIENT not in answer.text + str([vars(record) for record in receiver.log])
    if facts.receipt:
        return True
    assert facts.errors == ["EBMS:0004"]
    detail = facts.root.findtext(".//eb:ErrorDetail", "", independent.NS)
    assert re.fullmatch(r"The message breaks V-\d(, V-\d)*\.", detail)
    return False


async def test_the_document_is_right(receiver: Receiver) -> None:
    """Else the others would say nothing."""
    assert await judge(receiver, DOCUMENT)


@WITHIN
@given(strokes=STROKES)
async def test_bytes_changed(receiver: Receiver, strokes: Sequence[tuple[str, float, float, int, bytes]]) -> None:
    header = DOCUMENT.index(b"</StandardBusinessDocumentHeader>")
    await judge(receiver, struck(DOCUMENT[:header], strokes) + DOCUMENT[header:])


@WITHIN
@given(changes=CHANGES)
async def test_elements_changed(receiver: Receiver, changes: Sequence[tuple[str, int, int]]) -> None:
    await judge(receiver, rebuilt(DOCUMENT, changes))
