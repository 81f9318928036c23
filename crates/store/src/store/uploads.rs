//! The facade of uploads and their parts.

use std::sync::Arc;

use jiff::Timestamp;

use crate::backend::metadata::uploads::{NewPart, UploadRecords as _};
use crate::{
    BucketRef, CompleteOutcome, CompleteUpload, ListUploads, NewUpload, ObjectKey, PartNumber,
    PartPage, PutPart, StagedBody, Store, StoreError, StoredChecksum, Upload, UploadId, UploadPage,
};

impl Store {
    /// Begins an upload; `None`: there is no such bucket.
    pub async fn create_upload(
        &self,
        upload: NewUpload,
        now: Timestamp,
    ) -> Result<Option<Arc<Upload>>, StoreError> {
        self.0.stager.note(now);
        self.0.metadata.create_upload(upload, now).await
    }

    /// The upload of that id, if it is of that key.
    pub async fn upload(
        &self,
        bucket: &BucketRef,
        key: &ObjectKey,
        id: &UploadId,
    ) -> Result<Option<Arc<Upload>>, StoreError> {
        self.0.metadata.upload(bucket, key, *id).await
    }

    /// Puts a part in the place of an earlier one of its number.
    #[expect(clippy::too_many_arguments, reason = "five facts and the time, all of them another's")]
    pub async fn put_part(
        &self,
        upload: &Upload,
        number: PartNumber,
        body: StagedBody,
        checksum: Option<StoredChecksum>,
        now: Timestamp,
    ) -> Result<PutPart, StoreError> {
        self.0.stager.note(now);
        let etag = body.etag();
        let file = self.0.stager.file_of(body).await?;
        let (bucket, key) = (upload.bucket.clone(), upload.key.clone());
        let part = NewPart { bucket, key, upload: upload.id, number, etag, checksum, file };
        self.0.metadata.put_part(part, now).await
    }

    /// Some parts of an upload. A page holds 1000 at most.
    pub async fn parts(
        &self,
        upload: &Upload,
        after: Option<PartNumber>,
        limit: usize,
    ) -> Result<PartPage, StoreError> {
        self.0.metadata.parts(upload.id, after, limit).await
    }

    /// Lists uploads that are under way; `None`: there is no such bucket. A page holds 1000 entries
    /// at most.
    pub async fn uploads(
        &self,
        bucket: &BucketRef,
        query: ListUploads,
    ) -> Result<Option<UploadPage>, StoreError> {
        self.0.metadata.uploads(bucket, query).await
    }

    /// Makes an object of the parts of an upload. Tried again with the same parts, it answers the
    /// same for a day, as long as that object is there.
    pub async fn complete_upload(
        &self,
        complete: CompleteUpload,
        now: Timestamp,
    ) -> Result<CompleteOutcome, StoreError> {
        self.0.stager.note(now);
        self.0.metadata.complete_upload(complete, now).await
    }

    /// Ends an upload and discards its parts; `false`: there was none.
    pub async fn abort_upload(
        &self,
        bucket: &BucketRef,
        key: &ObjectKey,
        id: &UploadId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.0.stager.note(now);
        self.0.metadata.abort_upload(bucket, key, *id, now).await
    }
}
