"""GET /messages and what hangs on one message: its events, receipt, payloads, and sending it again."""

import re
from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import TypeVar

from aiohttp import web

from ehmi_ap.crypto import jws
from ehmi_ap.errors import Ambiguous, NotFound, RequestRefused
from ehmi_ap.lifecycle import State
from ehmi_ap.model import Direction, MessageId, Payload
from ehmi_ap.ports import Query, Stored
from ehmi_ap.server import documents, reply
from ehmi_ap.server.routes import BINARY, WHICH, Call, Given, Parameter, Route

E = TypeVar("E", bound=Enum)

PAGE = 50
LARGEST_PAGE = 500
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")
_CHARSET = re.compile(r"[A-Za-z0-9._:-]{1,40}")


async def show_list(call: Call) -> web.StreamResponse:
    """GET /messages: newest first."""
    query = call.query
    limit = page_size(call)
    found = await call.ap.store.find(
        Query(
            direction=_word(Direction, "direction", query("direction")),
            states=words(State, "state", call),
            message_id=MessageId(given) if (given := query("message_id")) else None,
            party=query("party"),
            participant=query("participant"),
            conversation_id=query("conversation"),
            since=_moment("since", query("since")),
            backend=call.caller.backend,
            after=cursor(call),
            limit=limit + 1,
        )
    )
    return documents.answer(page(found, limit))


async def show(call: Call) -> web.StreamResponse:
    """GET /messages/{id}."""
    return documents.answer(documents.message_document(await the_one(call)))


async def show_events(call: Call) -> web.StreamResponse:
    """GET /messages/{id}/events: all of them, in the order in which they happened."""
    stored = await the_one(call)
    found: list[documents.Event] = []
    last = 0
    while True:
        some = await call.ap.store.events(
            after=last, message_id=stored.message.message_id, direction=stored.direction, limit=LARGEST_PAGE
        )
        found += [documents.event_document(event) for event in some if event.backend in ("", stored.backend)]
        if len(some) < LARGEST_PAGE:
            break
        last = some[-1].seq
    return documents.answer(documents.EventPage(events=tuple(found), last=max((e.seq for e in found), default=0)))


async def show_receipt(call: Call) -> web.StreamResponse:
    """GET /messages/{id}/receipt: the signed non-repudiation receipt as it was on the wire."""
    stored = await the_one(call)
    wire = await call.ap.store.receipt(stored.key)
    if wire is None:
        raise NotFound("the message has no receipt", fix="See its state and events; a receipt may still come.")
    return await reply.give(call.request, wire.body, status=200, headers=_download(wire.content_type))


async def show_payload(call: Call) -> web.StreamResponse:
    """GET /messages/{id}/payloads/{n}: the bytes, as C1 submitted or C2 sent them."""
    stored = await the_one(call)
    number = call.path("n")
    if not stored.payloads_kept:
        raise RequestRefused(410, "The payloads of this message were deleted.", fix="See [retention] in ehmi-ap.toml.")
    if not re.fullmatch("[0-9]{1,4}", number) or not 1 <= int(number) <= len(stored.message.payloads):
        raise NotFound("the message has no such payload", fix="Payloads are numbered from 1.")
    payload = stored.message.payloads[int(number) - 1]
    headers = {**_download(_content_type(payload)), **await _signature(call, stored, payload)}
    return await reply.give(call.request, payload.body, status=200, headers=headers)


async def _signature(call: Call, stored: Stored, payload: Payload) -> dict[str, str]:
    """Of a payload for C4: our JWS and the digest that it is over, where a key is agreed."""
    if stored.direction is not Direction.INBOUND:
        return {}
    signature = await call.ap.signature(payload.body, backend=stored.backend)
    return {} if signature is None else {"Content-Digest": signature.content, jws.FIELD: signature.jws}


async def send_again(call: Call) -> web.StreamResponse:
    """POST /messages/{id}/resend: FAILED is sent again, UNDELIVERED is delivered again."""
    stored = await the_one(call)
    await call.ap.resend(stored.key)
    return documents.answer(documents.Accepted(message_id=stored.message.message_id), status=202)


async def the_one(call: Call, direction: Direction | None = None) -> Stored:
    """The message that {id}, `direction` and `party` name, if the caller may see it.

    Raises NotFound, Ambiguous.
    """
    found = await call.ap.store.find(
        Query(
            message_id=MessageId(call.path("id")),
            direction=direction or _word(Direction, "direction", call.query("direction")),
            party=call.query("party"),
            backend=call.caller.backend,
            limit=20,
        )
    )
    if not found:
        raise NotFound("there is no such message", fix="List what there is with GET /api/v1/messages.")
    if len(found) > 1:
        raise Ambiguous([(stored.direction.value, documents.party_of(stored).value) for stored in found])
    return found[0]


def page(found: Sequence[Stored], limit: int) -> documents.MessagePage:
    """The first `limit` of what was found; one more means that there is a page after it."""
    shown = found[:limit]
    return documents.MessagePage(
        messages=tuple(map(documents.message_document, shown)),
        next=str(shown[-1].key) if len(found) > limit else None,
    )


def page_size(call: Call) -> int:
    """`limit`, at most LARGEST_PAGE. Raises RequestRefused."""
    text = call.query("limit") or str(PAGE)
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= LARGEST_PAGE:
        raise RequestRefused(400, f"`limit` is a number from 1 to {LARGEST_PAGE}.")
    return int(text)


def cursor(call: Call) -> int | None:
    """`cursor`, as an earlier page's `next` gave it. Raises RequestRefused."""
    text = call.query("cursor")
    if text is not None and not re.fullmatch("[0-9]{1,18}", text):
        raise RequestRefused(400, "`cursor` is not one that a page gave as `next`.")
    return int(text) if text is not None else None


def words(kind: type[E], name: str, call: Call) -> tuple[E, ...]:
    """What the query names of `kind`: several times, or several with commas. Raises RequestRefused."""
    given = [word.strip() for text in call.request.query.getall(name, []) for word in text.split(",")]
    return tuple(found for word in given if word and (found := _word(kind, name, word)) is not None)


def _word(kind: type[E], name: str, text: str | None) -> E | None:
    if text is None:
        return None
    try:
        return kind(text)
    except ValueError:
        raise RequestRefused(400, f"`{name}` is one of {', '.join(str(item.value) for item in kind)}.") from None


def _moment(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        # A `+` that was not percent-encoded arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+") if text.count(":") > 2 else text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise RequestRefused(400, f"`{name}` is a time with its zone, such as 2026-01-31T12:00:00Z.")
    return moment


def _content_type(payload: Payload) -> str:
    """The payload's type, if it is one: it is the peer's word, and a header must not be his to write."""
    kind, charset = payload.mime_type, payload.character_set
    if not _MEDIA_TYPE.fullmatch(kind):
        return BINARY
    return f"{kind}; charset={charset}" if charset and _CHARSET.fullmatch(charset) else kind


def _download(content_type: str) -> dict[str, str]:
    """Headers for bytes that a stranger wrote: no browser is to guess at them or run them."""
    return {
        "Content-Type": content_type,
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": "attachment",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "no-store",
    }


_PAGING = (
    Parameter("limit", f"messages per page, at most {LARGEST_PAGE}", int),
    Parameter("cursor", "`next` of the page before"),
)

ROUTES = (
    Route(
        method="GET",
        path="/messages",
        name="listMessages",
        what="Messages, newest first.",
        answerer=show_list,
        parameters=(
            Parameter("direction", "`outbound` or `inbound`", Direction),
            Parameter("state", "one state, or several with commas"),
            Parameter("message_id", "MessageId"),
            Parameter("party", "PartyId value of the partner access point"),
            Parameter("participant", "value of originalSender or finalRecipient"),
            Parameter("conversation", "ConversationId"),
            Parameter("since", "accepted or received at this time or later", datetime),
            *_PAGING,
        ),
        answers={200: Given("a page of messages", kind=documents.MessagePage)},
        refusals=(400,),
    ),
    Route(
        method="GET",
        path="/messages/{id}",
        name="showMessage",
        what="One message.",
        answerer=show,
        parameters=WHICH,
        answers={200: Given("the message", kind=documents.Message)},
        refusals=(400, 404, 409),
    ),
    Route(
        method="GET",
        path="/messages/{id}/events",
        name="listMessageEvents",
        what="What happened to a message, in order.",
        answerer=show_events,
        parameters=WHICH,
        answers={200: Given("its events", kind=documents.EventPage)},
        refusals=(400, 404, 409),
    ),
    Route(
        method="GET",
        path="/messages/{id}/receipt",
        name="showReceipt",
        what="The signed receipt, byte for byte: the one we got, or for an inbound message the one we gave.",
        answerer=show_receipt,
        parameters=WHICH,
        answers={200: Given("the receipt", media="application/soap+xml")},
        refusals=(400, 404, 409),
    ),
    Route(
        method="GET",
        path="/messages/{id}/payloads/{n}",
        name="showPayload",
        what=(
            "The bytes of a payload, with its own Content-Type. One for C4 has our signature: Content-Digest and"
            f" {jws.FIELD}, a detached JWS over the value of it."
        ),
        answerer=show_payload,
        parameters=(*WHICH, Parameter("n", "number of the payload, from 1", int, where="path")),
        answers={200: Given("the payload", media="*/*")},
        refusals=(400, 404, 409, 410),
    ),
    Route(
        method="POST",
        path="/messages/{id}/resend",
        name="resendMessage",
        what="Send a FAILED message, or deliver an UNDELIVERED one, again.",
        answerer=send_again,
        parameters=WHICH,
        answers={202: Given("it will be tried again", kind=documents.Accepted)},
        refusals=(400, 404, 409),
    ),
)
