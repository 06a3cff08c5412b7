-- works with: 0.1.0
-- Every table leads with instance_id, so that tenants cannot mix and a distributed PostgreSQL
-- can shard on it. What one of the two databases has no word for, sql.py translates.
-- Times are milliseconds UTC. Yes and no are 1 and 0.

CREATE TABLE instances (
    instance_id BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    engine TEXT NOT NULL,
    engine_options TEXT NOT NULL,
    token_digest BYTEA NOT NULL,
    status_methods SMALLINT NOT NULL,
    settings TEXT NOT NULL,
    state TEXT NOT NULL,
    phone TEXT NOT NULL,
    lid TEXT NOT NULL,
    device INTEGER NOT NULL,
    push_name TEXT NOT NULL,
    suspended_until_ms BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    deleted_ms BIGINT,
    version BIGINT NOT NULL
) STRICT;
CREATE INDEX instances_by_version ON instances (version, instance_id);

-- Numbers that only rise: cursor, status_no, person_no; instance_id 0: version, instance_no.
CREATE TABLE counters (
    instance_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (instance_id, name)
) WITHOUT ROWID, STRICT;

CREATE TABLE state_history (
    instance_id BIGINT NOT NULL,
    change_no INTEGER NOT NULL,
    state TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    phone TEXT NOT NULL,
    PRIMARY KEY (instance_id, change_no)
) WITHOUT ROWID, STRICT;

-- known_no: the order in which people became contacts; NULL: met, but never told as a contact.
-- book_name: the name in the instance's own book; NULL: none, the synced contact_name counts.
CREATE TABLE people (
    instance_id BIGINT NOT NULL,
    person_no INTEGER NOT NULL,
    phone TEXT COLLATE "C",
    lid TEXT COLLATE "C",
    name TEXT NOT NULL,
    contact_name TEXT NOT NULL,
    book_name TEXT,
    known_no INTEGER,
    PRIMARY KEY (instance_id, person_no)
) WITHOUT ROWID, STRICT;
CREATE UNIQUE INDEX people_by_phone ON people (instance_id, phone);
CREATE UNIQUE INDEX people_by_lid ON people (instance_id, lid);
CREATE INDEX people_known ON people (instance_id, known_no) WHERE known_no IS NOT NULL;

-- author_no 0 is the account itself: the status is outgoing. sender_phone: its number then.
CREATE TABLE statuses (
    instance_id BIGINT NOT NULL,
    status_no INTEGER NOT NULL,
    author_no INTEGER NOT NULL,
    outgoing SMALLINT NOT NULL,
    by_api SMALLINT NOT NULL,
    kind SMALLINT NOT NULL,
    reached SMALLINT NOT NULL,
    posted_ms BIGINT NOT NULL,
    sent_ms BIGINT,
    failed_ms BIGINT,
    viewed_ms BIGINT,
    last_receipt_ms BIGINT,
    background BIGINT,
    font BIGINT,
    status_id TEXT COLLATE "C" NOT NULL,
    wire_id TEXT COLLATE "C",
    sender_phone TEXT NOT NULL,
    failure_reason TEXT,
    failure_text TEXT,
    file_key TEXT,
    mimetype TEXT NOT NULL,
    participants TEXT NOT NULL,
    text TEXT NOT NULL,
    thumbnail BYTEA NOT NULL,
    PRIMARY KEY (instance_id, status_no)
) STRICT;
CREATE UNIQUE INDEX statuses_by_id ON statuses (instance_id, status_id, author_no);
CREATE UNIQUE INDEX statuses_by_wire_id ON statuses (instance_id, wire_id, author_no);
CREATE INDEX statuses_window
    ON statuses (instance_id, outgoing, posted_ms DESC, status_id);
CREATE INDEX statuses_by_author ON statuses (instance_id, author_no) WHERE author_no <> 0;

-- One narrow row per (status, person): the earliest time of each kind of receipt. How far the
-- row came follows from these and its status, so an acknowledgement touches no row.
CREATE TABLE receipts (
    instance_id BIGINT NOT NULL,
    status_no INTEGER NOT NULL,
    person_no INTEGER NOT NULL,
    delivered_ms BIGINT,
    read_ms BIGINT,
    refused SMALLINT,
    PRIMARY KEY (instance_id, status_no, person_no)
) WITHOUT ROWID, STRICT;

-- Receipts that came before their status.
CREATE TABLE early_receipts (
    instance_id BIGINT NOT NULL,
    wire_id TEXT COLLATE "C" NOT NULL,
    person_no INTEGER NOT NULL,
    delivered_ms BIGINT,
    read_ms BIGINT,
    held_ms BIGINT NOT NULL,
    PRIMARY KEY (instance_id, wire_id, person_no)
) WITHOUT ROWID, STRICT;
CREATE INDEX early_receipts_by_age ON early_receipts (instance_id, held_ms);

-- Statuses that their authors deleted; a late copy must not come back.
CREATE TABLE deletions (
    instance_id BIGINT NOT NULL,
    author_no INTEGER NOT NULL,
    wire_id TEXT COLLATE "C" NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (instance_id, author_no, wire_id)
) WITHOUT ROWID, STRICT;
CREATE INDEX deletions_by_age ON deletions (instance_id, at_ms);

-- Statuses that came but could not be read.
CREATE TABLE gaps (
    instance_id BIGINT NOT NULL,
    author_no INTEGER NOT NULL,
    wire_id TEXT COLLATE "C" NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (instance_id, author_no, wire_id)
) WITHOUT ROWID, STRICT;
CREATE INDEX gaps_by_age ON gaps (instance_id, at_ms);

-- expires_ms NULL: alive as long as its status.
CREATE TABLE files (
    instance_id BIGINT NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    extension TEXT NOT NULL,
    mimetype TEXT NOT NULL,
    size BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    PRIMARY KEY (instance_id, key)
) STRICT;
CREATE INDEX files_by_end ON files (instance_id, expires_ms) WHERE expires_ms IS NOT NULL;

CREATE TABLE downloads (
    instance_id BIGINT NOT NULL,
    status_no INTEGER NOT NULL,
    due_ms BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    mimetype TEXT NOT NULL,
    size BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    handle BYTEA NOT NULL,
    PRIMARY KEY (instance_id, status_no)
) STRICT;
CREATE INDEX downloads_due ON downloads (due_ms, instance_id, status_no);
