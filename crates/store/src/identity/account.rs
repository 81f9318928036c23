//! Accounts: who owns buckets and identities.

use std::sync::Arc;

use iam::AccountId;
use jiff::Timestamp;

use super::{AccessKey, GivenKey};

/// An account beside the first one, which needs no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its 12 digits.
    pub id: AccountId,
    /// What people call it.
    pub name: String,
    /// Whom to write to about it.
    pub email: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An account to make.
#[derive(Debug)]
pub struct NewAccount {
    /// `None`: any that is free.
    pub id: Option<AccountId>,
    /// What people call it.
    pub name: String,
    /// Whom to write to about it.
    pub email: Option<String>,
    /// The key of its root; `None`: a new one.
    pub root: Option<GivenKey>,
}

/// What came of making an account.
#[derive(Debug)]
pub enum CreateAccount {
    /// It was made, with the key of its root.
    Created {
        /// The account.
        account: Account,
        /// The key of its root, with its secret.
        root: Arc<AccessKey>,
    },
    /// There is one of that id.
    AlreadyExists,
    /// There is an access key of the id that was given.
    KeyExists,
}

/// What came of removing an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteAccount {
    /// It is gone, and the keys of its root with it.
    Deleted,
    /// There is none.
    NotFound,
    /// It still owns a bucket or has an identity.
    NotEmpty,
}

/// What came of giving the root of an account another key.
#[derive(Debug)]
pub enum RenewRootKey {
    /// It has this one, and no other.
    Renewed {
        /// The account.
        account: Account,
        /// The key of its root, with its secret.
        root: Arc<AccessKey>,
    },
    /// There is no such account.
    NotFound,
    /// There is an access key of that id.
    KeyExists,
}

/// Some accounts, by id.
#[derive(Clone, Debug)]
pub struct AccountPage {
    /// In the order of their ids.
    pub accounts: Vec<Account>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<AccountId>,
}
