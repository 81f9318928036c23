//! Decides whether a caller may do something: puts the policies that concern a request together, and words the
//! refusals.

use std::collections::BTreeSet;
use std::sync::Arc;

use iam::{
    AccessRequest, AccountId, Decision, HoldsUntil, LinkLife, NamedPolicy, PolicyKind, PolicyLimit,
    PolicySet, Principal, Verdict,
};
use jiff::Timestamp;
use presign::{Mechanism, VerifiedSignature};
use store::{Bucket, BucketName, Lookup, Store, Tag, VersionId};

use super::bindings::{NameBindings, ObjectAddress};
use super::caller::Caller;
use super::circumstances::{Circumstances, LookedUpFacts, MissingFacts, OperationKeys};
use super::future::FutureRequest;
use crate::context::RequestContext;
use crate::error::refusal;
use crate::error::{Code, S3Error};
use crate::permission::{CREATE_LINK, Copied, Permission, Resource};

/// The actions that the root of a bucket's owner may always do: the way out for an owner whose policy denies
/// everything to everybody (semantics 5.3; docs/policies.md).
const BREAK_GLASS: &[&str] = &["s3:DeleteBucketPolicy", "s3:GetBucketPolicy", "s3:PutBucketPolicy"];

/// One name of the condition key for the tags of an existing object.
const EXISTING_TAG: &str = "s3:existingobjecttag/any";
/// The beginning of all names of that key.
const EXISTING_TAGS: &str = "s3:existingobjecttag/";

/// The message of a refusal because the decision would take too many steps.
const TOO_MUCH_WORK: &str = "Access Denied: the policies take more comparing than one request may.";
/// The same in the words of IAM and STS, which name the caller and the action. `AssumeRole` never says it: its
/// refusal is that of a role that does not exist.
pub(super) const TOO_MUCH_WORK_WHY: &str =
    "because the policies take more comparing than one request may";

/// One question to the policies: an action, a resource and its owner, and the resource's own policy if there is
/// one.
#[derive(Clone, Copy)]
pub(super) struct PolicyQuestion<'q> {
    pub(super) action: &'q str,
    pub(super) resource: &'q str,
    pub(super) owner: &'q AccountId,
    pub(super) policy: Option<NamedPolicy<'q>>,
    /// The version of the resource, if one is named.
    pub(super) version: Option<&'q VersionId>,
}

/// Asks the policies for one caller, under the circumstances of one request.
#[derive(Clone, Copy)]
pub(crate) struct Authorizer<'a> {
    pub(crate) store: &'a Store,
    pub(crate) caller: &'a Caller,
    pub(crate) context: &'a RequestContext,
    pub(super) bindings: &'a NameBindings,
    /// How a future request will be signed; `None` for a request that has been sent.
    pub(super) future: Option<Mechanism>,
}

/// The resource of a permission, as it was found.
struct Subject {
    /// The bucket, if the resource has one and it exists.
    bucket: Option<Arc<Bucket>>,
    owner: AccountId,
    arn: String,
}

impl Authorizer<'_> {
    /// The current record of a bucket. If the name has meant another bucket before in this request, there is no
    /// such bucket.
    pub(super) async fn bucket(self, name: &BucketName) -> Result<Arc<Bucket>, S3Error> {
        let found = self.store.bucket(name).await.map_err(refusal::of_store)?;
        let same = found.filter(|bucket| self.bindings.bind(bucket));
        same.ok_or_else(|| refusal::no_such_bucket(name))
    }

    /// The object at a key, or one version of it. A request that asks again gets what was found first.
    pub(super) async fn object(self, address: ObjectAddress<'_>) -> Result<Lookup, S3Error> {
        if let Some(found) = self.bindings.record(address) {
            return Ok(found);
        }
        let ObjectAddress { bucket, key, version } = address;
        let found = self.store.object(bucket, key, version).await.map_err(refusal::of_store)?;
        Ok(self.bindings.note(address, found))
    }

    /// The same question about whoever made the managed link that the request came by; `None`: it came by none. If they
    /// are gone, nothing is allowed.
    fn of_creator(&self) -> Result<Option<Authorizer<'_>>, S3Error> {
        let Some(managed) = self.caller.managed() else { return Ok(None) };
        let creator = managed.creator.as_deref().ok_or_else(|| S3Error::new(Code::AccessDenied))?;
        Ok(Some(Authorizer { caller: creator, ..*self }))
    }

    /// Checks every permission. The refusal is that of the first one that is not given.
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

    /// Checks a permission. Also returns until when (at most until `asked`) a link has it that was signed when
    /// this request was.
    pub(super) async fn authorize_until(
        self,
        permission: Permission<'_>,
        operation: &dyn OperationKeys,
        asked: Timestamp,
    ) -> Result<Timestamp, S3Error> {
        if self.caller.managed().is_some() {
            // What a managed link lends, the server lends anew.
            return Err(S3Error::new(Code::AccessDenied));
        }
        let now = self.context.now;
        let signed_at = self.caller.signature().and_then(VerifiedSignature::signed_at);
        let life = LinkLife { signed_at: signed_at.unwrap_or(now), from: now, until: asked };
        let until = |request: &AccessRequest<'_>, policies: &PolicySet<'_>| {
            match iam::foresee(request, policies, life) {
                Verdict::Allowed(holds) => (Decision::Allow(None), holds.at),
                Verdict::Refused(decision) => (decision, now),
                // Nothing but time is unknown of a request that has been sent. Where nobody can compute until
                // when it is allowed, nothing is lent.
                Verdict::Unknown { .. } => (Decision::ImplicitDeny(PolicyKind::Identity), now),
            }
        };
        self.judge(permission, operation, until).await
    }

    /// What would be decided about a request if the caller sent it: by the same policies, condition keys and
    /// budget. A bucket that does not exist yet is judged as if the caller had created it.
    pub(super) async fn foresee(
        self,
        permissions: &[Permission<'_>],
        operation: &dyn OperationKeys,
        future: &FutureRequest,
    ) -> Result<Verdict, S3Error> {
        let limited_by = PolicyLimit::Nothing;
        let mut verdict = Verdict::Allowed(HoldsUntil { at: future.life.until, limited_by });
        for permission in permissions {
            verdict = verdict.and(self.foresee_one(*permission, operation, future).await?);
        }
        Ok(verdict)
    }

    async fn foresee_one(
        self,
        permission: Permission<'_>,
        operation: &dyn OperationKeys,
        future: &FutureRequest,
    ) -> Result<Verdict, S3Error> {
        if let Some(creator) = self.of_creator()? {
            if !creator.may_lend(permission) {
                return Ok(Verdict::Refused(Decision::ImplicitDeny(PolicyKind::Identity)));
            }
            let of_creator = Box::pin(creator.foresee_one(permission, operation, future)).await?;
            let of_signer = Box::pin(self.foresee_alone(permission, operation, future)).await?;
            return Ok(of_creator.and(of_signer));
        }
        self.foresee_alone(permission, operation, future).await
    }

    /// The same for the caller alone, whoever made the link.
    async fn foresee_alone(
        self,
        permission: Permission<'_>,
        operation: &dyn OperationKeys,
        future: &FutureRequest,
    ) -> Result<Verdict, S3Error> {
        let subject = match self.subject(permission).await {
            Err(error) if error.code() == Code::NoSuchBucket => self.own(permission)?,
            found => found?,
        };
        let question = self.question(permission, &subject);
        let (context, life) = (future.context(self.context), future.life);
        let ahead = Authorizer { context: &context, future: Some(future.mechanism), ..self };
        let has_tags = iam::s3_action_has_key(permission.action, EXISTING_TAG);
        let mut looked = LookedUpFacts { tags: (!has_tags).then(Vec::new), copied_size: None };
        let whole = |request: &AccessRequest<'_>, policies: &PolicySet<'_>| {
            iam::foresee(request, policies, life)
        };
        let (verdict, lacks) = ahead.ask(question, operation, &looked, &whole);
        let copied = operation.copied().filter(|_| lacks.copied_size);
        if !lacks.tags && copied.is_none() {
            return Ok(verdict);
        }
        let bucket = subject.bucket.as_deref();
        if lacks.tags && self.may_read_tags(permission).await {
            looked.tags = Some(self.existing_tags(permission, bucket).await?);
        }
        // What trying the request now would tell is told; of what decides later alone, nothing is.
        let first = LinkLife { until: life.from, ..life };
        let first = |request: &AccessRequest<'_>, policies: &PolicySet<'_>| {
            iam::foresee(request, policies, first)
        };
        match ahead.ask(question, operation, &looked, &first).0 {
            Verdict::Unknown { missing, at_most: _ }
                if is_all_of_the_store(&missing, copied.is_some()) => {}
            Verdict::Unknown { .. } | Verdict::Allowed(_) | Verdict::Refused(_) => {
                return Ok(ahead.ask(question, operation, &looked, &whole).0);
            }
        }
        let mut tried = LookedUpFacts { tags: looked.tags.clone(), ..looked };
        if lacks.tags && tried.tags.is_none() {
            tried.tags = Some(self.existing_tags(permission, bucket).await?);
        }
        if let Some(copied) = copied {
            tried.copied_size = Some(self.copied_size(copied).await?);
        }
        let later = |request: &AccessRequest<'_>, policies: &PolicySet<'_>| {
            iam::foresee_allowed(request, policies, life)
        };
        Ok(match ahead.ask(question, operation, &tried, &first).0 {
            Verdict::Allowed(_) => ahead.ask(question, operation, &looked, &later).0,
            refused @ (Verdict::Refused(_) | Verdict::Unknown { .. }) => refused,
        })
    }

    /// Whether the caller may read the tags of the permission's object, by this very call.
    async fn may_read_tags(self, permission: Permission<'_>) -> bool {
        let action = match permission.version {
            None => "s3:GetObjectTagging",
            Some(_) => "s3:GetObjectVersionTagging",
        };
        self.authorize_one(Permission { action, ..permission }, &()).await.is_ok()
    }

    async fn authorize_one(
        self,
        permission: Permission<'_>,
        operation: &dyn OperationKeys,
    ) -> Result<(), S3Error> {
        if let Some(creator) = self.of_creator()? {
            Box::pin(creator.authorize_one(permission, operation)).await.map_err(of_creator)?;
            if !creator.may_lend(permission) {
                return Err(of_creator(S3Error::new(Code::AccessDenied)));
            }
        }
        let decide = |request: &AccessRequest<'_>, policies: &PolicySet<'_>| {
            (iam::evaluate(request, policies), ())
        };
        self.judge(permission, operation, decide).await
    }

    /// Whether the caller may make links to an object: a link to all below a prefix is none to what is denied there.
    pub(super) fn may_lend(self, permission: Permission<'_>) -> bool {
        let Resource::Object(..) = permission.resource else { return true };
        let Some(owner) = self.caller.account() else { return false };
        let arn = permission.resource.arn();
        let question = PolicyQuestion {
            action: CREATE_LINK,
            resource: &arn,
            owner,
            policy: None,
            version: None,
        };
        matches!(self.decide(question, &()), Decision::Allow(_))
    }

    /// Refuses unless `decide` allows the action; returns what else `decide` found.
    async fn judge<T>(
        self,
        permission: Permission<'_>,
        operation: &dyn OperationKeys,
        decide: impl Fn(&AccessRequest<'_>, &PolicySet<'_>) -> (Decision, T),
    ) -> Result<T, S3Error> {
        let subject = self.subject(permission).await?;
        let question = self.question(permission, &subject);
        // Hardly any policy asks for tags of objects or sizes of copies. So they are looked up only after a
        // policy has asked for them.
        let has_tags = iam::s3_action_has_key(permission.action, EXISTING_TAG);
        let mut looked = LookedUpFacts::default();
        let (decision, found) = loop {
            let (decided, lacks) = self.ask(question, operation, &looked, &decide);
            match operation.copied() {
                _ if lacks.tags && has_tags && looked.tags.is_none() => {
                    let bucket = subject.bucket.as_deref();
                    looked.tags = Some(self.existing_tags(permission, bucket).await?);
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
        let same_account = self.caller.account() == Some(&subject.owner);
        if same_account && self.context.work.is_spent() {
            return Err(S3Error::with_message(Code::AccessDenied, TOO_MUCH_WORK));
        }
        Err(denied(self.caller.principal(), permission, &decision, same_account))
    }

    /// Looks up the resource of a permission, and its owner.
    async fn subject(self, permission: Permission<'_>) -> Result<Subject, S3Error> {
        match permission.resource {
            Resource::Server | Resource::Account | Resource::NewBucket(_) => self.own(permission),
            Resource::Bucket(name) | Resource::Object(name, _) => {
                let bucket = self.bucket(name).await?;
                let (owner, arn) = (bucket.owner.clone(), permission.resource.arn());
                Ok(Subject { bucket: Some(bucket), owner, arn })
            }
        }
    }

    /// The same for a resource that the caller owns, or will own.
    fn own(self, permission: Permission<'_>) -> Result<Subject, S3Error> {
        // An unsigned caller has no account whose policies could be asked.
        let own = self.caller.account().ok_or_else(|| S3Error::new(Code::AccessDenied))?;
        Ok(Subject { bucket: None, owner: own.clone(), arn: permission.resource.arn() })
    }

    fn question<'q>(self, permission: Permission<'q>, subject: &'q Subject) -> PolicyQuestion<'q> {
        let Permission { action, resource: _, version } = permission;
        let Subject { bucket, owner, arn } = subject;
        let policy = bucket.as_ref().and_then(|bucket| self.bucket_policy(action, bucket));
        PolicyQuestion { action, resource: arn, owner, policy, version }
    }

    /// Decides by all policies that concern the caller, and that of the resource.
    pub(super) fn decide(
        self,
        question: PolicyQuestion<'_>,
        operation: &dyn OperationKeys,
    ) -> Decision {
        self.ask(question, operation, &LookedUpFacts::default(), &iam::evaluate).0
    }

    /// Calls `decide` with the facts that were looked up so far. Also returns the facts that are missing.
    fn ask<T>(
        self,
        question: PolicyQuestion<'_>,
        operation: &dyn OperationKeys,
        looked: &LookedUpFacts,
        decide: &impl Fn(&AccessRequest<'_>, &PolicySet<'_>) -> T,
    ) -> (T, MissingFacts) {
        let PolicyQuestion { action, resource, owner, policy, version } = question;
        let circumstances = Circumstances::new(self.caller, self.context, operation, owner)
            .ahead(self.future)
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
        (self.caller.with_policies(policy, decide), circumstances.lacks())
    }

    /// The tags of the permission's object; none if there is no such object.
    async fn existing_tags(
        self,
        permission: Permission<'_>,
        bucket: Option<&Bucket>,
    ) -> Result<Vec<Tag>, S3Error> {
        let (Resource::Object(_, key), Some(bucket)) = (permission.resource, bucket) else {
            return Ok(Vec::new());
        };
        let address =
            ObjectAddress { bucket: &bucket.reference(), key, version: permission.version };
        self.object(address).await?;
        Ok(self.bindings.judge(address))
    }

    /// The number of bytes that a copy takes from its source; 0 if there is no such source.
    async fn copied_size(self, copied: Copied<'_>) -> Result<u64, S3Error> {
        let Copied { bucket, key, version, range } = copied;
        let bucket = self.bucket(bucket).await?.reference();
        let found = self.object(ObjectAddress { bucket: &bucket, key, version }).await?;
        let Lookup::Object(object) = found else { return Ok(0) };
        Ok(range.map_or(object.size, |range| range.end.saturating_sub(range.start)))
    }

    /// The bucket's policy, if it counts for this caller: Block Public Access may leave it out.
    fn bucket_policy<'b>(self, action: &str, bucket: &'b Bucket) -> Option<NamedPolicy<'b>> {
        let policy = bucket.policy.as_ref()?;
        let own = self.caller.account() == Some(&bucket.owner);
        let root = matches!(self.caller.principal(), Principal::Root { .. });
        if own && root && BREAK_GLASS.contains(&action) {
            return None;
        }
        let restricted =
            bucket.public_access_block.is_some_and(|block| block.restrict_public_buckets);
        // With `RestrictPublicBuckets`, a public policy counts only for callers of the owner's account, and for
        // services. Any other policy then counts for other callers only if it names them.
        let named = || policy.bound.allows_by_name(self.caller.principal());
        let is_service = matches!(self.caller.principal(), Principal::Service { .. });
        let shuts_out = || !is_service && policy.document.is_public();
        if !own && restricted && (shuts_out() || !named()) {
            return None;
        }
        Some(NamedPolicy { name: "bucket policy", policy: &policy.bound })
    }
}

/// Whether the store alone knows everything that is unknown: the tags of the object, and the size of a copy's
/// source.
///
/// The answer about a future request must not tell more of an object than its signer could learn by sending the
/// request now. If only facts of the store are unknown, the request would be decided in just this way wherever
/// it came from. So these facts are looked up, and count, but only in the decision at the first moment: the keys
/// are those on which that one hangs. Trying now tells nothing of a tag that decides only tomorrow.
///
/// If something else is unknown too, the facts must not count. For example, a policy refuses everybody outside
/// of an office, and another asks for a tag. Sent from elsewhere, the request would be refused without a word
/// about the tag, but the answer about the future request would tell whether the object has it. So the tags
/// stay unknown, except for a caller who may read them. Whether the object exists is never told: an object that
/// does not exist has no tags, and neither have many that do.
fn is_all_of_the_store(keys: &BTreeSet<String>, copies: bool) -> bool {
    let is_size = |key: &str| copies && key == "valet:contentlength";
    keys.iter().all(|key| key.starts_with(EXISTING_TAGS) || is_size(key))
}

/// Whoever has a link is not told which policy of its maker says no.
fn of_creator(error: S3Error) -> S3Error {
    if error.code() == Code::AccessDenied { S3Error::new(Code::AccessDenied) } else { error }
}

/// The refusal for a denied permission. Only callers of the owner's account are told the reason (semantics
/// 5.5.1).
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
        Resource::Server | Resource::Account => String::new(),
        Resource::NewBucket(_) | Resource::Bucket(_) | Resource::Object(_, _) => {
            format!(" on resource: \"{}\"", resource.arn())
        }
    };
    S3Error::with_message(
        Code::AccessDenied,
        format!("User: {arn} is not authorized to perform: {action}{on} {why}"),
    )
}

/// The reason of a denial (semantics 5.5.3); `None` if the action was allowed.
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
