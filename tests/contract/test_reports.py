"""The contract of reports.Reports and ports.Envelopes, over every store."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from store_samples import (
    NOW,
    RECEIVER,
    SENDER,
    accept,
    claim_one,
    envelope,
    enveloped,
    event,
    keep,
    later,
    message,
)

from ehmi_ap.correlation import Unanswered
from ehmi_ap.envelope import Answer, Document, Kind, Original
from ehmi_ap.lifecycle import Happening, State
from ehmi_ap.model import Direction, EventKind, MessageId, Organisation
from ehmi_ap.ports import Query, Store
from ehmi_ap.reports import Report, ReportState
from ehmi_ap.store.rules import FEW

OUT, IN = Direction.OUTBOUND, Direction.INBOUND
WAITING, PARKED, TAKEN, DROPPED = ReportState
LEASE = 60.0


async def send(store: Store, name: str = "m1@x", organisation: Organisation = SENDER, **changes: Any) -> int:
    """A message that was accepted and acknowledged: two events to tell. Its key."""
    await accept(store, message(name), enveloped=enveloped(organisation=organisation, **changes))
    job = await claim_one(store, OUT)
    await store.settle(job.key, Happening.SETTLED, now=NOW, events=[event(name, EventKind.SENT)])
    return job.key


async def claim(store: Store, at: datetime = NOW, limit: int = 50, organisation: Organisation = SENDER) -> list[Report]:
    return list(await store.reports.claim(organisation, now=at, lease=LEASE, limit=limit))


def told(reports: list[Report]) -> list[tuple[str, EventKind]]:
    return [(report.event.message_id, report.event.kind) for report in reports]


# what is reported


async def test_an_event_becomes_a_report_in_its_transaction(store: Store) -> None:
    key = await send(store)
    first, second = await claim(store)
    assert [(r.key, r.event.kind, r.organisation) for r in (first, second)] == [
        (key, EventKind.RECEIVED, SENDER),
        (key, EventKind.SENT, SENDER),
    ]
    assert (first.event.at, first.state, first.tries, first.facts) == (NOW, WAITING, 0, '{"patient":"0101010227"}')
    assert [each.seq for each in await store.events()] == [first.event.seq, second.event.seq]


async def test_what_arrives_is_reported_too(store: Store) -> None:
    await keep(store, enveloped=enveloped(organisation=RECEIVER))
    assert await store.reports.organisations() == [RECEIVER]
    assert told(await claim(store, organisation=RECEIVER)) == [("m1@x", EventKind.RECEIVED)]


@pytest.mark.parametrize("given", [None, enveloped()], ids=["no envelope", "no status"])
async def test_without_a_status_nothing_is(store: Store, given: Any) -> None:
    await accept(store, enveloped=given)
    await keep(store, enveloped=given)
    assert await store.reports.organisations() == []
    assert await store.reports.find() == []


async def test_only_what_an_access_point_reports_is(store: Store) -> None:
    """Not attempts, not duplicates; a failure is one of msg-sent."""
    await accept(store, enveloped=enveloped(organisation=SENDER))
    job = await claim_one(store, OUT)
    events = [event(kind=kind) for kind in EventKind if kind not in (EventKind.RECEIVED, EventKind.SENT)]
    failed = event(kind=EventKind.SENT, failed=True)
    await store.settle(job.key, Happening.GIVEN_UP, now=NOW, events=[*events, failed])
    reports = await claim(store)
    assert told(reports) == [("m1@x", EventKind.RECEIVED), ("m1@x", EventKind.SENT)]
    assert [report.event.failed for report in reports] == [False, True]


async def test_a_duplicate_and_a_repeated_submission_are_not_told_twice(store: Store) -> None:
    for _ in range(2):
        await accept(store, enveloped=enveloped(organisation=SENDER))
        await keep(store, message("in@x"), enveloped=enveloped(organisation=SENDER))
    assert told(await claim(store)) == [("m1@x", EventKind.RECEIVED), ("in@x", EventKind.RECEIVED)]


async def test_a_transaction_that_does_not_settle_reports_nothing(store: Store) -> None:
    key = await send(store)
    assert not await store.settle(key, Happening.SETTLED, now=NOW, events=[event(kind=EventKind.SENT)])
    assert len(await claim(store)) == 2


# who tells it, and in which order


async def test_what_is_claimed_is_not_claimed_again_before_its_lease_ends(store: Store) -> None:
    await send(store)
    assert len(await claim(store)) == 2
    assert await claim(store, later(LEASE - 1)) == []
    assert len(await claim(store, later(LEASE))) == 2


async def test_a_later_event_waits_for_an_earlier_one_that_another_holds(store: Store) -> None:
    await send(store, "one@x")
    await send(store, "two@x")
    assert told(await claim(store, limit=1)) == [("one@x", EventKind.RECEIVED)]
    assert told(await claim(store)) == [("two@x", EventKind.RECEIVED), ("two@x", EventKind.SENT)]


async def test_organisations_are_claimed_each_for_itself(store: Store) -> None:
    odd = Organisation('with "blank', "")
    await send(store, "one@x", SENDER)
    await send(store, "two@x", odd)
    assert set(await store.reports.organisations()) == {SENDER, odd}
    assert {m for m, _ in told(await claim(store, organisation=odd))} == {"two@x"}
    assert {m for m, _ in told(await claim(store))} == {"one@x"}


async def test_what_is_held_waits_for_its_time(store: Store) -> None:
    await send(store)
    first, second = await claim(store)
    await store.reports.hold([first.event.seq], until=later(30), what="HTTP 503", fix="Wait.", counts=True)
    await store.reports.hold([second.event.seq], until=NOW)
    assert await claim(store, later(29)) == []
    again = await claim(store, later(30))
    assert [(r.tries, r.what, r.fix) for r in again] == [(1, "HTTP 503", "Wait."), (0, "", "")]
    await store.reports.hold([first.event.seq], until=NOW)
    kept = await store.reports.get(first.event.seq)
    assert kept is not None
    assert (kept.tries, kept.what, kept.fix) == (1, "HTTP 503", "Wait.")


# what becomes of it


async def test_what_was_taken_waits_no_longer(store: Store) -> None:
    await send(store)
    await send(store, "other@x", RECEIVER)
    first, second = await claim(store)
    assert await store.reports.settle(first.event.seq, TAKEN, now=later(1), what="201", reference="AuditEvent/1")
    assert not await store.reports.settle(first.event.seq, PARKED, now=later(2))
    assert told(await claim(store, later(LEASE))) == [("m1@x", EventKind.SENT)]
    found = await store.reports.find(message_id=MessageId("m1@x"))
    assert [(r.state, r.reference, r.facts) for r in found] == [(TAKEN, "AuditEvent/1", None), (WAITING, None, None)]
    assert await store.reports.counts() == {WAITING: 3}
    waiting = await store.reports.find(states=[WAITING], after=first.event.seq, limit=1)
    assert [r.event.seq for r in waiting] == [second.event.seq]


async def test_a_parked_one_does_not_hold_up_the_next_and_can_be_reopened(store: Store) -> None:
    await send(store)
    first, second = await claim(store)
    await store.reports.settle(first.event.seq, PARKED, now=later(1), what="422", fix="Look.")
    await store.reports.settle(second.event.seq, TAKEN, now=later(1))
    assert await claim(store, later(LEASE)) == []
    assert await store.reports.counts() == {PARKED: 1}
    assert await store.reports.reopen(first.event.seq, now=later(2)) == 1
    (again,) = await claim(store, later(2))
    assert (again.state, again.event.seq, again.what, again.changed_at) == (WAITING, first.event.seq, "422", later(2))
    assert await store.reports.reopen(second.event.seq, now=later(2)) == 0


async def test_reopening_all_makes_what_waits_due(store: Store) -> None:
    await send(store)
    first, second = await claim(store)
    await store.reports.settle(first.event.seq, PARKED, now=NOW, what="422")
    await store.reports.hold([second.event.seq], until=later(3600), counts=True)
    assert await store.reports.reopen(now=NOW) == 2
    assert [report.tries for report in await claim(store)] == [0, 0]


async def test_what_was_dropped_stays_so(store: Store) -> None:
    await send(store)
    first, _ = await claim(store)
    assert await store.reports.settle(first.event.seq, DROPPED, now=NOW, what="a test message")
    assert not await store.reports.settle(first.event.seq, TAKEN, now=NOW)
    assert await store.reports.reopen(now=NOW) == 1


async def test_what_nobody_took_for_long_is_dropped(store: Store) -> None:
    await send(store)
    first, second = await claim(store)
    await store.reports.settle(first.event.seq, TAKEN, now=NOW)
    assert await store.reports.expire(before=NOW, now=later(1), what="too old") == 0
    assert await store.reports.expire(before=later(1), now=later(1), what="too old") == 1
    kept = await store.reports.get(second.event.seq)
    assert kept is not None
    assert (kept.state, kept.what) == (DROPPED, "too old")


async def test_facts_go_with_the_payloads_but_not_before_eds_was_told(store: Store) -> None:
    await send(store)
    purge = {"payloads_before": later(1), "messages_before": NOW}
    await store.purge(**purge)
    first, second = await claim(store)
    assert first.facts is not None
    for report in (first, second):
        await store.reports.settle(report.event.seq, PARKED, now=NOW)
    await store.reports.settle(second.event.seq, TAKEN, now=NOW)
    await store.purge(**purge)
    await store.reports.reopen(first.event.seq, now=NOW)
    assert [report.facts is not None for report in await claim(store)] == [True]
    await store.reports.settle(first.event.seq, TAKEN, now=NOW)
    await store.purge(**purge)
    assert len(await store.reports.find(message_id=MessageId("m1@x"))) == 2


async def test_reports_go_with_their_message(store: Store) -> None:
    await send(store)
    await store.purge(payloads_before=later(1), messages_before=later(1))
    assert await store.find(Query()) == []
    assert await store.reports.find() == []
    assert await claim(store) == []


# envelopes


SENT = {"sender": SENDER.gln, "receiver": RECEIVER.gln}


async def find(store: Store, direction: Direction, identifiers: Any = (), messages: Any = (), **ends: str) -> list[str]:
    given = {**SENT, **ends}
    found = await store.envelopes.find(direction, identifiers=identifiers, messages=messages, **given)
    return [each.message_id for each in found]


async def answer(store: Store, name: str, to: str, *, kind: Kind = Kind.RECEIPT, **changes: Any) -> None:
    """An answer that arrives, for the message that went in the envelope `to`."""
    [known] = await store.envelopes.find(OUT, **SENT, identifiers=[to], messages=[])
    back = {"sender": RECEIVER, "receiver": SENDER}
    told = event(known.message_id, EventKind.ANSWERED, code=kind.value)
    given = enveloped(envelope=envelope(f"e-{name}", f"d-{name}", kind=kind, **back, **changes))
    await keep(store, message(name), enveloped=replace(given, answers=known.key, told=told))


async def await_receipt(store: Store, name: str, identifier: str = "e1", document: str = "d1") -> None:
    given = enveloped(envelope=envelope(identifier, document, answer_due=later(600)))
    await accept(store, message(name), backend="c1", enveloped=given)


async def overdue(store: Store) -> list[str]:
    return [each.message_id for each in await store.envelopes.unanswered(now=later(600), limit=9)]


async def test_envelopes_are_known_by_either_identifier(store: Store) -> None:
    await accept(store, message("out@x"), enveloped=enveloped())
    await keep(store, message("in@x"), enveloped=enveloped(envelope=envelope("e2", "d1")))
    await keep(store, message("no-id@x"), enveloped=enveloped(envelope=envelope("e3", "")))
    (out,) = await store.envelopes.find(OUT, **SENT, identifiers=["e1", "other"], messages=[])
    assert (out.message_id, out.direction, out.backend, out.kind) == ("out@x", OUT, "rest", Kind.MESSAGE)
    assert (out.sender, out.receiver, out.receipt) == (SENDER.gln, RECEIVER.gln, None)
    assert out.original == Original("e1", Document("d1", "homecareobservation-message", "1.2"))
    assert await find(store, IN, messages=["d1"]) == ["in@x"]
    assert await find(store, OUT, identifiers=["e2"], messages=["", "e1"]) == []


async def test_only_what_one_sender_sent_is_known_and_messages_to_one_receiver(store: Store) -> None:
    await accept(store, enveloped=enveloped())
    other = "5790000123117"
    assert await find(store, OUT, ["e1"], ["d1"], sender=other) == []
    assert await find(store, OUT, ["e1"], receiver=other) == ["m1@x"]
    assert await find(store, OUT, [], ["d1"], receiver=other) == []


async def test_an_identifier_for_everything_is_looked_up_within_bounds(store: Store) -> None:
    """The oldest of an envelope's, the newest of a message's."""
    for number in range(2 * FEW):
        await accept(store, message(f"{number}@x"), enveloped=enveloped())
    assert await find(store, OUT, ["e1"]) == [f"{number}@x" for number in range(FEW)]
    assert await find(store, OUT, [], ["d1"]) == [f"{number}@x" for number in range(FEW, 2 * FEW)]


async def test_an_answer_is_an_event_of_what_it_answers(store: Store) -> None:
    await await_receipt(store, "out@x")
    [waiting] = await store.envelopes.unanswered(now=later(600), limit=9)
    assert waiting == Unanswered(key=waiting.key, message_id=MessageId("out@x"), state=State.ACCEPTED, due=later(600))
    for _ in range(2):
        await answer(store, "in@x", "e1")
    events = await store.events(message_id=MessageId("out@x"))
    assert [(each.kind, each.code, each.backend) for each in events[1:]] == [
        (EventKind.ANSWERED, "envelope-receipt", "c1")
    ]
    assert await overdue(store) == []


async def test_an_acknowledgement_is_no_receipt(store: Store) -> None:
    await await_receipt(store, "out@x")
    await answer(store, "in@x", "e1", kind=Kind.ACKNOWLEDGEMENT)
    assert len(await store.events(message_id=MessageId("out@x"))) == 2
    assert await overdue(store) == ["out@x"]


async def test_a_receipt_is_for_every_envelope_that_the_message_was_sent_in(store: Store) -> None:
    """And for no other message, and no other receiver's."""
    await await_receipt(store, "one@x")
    await await_receipt(store, "again@x", "e2")
    await await_receipt(store, "other@x", "e3", "d3")
    await await_receipt(store, "no-id@x", "e4", "")
    await await_receipt(store, "no-id-either@x", "e5", "")
    copy = envelope("e6", receiver=Organisation("1", "5790000123117"), answer_due=later(600))
    await accept(store, message("copy@x"), enveloped=enveloped(envelope=copy))
    await answer(store, "in@x", "e1")
    assert await overdue(store) == ["other@x", "no-id@x", "no-id-either@x", "copy@x"]
    await answer(store, "in2@x", "e4")
    assert await overdue(store) == ["other@x", "no-id-either@x", "copy@x"]


async def test_both_ends_of_an_answer_know_each_other(store: Store) -> None:
    await accept(store, message("out@x"), enveloped=enveloped())
    await answer(store, "no@x", "e1", positive=False)
    await answer(store, "odd@x", "e1", positive=None)
    await answer(store, "ack@x", "e1", kind=Kind.ACKNOWLEDGEMENT)
    stored = {each.message.message_id: each for each in await store.find(Query())}
    assert stored[MessageId("out@x")].answered_by == (
        Answer(Kind.RECEIPT, MessageId("no@x"), False),
        Answer(Kind.RECEIPT, MessageId("odd@x"), None),
        Answer(Kind.ACKNOWLEDGEMENT, MessageId("ack@x"), None),
    )
    assert [stored[MessageId(name)].answers for name in ("out@x", "no@x", "ack@x")] == [None, "out@x", "out@x"]
    [known] = await store.envelopes.find(OUT, **SENT, identifiers=["e1"], messages=[])
    assert known.receipt == Answer(Kind.RECEIPT, MessageId("no@x"), False)


async def test_only_a_few_answers_are_shown(store: Store) -> None:
    await accept(store, message("out@x"), enveloped=enveloped())
    for number in range(FEW + 1):
        await answer(store, f"{number}@x", "e1", positive=True)
    [out] = await store.find(Query(message_id=MessageId("out@x")))
    assert [each.message_id for each in out.answered_by] == [f"{number}@x" for number in range(FEW)]
    assert len(await store.events(message_id=MessageId("out@x"))) == FEW + 2


async def test_what_is_overdue_is_told_once(store: Store) -> None:
    await await_receipt(store, "m1@x")
    await keep(store, message("in@x"), enveloped=enveloped(envelope=envelope("e2", answer_due=later(600))))
    assert await store.envelopes.unanswered(now=later(599), limit=9) == []
    [found] = await store.envelopes.unanswered(now=later(600), limit=9)
    late = event(kind=EventKind.UNANSWERED)
    assert await store.envelopes.tell_unanswered(found.key, late)
    assert not await store.envelopes.tell_unanswered(found.key, late)
    assert await overdue(store) == []
    events = await store.events(message_id=MessageId("m1@x"))
    assert [(each.kind, each.backend) for each in events] == [
        (EventKind.RECEIVED, "c1"),
        (EventKind.UNANSWERED, "c1"),
    ]


async def test_the_state_of_what_is_overdue_is_known_and_it_may_be_awaited_no_longer_untold(store: Store) -> None:
    await await_receipt(store, "m1@x")
    job = await claim_one(store, OUT)
    await store.settle(job.key, Happening.GIVEN_UP, now=NOW)
    [found] = await store.envelopes.unanswered(now=later(600), limit=9)
    assert found.state is State.FAILED
    assert await store.envelopes.tell_unanswered(found.key, None)
    assert await overdue(store) == []
    assert len(await store.events(message_id=MessageId("m1@x"))) == 1


async def test_an_answer_to_what_is_gone_is_a_message_like_others(store: Store) -> None:
    told = event("gone@x", EventKind.ANSWERED)
    given = enveloped(envelope=envelope(kind=Kind.RECEIPT), answers=4711, told=told)
    assert not (await keep(store, message("in@x"), enveloped=given)).duplicate
    assert [each.message_id for each in await store.events()] == ["in@x"]
    [kept] = await store.find(Query())
    assert kept.answers is None


async def test_an_answer_outlives_what_it_answered(store: Store) -> None:
    """It is kept as long as other messages, and so is its original, whichever goes first."""
    await accept(store, message("out@x"), enveloped=enveloped())
    job = await claim_one(store, OUT)
    await store.settle(job.key, Happening.SETTLED, now=NOW)
    await answer(store, "in@x", "e1")
    await store.purge(payloads_before=later(1), messages_before=later(1))
    [kept] = await store.find(Query())
    assert (kept.message.message_id, kept.answers) == ("in@x", None)
