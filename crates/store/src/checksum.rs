//! The ten S3 checksums: which there are, sets of them, and one as it is stored.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;

use crate::body::{Digests, crc_bytes};

/// An algorithm of the `x-amz-checksum-*` headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO HDLC).
    Crc32,
    /// CRC-32C, that of Castagnoli.
    Crc32c,
    /// CRC-64 of the NVM Express standard.
    Crc64Nvme,
    /// SHA-1 (FIPS 180-4).
    Sha1,
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// SHA-512 (FIPS 180-4).
    Sha512,
    /// MD5 (RFC 1321).
    Md5,
    /// xxHash, 64 bits.
    Xxhash64,
    /// XXH3, 64 bits.
    Xxhash3,
    /// XXH3, 128 bits.
    Xxhash128,
}

impl ChecksumAlgorithm {
    /// Every algorithm there is.
    pub const ALL: [Self; 10] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
        Self::Md5,
        Self::Xxhash64,
        Self::Xxhash3,
        Self::Xxhash128,
    ];

    /// The length of a raw checksum, in bytes.
    pub fn size_bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme | Self::Xxhash64 | Self::Xxhash3 => 8,
            Self::Md5 | Self::Xxhash128 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Whether an upload in parts may have a checksum of this algorithm and type: that of a whole
    /// object can be had from those of its parts for CRCs alone, and CRC-64/NVME has no other.
    pub fn has(self, kind: ChecksumType) -> bool {
        match self {
            Self::Crc32 | Self::Crc32c => true,
            Self::Crc64Nvme => kind == ChecksumType::FullObject,
            Self::Sha1
            | Self::Sha256
            | Self::Sha512
            | Self::Md5
            | Self::Xxhash64
            | Self::Xxhash3
            | Self::Xxhash128 => kind == ChecksumType::Composite,
        }
    }

    fn bit(self) -> u16 {
        match self {
            Self::Crc32 => 1,
            Self::Crc32c => 2,
            Self::Crc64Nvme => 4,
            Self::Sha1 => 8,
            Self::Sha256 => 16,
            Self::Sha512 => 32,
            Self::Md5 => 64,
            Self::Xxhash64 => 128,
            Self::Xxhash3 => 256,
            Self::Xxhash128 => 512,
        }
    }
}

/// A set of algorithms: what to compute while a body streams in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChecksumAlgorithms(u16);

impl ChecksumAlgorithms {
    /// The set that holds no algorithm.
    pub const NONE: Self = Self(0);

    /// This set, with `algorithm` in it too.
    #[must_use]
    pub fn with(self, algorithm: ChecksumAlgorithm) -> Self {
        Self(self.0 | algorithm.bit())
    }

    /// Whether `algorithm` is in the set.
    pub fn contains(self, algorithm: ChecksumAlgorithm) -> bool {
        self.0 & algorithm.bit() != 0
    }
}

impl FromIterator<ChecksumAlgorithm> for ChecksumAlgorithms {
    fn from_iter<I: IntoIterator<Item = ChecksumAlgorithm>>(algorithms: I) -> Self {
        algorithms.into_iter().fold(Self::NONE, Self::with)
    }
}

impl From<ChecksumAlgorithm> for ChecksumAlgorithms {
    fn from(algorithm: ChecksumAlgorithm) -> Self {
        Self::NONE.with(algorithm)
    }
}

/// What a checksum is taken over (`x-amz-checksum-type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChecksumType {
    /// The bytes of the whole object.
    FullObject,
    /// The raw checksums of the parts, one after the other.
    Composite,
}

/// A checksum as it is kept and answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChecksum {
    /// The algorithm that made the checksum.
    pub algorithm: ChecksumAlgorithm,
    /// Whether it is over the whole object or over the checksums of its parts.
    pub kind: ChecksumType,
    /// Base64; a composite one ends with a hyphen and the count of parts.
    pub value: String,
}

/// The checksum of an upload, from those of its parts in order: raw bytes and length of each.
/// `None`: a part lacks it, has one of another length, or the kind does not exist (a SHA of a full
/// object cannot be had from its parts).
pub(crate) fn of_parts<'a>(
    algorithm: ChecksumAlgorithm,
    kind: ChecksumType,
    parts: impl Iterator<Item = (Option<&'a str>, u64)>,
) -> Option<StoredChecksum> {
    let mut count = 0_usize;
    let parts = parts.map(|(value, size)| {
        count += 1;
        let raw = STANDARD.decode(value?).ok()?;
        (raw.len() == algorithm.size_bytes()).then_some((raw, size))
    });
    let raw = match kind {
        ChecksumType::Composite => composite(algorithm, parts)?,
        ChecksumType::FullObject => full_object(algorithm, parts)?,
    };
    let value = STANDARD.encode(raw);
    let value = match kind {
        ChecksumType::Composite => format!("{value}-{count}"),
        ChecksumType::FullObject => value,
    };
    Some(StoredChecksum { algorithm, kind, value })
}

fn composite(
    algorithm: ChecksumAlgorithm,
    parts: impl Iterator<Item = Option<(Vec<u8>, u64)>>,
) -> Option<Vec<u8>> {
    let raw = parts.map(|part| part.map(|(raw, _)| raw)).collect::<Option<Vec<_>>>()?;
    Digests::of(&raw.concat(), algorithm.into()).raw(algorithm)
}

fn full_object(
    algorithm: ChecksumAlgorithm,
    parts: impl Iterator<Item = Option<(Vec<u8>, u64)>>,
) -> Option<Vec<u8>> {
    let crc = match algorithm {
        ChecksumAlgorithm::Crc32 => CrcAlgorithm::Crc32IsoHdlc,
        ChecksumAlgorithm::Crc32c => CrcAlgorithm::Crc32Iscsi,
        ChecksumAlgorithm::Crc64Nvme => CrcAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1
        | ChecksumAlgorithm::Sha256
        | ChecksumAlgorithm::Sha512
        | ChecksumAlgorithm::Md5
        | ChecksumAlgorithm::Xxhash64
        | ChecksumAlgorithm::Xxhash3
        | ChecksumAlgorithm::Xxhash128 => return None,
    };
    let mut whole = None;
    for part in parts {
        let (raw, size) = part?;
        let value = raw.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        whole = Some(match whole {
            None => value,
            Some(before) => crc_fast::checksum_combine(crc, before, value, size),
        });
    }
    whole.map(|value| crc_bytes(algorithm, value))
}
