-- From format 4 to format 5: a user or role is found by its id, which its sealed record says once more. A record that
-- cannot be read has none here, and is corrupt for whoever reads all of its account.

ALTER TABLE identities ADD COLUMN unique_id TEXT;
UPDATE identities SET unique_id = json_extract(CAST(record AS TEXT), '$.id')
    WHERE kind IN (1, 3) AND json_valid(CAST(record AS TEXT));
CREATE INDEX identities_by_unique_id ON identities (account, unique_id) WHERE unique_id IS NOT NULL;
