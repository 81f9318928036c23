//! Intents and garbage: of every blob it is known whether a record points at it.

use super::*;

#[test]
fn a_record_takes_the_intent_of_its_blob_or_is_refused() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let put_file = async |id: u8| {
            let (file, abandoned) = staged(id, 20_000);
            let object = NewObject { body: NewBody::File(file), ..new_object("key", id) };
            (engine.put_object(object, at(1)).await, abandoned.take().len())
        };
        let (refused, abandoned) = put_file(1).await;
        assert!(matches!(refused, Err(StoreError::StageExpired)) && abandoned == 1);
        assert_eq!(look(&*engine, "key", None).await, "no key");

        engine.record_intent(BlobId::from_bytes([2; 16]), at(1)).await.unwrap();
        let (stored, abandoned) = put_file(2).await;
        assert!(matches!(stored, Ok(PutOutcome::Stored { .. })) && abandoned == 0);
        let (again, _) = put_file(2).await;
        assert!(matches!(again, Err(StoreError::StageExpired)));

        engine.record_intent(BlobId::from_bytes([3; 16]), at(1)).await.unwrap();
        assert_eq!(engine.reap_intents(at(1), at(9)).await.unwrap(), 0);
        assert_eq!(engine.reap_intents(at(2), at(9)).await.unwrap(), 1);
        let (reaped, _) = put_file(3).await;
        assert!(matches!(reaped, Err(StoreError::StageExpired)));
        let garbage = engine.garbage(at(10), 10).await.unwrap();
        assert_eq!(garbage, [BlobId::from_bytes([3; 16])]);

        engine.record_intent(BlobId::from_bytes([4; 16]), at(1)).await.unwrap();
        engine.forget_intents(vec![BlobId::from_bytes([4; 16])]).await.unwrap();
        assert!(matches!(put_file(4).await.0, Err(StoreError::StageExpired)));
        assert_eq!(look(&*engine, "key", None).await, "2");
    });
}

#[test]
fn blobs_of_replaced_and_deleted_objects_become_garbage() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let put_file = async |id: u8, now: i64| {
            let blob = BlobId::from_bytes([id; 16]);
            engine.record_intent(blob, at(now)).await.unwrap();
            let object =
                NewObject { body: NewBody::File(staged(id, 20_000).0), ..new_object("k", id) };
            engine.put_object(object, at(now)).await.unwrap();
            blob
        };
        let garbage = async |before: i64| engine.garbage(at(before), 10).await.unwrap();
        let one = put_file(1, 1).await;
        assert!(garbage(100).await.is_empty());
        let two = put_file(2, 5).await;
        assert!(garbage(5).await.is_empty());
        assert_eq!(garbage(6).await, [one]);
        engine
            .delete_object(DeleteObject::of(&the_bucket(), &key("k"), None), at(7))
            .await
            .unwrap();
        assert_eq!(garbage(8).await, [one, two]);
        assert_eq!(engine.garbage(at(8), 1).await.unwrap(), [one]);
        engine.forget_garbage(vec![one]).await.unwrap();
        assert_eq!(garbage(8).await, [two]);

        engine.set_versioning(&the_bucket(), Versioning::Enabled).await.unwrap();
        put_file(3, 9).await;
        put_file(4, 9).await;
        engine
            .delete_object(DeleteObject::of(&the_bucket(), &key("k"), None), at(9))
            .await
            .unwrap();
        assert_eq!(garbage(100).await, [two]);
    });
}
