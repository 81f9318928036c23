//! The record of an object.

use serde::{Deserialize, Serialize};

use super::attributes::AttributesRecord;
use super::blob::BlobRecord;
use super::{RECORD_VERSION, corrupt, pairs_of};
use crate::body::{Blob, Body};
use crate::{Attributes, Object, PartNumber, PartSummary, StoreError, Tag};

/// The JSON of an object's record: what no column says.
#[derive(Serialize, Deserialize)]
struct ObjectRecord {
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
enum BodyRecord {
    #[serde(rename = "row")]
    Row(BlobRecord),
    #[serde(rename = "files")]
    Files(Vec<BlobRecord>),
}

#[derive(Serialize, Deserialize)]
struct PartSummaryRecord {
    n: u16,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

/// What was read from the JSON of a record.
pub(crate) struct ObjectParts {
    pub(crate) attributes: Attributes,
    pub(crate) checksum: Option<String>,
    pub(crate) body: Body,
    pub(crate) parts: Vec<PartSummary>,
}

pub(crate) fn object_record(object: &Object) -> Result<Vec<u8>, StoreError> {
    let parts = object.parts.iter().map(|part| PartSummaryRecord {
        n: part.number.number(),
        size: part.size,
        checksum: part.checksum.clone(),
    });
    let record = ObjectRecord {
        v: RECORD_VERSION,
        attributes: AttributesRecord::of(&object.attributes),
        checksum: object.checksum.as_ref().map(|checksum| checksum.value.clone()),
        body: match &object.body {
            Body::Row(blob) => BodyRecord::Row(BlobRecord::of(blob)),
            Body::Files(blobs) => BodyRecord::Files(blobs.iter().map(BlobRecord::of).collect()),
        },
        parts: parts.collect(),
    };
    serde_json::to_vec(&record).map_err(|_| corrupt("record of an object"))
}

/// Reads the record of an object, whose storage class stands in a column.
pub(crate) fn parse_object(
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
        BodyRecord::Row(blob) => Body::Row(blob.parse()?),
        BodyRecord::Files(blobs) => {
            Body::Files(blobs.into_iter().map(BlobRecord::parse).collect::<Result<_, _>>()?)
        }
    };
    Ok(ObjectParts {
        attributes: attributes.parse(storage_class),
        checksum,
        body,
        parts: parts.collect::<Result<_, StoreError>>()?,
    })
}

/// The same record of an object with other tags.
pub(crate) fn retagged(json: &[u8], tags: &[Tag]) -> Result<Vec<u8>, StoreError> {
    let wrong = || corrupt("record of an object");
    let mut record: ObjectRecord = serde_json::from_slice(json).map_err(|_| wrong())?;
    if record.v != RECORD_VERSION {
        return Err(wrong());
    }
    record.attributes.tags = pairs_of(tags);
    serde_json::to_vec(&record).map_err(|_| wrong())
}

/// The same record of an object with its blobs' keys sealed otherwise.
pub(crate) fn resealed_object(
    json: &[u8],
    reseal: impl FnMut(&mut Blob) -> Result<(), StoreError>,
) -> Result<Vec<u8>, StoreError> {
    let wrong = || corrupt("record of an object");
    let mut record: ObjectRecord = serde_json::from_slice(json).map_err(|_| wrong())?;
    if record.v != RECORD_VERSION {
        return Err(wrong());
    }
    record.body = match record.body {
        BodyRecord::Row(blob) => BodyRecord::Row(blob.resealed(reseal)?),
        BodyRecord::Files(blobs) => {
            let mut reseal = reseal;
            let blobs = blobs.into_iter().map(|blob| blob.resealed(&mut reseal));
            BodyRecord::Files(blobs.collect::<Result<_, _>>()?)
        }
    };
    serde_json::to_vec(&record).map_err(|_| wrong())
}
