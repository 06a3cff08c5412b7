-- part: status_item
SELECT s.participants,
-- use: rest_of_status

-- part: listed_status
-- Named participants are long, and lists do not show them.
SELECT '[]' AS participants,
-- use: rest_of_status

-- part: rest_of_status
-- use: columns_of_status
FROM statuses s
-- use: others_of_status

-- part: columns_of_status
s.instance_id, s.status_no, s.status_id, s.wire_id, s.outgoing, s.by_api, s.kind, s.text,
s.background, s.font, s.posted_ms, s.sent_ms, s.failed_ms, s.failure_reason, s.failure_text,
s.reached, s.last_receipt_ms, s.mimetype, s.thumbnail, s.viewed_ms, s.by_lid, s.recipients,
s.delivered, s.read, s.reactions, s.replies, s.sender_phone, i.phone AS account_phone,
i.lid AS account_lid, i.push_name, p.phone AS author_phone, p.lid AS author_lid,
p.name AS author_name, coalesce(p.book_name, p.contact_name) AS author_contact_name,
-- use: file

-- part: others_of_status
LEFT JOIN instances i ON (
    i.instance_id = s.instance_id
)
LEFT JOIN people p ON (
    p.instance_id = s.instance_id AND p.person_no = s.author_no
)
LEFT JOIN files f ON (
    f.instance_id = s.instance_id AND f.key = s.file_key
)

-- name: statuses_in_window
-- use: status_item
WHERE s.instance_id = :instance_id AND s.outgoing = :outgoing
    AND s.posted_ms >= :since_ms AND s.posted_ms < :before_ms
    AND (:contacts_only = 0 OR coalesce(p.book_name, p.contact_name, '') <> '')
ORDER BY s.posted_ms DESC, s.status_no DESC;

-- name: statuses_by_id
-- use: status_item
WHERE s.instance_id = :instance_id AND s.status_id = :status_id;

-- name: status_by_no
-- use: status_item
WHERE s.instance_id = :instance_id AND s.status_no = :status_no;

-- name: statuses_by_no
SELECT s.participants,
-- use: columns_of_status
FROM json_each(:status_nos) AS item
CROSS JOIN statuses s ON (
    s.instance_id = :instance_id AND s.status_no = CAST(item.value ->> 0 AS INTEGER)
)
-- use: others_of_status
;

-- name: take_status_no
-- The next number, unless there is such a status, or was.
INSERT INTO counters (instance_id, name, value)
SELECT :instance_id, 'status_no', 1
WHERE NOT EXISTS (
-- use: known_or_deleted
)
ON CONFLICT (instance_id, name) DO UPDATE SET value = counters.value + 1
RETURNING value;

-- name: known_or_deleted
-- use: known_or_deleted
;

-- part: known_or_deleted
SELECT instance_id FROM statuses
WHERE instance_id = :instance_id AND status_id = :status_id AND author_no = :author_no
UNION ALL
SELECT instance_id FROM statuses
WHERE instance_id = :instance_id AND wire_id = :wire_id AND author_no = :author_no
UNION ALL
SELECT instance_id FROM deletions
WHERE instance_id = :instance_id AND wire_id = :wire_id AND author_no = :author_no

-- name: add_status
INSERT INTO statuses (
    instance_id, status_no, author_no, outgoing, by_api, kind, reached, posted_ms, sent_ms,
    background, font, status_id, wire_id, mimetype, participants, text, thumbnail, by_lid,
    sender_phone
) VALUES (
    :instance_id, :status_no, :author_no, :outgoing, :by_api, :kind, :reached, :posted_ms,
    :sent_ms, :background, :font, :status_id, :wire_id, :mimetype, :participants, :text,
    :thumbnail, :by_lid, coalesce((
        SELECT phone FROM instances WHERE instance_id = :instance_id AND :author_no = 0
    ), '')
);

-- name: set_sent
UPDATE statuses SET
    wire_id = :wire_id, sent_ms = :at_ms, failed_ms = NULL, failure_reason = NULL,
    failure_text = NULL,
    sender_phone = CASE WHEN sender_phone = '' THEN :sender_phone ELSE sender_phone END
WHERE instance_id = :instance_id AND status_no = :status_no;

-- name: set_failed
UPDATE statuses SET
    failed_ms = :at_ms, failure_reason = :failure_reason, failure_text = :failure_text
WHERE instance_id = :instance_id AND status_no = :status_no;

-- name: status_to_delete
-- An outgoing status that is not sent yet has only our own id.
SELECT status_no FROM statuses
WHERE instance_id = :instance_id AND wire_id = :wire_id AND author_no = :author_no
UNION ALL
SELECT status_no FROM statuses
WHERE instance_id = :instance_id AND status_id = :wire_id AND author_no = :author_no
    AND author_no = 0 AND wire_id IS NULL;

-- name: is_deleted
SELECT instance_id FROM deletions
WHERE instance_id = :instance_id AND author_no = :author_no AND wire_id = :wire_id;

-- name: add_deletion
INSERT INTO deletions (instance_id, author_no, wire_id, at_ms) VALUES (:*)
ON CONFLICT (instance_id, author_no, wire_id) DO NOTHING;

-- name: forget_status
DELETE FROM statuses
WHERE instance_id = :instance_id AND status_no = :status_no
RETURNING file_key;

-- name: add_gap
INSERT INTO gaps (instance_id, author_no, wire_id, at_ms) VALUES (:*)
ON CONFLICT (instance_id, author_no, wire_id) DO NOTHING
RETURNING wire_id;

-- name: forget_gap
DELETE FROM gaps
WHERE instance_id = :instance_id AND author_no = :author_no AND wire_id = :wire_id;
