//! Requests signed with the user's own credentials, sent to the configured server only.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;
use presign::{Endpoint, RequestHead, SignedPayload, Signer, sign_request};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::args::Aws;
use crate::aws::{Api, Chain};
use crate::failure::Failure;
use crate::{clock, refusal, transfer};

/// The longest time for a whole answer that carries no object.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(5);
/// The longest answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The server, and the AWS chain for its credentials.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) chain: Chain,
    client: Client,
}

/// One request, before it is signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'c> {
    pub(crate) method: &'c Method,
    /// The encoded path below the endpoint; begins with `/`.
    pub(crate) path: &'c str,
    /// The encoded query; may be empty.
    pub(crate) query: &'c str,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: &'c str,
    pub(crate) api: Api,
}

impl Remote {
    /// Reads the AWS chain without using the network. Fails if no server is configured.
    pub(crate) async fn connect(arguments: &Aws) -> Result<Self, Failure> {
        let chain = Chain::read(arguments).await?;
        for api in [Api::Iam, Api::Sts, Api::CloudFront, Api::S3] {
            chain.endpoint(api)?.ok_or_else(no_endpoint)?;
        }
        Ok(Self { client: client(arguments)?, chain })
    }

    /// Signs and sends a request with further headers, and does not judge the answer.
    pub(crate) async fn ask(
        &self,
        call: Call<'_>,
        more: &[(&str, &str)],
    ) -> Result<Response, Failure> {
        let endpoint = self.endpoint(call.api)?;
        let (credentials, _) = self.chain.credentials().await?;
        let region = call.api.scope_region(self.chain.region());
        let signer = Signer { credentials: &credentials, region, service: call.api.service_id() };
        let Call { method, path, query, content_type, body, api: _ } = call;
        let headers = content_type.iter().map(|content_type| ("content-type", *content_type));
        let headers: Vec<_> = headers.chain(more.iter().copied()).collect();
        let payload = SignedPayload::Sha256(Sha256::digest(body.as_bytes()).into());
        let outgoing = Outgoing { method, path, query, headers: &headers, payload };
        let request = signed(&self.client, &endpoint, outgoing, &signer, clock::now())?;
        Ok(transfer::answer(request.body(body.to_owned())).await?)
    }

    /// Where an API is.
    pub(crate) fn endpoint(&self, api: Api) -> Result<Endpoint, Failure> {
        self.chain.endpoint(api)?.ok_or_else(no_endpoint)
    }

    /// Signs and sends a request, and reads its whole answer.
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<String, Failure> {
        let response = self.ask(call, &[]).await?;
        if response.status().is_success() {
            return read(response).await;
        }
        Err(refusal::read_own(response).await)
    }
}

impl Remote {
    /// Calls Valet's own API. `body` is a JSON document, or empty.
    pub(crate) async fn send_json(
        &self,
        method: &Method,
        path: &str,
        query: &str,
        body: &str,
    ) -> Result<String, Failure> {
        let content_type = (!body.is_empty()).then_some("application/json");
        self.send(Call { method, path, query, content_type, body, api: Api::S3 }).await
    }
}

/// Reads the document of an answer.
pub(crate) fn parse<T: DeserializeOwned>(answer: &str) -> Result<T, Failure> {
    serde_json::from_str(answer).context("the answer cannot be read").map_err(Failure::from)
}

/// A client that follows no redirects, since a signature is for one host.
pub(crate) fn client(arguments: &Aws) -> Result<Client, Failure> {
    let builder = transfer::builder(arguments.trust.ca_bundle().as_deref())?;
    let builder = builder.timeout(ANSWER_TIMEOUT).redirect(Policy::none());
    builder.build().context("cannot start the HTTP client").map_err(Failure::from)
}

/// A request without its body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'o> {
    pub(crate) method: &'o Method,
    /// The encoded path below the endpoint; begins with `/`.
    pub(crate) path: &'o str,
    /// The encoded query; may be empty.
    pub(crate) query: &'o str,
    /// Headers to sign; their names are in lower case.
    pub(crate) headers: &'o [(&'o str, &'o str)],
    /// What the signature covers of the body.
    pub(crate) payload: SignedPayload,
}

/// Signs a request. The caller adds the body.
pub(crate) fn signed(
    client: &Client,
    endpoint: &Endpoint,
    outgoing: Outgoing<'_>,
    signer: &Signer<'_>,
    now: Timestamp,
) -> Result<RequestBuilder, Failure> {
    let Outgoing { method, path, query, headers, payload } = outgoing;
    let path = format!("{}{path}", endpoint.prefix());
    let origin = endpoint.to_string();
    let origin = origin.strip_suffix(endpoint.prefix()).unwrap_or(&origin);
    let question = if query.is_empty() { "" } else { "?" };
    let signed_headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
    let signed_headers: Vec<_> = std::iter::once(("host", endpoint.signed_host().as_bytes()))
        .chain(signed_headers)
        .collect();
    let head =
        RequestHead { method: method.as_str(), path: &path, query, headers: &signed_headers };
    let signed = sign_request(&head, payload, signer, now).context("cannot sign the request")?;
    let mut request = client.request(method.clone(), format!("{origin}{path}{question}{query}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    for (name, value) in signed.headers {
        request = request.header(name, value);
    }
    Ok(request)
}

/// Signs one request and sends it.
pub(crate) async fn send(
    client: &Client,
    endpoint: &Endpoint,
    call: Call<'_>,
    signer: &Signer<'_>,
    now: Timestamp,
) -> Result<Response, Failure> {
    let Call { method, path, query, content_type, body, api: _ } = call;
    let headers: Vec<_> =
        content_type.iter().map(|content_type| ("content-type", *content_type)).collect();
    let payload = SignedPayload::Sha256(Sha256::digest(body.as_bytes()).into());
    let outgoing = Outgoing { method, path, query, headers: &headers, payload };
    let request = signed(client, endpoint, outgoing, signer, now)?;
    Ok(transfer::answer(request.body(body.to_owned())).await?)
}

/// Reads an answer of at most [`ANSWER_BYTES_MAX`] bytes.
pub(crate) async fn read(mut response: Response) -> Result<String, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = transfer::chunk(&mut response).await? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Failure::failed(anyhow!("the answer is longer than any should be")));
        }
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).context("the answer is not text").map_err(Failure::from)
}

/// The error if no server is configured, with the places where one can be.
pub(crate) fn no_endpoint() -> Failure {
    Failure::usage(anyhow!(
        "no server is configured: set AWS_ENDPOINT_URL, `endpoint_url` in the profile, or \
         --endpoint-url"
    ))
}
