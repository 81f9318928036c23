-- From format 7 to format 8: distributions, and what they are made of.

CREATE TABLE distribution_resources (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    record BLOB NOT NULL,
    seal BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX distribution_resources_of_account ON distribution_resources (account);
