//! Removes bytes nobody points at and uploads nobody goes on with, and keeps the database's log short.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::backend::metadata::Metadata as _;
use crate::backend::metadata::garbage::GarbageRecords as _;
use crate::backend::metadata::managed_links::ManagedLinkRecords as _;
use crate::backend::metadata::notices::NoticeRecords as _;
use crate::backend::metadata::request_files::RequestFileRecords as _;
use crate::backend::metadata::revocations::RevocationRecords as _;
use crate::backend::metadata::uploads::UploadRecords as _;
use crate::backend::metadata::uses::UseRecords as _;
use crate::backend::{Blobs, Space};
use crate::body::BlobId;
use crate::{Store, StoreError};

/// How old an intent must be before its blob is given up: twice the life of an upload.
pub(crate) const INTENT_LIFE: SignedDuration = SignedDuration::from_hours(48);
/// How long the answer to a completed upload is remembered.
const COMPLETED_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// How long the room of a file is kept for whoever is sending it to a request.
const REQUEST_FILE_IDLE_MAX: SignedDuration = SignedDuration::from_hours(24);
/// How long a managed link is remembered after its end.
const MANAGED_LINK_REMEMBERED: SignedDuration = SignedDuration::from_hours(90 * 24);

/// How long this process must have run, with a clock that agreed all that time, before anything is swept that is hours
/// old: a glimpse of a wrong clock would else end uploads that are under way.
const CLOCK_PROOF: Duration = Duration::from_hours(1);

/// Between two looks for uploads that nobody goes on with: each reads all that are under way.
const IDLE_PERIOD: SignedDuration = SignedDuration::from_mins(1);
/// How many of them are found at once.
const UPLOADS_A_TIME: usize = 100;

/// How many times blobs are removed in a run, so that the log is checkpointed in time.
const TIMES_A_RUN: usize = 20;

/// The background work of a store: call [`run_once`](Self::run_once) every few seconds.
#[derive(Clone, Debug)]
pub struct Maintenance {
    store: Store,
    upload_idle_max: Option<SignedDuration>,
}

/// What one run leaves to the next; whoever holds it has their turn.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    looked_for_idle_at: Option<Timestamp>,
    clock: SteadyClock,
}

/// The time as it was told within the last hour, by the reading that is furthest behind: what one reading is ahead,
/// or some are, ages nothing.
#[derive(Debug, Default)]
struct SteadyClock {
    /// How long the process had run, and what time it was said to be.
    readings: VecDeque<(Duration, Timestamp)>,
}

impl SteadyClock {
    /// The time that all readings of the last hour agree has come.
    fn read(&mut self, now: Timestamp, uptime: Duration) -> Timestamp {
        self.readings.push_back((uptime, now));
        let old = uptime.saturating_sub(CLOCK_PROOF);
        // With the one before, so that an hour without a run proves nothing.
        let before = self.readings.iter().map(|(at, _)| *at).filter(|at| *at < old).max();
        let oldest = before.unwrap_or(old);
        self.readings.retain(|(at, _)| (oldest..=uptime).contains(at));
        let come = self.readings.iter().filter_map(|(at, told)| {
            let since = SignedDuration::try_from(uptime.saturating_sub(*at)).ok()?;
            told.checked_add(since).ok()
        });
        come.min().unwrap_or(now)
    }
}

/// What one run of maintenance removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs whose bytes were removed.
    pub blobs: usize,
    /// Staged bodies given up because they were old.
    pub intents: usize,
    /// Uploads aborted because nothing came for them any more.
    pub uploads: usize,
}

impl Maintenance {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, upload_idle_max: None }
    }

    /// Aborts uploads too, once no part has come for so long.
    #[must_use]
    pub fn aborting_uploads_after(self, idle: SignedDuration) -> Self {
        Self { upload_idle_max: Some(idle), ..self }
    }

    /// Sweeps what is due and checkpoints the database. Runs of one store do not overlap.
    ///
    /// `uptime` is how long the process has run, by a clock that nobody sets. What is swept by an age of hours is so
    /// only after an hour of it, and by the time that every run of the last hour was told.
    pub async fn run_once(&self, now: Timestamp, uptime: Duration) -> Result<Swept, StoreError> {
        let store = &*self.store.0;
        store.stager.note(now);
        let mut turn = store.sweeping.lock().await;
        let steady = turn.clock.read(now, uptime);
        // Before, only what is dropped or is garbage is known to be of no use.
        let proven = (uptime >= CLOCK_PROOF).then_some(steady);
        let space = store.premises.survey();
        let garbage_rest = store.premises.garbage_rest(space);
        if space == Space::Enough {
            self.store.write_key_uses().await?;
        }
        let mut swept = self.sweep_abandoned().await?;
        if let Some(now) = proven {
            swept.uploads = self.abort_idle_uploads(&mut turn, now).await?;
            swept.intents = self.reap_intents(before(now, INTENT_LIFE), now).await?;
        }
        swept.blobs = swept.blobs.saturating_add(self.sweep_garbage(steady, garbage_rest).await?);
        let completed_before = proven.map_or(Timestamp::MIN, |now| before(now, COMPLETED_LIFE));
        store.metadata.forget_completed(completed_before).await?;
        if let Some(now) = proven {
            self.forget_ended_links(now).await?;
        }
        store.metadata.maintain(space).await?;
        Ok(swept)
    }

    /// Forgets revocations and uses of links that no longer live, managed links that ended long ago, and notices; and gives up
    /// files that nobody goes on sending.
    async fn forget_ended_links(&self, now: Timestamp) -> Result<(), StoreError> {
        let store = &*self.store.0;
        let mut forgotten = 0_usize;
        for _ in 0..TIMES_A_RUN {
            let revocations = store.metadata.forget_revocations(now).await?;
            let uses = store.metadata.forget_uses(now).await?;
            let remembered = before(now, MANAGED_LINK_REMEMBERED);
            let idle = before(now, REQUEST_FILE_IDLE_MAX);
            let files = store.metadata.release_idle_files(idle, now).await?;
            let managed = store.metadata.forget_managed_links(remembered).await?;
            let notices = store.metadata.forget_notices(now).await?;
            forgotten = forgotten.saturating_add(revocations);
            if [revocations, uses, files, managed, notices] == [0; 5] {
                break;
            }
        }
        if forgotten > 0 {
            self.store.forget_ended_revocations(now).await?;
        }
        Ok(())
    }

    /// Removes what a dead process left, of which this one knows that nobody needs it.
    pub(crate) async fn sweep_leftovers(&self, now: Timestamp) -> Result<(), StoreError> {
        let everything = Timestamp::MAX;
        self.reap_intents(everything, now).await?;
        while self.sweep_garbage(everything, SignedDuration::ZERO).await? > 0 {}
        Ok(())
    }

    /// All from before a time, to which none is added.
    async fn reap_intents(&self, before: Timestamp, now: Timestamp) -> Result<usize, StoreError> {
        let mut all = 0_usize;
        loop {
            match self.store.0.metadata.reap_intents(before, now).await? {
                0 => return Ok(all),
                reaped => all = all.saturating_add(reaped),
            }
        }
    }

    /// Removes bodies that were staged and dropped: first their bytes, then their intents.
    async fn sweep_abandoned(&self) -> Result<Swept, StoreError> {
        let store = &*self.store.0;
        let abandoned = store.stager.abandoned.take();
        let mut blobs = 0_usize;
        for ids in abandoned.chunks(store.premises.removed_at_once()) {
            let removed = store.blobs.remove(ids.to_vec()).await?;
            blobs = blobs.saturating_add(removed.len());
            store.metadata.forget_intents(removed).await?;
        }
        Ok(Swept { blobs, ..Swept::default() })
    }

    /// Each is judged again in the transaction that aborts it, since a part, or the completion, may
    /// come meanwhile.
    async fn abort_idle_uploads(
        &self,
        turn: &mut Turn,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let Some(idle_max) = self.upload_idle_max else { return Ok(0) };
        let is_early = |looked: Timestamp| {
            (SignedDuration::ZERO..IDLE_PERIOD).contains(&now.duration_since(looked))
        };
        if turn.looked_for_idle_at.is_some_and(is_early) {
            return Ok(0);
        }
        let metadata = &self.store.0.metadata;
        let idle_since = before(now, idle_max);
        let mut aborted = 0_usize;
        for _ in 0..TIMES_A_RUN {
            let idle = metadata.idle_uploads(idle_since, UPLOADS_A_TIME).await?;
            let all = idle.len();
            for upload in idle {
                let done = metadata.abort_idle_upload(upload, now).await?;
                aborted = aborted.saturating_add(usize::from(done));
            }
            if all < UPLOADS_A_TIME {
                turn.looked_for_idle_at = Some(now);
                break;
            }
        }
        Ok(aborted)
    }

    async fn sweep_garbage(
        &self,
        now: Timestamp,
        rest: SignedDuration,
    ) -> Result<usize, StoreError> {
        let store = &*self.store.0;
        let Some(_turn) = store.premises.removal_turn() else { return Ok(0) };
        let a_time = store.premises.removed_at_once();
        let mut blobs = 0_usize;
        for _ in 0..TIMES_A_RUN {
            let due = store.metadata.garbage(before(now, rest), a_time).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_that_is_ahead_ages_nothing() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let day = 24 * 60 * 60;
        let mut clock = SteadyClock::default();
        let mut check = |uptime: u64, now: i64, expected: i64| {
            let read = clock.read(at(now), Duration::from_secs(uptime));
            assert_eq!(read, at(expected), "{uptime}");
        };
        check(0, 1000, 1000);
        check(60, 1060, 1060);
        check(120, 1120 + 15 * day, 1120);
        check(180, 1180, 1180);
        // A clock that was put ahead for good is believed after an hour.
        check(240, 1240 + day, 1240);
        check(3600, 4600 + day, 4600);
        check(3780, 4780 + day, 4780);
        check(3840, 4840 + day, 4840);
        check(3841, 4841 + day, 4841 + day);
        // One that is put back, at once.
        check(3850, 4850, 4850);
    }
}
