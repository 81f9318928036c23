//! What the cache counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// Declares the counters, and what they counted at one moment.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        /// The counters of a cache, which only grow.
        #[derive(Debug, Default)]
        pub struct EdgeStats {
            $(pub(crate) $name: AtomicU64,)*
        }

        /// What the counters of a cache had counted at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct EdgeCounts {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl EdgeStats {
            /// What was counted so far.
            pub fn counts(&self) -> EdgeCounts {
                EdgeCounts { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Requests answered from what was there and fresh.
    hits;
    /// Requests for which the origin was asked, or that waited for one that was.
    misses;
    /// Requests answered from what was there, once the origin had confirmed it.
    refreshes;
    /// Requests answered with what was stale.
    stale;
    /// Requests that waited for the answer to another one.
    shared;
    /// How often an origin was asked.
    fetches;
    /// Bytes that origins sent.
    origin_bytes;
    /// Bytes of answers from what was there.
    hit_bytes;
    /// Entries that memory had no more room for.
    evictions;
    /// Entries that were read from disk.
    disk_hits;
    /// Bytes of bodies that were read from disk.
    disk_bytes;
    /// How often the disk could not be written.
    disk_failures;
}

pub(crate) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}
