//! Uses links of the doctor's own at one public URL, and keeps what they are answered.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use presign::{Addressing, Endpoint, ExpiresIn, Presign, Presigned, Presigner};
use reqwest::header::HeaderMap;
use reqwest::tls::TlsInfo;
use reqwest::{Body, Client, Method, RequestBuilder, StatusCode};

use crate::{clock, transfer};

/// How long the doctor's links live.
const LIFE_SECONDS: u64 = 900;
/// How long one exchange may take, 8 MiB on a slow line included.
const EXCHANGE_TIMEOUT: Duration = Duration::from_mins(5);
/// How much of an answer is kept.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// One public URL, and who signs the links for it.
#[derive(Debug)]
pub(super) struct Probe {
    /// The URL as people write it.
    pub(super) url: String,
    pub(super) client: Client,
    pub(super) presigner: Presigner,
    pub(super) endpoint: Endpoint,
    pub(super) addressing: Addressing,
    pub(super) bucket: String,
}

/// A request by a link.
#[derive(Clone, Debug)]
pub(super) struct Ask<'a> {
    /// The method that is signed.
    pub(super) method: &'static str,
    /// The method that is sent, if that is another.
    pub(super) sent_as: Option<Method>,
    pub(super) key: &'a str,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) signed_headers: &'a [(&'a str, &'a str)],
    pub(super) other_headers: &'a [(&'a str, &'a str)],
    pub(super) body: Bytes,
}

/// A link that was used, and its answer.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) link: Presigned,
    pub(super) answer: Answer,
}

/// An answer, of the store or of something before it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Its beginning, if it is long.
    pub(super) body: Vec<u8>,
    /// The certificate of the server, in DER.
    pub(super) certificate: Option<Vec<u8>>,
    /// When half of the time of the exchange was over.
    pub(super) at: Timestamp,
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: &'static str, key: &'a str) -> Self {
        let body = Bytes::new();
        Self {
            method,
            sent_as: None,
            key,
            query: &[],
            signed_headers: &[],
            other_headers: &[],
            body,
        }
    }

    pub(super) fn put(key: &'a str, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::new("PUT", key) }
    }
}

impl Answer {
    /// The value of a header, if it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Probe {
    /// Makes a link.
    pub(super) fn link(&mut self, ask: &Ask<'_>) -> Result<Presigned, String> {
        let Ask { method, key, query, signed_headers, .. } = ask;
        let life = ExpiresIn::from_seconds(LIFE_SECONDS).map_err(|error| error.to_string())?;
        let presign = Presign::new(method, &self.endpoint, &self.bucket, key.as_bytes(), life)
            .with_addressing(self.addressing)
            .with_headers(signed_headers)
            .with_query(query);
        self.presigner.presign(&presign, clock::now()).map_err(|error| error.to_string())
    }

    /// Makes a link and uses it. The error says why there was no answer.
    pub(super) async fn ask(&mut self, ask: Ask<'_>) -> Result<Exchange, String> {
        let link = self.link(&ask)?;
        let mut request = self.request(ask.sent_as, &link)?;
        for (name, value) in ask.other_headers {
            request = request.header(*name, *value);
        }
        if !ask.body.is_empty() || link.method == "PUT" {
            request = request.body(ask.body);
        }
        let answer = answered(request).await?;
        Ok(Exchange { link, answer })
    }

    /// The request of a link, with the headers that it demands.
    pub(super) fn request(
        &self,
        sent_as: Option<Method>,
        link: &Presigned,
    ) -> Result<RequestBuilder, String> {
        let signed =
            Method::from_bytes(link.method.as_bytes()).map_err(|error| error.to_string())?;
        let mut request = self.client.request(sent_as.unwrap_or(signed), &link.url);
        for (name, value) in &link.headers {
            request = request.header(name, value);
        }
        Ok(request)
    }

    /// Uses a link whose body comes from a stream of this length.
    pub(super) fn upload(
        &self,
        link: &Presigned,
        size: u64,
        body: Body,
    ) -> Result<RequestBuilder, String> {
        Ok(self.request(None, link)?.header("content-length", size).body(body))
    }
}

/// Sends a request, and reads its answer.
pub(super) async fn answered(request: RequestBuilder) -> Result<Answer, String> {
    let exchange = tokio::time::timeout(EXCHANGE_TIMEOUT, read(request));
    let limit = EXCHANGE_TIMEOUT.as_secs();
    exchange.await.map_err(|_elapsed| format!("no whole answer came within {limit} s"))?
}

async fn read(request: RequestBuilder) -> Result<Answer, String> {
    let begun = clock::now();
    let words = |error| transfer::unanswered(error).to_string();
    let mut response = request.send().await.map_err(words)?;
    let taken = clock::now().duration_since(begun);
    let at = begun.saturating_add(taken.checked_div(2).unwrap_or_default()).unwrap_or(begun);
    let certificate = response.extensions().get::<TlsInfo>();
    let certificate = certificate.and_then(TlsInfo::peer_certificate).map(<[u8]>::to_vec);
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(words)? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES_MAX {
            break;
        }
    }
    Ok(Answer { status, headers, body, certificate, at })
}
