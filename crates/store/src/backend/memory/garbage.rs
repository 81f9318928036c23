//! Intents and garbage in memory.

use jiff::Timestamp;

use super::{MemoryMetadata, Records};
use crate::StoreError;
use crate::backend::metadata::JOB_ROWS_MAX;
use crate::backend::metadata::garbage::GarbageRecords;
use crate::body::{Blob, BlobId};

impl GarbageRecords for MemoryMetadata {
    async fn record_intent(&self, blob: BlobId, now: Timestamp) -> Result<(), StoreError> {
        self.write(|records| records.intents.extend([(blob, now)]))
    }

    async fn forget_intents(&self, blobs: Vec<BlobId>) -> Result<(), StoreError> {
        self.write(|records| records.intents.retain(|blob, _| !blobs.contains(blob)))
    }

    async fn reap_intents(&self, before: Timestamp, now: Timestamp) -> Result<usize, StoreError> {
        self.write(|records| records.reap_intents(before, now))
    }

    async fn garbage(&self, before: Timestamp, limit: usize) -> Result<Vec<BlobId>, StoreError> {
        self.read(|records| records.garbage(before, limit))
    }

    async fn forget_garbage(&self, blobs: Vec<BlobId>) -> Result<(), StoreError> {
        self.write(|records| records.garbage.retain(|blob, _| !blobs.contains(blob)))
    }
}

impl Records {
    pub(super) fn take_intent(&mut self, blob: BlobId) -> Result<(), StoreError> {
        self.intents.remove(&blob).map(drop).ok_or(StoreError::StageExpired)
    }

    pub(super) fn add_garbage(&mut self, blobs: &[Blob], now: Timestamp) {
        self.garbage.extend(blobs.iter().map(|blob| (blob.id, now)));
    }

    fn reap_intents(&mut self, before: Timestamp, now: Timestamp) -> usize {
        let old = self.intents.iter().filter(|(_, since)| **since < before);
        let old: Vec<_> = old.map(|(blob, _)| *blob).take(JOB_ROWS_MAX).collect();
        for blob in &old {
            self.intents.remove(blob);
            self.garbage.insert(*blob, now);
        }
        old.len()
    }

    fn garbage(&self, before: Timestamp, limit: usize) -> Vec<BlobId> {
        let mut old: Vec<_> = self.garbage.iter().filter(|(_, since)| **since < before).collect();
        old.sort_by_key(|(_, since)| **since);
        old.into_iter().map(|(blob, _)| *blob).take(limit).collect()
    }
}
