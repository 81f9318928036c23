//! The ends of managed links: what their records ask for is done once, by whoever made them.

use std::sync::Arc;

use jiff::Timestamp;
use presign::{ExpiresIn, LinkConditions};
use store::{
    CloseManagedLink, DeleteObject, DeleteOutcome, LinkPurpose, ManagedLink, Precondition,
};

use super::authorize::Authorizer;
use super::bindings::NameBindings;
use super::managed_use::counted_uses;
use super::{Caller, Gate, LentRequest};
use crate::context::RequestContext;
use crate::error::{Code, S3Error, refusal};
use crate::head::{Head, Peer};
use crate::own_request::{own_endpoint, own_request};
use crate::permission::Permission;

/// How many links that have ended are closed in one round.
const CLOSED_AT_ONCE: usize = 100;
/// How many links whose uses are counted are looked at in one round.
const LOOKED_AT_ONCE: usize = 1000;

impl Gate {
    /// Closes managed links that have ended or are used up, and deletes the objects that are to go with them. Returns those
    /// that were closed. `context` says what policies may know of the server.
    pub(crate) async fn close_ended_links(
        &self,
        context: &RequestContext,
    ) -> Result<Vec<Arc<ManagedLink>>, S3Error> {
        let now = context.now;
        let mut ended = self.ended_links(now).await?;
        ended.extend(self.used_up_links().await?);
        let mut closed = Vec::new();
        for link in ended {
            let delete = match self.deletion(&link, context).await {
                Ok(delete) => delete,
                Err(error) => {
                    let (link, reason) = (link.fingerprint().short(), error.message());
                    tracing::error!(link, reason, "a managed link could not be closed");
                    continue;
                }
            };
            match self.store.close_managed_link(&link, delete, now).await {
                Ok(CloseManagedLink::Closed(outcome)) => {
                    let deleted = matches!(
                        outcome,
                        Some(DeleteOutcome::Deleted { .. } | DeleteOutcome::MarkerCreated { .. })
                    );
                    let link_name = link.fingerprint().short();
                    tracing::info!(link = link_name, deleted, "a managed link has ended");
                    closed.push(link);
                }
                // The next round finds the link as it is by then.
                Ok(CloseManagedLink::Changed) => {}
                Err(error) => return Err(refusal::of_store(error)),
            }
        }
        Ok(closed)
    }

    /// Some of the links that have ended and are not closed. Those that could not be closed are passed over until all others
    /// have had their turn.
    async fn ended_links(&self, now: Timestamp) -> Result<Vec<Arc<ManagedLink>>, S3Error> {
        let after = self.closing.lock().ended_after;
        let ended = self.store.ended_managed_links(now, after, CLOSED_AT_ONCE).await;
        let ended = ended.map_err(refusal::of_store)?;
        let last = ended.last().filter(|_| ended.len() == CLOSED_AT_ONCE);
        self.closing.lock().ended_after = last.map(|last| last.ended_place());
        Ok(ended)
    }

    /// Links that have no use left, nor one under way, which may yet be given back: those that were just used, and some of
    /// all others, so that what an earlier process has left is found as well. If that process was killed, nobody knows
    /// whether the last use came to its end: what is to be deleted with such a link stays until the time that was set.
    async fn used_up_links(&self) -> Result<Vec<Arc<ManagedLink>>, S3Error> {
        let after = self.closing.lock().counted_after;
        let found = self.store.used_up_managed_links(after, LOOKED_AT_ONCE).await;
        let found = found.map_err(refusal::of_store)?;
        self.closing.lock().counted_after = found.next;
        let mut links = found.links;
        links.retain(|link| link.delete_object_at_end.is_none());
        for name in self.links.uses.take_used_up() {
            let link = self.store.managed_link(&name).await.map_err(refusal::of_store)?;
            let Some(link) = link.filter(|link| link.closed_at.is_none()) else { continue };
            let is_known = links.iter().any(|known| known.fingerprint() == name);
            if !is_known && self.has_no_use_left(&link).await? {
                links.push(link);
            }
        }
        links.retain(|link| self.links.uses.is_settled(&link.fingerprint()));
        Ok(links)
    }

    async fn has_no_use_left(&self, link: &ManagedLink) -> Result<bool, S3Error> {
        if let LinkPurpose::Request { .. } = &link.purpose {
            let done = self.request_totals(link).await?.done;
            return Ok(link.files_max().is_some_and(|most| done >= most));
        }
        let Some(most) = counted_uses(link) else { return Ok(false) };
        let uses = self.store.link_uses(&link.fingerprint()).await;
        Ok(uses.map_err(refusal::of_store)?.taken >= most.get())
    }

    /// What is to be deleted with a link. `None`: nothing, or whoever made the link may not delete it.
    async fn deletion(
        &self,
        link: &Arc<ManagedLink>,
        context: &RequestContext,
    ) -> Result<Option<DeleteObject>, S3Error> {
        let LinkPurpose::Object { bucket, key, version, .. } = &link.purpose else {
            return Ok(None);
        };
        let Some(etag) = link.delete_object_at_end else { return Ok(None) };
        let caller = self.signed_by_creator(link, context.now).await?;
        let action = if version.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
        let permission =
            Permission { version: version.as_ref(), ..Permission::object(action, bucket, key) };
        let bindings = NameBindings::default();
        let judging = Authorizer {
            store: &self.store,
            caller: &caller,
            context,
            bindings: &bindings,
            future: None,
        };
        let link_name = link.fingerprint().short();
        match judging.authorize(&[permission], &()).await {
            Ok(()) => {}
            Err(error) if error.code() == Code::NoSuchBucket => return Ok(None),
            Err(error) if error.code() == Code::AccessDenied => {
                tracing::warn!(
                    link = link_name,
                    "the object of a link stays at its end: whoever made the link may not delete it"
                );
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        let found = judging.bucket(bucket).await?;
        let mut delete = DeleteObject::of(&found.reference(), key, version.as_ref());
        if version.is_none() {
            delete.precondition = Precondition::IfMatch(etag);
        }
        Ok(Some(delete))
    }

    /// Whoever made a link, as the sender of a request that the link signer has signed for it.
    async fn signed_by_creator(
        &self,
        link: &Arc<ManagedLink>,
        now: Timestamp,
    ) -> Result<Caller, S3Error> {
        let internal = |()| S3Error::new(Code::InternalError);
        let lent = LentRequest {
            method: "DELETE",
            key: link.purpose.key_or_prefix(),
            query: &[],
            headers: &[],
            expires_in: ExpiresIn::from_seconds(60).map_err(|_| internal(()))?,
            conditions: LinkConditions::default(),
        };
        let endpoint = own_endpoint()?;
        let presigned = self.lend(link, (&lent, &endpoint), now).await?;
        let parts = own_request(lent.method, &presigned)?;
        let peer = Peer { address: std::net::Ipv4Addr::LOCALHOST.into(), tls: None };
        let head = Head::read_own(&parts, peer, &self.config)?;
        self.authenticate(&head, now).await.map_err(refusal::of_authentication)
    }
}
