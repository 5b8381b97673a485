"""The rows of the memory store: which of them a query asks for, and what workers and faces get of one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from ehmi_ap.body import Body
from ehmi_ap.errors import NotFound
from ehmi_ap.lifecycle import State
from ehmi_ap.model import Direction, Signed, UserMessage, Wire
from ehmi_ap.ports import Job, Query, Stored
from ehmi_ap.store.rules import HELD, end_entity, partner


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


@dataclass(frozen=True, slots=True)
class _Purged:
    """What is left of a payload."""

    size: int
    resident: bool = False

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:  # noqa: ARG002 (the port's)
        raise NotFound("the bytes of this payload are no longer kept")


def job_of(row: Row) -> Job:
    """As a claim gives it."""
    return Job(
        key=row.key,
        message=row.message,
        pmode=row.pmode,
        backend=row.backend,
        lane=row.lane,
        attempts=row.attempts,
        first_at=row.first_at,
        signed=row.signed,
        signers=tuple(sorted(row.signers)),
        lost_code=row.code,
    )


def stored_of(row: Row) -> Stored:
    """As faces show it, but for its answers."""
    return Stored(
        key=row.key,
        direction=row.direction,
        state=row.state,
        message=row.message,
        pmode=row.pmode,
        backend=row.backend,
        attempts=row.attempts,
        first_at=row.first_at,
        changed_at=row.changed_at,
        due=None if row.state in HELD else row.due,
        has_receipt=row.receipt is not None,
        payloads_kept=row.payloads_kept,
        last_code=row.code,
        last_detail=row.detail,
    )


def forget_payloads(row: Row) -> None:
    """Their sizes stay."""

    def gone(body: Body) -> Body:
        return _Purged(body.size) if body.size else body

    row.payloads_kept = False
    row.message = replace(row.message, payloads=tuple(replace(p, body=gone(p.body)) for p in row.message.payloads))
