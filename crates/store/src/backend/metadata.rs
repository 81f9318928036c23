//! The seam of records: a trait for each noun, and [`Metadata`], which is all of them together.
//!
//! It is cut at the meaning. A method is one whole S3 step in one native transaction, so that no engine is asked to hold
//! a transaction open, and an `Ok` of a method that writes means that the records are on stable storage. Caches of records
//! live behind the seam, where the engine can keep them true. What every engine must hold to is tested by `contract.rs`.
//!
//! A noun is added as [`garbage`] is: its file here, a file in each engine, a module of the contract. Beyond these it is
//! only named: below, in `engines.rs`, and where the engines and the contract list their files.

/// Declares the trait of a noun out of signatures that leave out what all have in common. `fn bucket(name: &BucketName) ->
/// Option<Arc<Bucket>>;` takes `&self` too, and answers a future of `Result<Option<Arc<Bucket>>, StoreError>`.
///
/// Each noun lends its signatures to this macro, and to the one in `engines.rs` that hands each call on to the engine.
macro_rules! declare_records {
    (
        $(#[$about:meta])*
        trait $noun:ident {
            $($(#[$doc:meta])* fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*
        }
    ) => {
        $(#[$about])*
        pub(crate) trait $noun: Send + Sync {
            $($(#[$doc])* fn $method(&self, $($argument: $type),*)
                -> impl Future<Output = Result<$answer, StoreError>> + Send;)*
        }
    };
}

pub(crate) mod buckets;
pub(crate) mod distributions;
pub(crate) mod garbage;
pub(crate) mod identities;
pub(crate) mod managed_links;
pub(crate) mod notices;
pub(crate) mod objects;
pub(crate) mod request_files;
pub(crate) mod revocations;
pub(crate) mod uploads;
pub(crate) mod uses;

use std::future::Future;

use crate::backend::Space;
use crate::{Change, StoreError};
use buckets::BucketRecords;
use distributions::DistributionRecords;
use garbage::GarbageRecords;
use identities::IdentityRecords;
use managed_links::ManagedLinkRecords;
use notices::NoticeRecords;
use objects::ObjectRecords;
use request_files::RequestFileRecords;
use revocations::RevocationRecords;
use uploads::UploadRecords;
use uses::UseRecords;

/// How many rows one transaction removes or moves at most where nothing else bounds them: other writers may have to wait
/// for it. The parts of one upload, which go together, may be more.
pub(crate) const JOB_ROWS_MAX: usize = 1000;

/// All records, and what concerns those of every noun.
pub(crate) trait Metadata:
    BucketRecords
    + ObjectRecords
    + UploadRecords
    + IdentityRecords
    + RevocationRecords
    + UseRecords
    + ManagedLinkRecords
    + RequestFileRecords
    + NoticeRecords
    + DistributionRecords
    + GarbageRecords
{
    /// Changes after number `n`, in order; only a subject's latest change is kept. Whoever has seen a change never comes to
    /// see another with a lower number: an engine that numbers before it commits must hold back what stands behind a
    /// number that is still open.
    fn changes_since(
        &self,
        n: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Change>, StoreError>> + Send;
    /// Keeps the engine's own files in order; where room is short, they are made short first of all.
    fn maintain(&self, space: Space) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Commits the writes that wait and refuses every call from then on.
    fn close(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// What was counted since the engine was opened.
    fn counters(&self) -> MetadataCounters;
}

/// What an engine of records counted since it was opened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MetadataCounters {
    pub(crate) queued_jobs: u64,
    pub(crate) jobs: u64,
    pub(crate) commits: u64,
    pub(crate) checkpoints: u64,
    pub(crate) cache_hits: u64,
    pub(crate) cache_misses: u64,
}
