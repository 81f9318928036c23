//! The versions of a key in memory.

use std::cmp::Reverse;
use std::ops::Bound;
use std::sync::Arc;

use jiff::Timestamp;

use super::{MemoryMetadata, Records, Version, VersionPlace, show_rows};
use crate::backend::metadata::objects::{NewBody, NewObject, ObjectRecords};
use crate::body::Body;
use crate::listing::{ObjectsWalk, VersionsFrom, VersionsWalk};
use crate::object::{Deletion, KeyState, Made, NewVersion, VersionState};
use crate::vault::random;
use crate::{
    BucketRef, DeleteMarker, DeleteObject, DeleteOutcome, ETag, ListObjects, ListVersions, Lookup,
    Object, ObjectKey, ObjectPage, ObjectSummary, PutOutcome, SetTags, StoreError, TagsChanged,
    VersionEntry, VersionId, VersionPage, VersionSummary,
};

impl ObjectRecords for MemoryMetadata {
    async fn object(
        &self,
        bucket: &BucketRef,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<Lookup, StoreError> {
        self.read(|records| records.object(bucket, key, version))
    }

    async fn put_object(
        &self,
        object: NewObject,
        now: Timestamp,
    ) -> Result<PutOutcome, StoreError> {
        self.write(|records| records.put_object(object, now))?
    }

    async fn delete_object(
        &self,
        delete: DeleteObject,
        now: Timestamp,
    ) -> Result<DeleteOutcome, StoreError> {
        self.write(|records| records.delete_object(&delete, now))?
    }

    async fn set_object_tags(
        &self,
        set: SetTags,
    ) -> Result<Result<Lookup, TagsChanged>, StoreError> {
        self.write(|records| records.set_tags(set))
    }

    async fn list_objects(
        &self,
        bucket: &BucketRef,
        query: ListObjects,
    ) -> Result<Option<ObjectPage>, StoreError> {
        self.read(|records| records.list_objects(bucket, &query))?
    }

    async fn list_versions(
        &self,
        bucket: &BucketRef,
        query: ListVersions,
    ) -> Result<Option<VersionPage>, StoreError> {
        self.read(|records| records.list_versions(bucket, &query))?
    }
}

impl Version {
    fn id(&self) -> VersionId {
        match self {
            Self::Object(object) => object.version_id,
            Self::Marker(id, _) => *id,
        }
    }

    fn state(&self, place: u64) -> VersionState {
        let (is_marker, etag, modified) = match self {
            Self::Object(object) => (false, object.etag, object.last_modified),
            Self::Marker(_, created_at) => (true, ETag::of_md5([0; 16]), *created_at),
        };
        VersionState { place, version_id: self.id(), is_marker, etag, modified }
    }
}

/// A bucket's id and a key.
type KeyPlace<'k> = (i64, &'k ObjectKey);

impl Records {
    /// All versions of a key, the newest first.
    fn versions_of(&self, (bucket, key): KeyPlace<'_>) -> impl Iterator<Item = (u64, &Version)> {
        let at = |place| (bucket, key.as_bytes().to_vec(), Reverse(place));
        let versions = self.versions.range(at(u64::MAX)..=at(0));
        versions.map(|((.., Reverse(place)), version)| (*place, version))
    }

    fn find(&self, key: KeyPlace<'_>, id: VersionId) -> Option<VersionState> {
        let mut versions = self.versions_of(key);
        versions
            .find(|(_, version)| version.id() == id)
            .map(|(place, version)| version.state(place))
    }

    pub(super) fn state(&self, key: KeyPlace<'_>, named: Option<VersionId>) -> KeyState {
        let newest = self.versions_of(key).next().map(|(place, version)| version.state(place));
        let null = self.find(key, VersionId::Null);
        KeyState { newest, null, named: named.and_then(|id| self.find(key, id)) }
    }

    pub(super) fn object(
        &self,
        bucket: &BucketRef,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Lookup {
        if self.same(bucket).is_none() {
            return Lookup::NoSuchBucket;
        }
        let mut versions = self.versions_of((bucket.id, key)).enumerate();
        let found = match version {
            Some(id) => versions.find(|(_, (_, version))| version.id() == id),
            None => versions.next(),
        };
        match (found, version) {
            (Some((_, (_, Version::Object(object)))), _) => Lookup::Object(Arc::clone(object)),
            (Some((index, (_, Version::Marker(id, created_at)))), _) => {
                let (version_id, created_at) = (*id, *created_at);
                Lookup::DeleteMarker(DeleteMarker {
                    version_id,
                    created_at,
                    is_current: index == 0,
                })
            }
            (None, Some(_)) => Lookup::NoSuchVersion,
            (None, None) => Lookup::NoSuchKey,
        }
    }

    fn remove(&mut self, (bucket, key): KeyPlace<'_>, version: VersionState, now: Timestamp) {
        let place = (bucket, key.as_bytes().to_vec(), Reverse(version.place));
        if let Some(Version::Object(object)) = self.versions.remove(&place)
            && let Body::Files(blobs) = &object.body
        {
            self.add_garbage(blobs, now);
        }
    }

    fn add(&mut self, key: KeyPlace<'_>, new: NewVersion, version: Version, now: Timestamp) {
        if let Some(replaced) = new.replaced {
            self.remove(key, replaced, now);
        }
        let (bucket, key) = key;
        self.versions.insert((bucket, key.as_bytes().to_vec(), Reverse(new.place)), version);
    }

    pub(super) fn add_object(
        &mut self,
        key: KeyPlace<'_>,
        version: NewVersion,
        object: Object,
        now: Timestamp,
    ) -> Arc<Object> {
        let object = Arc::new(object);
        self.add(key, version, Version::Object(Arc::clone(&object)), now);
        object
    }

    fn put_object(&mut self, new: NewObject, now: Timestamp) -> Result<PutOutcome, StoreError> {
        let NewObject { bucket, key, attributes, checksum, etag, body, precondition } = new;
        let Some(bucket) = self.same(&bucket) else { return Ok(PutOutcome::NoSuchBucket) };
        let state = self.state((bucket.id, &key), None);
        if let Err(unmet) = state.check(precondition) {
            return Ok(unmet.into());
        }
        let version = state.new_version(bucket.versioning, random()?)?;
        let (body, plain) = match body {
            NewBody::Row { blob, stored: _, plain } => (Body::Row(blob), Some(plain)),
            NewBody::File(file) => {
                self.take_intent(file.blob.id)?;
                file.unpublished.keep();
                (Body::Files(vec![file.blob]), None)
            }
        };
        let made = Made { etag, attributes, checksum, parts: Vec::new(), body };
        let object = made.at(key.clone(), version.version_id, now);
        if let Some(plain) = plain {
            let _first = object.resident.set(plain);
        }
        let object = self.add_object((bucket.id, &key), version, object, now);
        Ok(PutOutcome::Stored { version_id: bucket.versioning.told(object.version_id), object })
    }

    pub(super) fn delete_object(
        &mut self,
        request: &DeleteObject,
        now: Timestamp,
    ) -> Result<DeleteOutcome, StoreError> {
        let Some(bucket) = self.same(&request.bucket) else {
            return Ok(DeleteOutcome::NoSuchBucket);
        };
        let key = (bucket.id, &request.key);
        let state = self.state(key, request.version_id);
        let current = self.object(&request.bucket, &request.key, None);
        Ok(match state.delete(request, current.tags(), bucket.versioning, random()?)? {
            Deletion::Refused(outcome) => outcome,
            Deletion::Nothing => DeleteOutcome::Nothing,
            Deletion::Remove { version, was_newest, outcome } => {
                self.remove(key, version, now);
                if was_newest {
                    self.deleted.insert((bucket.id, request.key.as_bytes().to_vec()), now);
                }
                outcome
            }
            Deletion::Mark(version) => {
                let marker = Version::Marker(version.version_id, crate::object::truncated(now));
                self.add(key, version, marker, now);
                DeleteOutcome::MarkerCreated { version_id: version.version_id }
            }
        })
    }

    fn set_tags(&mut self, set: SetTags) -> Result<Lookup, TagsChanged> {
        let SetTags { bucket, key, version_id, tags, judged_tags } = set;
        let found = self.object(&bucket, &key, version_id);
        if judged_tags.is_some_and(|judged| judged != found.tags()) {
            return Err(TagsChanged);
        }
        let Lookup::Object(object) = &found else { return Ok(found) };
        let mut tagged = Object::clone(object);
        tagged.attributes.tags = tags;
        let place = self.find((bucket.id, &key), object.version_id).map(|version| version.place);
        let tagged = Arc::new(tagged);
        if let Some(place) = place {
            let place = (bucket.id, key.as_bytes().to_vec(), Reverse(place));
            self.versions.insert(place, Version::Object(Arc::clone(&tagged)));
        }
        Ok(Lookup::Object(tagged))
    }

    /// The versions of a bucket from a place on, up to a key.
    fn rows(
        &self,
        from: Bound<VersionPlace>,
        end: Vec<u8>,
    ) -> impl Iterator<Item = (&VersionPlace, &Version)> {
        let bucket = match &from {
            Bound::Included((bucket, ..)) | Bound::Excluded((bucket, ..)) => Some(*bucket),
            Bound::Unbounded => None,
        };
        let rows = self.versions.range((from, Bound::Unbounded));
        rows.take_while(move |((of, key, _), _)| Some(*of) == bucket && *key < end)
    }

    fn list_objects(
        &self,
        bucket: &BucketRef,
        query: &ListObjects,
    ) -> Result<Option<ObjectPage>, StoreError> {
        if self.same(bucket).is_none() {
            return Ok(None);
        }
        let (mut walk, from) = ObjectsWalk::begin(query);
        let end = walk.end();
        let rows =
            |key| self.rows(Bound::Included((bucket.id, key, Reverse(u64::MAX))), end.clone());
        let see = |((_, key, _), version): (&VersionPlace, &Version)| {
            let object = match version {
                Version::Object(object) => Some(object),
                Version::Marker(..) => None,
            };
            let summary = |_| object.map(|object| summary(object)).ok_or(StoreError::Closed);
            walk.see(key, object.is_none(), summary)
        };
        show_rows(from, rows, see)?;
        Ok(Some(walk.finish()))
    }

    fn list_versions(
        &self,
        bucket: &BucketRef,
        query: &ListVersions,
    ) -> Result<Option<VersionPage>, StoreError> {
        if self.same(bucket).is_none() {
            return Ok(None);
        }
        let bucket = bucket.id;
        let place = |key: &ObjectKey, version| {
            Ok(match version {
                VersionId::Id(token) => Some(token.place()),
                VersionId::Null => self.find((bucket, key), version).map(|null| null.place),
            })
        };
        let (mut walk, from) = VersionsWalk::begin(query, place)?;
        let end = walk.end();
        let rows = |from: VersionsFrom| {
            let VersionsFrom { key, below } = from;
            self.rows(Bound::Excluded((bucket, key, below)), end.clone())
        };
        let see = |((_, key, Reverse(place)), version): (&VersionPlace, &Version)| {
            let is_newest = |key: &ObjectKey| {
                let newest = self.versions_of((bucket, key)).next();
                Ok(newest.is_some_and(|(newest, _)| newest == *place))
            };
            walk.see(key, is_newest, |key, is_latest| Ok(entry(version, key, is_latest)))
        };
        show_rows(from, rows, see)?;
        Ok(Some(walk.finish()))
    }
}

fn summary(object: &Object) -> ObjectSummary {
    ObjectSummary {
        key: object.key.clone(),
        size: object.size,
        etag: object.etag,
        last_modified: object.last_modified,
        storage_class: object.attributes.storage_class.clone(),
        checksum: object.checksum.as_ref().map(|checksum| (checksum.algorithm, checksum.kind)),
    }
}

fn entry(version: &Version, key: ObjectKey, is_latest: bool) -> VersionEntry {
    match version {
        Version::Object(object) => {
            let (object, version_id) = (summary(object), object.version_id);
            VersionEntry::Version(VersionSummary { object, version_id, is_latest })
        }
        Version::Marker(version_id, created_at) => VersionEntry::DeleteMarker {
            key,
            version_id: *version_id,
            is_latest,
            last_modified: *created_at,
        },
    }
}
