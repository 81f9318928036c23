//! What the engine keeps in memory, and how much of each.

use std::sync::Arc;

use iam::AccountId;
use presign::Fingerprint;

use super::cache::{ExactCache, ObjectCacheKey};
use super::identities::signer::{PieceKey, SignerPiece, Signers};
use crate::{AccessKey, Bucket, BucketName, Directory, ManagedLink, Object};

/// How much memory the cached buckets may take, in bytes, and as much again each the cached access keys and managed links.
const SETTINGS_CACHE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// About how many of them there may be; it sizes the tables.
const SETTINGS: usize = SETTINGS_CACHE_BYTES_MAX / 512;
/// How much memory the cached directories may take, in bytes: more than any one account may have (`Quota::Account`).
const DIRECTORIES_CACHE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// So few that the cache is one shard, whose share of the memory is all of it.
const DIRECTORIES: usize = 32;
/// How much memory the cached records that signers are made of may take, in bytes.
const PIECES_CACHE_BYTES_MAX: usize = 128 * 1024 * 1024;
/// How much memory the cached numbers of accounts may take, in bytes.
const NUMBERS_CACHE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// About how many such records, and how many numbers, there may be; it sizes the tables.
const PIECES: usize = 16 * 1024;
/// About how much a cached object weighs, in bytes; it sizes the table.
const OBJECT_BYTES: usize = 2048;

/// What is kept in memory: current objects with their small bodies, buckets, access keys, identities. All exact, but for
/// the signers, each of which is asked whether it still is.
#[derive(Debug)]
pub(super) struct Caches {
    pub(super) objects: ExactCache<ObjectCacheKey, Arc<Object>>,
    pub(super) buckets: ExactCache<BucketName, Arc<Bucket>>,
    pub(super) access_keys: ExactCache<String, Arc<AccessKey>>,
    pub(super) directories: ExactCache<AccountId, Arc<Directory>>,
    /// Records that signers are made of, each once, however many signers it is part of.
    pub(super) pieces: ExactCache<PieceKey, SignerPiece>,
    /// The number of the latest change of an account's identities. While one is being written there is none.
    pub(super) numbers: ExactCache<AccountId, u64>,
    pub(super) managed_links: ExactCache<Fingerprint, Arc<ManagedLink>>,
    pub(super) signers: Signers,
}

impl Caches {
    pub(super) fn new(objects_bytes_max: usize) -> Self {
        Self {
            objects: ExactCache::new(objects_bytes_max, objects_bytes_max / OBJECT_BYTES),
            buckets: ExactCache::new(SETTINGS_CACHE_BYTES_MAX, SETTINGS),
            access_keys: ExactCache::new(SETTINGS_CACHE_BYTES_MAX, SETTINGS),
            directories: ExactCache::new(DIRECTORIES_CACHE_BYTES_MAX, DIRECTORIES),
            pieces: ExactCache::new(PIECES_CACHE_BYTES_MAX, PIECES),
            numbers: ExactCache::new(NUMBERS_CACHE_BYTES_MAX, PIECES),
            managed_links: ExactCache::new(SETTINGS_CACHE_BYTES_MAX, SETTINGS),
            signers: Signers::default(),
        }
    }

    /// How often what was asked for was there, and how often not.
    pub(super) fn hits_and_misses(&self) -> (u64, u64) {
        let Self {
            objects,
            buckets,
            access_keys,
            directories,
            pieces,
            numbers,
            managed_links,
            signers: _,
        } = self;
        let counts = [
            (objects.hits(), objects.misses()),
            (buckets.hits(), buckets.misses()),
            (access_keys.hits(), access_keys.misses()),
            (directories.hits(), directories.misses()),
            (pieces.hits(), pieces.misses()),
            (numbers.hits(), numbers.misses()),
            (managed_links.hits(), managed_links.misses()),
        ];
        counts.into_iter().fold((0, 0), |(hits, misses), (hit, miss)| {
            (hits.saturating_add(hit), misses.saturating_add(miss))
        })
    }
}
