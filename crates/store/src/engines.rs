//! The engines that a store was opened with: which they are is known here alone.

use std::ops::Range;
use std::sync::Arc;

use iam::AccountId;
use jiff::Timestamp;

use crate::backend::files::{FileBlobs, FilePins, FileSource, FileWriter};
use crate::backend::sqlite::SqliteMetadata;
use crate::backend::{
    BlobSource, BlobWriter, Blobs, IdleUpload, Metadata, MetadataCounters, NewObject, NewPart,
    Space, with_metadata_methods,
};
use crate::body::{BlobId, FileRange, Room};
use crate::identity::IdentityChange;
use crate::{
    AccessKey, Account, AccountPage, Bucket, BucketName, BucketPage, BucketRef, BucketSetting,
    Change, CompleteOutcome, CompleteUpload, CreateAccount, CreateBucket, DeleteAccount,
    DeleteBucket, DeleteObject, DeleteOutcome, Directory, IdentityError, KeyUse, ListBuckets,
    ListObjects, ListUploads, ListVersions, Lookup, NewBucket, NewUpload, ObjectKey, ObjectPage,
    PartNumber, PartPage, PutOutcome, PutPart, RenewRootKey, SetBucket, SetTags, Signer,
    StoreError, TagsChanged, Upload, UploadId, UploadPage, VersionId, VersionPage, Versioning,
};

macro_rules! dispatch_metadata {
    ($($(#[$doc:meta])* fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl Metadata for MetadataEngine {
            $(async fn $method(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                match self {
                    Self::Sqlite(engine) => engine.$method($($argument),*).await,
                    #[cfg(test)]
                    Self::Memory(engine) => engine.$method($($argument),*).await,
                }
            })*

            fn counters(&self) -> MetadataCounters {
                match self {
                    Self::Sqlite(engine) => engine.counters(),
                    #[cfg(test)]
                    Self::Memory(engine) => engine.counters(),
                }
            }
        }
    };
}

/// The engine of records.
#[derive(Debug)]
pub(crate) enum MetadataEngine {
    Sqlite(SqliteMetadata),
    #[cfg(test)]
    Memory(crate::backend::memory::MemoryMetadata),
}

with_metadata_methods!(dispatch_metadata);

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
