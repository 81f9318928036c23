//! Uploads: parts, completing, aborting, listing.

mod conditions;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

pub(crate) fn new_upload(key_text: &str) -> NewUpload {
    NewUpload {
        bucket: the_bucket(),
        key: key(key_text),
        attributes: Attributes {
            content_type: Some("a/b".to_owned()),
            tags: vec![tagged("a", "b")],
            ..Attributes::default()
        },
        checksum: None,
        encryption: Some(Encryption::Off),
        customer_key: None,
        initiator: "root".to_owned(),
    }
}

pub(super) async fn begin(engine: &impl Metadata, upload: NewUpload, now: i64) -> Arc<Upload> {
    engine.create_upload(upload, at(now)).await.unwrap().unwrap()
}

fn number(number: u16) -> PartNumber {
    PartNumber::new(number).unwrap()
}

/// Puts a part of `size` bytes in a blob of that id; its tag is the id's.
pub(super) async fn put_part(
    engine: &impl Metadata,
    upload: &Upload,
    n: u16,
    id: u8,
    checksum: Option<StoredChecksum>,
) -> PutPart {
    engine.record_intent(BlobId::from_bytes([id; 16]), at(1)).await.unwrap();
    let part = NewPart {
        bucket: upload.bucket.clone(),
        key: upload.key.clone(),
        upload: upload.id,
        number: number(n),
        etag: tag(id),
        checksum,
        file: staged(id, 10).0,
    };
    engine.put_part(part, at(2)).await.unwrap()
}

pub(super) fn complete(upload: &Upload, parts: &[(u16, u8)]) -> CompleteUpload {
    let parts = parts.iter().map(|(n, id)| CompletedPart {
        number: number(*n),
        etag: tag(*id),
        checksum: None,
    });
    CompleteUpload {
        bucket: upload.bucket.clone(),
        key: upload.key.clone(),
        upload_id: upload.id,
        parts: parts.collect(),
        object_checksum: None,
        precondition: Precondition::None,
        min_part_size: 10,
    }
}

pub(super) async fn garbage(engine: &impl Metadata) -> Vec<u8> {
    let mut garbage = engine.garbage(much_later(), 100).await.unwrap();
    garbage.sort();
    garbage.iter().map(|id| id.first_byte()).collect()
}

#[test]
fn parts_become_an_object_and_the_rest_garbage() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Enabled).await;
        let upload = begin(&*engine, new_upload("k"), 1).await;
        let read = engine.upload(&the_bucket(), &key("k"), upload.id).await.unwrap();
        assert_eq!(read.as_ref(), Some(&upload));
        assert_eq!(engine.upload(&the_bucket(), &key("l"), upload.id).await.unwrap(), None);
        for (n, id) in [(1, 1), (3, 2), (2, 3), (3, 4), (7, 5)] {
            let put = put_part(&*engine, &upload, n, id, None).await;
            assert!(matches!(put, PutPart::Stored(part) if part.etag == tag(id)));
        }
        assert_eq!(garbage(&*engine).await, [2]);
        assert_eq!(look(&*engine, "k", None).await, "no key");

        let done =
            engine.complete_upload(complete(&upload, &[(1, 1), (3, 4)]), at(3)).await.unwrap();
        let CompleteOutcome::Completed { version_id: Some(version), object } = done else {
            panic!("{done:?}")
        };
        // MD5 of two MD5s, computed elsewhere.
        assert_eq!(object.etag.to_string(), "3a3ab58b441be60253045f5c19398c78-2");
        assert_eq!((object.size, object.last_modified), (20, at(3)));
        assert_eq!(object.attributes.content_type.as_deref(), Some("a/b"));
        let parts = object.parts.iter().map(|part| (part.number.number(), part.size));
        assert_eq!(parts.collect::<Vec<_>>(), [(1, 10), (3, 10)]);
        let blobs = object.body.blobs().iter().map(|blob| blob.id.first_byte());
        assert_eq!(blobs.collect::<Vec<_>>(), [1, 4]);
        assert_eq!(garbage(&*engine).await, [2, 3, 5]);
        assert_eq!(engine.upload(&the_bucket(), &key("k"), upload.id).await.unwrap(), None);

        // The same again answers the same; anything else does not.
        let again = complete(&upload, &[(1, 1), (3, 4)]);
        let done = engine.complete_upload(again.clone(), at(4)).await.unwrap();
        assert!(
            matches!(done, CompleteOutcome::Completed { version_id: Some(v), .. } if v == version)
        );
        let other = engine.complete_upload(complete(&upload, &[(1, 1)]), at(4)).await.unwrap();
        assert!(matches!(other, CompleteOutcome::NoSuchUpload));
        assert!(matches!(put_part(&*engine, &upload, 1, 9, None).await, PutPart::NoSuchUpload));
        assert!(!engine.abort_upload(&the_bucket(), &key("k"), upload.id, at(5)).await.unwrap());

        engine.forget_completed(at(3)).await.unwrap();
        let done = engine.complete_upload(again.clone(), at(4)).await.unwrap();
        assert!(matches!(done, CompleteOutcome::Completed { .. }));
        engine.forget_completed(at(4)).await.unwrap();
        let forgotten = engine.complete_upload(again, at(4)).await.unwrap();
        assert!(matches!(forgotten, CompleteOutcome::NoSuchUpload));

        engine
            .delete_object(DeleteObject::of(&the_bucket(), &key("k"), Some(&version)), at(6))
            .await
            .unwrap();
        assert_eq!(garbage(&*engine).await, [1, 2, 3, 4, 5]);
    });
}

#[test]
fn a_repeated_completion_of_what_was_replaced_is_not_found() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let upload = begin(&*engine, new_upload("k"), 1).await;
        put_part(&*engine, &upload, 1, 1, None).await;
        engine.complete_upload(complete(&upload, &[(1, 1)]), at(3)).await.unwrap();
        put(&*engine, "k", 7).await;
        let again = engine.complete_upload(complete(&upload, &[(1, 1)]), at(4)).await.unwrap();
        assert!(matches!(again, CompleteOutcome::NoSuchUpload));
        assert_eq!(look(&*engine, "k", None).await, "7");
    });
}

#[test]
fn completing_is_refused_as_a_whole() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let upload = begin(&*engine, new_upload("k"), 1).await;
        for (n, id) in [(1, 1), (2, 2), (3, 3)] {
            put_part(&*engine, &upload, n, id, None).await;
        }
        let good = complete(&upload, &[(1, 1), (2, 2)]);
        let with_checksum = |value: &str| {
            let mut parts = good.parts.clone();
            parts[1].checksum = Some(value.to_owned());
            CompleteUpload { parts, ..good.clone() }
        };
        let said = StoredChecksum {
            algorithm: ChecksumAlgorithm::Crc32,
            kind: ChecksumType::FullObject,
            value: "AAAAAA==".to_owned(),
        };
        let strange = UploadId::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
        let nowhere = no_bucket();
        let rows = [
            (complete(&upload, &[(1, 1), (4, 4)]), "InvalidPart { number: PartNumber(4) }"),
            (complete(&upload, &[(1, 2), (2, 2)]), "InvalidPart { number: PartNumber(1) }"),
            (complete(&upload, &[]), "InvalidPart { number: PartNumber(1) }"),
            (with_checksum("AAAAAA=="), "InvalidPart { number: PartNumber(2) }"),
            (
                CompleteUpload { min_part_size: 11, ..good.clone() },
                "PartTooSmall { number: PartNumber(1)",
            ),
            (CompleteUpload { object_checksum: Some(said), ..good.clone() }, "ChecksumMismatch"),
            (CompleteUpload { upload_id: strange, ..good.clone() }, "NoSuchUpload"),
            (CompleteUpload { key: key("l"), ..good.clone() }, "NoSuchUpload"),
            (CompleteUpload { bucket: nowhere, ..good.clone() }, "NoSuchBucket"),
            (
                CompleteUpload { precondition: Precondition::IfMatch(tag(1)), ..good.clone() },
                "NoSuchKey",
            ),
        ];
        for (refused, expected) in rows {
            let outcome = engine.complete_upload(refused, at(3)).await.unwrap();
            let outcome = format!("{outcome:?}");
            assert!(outcome.starts_with(expected), "{outcome}");
        }
        put(&*engine, "k", 9).await;
        let precondition = Precondition::IfAbsent;
        let failed = CompleteUpload { precondition, ..good.clone() };
        let outcome = engine.complete_upload(failed, at(3)).await.unwrap();
        assert!(matches!(outcome, CompleteOutcome::PreconditionFailed));
        assert!(garbage(&*engine).await.is_empty());
        // The last part may be short, and a lone one is the last.
        let lone = CompleteUpload { min_part_size: 11, ..complete(&upload, &[(3, 3)]) };
        let outcome = engine.complete_upload(lone, at(3)).await.unwrap();
        assert!(matches!(outcome, CompleteOutcome::Completed { version_id: None, .. }));
        assert_eq!(garbage(&*engine).await, [1, 2]);
    });
}

#[test]
fn the_checksum_of_an_object_comes_from_its_parts() {
    // "123456789" in two parts; the values are the catalogued check values of these CRCs, and the
    // composite one was computed elsewhere.
    let rows = [
        (ChecksumAlgorithm::Crc32, ChecksumType::FullObject, "y/Q5Jg=="),
        (ChecksumAlgorithm::Crc32c, ChecksumType::FullObject, "4waSgw=="),
        (ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject, "rosUhgp5mIg="),
        (
            ChecksumAlgorithm::Sha256,
            ChecksumType::Composite,
            "bnRBBTileCDVQlLT/6fZJGrqcf3O3X6G8kD8V7zZqxQ=-2",
        ),
    ];
    for (algorithm, kind, expected) in rows {
        every_engine(|engine| async move {
            with_bucket(&*engine, Versioning::Unversioned).await;
            let checksum = Some((algorithm, kind));
            let upload = begin(&*engine, NewUpload { checksum, ..new_upload("k") }, 1).await;
            for (n, bytes) in [(1, &b"1234"[..]), (2, b"56789")] {
                let mut checksums = body::Checksums::new(algorithm.into());
                checksums.update(bytes);
                let value = STANDARD.encode(checksums.finish().pop().unwrap().1);
                let kind = ChecksumType::FullObject;
                let id = u8::try_from(n).unwrap();
                let stored = StoredChecksum { algorithm, kind, value };
                let mut file = staged(id, u64::try_from(bytes.len()).unwrap()).0;
                file.blob.size = u64::try_from(bytes.len()).unwrap();
                engine.record_intent(file.blob.id, at(1)).await.unwrap();
                let part = NewPart {
                    bucket: the_bucket(),
                    key: key("k"),
                    upload: upload.id,
                    number: number(n),
                    etag: tag(id),
                    checksum: Some(stored),
                    file,
                };
                engine.put_part(part, at(1)).await.unwrap();
            }
            let value = expected.to_owned();
            let said = CompleteUpload {
                object_checksum: Some(StoredChecksum { algorithm, kind, value }),
                min_part_size: 0,
                ..complete(&upload, &[(1, 1), (2, 2)])
            };
            let mut wrong = said.clone();
            wrong.object_checksum.as_mut().unwrap().value = "AAAA".to_owned();
            let outcome = engine.complete_upload(wrong, at(3)).await.unwrap();
            let CompleteOutcome::ChecksumMismatch { computed: Some(computed) } = outcome else {
                panic!("{outcome:?}")
            };
            assert_eq!(computed.value, expected);
            let outcome = engine.complete_upload(said, at(3)).await.unwrap();
            let CompleteOutcome::Completed { object, .. } = outcome else { panic!("{outcome:?}") };
            assert_eq!(object.checksum.as_ref().unwrap().value, expected);
        });
    }
}

#[test]
fn aborted_uploads_and_those_of_a_removed_bucket_leave_garbage() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let one = begin(&*engine, new_upload("k"), 1).await;
        let two = begin(&*engine, new_upload("k"), 2).await;
        put_part(&*engine, &one, 1, 1, None).await;
        put_part(&*engine, &two, 1, 2, None).await;
        let abort =
            async |id| engine.abort_upload(&the_bucket(), &key("k"), id, at(3)).await.unwrap();
        assert!(abort(one.id).await);
        assert!(!abort(one.id).await);
        assert_eq!(garbage(&*engine).await, [1]);
        let deleted = engine.delete_bucket(&the_bucket(), at(4)).await.unwrap();
        assert_eq!(deleted, DeleteBucket::Deleted);
        assert_eq!(garbage(&*engine).await, [1, 2]);
        assert!(matches!(put_part(&*engine, &two, 2, 3, None).await, PutPart::NoSuchUpload));
        assert!(engine.create_upload(new_upload("k"), at(5)).await.unwrap().is_none());
        with_bucket(&*engine, Versioning::Unversioned).await;
        assert_eq!(engine.upload(&the_bucket(), &key("k"), two.id).await.unwrap(), None);
    });
}

#[test]
fn an_upload_is_idle_when_neither_it_nor_a_part_is_new() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        // Parts come at second 2.
        let old = begin(&*engine, new_upload("old"), 0).await;
        let busy = begin(&*engine, new_upload("busy"), 0).await;
        let young = begin(&*engine, new_upload("young"), 2).await;
        let done = begin(&*engine, new_upload("done"), 0).await;
        put_part(&*engine, &busy, 1, 1, None).await;
        put_part(&*engine, &done, 1, 2, None).await;
        let idle = async |since| {
            let idle = engine.idle_uploads(at(since), 9).await.unwrap();
            let mut keys = idle.iter().map(|idle| idle.key.to_string()).collect::<Vec<_>>();
            keys.sort();
            keys.join(" ")
        };
        let rows = [(0, ""), (1, "old"), (2, "old"), (3, "busy done old young")];
        for (since, expected) in rows {
            assert_eq!(idle(since).await, expected, "{since}");
        }
        assert_eq!(engine.idle_uploads(at(3), 2).await.unwrap().len(), 2);

        // What was idle when it was found need not be idle when it is aborted.
        let abort = async |upload: &Upload, since| {
            let (bucket, key, id) = (upload.bucket.clone(), upload.key.clone(), upload.id);
            let idle = IdleUpload { bucket, key, id, idle_since: at(since) };
            engine.abort_idle_upload(idle, at(9)).await.unwrap()
        };
        engine.complete_upload(complete(&done, &[(1, 2)]), at(3)).await.unwrap();
        for (upload, since, expected) in [
            (&busy, 2, false),
            (&young, 2, false),
            (&done, 3, false),
            (&old, 2, true),
            (&old, 2, false),
            (&busy, 3, true),
        ] {
            assert_eq!(abort(upload, since).await, expected, "{} {since}", upload.key);
        }
        assert_eq!(garbage(&*engine).await, [1]);
        assert_ne!(look(&*engine, "done", None).await, "no key");
        assert_eq!(idle(9).await, "young");
        assert!(matches!(put_part(&*engine, &busy, 2, 3, None).await, PutPart::NoSuchUpload));
    });
}

#[test]
fn parts_are_listed_by_number() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let upload = begin(&*engine, new_upload("k"), 1).await;
        for (n, id) in [(10_000, 1), (1, 2), (20, 3)] {
            put_part(&*engine, &upload, n, id, None).await;
        }
        let rows = [
            (None, 9, vec![1, 20, 10_000], None),
            (None, 2, vec![1, 20], Some(20)),
            (Some(20), 2, vec![10_000], None),
            (Some(10_000), 2, vec![], None),
        ];
        for (after, limit, expected, next) in rows {
            let page = engine.parts(upload.id, after.map(number), limit).await.unwrap();
            let numbers = page.parts.iter().map(|part| part.number.number()).collect::<Vec<_>>();
            assert_eq!((numbers, page.next.map(PartNumber::number)), (expected, next));
        }
    });
}

#[test]
fn uploads_are_listed_by_key_and_age() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let mut ids = Vec::new();
        for (key_text, now) in [("b", 1), ("a/1", 3), ("a/1", 2), ("a/2", 4)] {
            ids.push(begin(&*engine, new_upload(key_text), now).await.id);
        }
        let rows = [
            (None, UploadAfter::Start, 9, "a/1@2 a/1@3 a/2@4 b@1"),
            (None, UploadAfter::Start, 3, "a/1@2 a/1@3 a/2@4 | b@1"),
            (None, UploadAfter::Start, 1, "a/1@2 | a/1@3 | a/2@4 | b@1"),
            (Some("/"), UploadAfter::Start, 1, "a/* | b@1"),
            (None, UploadAfter::Key("a/1".to_owned()), 9, "a/2@4 b@1"),
            (None, UploadAfter::Upload(key("a/1"), ids[2]), 9, "a/1@3 a/2@4 b@1"),
            (None, UploadAfter::CommonPrefix("a/".to_owned()), 9, "b@1"),
        ];
        for (delimiter, mut after, limit, expected) in rows {
            let mut pages = Vec::new();
            loop {
                let (prefix, delimiter) = (String::new(), delimiter.map(str::to_owned));
                let query = ListUploads { prefix, delimiter, after, limit };
                let page = engine.uploads(&the_bucket(), query).await.unwrap().unwrap();
                let entries = page.entries.iter().map(|entry| match entry {
                    UploadEntry::Upload(upload) => {
                        let age = upload.initiated_at.duration_since(at(0)).as_secs();
                        format!("{}@{age}", upload.key.as_str())
                    }
                    UploadEntry::CommonPrefix(prefix) => format!("{prefix}*"),
                });
                pages.push(entries.collect::<Vec<_>>().join(" "));
                match page.next {
                    Some(next) => after = next,
                    None => break,
                }
            }
            assert_eq!(pages.join(" | "), expected);
        }
    });
}

#[test]
fn a_condition_does_not_hold_for_who_began_before_a_change() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Enabled).await;
        // Begun, and a second later the key was written, or deleted, or neither.
        let try_one = async |began: i64, precondition| {
            let upload = begin(&*engine, new_upload("k"), began).await;
            put_part(&*engine, &upload, 1, 9, None).await;
            let complete = CompleteUpload { precondition, ..complete(&upload, &[(1, 9)]) };
            let outcome = engine.complete_upload(complete, at(9)).await.unwrap();
            engine.abort_upload(&the_bucket(), &key("k"), upload.id, at(9)).await.unwrap();
            match outcome {
                CompleteOutcome::Completed { .. } => "completed",
                CompleteOutcome::Conflict => "conflict",
                CompleteOutcome::PreconditionFailed => "failed",
                CompleteOutcome::NoSuchKey => "no key",
                CompleteOutcome::NoSuchUpload
                | CompleteOutcome::InvalidPart { .. }
                | CompleteOutcome::PartTooSmall { .. }
                | CompleteOutcome::NoSuchBucket
                | CompleteOutcome::ChecksumMismatch { .. } => "something else",
            }
        };
        // Written at its second 5, and deleted at 9.
        put(&*engine, "k", 5).await;
        assert_eq!(try_one(4, Precondition::IfMatch(tag(5))).await, "conflict");
        assert_eq!(try_one(4, Precondition::IfMatch(tag(4))).await, "failed");
        let deleted = DeleteObject::of(&the_bucket(), &key("k"), None);
        engine.delete_object(deleted, at(9)).await.unwrap();
        assert_eq!(try_one(8, Precondition::IfMatch(tag(5))).await, "no key");
        assert_eq!(try_one(8, Precondition::IfAbsent).await, "conflict");
        assert_eq!(try_one(8, Precondition::None).await, "completed");
    });
}

/// A delete without a trace is remembered for uploads that were under way.
#[test]
fn a_completion_that_wants_nothing_there_conflicts_with_a_delete() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let try_one = async |upload: &Upload| {
            let wanting = CompleteUpload {
                precondition: Precondition::IfAbsent,
                ..complete(upload, &[(1, 9)])
            };
            match engine.complete_upload(wanting, at(99)).await.unwrap() {
                CompleteOutcome::Completed { .. } => "completed",
                CompleteOutcome::Conflict => "conflict",
                other @ (CompleteOutcome::NoSuchUpload
                | CompleteOutcome::InvalidPart { .. }
                | CompleteOutcome::PartTooSmall { .. }
                | CompleteOutcome::PreconditionFailed
                | CompleteOutcome::NoSuchBucket
                | CompleteOutcome::NoSuchKey
                | CompleteOutcome::ChecksumMismatch { .. }) => panic!("{other:?}"),
            }
        };
        let delete = async |version: Option<&VersionId>, second| {
            let delete = DeleteObject::of(&the_bucket(), &key("k"), version);
            let deleted = engine.delete_object(delete, at(second)).await.unwrap();
            assert!(matches!(deleted, DeleteOutcome::Deleted { .. }), "{deleted:?}");
        };
        put(&*engine, "k", 1).await;
        let before = begin(&*engine, new_upload("k"), 2).await;
        put_part(&*engine, &before, 1, 9, None).await;
        delete(None, 5).await;
        let after = begin(&*engine, new_upload("k"), 6).await;
        put_part(&*engine, &after, 1, 9, None).await;
        let elsewhere = begin(&*engine, new_upload("l"), 2).await;
        put_part(&*engine, &elsewhere, 1, 9, None).await;
        // What is remembered lasts as long as somebody may ask.
        engine.forget_completed(at(50)).await.unwrap();
        assert_eq!(try_one(&before).await, "conflict");
        assert_eq!(try_one(&elsewhere).await, "completed");
        assert_eq!(try_one(&after).await, "completed");
        engine.abort_upload(&the_bucket(), &key("k"), before.id, at(7)).await.unwrap();

        // By its version too, and not when nobody had begun.
        let begun = begin(&*engine, new_upload("k"), 100).await;
        put_part(&*engine, &begun, 1, 9, None).await;
        delete(Some(&VersionId::Null), 101).await;
        assert_eq!(try_one(&begun).await, "conflict");
        engine.abort_upload(&the_bucket(), &key("k"), begun.id, at(102)).await.unwrap();
        engine.forget_completed(at(200)).await.unwrap();
        let late = begin(&*engine, new_upload("k"), 100).await;
        put_part(&*engine, &late, 1, 9, None).await;
        assert_eq!(try_one(&late).await, "completed");
    });
}
