-- The queries of the SQLite store. `-- name: word` starts one; the comment below it says what it is for.

-- name: insert_message
-- Nothing is returned where the duplicate key exists.
INSERT INTO message (direction, state, message_id, sender, fingerprint, pmode, backend, lane, partner, original_sender,
                     final_recipient, conversation_id, fetched, created_at, first_at, changed_at, due, attempts)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?14, ?14, ?15, ?16)
ON CONFLICT (message_id, direction, sender) DO NOTHING;

-- name: first_kept
-- The message that has the duplicate key, and its receipt.
SELECT m.key, m.fingerprint, m.backend, r.status, r.content_type, r.body
FROM message AS m LEFT JOIN receipt AS r USING (key)
WHERE m.message_id = ?1 AND m.direction = ?2 AND m.sender = ?3;

-- name: insert_content
INSERT INTO content (key, header, inline) VALUES (?1, ?2, ?3);

-- name: insert_receipt
-- The first receipt stays: it is the one that was acted upon.
INSERT OR IGNORE INTO receipt (key, status, content_type, body) VALUES (?1, ?2, ?3, ?4);

-- name: insert_file
INSERT INTO file (name, key, signed) VALUES (?1, ?2, ?3);

-- name: insert_signed
-- What was signed first stays, so that every retry carries the same digests.
INSERT OR IGNORE INTO signed (key, meta, envelope) SELECT key, ?2, ?3 FROM message WHERE key = ?1;

-- name: insert_signed_part
INSERT INTO signed_part (key, inline, files) VALUES (?1, ?2, ?3);

-- name: drop_signed
-- With its parts.
DELETE FROM signed WHERE key = ?1;

-- name: insert_signer
INSERT OR IGNORE INTO signer (key, certificate) VALUES (?1, ?2);

-- name: readdress
-- eb:To in the header: value and type of its PartyId; the role stays.
UPDATE content SET header = json_set(header, '$.to[0]', ?2, '$.to[1]', ?3) WHERE key = ?1;

-- name: change_lane
UPDATE message SET partner = ?2, lane = ?3 WHERE key = ?1;

-- name: insert_event
-- An event that names no backend is for the backend of its message; one that is for nobody is never untold.
INSERT INTO event (key, kind, message_id, direction, at, failed, code, detail, backend, told)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9 = '');

-- name: subject
-- The message an event names.
SELECT key, backend FROM message WHERE message_id = ?1 AND direction = ?2 ORDER BY key LIMIT 1;

-- name: due_now
-- Oldest due first, ?3 at most, but for the lanes in the JSON list ?4: the first few of each lane, then the first of
-- those. Payloads come along only where nothing was signed yet.
WITH RECURSIVE lane (name) AS (
    SELECT min(lane) FROM message WHERE direction = ?1 AND due IS NOT NULL
    UNION ALL
    SELECT (SELECT min(m.lane) FROM message AS m WHERE m.direction = ?1 AND m.lane > lane.name AND m.due IS NOT NULL)
    FROM lane WHERE lane.name IS NOT NULL
)
SELECT m.key, m.state, m.pmode, m.backend, m.lane, m.attempts + 1, m.first_at, m.last_code,
       c.header, CASE WHEN s.key IS NULL THEN c.inline END, s.meta, s.envelope, p.inline,
       (SELECT json_group_array(hex(certificate)) FROM signer WHERE key = m.key)
FROM message AS m
JOIN content AS c USING (key)
LEFT JOIN signed AS s USING (key)
LEFT JOIN signed_part AS p USING (key)
WHERE m.key IN (
    SELECT w.key
    FROM lane
    CROSS JOIN message AS w ON w.key IN (
        SELECT f.key FROM message AS f
        WHERE f.direction = ?1 AND f.lane = lane.name AND f.due <= ?2
        ORDER BY f.due, f.key LIMIT ?3)
    WHERE lane.name NOT IN (SELECT value FROM json_each(?4))
    ORDER BY w.due, w.key
    LIMIT ?3)
ORDER BY m.due, m.key;

-- name: claim
-- In the transaction of due_now. ?2 and ?3 are a row of lifecycle.TRANSITIONS, as in every query that changes a state.
UPDATE message SET state = ?3, attempts = attempts + 1, changed_at = ?4, due = ?5 WHERE key = ?1 AND state = ?2;

-- name: next_due
-- But for the lanes in the JSON list ?2.
WITH RECURSIVE lane (name) AS (
    SELECT min(lane) FROM message WHERE direction = ?1 AND due IS NOT NULL
    UNION ALL
    SELECT (SELECT min(m.lane) FROM message AS m WHERE m.direction = ?1 AND m.lane > lane.name AND m.due IS NOT NULL)
    FROM lane WHERE lane.name IS NOT NULL
)
SELECT min((SELECT min(m.due) FROM message AS m WHERE m.direction = ?1 AND m.lane = lane.name AND m.due IS NOT NULL))
FROM lane
WHERE lane.name NOT IN (SELECT value FROM json_each(?2));

-- name: renew
-- ?1 is a JSON list of keys, ?2 a JSON list of the states in which a worker is at it.
UPDATE message SET due = ?3
WHERE key IN (SELECT value FROM json_each(?1)) AND state IN (SELECT value FROM json_each(?2)) AND due IS NOT NULL;

-- name: void_leases
-- Only for who is alone on the store: whoever held these is dead. ?1 is a JSON list of the states in which one is at it.
UPDATE message SET due = changed_at WHERE state IN (SELECT value FROM json_each(?1)) AND due IS NOT NULL;

-- name: standing
SELECT state, attempts, backend, pmode FROM message WHERE key = ?1;

-- name: settle
-- In the transaction of standing.
UPDATE message
SET state = ?3, changed_at = ?4, due = CASE fetched WHEN 0 THEN ?5 END, last_code = ?6, last_detail = ?7
WHERE key = ?1 AND state = ?2;

-- name: reopen
-- In the transaction of standing. How the last attempt was lost stays: the peer may have the message.
UPDATE message
SET state = ?3, changed_at = ?4, due = CASE fetched WHEN 0 THEN ?4 END, first_at = ?4, attempts = 0
WHERE key = ?1 AND state = ?2;

-- name: drop_signed_part
DELETE FROM signed_part WHERE key = ?1;

-- name: drop_signed_files
DELETE FROM file WHERE key = ?1 AND signed = 1 RETURNING name;

-- name: sent
SELECT m.key, m.pmode, m.backend, m.state, c.header, s.meta,
       (SELECT json_group_array(hex(certificate)) FROM signer WHERE key = m.key)
FROM message AS m
JOIN content AS c USING (key)
LEFT JOIN signed AS s USING (key)
WHERE m.message_id = ?1 AND m.direction = ?2 AND m.sender = '';

-- name: stored
-- {where} is made of the conditions in statements.py, one per filter that is given; {order} is DESC or ASC.
SELECT m.key, m.direction, m.state, m.pmode, m.backend, m.attempts, m.first_at, m.changed_at, m.due,
       r.key IS NOT NULL, m.payloads_kept, m.last_code, m.last_detail, c.header,
       (SELECT a.message_id FROM envelope AS e JOIN message AS a ON a.key = e.answers WHERE e.key = m.key),
       (SELECT json_group_array(json_array(kind, message_id, positive)) FROM (
            SELECT e.kind, a.message_id, e.positive FROM envelope AS e JOIN message AS a USING (key)
            WHERE e.answers = m.key ORDER BY e.key LIMIT :answers))
FROM message AS m
JOIN content AS c USING (key)
LEFT JOIN receipt AS r USING (key)
WHERE {where}
ORDER BY m.key {order}
LIMIT :limit;

-- name: inline_bytes
-- ?2 counts from 1.
SELECT substr(inline, ?2, ?3) FROM content WHERE key = ?1;

-- name: receipt
SELECT status, content_type, body FROM receipt WHERE key = ?1;

-- name: events
SELECT kind, message_id, direction, at, failed, code, detail, backend, seq
FROM event WHERE seq > ?1 AND (?2 IS NULL OR direction = ?2)
ORDER BY seq LIMIT ?3;

-- name: events_of_message
SELECT kind, message_id, direction, at, failed, code, detail, backend, seq
FROM event
WHERE (key IN (SELECT key FROM message WHERE message_id = ?4) OR (key IS NULL AND message_id = ?4))
  AND seq > ?1 AND (?2 IS NULL OR direction = ?2)
ORDER BY seq LIMIT ?3;

-- name: untold_events
SELECT kind, message_id, direction, at, failed, code, detail, backend, seq
FROM event WHERE told = 0 AND backend = ?1
ORDER BY seq LIMIT ?2;

-- name: tell_event
UPDATE event SET told = 1 WHERE seq = ?1 AND backend = ?2;

-- name: counts
SELECT state, count(*) FROM message GROUP BY state;

-- name: old_messages
-- Messages in one of the states in the JSON list ?1 that did not change since ?2.
SELECT key FROM message WHERE state IN (SELECT value FROM json_each(?1)) AND changed_at < ?2;

-- name: old_payloads
SELECT key FROM message WHERE state IN (SELECT value FROM json_each(?1)) AND changed_at < ?2 AND payloads_kept = 1;

-- name: still_old
-- Those of the keys in the JSON list ?3 for which that is still so; an operator may have opened one again.
SELECT key FROM message
WHERE key IN (SELECT value FROM json_each(?3))
  AND state IN (SELECT value FROM json_each(?1)) AND changed_at < ?2;

-- name: stray_events
-- Old events of no message.
SELECT seq FROM event WHERE key IS NULL AND at < ?1;

-- name: delete_message
-- With its content, receipt, signed parts and events.
DELETE FROM message WHERE key = ?1;

-- name: delete_event
DELETE FROM event WHERE seq = ?1;

-- name: forget_payloads
UPDATE message SET payloads_kept = 0 WHERE key = ?1;

-- name: delete_inline
UPDATE content SET inline = NULL WHERE key = ?1;

-- name: delete_files
DELETE FROM file WHERE key = ?1 RETURNING name;

-- name: try_writing
-- With undo_trying in one transaction: a page is written, and nothing is changed. (An UPDATE to the same writes none.)
INSERT INTO schema_version (version, at) VALUES (0, 0);

-- name: undo_trying
DELETE FROM schema_version WHERE version = 0;

-- name: known_files
SELECT name FROM file WHERE name IN (SELECT value FROM json_each(?1));

-- name: insert_envelope
-- What it answers may be gone.
INSERT INTO envelope
    (key, direction, kind, positive, identifier, message, standard, version, sender, receiver, answers, answer_due)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, (SELECT key FROM message WHERE key = ?11), ?12);

-- name: insert_status
INSERT INTO status (key, organisation, facts) VALUES (?1, ?2, ?3);

-- name: known_envelopes
-- What ?2 sent, by the JSON lists of EnvelopeIdentifiers ?4 and, to ?3, of MessageIdentifiers ?5: ?6 of each at most.
SELECT e.key, m.message_id, e.direction, m.backend, e.kind, e.sender, e.receiver,
       e.identifier, e.message, e.standard, e.version,
       (SELECT json_array(a.kind, r.message_id, a.positive) FROM envelope AS a JOIN message AS r USING (key)
        WHERE a.answers = e.key AND a.kind = 'envelope-receipt' ORDER BY a.key LIMIT 1)
FROM envelope AS e JOIN message AS m USING (key)
WHERE e.key IN (
    SELECT w.key FROM json_each(?4) AS i CROSS JOIN envelope AS w ON w.key IN (
        SELECT f.key FROM envelope AS f
        WHERE f.identifier = i.value AND f.direction = ?1 AND f.sender = ?2
        ORDER BY f.key LIMIT ?6)
    UNION
    SELECT w.key FROM json_each(?5) AS i CROSS JOIN envelope AS w ON w.key IN (
        SELECT f.key FROM envelope AS f
        WHERE f.message = i.value AND f.message <> '' AND f.direction = ?1 AND f.sender = ?2 AND f.receiver = ?3
        ORDER BY f.key DESC LIMIT ?6))
ORDER BY e.key;

-- name: await_no_answer
UPDATE envelope SET answer_due = NULL WHERE key = ?1 AND answer_due IS NOT NULL;

-- name: await_no_receipt
-- In none of the envelopes that its message was sent in.
UPDATE envelope SET answer_due = NULL
WHERE answer_due IS NOT NULL AND key IN (
    SELECT ?1
    UNION ALL
    SELECT o.key FROM envelope AS e JOIN envelope AS o INDEXED BY envelope_awaited
    ON o.message = e.message AND o.direction = e.direction AND o.sender = e.sender AND o.receiver = e.receiver
    WHERE e.key = ?1 AND e.message <> '' AND o.answer_due IS NOT NULL);

-- name: unanswered
SELECT e.key, m.message_id, m.state, e.answer_due
FROM envelope AS e JOIN message AS m USING (key)
WHERE e.answer_due IS NOT NULL AND e.answer_due <= ?1
ORDER BY e.answer_due LIMIT ?2;

-- name: backend_of
SELECT backend FROM message WHERE key = ?1;

-- name: insert_report
-- Of the event ?2 of the message ?1, if EDS is told of it at all.
INSERT INTO report (seq, key, organisation, state, changed_at)
SELECT ?2, key, organisation, ?3, ?4 FROM status WHERE key = ?1;

-- name: reporting_organisations
-- One look for each, however much waits.
WITH RECURSIVE organisation (name) AS (
    SELECT min(organisation) FROM report WHERE state = 'waiting'
    UNION ALL
    SELECT (SELECT min(r.organisation) FROM report AS r WHERE r.state = 'waiting' AND r.organisation > organisation.name)
    FROM organisation WHERE organisation.name IS NOT NULL
)
SELECT name FROM organisation WHERE name IS NOT NULL;

-- name: claimable_reports
SELECT r.seq FROM report AS r
WHERE r.state = 'waiting' AND r.organisation = ?1 AND r.held <= ?2
  AND NOT EXISTS (SELECT 1 FROM report AS e
                  WHERE e.key = r.key AND e.seq < r.seq AND e.state = 'waiting' AND e.held > ?2)
ORDER BY r.seq LIMIT ?3;

-- name: hold_report
-- Empty texts change nothing.
UPDATE report
SET held = ?2, tries = tries + ?3, what = CASE ?4 WHEN '' THEN what ELSE ?4 END, fix = CASE ?4 WHEN '' THEN fix ELSE ?5 END
WHERE seq = ?1 AND state = 'waiting';

-- name: settle_report
-- ?7 is a JSON list of the states that are open.
UPDATE report SET state = ?2, changed_at = ?3, what = ?4, fix = ?5, reference = ?6
WHERE seq = ?1 AND state IN (SELECT value FROM json_each(?7));

-- name: reopen_reports
-- Parked ones wait again, and those that wait are due: all, or the one ?1.
UPDATE report SET state = 'waiting', changed_at = CASE state WHEN 'parked' THEN ?2 ELSE changed_at END, held = 0, tries = 0
WHERE state IN ('waiting', 'parked') AND (?1 IS NULL OR seq = ?1);

-- name: free_reports
-- Only for who is alone on the store: whoever held these is dead, and the world may be another one.
UPDATE report SET held = 0 WHERE state = 'waiting' AND held > 0;

-- name: expire_reports
UPDATE report SET state = 'dropped', changed_at = ?2, what = ?3, fix = ''
WHERE state IN ('waiting', 'parked') AND (SELECT at FROM event WHERE event.seq = report.seq) < ?1;

-- name: reports
-- {where} is made of the conditions in reports.py; {facts} is a column or NULL.
SELECT r.key, r.organisation, r.state, r.tries, r.changed_at, {facts}, r.what, r.fix, r.reference,
       e.kind, e.message_id, e.direction, e.at, e.failed, e.code, e.detail, e.backend, e.seq
FROM report AS r
JOIN event AS e USING (seq)
JOIN status AS s ON s.key = r.key
WHERE {where}
ORDER BY r.seq LIMIT :limit;

-- name: report_counts
SELECT state, count(*) FROM report WHERE state IN ('waiting', 'parked') GROUP BY state;

-- name: forget_facts
-- Unless EDS has yet to be told.
UPDATE status SET facts = NULL
WHERE key = ?1 AND NOT EXISTS (SELECT 1 FROM report WHERE report.key = ?1 AND state IN ('waiting', 'parked'));

-- name: facts_left
-- Of messages whose payloads went before EDS had everything.
SELECT s.key FROM status AS s JOIN message AS m USING (key)
WHERE s.facts IS NOT NULL AND m.payloads_kept = 0
  AND NOT EXISTS (SELECT 1 FROM report AS r WHERE r.key = s.key AND r.state IN ('waiting', 'parked'));
