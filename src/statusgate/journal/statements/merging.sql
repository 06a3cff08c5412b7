-- Two people that turn out to be one: rows of the one are moved to the other.

-- name: adopt_rows
INSERT INTO receipts (instance_id, status_no, person_no, refused)
SELECT r.instance_id, r.status_no, :into_no, r.refused
FROM statuses s
CROSS JOIN receipts r ON (
    r.instance_id = s.instance_id AND r.status_no = s.status_no AND r.person_no = :from_no
)
WHERE s.instance_id = :instance_id AND s.outgoing = 1
ON CONFLICT (instance_id, status_no, person_no) DO NOTHING
RETURNING status_no;

-- name: adjust_counts
UPDATE statuses SET
    recipients = statuses.recipients + more.recipients,
    delivered = statuses.delivered + more.delivered, read = statuses.read + more.read,
    reactions = statuses.reactions + more.reactions
FROM (
    SELECT CAST(item.value ->> 0 AS INTEGER) AS status_no,
           CAST(item.value ->> 1 AS INTEGER) AS recipients,
           CAST(item.value ->> 2 AS INTEGER) AS delivered,
           CAST(item.value ->> 3 AS INTEGER) AS read,
           CAST(item.value ->> 4 AS INTEGER) AS reactions
    FROM json_each(:rows) AS item
) AS more
WHERE statuses.instance_id = :instance_id AND statuses.status_no = more.status_no;

-- name: take_rows_of_person
-- By way of the statuses: receipts have no index by person, it would cost more than it gives.
DELETE FROM receipts
WHERE instance_id = :instance_id AND person_no = :person_no AND status_no IN (
    SELECT status_no FROM statuses WHERE instance_id = :instance_id AND outgoing = 1
)
RETURNING status_no, delivered_ms, read_ms, reacted_ms, reaction;

-- name: take_early_of_person
DELETE FROM early_receipts
WHERE instance_id = :instance_id AND person_no = :person_no
RETURNING wire_id, delivered_ms, read_ms, reacted_ms, reaction, held_ms;

-- name: give_replies
INSERT INTO replies (
    instance_id, wire_id, person_no, reply_id, status_no, held_ms, at_ms, kind, text
)
SELECT instance_id, wire_id, :into_no, reply_id, status_no, held_ms, at_ms, kind, text
FROM replies WHERE instance_id = :instance_id AND person_no = :from_no
ON CONFLICT (instance_id, wire_id, person_no, reply_id) DO NOTHING;

-- name: take_replies_of_person
DELETE FROM replies
WHERE instance_id = :instance_id AND person_no = :person_no
RETURNING status_no;

-- name: statuses_in_two_copies
-- The later copy of each status that both people seem to have posted.
SELECT CASE
    WHEN a.posted_ms < b.posted_ms OR (a.posted_ms = b.posted_ms AND a.status_no < b.status_no)
    THEN b.status_no ELSE a.status_no END AS status_no
FROM statuses a
JOIN statuses b ON b.instance_id = a.instance_id AND b.author_no = :from_no
    AND b.author_no <> 0 AND (b.status_id = a.status_id OR b.wire_id = a.wire_id)
WHERE a.instance_id = :instance_id AND a.author_no = :into_no AND a.author_no <> 0;

-- name: give_statuses
UPDATE statuses SET author_no = :into_no
WHERE instance_id = :instance_id AND author_no = :from_no AND author_no <> 0;

-- name: give_deletions
INSERT INTO deletions (instance_id, author_no, wire_id, at_ms)
SELECT instance_id, :into_no, wire_id, at_ms
FROM deletions WHERE instance_id = :instance_id AND author_no = :from_no
ON CONFLICT (instance_id, author_no, wire_id) DO NOTHING;

-- name: forget_deletions_of_author
DELETE FROM deletions WHERE instance_id = :instance_id AND author_no = :author_no;

-- name: give_gaps
INSERT INTO gaps (instance_id, author_no, wire_id, at_ms)
SELECT instance_id, :into_no, wire_id, at_ms
FROM gaps WHERE instance_id = :instance_id AND author_no = :from_no
ON CONFLICT (instance_id, author_no, wire_id) DO NOTHING;

-- name: forget_gaps_of_author
DELETE FROM gaps WHERE instance_id = :instance_id AND author_no = :author_no;

-- name: withdrawn_statuses
-- Statuses that turn out to be deleted, once their author is known under both addresses.
SELECT s.status_no
FROM deletions d
JOIN statuses s ON s.instance_id = d.instance_id AND s.wire_id = d.wire_id
    AND s.author_no = d.author_no
WHERE d.instance_id = :instance_id AND d.author_no = :author_no;

-- name: fill_gaps
-- A status that could not be read before is there now.
DELETE FROM gaps
WHERE instance_id = :instance_id AND author_no = :author_no AND wire_id IN (
    SELECT wire_id FROM statuses
    WHERE instance_id = :instance_id AND author_no = :author_no AND wire_id = gaps.wire_id
);
