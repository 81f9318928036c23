//! Completing an upload: the parts are read again, and judged, in the transaction that makes the
//! object of them.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use md5::{Digest, Md5};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::engine;
use super::lookup;
use super::object::{Made, Target, Unmet, add, told_version};
use super::rows::{etag, etag_column, version, version_column};
use super::sweeping::add_garbage;
use super::transaction::Transaction;
use super::uploads::{self, StoredPart};
use crate::body::Body;
use crate::checksum::of_parts;
use crate::vault::Vault;
use crate::{
    Bucket, CHECKSUM_UNASKED, ChecksumType, CompleteOutcome, CompleteUpload, ETag, Lookup, Object,
    PartNumber, PartSummary, Precondition, StoreError, StoredChecksum, Upload, VersionId,
};

const REMEMBER: &str = "INSERT INTO completed (bucket, key, upload, completed_ms, version, etag)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const RECALL: &str =
    "SELECT version, etag FROM completed WHERE bucket = ?1 AND key = ?2 AND upload = ?3";

pub(super) fn complete(
    tx: &mut Transaction<'_>,
    vault: &Vault,
    complete: &CompleteUpload,
    now: Timestamp,
) -> Result<CompleteOutcome, StoreError> {
    let Some(bucket) = super::bucket::same(tx.connection, &complete.bucket)? else {
        return Ok(CompleteOutcome::NoSuchBucket);
    };
    let (key, id) = (&complete.key, complete.upload_id);
    let Some(upload) = uploads::read(tx.connection, &complete.bucket, key, id)? else {
        return completed_before(tx.connection, vault, &bucket, complete);
    };
    let (named, unnamed) = match choose(tx.connection, complete)? {
        Ok(chosen) => chosen,
        Err(outcome) => return Ok(outcome),
    };
    let checksum = match checksum(&upload, &named, complete.object_checksum.as_ref()) {
        Ok(checksum) => checksum,
        Err(computed) => return Ok(CompleteOutcome::ChecksumMismatch { computed }),
    };
    let target = Target::find(tx.connection, &bucket, key, now)?;
    match target.check(complete.precondition) {
        Ok(()) => (),
        Err(Unmet::Failed) => return Ok(CompleteOutcome::PreconditionFailed),
        Err(Unmet::NoSuchKey) => return Ok(CompleteOutcome::NoSuchKey),
    }
    // Whoever began before that did not know of it.
    if complete.precondition != Precondition::None
        && target.changed_after(tx.connection, upload.initiated_at)?
    {
        return Ok(CompleteOutcome::Conflict);
    }
    let discarded = unnamed.into_iter().map(|stored| stored.blob).collect::<Vec<_>>();
    add_garbage(tx.connection, &discarded, now)?;
    uploads::forget_parts(tx.connection, id)?;
    uploads::remove(tx.connection, bucket.id, key, id)?;
    let object = add(tx, &target, made(upload, named, checksum), None)?;
    remember(tx.connection, bucket.id, complete, &object, now)?;
    Ok(CompleteOutcome::Completed { version_id: told_version(&bucket, &object), object })
}

type Chosen = (Vec<StoredPart>, Vec<StoredPart>);

/// The parts that were named, in that order, and those that were not; or what is wrong with them.
fn choose(
    connection: &Connection,
    complete: &CompleteUpload,
) -> Result<Result<Chosen, CompleteOutcome>, StoreError> {
    let stored = uploads::stored_parts(connection, complete.upload_id, None, usize::MAX)?;
    let mut stored =
        stored.into_iter().map(|part| (part.part.number, part)).collect::<HashMap<_, _>>();
    let mut named = Vec::with_capacity(complete.parts.len());
    for part in &complete.parts {
        let number = part.number;
        let found = stored.remove(&number).filter(|found| {
            let checksum = found.part.checksum.as_ref().map(|checksum| &checksum.value);
            let same = part.checksum.is_none() || part.checksum.as_ref() == checksum;
            found.part.etag == part.etag && same
        });
        match found {
            Some(found) => named.push(found),
            None => return Ok(Err(CompleteOutcome::InvalidPart { number })),
        }
    }
    let Some((_, all_but_last)) = named.split_last() else {
        return Ok(Err(CompleteOutcome::InvalidPart { number: PartNumber::FIRST }));
    };
    let small = all_but_last.iter().find(|found| found.part.size < complete.min_part_size);
    if let Some(StoredPart { part, .. }) = small {
        let (number, size, etag) = (part.number, part.size, part.etag);
        return Ok(Err(CompleteOutcome::PartTooSmall { number, size, etag }));
    }
    Ok(Ok((named, stored.into_values().collect())))
}

/// The checksum of the object: what the parts give, which must be what the caller says, if it does.
fn checksum(
    upload: &Upload,
    parts: &[StoredPart],
    said: Option<&StoredChecksum>,
) -> Result<Option<StoredChecksum>, Option<StoredChecksum>> {
    let (algorithm, kind) = upload.checksum.unwrap_or(CHECKSUM_UNASKED);
    let raw = parts.iter().map(|StoredPart { part, .. }| {
        let checksum = part.checksum.as_ref().filter(|stored| stored.algorithm == algorithm);
        (checksum.map(|stored| stored.value.as_str()), part.size)
    });
    let computed = of_parts(algorithm, kind, raw);
    match said {
        Some(said) if !is_same(said, computed.as_ref()) => Err(computed),
        Some(_) | None => Ok(computed),
    }
}

/// A composite checksum may be said without the count of parts.
fn is_same(said: &StoredChecksum, computed: Option<&StoredChecksum>) -> bool {
    computed.is_some_and(|computed| {
        let bare = computed.value.split_once('-').map_or(computed.value.as_str(), |(raw, _)| raw);
        let short = computed.kind == ChecksumType::Composite && said.value == bare;
        said.algorithm == computed.algorithm
            && said.kind == computed.kind
            && (said.value == computed.value || short)
    })
}

fn made(upload: Upload, parts: Vec<StoredPart>, checksum: Option<StoredChecksum>) -> Made {
    let etag = etag_of(parts.iter().map(|stored| stored.part.etag));
    let size = parts.iter().map(|stored| stored.part.size).fold(0, u64::saturating_add);
    let summaries = parts.iter().map(|StoredPart { part, .. }| PartSummary {
        number: part.number,
        size: part.size,
        checksum: part.checksum.as_ref().map(|checksum| checksum.value.clone()),
    });
    let summaries = summaries.collect();
    let blobs = parts.into_iter().map(|stored| stored.blob).collect();
    let body = Body::Files(blobs);
    Made { size, etag, attributes: upload.attributes, checksum, parts: summaries, body }
}

fn etag_of(parts: impl Iterator<Item = ETag>) -> ETag {
    let mut md5 = Md5::new();
    let mut count = 0_u16;
    for part in parts {
        md5.update(part.md5());
        count = count.saturating_add(1);
    }
    ETag::of_parts(md5.finalize().into(), count)
}

fn remember(
    connection: &Connection,
    bucket: i64,
    complete: &CompleteUpload,
    object: &Object,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = params![
        bucket,
        complete.key.as_bytes(),
        complete.upload_id.as_bytes(),
        now.as_millisecond(),
        version_column(&object.version_id),
        etag_column(&object.etag),
    ];
    let remember = connection.prepare_cached(REMEMBER);
    remember.and_then(|mut remember| remember.execute(row)).map(|_| ()).map_err(engine)
}

/// The answer to a repeated try: the same, if it names the same parts and the object is still there.
fn completed_before(
    connection: &Connection,
    vault: &Vault,
    bucket: &Bucket,
    complete: &CompleteUpload,
) -> Result<CompleteOutcome, StoreError> {
    let row = params![bucket.id, complete.key.as_bytes(), complete.upload_id.as_bytes()];
    let before: Option<(VersionId, ETag)> = connection
        .prepare_cached(RECALL)
        .and_then(|mut recall| {
            let decode = |row: &Row<'_>| version(row, 0).and_then(|v| Ok((v, etag(row, 1)?)));
            recall.query_row(row, |row| Ok(decode(row))).optional()
        })
        .map_err(engine)?
        .transpose()?;
    let same = etag_of(complete.parts.iter().map(|part| part.etag));
    let Some((version, etag)) = before.filter(|(_, etag)| *etag == same) else {
        return Ok(CompleteOutcome::NoSuchUpload);
    };
    match lookup::version(connection, vault, bucket.id, &complete.key, version)? {
        Lookup::Object(object) if object.etag == etag => {
            let version_id = told_version(bucket, &object);
            Ok(CompleteOutcome::Completed { version_id, object: Arc::clone(&object) })
        }
        Lookup::Object(_)
        | Lookup::DeleteMarker(_)
        | Lookup::NoSuchKey
        | Lookup::NoSuchVersion
        | Lookup::NoSuchBucket => Ok(CompleteOutcome::NoSuchUpload),
    }
}
