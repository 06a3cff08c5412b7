-- works with: 0.3.0
-- Reactions and replies of ours wait in the same queue as statuses; they never have a status_no.
-- answered_id: the incoming status, whose author is the one participant. NULL: it is no answer.
ALTER TABLE outbox ADD COLUMN answered_id TEXT;
