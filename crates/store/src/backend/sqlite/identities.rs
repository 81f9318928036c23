//! Accounts, identities and keys in the database.

pub(super) mod access_keys;
pub(super) mod accounts;
pub(super) mod directory;
pub(super) mod signer;

use std::sync::Arc;

use iam::AccountId;
use jiff::Timestamp;
use rusqlite::Connection;

use super::SqliteMetadata;
use super::rows;
use super::transaction::Transaction;
use super::writer::DiskRoom;
use crate::backend::metadata::identities::IdentityRecords;
use crate::identity::IdentityChange;
use crate::{
    AccessKey, Account, AccountPage, CreateAccount, DeleteAccount, Directory, IdentityError,
    KeyUse, RenewRootKey, Signer, StoreError,
};
use signer::SignerLookup;

impl IdentityRecords for SqliteMetadata {
    async fn signer(
        &self,
        account: &AccountId,
        id: &str,
    ) -> Result<Option<Arc<Signer>>, StoreError> {
        if let Some(signer) = signer::remembered(&self.caches, account, id) {
            return Ok(Some(signer));
        }
        let few = signer::POINT_ROWS_MAX;
        let read =
            |connection: &Connection| signer::read(connection, &self.caches, account, id, few);
        if let SignerLookup::Read(signer) = self.readers.point(read).await? {
            return Ok(signer);
        }
        let (caches, account, id) = (Arc::clone(&self.caches), account.clone(), id.to_owned());
        let read = move |connection: &Connection| {
            signer::read(connection, &caches, &account, &id, usize::MAX)
        };
        match self.readers.list(read).await? {
            SignerLookup::Read(signer) => Ok(signer),
            SignerLookup::TooLong => Err(rows::corrupt("identities")),
        }
    }

    async fn directory(&self, account: &AccountId) -> Result<Arc<Directory>, StoreError> {
        if let Ok(directory) = self.caches.directories.get(account) {
            return Ok(directory);
        }
        let _alone = self.loading.lock().await;
        let ticket = match self.caches.directories.get(account) {
            Ok(directory) => return Ok(directory),
            Err(ticket) => ticket,
        };
        let of = account.clone();
        let load = move |connection: &Connection| directory::load(connection, &of).map(Arc::new);
        let directory = self.readers.list(load).await?;
        self.caches.directories.fill(ticket, account.clone(), Arc::clone(&directory));
        Ok(directory)
    }

    async fn change_identities(
        &self,
        account: &AccountId,
        change: IdentityChange,
        now: Timestamp,
    ) -> Result<Result<(), IdentityError>, StoreError> {
        let (vault, account) = (Arc::clone(&self.vault), account.clone());
        let change =
            move |tx: &mut Transaction<'_>| directory::change(tx, &vault, &account, &change, now);
        self.writer.run(DiskRoom::Needed, change).await
    }

    async fn access_key(&self, id: &str) -> Result<Option<Arc<AccessKey>>, StoreError> {
        let ticket = match self.caches.access_keys.get(id) {
            Ok(key) => return Ok(Some(key)),
            Err(ticket) => ticket,
        };
        let read = self.readers.point(|connection| access_keys::read(connection, &self.vault, id));
        let key = read.await?.map(Arc::new);
        if let Some(key) = &key {
            self.caches.access_keys.fill(ticket, id.to_owned(), Arc::clone(key));
        }
        Ok(key)
    }

    async fn put_access_key(&self, key: AccessKey) -> Result<(), StoreError> {
        let sealed = self.vault.seal_secret(&key)?;
        self.writer.run(DiskRoom::Needed, move |tx| access_keys::put(tx, key, &sealed)).await
    }

    async fn access_keys(&self, account: &AccountId) -> Result<Vec<Arc<AccessKey>>, StoreError> {
        let (vault, account) = (Arc::clone(&self.vault), account.clone());
        self.readers.list(move |connection| access_keys::list(connection, &vault, &account)).await
    }

    async fn note_key_uses(&self, uses: Vec<(String, KeyUse)>) -> Result<(), StoreError> {
        self.writer.run(DiskRoom::Needed, move |tx| access_keys::note_uses(tx, &uses)).await
    }

    async fn key_last_used(&self, id: &str) -> Result<Option<KeyUse>, StoreError> {
        self.readers.point(|connection| access_keys::last_use(connection, id)).await
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        self.readers.point(|connection| accounts::read(connection, id)).await
    }

    async fn accounts(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<AccountPage, StoreError> {
        let list = move |connection: &Connection| accounts::list(connection, after.as_ref(), limit);
        self.readers.list(list).await
    }

    async fn create_account(
        &self,
        account: Account,
        root: AccessKey,
    ) -> Result<CreateAccount, StoreError> {
        let vault = Arc::clone(&self.vault);
        self.writer
            .run(DiskRoom::Needed, move |tx| accounts::create(tx, &vault, account, root))
            .await
    }

    async fn delete_account(&self, id: &AccountId) -> Result<DeleteAccount, StoreError> {
        let id = id.clone();
        self.writer.run(DiskRoom::Reserve, move |tx| accounts::delete(tx, &id)).await
    }

    async fn renew_root_key(&self, root: AccessKey) -> Result<RenewRootKey, StoreError> {
        let vault = Arc::clone(&self.vault);
        // A stolen key must end on a full disk too.
        self.writer
            .run(DiskRoom::Reserve, move |tx| accounts::renew_root_key(tx, &vault, root))
            .await
    }
}
