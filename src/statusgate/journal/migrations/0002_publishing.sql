-- works with: 0.1.0
-- Statuses of ours until their outcome is recorded. queue_no NULL: one that waits for send_at_ms
-- and is in no journal yet; it takes the next number, and its status_no, when it is due.
-- due_ms: when to fetch its file (again). phase: domain/outbox.py.
CREATE TABLE outbox (
    instance_id BIGINT NOT NULL,
    status_id TEXT COLLATE "C" NOT NULL,
    queue_no BIGINT,
    status_no INTEGER,
    phase SMALLINT NOT NULL,
    accepted_ms BIGINT NOT NULL,
    send_at_ms BIGINT,
    expires_ms BIGINT,
    due_ms BIGINT NOT NULL,
    method TEXT NOT NULL,
    kind SMALLINT NOT NULL,
    background BIGINT,
    font BIGINT,
    text TEXT NOT NULL,
    participants TEXT NOT NULL,
    url TEXT NOT NULL,
    file_name TEXT NOT NULL,
    file_key TEXT COLLATE "C",
    seconds INTEGER NOT NULL DEFAULT 0,
    width INTEGER NOT NULL DEFAULT 0,
    height INTEGER NOT NULL DEFAULT 0,
    thumbnail BYTEA,
    waveform BYTEA,
    PRIMARY KEY (instance_id, status_id)
) STRICT;
CREATE UNIQUE INDEX outbox_in_order ON outbox (instance_id, queue_no);
CREATE INDEX outbox_by_status ON outbox (instance_id, status_no) WHERE status_no IS NOT NULL;
CREATE INDEX outbox_to_prepare ON outbox (due_ms, instance_id, status_id) WHERE phase = 1;
CREATE INDEX outbox_scheduled ON outbox (send_at_ms, instance_id, status_id)
    WHERE queue_no IS NULL;

-- What is remembered of a status that the API accepted, beyond the journals. skipped: JSON, for
-- each reason how many recipients were left out and who the first 100 were.
CREATE TABLE publications (
    instance_id BIGINT NOT NULL,
    status_no INTEGER NOT NULL,
    accepted_ms BIGINT NOT NULL,
    send_at_ms BIGINT,
    file_name TEXT NOT NULL,
    requested INTEGER,
    resolved INTEGER NOT NULL,
    skipped TEXT NOT NULL,
    PRIMARY KEY (instance_id, status_no)
) STRICT;
