-- Schema version 1. Times are microseconds since 1970 UTC; states and happenings are the words of lifecycle.py.

-- One row per message, and the queue at once: narrow, because every step of a message rewrites it.
CREATE TABLE message (
    key             INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice: faces name messages by it
    direction       TEXT NOT NULL,
    state           TEXT NOT NULL,
    message_id      TEXT NOT NULL,
    sender          TEXT NOT NULL,              -- inbound: From PartyId, type and value; outbound: empty
    fingerprint     BLOB NOT NULL,
    pmode           TEXT NOT NULL,
    backend         TEXT NOT NULL,
    lane            TEXT NOT NULL,              -- who waits together (Store.claim, pass_over)
    partner         TEXT NOT NULL,
    original_sender TEXT,
    final_recipient TEXT,
    conversation_id TEXT NOT NULL,
    fetched         INTEGER NOT NULL,           -- 1: C4 fetches it itself, nobody claims it
    payloads_kept   INTEGER NOT NULL DEFAULT 1,
    attempts        INTEGER NOT NULL DEFAULT 0,
    created_at      INTEGER NOT NULL,
    first_at        INTEGER NOT NULL,
    changed_at      INTEGER NOT NULL,
    due             INTEGER,                    -- when to claim it (again): waiting, or the lease runs out; NULL: never
    last_code       TEXT,
    last_detail     TEXT NOT NULL DEFAULT ''
) STRICT;

-- The duplicate key (AS4 1.0 section 3.2): two partners may use one MessageId, and we may send to ourselves.
CREATE UNIQUE INDEX message_identity ON message (message_id, direction, sender);
-- By lane first, so that passing over a lane costs one look, however much waits in it.
CREATE INDEX message_queue ON message (direction, lane, due) WHERE due IS NOT NULL;
CREATE INDEX message_state ON message (state);
-- No index by conversation or party: each would cost every message a page; lists that filter by them read the rows.

-- What is written once: the header as JSON, and the small payloads one after the other.
CREATE TABLE content (
    key    INTEGER PRIMARY KEY REFERENCES message ON DELETE CASCADE,
    header TEXT NOT NULL,
    inline BLOB                                 -- NULL: purged
) STRICT;

-- Inbound: the receipt we gave. Outbound: the receipt we got.
CREATE TABLE receipt (
    key          INTEGER PRIMARY KEY REFERENCES message ON DELETE CASCADE,
    status       INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    body         BLOB NOT NULL
) STRICT;

-- What we signed: evidence together with the receipt.
CREATE TABLE signed (
    key      INTEGER PRIMARY KEY REFERENCES message ON DELETE CASCADE,
    meta     TEXT NOT NULL,                     -- JSON: the parts and the references
    envelope BLOB NOT NULL
) STRICT;

-- The compressed copies of the payloads: needed for retries only, dropped with the receipt.
CREATE TABLE signed_part (
    key    INTEGER PRIMARY KEY REFERENCES signed ON DELETE CASCADE,
    inline BLOB NOT NULL,
    files  INTEGER NOT NULL                     -- 1: rows of `file` belong to it
) STRICT;

-- Payloads too large for a row: the name below kept/.
CREATE TABLE file (
    name   TEXT PRIMARY KEY,
    key    INTEGER NOT NULL REFERENCES message ON DELETE CASCADE,
    signed INTEGER NOT NULL                     -- 1: a part of `signed_part`, 0: a payload
) STRICT, WITHOUT ROWID;

CREATE INDEX file_message ON file (key);

-- What happened, and whether the backend was told: the outbox.
CREATE TABLE event (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    key        INTEGER REFERENCES message ON DELETE CASCADE,  -- NULL: of no message we have
    kind       TEXT NOT NULL,
    message_id TEXT NOT NULL,
    direction  TEXT NOT NULL,
    at         INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    code       TEXT,
    detail     TEXT NOT NULL,
    backend    TEXT NOT NULL,
    told       INTEGER NOT NULL DEFAULT 0
) STRICT;

-- By key, not by MessageId: new entries then lie side by side on one page, and are not a page each.
CREATE INDEX event_message ON event (key) WHERE key IS NOT NULL;
CREATE INDEX event_stray ON event (message_id) WHERE key IS NULL;
CREATE INDEX event_untold ON event (backend, seq) WHERE told = 0;
