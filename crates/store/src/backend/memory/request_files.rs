//! Files of requests in memory.

use jiff::Timestamp;
use presign::Fingerprint;

use super::{MemoryMetadata, Records};
use crate::backend::metadata::request_files::RequestFileRecords;
use crate::{ManagedLinkId, RequestFile, RequestRoom, RequestTotals, ReserveFile, StoreError};

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
            let reserved = records.request_totals(&file.link).reserve(file.size, room, idle);
            if let ReserveFile::Reserved { given_up } = &reserved {
                for one in given_up {
                    records.request_files.remove(&(one.link, one.id));
                }
                records.request_files.insert((file.link, file.id), file);
            }
            reserved
        })
    }

    async fn request_file(
        &self,
        link: &Fingerprint,
        id: ManagedLinkId,
    ) -> Result<Option<RequestFile>, StoreError> {
        self.read(|records| records.request_files.get(&(*link, id)).cloned())
    }

    async fn change_file(&self, file: RequestFile) -> Result<bool, StoreError> {
        self.write(|records| match records.request_files.get_mut(&(file.link, file.id)) {
            Some(known) if !known.is_done => {
                *known = file;
                true
            }
            Some(_) | None => false,
        })
    }

    async fn reopen_file(&self, link: &Fingerprint, id: ManagedLinkId) -> Result<bool, StoreError> {
        self.write(|records| {
            let file = records.request_files.get_mut(&(*link, id));
            file.map(|file| file.is_done = false).is_some()
        })
    }

    async fn release_file(
        &self,
        link: &Fingerprint,
        id: ManagedLinkId,
    ) -> Result<bool, StoreError> {
        self.write(|records| {
            let name = (*link, id);
            let may = records.request_files.get(&name).is_some_and(|file| !file.is_done);
            may && records.request_files.remove(&name).is_some()
        })
    }

    async fn request_totals(&self, link: &Fingerprint) -> Result<RequestTotals, StoreError> {
        self.read(|records| records.request_totals(link))
    }

    async fn release_idle_files(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.write(|records| {
            let all = records.request_files.len();
            records.request_files.retain(|_, file| file.is_done || file.touched_at >= before);
            all - records.request_files.len()
        })
    }
}

impl Records {
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
