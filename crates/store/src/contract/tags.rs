//! Tags: the one part of an object's record that may change.

use super::*;

async fn set(engine: &impl Metadata, version: Option<VersionId>, tags: &[Tag]) -> String {
    shown(&engine.set_object_tags(&the_bucket(), &key("k"), version, tags.to_vec()).await.unwrap())
}

async fn tags(engine: &impl Metadata, version: Option<VersionId>) -> String {
    shown(&engine.object(&the_bucket(), &key("k"), version).await.unwrap())
}

/// `key=value` each, after the first byte of the object's tag.
fn shown(lookup: &Lookup) -> String {
    match lookup {
        Lookup::Object(object) => {
            let first = object.etag.md5()[0].to_string();
            let tags = object.attributes.tags.iter();
            tags.fold(first, |shown, tag| format!("{shown} {}={}", tag.key, tag.value))
        }
        Lookup::DeleteMarker(_) => "marker".to_owned(),
        Lookup::NoSuchKey => "no key".to_owned(),
        Lookup::NoSuchVersion => "no version".to_owned(),
        Lookup::NoSuchBucket => "no bucket".to_owned(),
    }
}

#[test]
fn tags_change_where_a_version_stands() {
    every_engine(|engine| async move {
        assert_eq!(set(&*engine, None, &[]).await, "no bucket");
        with_bucket(&*engine, Versioning::Enabled).await;
        assert_eq!(set(&*engine, None, &[tagged("a", "b")]).await, "no key");
        let first = put(&*engine, "k", 1).await;
        let second = put(&*engine, "k", 2).await;
        // What is cached of the current version changes with it.
        assert_eq!(tags(&*engine, None).await, "2");
        assert_eq!(set(&*engine, None, &[tagged("a", "b"), tagged("c", "")]).await, "2 a=b c=");
        assert_eq!(tags(&*engine, None).await, "2 a=b c=");
        assert_eq!(tags(&*engine, Some(second)).await, "2 a=b c=");
        assert_eq!(tags(&*engine, Some(first)).await, "1");
        assert_eq!(set(&*engine, Some(first), &[tagged("d", "e")]).await, "1 d=e");
        assert_eq!(tags(&*engine, None).await, "2 a=b c=");
        assert_eq!(set(&*engine, Some(second), &[]).await, "2");
        assert_eq!(tags(&*engine, None).await, "2");
        assert_eq!(set(&*engine, Some(VersionId::Null), &[]).await, "no version");

        engine
            .delete_object(DeleteObject::of(&the_bucket(), &key("k"), None), at(9))
            .await
            .unwrap();
        assert_eq!(set(&*engine, None, &[tagged("a", "b")]).await, "marker");
        assert_eq!(tags(&*engine, Some(first)).await, "1 d=e");
    });
}

#[test]
fn nothing_else_changes_with_the_tags() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Suspended).await;
        put(&*engine, "k", 7).await;
        let look = async || {
            let found = engine.object(&the_bucket(), &key("k"), None).await.unwrap();
            let Lookup::Object(object) = found else { panic!("{found:?}") };
            object
        };
        let before = look().await;
        assert_eq!(set(&*engine, Some(VersionId::Null), &[tagged("a", "b")]).await, "7 a=b");
        let after = look().await;
        assert_eq!(after.last_modified, before.last_modified);
        assert_eq!((after.etag, after.size, &after.body), (before.etag, before.size, &before.body));
        assert_eq!(after.resident.get(), before.resident.get());
        assert_eq!(Attributes { tags: Vec::new(), ..after.attributes.clone() }, before.attributes);
        // A write makes a version of its own, which has its own tags.
        put(&*engine, "k", 8).await;
        assert_eq!(tags(&*engine, None).await, "8");
    });
}
