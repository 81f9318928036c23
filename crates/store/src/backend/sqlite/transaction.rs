//! One batch's transaction as its jobs see it, and what of the caches they changed.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use iam::AccountId;
use presign::Fingerprint;
use rusqlite::Connection;

use super::cache::ObjectCacheKey;
use super::cache::{ExactCache, Weigh};
use super::caches::Caches;
use super::error::engine;
use super::identities::directory;
use super::identities::signer::{PieceKey, SignerPiece};
use crate::backend::Unpublished;
use crate::{AccessKey, Bucket, BucketName, Directory, ManagedLink, Object, ObjectKey, StoreError};

/// The transaction of a batch, as one of its jobs sees it.
pub(super) struct Transaction<'c> {
    pub(super) connection: &'c Connection,
    caches: &'c Caches,
    pub(super) effects: Vec<Effect>,
    pub(super) publishing: Vec<Unpublished>,
    /// Why the transaction itself is lost, and with it every job that was in it.
    pub(super) failure: Option<StoreError>,
}

/// What a job changed that a cache may hold.
pub(super) enum Effect {
    Object(ObjectCacheKey, Option<Arc<Object>>),
    Bucket(BucketName, Option<Arc<Bucket>>),
    AccessKey(String, Option<Arc<AccessKey>>),
    Directory(AccountId, Option<Arc<Directory>>),
    SignerPiece(PieceKey),
    Number(AccountId, u64),
    ManagedLink(Fingerprint, Option<Arc<ManagedLink>>),
}

impl<'c> Transaction<'c> {
    pub(super) fn new(connection: &'c Connection, caches: &'c Caches) -> Self {
        Self { connection, caches, effects: Vec::new(), publishing: Vec::new(), failure: None }
    }

    /// The current version of a key is another now: this one, or one that is not kept in memory.
    pub(super) fn current_is(&mut self, bucket: i64, key: ObjectKey, object: Option<Arc<Object>>) {
        self.effects.push(Effect::Object(ObjectCacheKey { bucket, key }, object));
    }

    pub(super) fn bucket_is(&mut self, name: BucketName, bucket: Option<Arc<Bucket>>) {
        self.effects.push(Effect::Bucket(name, bucket));
    }

    pub(super) fn access_key_is(&mut self, id: String, key: Option<Arc<AccessKey>>) {
        // Its account lists it too.
        let account = key.as_ref().map(|key| key.account.clone());
        self.effects.push(Effect::AccessKey(id, key));
        if let Some(account) = account {
            self.effects.push(Effect::Directory(account, None));
        }
    }

    pub(super) fn directory_is(&mut self, account: AccountId, directory: Option<Arc<Directory>>) {
        self.effects.push(Effect::Directory(account, directory));
    }

    /// Records that signers are made of are others now.
    pub(super) fn pieces_change(&mut self, places: Vec<PieceKey>) {
        self.effects.extend(places.into_iter().map(Effect::SignerPiece));
    }

    /// The latest change of an account's identities has another number now.
    pub(super) fn number_is(&mut self, account: AccountId, number: u64) {
        self.effects.push(Effect::Number(account, number));
    }

    pub(super) fn managed_link_is(
        &mut self,
        fingerprint: Fingerprint,
        link: Option<Arc<ManagedLink>>,
    ) {
        self.effects.push(Effect::ManagedLink(fingerprint, link));
    }

    /// The identities of an account as this transaction sees them.
    pub(super) fn directory(&self, account: &AccountId) -> Result<Arc<Directory>, StoreError> {
        let mut effects = self.effects.iter().rev();
        let here = effects.find_map(|effect| match effect {
            Effect::Directory(of, directory) if of == account => Some(directory.clone()),
            Effect::Directory(..)
            | Effect::Object(..)
            | Effect::Bucket(..)
            | Effect::AccessKey(..)
            | Effect::SignerPiece(_)
            | Effect::Number(..)
            | Effect::ManagedLink(..) => None,
        });
        // Untouched so far: what is cached is what was last committed.
        let known = match here {
            Some(directory) => directory,
            None => self.caches.directories.get(account).ok(),
        };
        match known {
            Some(directory) => Ok(directory),
            None => directory::load(self.connection, account).map(Arc::new),
        }
    }

    /// A record points at the blob from the commit on.
    pub(super) fn publish(&mut self, blob: Unpublished) {
        self.publishing.push(blob);
    }

    /// Runs one job so that it is done wholly or not at all.
    pub(super) fn savepoint<T>(
        &mut self,
        job: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let (effects, publishing) = (self.effects.len(), self.publishing.len());
        self.step("SAVEPOINT job")?;
        let outcome = job(self).and_then(|outcome| self.step("RELEASE job").map(|()| outcome));
        outcome.inspect_err(|error| {
            self.effects.truncate(effects);
            self.publishing.truncate(publishing);
            let undone = self.step("ROLLBACK TO job").and_then(|()| self.step("RELEASE job"));
            // Some failures, a full disk among them, roll the whole transaction back by themselves.
            if undone.is_err() || self.connection.is_autocommit() {
                self.failure = Some(error.clone());
            }
        })
    }

    fn step(&self, sql: &str) -> Result<(), StoreError> {
        let done = self.connection.prepare_cached(sql).and_then(|mut step| step.execute([]));
        done.map(|_| ()).map_err(engine)
    }
}

/// What a batch changed: the last word on each key.
pub(super) struct Effects {
    objects: HashMap<ObjectCacheKey, Option<Arc<Object>>>,
    buckets: HashMap<BucketName, Option<Arc<Bucket>>>,
    access_keys: HashMap<String, Option<Arc<AccessKey>>>,
    directories: HashMap<AccountId, Option<Arc<Directory>>>,
    pieces: HashMap<PieceKey, Option<SignerPiece>>,
    numbers: HashMap<AccountId, Option<u64>>,
    managed_links: HashMap<Fingerprint, Option<Arc<ManagedLink>>>,
}

impl Effects {
    pub(super) fn latest(effects: Vec<Effect>) -> Self {
        let mut objects = HashMap::new();
        let mut buckets = HashMap::new();
        let mut access_keys = HashMap::new();
        let mut directories = HashMap::new();
        let mut pieces = HashMap::new();
        let mut numbers = HashMap::new();
        let mut managed_links = HashMap::new();
        for effect in effects {
            match effect {
                Effect::Object(key, object) => drop(objects.insert(key, object)),
                Effect::Bucket(name, bucket) => drop(buckets.insert(name, bucket)),
                Effect::AccessKey(id, key) => drop(access_keys.insert(id, key)),
                Effect::Directory(account, directory) => {
                    drop(directories.insert(account, directory));
                }
                // Whoever signs next reads it anew: of thousands that are made at once few may ever.
                Effect::SignerPiece(place) => drop(pieces.insert(place, None)),
                Effect::Number(account, number) => drop(numbers.insert(account, Some(number))),
                Effect::ManagedLink(name, link) => drop(managed_links.insert(name, link)),
            }
        }
        Self { objects, buckets, access_keys, directories, pieces, numbers, managed_links }
    }

    pub(super) fn begin(&self, caches: &Caches) {
        self.objects.keys().for_each(|key| caches.objects.begin_write(key));
        self.buckets.keys().for_each(|name| caches.buckets.begin_write(name));
        self.access_keys.keys().for_each(|id| caches.access_keys.begin_write(id));
        self.directories.keys().for_each(|account| caches.directories.begin_write(account));
        self.pieces.keys().for_each(|place| caches.pieces.begin_write(place));
        self.numbers.keys().for_each(|account| caches.numbers.begin_write(account));
        self.managed_links.keys().for_each(|name| caches.managed_links.begin_write(name));
    }

    pub(super) fn end(self, caches: &Caches, committed: &Result<(), StoreError>) {
        end(&caches.objects, self.objects, committed);
        end(&caches.buckets, self.buckets, committed);
        end(&caches.access_keys, self.access_keys, committed);
        end(&caches.directories, self.directories, committed);
        end(&caches.pieces, self.pieces, committed);
        end(&caches.numbers, self.numbers, committed);
        end(&caches.managed_links, self.managed_links, committed);
    }
}

fn end<K: Eq + Hash, V: Clone + Weigh>(
    cache: &ExactCache<K, V>,
    effects: HashMap<K, Option<V>>,
    committed: &Result<(), StoreError>,
) {
    for (key, value) in effects {
        cache.end_write(key, value.filter(|_| committed.is_ok()));
    }
}
