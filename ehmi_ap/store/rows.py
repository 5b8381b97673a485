"""The rows of the memory store, and which of them a query asks for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from ehmi_ap.lifecycle import State
from ehmi_ap.model import Direction, Signed, UserMessage, Wire
from ehmi_ap.ports import Query
from ehmi_ap.store.rules import end_entity, partner


@dataclass(slots=True, kw_only=True, eq=False)
class Row:
    """A message and all that is known of it; the columns of schema.sql in one."""

    key: int
    direction: Direction
    state: State
    message: UserMessage
    pmode: str
    backend: str
    lane: str
    fingerprint: bytes
    fetched: bool
    created_at: datetime
    first_at: datetime
    changed_at: datetime
    due: datetime | None
    attempts: int = 0
    signed: Signed | None = None
    signers: frozenset[bytes] = frozenset()
    receipt: Wire | None = None
    payloads_kept: bool = True
    code: str | None = None
    detail: str = ""
    events: list[int] = field(default_factory=list)


_MATCHERS: tuple[tuple[Callable[[Query], object], Callable[[Row, Query], bool]], ...] = (
    (lambda q: q.direction, lambda r, q: r.direction is q.direction),
    (lambda q: q.states or None, lambda r, q: r.state in q.states),
    (lambda q: q.message_id, lambda r, q: r.message.message_id == q.message_id),
    (lambda q: q.party, lambda r, q: partner(r.message, r.direction) == q.party),
    (lambda q: q.participant, lambda r, q: q.participant in _end_entities(r.message)),
    (lambda q: q.conversation_id, lambda r, q: r.message.conversation_id == q.conversation_id),
    (lambda q: q.backend, lambda r, q: r.backend == q.backend),
    (lambda q: q.since, lambda r, q: q.since is not None and r.created_at >= q.since),
    (lambda q: q.after, lambda r, q: q.after is not None and r.key != q.after and (r.key > q.after) is q.oldest_first),
)


def _end_entities(message: UserMessage) -> tuple[str | None, ...]:
    return tuple(end_entity(message.properties, name) for name in ("originalSender", "finalRecipient"))


def matches(row: Row, query: Query) -> bool:
    """Whether a row fits all filters that are given."""
    return all(given(query) is None or fits(row, query) for given, fits in _MATCHERS)
