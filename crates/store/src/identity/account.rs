//! Accounts: who owns buckets and identities.

use std::sync::Arc;

use iam::AccountId;
use jiff::Timestamp;

use super::{AccessKey, GivenKey};

/// An account beside the first one, which needs no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The 12 digits that name the account.
    pub id: AccountId,
    /// The name that people know the account by.
    pub name: String,
    /// Where to write to whoever answers for the account.
    pub email: Option<String>,
    /// When the account was made.
    pub created_at: Timestamp,
}

/// An account to make.
#[derive(Debug)]
pub struct NewAccount {
    /// The 12 digits; `None`: any that are free.
    pub id: Option<AccountId>,
    /// The name that people know the account by.
    pub name: String,
    /// Where to write to whoever answers for the account.
    pub email: Option<String>,
    /// The access key of the root; `None`: a new one is made.
    pub root: Option<GivenKey>,
}

/// What came of making an account.
#[derive(Debug)]
pub enum CreateAccount {
    /// The account was made, with the access key of its root.
    Created {
        /// The account as it is recorded.
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
    /// The account is gone, and the access keys of its root with it.
    Deleted,
    /// There is no such account.
    NotFound,
    /// The account still owns a bucket or has an identity.
    NotEmpty,
}

/// What came of giving the root of an account another key.
#[derive(Debug)]
pub enum RenewRootKey {
    /// The root has this key, and no other.
    Renewed {
        /// The account as it is recorded.
        account: Account,
        /// The key of its root, with its secret.
        root: Arc<AccessKey>,
    },
    /// There is no such account.
    NotFound,
    /// There is an access key of that id.
    KeyExists,
}

/// A page of a listing of accounts.
#[derive(Clone, Debug)]
pub struct AccountPage {
    /// In the order of their ids.
    pub accounts: Vec<Account>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<AccountId>,
}
