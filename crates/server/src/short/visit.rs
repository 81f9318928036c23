//! A request for a short link, and what links of all kinds do with one: is the passphrase known, where is this server.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::HeaderName;
use presign::{Endpoint, ExpiresIn, decode_query_component};
use serde::de::DeserializeOwned;
use store::ManagedLink;

use crate::body::RequestBody;
use crate::context::RequestContext;
use crate::error::{Code, S3Error};
use crate::head::Head;
use crate::origin::OWN_PREFIX;
use crate::passphrase::PASSPHRASE_BYTES_MAX;
use crate::respond::Reply;
use crate::services::Services;

/// The header in which programs send the passphrase of a link.
const PASSPHRASE: HeaderName = HeaderName::from_static("x-valet-passphrase");
/// How long that lives what a short link sends on to.
const LENT_SECONDS: u64 = 300;
/// The longest form that a page of a link sends, in bytes.
const FORM_BYTES_MAX: usize = 8 * 1024;

/// The longest time for it to arrive.
const FORM_TIME_MAX: Duration = Duration::from_secs(30);

/// A request for a short link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortRequest<'r> {
    pub(crate) services: &'r Services,
    pub(crate) head: &'r Head<'r>,
    pub(crate) context: &'r Arc<RequestContext>,
}

impl ShortRequest<'_> {
    /// The address of this server as the client sees it: what is signed for it works for this client.
    pub(super) fn endpoint(&self) -> Result<Endpoint, S3Error> {
        let RequestContext { host, prefix, secure, .. } = &**self.context;
        let scheme = if *secure { "https" } else { "http" };
        Endpoint::parse(&format!("{scheme}://{host}{prefix}"))
            .map_err(|cause| S3Error::new(Code::BadRequest).because(cause))
    }

    /// Whether the sender has proven to know the passphrase of the link, if it has one.
    pub(super) async fn knows_passphrase(
        &self,
        link: &ManagedLink,
        given: Option<String>,
    ) -> Result<PassphraseProof, S3Error> {
        if link.passphrase.is_none() {
            return Ok(PassphraseProof::Given);
        }
        let Some(given) = given.filter(|given| given.len() <= PASSPHRASE_BYTES_MAX) else {
            return Ok(PassphraseProof::Missing);
        };
        let gate = &self.services.gate;
        if !gate.try_passphrase(link, self.context.now).await? {
            return Err(S3Error::new(Code::TooManyTries).retry_after_a_minute());
        }
        let fits = gate.passphrases().fits(link, given).await?;
        Ok(if fits { PassphraseProof::Given } else { PassphraseProof::Wrong })
    }

    /// Whether the sender knows the passphrase: by the cookie of an earlier answer, a header, or the form of the page; and
    /// whether that was shown by the passphrase itself.
    pub(super) async fn prove(
        &self,
        link: &ManagedLink,
        posts_form: bool,
        body: &mut RequestBody,
    ) -> Result<(PassphraseProof, bool), S3Error> {
        if link.passphrase.is_none() {
            return Ok((PassphraseProof::Given, false));
        }
        let (headers, now) = (&self.head.parts().headers, self.context.now);
        if self.services.proof_key.is_proven(link, headers, now)? {
            return Ok((PassphraseProof::Given, false));
        }
        let given = match self.passphrase_in_header() {
            None if posts_form => form_field(*self, body, "passphrase").await?,
            in_header => in_header,
        };
        let proof = self.knows_passphrase(link, given).await?;
        Ok((proof, proof == PassphraseProof::Given))
    }

    /// The path of a link, as the client sees it.
    pub(super) fn path_of(&self, link: &ManagedLink) -> String {
        format!("{}{OWN_PREFIX}/s/{}", self.context.prefix, link.id.text())
    }

    /// The passphrase in the header of a program.
    pub(super) fn passphrase_in_header(&self) -> Option<String> {
        let value = self.head.parts().headers.get(PASSPHRASE)?;
        String::from_utf8(value.as_bytes().to_vec()).ok()
    }
}

/// What a request has shown of the passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PassphraseProof {
    /// It is the right one, or the link has none.
    Given,
    Missing,
    Wrong,
}

/// How long a URL lives that a short link sends on to.
pub(super) fn lent_for() -> Result<ExpiresIn, S3Error> {
    ExpiresIn::from_seconds(LENT_SECONDS)
        .map_err(|cause| S3Error::new(Code::InternalError).because(cause))
}

/// A JSON document that the script of a page has sent. A form of another site's page cannot send one.
pub(super) async fn json_document<T: DeserializeOwned>(
    request: ShortRequest<'_>,
    body: &mut RequestBody,
) -> Result<T, S3Error> {
    let media_type = request.head.header("content-type").unwrap_or_default();
    if media_type.split(';').next().map(str::trim) != Some("application/json") {
        return Err(S3Error::invalid_request("The document must be application/json."));
    }
    let bytes = small_body(request, body).await?;
    serde_json::from_slice(&bytes)
        .map_err(|cause| S3Error::invalid_request("The document does not fit.").because(cause))
}

/// A field of a form that a page has sent (`application/x-www-form-urlencoded`).
pub(super) async fn form_field(
    request: ShortRequest<'_>,
    body: &mut RequestBody,
    name: &str,
) -> Result<Option<String>, S3Error> {
    let collected = small_body(request, body).await?;
    let text = std::str::from_utf8(&collected)
        .map_err(|cause| S3Error::new(Code::InvalidRequest).because(cause))?;
    let found = presign::QueryPairs::new(text).find(|(known, _)| *known == name);
    Ok(found
        .and_then(|(_, value)| String::from_utf8(decode_query_component(value).into_owned()).ok()))
}

/// The body of a request that has a few lines.
async fn small_body(request: ShortRequest<'_>, body: &mut RequestBody) -> Result<Bytes, S3Error> {
    let ShortRequest { services, context, .. } = request;
    let mut slot = services.gate.documents().enter(context.client, FORM_BYTES_MAX);
    let open = body.open(None)?;
    match slot.keep(tokio::time::timeout(FORM_TIME_MAX, open.collect(FORM_BYTES_MAX))).await {
        Some(Ok(collected)) => Ok(collected?.0),
        Some(Err(_elapsed)) => Err(S3Error::new(Code::RequestTimeout)),
        None => Err(S3Error::new(Code::SlowDown)),
    }
}

/// Sends on to a URL.
pub(super) fn redirect(status: hyper::StatusCode, location: &str) -> Reply {
    let mut reply = Reply::new(status);
    reply.set_text(hyper::header::LOCATION, location);
    reply
}
