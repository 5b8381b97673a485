"""Single statements inside a transaction, and the values they take and give; no futures, no files.

Every function that takes a connection runs in the writer's transaction (writer.py).
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ehmi_ap.body import MemoryBody
from ehmi_ap.lifecycle import Happening, State
from ehmi_ap.model import DeliveryEvent, Direction, PartyId, UserMessage, Wire
from ehmi_ap.ports import Query, found_lane, party_key
from ehmi_ap.reports import REPORTED, ReportState
from ehmi_ap.store import codec
from ehmi_ap.store.codec import micros
from ehmi_ap.store.database import load_queries
from ehmi_ap.store.layout import Layout
from ehmi_ap.store.rules import CLAIM, FAILED, FINAL, HELD, backend_of, end_entity, lane_of, next_state, partner

SQL = load_queries()


@dataclass(frozen=True, slots=True)
class Step:
    """What settle() is asked to do; times are those of rows."""

    happening: Happening
    now: int
    due: int | None
    code: str | None
    detail: str
    attempt: int | None


FINAL_STATES = codec.encode_list([state.value for state in FINAL])
FAILED_STATES = codec.encode_list([state.value for state in FAILED])

FILTERS: Mapping[str, str] = {
    "key": "m.key = :key",
    "direction": "m.direction = :direction",
    "state": "m.state = :state",
    "states": "m.state IN (SELECT value FROM json_each(:states))",
    "message_id": "m.message_id = :message_id",
    "party": "m.partner = :party",
    "participant": "(m.original_sender = :participant OR m.final_recipient = :participant)",
    "conversation_id": "m.conversation_id = :conversation_id",
    "backend": "m.backend = :backend",
    "since": "m.created_at >= :since",
    "before_key": "m.key < :before_key",
    "after_key": "m.key > :after_key",
}


def message_row(
    message: UserMessage,
    direction: Direction,
    state: State,
    pmode: str,
    backend: str,
    fingerprint: bytes,
    events: Sequence[DeliveryEvent],
    *,
    fetched: bool = False,
    found: bool = False,
    lease: float | None = None,
) -> tuple[object, ...]:
    """The row of a new message; with a `lease` in seconds it is claimed as it comes, else due at once.

    `fetched`: C4 fetches it, nobody claims it. `found`: a look-up said whom it goes to.
    """
    # The caller's clock, which is also that of claim(); ours only where it says nothing.
    at = micros(events[0].at if events else datetime.now(UTC))
    claimed = lease is not None
    due = at + round(lease * 1_000_000) if lease is not None else None if fetched or state in FINAL else at
    return (
        direction.value,
        (CLAIM[state] if claimed else state).value,
        message.message_id,
        _sender(message, direction),
        fingerprint,
        pmode,
        backend,
        lane_of(direction, pmode, backend, found=message.to.id if found else None),
        partner(message, direction),
        end_entity(message.properties, "originalSender"),
        end_entity(message.properties, "finalRecipient"),
        message.conversation_id,
        fetched,
        at,
        due,
        int(claimed),
    )


def _sender(message: UserMessage, direction: Direction) -> str:
    """The second half of the duplicate key (design decision 22)."""
    return party_key(message.from_.id) if direction is Direction.INBOUND else ""


def insert_message(connection: sqlite3.Connection, row: Sequence[Any], header: str, layout: Layout) -> int | None:
    """The new row's key; None: the duplicate key is taken, nothing was written."""
    cursor = connection.execute(SQL["insert_message"], row)
    if cursor.rowcount == 0:
        return None
    key = cursor.lastrowid
    assert key is not None
    connection.execute(SQL["insert_content"], (key, header, layout.inline))
    if layout.files:
        connection.executemany(SQL["insert_file"], [(name, key, 0) for name in layout.names])
    return key


def first_kept(connection: sqlite3.Connection, message: UserMessage, direction: Direction) -> Any:
    identity = (message.message_id, direction.value, _sender(message, direction))
    return connection.execute(SQL["first_kept"], identity).fetchone()


def insert_events(
    connection: sqlite3.Connection, events: Sequence[DeliveryEvent], key: int | None, backend: str
) -> None:
    """The events of the message in row `key`, told to `backend` unless they name another; some are reports."""
    for event in events:
        cursor = connection.execute(SQL["insert_event"], (key, *codec.event_row(event, backend_of(event, backend))))
        if event.kind in REPORTED and key is not None:
            waiting = (key, cursor.lastrowid, ReportState.WAITING.value, micros(event.at))
            connection.execute(SQL["insert_report"], waiting)


def insert_signed(connection: sqlite3.Connection, key: int, meta: str, envelope: bytes, layout: Layout) -> bool:
    """False: something was signed before, and that stays."""
    if connection.execute(SQL["insert_signed"], (key, meta, envelope)).rowcount == 0:
        return False
    connection.execute(SQL["insert_signed_part"], (key, layout.inline, bool(layout.files)))
    connection.executemany(SQL["insert_file"], [(name, key, 1) for name in layout.names])
    return True


def insert_signers(connection: sqlite3.Connection, key: int, signers: Sequence[bytes]) -> None:
    connection.executemany(SQL["insert_signer"], [(key, certificate) for certificate in signers])


def is_claimed(connection: sqlite3.Connection, key: int, attempt: int) -> tuple[str, str] | None:
    """P-Mode and backend of a message that the claim `attempt` still holds."""
    row = connection.execute(SQL["standing"], (key,)).fetchone()
    if row is None:
        return None
    state, attempts, backend, pmode = row
    return (pmode, backend) if codec.STATE[state] in HELD and attempts == attempt else None


def readdress(connection: sqlite3.Connection, key: int, to: PartyId, pmode: str) -> None:
    """A look-up said whom the message goes to."""
    connection.execute(SQL["readdress"], (key, to.value, to.type))
    connection.execute(SQL["change_lane"], (key, to.value, found_lane(pmode, to)))


def replace_signed(connection: sqlite3.Connection, key: int, meta: str, envelope: bytes, layout: Layout) -> list[str]:
    """What was signed before goes: the names of its files."""
    unwanted = drop_signed(connection, key)
    with overwriting(connection):
        connection.execute(SQL["drop_signed"], (key,))
    insert_signed(connection, key, meta, envelope, layout)
    return unwanted


def claim_due(
    connection: sqlite3.Connection, direction: Direction, now: datetime, until: datetime, limit: int, pass_over: str
) -> list[Any]:
    """Claim what is due, but for the lanes in the JSON list `pass_over`; the rows of due_now without their state."""
    rows = connection.execute(SQL["due_now"], (direction.value, micros(now), limit, pass_over)).fetchall()
    times = (micros(now), micros(until))
    steps = [(key, state, CLAIM[codec.STATE[state]].value, *times) for key, state, *_ in rows]
    connection.executemany(SQL["claim"], steps)
    return [(row[0], *row[2:]) for row in rows]


def apply(connection: sqlite3.Connection, key: int, step: Step) -> str | None:
    """Make one step of lifecycle.TRANSITIONS; the message's backend, or None where it is not allowed."""
    row = connection.execute(SQL["standing"], (key,)).fetchone()
    if row is None:
        return None
    state, attempts, backend, _ = row
    after = next_state(codec.STATE[state], step.happening, attempts=attempts, attempt=step.attempt)
    if after is None:
        return None
    if step.happening is Happening.RESENT:
        connection.execute(SQL["reopen"], (key, state, after.value, step.now))
    else:
        connection.execute(SQL["settle"], (key, state, after.value, step.now, step.due, step.code, step.detail))
    return str(backend)


def drop_signed(connection: sqlite3.Connection, key: int) -> list[str]:
    """Drop the compressed copies that are files, which only retries need; their names. Rows go with the payloads."""
    return [name for (name,) in connection.execute(SQL["drop_signed_files"], (key,)).fetchall()]


@contextmanager
def overwriting(connection: sqlite3.Connection) -> Iterator[None]:
    """What is deleted here leaves no bytes in the free pages of the database: it is patient data."""
    connection.execute("PRAGMA secure_delete = ON").fetchall()
    try:
        yield
    finally:
        connection.execute("PRAGMA secure_delete = OFF").fetchall()


def purge_message(connection: sqlite3.Connection, key: int) -> list[str] | None:
    """The names of its files; None: another process was faster."""
    names = [name for (name,) in connection.execute(SQL["delete_files"], (key,)).fetchall()]
    return names if connection.execute(SQL["delete_message"], (key,)).rowcount else None


def purge_payloads(connection: sqlite3.Connection, key: int) -> list[str] | None:
    if connection.execute(SQL["forget_payloads"], (key,)).rowcount == 0:
        return None
    connection.execute(SQL["delete_inline"], (key,))
    connection.execute(SQL["drop_signed_part"], (key,))
    connection.execute(SQL["forget_facts"], (key,))
    return [name for (name,) in connection.execute(SQL["delete_files"], (key,)).fetchall()]


def wire(row: Sequence[Any]) -> Wire:
    status, content_type, data = row
    return Wire(content_type=content_type, body=MemoryBody(data), status=status)


def filter_values(query: Query) -> dict[str, object]:
    """The parameters of the filters that are given."""
    values: dict[str, object | None] = {
        "direction": query.direction.value if query.direction else None,
        "message_id": query.message_id,
        "party": query.party,
        "participant": query.participant,
        "conversation_id": query.conversation_id,
        "backend": query.backend,
        "since": micros(query.since) if query.since else None,
        "after_key" if query.oldest_first else "before_key": query.after,
    }
    if len(query.states) == 1:
        values["state"] = query.states[0].value  # an equality keeps the order of the index
    elif query.states:
        values["states"] = codec.encode_list([state.value for state in query.states])
    return {name: value for name, value in values.items() if value is not None}
