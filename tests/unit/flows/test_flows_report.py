"""Telling backends their events: at least once, in order for each message, and never blocked for ever."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flow_world import event, world

from ehmi_ap.flows import report as reporting
from ehmi_ap.flows.report import report, skip_the_deaf
from ehmi_ap.model import DeliveryEvent, EventKind, MessageId

NewId = Callable[[], MessageId]


class Backend:
    """Takes events unless `refuses` says no."""

    fetches = False

    def __init__(self, refuses: Callable[[DeliveryEvent], bool] = lambda event: False) -> None:
        self.refuses = refuses
        self.told: list[tuple[str, str]] = []
        self.asked = 0

    async def deliver(self, message: object) -> None:
        raise AssertionError

    async def notify(self, event: DeliveryEvent) -> None:
        self.asked += 1
        if self.refuses(event):
            raise RuntimeError("no")
        self.told.append((event.message_id.partition("@")[0], event.kind.value))

    async def run(self, submit: object) -> None:
        raise AssertionError


async def test_events_are_told_in_order_and_once(new_id: NewId, now: datetime) -> None:
    """Each backend its own; nothing is told twice when nothing fails."""
    rest, files = Backend(), Backend()
    to = world(new_id, now, backends={"rest": rest, "files": files})
    for name in ("a", "b"):
        await to.store.record([event(name, now), event(name, now, kind=EventKind.SENT)])
    await to.store.record([event("c", now, backend="files")])
    assert await report(to)
    assert await report(to)
    assert [told for told in rest.told if told[0] == "a"] == [("a", "msg-received"), ("a", "msg-sent")]
    assert [told for told in rest.told if told[0] == "b"] == [("b", "msg-received"), ("b", "msg-sent")]
    assert len(rest.told) == 4
    assert files.told == [("c", "msg-received")]


async def test_a_refused_event_holds_up_only_its_own_message(new_id: NewId, now: datetime) -> None:
    """The later event of `a` waits for the first one; `b` does not."""
    rest = Backend(lambda event: event.message_id.startswith("a@") and event.kind is EventKind.RECEIVED)
    to = world(new_id, now, backends={"rest": rest})
    for name in ("a", "b"):
        await to.store.record([event(name, now), event(name, now, kind=EventKind.SENT)])
    assert not await report(to)
    assert rest.told == [("b", "msg-received"), ("b", "msg-sent")]
    rest.refuses = lambda event: False
    assert await report(to)
    assert rest.told[2:] == [("a", "msg-received"), ("a", "msg-sent")]


async def test_a_poison_event_is_given_up_after_a_week(new_id: NewId, now: datetime) -> None:
    counted: list[str] = []
    rest = Backend(lambda event: event.kind is EventKind.RECEIVED)
    to = world(new_id, now, backends={"rest": rest}, count=counted.append)
    await to.store.record([event("a", now), event("a", now, kind=EventKind.SENT)])
    assert not await report(to)
    later = now + timedelta(days=7)
    assert await report(world(new_id, later, backends={"rest": rest}, store=to.store, count=counted.append))
    assert rest.told == [("a", "msg-sent")]
    assert counted == ["events_lost"]


async def test_a_backend_that_is_down_is_left_alone(new_id: NewId, now: datetime) -> None:
    """Not asked a thousand times in one round; the other backend gets its events."""
    down, up = Backend(lambda event: True), Backend()
    to = world(new_id, now, backends={"down": down, "up": up})
    for number in range(100):
        await to.store.record([event(f"{number}", now, backend="down")])
    await to.store.record([event("x", now, backend="up")])
    assert not await report(to)
    assert down.asked <= reporting.FUTILE + reporting.AT_ONCE
    assert up.told == [("x", "msg-received")]


async def test_more_events_than_one_batch(new_id: NewId, now: datetime) -> None:
    rest = Backend()
    to = world(new_id, now, backends={"rest": rest})
    for number in range(reporting.BATCH + 5):
        await to.store.record([event(f"{number}", now)])
    assert await report(to)
    assert len(rest.told) == reporting.BATCH + 5


async def test_a_backend_without_notify_needs_no_telling(new_id: NewId, now: datetime) -> None:
    """Only `deliver` is asked of a backend (architecture 9)."""

    class Plain:
        async def deliver(self, message: object) -> None:
            raise AssertionError

    to = world(new_id, now, backends={"rest": Plain()})
    await to.store.record([event("a", now)])
    assert await report(to)
    await skip_the_deaf(to)
    assert await to.store.undelivered_events("rest", limit=1) == []


async def test_what_no_backend_took_is_logged_under_names_of_its_own(
    new_id: NewId, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    """`event` is the sentence of a log line: the kind of the event goes by another name."""
    to = world(new_id, now, backends={"rest": Backend(lambda event: True)})
    await to.store.record([event("a", now)])
    assert not await report(to)
    [record] = caplog.records
    assert vars(record)["kind"] == "msg-received"
    assert not {"time", "level", "logger", "event"} & set(vars(record))
