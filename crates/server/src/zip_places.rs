//! How many zips are made at once, by the memory that they take: each holds a page of a listing, a directory, the names that
//! it gave, and some pieces of files.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::shares::Neighbour;

/// The memory of all zips under way, in bytes.
const BYTES_MAX: u64 = 512 * 1024 * 1024;
/// What a zip takes beside its page, directory and names: the pieces that are being read, made and sent.
const BYTES_OF_ANY: u64 = 256 * 1024;
/// One address may have this part of what the others leave.
const SHARE: u64 = 2;

/// The memory of the zips under way, by the addresses that they are sent to.
#[derive(Debug, Default)]
pub(crate) struct ZipPlaces(Mutex<HashMap<Neighbour, u64>>);

/// The place of one zip, until it is dropped.
#[derive(Debug)]
pub(crate) struct ZipPlace {
    places: Arc<ZipPlaces>,
    neighbour: Neighbour,
    bytes: u64,
}

impl ZipPlaces {
    /// A place for another zip; `None`: there is no room, or none for this address.
    pub(crate) fn take(self: &Arc<Self>, client: IpAddr) -> Option<ZipPlace> {
        let neighbour = Neighbour::of(client);
        let mut place = ZipPlace { places: Arc::clone(self), neighbour, bytes: 0 };
        place.hold(0).then_some(place)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Neighbour, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ZipPlace {
    /// Holds so much memory from now on, beside what any zip takes. `false`: there is no room for more.
    pub(crate) fn hold(&mut self, bytes: u64) -> bool {
        let bytes = bytes.saturating_add(BYTES_OF_ANY);
        let more = bytes.saturating_sub(self.bytes);
        let mut taken = self.places.lock();
        let of_all: u64 = taken.values().sum();
        let of_address = taken.get(&self.neighbour).copied().unwrap_or(0);
        let left = BYTES_MAX.saturating_sub(of_all.saturating_sub(of_address));
        // What an address has must stay below its share of what would be left then.
        let wanted = of_address.saturating_add(more);
        let is_room = of_all.saturating_add(more) <= BYTES_MAX
            && wanted <= left.saturating_sub(wanted).saturating_mul(SHARE);
        if more > 0 && !is_room {
            return false;
        }
        let of_address = of_address.saturating_sub(self.bytes).saturating_add(bytes);
        taken.insert(self.neighbour, of_address);
        self.bytes = bytes;
        true
    }
}

impl Drop for ZipPlace {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        let left = taken.get(&self.neighbour).copied().unwrap_or(0).saturating_sub(self.bytes);
        if left > 0 {
            taken.insert(self.neighbour, left);
        } else {
            taken.remove(&self.neighbour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn an_address_has_its_room_and_others_have_theirs() {
        let places = Arc::new(ZipPlaces::default());
        let take = |address: &str| places.take(address.parse().unwrap());
        let near: Vec<_> = std::iter::from_fn(|| take("192.0.2.1")).collect();
        assert_eq!(near.len(), 1365, "two thirds of 512 MiB");
        let far: Vec<_> = std::iter::from_fn(|| take("198.51.100.1")).collect();
        assert_eq!(far.len(), 455, "two thirds of the rest");
        assert!(take("203.0.113.1").is_some());
        drop(near);
        assert!(take("192.0.2.1").is_some());
        drop(far);
        assert!(places.lock().is_empty());
    }

    #[test]
    fn a_zip_grows_while_there_is_room() {
        let places = Arc::new(ZipPlaces::default());
        let mut place = places.take("192.0.2.1".parse().unwrap()).unwrap();
        assert!(place.hold(100 * MIB) && place.hold(300 * MIB));
        assert!(!place.hold(400 * MIB), "more than its share");
        let mut other = places.take("198.51.100.1".parse().unwrap()).unwrap();
        assert!(other.hold(100 * MIB) && !other.hold(200 * MIB));
        assert!(place.hold(100 * MIB), "less is always possible");
        assert!(other.hold(200 * MIB));
        drop((place, other));
        assert!(places.lock().is_empty());
    }
}
