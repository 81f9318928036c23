//! Notes on one request, taken while it is answered: for its line in the log, and for the last steps of every
//! answer.

use std::net::IpAddr;
use std::sync::Arc;

use presign::{Fingerprint, FormFields, LinkLabel, Mechanism, SignatureClaim};
use store::{BucketName, ManagedLink, ObjectKey};

use crate::authentication::{Service, is_link};
use crate::cors::CorsHeaders;
use crate::gate::Caller;
use crate::head::Head;

/// The operation of every short link, in the log and the metrics.
pub(crate) const OPEN_LINK: &str = "OpenLink";

/// What has been learnt about a request so far.
#[derive(Debug, Default)]
pub(crate) struct RequestNotes {
    pub(crate) operation: &'static str,
    pub(crate) bucket: Option<BucketName>,
    pub(crate) key: Option<ObjectKey>,
    pub(crate) caller: Option<Arc<Caller>>,
    /// Whom a request claims to come from, where that was not proven.
    pub(crate) claimed: Option<ClaimedSender>,
    /// The managed link that was opened by its id.
    pub(crate) opened: Option<Arc<ManagedLink>>,
    /// What the link is called, whose signature holds.
    pub(crate) label: Option<LinkLabel>,
    /// The service of the Query protocol that answers the request, and that has its own form of errors.
    pub(crate) service: Option<Service>,
    /// The reason of a refusal, as the client was told.
    pub(crate) reason: Option<String>,
    pub(crate) client: Option<IpAddr>,
    /// The error code of an answer that was already written.
    pub(crate) code: Option<&'static str>,
    /// The headers that let a page of another origin read the answer, even if it is a refusal.
    pub(crate) cors: Option<CorsHeaders>,
}

/// A claimed access key id is cut to this length in the log. No key has a longer one.
const ACCESS_KEY_ID_CHARS_MAX: usize = 128;

/// Whom a refused request claims to come from. Nothing of it is proven.
#[derive(Debug)]
pub(crate) struct ClaimedSender {
    pub(crate) access_key_id: Option<String>,
    pub(crate) link: Option<Fingerprint>,
    pub(crate) way: &'static str,
}

impl ClaimedSender {
    /// Reads the claim from a link or a header.
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

    /// Reads the claim from the fields of a form.
    pub(crate) fn by_form(fields: &FormFields) -> Self {
        match SignatureClaim::from_form(fields) {
            Ok(Some(claim)) => Self::of(&claim),
            Ok(None) | Err(_) => Self::unreadable("form"),
        }
    }

    fn of(claim: &SignatureClaim<'_>) -> Self {
        let id = claim.access_key_id().chars().take(ACCESS_KEY_ID_CHARS_MAX).collect();
        let mechanism = claim.mechanism();
        let link = is_link(mechanism).then(|| claim.fingerprint());
        Self { access_key_id: Some(id), link, way: way(mechanism) }
    }

    fn unreadable(way: &'static str) -> Self {
        Self { access_key_id: None, link: None, way }
    }
}

/// How the request was authenticated, or tried to be.
pub(crate) fn way(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::V4Query | Mechanism::V2Query => "link",
        Mechanism::V4Header => "header",
        Mechanism::V4Form | Mechanism::V2Form => "form",
        // Only claimed; the gate does not admit it.
        _ => "unknown",
    }
}
