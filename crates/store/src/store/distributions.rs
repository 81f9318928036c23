//! The facade of distributions: all of them are in memory, and every change is written before it is seen.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use tokio::sync::OwnedMutexGuard;

use crate::backend::metadata::distributions::DistributionRecords as _;
use crate::{DistributionEdit, Distributions, Store, StoreError};

/// How often a change is decided anew because another was written meanwhile.
const TRIES: usize = 8;

/// What came of a write.
enum Written {
    /// It is on stable storage, and seen.
    Done,
    /// Nothing was written, because another change was; the turn is still the caller's.
    OthersAreThere(OwnedMutexGuard<()>),
}

impl Store {
    /// The resources of distributions, of all accounts, as they are now. Reads nothing but memory.
    pub fn distributions(&self) -> Arc<Distributions> {
        Arc::clone(&self.0.distributions.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The number of their latest change, without a lock: another number, other resources. A change has its number once it
    /// can be seen.
    pub fn distributions_number(&self) -> u64 {
        self.0.distributions_number.load(Ordering::Acquire)
    }

    /// Changes resources of distributions: all of the change, or nothing where it refuses. The change may be run more
    /// than once, each time over the resources as they are then; the answer is the last one's.
    pub async fn change_distributions<T, E>(
        &self,
        now: Timestamp,
        mut change: impl FnMut(&mut DistributionEdit) -> Result<T, E>,
    ) -> Result<Result<T, E>, StoreError> {
        self.0.stager.note(now);
        let mut turn = Arc::clone(&self.0.changing_distributions).lock_owned().await;
        for _ in 0..TRIES {
            let before = self.distributions();
            let mut edit = DistributionEdit::new(&before);
            let answer = match change(&mut edit) {
                Ok(answer) => answer,
                Err(refused) => return Ok(Err(refused)),
            };
            if !edit.has_written() {
                return Ok(Ok(answer));
            }
            // A task of its own: whoever asked may go away between the write and what must be seen of it.
            let written =
                tokio::spawn(self.clone().write_distributions(before.number(), edit, turn));
            match written.await.unwrap_or(Err(StoreError::Closed))? {
                Written::Done => return Ok(Ok(answer)),
                Written::OthersAreThere(still_mine) => turn = still_mine,
            }
        }
        Err(StoreError::Closed)
    }

    async fn write_distributions(
        self,
        seen: u64,
        edit: DistributionEdit,
        turn: OwnedMutexGuard<()>,
    ) -> Result<Written, StoreError> {
        let writes = edit.clone().finish();
        match self.0.metadata.write_distribution_resources(seen, writes).await {
            Ok(Some(number)) => {
                self.distributions_are(edit.numbered(number));
                Ok(Written::Done)
            }
            Ok(None) => {
                self.load_distributions().await?;
                Ok(Written::OthersAreThere(turn))
            }
            Err(error) => {
                // The write that failed may be on the disk all the same.
                let _reads_fail_too = self.load_distributions().await;
                Err(error)
            }
        }
    }

    /// Reads all resources into memory.
    pub(crate) async fn load_distributions(&self) -> Result<(), StoreError> {
        let (number, all) = self.0.metadata.distribution_resources().await?;
        self.distributions_are(Distributions::new(number, all));
        Ok(())
    }

    fn distributions_are(&self, distributions: Distributions) {
        let mut held = self.0.distributions.write().unwrap_or_else(PoisonError::into_inner);
        let number = distributions.number();
        *held = Arc::new(distributions);
        self.0.distributions_number.store(number, Ordering::Release);
    }
}
