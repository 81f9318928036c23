//! Access keys: who signs requests.

use jiff::Timestamp;
use presign::SecretAccessKey;

use crate::AccountId;

/// An access key with its secret. The secret is sealed wherever it is stored.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// The id that requests name (`AKIA…`).
    pub id: String,
    /// The secret that signs; never printed.
    pub secret: SecretAccessKey,
    /// The account it acts in.
    pub account: AccountId,
    /// Whose key it is.
    pub owner: KeyOwner,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Whose an access key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// The root of the account.
    Root,
}
