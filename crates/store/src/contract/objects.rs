//! Objects, versions, markers and preconditions.

mod listings;
mod tags;

use super::*;

async fn delete(
    engine: &impl Metadata,
    key_text: &str,
    version: Option<VersionId>,
) -> DeleteOutcome {
    engine
        .delete_object(DeleteObject::of(&the_bucket(), &key(key_text), version.as_ref()), at(9))
        .await
        .unwrap()
}

#[test]
fn an_object_comes_back_as_it_was_put() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let text = |text: &str| Some(text.to_owned());
        let attributes = Attributes {
            content_type: text("text/plain"),
            content_encoding: text("gzip"),
            content_language: text("de"),
            content_disposition: text("inline; filename=\"ü\""),
            cache_control: text("no-store"),
            expires: text("Thu, 01 Dec 1994 16:00:00 GMT"),
            storage_class: text("GLACIER"),
            website_redirect: text("/elsewhere"),
            metadata: vec![("a".to_owned(), "1".to_owned()), ("a".to_owned(), String::new())],
            tags: vec![tagged("a", ""), tagged("ü", "1")],
        };
        let checksum = StoredChecksum {
            algorithm: ChecksumAlgorithm::Crc64Nvme,
            kind: ChecksumType::FullObject,
            value: "AAAAAAAAAAA=".to_owned(),
        };
        let object = NewObject {
            attributes: attributes.clone(),
            checksum: Some(checksum.clone()),
            ..new_object("key", 7)
        };
        engine.put_object(object, at(3) + SignedDuration::from_micros(1500)).await.unwrap();
        // The first look is answered from memory, by version from the database.
        for version in [None, Some(VersionId::Null)] {
            let found = engine.object(&the_bucket(), &key("key"), version).await.unwrap();
            let Lookup::Object(found) = found else { panic!("{found:?}") };
            assert_eq!(found.key, key("key"));
            assert_eq!(found.version_id, VersionId::Null);
            assert_eq!((found.size, found.etag), (1, tag(7)));
            assert_eq!(found.last_modified, at(3) + SignedDuration::from_millis(1));
            assert_eq!(found.attributes, attributes);
            assert_eq!(found.checksum.as_ref(), Some(&checksum));
            assert_eq!(found.encryption, AtRest::Plain);
            assert_eq!(found.resident.get().unwrap(), &vec![7]);
            assert!(found.parts.is_empty());
        }
    });
}

#[test]
fn without_versions_a_write_replaces() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        assert_eq!(look(&*engine, "k", None).await, "no key");
        assert_eq!(delete(&*engine, "k", None).await, DeleteOutcome::Nothing);
        assert_eq!(put(&*engine, "k", 1).await, VersionId::Null);
        assert_eq!(put(&*engine, "k", 2).await, VersionId::Null);
        assert_eq!(look(&*engine, "k", None).await, "2");
        assert_eq!(look(&*engine, "k", Some(VersionId::Null)).await, "2");
        let deleted = DeleteOutcome::Deleted { version_id: None, was_marker: false };
        assert_eq!(delete(&*engine, "k", None).await, deleted);
        assert_eq!(look(&*engine, "k", None).await, "no key");
        assert_eq!(look(&*engine, "k", Some(VersionId::Null)).await, "no version");
    });
}

#[test]
fn with_versions_a_write_adds_and_a_delete_marks() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Enabled).await;
        let one = put(&*engine, "k", 1).await;
        let two = put(&*engine, "k", 2).await;
        assert!(one != two && one != VersionId::Null);
        let DeleteOutcome::MarkerCreated { version_id: marker } = delete(&*engine, "k", None).await
        else {
            panic!()
        };
        assert_eq!(look(&*engine, "k", None).await, "- current");
        assert_eq!(look(&*engine, "k", Some(marker)).await, "- current");
        assert_eq!(look(&*engine, "k", Some(one)).await, "1");
        assert_eq!(look(&*engine, "k", Some(two)).await, "2");
        assert_eq!(look(&*engine, "k", Some(VersionId::Null)).await, "no version");
        assert_eq!(look(&*engine, "other", Some(one)).await, "no version");

        let three = put(&*engine, "k", 3).await;
        assert_eq!(look(&*engine, "k", Some(marker)).await, "-");
        let gone =
            |version, was_marker| DeleteOutcome::Deleted { version_id: Some(version), was_marker };
        assert_eq!(delete(&*engine, "k", Some(marker)).await, gone(marker, true));
        assert_eq!(delete(&*engine, "k", Some(marker)).await, DeleteOutcome::Nothing);
        assert_eq!(delete(&*engine, "k", Some(VersionId::Null)).await, DeleteOutcome::Nothing);
        assert_eq!(look(&*engine, "k", None).await, "3");
        // The newest goes: the one before it is current again.
        assert_eq!(delete(&*engine, "k", Some(three)).await, gone(three, false));
        assert_eq!(look(&*engine, "k", None).await, "2");
        assert_eq!(delete(&*engine, "k", Some(two)).await, gone(two, false));
        assert_eq!(delete(&*engine, "k", Some(one)).await, gone(one, false));
        assert_eq!(look(&*engine, "k", None).await, "no key");
        // Deleting what never was marks as well.
        assert!(matches!(delete(&*engine, "n", None).await, DeleteOutcome::MarkerCreated { .. }));
    });
}

#[test]
fn suspended_a_write_replaces_the_null_version_alone() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        put(&*engine, "k", 1).await;
        engine.set_versioning(&the_bucket(), Versioning::Enabled).await.unwrap();
        let two = put(&*engine, "k", 2).await;
        assert_eq!(look(&*engine, "k", Some(VersionId::Null)).await, "1");
        engine.set_versioning(&the_bucket(), Versioning::Suspended).await.unwrap();
        assert_eq!(put(&*engine, "k", 3).await, VersionId::Null);
        assert_eq!(look(&*engine, "k", None).await, "3");
        assert_eq!(look(&*engine, "k", Some(VersionId::Null)).await, "3");
        assert_eq!(look(&*engine, "k", Some(two)).await, "2");
        // Put again at once, and again under a newer version.
        put(&*engine, "k", 4).await;
        engine.set_versioning(&the_bucket(), Versioning::Enabled).await.unwrap();
        let five = put(&*engine, "k", 5).await;
        assert_eq!(look(&*engine, "k", Some(VersionId::Null)).await, "4");
        engine.set_versioning(&the_bucket(), Versioning::Suspended).await.unwrap();
        let marker = DeleteOutcome::MarkerCreated { version_id: VersionId::Null };
        assert_eq!(delete(&*engine, "k", None).await, marker);
        assert_eq!(look(&*engine, "k", None).await, "- current");
        assert_eq!(look(&*engine, "k", Some(VersionId::Null)).await, "- current");
        assert_eq!(delete(&*engine, "k", None).await, marker);
        let gone = DeleteOutcome::Deleted { version_id: Some(VersionId::Null), was_marker: true };
        assert_eq!(delete(&*engine, "k", Some(VersionId::Null)).await, gone);
        assert_eq!(look(&*engine, "k", None).await, "5");
        assert_eq!(look(&*engine, "k", Some(five)).await, "5");
        assert_eq!(look(&*engine, "k", Some(two)).await, "2");
    });
}

#[test]
fn preconditions_are_judged_by_the_current_version() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Enabled).await;
        let put_if = async |key_text: &str, content: u8, precondition| {
            let object = NewObject { precondition, ..new_object(key_text, content) };
            match engine.put_object(object, at(1)).await.unwrap() {
                PutOutcome::Stored { .. } => "stored",
                PutOutcome::PreconditionFailed => "failed",
                PutOutcome::NoSuchKey => "no key",
                PutOutcome::NoSuchBucket => "no bucket",
            }
        };
        let matching = |content| Precondition::IfMatch(tag(content));
        assert_eq!(put_if("k", 1, matching(1)).await, "no key");
        assert_eq!(put_if("k", 1, Precondition::IfAbsent).await, "stored");
        assert_eq!(put_if("k", 2, Precondition::IfAbsent).await, "failed");
        assert_eq!(put_if("k", 2, matching(2)).await, "failed");
        assert_eq!(put_if("k", 2, matching(1)).await, "stored");
        // A marker is absence.
        engine
            .delete_object(DeleteObject::of(&the_bucket(), &key("k"), None), at(2))
            .await
            .unwrap();
        assert_eq!(put_if("k", 3, matching(2)).await, "no key");
        assert_eq!(put_if("k", 3, Precondition::IfAbsent).await, "stored");
        let other = no_bucket();
        let object = NewObject { bucket: other.clone(), ..new_object("k", 4) };
        let put = engine.put_object(object, at(3)).await.unwrap();
        assert!(matches!(put, PutOutcome::NoSuchBucket));
        let deleted =
            engine.delete_object(DeleteObject::of(&other, &key("k"), None), at(3)).await.unwrap();
        assert_eq!(deleted, DeleteOutcome::NoSuchBucket);
    });
}

#[test]
fn of_many_that_must_be_first_one_is() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let puts = (1..=32_u8).map(|content| {
            let engine = Arc::clone(&engine);
            let precondition = Precondition::IfAbsent;
            tokio::spawn(async move {
                let object = NewObject { precondition, ..new_object("k", content) };
                engine.put_object(object, at(1)).await.unwrap()
            })
        });
        let mut stored = 0;
        for put in puts.collect::<Vec<_>>() {
            stored += usize::from(matches!(put.await.unwrap(), PutOutcome::Stored { .. }));
        }
        assert_eq!(stored, 1);
    });
}

#[test]
fn deletes_are_conditional_on_the_current_version() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let delete_if = async |version: Option<&VersionId>, precondition| {
            let of = DeleteObject::of(&the_bucket(), &key("k"), version);
            let outcome = engine.delete_object(DeleteObject { precondition, ..of }, at(9)).await;
            match outcome.unwrap() {
                DeleteOutcome::Nothing => "nothing",
                DeleteOutcome::Deleted { .. } => "deleted",
                DeleteOutcome::MarkerCreated { .. } => "marked",
                DeleteOutcome::PreconditionFailed => "failed",
                DeleteOutcome::NoSuchKey => "no key",
                DeleteOutcome::TagsChanged => "changed",
                DeleteOutcome::NoSuchBucket => "no bucket",
            }
        };
        let matching = |content| Precondition::IfMatch(tag(content));
        let unmet = [matching(2), Precondition::IfMatchUnknown];
        for wanting in unmet.into_iter().chain([Precondition::IfPresent]) {
            assert_eq!(delete_if(None, wanting).await, "no key");
        }
        put(&*engine, "k", 1).await;
        for condition in unmet.into_iter().chain([Precondition::IfAbsent]) {
            assert_eq!(delete_if(None, condition).await, "failed");
        }
        assert_eq!(delete_if(None, matching(1)).await, "deleted");
        put(&*engine, "k", 1).await;
        assert_eq!(delete_if(None, Precondition::IfPresent).await, "deleted");

        engine.set_versioning(&the_bucket(), Versioning::Enabled).await.unwrap();
        let two = put(&*engine, "k", 2).await;
        put(&*engine, "k", 3).await;
        // A version that is named is removed, but it is the current one that is judged.
        assert_eq!(delete_if(Some(&two), matching(2)).await, "failed");
        assert_eq!(delete_if(Some(&two), matching(3)).await, "deleted");
        assert_eq!(delete_if(None, matching(3)).await, "marked");
        // A marker is absence.
        assert_eq!(delete_if(None, matching(3)).await, "no key");
        assert_eq!(delete_if(None, Precondition::IfPresent).await, "no key");
    });
}
