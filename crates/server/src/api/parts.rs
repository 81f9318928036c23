//! Renews the links for the parts of an upload, and tells which parts are stored already. The caller is whoever
//! holds the `renew` link, which was signed when the upload was begun.
//!
//! Fresh links are signed with the key that signed the `renew` link, and end with that link at the latest. So
//! its holder gets time, but no permission that the signer had not lent.

use std::collections::BTreeSet;
use std::sync::Arc;

use hyper::StatusCode;
use iam::Values;
use jiff::Timestamp;
use presign::{Addressing, AmzDate, ExpiresIn};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{BucketName, ObjectKey, Part, PartNumber, Upload, UploadId};

use super::document::{Json, OptionalJson};
use super::error::{ApiCode, ApiError};
use super::operation::{ApiOperation, ApiPermission, ApiRequest, SignedBy};
use crate::error::{Code, S3Error, refusal};
use crate::gate::{Authorized, LentSigning, StoreAccess};
use crate::operation::Permission;
use crate::parts::{PlannedPart, Renewal, RenewalError, UploadLinks};
use crate::request::Query;
use crate::s3::{PAGE_MAX, creation_condition, quoted};

/// The most links in one answer.
const LINKS_MAX: usize = 1000;
/// An answer ends after this many bytes of links. Session tokens can make links long.
const LINKS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// `POST /_valet/api/v1/uploads/<id>/parts`
pub(super) struct RenewParts {
    bucket: BucketName,
    key: ObjectKey,
    upload_id: String,
    renewal: Renewal,
}

/// The parts that links are wanted for. Without numbers: all parts that are not stored yet.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedParts {
    parts: Option<Vec<u16>>,
}

/// The fresh links, and the parts that are stored already.
#[derive(Serialize, JsonSchema)]
pub(super) struct RenewedParts {
    upload_id: String,
    /// The time at which all of these links end.
    expires_at: String,
    parts: Vec<FreshPart>,
    uploaded: Vec<UploadedPart>,
}

#[derive(Serialize, JsonSchema)]
struct FreshPart {
    number: u16,
    offset: u64,
    size: u64,
    link: String,
}

#[derive(Serialize, JsonSchema)]
struct UploadedPart {
    number: u16,
    size: u64,
    etag: String,
}

impl ApiOperation for RenewParts {
    const SIGNED: SignedBy = SignedBy::Link;
    const PAGES: Option<&'static str> = Some(Renewal::BUCKET);
    const PARAMETERS: &'static [&'static str] = &Renewal::PARAMETERS;
    const STATUS: StatusCode = StatusCode::OK;
    type Request = OptionalJson<WantedParts>;
    type Answer = Json<RenewedParts>;

    /// Reads the link. Its signature covers all of the query.
    fn read(request: &ApiRequest<'_>) -> Result<Self, ApiError> {
        let upload_id = request.path("id")?.to_owned();
        let query = Query::parse(request.query)?;
        let renewal = Renewal::read(query.iter()).map_err(malformed)?;
        let bucket = BucketName::parse(&renewal.bucket)
            .map_err(|cause| S3Error::new(Code::InvalidBucketName).because(cause))?;
        let key = ObjectKey::parse(&renewal.key)
            .map_err(|cause| S3Error::new(Code::InvalidUri).because(cause))?;
        Ok(Self { bucket, key, upload_id, renewal })
    }

    fn permission(&self) -> ApiPermission<'_> {
        let permission = Permission::object("s3:PutObject", &self.bucket, &self.key);
        ApiPermission::LentByLink(permission)
    }

    /// To upload a part creates no object.
    fn condition(&self, key: &str) -> Option<Values<'_>> {
        creation_condition(key, false)
    }

    fn object(&self) -> Option<(&BucketName, &ObjectKey)> {
        Some((&self.bucket, &self.key))
    }

    async fn run(
        call: Authorized<Self>,
        OptionalJson(wanted): OptionalJson<WantedParts>,
    ) -> Result<Json<RenewedParts>, ApiError> {
        let (this, access) = (call.operation(), call.access());
        let lent = access.lent().ok_or_else(|| ApiError::new(ApiCode::AccessDenied))?;
        let upload = this.find(access).await?;
        // The links of parts would have to cover the headers of the customer's key.
        if upload.customer_key.is_some() {
            return Err(ApiError::invalid_request(
                "The upload was begun with a key of the customer's own (SSE-C). The links of a bundle carry none: sign those of its parts yourself, with the headers of the key.",
            ));
        }
        let named = this.named(wanted.unwrap_or_default())?;
        let uploaded = uploaded(access, &upload).await?;
        let wanted = named.unwrap_or_else(|| this.missing(&uploaded));
        let end = lent.until();
        let life = remaining(end, access.now())
            .ok_or_else(|| ApiError::with_message(ApiCode::AccessDenied, "Request has expired"))?;
        Ok(Json(RenewedParts {
            upload_id: this.upload_id.clone(),
            expires_at: end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            parts: this.sign(lent, wanted, (life, access.now()))?,
            uploaded: uploaded.iter().map(shown).collect(),
        }))
    }
}

impl RenewParts {
    async fn find(&self, access: &StoreAccess) -> Result<Arc<Upload>, S3Error> {
        let missing = || S3Error::new(Code::NoSuchUpload);
        let id = UploadId::parse(&self.upload_id).map_err(|_| missing())?;
        let bucket = access.bucket(&self.bucket).await?.reference();
        let found = access.store().upload(&bucket, &self.key, &id).await;
        found.map_err(refusal::of_store)?.ok_or_else(missing)
    }

    /// The parts that the document names, sorted and without duplicates; `None` if it names none.
    fn named(
        &self,
        WantedParts { parts }: WantedParts,
    ) -> Result<Option<Vec<PlannedPart>>, ApiError> {
        let Some(numbers) = parts else { return Ok(None) };
        if numbers.len() > LINKS_MAX {
            let message = format!("One call renews the links of {LINKS_MAX} parts at most.");
            return Err(ApiError::invalid_request(message));
        }
        let numbers: BTreeSet<u16> = numbers.into_iter().collect();
        let planned = |number| {
            let part = PartNumber::new(number).ok().and_then(|n| self.renewal.plan.part(n));
            part.ok_or_else(|| {
                ApiError::invalid_request(format!("The upload has no part {number}."))
            })
        };
        numbers.into_iter().map(planned).collect::<Result<_, _>>().map(Some)
    }

    /// The parts that are not stored, or are stored with another length.
    fn missing(&self, uploaded: &[Part]) -> Vec<PlannedPart> {
        let is_there = |part: &PlannedPart| {
            // The search relies on the order by number.
            let found = uploaded.binary_search_by_key(&part.number, |stored| stored.number);
            found.ok().and_then(|at| uploaded.get(at)).is_some_and(|found| found.size == part.size)
        };
        self.renewal.plan.parts().filter(|part| !is_there(part)).take(LINKS_MAX).collect()
    }

    /// Signs links until the answer is full.
    fn sign(
        &self,
        lent: &LentSigning,
        wanted: Vec<PlannedPart>,
        (life, now): (ExpiresIn, Timestamp),
    ) -> Result<Vec<FreshPart>, ApiError> {
        let mut presigner = lent.presigner();
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
                .part(part, &mut presigner, life, now)
                .map_err(|cause| ApiError::new(ApiCode::InternalError).because(cause))?;
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

/// All stored parts, sorted by number: 10,000 at most.
async fn uploaded(access: &StoreAccess, upload: &Upload) -> Result<Vec<Part>, S3Error> {
    let limit = usize::try_from(PAGE_MAX).unwrap_or(usize::MAX);
    let (mut parts, mut after) = (Vec::new(), None);
    loop {
        let page = access.store().parts(upload, after, limit).await.map_err(refusal::of_store)?;
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

/// The life of a link that is signed now and ends at `end`; `None` if that is less than a second.
fn remaining(end: Timestamp, now: Timestamp) -> Option<ExpiresIn> {
    let signed_at = AmzDate::from_timestamp(now).timestamp();
    let seconds = u64::try_from(end.duration_since(signed_at).as_secs()).ok()?;
    ExpiresIn::from_seconds(seconds).ok()
}
