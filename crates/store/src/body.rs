//! The format of bytes at rest: staged in, read out.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::{ChecksumAlgorithm, ChecksumAlgorithms, StoreError};

/// Whether new bodies are encrypted at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encryption {
    /// Each under a key of its own, sealed by the master key.
    On,
    /// Plain bytes.
    Off,
}

/// How a body is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AtRest {
    /// As it is.
    Plain,
    /// Encrypted with AES-256-GCM.
    Aes256,
}

/// Where a body is.
#[derive(Debug)]
pub(crate) struct Body;

/// A body about to come in.
#[derive(Clone, Copy, Debug, Default)]
pub struct StageSpec {
    /// How long it will be, in bytes, if that was announced: a full disk then shows early.
    pub size_hint: Option<u64>,
    /// How to keep it; `None`: as the store does by default.
    pub encryption: Option<Encryption>,
    /// Which checksums to compute.
    pub checksums: ChecksumAlgorithms,
    /// Whether to compute the SHA-256 that `x-amz-content-sha256` is compared with.
    pub sha256: bool,
}

/// A body that is coming in. Dropped, it is discarded.
#[derive(Debug)]
pub struct BodyStage;

impl BodyStage {
    /// Takes the next bytes. Waits while the disk is slower than the sender.
    pub async fn write(&mut self, _bytes: Bytes) -> Result<(), StoreError> {
        todo!()
    }

    /// Ends the body: it is on stable storage, though no record points at it yet.
    pub async fn finish(self) -> Result<StagedBody, StoreError> {
        todo!()
    }
}

/// A whole body on stable storage that no record points at yet. Dropped, it is discarded.
#[derive(Debug)]
pub struct StagedBody;

impl StagedBody {
    /// Its length, in bytes.
    pub fn size(&self) -> u64 {
        todo!()
    }

    /// Its MD5.
    pub fn md5(&self) -> [u8; 16] {
        todo!()
    }

    /// Its SHA-256, if the specification asked for it.
    pub fn sha256(&self) -> Option<[u8; 32]> {
        todo!()
    }

    /// Its checksum in base64, if the specification asked for that algorithm.
    pub fn checksum(&self, _algorithm: ChecksumAlgorithm) -> Option<String> {
        todo!()
    }

    /// How it is kept.
    pub fn at_rest(&self) -> AtRest {
        todo!()
    }
}

/// Streams a range of a body, in pieces of 256 KiB or so. It completes even if the object is deleted
/// meanwhile.
#[derive(Debug)]
pub struct BodyReader(Arc<()>);

impl BodyReader {
    /// The next bytes; `None` at the end of the range. After an error there is nothing more.
    pub async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// As [`next`](Self::next), for a body type to poll.
    pub fn poll_next(
        &mut self,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, StoreError>>> {
        todo!()
    }

    /// How many bytes are still to come.
    pub fn remaining(&self) -> u64 {
        todo!()
    }
}
