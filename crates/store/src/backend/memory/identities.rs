//! Accounts, identities and keys in memory.

use std::sync::Arc;

use iam::AccountId;
use jiff::Timestamp;

use super::{MemoryMetadata, Records, page};
use crate::backend::metadata::identities::IdentityRecords;
use crate::identity::{
    DirectoryChanges, DirectoryParts, IdentityChange, KeyChange, ROLE_USE_PREFIX, role_use,
};
use crate::{
    AccessKey, Account, AccountPage, ChangeSubject, CreateAccount, DeleteAccount, Directory,
    DirectoryEdit, EntityKind, IdentityError, KeyOwner, KeySummary, KeyUse, RenewRootKey, Signer,
    StoreError,
};

impl IdentityRecords for MemoryMetadata {
    async fn signer(
        &self,
        account: &AccountId,
        id: &str,
    ) -> Result<Option<Arc<Signer>>, StoreError> {
        self.read(|records| records.signer(account, id))
    }

    async fn directory(&self, account: &AccountId) -> Result<Arc<Directory>, StoreError> {
        self.read(|records| records.directory(account))
    }

    async fn change_identities(
        &self,
        account: &AccountId,
        change: IdentityChange,
        now: Timestamp,
    ) -> Result<Result<(), IdentityError>, StoreError> {
        self.write(|records| records.change_identities(account, &change, now))
    }

    async fn access_key(&self, id: &str) -> Result<Option<Arc<AccessKey>>, StoreError> {
        self.read(|records| records.keys.get(id).cloned())
    }

    async fn put_access_key(&self, key: AccessKey) -> Result<(), StoreError> {
        self.write(|records| records.put_key(key))
    }

    async fn access_keys(&self, account: &AccountId) -> Result<Vec<Arc<AccessKey>>, StoreError> {
        self.read(|records| {
            records.keys.values().filter(|key| key.account == *account).cloned().collect()
        })
    }

    async fn note_key_uses(&self, uses: Vec<(String, KeyUse)>) -> Result<(), StoreError> {
        self.write(|records| records.note_uses(uses))
    }

    async fn key_last_used(&self, id: &str) -> Result<Option<KeyUse>, StoreError> {
        self.read(|records| records.uses.get(id).cloned())
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        self.read(|records| records.accounts.get(id).cloned())
    }

    async fn accounts(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<AccountPage, StoreError> {
        self.read(|records| {
            let later = records.accounts.values();
            let later =
                later.filter(|account| after.as_ref().is_none_or(|after| account.id > *after));
            let (accounts, more) = page(later.cloned(), limit.min(1000));
            let next = accounts.last().filter(|_| more).map(|account| account.id.clone());
            AccountPage { accounts, next }
        })
    }

    async fn create_account(
        &self,
        account: Account,
        root: AccessKey,
    ) -> Result<CreateAccount, StoreError> {
        self.write(|records| records.create_account(account, root))
    }

    async fn delete_account(&self, id: &AccountId) -> Result<DeleteAccount, StoreError> {
        self.write(|records| records.delete_account(id))
    }

    async fn renew_root_key(&self, root: AccessKey) -> Result<RenewRootKey, StoreError> {
        self.write(|records| records.renew_root_key(root))
    }
}

impl Records {
    fn directory(&self, account: &AccountId) -> Arc<Directory> {
        let none = || Arc::new(Directory::new(account.clone(), DirectoryParts::default()));
        self.directories.get(account).cloned().unwrap_or_else(none)
    }

    fn signer(&self, account: &AccountId, id: &str) -> Option<Arc<Signer>> {
        let subject = ChangeSubject::Identities(account.clone());
        let number = self.changes.iter().find(|change| change.subject == subject)?.number;
        self.directory(account).signer(id, number).map(Arc::new)
    }

    fn put_key(&mut self, key: AccessKey) {
        self.list_key(&key.account, &key.id, Some(key.summary()));
        self.changed(ChangeSubject::AccessKey(key.id.clone()));
        self.keys.insert(key.id.clone(), Arc::new(key));
    }

    fn remove_key(&mut self, id: &str) {
        if let Some(key) = self.keys.remove(id) {
            self.list_key(&key.account, id, None);
        }
        self.uses.remove(id);
        self.changed(ChangeSubject::AccessKey(id.to_owned()));
    }

    /// A key is listed among the identities of its account too.
    fn list_key(&mut self, account: &AccountId, id: &str, key: Option<KeySummary>) {
        let directory = self.directory(account).with_key(id, key);
        self.directories.insert(account.clone(), Arc::new(directory));
    }

    fn change_identities(
        &mut self,
        account: &AccountId,
        change: &IdentityChange,
        now: Timestamp,
    ) -> Result<(), IdentityError> {
        let before = self.directory(account);
        // As an engine does whose first transaction was in another's way.
        let _lost = change(&mut DirectoryEdit::new(&before, now));
        let mut edit = DirectoryEdit::new(&before, now);
        change(&mut edit)?;
        let DirectoryChanges { directory, records, keys } = edit.finish()?;
        if let Some(key) =
            keys.iter().filter_map(KeyChange::made).find(|key| self.keys.contains_key(&key.id))
        {
            let (kind, name) = (EntityKind::AccessKey, key.id.clone());
            return Err(IdentityError::Exists { kind, name });
        }
        for ((kind, name), entity) in records {
            if let (EntityKind::Role, None, Some(role)) = (kind, entity, before.role(&name)) {
                self.uses.remove(&role_use(&role.id));
            }
        }
        for change in keys {
            match change {
                KeyChange::Put(key) => self.put_key(key),
                KeyChange::SetStatus(id, status) => {
                    if let Some(key) = self.keys.get(&id) {
                        self.put_key(AccessKey { status, ..AccessKey::clone(key) });
                    }
                }
                KeyChange::Delete(id) => self.remove_key(&id),
            }
        }
        self.changed(ChangeSubject::Identities(account.clone()));
        self.directories.insert(account.clone(), Arc::new(directory));
        Ok(())
    }

    fn owns_anything(&self, account: &AccountId) -> bool {
        !self.directory(account).is_empty()
            || self.buckets.values().any(|bucket| bucket.owner == *account)
            || self.distributions.values().any(|resource| resource.account == *account)
    }

    fn create_account(&mut self, account: Account, root: AccessKey) -> CreateAccount {
        let has_key = self.directory(&account.id).keys().next().is_some();
        if self.accounts.contains_key(&account.id) || has_key || self.owns_anything(&account.id) {
            return CreateAccount::AlreadyExists;
        }
        if self.keys.contains_key(&root.id) {
            return CreateAccount::KeyExists;
        }
        self.put_key(root.clone());
        self.changed(ChangeSubject::Account(account.id.clone()));
        self.accounts.insert(account.id.clone(), account.clone());
        CreateAccount::Created { account, root: Arc::new(root) }
    }

    fn delete_account(&mut self, id: &AccountId) -> DeleteAccount {
        if !self.accounts.contains_key(id) {
            return DeleteAccount::NotFound;
        }
        if self.owns_anything(id) {
            return DeleteAccount::NotEmpty;
        }
        self.remove_root_keys(id);
        self.accounts.remove(id);
        self.changed(ChangeSubject::Account(id.clone()));
        DeleteAccount::Deleted
    }

    fn renew_root_key(&mut self, root: AccessKey) -> RenewRootKey {
        let Some(account) = self.accounts.get(&root.account).cloned() else {
            return RenewRootKey::NotFound;
        };
        if self.keys.contains_key(&root.id) {
            return RenewRootKey::KeyExists;
        }
        self.remove_root_keys(&root.account);
        self.put_key(root.clone());
        RenewRootKey::Renewed { account, root: Arc::new(root) }
    }

    fn remove_root_keys(&mut self, account: &AccountId) {
        let directory = self.directory(account);
        for key in directory.keys().filter(|key| key.owner == KeyOwner::Root) {
            self.remove_key(&key.id);
        }
    }

    fn note_uses(&mut self, uses: Vec<(String, KeyUse)>) {
        let is_there = |id: &str| id.starts_with(ROLE_USE_PREFIX) || self.keys.contains_key(id);
        let known: Vec<_> = uses.into_iter().filter(|(id, _)| is_there(id)).collect();
        self.uses.extend(known);
    }
}
