//! Asks the server when its policies end a link: once for each link, for at most one second.

use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use presign::{Credentials, EXPIRES_SECONDS_MAX, Endpoint, Signer};
use reqwest::header::SERVER;
use reqwest::{Client, Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::args::{Aws, Life};
use crate::aws::{Api, Identity};
use crate::failure::Failure;
use crate::location::S3Uri;
use crate::presign::expiry::{Limit, ServerExpiry, Works};
use crate::remote::{self, Call};
use crate::{location, refusal};

const PATH: &str = "/_valet/api/v1/expiry";
const JSON: &str = "application/json";
/// A link can be made without the answer, so it must not wait longer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// The server to ask, and the credentials that will sign the link.
#[derive(Debug)]
pub(crate) struct ExpiryClient {
    runtime: Runtime,
    client: Client,
    endpoint: Endpoint,
    credentials: Credentials,
    region: String,
}

/// Why the server gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Silence {
    /// The server is not Valet, or an older version.
    #[error("the server does not tell whether policies end the link earlier")]
    Unable,
    /// The server could not be reached, or did not answer in time.
    #[error("the server could not be asked whether policies end the link earlier: {0}")]
    Failed(String),
    /// The server refuses the credentials, and so every link that they sign.
    #[error("the link will not work: {0}")]
    Refused(String),
    /// The server refuses only this link.
    #[error("the link will not work: {0}")]
    Impossible(String),
}

/// The link or form that is about to be signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpiryQuestion<'q> {
    /// `POST` for a form.
    pub(crate) method: &'q str,
    pub(crate) uri: &'q S3Uri,
    pub(crate) version_id: Option<&'q str>,
    pub(crate) life: Life,
}

/// The body of the request.
#[derive(Serialize)]
struct Request<'q> {
    method: &'q str,
    bucket: &'q str,
    key: &'q str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<&'q str>,
    expires_in_seconds: u64,
}

#[derive(Deserialize)]
struct Reply {
    effective_expires_at: String,
    limited_by: Vec<Limit>,
    #[serde(default = "yes")]
    allowed: bool,
    /// Condition keys on whose values it depends, which nobody knows before the link is used.
    #[serde(default)]
    missing: Vec<String>,
}

fn yes() -> bool {
    true
}

impl ExpiryClient {
    /// `None` if there is no server to ask: none is configured, or it is AWS.
    pub(crate) fn of(identity: &Identity, aws: &Aws) -> Result<Option<Self>, Failure> {
        let Some(endpoint) = identity.service.endpoint.clone() else { return Ok(None) };
        if location::is_aws(&endpoint) {
            return Ok(None);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        Ok(Some(Self {
            runtime,
            client: remote::client(aws)?,
            endpoint,
            credentials: identity.credentials.clone(),
            region: identity.region.clone(),
        }))
    }

    pub(crate) fn ask(
        &self,
        question: ExpiryQuestion<'_>,
        now: Timestamp,
    ) -> Result<ServerExpiry, Silence> {
        let ExpiryQuestion { method, uri, version_id, life } = question;
        let request = Request {
            method,
            bucket: &uri.bucket,
            key: uri.key.as_deref().unwrap_or_default(),
            version_id,
            expires_in_seconds: life.seconds().min(EXPIRES_SECONDS_MAX.into()),
        };
        let failed = |error: &dyn std::fmt::Display| Silence::Failed(error.to_string());
        let body = serde_json::to_string(&request).map_err(|error| failed(&error))?;
        self.runtime.block_on(async {
            let asking = tokio::time::timeout(ANSWER_TIMEOUT, self.send(&body, now));
            asking.await.map_err(|_| failed(&"it did not answer within a second"))?
        })
    }

    async fn send(&self, body: &str, now: Timestamp) -> Result<ServerExpiry, Silence> {
        let call = Call {
            method: &Method::POST,
            path: PATH,
            query: "",
            content_type: Some(JSON),
            body,
            api: Api::S3,
        };
        let signer = Signer {
            credentials: &self.credentials,
            region: &self.region,
            service: Api::S3.service_id(),
        };
        let sending = remote::send(&self.client, &self.endpoint, call, &signer, now).await;
        let response = sending.map_err(|failure| Silence::Failed(failure.to_string()))?;
        if !response.status().is_success() {
            let is_unable = is_unable(&response);
            let refusal = refusal::look_at_own(response).await;
            if is_unable && !refusal.speaks_tls() {
                return Err(Silence::Unable);
            }
            return Err(match (refusal.of_signer(), refusal.of_bucket()) {
                (Some(words), _) => Silence::Refused(words),
                (None, Some(words)) => Silence::Impossible(words),
                (None, None) => Silence::Failed(refusal.failure.to_string()),
            });
        }
        let unreadable = || Silence::Failed("its answer cannot be read".to_owned());
        let body = remote::read(response).await.map_err(|_| unreadable())?;
        let Reply { effective_expires_at, limited_by, allowed, missing } =
            serde_json::from_str(&body).map_err(|_| unreadable())?;
        let end = effective_expires_at.parse().map_err(|_| unreadable())?;
        Ok(ServerExpiry { end, limited_by, works: Works::of(allowed, missing) })
    }
}

/// Another store refuses this path in its own way; an older Valet answers that it does not exist.
fn is_unable(response: &Response) -> bool {
    let is_valet = response.headers().get(SERVER).is_some_and(|name| name == "Valet");
    let status = response.status();
    !is_valet
        || [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_IMPLEMENTED]
            .contains(&status)
}
