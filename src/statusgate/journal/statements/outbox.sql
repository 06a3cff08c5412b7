-- part: outgoing_item
SELECT o.instance_id, o.status_id, o.queue_no, o.status_no, o.phase, o.accepted_ms,
       o.send_at_ms, o.expires_ms, o.method, o.kind, o.background, o.font, o.text,
       o.participants, o.url, o.file_name, o.answered_id, o.seconds, o.width, o.height,
       o.thumbnail, o.waveform,
-- use: file
FROM outbox o
LEFT JOIN files f ON (
    f.instance_id = o.instance_id AND f.key = o.file_key
)

-- name: add_outgoing
INSERT INTO outbox (
    instance_id, status_id, phase, accepted_ms, send_at_ms, due_ms, method, kind, background,
    font, text, participants, url, file_name, answered_id
) VALUES (:*);

-- name: queued
-- use: outgoing_item
WHERE o.instance_id = :instance_id AND o.queue_no IS NOT NULL
ORDER BY o.queue_no
LIMIT :limit;

-- name: scheduled
-- use: outgoing_item
WHERE o.instance_id = :instance_id AND o.queue_no IS NULL
ORDER BY o.send_at_ms, o.accepted_ms, o.status_id;

-- name: outgoing_by_id
-- use: outgoing_item
WHERE o.instance_id = :instance_id AND o.status_id = :status_id;

-- name: count_outgoing
-- What the engine has already is not counted.
SELECT count(*) AS count FROM outbox WHERE instance_id = :instance_id AND phase <> 3;

-- name: instances_with_outgoing
-- Across instances: those whose queues have work.
SELECT DISTINCT instance_id FROM outbox;

-- name: instances_to_prepare
-- Across instances: those with files that have to be fetched now. The plus
-- keeps databases from reading all of them in the order of the key.
SELECT DISTINCT +instance_id AS instance_id FROM outbox WHERE phase = 1 AND due_ms <= :now_ms;

-- name: outgoing_to_prepare
-- use: outgoing_item
WHERE o.instance_id = :instance_id AND o.phase = 1 AND o.due_ms <= :now_ms
ORDER BY o.due_ms, o.status_id
LIMIT :limit;

-- name: instances_due
-- Across instances: those with scheduled statuses whose time has come.
SELECT DISTINCT +instance_id AS instance_id FROM outbox
WHERE queue_no IS NULL AND send_at_ms <= :now_ms;

-- name: outgoing_due
SELECT status_id FROM outbox
WHERE instance_id = :instance_id AND queue_no IS NULL AND send_at_ms <= :now_ms
ORDER BY send_at_ms, accepted_ms, status_id
LIMIT :limit;

-- name: next_send_at
-- Across instances: when the next scheduled status is due.
SELECT min(send_at_ms) AS send_at_ms FROM outbox WHERE queue_no IS NULL;

-- name: enqueue
-- The number was taken just before.
UPDATE outbox SET status_no = :status_no, expires_ms = :expires_ms, queue_no = (
    SELECT value FROM counters WHERE instance_id = :instance_id AND name = 'queue_no'
)
WHERE instance_id = :instance_id AND status_id = :status_id;

-- name: set_phase
UPDATE outbox SET phase = :phase
WHERE instance_id = :instance_id AND status_id = :status_id
RETURNING instance_id;

-- name: postpone_outgoing
UPDATE outbox SET due_ms = :due_ms
WHERE instance_id = :instance_id AND status_id = :status_id;

-- name: prepare_outgoing
UPDATE outbox SET
    phase = 2, file_key = :key, seconds = :seconds, width = :width, height = :height,
    thumbnail = :thumbnail, waveform = :waveform
WHERE instance_id = :instance_id AND status_id = :status_id AND phase = 1
RETURNING status_no;

-- name: forget_outgoing
DELETE FROM outbox
WHERE instance_id = :instance_id AND status_id = :status_id
RETURNING status_no, file_key;

-- name: forget_outgoing_of_status
DELETE FROM outbox WHERE instance_id = :instance_id AND status_no = :status_no;

-- name: purge_outbox
DELETE FROM outbox WHERE instance_id = :instance_id AND status_id IN (
    SELECT status_id FROM outbox WHERE instance_id = :instance_id LIMIT :limit
)
RETURNING instance_id;

-- name: publication
SELECT accepted_ms, send_at_ms, file_name, requested, resolved, skipped
FROM publications
WHERE instance_id = :instance_id AND status_no = :status_no;

-- name: record_publication
INSERT INTO publications (
    instance_id, status_no, accepted_ms, send_at_ms, file_name, requested, resolved, skipped
) VALUES (:*)
ON CONFLICT (instance_id, status_no) DO UPDATE SET
    resolved = excluded.resolved, skipped = excluded.skipped;

-- name: forget_publication
DELETE FROM publications WHERE instance_id = :instance_id AND status_no = :status_no;

-- name: leave_out
-- Only rows without a receipt: a receipt proves that the status arrived.
DELETE FROM receipts
WHERE instance_id = :instance_id AND status_no = :status_no
    AND delivered_ms IS NULL AND read_ms IS NULL
    AND person_no IN (SELECT CAST(item.value ->> 0 AS INTEGER) FROM json_each(:numbers) AS item);

-- name: refuse_rows
INSERT INTO receipts (instance_id, status_no, person_no, refused)
SELECT :instance_id, :status_no, CAST(item.value ->> 0 AS INTEGER),
       CAST(item.value ->> 1 AS SMALLINT)
FROM json_each(:refusals) AS item
WHERE true
ON CONFLICT (instance_id, status_no, person_no) DO UPDATE SET refused = excluded.refused;

-- name: set_viewed
UPDATE statuses SET viewed_ms = coalesce(viewed_ms, :at_ms)
WHERE instance_id = :instance_id AND status_no = :status_no;
