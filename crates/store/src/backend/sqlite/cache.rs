//! A bounded cache that is exact while one thread writes and many read.
//!
//! A hit takes no lock of ours. The rest goes by shards: before a commit the writer takes out what it
//! is about to change and marks the shard, and after it puts the new value in; a reader that missed
//! puts in what it read only if no writer was at the shard since before it read. So nobody is given
//! an old value after anybody saw the new one.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::{Equivalent, Weighter};

use crate::ObjectKey;
use crate::lock::lock;

const SHARDS: usize = 256;
/// How much memory an entry of any kind takes besides its value, in bytes, about.
const ENTRY_BYTES: u64 = 128;

/// By the bucket's id, which is never given twice, so that a bucket made anew has nothing cached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ObjectCacheKey {
    pub(super) bucket: i64,
    pub(super) key: ObjectKey,
}

/// An [`ObjectCacheKey`] with a borrowed key, to look up by.
#[derive(Hash)]
pub(super) struct ObjectCacheKeyRef<'a> {
    pub(super) bucket: i64,
    pub(super) key: &'a ObjectKey,
}

impl Equivalent<ObjectCacheKey> for ObjectCacheKeyRef<'_> {
    fn equivalent(&self, other: &ObjectCacheKey) -> bool {
        self.bucket == other.bucket && *self.key == other.key
    }
}

/// How much memory a cached value takes, in bytes, about.
pub(super) trait Weigh {
    fn weight_bytes(&self) -> u64;
}

pub(super) struct ExactCache<K, V> {
    values: quick_cache::sync::Cache<K, V, ByWeight>,
    shards: Vec<Shard>,
    hasher: RandomState,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// Weighs entries by what their values weigh.
#[derive(Clone)]
pub(super) struct ByWeight;

impl<K, V: Weigh> Weighter<K, V> for ByWeight {
    fn weight(&self, _key: &K, value: &V) -> u64 {
        value.weight_bytes().saturating_add(ENTRY_BYTES)
    }
}

#[derive(Default)]
struct Shard {
    /// Changes with every beginning and end of a write.
    generation: AtomicU64,
    /// Writes that have begun and not ended. Held while the cache is changed.
    writing: Mutex<u32>,
}

/// What a reader that missed holds while it reads.
#[derive(Clone, Copy)]
pub(super) struct Ticket {
    shard: usize,
    generation: u64,
}

impl<K: Eq + Hash, V: Clone + Weigh> ExactCache<K, V> {
    /// `expected`: how many entries there may be, which sizes the tables.
    pub(super) fn new(bytes_max: usize, expected: usize) -> Self {
        let weight_max = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        Self {
            values: quick_cache::sync::Cache::with_weighter(expected, weight_max, ByWeight),
            shards: std::iter::repeat_with(Shard::default).take(SHARDS).collect(),
            hasher: RandomState::new(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// The value, or a ticket to be taken before it is read elsewhere.
    pub(super) fn get<Q>(&self, key: &Q) -> Result<V, Ticket>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        if let Some(value) = self.values.get(key) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(value);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let shard = self.shard_of(key);
        let generation =
            self.shards.get(shard).map_or(0, |shard| shard.generation.load(Ordering::SeqCst));
        Err(Ticket { shard, generation })
    }

    /// Puts in what was read after `ticket` was taken, unless a write came between.
    pub(super) fn fill(&self, ticket: Ticket, key: K, value: V) {
        let Some(shard) = self.shards.get(ticket.shard) else { return };
        let writing = lock(&shard.writing);
        if *writing == 0 && shard.generation.load(Ordering::SeqCst) == ticket.generation {
            self.values.insert(key, value);
        }
    }

    /// Before a commit that may change the value of `key`.
    pub(super) fn begin_write(&self, key: &K) {
        let Some(shard) = self.shards.get(self.shard_of(key)) else { return };
        let mut writing = lock(&shard.writing);
        *writing = writing.saturating_add(1);
        shard.generation.fetch_add(1, Ordering::SeqCst);
        self.values.remove(key);
    }

    /// After that commit: the new value, or none to be kept.
    pub(super) fn end_write(&self, key: K, value: Option<V>) {
        let Some(shard) = self.shards.get(self.shard_of(&key)) else { return };
        let mut writing = lock(&shard.writing);
        *writing = writing.saturating_sub(1);
        shard.generation.fetch_add(1, Ordering::SeqCst);
        if let Some(value) = value {
            self.values.insert(key, value);
        }
    }

    pub(super) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    pub(super) fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    fn shard_of<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        let hash = self.hasher.hash_one(key);
        usize::try_from(hash % u64::try_from(SHARDS).unwrap_or(1)).unwrap_or(0)
    }
}

impl<K, V> fmt::Debug for ExactCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExactCache(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> ExactCache<u64, u64> {
        ExactCache::new(64 * 1024, 64)
    }

    fn ticket(cache: &ExactCache<u64, u64>) -> Ticket {
        cache.get(&1).unwrap_err()
    }

    #[test]
    fn a_slow_reader_puts_nothing_back() {
        let cache = cache();
        let before = ticket(&cache);
        cache.begin_write(&1);
        let during = ticket(&cache);
        cache.fill(before, 1, 10);
        cache.fill(during, 1, 10);
        assert!(cache.get(&1).is_err());
        cache.end_write(1, None);
        cache.fill(before, 1, 10);
        cache.fill(during, 1, 10);
        assert!(cache.get(&1).is_err());
        cache.fill(ticket(&cache), 1, 11);
        assert_eq!(cache.get(&1).ok(), Some(11));
    }

    #[test]
    fn a_write_takes_out_what_was_there_and_puts_in_the_new() {
        let cache = cache();
        cache.fill(ticket(&cache), 1, 10);
        cache.begin_write(&1);
        assert!(cache.get(&1).is_err());
        cache.end_write(1, Some(11));
        assert_eq!(cache.get(&1).ok(), Some(11));
    }

    #[test]
    fn is_bounded() {
        let cache = cache();
        for key in 0..10_000 {
            let Err(ticket) = cache.get(&key) else { continue };
            cache.fill(ticket, key, key);
        }
        assert!(cache.values.weight() <= 64 * 1024);
    }
}
