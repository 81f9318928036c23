//! The facade of notices.

use jiff::Timestamp;
use presign::Fingerprint;

use crate::backend::metadata::notices::NoticeRecords as _;
use crate::{
    CreatorIdentity, LinkCreator, ManagedLink, NewNotice, Notice, NoticeId, NoticeTry, PutNotice,
    Store, StoreError,
};

impl Store {
    /// Records what has happened to a link, to be told.
    pub async fn put_notice(&self, new: NewNotice) -> Result<PutNotice, StoreError> {
        self.0.metadata.put_notice(new).await
    }

    /// Notices whose time has come, at most so many of each account.
    pub async fn due_notices(
        &self,
        now: Timestamp,
        of_each: usize,
    ) -> Result<Vec<Notice>, StoreError> {
        self.0.metadata.due_notices(now, of_each).await
    }

    /// Notes what came of a try to deliver a notice. `false`: it is gone, or waits no more.
    pub async fn end_notice_try(
        &self,
        id: NoticeId,
        came: NoticeTry,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.0.metadata.end_notice_try(id, came, now).await
    }

    /// The notices about a link, the newest first.
    pub async fn notices_of(
        &self,
        link: &Fingerprint,
        limit: usize,
    ) -> Result<Vec<Notice>, StoreError> {
        self.0.metadata.notices_of(link, limit).await
    }

    /// How many notices wait.
    pub async fn waiting_notices(&self) -> Result<u64, StoreError> {
        self.0.metadata.waiting_notices().await
    }

    /// What notices about the links of an identity are signed with where they are posted: the same for all links that it
    /// makes in this store.
    pub fn webhook_secret(&self, link: &ManagedLink) -> iam::WebhookSecret {
        let LinkCreator { identity, .. } = &link.creator;
        let (kind, name) = match identity {
            CreatorIdentity::Root => ("root", ""),
            CreatorIdentity::User { id } => ("user", id.as_str()),
            CreatorIdentity::Role { id, session: _ } => ("role", id.as_str()),
            CreatorIdentity::Federated { name, issuer: _ } => ("federated", name.as_str()),
        };
        self.0.vault.webhook_secret(&link.account, kind, name)
    }
}
