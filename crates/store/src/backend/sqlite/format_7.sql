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

-- Files that are sent to requests, and were. `bucket` and `key` are where a file is put. Under way is 0, done 1, done and told of
-- 2: a file is done by the step that makes an object of its upload, and goes by the one that aborts the upload.
CREATE TABLE request_files (
    link BLOB NOT NULL,
    id BLOB NOT NULL,
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    upload BLOB,
    done INTEGER NOT NULL,
    touched_ms INTEGER NOT NULL,
    PRIMARY KEY (link, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX request_files_idle ON request_files (touched_ms) WHERE done = 0;
CREATE INDEX request_files_of_upload ON request_files (upload) WHERE done = 0;
CREATE INDEX request_files_under_way ON request_files (link) WHERE done = 0;

-- How many files each request has, how many bytes these are, and how many of them are done.
CREATE TABLE request_totals (
    link BLOB PRIMARY KEY,
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    done INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

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

-- What is to be told of links. Waiting is state 0, delivered 1, given up 2; only what waits has a time of its next try. The
-- seal is over what never changes.
CREATE TABLE notices (
    id BLOB PRIMARY KEY,
    link BLOB NOT NULL,
    account TEXT NOT NULL,
    event TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    target TEXT NOT NULL,
    record BLOB NOT NULL,
    seal BLOB NOT NULL,
    state INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    next_ms INTEGER NOT NULL,
    forget_ms INTEGER NOT NULL,
    error TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX notices_waiting ON notices (account, next_ms) WHERE state = 0;
CREATE INDEX notices_waiting_for ON notices (account, target) WHERE state = 0;
CREATE INDEX notices_waiting_about ON notices (link) WHERE state = 0;
CREATE INDEX notices_of_link ON notices (link, at_ms);
CREATE INDEX notices_to_forget ON notices (forget_ms);

-- What was told of a link, and when last.
CREATE TABLE notices_told (
    link BLOB NOT NULL,
    event TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (link, event)
) STRICT, WITHOUT ROWID;
