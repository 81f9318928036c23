-- From format 1 to format 2: identities, settings of buckets, uses of keys.

CREATE TABLE accounts (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE identities (
    account TEXT NOT NULL,
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (account, kind, name)
) STRICT, WITHOUT ROWID;

ALTER TABLE access_keys ADD COLUMN user TEXT;
ALTER TABLE access_keys ADD COLUMN active INTEGER NOT NULL DEFAULT 1;

CREATE TABLE key_uses (
    key TEXT NOT NULL PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    service TEXT NOT NULL,
    region TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE bucket_settings (
    bucket INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (bucket, kind)
) STRICT, WITHOUT ROWID;
