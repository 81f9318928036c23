//! Bounds the memory of answers that clients have not taken yet: one bound for the whole process, and for each
//! connection a share of what is still free.
//!
//! hyper asks a body for its next piece before it knows whether the client takes it. So a stream that stalls
//! always holds one piece in memory; this module decides how long that piece may be. The more is held, the
//! shorter pieces become. Every connection may always hold a little ([`OWN_BYTES`]), and a stream for which
//! nothing is left goes on in crumbs ([`CRUMB_BYTES`]).
//!
//! Example: when nothing else is held, the first piece has full length ([`PIECE_BYTES_MAX`]). When the process
//! holds nearly all it may, a new connection still gets two pieces of 32 KiB, and then crumbs of 2 KiB.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use store::PIECE_BYTES_MAX;

use crate::shares::Share;

/// The bound of the whole process, in pieces of full length. A piece of full length keeps a file open, a
/// shorter one does not.
const PIECES_MAX: usize = 256;
/// One connection may hold this fraction (1/32) of what is free in the process: two megabytes when nothing is
/// held.
const PIECES_SHARE: usize = 32;
/// One piece may be this fraction (1/4) of what its connection may still hold, so that later streams of the
/// connection get some as well.
const PIECE_SHARE: usize = 4;
/// What every connection may hold, whatever the others hold: two pieces, one being read while the other is
/// sent.
const OWN_BYTES: usize = 2 * OWN_PIECE_BYTES;
/// The longest piece of [`OWN_BYTES`].
const OWN_PIECE_BYTES: usize = 32 * 1024;
/// A piece this short is not counted. Every stream may hold one at any time, so that none starves.
const CRUMB_BYTES: usize = 2 * 1024;
/// The bound of the whole process for answers that are made whole, such as listings.
const DOCUMENTS_BYTES_MAX: usize = 256 * 1024 * 1024;
/// One address may hold this fraction (1/32) of what is free in that bound: eight megabytes when nothing is
/// held. No answer is longer.
const DOCUMENTS_SHARE: usize = 32;
/// A whole answer this short is not counted, so most refusals are not.
const DOCUMENT_BYTES_FREE: usize = 2 * 1024;

/// The bounds of the whole process, and what is held against them.
#[derive(Clone, Debug)]
pub(crate) struct UnsentOfAll {
    pieces: Arc<Bound>,
    documents: Arc<Bound>,
}

impl UnsentOfAll {
    /// Also bounds the open files: no more than `files_max` pieces of full length exist at once.
    pub(crate) fn new(files_max: usize) -> Self {
        let pieces = PIECES_MAX.min(files_max).saturating_mul(PIECE_BYTES_MAX);
        let bound = |most, share| Arc::new(Bound { most, share, held: AtomicUsize::new(0) });
        Self {
            pieces: bound(pieces, PIECES_SHARE),
            documents: bound(DOCUMENTS_BYTES_MAX, DOCUMENTS_SHARE),
        }
    }

    /// The bounds of a new connection. Pieces of bodies are counted for the connection alone, whole answers for
    /// all connections of its address together.
    pub(crate) fn of_connection(&self, share: &Share) -> Unsent {
        let (pieces, documents) = (Arc::clone(&self.pieces), Arc::clone(&self.documents));
        Unsent {
            pieces: Portion { bound: pieces, held: Arc::default() },
            documents: Portion { bound: documents, held: share.documents() },
        }
    }

    /// The same, with another bound for whole answers.
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

/// What one connection holds, and how much more it may hold.
#[derive(Clone, Debug)]
pub(crate) struct Unsent {
    pieces: Portion,
    documents: Portion,
}

impl Unsent {
    /// Room for the next piece of a body of which `remaining` bytes are left to send; `None` if there is room
    /// for a crumb only.
    pub(crate) fn room_for_piece(&self, remaining: u64) -> Option<Held> {
        let wanted = usize::try_from(remaining).unwrap_or(usize::MAX).min(PIECE_BYTES_MAX);
        let most = self.pieces.free() / PIECE_SHARE;
        // Rounded down to a power of two, as encrypted chunks have such lengths.
        let most = most.checked_ilog2().map_or(0, |power| 1_usize << power);
        let own = OWN_BYTES.saturating_sub(self.pieces.held()) >= OWN_PIECE_BYTES;
        if own && most < OWN_PIECE_BYTES {
            return counted(wanted.min(OWN_PIECE_BYTES)).map(|bytes| self.pieces.hold_own(bytes));
        }
        counted(wanted.min(most)).and_then(|bytes| self.pieces.hold(bytes))
    }

    /// Counts a whole answer until it has been sent. `None`: the connections of its address hold too many bytes
    /// already.
    pub(crate) fn hold_document(&self, document: Bytes) -> Option<Bytes> {
        let size = document.len();
        if size <= DOCUMENT_BYTES_FREE {
            return Some(document);
        }
        let room = (size <= self.documents.free()).then(|| self.documents.hold(size)).flatten();
        room.map(|held| held.with(document))
    }
}

/// The length to count; `None` for a crumb, which is not counted.
fn counted(bytes: usize) -> Option<usize> {
    (bytes > CRUMB_BYTES).then_some(bytes)
}

/// How long the next piece may be, given the room found for it.
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
    /// How many more bytes the connection may hold.
    fn free(&self) -> usize {
        let Bound { most, share, held } = &*self.bound;
        let free_of_all = most.saturating_sub(held.load(Ordering::Relaxed));
        (free_of_all / share).saturating_sub(self.held())
    }

    fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Takes room for so many bytes. Even if many connections take at once, the bound is never exceeded.
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

/// Bytes counted as held, until this value is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    portion: Portion,
    bytes: usize,
}

impl Held {
    /// Ties the count to the bytes: it is given back when the last clone or slice of them is dropped.
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
        // Another connection has room of its own, and what was given back is free again.
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
