-- name: instance_with_expired
-- Across instances: one that keeps something beyond its time.
SELECT i.instance_id, CASE WHEN i.deleted_ms < :before_ms THEN 1 ELSE 0 END AS is_dead
FROM instances i
WHERE i.deleted_ms < :before_ms
    OR EXISTS (
        SELECT 1 FROM statuses s
        WHERE s.instance_id = i.instance_id AND s.outgoing = 0 AND s.posted_ms < :before_ms)
    OR EXISTS (
        SELECT 1 FROM statuses s
        WHERE s.instance_id = i.instance_id AND s.outgoing = 1 AND s.posted_ms < :before_ms)
    OR EXISTS (
        SELECT 1 FROM deletions d
        WHERE d.instance_id = i.instance_id AND d.at_ms < :before_ms)
    OR EXISTS (
        SELECT 1 FROM gaps g WHERE g.instance_id = i.instance_id AND g.at_ms < :before_ms)
    OR EXISTS (
        SELECT 1 FROM early_receipts e
        WHERE e.instance_id = i.instance_id AND e.held_ms < :held_before_ms)
    OR EXISTS (
        SELECT 1 FROM replies r
        WHERE r.instance_id = i.instance_id AND r.held_ms < :held_before_ms)
    OR EXISTS (
        SELECT 1 FROM files f
        WHERE f.instance_id = i.instance_id AND f.expires_ms <= :now_ms)
    OR EXISTS (
        SELECT 1 FROM notifications n
        WHERE n.instance_id = i.instance_id AND n.ended_ms < :before_ms)
    OR EXISTS (
        SELECT 1 FROM deliveries v
        WHERE v.instance_id = i.instance_id AND v.at_ms < :before_ms)
    OR EXISTS (
        SELECT 1 FROM event_log l
        WHERE l.instance_id = i.instance_id AND l.at_ms < :logged_before_ms
            AND l.last_no <= (
                SELECT c.value FROM counters c
                WHERE c.instance_id = i.instance_id AND c.name = 'event_no'
            ) - :most_logged)
ORDER BY i.instance_id
LIMIT 1;

-- name: expired_statuses
SELECT status_no FROM (
    SELECT status_no, posted_ms FROM statuses
    WHERE instance_id = :instance_id AND outgoing = 0 AND posted_ms < :before_ms
    UNION ALL
    SELECT status_no, posted_ms FROM statuses
    WHERE instance_id = :instance_id AND outgoing = 1 AND posted_ms < :before_ms
) AS expired
ORDER BY posted_ms, status_no
LIMIT :limit;

-- name: expire_deletions
DELETE FROM deletions WHERE instance_id = :instance_id AND (author_no, wire_id) IN (
    SELECT author_no, wire_id FROM deletions
    WHERE instance_id = :instance_id AND at_ms < :before_ms
    ORDER BY at_ms, author_no, wire_id LIMIT :limit
)
RETURNING instance_id;

-- name: expire_gaps
DELETE FROM gaps WHERE instance_id = :instance_id AND (author_no, wire_id) IN (
    SELECT author_no, wire_id FROM gaps
    WHERE instance_id = :instance_id AND at_ms < :before_ms
    ORDER BY at_ms, author_no, wire_id LIMIT :limit
)
RETURNING instance_id;

-- name: expire_early
DELETE FROM early_receipts WHERE instance_id = :instance_id AND (wire_id, person_no) IN (
    SELECT wire_id, person_no FROM early_receipts
    WHERE instance_id = :instance_id AND held_ms < :held_before_ms
    ORDER BY held_ms, wire_id, person_no LIMIT :limit
)
RETURNING instance_id;

-- name: expire_early_replies
DELETE FROM replies WHERE instance_id = :instance_id AND (wire_id, person_no, reply_id) IN (
    SELECT wire_id, person_no, reply_id FROM replies
    WHERE instance_id = :instance_id AND held_ms < :held_before_ms
    ORDER BY held_ms, wire_id, person_no, reply_id LIMIT :limit
)
RETURNING instance_id;

-- name: expire_files
DELETE FROM files WHERE instance_id = :instance_id AND key IN (
    SELECT key FROM files
    WHERE instance_id = :instance_id AND expires_ms <= :now_ms
    ORDER BY expires_ms, key LIMIT :limit
)
RETURNING key, extension;

-- name: expire_ended_notifications
DELETE FROM notifications WHERE instance_id = :instance_id AND receipt_id IN (
    SELECT receipt_id FROM notifications
    WHERE instance_id = :instance_id AND ended_ms < :before_ms
    ORDER BY ended_ms, receipt_id LIMIT :limit
)
RETURNING instance_id;

-- name: expire_deliveries
DELETE FROM deliveries WHERE instance_id = :instance_id AND (receipt_id, attempt) IN (
    SELECT receipt_id, attempt FROM deliveries
    WHERE instance_id = :instance_id AND at_ms < :before_ms
    ORDER BY at_ms, receipt_id, attempt LIMIT :limit
)
RETURNING instance_id;

-- name: expire_events
-- The newest are kept whatever their age.
DELETE FROM event_log WHERE instance_id = :instance_id AND last_no IN (
    SELECT last_no FROM event_log
    WHERE instance_id = :instance_id AND at_ms < :logged_before_ms AND last_no <= (
        SELECT value FROM counters WHERE instance_id = :instance_id AND name = 'event_no'
    ) - :most_logged
    ORDER BY at_ms, last_no LIMIT :limit
)
RETURNING instance_id;

-- name: any_statuses
SELECT status_no FROM statuses WHERE instance_id = :instance_id LIMIT :limit;

-- name: purge_people
DELETE FROM people WHERE instance_id = :instance_id AND person_no IN (
    SELECT person_no FROM people WHERE instance_id = :instance_id LIMIT :limit
)
RETURNING instance_id;

-- name: purge_files
DELETE FROM files WHERE instance_id = :instance_id AND key IN (
    SELECT key FROM files WHERE instance_id = :instance_id LIMIT :limit
)
RETURNING key, extension;

-- name: purge_notifications
DELETE FROM notifications WHERE instance_id = :instance_id AND receipt_id IN (
    SELECT receipt_id FROM notifications WHERE instance_id = :instance_id LIMIT :limit
)
RETURNING instance_id;

-- name: purge_events
DELETE FROM event_log WHERE instance_id = :instance_id AND last_no IN (
    SELECT last_no FROM event_log WHERE instance_id = :instance_id LIMIT :limit
)
RETURNING instance_id;

-- name: purge_state_history
DELETE FROM state_history WHERE instance_id = :instance_id;

-- name: purge_counters
DELETE FROM counters WHERE instance_id = :instance_id;

-- name: purge_owner
DELETE FROM owners WHERE instance_id = :instance_id;

-- name: purge_instance
DELETE FROM instances WHERE instance_id = :instance_id RETURNING instance_id;
