//! A room: a limited number of slots for work that waits on a client, such as reading a body.
//!
//! When a room is full, a newcomer may push out a slot of the address that holds the most. So a client that
//! sends slowly, or on many connections, cannot keep other addresses out.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::shares::Neighbour;

/// A limited number of slots.
#[derive(Debug)]
pub(crate) struct Room {
    most: usize,
    slots: Mutex<Slots>,
}

/// The address that a slot is counted for. `None`: the address is not known (for example, behind a trusted
/// proxy that does not report its clients). Such a slot is never pushed out.
type Holder = Option<Neighbour>;

/// The taken slots of each holder, by age: the lower the number, the older.
#[derive(Debug, Default)]
struct Slots {
    next: u64,
    count: usize,
    taken: HashMap<Holder, BTreeMap<u64, oneshot::Sender<()>>>,
}

impl Slots {
    fn add(&mut self, holder: Holder, told: oneshot::Sender<()>) -> u64 {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.taken.entry(holder).or_default().insert(number, told);
        self.count = self.count.saturating_add(1);
        number
    }

    /// Frees a slot. Dropping the sender tells the slot's owner (see [`Slot::keep`]).
    fn remove(&mut self, holder: Holder, number: u64) {
        let Some(slots) = self.taken.get_mut(&holder) else { return };
        if slots.remove(&number).is_some() {
            self.count = self.count.saturating_sub(1);
        }
        if slots.is_empty() {
            self.taken.remove(&holder);
        }
    }

    /// The holder with the most slots; of several, the one with the oldest slot.
    fn greediest(&self) -> Option<Greediest> {
        let known = self.taken.iter().filter(|(holder, _)| holder.is_some());
        let all = known.filter_map(|(&holder, slots)| {
            let (&oldest, _) = slots.first_key_value()?;
            let (&youngest, _) = slots.last_key_value()?;
            Some(Greediest { holder, count: slots.len(), oldest, youngest })
        });
        all.max_by_key(|who| (who.count, Reverse(who.oldest)))
    }

    /// How many slots a known holder has; 0 for an unknown one.
    fn of(&self, holder: Holder) -> usize {
        let slots = holder.and_then(|_| self.taken.get(&holder));
        slots.map_or(0, BTreeMap::len)
    }
}

struct Greediest {
    holder: Holder,
    count: usize,
    oldest: u64,
    youngest: u64,
}

impl Room {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, slots: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        let slots = self.lock();
        slots.count == 0 && slots.taken.is_empty()
    }

    /// Takes a slot. In a full room it takes the oldest slot of the holder with the most. Use this for short
    /// work, where the oldest slot is likely the one that stalls.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Slot {
        let mut slots = self.lock();
        if slots.count >= self.most
            && let Some(Greediest { holder, oldest, .. }) = slots.greediest()
        {
            slots.remove(holder, oldest);
        }
        self.slot(&mut slots, Some(Neighbour::of(address)))
    }

    /// Takes a slot. In a full room it takes the youngest slot of the holder with the most, but only if that
    /// holder then still has at least as many as this one. `None` otherwise: to push out one upload for another
    /// of the same weight would waste what was already received.
    ///
    /// Example: with 4 slots, of which A holds 3 and B 1, C gets A's youngest. With 2 slots for A, 1 for B and
    /// 1 for C, a second slot for B is refused.
    pub(crate) fn enter_fairly(self: &Arc<Self>, holder: Holder) -> Option<Slot> {
        let mut slots = self.lock();
        if slots.count >= self.most {
            let Greediest { holder: other, count, youngest, .. } = slots.greediest()?;
            if count.saturating_sub(1) <= slots.of(holder) {
                return None;
            }
            slots.remove(other, youngest);
        }
        Some(self.slot(&mut slots, holder))
    }

    fn slot(self: &Arc<Self>, slots: &mut Slots, holder: Holder) -> Slot {
        let (told, sent_out) = oneshot::channel();
        let number = slots.add(holder, told);
        Slot { room: Arc::clone(self), holder, number, sent_out }
    }
}

/// A taken slot, until it is dropped or pushed out.
#[derive(Debug)]
pub(crate) struct Slot {
    room: Arc<Room>,
    holder: Holder,
    number: u64,
    sent_out: oneshot::Receiver<()>,
}

impl Slot {
    /// Runs `work` for as long as the slot is held. `None` if the slot was pushed out before the work was done.
    pub(crate) async fn keep<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            _ = &mut self.sent_out => None,
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.room.lock().remove(self.holder, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a slot has not been pushed out.
    async fn stays(slot: &mut Slot) -> bool {
        slot.keep(tokio::task::yield_now()).await.is_some()
    }

    fn neighbour(address: &str) -> Neighbour {
        Neighbour::of(address.parse().unwrap())
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
        for slot in [&mut first, &mut greedy[2], &mut late, &mut later] {
            assert!(stays(slot).await);
        }
        drop((first, greedy, late, later));
        assert!(room.is_empty());
    }

    #[tokio::test]
    async fn of_equals_the_oldest_goes() {
        let room = Arc::new(Room::new(2));
        let enter = |address: &str| room.enter(address.parse().unwrap());
        let mut slots = [enter("192.0.2.1"), enter("192.0.2.2"), enter("192.0.2.3")];
        assert!(!stays(&mut slots[0]).await);
        assert!(stays(&mut slots[1]).await && stays(&mut slots[2]).await);
    }

    #[tokio::test]
    async fn fairly_nobody_has_to_go_for_who_has_as_many() {
        let room = Arc::new(Room::new(6));
        let enter = |address: &str| room.enter_fairly(Some(neighbour(address)));
        // A single holder may have the whole room, and no more.
        let mut greedy: Vec<Slot> = std::iter::from_fn(|| enter("192.0.2.1")).collect();
        assert_eq!(greedy.len(), 6);
        // Newcomers get in until they have as many slots. The youngest slots go; the older ones stay.
        let mut others = [enter("2001:db8::1").unwrap(), enter("2001:db8::2").unwrap()];
        let mut late = enter("192.0.2.3").unwrap();
        for (at, slot) in greedy.iter_mut().enumerate() {
            assert_eq!(stays(slot).await, at < 3, "{at}");
        }
        // Four addresses: for the last there is one slot, and 2, 2, 1 and 1 is as fair as can be.
        let mut last = enter("192.0.2.4").unwrap();
        for address in ["192.0.2.1", "2001:db8::3", "192.0.2.3", "192.0.2.4"] {
            assert!(enter(address).is_none(), "{address}");
        }
        assert!(stays(&mut greedy[1]).await && !stays(&mut greedy[2]).await);
        for slot in others.iter_mut().chain([&mut late, &mut last]) {
            assert!(stays(slot).await);
        }
        drop((greedy, others, late, last));
        assert!(room.is_empty());
    }

    #[tokio::test]
    async fn whom_nobody_knows_loses_nothing_and_counts_for_one() {
        let room = Arc::new(Room::new(4));
        let mut unknown = [room.enter_fairly(None).unwrap(), room.enter_fairly(None).unwrap()];
        let mut known: Vec<Slot> =
            std::iter::from_fn(|| room.enter_fairly(Some(neighbour("192.0.2.1")))).collect();
        assert_eq!(known.len(), 2);
        let mut one_more = room.enter_fairly(None).unwrap();
        assert!(!stays(&mut known[1]).await);
        // Now no known holder has more than one.
        assert!(room.enter_fairly(None).is_none());
        assert!(room.enter_fairly(Some(neighbour("192.0.2.2"))).is_none());
        for slot in unknown.iter_mut().chain([&mut known[0], &mut one_more]) {
            assert!(stays(slot).await);
        }
    }
}
