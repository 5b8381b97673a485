"""What EDS is told of messages, for the administrator: which of it waits, and why.

No answer holds the facts of a report: there is a CPR number in them.
"""

from aiohttp import web

from ehmi_ap.model import MessageId
from ehmi_ap.reports import ReportState
from ehmi_ap.server import documents
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
    shown = tuple(map(documents.report_document, found[:limit]))
    more = str(shown[-1].seq) if len(found) > limit else None
    return documents.answer(documents.ReportPage(reports=shown, next=more))


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
        answers={200: Given("a page of reports", kind=documents.ReportPage)},
        refusals=(400,),
    ),
)
