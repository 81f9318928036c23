//! What is learnt of a request while it is answered: for the log, and for whatever finishes the answer.

use std::net::IpAddr;
use std::sync::Arc;

use presign::{FormFields, Mechanism, SignatureClaim};
use store::{BucketName, ObjectKey};

use crate::authentication::Service;
use crate::cors::CorsHeaders;
use crate::gate::Caller;
use crate::head::Head;

/// What was learnt of a request before it was answered: for the log, and for every answer of it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) operation: &'static str,
    pub(crate) bucket: Option<BucketName>,
    pub(crate) key: Option<ObjectKey>,
    pub(crate) caller: Option<Arc<Caller>>,
    /// What a request says of its sender that did not prove it.
    pub(crate) claimed: Option<Claimed>,
    /// The service of the Query protocol that answers it, in words of its own.
    pub(crate) service: Option<Service>,
    /// Why it was refused, as the client was told.
    pub(crate) reason: Option<String>,
    pub(crate) client: Option<IpAddr>,
    /// The code of a refusal that was already written as an answer.
    pub(crate) code: Option<&'static str>,
    /// What lets the page that sent it read the answer, refusals included.
    pub(crate) cors: Option<CorsHeaders>,
}

/// A longer id than any key has is not repeated.
const ACCESS_KEY_ID_CHARS_MAX: usize = 128;

/// What a refused request says of who sent it; nothing of it is proven.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) access_key_id: Option<String>,
    pub(crate) link: Option<String>,
    pub(crate) way: &'static str,
}

impl Claimed {
    /// By link or by header.
    pub(crate) fn by_request(head: &Head<'_>) -> Self {
        match SignatureClaim::from_request(&head.signed_part()) {
            Ok(Some(claim)) => Self::of(&claim),
            Ok(None) => Self::unreadable("none"),
            Err(_) if head.header(hyper::header::AUTHORIZATION.as_str()).is_some() => {
                Self::unreadable("header")
            }
            Err(_) => Self::unreadable("link"),
        }
    }

    /// By form.
    pub(crate) fn by_form(fields: &FormFields) -> Self {
        match SignatureClaim::from_form(fields) {
            Ok(Some(claim)) => Self::of(&claim),
            Ok(None) | Err(_) => Self::unreadable("form"),
        }
    }

    fn of(claim: &SignatureClaim<'_>) -> Self {
        let id = claim.access_key_id().chars().take(ACCESS_KEY_ID_CHARS_MAX).collect();
        let mechanism = claim.mechanism();
        let link = is_link(mechanism).then(|| claim.fingerprint().short());
        Self { access_key_id: Some(id), link, way: way(mechanism) }
    }

    fn unreadable(way: &'static str) -> Self {
        Self { access_key_id: None, link: None, way }
    }
}

/// How a request was authenticated, or was to be.
pub(crate) fn way(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::V4Query | Mechanism::V2Query => "link",
        Mechanism::V4Header => "header",
        Mechanism::V4Form | Mechanism::V2Form => "form",
    }
}

/// Whether its signature is passed on, so that it has a name.
pub(crate) fn is_link(mechanism: Mechanism) -> bool {
    !matches!(mechanism, Mechanism::V4Header)
}
