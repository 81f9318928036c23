//! The facade of managed links, and of the role that signs for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use iam::{AccountId, Policy};
use jiff::Timestamp;
use presign::Fingerprint;

use crate::backend::metadata::managed_links::ManagedLinkRecords as _;
use crate::{
    AccessKey, BoundPolicy, CloseManagedLink, DeleteObject, EndedPlace, IdentityError,
    ListManagedLinks, ManagedLink, ManagedLinkPage, ManagedLinksOf, NewRole, PutManagedLink, Store,
    StoreError, UsedUpLinks,
};

/// The name of the role that signs for managed links, in every account.
pub const LINK_SIGNER: &str = "valet-link-signer";
/// The name of the policy of that role.
const LINK_SIGNER_POLICY: &str = "links";

impl Store {
    /// Records a new managed link.
    pub async fn put_managed_link(&self, link: ManagedLink) -> Result<PutManagedLink, StoreError> {
        self.0.metadata.put_managed_link(link).await
    }

    /// The managed link of a fingerprint, ended or not.
    pub async fn managed_link(
        &self,
        fingerprint: &Fingerprint,
    ) -> Result<Option<Arc<ManagedLink>>, StoreError> {
        self.0.metadata.managed_link(fingerprint).await
    }

    /// Changes a managed link. `None`: it is gone, or `change` says no. `change` may be asked again, about what the link has
    /// become meanwhile.
    pub async fn change_managed_link(
        &self,
        fingerprint: &Fingerprint,
        change: impl Fn(&mut ManagedLink) -> bool,
    ) -> Result<Option<Arc<ManagedLink>>, StoreError> {
        loop {
            let Some(known) = self.managed_link(fingerprint).await? else { return Ok(None) };
            let mut changed = ManagedLink::clone(&known);
            if !change(&mut changed) {
                return Ok(None);
            }
            changed.revision = known.revision.saturating_add(1);
            if self.0.metadata.change_managed_link(changed).await? {
                return self.managed_link(fingerprint).await;
            }
        }
    }

    /// Takes one of the tries that a link's passphrase has within a minute, durably. `false`: there is none left.
    pub async fn try_passphrase(
        &self,
        link: &Fingerprint,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.0.metadata.try_passphrase(link, now).await
    }

    /// Some managed links of an account, the newest first.
    pub async fn managed_links(
        &self,
        query: ListManagedLinks,
    ) -> Result<ManagedLinkPage, StoreError> {
        self.0.metadata.managed_links(query).await
    }

    /// When the last managed link ends of those that are meant.
    pub async fn managed_links_end(
        &self,
        of: ManagedLinksOf,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.0.metadata.managed_links_end(of).await
    }

    /// Managed links that have ended by now and are not closed, those first that ended first, from after a place on.
    pub async fn ended_managed_links(
        &self,
        now: Timestamp,
        after: Option<EndedPlace>,
        limit: usize,
    ) -> Result<Vec<Arc<ManagedLink>>, StoreError> {
        self.0.metadata.ended_managed_links(now, after, limit).await
    }

    /// Looks at so many managed links whose uses are counted, from after a fingerprint on, for those that have no use left;
    /// some that are under way may be given back.
    pub async fn used_up_managed_links(
        &self,
        after: Option<Fingerprint>,
        looked_at: usize,
    ) -> Result<UsedUpLinks, StoreError> {
        self.0.metadata.used_up_managed_links(after, looked_at).await
    }

    /// Closes a managed link as it was read, and deletes its object in the same step, if that is asked for. Files that were
    /// sent to it by half are given up before, with their parts.
    pub async fn close_managed_link(
        &self,
        link: &ManagedLink,
        delete: Option<DeleteObject>,
        now: Timestamp,
    ) -> Result<CloseManagedLink, StoreError> {
        self.0.stager.note(now);
        let closed = ManagedLink {
            closed_at: Some(now),
            revision: link.revision.saturating_add(1),
            ..link.clone()
        };
        loop {
            let (link, delete) = (closed.clone(), delete.clone());
            if let Some(outcome) = self.0.metadata.close_managed_link(link, delete, now).await? {
                return Ok(outcome);
            }
        }
    }

    /// The key with which the link signer of an account signs. The role is made where the account has none, with this trust
    /// policy and this policy of its own.
    pub async fn link_signer_key(
        &self,
        account: &AccountId,
        (trust, policy): (BoundPolicy, Arc<Policy>),
        now: Timestamp,
    ) -> Result<Result<Arc<AccessKey>, IdentityError>, StoreError> {
        let directory = self.directory(account).await?;
        let known = directory.role(LINK_SIGNER).and_then(|role| directory.key_of_role(role));
        if let Some(known) = known
            && let Some(key) = self.access_key(&known.id).await?
        {
            return Ok(Ok(key));
        }
        let made = self.change_identities(account, now, move |edit| {
            if edit.role(LINK_SIGNER).is_none() {
                edit.create_role(NewRole {
                    name: LINK_SIGNER.to_owned(),
                    path: "/valet/".to_owned(),
                    description: Some(
                        "Signs for managed links: each use needs the permissions of this role and of whoever made the link."
                            .to_owned(),
                    ),
                    max_session_seconds: 3600,
                    trust: trust.clone(),
                    boundary: None,
                    tags: Vec::new(),
                })?;
                edit.change_role(LINK_SIGNER, |role| {
                    role.inline =
                        BTreeMap::from([(LINK_SIGNER_POLICY.to_owned(), Arc::clone(&policy))]);
                    Ok(())
                })?;
            }
            let known = edit.role(LINK_SIGNER).and_then(|role| edit.key_of_role(role));
            if let Some(known) = known {
                return Ok(Err(known.id.clone()));
            }
            edit.create_role_key(LINK_SIGNER).map(Ok)
        });
        Ok(match made.await? {
            Ok(Ok(key)) => Ok(Arc::new(key)),
            // Somebody else has made it meanwhile.
            Ok(Err(id)) => Ok(self.access_key(&id).await?.ok_or(StoreError::Closed)?),
            Err(refused) => Err(refused),
        })
    }
}
