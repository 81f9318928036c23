//! Short links by which files are sent to a prefix, by people without an account. They see nothing of what is there.
//!
//! The page asks for room for a file, gets links for its parts, uploads them straight to the store, and says when all are
//! there. The server names the object, begins and completes the upload, and keeps account of how much was sent.

mod offered;
mod page;

use std::fmt::Write as _;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, SET_COOKIE};
use hyper::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use presign::LinkConditions;
use serde::{Deserialize, Serialize};
use store::{
    FILES_UNDER_WAY_MAX, FileLimits, ManagedLink, ManagedLinkId, ObjectKey, PartNumber,
    RequestFile, RequestRoom, RequestTotals, ReserveFile, UploadId,
};

use super::object::{passphrase_page, size_in_words};
use super::visit::{PassphraseProof, ShortRequest, json_document, lent_for, redirect};
use crate::body::RequestBody;
use crate::disposition;
use crate::error::{Code, S3Error};
use crate::gate::LentRequest;
use crate::notes::RequestNotes;
use crate::notices::CompletedFile;
use crate::page as pages;
use crate::parts::PartPlan;
use crate::respond::{Reply, ReplyBody};
use offered::{OfferedFile, header_text};

/// The most links for parts in one answer.
const LINKS_MAX: usize = 64;
/// So long after its last part was begun, the room of a file is given to others who need it.
const STANDS_STILL_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// The operation in the log and the ledger of a file that has arrived as a whole.
const SEND_FILE: &str = "SendFile";

/// A link by which files are sent, as somebody opens it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestLink<'r> {
    pub(super) request: ShortRequest<'r>,
    pub(super) link: &'r ManagedLink,
    /// How the keys of all that comes begin.
    pub(super) prefix: &'r str,
    pub(super) limits: &'r FileLimits,
}

/// What is wanted of a request for files, by the path below its link.
#[derive(Debug)]
enum Wanted {
    Page,
    /// Room for another file.
    Begin,
    /// How far a file is.
    Progress(ManagedLinkId),
    /// Links for parts of a file.
    Links(ManagedLinkId),
    Complete(ManagedLinkId),
    Abort(ManagedLinkId),
}

/// The parts for which links are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedParts {
    parts: Vec<u16>,
}

/// How far a file is.
#[derive(Debug, Serialize)]
struct Progress {
    file: String,
    size: u64,
    part_size: u64,
    /// The numbers of the parts that are there.
    uploaded: Vec<u16>,
    done: bool,
}

/// A link for a part.
#[derive(Debug, Serialize)]
struct PartLink {
    number: u16,
    offset: u64,
    size: u64,
    url: String,
}

impl RequestLink<'_> {
    /// Answers a request for the link. `rest` is what follows the link's path and a slash, still encoded.
    pub(super) async fn answer(
        &self,
        rest: Option<&str>,
        body: &mut RequestBody,
        notes: &mut RequestNotes,
    ) -> Result<Reply, S3Error> {
        let method = self.request.head.method();
        let wanted = wanted(method, rest.unwrap_or_default())?;
        // What is asked of a file that was begun is answered to the end: its sender may not have heard that it is there.
        if matches!(wanted, Wanted::Page | Wanted::Begin) {
            self.request.services.gate.refuse_if_all_came(self.link).await?;
        }
        let posts_form = *method == Method::POST && matches!(wanted, Wanted::Page);
        let (proof, is_new) = self.request.prove(self.link, posts_form, body).await?;
        if proof != PassphraseProof::Given {
            if matches!(wanted, Wanted::Page) {
                return Ok(passphrase_page(self.link, proof == PassphraseProof::Wrong, "Go on"));
            }
            let message = "Link needs a passphrase";
            return Err(S3Error::with_message(Code::AccessDenied, message));
        }
        let path = self.request.path_of(self.link);
        let mut reply = match wanted {
            Wanted::Page if posts_form => redirect(StatusCode::SEE_OTHER, &path),
            Wanted::Page => self.page().await?,
            Wanted::Begin => self.begin(body).await?,
            Wanted::Progress(id) => {
                let file = self.file(id).await?;
                self.told(&file, StatusCode::OK).await?
            }
            Wanted::Links(id) => self.links(id, body).await?,
            Wanted::Complete(id) => self.complete(id, body, notes).await?,
            Wanted::Abort(id) => self.abort(id, body).await?,
        };
        if is_new {
            let keys = &self.request.services.proof_key;
            let cookie = keys.cookie(self.link, &path, self.request.context)?;
            reply.headers.append(SET_COOKIE, cookie);
        }
        Ok(reply)
    }

    async fn page(&self) -> Result<Reply, S3Error> {
        let totals = self.totals().await?;
        let nonce = ManagedLinkId::generate().map_err(crate::error::refusal::of_store)?.text();
        let page = page::page(self, totals, &nonce);
        let mut reply = Reply::new(StatusCode::OK);
        pages::put_with_script(&mut reply, page, &nonce);
        Ok(reply)
    }

    async fn totals(&self) -> Result<RequestTotals, S3Error> {
        self.request.services.gate.request_totals(self.link).await
    }

    /// The most files and bytes that the link takes. `uses` counts files as well.
    fn room(&self) -> RequestRoom {
        let now = self.request.context.now;
        RequestRoom {
            files_max: self.link.files_max().unwrap_or(u64::MAX),
            bytes_max: self.limits.max_total_bytes.unwrap_or(u64::MAX),
            idle_before: now.checked_sub(STANDS_STILL_AFTER).unwrap_or(Timestamp::MIN),
        }
    }

    async fn begin(&self, body: &mut RequestBody) -> Result<Reply, S3Error> {
        let offered: OfferedFile = json_document(self.request, body).await?;
        offered.check(self.limits)?;
        let gate = &self.request.services.gate;
        let name = disposition::safe_name(&offered.name).unwrap_or_else(|| "file".to_owned());
        let id = RequestFile::new_id().map_err(crate::error::refusal::of_store)?;
        let now = self.request.context.now;
        let day = now.strftime("%Y-%m-%d");
        // Whoever sends a file knows nothing of where it is: not even by its id.
        let random = RequestFile::new_id().map_err(crate::error::refusal::of_store)?.text();
        let key = format!("{}{day}/{random}-{name}", self.prefix);
        let key = ObjectKey::parse(&key)
            .map_err(|cause| S3Error::new(Code::KeyTooLong).because(cause))?;
        let file = RequestFile {
            id,
            link: self.link.fingerprint(),
            bucket: gate.request_bucket(self.link).await?,
            key,
            name,
            size: offered.size,
            upload: None,
            is_done: false,
            touched_at: now,
        };
        self.reserve(&file).await?;
        match self.begin_upload(&file, &offered).await {
            Ok(upload) => {
                if !gate.begin_file(&file, upload, now).await? {
                    return Err(S3Error::new(Code::NoSuchUpload));
                }
                let file = RequestFile { upload: Some(upload), ..file };
                self.told(&file, StatusCode::CREATED).await
            }
            Err(error) => {
                // The room is nobody's then.
                gate.release_file(&file, now).await?;
                Err(error)
            }
        }
    }

    /// Reserves the room of a file, if need be that of some which stand still. Those go with their parts.
    async fn reserve(&self, file: &RequestFile) -> Result<(), S3Error> {
        let gate = &self.request.services.gate;
        match gate.reserve_file(file.clone(), self.room()).await? {
            ReserveFile::Reserved => Ok(()),
            ReserveFile::TooManyUnderWay => {
                let message = format!(
                    "{FILES_UNDER_WAY_MAX} files that were begun are not finished. Finish some of them, or try again in an hour."
                );
                Err(S3Error::invalid_request(message))
            }
            ReserveFile::TooManyFiles => {
                // The last one may have come just now.
                gate.refuse_if_all_came(self.link).await?;
                let message = "As many files as may be sent are being sent. The place of one of which nothing comes for an hour is free again.";
                Err(S3Error::invalid_request(message))
            }
            ReserveFile::TooManyBytes(left) => {
                let message = format!(
                    "All files together may have so much that {} are left. What is being sent counts.",
                    size_in_words(left)
                );
                Err(S3Error::with_message(Code::EntityTooLarge, message))
            }
        }
    }

    async fn begin_upload(
        &self,
        file: &RequestFile,
        offered: &OfferedFile,
    ) -> Result<UploadId, S3Error> {
        let (sender, note) = (header_text(&offered.sender), header_text(&offered.note));
        let original = header_text(&file.name);
        let mut headers = vec![
            ("content-type", offered.content_type()),
            ("x-amz-meta-original-name", original.as_str()),
        ];
        for (name, value) in [("x-amz-meta-sender", &sender), ("x-amz-meta-note", &note)] {
            if !value.is_empty() {
                headers.push((name, value.as_str()));
            }
        }
        let lent = LentRequest {
            method: "POST",
            key: file.key.as_str(),
            query: &[("uploads", "")],
            headers: &headers,
            expires_in: lent_for()?,
            conditions: LinkConditions::default(),
        };
        let mut reply = self.request.ask(self.link, &lent).await?;
        let (body, _) = reply.take_flowing();
        let ReplyBody::Full(document) = body else {
            return Err(S3Error::new(Code::InternalError));
        };
        let text = String::from_utf8_lossy(&document);
        let id = text.split_once("<UploadId>").and_then(|(_, rest)| rest.split_once("</UploadId>"));
        let id = id.and_then(|(id, _)| UploadId::parse(id).ok());
        id.ok_or_else(|| S3Error::new(Code::InternalError))
    }

    /// A file of this link whose upload has begun.
    async fn file(&self, id: ManagedLinkId) -> Result<RequestFile, S3Error> {
        let found = self.request.services.gate.request_file(self.link, id).await?;
        found.ok_or_else(|| S3Error::new(Code::NoSuchUpload))
    }

    async fn told(&self, file: &RequestFile, status: StatusCode) -> Result<Reply, S3Error> {
        let plan = plan(file)?;
        let uploaded = if file.is_done { Vec::new() } else { self.uploaded(file).await? };
        let complete = |part: &(PartNumber, u64, String)| {
            plan.part(part.0).is_some_and(|planned| planned.size == part.1)
        };
        let progress = Progress {
            file: file.id.text(),
            size: file.size,
            part_size: plan.part_size(),
            uploaded: uploaded
                .iter()
                .filter(|part| complete(part))
                .map(|it| it.0.number())
                .collect(),
            done: file.is_done,
        };
        Ok(json(status, &progress))
    }

    /// The parts that are there: number, size and tag.
    async fn uploaded(
        &self,
        file: &RequestFile,
    ) -> Result<Vec<(PartNumber, u64, String)>, S3Error> {
        self.request.services.gate.request_parts(file).await
    }

    async fn links(&self, id: ManagedLinkId, body: &mut RequestBody) -> Result<Reply, S3Error> {
        let WantedParts { parts } = json_document(self.request, body).await?;
        if parts.len() > LINKS_MAX {
            let message = format!("One call gives links for {LINKS_MAX} parts at most.");
            return Err(S3Error::invalid_request(message));
        }
        let file = self.file(id).await?;
        let upload = file.upload.as_ref().filter(|_| !file.is_done);
        let upload = upload.ok_or_else(|| S3Error::new(Code::NoSuchUpload))?.to_string();
        let (plan, endpoint) = (plan(&file)?, self.request.endpoint()?);
        let gate = &self.request.services.gate;
        let mut links = Vec::new();
        for number in parts {
            let planned = PartNumber::new(number).ok().and_then(|number| plan.part(number));
            let planned = planned.ok_or_else(|| {
                S3Error::invalid_request(format!("The file has no part {number}."))
            })?;
            let (text, size) = (number.to_string(), planned.size.to_string());
            let lent = LentRequest {
                method: "PUT",
                key: file.key.as_str(),
                query: &[("partNumber", text.as_str()), ("uploadId", upload.as_str())],
                // Exactly so many bytes: no link takes more than its part of what was offered.
                headers: &[("content-length", size.as_str())],
                expires_in: lent_for()?,
                conditions: LinkConditions::default(),
            };
            let signed = gate.lend(self.link, (&lent, &endpoint), self.request.context.now).await?;
            links.push(PartLink {
                number,
                offset: planned.offset,
                size: planned.size,
                url: super::object::below_origin(&signed.url).to_owned(),
            });
        }
        // Whoever goes on with it keeps its room.
        if !gate.touch_file(&file, self.request.context.now).await? {
            return Err(S3Error::new(Code::NoSuchUpload));
        }
        Ok(json(StatusCode::OK, &links))
    }

    async fn complete(
        &self,
        id: ManagedLinkId,
        body: &mut RequestBody,
        notes: &mut RequestNotes,
    ) -> Result<Reply, S3Error> {
        let _: serde_json::Map<String, serde_json::Value> =
            json_document(self.request, body).await?;
        let ShortRequest { services, context, .. } = self.request;
        let mut file = self.file(id).await?;
        if !file.is_done {
            let completed = self.complete_upload(&file).await;
            // It is done by the step that made the object, and if another try did that, all is well: the record says so alone.
            file = self.file(id).await?;
            if !file.is_done {
                completed?;
                return Err(S3Error::new(Code::NoSuchUpload));
            }
        }
        // Of all tries, also those after a crash, one tells.
        if services.gate.tell_file(&file).await? {
            let sent = CompletedFile {
                key: file.key.as_str(),
                bytes: file.size,
                address: Some(context.client),
            };
            services.notices.upload_completed(self.link, sent, context.now);
            // If it was the last file, the link is closed soon. Whoever opens it next finds out as well.
            let _has_all = services.gate.has_all_files(self.link).await;
            (notes.operation, notes.key) = (SEND_FILE, Some(file.key.clone()));
        }
        self.told(&file, StatusCode::OK).await
    }

    /// Makes an object of a file, all of whose parts are there.
    async fn complete_upload(&self, file: &RequestFile) -> Result<(), S3Error> {
        let (plan, uploaded) = (plan(file)?, self.uploaded(file).await?);
        let is_whole = plan.parts().count() == uploaded.len()
            && plan.parts().zip(&uploaded).all(|(planned, (number, size, _))| {
                planned.number == *number && planned.size == *size
            });
        if !is_whole {
            let message = "Not all parts of the file are there yet.";
            return Err(S3Error::with_message(Code::InvalidPart, message));
        }
        let upload = file.upload.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut document = "<CompleteMultipartUpload>".to_owned();
        for (number, _, etag) in &uploaded {
            let (number, etag) = (number.number(), etag.trim_matches('"'));
            // Writing to a string cannot fail.
            let _written = write!(
                document,
                "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
            );
        }
        document.push_str("</CompleteMultipartUpload>");
        let lent = LentRequest {
            method: "POST",
            key: file.key.as_str(),
            query: &[("uploadId", upload.as_str())],
            headers: &[],
            expires_in: lent_for()?,
            conditions: LinkConditions::default(),
        };
        self.request.ask_sending(self.link, &lent, Bytes::from(document)).await.map(drop)
    }

    async fn abort(&self, id: ManagedLinkId, body: &mut RequestBody) -> Result<Reply, S3Error> {
        let _: serde_json::Map<String, serde_json::Value> =
            json_document(self.request, body).await?;
        let gate = &self.request.services.gate;
        let file = self.file(id).await?;
        if !file.is_done {
            self.abort_upload(&file).await?;
        }
        gate.release_file(&file, self.request.context.now).await?;
        Ok(json(StatusCode::OK, &serde_json::json!({})))
    }

    async fn abort_upload(&self, file: &RequestFile) -> Result<(), S3Error> {
        let Some(upload) = file.upload.as_ref().map(ToString::to_string) else { return Ok(()) };
        let lent = LentRequest {
            method: "DELETE",
            key: file.key.as_str(),
            query: &[("uploadId", upload.as_str())],
            headers: &[],
            expires_in: lent_for()?,
            conditions: LinkConditions::default(),
        };
        match self.request.ask(self.link, &lent).await {
            Err(error) if error.code() != Code::NoSuchUpload => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

fn wanted(method: &Method, rest: &str) -> Result<Wanted, S3Error> {
    let none = || S3Error::new(Code::NoSuchLink);
    let id = |text: &str| text.parse::<ManagedLinkId>().map_err(|_| none());
    let posts = *method == Method::POST;
    let mut segments = rest.split('/');
    let named = (segments.next(), segments.next(), segments.next(), segments.next());
    Ok(match named {
        (Some(""), None, None, None) => Wanted::Page,
        (Some("files"), None, None, None) if posts => Wanted::Begin,
        (Some("files"), Some(file), None, None) if !posts => Wanted::Progress(id(file)?),
        (Some("files"), Some(file), Some("links"), None) if posts => Wanted::Links(id(file)?),
        (Some("files"), Some(file), Some("complete"), None) if posts => Wanted::Complete(id(file)?),
        (Some("files"), Some(file), Some("abort"), None) if posts => Wanted::Abort(id(file)?),
        _ => return Err(none()),
    })
}

fn plan(file: &RequestFile) -> Result<PartPlan, S3Error> {
    PartPlan::in_small_parts(file.size)
        .map_err(|cause| S3Error::new(Code::EntityTooLarge).because(cause))
}

fn json<T: Serialize>(status: StatusCode, document: &T) -> Reply {
    let mut reply = Reply::new(status);
    reply.set(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply.body = ReplyBody::Full(Bytes::from(serde_json::to_vec(document).unwrap_or_default()));
    reply
}
