//! What an admitted operation asks about the link that it was admitted by: whether it was taken back, and what its
//! conditions leave.

use std::ops::RangeInclusive;

use iam::Decision;
use presign::{ContentLengthRange, LinkConditions};
use store::{LinkTarget, Precondition, PresentedLink, Revocation, StoreError};

use super::StoreAccess;
use super::authorize::PolicyQuestion;
use super::link::{REVOKED, USED_UP, check_life};
use crate::authentication::is_link;
use crate::error::{Code, S3Error, refusal};
use crate::link_rate::Throttle;
use crate::link_uses::{Allowance, BytesUse, CallUse, NoUse, WantedBytes};
use crate::permission::{Permission, Resource};
use crate::route::Target;
use crate::shares::Neighbour;

/// The use of a link is refused.
pub(super) fn refused_use(refused: NoUse) -> S3Error {
    match refused {
        NoUse::UsedUp => S3Error::with_message(Code::AccessDenied, USED_UP),
        NoUse::AllOpen => S3Error::with_message(
            Code::SlowDown,
            "All uses that are left of the link are under way. Please try again.",
        )
        .retry_after_a_second(),
        NoUse::Store(error) => refusal::of_store(error),
    }
}

impl StoreAccess {
    /// Refuses a link or form that was taken back, whatever it is used for.
    pub(super) async fn refuse_revoked(
        &self,
        permissions: &[Permission<'_>],
    ) -> Result<(), S3Error> {
        if self.is_revoked(permissions).await.map_err(refusal::of_store)? {
            return Err(S3Error::with_message(Code::AccessDenied, REVOKED));
        }
        if let Some(managed) = self.caller.managed() {
            check_life(&managed.link, self.context.now)?;
        }
        Ok(())
    }

    /// Whether the caller came by a link or form that was taken back.
    pub(super) async fn is_revoked(
        &self,
        permissions: &[Permission<'_>],
    ) -> Result<bool, StoreError> {
        if self.store.revokes_nothing() {
            return Ok(false);
        }
        let targets: Vec<LinkTarget<'_>> =
            permissions.iter().filter_map(|permission| target(permission.resource)).collect();
        // What few requests need makes none of them larger.
        Ok(Box::pin(self.revocation_of(&targets)).await?.is_some())
    }

    /// What took the link back, if it was, for a bucket or an object.
    pub(crate) async fn revocation(&self, target: &Target) -> Result<Option<Revocation>, S3Error> {
        let targets = match target {
            Target::Service => Vec::new(),
            Target::Bucket(bucket) => vec![LinkTarget { bucket, key: None }],
            Target::Object(bucket, key) => vec![LinkTarget { bucket, key: Some(key) }],
        };
        self.revocation_of(&targets).await.map_err(refusal::of_store)
    }

    async fn revocation_of(
        &self,
        targets: &[LinkTarget<'_>],
    ) -> Result<Option<Revocation>, StoreError> {
        let Some(signed) = self.caller.signed() else { return Ok(None) };
        if !is_link(signed.signature.mechanism()) {
            return Ok(None);
        }
        let managed = signed.managed.as_deref();
        // A managed link is one of whoever made it, and of when it was made.
        let creator = managed.map(|managed| managed.link.creator.signer.clone());
        let signer = creator.unwrap_or_else(|| signed.signer_name());
        let made_at = managed.map(|managed| managed.link.created_at);
        let made_by = managed.map(|managed| managed.link.creator.access_key_id.as_str());
        let link = PresentedLink {
            fingerprint: signed.fingerprint(),
            access_key_id: made_by.unwrap_or(&signed.access_key_id),
            account: &signed.identity.account,
            signer: &signer,
            signed_at: made_at.or_else(|| signed.signature.signed_at()),
        };
        let found = self.store.revocation_of(&link, targets, self.context.now).await?;
        if found.is_some() || managed.is_none() {
            return Ok(found);
        }
        // Whoever takes back what the link signer has signed takes back all managed links.
        let of_signer = PresentedLink { access_key_id: &signed.access_key_id, ..link };
        self.store.revocation_of(&of_signer, targets, self.context.now).await
    }

    /// Whether the caller's own policies give an action on objects, named by an ARN. No policy of a bucket counts.
    pub(crate) fn may_by_identity(&self, action: &'static str, resource: &str) -> bool {
        let Some(owner) = self.caller.account() else { return false };
        let question = PolicyQuestion { action, resource, owner, policy: None, version: None };
        matches!(self.authorizer().decide(question, &()), Decision::Allow(_))
    }

    fn conditions(&self) -> Option<&LinkConditions> {
        self.link.as_ref().map(|link| &link.conditions)
    }

    /// The sizes that the link allows for what is uploaded or copied.
    pub(crate) fn link_sizes(&self) -> RangeInclusive<u64> {
        let range = self.conditions().and_then(|conditions| conditions.content_length);
        range.map_or(0..=u64::MAX, ContentLengthRange::bytes)
    }

    /// The condition of a write, with what the link adds to it. `None`: both together never hold.
    pub(crate) fn link_precondition(&self, asked: Precondition) -> Option<Precondition> {
        if !self.conditions().is_some_and(|conditions| conditions.write_once) {
            return Some(asked);
        }
        match asked {
            Precondition::None | Precondition::IfAbsent => Some(Precondition::IfAbsent),
            Precondition::IfMatch(_) | Precondition::IfMatchUnknown | Precondition::IfPresent => {
                None
            }
        }
    }

    /// Holds a body to the rate of the link, if that has one.
    pub(crate) fn throttle(&self) -> Result<Option<Throttle>, S3Error> {
        let rated = self.link.as_ref().and_then(|link| Some((link, link.conditions.rate?)));
        let Some((link, rate)) = rated else { return Ok(None) };
        let throttle = self.links.rates.throttle(link.fingerprint, rate);
        let crowded = || {
            let message = "Too many requests share the rate of the link. Please try again.";
            S3Error::with_message(Code::SlowDown, message).retry_after_a_second()
        };
        throttle.map(Some).ok_or_else(crowded)
    }

    /// Begins to send bytes of an object, which is a use of the link or part of one.
    pub(crate) async fn begin_bytes(
        &self,
        version: String,
        size: u64,
        is_range: bool,
    ) -> Result<Option<BytesUse>, S3Error> {
        let Some(allowed) = self.allowance() else { return Ok(None) };
        let client = self.neighbour();
        let wanted = WantedBytes { client, version, size, is_range };
        Box::pin(self.links.uses.begin(allowed, wanted)).await.map(Some).map_err(refused_use)
    }

    /// Begins a call that is a use of the link as a whole.
    pub(crate) async fn begin_call(&self) -> Result<Option<CallUse>, S3Error> {
        let Some(allowed) = self.allowance() else { return Ok(None) };
        Box::pin(self.links.uses.begin_call(allowed)).await.map(Some).map_err(refused_use)
    }

    /// Refuses a call that is no use, if the link is used up.
    pub(crate) async fn refuse_used_up(&self) -> Result<(), S3Error> {
        let Some(allowed) = self.allowance() else { return Ok(()) };
        self.links.uses.refuse_used_up(allowed, self.neighbour()).await.map_err(refused_use)
    }

    /// How many uses the link has left, and how many it had; `None`: as many as anybody likes.
    pub(crate) async fn uses_left(&self) -> Result<Option<(u64, u64)>, S3Error> {
        let Some(allowed) = self.allowance() else { return Ok(None) };
        let uses = self.store.link_uses(&allowed.link).await.map_err(refusal::of_store)?;
        let taken = uses.taken;
        Ok(Some((allowed.uses_max.saturating_sub(taken), allowed.uses_max)))
    }

    /// Whether the link may be used so often only.
    pub(crate) fn counts_uses(&self) -> bool {
        self.allowance().is_some()
    }

    fn allowance(&self) -> Option<Allowance> {
        self.link.as_ref()?.allowance()
    }

    fn neighbour(&self) -> Neighbour {
        Neighbour::of(self.context.client)
    }
}

fn target(resource: Resource<'_>) -> Option<LinkTarget<'_>> {
    match resource {
        Resource::Server | Resource::Account => None,
        Resource::NewBucket(bucket) | Resource::Bucket(bucket) => {
            Some(LinkTarget { bucket, key: None })
        }
        Resource::Object(bucket, key) => Some(LinkTarget { bucket, key: Some(key) }),
    }
}
