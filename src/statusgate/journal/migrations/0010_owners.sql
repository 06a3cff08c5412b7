-- works with: 0.3.0
-- The row of an instance that every transaction on its behalf locks first, and reads before
-- anything else. node, token: who owns the account, and the random number of that claim;
-- 0: nobody does, as without several nodes.
CREATE TABLE owners (
    instance_id BIGINT NOT NULL,
    node BIGINT NOT NULL DEFAULT 0,
    token BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (instance_id)
) STRICT;
INSERT INTO owners (instance_id) SELECT instance_id FROM instances;
