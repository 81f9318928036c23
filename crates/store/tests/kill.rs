//! A process that is killed while many write: what it had acknowledged is there, whole, and nothing
//! else is left on the disk.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use iam::{AccountId, MasterKey, Policy};
use jiff::{SignedDuration, Timestamp};
use presign::Fingerprint;
use store::{
    Attributes, BucketName, BucketRef, CompleteOutcome, CompleteUpload, CompletedPart,
    CreateBucket, DirectoryEdit, Encryption, KeyOwner, KeyStatus, ListAfter, ListEntry,
    ListObjects, Lookup, NewBucket, NewManagedPolicy, NewUpload, ObjectKey, PartNumber,
    Precondition, PutObject, PutOutcome, PutPart, RequestFile, RequestRoom, ReserveFile, StageSpec,
    StagedBody, Store, StoreConfig,
};

/// Where the child keeps its data; without it the child's test does nothing.
const CHILD_DIR: &str = "VALET_TEST_KILL_DIR";
const ROUNDS: u64 = 6;
const WRITERS: u64 = 16;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn open(dir: &Path) -> Store {
    let config = StoreConfig {
        data_dir: dir.to_owned(),
        master_key: MasterKey::from_bytes([1; 32]),
        encryption: Encryption::On,
        cache_bytes_max: 1 << 20,
    };
    Store::open(config, now()).unwrap()
}

fn bucket_name() -> BucketName {
    BucketName::parse("bucket").unwrap()
}

/// The bucket that is there now.
async fn bucket(store: &Store) -> BucketRef {
    store.bucket(&bucket_name()).await.unwrap().unwrap().reference()
}

/// The length of the body at a key, large or small.
fn size_of(key: &str) -> usize {
    let number = key.bytes().fold(0, |sum, byte| (sum * 31 + usize::from(byte)) % 1000);
    if number % 4 == 0 { 20_000 + number } else { number }
}

async fn stage(store: &Store, key: &str) -> StagedBody {
    let mut stage = store.stage(StageSpec::default()).await.unwrap();
    stage.write(Bytes::from(vec![7; size_of(key)])).await.unwrap();
    stage.finish().await.unwrap()
}

async fn put(store: &Store, key: &str) {
    let put = PutObject {
        bucket: bucket(store).await,
        key: ObjectKey::parse(key).unwrap(),
        body: stage(store, key).await,
        attributes: Attributes::default(),
        checksum: None,
        etag: None,
        precondition: Precondition::None,
    };
    let outcome = store.put_object(put, now()).await.unwrap();
    assert!(matches!(outcome, PutOutcome::Stored { .. }));
}

/// Not a test of its own: what the killed process does, when it is told where.
#[test]
#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a child told by its parent")]
fn child() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let store = open(Path::new(&dir));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let owner = AccountId::parse("000000000000").unwrap();
        let new = NewBucket {
            name: bucket_name(),
            owner,
            region: "us-east-1".to_owned(),
            tags: Vec::new(),
        };
        let made = store.create_bucket(new, now()).await.unwrap();
        let round = if matches!(made, CreateBucket::Created(_)) { 0 } else { std::process::id() };
        let people = tokio::spawn(make_people(store.clone(), round));
        let senders = (0..SENDERS).map(|sender| {
            tokio::spawn(send_files(store.clone(), format!("{SENT_BELOW}{round}-{sender}")))
        });
        let senders = senders.collect::<Vec<_>>();
        let writers = (0..WRITERS).map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0.. {
                    // Some keys are written over and over.
                    let key = match number % 5 {
                        0 => format!("shared-{}", number % 3),
                        _ => format!("{round}-{writer}-{number}"),
                    };
                    put(&store, &key).await;
                    println!("{key} ");
                    std::io::stdout().flush().unwrap();
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        for sender in senders {
            sender.await.unwrap();
        }
        people.await.unwrap();
    });
}

/// How a file that was sent to a request is told apart from a key.
const SENT: &str = "sent:";
/// Where such files are put.
const SENT_BELOW: &str = "in/";
const SENDERS: u64 = 4;

/// The request that they are sent to.
fn request() -> Fingerprint {
    Fingerprint::of_signature(b"request")
}

/// Sends files to a request, one after the other.
#[expect(clippy::print_stdout, reason = "a child tells its parent")]
async fn send_files(store: Store, name: String) {
    for number in 0.. {
        let text = format!("{name}-{number}");
        let (bucket, key) = (bucket(&store).await, ObjectKey::parse(&text).unwrap());
        let id = RequestFile::new_id().unwrap();
        let file = RequestFile {
            id,
            link: request(),
            bucket: bucket.clone(),
            key: key.clone(),
            name: "name".to_owned(),
            size: 1,
            upload: None,
            is_done: false,
            touched_at: now(),
        };
        let room =
            RequestRoom { files_max: u64::MAX, bytes_max: u64::MAX, idle_before: Timestamp::MIN };
        assert_eq!(store.reserve_file(file, room).await.unwrap(), ReserveFile::Reserved);
        let new = NewUpload {
            bucket: bucket.clone(),
            key: key.clone(),
            attributes: Attributes::default(),
            checksum: None,
            encryption: None,
            customer_key: None,
            initiator: "root".to_owned(),
        };
        let upload = store.create_upload(new, now()).await.unwrap().unwrap();
        assert!(store.begin_file(&request(), id, upload.id, now()).await.unwrap());
        let (part, body) = (PartNumber::new(1).unwrap(), stage(&store, &text).await);
        let put = store.put_part(&upload, part, body, None, now()).await.unwrap();
        let PutPart::Stored(stored) = put else { panic!("the upload is gone") };
        let complete = CompleteUpload {
            bucket,
            key,
            upload_id: upload.id,
            parts: vec![CompletedPart { number: part, etag: stored.etag, checksum: None }],
            object_checksum: None,
            precondition: Precondition::None,
            min_part_size: 0,
        };
        let completed = store.complete_upload(complete, now()).await.unwrap();
        assert!(matches!(completed, CompleteOutcome::Completed { .. }));
        println!("{SENT}{} ", id.text());
        std::io::stdout().flush().unwrap();
    }
}

/// How a user is told apart from a key.
const USER: &str = "user:";

/// Makes users, each in one change with a group of its own, a key and a policy that is attached; the
/// user before it is switched off in the same change.
#[expect(clippy::print_stdout, reason = "a child tells its parent")]
async fn make_people(store: Store, round: u32) {
    for number in 0.. {
        let name = format!("{round}-{number}");
        let made = name.clone();
        let change = move |edit: &mut DirectoryEdit| {
            let document = r#"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
            let document = Arc::new(Policy::parse(document).unwrap());
            let (path, description, tags) = ("/".to_owned(), None, Vec::new());
            let policy = NewManagedPolicy { name: made.clone(), path, description, document, tags };
            // An account may have so many policies and groups; what it has by then will do.
            let attached = match edit.create_policy(policy) {
                Ok(policy) => Some(policy.arn.clone()),
                Err(_) => None,
            };
            let group = edit.create_group(&made, "/").is_ok();
            edit.create_user(&made, "/", None, Vec::new())?;
            edit.change_user(&made, |user| {
                user.attached.extend(attached);
                Ok(())
            })?;
            if group {
                edit.add_to_group(&made, &made)?;
            }
            edit.create_key(&made)?;
            if number > 0 {
                let before = format!("{round}-{}", number - 1);
                let user = edit.user(&before).unwrap();
                let key = edit.keys_of(user)[0].id.clone();
                edit.set_key_status(&before, &key, KeyStatus::Inactive)?;
            }
            Ok(())
        };
        if store.change_identities(&account(), now(), change).await.unwrap().is_err() {
            return;
        }
        println!("{USER}{name} ");
        std::io::stdout().flush().unwrap();
    }
}

fn account() -> AccountId {
    AccountId::parse("000000000000").unwrap()
}

/// How many files hold bytes.
fn files(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 1..=ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let reader = std::thread::spawn(move || {
            // A line is acknowledged when it ends as it should; the last one may be cut off.
            let whole = lines.map_while(Result::ok).filter_map(|line| {
                line.strip_suffix(' ')
                    .map(|key| key.trim_start_matches("test child ... ").to_owned())
            });
            whole.collect::<Vec<_>>()
        });
        std::thread::sleep(Duration::from_millis(250 + 90 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(reader.join().unwrap());
        check(dir.path(), &acknowledged);
    }
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    assert!(acknowledged.iter().any(|line| line.starts_with(SENT)), "no file was sent");
}

/// Every user is there, and each of them whole: with its key, its group, its policy and the switch of the
/// user before it, or not at all.
async fn check_people(store: &Store, acknowledged: &[String]) {
    let directory = store.directory(&account()).await.unwrap();
    for name in acknowledged.iter().filter_map(|line| line.strip_prefix(USER)) {
        assert!(directory.user(name).is_some(), "user {name} is lost");
    }
    for user in directory.users() {
        let keys = directory.keys_of(user);
        assert_eq!(keys.len(), 1, "{user:?}");
        let key = store.access_key(&keys[0].id).await.unwrap().unwrap();
        assert_eq!(key.owner, KeyOwner::User { id: user.id.clone() });
        let (round, number) = user.name.split_once('-').unwrap();
        let next = format!("{round}-{}", number.parse::<u64>().unwrap() + 1);
        let expected =
            if directory.user(&next).is_some() { KeyStatus::Inactive } else { KeyStatus::Active };
        assert_eq!((key.status, keys[0].status), (expected, expected), "{}", user.name);
        let has_group = directory.group(&user.name).is_some();
        assert_eq!(user.groups.len(), usize::from(has_group));
        assert_eq!(directory.policies_of_user(user).len(), user.attached.len());
    }
    assert_eq!(directory.keys().count(), directory.users().count());
}

/// Each file that was acknowledged is done, and as many are done as have an object.
async fn check_sent(store: &Store, acknowledged: &[String], objects: u64) {
    for id in acknowledged.iter().filter_map(|line| line.strip_prefix(SENT)) {
        let file = store.request_file(&request(), id.parse().unwrap()).await.unwrap();
        let file = file.unwrap_or_else(|| panic!("{id} is lost"));
        assert!(file.is_done, "{id}");
        let found = store.object(&bucket(store).await, &file.key, None).await.unwrap();
        assert!(matches!(found, Lookup::Object(_)), "{id} is done and not there");
    }
    let totals = store.request_totals(&request()).await.unwrap();
    assert_eq!(totals.done, objects);
}

fn check(dir: &Path, acknowledged: &[String]) {
    let store = open(dir);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        check_people(&store, acknowledged).await;
        for key in
            acknowledged.iter().filter(|key| !key.starts_with(USER) && !key.starts_with(SENT))
        {
            let key = ObjectKey::parse(key).unwrap();
            let found = store.object(&bucket(&store).await, &key, None).await.unwrap();
            assert!(matches!(found, Lookup::Object(_)), "{key} is lost");
        }
        if store.bucket(&bucket_name()).await.unwrap().is_none() {
            assert!(acknowledged.is_empty(), "the bucket is lost");
            return;
        }
        // Everything that is there is whole, acknowledged or not.
        let (mut after, mut in_files, mut sent) = (ListAfter::Start, 0, 0);
        loop {
            let query = ListObjects { prefix: String::new(), delimiter: None, after, limit: 1000 };
            let page = store.list_objects(&bucket(&store).await, query).await.unwrap().unwrap();
            for entry in page.entries {
                let ListEntry::Object(listed) = entry else { panic!("{entry:?}") };
                let found = store.object(&bucket(&store).await, &listed.key, None).await.unwrap();
                let Lookup::Object(object) = found else { panic!("{found:?}") };
                let mut reader = store.read(&store.unlock(&object, None).unwrap(), 0..object.size);
                let mut read = 0;
                while let Some(bytes) = reader.next().await {
                    read += bytes.unwrap().len();
                }
                assert_eq!(read, size_of(listed.key.as_str()));
                let is_sent = listed.key.as_str().starts_with(SENT_BELOW);
                sent += u64::from(is_sent);
                in_files += usize::from(is_sent || read > 16 * 1024);
            }
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        check_sent(&store, acknowledged, sent).await;
        // What was sent by half is given up after a day, and its bytes are removed in the next round.
        for hours in [25, 26] {
            let later = now() + SignedDuration::from_hours(hours);
            store.maintenance().run_once(later, uptime()).await.unwrap();
        }
        let totals = store.request_totals(&request()).await.unwrap();
        assert_eq!((totals.files, totals.done), (sent, sent));
        assert_eq!(files(&dir.join("blobs")) + files(&dir.join("tmp")), in_files);
    });
}

/// Each time many hours more, so that every run of maintenance trusts the time it is told.
fn uptime() -> Duration {
    static RUNS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let runs = RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    Duration::from_hours(10_000 * runs)
}
