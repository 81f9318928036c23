//! How many zips are made at once. Each holds a page of a listing, a directory and some pieces of files in memory, and keeps
//! the disk busy.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::shares::Neighbour;

/// The most zips under way.
const ZIPS_MAX: usize = 64;
/// The most of them for one address.
const ZIPS_OF_ADDRESS_MAX: usize = 8;

/// The zips under way, by the addresses that they are sent to.
#[derive(Debug, Default)]
pub(crate) struct ZipPlaces(Mutex<HashMap<Neighbour, usize>>);

/// The place of one zip, until it is dropped.
#[derive(Debug)]
pub(crate) struct ZipPlace {
    places: Arc<ZipPlaces>,
    neighbour: Neighbour,
}

impl ZipPlaces {
    /// A place for another zip; `None`: there are as many as there may be, or as many to this address.
    pub(crate) fn take(self: &Arc<Self>, client: IpAddr) -> Option<ZipPlace> {
        let neighbour = Neighbour::of(client);
        let mut taken = self.lock();
        let of_all: usize = taken.values().sum();
        let of_address = taken.get(&neighbour).copied().unwrap_or(0);
        if of_all >= ZIPS_MAX || of_address >= ZIPS_OF_ADDRESS_MAX {
            return None;
        }
        taken.insert(neighbour, of_address.saturating_add(1));
        Some(ZipPlace { places: Arc::clone(self), neighbour })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Neighbour, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ZipPlace {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        match taken.get_mut(&self.neighbour) {
            Some(many) if *many > 1 => *many = many.saturating_sub(1),
            Some(_) | None => drop(taken.remove(&self.neighbour)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_places_and_all_have_theirs() {
        let places = Arc::new(ZipPlaces::default());
        let take = |address: String| places.take(address.parse().unwrap());
        let near: Vec<_> = (0..20).filter_map(|_| take("192.0.2.1".to_owned())).collect();
        assert_eq!(near.len(), ZIPS_OF_ADDRESS_MAX);
        let far: Vec<_> =
            (0..100).filter_map(|number| take(format!("198.51.100.{number}"))).collect();
        assert_eq!(far.len(), ZIPS_MAX - ZIPS_OF_ADDRESS_MAX);
        drop(near);
        assert!(take("192.0.2.1".to_owned()).is_some());
        drop(far);
        assert!(places.lock().is_empty());
    }
}
