//! What a link is good for at this moment.

use std::sync::Arc;

use ledger::LinkEntry;
use store::{LinkPurpose, ManagedLink};

use crate::api::error::ApiError;
use crate::api::uses;
use crate::error::refusal;
use crate::gate::StoreAccess;

/// What a link is good for at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkState {
    Scheduled,
    Active,
    UsedUp,
    Expired,
    Revoked,
    Orphaned,
}

impl LinkState {
    pub(super) const ALL: [Self; 6] =
        [Self::Scheduled, Self::Active, Self::UsedUp, Self::Expired, Self::Revoked, Self::Orphaned];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Active => "active",
            Self::UsedUp => "used-up",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Orphaned => "orphaned",
        }
    }

    /// In the order in which whoever opens the link is told.
    pub(super) async fn of(
        access: &StoreAccess,
        link: &Arc<ManagedLink>,
    ) -> Result<Self, ApiError> {
        let now = access.now();
        if access.link_gate()?.revocation_of(link, now).await?.is_some() {
            return Ok(Self::Revoked);
        }
        if now >= link.expires_at {
            return Ok(Self::Expired);
        }
        if access.is_orphaned(link).await? {
            return Ok(Self::Orphaned);
        }
        if link.conditions.not_before.is_some_and(|opens| now < opens.timestamp()) {
            return Ok(Self::Scheduled);
        }
        if let LinkPurpose::Request { .. } = &link.purpose {
            let is_full = access.link_gate()?.has_all_files(link).await?;
            return Ok(if is_full { Self::UsedUp } else { Self::Active });
        }
        if let Some(uses) = link.conditions.uses {
            let taken = access.store().link_uses(&link.fingerprint()).await;
            if taken.map_err(refusal::of_store)?.taken >= uses.get() {
                return Ok(Self::UsedUp);
            }
        }
        Ok(Self::Active)
    }
}

/// What a link is good for that somebody has signed themselves, as far as the ledger knows.
pub(super) async fn seen_state(
    access: &StoreAccess,
    entry: &LinkEntry,
) -> Result<LinkState, ApiError> {
    if uses::is_revoked(access, entry).await? {
        return Ok(LinkState::Revoked);
    }
    let has_ended = entry.link.facts.ends_at.is_some_and(|end| end <= access.now());
    Ok(if has_ended { LinkState::Expired } else { LinkState::Active })
}
