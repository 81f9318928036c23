//! What completing an upload comes to. Decided here for every engine, from the upload and its parts as they stand in the
//! transaction that makes the object of them.

use std::collections::HashMap;

use jiff::Timestamp;
use md5::{Digest as _, Md5};

use crate::body::{Blob, Body};
use crate::checksum::of_parts;
use crate::object::{KeyState, Made, NewVersion, Unmet};
use crate::{
    CHECKSUM_UNASKED, ChecksumType, CompleteOutcome, CompleteUpload, ETag, Part, PartNumber,
    PartSummary, Precondition, StoreError, StoredChecksum, Upload, Versioning,
};

/// A part as stored: what is told of it, and where its bytes are.
#[derive(Clone, Debug)]
pub(crate) struct StoredPart {
    pub(crate) part: Part,
    pub(crate) blob: Blob,
}

/// An upload, and all that a completion of it is judged by.
#[derive(Debug)]
pub(crate) struct UnderWay {
    pub(crate) upload: Upload,
    /// Every part that was uploaded, by number.
    pub(crate) parts: Vec<StoredPart>,
    /// Whether the bucket keeps versions.
    pub(crate) versioning: Versioning,
    pub(crate) key: KeyState,
    /// When the newest version of the key was last removed while an upload was under way.
    pub(crate) deleted_at: Option<Timestamp>,
}

/// A completion that is to be carried out: the upload and its parts are forgotten.
#[derive(Debug)]
pub(crate) struct Completion {
    pub(crate) made: Made,
    pub(crate) version: NewVersion,
    /// The bodies of parts that the completion did not name: garbage.
    pub(crate) discarded: Vec<Blob>,
}

impl UnderWay {
    /// What the completion comes to, or why nothing is done. `random` makes the version's id, where it gets one.
    pub(crate) fn complete(
        self,
        request: &CompleteUpload,
        random: [u8; 16],
    ) -> Result<Result<Completion, CompleteOutcome>, StoreError> {
        let Self { upload, parts, versioning, key, deleted_at } = self;
        let chosen = choose(parts, request).and_then(|chosen| {
            let checksum = checksum(&upload, &chosen.named, request.object_checksum.as_ref());
            checksum
                .map(|checksum| (chosen, checksum))
                .map_err(|computed| CompleteOutcome::ChecksumMismatch { computed })
        });
        let (Chosen { named, unnamed }, checksum) = match chosen {
            Ok(chosen) => chosen,
            Err(refused) => return Ok(Err(refused)),
        };
        if let Err(unmet) = key.check(request.precondition) {
            return Ok(Err(unmet.into()));
        }
        // Whoever began before that did not know of it.
        if request.precondition != Precondition::None
            && key.changed_after(upload.initiated_at, deleted_at)
        {
            return Ok(Err(CompleteOutcome::Conflict));
        }
        let version = key.new_version(versioning, random)?;
        let discarded = unnamed.into_iter().map(|stored| stored.blob).collect();
        Ok(Ok(Completion { made: made(upload, named, checksum), version, discarded }))
    }
}

impl CompleteUpload {
    /// Whether an object that an upload of this id became has the parts that are named, so that this is another try of
    /// what was done.
    pub(crate) fn is_of(&self, etag: ETag) -> bool {
        etag_of(self.parts.iter().map(|part| part.etag)) == etag
    }
}

impl From<Unmet> for CompleteOutcome {
    fn from(unmet: Unmet) -> Self {
        match unmet {
            Unmet::Failed => Self::PreconditionFailed,
            Unmet::NoSuchKey => Self::NoSuchKey,
        }
    }
}

/// The parts that were named, in that order, and those that were not.
struct Chosen {
    named: Vec<StoredPart>,
    unnamed: Vec<StoredPart>,
}

fn choose(parts: Vec<StoredPart>, request: &CompleteUpload) -> Result<Chosen, CompleteOutcome> {
    let mut parts: HashMap<_, _> =
        parts.into_iter().map(|stored| (stored.part.number, stored)).collect();
    let mut named = Vec::with_capacity(request.parts.len());
    for wanted in &request.parts {
        let number = wanted.number;
        let found = parts.remove(&number).filter(|found| {
            let checksum = found.part.checksum.as_ref().map(|checksum| &checksum.value);
            let same = wanted.checksum.is_none() || wanted.checksum.as_ref() == checksum;
            found.part.etag == wanted.etag && same
        });
        named.push(found.ok_or(CompleteOutcome::InvalidPart { number })?);
    }
    let Some((_, all_but_last)) = named.split_last() else {
        return Err(CompleteOutcome::InvalidPart { number: PartNumber::FIRST });
    };
    let small = all_but_last.iter().find(|found| found.part.size < request.min_part_size);
    if let Some(StoredPart { part, .. }) = small {
        let (number, size, etag) = (part.number, part.size, part.etag);
        return Err(CompleteOutcome::PartTooSmall { number, size, etag });
    }
    Ok(Chosen { named, unnamed: parts.into_values().collect() })
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
    let summaries = parts.iter().map(|StoredPart { part, .. }| PartSummary {
        number: part.number,
        size: part.size,
        checksum: part.checksum.as_ref().map(|checksum| checksum.value.clone()),
    });
    let summaries = summaries.collect();
    let body = Body::Files(parts.into_iter().map(|stored| stored.blob).collect());
    Made { etag, attributes: upload.attributes, checksum, parts: summaries, body }
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
