-- From format 6 to format 7: managed links, and keys that roles sign with.

-- `within` is the key of the object, or the prefix; `uses` how often the link may be used. What is closed needs nothing more
-- to be done.
CREATE TABLE managed_links (
    fingerprint BLOB PRIMARY KEY,
    account TEXT NOT NULL,
    bucket TEXT NOT NULL,
    within BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL,
    uses INTEGER,
    closed INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    record BLOB NOT NULL,
    seal BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX managed_links_by_account ON managed_links (account, created_ms, fingerprint);
CREATE INDEX managed_links_by_place ON managed_links (account, bucket, within);
CREATE INDEX managed_links_of_bucket ON managed_links (bucket, ends_ms) WHERE closed = 0;
CREATE INDEX managed_links_of_account ON managed_links (account, ends_ms) WHERE closed = 0;
CREATE INDEX managed_links_to_close ON managed_links (ends_ms) WHERE closed = 0;
CREATE INDEX managed_links_with_uses ON managed_links (fingerprint) WHERE closed = 0 AND uses IS NOT NULL;
CREATE INDEX managed_links_closed ON managed_links (ends_ms) WHERE closed = 1;

-- When the passphrases of links were last tried: times in milliseconds, eight bytes each, big-endian.
CREATE TABLE passphrase_tries (
    link BLOB PRIMARY KEY,
    tried BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- How many each account has.
CREATE TABLE managed_link_counts (
    account TEXT PRIMARY KEY,
    links INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
