-- name: add_reply
INSERT INTO replies (
    instance_id, wire_id, person_no, reply_id, status_no, held_ms, at_ms, kind, text
)
SELECT CAST(:instance_id AS BIGINT), CAST(:wire_id AS TEXT), CAST(:person_no AS INTEGER),
       CAST(:reply_id AS TEXT), CAST(:status_no AS INTEGER), CAST(:held_ms AS BIGINT),
       CAST(:at_ms AS BIGINT), CAST(:kind AS SMALLINT), CAST(:text AS TEXT)
WHERE (
    SELECT count(*) FROM replies
    WHERE instance_id = :instance_id AND wire_id = :wire_id AND person_no = :person_no
) < :most
ON CONFLICT (instance_id, wire_id, person_no, reply_id) DO NOTHING
RETURNING instance_id;

-- name: claim_replies
-- They came before their status, or with a copy of it that is gone.
UPDATE replies SET status_no = :status_no, held_ms = NULL
WHERE instance_id = :instance_id AND wire_id = :wire_id
RETURNING instance_id;

-- name: recount_replies
UPDATE statuses SET replies = (
    SELECT count(*) FROM replies
    WHERE instance_id = :instance_id AND status_no = :status_no
)
WHERE instance_id = :instance_id AND status_no = :status_no;

-- name: replies_of_status
-- at once
SELECT p.phone, p.lid, coalesce(p.book_name, p.contact_name) AS contact_name,
       r.reply_id, r.at_ms, r.kind, r.text
FROM replies r
CROSS JOIN people p ON (
    p.instance_id = r.instance_id AND p.person_no = r.person_no
)
WHERE r.instance_id = :instance_id AND r.status_no = :status_no;

-- name: reply_times
SELECT at_ms FROM replies
WHERE instance_id = :instance_id AND status_no = :status_no
ORDER BY at_ms;

-- name: forget_replies_of_status
DELETE FROM replies WHERE instance_id = :instance_id AND status_no = :status_no;

-- name: forget_replies_by_wire_id
DELETE FROM replies WHERE instance_id = :instance_id AND wire_id = :wire_id;
