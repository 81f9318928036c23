//! What the ledger is told of each use of a link, once its answer is over.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderValue;
use jiff::Timestamp;
use ledger::{DeferredFacts, LinkFacts, LinkUse, NotedLink, SignerFacts, VersionBytes};
use store::{BucketName, LinkPurpose, ManagedLink, ObjectKey, VersionId};
use tokio::runtime::Handle;

use crate::authentication::is_link;
use crate::gate::{Caller, Gate, SignedCaller};
use crate::notes::{OPEN_LINK, RequestNotes};

/// Tells the gate's ledger, if one is kept, and finds the facts of links for it.
#[derive(Clone, Debug)]
pub(crate) struct LinkLedger {
    gate: Arc<Gate>,
}

/// What came of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome<'o> {
    pub(crate) method: &'o str,
    pub(crate) status: StatusCode,
    pub(crate) code: Option<&'static str>,
    pub(crate) bytes: u64,
    pub(crate) elapsed: Duration,
    pub(crate) agent: Option<&'o HeaderValue>,
    pub(crate) version: Option<&'o HeaderValue>,
    pub(crate) at: Timestamp,
}

impl LinkLedger {
    pub(crate) fn new(gate: Arc<Gate>) -> Self {
        Self { gate }
    }

    /// Records a request, if it came by a link.
    pub(crate) fn record(&self, notes: &RequestNotes, outcome: Outcome<'_>) {
        let Some(ledger) = self.gate.ledger() else { return };
        let signed = notes.caller.as_ref().and_then(|caller| caller.signed());
        let signed = signed.filter(|signed| is_link(signed.signature.mechanism()));
        let claimed = notes.claimed.as_ref().and_then(|claimed| claimed.link);
        let opened = notes.opened.as_ref();
        let is_refused = outcome.status.is_client_error() || outcome.status.is_server_error();
        if let Some(signed) = signed {
            let used = used(signed.fingerprint(), notes, outcome);
            ledger.record(&used, || self.facts_of(notes, outcome.method));
        } else if let Some(link) = claimed {
            ledger.record_known(&used(link, notes, outcome));
        } else if let Some(link) = opened.filter(|_| is_refused || notes.operation != OPEN_LINK) {
            // What a short link sends on to is recorded when it is used.
            let used = used(link.fingerprint(), notes, outcome);
            ledger.record(&used, || self.facts_of_managed(Arc::clone(link)));
        }
    }

    /// Notes a managed link that was made just now.
    pub(crate) fn note(&self, link: &Arc<ManagedLink>) {
        let Some(ledger) = self.gate.ledger() else { return };
        let noted = NotedLink { link: link.fingerprint(), at: link.created_at };
        ledger.note_link(&noted, self.facts_of_managed(Arc::clone(link)));
    }

    fn facts_of(&self, notes: &RequestNotes, method: &str) -> DeferredFacts {
        let managed = notes.caller.as_ref().and_then(|caller| caller.managed());
        if let Some(managed) = managed {
            return self.facts_of_managed(Arc::clone(&managed.link));
        }
        let (caller, label) = (notes.caller.clone(), notes.label.clone());
        let (bucket, key) = (notes.bucket.clone(), notes.key.clone());
        // Whoever may use a link to GET with HEAD uses a link to GET.
        let operation = if method == "HEAD" { "GET" } else { method }.to_owned();
        let owners = Owners { gate: Arc::clone(&self.gate), runtime: Handle::try_current().ok() };
        Box::new(move || {
            let signed = caller.as_deref().and_then(Caller::signed);
            let signer = signed.map_or_else(nobody, signer);
            LinkFacts {
                bucket_account: owners
                    .of(bucket.as_ref())
                    .unwrap_or_else(|| signer.account.clone()),
                signer,
                bucket: bucket.as_ref().map_or_else(String::new, |name| name.as_str().to_owned()),
                key: key.as_ref().map_or_else(String::new, |key| key.as_str().to_owned()),
                operation,
                label,
                signed_at: signed.and_then(|signed| signed.signature.signed_at()),
                ends_at: signed.and_then(ends_at),
            }
        })
    }

    fn facts_of_managed(&self, link: Arc<ManagedLink>) -> DeferredFacts {
        let owners = Owners { gate: Arc::clone(&self.gate), runtime: Handle::try_current().ok() };
        Box::new(move || {
            let account = link.account.as_str().to_owned();
            let bucket = link.purpose.bucket();
            LinkFacts {
                bucket_account: owners.of(Some(bucket)).unwrap_or_else(|| account.clone()),
                signer: SignerFacts {
                    account,
                    arn: link.creator.arn.clone(),
                    user_id: link.creator.signer.clone(),
                    access_key_id: String::new(),
                },
                bucket: bucket.as_str().to_owned(),
                key: link.purpose.key_or_prefix().to_owned(),
                operation: kind(&link.purpose).to_owned(),
                label: link.conditions.label.clone(),
                signed_at: Some(link.created_at),
                ends_at: Some(link.expires_at),
            }
        })
    }
}

/// The kind of a managed link, as the API names it.
pub(crate) fn kind(purpose: &LinkPurpose) -> &'static str {
    match purpose {
        LinkPurpose::Object { .. } => "object",
        LinkPurpose::Folder { .. } => "folder",
        LinkPurpose::Request { .. } => "request",
        LinkPurpose::Presigned { .. } => "presigned",
    }
}

/// Finds who owns a bucket, for the thread that writes the ledger.
struct Owners {
    gate: Arc<Gate>,
    /// `None`: there is no runtime to ask in.
    runtime: Option<Handle>,
}

impl Owners {
    fn of(&self, bucket: Option<&BucketName>) -> Option<String> {
        let (runtime, bucket) = (self.runtime.as_ref()?, bucket?);
        let owner = runtime.block_on(self.gate.bucket_owner(bucket))?;
        Some(owner.as_str().to_owned())
    }
}

fn used<'u>(
    link: presign::Fingerprint,
    notes: &'u RequestNotes,
    outcome: Outcome<'u>,
) -> LinkUse<'u> {
    let Outcome { method: _, status, code, bytes, elapsed, agent, version, at } = outcome;
    LinkUse {
        link,
        operation: notes.operation,
        key: used_key(notes).filter(|_| status.is_success()),
        status: status.as_u16(),
        code,
        version: version.and_then(version_bytes),
        // The document of a refusal is none of the link's.
        bytes: if status.is_success() { bytes } else { 0 },
        duration: elapsed,
        address: notes.client,
        agent: agent.map(HeaderValue::as_bytes),
        at,
    }
}

/// The key of the object, if the link is for more than one.
fn used_key(notes: &RequestNotes) -> Option<&str> {
    let managed = notes.caller.as_ref().and_then(|caller| caller.managed());
    let link = managed.map(|managed| &managed.link).or(notes.opened.as_ref())?;
    match link.purpose {
        LinkPurpose::Folder { .. } | LinkPurpose::Request { .. } => {
            notes.key.as_ref().map(ObjectKey::as_str)
        }
        LinkPurpose::Object { .. } | LinkPurpose::Presigned { .. } => None,
    }
}

fn version_bytes(version: &HeaderValue) -> Option<VersionBytes> {
    match VersionId::parse(version.to_str().ok()?).ok()? {
        VersionId::Null => None,
        VersionId::Id(token) => Some(token.to_bytes()),
    }
}

fn signer(signed: &SignedCaller) -> SignerFacts {
    SignerFacts {
        account: signed.identity.account.as_str().to_owned(),
        arn: signed.identity.principal.to_string(),
        user_id: signed.signer_name(),
        access_key_id: signed.access_key_id.clone(),
    }
}

/// The facts of a link whose signer is not known: a use is recorded with them only if its caller was proven.
fn nobody() -> SignerFacts {
    let none = String::new;
    SignerFacts { account: none(), arn: none(), user_id: none(), access_key_id: none() }
}

fn ends_at(signed: &SignedCaller) -> Option<Timestamp> {
    let end = signed.signature.expires_at()?;
    let session = signed.identity.session.as_ref().map(|session| session.expires_at);
    Some(session.map_or(end, |session| session.min(end)))
}
