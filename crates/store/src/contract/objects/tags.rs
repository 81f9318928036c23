//! Tags: the one part of an object's record that may change.

use super::*;

async fn set(engine: &impl Metadata, version: Option<VersionId>, tags: &[Tag]) -> String {
    set_if(engine, version, tags, None).await
}

/// With what was judged of them.
async fn set_if(
    engine: &impl Metadata,
    version: Option<VersionId>,
    tags: &[Tag],
    judged: Option<&[Tag]>,
) -> String {
    let set = SetTags {
        bucket: the_bucket(),
        key: key("k"),
        version_id: version,
        tags: tags.to_vec(),
        judged_tags: judged.map(<[Tag]>::to_vec),
    };
    match engine.set_object_tags(set).await.unwrap() {
        Ok(lookup) => shown(&lookup),
        Err(TagsChanged) => "changed".to_owned(),
    }
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

/// What a policy was told of the tags must be so when it counts.
#[test]
fn tags_that_were_judged_are_still_there_or_nothing_is_done() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Enabled).await;
        let (open, secret) = ([tagged("class", "open")], [tagged("class", "secret")]);
        let first = put(&*engine, "k", 1).await;
        let second = put(&*engine, "k", 2).await;
        set(&*engine, Some(first), &secret).await;
        set(&*engine, None, &open).await;
        let rows = [
            (None, Some(&secret[..]), "changed"),
            (None, Some(&[][..]), "changed"),
            (Some(first), Some(&open[..]), "changed"),
            (Some(second), Some(&open[..]), "2 class=open"),
            (None, Some(&open[..]), "2 class=open"),
            (None, None, "2 class=open"),
        ];
        for (version, judged, expected) in rows {
            let told = set_if(&*engine, version, &open, judged).await;
            assert_eq!(told, expected, "{version:?} {judged:?}");
        }
        assert_eq!(tags(&*engine, Some(first)).await, "1 class=secret");

        // A delete counts on those of the current version, whichever it removes.
        let delete = async |version: Option<&VersionId>, judged: &[Tag]| {
            let judged_tags = Some(judged.to_vec());
            let delete = DeleteObject::of(&the_bucket(), &key("k"), version);
            engine.delete_object(DeleteObject { judged_tags, ..delete }, at(9)).await.unwrap()
        };
        assert_eq!(delete(None, &secret).await, DeleteOutcome::TagsChanged);
        assert_eq!(delete(Some(&first), &secret).await, DeleteOutcome::TagsChanged);
        assert_eq!(tags(&*engine, None).await, "2 class=open");
        let outcome = delete(None, &open).await;
        assert!(matches!(outcome, DeleteOutcome::MarkerCreated { .. }), "{outcome:?}");
        // What is not there has none.
        assert_eq!(delete(None, &open).await, DeleteOutcome::TagsChanged);
        assert_eq!(set_if(&*engine, None, &open, Some(&open)).await, "changed");
        assert_eq!(set_if(&*engine, None, &open, Some(&[])).await, "marker");
        let outcome = delete(None, &[]).await;
        assert!(matches!(outcome, DeleteOutcome::MarkerCreated { .. }), "{outcome:?}");
    });
}
