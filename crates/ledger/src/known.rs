//! Which links the writer knows already: a hint for the request path, so that nothing is put together for those.

use std::sync::atomic::{AtomicU64, Ordering};

use presign::Fingerprint;

/// Places of the table. Two links that share one take turns, which costs a little and loses nothing.
const PLACES: usize = 1 << 16;

/// A table of marks, one place for each of the links that share their first two bytes. It may forget a link at any time.
#[derive(Debug)]
pub(crate) struct KnownLinks {
    places: Vec<AtomicU64>,
}

impl KnownLinks {
    pub(crate) fn new() -> Self {
        Self { places: std::iter::repeat_with(AtomicU64::default).take(PLACES).collect() }
    }

    /// Whether the writer has the link's facts.
    pub(crate) fn has(&self, link: &Fingerprint) -> bool {
        let (place, mark) = place_and_mark(link.as_bytes());
        self.places.get(place).is_some_and(|found| found.load(Ordering::Relaxed) == mark)
    }

    /// To be called once the facts are committed.
    pub(crate) fn add(&self, link: &Fingerprint) {
        let (place, mark) = place_and_mark(link.as_bytes());
        if let Some(found) = self.places.get(place) {
            found.store(mark, Ordering::Relaxed);
        }
    }

    /// To be called when the facts are gone.
    pub(crate) fn remove(&self, link: &Fingerprint) {
        let (place, mark) = place_and_mark(link.as_bytes());
        if let Some(found) = self.places.get(place) {
            // Another link may have the place by now. Then nothing changes.
            let _ = found.compare_exchange(mark, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// To be called when any facts may be gone.
    pub(crate) fn clear(&self) {
        self.places.iter().for_each(|place| place.store(0, Ordering::Relaxed));
    }
}

/// The place is two bytes of the hash, and the mark eight others of it; no mark is 0, which is an empty place.
fn place_and_mark(link: &[u8; 32]) -> (usize, u64) {
    let [a, b, _, _, _, _, _, _, mark @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *link;
    (usize::from(u16::from_be_bytes([a, b])), u64::from_be_bytes(mark) | 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_known_until_another_takes_its_place() {
        let known = KnownLinks::new();
        let link = |first: u8, ninth: u8| {
            let zeros = |count| "0".repeat(count);
            let digits = format!("{first:02x}{}{ninth:02x}{}", zeros(14), zeros(46));
            digits.parse::<Fingerprint>().unwrap()
        };
        let (one, other, elsewhere) = (link(1, 1), link(1, 3), link(2, 1));
        let check = |expected: [bool; 3]| {
            assert_eq!([&one, &other, &elsewhere].map(|link| known.has(link)), expected);
        };
        check([false, false, false]);
        known.add(&one);
        check([true, false, false]);
        known.add(&other);
        check([false, true, false]);
        known.remove(&one);
        check([false, true, false]);
        known.add(&elsewhere);
        known.remove(&other);
        check([false, false, true]);
        known.clear();
        check([false, false, false]);
        assert!(!known.has(&link(0, 0)), "an empty place knows nobody");
    }
}
