//! The facade of files that are sent to requests.

use jiff::Timestamp;
use presign::Fingerprint;

use crate::backend::metadata::request_files::RequestFileRecords as _;
use crate::{
    ManagedLinkId, RequestFile, RequestRoom, RequestTotals, ReserveFile, Store, StoreError,
    UploadId,
};

impl Store {
    /// Reserves room for a file that is about to be sent.
    pub async fn reserve_file(
        &self,
        file: RequestFile,
        room: RequestRoom,
    ) -> Result<ReserveFile, StoreError> {
        self.0.metadata.reserve_file(file, room).await
    }

    /// A file of a request.
    pub async fn request_file(
        &self,
        link: &Fingerprint,
        id: ManagedLinkId,
    ) -> Result<Option<RequestFile>, StoreError> {
        self.0.metadata.request_file(link, id).await
    }

    /// Notes the upload of a file that has none. From now on the file becomes what the upload does: it is done when the upload
    /// is an object. `false`: it has one, or is gone.
    pub async fn begin_file(
        &self,
        link: &Fingerprint,
        id: ManagedLinkId,
        upload: UploadId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.0.metadata.begin_file(link, id, upload, now).await
    }

    /// Notes that a file under way was heard of. `false`: there is none.
    pub async fn touch_file(
        &self,
        link: &Fingerprint,
        id: ManagedLinkId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.0.metadata.touch_file(link, id, now).await
    }

    /// Notes that a file which is done is told of, so that this is done once. `false`: it was noted before, or the file is
    /// not done.
    pub async fn tell_file(
        &self,
        link: &Fingerprint,
        id: ManagedLinkId,
    ) -> Result<bool, StoreError> {
        self.0.metadata.tell_file(link, id).await
    }

    /// Gives the room of a file back that is not done, and aborts its upload. `false`: there is none.
    pub async fn release_file(
        &self,
        link: &Fingerprint,
        id: ManagedLinkId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.0.stager.note(now);
        self.0.metadata.release_file(link, id, now).await
    }

    /// What a request has so far.
    pub async fn request_totals(&self, link: &Fingerprint) -> Result<RequestTotals, StoreError> {
        self.0.metadata.request_totals(link).await
    }
}
