//! Uploads in memory.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::{MemoryMetadata, Records, UploadPlace, page, show_rows};
use crate::backend::metadata::JOB_ROWS_MAX;
use crate::backend::metadata::uploads::{IdleUpload, NewPart, UploadRecords};
use crate::listing::{UploadsAfter, UploadsWalk};
use crate::multipart::{Completion, StoredPart, UnderWay};
use crate::object::truncated;
use crate::vault::random;
use crate::{
    BucketRef, CompleteOutcome, CompleteUpload, ListUploads, Lookup, NewUpload, ObjectKey, Part,
    PartNumber, PartPage, PutPart, StoreError, Upload, UploadId, UploadPage, Versioning,
};

impl UploadRecords for MemoryMetadata {
    async fn create_upload(
        &self,
        upload: NewUpload,
        now: Timestamp,
    ) -> Result<Option<Arc<Upload>>, StoreError> {
        self.write(|records| records.create_upload(upload, now))?
    }

    async fn upload(
        &self,
        bucket: &BucketRef,
        key: &ObjectKey,
        id: UploadId,
    ) -> Result<Option<Arc<Upload>>, StoreError> {
        self.read(|records| records.upload(bucket, key, id))
    }

    async fn put_part(&self, part: NewPart, now: Timestamp) -> Result<PutPart, StoreError> {
        self.write(|records| records.put_part(part, now))?
    }

    async fn parts(
        &self,
        upload: UploadId,
        after: Option<PartNumber>,
        limit: usize,
    ) -> Result<PartPage, StoreError> {
        self.read(|records| records.part_page(upload, after, limit))
    }

    async fn uploads(
        &self,
        bucket: &BucketRef,
        query: ListUploads,
    ) -> Result<Option<UploadPage>, StoreError> {
        self.read(|records| records.list_uploads(bucket, &query))?
    }

    async fn complete_upload(
        &self,
        complete: CompleteUpload,
        now: Timestamp,
    ) -> Result<CompleteOutcome, StoreError> {
        self.write(|records| records.complete(&complete, now))?
    }

    async fn abort_upload(
        &self,
        bucket: &BucketRef,
        key: &ObjectKey,
        id: UploadId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(|records| records.abort(&(bucket.id, key.as_bytes().to_vec(), id), now))
    }

    async fn idle_uploads(
        &self,
        idle_since: Timestamp,
        limit: usize,
    ) -> Result<Vec<IdleUpload>, StoreError> {
        self.read(|records| records.idle_uploads(idle_since).take(limit).collect())
    }

    async fn abort_idle_upload(
        &self,
        idle: IdleUpload,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(|records| {
            let is_idle = records.idle_uploads(idle.idle_since).any(|other| other == idle);
            let IdleUpload { bucket, key, id, .. } = idle;
            is_idle && records.abort(&(bucket.id, key.as_bytes().to_vec(), id), now)
        })
    }

    async fn forget_completed(&self, before: Timestamp) -> Result<(), StoreError> {
        let forget = |records: &mut Records| {
            let under_way = records.uploads.keys().map(|(bucket, key, _)| (*bucket, key.clone()));
            let under_way: HashSet<_> = under_way.collect();
            records.deleted.retain(|key, at| *at >= before || under_way.contains(key));
            records.forget_completed(|_, at| at < before)
        };
        while !self.write(forget)? {}
        Ok(())
    }
}

impl Records {
    fn create_upload(
        &mut self,
        new: NewUpload,
        now: Timestamp,
    ) -> Result<Option<Arc<Upload>>, StoreError> {
        if self.same(&new.bucket).is_none() {
            return Ok(None);
        }
        let upload = Arc::new(new.begin(random()?, now));
        let place = place_of(&upload.bucket, &upload.key, upload.id);
        self.uploads.insert(place, Arc::clone(&upload));
        Ok(Some(upload))
    }

    fn upload(&self, bucket: &BucketRef, key: &ObjectKey, id: UploadId) -> Option<Arc<Upload>> {
        self.same(bucket)?;
        self.uploads.get(&place_of(bucket, key, id)).cloned()
    }

    fn put_part(&mut self, new: NewPart, now: Timestamp) -> Result<PutPart, StoreError> {
        let NewPart { bucket, key, upload, number, etag, checksum, file } = new;
        if self.upload(&bucket, &key, upload).is_none() {
            return Ok(PutPart::NoSuchUpload);
        }
        let blob = file.blob;
        self.take_intent(blob.id)?;
        file.unpublished.keep();
        let part = Part { number, size: blob.size, etag, checksum, last_modified: truncated(now) };
        self.touch_file_of(upload, now);
        let stored = StoredPart { part: part.clone(), blob };
        if let Some(replaced) = self.parts.insert((upload, number), stored) {
            self.add_garbage(&[replaced.blob], now);
        }
        Ok(PutPart::Stored(part))
    }

    fn parts_of(
        &self,
        upload: UploadId,
        after: Option<PartNumber>,
    ) -> impl Iterator<Item = &StoredPart> {
        let all = self.parts.range((upload, PartNumber::FIRST)..);
        let own = all.take_while(move |((of, _), _)| *of == upload);
        own.map(|(_, stored)| stored)
            .filter(move |stored| after.is_none_or(|after| stored.part.number > after))
    }

    fn part_page(&self, upload: UploadId, after: Option<PartNumber>, limit: usize) -> PartPage {
        let parts = self.parts_of(upload, after).map(|stored| stored.part.clone());
        let (parts, more) = page(parts, limit.min(1000));
        let next = parts.last().filter(|_| more).map(|part| part.number);
        PartPage { parts, next }
    }

    /// Removes an upload, and answers its parts; `None`: there was none.
    fn take(&mut self, place: &UploadPlace) -> Option<Vec<StoredPart>> {
        self.uploads.remove(place)?;
        let parts: Vec<_> = self.parts_of(place.2, None).cloned().collect();
        self.parts.retain(|(of, _), _| *of != place.2);
        Some(parts)
    }

    pub(super) fn abort(&mut self, place: &UploadPlace, now: Timestamp) -> bool {
        let Some(parts) = self.take(place) else { return false };
        self.request_files.retain(|_, file| file.is_done || file.upload != Some(place.2));
        let blobs: Vec<_> = parts.into_iter().map(|stored| stored.blob).collect();
        self.add_garbage(&blobs, now);
        true
    }

    /// As many of a bucket as one job may; `true`: there are none left.
    pub(super) fn abort_some(&mut self, bucket: i64, now: Timestamp) -> bool {
        let mut room = JOB_ROWS_MAX;
        while room > 0 {
            let mut of_bucket = self.uploads.keys().filter(|(of, ..)| *of == bucket);
            let Some(place) = of_bucket.next().cloned() else { return true };
            let rows = self.parts_of(place.2, None).count().saturating_add(1);
            room = room.saturating_sub(rows);
            self.abort(&place, now);
        }
        !self.uploads.keys().any(|(of, ..)| *of == bucket)
    }

    fn idle_uploads(&self, idle_since: Timestamp) -> impl Iterator<Item = IdleUpload> {
        let begun_before = UploadId::first_of(idle_since);
        let idle = self.uploads.values().filter(move |upload| {
            let mut parts = self.parts_of(upload.id, None);
            upload.id < begun_before && parts.all(|stored| stored.part.last_modified < idle_since)
        });
        idle.map(move |upload| IdleUpload {
            bucket: upload.bucket.clone(),
            key: upload.key.clone(),
            id: upload.id,
            idle_since,
        })
    }

    fn complete(
        &mut self,
        request: &CompleteUpload,
        now: Timestamp,
    ) -> Result<CompleteOutcome, StoreError> {
        let Some(bucket) = self.same(&request.bucket) else {
            return Ok(CompleteOutcome::NoSuchBucket);
        };
        let (key, versioning) = (&request.key, bucket.versioning);
        let place = place_of(&request.bucket, key, request.upload_id);
        let Some(upload) = self.uploads.get(&place) else {
            return Ok(self.completed_before(request, &place, versioning));
        };
        let under_way = UnderWay {
            upload: Upload::clone(upload),
            parts: self.parts_of(request.upload_id, None).cloned().collect(),
            versioning,
            key: self.state((bucket.id, key), None),
            deleted_at: self.deleted.get(&(bucket.id, key.as_bytes().to_vec())).copied(),
        };
        let Completion { made, version, discarded } =
            match under_way.complete(request, random()?)? {
                Ok(completion) => completion,
                Err(refused) => return Ok(refused),
            };
        self.take(&place);
        self.add_garbage(&discarded, now);
        let object = made.at(key.clone(), version.version_id, now);
        let object = self.add_object((bucket.id, key), version, object, now);
        self.finish_file_of(place.2);
        self.completed.insert(place, (now, object.version_id, object.etag));
        Ok(CompleteOutcome::Completed { version_id: versioning.told(object.version_id), object })
    }

    fn completed_before(
        &self,
        request: &CompleteUpload,
        place: &UploadPlace,
        versioning: Versioning,
    ) -> CompleteOutcome {
        let before = self.completed.get(place).filter(|(.., etag)| request.is_of(*etag));
        let Some((_, version, etag)) = before else { return CompleteOutcome::NoSuchUpload };
        match self.object(&request.bucket, &request.key, Some(*version)) {
            Lookup::Object(object) if object.etag == *etag => CompleteOutcome::Completed {
                version_id: versioning.told(object.version_id),
                object,
            },
            Lookup::Object(_)
            | Lookup::DeleteMarker(_)
            | Lookup::NoSuchKey
            | Lookup::NoSuchVersion
            | Lookup::NoSuchBucket => CompleteOutcome::NoSuchUpload,
        }
    }

    /// Some of those that fit; `true`: there are no more.
    pub(super) fn forget_completed(
        &mut self,
        fits: impl Fn(&UploadPlace, Timestamp) -> bool,
    ) -> bool {
        let some = self.completed.iter().filter(|(place, (at, ..))| fits(place, *at));
        let some: Vec<_> = some.map(|(place, _)| place.clone()).take(JOB_ROWS_MAX).collect();
        self.completed.retain(|place, _| !some.contains(place));
        some.len() < JOB_ROWS_MAX
    }

    fn list_uploads(
        &self,
        bucket: &BucketRef,
        query: &ListUploads,
    ) -> Result<Option<UploadPage>, StoreError> {
        if self.same(bucket).is_none() {
            return Ok(None);
        }
        let (mut walk, from) = UploadsWalk::begin(query);
        let end = walk.end();
        let rows = |after: UploadsAfter| {
            let end = end.clone();
            self.uploads.iter().filter(move |((of, key, id), _)| {
                let place = UploadsAfter { key: key.clone(), upload: id.as_bytes().to_vec() };
                *of == bucket.id && place > after && *key < end
            })
        };
        let see = |((_, key, _), upload): (&UploadPlace, &Arc<Upload>)| {
            walk.see(key, |_| Ok(Upload::clone(upload)))
        };
        show_rows(from, rows, see)?;
        Ok(Some(walk.finish()))
    }
}

pub(super) fn place_of(bucket: &BucketRef, key: &ObjectKey, id: UploadId) -> UploadPlace {
    (bucket.id, key.as_bytes().to_vec(), id)
}
