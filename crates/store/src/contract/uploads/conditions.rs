//! Conditions of completions, on keys that are not there.

use super::*;

/// Of what is not there no tag can match, whether it was deleted before or while the parts came: the key is not
/// there, and nobody was quicker. What was written meanwhile is another matter.
#[test]
fn a_completion_that_wants_a_tag_finds_no_key_where_none_is() {
    for versioning in [Versioning::Unversioned, Versioning::Enabled] {
        every_engine(|engine| async move {
            with_bucket(&*engine, versioning).await;
            let begun = async |second| {
                let upload = begin(&*engine, new_upload("k"), second).await;
                put_part(&*engine, &upload, 1, 9, None).await;
                upload
            };
            let try_one = async |upload: &Arc<Upload>| {
                let precondition = Precondition::IfMatch(tag(5));
                let wanting = CompleteUpload { precondition, ..complete(upload, &[(1, 9)]) };
                match engine.complete_upload(wanting, at(99)).await.unwrap() {
                    CompleteOutcome::Conflict => "conflict",
                    CompleteOutcome::NoSuchKey => "no key",
                    other @ (CompleteOutcome::Completed { .. }
                    | CompleteOutcome::NoSuchUpload
                    | CompleteOutcome::InvalidPart { .. }
                    | CompleteOutcome::PartTooSmall { .. }
                    | CompleteOutcome::PreconditionFailed
                    | CompleteOutcome::NoSuchBucket
                    | CompleteOutcome::ChecksumMismatch { .. }) => panic!("{other:?}"),
                }
            };
            assert_eq!(try_one(&begun(1).await).await, "no key");
            // Written at its second 5, and deleted at 7 while an upload was under way.
            put(&*engine, "k", 5).await;
            let meanwhile = begun(6).await;
            let delete = DeleteObject::of(&the_bucket(), &key("k"), None);
            engine.delete_object(delete, at(7)).await.unwrap();
            assert_eq!(try_one(&meanwhile).await, "no key");
            assert_eq!(try_one(&begun(8).await).await, "no key");
            let object = new_object("k", 5);
            engine.put_object(object, at(9)).await.unwrap();
            assert_eq!(try_one(&meanwhile).await, "conflict");
        });
    }
}
