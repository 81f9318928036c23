//! Listings: order, prefixes, delimiters, pages.

use super::*;

/// The keys of a listing, common prefixes with a `*`, page by page, until the last.
async fn list(engine: &impl Metadata, prefix: &str, delimiter: &str, limit: usize) -> String {
    let delimiter = Some(delimiter.to_owned()).filter(|delimiter| !delimiter.is_empty());
    let mut after = ListAfter::Start;
    let mut pages = Vec::new();
    loop {
        let (prefix, delimiter) = (prefix.to_owned(), delimiter.clone());
        let query = ListObjects { prefix, delimiter, after, limit };
        let page = engine.list_objects(&the_bucket(), query).await.unwrap().unwrap();
        let entries = page.entries.iter().map(|entry| match entry {
            ListEntry::Object(object) => object.key.as_str().to_owned(),
            ListEntry::CommonPrefix(prefix) => format!("{prefix}*"),
        });
        pages.push(entries.collect::<Vec<_>>().join(" "));
        match page.next {
            Some(next) => after = next,
            None => return pages.join(" | "),
        }
    }
}

#[test]
fn objects_are_listed_in_byte_order_by_prefix_and_delimiter() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let query = ListObjects {
            prefix: String::new(),
            delimiter: None,
            after: ListAfter::Start,
            limit: 9,
        };
        let none = engine.list_objects(&no_bucket(), query).await.unwrap();
        assert!(none.is_none());
        for (n, key) in (1..).zip(["b", "a/1", "a/2", "a0", "a", "é", "z", "a/2/x", "a/b/"]) {
            put(&*engine, key, n).await;
        }
        let rows = [
            ("", "", 1000, "a a/1 a/2 a/2/x a/b/ a0 b z é"),
            ("", "", 4, "a a/1 a/2 a/2/x | a/b/ a0 b z | é"),
            ("", "/", 1000, "a a/* a0 b z é"),
            ("", "/", 2, "a a/* | a0 b | z é"),
            ("", "/", 1, "a | a/* | a0 | b | z | é"),
            ("a", "", 1000, "a a/1 a/2 a/2/x a/b/ a0"),
            ("a/", "/", 1000, "a/1 a/2 a/2/* a/b/*"),
            ("a/", "/", 3, "a/1 a/2 a/2/* | a/b/*"),
            ("a/2/", "/", 1000, "a/2/x"),
            ("a/b/", "/", 1000, "a/b/"),
            ("", "2", 1000, "a a/1 a/2* a/b/ a0 b z é"),
            ("", "/b/", 1000, "a a/1 a/2 a/2/x a/b/* a0 b z é"),
            ("é", "", 1000, "é"),
            ("c", "", 1000, ""),
            ("", "", 0, ""),
            ("", "/", 5, "a a/* a0 b z | é"),
            ("", "/", 6, "a a/* a0 b z é"),
        ];
        for (prefix, delimiter, limit, expected) in rows {
            let listed = list(&*engine, prefix, delimiter, limit).await;
            assert_eq!(listed, expected, "{prefix:?} {delimiter:?} {limit}");
        }
    });
}

#[test]
fn a_listing_begins_where_it_is_told() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        for (n, key) in (1..).zip(["a", "a/1", "a/2", "b"]) {
            put(&*engine, key, n).await;
        }
        let after_key = |key: &str| ListAfter::Key(key.to_owned());
        let rows = [
            ("", None, after_key("a"), "a/1 a/2 b"),
            ("", None, after_key("a/"), "a/1 a/2 b"),
            ("", None, after_key("a/1"), "a/2 b"),
            ("", None, after_key("b"), ""),
            ("a/", None, after_key("A"), "a/1 a/2"),
            ("a/", None, after_key("b"), ""),
            ("", Some("/"), after_key("a/1"), "a/* b"),
            ("", Some("/"), ListAfter::CommonPrefix("a/".to_owned()), "b"),
            ("", None, ListAfter::CommonPrefix("a/".to_owned()), "b"),
        ];
        for (prefix, delimiter, after, expected) in rows {
            let (prefix, delimiter) = (prefix.to_owned(), delimiter.map(str::to_owned));
            let query = ListObjects { prefix, delimiter, after, limit: 10 };
            let page = engine.list_objects(&the_bucket(), query).await.unwrap().unwrap();
            let entries = page.entries.iter().map(|entry| match entry {
                ListEntry::Object(object) => object.key.as_str().to_owned(),
                ListEntry::CommonPrefix(prefix) => format!("{prefix}*"),
            });
            assert_eq!(entries.collect::<Vec<_>>().join(" "), expected);
        }
    });
}

#[test]
fn deleted_keys_make_no_entries_and_no_common_prefixes() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Enabled).await;
        for key_text in ["a/1", "a/2", "b/1", "b/2", "c"] {
            for content in 1..=40 {
                put(&*engine, key_text, content).await;
            }
        }
        for key_text in ["a/1", "a/2", "b/1"] {
            engine
                .delete_object(DeleteObject::of(&the_bucket(), &key(key_text), None), at(9))
                .await
                .unwrap();
        }
        assert_eq!(list(&*engine, "", "/", 10).await, "b/* c");
        assert_eq!(list(&*engine, "", "", 1).await, "b/2 | c");
        assert_eq!(list(&*engine, "a/", "", 10).await, "");
    });
}

#[test]
fn a_listing_tells_what_the_record_says() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let storage_class = Some("GLACIER".to_owned());
        let all = ChecksumAlgorithm::ALL.into_iter().flat_map(|algorithm| {
            [ChecksumType::FullObject, ChecksumType::Composite].map(|kind| (algorithm, kind))
        });
        for (n, (algorithm, kind)) in (1..).zip(all) {
            let value = String::new();
            let object = NewObject {
                attributes: Attributes { storage_class: storage_class.clone(), ..<_>::default() },
                checksum: Some(StoredChecksum { algorithm, kind, value }),
                etag: ETag::of_parts([n; 16], 10_000),
                ..new_object("key", n)
            };
            engine.put_object(object, at(n.into())).await.unwrap();
            let query = ListObjects {
                prefix: String::new(),
                delimiter: None,
                after: ListAfter::Start,
                limit: 10,
            };
            let page = engine.list_objects(&the_bucket(), query).await.unwrap().unwrap();
            let expected = ObjectSummary {
                key: key("key"),
                size: 1,
                etag: ETag::of_parts([n; 16], 10_000),
                last_modified: at(n.into()),
                storage_class: storage_class.clone(),
                checksum: Some((algorithm, kind)),
            };
            assert_eq!(page.entries, [ListEntry::Object(expected)]);
        }
    });
}

/// The versions of a listing: key, content, `-` for a marker, `!` for the latest.
async fn list_versions(
    engine: &impl Metadata,
    delimiter: Option<&str>,
    mut after: VersionAfter,
    limit: usize,
) -> String {
    let mut pages = Vec::new();
    loop {
        let (prefix, delimiter) = (String::new(), delimiter.map(str::to_owned));
        let query = ListVersions { prefix, delimiter, after, limit };
        let page = engine.list_versions(&the_bucket(), query).await.unwrap().unwrap();
        let latest = |is_latest| if is_latest { "!" } else { "" };
        let entries = page.entries.iter().map(|entry| match entry {
            VersionEntry::Version(version) => {
                let (object, mark) = (&version.object, latest(version.is_latest));
                format!("{}{}{mark}", object.key.as_str(), object.etag.md5()[0])
            }
            VersionEntry::DeleteMarker { key, is_latest, .. } => {
                format!("{}-{}", key.as_str(), latest(*is_latest))
            }
            VersionEntry::CommonPrefix(prefix) => format!("{prefix}*"),
        });
        pages.push(entries.collect::<Vec<_>>().join(" "));
        match page.next {
            Some(next) => after = next,
            None => return pages.join(" | "),
        }
    }
}

#[test]
fn versions_are_listed_newest_first() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        put(&*engine, "a", 1).await;
        engine.set_versioning(&the_bucket(), Versioning::Enabled).await.unwrap();
        let two = put(&*engine, "a", 2).await;
        let three = put(&*engine, "a", 3).await;
        engine
            .delete_object(DeleteObject::of(&the_bucket(), &key("b/x"), None), at(4))
            .await
            .unwrap();
        put(&*engine, "b/y", 5).await;
        put(&*engine, "c", 6).await;
        let all = "a3! a2 a1 b/x-! b/y5! c6!";
        let start = VersionAfter::Start;
        assert_eq!(list_versions(&*engine, None, start.clone(), 100).await, all);
        for limit in 1..6 {
            let pages = list_versions(&*engine, None, start.clone(), limit).await;
            assert_eq!(pages.replace(" |", ""), all);
        }
        assert_eq!(list_versions(&*engine, Some("/"), start, 2).await, "a3! a2 | a1 b/* | c6!");
        let rows = [
            (VersionAfter::Key("a".to_owned()), "b/x-! b/y5! c6!"),
            (VersionAfter::Version(key("a"), three), "a2 a1 b/x-! b/y5! c6!"),
            (VersionAfter::Version(key("a"), VersionId::Null), "b/x-! b/y5! c6!"),
            (VersionAfter::CommonPrefix("b/".to_owned()), "c6!"),
            // A null version that is gone has no place: its key is listed anew.
            (VersionAfter::Version(key("b/y"), VersionId::Null), "b/y5! c6!"),
        ];
        for (after, expected) in rows {
            assert_eq!(list_versions(&*engine, None, after, 100).await, expected);
        }
        // The marker of a page may be gone when the next is asked for, as when a client deletes all.
        engine
            .delete_object(DeleteObject::of(&the_bucket(), &key("a"), Some(&three)), at(9))
            .await
            .unwrap();
        let after = VersionAfter::Version(key("a"), three);
        assert_eq!(list_versions(&*engine, None, after, 100).await, "a2! a1 b/x-! b/y5! c6!");
        engine
            .delete_object(DeleteObject::of(&the_bucket(), &key("a"), Some(&two)), at(9))
            .await
            .unwrap();
        let after = VersionAfter::Version(key("a"), two);
        assert_eq!(list_versions(&*engine, None, after, 100).await, "a1! b/x-! b/y5! c6!");
    });
}

#[test]
fn a_page_that_has_looked_at_too_many_deleted_keys_ends_early() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Enabled).await;
        for n in 0..120 {
            let deleted = key(&format!("a/{n:03}"));
            engine
                .delete_object(DeleteObject::of(&the_bucket(), &deleted, None), at(1))
                .await
                .unwrap();
        }
        put(&*engine, "a/999", 1).await;
        put(&*engine, "b", 1).await;
        assert_eq!(list(&*engine, "", "", 10).await, " |  | a/999 b");
        assert_eq!(list(&*engine, "", "/", 10).await, " |  | a/* b");
    });
}
