"""Track and trace out of AuditEvents, those that the product makes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ehmi_ap.demo.trace import Passage, is_whole, trace
from ehmi_ap.ehmi.auditevent import Deed, Device, audit_event
from ehmi_ap.ehmi.status import Facts
from ehmi_ap.envelope import Document, Kind
from ehmi_ap.model import Organisation

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
STATIONS = ("north", "south")
FACTS = Facts(
    kind=Kind.MESSAGE,
    sender=Organisation("9999011000016008", "9520000001018"),
    receiver=Organisation("9999021000016004", "9520000001025"),
    message=Document("m", "homecareobservation-message", "1.2"),
    transport=Document("t", "SBDH", "1.0"),
    patient="7403489995",
)


def event(after: float, station: str, deed: Deed, *, failed: bool = False, of: str = "t") -> dict[str, Any]:
    facts = replace(FACTS, transport=Document(of, "SBDH", "1.0"))
    return audit_event(facts, deed, at=AT + timedelta(seconds=after), failed=failed, device=Device(id=station))


def passage(after: float, station: str, deed: Deed, *, failed: bool = False) -> Passage:
    return Passage(at=AT + timedelta(seconds=after), station=station, deed=deed, failed=failed)


WAY = (
    passage(0, "north", Deed.RECEIVED),
    passage(1, "south", Deed.RECEIVED),
    passage(2, "north", Deed.SENT),
    passage(3, "south", Deed.SENT),
)


def test_events_come_in_the_order_of_their_times() -> None:
    """EDS is told by two access points, each when it can."""
    told = [
        event(1, "south", Deed.RECEIVED),
        event(3, "south", Deed.SENT),
        event(0, "north", Deed.RECEIVED),
        event(2, "north", Deed.SENT),
    ]
    assert trace(told, "t") == WAY


def test_other_envelopes_have_other_ways() -> None:
    told = [event(0, "north", Deed.RECEIVED, of="other"), event(2, "north", Deed.SENT, failed=True)]
    assert trace(told, "t") == (passage(2, "north", Deed.SENT, failed=True),)


def test_nothing_of_a_patient_is_in_it() -> None:
    assert FACTS.patient is not None
    assert FACTS.patient in str(event(0, "north", Deed.RECEIVED))
    assert FACTS.patient not in str(trace([event(0, "north", Deed.RECEIVED)], "t"))


def test_a_whole_way_is_received_and_sent_at_each_station() -> None:
    assert is_whole(WAY, STATIONS)
    late = sorted([*WAY[:2], passage(4, "north", Deed.SENT), WAY[3]], key=lambda each: each.at)
    assert is_whole(late, STATIONS)  # a receipt may come after C4 has it


@pytest.mark.parametrize(
    "way",
    [
        (),
        WAY[:3],
        WAY[1:],
        (*WAY, passage(4, "south", Deed.SENT)),
        (*WAY, passage(4, "elsewhere", Deed.RECEIVED)),
        (*WAY[:3], passage(3, "south", Deed.SENT, failed=True)),
        (WAY[0], WAY[2], passage(3, "south", Deed.SENT), passage(4, "south", Deed.RECEIVED)),
        (passage(-1, "south", Deed.RECEIVED), WAY[0], WAY[2], WAY[3]),
    ],
    ids=["nothing", "not sent", "not received", "twice", "a detour", "failed", "disordered", "the other way"],
)
def test_other_ways_are_not_whole(way: tuple[Passage, ...]) -> None:
    assert not is_whole(way, STATIONS)
