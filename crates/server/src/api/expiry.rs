//! How long a link will hold that is about to be signed: what its signer's own policies and the
//! bucket's say, asked by the signer itself.

use hyper::StatusCode;
use iam::{AccessRequest, Context, HoldsUntil, PolicyLimit, Values, Work};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use store::{BucketName, ObjectKey};

use super::document::Json;
use super::error::ApiError;
use super::operation::{ApiOperation, ApiPermission, ApiRequest, SignedBy};
use crate::error::{Code, S3Error};
use crate::gate::{Authorized, Door};

/// Seconds that a link may be asked for.
const SECONDS_MAX: u64 = 604_800;

/// The method of a browser form.
const FORM: &str = "POST";

/// `POST /expiry`: everybody may ask about what they sign themselves.
pub(super) struct TellExpiry;

/// A link, or a form, that is about to be signed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IntendedLink {
    method: String,
    bucket: String,
    #[serde(default)]
    key: String,
    version_id: Option<String>,
    expires_in_seconds: u64,
}

/// How long it will hold.
#[derive(Serialize)]
pub(super) struct ToldExpiry {
    effective_expires_at: String,
    limited_by: Vec<&'static str>,
    /// Whether it works at all, as things are now.
    allowed: bool,
}

/// The circumstances of a link or form that nobody has used yet: where it will be used from is not known.
struct LinkContext<'d> {
    door: &'d Door,
    /// `s3:authType`
    auth_type: &'static str,
}

impl Context for LinkContext<'_> {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        let one = |text: &'static str| Some(Values::One(text.into()));
        match key {
            "s3:authtype" => one(self.auth_type),
            "s3:signatureversion" => one("AWS4-HMAC-SHA256"),
            other => self.door.signer_key(other),
        }
    }

    fn work(&self) -> Option<&Work> {
        Some(&self.door.context().work)
    }
}

impl ApiOperation for TellExpiry {
    const SIGNED: SignedBy = SignedBy::Header;
    const PAGES: Option<&'static str> = None;
    const STATUS: StatusCode = StatusCode::OK;
    type Request = Json<IntendedLink>;
    type Answer = Json<ToldExpiry>;

    fn read(_request: &ApiRequest<'_>) -> Result<Self, ApiError> {
        Ok(Self)
    }

    fn permission(&self) -> ApiPermission<'_> {
        ApiPermission::Oneself
    }

    async fn run(
        call: Authorized<Self>,
        Json(link): Json<IntendedLink>,
    ) -> Result<Json<ToldExpiry>, ApiError> {
        Ok(Json(tell(call.door(), link).await?))
    }
}

async fn tell(door: &Door, link: IntendedLink) -> Result<ToldExpiry, S3Error> {
    let IntendedLink { method, bucket, key, version_id, expires_in_seconds } = link;
    let seconds = expires_in_seconds.clamp(1, SECONDS_MAX);
    let name = BucketName::parse(&bucket).map_err(|_| S3Error::new(Code::InvalidBucketName))?;
    let (action, resource) = question(&method, &name, &key, version_id.is_some())?;
    let signed_at = door.now();
    let life = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or_default());
    let asked_end = signed_at.checked_add(life).unwrap_or(signed_at);
    let found = match door.bucket(&name).await {
        Ok(bucket) => Some(bucket),
        Err(error) if error.code() == Code::NoSuchBucket => None,
        Err(error) => return Err(error),
    };
    let owner = match &found {
        Some(bucket) => bucket.owner.clone(),
        None => door.account()?.clone(),
    };
    let policy = found.as_ref().and_then(|bucket| door.bucket_policy(action, bucket));
    let Some(identity) = door.caller().identity() else {
        return Err(S3Error::new(Code::AccessDenied));
    };
    let auth_type = if method == FORM { "POST" } else { "REST-QUERY-STRING" };
    let context = LinkContext { door, auth_type };
    let request = AccessRequest {
        principal: door.principal(),
        action,
        resource: &resource,
        resource_account: &owner,
        context: &context,
    };
    let holds = identity.with_policies(policy, |policies| {
        iam::holds_until(&request, policies, signed_at, asked_end)
    });
    let (end, limited_by) = match holds {
        None => (signed_at, Vec::new()),
        Some(HoldsUntil { at, limited_by }) => match limited_by {
            PolicyLimit::Nothing => (asked_end, Vec::new()),
            PolicyLimit::SignatureAge => (at, vec!["signature-age"]),
            PolicyLimit::Time => (at, vec!["policy-time"]),
        },
    };
    Ok(ToldExpiry {
        effective_expires_at: end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        limited_by,
        allowed: holds.is_some(),
    })
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
        ("PUT" | FORM, _) => "s3:PutObject",
        ("DELETE", false) => "s3:DeleteObject",
        ("DELETE", true) => "s3:DeleteObjectVersion",
        _ => return Err(S3Error::new(Code::MethodNotAllowed)),
    };
    Ok((action, format!("arn:aws:s3:::{bucket}/{key}")))
}
