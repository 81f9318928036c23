//! Random writes, deletes and listings against the simplest model of S3's versioning there is, the
//! store reopened at random.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use iam::AccountId;
use iam::MasterKey;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use store::{
    Attributes, BucketName, BucketRef, DeleteBucket, DeleteObject, DeleteOutcome, Encryption,
    ListAfter, ListEntry, ListObjects, ListVersions, Lookup, NewBucket, ObjectKey, Precondition,
    PutObject, PutOutcome, StageSpec, Store, StoreConfig, VersionAfter, VersionEntry, VersionId,
    Versioning,
};

const KEYS: [&str; 8] = ["a", "a/", "a/1", "a/1/x", "a/2", "b", "b/1", "c"];

#[derive(Clone, Debug)]
enum Step {
    Put {
        key: usize,
        large: bool,
    },
    PutIfAbsent {
        key: usize,
    },
    Delete {
        key: usize,
    },
    DeleteVersion {
        key: usize,
        nth: usize,
    },
    DeleteNull {
        key: usize,
    },
    Set(Versioning),
    Compare {
        delimiter: bool,
        limit: usize,
        prefix: usize,
    },
    Sweep,
    Reopen,
    /// Somebody empties the bucket, removes it, and makes another of its name.
    Replace,
    /// Whoever knew the first of them goes on.
    GoOn {
        key: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS.len();
    prop_oneof![
        8 => (key.clone(), proptest::bool::weighted(0.1))
            .prop_map(|(key, large)| Step::Put { key, large }),
        2 => key.clone().prop_map(|key| Step::PutIfAbsent { key }),
        4 => key.clone().prop_map(|key| Step::Delete { key }),
        4 => (key.clone(), 0..4_usize).prop_map(|(key, nth)| Step::DeleteVersion { key, nth }),
        1 => key.clone().prop_map(|key| Step::DeleteNull { key }),
        2 => prop_oneof![Just(Versioning::Enabled), Just(Versioning::Suspended)]
            .prop_map(Step::Set),
        6 => (any::<bool>(), 1..6_usize, 0..4_usize).prop_map(|(delimiter, limit, prefix)| {
            Step::Compare { delimiter, limit, prefix }
        }),
        1 => Just(Step::Sweep),
        1 => Just(Step::Reopen),
        1 => Just(Step::Replace),
        2 => key.prop_map(|key| Step::GoOn { key }),
    ]
}

/// The versions of each key, newest first: which, and the size of the body; no size: a marker.
struct Model {
    versioning: Versioning,
    versions: BTreeMap<&'static str, Vec<(VersionId, Option<usize>)>>,
}

impl Model {
    fn current(&self, key: &str) -> Option<usize> {
        self.versions.get(key).and_then(|versions| versions.first()).and_then(|(_, size)| *size)
    }

    fn add(&mut self, key: &'static str, version: VersionId, size: Option<usize>) {
        let versions = self.versions.entry(key).or_default();
        match self.versioning {
            Versioning::Enabled => assert!(versions.iter().all(|(id, _)| *id != version)),
            Versioning::Unversioned | Versioning::Suspended => {
                assert_eq!(version, VersionId::Null);
                versions.retain(|(id, _)| *id != VersionId::Null);
            }
        }
        versions.insert(0, (version, size));
    }

    /// Removes one version; whether it was a marker, if it was there.
    fn remove(&mut self, key: &str, version: VersionId) -> Option<bool> {
        let versions = self.versions.get_mut(key)?;
        let at = versions.iter().position(|(id, _)| *id == version)?;
        let (_, size) = versions.remove(at);
        self.versions.retain(|_, versions| !versions.is_empty());
        Some(size.is_none())
    }

    fn objects(&self, prefix: &str, delimiter: bool) -> Vec<String> {
        let keys = self.versions.keys().filter(|key| self.current(key).is_some());
        group(
            keys.map(|key| (*key, format!("{key}={}", self.current(key).unwrap()))),
            prefix,
            delimiter,
        )
    }

    fn all(&self, prefix: &str, delimiter: bool) -> Vec<String> {
        let entries = self.versions.iter().flat_map(|(key, versions)| {
            versions.iter().enumerate().map(move |(n, (id, size))| {
                let latest = if n == 0 { "!" } else { "" };
                (*key, format!("{key}@{id}={size:?}{latest}"))
            })
        });
        group(entries, prefix, delimiter)
    }
}

/// Entries by key, those below a delimiter as one.
fn group<'k>(
    entries: impl Iterator<Item = (&'k str, String)>,
    prefix: &str,
    delimiter: bool,
) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut grouped = Vec::new();
    for (key, entry) in entries.filter(|(key, _)| key.starts_with(prefix)) {
        match key[prefix.len()..].find('/').filter(|_| delimiter) {
            None => grouped.push(entry),
            Some(at) => {
                let common = format!("{}*", &key[..=prefix.len() + at]);
                if seen.insert(common.clone()) {
                    grouped.push(common);
                }
            }
        }
    }
    grouped
}

struct Run<'d> {
    dir: &'d Path,
    store: Option<Store>,
    model: Model,
    seconds: i64,
    /// The bucket that was made first.
    first: Option<BucketRef>,
}

fn bucket_name() -> BucketName {
    BucketName::parse("bucket").unwrap()
}

/// The bucket that is there now.
async fn bucket(store: &Store) -> BucketRef {
    store.bucket(&bucket_name()).await.unwrap().unwrap().reference()
}

fn key(number: usize) -> ObjectKey {
    ObjectKey::parse(KEYS[number]).unwrap()
}

impl Run<'_> {
    fn now(&mut self) -> Timestamp {
        self.seconds += 1;
        Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_secs(self.seconds)
    }

    fn open(&mut self) {
        // The old one goes first: the directory is held by one at a time.
        self.store = None;
        let config = StoreConfig {
            data_dir: self.dir.to_owned(),
            master_key: MasterKey::from_bytes([1; 32]),
            encryption: Encryption::On,
            cache_bytes_max: 64 * 1024,
        };
        self.store = Some(Store::open(config, self.now()).unwrap());
    }

    fn store(&self) -> Store {
        self.store.clone().unwrap()
    }

    async fn replace(&mut self) {
        let (store, now) = (self.store(), self.now());
        let old = bucket(&store).await;
        for (name, versions) in std::mem::take(&mut self.model.versions) {
            let key = ObjectKey::parse(name).unwrap();
            for (id, _) in versions {
                let delete = DeleteObject::of(&old, &key, Some(&id));
                store.delete_object(delete, now).await.unwrap();
            }
        }
        assert_eq!(store.delete_bucket(&old, now).await.unwrap(), DeleteBucket::Deleted);
        self.create().await;
        self.model.versioning = Versioning::Unversioned;
        assert_ne!(bucket(&store).await, old);
    }

    async fn create(&mut self) {
        let owner = AccountId::parse("000000000000").unwrap();
        let new = NewBucket {
            name: bucket_name(),
            owner,
            region: "us-east-1".to_owned(),
            tags: Vec::new(),
        };
        let (store, now) = (self.store(), self.now());
        store.create_bucket(new, now).await.unwrap();
    }

    /// Does what somebody was admitted to before the bucket was replaced, if it was.
    async fn go_on(&mut self, number: usize) {
        let (store, now) = (self.store(), self.now());
        let first = self.first.clone().unwrap();
        if first == bucket(&store).await {
            return;
        }
        let mut stage = store.stage(StageSpec::default()).await.unwrap();
        stage.write(Bytes::from_static(b"late")).await.unwrap();
        let put = PutObject {
            bucket: first.clone(),
            key: key(number),
            body: stage.finish().await.unwrap(),
            attributes: Attributes::default(),
            checksum: None,
            etag: None,
            precondition: Precondition::None,
        };
        let outcome = store.put_object(put, now).await.unwrap();
        assert!(matches!(outcome, PutOutcome::NoSuchBucket), "{outcome:?}");
        let delete = DeleteObject::of(&first, &key(number), None);
        let outcome = store.delete_object(delete, now).await.unwrap();
        assert_eq!(outcome, DeleteOutcome::NoSuchBucket);
        let found = store.object(&first, &key(number), None).await.unwrap();
        assert!(matches!(found, Lookup::NoSuchBucket), "{found:?}");
        assert!(!store.set_versioning(&first, Versioning::Enabled, now).await.unwrap());
        assert_eq!(store.delete_bucket(&first, now).await.unwrap(), DeleteBucket::NotFound);
    }

    async fn put(&mut self, number: usize, large: bool, precondition: Precondition) {
        let (store, now) = (self.store(), self.now());
        // Sizes tell the bodies apart.
        let size = usize::try_from(self.seconds).unwrap() + if large { 20_000 } else { 0 };
        let mut stage = store.stage(StageSpec::default()).await.unwrap();
        stage.write(Bytes::from(vec![7; size])).await.unwrap();
        let put = PutObject {
            bucket: bucket(&store).await,
            key: key(number),
            body: stage.finish().await.unwrap(),
            attributes: Attributes::default(),
            checksum: None,
            etag: None,
            precondition,
        };
        let exists = self.model.current(KEYS[number]).is_some();
        match store.put_object(put, now).await.unwrap() {
            PutOutcome::Stored { object, version_id } => {
                assert!(precondition == Precondition::None || !exists);
                assert_eq!(version_id.is_none(), self.model.versioning == Versioning::Unversioned);
                self.model.add(KEYS[number], object.version_id, Some(size));
            }
            PutOutcome::PreconditionFailed => {
                assert!(precondition == Precondition::IfAbsent && exists);
            }
            other => panic!("{other:?}"),
        }
    }

    async fn delete(&mut self, number: usize) {
        let (store, now) = (self.store(), self.now());
        match store
            .delete_object(DeleteObject::of(&bucket(&store).await, &key(number), None), now)
            .await
            .unwrap()
        {
            DeleteOutcome::MarkerCreated { version_id } => {
                assert_ne!(self.model.versioning, Versioning::Unversioned);
                self.model.add(KEYS[number], version_id, None);
            }
            DeleteOutcome::Deleted { version_id: None, was_marker: false } => {
                assert_eq!(self.model.versioning, Versioning::Unversioned);
                assert!(self.model.remove(KEYS[number], VersionId::Null).is_some());
            }
            DeleteOutcome::Nothing => {
                assert_eq!(self.model.versioning, Versioning::Unversioned);
                assert!(!self.model.versions.contains_key(KEYS[number]));
            }
            other => panic!("{other:?}"),
        }
    }

    async fn delete_version(&mut self, number: usize, version: VersionId) {
        let (store, now) = (self.store(), self.now());
        let (bucket, key) = (bucket(&store).await, key(number));
        let outcome = store
            .delete_object(DeleteObject::of(&bucket, &key, Some(&version)), now)
            .await
            .unwrap();
        let expected = match self.model.remove(KEYS[number], version) {
            Some(was_marker) => DeleteOutcome::Deleted { version_id: Some(version), was_marker },
            None => DeleteOutcome::Nothing,
        };
        assert_eq!(outcome, expected);
    }

    async fn compare(&self, prefix: &str, delimiter: bool, limit: usize) {
        let (store, model) = (self.store(), &self.model);
        assert_eq!(list(&store, prefix, delimiter, limit).await, model.objects(prefix, delimiter));
        assert_eq!(list_all(&store, prefix, delimiter, limit).await, model.all(prefix, delimiter));
        for (number, name) in KEYS.into_iter().enumerate() {
            let found = store.object(&bucket(&store).await, &key(number), None).await.unwrap();
            match (found, model.versions.get(name).and_then(|versions| versions.first())) {
                (Lookup::Object(object), Some((id, Some(size)))) => {
                    assert_eq!(
                        (object.version_id, object.size),
                        (*id, u64::try_from(*size).unwrap())
                    );
                    let mut reader =
                        store.read(&store.unlock(&object, None).unwrap(), 0..object.size);
                    let mut read = 0;
                    while let Some(bytes) = reader.next().await {
                        read += bytes.unwrap().len();
                    }
                    assert_eq!(read, *size);
                }
                (Lookup::DeleteMarker(marker), Some((id, None))) => {
                    assert_eq!((marker.version_id, marker.is_current), (*id, true));
                }
                (Lookup::NoSuchKey, None) => (),
                (found, expected) => panic!("{found:?} {expected:?}"),
            }
            for (id, size) in model.versions.get(name).into_iter().flatten() {
                match store.object(&bucket(&store).await, &key(number), Some(id)).await.unwrap() {
                    Lookup::Object(object) => assert_eq!(usize::try_from(object.size).ok(), *size),
                    Lookup::DeleteMarker(_) => assert_eq!(*size, None),
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Put { key, large } => self.put(key, large, Precondition::None).await,
            Step::PutIfAbsent { key } => self.put(key, false, Precondition::IfAbsent).await,
            Step::Delete { key } => self.delete(key).await,
            Step::DeleteNull { key } => self.delete_version(key, VersionId::Null).await,
            Step::DeleteVersion { key, nth } => {
                let versions = self.model.versions.get(KEYS[key]);
                if let Some((id, _)) = versions.and_then(|versions| versions.get(nth)) {
                    self.delete_version(key, *id).await;
                }
            }
            Step::Set(versioning) => {
                let (store, now) = (self.store(), self.now());
                let bucket = bucket(&store).await;
                assert!(store.set_versioning(&bucket, versioning, now).await.unwrap());
                self.model.versioning = versioning;
            }
            Step::Compare { delimiter, limit, prefix } => {
                self.compare(["", "a", "a/", "b"][prefix], delimiter, limit).await;
            }
            Step::Sweep => {
                self.seconds += 1000;
                let now = self.now();
                self.store().maintenance().run_once(now, uptime()).await.unwrap();
            }
            Step::Reopen => self.open(),
            Step::Replace => self.replace().await,
            Step::GoOn { key } => self.go_on(key).await,
        }
    }
}

async fn list(store: &Store, prefix: &str, delimiter: bool, limit: usize) -> Vec<String> {
    let mut listed = Vec::new();
    let mut after = ListAfter::Start;
    loop {
        let (prefix, delimiter) = (prefix.to_owned(), delimiter.then(|| "/".to_owned()));
        let query = ListObjects { prefix, delimiter, after, limit };
        let page = store.list_objects(&bucket(store).await, query).await.unwrap().unwrap();
        assert!(page.entries.len() <= limit);
        listed.extend(page.entries.into_iter().map(|entry| match entry {
            ListEntry::Object(object) => format!("{}={}", object.key, object.size),
            ListEntry::CommonPrefix(prefix) => format!("{prefix}*"),
        }));
        match page.next {
            Some(next) => after = next,
            None => return listed,
        }
    }
}

async fn list_all(store: &Store, prefix: &str, delimiter: bool, limit: usize) -> Vec<String> {
    let mut listed = Vec::new();
    let mut after = VersionAfter::Start;
    let latest = |is_latest| if is_latest { "!" } else { "" };
    loop {
        let (prefix, delimiter) = (prefix.to_owned(), delimiter.then(|| "/".to_owned()));
        let query = ListVersions { prefix, delimiter, after, limit };
        let page = store.list_versions(&bucket(store).await, query).await.unwrap().unwrap();
        assert!(page.entries.len() <= limit);
        listed.extend(page.entries.into_iter().map(|entry| match entry {
            VersionEntry::Version(version) => {
                let (object, mark) = (version.object, latest(version.is_latest));
                format!("{}@{}=Some({}){mark}", object.key, version.version_id, object.size)
            }
            VersionEntry::DeleteMarker { key, version_id, is_latest, .. } => {
                format!("{key}@{version_id}=None{}", latest(is_latest))
            }
            VersionEntry::CommonPrefix(prefix) => format!("{prefix}*"),
        }));
        match page.next {
            Some(next) => after = next,
            None => return listed,
        }
    }
}

/// How many files hold bytes.
fn files(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

fn run(steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let model = Model { versioning: Versioning::Unversioned, versions: BTreeMap::new() };
    let mut run = Run { dir: dir.path(), store: None, model, seconds: 0, first: None };
    run.open();
    runtime.block_on(async {
        run.create().await;
        run.first = Some(bucket(&run.store()).await);
        for step in steps {
            run.step(step).await;
        }
        run.compare("", false, 1000).await;
        run.step(Step::Sweep).await;
        let sizes = run.model.versions.values().flatten().filter_map(|(_, size)| *size);
        let large = sizes.filter(|size| *size > 16 * 1024).count();
        assert_eq!(files(&dir.path().join("blobs")), large);
        assert_eq!(files(&dir.path().join("tmp")), 0);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn behaves_as_the_model(steps in prop::collection::vec(step(), 1..80)) {
        run(steps);
    }
}

/// Each time many hours more, so that every run of maintenance trusts the time it is told.
fn uptime() -> Duration {
    static RUNS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let runs = RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    Duration::from_hours(10_000 * runs)
}
