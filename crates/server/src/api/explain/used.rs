//! What the gate would decide about a link if it were used now.

use std::collections::BTreeSet;
use std::sync::Arc;

use hyper::Request;
use hyper::header::HOST;
use hyper::http::request::Parts;
use iam::{Decision, HoldsUntil, PolicyLimit, Verdict};
use presign::{
    Cause, CauseCode, ExpiryLimit, Explanation, LinkConditions, LinkNote, LinkRequest, LinkVerdict,
    Mechanism, MissingFact, QueryPairs, decode_query_component, encode_component,
};
use store::{Lookup, Revocation, RevokedLinks, VersionId};

use super::LinkInQuestion;
use super::host::HostKind;
use crate::api::error::ApiError;
use crate::error::{Code, S3Error};
use crate::gate::{FutureRequest, REVOKED, StoreAccess, UsedLink};
use crate::permission::Permission;
use crate::route::Target;
use crate::s3::foreseen::foresee;

/// What a link is used as, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'p> {
    pub(super) request: &'p LinkRequest,
    pub(super) target: &'p Target,
    pub(super) host: HostKind,
}

impl Place<'_> {
    /// Whether the host may name the bucket, so that the link would be read as another one where it leads.
    fn is_read_otherwise(&self, told: &Explanation) -> bool {
        let bucket = match self.target {
            Target::Service => "",
            Target::Bucket(name) | Target::Object(name, _) => name.as_str(),
        };
        let guessed = told.allows.as_ref().map(|grant| &*grant.bucket);
        self.host == HostKind::Unknown && guessed != Some(bucket)
    }
}

/// What the gate would decide if the link were used now. Nothing is looked up of a link that cannot be used: what it
/// would tell could not be found by trying either.
pub(super) async fn of_use(
    access: &StoreAccess,
    told: &mut Explanation,
    link: &LinkInQuestion,
    place: Place<'_>,
) -> Result<(), ApiError> {
    let Place { request, target, host } = place;
    // A link that only opens later may have been taken back by now.
    let opens_later = told.conditions.not_before.is_some_and(|it| access.now() < it.timestamp());
    let only_later = opens_later && matches!(&*told.causes, [it] if it.code == CauseCode::NotYet);
    let can_be_used = told.works != LinkVerdict::Fails || only_later;
    let is_known = told.signature_holds == Some(true) && !place.is_read_otherwise(told);
    if !can_be_used || !is_known {
        return Ok(());
    }
    let used = match head_of(told, link, request) {
        Some(parts) => access.used_now(&Arc::new(parts)).await,
        None => None,
    };
    // What the caller may know was decided for this target, and nothing is told of another.
    let Some(used) = used.filter(|used| used.target == *target) else {
        if told.works != LinkVerdict::Fails {
            told.works = LinkVerdict::Unknown;
            told.missing.push(MissingFact::Policies);
        }
        return Ok(());
    };
    if let Some(cause) = of_source(access, told).filter(|_| !only_later) {
        told.works = LinkVerdict::Unknown;
        told.missing.push(MissingFact::ConditionKey("aws:sourceip".to_owned()));
        told.causes.push(cause);
    }
    if host == HostKind::Unknown && of_bucket(&used).await?.is_some() {
        // A bucket that is not here may be where the host leads, or the path may be read otherwise there.
        return Ok(());
    }
    if of_policies(access, told, &used).await? {
        of_object(told, &used).await?;
        of_uses(told, &used).await?;
        of_power(told, &used).await;
    }
    Ok(())
}

/// Adds a certain cause, after those that a server would find first.
fn fail(told: &mut Explanation, cause: Cause) {
    told.works = LinkVerdict::Fails;
    told.missing.clear();
    told.causes.push(cause);
}

/// The head of the request that the link makes. `None`: no client can send it.
fn head_of(told: &Explanation, link: &LinkInQuestion, request: &LinkRequest) -> Option<Parts> {
    let method = told.allows.as_ref().and_then(|grant| grant.method.as_deref());
    let method = link.method.as_deref().or(method)?;
    // A HEAD by such a link is judged as the GET that was signed.
    let is_of_get = method == "HEAD" && told.conditions.allow_head;
    let method = if is_of_get { "GET" } else { method };
    let mut uri = sendable(&request.path);
    uri.push('?');
    uri.push_str(&sendable(&request.query));
    let mut head = Request::builder().method(method).uri(uri).header(HOST, request.host.as_str());
    for (name, value) in &request.headers {
        // Who asks is no proxy, whatever the address.
        if !name.starts_with("x-forwarded-") {
            head = head.header(name.as_str(), value.as_slice());
        }
    }
    Some(head.body(()).ok()?.into_parts().0)
}

/// A path or query with the bytes encoded that no client sends as they are.
fn sendable(text: &str) -> String {
    let mut sent = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_graphic() && !"\"<>\\^`{|}#".contains(c) {
            sent.push(c);
        } else {
            sent.push_str(&encode_component(c.to_string().as_bytes()));
        }
    }
    sent
}

/// The link may be used from some addresses alone, of which the asker's is none.
fn of_source(access: &StoreAccess, told: &Explanation) -> Option<Cause> {
    let ranges = told.conditions.source_ip.as_ref()?;
    let client = access.context().client;
    (!ranges.contain(client)).then(|| {
        Cause::new(
            CauseCode::SourceIp,
            format!("The link may be used from {ranges} alone; this question came from {client}."),
            "Use it from there, or sign a link without that condition.",
        )
    })
}

/// Whether policies let the link work, so far as is known.
async fn of_policies(
    access: &StoreAccess,
    told: &mut Explanation,
    used: &UsedLink,
) -> Result<bool, ApiError> {
    let is_own = access.owns_bucket(&used.target).await?;
    if let Some(cause) = of_bucket(used).await? {
        fail(told, cause);
        return Ok(false);
    }
    let future = FutureRequest {
        head: Arc::new(without_conditions(used)?),
        mechanism: used.mechanism,
        life: used.life,
    };
    let denied = |why: &str| {
        Cause::new(
            CauseCode::Policy,
            format!("The link's signer may not do this{why}."),
            "Let the signer do it (an identity policy, or the bucket's), or let somebody sign who may.",
        )
    };
    match foresee(&used.access, &used.target, &future).await {
        Ok(Verdict::Allowed(holds)) => {
            limit(told, holds);
            Ok(told.works != LinkVerdict::Fails)
        }
        Ok(Verdict::Refused(decision)) => {
            let why = if is_own { reason(&decision) } else { String::new() };
            fail(told, denied(&why));
            Ok(false)
        }
        Ok(Verdict::Unknown { missing, at_most }) => {
            if told.works != LinkVerdict::Fails {
                told.works = LinkVerdict::Unknown;
                lacks(told, missing);
            }
            limit(told, at_most);
            Ok(false)
        }
        Err(error) if error.code().status().is_server_error() => Err(error.into()),
        Err(error) if error.code() == Code::AccessDenied && error.message() == REVOKED => {
            fail(told, of_revocation(used).await?);
            // Before the time at which it would open.
            told.causes.rotate_right(1);
            Ok(false)
        }
        Err(error) if error.code() == Code::AccessDenied => {
            fail(told, denied(""));
            Ok(false)
        }
        Err(error) if error.code() == Code::InvalidArgument => {
            let mend = "Sign a link without what the operation cannot have.";
            fail(told, Cause::new(CauseCode::ParameterAdded, error.message(), mend));
            Ok(false)
        }
        Err(error) => {
            fail(
                told,
                Cause::new(
                    CauseCode::Policy,
                    format!("The server would refuse the request: {}", error.message()),
                    "Sign a link for something that the server does.",
                ),
            );
            Ok(false)
        }
    }
}

/// The link was taken back.
async fn of_revocation(used: &UsedLink) -> Result<Cause, ApiError> {
    let revocation = used.access.revocation(&used.target).await?;
    let of_many = |it: &Revocation| !matches!(it.links, RevokedLinks::Link { .. });
    let of_many = revocation.as_ref().is_some_and(of_many);
    let mend = if of_many && used.mechanism == Mechanism::V2Query {
        "Sign a link with SigV4: links of SigV2 do not say when they were signed, so new ones are refused as well."
    } else {
        "Ask whoever took it back (`valet links ls` shows who), or sign a new one."
    };
    let text = revocation.as_ref().map(how_taken_back);
    let text = text.unwrap_or_else(|| "The link was taken back.".to_owned());
    Ok(Cause::new(CauseCode::Revoked, text, mend))
}

fn how_taken_back(revocation: &Revocation) -> String {
    let Revocation { links, revoked_at, .. } = revocation;
    let what = match links {
        RevokedLinks::Link { .. } => "The link was".to_owned(),
        RevokedLinks::AccessKey(id) => {
            format!("All links that the access key {id} had signed were")
        }
        RevokedLinks::Object(bucket, key) => format!("All links for s3://{bucket}/{key} were"),
        RevokedLinks::Prefix(bucket, prefix) => {
            format!("All links for what begins with s3://{bucket}/{prefix} were")
        }
    };
    format!("{what} taken back at {}.", revoked_at.strftime("%Y-%m-%dT%H:%M:%SZ"))
}

fn reason(decision: &Decision) -> String {
    match decision {
        Decision::Allow(_) => String::new(),
        Decision::ExplicitDeny(cause) => format!(": it is denied by the {}", cause.kind),
        Decision::ImplicitDeny(kind) => format!(": no {kind} allows it"),
    }
}

fn lacks(told: &mut Explanation, keys: BTreeSet<String>) {
    for key in keys {
        let fact = MissingFact::ConditionKey(key);
        if !told.missing.contains(&fact) {
            told.missing.push(fact);
        }
    }
}

/// A policy may end the link before it ends by itself.
fn limit(told: &mut Explanation, holds: HoldsUntil) {
    let Some(grant) = &mut told.allows else { return };
    let by = match holds.limited_by {
        PolicyLimit::Nothing => return,
        PolicyLimit::SignatureAge => ExpiryLimit::SignatureAge,
        PolicyLimit::Time => ExpiryLimit::PolicyTime,
    };
    if grant.until.is_none_or(|until| holds.at < until) {
        grant.until = Some(holds.at);
        grant.limited_by = vec![by];
    }
}

/// The bucket is not there, and the link does not make it.
async fn of_bucket(used: &UsedLink) -> Result<Option<Cause>, ApiError> {
    let name = match &used.target {
        Target::Service => return Ok(None),
        Target::Bucket(_) if used.access.context().parts.method == "PUT" => return Ok(None),
        Target::Bucket(name) | Target::Object(name, _) => name,
    };
    match used.access.bucket(name).await {
        Ok(_) => Ok(None),
        Err(error) if error.code() == Code::NoSuchBucket => {
            let (text, mend) = if used.access.context().virtual_hosted {
                (
                    format!(
                        "The host is read as the bucket {name} of a domain, and there is none."
                    ),
                    "If the host is a name of the server itself, declare it (--public-url); else make the bucket.",
                )
            } else {
                (
                    format!("There is no bucket {name}."),
                    "Make the bucket (valet mb), or sign a link for another one.",
                )
            };
            Ok(Some(Cause::new(CauseCode::BucketMissing, text, mend)))
        }
        Err(error) => Err(error.into()),
    }
}

/// The object is not there. Only of a link that works otherwise: whoever has it can find that out by using it.
async fn of_object(told: &mut Explanation, used: &UsedLink) -> Result<(), ApiError> {
    let Target::Object(name, key) = &used.target else { return Ok(()) };
    let parts = &used.access.context().parts;
    let is_read = parts.method == "GET" || parts.method == "HEAD";
    let value = |name: &str| {
        QueryPairs::new(parts.uri.query().unwrap_or_default())
            .find(|(raw, _)| *decode_query_component(raw) == *name.as_bytes())
            .map(|(_, raw)| String::from_utf8_lossy(&decode_query_component(raw)).into_owned())
    };
    if !is_read || value("uploadId").is_some() || told.works != LinkVerdict::Works {
        return Ok(());
    }
    let version = value("versionId");
    let bucket = used.access.bucket(name).await?;
    let version = match version.map(|version| VersionId::parse(&version)) {
        Some(Ok(version)) => Some(version),
        Some(Err(_)) => return Ok(()),
        None => None,
    };
    match used.access.object(&bucket, key, version.as_ref()).await? {
        Lookup::Object(_) => {}
        Lookup::DeleteMarker(_)
        | Lookup::NoSuchKey
        | Lookup::NoSuchVersion
        | Lookup::NoSuchBucket => fail(
            told,
            Cause::new(
                CauseCode::ObjectMissing,
                "Nothing is stored at the key, or no longer.",
                "Store the object, or sign a link for one that is there: keys are exact, capitals included.",
            ),
        ),
    }
    Ok(())
}

/// The head of the future request, without bucket, key and the conditions that are judged here.
fn without_conditions(used: &UsedLink) -> Result<Parts, S3Error> {
    let parts = &used.access.context().parts;
    let kept = QueryPairs::new(parts.uri.query().unwrap_or_default()).filter(|(name, _)| {
        let name = decode_query_component(name);
        !LinkConditions::is_condition(&String::from_utf8_lossy(&name))
    });
    let kept: Vec<String> = kept.map(|(name, value)| format!("{name}={value}")).collect();
    let request = Request::builder().method(&parts.method).uri(format!("/?{}", kept.join("&")));
    let mut head = request.body(()).map_err(|_| S3Error::new(Code::InvalidUri))?.into_parts().0;
    head.headers = parts.headers.clone();
    Ok(head)
}

/// The link was used as often as it may be.
async fn of_uses(told: &mut Explanation, used: &UsedLink) -> Result<(), ApiError> {
    if told.works == LinkVerdict::Fails {
        return Ok(());
    }
    match used.access.refuse_used_up().await {
        Err(error) if error.code() == Code::AccessDenied => fail(
            told,
            Cause::new(
                CauseCode::UsedUp,
                "All uses of the link are taken: by whoever has used it, or is just using it.",
                "Sign a new link, with more uses if these were too few.",
            ),
        ),
        Ok(()) => {
            if let Some((left, of)) = used.access.uses_left().await? {
                told.notes.push(LinkNote::UsesLeft { left, of });
            }
        }
        // While all that are left are open, the link works again when one is given back.
        Err(_) => {}
    }
    Ok(())
}

/// Notes that the signer may do far more than the link does: rule the bucket.
async fn of_power(told: &mut Explanation, used: &UsedLink) {
    let Target::Object(bucket, _) = &used.target else { return };
    let rules = Permission::bucket("s3:PutBucketPolicy", bucket);
    let is_noted = told.notes.contains(&LinkNote::PowerfulSigner);
    if !is_noted && used.access.require(rules).await.is_ok() {
        told.notes.push(LinkNote::PowerfulSigner);
    }
}
