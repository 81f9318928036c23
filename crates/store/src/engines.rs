//! The engines that a store was opened with: which they are is known here alone.

use std::ops::Range;
use std::sync::Arc;

use iam::AccountId;
use jiff::Timestamp;
use presign::Fingerprint;

use crate::backend::files::{FileBlobs, FilePins, FileSource, FileWriter};
#[cfg(test)]
use crate::backend::memory::MemoryMetadata;
use crate::backend::metadata::buckets::{BucketRecords, with_bucket_records};
use crate::backend::metadata::distributions::{
    DistributionRecords, DistributionWrites, with_distribution_records,
};
use crate::backend::metadata::garbage::{GarbageRecords, with_garbage_records};
use crate::backend::metadata::identities::{IdentityRecords, with_identity_records};
use crate::backend::metadata::managed_links::{ManagedLinkRecords, with_managed_link_records};
use crate::backend::metadata::notices::{NoticeRecords, with_notice_records};
use crate::backend::metadata::objects::{NewObject, ObjectRecords, with_object_records};
use crate::backend::metadata::request_files::{RequestFileRecords, with_request_file_records};
use crate::backend::metadata::revocations::{RevocationRecords, with_revocation_records};
use crate::backend::metadata::uploads::{IdleUpload, NewPart, UploadRecords, with_upload_records};
use crate::backend::metadata::uses::{UseRecords, with_use_records};
use crate::backend::metadata::{Metadata, MetadataCounters};
use crate::backend::sqlite::SqliteMetadata;
use crate::backend::{BlobSource, BlobWriter, Blobs, Space};
use crate::body::{BlobId, FileRange, Room};
use crate::identity::IdentityChange;
use crate::revocation::{Life, RevokedKinds, Subject};
#[cfg_attr(
    not(test),
    expect(clippy::wildcard_imports, reason = "the signatures of all nouns are repeated here")
)]
use crate::*;

/// The engine of records that this store was opened with.
#[derive(Debug)]
#[cfg_attr(test, expect(clippy::large_enum_variant, reason = "a store has one of them"))]
pub(crate) enum MetadataEngine {
    Sqlite(SqliteMetadata),
    #[cfg(test)]
    Memory(MemoryMetadata),
}

/// Hands a call on to the engine that there is.
macro_rules! on_engine {
    ($chosen:ident, $engine:ident => $call:expr) => {
        match $chosen {
            MetadataEngine::Sqlite($engine) => $call,
            #[cfg(test)]
            MetadataEngine::Memory($engine) => $call,
        }
    };
}

/// Hands every method of a noun on.
macro_rules! dispatch {
    (
        $(#[$about:meta])*
        trait $noun:ident {
            $($(#[$doc:meta])* fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*
        }
    ) => {
        impl $noun for MetadataEngine {
            $(async fn $method(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                on_engine!(self, engine => engine.$method($($argument),*).await)
            })*
        }
    };
}

with_bucket_records!(dispatch);
with_object_records!(dispatch);
with_upload_records!(dispatch);
with_identity_records!(dispatch);
with_revocation_records!(dispatch);
with_use_records!(dispatch);
with_managed_link_records!(dispatch);
with_request_file_records!(dispatch);
with_notice_records!(dispatch);
with_distribution_records!(dispatch);
with_garbage_records!(dispatch);

impl Metadata for MetadataEngine {
    async fn changes_since(&self, n: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
        on_engine!(self, engine => engine.changes_since(n, limit).await)
    }

    async fn maintain(&self, space: Space) -> Result<(), StoreError> {
        on_engine!(self, engine => engine.maintain(space).await)
    }

    async fn close(&self) -> Result<(), StoreError> {
        on_engine!(self, engine => engine.close().await)
    }

    fn counters(&self) -> MetadataCounters {
        on_engine!(self, engine => engine.counters())
    }
}

/// The engine of bytes that this store was opened with.
#[derive(Debug)]
pub(crate) enum BlobsEngine {
    Files(FileBlobs),
}

/// A writer of that engine.
#[derive(Debug)]
pub(crate) enum EngineWriter {
    Files(FileWriter),
}

/// A source of that engine.
#[derive(Debug)]
pub(crate) enum EngineSource {
    Files(FileSource),
}

/// The pins of that engine.
#[derive(Debug)]
pub(crate) enum EnginePins {
    Files { _pins: FilePins },
}

impl Blobs for BlobsEngine {
    type Writer = EngineWriter;
    type Source = EngineSource;
    type Pins = EnginePins;

    fn new_id(&self) -> Result<BlobId, StoreError> {
        match self {
            Self::Files(engine) => engine.new_id(),
        }
    }

    async fn begin(&self, id: BlobId, size: Option<u64>) -> Result<EngineWriter, StoreError> {
        match self {
            Self::Files(engine) => engine.begin(id, size).await.map(EngineWriter::Files),
        }
    }

    fn source(&self, id: BlobId, range: Range<u64>) -> EngineSource {
        match self {
            Self::Files(engine) => EngineSource::Files(engine.source(id, range)),
        }
    }

    fn pin(&self, ids: Vec<BlobId>) -> EnginePins {
        match self {
            Self::Files(engine) => EnginePins::Files { _pins: engine.pin(ids) },
        }
    }

    async fn remove(&self, ids: Vec<BlobId>) -> Result<Vec<BlobId>, StoreError> {
        match self {
            Self::Files(engine) => engine.remove(ids).await,
        }
    }
}

impl BlobWriter for EngineWriter {
    async fn append<B: AsRef<[u8]>, T: Send + 'static>(
        self,
        make: impl FnOnce() -> Result<(B, T), StoreError> + Send + 'static,
    ) -> Result<(Self, T), StoreError> {
        match self {
            Self::Files(writer) => {
                let (writer, made) = writer.append(make).await?;
                Ok((Self::Files(writer), made))
            }
        }
    }

    async fn finish(self) -> Result<(), StoreError> {
        match self {
            Self::Files(writer) => writer.finish().await,
        }
    }
}

impl BlobSource for EngineSource {
    fn read_now(&mut self, size: usize) -> Option<Room> {
        match self {
            Self::Files(source) => source.read_now(size),
        }
    }

    fn file_now(&mut self) -> Option<FileRange> {
        match self {
            Self::Files(source) => source.file_now(),
        }
    }

    async fn read(self, size: usize) -> (Self, Result<Room, StoreError>) {
        match self {
            Self::Files(source) => {
                let (source, bytes) = source.read(size).await;
                (Self::Files(source), bytes)
            }
        }
    }
}
