"""What EDS is told of messages, for the administrator: which of it waits and why; told again, or given up.

No answer holds the facts of a report: there is a CPR number in them.
"""

import re

from aiohttp import web
from pydantic import ValidationError

from ehmi_ap.errors import NotFound, RequestRefused
from ehmi_ap.model import MessageId
from ehmi_ap.reports import ReportState
from ehmi_ap.server import documents, status_documents
from ehmi_ap.server.administration import LIMITS
from ehmi_ap.server.intake import small
from ehmi_ap.server.messages import LARGEST_PAGE, cursor, page_size, words
from ehmi_ap.server.routes import Access, Call, Given, Parameter, Route


async def show_list(call: Call) -> web.StreamResponse:
    """GET /eds/reports: in the order in which they happened."""
    limit, message_id = page_size(call), call.query("message_id")
    found = await call.ap.store.reports.find(
        states=words(ReportState, "state", call),
        message_id=MessageId(message_id) if message_id else None,
        after=cursor(call) or 0,
        limit=limit + 1,
    )
    shown = tuple(map(status_documents.report_document, found[:limit]))
    more = str(shown[-1].seq) if len(found) > limit else None
    return documents.answer(status_documents.ReportPage(reports=shown, next=more))


async def retry(call: Call) -> web.StreamResponse:
    """POST /eds/reports/{seq}/retry: a parked one waits again, and EDS is asked at once."""
    seq = _seq(call)
    await call.ap.retry_status(seq)
    return await _shown(call, seq, status=202)


async def retry_all(call: Call) -> web.StreamResponse:
    """POST /eds/retry: all that is parked or waits."""
    return documents.answer(status_documents.Retried(retried=await call.ap.retry_status()), status=202)


async def drop(call: Call) -> web.StreamResponse:
    """POST /eds/reports/{seq}/drop: EDS is never told."""
    seq = _seq(call)
    try:
        given = documents.adapter(status_documents.Drop).validate_json(await small(call.request, LIMITS))
    except ValidationError:
        what = f'The body is {{"reason": "why"}}: JSON, one line of 1 to {status_documents.LONGEST_REASON} characters.'
        raise RequestRefused(400, what) from None
    await call.ap.drop_status(seq, given.reason)
    return await _shown(call, seq, status=200)


def _seq(call: Call) -> int:
    """Raises NotFound."""
    text = call.path("seq")
    if not re.fullmatch("[0-9]{1,18}", text):
        raise _missing()
    return int(text)


async def _shown(call: Call, seq: int, *, status: int) -> web.StreamResponse:
    report = await call.ap.store.reports.get(seq)
    if report is None:
        raise _missing()  # purged in this moment, with its message
    return documents.answer(status_documents.report_document(report), status=status)


def _missing() -> NotFound:
    return NotFound("there is no such report", fix="GET /api/v1/eds/reports lists them.")


_SEQ = Parameter("seq", "its number", int, where="path")

ROUTES = (
    Route(
        method="GET",
        path="/eds/reports",
        name="listReports",
        what="Events that EDS is told, and what became of each, in the order in which they happened.",
        answerer=show_list,
        access=Access.ADMIN,
        parameters=(
            Parameter("state", "one state, or several with commas: `waiting`, `parked`, `taken`, `dropped`"),
            Parameter("message_id", "MessageId"),
            Parameter("limit", f"reports per page, at most {LARGEST_PAGE}", int),
            Parameter("cursor", "`next` of the page before"),
        ),
        answers={200: Given("a page of reports", kind=status_documents.ReportPage)},
        refusals=(400,),
    ),
    Route(
        method="POST",
        path="/eds/reports/{seq}/retry",
        name="retryReport",
        what="Tell EDS an event at once that is parked or waits.",
        answerer=retry,
        access=Access.ADMIN,
        parameters=(_SEQ,),
        answers={202: Given("it waits, and is told", kind=status_documents.Report)},
        refusals=(404, 409),
    ),
    Route(
        method="POST",
        path="/eds/retry",
        name="retryReports",
        what="Tell EDS everything at once that is parked or waits.",
        answerer=retry_all,
        access=Access.ADMIN,
        answers={202: Given("how much that is", kind=status_documents.Retried)},
    ),
    Route(
        method="POST",
        path="/eds/reports/{seq}/drop",
        name="dropReport",
        what="Give an event up that is parked or waits, for good: EDS is never told.",
        answerer=drop,
        access=Access.ADMIN,
        parameters=(_SEQ,),
        takes=(Given("why", kind=status_documents.Drop),),
        answers={200: Given("it is dropped", kind=status_documents.Report)},
        refusals=(400, 404, 408, 409, 413, 415),
    ),
)
