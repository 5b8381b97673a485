"""GET /events: what happens to a backend's messages, as it happens (long polling)."""

import asyncio
import re
from collections.abc import AsyncGenerator, Coroutine, Sequence
from typing import Any

from aiohttp import web

from ehmi_ap.errors import RequestRefused
from ehmi_ap.model import DeliveryEvent
from ehmi_ap.server import documents
from ehmi_ap.server.routes import Call, Given, Parameter, Route

STOPPING = web.AppKey("STOPPING", asyncio.Event)
"""Set when the application is about to stop: who waits for news is answered without."""
LONGEST_WAIT = 60.0
PAGE = 500


async def show_feed(call: Call) -> web.StreamResponse:
    """GET /events?after=SEQ&wait=SECONDS: at once when there is something, else when there is, or after `wait`."""
    after = _number(call, "after", 10**18)
    wait = _number(call, "wait", LONGEST_WAIT)
    found, last = await _there(call, int(after))
    if not found and wait:
        try:
            async with asyncio.timeout(wait):
                await _first(_news(call, last), call.request.app[STOPPING].wait())
        except TimeoutError:
            pass  # nothing happened: an empty page says so
        found, last = await _there(call, last)
    return documents.answer(documents.EventPage(events=tuple(map(documents.event_document, found)), last=last))


async def _there(call: Call, after: int) -> tuple[list[DeliveryEvent], int]:
    """The caller's first events above `after`, and the last seq that was looked at, whoever's it was."""
    while True:
        some = await call.ap.store.events(after=after, limit=PAGE)
        mine = _visible(call, some)
        after = some[-1].seq if some else after
        if mine or len(some) < PAGE:
            return mine, after


async def _first(*waiting: Coroutine[Any, Any, object]) -> None:
    """Returns when the first of these does, and raises what it raises; the others are cancelled."""
    tasks = [asyncio.create_task(each) for each in waiting]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _news(call: Call, after: int) -> None:
    """Returns when the caller has an event above `after`."""
    events = call.ap.events(after=after, follow=True)
    try:
        async for event in events:
            if call.caller.may_see(event.backend):
                return
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()


def _visible(call: Call, events: Sequence[DeliveryEvent]) -> list[DeliveryEvent]:
    return [event for event in events if call.caller.may_see(event.backend)]


def _number(call: Call, name: str, largest: float) -> float:
    text = call.query(name) or "0"
    if not re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,3})?", text) or float(text) > largest:
        raise RequestRefused(400, f"`{name}` is a number from 0 to {largest:.0f}.")
    return float(text)


ROUTES = (
    Route(
        method="GET",
        path="/events",
        name="listEvents",
        what="Events of this backend's messages after a sequence number; waits for the next one if told to.",
        answerer=show_feed,
        parameters=(
            Parameter("after", "`last` of the answer before; 0 at first", int),
            Parameter("wait", f"seconds to wait for an event when there is none, at most {LONGEST_WAIT:.0f}", float),
        ),
        answers={200: Given("events, perhaps none", kind=documents.EventPage)},
        refusals=(400,),
    ),
)
