//! Bytes under opaque ids.

use super::*;
use crate::backend::files::FileBlobs;
use crate::backend::files::disk::Disk;
use crate::backend::{BlobSource, BlobWriter, Blobs};
use crate::engines::BlobsEngine;

/// Runs a rule of bytes against every engine.
fn every_blob_engine<F: Future<Output = ()>>(rule: impl Fn(Arc<BlobsEngine>) -> F) {
    let dir = tempfile::tempdir().unwrap();
    let health = Arc::new(Health::new(dir.path().to_owned()));
    let files = FileBlobs::open(dir.path(), health, Disk::default()).unwrap();
    runtime().block_on(rule(Arc::new(BlobsEngine::Files(files))));
}

#[test]
fn blobs_are_read_as_written_until_they_are_removed() {
    every_blob_engine(|engine| async move {
        let id = engine.new_id().unwrap();
        let writer = engine.begin(id, Some(10)).await.unwrap();
        let (writer, made) = writer.append(|| Ok(("hello ", 7))).await.unwrap();
        assert_eq!(made, 7);
        writer.append(|| Ok(("world", ()))).await.unwrap().0.finish().await.unwrap();
        let rows = [
            (0..11, &["hello world"][..]),
            (4..7, &["o", " w"]),
            (0..10, &["hell", "o", " worl"]),
            (11..11, &[""]),
        ];
        for (range, pieces) in rows {
            let mut source = engine.source(id, range.clone());
            let mut now = engine.source(id, range);
            for piece in pieces {
                let (back, read) = source.read(piece.len()).await;
                assert_eq!(**read.unwrap(), *piece.as_bytes());
                source = back;
                if let Some(read) = now.read_now(piece.len()) {
                    assert_eq!(**read, *piece.as_bytes());
                }
            }
            // No more than was named.
            assert!(source.read_now(1).is_none());
            assert!(matches!(source.read(1).await.1, Err(StoreError::Corrupt { .. })));
        }
        let (_, beyond) = engine.source(id, 4..12).read(8).await;
        assert!(matches!(beyond, Err(StoreError::Corrupt { .. })));
        let (open, read) = engine.source(id, 0..11).read(1).await;
        assert_eq!(**read.unwrap(), *b"h");

        let pins = engine.pin(vec![id]);
        assert_eq!(engine.remove(vec![id]).await.unwrap(), []);
        drop(pins);
        assert_eq!(engine.remove(vec![id]).await.unwrap(), [id]);
        assert_eq!(engine.remove(vec![id]).await.unwrap(), [id]);
        // Who has it open reads on; who comes later finds nothing.
        assert_eq!(**open.read(4).await.1.unwrap(), *b"ello");
        assert!(matches!(engine.source(id, 0..5).read(5).await.1, Err(StoreError::BodyGone)));
    });
}

#[test]
fn a_blob_removed_while_it_is_written_does_not_come_to_be() {
    every_blob_engine(|engine| async move {
        let id = engine.new_id().unwrap();
        let writer = engine.begin(id, None).await.unwrap();
        let (writer, ()) = writer.append(|| Ok(("x", ()))).await.unwrap();
        assert_eq!(engine.remove(vec![id]).await.unwrap(), [id]);
        assert!(matches!(writer.finish().await, Err(StoreError::StageExpired)));
        assert!(matches!(engine.source(id, 0..1).read(1).await.1, Err(StoreError::BodyGone)));
    });
}

#[test]
fn ids_of_blobs_are_all_different() {
    every_blob_engine(|engine| async move {
        let ids = (0..1000).map(|_| engine.new_id().unwrap());
        assert_eq!(ids.collect::<std::collections::HashSet<_>>().len(), 1000);
    });
}
