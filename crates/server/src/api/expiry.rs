//! Tells the signer of a link whether and for how long the link will work: what the gate would decide about it.

use std::collections::BTreeSet;
use std::sync::Arc;

use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use iam::{HoldsUntil, LinkLife, PolicyLimit, Verdict};
use jiff::{SignedDuration, Timestamp};
use presign::{AmzDate, Mechanism};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{BucketName, ObjectKey};

use super::document::Json;
use super::error::ApiError;
use super::operation::{ApiOperation, ApiPermission, ApiRequest};
use crate::error::{Code, S3Error};
use crate::gate::{Authorized, FutureRequest};
use crate::route::Target;
use crate::s3::foreseen::foresee;

/// The longest life of a link, in seconds.
const SECONDS_MAX: u64 = 604_800;

/// The method of a browser form.
const FORM: &str = "POST";
/// The methods of links, and that of a form.
const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "DELETE", FORM];

/// `POST /expiry`. Everybody may ask about links that they sign themselves.
pub(super) struct TellExpiry;

/// The link or form that is about to be signed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IntendedLink {
    method: String,
    bucket: String,
    #[serde(default)]
    key: String,
    version_id: Option<String>,
    expires_in_seconds: u64,
}

/// Whether and for how long the link will work.
#[derive(Serialize, JsonSchema)]
pub(super) struct ToldExpiry {
    effective_expires_at: String,
    limited_by: Vec<&'static str>,
    /// Whether the link would work now, wherever it is used from.
    allowed: bool,
    works: Works,
    /// The condition keys that decide, and whose values nobody can know yet.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(default)]
    missing: BTreeSet<String>,
}

/// Whether the link would work now.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Works {
    Yes,
    No,
    Unknown,
}

impl ApiOperation for TellExpiry {
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
        let access = call.access();
        if !METHODS.contains(&link.method.as_str()) {
            return Err(ApiError::invalid_request(
                "`method` is GET, PUT, HEAD, DELETE or POST, in upper case.",
            ));
        }
        let asked = link.life(access.now());
        // A link dies with the session that signs it.
        let until = access.session_ends_at().map_or(asked.until, |end| end.min(asked.until));
        let life = LinkLife { until, ..asked };
        let verdict = foresee(access, &link.target()?, &link.future(life)?).await?;
        let unlimited = if until < asked.until { vec!["session"] } else { Vec::new() };
        Ok(Json(ToldExpiry::of(verdict, life, unlimited)))
    }
}

impl IntendedLink {
    fn target(&self) -> Result<Target, S3Error> {
        let bucket =
            BucketName::parse(&self.bucket).map_err(|_| S3Error::new(Code::InvalidBucketName))?;
        if self.key.is_empty() {
            return Ok(Target::Bucket(bucket));
        }
        let key = ObjectKey::parse(&self.key).map_err(|_| S3Error::new(Code::InvalidUri))?;
        Ok(Target::Object(bucket, key))
    }

    /// The life of a link that is signed now. Links are dated in whole seconds.
    fn life(&self, now: Timestamp) -> LinkLife {
        let signed_at = AmzDate::from_timestamp(now).timestamp();
        let seconds = self.expires_in_seconds.clamp(1, SECONDS_MAX);
        let seconds = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or_default());
        let until = signed_at.checked_add(seconds).unwrap_or(signed_at);
        LinkLife { signed_at, from: now, until }
    }

    fn future(&self, life: LinkLife) -> Result<FutureRequest, S3Error> {
        let mechanism = if self.method == FORM { Mechanism::V4Form } else { Mechanism::V4Query };
        Ok(FutureRequest { head: Arc::new(self.head()?), mechanism, life })
    }

    /// The head of the request that the link will make, without the bucket and key.
    fn head(&self) -> Result<Parts, S3Error> {
        let version = self.version_id.as_deref();
        let query = version
            .map(|version| format!("?versionId={}", presign::encode_component(version.as_bytes())));
        let request = Request::builder()
            .method(self.method.as_str())
            .uri(format!("/{}", query.unwrap_or_default()));
        let request = request.body(()).map_err(|_| S3Error::new(Code::MethodNotAllowed))?;
        Ok(request.into_parts().0)
    }
}

impl ToldExpiry {
    /// `unlimited`: what ends the link that no policy ends.
    fn of(verdict: Verdict, life: LinkLife, unlimited: Vec<&'static str>) -> Self {
        let nowhere = HoldsUntil { at: life.signed_at, limited_by: PolicyLimit::Nothing };
        let (works, holds, missing) = match verdict {
            Verdict::Allowed(holds) => (Works::Yes, holds, BTreeSet::new()),
            Verdict::Refused(_) => (Works::No, nowhere, BTreeSet::new()),
            Verdict::Unknown { missing, at_most } => (Works::Unknown, at_most, missing),
        };
        Self {
            effective_expires_at: holds.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            limited_by: match holds.limited_by {
                PolicyLimit::Nothing if works == Works::No => Vec::new(),
                PolicyLimit::Nothing => unlimited,
                PolicyLimit::SignatureAge => vec!["signature-age"],
                PolicyLimit::Time => vec!["policy-time"],
            },
            allowed: works == Works::Yes,
            works,
            missing,
        }
    }
}
