-- works with: 0.1.0
-- Statuses posted at the same time are listed in the order of their acceptance, newest first.
DROP INDEX statuses_window;
CREATE INDEX statuses_window
    ON statuses (instance_id, outgoing, posted_ms DESC, status_no DESC);
