//! Removes bytes nobody points at, and keeps the database's log short.

use jiff::{SignedDuration, Timestamp};

use crate::backend::{Blobs, Metadata, Space};
use crate::body::BlobId;
use crate::{Store, StoreError};

/// How old an intent must be before its blob is given up: twice the life of an upload.
pub(crate) const INTENT_LIFE: SignedDuration = SignedDuration::from_hours(48);
/// How long garbage waits for readers that have looked up a record and not opened its blob yet.
pub(crate) const GARBAGE_LIFE: SignedDuration = SignedDuration::from_secs(60);
/// The same while writes are refused for want of room: a reader takes microseconds from the one to the
/// other.
const GARBAGE_LIFE_WHEN_FULL: SignedDuration = SignedDuration::from_secs(2);
/// How long the answer to a completed upload is remembered.
const COMPLETED_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// How many blobs are removed in one go.
const BLOBS_A_TIME: usize = 1000;
/// The same while the disk is full, so that the reserve is enough for it.
const BLOBS_A_TIME_WHEN_FULL: usize = 100;
/// How many times in a run, so that the log is checkpointed in time.
const TIMES_A_RUN: usize = 20;

/// The background work of a store: call [`run_once`](Self::run_once) every few seconds.
#[derive(Clone, Debug)]
pub struct Maintenance {
    store: Store,
}

/// What one run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs removed.
    pub blobs: usize,
    /// Staged bodies given up because they were old.
    pub intents: usize,
}

impl Maintenance {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Sweeps what is due and checkpoints the database. Runs of one store do not overlap.
    pub async fn run_once(&self, now: Timestamp) -> Result<Swept, StoreError> {
        let store = &*self.store.0;
        store.stager.note(now);
        let _turn = store.sweeping.lock().await;
        store.health.fill_reserve();
        let space = if store.health.take_refused() { Space::Short } else { Space::Enough };
        let garbage_life = match space {
            Space::Short => GARBAGE_LIFE_WHEN_FULL,
            Space::Enough => GARBAGE_LIFE,
        };
        if space == Space::Enough {
            self.store.write_key_uses().await?;
        }
        let mut swept = self.sweep_abandoned().await?;
        swept.intents = store.metadata.reap_intents(before(now, INTENT_LIFE), now).await?;
        swept.blobs = swept.blobs.saturating_add(self.sweep_garbage(now, garbage_life).await?);
        store.metadata.maintain(before(now, COMPLETED_LIFE), space).await?;
        Ok(swept)
    }

    /// Removes what a dead process left, of which this one knows that nobody needs it.
    pub(crate) async fn sweep_leftovers(&self, now: Timestamp) -> Result<(), StoreError> {
        let everything = Timestamp::MAX;
        while self.store.0.metadata.reap_intents(everything, now).await? > 0 {}
        while self.sweep_garbage(everything, SignedDuration::ZERO).await? > 0 {}
        Ok(())
    }

    /// Removes bodies that were staged and dropped: first their bytes, then their intents.
    async fn sweep_abandoned(&self) -> Result<Swept, StoreError> {
        let store = &*self.store.0;
        let abandoned = store.stager.abandoned.take();
        let mut blobs = 0_usize;
        for ids in abandoned.chunks(BLOBS_A_TIME) {
            let removed = store.blobs.remove(ids.to_vec()).await?;
            blobs = blobs.saturating_add(removed.len());
            store.metadata.forget_intents(removed).await?;
        }
        Ok(Swept { blobs, intents: 0 })
    }

    async fn sweep_garbage(
        &self,
        now: Timestamp,
        life: SignedDuration,
    ) -> Result<usize, StoreError> {
        let store = &*self.store.0;
        let a_time = if store.health.is_short() { BLOBS_A_TIME_WHEN_FULL } else { BLOBS_A_TIME };
        let mut blobs = 0_usize;
        for _ in 0..TIMES_A_RUN {
            let due = store.metadata.garbage(before(now, life), a_time).await?;
            let all = due.len();
            let removed: Vec<BlobId> = store.blobs.remove(due).await?;
            let count = removed.len();
            blobs = blobs.saturating_add(count);
            if count > 0 {
                store.metadata.forget_garbage(removed).await?;
            }
            // The rest is being read; it is for the next run.
            if count < all || all < a_time {
                break;
            }
        }
        Ok(blobs)
    }
}

fn before(now: Timestamp, life: SignedDuration) -> Timestamp {
    now.saturating_sub(life).unwrap_or(Timestamp::MIN)
}
