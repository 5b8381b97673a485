"""Our client of EDS with what can be heard of it, and requests made by hand, as somebody else would make them."""

import json
import ssl
from dataclasses import dataclass
from typing import Any

import aiohttp

from ehmi_ap.model import Organisation
from ehmi_ap.net.calls import Answered, Caller, Unanswered
from ehmi_ap.net.eds import EdsClient
from ehmi_ap.net.tokens import Tokens
from ehmi_ap.reports import StatusAnswer
from tests.interop.eds.realm import Json

FHIR = "application/fhir+json"
Calls = list[tuple[str, int | None]]
"""The last segment of each URL that was called, and the status of the answer, if there was one."""


class Overheard(Caller):
    """Our calls, with nothing changed; what became of each is added to `calls`."""

    def __init__(self, tls: ssl.SSLContext, calls: Calls) -> None:
        super().__init__(tls)
        self._calls = calls

    async def call(self, url: str, **how: Any) -> Answered | Unanswered:
        answer = await super().call(url, **how)
        self._calls.append((url.rpartition("/")[2], answer.status))
        return answer


@dataclass(frozen=True, slots=True)
class Client:
    """A client of ours, its tokens, and the calls that it made."""

    eds: EdsClient
    tokens: Tokens
    calls: Calls

    async def report(self, event: Json, organisation: Organisation | None = None) -> StatusAnswer:
        """On behalf of the sender of the event, if nobody else is named."""
        return await self.eds.report(json.dumps(event).encode(), organisation or party(event))

    def heard(self) -> Calls:
        """The calls since it was asked last, without those for metadata."""
        heard = [(name, status) for name, status in self.calls if name in ("token", "AuditEvent")]
        self.calls.clear()
        return heard


@dataclass(frozen=True, slots=True)
class Said:
    """An answer to a request made by hand."""

    status: int
    challenge: str | None
    body: Json


async def post(url: str, tls: ssl.SSLContext, **request: Any) -> Said:
    """POST something; the answer, which has JSON."""
    async with aiohttp.ClientSession() as session, session.post(url, ssl=tls, **request) as answer:
        return Said(answer.status, answer.headers.get("WWW-Authenticate"), json.loads(await answer.read()))


def party(event: Json, *, role: int = 0) -> Organisation:
    """The sender of an event; its receiver has role 1."""
    agent = event["agent"][role]
    return Organisation(agent["who"]["identifier"]["value"], agent["extension"][0]["valueIdentifier"]["value"])
