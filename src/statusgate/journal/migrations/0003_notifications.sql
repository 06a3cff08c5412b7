-- works with: 0.1.0
-- The notification queue, what became of each attempt to push, and the log behind the live
-- stream.

-- ended_ms NULL: it waits. An ended one is kept for the retention, so that it can be replayed.
-- body: the JSON that was fixed when the fact was recorded; every attempt sends these bytes.
CREATE TABLE notifications (
    instance_id BIGINT NOT NULL,
    receipt_id INTEGER NOT NULL,
    created_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    outcome TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    webhook_id TEXT COLLATE "C" NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (instance_id, receipt_id)
) STRICT;
CREATE INDEX notifications_waiting
    ON notifications (instance_id, receipt_id, created_ms) WHERE ended_ms IS NULL;
CREATE INDEX notifications_by_end
    ON notifications (instance_id, ended_ms) WHERE ended_ms IS NOT NULL;

-- code NULL: there was no status line.
CREATE TABLE deliveries (
    instance_id BIGINT NOT NULL,
    receipt_id INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at_ms BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    code INTEGER,
    reason TEXT NOT NULL,
    PRIMARY KEY (instance_id, receipt_id, attempt)
) WITHOUT ROWID, STRICT;
CREATE INDEX deliveries_by_age ON deliveries (instance_id, at_ms);

-- A streak of failures: until when its instance pauses, which URL earned that, since when it
-- lasts, and what the operator was told of it.
CREATE TABLE push_streaks (
    instance_id BIGINT NOT NULL PRIMARY KEY,
    until_ms BIGINT NOT NULL,
    since_ms BIGINT NOT NULL,
    url TEXT NOT NULL,
    told TEXT NOT NULL
) STRICT;

-- One row a transaction: events first_no to last_no, a line each, compressed when long.
CREATE TABLE event_log (
    instance_id BIGINT NOT NULL,
    last_no BIGINT NOT NULL,
    first_no BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    lines BYTEA NOT NULL,
    PRIMARY KEY (instance_id, last_no)
) STRICT;
CREATE INDEX event_log_by_age ON event_log (instance_id, at_ms, last_no);
