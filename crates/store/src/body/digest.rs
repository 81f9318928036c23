//! What is computed of a body while it streams in.

use std::hash::Hasher as _;

use aws_lc_rs::digest::{Context, SHA256, SHA512};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest as Crc};
use md5::Digest as _;
use md5::Md5;
use sha1::Sha1;
use twox_hash::{XxHash3_64, XxHash3_128, XxHash64};

use crate::{ChecksumAlgorithm, ChecksumAlgorithms};

/// All the other digests that were asked for. A checksum by MD5 is the one that every body has.
pub(crate) struct Checksums {
    crc32: Option<Crc>,
    crc32c: Option<Crc>,
    crc64nvme: Option<Crc>,
    sha1: Option<Sha1>,
    sha256: Option<Context>,
    sha512: Option<Context>,
    xxhash64: Option<XxHash64>,
    xxhash3: Option<XxHash3_64>,
    xxhash128: Option<XxHash3_128>,
}

impl Checksums {
    pub(crate) fn new(algorithms: ChecksumAlgorithms) -> Self {
        let wanted = |algorithm| algorithms.contains(algorithm).then_some(());
        let crc = |algorithm, by| wanted(algorithm).map(|()| Crc::new(by));
        Self {
            crc32: crc(ChecksumAlgorithm::Crc32, CrcAlgorithm::Crc32IsoHdlc),
            crc32c: crc(ChecksumAlgorithm::Crc32c, CrcAlgorithm::Crc32Iscsi),
            crc64nvme: crc(ChecksumAlgorithm::Crc64Nvme, CrcAlgorithm::Crc64Nvme),
            sha1: wanted(ChecksumAlgorithm::Sha1).map(|()| Sha1::new()),
            sha256: wanted(ChecksumAlgorithm::Sha256).map(|()| Context::new(&SHA256)),
            sha512: wanted(ChecksumAlgorithm::Sha512).map(|()| Context::new(&SHA512)),
            xxhash64: wanted(ChecksumAlgorithm::Xxhash64).map(|()| XxHash64::with_seed(0)),
            xxhash3: wanted(ChecksumAlgorithm::Xxhash3).map(|()| XxHash3_64::new()),
            xxhash128: wanted(ChecksumAlgorithm::Xxhash128).map(|()| XxHash3_128::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let Self { crc32, crc32c, crc64nvme, sha1, sha256, sha512, xxhash64, xxhash3, xxhash128 } =
            self;
        for crc in [crc32, crc32c, crc64nvme].into_iter().flatten() {
            crc.update(bytes);
        }
        if let Some(sha1) = sha1 {
            sha1.update(bytes);
        }
        for sha in [sha256, sha512].into_iter().flatten() {
            sha.update(bytes);
        }
        if let Some(xxhash64) = xxhash64 {
            xxhash64.write(bytes);
        }
        if let Some(xxhash3) = xxhash3 {
            xxhash3.write(bytes);
        }
        if let Some(xxhash128) = xxhash128 {
            xxhash128.write(bytes);
        }
    }

    pub(crate) fn finish(self) -> Vec<(ChecksumAlgorithm, Vec<u8>)> {
        let Self { crc32, crc32c, crc64nvme, sha1, sha256, sha512, xxhash64, xxhash3, xxhash128 } =
            self;
        let sha = |algorithm, sha: Option<Context>| {
            sha.map(|sha| (algorithm, sha.finish().as_ref().to_vec()))
        };
        let word = |algorithm, value: Option<u64>| {
            value.map(|value| (algorithm, value.to_be_bytes().to_vec()))
        };
        let crc = |algorithm, crc: Option<Crc>| {
            crc.map(|crc| (algorithm, crc_bytes(algorithm, crc.finalize())))
        };
        [
            crc(ChecksumAlgorithm::Crc32, crc32),
            crc(ChecksumAlgorithm::Crc32c, crc32c),
            crc(ChecksumAlgorithm::Crc64Nvme, crc64nvme),
            sha1.map(|sha1| (ChecksumAlgorithm::Sha1, sha1.finalize().to_vec())),
            sha(ChecksumAlgorithm::Sha256, sha256),
            sha(ChecksumAlgorithm::Sha512, sha512),
            word(ChecksumAlgorithm::Xxhash64, xxhash64.map(|xxhash64| xxhash64.finish())),
            word(ChecksumAlgorithm::Xxhash3, xxhash3.map(|xxhash3| xxhash3.finish())),
            xxhash128.map(|xxhash128| {
                (ChecksumAlgorithm::Xxhash128, xxhash128.finish_128().to_be_bytes().to_vec())
            }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// The digests of bytes that are all in memory.
#[derive(Clone, Debug)]
pub struct Digests {
    md5: [u8; 16],
    checksums: Vec<(ChecksumAlgorithm, Vec<u8>)>,
}

impl Digests {
    /// The MD5, and whatever else is asked for.
    pub fn of(bytes: &[u8], algorithms: ChecksumAlgorithms) -> Self {
        let mut checksums = Checksums::new(algorithms);
        checksums.update(bytes);
        Self { md5: md5_of(bytes), checksums: checksums.finish() }
    }

    /// The MD5 of the bytes.
    pub fn md5(&self) -> [u8; 16] {
        self.md5
    }

    /// The checksum in base64, where it was asked for.
    pub fn checksum(&self, algorithm: ChecksumAlgorithm) -> Option<String> {
        self.raw(algorithm).map(|raw| STANDARD.encode(raw))
    }

    /// A digest in bytes, if it was computed.
    pub(crate) fn raw(&self, algorithm: ChecksumAlgorithm) -> Option<Vec<u8>> {
        if algorithm == ChecksumAlgorithm::Md5 {
            return Some(self.md5.to_vec());
        }
        let found = self.checksums.iter().find(|(known, _)| *known == algorithm);
        found.map(|(_, raw)| raw.clone())
    }
}

/// The MD5 of bytes that are all in memory.
pub(crate) fn md5_of(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

/// A CRC as S3 encodes it: big-endian, as wide as the algorithm.
pub(crate) fn crc_bytes(algorithm: ChecksumAlgorithm, value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let unused = bytes.len().saturating_sub(algorithm.size_bytes());
    bytes.into_iter().skip(unused).collect()
}
