//! The part of the cache that lies on disk: what memory had no more room for, until it is overwritten by what came later.
//!
//! It is a ring of files without names, sealed by a key that only this process has: whatever happens to the process, nothing
//! is left that anybody could find or read. One thread writes. A disk that fails costs no more than what it would have held.

mod record;
mod segments;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::entry::{Entry, Slot, bytes_of};
use crate::stats::{EdgeStats, add};
use segments::{Location, Sealer, Segments};

/// How much of what memory gave up may wait to be written, in bytes. What comes while there is more is given up for good.
const PENDING_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// For how long nothing is written after a failure.
const REST: Duration = Duration::from_secs(10);
/// How many entries are read at once: each is in memory meanwhile.
const READS_MAX: usize = 32;

/// The files, and what lies where in them. Dropping it ends the thread that writes.
pub(crate) struct Disk(Arc<Shared>);

struct Shared {
    segments: Segments,
    state: Mutex<State>,
    /// Told whenever there is something to write, or nothing ever will be any more.
    work: Condvar,
    reads: Semaphore,
    stats: Arc<EdgeStats>,
}

/// Of a slot, no more than one entry counts: the latest that memory gave up. Whatever replaces it elsewhere calls
/// [`Disk::forget`], so that nothing older comes back.
#[derive(Default)]
struct State {
    index: HashMap<Slot, Location>,
    indexed_bytes: u64,
    /// What was written to each segment.
    members: Vec<Vec<Slot>>,
    pending: HashMap<Slot, Entry>,
    order: VecDeque<Slot>,
    pending_bytes: u64,
    /// What is being written; `None` beside it: it does not count any more.
    writing: Option<(Slot, Option<Entry>)>,
    /// The disk has failed a moment ago.
    rests: bool,
    is_closed: bool,
}

/// Where an entry is.
enum Place {
    Memory(Entry),
    Disk(Location),
}

impl State {
    fn place(&self, slot: &Slot) -> Option<Place> {
        let being_written = self.writing.as_ref().filter(|(written, _)| written == slot);
        let waiting = self.pending.get(slot);
        let waiting = waiting.or(being_written.and_then(|(_, entry)| entry.as_ref()));
        match waiting {
            Some(entry) => Some(Place::Memory(entry.clone())),
            None => self.index.get(slot).copied().map(Place::Disk),
        }
    }

    fn add_index(&mut self, slot: Slot, location: Location) {
        self.remove_index(&slot);
        self.indexed_bytes += location.bytes();
        self.index.insert(slot, location);
    }

    fn remove_index(&mut self, slot: &Slot) {
        if let Some(location) = self.index.remove(slot) {
            self.indexed_bytes = self.indexed_bytes.saturating_sub(location.bytes());
        }
    }

    fn forget(&mut self, slot: &Slot) {
        self.remove_index(slot);
        if let Some(entry) = self.pending.remove(slot) {
            self.pending_bytes = self.pending_bytes.saturating_sub(entry.weight());
        }
        if let Some((written, entry)) = &mut self.writing
            && written == slot
        {
            *entry = None;
        }
    }

    /// The next entry to write.
    fn next(&mut self) -> Option<(Slot, Entry)> {
        while let Some(slot) = self.order.pop_front() {
            // What was forgotten is in the order still.
            if let Some(entry) = self.pending.remove(&slot) {
                self.pending_bytes = self.pending_bytes.saturating_sub(entry.weight());
                self.writing = Some((slot, Some(entry.clone())));
                return Some((slot, entry));
            }
        }
        None
    }
}

impl Disk {
    /// A part on disk of at most so many bytes, in a folder that exists.
    pub(crate) fn new(folder: &Path, bytes: u64, stats: Arc<EdgeStats>) -> io::Result<Self> {
        let (segments, sealer) = Segments::new(folder, bytes)?;
        let state = State { members: vec![Vec::new(); segments.number()], ..State::default() };
        let shared = Arc::new(Shared {
            segments,
            state: Mutex::new(state),
            work: Condvar::new(),
            reads: Semaphore::new(READS_MAX),
            stats,
        });
        let writer = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("edge-disk".to_owned())
            .spawn(move || writer.write_all(sealer))?;
        Ok(Self(shared))
    }

    /// Takes what memory has given up.
    pub(crate) fn keep(&self, slot: Slot, entry: Entry) {
        let mut state = self.0.state();
        // It came from there and is the same still.
        if state.index.contains_key(&slot) || state.is_closed {
            return;
        }
        state.forget(&slot);
        let bytes = entry.weight();
        if state.rests || state.pending_bytes.saturating_add(bytes) > PENDING_BYTES_MAX {
            return;
        }
        state.pending_bytes += bytes;
        state.pending.insert(slot, entry);
        state.order.push_back(slot);
        drop(state);
        self.0.work.notify_one();
    }

    /// Forgets what is known of a slot: another entry is in its place now, or none is to be.
    pub(crate) fn forget(&self, slot: &Slot) {
        self.0.state().forget(slot);
    }

    pub(crate) fn has(&self, slot: &Slot) -> bool {
        self.0.state().place(slot).is_some()
    }

    /// How many bytes there is room for.
    pub(crate) fn capacity(&self) -> u64 {
        self.0.segments.capacity()
    }

    /// How many bytes the entries take that can be found.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.state().indexed_bytes
    }

    /// What memory has given up of a slot, if it is still there.
    pub(crate) async fn find(&self, slot: Slot) -> Option<Found> {
        let place = self.0.state().place(&slot)?;
        let location = match place {
            Place::Memory(entry) => return Some(Found { entry, location: None }),
            Place::Disk(location) => location,
        };
        let _turn = self.0.reads.acquire().await.ok()?;
        let shared = Arc::clone(&self.0);
        let read = tokio::task::spawn_blocking(move || shared.read(slot, location)).await;
        let entry = read.ok()??;
        add(&self.0.stats.disk_hits, 1);
        add(&self.0.stats.disk_bytes, bytes_of(entry.body_bytes()));
        Some(Found { entry, location: Some(location) })
    }

    /// Whether what was found counts still, and nothing newer has come.
    pub(crate) fn is_latest(&self, slot: &Slot, found: &Found) -> bool {
        match (self.0.state().place(slot), found.location) {
            (Some(Place::Disk(now)), Some(then)) => now == then,
            (Some(Place::Disk(_) | Place::Memory(_)), None) => true,
            (Some(Place::Memory(_)) | None, _) => false,
        }
    }
}

/// What was found on disk, or on its way there.
pub(crate) struct Found {
    pub(crate) entry: Entry,
    location: Option<Location>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, slot: Slot, location: Location) -> Option<Entry> {
        let entry = self.segments.read(&slot, location).and_then(|it| record::read(&slot, it));
        if entry.is_none() {
            // It was overwritten meanwhile, or cannot be read.
            let mut state = self.state();
            if state.index.get(&slot) == Some(&location) {
                state.remove_index(&slot);
            }
        }
        entry
    }

    /// Writes what there is to write, until the cache is dropped.
    fn write_all(&self, mut sealer: Sealer) {
        let mut text = Vec::new();
        loop {
            let mut state = self.state();
            let (slot, entry) = loop {
                if state.is_closed {
                    return;
                }
                match state.next() {
                    Some(next) => break next,
                    None => state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(state);
            text.clear();
            record::write(&entry, &mut text);
            if let Err(error) = self.write(&slot, &mut text, &mut sealer) {
                add(&self.stats.disk_failures, 1);
                tracing::warn!(%error, "the cache of distributions cannot write to its disk");
                self.rest();
            }
        }
    }

    fn write(&self, slot: &Slot, text: &mut Vec<u8>, sealer: &mut Sealer) -> io::Result<()> {
        let Some(place) = sealer.place_for(&self.segments, text.len()) else {
            self.state().writing = None;
            return Ok(());
        };
        if place.is_new_segment {
            let mut state = self.state();
            let gone = state.members.get_mut(place.segment).map(std::mem::take);
            for old in gone.into_iter().flatten() {
                let is_there = |location: &Location| location.segment() == place.segment;
                if state.index.get(&old).is_some_and(is_there) {
                    state.remove_index(&old);
                }
            }
        }
        let written = sealer.write(&self.segments, (slot, place), text);
        let mut state = self.state();
        let counts = state.writing.take().is_some_and(|(_, entry)| entry.is_some());
        let location = written?;
        if counts {
            state.add_index(*slot, location);
            if let Some(members) = state.members.get_mut(location.segment()) {
                members.push(*slot);
            }
        }
        Ok(())
    }

    /// Gives up what waits, and for a while what comes.
    fn rest(&self) {
        let mut state = self.state();
        state.rests = true;
        state.pending.clear();
        state.order.clear();
        state.pending_bytes = 0;
        let until = |state: &mut State| !state.is_closed;
        let rested = self.work.wait_timeout_while(state, REST, until);
        rested.unwrap_or_else(PoisonError::into_inner).0.rests = false;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.0.state().is_closed = true;
        self.0.work.notify_all();
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Disk").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}
