//! Files that are sent to requests, as the store keeps account of them.

use jiff::Timestamp;
use store::{
    BucketRef, ManagedLink, ManagedLinkId, PartNumber, RequestFile, RequestRoom, RequestTotals,
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

    /// The bucket that files are put into which are sent by a link.
    pub(crate) async fn request_bucket(&self, link: &ManagedLink) -> Result<BucketRef, S3Error> {
        let bucket = self.bucket_named(link.purpose.bucket()).await?;
        bucket.map(|bucket| bucket.reference()).ok_or_else(|| S3Error::new(Code::NoSuchBucket))
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

    /// Notes the upload of a file that has none. `false`: the file is gone.
    pub(crate) async fn begin_file(
        &self,
        file: &RequestFile,
        upload: UploadId,
        now: Timestamp,
    ) -> Result<bool, S3Error> {
        let begun = self.store.begin_file(&file.link, file.id, upload, now).await;
        begun.map_err(refusal::of_store)
    }

    /// Notes that somebody goes on with a file. `false`: it is gone, or done.
    pub(crate) async fn touch_file(
        &self,
        file: &RequestFile,
        now: Timestamp,
    ) -> Result<bool, S3Error> {
        self.store.touch_file(&file.link, file.id, now).await.map_err(refusal::of_store)
    }

    /// Notes that a file which is done is told of. `false`: somebody else tells of it.
    pub(crate) async fn tell_file(&self, file: &RequestFile) -> Result<bool, S3Error> {
        self.store.tell_file(&file.link, file.id).await.map_err(refusal::of_store)
    }

    /// Gives the room of a file back that is not done, and aborts its upload.
    pub(crate) async fn release_file(
        &self,
        file: &RequestFile,
        now: Timestamp,
    ) -> Result<bool, S3Error> {
        self.store.release_file(&file.link, file.id, now).await.map_err(refusal::of_store)
    }

    /// The parts of a file that are there, in their order: number, size and tag.
    pub(crate) async fn request_parts(
        &self,
        file: &RequestFile,
    ) -> Result<Vec<(PartNumber, u64, String)>, S3Error> {
        const PAGE: usize = 1000;
        let missing = || S3Error::new(Code::NoSuchUpload);
        let upload = file.upload.as_ref().ok_or_else(missing)?;
        let upload = self.store.upload(&file.bucket, &file.key, upload).await;
        let upload = upload.map_err(refusal::of_store)?;
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
