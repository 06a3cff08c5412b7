-- name: outgoing_by_wire_id
SELECT s.wire_id, s.status_no, s.status_id, s.by_api, s.reached
FROM json_each(:wire_ids) AS item
CROSS JOIN statuses s ON (
    s.instance_id = :instance_id AND s.wire_id = item.value ->> 0 AND s.author_no = 0
);

-- name: tallies
SELECT s.status_no, s.reached, s.last_receipt_ms, s.recipients, s.delivered, s.read, s.reactions
FROM json_each(:status_nos) AS item
CROSS JOIN statuses s ON (
    s.instance_id = :instance_id AND s.status_no = CAST(item.value ->> 0 AS INTEGER)
    AND s.outgoing = 1
);

-- name: rows_of_pairs
-- at once
SELECT r.status_no, r.person_no, r.delivered_ms, r.read_ms, r.reacted_ms, r.reaction
FROM json_each(:pairs) AS item
CROSS JOIN receipts r ON (
    r.instance_id = :instance_id
    AND r.status_no = CAST(item.value ->> 0 AS INTEGER)
    AND r.person_no = CAST(item.value ->> 1 AS INTEGER)
);

-- name: write_rows
INSERT INTO receipts (
    instance_id, status_no, person_no, delivered_ms, read_ms, reacted_ms, reaction
)
SELECT :instance_id, CAST(item.value ->> 0 AS INTEGER), CAST(item.value ->> 1 AS INTEGER),
       CAST(item.value ->> 2 AS BIGINT), CAST(item.value ->> 3 AS BIGINT),
       CAST(item.value ->> 4 AS BIGINT), item.value ->> 5
FROM json_each(:rows) AS item
WHERE true
ON CONFLICT (instance_id, status_no, person_no) DO UPDATE SET
    delivered_ms = excluded.delivered_ms, read_ms = excluded.read_ms,
    reacted_ms = excluded.reacted_ms, reaction = excluded.reaction;

-- name: add_rows
-- Recipients without a receipt yet; existing rows stay as they are.
INSERT INTO receipts (instance_id, status_no, person_no)
SELECT :instance_id, :status_no, CAST(item.value ->> 0 AS INTEGER)
FROM json_each(:person_nos) AS item
WHERE true
ON CONFLICT (instance_id, status_no, person_no) DO NOTHING;

-- name: set_tally
UPDATE statuses SET
    reached = :reached, last_receipt_ms = :last_receipt_ms, recipients = :recipients,
    delivered = :delivered, read = :read, reactions = :reactions
WHERE instance_id = :instance_id AND status_no = :status_no;

-- name: recount
-- All of a tally but reached, which never falls, from the rows themselves.
UPDATE statuses SET
    last_receipt_ms = counted.newest_ms, recipients = counted.recipients,
    delivered = counted.delivered, read = counted.read, reactions = counted.reactions
FROM (
    SELECT count(*) AS recipients, count(coalesce(delivered_ms, read_ms)) AS delivered,
           count(read_ms) AS read, count(nullif(reaction, '')) AS reactions,
           max(CASE WHEN read_ms IS NULL OR delivered_ms > read_ms
               THEN delivered_ms ELSE read_ms END) AS newest_ms
    FROM receipts
    WHERE instance_id = :instance_id AND status_no = :status_no
) AS counted
WHERE instance_id = :instance_id AND status_no = :status_no;

-- name: recipients
-- at once
SELECT p.phone, p.lid, coalesce(p.book_name, p.contact_name) AS contact_name,
       r.delivered_ms, r.read_ms, r.reacted_ms, r.reaction, r.refused
FROM receipts r
CROSS JOIN people p ON (
    p.instance_id = r.instance_id AND p.person_no = r.person_no
)
WHERE r.instance_id = :instance_id AND r.status_no = :status_no;

-- name: reactions
-- at once
SELECT p.phone, p.lid, coalesce(p.book_name, p.contact_name) AS contact_name,
       r.delivered_ms, r.read_ms, r.reacted_ms, r.reaction, r.refused
FROM receipts r
CROSS JOIN people p ON (
    p.instance_id = r.instance_id AND p.person_no = r.person_no
)
WHERE r.instance_id = :instance_id AND r.status_no = :status_no AND r.reaction <> ''
ORDER BY r.reacted_ms DESC, r.person_no DESC;

-- name: early_by_wire_id
SELECT wire_id, person_no, delivered_ms, read_ms, reacted_ms, reaction
FROM early_receipts
WHERE instance_id = :instance_id
    AND wire_id IN (SELECT item.value ->> 0 FROM json_each(:wire_ids) AS item);

-- name: hold_early
INSERT INTO early_receipts (
    instance_id, wire_id, person_no, delivered_ms, read_ms, reacted_ms, reaction, held_ms
)
SELECT :instance_id, item.value ->> 0, CAST(item.value ->> 1 AS INTEGER),
       CAST(item.value ->> 2 AS BIGINT), CAST(item.value ->> 3 AS BIGINT),
       CAST(item.value ->> 4 AS BIGINT), item.value ->> 5, :held_ms
FROM json_each(:rows) AS item
WHERE true
ON CONFLICT (instance_id, wire_id, person_no) DO UPDATE SET
    delivered_ms = excluded.delivered_ms, read_ms = excluded.read_ms,
    reacted_ms = excluded.reacted_ms, reaction = excluded.reaction,
    held_ms = excluded.held_ms;

-- name: take_early
DELETE FROM early_receipts
WHERE instance_id = :instance_id AND wire_id = :wire_id
RETURNING person_no, delivered_ms, read_ms, reacted_ms, reaction;

-- name: take_rows_of_status
DELETE FROM receipts
WHERE instance_id = :instance_id AND status_no = :status_no
RETURNING person_no, delivered_ms, read_ms, reacted_ms, reaction;

-- name: forget_rows_of_status
DELETE FROM receipts WHERE instance_id = :instance_id AND status_no = :status_no;

-- name: count_rows
SELECT count(*) AS count FROM receipts WHERE instance_id = :instance_id AND status_no = :status_no;
