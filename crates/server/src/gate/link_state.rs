//! What the gate remembers of managed links.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use iam::AccountId;
use presign::Fingerprint;
use store::EndedPlace;

/// The keys of link signers by account, so that nobody loads all identities of an account to sign for one link.
#[derive(Debug, Default)]
pub(super) struct LinkSigners(Mutex<HashMap<AccountId, String>>);

impl LinkSigners {
    /// How many are remembered.
    const MOST: usize = 10_000;

    pub(super) fn of(&self, account: &AccountId) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(account).cloned()
    }

    pub(super) fn remember(&self, account: &AccountId, id: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= Self::MOST {
            known.clear();
        }
        known.insert(account.clone(), id.to_owned());
    }
}

/// How far the links were looked through for those that are to be closed.
#[derive(Debug, Default)]
pub(super) struct Closing(Mutex<ClosingPlaces>);

#[derive(Debug, Default)]
pub(super) struct ClosingPlaces {
    pub(super) ended_after: Option<EndedPlace>,
    pub(super) counted_after: Option<Fingerprint>,
}

impl Closing {
    pub(super) fn lock(&self) -> MutexGuard<'_, ClosingPlaces> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
