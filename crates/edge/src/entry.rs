//! What is kept: heads with small bodies, and pieces of large ones.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::compress::Coding;
use crate::freshness::Freshness;

/// How large the pieces are in which bodies are kept, in bytes.
pub const CHUNK_BYTES: u64 = 64 * 1024;

/// Room for an entry's own fields and its place in the tables, in bytes.
const ENTRY_BYTES: u64 = 256;
/// The same for each header.
const HEADER_BYTES: u64 = 96;

/// Names a resource in the form in which it is cached: a digest over all that makes its answer another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceKey(pub [u8; 32]);

/// The head of an answer, and its body if that is small.
#[derive(Debug)]
pub(crate) struct StoredHead {
    /// The resource that it is of.
    pub(crate) key: ResourceKey,
    /// Names this body: its pieces are found by it, and no other body's ever.
    pub(crate) version: u64,
    pub(crate) status: StatusCode,
    /// As the origin sent them, without those that say how the answer was sent.
    pub(crate) headers: HeaderMap,
    /// The length of the whole body, in bytes.
    pub(crate) length: u64,
    /// How the origin names the body, which is compressed here under a name of its own.
    pub(crate) origin_etag: Option<HeaderValue>,
    /// How the body was compressed here; `None`: it is as the origin sends it.
    pub(crate) coding: Option<Coding>,
    /// The body, if it is no longer than a piece.
    pub(crate) body: Option<Bytes>,
    /// When the origin gave or confirmed the answer, in milliseconds since 1970.
    pub(crate) confirmed_ms: u64,
    pub(crate) freshness: Freshness,
}

impl StoredHead {
    /// The same body under a head of a later time.
    pub(crate) fn again(
        &self,
        headers: HeaderMap,
        (confirmed_ms, freshness): (u64, Freshness),
    ) -> Self {
        Self {
            key: self.key,
            version: self.version,
            status: self.status,
            headers,
            length: self.length,
            origin_etag: self.origin_etag.clone(),
            coding: self.coding,
            body: self.body.clone(),
            confirmed_ms,
            freshness,
        }
    }

    fn weight(&self) -> u64 {
        let headers = self.headers.iter().map(|(name, value)| {
            HEADER_BYTES + bytes_of(name.as_str().len()) + bytes_of(value.len())
        });
        let body = self.body.as_ref().map_or(0, |body| bytes_of(body.len()));
        ENTRY_BYTES + headers.sum::<u64>() + body
    }
}

pub(crate) fn bytes_of(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// The number of the piece that holds a byte.
pub(crate) fn chunk_at(position: u64) -> u64 {
    position / CHUNK_BYTES
}

/// Names an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Slot {
    Head(ResourceKey),
    /// A piece of the body of a version.
    Chunk(u64, u64),
}

impl Slot {
    /// The bytes of the name; no other slot has the same.
    pub(crate) fn to_bytes(self) -> [u8; 33] {
        let mut bytes = [0; 33];
        let (kind, name) = match self {
            Self::Head(ResourceKey(key)) => (1, key),
            Self::Chunk(version, number) => {
                let mut name = [0; 32];
                let numbers = version.to_be_bytes().into_iter().chain(number.to_be_bytes());
                name.iter_mut().zip(numbers).for_each(|(to, from)| *to = from);
                (2, name)
            }
        };
        bytes.iter_mut().zip(std::iter::once(kind).chain(name)).for_each(|(to, from)| *to = from);
        bytes
    }
}

/// What is kept in a place.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Head(Arc<StoredHead>),
    Chunk(Bytes),
}

impl Entry {
    /// How much of a body it holds, in bytes.
    pub(crate) fn body_bytes(&self) -> usize {
        match self {
            Self::Head(head) => head.body.as_ref().map_or(0, Bytes::len),
            Self::Chunk(chunk) => chunk.len(),
        }
    }

    /// Whether both are the very same entry.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Head(one), Self::Head(other)) => Arc::ptr_eq(one, other),
            (Self::Chunk(one), Self::Chunk(other)) => one.as_ptr() == other.as_ptr(),
            (Self::Head(_), Self::Chunk(_)) | (Self::Chunk(_), Self::Head(_)) => false,
        }
    }

    /// How much room it takes, in bytes.
    pub(crate) fn weight(&self) -> u64 {
        match self {
            Self::Head(head) => head.weight(),
            Self::Chunk(chunk) => ENTRY_BYTES + bytes_of(chunk.len()),
        }
    }
}

/// Weighs entries in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Weighter;

impl quick_cache::Weighter<Slot, Entry> for Weighter {
    fn weight(&self, _slot: &Slot, entry: &Entry) -> u64 {
        entry.weight()
    }
}
