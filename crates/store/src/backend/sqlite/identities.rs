//! Accounts, identities and keys in the database.

pub(super) mod access_keys;
pub(super) mod accounts;
pub(super) mod directory;
pub(super) mod signer;
