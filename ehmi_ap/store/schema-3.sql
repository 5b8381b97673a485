-- Schema version 3: business envelopes, and what EDS is told of their messages.

-- What envelopes say of themselves, for those that answer them; no CPR number.
CREATE TABLE envelope (
    key        INTEGER PRIMARY KEY REFERENCES message ON DELETE CASCADE,
    direction  TEXT NOT NULL,
    kind       TEXT NOT NULL,
    positive   INTEGER,                         -- receipts only; NULL: it does not say
    identifier TEXT NOT NULL,                   -- EnvelopeIdentifier
    message    TEXT NOT NULL,                   -- MessageIdentifier; empty: it says none
    standard   TEXT NOT NULL,
    version    TEXT NOT NULL,
    sender     TEXT NOT NULL,                   -- GLN
    receiver   TEXT NOT NULL,                   -- GLN
    answers    INTEGER REFERENCES message ON DELETE SET NULL,
    answer_due INTEGER                          -- outbound: when its receipt is overdue; NULL: it is not awaited any more
) STRICT;

-- Whole: what others do with an identifier of somebody's does not slow that one down.
CREATE INDEX envelope_identifier ON envelope (identifier, direction, sender);
CREATE INDEX envelope_message ON envelope (message, direction, sender, receiver) WHERE message <> '';
CREATE INDEX envelope_answers ON envelope (answers, kind) WHERE answers IS NOT NULL;
CREATE INDEX envelope_awaited ON envelope (message, direction, sender, receiver) WHERE answer_due IS NOT NULL;
CREATE INDEX envelope_due ON envelope (answer_due) WHERE answer_due IS NOT NULL;

-- What the reports of a message are made of. There is a CPR number in the facts: they go with the payloads.
CREATE TABLE status (
    key          INTEGER PRIMARY KEY REFERENCES message ON DELETE CASCADE,
    organisation TEXT NOT NULL,                 -- JSON: SOR, GLN
    facts        TEXT                           -- JSON; NULL: purged
) STRICT;

-- One per event that EDS is told.
CREATE TABLE report (
    seq          INTEGER PRIMARY KEY REFERENCES event ON DELETE CASCADE,
    key          INTEGER NOT NULL REFERENCES message ON DELETE CASCADE,
    organisation TEXT NOT NULL,
    state        TEXT NOT NULL,
    held         INTEGER NOT NULL DEFAULT 0,    -- waits at least until then: it is claimed, or EDS was asked in vain
    tries        INTEGER NOT NULL DEFAULT 0,
    changed_at   INTEGER NOT NULL,
    what         TEXT NOT NULL DEFAULT '',
    fix          TEXT NOT NULL DEFAULT '',
    reference    TEXT
) STRICT;

CREATE INDEX report_message ON report (key);
CREATE INDEX report_waiting ON report (organisation, seq) WHERE state = 'waiting';
CREATE INDEX report_open ON report (seq) WHERE state IN ('waiting', 'parked');
