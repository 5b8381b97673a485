"""Telling EDS, held against every answer that it can give; the store is a real one, EDS says what a test lets it say."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from ehmi_ap.correlation import Enveloped
from ehmi_ap.ehmi.auditevent import Device
from ehmi_ap.ehmi.status import Facts, Gap, to_json
from ehmi_ap.envelope import Document, Kind
from ehmi_ap.flows import status
from ehmi_ap.flows.status import FUTILE, PATIENCE, RECENT, StatusReporting
from ehmi_ap.lifecycle import Happening
from ehmi_ap.model import Direction, EventKind, Organisation
from ehmi_ap.reports import Report, ReportState, Status, StatusAnswer, StatusOutcome
from ehmi_ap.store.memory import MemoryStore
from tests.store_samples import NOW, RECEIVER, SENDER, accept, claim_one, envelope, event, message

AP = Device(id="Our-AP")
CPR = "0101010227"
WAITING, PARKED, TAKEN, DROPPED = ReportState
FACTS = Facts(
    kind=Kind.MESSAGE,
    sender=SENDER,
    receiver=RECEIVER,
    message=Document("d1", "homecareobservation-message", "1.2"),
    transport=Document("e1", "SBDH", "1.0"),
    patient=CPR,
)

Answers = Callable[[Mapping[str, Any], Organisation], StatusAnswer]


def taken(made: Mapping[str, Any], organisation: Organisation) -> StatusAnswer:
    return StatusAnswer(outcome=StatusOutcome.TAKEN, what="HTTP 201", reference="AuditEvent/1")


def always(outcome: StatusOutcome, what: str = "HTTP 5", **more: Any) -> Answers:
    return lambda made, organisation: StatusAnswer(outcome=outcome, what=what, fix="Do.", **more)


LATER = always(StatusOutcome.LATER)


class Place:
    """A store with its reports, an EDS that answers as told, and a clock."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.now = NOW
        self.seconds = 1000.0
        self.stats: Counter[str] = Counter()
        self.bodies: list[bytes] = []
        self.answers: Answers = taken
        self.reporting = self.start()

    def start(self, *, failures: bool = True, device: Device = AP) -> StatusReporting:
        return StatusReporting(
            self.store.reports,
            self,
            device=device,
            failures=failures,
            now=lambda: self.now,
            clock=lambda: self.seconds,
            chance=lambda: 0.0,
            count=lambda what: self.stats.update([what]),
        )

    async def report(self, event: bytes, organisation: Organisation) -> StatusAnswer:
        await asyncio.sleep(0)
        self.bodies.append(event)
        return self.answers(json.loads(event), organisation)

    def later(self, seconds: float) -> None:
        self.seconds += seconds
        self.now += timedelta(seconds=seconds)

    async def send(self, name: str, organisation: Organisation = SENDER, **changes: Any) -> None:
        """A message that was received and sent: two reports."""
        given = Status(organisation=organisation, facts=to_json(changes.pop("facts", FACTS)))
        await accept(self.store, message(name), enveloped=Enveloped(envelope=envelope(), status=given))
        job = await claim_one(self.store, Direction.OUTBOUND, at=self.now)
        at = NOW + timedelta(seconds=2)
        await self.store.settle(
            job.key, Happening.SETTLED, now=self.now, events=[event(name, EventKind.SENT, at=at, **changes)]
        )

    async def rounds(self) -> None:
        """Until nothing more can be told now."""
        while await self.reporting.round():
            pass

    async def states(self) -> list[ReportState]:
        return [report.state for report in await self.store.reports.find()]

    async def first(self) -> Report:
        return (await self.store.reports.find())[0]

    def told(self) -> list[tuple[str, str]]:
        """Subtype and time of what EDS was told."""
        return [(made["subtype"][0]["code"], made["recorded"]) for made in map(json.loads, self.bodies)]


@pytest.fixture
def place() -> Place:
    return Place()


async def test_both_events_are_told_in_order_with_the_time_at_which_they_happened(place: Place) -> None:
    await place.send("m1@x")
    place.later(86_400)
    await place.rounds()
    assert place.told() == [
        ("msg-received", "2026-11-23T08:00:00.123+00:00"),
        ("msg-sent", "2026-11-23T08:00:02.123+00:00"),
    ]
    assert await place.states() == [TAKEN, TAKEN]
    kept = await place.first()
    assert (kept.what, kept.reference) == ("HTTP 201", "AuditEvent/1")
    assert place.stats == {"status_taken": 2}
    assert not await place.reporting.round()


async def test_what_is_told_again_is_the_same_to_the_byte(place: Place) -> None:
    """A time-out does not say whether EDS has it; also after a restart."""
    await place.send("m1@x")
    place.answers = LATER
    await place.rounds()
    place.later(3600)
    place.answers = taken
    place.reporting = place.start()
    await place.rounds()
    assert [made["subtype"][0]["code"] for made in map(json.loads, place.bodies)] == [
        "msg-received",
        "msg-received",
        "msg-sent",
    ]
    assert place.bodies[0] == place.bodies[1]


async def test_a_failure_is_outcome_8(place: Place) -> None:
    await place.send("m1@x", failed=True)
    await place.rounds()
    assert [made["outcome"] for made in map(json.loads, place.bodies)] == ["0", "8"]


async def test_failures_are_not_told_where_that_is_off(place: Place) -> None:
    await place.send("m1@x", failed=True)
    place.reporting = place.start(failures=False)
    await place.rounds()
    assert len(place.bodies) == 1
    assert await place.states() == [TAKEN, DROPPED]


async def test_an_envelope_that_lacks_its_scopes_is_parked_and_nobody_is_asked(place: Place) -> None:
    await place.send("m1@x", Organisation("", ""), facts=Gap(("SENDERID", "MESSAGEIDENTIFIER")))
    await place.rounds()
    assert place.bodies == []
    assert await place.states() == [PARKED, PARKED]
    kept = await place.first()
    assert kept.what == "the envelope has not exactly one scope SENDERID, MESSAGEIDENTIFIER"
    assert "drop" in kept.fix


async def test_what_is_refused_is_parked_and_the_next_one_told(place: Place) -> None:
    def picky(made: Mapping[str, Any], organisation: Organisation) -> StatusAnswer:
        first = made["subtype"][0]["code"] == "msg-received"
        return always(StatusOutcome.REFUSED, "HTTP 422")(made, organisation) if first else taken(made, organisation)

    place.answers = picky
    await place.send("m1@x")
    await place.rounds()
    assert await place.states() == [PARKED, TAKEN]
    kept = await place.first()
    assert (kept.what, kept.fix) == ("HTTP 422", "Do.")


# EDS is down


async def test_when_eds_is_down_it_is_asked_now_and_then(place: Place) -> None:
    """Not once for each of a thousand reports; and when it is back, all are told, each message in order."""
    for number in range(40):
        await place.send(f"m{number}@x")
    place.answers = LATER
    await place.rounds()
    outage = len(place.bodies)
    assert FUTILE <= outage <= status.AT_ONCE
    assert place.reporting.trouble == ("HTTP 5",)
    for _ in range(100):
        place.later(1)
        await place.rounds()
    assert len(place.bodies) < outage + 100
    place.later(400)
    place.answers = taken
    await place.rounds()
    place.later(2000)
    await place.rounds()
    assert set(await place.states()) == {TAKEN}
    assert place.reporting.trouble == ()


async def test_days_of_outage_park_nothing(place: Place) -> None:
    await place.send("m1@x")
    await place.send("m2@x")
    await place.rounds()
    await place.send("m3@x")
    place.answers = LATER
    for _ in range(3 * 24 * 12):
        place.later(300)
        await place.rounds()
    assert (await place.states())[4:] == [WAITING, WAITING]
    place.answers = taken
    place.later(2000)
    await place.rounds()
    assert set(await place.states()) == {TAKEN}


async def test_retry_after_is_kept_to_but_not_for_ever(place: Place) -> None:
    await place.send("m1@x")
    place.answers = always(StatusOutcome.LATER, retry_after=120.0)
    await place.rounds()
    place.later(119)
    await place.rounds()
    assert len(place.bodies) == 1
    place.later(1)
    place.answers = always(StatusOutcome.LATER, retry_after=1e9)
    await place.rounds()
    place.later(status.LONGEST_ASKED)
    place.answers = taken
    await place.rounds()
    assert await place.states() == [TAKEN, TAKEN]


async def test_what_eds_never_takes_while_it_takes_others_is_parked(place: Place) -> None:
    """It holds up nobody, and its own message only until then."""

    def not_the_first(made: Mapping[str, Any], organisation: Organisation) -> StatusAnswer:
        poison = made["entity"][0]["what"]["identifier"]["value"] == "poison"
        return (LATER if poison else taken)(made, organisation)

    place.answers = not_the_first
    poison = Facts(
        kind=Kind.MESSAGE,
        sender=SENDER,
        receiver=RECEIVER,
        message=Document("poison", "x", "1"),
        transport=Document("e1", "SBDH", "1.0"),
    )
    await place.send("bad@x", facts=poison)
    tries = 0
    while (await place.first()).state is WAITING:
        tries += 1
        assert tries < 50
        await place.send(f"good{tries}@x")
        await place.rounds()
        place.later(RECENT - 1)
    states = await place.states()
    assert states[0] is PARKED
    assert set(states[2:]) == {TAKEN}
    assert (await place.first()).what == f"not taken in {PATIENCE} tries: HTTP 5"


# we may not report


async def test_an_organisation_that_is_not_enrolled_holds_up_nobody_else(place: Place, caplog: Any) -> None:
    def only_the_receiver(made: Mapping[str, Any], organisation: Organisation) -> StatusAnswer:
        wrong = always(StatusOutcome.MISCONFIGURED, "HTTP 403")
        return (taken if organisation == RECEIVER else wrong)(made, organisation)

    place.answers = only_the_receiver
    for number in range(4):
        await place.send(f"ours{number}@x")
        await place.send(f"theirs{number}@x", RECEIVER)
    with caplog.at_level(logging.ERROR):
        await place.rounds()
    assert Counter(await place.states()) == {WAITING: 8, TAKEN: 8}
    assert len(place.bodies) == 8 + 4
    assert [record.msg for record in caplog.records] == ["EDS or its authorization server does not let us report"]
    assert place.reporting.trouble == ("HTTP 403",)
    kept = next(report for report in await place.store.reports.find(states=[WAITING]) if report.what)
    assert (kept.what, kept.fix, kept.tries) == ("HTTP 403", "Do.", 0)
    place.later(59)
    await place.rounds()
    assert len(place.bodies) == 12
    place.answers = taken
    place.later(1)
    await place.rounds()
    assert set(await place.states()) == {TAKEN}
    assert place.reporting.trouble == ()


async def test_a_person_opens_the_gates(place: Place) -> None:
    await place.send("m1@x")
    place.answers = always(StatusOutcome.MISCONFIGURED, "HTTP 401", retry_after=3000.0)
    await place.rounds()
    place.answers = taken
    await place.rounds()
    assert len(place.bodies) == 1
    await place.store.reports.reopen(now=place.now)
    place.reporting.open()
    await place.rounds()
    assert await place.states() == [TAKEN, TAKEN]


# ourselves


async def test_a_failure_of_our_own_is_parked(place: Place, caplog: Any) -> None:
    def broken(made: Mapping[str, Any], organisation: Organisation) -> StatusAnswer:
        raise RuntimeError(CPR)

    place.answers = broken
    await place.send("m1@x")
    await place.rounds()
    assert await place.states() == [PARKED, PARKED]
    assert (await place.first()).what == "a failure of our own (RuntimeError); see the log"


async def test_no_patient_is_named_but_to_eds(place: Place, caplog: Any) -> None:
    """EDS may repeat in its answers what it was told."""
    place.answers = always(StatusOutcome.REFUSED, f"HTTP 422: patient {CPR} is unknown")
    await place.send("m1@x")
    with caplog.at_level(logging.DEBUG):
        await place.rounds()
    assert all(CPR.encode() in body for body in place.bodies)
    reports = await place.store.reports.find()
    assert CPR not in repr(reports) + caplog.text + repr(place.reporting.trouble)


@pytest.mark.parametrize("name", ["Our-AP", "Another-AP"])
async def test_a_device_that_was_corrected_is_told(place: Place, name: str) -> None:
    """Events that wait are made anew of their facts, so that a mistake in [eds] can be mended."""
    await place.send("m1@x")
    place.reporting = place.start(device=Device(id=name))
    assert await place.reporting.round()
    assert {made["source"]["observer"]["identifier"]["value"] for made in map(json.loads, place.bodies)} == {name}
