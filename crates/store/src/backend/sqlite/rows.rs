//! How columns and records are written and read (`docs/design.md`, "Records"). The disk has structs of
//! its own, so that neither the domain nor the format is bent by the other.

mod checksum_code;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::ValueRef;
use serde::{Deserialize, Serialize};

pub(super) use checksum_code::{checksum_column, checksum_form, checksum_of};

use super::directory::tags_of;
use super::engine;
use crate::body::{Blob, BlobId, Body, SealedKey};
use crate::names::VersionToken;
use crate::{
    Attributes, ETag, Encryption, KeyCheck, ObjectKey, PartNumber, PartSummary, StoreError,
    StoredChecksum, Tag, VersionId,
};
use iam::AccountId;

/// The version of every record that this version writes.
const RECORD_VERSION: u8 = 1;

pub(super) const KIND_OBJECT: i64 = 0;
pub(super) const KIND_MARKER: i64 = 1;

pub(super) fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt { what }
}

/// A page of what was read with one row more than wanted; whether there was more.
pub(super) fn page<T>(mut rows: Vec<T>, limit: usize) -> (Vec<T>, bool) {
    let more = rows.len() > limit;
    rows.truncate(limit);
    (rows, more)
}

pub(super) fn timestamp(row: &Row<'_>, column: usize) -> Result<Timestamp, StoreError> {
    let milliseconds = row.get(column).map_err(engine)?;
    Timestamp::from_millisecond(milliseconds).map_err(|_| corrupt("time"))
}

/// A time as stored and as answered: to the millisecond.
pub(super) fn truncated(now: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

pub(super) fn account(row: &Row<'_>, column: usize) -> Result<AccountId, StoreError> {
    let text: String = row.get(column).map_err(engine)?;
    AccountId::parse(&text).map_err(|_| corrupt("id of an account"))
}

pub(super) fn size(row: &Row<'_>, column: usize) -> Result<u64, StoreError> {
    let size: i64 = row.get(column).map_err(engine)?;
    u64::try_from(size).map_err(|_| corrupt("size"))
}

pub(super) fn size_column(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn blob<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r [u8], StoreError> {
    let ValueRef::Blob(bytes) = row.get_ref(column).map_err(engine)? else {
        return Err(corrupt("type of a column"));
    };
    Ok(bytes)
}

pub(super) fn object_key(row: &Row<'_>, column: usize) -> Result<ObjectKey, StoreError> {
    ObjectKey::from_bytes(blob(row, column)?).map_err(|_| corrupt("key of an object"))
}

pub(super) fn key_bytes<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r [u8], StoreError> {
    blob(row, column)
}

pub(super) fn version_column(version: &VersionId) -> &[u8] {
    match version {
        VersionId::Null => &[],
        VersionId::Id(token) => token.as_bytes(),
    }
}

pub(super) fn version(row: &Row<'_>, column: usize) -> Result<VersionId, StoreError> {
    match blob(row, column)? {
        [] => Ok(VersionId::Null),
        bytes => {
            VersionToken::from_bytes(bytes).map(VersionId::Id).ok_or(corrupt("id of a version"))
        }
    }
}

pub(super) fn etag_column(etag: &ETag) -> Vec<u8> {
    let parts = etag.parts().map(u16::to_be_bytes);
    etag.md5().iter().copied().chain(parts.into_iter().flatten()).collect()
}

pub(super) fn etag(row: &Row<'_>, column: usize) -> Result<ETag, StoreError> {
    let bytes = blob(row, column)?;
    let split = bytes.split_first_chunk::<16>().ok_or(corrupt("etag"))?;
    match split {
        (md5, []) => Ok(ETag::of_md5(*md5)),
        (md5, [high, low]) => Ok(ETag::of_parts(*md5, u16::from_be_bytes([*high, *low]))),
        (_, _) => Err(corrupt("etag")),
    }
}

/// What `record` of an object holds.
#[derive(Serialize, Deserialize)]
pub(super) struct ObjectRecord {
    v: u8,
    #[serde(flatten)]
    attributes: AttributesRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
    body: BodyRecord,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<PartSummaryRecord>,
}

#[derive(Serialize, Deserialize)]
struct AttributesRecord {
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(rename = "encoding", default, skip_serializing_if = "Option::is_none")]
    content_encoding: Option<String>,
    #[serde(rename = "language", default, skip_serializing_if = "Option::is_none")]
    content_language: Option<String>,
    #[serde(rename = "disposition", default, skip_serializing_if = "Option::is_none")]
    content_disposition: Option<String>,
    #[serde(rename = "cache", default, skip_serializing_if = "Option::is_none")]
    cache_control: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(rename = "meta", default, skip_serializing_if = "Vec::is_empty")]
    metadata: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
enum BodyRecord {
    #[serde(rename = "row")]
    Row(BlobRecord),
    #[serde(rename = "files")]
    Files(Vec<BlobRecord>),
}

#[derive(Serialize, Deserialize)]
struct BlobRecord {
    id: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Whether the key is sealed under a customer's.
    #[serde(default, skip_serializing_if = "is_false")]
    customer: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Serialize, Deserialize)]
struct PartSummaryRecord {
    n: u16,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

/// What the record of an object says, with what stands in columns beside it.
pub(super) struct ObjectParts {
    pub(super) attributes: Attributes,
    pub(super) checksum: Option<String>,
    pub(super) body: Body,
    pub(super) parts: Vec<PartSummary>,
}

pub(super) fn object_record(object: &crate::Object) -> Result<Vec<u8>, StoreError> {
    let parts = object.parts.iter().map(|part| PartSummaryRecord {
        n: part.number.number(),
        size: part.size,
        checksum: part.checksum.clone(),
    });
    let record = ObjectRecord {
        v: RECORD_VERSION,
        attributes: attributes_record(&object.attributes),
        checksum: object.checksum.as_ref().map(|checksum| checksum.value.clone()),
        body: match &object.body {
            Body::Row(blob) => BodyRecord::Row(blob_record(blob)),
            Body::Files(blobs) => BodyRecord::Files(blobs.iter().map(blob_record).collect()),
        },
        parts: parts.collect(),
    };
    serde_json::to_vec(&record).map_err(|_| corrupt("record of an object"))
}

/// Reads the record of an object, whose storage class stands in a column.
pub(super) fn parse_object(
    json: &[u8],
    storage_class: Option<String>,
) -> Result<ObjectParts, StoreError> {
    let wrong = || corrupt("record of an object");
    let record: ObjectRecord = serde_json::from_slice(json).map_err(|_| wrong())?;
    let ObjectRecord { v: RECORD_VERSION, attributes, checksum, body, parts } = record else {
        return Err(wrong());
    };
    let parts = parts.into_iter().map(|PartSummaryRecord { n, size, checksum }| {
        Ok(PartSummary { number: PartNumber::new(n).map_err(|_| wrong())?, size, checksum })
    });
    let body = match body {
        BodyRecord::Row(BlobRecord { customer: true, .. }) => return Err(wrong()),
        BodyRecord::Row(blob) => Body::Row(parse_blob(blob)?),
        BodyRecord::Files(blobs) => {
            Body::Files(blobs.into_iter().map(parse_blob).collect::<Result<_, _>>()?)
        }
    };
    Ok(ObjectParts {
        attributes: parse_attributes(attributes, storage_class),
        checksum,
        body,
        parts: parts.collect::<Result<_, StoreError>>()?,
    })
}

/// The same record of an object with other tags.
pub(super) fn retagged(json: &[u8], tags: Vec<Tag>) -> Result<Vec<u8>, StoreError> {
    let wrong = || corrupt("record of an object");
    let mut record: ObjectRecord = serde_json::from_slice(json).map_err(|_| wrong())?;
    if record.v != RECORD_VERSION {
        return Err(wrong());
    }
    record.attributes.tags = pairs_of(tags);
    serde_json::to_vec(&record).map_err(|_| wrong())
}

/// The same record of an object with its blobs' keys sealed otherwise.
pub(super) fn resealed_object(
    json: &[u8],
    reseal: impl FnMut(&mut Blob) -> Result<(), StoreError>,
) -> Result<Vec<u8>, StoreError> {
    let wrong = || corrupt("record of an object");
    let mut record: ObjectRecord = serde_json::from_slice(json).map_err(|_| wrong())?;
    if record.v != RECORD_VERSION {
        return Err(wrong());
    }
    record.body = match record.body {
        BodyRecord::Row(blob) => BodyRecord::Row(resealed(blob, reseal)?),
        BodyRecord::Files(blobs) => {
            let mut reseal = reseal;
            let blobs = blobs.into_iter().map(|blob| resealed(blob, &mut reseal));
            BodyRecord::Files(blobs.collect::<Result<_, _>>()?)
        }
    };
    serde_json::to_vec(&record).map_err(|_| wrong())
}

/// The same of a part.
pub(super) fn resealed_part(
    json: &[u8],
    reseal: impl FnMut(&mut Blob) -> Result<(), StoreError>,
) -> Result<Vec<u8>, StoreError> {
    let wrong = || corrupt("record of a part");
    let mut record: PartRecord = serde_json::from_slice(json).map_err(|_| wrong())?;
    if record.v != RECORD_VERSION {
        return Err(wrong());
    }
    record.blob = resealed(record.blob, reseal)?;
    serde_json::to_vec(&record).map_err(|_| wrong())
}

fn resealed(
    blob: BlobRecord,
    mut reseal: impl FnMut(&mut Blob) -> Result<(), StoreError>,
) -> Result<BlobRecord, StoreError> {
    let mut blob = parse_blob(blob)?;
    reseal(&mut blob)?;
    Ok(blob_record(&blob))
}

/// What `record` of an upload holds.
#[derive(Serialize, Deserialize)]
struct UploadRecord {
    v: u8,
    #[serde(flatten)]
    attributes: AttributesRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encryption: Option<bool>,
    /// The check of a customer's key: its salt and what is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer: Option<String>,
    initiator: String,
    at: i64,
}

pub(super) fn upload_record(upload: &crate::Upload) -> Result<Vec<u8>, StoreError> {
    let record = UploadRecord {
        v: RECORD_VERSION,
        attributes: attributes_record(&upload.attributes),
        class: upload.attributes.storage_class.clone(),
        checksum: upload.checksum.map(checksum_column),
        encryption: upload.encryption.map(|encryption| encryption == Encryption::On),
        customer: upload
            .customer_key
            .as_ref()
            .map(|KeyCheck { salt, sealed }| STANDARD.encode([salt.as_slice(), sealed].concat())),
        initiator: upload.initiator.clone(),
        at: upload.initiated_at.as_millisecond(),
    };
    serde_json::to_vec(&record).map_err(|_| corrupt("record of an upload"))
}

/// Reads the record of an upload whose place is known already.
pub(super) fn parse_upload(
    json: &[u8],
    place: (crate::BucketRef, ObjectKey, crate::UploadId),
) -> Result<crate::Upload, StoreError> {
    let wrong = || corrupt("record of an upload");
    let record: UploadRecord = serde_json::from_slice(json).map_err(|_| wrong())?;
    let UploadRecord {
        v: RECORD_VERSION,
        attributes,
        class,
        checksum,
        encryption,
        customer,
        initiator,
        at,
    } = record
    else {
        return Err(wrong());
    };
    let check = |text: String| {
        let bytes = STANDARD.decode(text).ok()?;
        let (salt, sealed) = bytes.split_first_chunk::<16>()?;
        Some(KeyCheck { salt: *salt, sealed: sealed.into() })
    };
    let customer_key = customer.map(|text| check(text).ok_or_else(wrong)).transpose()?;
    let (bucket, key, id) = place;
    let encryption =
        encryption.map(|encrypted| if encrypted { Encryption::On } else { Encryption::Off });
    Ok(crate::Upload {
        id,
        bucket,
        key,
        attributes: parse_attributes(attributes, class),
        checksum: checksum.map(checksum_form).transpose()?,
        encryption,
        customer_key,
        initiator,
        initiated_at: Timestamp::from_millisecond(at).map_err(|_| wrong())?,
    })
}

/// What `record` of a part holds.
#[derive(Serialize, Deserialize)]
struct PartRecord {
    v: u8,
    blob: BlobRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    algorithm: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

pub(super) fn part_record(
    part: &Blob,
    checksum: Option<&StoredChecksum>,
) -> Result<Vec<u8>, StoreError> {
    let record = PartRecord {
        v: RECORD_VERSION,
        blob: blob_record(part),
        algorithm: checksum.map(|checksum| checksum_column((checksum.algorithm, checksum.kind))),
        checksum: checksum.map(|checksum| checksum.value.clone()),
    };
    serde_json::to_vec(&record).map_err(|_| corrupt("record of a part"))
}

pub(super) fn parse_part(json: &[u8]) -> Result<(Blob, Option<StoredChecksum>), StoreError> {
    let wrong = || corrupt("record of a part");
    let record: PartRecord = serde_json::from_slice(json).map_err(|_| wrong())?;
    let PartRecord { v: RECORD_VERSION, blob, algorithm, checksum } = record else {
        return Err(wrong());
    };
    let checksum = match (algorithm.map(checksum_form).transpose()?, checksum) {
        (Some((algorithm, kind)), Some(value)) => Some(StoredChecksum { algorithm, kind, value }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(wrong()),
    };
    Ok((parse_blob(blob)?, checksum))
}

fn attributes_record(attributes: &Attributes) -> AttributesRecord {
    // The storage class stands elsewhere: in a column, or under a name of its own.
    let Attributes {
        content_type,
        content_encoding,
        content_language,
        content_disposition,
        cache_control,
        expires,
        storage_class: _,
        metadata,
        tags,
    } = attributes.clone();
    AttributesRecord {
        content_type,
        content_encoding,
        content_language,
        content_disposition,
        cache_control,
        expires,
        metadata,
        tags: pairs_of(tags),
    }
}

fn pairs_of(tags: Vec<Tag>) -> Vec<(String, String)> {
    tags.into_iter().map(|Tag { key, value }| (key, value)).collect()
}

fn parse_attributes(record: AttributesRecord, storage_class: Option<String>) -> Attributes {
    let AttributesRecord {
        content_type,
        content_encoding,
        content_language,
        content_disposition,
        cache_control,
        expires,
        metadata,
        tags,
    } = record;
    Attributes {
        content_type,
        content_encoding,
        content_language,
        content_disposition,
        cache_control,
        expires,
        storage_class,
        metadata,
        tags: tags_of(tags),
    }
}

fn blob_record(blob: &Blob) -> BlobRecord {
    let (key, customer) = match &blob.sealed_key {
        None => (None, false),
        Some(SealedKey::Master(sealed)) => (Some(sealed), false),
        Some(SealedKey::Customer(sealed)) => (Some(sealed), true),
    };
    let key = key.map(|sealed| STANDARD.encode(sealed));
    BlobRecord { id: blob.id.to_string(), size: blob.size, key, customer }
}

fn parse_blob(record: BlobRecord) -> Result<Blob, StoreError> {
    let BlobRecord { id, size, key, customer } = record;
    let id = BlobId::parse(&id).ok_or(corrupt("id of a blob"))?;
    let sealed = key.map(|key| STANDARD.decode(key).map(Vec::into_boxed_slice)).transpose();
    let sealed = sealed.map_err(|_| corrupt("sealed key of a blob"))?;
    let sealed_key = match (sealed, customer) {
        (None, false) => None,
        (Some(sealed), false) => Some(SealedKey::Master(sealed)),
        (Some(sealed), true) => Some(SealedKey::Customer(sealed)),
        (None, true) => return Err(corrupt("sealed key of a blob")),
    };
    Ok(Blob { id, size, sealed_key })
}
