//! What answers hold in memory that their clients have not taken yet: a bound for the whole process, and for each
//! connection a share of what is left of it.
//!
//! hyper asks a body for its next bytes before it knows whether there is room to send them, so a stream that stalls
//! always holds some. How many, is decided here. The more is held, the smaller the shares of all become; each
//! connection has a little of its own whatever others hold; and a stream for which there is nothing left goes on with crumbs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use store::PIECE_BYTES_MAX;

use crate::shares::Share;

/// Pieces of full length in the whole process. With such a piece, and with none shorter, goes an open file.
const PIECES_MAX: usize = 256;
/// A connection may hold so great a part of what nobody holds: two megabytes where nothing else is held.
const PIECES_SHARE: usize = 32;
/// A piece may be so great a part of what its connection may still hold: later streams get some as well.
const PIECE_SHARE: usize = 4;
/// What each connection may hold whatever the others hold: two pieces, of which one is read while the other is sent.
const OWN_BYTES: usize = 2 * OWN_PIECE_BYTES;
/// The longest of them.
const OWN_PIECE_BYTES: usize = 32 * 1024;
/// The longest piece that is not counted: every stream may have it at any time, so that none starves.
const CRUMB_BYTES: usize = 2 * 1024;
/// Answers that were made whole, of the whole process: listings, most of all.
const DOCUMENTS_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The same for one address: eight megabytes where nothing else is held, and no answer is longer.
const DOCUMENTS_SHARE: usize = 32;
/// The longest of them that is not counted, so that most refusals are not.
const DOCUMENT_BYTES_FREE: usize = 2 * 1024;

/// What all connections may hold together.
#[derive(Clone, Debug)]
pub(crate) struct UnsentOfAll {
    pieces: Arc<Bound>,
    documents: Arc<Bound>,
}

impl UnsentOfAll {
    /// No more open files with it than these.
    pub(crate) fn new(files_max: usize) -> Self {
        let pieces = PIECES_MAX.min(files_max).saturating_mul(PIECE_BYTES_MAX);
        let bound = |most, share| Arc::new(Bound { most, share, held: AtomicUsize::new(0) });
        Self {
            pieces: bound(pieces, PIECES_SHARE),
            documents: bound(DOCUMENTS_BYTES_MAX, DOCUMENTS_SHARE),
        }
    }

    /// What one more connection may hold: of bodies by itself, of whole answers together with all others of its address.
    pub(crate) fn of_connection(&self, share: &Share) -> Unsent {
        let (pieces, documents) = (Arc::clone(&self.pieces), Arc::clone(&self.documents));
        Unsent {
            pieces: Portion { bound: pieces, held: Arc::default() },
            documents: Portion { bound: documents, held: share.documents() },
        }
    }

    /// The same with another bound of whole answers.
    #[cfg(test)]
    pub(crate) fn with_documents_of(&self, most: usize) -> Self {
        let documents = Bound { most, share: DOCUMENTS_SHARE, held: AtomicUsize::new(0) };
        Self { pieces: Arc::clone(&self.pieces), documents: Arc::new(documents) }
    }

    #[cfg(test)]
    pub(crate) fn held(&self) -> (usize, usize) {
        let held = |bound: &Bound| bound.held.load(Ordering::Relaxed);
        (held(&self.pieces), held(&self.documents))
    }
}

/// What one connection may hold.
#[derive(Clone, Debug)]
pub(crate) struct Unsent {
    pieces: Portion,
    documents: Portion,
}

impl Unsent {
    /// Room for the next piece of a body that has so many bytes left; `None`: only for a crumb.
    pub(crate) fn room_for_piece(&self, remaining: u64) -> Option<Held> {
        let wanted = usize::try_from(remaining).unwrap_or(usize::MAX).min(PIECE_BYTES_MAX);
        let most = self.pieces.free() / PIECE_SHARE;
        // Of a power of two, as chunks are.
        let most = most.checked_ilog2().map_or(0, |power| 1_usize << power);
        let own = OWN_BYTES.saturating_sub(self.pieces.held()) >= OWN_PIECE_BYTES;
        if own && most < OWN_PIECE_BYTES {
            return counted(wanted.min(OWN_PIECE_BYTES)).map(|bytes| self.pieces.hold_own(bytes));
        }
        counted(wanted.min(most)).and_then(|bytes| self.pieces.hold(bytes))
    }

    /// Lets a whole answer be held until it is sent; `None`: the connections of its address hold too many already.
    pub(crate) fn hold_document(&self, document: Bytes) -> Option<Bytes> {
        let size = document.len();
        if size <= DOCUMENT_BYTES_FREE {
            return Some(document);
        }
        let room = (size <= self.documents.free()).then(|| self.documents.hold(size)).flatten();
        room.map(|held| held.with(document))
    }
}

/// So many bytes, unless they are a crumb.
fn counted(bytes: usize) -> Option<usize> {
    (bytes > CRUMB_BYTES).then_some(bytes)
}

/// How long a piece may be for which there was room, or not.
pub(crate) fn piece_bytes_max(held: Option<&Held>) -> usize {
    held.map_or(CRUMB_BYTES, |held| held.bytes)
}

#[derive(Debug)]
struct Bound {
    most: usize,
    share: usize,
    held: AtomicUsize,
}

#[derive(Clone, Debug)]
struct Portion {
    bound: Arc<Bound>,
    held: Arc<AtomicUsize>,
}

impl Portion {
    /// What the connection may hold more.
    fn free(&self) -> usize {
        let Bound { most, share, held } = &*self.bound;
        let free_of_all = most.saturating_sub(held.load(Ordering::Relaxed));
        (free_of_all / share).saturating_sub(self.held())
    }

    fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Never more than the bound, however many take at once.
    fn hold(&self, bytes: usize) -> Option<Held> {
        let held = self.bound.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if held > self.bound.most {
            self.bound.held.fetch_sub(bytes, Ordering::Relaxed);
            return None;
        }
        self.held.fetch_add(bytes, Ordering::Relaxed);
        Some(Held { portion: self.clone(), bytes })
    }

    fn hold_own(&self, bytes: usize) -> Held {
        self.bound.held.fetch_add(bytes, Ordering::Relaxed);
        self.held.fetch_add(bytes, Ordering::Relaxed);
        Held { portion: self.clone(), bytes }
    }
}

/// Bytes that are held, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    portion: Portion,
    bytes: usize,
}

impl Held {
    /// Goes with the bytes, wherever they are sent from, until the last of them is gone.
    pub(crate) fn with(mut self, bytes: Bytes) -> Bytes {
        self.shrink(bytes.len());
        Bytes::from_owner(HeldBytes { bytes, _held: self })
    }

    fn shrink(&mut self, bytes: usize) {
        self.give_back(self.bytes.saturating_sub(bytes));
    }

    fn give_back(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.portion.held.fetch_sub(bytes, Ordering::Relaxed);
        self.portion.bound.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

struct HeldBytes {
    bytes: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for HeldBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = 1 << 20;

    #[test]
    fn pieces_become_shorter_and_nothing_is_held_beyond_a_share() {
        let all = UnsentOfAll::new(MANY);
        let connection = all.of_connection(&Share::unlimited());
        let mut held: Vec<Held> = Vec::new();
        while let Some(more) = connection.room_for_piece(u64::MAX) {
            assert!(held.last().is_none_or(|last| more.bytes <= last.bytes));
            held.push(more);
        }
        assert_eq!(held[0].bytes, PIECE_BYTES_MAX);
        assert_eq!(held.last().unwrap().bytes, 2 * CRUMB_BYTES);
        assert!(held.len() > 20, "{}", held.len());
        let share = PIECES_MAX * PIECE_BYTES_MAX / PIECES_SHARE;
        assert!((share / 2..=share).contains(&all.held().0));
        assert_eq!(piece_bytes_max(connection.room_for_piece(u64::MAX).as_ref()), CRUMB_BYTES);
        // Another has its own, and what was given back is there again.
        assert_eq!(
            all.of_connection(&Share::unlimited()).room_for_piece(u64::MAX).unwrap().bytes,
            PIECE_BYTES_MAX
        );
        drop(held);
        assert_eq!(all.held(), (0, 0));
        assert_eq!(connection.room_for_piece(u64::MAX).unwrap().bytes, PIECE_BYTES_MAX);
    }

    #[test]
    fn however_many_hold_what_they_may_one_more_has_room() {
        let all = UnsentOfAll::new(MANY);
        let mut held = Vec::new();
        for _ in 0..2000 {
            let connection = all.of_connection(&Share::unlimited());
            let room = || connection.room_for_piece(u64::MAX);
            let before = held.len();
            held.extend(std::iter::from_fn(room));
            assert!(held[before].bytes >= OWN_PIECE_BYTES);
        }
        let most = PIECES_MAX * PIECE_BYTES_MAX + 2000 * OWN_BYTES;
        let full = held.iter().filter(|held| held.bytes == PIECE_BYTES_MAX).count();
        assert!(all.held().0 < most && full < PIECES_MAX, "{:?} {full}", all.held());
    }

    #[test]
    fn a_short_body_holds_what_it_is_and_a_tiny_one_nothing() {
        let all = UnsentOfAll::new(MANY);
        let connection = all.of_connection(&Share::unlimited());
        assert!(connection.room_for_piece(2048).is_none());
        let held = connection.room_for_piece(5000).unwrap();
        assert_eq!((held.bytes, all.held().0), (5000, 5000));
        let bytes = held.with(Bytes::from(vec![1; 3000]));
        let part = bytes.slice(10..20);
        drop(bytes);
        assert_eq!(all.held().0, 3000);
        drop(part);
        assert_eq!(all.held().0, 0);
    }

    #[test]
    fn where_few_files_may_be_open_few_pieces_are_long() {
        let connection = UnsentOfAll::new(0).of_connection(&Share::unlimited());
        let own: Vec<_> = (0..4).map(|_| connection.room_for_piece(u64::MAX)).collect();
        let own: Vec<_> = own.iter().map(|held| piece_bytes_max(held.as_ref())).collect();
        assert_eq!(own, [OWN_PIECE_BYTES, OWN_PIECE_BYTES, CRUMB_BYTES, CRUMB_BYTES]);
        let all = UnsentOfAll::new(64);
        let held: Vec<_> = (0..1000)
            .filter_map(|_| all.of_connection(&Share::unlimited()).room_for_piece(u64::MAX))
            .filter(|held| held.bytes == PIECE_BYTES_MAX)
            .collect();
        assert!(held.len() <= 64);
    }

    #[test]
    fn whole_answers_have_a_bound_of_their_own() {
        let all = UnsentOfAll::new(MANY);
        let connection = all.of_connection(&Share::unlimited());
        let document = |size| Bytes::from(vec![b'x'; size]);
        let share = DOCUMENTS_BYTES_MAX / DOCUMENTS_SHARE;
        assert!(connection.hold_document(document(share + 1)).is_none());
        let held = connection.hold_document(document(share / 2 + 1)).unwrap();
        assert!(connection.hold_document(document(share / 2)).is_none());
        assert!(connection.hold_document(document(DOCUMENT_BYTES_FREE)).is_some());
        assert!(
            all.of_connection(&Share::unlimited()).hold_document(document(share / 2)).is_some()
        );
        assert_eq!(all.held(), (0, share / 2 + 1));
        drop(held);
        assert_eq!(all.held(), (0, 0));
        assert!(connection.hold_document(document(share / 2)).is_some());
    }

    #[test]
    fn connections_of_one_address_have_one_share_of_whole_answers() {
        let all = UnsentOfAll::new(MANY);
        let shares = Arc::new(crate::shares::Shares::new(200));
        let from = |address: &str| {
            let share = shares.take(address.parse().unwrap()).unwrap();
            (all.of_connection(&share), share)
        };
        let document = || Bytes::from(vec![b'x'; 300_000]);
        let near: Vec<_> = (0..126).map(|_| from("192.0.2.1")).collect();
        let held: Vec<_> = near.iter().filter_map(|(of, _)| of.hold_document(document())).collect();
        assert!(held.len() < 30, "{}", held.len());
        let (other, _share) = from("192.0.2.2");
        assert!(other.hold_document(document()).is_some());
        drop((held, near));
        assert_eq!(all.held(), (0, 0));
        assert!(from("192.0.2.1").0.hold_document(document()).is_some());
    }

    #[test]
    fn refusals_that_repeat_what_was_sent_are_counted_and_usual_ones_are_not() {
        let all = UnsentOfAll::new(MANY);
        let shares = Arc::new(crate::shares::Shares::new(256));
        let document = |size: usize| Bytes::from(vec![b'x'; size]);
        let take = |_| shares.take("192.0.2.1".parse().unwrap()).unwrap();
        let near: Vec<_> = (0..256).map(take).collect();
        let (mut held, mut refused) = (Vec::new(), 0);
        for share in &near {
            let connection = all.of_connection(share);
            for _ in 0..128 {
                match connection.hold_document(document(3000)) {
                    Some(document) => held.push(document),
                    None => refused += 1,
                }
                assert!(connection.hold_document(document(1500)).is_some());
            }
        }
        assert!(held.len() * 3000 <= DOCUMENTS_BYTES_MAX / DOCUMENTS_SHARE, "{}", held.len());
        assert_eq!(held.len() + refused, 256 * 128);
    }
}
