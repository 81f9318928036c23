//! Short links, `/_valet/s/<id>`: the surface of managed links. Nobody signs a request for one. Whoever knows the id is sent
//! on to a presigned URL that lives for minutes, or in a browser sees a page first.

mod ask;
mod folder;
mod object;
mod request;
mod visit;
mod zip;

use std::sync::Arc;

use hyper::Method;
use hyper::header::{CACHE_CONTROL, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use store::{LinkPurpose, ManagedLink, ManagedLinkId};

use crate::body::RequestBody;
use crate::error::{Code, S3Error};
use crate::notes::RequestNotes;
use crate::origin::OWN_PREFIX;
use crate::reading::Reading;
use crate::respond::Reply;
use folder::FolderLink;
use object::ObjectLink;
use request::RequestLink;

pub(crate) use visit::ShortRequest;

/// Puts on an answer below `/_valet/s/`, whatever it is, that nobody keeps it, guesses another type for it, or tells other sites
/// of the link.
pub(crate) fn keep_from_others(reply: &mut Reply) {
    reply.set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply.set(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    reply.set(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// A path below `/_valet/s/`.
#[derive(Debug)]
pub(crate) struct ShortRoute {
    /// `None`: the path names no link that there could be.
    id: Option<ManagedLinkId>,
    /// What follows the id and a slash, as it was sent; `None`: nothing does.
    rest: Option<String>,
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
            LinkPurpose::Request { prefix, limits, .. } => {
                let sending = RequestLink { request, link: &link, prefix, limits };
                sending.answer(self.rest.as_deref(), body, notes).await
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
            LinkPurpose::Presigned { .. } => Err(S3Error::new(Code::NoSuchLink)),
        }
    }

    async fn find(&self, request: ShortRequest<'_>) -> Result<Arc<ManagedLink>, S3Error> {
        let none = || S3Error::new(Code::NoSuchLink);
        let id = self.id.ok_or_else(none)?;
        let found = request.services.gate.managed_link(&id.fingerprint()).await?;
        found.filter(|link| link.id == id).ok_or_else(none)
    }
}
