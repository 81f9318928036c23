//! Room for calls whose bodies, and documents, are not here yet. Whoever comes finds a place: if there is none, whoever has
//! the most of them gives up the oldest. So a call that trickles keeps nobody out.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, oneshot};

use crate::shares::Neighbour;

/// Bodies in memory of callers whose signature holds.
const PROVEN_MAX: usize = 64;
/// And of those who claim a key that is known, which stands in every link.
const CLAIMED_MAX: usize = 64;
/// And of those who claim none: tokens of identity providers, which are short.
const ANONYMOUS_MAX: usize = 16;
/// Documents of S3 that are read at once, and those of them that may be long.
const SHORT_DOCUMENTS_MAX: usize = 1024;
const LONG_DOCUMENTS_MAX: usize = 64;
/// What is announced as no longer than this is a short one.
const SHORT_DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// Proven calls at work at once; further ones wait in their room.
const WORKING_MAX: usize = 64;

/// All the rooms, apart from each other: who has proved nothing takes no place of who has.
#[derive(Debug)]
pub(crate) struct Rooms {
    pub(super) proven: Arc<Room>,
    pub(super) claimed: Arc<Room>,
    pub(super) anonymous: Arc<Room>,
    pub(super) working: Semaphore,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            proven: Arc::new(Room::new(PROVEN_MAX)),
            claimed: Arc::new(Room::new(CLAIMED_MAX)),
            anonymous: Arc::new(Room::new(ANONYMOUS_MAX)),
            working: Semaphore::new(WORKING_MAX),
        }
    }
}

/// Room for documents of S3 calls. Whoever has a link that takes one can begin many and end none.
#[derive(Debug)]
pub(crate) struct Documents {
    short: Arc<Room>,
    long: Arc<Room>,
}

impl Default for Documents {
    fn default() -> Self {
        let room = |most| Arc::new(Room::new(most));
        Self { short: room(SHORT_DOCUMENTS_MAX), long: room(LONG_DOCUMENTS_MAX) }
    }
}

impl Documents {
    /// Takes a place for a document of so many bytes at most.
    pub(crate) fn enter(&self, address: IpAddr, bytes_max: usize) -> Place {
        let is_short = bytes_max <= SHORT_DOCUMENT_BYTES_MAX;
        let room = if is_short { &self.short } else { &self.long };
        room.enter(address)
    }
}

/// So many places.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    places: Mutex<Places>,
}

/// Taken places by age.
#[derive(Debug, Default)]
struct Places {
    next: u64,
    taken: BTreeMap<u64, (Neighbour, oneshot::Sender<()>)>,
}

impl Places {
    /// The oldest place of whoever has the most.
    fn greediest(&self) -> Option<u64> {
        let mut counts = HashMap::<Neighbour, (usize, u64)>::new();
        for (&number, (neighbour, _)) in &self.taken {
            counts.entry(*neighbour).or_insert((0, number)).0 += 1;
        }
        let greed = |(count, oldest): &(usize, u64)| (*count, std::cmp::Reverse(*oldest));
        counts.into_values().max_by_key(greed).map(|(_, oldest)| oldest)
    }
}

impl Room {
    fn new(most: usize) -> Self {
        Self { most, places: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place, if need be that of somebody else.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Place {
        let (told, sent_out) = oneshot::channel();
        let mut places = self.lock();
        if places.taken.len() >= self.most
            && let Some(oldest) = places.greediest()
        {
            // To drop what it is told by is to tell it.
            places.taken.remove(&oldest);
        }
        let number = places.next;
        places.next = places.next.wrapping_add(1);
        places.taken.insert(number, (Neighbour::of(address), told));
        Place { room: Arc::clone(self), number, sent_out }
    }
}

/// A place, until it is dropped or somebody else needs it more.
#[derive(Debug)]
pub(crate) struct Place {
    room: Arc<Room>,
    number: u64,
    sent_out: oneshot::Receiver<()>,
}

impl Place {
    /// Does something for as long as there is a place for it; `None`: not to its end.
    pub(crate) async fn keep<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            _ = &mut self.sent_out => None,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.lock().taken.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a place is still there.
    async fn stays(place: &mut Place) -> bool {
        place.keep(tokio::task::yield_now()).await.is_some()
    }

    #[tokio::test]
    async fn whoever_has_the_most_gives_up_the_oldest() {
        let room = Arc::new(Room::new(4));
        let enter = |address: &str| room.enter(address.parse().unwrap());
        let mut first = enter("192.0.2.1");
        let mut greedy = [enter("192.0.2.2"), enter("192.0.2.2"), enter("192.0.2.2")];
        let mut late = enter("192.0.2.3");
        assert!(!stays(&mut greedy[0]).await);
        let mut later = enter("192.0.2.2");
        assert!(!stays(&mut greedy[1]).await);
        for place in [&mut first, &mut greedy[2], &mut late, &mut later] {
            assert!(stays(place).await);
        }
        drop((first, greedy, late, later));
        assert!(room.lock().taken.is_empty());
    }

    #[tokio::test]
    async fn of_equals_the_oldest_goes() {
        let room = Arc::new(Room::new(2));
        let enter = |address: &str| room.enter(address.parse().unwrap());
        let mut places = [enter("192.0.2.1"), enter("192.0.2.2"), enter("192.0.2.3")];
        assert!(!stays(&mut places[0]).await);
        assert!(stays(&mut places[1]).await && stays(&mut places[2]).await);
    }
}
