//! Signed S3 requests of these commands.

use std::borrow::Cow;

use anyhow::{Context as _, anyhow};
use jiff::{SignedDuration, Timestamp};
use presign::{Addressing, Credentials, Endpoint, SignedPayload, Signer};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use crate::args::Aws;
use crate::aws::{Api, Chain, Session};
use crate::checksum::CHECKSUM_MODE;
use crate::failure::Failure;
use crate::location::{S3Uri, Service};
use crate::remote::{self, Outgoing};
use crate::{clock, refusal, table, transfer};

/// Credentials that end sooner are renewed before the next request.
const CREDENTIALS_LEFT_MIN: SignedDuration = SignedDuration::from_mins(1);

/// The server, and the credentials for it.
pub(crate) struct S3 {
    chain: Chain,
    service: Service,
    /// For requests whose whole answer is read into memory.
    asking: Client,
    /// For requests that send long bodies.
    moving: Client,
    /// For requests that receive long bodies. It gives up a server that falls silent.
    fetching: Client,
    /// The credentials, fetched once and again before they end. So a `credential_process` does not run for
    /// every part.
    credentials: Mutex<Option<(Credentials, Session)>>,
}

/// The bucket and key of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'t> {
    bucket: Option<&'t str>,
    key: Option<&'t str>,
}

impl<'t> Target<'t> {
    /// The service itself, for the list of buckets.
    pub(super) fn service() -> Self {
        Self { bucket: None, key: None }
    }

    pub(super) fn bucket(bucket: &'t str) -> Self {
        Self { bucket: Some(bucket), key: None }
    }

    pub(super) fn object(bucket: &'t str, key: &'t str) -> Self {
        Self { bucket: Some(bucket), key: Some(key) }
    }
}

/// Query parameters, not encoded, or headers.
type Pairs<'p> = &'p [(&'p str, &'p str)];

/// A request without its body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation<'o> {
    method: &'o Method,
    target: Target<'o>,
    query: Pairs<'o>,
    headers: Pairs<'o>,
}

impl<'o> Operation<'o> {
    pub(super) fn new(method: &'o Method, target: Target<'o>) -> Self {
        Self { method, target, query: &[], headers: &[] }
    }

    pub(super) fn query(self, query: Pairs<'o>) -> Self {
        Self { query, ..self }
    }

    pub(super) fn headers(self, headers: Pairs<'o>) -> Self {
        Self { headers, ..self }
    }
}

impl S3 {
    /// Reads the AWS chain without using the network. Fails if no server is configured.
    pub(super) async fn connect(aws: &Aws) -> Result<Self, Failure> {
        let chain = Chain::read(aws).await?;
        let service = chain.service()?;
        if service.endpoint.is_none() {
            return Err(remote::no_endpoint());
        }
        let moving = transfer::builder(aws.trust.ca_bundle().as_deref())?.redirect(Policy::none());
        let moving = moving.build().context("cannot start the HTTP client")?;
        let fetching =
            transfer::builder(aws.trust.ca_bundle().as_deref())?.redirect(Policy::none());
        let fetching = fetching.read_timeout(transfer::SILENCE_MAX);
        let fetching = fetching.build().context("cannot start the HTTP client")?;
        let asking = remote::client(aws)?;
        Ok(Self { chain, service, asking, moving, fetching, credentials: Mutex::default() })
    }

    pub(super) fn region(&self) -> &str {
        self.chain.region()
    }

    /// Sends a request with a short body, and reads its whole answer.
    pub(super) async fn ask(
        &self,
        operation: Operation<'_>,
        body: &str,
    ) -> Result<String, Failure> {
        self.ask_of_version(operation, body).await.map(|(answer, _)| answer)
    }

    /// The same; also returns the version that the answer names.
    pub(super) async fn ask_of_version(
        &self,
        operation: Operation<'_>,
        body: &str,
    ) -> Result<(String, Option<String>), Failure> {
        let response = accepted(self.answer(operation, body).await?).await?;
        let version_id = transfer::version_id(response.headers());
        Ok((remote::read(response).await?, version_id))
    }

    /// Sends a request with a short body; the caller looks at refusals.
    pub(super) async fn answer(
        &self,
        operation: Operation<'_>,
        body: &str,
    ) -> Result<Response, Failure> {
        let payload = SignedPayload::Sha256(Sha256::digest(body.as_bytes()).into());
        let request = self.signed(&self.asking, operation, payload).await?;
        Ok(transfer::answer(request.body(body.to_owned())).await?)
    }

    /// Sends a request and reads the XML document of the answer.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        target: Target<'_>,
        query: Pairs<'_>,
    ) -> Result<T, Failure> {
        parse(&self.ask(Operation::new(&Method::GET, target).query(query), "").await?)
    }

    /// A signed request with a long body. The signature does not cover the body; TLS protects it, as for the
    /// `aws` command.
    pub(super) async fn moving(&self, operation: Operation<'_>) -> Result<RequestBuilder, Failure> {
        self.signed(&self.moving, operation, SignedPayload::Unsigned).await
    }

    async fn signed(
        &self,
        client: &Client,
        operation: Operation<'_>,
        payload: SignedPayload,
    ) -> Result<RequestBuilder, Failure> {
        let Operation { method, target, query, headers } = operation;
        let (endpoint, path) = self.address(target)?;
        let credentials = self.credentials(clock::now()).await?;
        let signer = Signer {
            credentials: &credentials,
            region: self.chain.region(),
            service: Api::S3.service_id(),
        };
        let query = encoded(query);
        let outgoing = Outgoing { method, path: &path, query: &query, headers, payload };
        remote::signed(client, &endpoint, outgoing, &signer, clock::now())
    }

    /// The host for the target, and the encoded path there.
    fn address(&self, target: Target<'_>) -> Result<(Endpoint, String), Failure> {
        let Target { bucket, key } = target;
        let (endpoint, addressing) =
            self.service.of(bucket.unwrap_or_default()).map_err(Failure::usage)?;
        let Some(bucket) = bucket else { return Ok((endpoint, "/".to_owned())) };
        let key = key.unwrap_or_default();
        if key.split('/').any(transfer::is_folded) {
            return Err(Failure::failed(anyhow!(
                "the key `{key}` has a `.` or `..` between slashes, which URL libraries fold away; use \
                 valet presign --curl"
            )));
        }
        let key = presign::encode_path(key.as_bytes());
        match addressing {
            Addressing::Path if key.is_empty() => Ok((endpoint, format!("/{bucket}"))),
            Addressing::Path => Ok((endpoint, format!("/{bucket}/{key}"))),
            Addressing::BucketHost => Ok((endpoint, format!("/{key}"))),
            Addressing::VirtualHost => {
                let host = endpoint.to_string().replacen("://", &format!("://{bucket}."), 1);
                let endpoint = Endpoint::parse(&host).map_err(Failure::usage)?;
                Ok((endpoint, format!("/{key}")))
            }
        }
    }

    async fn credentials(&self, now: Timestamp) -> Result<Credentials, Failure> {
        let mut kept = self.credentials.lock().await;
        if let Some((credentials, session)) = &*kept {
            let lasts = match session {
                Session::EndsAt(end) => now.duration_until(*end) > CREDENTIALS_LEFT_MIN,
                Session::LongTerm | Session::EndUnknown => true,
            };
            if lasts {
                return Ok(credentials.clone());
            }
        }
        let (credentials, session) = self.chain.credentials().await?;
        *kept = Some((credentials.clone(), session));
        Ok(credentials)
    }
}

/// One object, and the credentials to fetch it.
pub(crate) struct SignedObject<'s> {
    pub(super) s3: &'s S3,
    pub(super) uri: S3Uri,
}

impl SignedObject<'_> {
    /// The URL of the object, without a signature.
    pub(crate) fn url(&self) -> Result<Url, Failure> {
        let S3Uri { bucket, key } = &self.uri;
        let target = Target::object(bucket, key.as_deref().unwrap_or_default());
        let (endpoint, path) = self.s3.address(target)?;
        let url = Url::parse(&format!("{endpoint}{path}"));
        url.context("the address of the object").map_err(Failure::from)
    }

    /// A request for the object, signed anew each time.
    pub(crate) async fn get(&self) -> Result<RequestBuilder, Failure> {
        let S3Uri { bucket, key } = &self.uri;
        let target = Target::object(bucket, key.as_deref().unwrap_or_default());
        let get = Operation::new(&Method::GET, target).headers(&[(CHECKSUM_MODE, "ENABLED")]);
        self.s3.signed(&self.s3.fetching, get, SignedPayload::Unsigned).await
    }
}

/// Passes on a successful answer; turns any other into an error.
pub(super) async fn accepted(response: Response) -> Result<Response, Failure> {
    if response.status().is_success() {
        return Ok(response);
    }
    Err(refusal::read_own(response).await)
}

/// Reads an XML document. If it is an error document, that error is returned.
pub(super) fn parse<T: DeserializeOwned>(answer: &str) -> Result<T, Failure> {
    quick_xml::de::from_str(answer).map_err(|error| {
        if answer.contains("<Error>") {
            return refusal::in_body(answer);
        }
        let error = table::shown(&error.to_string());
        Failure::failed(anyhow!("the server's answer cannot be read: {error}"))
    })
}

/// Decodes a key or prefix of a listing that was requested with `encoding-type=url`.
pub(super) fn decoded(text: &str) -> String {
    // AWS writes a space as a plus, and a plus as `%2B`.
    let spaced: Cow<'_, str> =
        if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    String::from_utf8_lossy(&presign::decode_component(&spaced)).into_owned()
}

fn encoded(query: Pairs<'_>) -> String {
    let encode = |text: &str| presign::encode_component(text.as_bytes());
    let pairs = query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_and_keys_of_lists() {
        assert_eq!(encoded(&[]), "");
        assert_eq!(encoded(&[("delete", "")]), "delete=");
        assert_eq!(encoded(&[("prefix", "a b/+"), ("x", "é")]), "prefix=a%20b%2F%2B&x=%C3%A9");
        assert_eq!(decoded("a+b%2Bc/%C3%A9%0A"), "a b+c/é\n");
        assert_eq!(decoded("plain"), "plain");
    }
}
