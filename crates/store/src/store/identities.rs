//! The facade of identities: accounts, directories and keys.

use std::sync::{Arc, Mutex};

use iam::AccountId;
use jiff::Timestamp;

use crate::backend::metadata::identities::IdentityRecords as _;
use crate::identity::role_use;
use crate::lock::lock;
use crate::vault::random;
use crate::{
    AccessKey, Account, AccountPage, CreateAccount, DeleteAccount, Directory, DirectoryEdit,
    GivenKey, IdentityError, KeyOwner, KeyUse, NewAccount, RenewRootKey, Signer, Store, StoreError,
};

/// How many random ids of accounts are tried: there are 10^12.
const ACCOUNT_IDS_TRIED: u32 = 8;

impl Store {
    /// The access key of that id.
    pub async fn access_key(&self, id: &str) -> Result<Option<Arc<AccessKey>>, StoreError> {
        self.0.metadata.access_key(id).await
    }

    /// Puts an access key in the place of one with its id.
    pub async fn put_access_key(&self, key: AccessKey, now: Timestamp) -> Result<(), StoreError> {
        self.0.stager.note(now);
        self.0.metadata.put_access_key(key).await
    }

    /// All access keys of an account, by id.
    pub async fn access_keys(
        &self,
        account: &AccountId,
    ) -> Result<Vec<Arc<AccessKey>>, StoreError> {
        self.0.metadata.access_keys(account).await
    }

    /// Notes that a key was used, without waiting: the last few seconds may be lost.
    pub fn note_key_use(&self, id: &str, service: &str, region: &str, at: Timestamp) {
        self.0.key_uses.note(id, service, region, at);
    }

    /// Notes that a role was assumed, likewise.
    pub fn note_role_use(&self, role_id: &str, region: &str, at: Timestamp) {
        self.note_key_use(&role_use(role_id), "sts", region, at);
    }

    /// When a role was last assumed, to the minute or so.
    pub async fn role_last_used(&self, role_id: &str) -> Result<Option<KeyUse>, StoreError> {
        self.key_last_used(&role_use(role_id)).await
    }

    /// When a key was last used, to the minute or so.
    pub async fn key_last_used(&self, id: &str) -> Result<Option<KeyUse>, StoreError> {
        match self.0.key_uses.latest(id) {
            Some(used) => Ok(Some(used)),
            None => self.0.metadata.key_last_used(id).await,
        }
    }

    /// The user or role of an id, as it may sign a request at this moment.
    pub async fn signer(
        &self,
        account: &AccountId,
        id: &str,
    ) -> Result<Option<Arc<Signer>>, StoreError> {
        self.0.metadata.signer(account, id).await
    }

    /// All identities of an account at this moment; empty where nobody made any.
    pub async fn directory(&self, account: &AccountId) -> Result<Arc<Directory>, StoreError> {
        self.0.metadata.directory(account).await
    }

    /// Changes identities: all of the change, or nothing where it refuses. The next read sees it. An engine may have
    /// to run the change more than once, each time a clone of it; the answer is the last one's.
    pub async fn change_identities<T: Send + 'static>(
        &self,
        account: &AccountId,
        now: Timestamp,
        change: impl FnOnce(&mut DirectoryEdit) -> Result<T, IdentityError>
        + Clone
        + Send
        + Sync
        + 'static,
    ) -> Result<Result<T, IdentityError>, StoreError> {
        self.0.stager.note(now);
        let answer = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&answer);
        let change = Box::new(move |edit: &mut DirectoryEdit| {
            let value = change.clone()(edit);
            *lock(&slot) = None;
            *lock(&slot) = Some(value?);
            Ok(())
        });
        let done = self.0.metadata.change_identities(account, change, now).await?;
        match (done, lock(&answer).take()) {
            (Ok(()), Some(value)) => Ok(Ok(value)),
            (Err(refused), _) => Ok(Err(refused)),
            (Ok(()), None) => Err(StoreError::Closed),
        }
    }

    /// An account beside the first one.
    pub async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        self.0.metadata.account(id).await
    }

    /// Some accounts beside the first one. A page holds 1000 at most.
    pub async fn accounts(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<AccountPage, StoreError> {
        self.0.metadata.accounts(after, limit).await
    }

    /// Makes an account, with the key of its root.
    pub async fn create_account(
        &self,
        new: NewAccount,
        now: Timestamp,
    ) -> Result<CreateAccount, StoreError> {
        self.0.stager.note(now);
        let NewAccount { id, name, email, root } = new;
        let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let mut tries = if id.is_some() { 1 } else { ACCOUNT_IDS_TRIED };
        loop {
            let id = id.clone().map_or_else(random_account, Ok)?;
            let key = AccessKey::generate(id.clone(), KeyOwner::Root, now)?;
            let root = match root.clone() {
                None => key,
                Some(GivenKey { id, secret }) => AccessKey { id, secret, ..key },
            };
            let (name, email) = (name.clone(), email.clone());
            let account = Account { id, name, email, created_at: now };
            let created = self.0.metadata.create_account(account, root).await?;
            tries -= 1;
            if tries == 0 || !matches!(created, CreateAccount::AlreadyExists) {
                return Ok(created);
            }
        }
    }

    /// Removes an account that owns nothing and has nobody.
    pub async fn delete_account(
        &self,
        id: &AccountId,
        now: Timestamp,
    ) -> Result<DeleteAccount, StoreError> {
        self.0.stager.note(now);
        self.0.metadata.delete_account(id).await
    }

    /// Gives the root of an account another key, and takes away the one that it had: what that signed, and the sessions
    /// that it opened, end with it.
    pub async fn renew_root_key(
        &self,
        id: &AccountId,
        now: Timestamp,
    ) -> Result<RenewRootKey, StoreError> {
        self.0.stager.note(now);
        let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let key = AccessKey::generate(id.clone(), KeyOwner::Root, now)?;
        self.0.metadata.renew_root_key(key).await
    }

    /// Writes when keys were used. On a full disk that is forgotten, because the sweeping that makes
    /// room must go on.
    pub(crate) async fn write_key_uses(&self) -> Result<(), StoreError> {
        let uses = self.0.key_uses.take_unwritten();
        if uses.is_empty() {
            return Ok(());
        }
        match self.0.metadata.note_key_uses(uses).await {
            Err(StoreError::Full) => Ok(()),
            written => written,
        }
    }
}

/// An account id of 12 random digits.
fn random_account() -> Result<AccountId, StoreError> {
    let number = u64::from_be_bytes(random()?) % 1_000_000_000_000;
    AccountId::parse(&format!("{number:012}")).map_err(|_| StoreError::NoRandomness)
}
