-- works with: 0.1.0
-- Whether a status came from its author's LID: receipts for it name the author in the same form.
ALTER TABLE statuses ADD COLUMN by_lid SMALLINT NOT NULL DEFAULT 0;
