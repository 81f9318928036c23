//! The records of an upload and of its parts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::attributes::AttributesRecord;
use super::blob::BlobRecord;
use super::{RECORD_VERSION, checksum_code, checksum_form, corrupt};
use crate::body::Blob;
use crate::{
    BucketRef, Encryption, KeyCheck, ObjectKey, StoreError, StoredChecksum, Upload, UploadId,
};

/// The JSON of an upload, in the column `record`.
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

pub(crate) fn upload_record(upload: &Upload) -> Result<Vec<u8>, StoreError> {
    let record = UploadRecord {
        v: RECORD_VERSION,
        attributes: AttributesRecord::of(&upload.attributes),
        class: upload.attributes.storage_class.clone(),
        checksum: upload.checksum.map(checksum_code),
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
pub(crate) fn parse_upload(
    json: &[u8],
    place: (BucketRef, ObjectKey, UploadId),
) -> Result<Upload, StoreError> {
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
    Ok(Upload {
        id,
        bucket,
        key,
        attributes: attributes.parse(class),
        checksum: checksum.map(checksum_form).transpose()?,
        encryption,
        customer_key,
        initiator,
        initiated_at: Timestamp::from_millisecond(at).map_err(|_| wrong())?,
    })
}

/// The JSON of a part, in the column `record`.
#[derive(Serialize, Deserialize)]
struct PartRecord {
    v: u8,
    blob: BlobRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    algorithm: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

pub(crate) fn part_record(
    part: &Blob,
    checksum: Option<&StoredChecksum>,
) -> Result<Vec<u8>, StoreError> {
    let record = PartRecord {
        v: RECORD_VERSION,
        blob: BlobRecord::of(part),
        algorithm: checksum.map(|checksum| checksum_code((checksum.algorithm, checksum.kind))),
        checksum: checksum.map(|checksum| checksum.value.clone()),
    };
    serde_json::to_vec(&record).map_err(|_| corrupt("record of a part"))
}

pub(crate) fn parse_part(json: &[u8]) -> Result<(Blob, Option<StoredChecksum>), StoreError> {
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
    Ok((blob.parse()?, checksum))
}

/// The same record of a part with its blob's key sealed otherwise.
pub(crate) fn resealed_part(
    json: &[u8],
    reseal: impl FnMut(&mut Blob) -> Result<(), StoreError>,
) -> Result<Vec<u8>, StoreError> {
    let wrong = || corrupt("record of a part");
    let mut record: PartRecord = serde_json::from_slice(json).map_err(|_| wrong())?;
    if record.v != RECORD_VERSION {
        return Err(wrong());
    }
    record.blob = record.blob.resealed(reseal)?;
    serde_json::to_vec(&record).map_err(|_| wrong())
}
