-- Format 1. The tables are explained in docs/design.md; a change here is a new format.

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE buckets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    region TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    versioning INTEGER NOT NULL
) STRICT;
CREATE INDEX buckets_by_owner ON buckets (owner, name);

-- The listing columns come before the record, so that a listing never reads a record's overflow pages.
CREATE TABLE objects (
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    ord INTEGER NOT NULL,
    version BLOB NOT NULL,
    kind INTEGER NOT NULL,
    size INTEGER NOT NULL,
    etag BLOB NOT NULL,
    modified_ms INTEGER NOT NULL,
    storage_class TEXT,
    checksum INTEGER,
    body INTEGER,
    record BLOB NOT NULL,
    PRIMARY KEY (bucket, key, ord)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX null_versions ON objects (bucket, key) WHERE version = x'' AND ord <> 0;

CREATE TABLE bodies (
    id INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE uploads (
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    upload BLOB NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (bucket, key, upload)
) STRICT, WITHOUT ROWID;

CREATE TABLE parts (
    upload BLOB NOT NULL,
    number INTEGER NOT NULL,
    size INTEGER NOT NULL,
    md5 BLOB NOT NULL,
    modified_ms INTEGER NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE completed (
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    upload BLOB NOT NULL,
    completed_ms INTEGER NOT NULL,
    version BLOB NOT NULL,
    etag BLOB NOT NULL,
    PRIMARY KEY (bucket, key, upload)
) STRICT, WITHOUT ROWID;
CREATE INDEX completed_by_age ON completed (completed_ms);

CREATE TABLE access_keys (
    id TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    owner INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    secret BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX access_keys_by_account ON access_keys (account, id);

CREATE TABLE intents (
    blob BLOB NOT NULL PRIMARY KEY,
    since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE garbage (
    blob BLOB NOT NULL PRIMARY KEY,
    since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX garbage_by_age ON garbage (since_ms);

CREATE TABLE changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL,
    subject TEXT NOT NULL,
    UNIQUE (kind, subject)
) STRICT;
