//! The records of bytes that no object has, or not yet: intents and garbage.
//!
//! A blob begins with an intent, which the record that comes to point at the blob takes away. Once no record points at the
//! blob any more it is garbage. So every file is known by a record, an intent or garbage, and what a crash left is found.

use std::future::Future;

use jiff::Timestamp;

use crate::StoreError;
use crate::body::BlobId;

macro_rules! with_garbage_records {
    ($callback:ident) => {
        $callback! {
            /// Intents, and garbage that waits to be removed.
            trait GarbageRecords {
                /// Records that a blob of this id may come to exist. Before its first byte can be found under that id.
                fn record_intent(blob: BlobId, now: Timestamp) -> ();
                /// Forgets intents whose blobs were removed.
                fn forget_intents(blobs: Vec<BlobId>) -> ();
                /// Turns intents from before a time into garbage, so that nothing can come to point at their
                /// blobs any more: as many as one transaction may. Says how many; 0: there are no more.
                fn reap_intents(before: Timestamp, now: Timestamp) -> usize;
                /// Blobs that have been garbage since before a time.
                fn garbage(before: Timestamp, limit: usize) -> Vec<BlobId>;
                /// Forgets garbage that was removed.
                fn forget_garbage(blobs: Vec<BlobId>) -> ();
            }
        }
    };
}
pub(crate) use with_garbage_records;

with_garbage_records!(declare_records);
