-- Rows in the order of an export: from the oldest status to the newest, a page at a time.

-- part: numbered_recipient
SELECT r.person_no, p.phone, p.lid, coalesce(p.book_name, p.contact_name) AS contact_name,
       r.delivered_ms, r.read_ms, r.reacted_ms, r.reaction, r.refused
FROM receipts r
CROSS JOIN people p ON (
    p.instance_id = r.instance_id AND p.person_no = r.person_no
)

-- name: statuses_after
SELECT posted_ms, status_no
FROM statuses
WHERE instance_id = :instance_id AND outgoing = :outgoing
    AND (posted_ms, status_no) > (:posted_ms, :status_no) AND posted_ms < :before_ms
ORDER BY posted_ms, status_no
LIMIT :limit;

-- name: recipients_after
-- at once
-- use: numbered_recipient
WHERE r.instance_id = :instance_id AND r.status_no = :status_no AND r.person_no > :person_no
ORDER BY r.person_no
LIMIT :limit;

-- name: reactions_after
-- at once
-- use: numbered_recipient
WHERE r.instance_id = :instance_id AND r.status_no = :status_no AND r.reaction <> ''
    AND (r.reacted_ms, r.person_no) > (:at_ms, :person_no)
ORDER BY r.reacted_ms, r.person_no
LIMIT :limit;

-- name: replies_after
-- at once
SELECT r.person_no, p.phone, p.lid, coalesce(p.book_name, p.contact_name) AS contact_name,
       r.reply_id, r.at_ms, r.kind, r.text
FROM replies r
CROSS JOIN people p ON (
    p.instance_id = r.instance_id AND p.person_no = r.person_no
)
WHERE r.instance_id = :instance_id AND r.status_no = :status_no
    AND (r.at_ms, r.reply_id, r.person_no) > (:at_ms, :reply_id, :person_no)
ORDER BY r.at_ms, r.reply_id, r.person_no
LIMIT :limit;
