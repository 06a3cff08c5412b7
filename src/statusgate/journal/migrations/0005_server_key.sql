-- works with: 0.1.0
-- What recognizes the server key that the digests of tokens were made with; instance_id is 0,
-- the operator's.
CREATE TABLE server_key (
    instance_id BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    PRIMARY KEY (instance_id)
) STRICT;
