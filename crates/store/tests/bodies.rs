//! Bodies through the public interface: sizes, ranges, encryption, digests, and every legal key.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use iam::AccountId;
use iam::MasterKey;
use jiff::{SignedDuration, Timestamp};
use store::{
    AtRest, Attributes, BodyReader, BucketName, BucketRef, ChecksumAlgorithm, ChecksumAlgorithms,
    CompleteOutcome, CompleteUpload, CompletedPart, Encryption, FileRange, ListAfter, ListEntry,
    ListObjects, Lookup, NewBucket, NewUpload, Object, ObjectKey, PartNumber, Precondition,
    PutObject, PutOutcome, PutPart, Segment, StageSpec, Store, StoreConfig, StoreError, Swept,
    Upload,
};

const KIB: usize = 1024;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn open(dir: &Path, encryption: Encryption) -> Store {
    let config = StoreConfig {
        data_dir: dir.to_owned(),
        master_key: MasterKey::from_bytes([1; 32]),
        encryption,
        cache_bytes_max: 1024 * KIB,
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

async fn with_bucket(dir: &Path, encryption: Encryption) -> Store {
    let store = open(dir, encryption);
    let owner = AccountId::parse("000000000000").unwrap();
    let bucket =
        NewBucket { name: bucket_name(), owner, region: "us-east-1".to_owned(), tags: Vec::new() };
    store.create_bucket(bucket, now()).await.unwrap();
    store
}

/// Bytes that tell where they are from.
fn body(size: usize) -> Bytes {
    (0..size).map(|at| u8::try_from((at / 7 + at / 65536 * 31) % 251).unwrap()).collect()
}

async fn stage(store: &Store, spec: StageSpec, body: &Bytes, piece: usize) -> store::StagedBody {
    let mut stage = store.stage(spec).await.unwrap();
    let mut rest = body.clone();
    while !rest.is_empty() {
        stage.write(rest.split_to(piece.min(rest.len()))).await.unwrap();
    }
    stage.finish().await.unwrap()
}

async fn put(store: &Store, key: &ObjectKey, body: &Bytes) -> Arc<Object> {
    let staged = stage(store, StageSpec::default(), body, 50_000).await;
    put_staged(store, key, staged).await
}

async fn put_staged(store: &Store, key: &ObjectKey, body: store::StagedBody) -> Arc<Object> {
    let put = PutObject {
        bucket: bucket(store).await,
        key: key.clone(),
        body,
        attributes: Attributes::default(),
        checksum: None,
        etag: None,
        precondition: Precondition::None,
    };
    match store.put_object(put, now()).await.unwrap() {
        PutOutcome::Stored { object, version_id: None } => object,
        other => panic!("{other:?}"),
    }
}

async fn get(store: &Store, key: &ObjectKey) -> Arc<Object> {
    match store.object(&bucket(store).await, key, None).await.unwrap() {
        Lookup::Object(object) => object,
        other => panic!("{other:?}"),
    }
}

async fn read(store: &Store, object: &Arc<Object>, range: Range<u64>) -> Vec<u8> {
    let mut reader = store.read(&store.unlock(object, None).unwrap(), range);
    let mut read = Vec::new();
    while let Some(bytes) = reader.next().await {
        read.extend_from_slice(&bytes.unwrap());
    }
    assert_eq!(reader.remaining(), 0);
    read
}

/// Puts a body of a size, and reads it whole and in ranges around every boundary.
async fn check(store: &Store, size: usize) {
    let key = ObjectKey::parse(&format!("size-{size}")).unwrap();
    let body = body(size);
    put(store, &key, &body).await;
    // As it was put, and as the database has it.
    let reopened =
        store.object(&bucket(store).await, &key, Some(&store::VersionId::Null)).await.unwrap();
    let Lookup::Object(reopened) = reopened else { panic!("{reopened:?}") };
    for object in [get(store, &key).await, reopened] {
        assert_eq!(object.size, u64::try_from(size).unwrap());
        let edges = [0, 1, 100, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 256 * KIB, 256 * KIB + 1];
        let edges = edges.into_iter().chain([size.saturating_sub(1), size, size + 10]);
        let edges = edges.filter(|edge| *edge <= size + 10).collect::<Vec<_>>();
        for from in &edges {
            for to in edges.iter().filter(|to| *to >= from) {
                let range = u64::try_from(*from).unwrap()..u64::try_from(*to).unwrap();
                let expected = &body[(*from).min(size)..(*to).min(size)];
                assert_eq!(read(store, &object, range).await, expected, "{size} {from} {to}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_size_and_range_comes_back_as_it_was_put() {
    for encryption in [Encryption::On, Encryption::Off] {
        let dir = tempfile::tempdir().unwrap();
        let store = with_bucket(dir.path(), encryption).await;
        let sizes = [0, 1, 16 * KIB, 16 * KIB + 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1];
        for size in sizes.into_iter().chain([256 * KIB, 256 * KIB + 1, 512 * KIB, 700_001]) {
            check(&store, size).await;
        }
    }
}

/// All files under a directory, with their bytes.
fn files(dir: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        if path.is_dir() { files(&path) } else { vec![std::fs::read(path).unwrap()] }
    };
    entries.flat_map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_bodies_do_not_lie_about_and_plain_ones_are_plain_files() {
    let needle = b"a sentence that nobody should find on the disk ".repeat(500);
    let rows = [(Encryption::On, 5), (Encryption::Off, 5), (Encryption::On, 500)];
    for (encryption, times) in rows.into_iter().chain([(Encryption::Off, 500)]) {
        let dir = tempfile::tempdir().unwrap();
        let store = with_bucket(dir.path(), encryption).await;
        let body = Bytes::copy_from_slice(&needle[..times * 47]);
        let key = ObjectKey::parse("key").unwrap();
        let object = put(&store, &key, &body).await;
        let found = files(dir.path())
            .iter()
            .any(|file| file.windows(47).any(|window| window == &needle[..47]));
        assert_eq!(found, encryption == Encryption::Off);
        let at_rest = if found { AtRest::Plain } else { AtRest::Aes256 };
        assert_eq!(object.encryption, at_rest);
        if times == 500 {
            let blobs = files(&dir.path().join("blobs"));
            assert_eq!(blobs.len(), 1);
            assert_eq!(blobs[0] == body, encryption == Encryption::Off);
        }
        // A request may choose for itself, and what is there is read either way.
        let spec = StageSpec { encryption: Some(Encryption::On), ..StageSpec::default() };
        assert_eq!(stage(&store, spec, &body, 100).await.at_rest(), AtRest::Aes256);
        drop(store);
        let store = open(dir.path(), Encryption::Off);
        let object = get(&store, &key).await;
        assert_eq!(read(&store, &object, 0..object.size).await, body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_byte_on_the_disk_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_bucket(dir.path(), Encryption::On).await;
    let key = ObjectKey::parse("key").unwrap();
    put(&store, &key, &body(100_000)).await;
    let path = find(&dir.path().join("blobs")).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[70_000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let object = get(&store, &key).await;
    assert_eq!(read(&store, &object, 0..100).await, body(100));
    let mut reader = store.read(&store.unlock(&object, None).unwrap(), 0..object.size);
    assert!(matches!(reader.next().await, Some(Err(StoreError::Corrupt { .. }))));
    assert!(reader.next().await.is_none());
}

/// What is changed on the disk after a chunk was opened is noticed at the next chunk, so the first was opened once.
#[tokio::test]
async fn a_chunk_is_opened_once_for_whoever_takes_little_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_bucket(dir.path(), Encryption::On).await;
    let key = ObjectKey::parse("key").unwrap();
    let body = body(200 * KIB);
    put(&store, &key, &body).await;
    let object = get(&store, &key).await;
    let unlocked = store.unlock(&object, None).unwrap();
    let mut readers: Vec<_> = (0..100).map(|_| store.read(&unlocked, 100..object.size)).collect();
    for reader in &mut readers {
        assert_eq!(take_little(reader).await.unwrap().unwrap(), &body[100..2 * KIB]);
    }
    let path = find(&dir.path().join("blobs")).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    for chunk in 0..2 {
        bytes[chunk * (64 * KIB + 16) + 50] ^= 1;
    }
    std::fs::write(&path, bytes).unwrap();
    for reader in &mut readers {
        for at in (2 * KIB..64 * KIB).step_by(2 * KIB) {
            assert_eq!(take_little(reader).await.unwrap().unwrap(), &body[at..at + 2 * KIB]);
        }
        assert!(matches!(take_little(reader).await, Some(Err(StoreError::Corrupt { .. }))));
    }
}

async fn take_little(reader: &mut BodyReader) -> Option<Result<Bytes, StoreError>> {
    std::future::poll_fn(|context| reader.poll_next(context, 2 * KIB)).await
}

fn find(dir: &Path) -> Option<std::path::PathBuf> {
    let mut entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.find_map(|path| if path.is_dir() { find(&path) } else { Some(path) })
}

#[tokio::test]
async fn bodies_that_come_in_at_once_do_not_mix() {
    // So many that each has less than a whole step, and waits for its only buffer.
    const BODIES: usize = 140;
    for encryption in [Encryption::On, Encryption::Off] {
        let dir = tempfile::tempdir().unwrap();
        let store = with_bucket(dir.path(), encryption).await;
        let bodies: Vec<Bytes> =
            (0..BODIES).map(|n| body(BODIES * KIB * 3 + n).slice(n..)).collect();
        let mut stages = Vec::new();
        for _ in &bodies {
            stages.push(store.stage(StageSpec::default()).await.unwrap());
        }
        for from in (0..bodies[0].len()).step_by(50_000) {
            for (stage, body) in stages.iter_mut().zip(&bodies) {
                let to = body.len().min(from + 50_000);
                stage.write(body.slice(from..to)).await.unwrap();
            }
        }
        for (n, (stage, body)) in stages.into_iter().zip(&bodies).enumerate() {
            let key = ObjectKey::parse(&n.to_string()).unwrap();
            let staged = stage.finish().await.unwrap();
            assert_eq!(staged.md5(), store::Digests::of(body, ChecksumAlgorithms::NONE).md5());
            let object = put_staged(&store, &key, staged).await;
            let whole = 0..u64::try_from(body.len()).unwrap();
            assert!(read(&store, &object, whole).await == *body, "{n}");
        }
    }
}

#[tokio::test]
async fn which_bodies_take_a_file_is_known_before_they_come() {
    for encryption in [Encryption::On, Encryption::Off] {
        let dir = tempfile::tempdir().unwrap();
        let store = with_bucket(dir.path(), encryption).await;
        let key = || Some(iam::CustomerKey::from_bytes(zeroize::Zeroizing::new([9; 32])));
        let rows = [
            (Some(0), None, false, true),
            (Some(16 * KIB), None, false, true),
            (Some(16 * KIB + 1), None, false, false),
            (Some(10), key(), false, false),
            (None, None, false, false),
            // As parts are.
            (Some(0), None, true, false),
            (Some(10), None, true, false),
        ];
        for (size, customer_key, own_file, in_memory) in rows {
            let size_hint = size.map(|size| u64::try_from(size).unwrap());
            let spec = StageSpec { size_hint, customer_key, own_file, ..StageSpec::default() };
            let mut stage = store.stage(spec).await.unwrap();
            assert_eq!(stage.stays_in_memory(), in_memory, "{size:?}");
            let body = body(size.unwrap_or(17 * KIB));
            stage.write(body).await.unwrap();
            let staged = stage.finish().await.unwrap();
            let file = ["tmp", "blobs"].into_iter().find_map(|part| find(&dir.path().join(part)));
            assert_eq!(file.is_none(), in_memory, "{size:?}");
            drop(staged);
            store.maintenance().run_once(now(), uptime()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announced_length_is_only_that() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_bucket(dir.path(), Encryption::Off).await;
    let spec = |size| StageSpec { size_hint: Some(size), ..StageSpec::default() };
    // More than any disk has: refused before the first byte, and nothing worse.
    let refused = store.stage(spec(1 << 60)).await;
    assert!(matches!(refused, Err(StoreError::Full)));
    store.is_writable().unwrap();
    // Less than announced, and more: what came counts, and no room is kept for the rest.
    for (announced, size) in [(8 << 20, 300_000), (8 << 20, 10), (1, 300_000), (0, 300_000)] {
        let staged = stage(&store, spec(announced), &body(size), 100_000).await;
        assert_eq!(staged.size(), u64::try_from(size).unwrap());
        if let Some(path) = find(&dir.path().join("blobs")) {
            let file = std::fs::metadata(path).unwrap();
            assert_eq!(file.len(), 300_000);
            assert!(std::os::unix::fs::MetadataExt::blocks(&file) * 512 < 1 << 20);
        }
        drop(staged);
        store.maintenance().run_once(now(), uptime()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn digests_are_of_the_plain_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_bucket(dir.path(), Encryption::On).await;
    let spec = StageSpec {
        checksums: ChecksumAlgorithm::ALL.into_iter().collect(),
        sha256: true,
        ..StageSpec::default()
    };
    // Computed elsewhere: of "123456789", and of a million bytes of "a". Those of xxHash come from its
    // reference implementation (0.8.4); of "Hello world", from the tests of awslabs/aws-checksums.
    let rows: [(Bytes, &str, [&str; 10]); 3] = [
        (
            Bytes::from_static(b"123456789"),
            "25f9e794323b453885f5181f1b624d0b",
            [
                "y/Q5Jg==",
                "4waSgw==",
                "rosUhgp5mIg=",
                "98O8HYCOBHMq32eZZczDTKeuNEE=",
                "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
                "2eZ2LdHI6vbWGzxhkvxAjU1tXxF20MKRabwk5xw/J0rSf81YEbMT1oH35V7ALXPUmclUVba1u1A6z1dPuo/+hQ==",
                "JfnnlDI7RTiF9RgfG2JNCw==",
                "jLhB20DmroM=",
                "ctyxi2ehff8=",
                "MxGUd+3l3NXpcWQnaB1YYA==",
            ],
        ),
        (
            Bytes::from(vec![b'a'; 1_000_000]),
            "7707d6ae4e027c70eea2a935c2296f21",
            [
                "3CW/vA==",
                "Q2/iQA==",
                "OLDvUEGeC0w=",
                "NKqXPNTE2qT2Husr260nMWU0AW8=",
                "zcduXJkU+5KBocfihNc+Z/GAmkiklyAOBG05zMcRLNA=",
                "5xhIPQznaWROLkLHvBW0Y44fmLE7IEQoVjKoA6+pc+veD/JEh36mCkywQyzld8Mb6wCcXCxJqi5OrbIXrYzAmw==",
                "dwfWrk4CfHDuoqk1wilvIQ==",
                "3Eg6qptP3EA=",
                "sf1vrlKFxOs=",
                "pUXfjjhKlXmx/W+uUoXE6w==",
            ],
        ),
        (
            Bytes::from_static(b"Hello world"),
            "3e25960a79dbc69b674cd4ec67a72c62",
            [
                "i9aeUg==",
                "crUfeA==",
                "OOJZ0D8xKts=",
                "e1AsOh9IyGCa4hLN+2Od7jlnP14=",
                "ZOyIygCyaOW6GjVnihtTFtIS9PNmskdyMlNKiuyjfzw=",
                "t/eDuu2Cl/DbkXRiGE/08I5pwtXl95qUJgD5cl9Yzh8pwYE5v4CwbA//K900c4RS7PQMSIwip+PYDN9vnBwNRw==",
                "PiWWCnnbxptnTNTsZ6csYg==",
                "xQCwyRKzdtg=",
                "tqy52Eo4/3Q=",
                "c1H4mBL5c4K5HQWzHgTdfw==",
            ],
        ),
    ];
    for (body, md5, checksums) in rows {
        let staged = stage(&store, spec.clone(), &body, 77_777).await;
        assert_eq!(staged.size(), u64::try_from(body.len()).unwrap());
        assert_eq!(store::ETag::of_md5(staged.md5()).to_string(), md5);
        for (algorithm, expected) in ChecksumAlgorithm::ALL.into_iter().zip(checksums) {
            assert_eq!(staged.checksum(algorithm).as_deref(), Some(expected), "{algorithm:?}");
        }
        assert!(staged.sha256().is_some());
        let plain = stage(&store, StageSpec::default(), &body, 77_777).await;
        assert_eq!((plain.sha256(), plain.checksum(ChecksumAlgorithm::Crc32)), (None, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_legal_key_is_kept_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_bucket(dir.path(), Encryption::On).await;
    let long = "x".repeat(1024);
    let wide = "😀".repeat(256);
    let mut keys = [
        "a",
        "/",
        "//",
        "a//b",
        ".",
        "..",
        "../../etc/passwd",
        "a/../b",
        "a/",
        "a b",
        " ",
        "%2F",
        "+",
        "\0",
        "a\0b",
        "\u{7f}",
        "\n",
        "ü",
        "u\u{308}",
        "😀",
        "\u{10ffff}",
        "A",
        "_valet/x",
        "?versionId=null",
        "\\",
        &long,
        &wide,
        "a\u{0}",
        "'; DROP TABLE objects; --",
    ]
    .map(|text| ObjectKey::parse(text).unwrap());
    for (n, key) in keys.iter().enumerate() {
        put(&store, key, &body(n)).await;
    }
    for (n, key) in keys.iter().enumerate() {
        let object = get(&store, key).await;
        assert_eq!((&object.key, object.size), (key, u64::try_from(n).unwrap()));
    }
    drop(store);
    let store = open(dir.path(), Encryption::On);
    let query = ListObjects {
        prefix: String::new(),
        delimiter: None,
        after: ListAfter::Start,
        limit: 1000,
    };
    let page = store.list_objects(&bucket(&store).await, query).await.unwrap().unwrap();
    keys.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
    let listed = page.entries.into_iter().map(|entry| match entry {
        ListEntry::Object(object) => object.key,
        ListEntry::CommonPrefix(prefix) => panic!("{prefix}"),
    });
    assert_eq!(listed.collect::<Vec<_>>(), keys);
}

async fn upload_part(store: &Store, upload: &Upload, n: u16, body: &Bytes) -> CompletedPart {
    let spec = StageSpec { encryption: upload.encryption, ..StageSpec::default() };
    let staged = stage(store, spec, body, 100_000).await;
    let number = PartNumber::new(n).unwrap();
    match store.put_part(upload, number, staged, None, now()).await.unwrap() {
        PutPart::Stored(part) => CompletedPart { number, etag: part.etag, checksum: None },
        PutPart::NoSuchUpload => panic!(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_parts_is_read_across_them() {
    for encryption in [Encryption::On, Encryption::Off] {
        let dir = tempfile::tempdir().unwrap();
        let store = with_bucket(dir.path(), encryption).await;
        let key = ObjectKey::parse("key").unwrap();
        let new = NewUpload {
            bucket: bucket(&store).await,
            key: key.clone(),
            attributes: Attributes::default(),
            checksum: None,
            encryption: None,
            customer_key: None,
            initiator: "root".to_owned(),
        };
        let upload = store.create_upload(new, now()).await.unwrap().unwrap();
        let whole = body(1_000_000);
        // A part of no bytes, and one that would be small enough to stand beside its record.
        let cuts = [0, 300_000, 300_000, 600_001, 990_000, 1_000_000];
        let mut parts = Vec::new();
        for (n, cut) in (1..).zip(cuts.windows(2)) {
            parts.push(upload_part(&store, &upload, n, &whole.slice(cut[0]..cut[1])).await);
        }
        let complete = CompleteUpload {
            bucket: bucket(&store).await,
            key: key.clone(),
            upload_id: upload.id,
            parts,
            object_checksum: None,
            precondition: Precondition::None,
            min_part_size: 0,
        };
        let outcome = store.complete_upload(complete, now()).await.unwrap();
        assert!(matches!(outcome, CompleteOutcome::Completed { .. }));
        let object = get(&store, &key).await;
        assert_eq!(object.size, 1_000_000);
        let expected_at_rest =
            if encryption == Encryption::On { AtRest::Aes256 } else { AtRest::Plain };
        assert_eq!(object.encryption, expected_at_rest);
        let edges =
            [0, 1, 299_999, 300_000, 300_001, 600_000, 600_001, 989_999, 990_000, 1_000_000];
        for from in edges {
            for to in edges.into_iter().filter(|to| *to >= from) {
                let range = u64::try_from(from).unwrap()..u64::try_from(to).unwrap();
                assert!(read(&store, &object, range).await == whole[from..to], "{from} {to}");
            }
        }
    }
}

/// What a reader gives, in segments: how many bytes each, and `f` for a file's.
async fn segments(store: &Store, object: &Arc<Object>, range: Range<u64>) -> (Vec<u8>, String) {
    let mut reader = store.read(&store.unlock(object, None).unwrap(), range);
    let (mut bytes, mut told) = (Vec::new(), Vec::new());
    let mut next = async || std::future::poll_fn(|cx| reader.poll_segment(cx, 100_000)).await;
    while let Some(segment) = next().await {
        match segment.unwrap() {
            Segment::Bytes(more) => {
                told.push(format!("{}", more.len()));
                bytes.extend_from_slice(&more);
            }
            Segment::File(FileRange { file, range }) => {
                let size = usize::try_from(range.end - range.start).unwrap();
                let mut more = vec![0; size];
                file.read_exact_at(&mut more, range.start).unwrap();
                told.push(format!("f{size}"));
                bytes.extend_from_slice(&more);
            }
        }
    }
    (bytes, told.join(" "))
}

/// Whoever can send a file's bytes by itself gets what rests as it is sent, and nothing that is sealed.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_segments_of_memory_and_of_files() {
    for (encryption, whole, middle) in [
        (Encryption::Off, "f200000", "f150000"),
        (Encryption::On, "65536 65536 68928", "55536 94464"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = with_bucket(dir.path(), encryption).await;
        let expected = body(200_000);
        let object = put(&store, &ObjectKey::parse("large").unwrap(), &expected).await;
        let (bytes, told) = segments(&store, &object, 0..u64::MAX).await;
        assert_eq!((bytes == expected, told.as_str()), (true, whole));
        let (bytes, told) = segments(&store, &object, 10_000..160_000).await;
        assert_eq!((bytes == expected[10_000..160_000], told.as_str()), (true, middle));

        let small = put(&store, &ObjectKey::parse("small").unwrap(), &body(1000)).await;
        assert_eq!(
            segments(&store, &small, 0..u64::MAX).await,
            (body(1000).to_vec(), "1000".to_owned())
        );

        // A file that was cut short is noticed before a byte of it is sent.
        let file = find(&dir.path().join("blobs")).unwrap();
        std::fs::File::options().write(true).open(file).unwrap().set_len(100).unwrap();
        let mut reader = store.read(&store.unlock(&object, None).unwrap(), 0..u64::MAX);
        let next = std::future::poll_fn(|cx| reader.poll_segment(cx, 100_000)).await;
        assert!(matches!(next, Some(Err(StoreError::Corrupt { .. }))), "{next:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_never_sees_an_older_object_than_one_it_has_seen() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_bucket(dir.path(), Encryption::On).await;
    let key = ObjectKey::parse("key").unwrap();
    put(&store, &key, &body(0)).await;
    let acknowledged = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let order = std::sync::atomic::Ordering::SeqCst;
    let readers = (0..4_u8).map(|reader| {
        let (store, key) = (store.clone(), key.clone());
        let (acknowledged, done) = (Arc::clone(&acknowledged), Arc::clone(&done));
        tokio::spawn(async move {
            let (mut seen, mut reads) = (0, 0_u32);
            while !done.load(order) {
                let floor = acknowledged.load(order).max(seen);
                // Half of them by version, which always goes to the database.
                let version = (reader % 2 == 0).then_some(store::VersionId::Null);
                let found =
                    store.object(&bucket(&store).await, &key, version.as_ref()).await.unwrap();
                let Lookup::Object(object) = found else { panic!("{found:?}") };
                assert!(object.size >= floor, "saw {} after {floor}", object.size);
                let read = read(&store, &object, 0..object.size).await;
                assert_eq!(u64::try_from(read.len()), Ok(object.size));
                seen = object.size;
                acknowledged.fetch_max(seen, order);
                reads += 1;
            }
            reads
        })
    });
    let readers = readers.collect::<Vec<_>>();
    for size in 1..=300 {
        put(&store, &key, &body(size)).await;
        acknowledged.fetch_max(u64::try_from(size).unwrap(), order);
    }
    done.store(true, order);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
    assert!(store.counters().cache_hits > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_goes_on_with_is_swept() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_bucket(dir.path(), Encryption::On).await;
    let begin = async |text: &str, since: i64| {
        let key = ObjectKey::parse(text).unwrap();
        let new = NewUpload {
            bucket: bucket(&store).await,
            key,
            attributes: Attributes::default(),
            checksum: None,
            encryption: None,
            customer_key: None,
            initiator: "root".to_owned(),
        };
        let at = now() + SignedDuration::from_hours(since);
        store.create_upload(new, at).await.unwrap().unwrap()
    };
    // Parts come at hour 0.
    let idle = begin("idle", -30).await;
    upload_part(&store, &idle, 1, &body(100_000)).await;
    let young = begin("young", 10).await;
    let run = async |hour: i64| {
        let later = now() + SignedDuration::from_hours(hour);
        let idle_max = SignedDuration::from_hours(20);
        store
            .maintenance()
            .aborting_uploads_after(idle_max)
            .run_once(later, uptime())
            .await
            .unwrap()
    };
    assert_eq!((run(20).await.uploads, find(&dir.path().join("blobs")).is_some()), (0, true));
    // Without a word about uploads none is touched.
    let much_later = now() + SignedDuration::from_hours(1000);
    assert_eq!(store.maintenance().run_once(much_later, uptime()).await.unwrap().uploads, 0);
    assert_eq!(run(21).await.uploads, 1);
    let found = async |upload: &Upload| {
        store.upload(&upload.bucket, &upload.key, &upload.id).await.unwrap().is_some()
    };
    assert_eq!((found(&idle).await, found(&young).await), (false, true));
    let Swept { blobs, uploads, intents: _ } = run(22).await;
    assert_eq!((blobs, uploads, find(&dir.path().join("blobs"))), (1, 0, None));
}

/// Each time many hours more, so that every run of maintenance trusts the time it is told.
fn uptime() -> Duration {
    static RUNS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let runs = RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    Duration::from_hours(10_000 * runs)
}
