"""Which P-Mode a header falls under, and what that one asks of it, each for itself."""

from dataclasses import replace

import pytest
from sample_exchange import SERVICE, crafted, inbound, message

from ehmi_ap.as4.agreement import check_agreed, check_budgets, match
from ehmi_ap.as4.ebms import UserHeader
from ehmi_ap.as4.verify import split
from ehmi_ap.errors import HttpRefusal, ProcessingModeMismatch, ValueInconsistent
from ehmi_ap.model import PartyId, Property
from ehmi_ap.pmode import TEST_SERVICE, Limits

HEADER = UserHeader(message=message(), parts=())
UNTYPED = UserHeader(message=message(service=replace(SERVICE, value="no uri")), parts=())


def test_the_named_partner_goes_before_any_partner() -> None:
    anybody = inbound(name="anybody", partner=None)
    assert match(HEADER, [anybody, inbound()]).name == "from-alpha"
    assert match(HEADER, [anybody, inbound(partner=PartyId("urn:gamma"))]).name == "anybody"


def test_what_is_named_is_what_no_p_mode_at_all_has() -> None:
    """Not what the sender's own P-Modes lack: another's may have it (conformance G06)."""
    of_another, for_another = inbound(partner=PartyId("urn:gamma")), inbound(name="for", us=PartyId("urn:delta"))
    with pytest.raises(ProcessingModeMismatch, match="From party"):
        match(HEADER, [of_another, for_another])
    with pytest.raises(ProcessingModeMismatch, match="To party"):
        match(HEADER, [for_another])


def test_the_test_service_falls_under_the_partners_p_mode() -> None:
    """G38."""
    header = UserHeader(message=message(service=replace(SERVICE, value=TEST_SERVICE), action="whatever"), parts=())
    assert match(header, [inbound()]) == inbound()


def test_a_fault_of_the_header_comes_before_a_missing_p_mode() -> None:
    """as4-wire 6.4: 0003 before 0010, where all P-Modes ask for URIs."""
    with pytest.raises(ValueInconsistent):
        match(UNTYPED, [inbound()])
    with pytest.raises(ProcessingModeMismatch):
        match(UNTYPED, [inbound(), inbound(name="lenient", party_id_uri=False)])
    with pytest.raises(ProcessingModeMismatch):
        match(HEADER, [])


def test_what_the_p_mode_asks_of_the_header() -> None:
    check_agreed(UNTYPED, inbound(party_id_uri=False))
    with pytest.raises(ValueInconsistent):
        check_agreed(UNTYPED, inbound())
    check_agreed(HEADER, inbound(four_corner=True))
    lacking = UserHeader(message=message(properties=(Property("originalSender", "urn:c1"),)), parts=())
    check_agreed(lacking, inbound())
    with pytest.raises(ProcessingModeMismatch, match="finalRecipient is missing"):
        check_agreed(lacking, inbound(four_corner=True))


@pytest.mark.parametrize("limits", [Limits(message_bytes=100), Limits(parts=0)])
def test_the_budgets_of_a_p_mode(limits: Limits) -> None:
    wire = crafted()
    check_budgets(wire, split(wire), inbound())
    with pytest.raises(HttpRefusal) as refused:
        check_budgets(wire, split(wire), inbound(limits=limits))
    assert refused.value.status == 413
