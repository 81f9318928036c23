//! Flights: the question to an origin about a resource that nobody knows, asked once for all who want it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::entry::StoredHead;
use crate::origin::OriginFailure;

/// What came of a flight, for all who waited.
#[derive(Clone, Debug)]
pub(crate) enum Landing {
    /// The answer is kept. `refreshed`: it is the one that was there, which the origin has confirmed.
    Stored {
        head: Arc<StoredHead>,
        refreshed: bool,
    },
    /// The origin fails, and what is there may be sent all the same.
    Stale(Arc<StoredHead>),
    /// The answer may not be kept, and so not be shared.
    Alone,
    Failed(OriginFailure),
}

#[derive(Debug, Default)]
pub(crate) struct Flight {
    landing: Mutex<Option<Landing>>,
    landed: Notify,
}

impl Flight {
    pub(crate) fn land(&self, landing: Landing) {
        *self.landing.lock().unwrap_or_else(PoisonError::into_inner) = Some(landing);
        self.landed.notify_waiters();
    }

    /// Waits for what comes of it.
    pub(crate) async fn wait(&self) -> Landing {
        loop {
            let landed = self.landed.notified();
            let mut landed = std::pin::pin!(landed);
            landed.as_mut().enable();
            let landing = self.landing.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(landing) = landing {
                return landing;
            }
            landed.await;
        }
    }
}
