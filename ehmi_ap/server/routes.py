"""The REST as one table: what the router serves and what the OpenAPI document describes are the same rows."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from aiohttp import web

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.server.auth import Caller

API = "/api/v1"
JSON = "application/json"
BINARY = "application/octet-stream"


class Access(Enum):
    """Whose token a request has to show."""

    OPEN = "nobody's"
    BACKEND = "a backend's or the administrator's"
    ADMIN = "the administrator's"


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request."""

    request: web.Request
    ap: AccessPoint
    caller: Caller

    def path(self, name: str) -> str:
        """A path parameter, decoded."""
        return self.request.match_info[name]

    def query(self, name: str) -> str | None:
        """A query parameter; an empty one counts as absent."""
        return self.request.query.get(name) or None


Answerer = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A path, query or header parameter; `kind` is the type that its text stands for."""

    name: str
    what: str
    kind: Any = str
    where: str = "query"


@dataclass(frozen=True, slots=True)
class Given:
    """A body that is taken or answered: its media type, and the type of its JSON (None: bytes)."""

    what: str
    media: str = JSON
    kind: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One row: method and path below API (or at the root), who may, what it takes, what it answers."""

    method: str
    path: str
    name: str
    what: str
    answerer: Answerer
    answers: Mapping[int, Given]
    access: Access = Access.BACKEND
    parameters: tuple[Parameter, ...] = ()
    takes: tuple[Given, ...] = ()
    refusals: tuple[int, ...] = field(default=())


MESSAGE_ID = Parameter("id", "the MessageId, percent-encoded", where="path")
WHICH = (
    MESSAGE_ID,
    Parameter("direction", "`outbound` or `inbound`, where messages of both have this MessageId"),
    Parameter("party", "the partner's PartyId value, where several partners sent this MessageId"),
)
