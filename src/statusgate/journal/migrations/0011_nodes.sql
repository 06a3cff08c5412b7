-- works with: 0.3.0
-- The nodes that live. instance_id is 0, the operator's. node: random, new each time it joins;
-- once a node is gone its number never comes back. beats: rises as long as it lives.
-- session: ends the application_name of its connections.
CREATE TABLE nodes (
    instance_id BIGINT NOT NULL,
    node BIGINT NOT NULL,
    name TEXT NOT NULL,
    session TEXT NOT NULL,
    version TEXT NOT NULL,
    beats BIGINT NOT NULL,
    PRIMARY KEY (instance_id, node)
) STRICT;
