"""GET /inbox and POST /inbox/{id}/ack: a C4 that fetches its messages, and owns one once it has acknowledged it."""

from aiohttp import web

from ehmi_ap.errors import NotAllowed
from ehmi_ap.lifecycle import State
from ehmi_ap.model import Direction
from ehmi_ap.ports import Query
from ehmi_ap.server import documents
from ehmi_ap.server.messages import LARGEST_PAGE, cursor, page, page_size, the_one
from ehmi_ap.server.routes import WHICH, Call, Given, Parameter, Route


async def show_inbox(call: Call) -> web.StreamResponse:
    """GET /inbox: what waits to be fetched, oldest first."""
    backend = call.caller.backend
    if backend is not None:
        _check_fetches(call, backend)
    limit = page_size(call)
    found = await call.ap.store.find(
        Query(
            direction=Direction.INBOUND,
            states=(State.RECEIVED,),
            backend=backend,
            after=cursor(call),
            oldest_first=True,
            limit=limit + 1,
        )
    )
    waiting = page(found, limit)
    mine = tuple(message for message in waiting.messages if _fetches(call, message.backend))
    return documents.answer(documents.MessagePage(messages=mine, next=waiting.next))


async def acknowledge(call: Call) -> web.StreamResponse:
    """POST /inbox/{id}/ack: the caller has the message durably; again is as good as once."""
    stored = await the_one(call, Direction.INBOUND)
    _check_fetches(call, stored.backend)
    await call.ap.acknowledge(stored.key)
    return documents.answer(documents.Accepted(message_id=stored.message.message_id))


def _check_fetches(call: Call, backend: str) -> None:
    """Raises NotAllowed for a backend to which we deliver ourselves."""
    if not _fetches(call, backend):
        raise NotAllowed(f"backend {backend} is not one whose messages are fetched", fix='Give it `kind = "rest"`.')


def _fetches(call: Call, backend: str) -> bool:
    return getattr(call.ap.backends.get(backend), "fetches", False)


ROUTES = (
    Route(
        method="GET",
        path="/inbox",
        name="listInbox",
        what="Messages that wait to be fetched by this backend. One stays until it is acknowledged.",
        answerer=show_inbox,
        parameters=(
            Parameter("limit", f"messages per page, at most {LARGEST_PAGE}", int),
            Parameter("cursor", "`next` of the page before"),
        ),
        answers={200: Given("a page of messages", kind=documents.MessagePage)},
        refusals=(400, 409),
    ),
    Route(
        method="POST",
        path="/inbox/{id}/ack",
        name="acknowledgeMessage",
        what="Take a message over: it is delivered and leaves the inbox. Repeating is safe.",
        answerer=acknowledge,
        parameters=(WHICH[0], WHICH[2]),
        answers={200: Given("it is delivered", kind=documents.Accepted)},
        refusals=(400, 404, 409),
    ),
)
