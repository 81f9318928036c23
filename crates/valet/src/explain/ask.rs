//! Asks the configured server what it knows of a link.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use presign::{Credentials, Endpoint, Signer};
use reqwest::header::SERVER;
use reqwest::{Client, Method, StatusCode};
use serde::Serialize;
use server::ExplainedLink;
use tokio::runtime::Runtime;

use crate::args::Aws;
use crate::aws::Api;
use crate::failure::Failure;
use crate::refusal;
use crate::remote::{self, Call};

const PATH: &str = "/_valet/api/v1/explain";
const JSON: &str = "application/json";
/// Much is known without the server, so its answer is not waited for any longer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The server to ask, and who asks.
#[derive(Debug)]
pub(super) struct ExplainClient {
    runtime: Runtime,
    client: Client,
    endpoint: Endpoint,
    credentials: Credentials,
    region: String,
}

/// Why the server gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Silence {
    /// The server is not Valet, or an older version.
    #[error("the server does not explain links")]
    Unable,
    /// The server could not be asked, or refused the question.
    #[error("the server could not be asked about the link: {0}")]
    Failed(String),
}

/// The body of the request.
#[derive(Serialize)]
struct Question<'q> {
    url: &'q str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'q str>,
    headers: BTreeMap<&'q str, &'q str>,
}

impl ExplainClient {
    /// `signer`: the credentials, and the region to sign for.
    pub(super) fn new(
        endpoint: Endpoint,
        signer: (Credentials, String),
        aws: &Aws,
    ) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        let (credentials, region) = signer;
        Ok(Self { runtime, client: remote::client(aws)?, endpoint, credentials, region })
    }

    pub(super) fn ask(
        &self,
        url: &str,
        method: Option<&str>,
        headers: &[(String, String)],
        now: Timestamp,
    ) -> Result<ExplainedLink, Silence> {
        let headers = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let question = Question { url, method, headers };
        let failed = |error: &dyn std::fmt::Display| Silence::Failed(error.to_string());
        let body = serde_json::to_string(&question).map_err(|error| failed(&error))?;
        self.runtime.block_on(async {
            let asking = tokio::time::timeout(ANSWER_TIMEOUT, self.send(&body, now));
            asking.await.map_err(|_| failed(&"it did not answer within 10 seconds"))?
        })
    }

    async fn send(&self, body: &str, now: Timestamp) -> Result<ExplainedLink, Silence> {
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
            let is_valet = response.headers().get(SERVER).is_some_and(|name| name == "Valet");
            let is_absent = response.status() == StatusCode::NOT_FOUND;
            let refusal = refusal::look_at_own(response).await;
            // A proxy puts its own name on the answer of the server behind it.
            if refusal.code == "SignatureDoesNotMatch" && !is_valet {
                let failure = refusal.failure;
                return Err(Silence::Failed(format!(
                    "{failure} If they are right, something on the way changes requests: see `valet doctor`."
                )));
            }
            if (is_absent || !is_valet) && !refusal.speaks_tls() {
                return Err(Silence::Unable);
            }
            return Err(Silence::Failed(refusal.failure.to_string()));
        }
        let unreadable = || Silence::Failed("its answer cannot be read".to_owned());
        let body = remote::read(response).await.map_err(|_| unreadable())?;
        serde_json::from_str(&body).map_err(|_| unreadable())
    }
}
