//! The records of uploads and their parts, from the beginning to the completion or the end.

use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;

use crate::backend::StagedFile;
use crate::{
    BucketRef, CompleteOutcome, CompleteUpload, ETag, ListUploads, NewUpload, ObjectKey,
    PartNumber, PartPage, PutPart, StoreError, StoredChecksum, Upload, UploadId, UploadPage,
};

macro_rules! with_upload_records {
    ($callback:ident) => {
        $callback! {
            /// Uploads under way with their parts, and the answers to those that were completed.
            trait UploadRecords {
                /// `None`: there is no such bucket.
                fn create_upload(upload: NewUpload, now: Timestamp) -> Option<Arc<Upload>>;
                fn upload(bucket: &BucketRef, key: &ObjectKey, id: UploadId) -> Option<Arc<Upload>>;
                /// [`StoreError::StageExpired`] when the intent of the part's blob is no more.
                fn put_part(part: NewPart, now: Timestamp) -> PutPart;
                fn parts(upload: UploadId, after: Option<PartNumber>, limit: usize) -> PartPage;
                /// `None`: there is no such bucket.
                fn uploads(bucket: &BucketRef, query: ListUploads) -> Option<UploadPage>;
                fn complete_upload(complete: CompleteUpload, now: Timestamp) -> CompleteOutcome;
                /// `false`: there was no such upload.
                fn abort_upload(
                    bucket: &BucketRef, key: &ObjectKey, id: UploadId, now: Timestamp
                ) -> bool;

                /// Some uploads that were begun before a time and have got no part since.
                fn idle_uploads(idle_since: Timestamp, limit: usize) -> Vec<IdleUpload>;
                /// Aborts an upload that was idle, if it still is; `false`: it got a part meanwhile, or is gone.
                fn abort_idle_upload(idle: IdleUpload, now: Timestamp) -> bool;
                /// Forgets the answers to uploads that were completed before a time.
                fn forget_completed(before: Timestamp) -> ();
            }
        }
    };
}
pub(crate) use with_upload_records;

with_upload_records!(declare_records);

/// A part to record.
#[derive(Debug)]
pub(crate) struct NewPart {
    pub(crate) bucket: BucketRef,
    pub(crate) key: ObjectKey,
    pub(crate) upload: UploadId,
    pub(crate) number: PartNumber,
    pub(crate) etag: ETag,
    pub(crate) checksum: Option<StoredChecksum>,
    pub(crate) file: StagedFile,
}

/// An upload that nobody seems to go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdleUpload {
    pub(crate) bucket: BucketRef,
    pub(crate) key: ObjectKey,
    pub(crate) id: UploadId,
    /// No part has come since then, when the upload was looked at.
    pub(crate) idle_since: Timestamp,
}
