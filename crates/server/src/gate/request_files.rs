//! Files that are sent to requests, as the store keeps account of them.

use store::{
    ManagedLink, ManagedLinkId, ObjectKey, PartNumber, RequestFile, RequestRoom, RequestTotals,
    ReserveFile, UploadId,
};

use super::Gate;
use super::link::USED_UP;
use crate::error::{Code, S3Error, refusal};

impl Gate {
    /// What a request for files has so far.
    pub(crate) async fn request_totals(
        &self,
        link: &ManagedLink,
    ) -> Result<RequestTotals, S3Error> {
        self.store.request_totals(&link.fingerprint()).await.map_err(refusal::of_store)
    }

    /// Whether as many files have come by a request as it takes. Who finds it so has it closed soon.
    pub(crate) async fn has_all_files(&self, link: &ManagedLink) -> Result<bool, S3Error> {
        let Some(most) = link.files_max() else { return Ok(false) };
        let has_all = self.request_totals(link).await?.done >= most;
        if has_all && link.closed_at.is_none() {
            self.links.uses.note_used_up(link.fingerprint());
        }
        Ok(has_all)
    }

    /// Refuses a request by which as many files have come as it takes.
    pub(crate) async fn refuse_if_all_came(&self, link: &ManagedLink) -> Result<(), S3Error> {
        if self.has_all_files(link).await? {
            return Err(S3Error::with_message(Code::AccessDenied, USED_UP));
        }
        Ok(())
    }

    /// Reserves room for a file that is about to be sent.
    pub(crate) async fn reserve_file(
        &self,
        file: RequestFile,
        room: RequestRoom,
    ) -> Result<ReserveFile, S3Error> {
        self.store.reserve_file(file, room).await.map_err(refusal::of_store)
    }

    /// A file that is sent by a link.
    pub(crate) async fn request_file(
        &self,
        link: &ManagedLink,
        id: ManagedLinkId,
    ) -> Result<Option<RequestFile>, S3Error> {
        self.store.request_file(&link.fingerprint(), id).await.map_err(refusal::of_store)
    }

    /// Notes what a file has become that is not done. `false`: it is gone, or done.
    pub(crate) async fn change_file(&self, file: RequestFile) -> Result<bool, S3Error> {
        self.store.change_file(file).await.map_err(refusal::of_store)
    }

    /// Makes a file that was noted as done one that is under way again.
    pub(crate) async fn reopen_file(
        &self,
        link: &ManagedLink,
        id: ManagedLinkId,
    ) -> Result<bool, S3Error> {
        self.store.reopen_file(&link.fingerprint(), id).await.map_err(refusal::of_store)
    }

    /// Gives the room of a file back that is not done.
    pub(crate) async fn release_file(
        &self,
        link: &ManagedLink,
        id: ManagedLinkId,
    ) -> Result<bool, S3Error> {
        self.store.release_file(&link.fingerprint(), id).await.map_err(refusal::of_store)
    }

    /// The parts of a file that are there, in their order: number, size and tag.
    pub(crate) async fn request_parts(
        &self,
        link: &ManagedLink,
        (key, upload): (&ObjectKey, &UploadId),
    ) -> Result<Vec<(PartNumber, u64, String)>, S3Error> {
        const PAGE: usize = 1000;
        let missing = || S3Error::new(Code::NoSuchUpload);
        let bucket = self.bucket_named(link.purpose.bucket()).await?;
        let bucket = bucket.ok_or_else(missing)?.reference();
        let upload = self.store.upload(&bucket, key, upload).await.map_err(refusal::of_store)?;
        let upload = upload.ok_or_else(missing)?;
        let (mut parts, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.parts(&upload, after, PAGE).await.map_err(refusal::of_store)?;
            let told = |part: store::Part| (part.number, part.size, part.etag.to_string());
            parts.extend(page.parts.into_iter().map(told));
            after = page.next;
            if after.is_none() {
                return Ok(parts);
            }
        }
    }
}
