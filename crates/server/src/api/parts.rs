//! Fresh links for the parts of an upload, and which parts are there already: for whoever holds the
//! `renew` link that was signed when the upload was begun.
//!
//! A fresh link is signed with the key that signed the `renew` link, and ends with that link at the
//! latest: its holder gets time, and no power that its signer had not lent.

use std::cmp::min;
use std::collections::BTreeSet;
use std::sync::Arc;

use hyper::StatusCode;
use iam::Values;
use jiff::Timestamp;
use presign::{Addressing, AmzDate, ExpiresIn, VerifiedSignature};
use serde::{Deserialize, Serialize};
use store::{BucketName, ObjectKey, Part, PartNumber, Upload, UploadId};

use super::call::ApiCall;
use super::document::{DOCUMENT_BYTES_MAX, json, parse};
use crate::body::RequestBody;
use crate::context::RequestContext;
use crate::error::{Code, S3Error, refusal};
use crate::gate::{Door, OperationKeys};
use crate::operation::Permission;
use crate::parts::{PlannedPart, Renewal, RenewalError, UploadLinks};
use crate::request::Query;
use crate::respond::Reply;
use crate::s3::{PAGE_MAX, creation_condition, document, quoted};
use crate::seen::Seen;

/// Links in one answer.
const LINKS_MAX: usize = 1000;
/// Bytes of links after which an answer ends: the tokens of sessions can make them long.
const LINKS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// `POST /_valet/api/v1/uploads/<id>/parts`
pub(super) struct RenewParts {
    bucket: BucketName,
    key: ObjectKey,
    upload_id: String,
    renewal: Renewal,
}

/// Which links are wanted: without numbers, those of all parts that are not there.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    parts: Option<Vec<u16>>,
}

#[derive(Serialize)]
struct Renewed<'a> {
    upload_id: &'a str,
    /// When the links end.
    expires_at: String,
    parts: Vec<FreshPart>,
    uploaded: Vec<UploadedPart>,
}

#[derive(Serialize)]
struct FreshPart {
    number: u16,
    offset: u64,
    size: u64,
    link: String,
}

#[derive(Serialize)]
struct UploadedPart {
    number: u16,
    size: u64,
    etag: String,
}

/// The upload of a part makes no object appear.
struct PartKeys;

impl OperationKeys for PartKeys {
    fn condition(&self, key: &str) -> Option<Values<'_>> {
        creation_condition(key, false)
    }
}

impl RenewParts {
    /// Reads the link. Its signature covers all of the query.
    pub(super) fn read(
        upload_id: &str,
        context: &RequestContext,
        seen: &mut Seen,
    ) -> Result<Self, S3Error> {
        let query = Query::parse(context.parts.uri.query().unwrap_or_default())?;
        let renewal = Renewal::read(query.iter()).map_err(malformed)?;
        let bucket = BucketName::parse(&renewal.bucket)
            .map_err(|cause| S3Error::new(Code::InvalidBucketName).because(cause))?;
        let key = ObjectKey::parse(&renewal.key)
            .map_err(|cause| S3Error::new(Code::InvalidUri).because(cause))?;
        (seen.bucket, seen.key) = (Some(bucket.clone()), Some(key.clone()));
        Ok(Self { bucket, key, upload_id: upload_id.to_owned(), renewal })
    }

    pub(super) async fn answer(
        &self,
        call: &ApiCall<'_>,
        door: &Door,
        body: &mut RequestBody,
    ) -> Result<Reply, S3Error> {
        let end = self.permitted_until(door).await?;
        let upload = self.find(door).await?;
        // Such a key is a header that each part's link would have to cover.
        if upload.customer_key.is_some() {
            return Err(S3Error::invalid_request(
                "The upload was begun with a key of the customer's own (SSE-C). The links of a bundle carry none: sign those of its parts yourself, with the headers of the key.",
            ));
        }
        let asked = self.read_asked(door, body).await?;
        let uploaded = uploaded(door, &upload).await?;
        let wanted = match asked {
            Some(numbers) => numbers,
            None => self.missing(&uploaded),
        };
        let life = remaining(end, door.now())
            .ok_or_else(|| S3Error::with_message(Code::AccessDenied, "Request has expired"))?;
        let renewed = Renewed {
            upload_id: &self.upload_id,
            expires_at: end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            parts: self.sign(call, wanted, life).await?,
            uploaded: uploaded.iter().map(shown).collect(),
        };
        Ok(json(StatusCode::OK, &renewed))
    }

    /// The end of what is signed here: that of the link which asks, of the session behind it, and of
    /// the permission as the policies stand, for a link as old as that one.
    async fn permitted_until(&self, door: &Door) -> Result<Timestamp, S3Error> {
        let link = door.signature().and_then(VerifiedSignature::expires_at);
        let link = link.ok_or_else(|| S3Error::new(Code::AccessDenied))?;
        let session = door.caller().identity().and_then(|identity| identity.session.as_ref());
        let end = session.map_or(link, |session| min(link, session.expires_at));
        let permission = Permission::object("s3:PutObject", &self.bucket, &self.key);
        door.require_until(permission, &PartKeys, end).await
    }

    async fn find(&self, door: &Door) -> Result<Arc<Upload>, S3Error> {
        let missing = || S3Error::new(Code::NoSuchUpload);
        let id = UploadId::parse(&self.upload_id).map_err(|_| missing())?;
        let bucket = door.bucket(&self.bucket).await?.reference();
        let found = door.store().upload(&bucket, &self.key, &id).await;
        found.map_err(refusal::of_store)?.ok_or_else(missing)
    }

    /// The parts that the body names, in order and each once; an empty body names none.
    async fn read_asked(
        &self,
        door: &Door,
        body: &mut RequestBody,
    ) -> Result<Option<Vec<PlannedPart>>, S3Error> {
        let body = document::read(door, body, DOCUMENT_BYTES_MAX).await?;
        let Asked { parts } = if body.is_empty() { Asked::default() } else { parse(&body)? };
        let Some(numbers) = parts else { return Ok(None) };
        if numbers.len() > LINKS_MAX {
            let message = format!("One call renews the links of {LINKS_MAX} parts at most.");
            return Err(S3Error::invalid_request(message));
        }
        let numbers: BTreeSet<u16> = numbers.into_iter().collect();
        let planned = |number| {
            let part = PartNumber::new(number).ok().and_then(|n| self.renewal.plan.part(n));
            part.ok_or_else(|| {
                S3Error::invalid_request(format!("The upload has no part {number}."))
            })
        };
        numbers.into_iter().map(planned).collect::<Result<_, _>>().map(Some)
    }

    /// The parts that are not there, or are of another length than they should be.
    fn missing(&self, uploaded: &[Part]) -> Vec<PlannedPart> {
        let is_there = |part: &PlannedPart| {
            // They come in the order of their numbers.
            let found = uploaded.binary_search_by_key(&part.number, |stored| stored.number);
            found.ok().and_then(|at| uploaded.get(at)).is_some_and(|found| found.size == part.size)
        };
        self.renewal.plan.parts().filter(|part| !is_there(part)).take(LINKS_MAX).collect()
    }

    /// As many links as fit into an answer.
    async fn sign(
        &self,
        call: &ApiCall<'_>,
        wanted: Vec<PlannedPart>,
        life: ExpiresIn,
    ) -> Result<Vec<FreshPart>, S3Error> {
        let denied = || S3Error::new(Code::AccessDenied);
        let caller = call.caller.signed().ok_or_else(denied)?;
        let presigner = call.services.gate.presigner(caller).await;
        let presigner = presigner.map_err(refusal::of_authentication)?;
        let mut presigner = presigner.ok_or_else(denied)?;
        let links = UploadLinks {
            endpoint: &self.renewal.endpoint,
            addressing: Addressing::Path,
            bucket: &self.renewal.bucket,
            key: &self.renewal.key,
            upload_id: &self.upload_id,
        };
        let mut fresh = Vec::new();
        let mut bytes = 0_usize;
        for part in wanted {
            let link = links
                .part(part, &mut presigner, life, call.context.now)
                .map_err(|cause| S3Error::new(Code::InternalError).because(cause))?;
            bytes = bytes.saturating_add(link.len());
            let PlannedPart { number, offset, size } = part;
            fresh.push(FreshPart { number: number.number(), offset, size, link });
            if bytes >= LINKS_BYTES_MAX {
                break;
            }
        }
        Ok(fresh)
    }
}

/// The bucket that a link names, before anybody knows whether it verifies.
pub(super) fn bucket_of(query: &str) -> Option<BucketName> {
    let query = Query::parse(query).ok()?;
    BucketName::parse(query.get(Renewal::BUCKET)?).ok()
}

fn malformed(error: RenewalError) -> S3Error {
    let message = error.to_string();
    let (name, value) = match error {
        RenewalError::Missing(name) | RenewalError::NotANumber(name) => {
            (name.to_owned(), String::new())
        }
        RenewalError::Unknown { name, value } => (name, value),
        RenewalError::Repeated { name, value } => (name.to_owned(), value),
        RenewalError::Plan(_) => ("part-size".to_owned(), String::new()),
        RenewalError::Endpoint(_) => ("endpoint".to_owned(), String::new()),
    };
    S3Error::invalid_argument(message, name, value)
}

/// Every part that is there, by number: 10,000 at most.
async fn uploaded(door: &Door, upload: &Upload) -> Result<Vec<Part>, S3Error> {
    let limit = usize::try_from(PAGE_MAX).unwrap_or(usize::MAX);
    let (mut parts, mut after) = (Vec::new(), None);
    loop {
        let page = door.store().parts(upload, after, limit).await.map_err(refusal::of_store)?;
        parts.extend(page.parts);
        after = page.next;
        if after.is_none() {
            return Ok(parts);
        }
    }
}

fn shown(part: &Part) -> UploadedPart {
    let (number, etag) = (part.number.number(), quoted(&part.etag));
    UploadedPart { number, size: part.size, etag }
}

/// What is left until `end` for a link that is signed now; `None`: not a second.
fn remaining(end: Timestamp, now: Timestamp) -> Option<ExpiresIn> {
    let signed_at = AmzDate::from_timestamp(now).timestamp();
    let seconds = u64::try_from(end.duration_since(signed_at).as_secs()).ok()?;
    ExpiresIn::from_seconds(seconds).ok()
}
