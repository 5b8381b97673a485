"""POST /messages: C1 hands over an SBD document, or metadata and payloads as a form; both stream into spools.

Repeating a request that got no answer is safe where it names its message_id: the same content is accepted once,
other content is a conflict (409).
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from aiohttp import web

from ehmi_ap.as4.mime import media_type
from ehmi_ap.backends.metadata import read_description
from ehmi_ap.body import Body, Spool, read_all
from ehmi_ap.crypto import jws
from ehmi_ap.errors import RequestRefused, SubmissionError
from ehmi_ap.model import MessageId, Payload, Submission
from ehmi_ap.server import documents
from ehmi_ap.server.form import End, FormPart, FormReader
from ehmi_ap.server.intake import Filler, IntakeLimits, arriving, spooled
from ehmi_ap.server.routes import BINARY, Call, Given, Parameter, Route

SBD_TYPES = ("application/xml", "text/xml")
FORM_TYPE = "multipart/form-data"
METADATA = "metadata"
METADATA_BYTES = 262144


async def submit(call: Call) -> web.StreamResponse:
    """POST /messages."""
    kind, parameters = _media_type(call.request)
    if kind in SBD_TYPES:
        return await _submit_sbd(call)
    if kind == FORM_TYPE:
        return await _submit_form(call, parameters.get("boundary"))
    raise RequestRefused(415, f"Send application/xml (an SBD document) or {FORM_TYPE}.")


async def _submit_sbd(call: Call) -> web.StreamResponse:
    message_id, signature = call.query("message_id"), _signature(call.request)
    spool = await spooled(call.request, limits_of(call), call.ap.blobs.spool)
    try:
        submission = Submission(
            payloads=(Payload(body=spool.finish(), mime_type="application/xml", jws=signature),),
            message_id=MessageId(message_id) if message_id else None,
            pmode=call.query("pmode"),
        )
        return await _accept(call, submission)
    finally:
        spool.discard()


async def _submit_form(call: Call, boundary: str | None) -> web.StreamResponse:
    if jws.FIELD in call.request.headers:
        raise RequestRefused(400, f"In a form, a payload's JWS is its `jws` in `{METADATA}`, not {jws.FIELD}.")
    async with _form(call, FormReader(boundary)) as parts:
        if not parts or parts[0][0].name != METADATA:
            raise RequestRefused(400, f"The first part of the form has to be `{METADATA}`, a JSON object.")
        bodies = [spool.finish() for _, spool in parts]
        description = read_description(_metadata(bodies[0], [part for part, _ in parts[1:]]))
        return await _accept(call, description.submission(bodies[1:]))


async def _accept(call: Call, submission: Submission) -> web.StreamResponse:
    message_id = await call.ap.submit(submission, backend=_in_whose_name(call))
    place = f"{call.request.path}/{quote(message_id, safe='')}?direction=outbound"
    return documents.answer(documents.Accepted(message_id=message_id), status=202, headers={"Location": place})


@asynccontextmanager
async def _form(call: Call, reader: FormReader) -> AsyncIterator[list[tuple[FormPart, Spool]]]:
    """The parts of a form in their spools, which are gone after the block unless the store adopted them."""
    parts: list[tuple[FormPart, Spool]] = []
    filler: Filler | None = None
    try:
        async for chunk in arriving(call.request, limits_of(call)):
            for event in reader.feed(chunk):
                if isinstance(event, FormPart):
                    parts.append((event, call.ap.blobs.spool()))
                    filler = Filler(parts[-1][1])
                elif filler is not None and event is End.OF_PART:
                    await filler.flush()
                elif filler is not None and isinstance(event, bytes):
                    await filler.write(event)
                    if len(parts) == 1 and filler.size > METADATA_BYTES:
                        raise RequestRefused(413, f"`{METADATA}` is larger than {METADATA_BYTES} bytes.")
        reader.finish()
        yield parts
    finally:
        for _, spool in parts:
            spool.discard()


def _metadata(body: Body, parts: list[FormPart]) -> dict[str, Any]:
    """The JSON object, with what the parts themselves say filled in where it is silent."""
    try:
        document = json.loads(read_all(body))
    except (ValueError, RecursionError):
        raise SubmissionError(f"`{METADATA}` is not JSON") from None
    if not isinstance(document, dict):
        raise SubmissionError(f"`{METADATA}` is not a JSON object")
    described = document.setdefault("payloads", [{} for _ in parts])
    if isinstance(described, list):
        for entry, part in zip(described, parts, strict=False):
            if isinstance(entry, dict) and entry.get("mime_type") is None:
                entry["mime_type"] = part.content_type or BINARY
    return document


def limits_of(call: Call) -> IntakeLimits:
    """The budget of a submission's body."""
    limits = call.ap.config.limits
    return IntakeLimits(bytes=limits.message_bytes, idle=limits.idle_timeout, total=limits.total_timeout)


def _in_whose_name(call: Call) -> str:
    """The backend that submits: the caller's own; the administrator may name one, or the default one submits."""
    asked = call.query("backend")
    if call.caller.backend is not None and asked not in (None, call.caller.backend):
        raise RequestRefused(403, "A backend submits in its own name only.", fix="Leave `backend` out.")
    return call.caller.backend or asked or call.ap.default_backend


def _signature(request: web.Request) -> str | None:
    """C1's JWS over the body."""
    found = request.headers.getall(jws.FIELD, [])
    if len(found) > 1:
        raise RequestRefused(400, f"The request has {jws.FIELD} {len(found)} times.", fix="Send it once.")
    return found[0] if found else None


def _media_type(request: web.Request) -> tuple[str, dict[str, str]]:
    try:
        return media_type(request.headers.get("Content-Type", ""))
    except ValueError:
        raise RequestRefused(415, "The Content-Type is missing or unreadable.") from None


ROUTES = (
    Route(
        method="POST",
        path="/messages",
        name="submitMessage",
        what=(
            "Submit a message: an SBD document, from which its profile reads the addresses, or a form whose first part"
            " is `metadata` and whose further parts are the payloads in order. With a message_id, repeating is safe."
        ),
        answerer=submit,
        parameters=(
            Parameter("pmode", "P-Mode to send under (with an SBD document; in a form it is metadata)"),
            Parameter("message_id", "MessageId to use (with an SBD document; in a form it is metadata)"),
            Parameter("backend", "in whose name, for the administrator; the default backend otherwise"),
            Parameter(jws.FIELD, "detached JWS over an SBD document (in a form it is metadata)", where="header"),
        ),
        takes=(
            Given("an SBD document", media="application/xml"),
            Given("metadata and payloads", media=FORM_TYPE, kind=documents.Metadata),
        ),
        answers={202: Given("stored, and will be sent", kind=documents.Accepted)},
        refusals=(400, 403, 408, 409, 413, 415, 422, 431),
    ),
)
