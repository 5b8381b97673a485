"""Envelope receipts that do not come by their ExpectedResponseDateTime: told once, whoever looks and however often."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from msh import Ehmi, rewritten, stored, timeline
from sim import Net, Site, lose_request

from ehmi_ap.ehmi.header import Header
from ehmi_ap.flows import overdue
from ehmi_ap.flows.overdue import tell_overdue
from ehmi_ap.flows.world import World
from ehmi_ap.lifecycle import Happening, RetryPolicy, State
from ehmi_ap.model import EventKind, MessageId
from ehmi_ap.store.blobs import FileBlobs
from ehmi_ap.store.sqlite import SqliteStore

IN_TIME, LATE = 599, 600
TOLD = "unanswered"


async def kinds(site: Site, message_id: MessageId) -> list[str]:
    return [line[0] for line in await timeline(site, message_id)]


async def said(site: Site, message_id: MessageId) -> str:
    [event] = [each for each in await site.store.events(message_id=message_id) if each.kind is EventKind.UNANSWERED]
    assert (event.code, event.failed) == ("envelope-receipt", False)
    return event.detail


async def test_a_receipt_that_does_not_come_is_told_when_it_is_due(
    ehmi: Ehmi, caplog: pytest.LogCaptureFixture
) -> None:
    """O-9: ten minutes; C1 is told by its backend, an operator by the log and the metrics; nothing is sent again."""
    site = ehmi.hospital
    message = await ehmi.send(site, ehmi.request())
    business = await ehmi.send(ehmi.practice, ehmi.acknowledgement(ehmi.request()))  # which is no receipt
    site.net.clock.advance(IN_TIME)
    assert await tell_overdue(site.world) == 0
    site.net.clock.advance(1)
    assert await tell_overdue(site.world) == 1
    assert await kinds(site, message) == ["msg-received", "msg-sent", "answered", TOLD]
    told = await said(site, message)
    assert told.startswith("no envelope receipt came by 2026-11-23T12:10:00+00:00. The receiver's access point has the")
    assert "30 minutes after the first time, 2 times at most" in told
    await site.report()
    assert site.inbox.told(message)[-1] == (TOLD, False, "envelope-receipt")
    assert site.counted[TOLD] == 1
    [line] = [record for record in caplog.records if record.message == "an envelope receipt is overdue"]
    assert (line.levelname, line.__dict__["message_id"]) == ("WARNING", message)
    assert await tell_overdue(ehmi.practice.world) == 1
    assert (await kinds(ehmi.practice, business))[-1] == TOLD
    assert TOLD not in await kinds(ehmi.practice, message)  # who received it awaits nothing
    assert await site.send_due() == 0


async def test_a_receipt_in_time_is_not_told(ehmi: Ehmi) -> None:
    request = ehmi.request()
    message = await ehmi.send(ehmi.hospital, request)
    ehmi.net.clock.advance(IN_TIME)
    await ehmi.send(ehmi.practice, ehmi.receipt(request))
    ehmi.net.clock.advance(LATE)
    assert await tell_overdue(ehmi.hospital.world) == 0
    assert TOLD not in await kinds(ehmi.hospital, message)


async def test_a_receipt_that_comes_later_counts_all_the_same(ehmi: Ehmi) -> None:
    site, request = ehmi.hospital, ehmi.request()
    message = await ehmi.send(site, request)
    ehmi.net.clock.advance(LATE)
    await tell_overdue(site.world)
    receipt = await ehmi.send(ehmi.practice, ehmi.receipt(request))
    assert await kinds(site, message) == ["msg-received", "msg-sent", TOLD, "answered"]
    assert [each.message_id for each in (await stored(site, message)).answered_by] == [receipt]


async def test_it_is_told_once_across_restarts_and_by_several_processes(ehmi: Ehmi) -> None:
    site = ehmi.hospital
    messages = [await ehmi.send(site, ehmi.request(f"e{number}", f"m{number}")) for number in range(5)]
    ehmi.net.clock.advance(LATE)
    async with other_process(site) as other:
        told = await asyncio.gather(*(tell_overdue(world) for world in (site.world, other) * 2))
    assert sum(told) == len(messages)
    await site.restart()
    assert await tell_overdue(site.world) == 0
    events = Counter(event.message_id for event in await site.store.events() if event.kind is EventKind.UNANSWERED)
    assert events == dict.fromkeys(messages, 1)


@asynccontextmanager
async def other_process(site: Site) -> AsyncIterator[World]:
    """What another process on the same store is given; a store in memory has none."""
    if site.folder is None:
        yield site.world
        return
    store = await SqliteStore.open(site.folder / "store.db", FileBlobs(site.folder / "payloads"))
    yield replace(site.world, store=store)
    await store.close()


async def test_a_round_is_bounded(ehmi: Ehmi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overdue, "AT_ONCE", 2)
    for number in range(5):
        await ehmi.send(ehmi.hospital, ehmi.request(f"e{number}", f"m{number}"))
    ehmi.net.clock.advance(LATE)
    assert [await tell_overdue(ehmi.hospital.world) for _ in range(4)] == [2, 2, 1, 0]


async def test_what_is_still_being_sent_is_not_the_receivers_fault(net: Net, ehmi: Ehmi) -> None:
    site = ehmi.hospital
    net.forecast(lose_request)
    message = await ehmi.send(site, ehmi.request())
    ehmi.net.clock.advance(LATE)
    assert await tell_overdue(site.world) == 1
    told = await said(site, message)
    assert "does not have the message yet" in told
    assert "do not send it again" in told
    await ehmi.carry()
    assert (await stored(site, message)).state is State.ACKNOWLEDGED


async def test_a_message_that_was_given_up_is_not_overdue(net: Net, ehmi: Ehmi) -> None:
    """C1 was told that it failed. After an operator sent it again nobody knows when its receipt is due."""
    site = ehmi.hospital
    site.pmodes = [replace(pmode, retry=RetryPolicy(attempts=1)) for pmode in site.pmodes]
    net.forecast(lose_request)
    message = await ehmi.send(site, ehmi.request())
    found = await stored(site, message)
    assert found.state is State.FAILED
    ehmi.net.clock.advance(LATE)
    assert await tell_overdue(site.world) == 0
    await site.store.settle(found.key, Happening.RESENT, now=net.clock.now())
    await ehmi.carry()
    ehmi.net.clock.advance(LATE)
    assert await tell_overdue(site.world) == 0
    assert TOLD not in await kinds(site, message)
    assert site.counted[TOLD] == 0


async def test_one_that_failed_and_was_resent_in_time_is_watched(net: Net, ehmi: Ehmi) -> None:
    site = ehmi.hospital
    site.pmodes = [replace(pmode, retry=RetryPolicy(attempts=1)) for pmode in site.pmodes]
    net.forecast(lose_request)
    message = await ehmi.send(site, ehmi.request())
    await site.store.settle((await stored(site, message)).key, Happening.RESENT, now=net.clock.now())
    await ehmi.carry()
    ehmi.net.clock.advance(LATE)
    assert await tell_overdue(site.world) == 1


@pytest.mark.parametrize("expected", ["2021-02-17T09:40:10+01:00", "0001-01-01T00:00:00+14:00"])
async def test_a_time_that_had_passed_when_we_got_the_envelope_is_ten_minutes_from_then(
    ehmi: Ehmi, expected: str
) -> None:
    """It waited at C1, or is a placeholder, as in the IG's sample: no alarm before anybody could answer."""
    await ehmi.send(ehmi.hospital, expecting(ehmi.request(), expected))
    ehmi.net.clock.advance(IN_TIME)
    assert await tell_overdue(ehmi.hospital.world) == 0
    ehmi.net.clock.advance(1)
    assert await tell_overdue(ehmi.hospital.world) == 1


@pytest.mark.parametrize("expected", ["9999-12-31T23:59:59-14:00", "2026-11-23T12:10:00", None])
async def test_what_names_no_time_that_we_know_is_not_watched(ehmi: Ehmi, expected: str | None) -> None:
    await ehmi.send(ehmi.hospital, expecting(ehmi.request(), expected))
    ehmi.net.clock.advance(86400)
    assert await tell_overdue(ehmi.hospital.world) == 0


async def test_a_message_without_a_request_is_not_watched(ehmi: Ehmi) -> None:
    """ehmi.md 3.3: reliable messaging is switched off by leaving the scope out."""
    silent = rewritten(ehmi.request(), lambda header: replace(header, scopes=header.scopes[:-1]))
    await ehmi.send(ehmi.hospital, silent)
    ehmi.net.clock.advance(86400)
    assert await tell_overdue(ehmi.hospital.world) == 0


def expecting(envelope: bytes, expected: str | None) -> bytes:
    def changed(header: Header) -> Header:
        *others, asking = header.scopes
        assert asking.correlation is not None
        correlation = replace(asking.correlation, expected_at=expected)
        return replace(header, scopes=(*others, replace(asking, correlation=correlation)))

    return rewritten(envelope, changed)
