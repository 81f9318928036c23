//! Short links, `/_valet/s/<id>`: the surface of managed links. Nobody signs a request for one. Whoever knows the id is sent
//! on to a presigned URL that lives for minutes, or in a browser sees a page first.

mod ask;
mod folder;
mod object;
mod proof;
mod zip;

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use presign::{Endpoint, ExpiresIn, decode_query_component};
use store::{LinkPurpose, ManagedLink, ManagedLinkId};

use crate::body::RequestBody;
use crate::context::RequestContext;
use crate::error::{Code, S3Error};
use crate::head::Head;
use crate::notes::RequestNotes;
use crate::origin::OWN_PREFIX;
use crate::passphrase::PASSPHRASE_BYTES_MAX;
use crate::reading::Reading;
use crate::respond::Reply;
use crate::services::Services;
pub(crate) use ask::{OWN_HOST, own_request};
use folder::FolderLink;
use object::ObjectLink;
use proof::ProofKey;
use zip::ZipPlaces;

/// The operation of every short link, in the log and the metrics.
pub(crate) const OPEN_LINK: &str = "OpenLink";
/// The header in which programs send the passphrase of a link.
pub(crate) const PASSPHRASE: HeaderName = HeaderName::from_static("x-valet-passphrase");
/// How long that lives what a short link sends on to.
const LENT_SECONDS: u64 = 300;
/// The longest form that a page of a link sends, in bytes.
const FORM_BYTES_MAX: usize = 8 * 1024;

/// The longest time for it to arrive.
const FORM_TIME_MAX: Duration = Duration::from_secs(30);

/// A path below `/_valet/s/`.
#[derive(Debug)]
pub(crate) struct ShortRoute {
    /// `None`: the path names no link that there could be.
    id: Option<ManagedLinkId>,
    /// What follows the id and a slash, as it was sent; `None`: nothing does.
    rest: Option<String>,
}

/// What short links keep in memory.
#[derive(Debug, Default)]
pub(crate) struct ShortLinks {
    proof_key: ProofKey,
    zips: Arc<ZipPlaces>,
}

/// A request for a short link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortRequest<'r> {
    pub(crate) services: &'r Services,
    pub(crate) head: &'r Head<'r>,
    pub(crate) context: &'r Arc<RequestContext>,
}

impl ShortRoute {
    /// What follows `/_valet/s/` in a path, still encoded; `None`: the path is none of a short link.
    pub(crate) fn path<'r>(reading: &Reading<'r>) -> Option<&'r str> {
        reading.below().strip_prefix(OWN_PREFIX)?.strip_prefix("/s/")
    }

    /// Reads what follows `/_valet/s/`, still encoded. An id has one spelling. The slash behind it may be encoded, as clients
    /// take the path `/_valet/s/<id>/..` for another one than `/_valet/s/<id>%2F..`.
    pub(crate) fn read(path: &str) -> Self {
        let end = path.find(['/', '%']).unwrap_or(path.len());
        let (id, rest) = path.split_at_checked(end).unwrap_or((path, ""));
        let key = ["/", "%2F", "%2f"].iter().find_map(|slash| rest.strip_prefix(slash));
        let id = if rest.is_empty() || key.is_some() { id.parse().ok() } else { None };
        Self { id, rest: key.map(str::to_owned) }
    }

    /// Answers the request. What is refused is a page for people, as any refusal of a link.
    pub(crate) async fn answer(
        &self,
        request: ShortRequest<'_>,
        body: &mut RequestBody,
        notes: &mut RequestNotes,
    ) -> Result<Reply, S3Error> {
        let link = self.find(request).await?;
        notes.bucket = Some(link.purpose.bucket().clone());
        notes.opened = Some(Arc::clone(&link));
        notes.label.clone_from(&link.conditions.label);
        let ShortRequest { services, context, .. } = request;
        services.gate.refuse_ended(&link, context).await?;
        let method = request.head.method();
        if ![Method::GET, Method::HEAD, Method::POST].contains(method) {
            return Err(S3Error::new(Code::MethodNotAllowed));
        }
        match &link.purpose {
            LinkPurpose::Folder { prefix, .. } => {
                let folder = FolderLink { request, link: &link, prefix };
                folder.answer(self.rest.as_deref(), body, notes).await
            }
            _ if self.rest.is_some() => Err(S3Error::new(Code::NoSuchLink)),
            LinkPurpose::Object { key, version, filename, inline, .. } => {
                notes.key = Some(key.clone());
                let object = ObjectLink {
                    key,
                    version: version.as_ref(),
                    filename: filename.as_deref(),
                    inline: *inline,
                };
                object.answer((request, &link), body).await
            }
            // What has a URL of its own has no short one.
            LinkPurpose::Presigned { .. } | LinkPurpose::Request { .. } => {
                Err(S3Error::new(Code::NoSuchLink))
            }
        }
    }

    async fn find(&self, request: ShortRequest<'_>) -> Result<Arc<ManagedLink>, S3Error> {
        let none = || S3Error::new(Code::NoSuchLink);
        let id = self.id.ok_or_else(none)?;
        let found = request.services.gate.managed_link(&id.fingerprint()).await?;
        found.filter(|link| link.id == id).ok_or_else(none)
    }
}

impl ShortRequest<'_> {
    /// The address of this server as the client sees it: what is signed for it works for this client.
    fn endpoint(&self) -> Result<Endpoint, S3Error> {
        let RequestContext { host, prefix, secure, .. } = &**self.context;
        let scheme = if *secure { "https" } else { "http" };
        Endpoint::parse(&format!("{scheme}://{host}{prefix}"))
            .map_err(|cause| S3Error::new(Code::BadRequest).because(cause))
    }

    /// Whether the sender has proven to know the passphrase of the link, if it has one.
    async fn knows_passphrase(
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

    /// The passphrase in the header of a program.
    fn passphrase_in_header(&self) -> Option<String> {
        let value = self.head.parts().headers.get(PASSPHRASE)?;
        String::from_utf8(value.as_bytes().to_vec()).ok()
    }
}

/// What a request has shown of the passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PassphraseProof {
    /// It is the right one, or the link has none.
    Given,
    Missing,
    Wrong,
}

/// How long a URL lives that a short link sends on to.
fn lent_for() -> Result<ExpiresIn, S3Error> {
    ExpiresIn::from_seconds(LENT_SECONDS)
        .map_err(|cause| S3Error::new(Code::InternalError).because(cause))
}

/// A field of a form that a page has sent (`application/x-www-form-urlencoded`).
async fn form_field(
    request: ShortRequest<'_>,
    body: &mut RequestBody,
    name: &str,
) -> Result<Option<String>, S3Error> {
    let ShortRequest { services, context, .. } = request;
    let mut slot = services.gate.documents().enter(context.client, FORM_BYTES_MAX);
    let open = body.open(None)?;
    let collected =
        match slot.keep(tokio::time::timeout(FORM_TIME_MAX, open.collect(FORM_BYTES_MAX))).await {
            Some(Ok(collected)) => collected?.0,
            Some(Err(_elapsed)) => return Err(S3Error::new(Code::RequestTimeout)),
            None => return Err(S3Error::new(Code::SlowDown)),
        };
    let text = std::str::from_utf8(&collected)
        .map_err(|cause| S3Error::new(Code::InvalidRequest).because(cause))?;
    let found = presign::QueryPairs::new(text).find(|(known, _)| *known == name);
    Ok(found
        .and_then(|(_, value)| String::from_utf8(decode_query_component(value).into_owned()).ok()))
}

/// Sends on to a URL that nobody is to keep, and that no other site is told of.
fn redirect(status: hyper::StatusCode, location: &str) -> Reply {
    let mut reply = Reply::new(status);
    reply.set_text(hyper::header::LOCATION, location);
    reply.set(hyper::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply.set(hyper::header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    reply
}
