//! What is kept, in memory and on disk: found, replaced and forgotten.

use std::sync::Arc;

use bytes::Bytes;

use crate::cache::{EdgeRequest, Inner};
use crate::entry::{Entry, ResourceKey, Slot, StoredHead};

/// For how long answers are taken for such as may not be kept, once one was, in milliseconds: until then viewers ask for
/// themselves, and nobody waits for an answer that cannot be shared.
const UNKEPT_MS: u64 = 10_000;

impl Inner {
    pub(crate) fn chunk(&self, version: u64, number: u64) -> Option<Bytes> {
        match self.entries.get(&Slot::Chunk(version, number))? {
            Entry::Chunk(chunk) => Some(chunk),
            Entry::Head(_) => None,
        }
    }

    /// The piece, out of memory or from disk.
    pub(crate) async fn find_chunk(&self, version: u64, number: u64) -> Option<Bytes> {
        if let Some(chunk) = self.chunk(version, number) {
            return Some(chunk);
        }
        match self.recall(Slot::Chunk(version, number)).await? {
            Entry::Chunk(chunk) => Some(chunk),
            Entry::Head(_) => None,
        }
    }

    pub(crate) fn has_chunk(&self, version: u64, number: u64) -> bool {
        let slot = Slot::Chunk(version, number);
        self.entries.peek(&slot).is_some() || self.disk.get().is_some_and(|disk| disk.has(&slot))
    }

    pub(crate) fn put(&self, slot: Slot, entry: Entry) {
        // What is on disk is of before, and is not to come back; nor what is in memory, which could be given up while the new
        // entry is put in its place.
        if let Some(disk) = self.disk.get() {
            self.entries.remove(&slot);
            disk.forget(&slot);
        }
        self.entries.insert(slot, entry);
    }

    /// What memory has given up, which is in memory again from now on.
    async fn recall(&self, slot: Slot) -> Option<Entry> {
        let disk = self.disk.get()?;
        let found = disk.find(slot).await?;
        let again = self.entries.get_or_insert_with(&slot, || Ok::<_, ()>(found.entry.clone()));
        // Something newer may have come and gone since it was read.
        if !disk.is_latest(&slot, &found) {
            self.entries.remove_if(&slot, |entry| entry.is(&found.entry));
        }
        again.ok()
    }

    fn head(&self, key: ResourceKey) -> Option<Arc<StoredHead>> {
        match self.entries.get(&Slot::Head(key))? {
            Entry::Head(head) => Some(head),
            Entry::Chunk(_) => None,
        }
    }

    /// What memory has of a resource and was not forgotten since.
    pub(crate) fn known(&self, request: &EdgeRequest<'_>) -> Option<Arc<StoredHead>> {
        self.head(request.key).filter(|head| request.knows(head))
    }

    /// The same, out of memory or from disk.
    pub(crate) async fn find_known(&self, request: &EdgeRequest<'_>) -> Option<Arc<StoredHead>> {
        if let Some(head) = self.head(request.key) {
            return request.knows(&head).then_some(head);
        }
        match self.recall(Slot::Head(request.key)).await? {
            Entry::Head(head) => request.knows(&head).then_some(head),
            Entry::Chunk(_) => None,
        }
    }

    pub(crate) fn is_unkept(&self, request: &EdgeRequest<'_>) -> bool {
        self.unkept.get(&request.key).is_some_and(|until_ms| request.now_ms < until_ms)
    }

    pub(crate) fn remember_unkept(&self, key: ResourceKey, now_ms: u64) {
        self.unkept.insert(key, now_ms.saturating_add(UNKEPT_MS));
    }

    /// Forgets a body that has turned out to be another one at its origin.
    pub(crate) fn forget_version(&self, head: &StoredHead) {
        if self.head(head.key).is_some_and(|found| found.version == head.version) {
            self.entries.remove(&Slot::Head(head.key));
        }
        if let Some(disk) = self.disk.get() {
            disk.forget(&Slot::Head(head.key));
        }
    }
}
