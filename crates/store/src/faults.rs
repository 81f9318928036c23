//! Faults and crashes at every step of the order of writes: a put is acknowledged and readable after
//! the next start, or it is invisible; and sweeping leaves no file that nothing points at.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use iam::MasterKey;
use jiff::SignedDuration;

use crate::backend::embedded;
use crate::backend::files::disk::{BeforeStep, Disk, DiskStep};
use crate::contract::uploads::new_upload;
use crate::contract::{at, key, new_bucket, runtime, the_bucket, uptime};
use crate::*;

/// More than a step, so that there is more than one write.
const SIZE: usize = 600_000;

const STEPS: [DiskStep; 7] = [
    DiskStep::Create,
    DiskStep::Allocate,
    DiskStep::Write,
    DiskStep::SyncData,
    DiskStep::OpenDirectory,
    DiskStep::Rename,
    DiskStep::SyncDirectory,
];

fn open(dir: &Path, disk: Disk) -> Store {
    let config = StoreConfig {
        data_dir: dir.to_owned(),
        master_key: MasterKey::from_bytes([1; 32]),
        encryption: Encryption::On,
        cache_bytes_max: 0,
    };
    Store::open_on(disk, config, at(0)).unwrap()
}

async fn put(store: &Store, name: &str, content: u8) -> Result<PutOutcome, StoreError> {
    let size_hint = Some(u64::try_from(SIZE).unwrap());
    let mut stage = store.stage(StageSpec { size_hint, ..StageSpec::default() }).await?;
    stage.write(Bytes::from(vec![content; SIZE])).await?;
    let put = PutObject {
        bucket: the_bucket(),
        key: key(name),
        body: stage.finish().await?,
        attributes: Attributes::default(),
        checksum: None,
        etag: None,
        precondition: Precondition::None,
    };
    store.put_object(put, at(1)).await
}

/// The byte that fills the object; `None`: there is no object. Anything else is a failure.
async fn content(store: &Store, name: &str) -> Option<u8> {
    let found = store.object(&the_bucket(), &key(name), None).await.unwrap();
    let Lookup::Object(object) = found else {
        assert!(matches!(found, Lookup::NoSuchKey));
        return None;
    };
    let mut reader = store.read(&store.unlock(&object, None).unwrap(), 0..object.size);
    let mut read = Vec::new();
    while let Some(bytes) = reader.next().await {
        read.extend_from_slice(&bytes.unwrap());
    }
    assert_eq!(read.len(), SIZE);
    assert!(read.iter().all(|byte| *byte == read[0]));
    Some(read[0])
}

/// How many files there are under `blobs` and `tmp`.
fn files(dir: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if entry.file_type().unwrap().is_dir() {
            count += files(&entry.path());
        } else if dir.file_name().unwrap() == "tmp" || name.len() == 30 {
            count += 1;
        }
    }
    count
}

/// Fails every step of one kind on files whose object is being put, once `armed`.
fn failing(step: DiskStep, armed: Arc<Mutex<bool>>, error: io::ErrorKind) -> Box<BeforeStep> {
    Box::new(
        move |now, _| {
            if now == step && *armed.lock().unwrap() { Err(error.into()) } else { Ok(()) }
        },
    )
}

#[test]
fn a_step_that_fails_fails_the_put_and_leaves_nothing() {
    for step in STEPS {
        let dir = tempfile::tempdir().unwrap();
        let armed = Arc::new(Mutex::new(false));
        let store =
            open(dir.path(), Disk::faulty(failing(step, Arc::clone(&armed), io::ErrorKind::Other)));
        runtime().block_on(async {
            store.create_bucket(new_bucket("bucket"), at(0)).await.unwrap();
            put(&store, "k", 1).await.unwrap();
            *armed.lock().unwrap() = true;
            let refused = put(&store, "k", 2).await.unwrap_err();
            *armed.lock().unwrap() = false;
            assert_eq!(content(&store, "k").await, Some(1), "{step:?}");
            if step == DiskStep::SyncDirectory {
                assert!(matches!(refused, StoreError::Poisoned));
                assert!(matches!(store.is_writable(), Err(StoreError::Poisoned)));
                assert!(matches!(put(&store, "k", 3).await, Err(StoreError::Poisoned)));
                let deleted = store
                    .delete_object(DeleteObject::of(&the_bucket(), &key("k"), None), at(2))
                    .await;
                assert!(matches!(deleted, Err(StoreError::Poisoned)));
            } else {
                assert!(matches!(refused, StoreError::Io { .. }), "{refused:?}");
                store.maintenance().run_once(at(2), uptime()).await.unwrap();
                assert_eq!(files(dir.path()), 1, "{step:?}");
                put(&store, "k", 3).await.unwrap();
            }
            store.close().await.ok();
        });
        drop(store);
        let store = open(dir.path(), Disk::default());
        runtime().block_on(async {
            let expected = if step == DiskStep::SyncDirectory { 1 } else { 3 };
            assert_eq!(content(&store, "k").await, Some(expected), "{step:?}");
            store
                .maintenance()
                .run_once(at(2) + SignedDuration::from_hours(1), uptime())
                .await
                .unwrap();
            assert_eq!(files(dir.path()), 1, "{step:?}");
        });
    }
}

#[test]
fn a_full_disk_is_full_and_nothing_worse() {
    for step in [DiskStep::Allocate, DiskStep::Write, DiskStep::SyncData] {
        let dir = tempfile::tempdir().unwrap();
        let armed = Arc::new(Mutex::new(true));
        let fault = failing(step, Arc::clone(&armed), io::ErrorKind::StorageFull);
        let store = open(dir.path(), Disk::faulty(fault));
        runtime().block_on(async {
            store.create_bucket(new_bucket("bucket"), at(0)).await.unwrap();
            assert!(matches!(put(&store, "k", 1).await, Err(StoreError::Full)));
            // The room is given back at once.
            assert_eq!(files(dir.path()), 0);
            store.is_writable().unwrap();
            *armed.lock().unwrap() = false;
            put(&store, "k", 2).await.unwrap();
            assert_eq!(content(&store, "k").await, Some(2));
        });
    }
}

/// Takes pictures of a data directory as a crash before each step would leave it: what was written
/// and not synced is lost, and so are renames whose directory was not synced.
#[derive(Default)]
struct Camera {
    synced: Mutex<HashMap<PathBuf, bool>>,
    unsynced_names: Mutex<Vec<PathBuf>>,
    pictures: Mutex<Vec<(DiskStep, tempfile::TempDir)>>,
}

impl Camera {
    fn before(&self, data_dir: &Path, step: DiskStep, path: &Path) {
        self.take(data_dir, step);
        match step {
            DiskStep::Create => drop(self.synced.lock().unwrap().insert(path.to_owned(), false)),
            DiskStep::SyncData => drop(self.synced.lock().unwrap().insert(path.to_owned(), true)),
            DiskStep::Rename => self.unsynced_names.lock().unwrap().push(path.to_owned()),
            DiskStep::SyncDirectory => {
                self.unsynced_names.lock().unwrap().retain(|name| name.parent() != Some(path));
            }
            DiskStep::Allocate | DiskStep::Write | DiskStep::OpenDirectory | DiskStep::Remove => (),
        }
    }

    fn take(&self, data_dir: &Path, step: DiskStep) {
        let picture = tempfile::tempdir().unwrap();
        copy(data_dir, picture.path());
        for (path, synced) in self.synced.lock().unwrap().iter() {
            let copied = picture.path().join(path.strip_prefix(data_dir).unwrap());
            if !synced && copied.exists() {
                std::fs::write(&copied, b"").unwrap();
            }
        }
        for name in self.unsynced_names.lock().unwrap().iter() {
            std::fs::remove_file(picture.path().join(name.strip_prefix(data_dir).unwrap())).ok();
        }
        self.pictures.lock().unwrap().push((step, picture));
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            // A temporary file of SQLite's may go meanwhile.
            std::fs::copy(entry.path(), &to).ok();
        }
    }
}

#[test]
fn a_crash_at_any_step_loses_nothing_acknowledged_and_shows_nothing_partial() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let camera = Arc::new(Camera::default());
    let before = {
        let (camera, data_dir) = (Arc::clone(&camera), data_dir.clone());
        Box::new(move |step, path: &Path| {
            camera.before(&data_dir, step, path);
            Ok(())
        })
    };
    let store = open(&data_dir, Disk::faulty(before));
    let mut acknowledged = Vec::new();
    runtime().block_on(async {
        store.create_bucket(new_bucket("bucket"), at(0)).await.unwrap();
        // Those of before show the making of the directory.
        for (_, picture) in std::mem::take(&mut *camera.pictures.lock().unwrap()) {
            drop(open(picture.path(), Disk::default()));
        }
        for (name, byte) in [("a", 1), ("b", 2), ("a", 3)] {
            let pictures = camera.pictures.lock().unwrap().len();
            put(&store, name, byte).await.unwrap();
            acknowledged.push((pictures, name, byte));
        }
        camera.take(&data_dir, DiskStep::Remove);
    });
    let pictures = std::mem::take(&mut *camera.pictures.lock().unwrap());
    assert!(pictures.len() > 3 * STEPS.len());
    for (number, (step, picture)) in pictures.iter().enumerate() {
        let store = open(picture.path(), Disk::default());
        runtime().block_on(async {
            let mut expected = HashMap::new();
            let mut under_way = None;
            for (begun, name, byte) in &acknowledged {
                let next = acknowledged.iter().map(|(at, ..)| *at).find(|at| at > begun);
                if number < *begun {
                    break;
                }
                if number < next.unwrap_or(pictures.len() - 1) {
                    under_way = Some((*name, *byte));
                    break;
                }
                expected.insert(*name, *byte);
            }
            let mut objects = 0;
            for name in ["a", "b"] {
                let found = content(&store, name).await;
                objects += usize::from(found.is_some());
                let old = expected.get(name).copied();
                let new = under_way.filter(|(at, _)| *at == name).map(|(_, byte)| byte);
                assert!(
                    found == old || (new.is_some() && found == new),
                    "{number} {step:?} {name}"
                );
            }
            let later = at(2) + SignedDuration::from_hours(1);
            store.maintenance().run_once(later, uptime()).await.unwrap();
            assert_eq!(files(picture.path()), objects, "{number} {step:?}");
            put(&store, "c", 9).await.unwrap();
        });
    }
}

#[test]
fn what_is_dropped_before_it_is_recorded_is_swept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Disk::default());
    runtime().block_on(async {
        store.create_bucket(new_bucket("bucket"), at(0)).await.unwrap();
        // Half a body; a whole one; one whose precondition does not hold.
        let stage = async || {
            let mut stage = store.stage(StageSpec::default()).await.unwrap();
            stage.write(Bytes::from(vec![1; SIZE])).await.unwrap();
            stage
        };
        drop(stage().await);
        drop(stage().await.finish().await.unwrap());
        let put = PutObject {
            bucket: the_bucket(),
            key: key("k"),
            body: stage().await.finish().await.unwrap(),
            attributes: Attributes::default(),
            checksum: None,
            etag: None,
            precondition: Precondition::IfMatch(ETag::of_md5([0; 16])),
        };
        let outcome = store.put_object(put, at(1)).await.unwrap();
        assert!(matches!(outcome, PutOutcome::NoSuchKey));
        // The half one ends in the background.
        for _ in 0..500 {
            store.maintenance().run_once(at(1), uptime()).await.unwrap();
            if files(dir.path()) == 0 {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(files(dir.path()), 0);
    });
}

#[test]
fn an_old_stage_is_given_up_and_cannot_be_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Disk::default());
    runtime().block_on(async {
        store.create_bucket(new_bucket("bucket"), at(0)).await.unwrap();
        let mut stage = store.stage(StageSpec::default()).await.unwrap();
        stage.write(Bytes::from(vec![1; SIZE])).await.unwrap();
        let body = stage.finish().await.unwrap();
        let later = at(1) + sweep::INTENT_LIFE;
        assert_eq!(store.maintenance().run_once(later, uptime()).await.unwrap().intents, 1);
        assert_eq!(files(dir.path()), 1);
        let much_later = at(2) + sweep::INTENT_LIFE + embedded::GARBAGE_REST;
        assert_eq!(store.maintenance().run_once(much_later, uptime()).await.unwrap().blobs, 1);
        assert_eq!(files(dir.path()), 0);
        let put = PutObject {
            bucket: the_bucket(),
            key: key("k"),
            body,
            attributes: Attributes::default(),
            checksum: None,
            etag: None,
            precondition: Precondition::None,
        };
        let refused = store.put_object(put, much_later).await;
        assert!(matches!(refused, Err(StoreError::StageExpired)));
    });
}

#[test]
fn a_put_whose_caller_went_away_is_decided_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Disk::default());
    runtime().block_on(async {
        store.create_bucket(new_bucket("bucket"), at(0)).await.unwrap();
        for n in 0..40_u64 {
            let task = tokio::spawn({
                let store = store.clone();
                async move { put(&store, "k", 1).await.map(drop) }
            });
            for _ in 0..n * 20 {
                tokio::task::yield_now().await;
            }
            task.abort();
            let _cancelled = task.await;
            assert!(content(&store, "k").await.is_none_or(|byte| byte == 1));
        }
        put(&store, "k", 2).await.unwrap();
        let mut now = at(0);
        for _ in 0..1000 {
            now += SignedDuration::from_secs(100);
            store.maintenance().run_once(now, uptime()).await.unwrap();
            if files(dir.path()) == 1 {
                break;
            }
        }
        assert_eq!(content(&store, "k").await, Some(2));
        assert_eq!(files(dir.path()), 1);
    });
}

#[test]
fn a_reader_that_has_begun_completes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Disk::default());
    runtime().block_on(async {
        store.create_bucket(new_bucket("bucket"), at(0)).await.unwrap();
        put(&store, "k", 1).await.unwrap();
        let Lookup::Object(object) = store.object(&the_bucket(), &key("k"), None).await.unwrap()
        else {
            panic!()
        };
        let mut begun = store.read(&store.unlock(&object, None).unwrap(), 0..object.size);
        let first = begun.next().await.unwrap().unwrap();
        store.delete_object(DeleteObject::of(&the_bucket(), &key("k"), None), at(2)).await.unwrap();
        let later = at(3) + embedded::GARBAGE_REST;
        assert_eq!(store.maintenance().run_once(later, uptime()).await.unwrap().blobs, 0);
        let mut size = first.len();
        while let Some(bytes) = begun.next().await {
            size += bytes.unwrap().len();
        }
        assert_eq!((size, begun.remaining()), (SIZE, 0));
        drop(begun);
        assert_eq!(store.maintenance().run_once(later, uptime()).await.unwrap().blobs, 1);
        let late = store.read(&store.unlock(&object, None).unwrap(), 0..1).next().await.unwrap();
        assert!(matches!(late, Err(StoreError::BodyGone)));
    });
}

#[test]
fn a_body_that_was_deleted_goes_soon_where_one_was_refused_for_want_of_room() {
    let check = |refused: bool, seconds: i64, left: usize| {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), Disk::default());
        runtime().block_on(async {
            store.create_bucket(new_bucket("bucket"), at(0)).await.unwrap();
            put(&store, "k", 1).await.unwrap();
            let key = key("k");
            let found = store.object(&the_bucket(), &key, None).await.unwrap();
            let Lookup::Object(object) = found else { panic!("no object") };
            store.delete_object(DeleteObject::of(&the_bucket(), &key, None), at(2)).await.unwrap();
            let refuse = async || {
                let spec = StageSpec { size_hint: Some(u64::MAX), ..StageSpec::default() };
                if refused {
                    assert!(matches!(store.stage(spec).await, Err(StoreError::Full)));
                }
            };
            let now = at(2) + SignedDuration::from_secs(seconds);
            // Whoever reads it still keeps it.
            let mut reader = store.read(&store.unlock(&object, None).unwrap(), 0..object.size);
            refuse().await;
            store.maintenance().run_once(now, uptime()).await.unwrap();
            assert_eq!(files(dir.path()), 1, "{refused} {seconds}");
            reader.next().await.unwrap().unwrap();
            drop(reader);
            refuse().await;
            store.maintenance().run_once(now, uptime()).await.unwrap();
            assert_eq!(files(dir.path()), left, "{refused} {seconds}");
        });
    };
    check(true, 1, 1);
    check(true, 3, 0);
    check(false, 3, 1);
    check(false, 61, 0);
}

#[test]
fn a_glimpse_of_a_wrong_clock_ends_no_upload() {
    use std::time::Duration;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Disk::default());
    runtime().block_on(async {
        store.create_bucket(new_bucket("bucket"), at(0)).await.unwrap();
        let new = new_upload("k");
        let upload = store.create_upload(new, at(1)).await.unwrap().unwrap();
        let mut stage = store.stage(StageSpec::default()).await.unwrap();
        stage.write(Bytes::from(vec![1; SIZE])).await.unwrap();
        let body = stage.finish().await.unwrap();
        let idle = SignedDuration::from_hours(14 * 24);
        let maintenance = store.maintenance().aborting_uploads_after(idle);
        let ahead = at(2) + SignedDuration::from_hours(15 * 24);
        // At once after the start, in the middle of hours of right readings, and after them.
        let minutes = |count: u64| Duration::from_mins(count);
        let mut swept = maintenance.run_once(ahead, minutes(0)).await.unwrap();
        for minute in 1..200 {
            let told = at(2) + SignedDuration::from_mins(minute);
            let told =
                if minute % 50 == 0 { told + SignedDuration::from_hours(15 * 24) } else { told };
            let run = maintenance.run_once(told, minutes(minute.unsigned_abs())).await.unwrap();
            swept.uploads += run.uploads;
            swept.intents += run.intents;
        }
        assert_eq!((swept.uploads, swept.intents), (0, 0));
        let number = PartNumber::new(1).unwrap();
        let put = store.put_part(&upload, number, body, None, at(3)).await.unwrap();
        assert!(matches!(put, PutPart::Stored(_)));
        // A clock that stays so is believed after an hour.
        for minute in 0..=61 {
            let told = ahead + SignedDuration::from_mins(minute);
            let run =
                maintenance.run_once(told, minutes(300 + minute.unsigned_abs())).await.unwrap();
            assert_eq!(run.uploads, usize::from(minute == 61), "{minute}");
        }
    });
}

#[test]
fn a_new_directory_is_synced_where_its_name_is() {
    let dir = tempfile::tempdir().unwrap();
    let synced = Arc::new(Mutex::new(Vec::new()));
    let note = {
        let synced = Arc::clone(&synced);
        Box::new(move |step, path: &Path| {
            if step == DiskStep::SyncDirectory {
                synced.lock().unwrap().push(path.to_owned());
            }
            Ok(())
        })
    };
    drop(open(&dir.path().join("a/b"), Disk::faulty(note)));
    let synced = std::mem::take(&mut *synced.lock().unwrap());
    assert_eq!(synced.get(..2), Some(&[dir.path().to_owned(), dir.path().join("a")][..]));
}
