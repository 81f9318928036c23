//! The records of identities: accounts, their users, groups, roles and policies, and access keys.

use std::future::Future;
use std::sync::Arc;

use iam::AccountId;
use jiff::Timestamp;

use crate::identity::IdentityChange;
use crate::{
    AccessKey, Account, AccountPage, CreateAccount, DeleteAccount, Directory, IdentityError,
    KeyUse, RenewRootKey, Signer, StoreError,
};

macro_rules! with_identity_records {
    ($callback:ident) => {
        $callback! {
            /// Accounts, the identities in each, and access keys.
            trait IdentityRecords {
                /// The user or role of an id, with all that decides what it may do at one moment: a Deny that one change moves
                /// from one policy to another is never missed between two reads. Authentication asks this for every request.
                fn signer(account: &AccountId, id: &str) -> Option<Arc<Signer>>;
                /// All identities of an account: none where nobody made any.
                fn directory(account: &AccountId) -> Arc<Directory>;
                /// Runs the change over the identities as they are then, and writes the records that differ. A
                /// change that is refused writes nothing. It may be run again, over what is there then, by an engine whose
                /// transaction was in another's way: only the last run counts.
                fn change_identities(
                    account: &AccountId, change: IdentityChange, now: Timestamp
                ) -> Result<(), IdentityError>;

                fn access_key(id: &str) -> Option<Arc<AccessKey>>;
                fn put_access_key(key: AccessKey) -> ();
                fn access_keys(account: &AccountId) -> Vec<Arc<AccessKey>>;
                /// Notes the latest use of each key. A key that is gone meanwhile is left out.
                fn note_key_uses(uses: Vec<(String, KeyUse)>) -> ();
                fn key_last_used(id: &str) -> Option<KeyUse>;

                fn account(id: &AccountId) -> Option<Account>;
                fn accounts(after: Option<AccountId>, limit: usize) -> AccountPage;
                fn create_account(account: Account, root: AccessKey) -> CreateAccount;
                fn delete_account(id: &AccountId) -> DeleteAccount;
                /// Puts the key in the place of all that the root of its account has.
                fn renew_root_key(root: AccessKey) -> RenewRootKey;
            }
        }
    };
}
pub(crate) use with_identity_records;

with_identity_records!(declare_records);
