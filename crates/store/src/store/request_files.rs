//! The facade of files that are sent to requests.

use jiff::Timestamp;
use presign::Fingerprint;

use crate::backend::metadata::request_files::RequestFileRecords as _;
use crate::{
    ManagedLinkId, RequestFile, RequestRoom, RequestTotals, ReserveFile, Store, StoreError,
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

    /// Notes what a file has become that is not done. `false`: it is gone, or done.
    pub async fn change_file(&self, file: RequestFile) -> Result<bool, StoreError> {
        self.0.metadata.change_file(file).await
    }

    /// Makes a file that was noted as done one that is under way again.
    pub async fn reopen_file(
        &self,
        link: &Fingerprint,
        id: ManagedLinkId,
    ) -> Result<bool, StoreError> {
        self.0.metadata.reopen_file(link, id).await
    }

    /// Gives the room of a file back that is not done. `false`: there is none.
    pub async fn release_file(
        &self,
        link: &Fingerprint,
        id: ManagedLinkId,
    ) -> Result<bool, StoreError> {
        self.0.metadata.release_file(link, id).await
    }

    /// What a request has so far.
    pub async fn request_totals(&self, link: &Fingerprint) -> Result<RequestTotals, StoreError> {
        self.0.metadata.request_totals(link).await
    }

    /// Gives the room of files back that nobody went on with since a time.
    pub async fn release_idle_files(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.0.metadata.release_idle_files(before).await
    }
}
