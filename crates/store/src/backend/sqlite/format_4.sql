-- From format 3 to format 4: what is decided by carries a seal of the master key's (`seal.rs`, which makes those of
-- the rows that are there), and sealed keys have other sub-keys, so that a store cannot pass for an older one.

ALTER TABLE buckets ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE objects ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE uploads ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE parts ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE accounts ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
ALTER TABLE identities ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
