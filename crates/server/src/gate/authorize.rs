//! May this caller do this: the policies that concern a request, and the words of a refusal.

use std::sync::Arc;

use iam::{AccessRequest, AccountId, Decision, NamedPolicy, PolicyKind, PolicySet, Principal};
use jiff::Timestamp;
use presign::VerifiedSignature;
use store::{Bucket, BucketName, Lookup, Store, Tag, VersionId};

use super::caller::Caller;
use super::circumstances::{Circumstances, Lacks, Looked, OperationKeys};
use super::meanings::{Meanings, Place};
use crate::context::RequestContext;
use crate::error::refusal;
use crate::error::{Code, S3Error};
use crate::permission::{Copied, Permission, Resource};

/// What the owner's root may always do to a bucket's policy: the way out for whoever denied
/// everything to everybody (semantics 5.3; docs/policies.md).
const BREAK_GLASS: &[&str] = &["s3:DeleteBucketPolicy", "s3:GetBucketPolicy", "s3:PutBucketPolicy"];

/// A name of the key that policies ask for the tags of an object with.
const EXISTING_TAG: &str = "s3:existingobjecttag/any";

/// What is refused because deciding it would take too long.
const TOO_MUCH_WORK: &str = "Access Denied: the policies take more comparing than one request may.";
/// The same in the words of IAM and STS, which name who asked for what. A role says it to nobody: its answer
/// is that of one that is not there.
pub(super) const TOO_MUCH_WORK_WHY: &str =
    "because the policies take more comparing than one request may";

/// One action on one resource that somebody owns, which may have a policy of its own.
#[derive(Clone, Copy)]
pub(super) struct Question<'q> {
    pub(super) action: &'q str,
    pub(super) resource: &'q str,
    pub(super) owner: &'q AccountId,
    pub(super) policy: Option<NamedPolicy<'q>>,
    /// The version of the resource, where one is named.
    pub(super) version: Option<&'q VersionId>,
}

/// Somebody, under circumstances, over a store.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) store: &'a Store,
    pub(crate) caller: &'a Caller,
    pub(crate) context: &'a RequestContext,
    pub(super) meanings: &'a Meanings,
}

impl Asking<'_> {
    /// The bucket of that name as it is now, if the name means the bucket that it has meant so far.
    pub(super) async fn bucket(self, name: &BucketName) -> Result<Arc<Bucket>, S3Error> {
        let found = self.store.bucket(name).await.map_err(refusal::of_store)?;
        let same = found.filter(|bucket| self.meanings.bind(bucket));
        same.ok_or_else(|| refusal::no_such_bucket(name))
    }

    /// What is at a key, or one version of it: for all of a request what was found first.
    pub(super) async fn object(self, place: Place<'_>) -> Result<Lookup, S3Error> {
        if let Some(found) = self.meanings.record(place) {
            return Ok(found);
        }
        let Place { bucket, key, version } = place;
        let found = self.store.object(bucket, key, version).await.map_err(refusal::of_store)?;
        Ok(self.meanings.note(place, found))
    }

    /// Every permission must be given; the first that is not is the answer.
    pub(crate) async fn authorize(
        self,
        permissions: &[Permission<'_>],
        operation: &dyn OperationKeys,
    ) -> Result<(), S3Error> {
        for permission in permissions {
            self.authorize_one(*permission, operation).await?;
        }
        Ok(())
    }

    /// Demands a permission, and tells until when, and no longer than `asked`, a link has it that
    /// was signed when this request was.
    pub(super) async fn authorize_until(
        self,
        permission: Permission<'_>,
        operation: &dyn OperationKeys,
        asked: Timestamp,
    ) -> Result<Timestamp, S3Error> {
        let now = self.context.now;
        let signed_at = self.caller.signature().and_then(VerifiedSignature::signed_at);
        let until = |request: &AccessRequest<'_>, policies: &PolicySet<'_>| {
            let holds = iam::holds_until(request, policies, signed_at.unwrap_or(now), asked);
            (iam::evaluate(request, policies), holds.map_or(now, |holds| holds.at))
        };
        self.judge(permission, operation, until).await
    }

    async fn authorize_one(
        self,
        permission: Permission<'_>,
        operation: &dyn OperationKeys,
    ) -> Result<(), S3Error> {
        let decide = |request: &AccessRequest<'_>, policies: &PolicySet<'_>| {
            (iam::evaluate(request, policies), ())
        };
        self.judge(permission, operation, decide).await
    }

    /// Refuses unless `decide` allows; what else it finds is the answer.
    async fn judge<T>(
        self,
        permission: Permission<'_>,
        operation: &dyn OperationKeys,
        decide: impl Fn(&AccessRequest<'_>, &PolicySet<'_>) -> (Decision, T),
    ) -> Result<T, S3Error> {
        let bucket = match permission.resource {
            Resource::Account | Resource::NewBucket(_) => None,
            Resource::Bucket(name) | Resource::Object(name, _) => Some(self.bucket(name).await?),
        };
        let own = self.caller.account();
        let owner = match (&bucket, own) {
            (Some(bucket), _) => &bucket.owner,
            (None, Some(own)) => own,
            // Nobody has no account that anything could be asked of.
            (None, None) => return Err(S3Error::new(Code::AccessDenied)),
        };
        let resource = permission.resource.arn();
        let policy =
            bucket.as_ref().and_then(|bucket| self.bucket_policy(permission.action, bucket));
        let Permission { action, version, .. } = permission;
        let question = Question { action, resource: &resource, owner, policy, version };
        // Hardly any policy asks for tags of objects or sizes of copies, so each is looked up once one has.
        let has_tags = iam::s3_action_has_key(permission.action, EXISTING_TAG);
        let mut looked = Looked::default();
        let (decision, found) = loop {
            let (decided, lacks) = self.ask(question, operation, &looked, &decide);
            match operation.copied() {
                _ if lacks.tags && has_tags && looked.tags.is_none() => {
                    looked.tags = Some(self.existing_tags(permission, bucket.as_deref()).await?);
                }
                Some(copied) if lacks.copied_size && looked.copied_size.is_none() => {
                    looked.copied_size = Some(self.copied_size(copied).await?);
                }
                Some(_) | None => break decided,
            }
        };
        if matches!(decision, Decision::Allow(_)) {
            return Ok(found);
        }
        let same_account = own == Some(owner);
        if same_account && self.context.work.is_spent() {
            return Err(S3Error::with_message(Code::AccessDenied, TOO_MUCH_WORK));
        }
        Err(denied(self.caller.principal(), permission, &decision, same_account))
    }

    /// Decides by every policy that concerns the caller, and that of the resource.
    pub(super) fn decide(self, question: Question<'_>, operation: &dyn OperationKeys) -> Decision {
        self.ask(question, operation, &Looked::default(), &iam::evaluate).0
    }

    /// What `decide` says, knowing this of the store; and what else would have to be known.
    fn ask<T>(
        self,
        question: Question<'_>,
        operation: &dyn OperationKeys,
        looked: &Looked,
        decide: &impl Fn(&AccessRequest<'_>, &PolicySet<'_>) -> T,
    ) -> (T, Lacks) {
        let Question { action, resource, owner, policy, version } = question;
        let circumstances = Circumstances::new(self.caller, self.context, operation, owner)
            .of_version(version)
            .knowing(looked);
        let request = AccessRequest {
            principal: self.caller.principal(),
            action,
            resource,
            resource_account: owner,
            context: &circumstances,
        };
        let decide = |policies: &PolicySet<'_>| decide(&request, policies);
        let decided = match self.caller.identity() {
            Some(identity) => identity.with_policies(policy, decide),
            None => decide(&PolicySet { resource: policy, ..PolicySet::default() }),
        };
        (decided, circumstances.lacks())
    }

    /// The tags of the object that a permission is about; none where it is not there.
    async fn existing_tags(
        self,
        permission: Permission<'_>,
        bucket: Option<&Bucket>,
    ) -> Result<Vec<Tag>, S3Error> {
        let (Resource::Object(_, key), Some(bucket)) = (permission.resource, bucket) else {
            return Ok(Vec::new());
        };
        let place = Place { bucket: &bucket.reference(), key, version: permission.version };
        self.object(place).await?;
        Ok(self.meanings.judge(place))
    }

    /// How many bytes are copied of the record that this request sees. Of what is not there nothing is.
    async fn copied_size(self, copied: Copied<'_>) -> Result<u64, S3Error> {
        let Copied { bucket, key, version, range } = copied;
        let bucket = self.bucket(bucket).await?.reference();
        let found = self.object(Place { bucket: &bucket, key, version }).await?;
        let Lookup::Object(object) = found else { return Ok(0) };
        Ok(range.map_or(object.size, |range| range.end.saturating_sub(range.start)))
    }

    /// The bucket's policy, where it counts for this caller.
    pub(super) fn bucket_policy<'b>(
        self,
        action: &str,
        bucket: &'b Bucket,
    ) -> Option<NamedPolicy<'b>> {
        let policy = bucket.policy.as_ref()?;
        let own = self.caller.account() == Some(&bucket.owner);
        let root = matches!(self.caller.principal(), Principal::Root { .. });
        if own && root && BREAK_GLASS.contains(&action) {
            return None;
        }
        let restricted =
            bucket.public_access_block.is_some_and(|block| block.restrict_public_buckets);
        // What a public policy gives, it gives to the owner's own people alone; without it nothing
        // reaches anybody else. Nor does any other let in whom it does not name, whatever it asks of them.
        let named = || policy.bound.allows_by_name(self.caller.principal());
        if !own && restricted && (policy.document.is_public() || !named()) {
            return None;
        }
        Some(NamedPolicy { name: "bucket policy", policy: &policy.bound })
    }
}

/// The words of a refusal. Only the owner's own people are told why (semantics 5.5.1).
fn denied(
    principal: &Principal,
    permission: Permission<'_>,
    decision: &Decision,
    same_account: bool,
) -> S3Error {
    let refused = S3Error::new(Code::AccessDenied);
    let Some(arn) = principal.arn().filter(|_| same_account) else { return refused };
    let Permission { action, resource, version: _ } = permission;
    let Some(why) = reason(decision, action) else { return refused };
    let on = match resource {
        Resource::Account => String::new(),
        Resource::NewBucket(_) | Resource::Bucket(_) | Resource::Object(_, _) => {
            format!(" on resource: \"{}\"", resource.arn())
        }
    };
    S3Error::with_message(
        Code::AccessDenied,
        format!("User: {arn} is not authorized to perform: {action}{on} {why}"),
    )
}

/// Why not (semantics 5.5.3); nothing where it was allowed.
pub(super) fn reason(decision: &Decision, action: &str) -> Option<String> {
    match decision {
        Decision::Allow(_) => None,
        Decision::ExplicitDeny(cause) => {
            Some(format!("with an explicit deny in {}", article(cause.kind)))
        }
        Decision::ImplicitDeny(kind) => {
            Some(format!("because no {kind} allows the {action} action"))
        }
    }
}

fn article(kind: PolicyKind) -> String {
    match kind {
        PolicyKind::Identity => format!("an {kind}"),
        PolicyKind::Resource | PolicyKind::Boundary | PolicyKind::Session => format!("a {kind}"),
    }
}
