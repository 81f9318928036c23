//! Uses of links in memory.

use jiff::Timestamp;
use presign::Fingerprint;

use super::MemoryMetadata;
use crate::backend::metadata::uses::UseRecords;
use crate::{LinkUses, OpenUse, StoreError};

impl UseRecords for MemoryMetadata {
    async fn open_use(&self, wanted: OpenUse) -> Result<bool, StoreError> {
        self.write(|records| {
            let known = records.link_uses.get(&wanted.link);
            let (before, ends_at) =
                known.copied().unwrap_or((LinkUses::default(), wanted.link_ends_at));
            let opened = before.open(&wanted);
            records.link_uses.extend(opened.map(|uses| (wanted.link, (uses, ends_at))));
            opened.is_some()
        })
    }

    async fn give_use_back(
        &self,
        link: &Fingerprint,
        bytes: u64,
        bytes_max: u64,
    ) -> Result<bool, StoreError> {
        self.write(|records| {
            let Some((uses, _)) = records.link_uses.get_mut(link) else { return false };
            let given = uses.give_back(bytes, bytes_max);
            *uses = given.unwrap_or(*uses);
            given.is_some()
        })
    }

    async fn link_uses(&self, link: &Fingerprint) -> Result<Option<LinkUses>, StoreError> {
        self.read(|records| records.link_uses.get(link).map(|(uses, _)| *uses))
    }

    async fn forget_uses(&self, ended_before: Timestamp) -> Result<usize, StoreError> {
        self.write(|records| {
            let before = records.link_uses.len();
            records.link_uses.retain(|_, (_, ends_at)| *ends_at >= ended_before);
            before - records.link_uses.len()
        })
    }
}
