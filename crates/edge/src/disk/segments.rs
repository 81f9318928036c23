//! The files of the ring, and how records are sealed in them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand;
use bytes::Bytes;

use crate::entry::{Slot, bytes_of};

/// How many files the ring has: the space of one is given up at a time.
const SEGMENTS: u64 = 16;
/// How much longer a record is once it is sealed.
const TAG_BYTES: usize = 16;

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Location {
    segment: usize,
    offset: u64,
    length: usize,
    /// The number of the record, which no other has: its nonce.
    number: u64,
}

impl Location {
    pub(super) fn segment(&self) -> usize {
        self.segment
    }

    pub(super) fn bytes(&self) -> u64 {
        bytes_of(self.length)
    }
}

/// The files, and the key that seals them, which lives as long as they do.
pub(super) struct Segments {
    files: Vec<File>,
    bytes: u64,
    key: LessSafeKey,
}

/// Where the next record goes.
pub(super) struct Sealer {
    segment: usize,
    offset: u64,
    number: u64,
}

/// Room for one record.
#[derive(Clone, Copy)]
pub(super) struct Room {
    pub(super) segment: usize,
    /// What lies in the segment is overwritten from now on.
    pub(super) is_new_segment: bool,
    offset: u64,
}

impl Segments {
    /// Makes files without names, of so many bytes together, in a folder.
    pub(super) fn new(folder: &Path, bytes: u64) -> io::Result<(Self, Sealer)> {
        let failed = |_| io::Error::other("there is no randomness for the key of the cache");
        let mut secret = zeroize::Zeroizing::new([0; 32]);
        rand::fill(&mut *secret).map_err(failed)?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*secret).map_err(failed)?);
        let files = (0..SEGMENTS).map(|_| tempfile::tempfile_in(folder));
        let files = files.collect::<io::Result<_>>()?;
        let segments = Self { files, bytes: bytes / SEGMENTS, key };
        Ok((segments, Sealer { segment: 0, offset: 0, number: 0 }))
    }

    pub(super) fn number(&self) -> usize {
        self.files.len()
    }

    pub(super) fn capacity(&self) -> u64 {
        self.bytes.saturating_mul(bytes_of(self.files.len()))
    }

    /// Reads a record. `None`: another one is in its place, or the disk fails.
    pub(super) fn read(&self, slot: &Slot, location: Location) -> Option<Bytes> {
        let Location { segment, offset, length, number } = location;
        let mut sealed = vec![0; length];
        self.files.get(segment)?.read_exact_at(&mut sealed, offset).ok()?;
        let text = self.key.open_in_place(nonce(number), Aad::from(slot.to_bytes()), &mut sealed);
        let length = text.ok()?.len();
        Some(Bytes::from(sealed).slice(..length))
    }
}

impl Sealer {
    /// Room for a text of so many bytes; `None`: there is none in any segment.
    pub(super) fn place_for(&mut self, segments: &Segments, length: usize) -> Option<Room> {
        let wanted = bytes_of(length.saturating_add(TAG_BYTES));
        if wanted > segments.bytes {
            return None;
        }
        let fits = self.offset.saturating_add(wanted) <= segments.bytes;
        if !fits {
            self.segment = (self.segment + 1) % segments.files.len().max(1);
            self.offset = 0;
        }
        Some(Room { segment: self.segment, is_new_segment: !fits, offset: self.offset })
    }

    /// Seals a text in its place, and writes it.
    pub(super) fn write(
        &mut self,
        segments: &Segments,
        (slot, room): (&Slot, Room),
        text: &mut Vec<u8>,
    ) -> io::Result<Location> {
        let number = self.number;
        self.number += 1;
        let failed = |_| io::Error::other("a record could not be sealed");
        let aad = Aad::from(slot.to_bytes());
        segments.key.seal_in_place_append_tag(nonce(number), aad, text).map_err(failed)?;
        let Room { segment, offset, .. } = room;
        let file = segments.files.get(segment).ok_or_else(|| io::Error::other("no segment"))?;
        file.write_all_at(text, offset)?;
        self.offset = offset.saturating_add(bytes_of(text.len()));
        Ok(Location { segment, offset, length: text.len(), number })
    }
}

/// The number of a record, which is used once under a key.
fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes.iter_mut().skip(4).zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
    Nonce::assume_unique_for_key(bytes)
}
