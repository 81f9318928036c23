//! How a body that does not stay in memory gets to its file.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

use super::md5::Md5Digest;
use super::workers::{Worker, Workers};
use crate::backend::{BlobWriter, StagedFile, Unpublished};
use crate::body::{Blob, BlobCipher, CHUNK_BYTES, Checksums, End};
use crate::engines::EngineWriter;
use crate::{ChecksumAlgorithm, StoreError};

/// A large body on its way: hashed, sealed and written, by one worker or by two.
pub(super) struct Pipeline {
    pub(super) writer: EngineWriter,
    pub(super) cipher: Option<Arc<BlobCipher>>,
    pub(super) blob: Blob,
    pub(super) unpublished: Unpublished,
    pub(super) intent: JoinHandle<Result<(), StoreError>>,
    pub(super) md5: Md5Digest,
    pub(super) checksums: Checksums,
    pub(super) workers: Arc<Workers>,
    /// What the last step was received in, to receive another in.
    pub(super) room: BytesMut,
}

type Finished = (StagedFile, [u8; 16], Vec<(ChecksumAlgorithm, Vec<u8>)>);

impl Pipeline {
    /// Takes the next whole chunks; the last of them may be short at the end.
    pub(super) async fn step(self, bytes: Bytes, end: End) -> Result<Self, StoreError> {
        let Self { writer, cipher, mut blob, unpublished, intent, md5, checksums, workers, .. } =
            self;
        let first = blob.size / CHUNK_BYTES;
        blob.size = blob.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        // Whoever is at work meanwhile may make it along with its own.
        let hashing = workers.hashings.ask(md5, bytes.clone());
        let worker = workers.one().await.ok_or(StoreError::Closed)?;
        // By itself it takes as long as all the rest: with somebody to spare, it is made beside it.
        let beside = workers.another().map(|second| hashing.make_beside(second));
        let make = move || {
            if beside.is_none() {
                hashing.make();
            }
            let mut checksums = checksums;
            checksums.update(&bytes);
            let stored = Stored::of(&bytes, worker, cipher.as_deref(), first, end)?;
            Ok((stored, (hashing, checksums, cipher, bytes)))
        };
        let (writer, (hashing, checksums, cipher, bytes)) = writer.append(make).await?;
        let md5 = hashing.done().await?;
        let mut room = bytes.try_into_mut().unwrap_or_default();
        room.clear();
        Ok(Self { writer, cipher, blob, unpublished, intent, md5, checksums, workers, room })
    }

    /// Bytes first: the intent is durable before there is a file that nothing else tells of.
    pub(super) async fn finish(self) -> Result<Finished, StoreError> {
        let Self { writer, blob, unpublished, intent, md5, checksums, .. } = self;
        intent.await.unwrap_or(Err(StoreError::Closed))?;
        writer.finish().await?;
        Ok((StagedFile { blob, unpublished }, md5.finish(), checksums.finish()))
    }
}

/// The bytes of a step as they are stored, until they are written.
enum Stored {
    Plain(Bytes, Worker),
    /// The sealed bytes lie in the worker's room.
    Sealed(Worker),
}

impl Stored {
    fn of(
        plain: &Bytes,
        mut worker: Worker,
        cipher: Option<&BlobCipher>,
        first: u64,
        end: End,
    ) -> Result<Self, StoreError> {
        let Some(cipher) = cipher else { return Ok(Self::Plain(plain.clone(), worker)) };
        cipher.seal_into(&mut worker.room, plain, first, end)?;
        Ok(Self::Sealed(worker))
    }
}

impl AsRef<[u8]> for Stored {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Plain(bytes, _worker) => bytes,
            Self::Sealed(worker) => &worker.room,
        }
    }
}
