-- From format 5 to format 6: revocations, and how often links were used.

-- Kinds: 0 a link, 1 an access key, 2 an object, 3 a prefix. A row of a prefix is read at the start; others are found by
-- their subject.
CREATE TABLE revocations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    signer TEXT,
    subject BLOB NOT NULL,
    kind INTEGER NOT NULL,
    signed_until INTEGER NOT NULL,
    lives_until INTEGER NOT NULL,
    record BLOB NOT NULL,
    seal BLOB NOT NULL
) STRICT;
CREATE INDEX revocations_by_subject ON revocations (subject);
CREATE INDEX revocations_by_account ON revocations (account, number);
CREATE INDEX revocations_by_signer ON revocations (account, signer, number);
CREATE INDEX revocations_by_end ON revocations (lives_until);
CREATE INDEX revocations_of_prefixes ON revocations (number) WHERE kind = 3;

-- How many revocations of each kind there are: of an account for everybody's links (no signer), of one identity for its own
-- (its id), and of all identities of the account together ('*').
CREATE TABLE revocation_counts (
    account TEXT NOT NULL,
    signer TEXT NOT NULL,
    links INTEGER NOT NULL,
    access_keys INTEGER NOT NULL,
    objects INTEGER NOT NULL,
    prefixes INTEGER NOT NULL,
    PRIMARY KEY (account, signer)
) STRICT, WITHOUT ROWID;

CREATE TABLE link_uses (
    link BLOB PRIMARY KEY,
    taken INTEGER NOT NULL,
    bytes_given_back INTEGER NOT NULL,
    ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX link_uses_by_end ON link_uses (ends_at);
