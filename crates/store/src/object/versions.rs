//! What writes and deletes mean for the versions of a key. Decided here for every engine: an engine tells how the key
//! stands in its transaction, and carries out what is decided.

use std::sync::OnceLock;

use jiff::Timestamp;

use super::truncated;
use crate::body::Body;
use crate::names::{PLACES_MAX, VersionToken};
use crate::{
    Attributes, DeleteObject, DeleteOutcome, ETag, Object, ObjectKey, PartSummary, Precondition,
    PutOutcome, StoreError, StoredChecksum, Tag, VersionId, Versioning,
};

/// What a decision needs to know of a version of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VersionState {
    /// Its place among the versions of its key, of which the newest has the highest.
    pub(crate) place: u64,
    pub(crate) version_id: VersionId,
    pub(crate) is_marker: bool,
    /// Of a delete marker, any.
    pub(crate) etag: ETag,
    pub(crate) modified: Timestamp,
}

/// A key as it stands in the transaction that is about to write it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyState {
    /// The newest version, object or marker.
    pub(crate) newest: Option<VersionState>,
    /// The null version, of which there is one at most.
    pub(crate) null: Option<VersionState>,
    /// The version that a delete names by its id.
    pub(crate) named: Option<VersionState>,
}

impl KeyState {
    /// With this newest version, which may be the null version too.
    pub(crate) fn of(newest: Option<VersionState>) -> Self {
        let null = newest.filter(|newest| newest.version_id == VersionId::Null);
        Self { newest, null, named: None }
    }

    /// Whether there may be a null version below the newest, which an engine must look for.
    pub(crate) fn may_hide_null(&self) -> bool {
        self.newest.is_some() && self.null.is_none()
    }

    /// Whether a precondition holds. A delete marker is absence.
    pub(crate) fn check(&self, precondition: Precondition) -> Result<(), Unmet> {
        let current = self.newest.filter(|newest| !newest.is_marker);
        match (precondition, current) {
            (Precondition::None, _)
            | (Precondition::IfAbsent, None)
            | (Precondition::IfPresent, Some(_)) => Ok(()),
            (
                Precondition::IfMatch(_) | Precondition::IfMatchUnknown | Precondition::IfPresent,
                None,
            ) => Err(Unmet::NoSuchKey),
            (Precondition::IfMatch(etag), Some(current)) if current.etag == etag => Ok(()),
            (
                Precondition::IfMatch(_) | Precondition::IfMatchUnknown | Precondition::IfAbsent,
                Some(_),
            ) => Err(Unmet::Failed),
        }
    }

    /// Decides where a new version goes. `random` makes its id, where it gets one.
    pub(crate) fn new_version(
        &self,
        versioning: Versioning,
        random: [u8; 16],
    ) -> Result<NewVersion, StoreError> {
        let above = |newest: VersionState| {
            let place = newest.place.checked_add(1).filter(|place| *place < PLACES_MAX);
            place.ok_or(StoreError::Corrupt { what: "order of versions" })
        };
        if !versioning.writes_null() {
            let place = self.newest.map_or(Ok(0), above)?;
            let version_id = VersionId::Id(VersionToken::new(place, random));
            return Ok(NewVersion { place, version_id, replaced: None });
        }
        let place = match self.newest {
            Some(newest) if newest.version_id == VersionId::Null => newest.place,
            Some(newest) => above(newest)?,
            None => 0,
        };
        Ok(NewVersion { place, version_id: VersionId::Null, replaced: self.null })
    }

    /// Decides what a delete does. `tags` are those of the newest version, if the request judged them.
    pub(crate) fn delete(
        &self,
        request: &DeleteObject,
        tags: &[Tag],
        versioning: Versioning,
        random: [u8; 16],
    ) -> Result<Deletion, StoreError> {
        if request.judged_tags.as_ref().is_some_and(|judged| judged != tags) {
            return Ok(Deletion::Refused(DeleteOutcome::TagsChanged));
        }
        if let Err(unmet) = self.check(request.precondition) {
            return Ok(Deletion::Refused(unmet.into()));
        }
        let version_id = request.version_id;
        let gone = match (version_id, versioning) {
            (Some(VersionId::Null), _) => self.null,
            (Some(VersionId::Id(_)), _) => self.named,
            (None, Versioning::Unversioned) => self.newest,
            (None, Versioning::Enabled | Versioning::Suspended) => {
                return self.new_version(versioning, random).map(Deletion::Mark);
            }
        };
        Ok(match gone {
            None => Deletion::Nothing,
            Some(version) => Deletion::Remove {
                version,
                was_newest: self.newest.is_some_and(|newest| newest.place == version.place),
                outcome: DeleteOutcome::Deleted { version_id, was_marker: version.is_marker },
            },
        })
    }

    /// Whether the key was written or deleted after a time. `deleted_at`: when its newest version was last removed.
    pub(crate) fn changed_after(&self, time: Timestamp, deleted_at: Option<Timestamp>) -> bool {
        let written_at = self.newest.map(|newest| newest.modified);
        written_at.into_iter().chain(deleted_at).any(|changed_at| changed_at > time)
    }
}

impl Versioning {
    /// Whether a write makes, or takes the place of, the null version.
    pub(crate) fn writes_null(self) -> bool {
        match self {
            Self::Enabled => false,
            Self::Unversioned | Self::Suspended => true,
        }
    }

    /// Whether a delete has to know the null version.
    pub(crate) fn deletes_null(self, named: Option<VersionId>) -> bool {
        match named {
            Some(named) => named == VersionId::Null,
            None => self == Self::Suspended,
        }
    }

    /// The version that a writer is told: none where none are kept.
    pub(crate) fn told(self, version_id: VersionId) -> Option<VersionId> {
        match self {
            Self::Unversioned => None,
            Self::Enabled | Self::Suspended => Some(version_id),
        }
    }
}

/// Where a new version goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewVersion {
    pub(crate) place: u64,
    pub(crate) version_id: VersionId,
    /// The version whose place the new one takes: it is removed first, and its bytes are garbage.
    pub(crate) replaced: Option<VersionState>,
}

/// An object that is decided on, before it has a place among the versions of its key.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) etag: ETag,
    pub(crate) attributes: Attributes,
    pub(crate) checksum: Option<StoredChecksum>,
    pub(crate) parts: Vec<PartSummary>,
    pub(crate) body: Body,
}

impl Made {
    /// The object as that version of a key.
    pub(crate) fn at(self, key: ObjectKey, version_id: VersionId, now: Timestamp) -> Object {
        let Self { etag, attributes, checksum, parts, body } = self;
        Object {
            key,
            version_id,
            size: body.blobs().iter().map(|blob| blob.size).fold(0, u64::saturating_add),
            etag,
            last_modified: truncated(now),
            attributes,
            checksum,
            parts,
            encryption: body.at_rest(),
            body,
            resident: OnceLock::new(),
        }
    }
}

/// What a delete comes to, for the engine to carry out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deletion {
    Refused(DeleteOutcome),
    /// There is nothing to delete.
    Nothing,
    /// A version goes for good, and its bytes are garbage.
    Remove {
        version: VersionState,
        /// Nothing would tell of it afterwards, and an upload under way that is completed on a condition must know:
        /// the engine notes the time.
        was_newest: bool,
        outcome: DeleteOutcome,
    },
    /// A delete marker becomes the newest version.
    Mark(NewVersion),
}

/// Why a precondition does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmet {
    Failed,
    NoSuchKey,
}

impl From<Unmet> for PutOutcome {
    fn from(unmet: Unmet) -> Self {
        match unmet {
            Unmet::Failed => Self::PreconditionFailed,
            Unmet::NoSuchKey => Self::NoSuchKey,
        }
    }
}

impl From<Unmet> for DeleteOutcome {
    fn from(unmet: Unmet) -> Self {
        match unmet {
            Unmet::Failed => Self::PreconditionFailed,
            Unmet::NoSuchKey => Self::NoSuchKey,
        }
    }
}
