//! Makes the fixture of a data format: `cargo run -p store --example make_fixture DIR`. Run once, by
//! the version that introduces a format; what is committed is never made anew.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a tool of the tests")]

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use iam::{AccountId, CustomerKey, Policy};
use jiff::Timestamp;
use presign::{Fingerprint, LinkConditions, SecretAccessKey};
use store::{
    AccessKey, Attributes, BoundPolicy, BucketEncryption, BucketName, BucketRef, BucketSetting,
    ChecksumAlgorithm, ChecksumType, CompleteUpload, CompletedPart, Counts, CreateAccount,
    CreateBucket, CreatorIdentity, CustomerKeys, DeleteObject, DirectoryEdit, DistributionEdit,
    DistributionResource, Encryption, FileLimits, GivenKey, KeyOwner, KeyStatus, Landing,
    LinkCreator, LinkPurpose, ManagedLink, NewAccount, NewBucket, NewManagedPolicy,
    NewOidcProvider, NewRole, NewUpload, ObjectKey, ObjectOwnership, OpenUse, PartNumber,
    Precondition, PutManagedLink, PutObject, PutPart, REVOCATION_LIFE, RequestFile, RequestRoom,
    ReserveFile, ResourceKind, Revocation, RevocationScope, Revoke, RevokedLinks, SetBucket,
    StageSpec, StagedBody, Store, StoreConfig, StoredChecksum, Tag, Versioning, load_master_key,
};
use zeroize::Zeroizing;

#[tokio::main]
async fn main() {
    let data_dir = PathBuf::from(std::env::args().nth(1).unwrap());
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let (master_key, _) = load_master_key(&data_dir, None).unwrap();
    let cache_bytes_max = 0;
    let config = StoreConfig { data_dir, master_key, encryption: Encryption::On, cache_bytes_max };
    let store = Store::open(config, now).unwrap();
    let account = AccountId::parse("000000000000").unwrap();
    let key = AccessKey {
        id: "AKIDFIXTURE".to_owned(),
        secret: SecretAccessKey::new("the secret of the fixture"),
        account: account.clone(),
        owner: KeyOwner::Root,
        status: KeyStatus::Active,
        created_at: now,
    };
    store.put_access_key(key, now).await.unwrap();
    put_distribution(&store, &account, now).await;
    let bucket = BucketName::parse("fixture").unwrap();
    let new = NewBucket {
        name: bucket,
        owner: account,
        region: "us-east-1".to_owned(),
        tags: Vec::new(),
    };
    let made = store.create_bucket(new, now).await.unwrap();
    let CreateBucket::Created(made) = made else { panic!("{made:?}") };
    let bucket = made.reference();
    store.set_versioning(&bucket, Versioning::Enabled, now).await.unwrap();
    let rows =
        [("small", 5, None), ("large", 20_000, None), ("plain", 20_000, Some(Encryption::Off))];
    for (key, size, encryption) in rows.into_iter().chain([("gone", 1, None)]) {
        put(&store, &bucket, key, stage(&store, size, encryption, None).await, now).await;
    }
    let customer = CustomerKey::from_bytes(Zeroizing::new([3; 32]));
    put(&store, &bucket, "customer", stage(&store, 5, None, Some(&customer)).await, now).await;
    begin(&store, &bucket, &customer, now).await;
    let gone = ObjectKey::parse("gone").unwrap();
    store.delete_object(DeleteObject::of(&bucket, &gone, None), now).await.unwrap();
    put_parts(&store, &bucket, now).await;
    set(&store, &bucket, now).await;
    make_identities(&store, now).await;
    limit_links(&store, now).await;
    share(&store, now).await;
    store.close().await.unwrap();
}

fn policy(action: &str) -> Arc<Policy> {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#
    );
    Arc::new(Policy::parse(&text).unwrap())
}

fn bound(action: &str) -> BoundPolicy {
    BoundPolicy { document: policy(action), bound: policy("s3:Bound") }
}

fn tag() -> Tag {
    Tag { key: "kind".to_owned(), value: "fixture".to_owned() }
}

async fn set(store: &Store, bucket: &BucketRef, now: Timestamp) {
    let settings = [
        BucketSetting::Policy(Some(Arc::new(bound("s3:GetObject")))),
        BucketSetting::PublicAccessBlock(None),
        BucketSetting::Ownership(Some(ObjectOwnership::ObjectWriter)),
        BucketSetting::Tags(vec![tag()]),
        BucketSetting::Encryption(BucketEncryption {
            aes256: true,
            bucket_key: true,
            customer_keys: Some(CustomerKeys::Allowed),
        }),
    ];
    for setting in settings {
        assert_eq!(store.set_bucket(bucket, setting, now).await.unwrap(), SetBucket::Set);
    }
}

/// One of each kind, another account, and a use of a key.
async fn make_identities(store: &Store, now: Timestamp) {
    let account = AccountId::parse("000000000000").unwrap();
    let given = |id: &str| {
        let secret = SecretAccessKey::new("the secret of the fixture");
        GivenKey { id: id.to_owned(), secret }
    };
    let own = "arn:aws:iam::000000000000:policy/Own".to_owned();
    let key = given("AKIDUSER");
    let change = move |edit: &mut DirectoryEdit| {
        let (path, tags) = (|| "/p/".to_owned(), || vec![tag()]);
        edit.create_policy(NewManagedPolicy {
            name: "Own".to_owned(),
            path: "/".to_owned(),
            description: Some("fixture".to_owned()),
            document: policy("s3:GetObject"),
            tags: tags(),
        })?;
        edit.create_policy_version(&own, policy("s3:PutObject"), Counts::FromNowOn)?;
        edit.create_user("Ann", &path(), Some(own.clone()), tags())?;
        edit.create_group("Staff", &path())?;
        edit.create_role(NewRole {
            name: "Job".to_owned(),
            path: path(),
            description: Some("fixture".to_owned()),
            max_session_seconds: 7200,
            trust: bound("sts:AssumeRole"),
            boundary: None,
            tags: tags(),
        })?;
        edit.create_instance_profile("Machine", &path(), tags())?;
        edit.create_oidc_provider(NewOidcProvider {
            url: "issuer.example".to_owned(),
            client_ids: vec!["app".to_owned()],
            thumbprints: vec!["ab".repeat(20)],
            tags: tags(),
        })?;
        let inline = policy("s3:ListBucket");
        edit.change_user("Ann", |user| Ok(user.inline.insert("In".to_owned(), inline)))?;
        edit.change_group("Staff", |group| Ok(group.attached.insert(own)))?;
        edit.add_to_group("Staff", "Ann")?;
        edit.add_role_to_profile("Machine", "Job")?;
        edit.create_given_key("Ann", key)?;
        edit.set_key_status("Ann", "AKIDUSER", KeyStatus::Inactive)
    };
    store.change_identities(&account, now, change).await.unwrap().unwrap();
    store.note_key_use("AKIDUSER", "s3", "us-east-1", now);
    let new = NewAccount {
        id: Some(AccountId::parse("111111111111").unwrap()),
        name: "fixture".to_owned(),
        email: Some("fixture@example.com".to_owned()),
        root: Some(given("AKIDROOT")),
    };
    let made = store.create_account(new, now).await.unwrap();
    assert!(matches!(made, CreateAccount::Created { .. }));
}

fn attributes(content_type: &str) -> Attributes {
    Attributes {
        content_type: Some(content_type.to_owned()),
        metadata: vec![("kind".to_owned(), "fixture".to_owned())],
        tags: vec![tag()],
        ..Attributes::default()
    }
}

/// An upload that is under way, under a customer's key.
async fn begin(store: &Store, bucket: &BucketRef, customer: &CustomerKey, now: Timestamp) {
    let new = NewUpload {
        bucket: bucket.clone(),
        key: ObjectKey::parse("begun").unwrap(),
        attributes: attributes("text/html"),
        checksum: None,
        encryption: None,
        customer_key: Some(store.key_check(customer).unwrap()),
        initiator: "root".to_owned(),
    };
    let upload = store.create_upload(new, now).await.unwrap().unwrap();
    let body = stage(store, 10, None, Some(customer)).await;
    store.put_part(&upload, PartNumber::new(1).unwrap(), body, None, now).await.unwrap();
}

/// A revocation of each kind, and a link that was used.
async fn limit_links(store: &Store, now: Timestamp) {
    let account = AccountId::parse("000000000000").unwrap();
    let bucket = BucketName::parse("fixture").unwrap();
    let link = Fingerprint::of_signature(b"the link of the fixture");
    let object = ObjectKey::parse("small").unwrap();
    for (links, signer) in [
        (RevokedLinks::Link { fingerprint: link, target: None }, None),
        (RevokedLinks::AccessKey("AKIDFIXTURE".to_owned()), None),
        (RevokedLinks::Object(bucket.clone(), object), Some("AIDAFIXTURE".to_owned())),
        (RevokedLinks::Prefix(bucket, "large".to_owned()), None),
    ] {
        let revocation = Revocation {
            links,
            scope: RevocationScope { account: account.clone(), signer },
            signed_until: now,
            lives_until: now + REVOCATION_LIFE,
            revoked_at: now,
            revoked_by: "arn:aws:iam::000000000000:root".to_owned(),
        };
        let answer = store.revoke(revocation).await.unwrap();
        assert!(matches!(answer, Revoke::Recorded(_)));
    }
    let link_ends_at = now + REVOCATION_LIFE;
    for _ in 0..2 {
        let wanted = OpenUse { link, uses_max: 5, bytes_returned: 0, link_ends_at };
        assert!(store.open_use(wanted).await.unwrap());
    }
    assert!(store.give_use_back(&link, 3, 100).await.unwrap());
}

/// A managed link by which a file was sent, one that was used up, and the key of the role that signs for them.
async fn share(store: &Store, now: Timestamp) {
    let account = AccountId::parse("000000000000").unwrap();
    let signer = store.link_signer_key(&account, (bound("sts:AssumeRole"), policy("s3:*")), now);
    signer.await.unwrap().unwrap();
    let bucket = BucketName::parse("fixture").unwrap();
    let mut conditions = LinkConditions::default();
    conditions.uses = Some(1.try_into().unwrap());
    let request = ManagedLink {
        id: "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap(),
        account: account.clone(),
        creator: LinkCreator {
            identity: CreatorIdentity::User { id: "AIDAFIXTURE".to_owned() },
            arn: "arn:aws:iam::000000000000:user/p/Ann".to_owned(),
            signer: "AIDAFIXTURE".to_owned(),
            access_key_id: "AKIAFIXTURE".to_owned(),
            root_key: None,
            session: None,
        },
        purpose: LinkPurpose::Request {
            bucket: bucket.clone(),
            prefix: "in/".to_owned(),
            limits: FileLimits { max_bytes: Some(9), ..FileLimits::default() },
        },
        created_at: now,
        expires_at: now + REVOCATION_LIFE,
        conditions: LinkConditions::default(),
        passphrase: Some("$argon2id$fixture".to_owned()),
        landing: Landing::Always,
        names_creator: true,
        notify: vec!["mailto:ana@example.com".to_owned()],
        delete_object_at_end: None,
        closed_at: None,
        revision: 1,
    };
    let object = ManagedLink {
        id: "AAAAAAAAAAAAAAAAAAAAAQ".parse().unwrap(),
        purpose: LinkPurpose::Object {
            bucket,
            key: ObjectKey::parse("small").unwrap(),
            version: None,
            filename: Some("Small".to_owned()),
            inline: true,
        },
        conditions,
        ..request.clone()
    };
    for link in [&request, &object] {
        let answer = store.put_managed_link(link.clone()).await.unwrap();
        assert_eq!(answer, PutManagedLink::Recorded);
    }
    let (link, link_ends_at) = (object.fingerprint(), object.expires_at);
    let wanted = OpenUse { link, uses_max: 1, bytes_returned: 0, link_ends_at };
    assert!(store.open_use(wanted).await.unwrap());
    assert!(store.try_passphrase(&request.fingerprint(), now).await.unwrap());
    let file = RequestFile {
        id: "AAAAAAAAAAAAAAAAAAAAAg".parse().unwrap(),
        link: request.fingerprint(),
        bucket: store.bucket(request.purpose.bucket()).await.unwrap().unwrap().reference(),
        key: ObjectKey::parse("in/small").unwrap(),
        name: "small".to_owned(),
        size: 5,
        upload: None,
        is_done: true,
        touched_at: now,
    };
    let room = RequestRoom { files_max: 2, bytes_max: 9, idle_before: Timestamp::MIN };
    assert_eq!(store.reserve_file(file, room).await.unwrap(), ReserveFile::Reserved);
}

async fn put_distribution(store: &Store, account: &AccountId, now: Timestamp) {
    let change = |edit: &mut DistributionEdit| {
        edit.put(DistributionResource {
            id: "EFIXTUREFIXTUR".to_owned(),
            account: account.clone(),
            kind: ResourceKind::Distribution,
            etag: "EFIXTUREFIXTUR".to_owned(),
            created_at: now,
            changed_at: now,
            hosts: vec!["cdn.example.com".to_owned()],
            document: "the document".into(),
        })
    };
    store.change_distributions(now, change).await.unwrap().unwrap();
}

async fn stage(
    store: &Store,
    size: usize,
    encryption: Option<Encryption>,
    customer: Option<&CustomerKey>,
) -> StagedBody {
    let checksums = ChecksumAlgorithm::Crc64Nvme.into();
    let customer_key = customer.cloned();
    let spec = StageSpec { encryption, customer_key, checksums, ..StageSpec::default() };
    let mut stage = store.stage(spec).await.unwrap();
    stage.write(Bytes::from(vec![b'v'; size])).await.unwrap();
    stage.finish().await.unwrap()
}

async fn put(store: &Store, bucket: &BucketRef, key: &str, body: StagedBody, now: Timestamp) {
    let algorithm = ChecksumAlgorithm::Crc64Nvme;
    let value = body.checksum(algorithm).unwrap();
    let put = PutObject {
        bucket: bucket.clone(),
        key: ObjectKey::parse(key).unwrap(),
        body,
        attributes: attributes("text/plain"),
        checksum: Some(StoredChecksum { algorithm, kind: ChecksumType::FullObject, value }),
        etag: None,
        precondition: Precondition::None,
    };
    store.put_object(put, now).await.unwrap();
}

async fn put_parts(store: &Store, bucket: &BucketRef, now: Timestamp) {
    let new = NewUpload {
        bucket: bucket.clone(),
        key: ObjectKey::parse("parts").unwrap(),
        attributes: attributes("text/html"),
        checksum: None,
        encryption: None,
        customer_key: None,
        initiator: "root".to_owned(),
    };
    let upload = store.create_upload(new, now).await.unwrap().unwrap();
    let mut parts = Vec::new();
    for (number, size) in [(1, 20_000), (2, 10)] {
        let (number, body) =
            (PartNumber::new(number).unwrap(), stage(store, size, None, None).await);
        let put = store.put_part(&upload, number, body, None, now).await.unwrap();
        let PutPart::Stored(part) = put else { panic!("the upload is gone") };
        parts.push(CompletedPart { number, etag: part.etag, checksum: None });
    }
    let complete = CompleteUpload {
        bucket: bucket.clone(),
        key: upload.key.clone(),
        upload_id: upload.id,
        parts,
        object_checksum: None,
        precondition: Precondition::None,
        min_part_size: 0,
    };
    store.complete_upload(complete, now).await.unwrap();
}
