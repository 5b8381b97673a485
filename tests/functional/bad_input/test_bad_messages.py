"""Every fault of as4-wire 6.4 over a real socket: the exact answer, and that nothing else happens."""

import pytest
from lxml import etree

from tests import independent
from tests.craft import make
from tests.functional.bad_input import (
    encryption_cases,
    header_cases,
    http_cases,
    signature_cases,
    wrapping_cases,
)
from tests.functional.bad_input.faults import FAULT, Case
from tests.functional.bad_input.receiver import Receiver, Said

pytestmark = pytest.mark.asyncio(loop_scope="module")

CASES = [
    *http_cases.CASES,
    *header_cases.CASES,
    *encryption_cases.CASES,
    *signature_cases.CASES,
    *wrapping_cases.CASES,
]


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.answer}: {case.name}") for case in CASES])
async def test_the_answer_to_a_bad_message(receiver: Receiver, case: Case) -> None:
    made = make(case.make(receiver))
    said = await receiver.post(made, case.headers and case.headers(made.content_type).encode())
    if isinstance(case.answer, int):
        await receiver.turned_away(said, case.answer)
    elif case.answer == FAULT:
        await not_understood(receiver, said)
    else:
        await receiver.refused(said, case.answer, signed=case.signed, named=case.named, text=case.text)


async def not_understood(receiver: Receiver, said: Said) -> None:
    """500 with a SOAP fault and no eb:Messaging (SOAP 1.2 part 1, 5.4.8; as4-wire 1.4)."""
    assert said.answer.status == 500
    assert said.answer.headers["content-type"].startswith("application/soap+xml")
    root = etree.fromstring(said.answer.body)
    assert root.findtext("s:Body/s:Fault/s:Code/s:Value", "", independent.NS) == FAULT
    assert root.find(".//eb:Messaging", independent.NS) is None
    await receiver.untouched(said, code=None)


async def test_no_two_cases_are_the_same() -> None:
    names = [(case.answer, case.name) for case in CASES]
    assert len(set(names)) == len(names)
    assert len(names) > 350
