//! Takes a body in: small ones in memory, others through a pipeline to a file of their own.

mod hashing;
mod md5;
mod pipeline;
mod workers;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use iam::CustomerKey;
use jiff::Timestamp;
use tokio::task::JoinHandle;

use crate::backend::metadata::garbage::GarbageRecords as _;
use crate::backend::metadata::objects::NewBody;
use crate::backend::{Abandoned, Blobs, StagedFile, Unpublished};
use crate::body::{
    AtRest, Blob, BlobCipher, BlobId, CHUNK_BYTES, Checksums, Encryption, End, STEP_BYTES,
    TAG_BYTES, md5_of,
};
use crate::engines::{BlobsEngine, MetadataEngine};
use crate::vault::{NewCipher, Vault, random};
use crate::{ChecksumAlgorithm, ChecksumAlgorithms, ETag, StoreError};
use md5::Md5Digest;
use pipeline::Pipeline;
pub(crate) use workers::Workers;

/// The longest body that is kept beside its record, in bytes. One fsync instead of three, and no
/// thread but the committing one.
const INLINE_BYTES_MAX: usize = 16 * 1024;
/// Among many bodies that come in a step is less than [`STEP_BYTES`]: their share of so much memory, but never less than a
/// chunk.
const STAGES_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Up to so many bodies that come in, the next step of one is received while the last is worked on.
const FEW_STAGES: usize = 32;

/// A body about to come in.
#[derive(Clone, Debug, Default)]
pub struct StageSpec {
    /// How long it will be, in bytes, if that was announced: a full disk then shows early.
    pub size_hint: Option<u64>,
    /// How to keep it; `None`: as the store does by default.
    pub encryption: Option<Encryption>,
    /// A key of the customer's own that it takes to read it, and which is not kept.
    pub customer_key: Option<CustomerKey>,
    /// The checksums to compute while the body comes.
    pub checksums: ChecksumAlgorithms,
    /// Whether to compute the SHA-256 that `x-amz-content-sha256` is compared with.
    pub sha256: bool,
    /// Whether it gets a file of its own however short it is, as a part needs one: so the file is begun and finished
    /// while the body comes in, and not afterwards, where nobody counts it.
    pub own_file: bool,
}

/// The parts of a store that staging needs.
#[derive(Debug)]
pub(crate) struct Stager {
    pub(crate) metadata: Arc<MetadataEngine>,
    pub(crate) blobs: Arc<BlobsEngine>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) abandoned: Arc<Abandoned>,
    /// The latest time that any caller told, in milliseconds: intents are as old as that.
    pub(crate) latest_ms: AtomicI64,
    /// How many bodies come in by the pipeline, each with an open file.
    pub(crate) stages: AtomicUsize,
    pub(crate) workers: Arc<Workers>,
}

impl Stager {
    /// How many bytes go down a pipeline at once, in whole chunks: fewer while there are many, so that
    /// all of them together keep to a bounded memory.
    fn step_bytes(&self) -> usize {
        let chunk = usize::try_from(CHUNK_BYTES).unwrap_or(STEP_BYTES);
        let share = STAGES_BYTES_MAX / self.stages.load(Ordering::Relaxed).max(1);
        (share / chunk * chunk).clamp(chunk, STEP_BYTES)
    }

    /// Whether a body may be received while its last step is worked on.
    fn are_few(&self) -> bool {
        self.stages.load(Ordering::Relaxed) <= FEW_STAGES
    }

    /// Notes the time, which only grows.
    pub(crate) fn note(&self, now: Timestamp) {
        self.latest_ms.fetch_max(now.as_millisecond(), Ordering::Relaxed);
    }

    fn latest(&self) -> Timestamp {
        let latest = self.latest_ms.load(Ordering::Relaxed);
        Timestamp::from_millisecond(latest).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Opens a file for a body, and records durably that there may be one.
    async fn begin(
        self: Arc<Self>,
        sealing: Sealing,
        checksums: ChecksumAlgorithms,
        size: Option<u64>,
    ) -> Result<Pipeline, StoreError> {
        let id = self.blobs.new_id()?;
        let unpublished = Unpublished::new(id, Arc::clone(&self.abandoned));
        let (cipher, sealed_key) = self.cipher(id, &sealing)?.map(NewCipher::into_parts).unzip();
        let stored = size.map(|size| stored_size(size, cipher.as_ref()));
        let writer = self.blobs.begin(id, stored).await?;
        let intent = tokio::spawn({
            let (metadata, now) = (Arc::clone(&self.metadata), self.latest());
            async move { metadata.record_intent(id, now).await }
        });
        Ok(Pipeline {
            writer,
            cipher: cipher.map(Arc::new),
            blob: Blob { id, size: 0, sealed_key },
            unpublished,
            intent,
            md5: Md5Digest::default(),
            checksums: Checksums::new(checksums),
            workers: Arc::clone(&self.workers),
            room: BytesMut::new(),
        })
    }

    fn cipher(&self, id: BlobId, sealing: &Sealing) -> Result<Option<NewCipher>, StoreError> {
        match sealing {
            Sealing::Plain => Ok(None),
            Sealing::Master => self.vault.new_cipher(id, None).map(Some),
            Sealing::Customer(key) => self.vault.new_cipher(id, Some(key)).map(Some),
        }
    }

    /// Writes a small body to a file of its own after all, as a part must have one. Nobody counts that file: who takes
    /// parts in from outside stages them with [`StageSpec::own_file`].
    pub(crate) async fn file_of(
        self: &Arc<Self>,
        body: StagedBody,
    ) -> Result<StagedFile, StoreError> {
        let (plain, sealing) = match body.place {
            Place::File(file) => return Ok(file),
            Place::Memory { plain, blob, .. } => (plain, Sealing::of_small(&blob)?),
        };
        let stager = Arc::clone(self);
        let staged = tokio::spawn(async move {
            let size = u64::try_from(plain.len()).ok();
            let pipeline = stager.begin(sealing, ChecksumAlgorithms::NONE, size).await?;
            pipeline.step(plain, End::Last).await?.finish().await
        });
        Ok(staged.await.unwrap_or(Err(StoreError::Closed))?.0)
    }
}

/// Under which key a new body is sealed, if it is.
#[derive(Clone, Debug)]
enum Sealing {
    Plain,
    Master,
    Customer(CustomerKey),
}

impl Sealing {
    /// As a body that is in memory, where none of a customer's ever is.
    fn of_small(blob: &Blob) -> Result<Self, StoreError> {
        match blob.at_rest() {
            AtRest::Aes256 => Ok(Self::Master),
            AtRest::Plain => Ok(Self::Plain),
            AtRest::CustomerKey => Err(StoreError::CustomerKeyMissing),
        }
    }

    /// How long a body may be and stay in memory. One of a customer's never does: it would be kept,
    /// in plain, with its cached record.
    fn small_bytes_max(&self) -> Option<usize> {
        match self {
            Self::Plain | Self::Master => Some(INLINE_BYTES_MAX),
            Self::Customer(_) => None,
        }
    }
}

fn stored_size(size: u64, cipher: Option<&BlobCipher>) -> u64 {
    let tags = size.div_ceil(CHUNK_BYTES).max(1).saturating_mul(TAG_BYTES);
    if cipher.is_some() { size.saturating_add(tags) } else { size }
}

/// One of the bodies that are counted as coming in, until it is dropped.
struct Counted(Arc<Stager>);

impl Counted {
    fn new(stager: &Arc<Stager>) -> Self {
        stager.stages.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(stager))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.stages.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A pipeline, and whether it is at work.
enum Working {
    Yes(JoinHandle<Result<Pipeline, StoreError>>),
    No(Box<Pipeline>),
}

/// A body that is coming in. Dropped, it is discarded; so it must be when a call to it was cancelled.
pub struct BodyStage {
    stager: Arc<Stager>,
    sealing: Sealing,
    checksums: ChecksumAlgorithms,
    size_hint: Option<u64>,
    own_file: bool,
    buffer: BytesMut,
    /// Where the bytes before those in the buffer went. `None`: the body is still small enough to stay in
    /// memory.
    pipeline: Option<Working>,
    /// How many bytes the buffer takes: some whole chunks.
    step_bytes: usize,
    counted: Option<Counted>,
    failed: bool,
}

impl BodyStage {
    pub(crate) fn new(stager: Arc<Stager>, spec: StageSpec, default: Encryption) -> Self {
        let StageSpec { size_hint, encryption, customer_key, checksums, sha256, own_file } = spec;
        let checksums = if sha256 { checksums.with(ChecksumAlgorithm::Sha256) } else { checksums };
        let sealing = match (customer_key, encryption.unwrap_or(default)) {
            (Some(key), _) => Sealing::Customer(key),
            (None, Encryption::On) => Sealing::Master,
            (None, Encryption::Off) => Sealing::Plain,
        };
        let buffer = BytesMut::new();
        let (pipeline, counted, failed) = (None, None, false);
        let step_bytes = STEP_BYTES;
        Self {
            stager,
            sealing,
            checksums,
            size_hint,
            own_file,
            buffer,
            pipeline,
            step_bytes,
            counted,
            failed,
        }
    }

    /// Whether it takes no file, if it is as long as was announced. Otherwise it has one open, and 64 KiB in memory,
    /// for as long as its sender takes: how many may, whoever takes bodies in must bound.
    pub fn stays_in_memory(&self) -> bool {
        let announced = self.size_hint.and_then(|size| usize::try_from(size).ok());
        let most = self.small_bytes_max();
        announced.zip(most).is_some_and(|(size, most)| size <= most)
    }

    /// How long it may be and stay in memory.
    fn small_bytes_max(&self) -> Option<usize> {
        self.sealing.small_bytes_max().filter(|_| !self.own_file)
    }

    /// Takes the next bytes. Waits while the disk is slower than the sender.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            let whole = self.buffer.len().saturating_add(bytes.len());
            self.begin_unless_small(whole);
            // A full buffer waits for the byte after it: only then is it known not to be the last.
            if self.buffer.len() >= self.step_bytes {
                self.advance().await?;
            }
            let room = self.step_bytes.saturating_sub(self.buffer.len());
            let taken = bytes.split_to(room.min(bytes.len()));
            if self.pipeline.is_some() {
                let ahead = self.step_bytes.saturating_sub(self.buffer.len());
                self.buffer.reserve(ahead);
            }
            self.buffer.extend_from_slice(&taken);
        }
        Ok(())
    }

    /// Opens the pipeline for a body that may not stay in memory.
    fn begin_unless_small(&mut self, size: usize) {
        let small = self.small_bytes_max().is_some_and(|most| size <= most);
        if self.pipeline.is_none() && !small {
            self.counted = Some(Counted::new(&self.stager));
            let stager = Arc::clone(&self.stager);
            let begin = stager.begin(self.sealing.clone(), self.checksums, self.size_hint);
            self.pipeline = Some(Working::Yes(tokio::spawn(begin)));
            self.step_bytes = self.stager.step_bytes();
        }
    }

    /// Sends the buffer down the pipeline, once what was sent before is through. Among many, waits for
    /// it: its room is then the next buffer.
    async fn advance(&mut self) -> Result<(), StoreError> {
        let mut pipeline = self.pipeline().await?;
        let room = std::mem::take(&mut pipeline.room);
        let full = std::mem::replace(&mut self.buffer, room).freeze();
        self.pipeline = Some(Working::Yes(tokio::spawn(pipeline.step(full, End::More))));
        if !self.stager.are_few() {
            let mut pipeline = self.pipeline().await?;
            self.buffer = std::mem::take(&mut pipeline.room);
            self.pipeline = Some(Working::No(Box::new(pipeline)));
        }
        self.step_bytes = self.stager.step_bytes();
        if self.buffer.capacity() > self.step_bytes {
            self.buffer = BytesMut::new();
        }
        Ok(())
    }

    /// The pipeline, once it is not at work.
    async fn pipeline(&mut self) -> Result<Pipeline, StoreError> {
        let pipeline = self.pipeline.take().filter(|_| !self.failed);
        self.failed = true;
        let pipeline = match pipeline.ok_or(StoreError::StageExpired)? {
            Working::Yes(working) => working.await.unwrap_or(Err(StoreError::Closed))?,
            Working::No(pipeline) => *pipeline,
        };
        self.failed = false;
        Ok(pipeline)
    }

    /// Ends the body: it is on stable storage, or few bytes in memory, and no record points at it.
    pub async fn finish(mut self) -> Result<StagedBody, StoreError> {
        if self.failed {
            return Err(StoreError::StageExpired);
        }
        self.begin_unless_small(self.buffer.len());
        if self.pipeline.is_none() {
            return self.finish_small();
        }
        let pipeline = self.pipeline().await?;
        let rest = std::mem::take(&mut self.buffer).freeze();
        // A task of its own, so that it ends also when nobody waits for it any more.
        let finish = async move { pipeline.step(rest, End::Last).await?.finish().await };
        let (file, md5, checksums) =
            tokio::spawn(finish).await.unwrap_or(Err(StoreError::Closed))?;
        let tag = match file.blob.at_rest() {
            AtRest::Plain | AtRest::Aes256 => md5,
            // The MD5 of what was sent would tell it to who has no key.
            AtRest::CustomerKey => random()?,
        };
        Ok(StagedBody { md5, tag, checksums, place: Place::File(file) })
    }

    fn finish_small(self) -> Result<StagedBody, StoreError> {
        let plain = self.buffer.freeze();
        let id = BlobId::from_bytes(random()?);
        let (cipher, sealed_key) =
            self.stager.cipher(id, &self.sealing)?.map(NewCipher::into_parts).unzip();
        let stored = match cipher {
            Some(cipher) => cipher.seal(&plain, 0, End::Last)?,
            None => plain.to_vec(),
        };
        let mut checksums = Checksums::new(self.checksums);
        checksums.update(&plain);
        let size = u64::try_from(plain.len()).unwrap_or(u64::MAX);
        let md5 = md5_of(&plain);
        Ok(StagedBody {
            md5,
            tag: md5,
            checksums: checksums.finish(),
            place: Place::Memory { blob: Blob { id, size, sealed_key }, stored, plain },
        })
    }
}

impl fmt::Debug for BodyStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyStage(..)")
    }
}

/// A whole body that no record points at yet. Dropped, it is discarded.
pub struct StagedBody {
    md5: [u8; 16],
    tag: [u8; 16],
    checksums: Vec<(ChecksumAlgorithm, Vec<u8>)>,
    place: Place,
}

enum Place {
    Memory { blob: Blob, stored: Vec<u8>, plain: Bytes },
    File(StagedFile),
}

impl StagedBody {
    /// The length of the body, in bytes.
    pub fn size(&self) -> u64 {
        self.blob().size
    }

    /// The MD5 of the body.
    pub fn md5(&self) -> [u8; 16] {
        self.md5
    }

    /// Its entity tag: its MD5, but random bytes where it is under a customer's key.
    pub fn etag(&self) -> ETag {
        ETag::of_md5(self.tag)
    }

    /// Its SHA-256, if the specification asked for it.
    pub fn sha256(&self) -> Option<[u8; 32]> {
        self.raw_checksum(ChecksumAlgorithm::Sha256)?.try_into().ok()
    }

    /// Its checksum in base64, if the specification asked for that algorithm.
    pub fn checksum(&self, algorithm: ChecksumAlgorithm) -> Option<String> {
        self.raw_checksum(algorithm).map(|raw| STANDARD.encode(raw))
    }

    /// How the body is kept.
    pub fn at_rest(&self) -> AtRest {
        self.blob().at_rest()
    }

    fn raw_checksum(&self, algorithm: ChecksumAlgorithm) -> Option<&[u8]> {
        // Every body has this one.
        if algorithm == ChecksumAlgorithm::Md5 {
            return Some(&self.md5);
        }
        let found = self.checksums.iter().find(|(computed, _)| *computed == algorithm);
        found.map(|(_, raw)| raw.as_slice())
    }

    fn blob(&self) -> &Blob {
        match &self.place {
            Place::Memory { blob, .. } => blob,
            Place::File(file) => &file.blob,
        }
    }

    pub(crate) fn into_new_body(self) -> NewBody {
        match self.place {
            Place::Memory { blob, stored, plain } => NewBody::Row { blob, stored, plain },
            Place::File(file) => NewBody::File(file),
        }
    }
}

impl fmt::Debug for StagedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StagedBody({} bytes)", self.size())
    }
}
