//! Notices that are posted: their document, and its signature.

use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use iam::WebhookSecret;
use jiff::Timestamp;
use serde::Serialize;
use store::Notice;

use super::undelivered::Undelivered;
use crate::gate::iso_time;
use crate::outbound::Outbound;

/// The header of the signature.
const SIGNATURE: HeaderName = HeaderName::from_static("x-valet-signature");

/// A notice as it is posted.
#[derive(Debug, Serialize)]
struct NoticeDocument<'n> {
    /// The same with each try.
    id: String,
    event: &'static str,
    at: String,
    /// Names the link without giving it.
    fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'n str>,
    bucket: &'n str,
    key: &'n str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

/// Posts a notice, signed now.
pub(super) async fn post(
    outbound: &Outbound,
    notice: &Notice,
    (secret, now): (&WebhookSecret, Timestamp),
) -> Result<(), Undelivered> {
    let wrong = || Undelivered::for_good("the notice cannot be written");
    let body = document(notice).ok_or_else(wrong)?;
    let signature = HeaderValue::from_str(&secret.sign(now.as_second(), &body));
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static("valet"));
    headers.insert(SIGNATURE, signature.map_err(|_| wrong())?);
    let posted = outbound.post(&notice.target, headers, body).await;
    posted.map_err(|error| {
        tracing::debug!(%error, link = notice.link.short(), "a notice could not be posted");
        Undelivered::for_now(error.told())
    })
}

fn document(notice: &Notice) -> Option<Vec<u8>> {
    let facts = &notice.facts;
    let document = NoticeDocument {
        id: notice.id.to_string(),
        event: notice.event.name(),
        at: iso_time(notice.at),
        fingerprint: notice.link.to_string(),
        label: facts.label.as_deref(),
        bucket: &facts.bucket,
        key: &facts.key,
        bytes: facts.bytes,
        address: facts.address.map(|address| address.to_string()),
    };
    serde_json::to_vec(&document).ok()
}
