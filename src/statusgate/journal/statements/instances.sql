-- part: instance
instance_id, name, engine, engine_options, token_digest, status_methods, settings, state, phone,
lid, device, push_name, suspended_until_ms, created_ms, deleted_ms, version

-- name: instances
-- Across instances, so that other processes notice what changed.
SELECT
-- use: instance
FROM instances
WHERE version > :since_version
ORDER BY instance_id;

-- name: instance
SELECT
-- use: instance
FROM instances WHERE instance_id = :instance_id;

-- name: account
SELECT phone, lid FROM instances WHERE instance_id = :instance_id;

-- name: add_instance
INSERT INTO instances (
-- use: instance
) VALUES (:*)
ON CONFLICT (instance_id) DO NOTHING
RETURNING instance_id;

-- name: save_instance
UPDATE instances SET (
-- use: instance
) = (:*)
WHERE instance_id = :instance_id
RETURNING instance_id;

-- name: add_owner
INSERT INTO owners (instance_id) VALUES (:instance_id)
ON CONFLICT (instance_id) DO NOTHING;

-- name: lock_instances
-- Writers of an instance lock its row. A statement of its own: what is read after it is as the
-- last holder of the lock left it. In the order of ids: two groups of several instances never
-- wait for each other. SQLite has one writer anyway.
SELECT o.instance_id, o.token FROM owners o
WHERE o.instance_id = ANY (ARRAY( -- only: postgres
WHERE o.instance_id IN ( -- only: sqlite
    SELECT CAST(item.value ->> 0 AS BIGINT) FROM json_each(:ids) AS item
)
) -- only: postgres
ORDER BY o.instance_id
FOR UPDATE; -- only: postgres

-- name: take_numbers
-- Numbers are never used twice. Instance 0 has the counters that belong to no instance.
INSERT INTO counters (instance_id, name, value) VALUES (:instance_id, :name, :count)
ON CONFLICT (instance_id, name) DO UPDATE SET value = counters.value + :count
RETURNING value;

-- name: counter
SELECT value FROM counters WHERE instance_id = :instance_id AND name = :name;

-- name: advance_cursor
-- It only rises: engines repeat events that were not acknowledged.
INSERT INTO counters (instance_id, name, value) VALUES (:instance_id, 'cursor', :seq)
ON CONFLICT (instance_id, name) DO UPDATE SET value = excluded.value
WHERE counters.value < excluded.value;

-- name: state_history
SELECT state, at_ms, phone FROM state_history
WHERE instance_id = :instance_id
ORDER BY change_no DESC
LIMIT :limit;

-- name: add_state_change
INSERT INTO state_history (instance_id, change_no, state, at_ms, phone)
SELECT :instance_id, coalesce(max(change_no), 0) + 1, :state, :at_ms, :phone
FROM state_history WHERE instance_id = :instance_id;

-- name: trim_state_history
-- A flapping connection must not fill the disk.
DELETE FROM state_history
WHERE instance_id = :instance_id AND change_no <= (
    SELECT max(change_no) FROM state_history WHERE instance_id = :instance_id
) - :keep;

-- name: server_key_digest
SELECT digest FROM server_key WHERE instance_id = :instance_id;

-- name: first_server_key_digest
-- Of two nodes that start together, one decides.
INSERT INTO server_key (instance_id, digest) VALUES (:instance_id, :digest)
ON CONFLICT (instance_id) DO UPDATE SET digest = server_key.digest
RETURNING digest;

-- name: keep_server_key_digest
INSERT INTO server_key (instance_id, digest) VALUES (:instance_id, :digest)
ON CONFLICT (instance_id) DO UPDATE SET digest = excluded.digest;

-- name: glances
-- Across instances: each of those asked for, by a key or a narrow index a column.
SELECT asked.instance_id, (
        SELECT h.at_ms FROM state_history h
        WHERE h.instance_id = asked.instance_id ORDER BY h.change_no DESC LIMIT 1
    ) AS state_since_ms, (
        SELECT max(s.sent_ms) FROM statuses s
        WHERE s.instance_id = asked.instance_id AND s.sent_ms IS NOT NULL
    ) AS posted_ms, (
        SELECT max(s.posted_ms) FROM statuses s
        WHERE s.instance_id = asked.instance_id AND s.outgoing = 0
    ) AS received_ms, (
        SELECT count(*) FROM statuses s
        WHERE s.instance_id = asked.instance_id AND s.failed_ms >= :failed_since_ms
            AND s.reached = 0
    ) AS failed, (
        SELECT count(*) FROM outbox o
        WHERE o.instance_id = asked.instance_id AND o.queue_no IS NOT NULL AND o.phase <> 3
    ) AS queued, (
        SELECT count(*) FROM outbox o
        WHERE o.instance_id = asked.instance_id AND o.queue_no IS NULL
    ) AS scheduled, (
        SELECT min(o.send_at_ms) FROM outbox o
        WHERE o.instance_id = asked.instance_id AND o.queue_no IS NULL
    ) AS next_send_ms, (
        SELECT count(*) FROM notifications n
        WHERE n.instance_id = asked.instance_id AND n.ended_ms IS NULL
    ) AS notifications, (
        SELECT n.created_ms
        FROM notifications n -- only: postgres
        FROM notifications n INDEXED BY notifications_waiting -- only: sqlite
        WHERE n.instance_id = asked.instance_id AND n.ended_ms IS NULL
        ORDER BY n.receipt_id LIMIT 1
    ) AS oldest_notification_ms, (
        SELECT d.code FROM deliveries d
        WHERE d.instance_id = asked.instance_id
        ORDER BY d.at_ms DESC, d.receipt_id DESC, d.attempt DESC LIMIT 1
    ) AS push_code, (
        SELECT d.outcome FROM deliveries d
        WHERE d.instance_id = asked.instance_id
        ORDER BY d.at_ms DESC, d.receipt_id DESC, d.attempt DESC LIMIT 1
    ) AS push_outcome,
    k.since_ms AS failing_since_ms, k.until_ms AS paused_until_ms, k.url AS failing_url
FROM (
    SELECT CAST(item.value ->> 0 AS BIGINT) AS instance_id
    FROM json_each(:ids) AS item
) AS asked
LEFT JOIN push_streaks k ON (
    k.instance_id = asked.instance_id
);
