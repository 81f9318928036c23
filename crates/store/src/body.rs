//! The format of bytes at rest.

mod cipher;
mod digest;
mod rooms;

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

pub(crate) use cipher::{BlobCipher, CHUNK_BYTES, End, TAG_BYTES};
pub use digest::Digests;
pub(crate) use digest::{Checksums, crc_bytes, md5_of};
pub(crate) use rooms::{Room, Rooms};

use crate::names::parse_hex;

/// How much is hashed, encrypted, written or read at a time: four chunks.
pub(crate) const STEP_BYTES: usize = 256 * 1024;

/// The longest piece that a body is read in: four chunks.
pub const PIECE_BYTES_MAX: usize = STEP_BYTES;

/// The longest body that is kept in memory with its cached record, in bytes.
pub(crate) const RESIDENT_BYTES_MAX: u64 = 64 * 1024;

/// Whether new bodies are encrypted at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encryption {
    /// New bodies are encrypted, each under a key of its own, which the master key seals.
    On,
    /// New bodies are plain bytes.
    Off,
}

/// How a body is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AtRest {
    /// The body is plain bytes.
    Plain,
    /// Encrypted with AES-256-GCM.
    Aes256,
    /// Encrypted with AES-256-GCM; the key opens only with one that a customer sends along (SSE-C).
    CustomerKey,
}

/// The opaque name of a blob.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BlobId([u8; 16]);

impl BlobId {
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) fn from_parts(first: u8, rest: [u8; 15]) -> Self {
        let mut bytes = [first; 16];
        bytes.iter_mut().skip(1).zip(rest).for_each(|(to, from)| *to = from);
        Self(bytes)
    }

    /// Reads the 32 hex digits that it prints as.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        parse_hex(text).map(Self)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(crate) fn first_byte(self) -> u8 {
        let [first, ..] = self.0;
        first
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

/// Bytes at rest: which, how many in plain, and the key that opens them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) id: BlobId,
    pub(crate) size: u64,
    /// The key that encrypts the bytes, itself sealed; `None`: the bytes are plain.
    pub(crate) sealed_key: Option<SealedKey>,
}

/// The key of a blob, and under which other key it is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SealedKey {
    /// Sealed by the master key alone.
    Master(Box<[u8]>),
    /// Sealed by the key that a customer sends along, together with the master key.
    Customer(Box<[u8]>),
}

impl Blob {
    pub(crate) fn at_rest(&self) -> AtRest {
        match self.sealed_key {
            None => AtRest::Plain,
            Some(SealedKey::Master(_)) => AtRest::Aes256,
            Some(SealedKey::Customer(_)) => AtRest::CustomerKey,
        }
    }
}

/// Some bytes of a file, which stay as they are for as long as it is open.
#[derive(Clone, Debug)]
pub struct FileRange {
    /// The open file.
    pub file: Arc<File>,
    /// Which bytes of the file.
    pub range: Range<u64>,
}

/// Where the bytes of an object are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// Beside its record, and in memory whenever the record is.
    Row(Blob),
    /// In the files of these blobs, one after the other.
    Files(Vec<Blob>),
}

impl Body {
    pub(crate) fn blobs(&self) -> &[Blob] {
        match self {
            Self::Row(blob) => std::slice::from_ref(blob),
            Self::Files(blobs) => blobs,
        }
    }

    /// Encrypted, if all of it is; a customer's key is needed, if it is for any of it.
    pub(crate) fn at_rest(&self) -> AtRest {
        let any = |at_rest| self.blobs().iter().any(|blob| blob.at_rest() == at_rest);
        if any(AtRest::CustomerKey) {
            AtRest::CustomerKey
        } else if any(AtRest::Plain) {
            AtRest::Plain
        } else {
            AtRest::Aes256
        }
    }
}

/// Whether the plain bytes may stay in memory with a cached record, which then weighs as much more.
/// Those under a customer's key may not: they are for whoever shows it, each time.
pub(crate) fn may_be_resident(body: &Body, size: u64) -> bool {
    let small = size <= RESIDENT_BYTES_MAX && body.blobs().len() <= 1;
    small && body.at_rest() != AtRest::CustomerKey
}
