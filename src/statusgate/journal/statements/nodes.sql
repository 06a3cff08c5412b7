-- name: nodes
SELECT node, name, session, version, beats FROM nodes
WHERE instance_id = :instance_id
ORDER BY node;

-- name: join_nodes
INSERT INTO nodes (instance_id, node, name, session, version, beats)
VALUES (:instance_id, :node, :name, :session, :version, 0);

-- name: beat
-- No row: others have expired this node.
UPDATE nodes SET beats = beats + 1 WHERE instance_id = :instance_id AND node = :node
RETURNING beats;

-- name: expire_node
-- Only if it has not beaten since it was seen. Whoever comes second waits for the other.
DELETE FROM nodes WHERE instance_id = :instance_id AND node = :node AND beats = :beats
RETURNING session;

-- name: leave_nodes
DELETE FROM nodes WHERE instance_id = :instance_id AND node = :node;

-- name: owners
-- Across instances: who owns the accounts that are not deleted.
SELECT i.instance_id, i.engine, o.node, o.token
FROM instances i
CROSS JOIN owners o ON (
    o.instance_id = i.instance_id
)
WHERE i.deleted_ms IS NULL
ORDER BY i.instance_id;

-- name: claim
-- The row is locked already, by a statement before this one. A node that is not among the nodes
-- has gone, and its number never comes back.
UPDATE owners SET node = :node, token = :token
WHERE instance_id = :instance_id AND (node = :node OR NOT EXISTS (
    SELECT 1 FROM nodes n WHERE n.instance_id = :operator AND n.node = owners.node
))
RETURNING instance_id;

-- name: release
UPDATE owners SET node = 0, token = 0 WHERE instance_id = :instance_id AND token = :token;

-- name: end_sessions
-- Across instances: the connections of a node that is gone, with the locks that they hold.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name LIKE 'statusgate%' AND right(application_name, 16) = :session;
