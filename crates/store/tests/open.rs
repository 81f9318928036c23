//! Opening a data directory: held by one, sealed by one key, in one format; and an old one still opens.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::{Path, PathBuf};

use iam::{AccountId, CustomerKey, MasterKey};
use jiff::Timestamp;
use presign::Fingerprint;
use store::{
    AccessKey, AtRest, Attributes, BucketEncryption, BucketName, BucketSetting, CreateBucket,
    CustomerKeys, DirectoryEdit, Encryption, KeyOrigin, KeyOwner, KeyRefusal, KeyStatus,
    LinkPurpose, LinkTarget, ListManagedLinks, ListUploads, Lookup, NewBucket, ObjectKey,
    ObjectOwnership, OpenError, Precondition, PresentedLink, PutObject, ResourceKind, SetTags,
    SignerKind, StageSpec, Store, StoreConfig, StoreError, Tag, UploadAfter, UploadEntry,
    VersionId, Versioning, load_master_key,
};
use zeroize::Zeroizing;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn open(dir: &Path, master_key: MasterKey) -> Result<Store, OpenError> {
    let (data_dir, encryption) = (dir.to_owned(), Encryption::On);
    Store::open(StoreConfig { data_dir, master_key, encryption, cache_bytes_max: 1 << 20 }, now())
}

#[test]
fn a_data_directory_is_held_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let key = || MasterKey::from_bytes([1; 32]);
    let first = open(dir.path(), key()).unwrap();
    let second = open(dir.path(), key());
    assert!(matches!(second, Err(OpenError::AlreadyInUse { dir: held }) if held == dir.path()));
    drop(first);
    open(dir.path(), key()).unwrap();
}

#[test]
fn a_database_opens_with_its_own_key_only() {
    let dir = tempfile::tempdir().unwrap();
    let (key, origin) = load_master_key(dir.path(), None).unwrap();
    assert_eq!(origin, KeyOrigin::Made);
    let id = key.id();
    drop(open(dir.path(), key).unwrap());
    let (key, origin) = load_master_key(dir.path(), None).unwrap();
    assert_eq!((origin, key.id()), (KeyOrigin::Read, id));
    drop(open(dir.path(), key).unwrap());
    let foreign = MasterKey::from_bytes([9; 32]);
    let given = foreign.id();
    let refused = open(dir.path(), foreign);
    let Err(OpenError::MasterKeyForeign { expected, given: told }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((expected, told), (id, given));
    std::fs::remove_file(dir.path().join("master.key")).unwrap();
    let lost = load_master_key(dir.path(), None);
    assert!(matches!(lost, Err(OpenError::MasterKeyLost { .. })));
}

#[test]
fn another_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), MasterKey::from_bytes([1; 32])).unwrap());
    let path = dir.path().join("metadata.sqlite");
    // The user_version of a SQLite database is at byte 60 of its header, big-endian.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.splice(60..64, 9_u32.to_be_bytes());
    std::fs::write(&path, bytes).unwrap();
    let refused = open(dir.path(), MasterKey::from_bytes([1; 32]));
    assert!(matches!(refused, Err(OpenError::UnknownFormat { found: 9, supported: 8 })));
    std::fs::write(
        &path,
        b"this is no database, and longer than a header of one has to be".repeat(9),
    )
    .unwrap();
    let refused = open(dir.path(), MasterKey::from_bytes([1; 32]));
    assert!(matches!(refused, Err(OpenError::Engine(_))));
}

#[tokio::test]
async fn what_was_written_is_there_after_closing() {
    let dir = tempfile::tempdir().unwrap();
    let account = AccountId::parse("000000000000").unwrap();
    let name = BucketName::parse("bucket").unwrap();
    let store = open(dir.path(), MasterKey::from_bytes([1; 32])).unwrap();
    let key = AccessKey {
        id: "AKID".to_owned(),
        secret: presign::SecretAccessKey::new("a secret that is sealed"),
        account: account.clone(),
        owner: KeyOwner::Root,
        status: KeyStatus::Active,
        created_at: now(),
    };
    store.put_access_key(key, now()).await.unwrap();
    let region = "us-east-1".to_owned();
    let new = NewBucket { name: name.clone(), owner: account, region, tags: Vec::new() };
    let made = store.create_bucket(new, now()).await.unwrap();
    let CreateBucket::Created(made) = made else { panic!("{made:?}") };
    store.set_versioning(&made.reference(), Versioning::Enabled, now()).await.unwrap();
    store.close().await.unwrap();
    assert!(matches!(store.access_key("AKIX").await, Err(StoreError::Closed)));
    // The log was moved into the database.
    assert_eq!(std::fs::metadata(dir.path().join("metadata.sqlite-wal")).unwrap().len(), 0);
    drop(store);
    let database = std::fs::read(dir.path().join("metadata.sqlite")).unwrap();
    let text = b"a secret that is sealed";
    assert!(!database.windows(text.len()).any(|window| window == text));
    let store = open(dir.path(), MasterKey::from_bytes([1; 32])).unwrap();
    let key = store.access_key("AKID").await.unwrap().unwrap();
    assert_eq!(key.secret.expose(), "a secret that is sealed");
    assert_eq!(store.bucket(&name).await.unwrap().unwrap().versioning, Versioning::Enabled);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A copy of a fixture. `tests/fixtures/vN` was made by `examples/make_fixture.rs` of the version that made format N, and
/// is never made anew.
fn copied(fixture: &str) -> tempfile::TempDir {
    let from = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(fixture);
    let dir = tempfile::tempdir().unwrap();
    copy(&from, dir.path());
    dir
}

/// A fixture, copied and opened.
fn fixture(name: &str) -> (tempfile::TempDir, Store) {
    let dir = copied(name);
    let (key, origin) = load_master_key(dir.path(), None).unwrap();
    assert_eq!(origin, KeyOrigin::Read);
    let store = open(dir.path(), key).unwrap();
    (dir, store)
}

/// The objects that the fixtures of all formats hold.
async fn holds_objects(store: &Store) {
    let secret = store.access_key("AKIDFIXTURE").await.unwrap().unwrap();
    assert_eq!(secret.secret.expose(), "the secret of the fixture");
    assert_eq!((secret.status, &secret.owner), (KeyStatus::Active, &KeyOwner::Root));
    let bucket = BucketName::parse("fixture").unwrap();
    let bucket = store.bucket(&bucket).await.unwrap().unwrap();
    assert_eq!(bucket.versioning, Versioning::Enabled);
    let bucket = bucket.reference();
    let rows = [
        ("small", 5, "text/plain", 0),
        ("large", 20_000, "text/plain", 0),
        ("plain", 20_000, "text/plain", 0),
        ("parts", 20_010, "text/html", 2),
    ];
    for (key, size, content_type, parts) in rows {
        let key = ObjectKey::parse(key).unwrap();
        let found = store.object(&bucket, &key, None).await.unwrap();
        let Lookup::Object(object) = found else { panic!("{found:?}") };
        assert_eq!((object.size, object.parts.len()), (size, parts));
        assert_eq!(object.attributes.content_type.as_deref(), Some(content_type));
        assert_eq!(object.attributes.metadata, [("kind".to_owned(), "fixture".to_owned())]);
        assert_eq!(object.checksum.is_some(), parts == 0);
        let mut reader = store.read(&store.unlock(&object, None).unwrap(), 0..size);
        let mut read = Vec::new();
        while let Some(bytes) = reader.next().await {
            read.extend_from_slice(&bytes.unwrap());
        }
        assert_eq!(u64::try_from(read.len()), Ok(size));
        assert!(read.iter().all(|byte| *byte == b'v'));
    }
    let gone = store.object(&bucket, &ObjectKey::parse("gone").unwrap(), None).await.unwrap();
    assert!(matches!(gone, Lookup::DeleteMarker(marker) if marker.is_current));
}

/// The format of a directory that no process holds: the `user_version` of its database.
fn format(dir: &Path) -> u32 {
    let bytes = std::fs::read(dir.join("metadata.sqlite")).unwrap();
    u32::from_be_bytes(bytes[60..64].try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_format_1_is_brought_up_to_this_one() {
    let (dir, store) = fixture("v1");
    holds_objects(&store).await;
    let bucket = store.bucket(&BucketName::parse("fixture").unwrap()).await.unwrap().unwrap();
    // As on a new bucket.
    let block = bucket.public_access_block.unwrap();
    assert!(block.block_public_acls && block.restrict_public_buckets);
    assert_eq!(bucket.ownership, Some(ObjectOwnership::BucketOwnerEnforced));
    assert!(bucket.policy.is_none() && bucket.tags.is_empty());
    let account = AccountId::parse("000000000000").unwrap();
    let directory = store.directory(&account).await.unwrap();
    assert_eq!((directory.users().count(), directory.keys().count()), (0, 1));
    let make = |edit: &mut DirectoryEdit| edit.create_user("Ann", "/", None, Vec::new()).map(drop);
    store.change_identities(&account, now(), make).await.unwrap().unwrap();
    store.close().await.unwrap();
    drop(store);
    assert_eq!(format(dir.path()), 8);
    let (key, _) = load_master_key(dir.path(), None).unwrap();
    let store = open(dir.path(), key).unwrap();
    holds_objects(&store).await;
    assert!(store.directory(&account).await.unwrap().user("Ann").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_a_later_format_is_brought_up_to_this_one() {
    let tagged = ["v3", "v4", "v5", "v6", "v7", "v8"].map(|name| (name, 1));
    for (name, tags_of_small) in [("v2", 0)].into_iter().chain(tagged) {
        let (dir, store) = fixture(name);
        let holds = async |store: &Store| {
            assert_eq!(tags(store, "small").await, tags_of_small, "{name}");
            match name {
                "v2" => holds_what_format_2_knew(store).await,
                "v6" => {
                    holds_what_format_3_knew(store).await;
                    holds_what_format_6_knew(store).await;
                }
                "v7" => {
                    holds_what_format_3_knew(store).await;
                    holds_what_format_6_knew(store).await;
                    holds_what_format_7_knew(store).await;
                }
                "v8" => {
                    holds_what_format_3_knew(store).await;
                    holds_what_format_6_knew(store).await;
                    holds_what_format_7_knew(store).await;
                    holds_what_format_8_knew(store);
                }
                _ => holds_what_format_3_knew(store).await,
            }
        };
        holds(&store).await;
        store.close().await.unwrap();
        drop(store);
        assert_eq!(format(dir.path()), 8, "{name}");
        let (key, _) = load_master_key(dir.path(), None).unwrap();
        holds(&open(dir.path(), key).unwrap()).await;
    }
}

/// Links that were taken back, and one that was used.
async fn holds_what_format_6_knew(store: &Store) {
    let account = AccountId::parse("000000000000").unwrap();
    let bucket = BucketName::parse("fixture").unwrap();
    let link = Fingerprint::of_signature(b"the link of the fixture");
    let is_dead = async |fingerprint, access_key_id, signer, key| {
        let key = ObjectKey::parse(key).unwrap();
        let presented = PresentedLink {
            fingerprint,
            access_key_id,
            account: &account,
            signer,
            signed_at: Some(now()),
        };
        let target = LinkTarget { bucket: &bucket, key: Some(&key) };
        store.revocation_of(&presented, &[target], now()).await.unwrap().is_some()
    };
    let other = Fingerprint::of_signature(b"another");
    assert!(!is_dead(other, "AKIDOTHER", "AIDAOTHER", "small").await);
    assert!(is_dead(link, "AKIDOTHER", "AIDAOTHER", "small").await);
    assert!(is_dead(other, "AKIDFIXTURE", "AIDAOTHER", "small").await);
    assert!(is_dead(other, "AKIDOTHER", "AIDAFIXTURE", "small").await);
    assert!(is_dead(other, "AKIDOTHER", "AIDAOTHER", "large").await);
    let uses = store.link_uses(&link).await.unwrap();
    assert_eq!((uses.taken, uses.bytes_given_back), (1, 3));
}

/// Managed links: one by which a file was sent, and one that is used up.
async fn holds_what_format_7_knew(store: &Store) {
    let account = AccountId::parse("000000000000").unwrap();
    let all = ListManagedLinks { account, within: None, after: None, limit: 9 };
    let links = store.managed_links(all).await.unwrap().links;
    let find = |id: &str| links.iter().find(|link| link.id.text() == id).unwrap();
    let (request, object) = (find("AAAAAAAAAAAAAAAAAAAAAA"), find("AAAAAAAAAAAAAAAAAAAAAQ"));
    assert_eq!((links.len(), &*request.creator.signer), (2, "AIDAFIXTURE"));
    assert_eq!(request.passphrase.as_deref(), Some("$argon2id$fixture"));
    assert_eq!(request.notify, ["mailto:ana@example.com"]);
    let LinkPurpose::Request { prefix, limits, .. } = &request.purpose else { panic!() };
    assert_eq!((&**prefix, limits.max_bytes), ("in/", Some(9)));
    let LinkPurpose::Object { filename, inline, .. } = &object.purpose else { panic!() };
    assert_eq!((filename.as_deref(), *inline), (Some("Small"), true));
    let used_up = store.used_up_managed_links(None, 9).await.unwrap();
    assert_eq!(used_up.links, std::slice::from_ref(object));
    let totals = store.request_totals(&request.fingerprint()).await.unwrap();
    assert_eq!((totals.files, totals.bytes, totals.done), (1, 5, 1));
}

/// A distribution that has a host of its own.
fn holds_what_format_8_knew(store: &Store) {
    let all = store.distributions();
    let found = all.at_host("cdn.example.com").unwrap();
    assert_eq!((&*found.id, &*found.document), ("EFIXTUREFIXTUR", "the document"));
    assert_eq!(found.kind, ResourceKind::Distribution);
}

async fn holds_what_format_3_knew(store: &Store) {
    holds_what_format_2_knew(store).await;
    assert_eq!((tags(store, "small").await, tags(store, "parts").await), (1, 1));
    let name = BucketName::parse("fixture").unwrap();
    let bucket = store.bucket(&name).await.unwrap().unwrap();
    let customer_keys = Some(CustomerKeys::Allowed);
    assert_eq!(
        bucket.encryption,
        BucketEncryption { aes256: true, bucket_key: true, customer_keys }
    );
    let customer = CustomerKey::from_bytes(Zeroizing::new([3; 32]));
    let other = CustomerKey::from_bytes(Zeroizing::new([4; 32]));
    let key = ObjectKey::parse("customer").unwrap();
    let found = store.object(&bucket.reference(), &key, None).await.unwrap();
    let Lookup::Object(object) = found else { panic!("{found:?}") };
    assert_eq!(object.encryption, AtRest::CustomerKey);
    assert_eq!(store.unlock(&object, None).unwrap_err(), KeyRefusal::Required);
    assert_eq!(store.unlock(&object, Some(&other)).unwrap_err(), KeyRefusal::Wrong);
    let mut reader = store.read(&store.unlock(&object, Some(&customer)).unwrap(), 0..5);
    assert_eq!(reader.next().await.unwrap().unwrap(), "vvvvv");
    let begun =
        ListUploads { prefix: String::new(), delimiter: None, after: UploadAfter::Start, limit: 9 };
    let begun = store.uploads(&bucket.reference(), begun).await.unwrap().unwrap().entries;
    let [UploadEntry::Upload(upload)] = begun.as_slice() else { panic!("{begun:?}") };
    store.check_upload_key(upload, Some(&customer)).unwrap();
    assert_eq!(store.check_upload_key(upload, Some(&other)), Err(KeyRefusal::Wrong));
    assert_eq!(store.parts(upload, None, 9).await.unwrap().parts.len(), 1);
}

async fn tags(store: &Store, key: &str) -> usize {
    let (bucket, key) = (BucketName::parse("fixture").unwrap(), ObjectKey::parse(key).unwrap());
    let bucket = store.bucket(&bucket).await.unwrap().unwrap().reference();
    let found = store.object(&bucket, &key, None).await.unwrap();
    let Lookup::Object(object) = found else { panic!("{found:?}") };
    object.attributes.tags.len()
}

async fn holds_what_format_2_knew(store: &Store) {
    holds_objects(store).await;
    holds_settings(store).await;
    let account = AccountId::parse("000000000000").unwrap();
    let directory = store.directory(&account).await.unwrap();
    let user = directory.user("ann").unwrap();
    let own = "arn:aws:iam::000000000000:policy/Own";
    assert_eq!((user.path.as_str(), user.boundary.as_deref()), ("/p/", Some(own)));
    assert_eq!((user.tags.len(), user.created_at), (1, now()));
    let policies = directory.policies_of_user(user);
    let policies = policies.iter().map(|policy| (&*policy.name, policy.policy.text()));
    let policies = policies.collect::<Vec<_>>();
    assert!(policies[0].0 == "In" && policies[0].1.contains("s3:ListBucket"), "{policies:?}");
    assert!(policies[1].0 == own && policies[1].1.contains("s3:PutObject"), "{policies:?}");
    let signer = store.signer(&account, &user.id).await.unwrap().unwrap();
    assert_eq!((signer.name.as_str(), signer.kind), (user.name.as_str(), SignerKind::User));
    let of_signer = signer.policies.iter().map(|policy| (&*policy.name, policy.policy.text()));
    assert_eq!(of_signer.collect::<Vec<_>>(), policies);
    assert_eq!(&*signer.boundary.as_ref().unwrap().name, own);
    let role = &directory.role("Job").unwrap().id;
    let signer = store.signer(&account, role).await.unwrap().unwrap();
    assert_eq!((signer.name.as_str(), signer.kind), ("Job", SignerKind::Role));
    let key = store.access_key("AKIDUSER").await.unwrap().unwrap();
    assert_eq!(key.secret.expose(), "the secret of the fixture");
    assert_eq!(
        (key.status, &key.owner),
        (KeyStatus::Inactive, &KeyOwner::User { id: user.id.clone() },)
    );
    let used = store.key_last_used("AKIDUSER").await.unwrap().unwrap();
    assert_eq!((used.at, used.service.as_str()), (now(), "s3"));
    let role = directory.role("Job").unwrap();
    assert_eq!((role.max_session_seconds, role.description.as_deref()), (7200, Some("fixture")));
    assert!(role.trust.document.text().contains("sts:AssumeRole"));
    assert!(role.trust.bound.text().contains("s3:Bound"));
    let profile = directory.instance_profile("Machine").unwrap();
    assert_eq!(profile.role.as_deref(), Some("job"));
    let provider = directory.oidc_provider("issuer.example").unwrap();
    assert_eq!((provider.client_ids.len(), provider.thumbprints.len()), (1, 1));
    let other = AccountId::parse("111111111111").unwrap();
    let found = store.account(&other).await.unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.created_at), ("fixture", now()));
    assert_eq!(store.access_key("AKIDROOT").await.unwrap().unwrap().account, other);
}

async fn holds_settings(store: &Store) {
    let bucket = store.bucket(&BucketName::parse("fixture").unwrap()).await.unwrap().unwrap();
    let policy = bucket.policy.clone().unwrap();
    assert!(policy.document.text().contains("s3:GetObject"));
    assert!(policy.bound.text().contains("s3:Bound"));
    assert!(bucket.public_access_block.is_none());
    assert_eq!(bucket.ownership, Some(ObjectOwnership::ObjectWriter));
    assert_eq!(bucket.tags.len(), 1);
}

/// Spoils a fixture's database by a statement; answers whether its identities, its bucket and its key
/// are still read.
async fn spoilt(fixture: &str, statement: &str) -> (bool, bool, bool) {
    let dir = copied(fixture);
    let database = rusqlite::Connection::open(dir.path().join("metadata.sqlite")).unwrap();
    assert_ne!(database.execute(statement, []).unwrap(), 0, "{statement}");
    drop(database);
    let (key, _) = load_master_key(dir.path(), None).unwrap();
    let store = open(dir.path(), key).unwrap();
    let account = AccountId::parse("000000000000").unwrap();
    let directory = is_read(store.directory(&account).await.map(drop));
    let bucket = store.bucket(&BucketName::parse("fixture").unwrap()).await;
    let key = store.access_key("AKIDUSER").await;
    (directory, is_read(bucket.map(drop)), is_read(key.map(drop)))
}

fn is_read(outcome: Result<(), StoreError>) -> bool {
    match outcome {
        Ok(()) => true,
        Err(StoreError::Corrupt { .. }) => false,
        Err(other) => panic!("{other}"),
    }
}

/// A policy that is not read might be one that denies.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_never_skipped() {
    let no_identities = (false, true, true);
    let no_bucket = (true, false, true);
    let rows = [
        ("UPDATE identities SET record = x'7b7d' WHERE kind = 1", no_identities),
        ("UPDATE identities SET record = x'7b' WHERE kind = 6", no_identities),
        (
            "UPDATE identities SET record = CAST(replace(CAST(record AS TEXT), '\"v\":1', '\"v\":2') AS BLOB)
             WHERE kind = 2",
            no_identities,
        ),
        (
            "UPDATE identities SET record = CAST(replace(CAST(record AS TEXT), '{\"v\"', '{\"w\":0,\"v\"') AS BLOB)
             WHERE kind = 3",
            no_identities,
        ),
        (
            "UPDATE identities SET record = CAST(replace(CAST(record AS TEXT), 'Allow', 'Perhaps') AS BLOB)
             WHERE kind = 1",
            no_identities,
        ),
        ("UPDATE identities SET kind = 9 WHERE kind = 5", no_identities),
        // Named by a group, as a boundary, as the user's group, by a profile.
        ("DELETE FROM identities WHERE kind = 4", no_identities),
        ("DELETE FROM identities WHERE kind = 2", no_identities),
        ("DELETE FROM identities WHERE kind = 3", no_identities),
        (
            "UPDATE identities SET record = CAST(replace(CAST(record AS TEXT), '\"default\":2', '\"default\":7') AS BLOB)
             WHERE kind = 4",
            no_identities,
        ),
        ("UPDATE bucket_settings SET record = x'7b' WHERE kind = 1", no_bucket),
        ("UPDATE bucket_settings SET record = x'7b7d' WHERE kind = 2", no_bucket),
        ("UPDATE bucket_settings SET record = x'39' WHERE kind = 3", no_bucket),
        ("UPDATE bucket_settings SET kind = 99 WHERE kind = 4", no_bucket),
    ];
    // Format 2 has no seals: what is seen there is what the records themselves do not allow.
    for (statement, expected) in rows {
        assert_eq!(spoilt("v2", statement).await, expected, "{statement}");
    }
    let rows = [
        ("UPDATE access_keys SET user = NULL WHERE id = 'AKIDUSER'", (false, true, false)),
        ("UPDATE access_keys SET owner = 7 WHERE id = 'AKIDUSER'", (false, true, false)),
        ("UPDATE access_keys SET secret = x'00' WHERE id = 'AKIDUSER'", (true, true, false)),
    ];
    for (statement, expected) in rows {
        assert_eq!(spoilt("v5", statement).await, expected, "{statement}");
    }
}

/// What somebody who can write to the database would like it to say.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_another_wrote_is_not_believed() {
    let no_identities = (false, true, true);
    let no_bucket = (true, false, true);
    let no_key = (true, true, false);
    let rows = [
        // A user's key becomes a root key, active, or another's.
        ("UPDATE access_keys SET owner = 0, user = NULL WHERE id = 'AKIDUSER'", no_key),
        ("UPDATE access_keys SET active = 1 WHERE id = 'AKIDUSER'", no_key),
        ("UPDATE access_keys SET account = '111111111111' WHERE id = 'AKIDUSER'", no_key),
        ("UPDATE access_keys SET user = 'AIDAANOTHER' WHERE id = 'AKIDUSER'", no_key),
        ("UPDATE access_keys SET created_ms = created_ms + 1 WHERE id = 'AKIDUSER'", no_key),
        (
            "UPDATE access_keys SET secret = (SELECT secret FROM access_keys WHERE id = 'AKIDFIXTURE')
             WHERE id = 'AKIDUSER'",
            no_key,
        ),
        // A bucket gets another owner, and loses or gets a setting.
        ("UPDATE buckets SET owner = '111111111111'", no_bucket),
        ("UPDATE buckets SET versioning = 2", no_bucket),
        ("UPDATE buckets SET created_ms = created_ms + 1", no_bucket),
        ("DELETE FROM bucket_settings WHERE kind = 1", no_bucket),
        ("DELETE FROM bucket_settings", no_bucket),
        (
            "UPDATE bucket_settings SET record = CAST(replace(CAST(record AS TEXT), 'GetObject', 'PutObject') AS BLOB)
             WHERE kind = 1",
            no_bucket,
        ),
        ("INSERT INTO bucket_settings VALUES ((SELECT id FROM buckets), 5, x'5b5d')", no_bucket),
        // A policy allows more, a role trusts another, a record is another's.
        (
            "UPDATE identities SET record = CAST(replace(CAST(record AS TEXT), 's3:ListBucket', '*') AS BLOB)
             WHERE kind = 1",
            no_identities,
        ),
        (
            "UPDATE identities SET record = CAST(replace(CAST(record AS TEXT), 'sts:AssumeRole', 'sts:*') AS BLOB)
             WHERE kind = 3",
            no_identities,
        ),
        ("UPDATE identities SET name = 'bob' WHERE kind = 1", no_identities),
        ("UPDATE identities SET seal = zeroblob(16) WHERE kind = 2", no_identities),
        ("UPDATE identities SET seal = x'' WHERE kind = 2", no_identities),
    ];
    for (statement, expected) in rows {
        assert_eq!(spoilt("v5", statement).await, expected, "{statement}");
    }
}

/// A store of the fixture whose database was written to.
fn written(statements: &[&str]) -> (tempfile::TempDir, Result<Store, OpenError>) {
    let dir = copied("v5");
    let database = rusqlite::Connection::open(dir.path().join("metadata.sqlite")).unwrap();
    for statement in statements {
        database.execute_batch(statement).unwrap();
    }
    drop(database);
    let (key, _) = load_master_key(dir.path(), None).unwrap();
    let store = open(dir.path(), key);
    (dir, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_of_its_own_record_alone() {
    const REPLACE: &str = "UPDATE objects SET record = CAST(replace(CAST(record AS TEXT), ";
    let rows = [
        // A sealed body is called a plain one: the key is taken away.
        "UPDATE objects SET record = CAST(json_remove(CAST(record AS TEXT), '$.body.files[0].key') AS BLOB)
         WHERE key = CAST('large' AS BLOB)".to_owned(),
        // One record's body is another's, the whole record or the whole row.
        "UPDATE objects SET record = (SELECT record FROM objects WHERE key = CAST('plain' AS BLOB))
         WHERE key = CAST('large' AS BLOB)".to_owned(),
        "DELETE FROM objects WHERE key = CAST('large' AS BLOB);
         UPDATE objects SET key = CAST('large' AS BLOB) WHERE key = CAST('plain' AS BLOB)".to_owned(),
        "UPDATE objects SET record = (SELECT record FROM objects WHERE key = CAST('plain' AS BLOB)),
             seal = (SELECT seal FROM objects WHERE key = CAST('plain' AS BLOB))
         WHERE key = CAST('large' AS BLOB)".to_owned(),
        // Tags and type that decide who may read, and what runs.
        format!("{REPLACE}'fixture', 'public') AS BLOB) WHERE key = CAST('large' AS BLOB)"),
        format!("{REPLACE}'text/plain', 'text/html') AS BLOB) WHERE key = CAST('large' AS BLOB)"),
        "UPDATE objects SET size = 1 WHERE key = CAST('large' AS BLOB)".to_owned(),
        "UPDATE objects SET etag = zeroblob(16) WHERE key = CAST('large' AS BLOB)".to_owned(),
        "UPDATE objects SET modified_ms = 0 WHERE key = CAST('large' AS BLOB)".to_owned(),
        "UPDATE objects SET seal = x'' WHERE key = CAST('large' AS BLOB)".to_owned(),
    ];
    let (bucket, key) = (BucketName::parse("fixture").unwrap(), ObjectKey::parse("large").unwrap());
    for statement in &rows {
        let (_dir, store) = written(&[statement]);
        let found = look(&store.unwrap(), &bucket, &key).await;
        assert!(matches!(found, Err(StoreError::Corrupt { .. })), "{statement}: {found:?}");
    }
    let (_dir, store) = written(&[
        "UPDATE uploads SET record = CAST(replace(CAST(record AS TEXT), 'html', 'htm') AS BLOB)",
    ]);
    let store = store.unwrap();
    let all =
        ListUploads { prefix: String::new(), delimiter: None, after: UploadAfter::Start, limit: 9 };
    assert!(matches!(uploads(&store, &bucket, all).await, Err(StoreError::Corrupt { .. })));
}

/// What a change beside it would seal along is not believed either.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_bucket_seals_nothing_that_was_planted() {
    let name = BucketName::parse("fixture").unwrap();
    // A trigger writes to the policy when the bucket gets a tag.
    let (_dir, store) =
        written(&["CREATE TRIGGER planted AFTER INSERT ON bucket_settings WHEN NEW.kind = 4
         BEGIN UPDATE bucket_settings SET record =
             CAST(replace(CAST(record AS TEXT), 's3:GetObject', 's3:PutObject') AS BLOB)
         WHERE kind = 1; END"]);
    let store = store.unwrap();
    let bucket = store.bucket(&name).await.unwrap().unwrap().reference();
    let tags = vec![Tag { key: "a".to_owned(), value: "b".to_owned() }];
    store.set_bucket(&bucket, BucketSetting::Tags(tags), now()).await.unwrap();
    holds_settings(&store).await;
    // A policy waits for the bucket that is made next.
    let (_dir, store) = written(&[
        "INSERT INTO bucket_settings SELECT 2, kind, record FROM bucket_settings WHERE kind = 1",
    ]);
    let store = store.unwrap();
    let (name, owner) =
        (BucketName::parse("next").unwrap(), AccountId::parse("000000000000").unwrap());
    let region = "us-east-1".to_owned();
    let new = NewBucket { name: name.clone(), owner, region, tags: Vec::new() };
    store.create_bucket(new, now()).await.unwrap();
    assert!(store.bucket(&name).await.unwrap().unwrap().policy.is_none());
}

/// A second null version, with the body of another key, stands before the one that is looked up.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_tags_seals_nothing_that_was_planted() {
    let (dir, store) = written(&[]);
    let (store, key) = (store.unwrap(), ObjectKey::parse("mine").unwrap());
    let bucket = store.bucket(&BucketName::parse("fixture").unwrap()).await.unwrap().unwrap();
    let bucket = bucket.reference();
    store.set_versioning(&bucket, Versioning::Suspended, now()).await.unwrap();
    let put = PutObject {
        bucket: bucket.clone(),
        key: key.clone(),
        body: store.stage(StageSpec::default()).await.unwrap().finish().await.unwrap(),
        attributes: Attributes::default(),
        checksum: None,
        etag: None,
        precondition: Precondition::None,
    };
    store.put_object(put, now()).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let database = rusqlite::Connection::open(dir.path().join("metadata.sqlite")).unwrap();
    let planted =
        "INSERT INTO objects SELECT bucket, CAST('mine' AS BLOB), -1, x'', kind, size, etag,
        modified_ms, storage_class, checksum, body, record, seal
        FROM objects WHERE key = CAST('large' AS BLOB)";
    assert_eq!(database.execute(planted, []).unwrap(), 1);
    drop(database);
    let store = open(dir.path(), load_master_key(dir.path(), None).unwrap().0).unwrap();
    let set = SetTags {
        bucket: bucket.clone(),
        key: key.clone(),
        version_id: Some(VersionId::Null),
        tags: Vec::new(),
        judged_tags: None,
    };
    let set = store.set_object_tags(set).await;
    assert!(matches!(set, Err(StoreError::Corrupt { .. })), "{set:?}");
    let found = store.object(&bucket, &key, None).await;
    assert!(matches!(found, Err(StoreError::Corrupt { .. })), "{found:?}");
}

/// Who signs is found by a column that no seal covers, and by records that name each other: whatever stands there, it is
/// nobody, or whom the id is of.
#[tokio::test(flavor = "multi_thread")]
async fn no_signer_becomes_another_by_what_was_written() {
    const USER: &str = "(SELECT unique_id FROM identities WHERE kind = 1)";
    let (_dir, store) = written(&[]);
    let store = store.unwrap();
    let account = AccountId::parse("000000000000").unwrap();
    let directory = store.directory(&account).await.unwrap();
    let user = directory.user("ann").unwrap().id.clone();
    drop(directory);
    let rows = [
        // The id leads to nobody, to the role, to two.
        ("UPDATE identities SET unique_id = NULL WHERE kind = 1".to_owned(), Some(false)),
        (
            format!(
                "UPDATE identities SET unique_id = {USER} WHERE kind = 3;
                 UPDATE identities SET unique_id = NULL WHERE kind = 1"
            ),
            None,
        ),
        (format!("UPDATE identities SET unique_id = {USER} WHERE kind = 3"), None),
        (format!("UPDATE identities SET unique_id = {USER} WHERE kind = 2"), None),
        (
            "INSERT INTO identities SELECT account, kind, 'ann2', record, seal, unique_id FROM identities
             WHERE kind = 1"
                .to_owned(),
            None,
        ),
        // What it names is gone, or another.
        ("DELETE FROM identities WHERE kind = 4".to_owned(), None),
        (
            "UPDATE identities SET record = CAST(replace(CAST(record AS TEXT), 'PutObject', 'GetObject') AS BLOB)
             WHERE kind = 4"
                .to_owned(),
            None,
        ),
        (
            "UPDATE identities SET record = CAST(replace(CAST(record AS TEXT), 'ListBucket', '*') AS BLOB)
             WHERE kind = 1"
                .to_owned(),
            None,
        ),
        // An account may have other numbers: they decide nothing.
        ("DELETE FROM changes".to_owned(), Some(true)),
        // It is of its account alone.
        ("UPDATE identities SET account = '111111111111'".to_owned(), Some(false)),
    ];
    for (statements, expected) in rows {
        let (_dir, store) = written(&[&statements]);
        let store = store.unwrap();
        for _ in 0..2 {
            let found = match store.signer(&account, &user).await {
                Ok(found) => Some(found.is_some_and(|signer| signer.id == user)),
                Err(StoreError::Corrupt { .. }) => None,
                Err(other) => panic!("{other}"),
            };
            assert_eq!(found, expected, "{statements}");
        }
    }
}

/// A view could say one thing to the seal and another to the reader.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_no_table() {
    let view = "ALTER TABLE buckets RENAME TO kept; CREATE VIEW buckets AS SELECT id, name,
        CASE WHEN random() % 2 = 0 THEN owner ELSE '111111111111' END AS owner,
        region, created_ms, versioning, seal FROM kept";
    let (_dir, store) = written(&[view]);
    let Ok(store) = store else { return };
    for _ in 0..64 {
        let found = store.bucket(&BucketName::parse("fixture").unwrap()).await;
        assert!(found.is_err(), "{found:?}");
    }
}

/// Nor is an index, which could keep for the seal what the table says no more.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_hides_no_change_from_the_seal() {
    let (_dir, store) = written(&[
        "CREATE INDEX planted ON bucket_settings (bucket, kind || ' ' || hex(record))",
        "CREATE TABLE kept AS SELECT * FROM sqlite_schema WHERE name = 'planted'",
        "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'planted';
         PRAGMA writable_schema = RESET",
        "UPDATE bucket_settings SET record =
             CAST(replace(CAST(record AS TEXT), 's3:GetObject', 's3:PutObject') AS BLOB)
         WHERE kind = 1",
        "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema SELECT * FROM kept;
         PRAGMA writable_schema = RESET",
    ]);
    let store = store.unwrap();
    match store.bucket(&BucketName::parse("fixture").unwrap()).await {
        Ok(_) => holds_settings(&store).await,
        Err(StoreError::Corrupt { .. }) => (),
        Err(other) => panic!("{other}"),
    }
}

/// To call the format an older one does not make what was written believed.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_does_not_pass_for_one_without_seals() {
    let older = "ALTER TABLE buckets DROP COLUMN seal; ALTER TABLE objects DROP COLUMN seal;
        ALTER TABLE uploads DROP COLUMN seal; ALTER TABLE parts DROP COLUMN seal;
        ALTER TABLE accounts DROP COLUMN seal; ALTER TABLE identities DROP COLUMN seal;
        DROP INDEX identities_by_unique_id; ALTER TABLE identities DROP COLUMN unique_id;
        PRAGMA user_version = 3;";
    for more in ["", "DELETE FROM access_keys;", "DELETE FROM objects; DELETE FROM parts;"] {
        let (_dir, store) = written(&[older, more]);
        assert!(matches!(store, Err(OpenError::Upgrade { found: 3, .. })), "{more}: {store:?}");
    }
}

#[test]
fn a_store_that_has_lost_its_database_does_not_begin_anew() {
    let key = || MasterKey::from_bytes([1; 32]);
    let refused = |dir: &Path| {
        let refused = open(dir, key());
        let path = dir.join("metadata.sqlite");
        assert!(
            matches!(&refused, Err(OpenError::DatabaseLost { path: told }) if *told == path),
            "{refused:?}"
        );
    };
    let lose = |dir: &Path| {
        for name in ["metadata.sqlite", "metadata.sqlite-wal", "metadata.sqlite-shm"] {
            std::fs::remove_file(dir.join(name)).ok();
        }
    };
    // It is known by what was noted, by its bodies, or by either.
    for (noted, bodies) in [(true, false), (false, true), (true, true)] {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path(), key()).unwrap());
        if !noted {
            std::fs::write(dir.path().join("lock"), "").unwrap();
        }
        if bodies {
            std::fs::write(dir.path().join("blobs/00/0123456789abcdef0123456789abcd"), "x")
                .unwrap();
        }
        lose(dir.path());
        refused(dir.path());
        assert!(!dir.path().join("metadata.sqlite").exists());
        std::fs::write(dir.path().join("metadata.sqlite"), "").unwrap();
        refused(dir.path());
        // A database with nothing in it.
        let empty = rusqlite::Connection::open(dir.path().join("metadata.sqlite")).unwrap();
        empty.execute_batch("CREATE TABLE t (a); DROP TABLE t;").unwrap();
        drop(empty);
        refused(dir.path());
    }
    // A first start that was cut off is not that.
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = load_master_key(dir.path(), None).unwrap();
    std::fs::write(dir.path().join("metadata.sqlite"), "").unwrap();
    std::fs::write(dir.path().join("lock"), "").unwrap();
    drop(open(dir.path(), first).unwrap());
}

/// On a disk without room the index of the log cannot be made, and reads go on without.
#[tokio::test(flavor = "multi_thread")]
async fn reads_start_where_the_index_of_the_log_cannot_be_made() {
    let dir = copied("v5");
    // What is in its way, root or not: SQLite follows no link.
    std::os::unix::fs::symlink("nowhere", dir.path().join("metadata.sqlite-shm")).unwrap();
    let (key, _) = load_master_key(dir.path(), None).unwrap();
    let store = open(dir.path(), key).unwrap();
    holds_what_format_3_knew(&store).await;
    let name = BucketName::parse("another").unwrap();
    let owner = AccountId::parse("000000000000").unwrap();
    let new =
        NewBucket { name: name.clone(), owner, region: "us-east-1".to_owned(), tags: Vec::new() };
    store.create_bucket(new, now()).await.unwrap();
    assert!(store.bucket(&name).await.unwrap().is_some());
    store.close().await.unwrap();
}

async fn look(store: &Store, bucket: &BucketName, key: &ObjectKey) -> Result<Lookup, StoreError> {
    let bucket = store.bucket(bucket).await.unwrap().unwrap();
    store.object(&bucket.reference(), key, None).await
}

async fn uploads(store: &Store, bucket: &BucketName, query: ListUploads) -> Result<(), StoreError> {
    let bucket = store.bucket(bucket).await.unwrap().unwrap();
    store.uploads(&bucket.reference(), query).await.map(drop)
}
