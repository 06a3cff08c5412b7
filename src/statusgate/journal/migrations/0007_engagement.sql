-- works with: 0.3.0
-- What people did with statuses of ours beyond viewing them, and how many did.

-- The latest reaction of the row's person; '' is one that was taken back.
ALTER TABLE receipts ADD COLUMN reacted_ms BIGINT;
ALTER TABLE receipts ADD COLUMN reaction TEXT;
CREATE INDEX receipts_with_reaction ON receipts (instance_id, status_no, reacted_ms)
    WHERE reaction <> '';
ALTER TABLE early_receipts ADD COLUMN reacted_ms BIGINT;
ALTER TABLE early_receipts ADD COLUMN reaction TEXT;

-- status_no NULL: the reply came before its status, and waits for it since held_ms.
CREATE TABLE replies (
    instance_id BIGINT NOT NULL,
    wire_id TEXT COLLATE "C" NOT NULL,
    person_no INTEGER NOT NULL,
    reply_id TEXT COLLATE "C" NOT NULL,
    status_no INTEGER,
    held_ms BIGINT,
    at_ms BIGINT NOT NULL,
    kind SMALLINT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (instance_id, wire_id, person_no, reply_id)
) STRICT;
CREATE INDEX replies_of_status ON replies (instance_id, status_no, at_ms)
    WHERE status_no IS NOT NULL;
CREATE INDEX replies_by_person ON replies (instance_id, person_no);
CREATE INDEX replies_by_age ON replies (instance_id, held_ms) WHERE held_ms IS NOT NULL;

-- Counts of a status's rows, kept with every change of them.
ALTER TABLE statuses ADD COLUMN recipients INTEGER NOT NULL DEFAULT 0;
ALTER TABLE statuses ADD COLUMN delivered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE statuses ADD COLUMN read INTEGER NOT NULL DEFAULT 0;
ALTER TABLE statuses ADD COLUMN reactions INTEGER NOT NULL DEFAULT 0;
ALTER TABLE statuses ADD COLUMN replies INTEGER NOT NULL DEFAULT 0;
UPDATE statuses SET
    recipients = (
        SELECT count(*) FROM receipts r
        WHERE r.instance_id = statuses.instance_id AND r.status_no = statuses.status_no
    ),
    delivered = (
        SELECT count(coalesce(r.delivered_ms, r.read_ms)) FROM receipts r
        WHERE r.instance_id = statuses.instance_id AND r.status_no = statuses.status_no
    ),
    read = (
        SELECT count(r.read_ms) FROM receipts r
        WHERE r.instance_id = statuses.instance_id AND r.status_no = statuses.status_no
    )
WHERE outgoing = 1;
