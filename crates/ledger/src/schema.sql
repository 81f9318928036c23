-- Format 1 of the ledger. What it holds: docs/design.md, "The ledger".
CREATE TABLE names (
    number INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    text TEXT NOT NULL
);
CREATE UNIQUE INDEX names_by_text ON names (kind, text);

CREATE TABLE signers (
    number INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    arn TEXT NOT NULL,
    user_id TEXT NOT NULL
);
CREATE UNIQUE INDEX signers_by_user ON signers (user_id, arn, account);
CREATE INDEX signers_by_arn ON signers (arn);

CREATE TABLE objects (
    number INTEGER PRIMARY KEY,
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    used_at INTEGER
);
CREATE UNIQUE INDEX objects_by_key ON objects (bucket, key);
CREATE INDEX objects_by_use ON objects (used_at) WHERE used_at IS NOT NULL;

CREATE TABLE links (
    number INTEGER PRIMARY KEY,
    name INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    object INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    signer INTEGER NOT NULL,
    key INTEGER NOT NULL,
    label INTEGER NOT NULL,
    account INTEGER NOT NULL,
    bucket_account INTEGER NOT NULL,
    operation TEXT NOT NULL,
    signed_at INTEGER,
    ends_at INTEGER,
    seen_at INTEGER NOT NULL
);
CREATE INDEX links_by_name ON links (name);
CREATE INDEX links_by_object ON links (object);
CREATE INDEX links_by_bucket ON links (bucket);
CREATE INDEX links_by_signer ON links (signer);
CREATE INDEX links_by_key ON links (key);
CREATE INDEX links_by_label ON links (label) WHERE label > 0;
CREATE INDEX links_by_account ON links (account);
CREATE INDEX links_by_bucket_account ON links (bucket_account) WHERE bucket_account <> account;

CREATE TABLE totals (
    link INTEGER PRIMARY KEY,
    served INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL
);

CREATE TABLE blocks (
    number INTEGER PRIMARY KEY,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    links BLOB NOT NULL,
    uses BLOB NOT NULL
);

CREATE TABLE segments (
    number INTEGER PRIMARY KEY,
    first_block INTEGER NOT NULL,
    end_block INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL
);

CREATE TABLE postings (
    place INTEGER PRIMARY KEY,
    chunk BLOB NOT NULL
);
