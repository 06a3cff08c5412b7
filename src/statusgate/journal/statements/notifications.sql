-- part: notification
instance_id, receipt_id, created_ms, ended_ms, outcome, attempts, webhook_id, body

-- name: waiting_instances
-- Across instances: where notifications wait, how many, and since when.
SELECT instance_id, count(*) AS count, min(created_ms) AS oldest_ms
FROM notifications
WHERE ended_ms IS NULL
GROUP BY instance_id
ORDER BY instance_id;

-- name: one_notification
SELECT
-- use: notification
FROM notifications
WHERE instance_id = :instance_id AND receipt_id = :receipt_id;

-- name: waiting_notifications
-- By the primary key SQLite would scan everything that has ended.
SELECT
-- use: notification
FROM notifications -- only: postgres
FROM notifications INDEXED BY notifications_waiting -- only: sqlite
WHERE instance_id = :instance_id AND receipt_id > :after AND ended_ms IS NULL
ORDER BY receipt_id
LIMIT :limit;

-- name: ended_notifications
SELECT
-- use: notification
FROM notifications
WHERE instance_id = :instance_id AND receipt_id > :after AND ended_ms IS NOT NULL
ORDER BY receipt_id
LIMIT :limit;

-- part: listed_notification
SELECT n.receipt_id, n.created_ms, n.ended_ms, n.outcome AS end_name, n.attempts,
       substr(n.body, 1, 1000) AS head, d.attempt, d.at_ms, d.duration_ms, d.outcome, d.code

-- part: last_attempt
LEFT JOIN deliveries d ON (
    d.instance_id = n.instance_id AND d.receipt_id = n.receipt_id AND d.attempt = n.attempts
)

-- name: page_of_waiting
-- use: listed_notification
FROM notifications n -- only: postgres
FROM notifications n INDEXED BY notifications_waiting -- only: sqlite
-- use: last_attempt
WHERE n.instance_id = :instance_id AND n.receipt_id > :after AND n.ended_ms IS NULL
ORDER BY n.receipt_id
LIMIT :limit;

-- name: page_of_ended
-- use: listed_notification
FROM notifications n
-- use: last_attempt
WHERE n.instance_id = :instance_id AND n.ended_ms IS NOT NULL
    AND (n.ended_ms, n.receipt_id) < (:until_ms, :before_no)
ORDER BY n.ended_ms DESC, n.receipt_id DESC
LIMIT :limit;

-- name: count_notifications
SELECT count(*) AS count FROM notifications WHERE instance_id = :instance_id AND ended_ms IS NULL;

-- name: add_notifications
INSERT INTO notifications (
    instance_id, receipt_id, created_ms, outcome, attempts, webhook_id, body
)
SELECT :instance_id, CAST(item.value ->> 0 AS INTEGER), :created_ms, '', 0,
       item.value ->> 1, item.value ->> 2
FROM json_each(:rows) AS item;

-- name: end_notification
UPDATE notifications SET ended_ms = :ended_ms, outcome = :outcome
WHERE instance_id = :instance_id AND receipt_id = :receipt_id AND ended_ms IS NULL
RETURNING receipt_id;

-- name: end_notifications
UPDATE notifications SET ended_ms = :ended_ms, outcome = :outcome
WHERE instance_id = :instance_id AND ended_ms IS NULL AND created_ms <= :before_ms
    AND receipt_id <= (
        SELECT max(receipt_id) FROM (
            SELECT receipt_id FROM notifications
            WHERE instance_id = :instance_id AND ended_ms IS NULL AND created_ms <= :before_ms
            ORDER BY receipt_id LIMIT :limit
        ) AS oldest
    )
RETURNING receipt_id;

-- name: count_attempt
UPDATE notifications SET
    attempts = attempts + 1, ended_ms = COALESCE(ended_ms, :ended_ms),
    outcome = CASE WHEN ended_ms IS NULL THEN :end_name ELSE outcome END
WHERE instance_id = :instance_id AND receipt_id = :receipt_id;

-- name: add_delivery
-- The attempt that was just counted; none if the notification is gone.
INSERT INTO deliveries (
    instance_id, receipt_id, attempt, at_ms, duration_ms, outcome, code, reason
)
SELECT instance_id, receipt_id, attempts, :at_ms, :duration_ms, :outcome, :code, :reason
FROM notifications
WHERE instance_id = :instance_id AND receipt_id = :receipt_id;

-- name: deliveries
SELECT receipt_id, attempt, at_ms, duration_ms, outcome, code, reason
FROM deliveries
WHERE instance_id = :instance_id AND receipt_id = :receipt_id
ORDER BY attempt;

-- name: next_push
-- The head of the queue and the streak of failures, each of them NULL if there is none.
SELECT k.until_ms, k.since_ms, k.url, k.told, n.receipt_id, n.created_ms, n.ended_ms,
       n.outcome, n.attempts, n.webhook_id, n.body, i.instance_id
FROM instances i
LEFT JOIN push_streaks k ON (
    k.instance_id = i.instance_id
)
LEFT JOIN notifications n ON (
    n.instance_id = i.instance_id AND n.receipt_id = (
        SELECT w.receipt_id
        FROM notifications w -- only: postgres
        FROM notifications w INDEXED BY notifications_waiting -- only: sqlite
        WHERE w.instance_id = i.instance_id AND w.ended_ms IS NULL
        ORDER BY w.receipt_id LIMIT 1
    )
)
WHERE i.instance_id = :instance_id;

-- name: set_push_streak
INSERT INTO push_streaks (instance_id, until_ms, since_ms, url, told) VALUES (:*)
ON CONFLICT (instance_id) DO UPDATE SET
    until_ms = excluded.until_ms, since_ms = excluded.since_ms, url = excluded.url,
    told = excluded.told;

-- name: end_push_streak
DELETE FROM push_streaks WHERE instance_id = :instance_id;

-- name: oldest_event
SELECT first_no FROM event_log WHERE instance_id = :instance_id ORDER BY last_no LIMIT 1;

-- name: log_events
INSERT INTO event_log (instance_id, last_no, first_no, at_ms, lines)
VALUES (:*);

-- name: logged_events
SELECT first_no, last_no, lines FROM event_log
WHERE instance_id = :instance_id AND last_no > :after
ORDER BY last_no
LIMIT :limit;
