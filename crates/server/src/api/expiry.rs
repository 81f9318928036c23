//! How long a link will hold that is about to be signed: what its signer's own policies and the
//! bucket's say, asked by the signer itself.

use hyper::StatusCode;
use iam::{AccessRequest, Context, Decision, NamedPolicy, Policy, PolicySet, Values};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use store::{BucketName, ObjectKey};

use super::json;
use crate::error::{Code, S3Error, refusal};
use crate::gate::Door;
use crate::respond::Reply;

/// Seconds that a link may be asked for.
const SECONDS_MAX: u64 = 604_800;
/// Moments that are looked at: two for each limit that a policy names.
const MOMENTS_MAX: usize = 1024;

/// A link that is about to be signed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    method: String,
    bucket: String,
    #[serde(default)]
    key: String,
    version_id: Option<String>,
    expires_in_seconds: u64,
}

#[derive(Serialize)]
struct Told {
    effective_expires_at: String,
    limited_by: Vec<&'static str>,
    /// Whether it works at all, as things are now.
    allowed: bool,
}

/// What shortens a link's life.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Limit {
    SignatureAge,
    PolicyTime,
}

impl Limit {
    fn name(self) -> &'static str {
        match self {
            Self::SignatureAge => "signature-age",
            Self::PolicyTime => "policy-time",
        }
    }
}

/// The circumstances of a link at one moment of its life; where it will be used from is not known.
struct Moment<'m> {
    door: &'m Door,
    signed_at: Timestamp,
    at: Timestamp,
}

impl Context for Moment<'_> {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        let one = |text: String| Some(Values::One(text.into()));
        match key {
            "s3:authtype" => one("REST-QUERY-STRING".to_owned()),
            "s3:signatureversion" => one("AWS4-HMAC-SHA256".to_owned()),
            "s3:signatureage" => {
                one(self.at.duration_since(self.signed_at).as_millis().max(0).to_string())
            }
            // Beyond milliseconds no policy looks.
            "aws:currenttime" => one(self.at.to_string()),
            "aws:epochtime" => one(self.at.as_second().to_string()),
            other => self.door.signer_key(other),
        }
    }
}

pub(super) async fn tell(door: &Door, asked: Asked) -> Result<Reply, S3Error> {
    let Asked { method, bucket, key, version_id, expires_in_seconds } = asked;
    let seconds = expires_in_seconds.clamp(1, SECONDS_MAX);
    let name = BucketName::parse(&bucket).map_err(|_| S3Error::new(Code::InvalidBucketName))?;
    let (action, resource) = question(&method, &name, &key, version_id.is_some())?;
    let signed_at = door.now();
    let life = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or_default());
    let asked_end = signed_at.checked_add(life).unwrap_or(signed_at);
    let found = door.store().bucket(&name).await.map_err(refusal::of_store)?;
    let owner = match &found {
        Some(bucket) => bucket.owner.clone(),
        None => door.account()?.clone(),
    };
    let policy = found.as_ref().and_then(|bucket| bucket.policy.as_ref());
    let bound = policy.map(|policy| NamedPolicy { name: "bucket policy", policy: &policy.bound });
    let Some(identity) = door.caller().identity() else {
        return Err(S3Error::new(Code::AccessDenied));
    };
    let allowed = |policies: &PolicySet<'_>, at: Timestamp| {
        let moment = Moment { door, signed_at, at };
        let request = AccessRequest {
            principal: door.principal(),
            action,
            resource: &resource,
            resource_account: &owner,
            context: &moment,
        };
        matches!(iam::evaluate(&request, policies), Decision::Allow(_))
    };
    let (end, limit, now) = identity.with_policies(bound, |policies| {
        let now = allowed(policies, signed_at);
        let moments = moments(policies, signed_at, asked_end);
        // The first moment at which it no longer holds ends it, whatever comes later.
        let dies = moments.into_iter().find(|(at, _)| now && !allowed(policies, *at));
        match dies {
            None => (asked_end, None, now),
            Some((at, limit)) => (at, Some(limit), now),
        }
    });
    let told = Told {
        effective_expires_at: end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        limited_by: limit.map(Limit::name).into_iter().collect(),
        allowed: now,
    };
    Ok(json(StatusCode::OK, &told))
}

fn question(
    method: &str,
    bucket: &BucketName,
    key: &str,
    versioned: bool,
) -> Result<(&'static str, String), S3Error> {
    if key.is_empty() {
        let action = match method {
            "GET" | "HEAD" => "s3:ListBucket",
            "PUT" => "s3:CreateBucket",
            "DELETE" => "s3:DeleteBucket",
            _ => return Err(S3Error::new(Code::MethodNotAllowed)),
        };
        return Ok((action, format!("arn:aws:s3:::{bucket}")));
    }
    let key = ObjectKey::parse(key).map_err(|_| S3Error::new(Code::InvalidUri))?;
    let action = match (method, versioned) {
        ("GET" | "HEAD", false) => "s3:GetObject",
        ("GET" | "HEAD", true) => "s3:GetObjectVersion",
        ("PUT", _) => "s3:PutObject",
        ("DELETE", false) => "s3:DeleteObject",
        ("DELETE", true) => "s3:DeleteObjectVersion",
        _ => return Err(S3Error::new(Code::MethodNotAllowed)),
    };
    Ok((action, format!("arn:aws:s3:::{bucket}/{key}")))
}

/// The moments at which a decision may change: at each limit that a policy names, and just after.
fn moments(
    policies: &PolicySet<'_>,
    signed_at: Timestamp,
    end: Timestamp,
) -> Vec<(Timestamp, Limit)> {
    let PolicySet { identity, boundary, session, resource } = policies;
    let all = identity.iter().chain(boundary).chain(session.unwrap_or_default()).chain(resource);
    let mut moments = Vec::new();
    for NamedPolicy { policy, .. } in all {
        moments.extend(of_policy(policy, signed_at));
    }
    moments.retain(|(at, _)| *at > signed_at && *at < end);
    moments.sort_by_key(|(at, _)| *at);
    moments.truncate(MOMENTS_MAX);
    moments
}

fn of_policy(policy: &Policy, signed_at: Timestamp) -> Vec<(Timestamp, Limit)> {
    let just_after = |at: Timestamp, step: SignedDuration, limit: Limit| {
        [Some(at), at.checked_add(step).ok()].into_iter().flatten().map(move |at| (at, limit))
    };
    let ages = policy.condition_values("s3:signatureage").into_iter().filter_map(|text| {
        let age = SignedDuration::from_millis(text.trim().parse().ok()?);
        signed_at.checked_add(age).ok()
    });
    let ages =
        ages.flat_map(|at| just_after(at, SignedDuration::from_millis(1), Limit::SignatureAge));
    let keys = ["aws:currenttime", "aws:epochtime"];
    let times = keys.into_iter().flat_map(|key| policy.condition_values(key)).filter_map(|text| {
        text.parse().ok().or_else(|| Timestamp::from_second(text.trim().parse().ok()?).ok())
    });
    let times =
        times.flat_map(|at| just_after(at, SignedDuration::from_secs(1), Limit::PolicyTime));
    ages.chain(times).collect()
}
