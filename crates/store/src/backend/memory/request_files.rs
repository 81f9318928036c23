//! Files of requests in memory.

use jiff::Timestamp;
use presign::Fingerprint;

use super::uploads::place_of;
use super::{MemoryMetadata, Records};
use crate::backend::metadata::request_files::RequestFileRecords;
use crate::{
    ManagedLinkId, RequestFile, RequestRoom, RequestTotals, ReserveFile, StoreError, UploadId,
};

impl RequestFileRecords for MemoryMetadata {
    async fn reserve_file(
        &self,
        file: RequestFile,
        room: RequestRoom,
    ) -> Result<ReserveFile, StoreError> {
        self.write(|records| {
            let of_link = records.request_files.values().filter(|one| one.link == file.link);
            let idle = of_link.filter(|one| !one.is_done && one.touched_at < room.idle_before);
            let mut idle: Vec<_> = idle.cloned().collect();
            idle.sort_by_key(|one| (one.touched_at, *one.id.as_bytes()));
            let sizes: Vec<u64> = idle.iter().map(|one| one.size).collect();
            match records.request_totals(&file.link).make_room(file.size, room, &sizes) {
                Ok(count) => {
                    let given_up: Vec<_> = idle.iter().take(count).map(|one| one.id).collect();
                    let fits =
                        |one: &RequestFile| one.link == file.link && given_up.contains(&one.id);
                    records.give_up_files(fits, file.touched_at);
                    records.request_files.insert((file.link, file.id), file);
                    ReserveFile::Reserved
                }
                Err(refused) => refused,
            }
        })
    }

    async fn request_file(
        &self,
        link: &Fingerprint,
        id: ManagedLinkId,
    ) -> Result<Option<RequestFile>, StoreError> {
        self.read(|records| {
            let file = records.request_files.get(&(*link, id)).cloned();
            file.filter(|file| records.same(&file.bucket).is_some())
        })
    }

    async fn begin_file(
        &self,
        link: &Fingerprint,
        id: ManagedLinkId,
        upload: UploadId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(|records| match records.under_way(link, id) {
            Some(file) if file.upload.is_none() => {
                (file.upload, file.touched_at) = (Some(upload), now);
                true
            }
            Some(_) | None => false,
        })
    }

    async fn touch_file(
        &self,
        link: &Fingerprint,
        id: ManagedLinkId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(|records| {
            records.under_way(link, id).map(|file| file.touched_at = now).is_some()
        })
    }

    async fn tell_file(&self, link: &Fingerprint, id: ManagedLinkId) -> Result<bool, StoreError> {
        self.write(|records| {
            let is_done = records.request_files.get(&(*link, id)).is_some_and(|file| file.is_done);
            is_done && records.told_files.insert((*link, id))
        })
    }

    async fn release_file(
        &self,
        link: &Fingerprint,
        id: ManagedLinkId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let name = (*link, id);
        self.write(|records| records.give_up_files(|file| (file.link, file.id) == name, now) > 0)
    }

    async fn request_totals(&self, link: &Fingerprint) -> Result<RequestTotals, StoreError> {
        self.read(|records| records.request_totals(link))
    }

    async fn release_idle_files(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        self.write(|records| records.give_up_files(|file| file.touched_at < before, now))
    }
}

impl Records {
    fn under_way(&mut self, link: &Fingerprint, id: ManagedLinkId) -> Option<&mut RequestFile> {
        self.request_files.get_mut(&(*link, id)).filter(|file| !file.is_done)
    }

    fn file_of(&mut self, upload: UploadId) -> Option<&mut RequestFile> {
        let mut files = self.request_files.values_mut();
        files.find(|file| file.upload == Some(upload) && !file.is_done)
    }

    /// A part of the upload has come.
    pub(super) fn touch_file_of(&mut self, upload: UploadId, now: Timestamp) {
        if let Some(file) = self.file_of(upload) {
            file.touched_at = now;
        }
    }

    /// The upload has become an object.
    pub(super) fn finish_file_of(&mut self, upload: UploadId) {
        if let Some(file) = self.file_of(upload) {
            file.is_done = true;
        }
    }

    /// Gives up those of the files under way that fit, with their uploads. Says how many these were.
    pub(super) fn give_up_files(
        &mut self,
        fits: impl Fn(&RequestFile) -> bool,
        now: Timestamp,
    ) -> usize {
        let under_way = self.request_files.values().filter(|file| !file.is_done && fits(file));
        let given_up: Vec<RequestFile> = under_way.cloned().collect();
        for file in &given_up {
            if let Some(upload) = file.upload {
                self.abort(&place_of(&file.bucket, &file.key, upload), now);
            }
            self.request_files.remove(&(file.link, file.id));
        }
        given_up.len()
    }

    fn request_totals(&self, link: &Fingerprint) -> RequestTotals {
        let mut totals = RequestTotals::default();
        for file in self.request_files.values().filter(|file| file.link == *link) {
            totals.files += 1;
            totals.bytes += file.size;
            totals.done += u64::from(file.is_done);
        }
        totals
    }
}
