//! What is computed of a body while it streams in.

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest as Crc};
use md5::Digest as _;
use md5::Md5;
use sha1::Sha1;

use crate::{ChecksumAlgorithm, ChecksumAlgorithms};

/// The MD5, which every body needs and which takes longest, so that it has a thread of its own.
#[derive(Clone, Default)]
pub(crate) struct Md5Digest(Md5);

impl Md5Digest {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> [u8; 16] {
        self.0.finalize().into()
    }

    pub(crate) fn of(bytes: &[u8]) -> [u8; 16] {
        Md5::digest(bytes).into()
    }
}

/// All the other digests that were asked for.
pub(crate) struct Checksums {
    crc32: Option<Crc>,
    crc32c: Option<Crc>,
    crc64nvme: Option<Crc>,
    sha1: Option<Sha1>,
    sha256: Option<Context>,
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
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let Self { crc32, crc32c, crc64nvme, sha1, sha256 } = self;
        for crc in [crc32, crc32c, crc64nvme].into_iter().flatten() {
            crc.update(bytes);
        }
        if let Some(sha1) = sha1 {
            sha1.update(bytes);
        }
        if let Some(sha256) = sha256 {
            sha256.update(bytes);
        }
    }

    pub(crate) fn finish(self) -> Vec<(ChecksumAlgorithm, Vec<u8>)> {
        let Self { crc32, crc32c, crc64nvme, sha1, sha256 } = self;
        let crc = |algorithm, crc: Option<Crc>| {
            crc.map(|crc| (algorithm, crc_bytes(algorithm, crc.finalize())))
        };
        [
            crc(ChecksumAlgorithm::Crc32, crc32),
            crc(ChecksumAlgorithm::Crc32c, crc32c),
            crc(ChecksumAlgorithm::Crc64Nvme, crc64nvme),
            sha1.map(|sha1| (ChecksumAlgorithm::Sha1, sha1.finalize().to_vec())),
            sha256.map(|sha256| (ChecksumAlgorithm::Sha256, sha256.finish().as_ref().to_vec())),
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
        Self { md5: Md5Digest::of(bytes), checksums: checksums.finish() }
    }

    /// The MD5.
    pub fn md5(&self) -> [u8; 16] {
        self.md5
    }

    /// The checksum in base64, where it was asked for.
    pub fn checksum(&self, algorithm: ChecksumAlgorithm) -> Option<String> {
        let (_, bytes) = self.checksums.iter().find(|(known, _)| *known == algorithm)?;
        Some(STANDARD.encode(bytes))
    }
}

/// A CRC as S3 encodes it: big-endian, as wide as the algorithm.
pub(crate) fn crc_bytes(algorithm: ChecksumAlgorithm, value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let unused = bytes.len().saturating_sub(algorithm.size_bytes());
    bytes.into_iter().skip(unused).collect()
}
