-- works with: 0.3.0
-- An account at a glance: its newest post, its failures of a day.
CREATE INDEX statuses_sent ON statuses (instance_id, sent_ms) WHERE sent_ms IS NOT NULL;
CREATE INDEX statuses_failed ON statuses (instance_id, failed_ms) WHERE failed_ms IS NOT NULL;

-- Clearing a queue ends many notifications at the same time; pages order them by receipt id.
DROP INDEX notifications_by_end;
CREATE INDEX notifications_by_end
    ON notifications (instance_id, ended_ms, receipt_id) WHERE ended_ms IS NOT NULL;

-- With ended_ms in it, SQLite counts what waits in the index alone.
DROP INDEX notifications_waiting;
CREATE INDEX notifications_waiting
    ON notifications (instance_id, receipt_id, created_ms, ended_ms) WHERE ended_ms IS NULL;
