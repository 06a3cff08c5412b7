-- part: file
f.key AS file_key, f.extension AS file_extension, f.mimetype AS file_mimetype,
f.size AS file_size, f.created_ms AS file_created_ms, f.expires_ms AS file_expires_ms

-- name: file
SELECT
-- use: file
FROM files f
WHERE f.instance_id = :instance_id AND f.key = :key;

-- name: recorded_files
SELECT key FROM files
WHERE instance_id = :instance_id
    AND key IN (SELECT item.value ->> 0 FROM json_each(:keys) AS item);

-- name: add_file
INSERT INTO files (instance_id, key, extension, mimetype, size, created_ms, expires_ms)
VALUES (:*)
ON CONFLICT (instance_id, key) DO NOTHING;

-- name: keep_file
-- Not one that has ended: its object may be gone.
UPDATE files SET expires_ms = :expires_ms
WHERE instance_id = :instance_id AND key = :key AND coalesce(expires_ms, 1) > 0
RETURNING key;

-- name: upload_usage
SELECT count(*) AS count, CAST(coalesce(sum(size), 0) AS BIGINT) AS size FROM files
WHERE instance_id = :instance_id AND expires_ms > :now_ms;

-- name: end_file
-- It is not served any more; retention removes it from the store.
UPDATE files SET expires_ms = 0 WHERE instance_id = :instance_id AND key = :key;

-- name: release_file
UPDATE files SET expires_ms = 0
WHERE instance_id = :instance_id AND key = :key AND expires_ms IS NOT NULL;

-- name: file_of_status
SELECT file_key FROM statuses WHERE instance_id = :instance_id AND status_no = :status_no;

-- name: attach_file
UPDATE statuses SET file_key = :key, thumbnail = coalesce(:thumbnail, thumbnail)
WHERE instance_id = :instance_id AND status_no = :status_no;

-- name: instances_with_downloads
-- Across instances: those with due work. The plus keeps SQLite from reading all of them
-- in the order of the key.
SELECT DISTINCT +instance_id AS instance_id FROM downloads WHERE due_ms <= :now_ms;

-- name: next_download
-- Across instances: when more work becomes due.
SELECT min(due_ms) AS due_ms FROM downloads WHERE due_ms > :now_ms;

-- name: due_downloads
SELECT instance_id, status_no, handle, mimetype, size, sha256, attempts
FROM downloads
WHERE instance_id = :instance_id AND due_ms <= :now_ms
ORDER BY status_no
LIMIT :limit;

-- name: awaits_file
SELECT status_no FROM downloads WHERE instance_id = :instance_id AND status_no = :status_no;

-- name: want_download
-- Only for a status that is there, and once.
INSERT INTO downloads (
    instance_id, status_no, due_ms, attempts, mimetype, size, sha256, handle
)
SELECT s.instance_id, s.status_no, :due_ms, 0, :mimetype, :size, :sha256, :handle
FROM statuses s
WHERE s.instance_id = :instance_id AND s.status_no = :status_no AND s.file_key IS NULL
ON CONFLICT (instance_id, status_no) DO NOTHING;

-- name: postpone_download
UPDATE downloads SET due_ms = :due_ms, attempts = attempts + :counted
WHERE instance_id = :instance_id AND status_no = :status_no;

-- name: drop_download
DELETE FROM downloads WHERE instance_id = :instance_id AND status_no = :status_no;
