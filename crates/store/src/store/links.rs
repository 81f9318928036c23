//! The facade of links: revocations, and how often links were used.

use std::sync::{Arc, PoisonError, Weak};

use iam::AccountId;
use jiff::Timestamp;
use presign::Fingerprint;

use crate::backend::metadata::revocations::RevocationRecords as _;
use crate::backend::metadata::uses::UseRecords as _;
use crate::store::{Inner, own_runtime};
use crate::{
    LinkTarget, LinkUses, ListRevocations, OpenUse, PresentedLink, RecordedRevocation, Revocation,
    RevocationPage, Revoke, Store, StoreError,
};

impl Store {
    /// Revokes links: from the answer on, whoever asks is told that they are dead.
    pub async fn revoke(&self, revocation: Revocation) -> Result<Revoke, StoreError> {
        let store = self.clone();
        // A task of its own: whoever asks may go away between the record and the index.
        let revoking = tokio::spawn(async move {
            // Nobody undoes one of this name meanwhile, who would take it out of the index again.
            let _revoking = store.0.revoking.read().await;
            let answer = store.0.metadata.revoke(revocation).await?;
            if let Revoke::Recorded(recorded) = &answer {
                store.0.revocations.add(&recorded.revocation);
            }
            Ok(answer)
        });
        revoking.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Whether nothing is revoked at all: nearly always, and known without a look at anything else.
    pub fn revokes_nothing(&self) -> bool {
        self.0.revocations.is_empty()
    }

    /// What revoked a link, if it is revoked when it is used for these targets, all at once; without one, for something that
    /// is in no bucket. Where nothing is revoked at all, nothing is read.
    pub async fn revocation_of(
        &self,
        link: &PresentedLink<'_>,
        used_for: &[LinkTarget<'_>],
        now: Timestamp,
    ) -> Result<Option<Revocation>, StoreError> {
        if self.revokes_nothing() {
            return Ok(None);
        }
        let (mut subjects, others) = self.0.revocations.of_signer(link, used_for, now);
        let mut owners = Vec::new();
        if others {
            for target in used_for {
                let owner = self.bucket(target.bucket).await?.map(|bucket| bucket.owner.clone());
                if let Some(owner) = owner.filter(|owner| owner != link.account) {
                    subjects.extend(self.0.revocations.of_owner(&owner, link, &[*target], now));
                    owners.push((*target, owner));
                }
            }
        }
        if subjects.is_empty() {
            return Ok(None);
        }
        let found = self.0.metadata.revocations_of(subjects).await?;
        Ok(found.into_iter().find(|revocation| {
            let used =
                |target: &LinkTarget<'_>| revocation.matches(link, Some((*target, None)), now);
            let owned = |(target, owner): &(LinkTarget<'_>, AccountId)| {
                revocation.matches(link, Some((*target, Some(owner))), now)
            };
            revocation.matches(link, None, now)
                || used_for.iter().any(used)
                || owners.iter().any(owned)
        }))
    }

    /// One page of the revocations of an account.
    pub async fn revocations(&self, query: ListRevocations) -> Result<RevocationPage, StoreError> {
        self.0.metadata.revocations(query).await
    }

    /// One of the revocations of an account.
    pub async fn revocation(
        &self,
        account: &AccountId,
        number: u64,
    ) -> Result<Option<RecordedRevocation>, StoreError> {
        self.0.metadata.revocation(account, number).await
    }

    /// Takes a revocation of an account back. `false`: there is none.
    pub async fn undo_revocation(
        &self,
        account: &AccountId,
        number: u64,
    ) -> Result<bool, StoreError> {
        let _undoing = self.0.revoking.write().await;
        let found = self.0.metadata.revocation(account, number).await?;
        let undone = self.0.metadata.undo_revocation(account, number).await?;
        if let (true, Some(RecordedRevocation { revocation, .. })) = (undone, found) {
            let others = self.0.metadata.revocations_of(vec![revocation.subject()]).await?;
            if others.is_empty() {
                let left = self.0.metadata.revoked_kinds(&revocation.scope).await?;
                self.0.revocations.remove(&revocation, left);
            }
        }
        Ok(undone)
    }

    /// Takes one of the uses that a link has left. `false`: it has none. When this answers, the use is taken whatever
    /// happens to the process.
    pub async fn open_use(&self, wanted: OpenUse) -> Result<bool, StoreError> {
        self.0.metadata.open_use(wanted).await
    }

    /// Gives a use back of which a client took only so many bytes. `false`: with them, more than `bytes_max` would have
    /// been given back by the link's uses together, so the use stays taken.
    pub async fn give_use_back(
        &self,
        link: &Fingerprint,
        bytes: u64,
        bytes_max: u64,
    ) -> Result<bool, StoreError> {
        self.0.metadata.give_use_back(link, bytes, bytes_max).await
    }

    /// How often a link was used.
    pub async fn link_uses(&self, link: &Fingerprint) -> Result<LinkUses, StoreError> {
        Ok(self.0.metadata.link_uses(link).await?.unwrap_or_default())
    }

    /// Forgets the revocations in memory that have ended.
    pub(crate) async fn forget_ended_revocations(&self, now: Timestamp) -> Result<(), StoreError> {
        let _forgetting = self.0.revoking.write().await;
        let left = self.0.metadata.revoked_scopes().await?;
        self.0.revocations.forget(now, left);
        Ok(())
    }

    /// Reads what is revoked into memory: whose, what is of prefixes, and so many others as are read at once. The rest is read
    /// in a thread of its own; until that is done, requests ask the database.
    pub(crate) async fn load_revocations(&self) -> Result<(), StoreError> {
        for (scope, kinds) in self.0.metadata.revoked_scopes().await? {
            self.0.revocations.add_kinds(&scope, kinds);
        }
        for revocation in self.0.metadata.revoked_prefixes().await? {
            self.0.revocations.add(&revocation);
        }
        let Some(last) = self.0.load_revoked_subjects(0).await? else { return Ok(()) };
        let inner = Arc::downgrade(&self.0);
        let load = move || {
            if let Err(error) = load_rest(&inner, last) {
                tracing::warn!(%error, "revocations could not be read into memory: requests ask the database");
            }
        };
        let thread = std::thread::Builder::new().name("store-revocations".to_owned()).spawn(load);
        let thread = thread.map_err(|source| StoreError::Io {
            operation: "start the reader of revocations",
            source: Arc::new(source),
        })?;
        *self.0.loading.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }
}

impl Inner {
    /// Waits for the reader of revocations, whom nobody answers any more: it holds the store.
    pub(crate) fn end_loading(&self) {
        let thread = self.loading.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(_)) = thread.map(std::thread::JoinHandle::join) {
            tracing::error!("the reader of revocations has panicked");
        }
    }

    /// Adds those after a number, as many as are read at once. Says the last one's number; `None`: there are no more,
    /// and the index is complete.
    async fn load_revoked_subjects(&self, after: u64) -> Result<Option<u64>, StoreError> {
        let subjects = self.metadata.revoked_subjects(after).await?;
        let last = subjects.last().map(|(last, _, _)| *last);
        for (_, subject, life) in subjects {
            self.revocations.add_subject(subject, life);
        }
        if last.is_none() {
            self.revocations.is_complete();
        }
        Ok(last)
    }
}

/// Ends when the store is gone, or closed.
fn load_rest(inner: &Weak<Inner>, mut after: u64) -> Result<(), StoreError> {
    let runtime = own_runtime()?;
    while let Some(store) = inner.upgrade() {
        match runtime.block_on(store.load_revoked_subjects(after)) {
            Ok(Some(last)) => after = last,
            Ok(None) | Err(StoreError::Closed) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
