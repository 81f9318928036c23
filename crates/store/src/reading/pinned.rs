//! What is held of an object while it is read: once for all who read it, if it has many blobs. Of ten thousand the record
//! takes megabytes, and whoever has one link can open many streams and take nothing from any of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use crate::Object;
use crate::backend::Blobs as _;
use crate::body::BlobId;
use crate::engines::{BlobsEngine, EnginePins};
use crate::lock::lock;

/// Objects that are being read, by their first blob.
#[derive(Clone, Debug, Default)]
pub(crate) struct InUse(Arc<Mutex<HashMap<BlobId, Weak<Shared>>>>);

/// A record in the hands of a reader. While it lives no blob of the body is removed.
#[derive(Debug)]
pub(crate) enum Held {
    /// Of one blob: bytes in memory that the cache has dropped are not kept by it.
    One {
        _pins: EnginePins,
    },
    Many {
        _shared: Arc<Shared>,
    },
}

/// A record of many blobs, and their pins.
#[derive(Debug)]
pub(crate) struct Shared {
    object: Arc<Object>,
    first: BlobId,
    in_use: InUse,
    _pins: EnginePins,
}

impl InUse {
    /// Holds an object, and says by which record it is to be read.
    pub(super) fn hold(&self, object: &Arc<Object>, blobs: &BlobsEngine) -> (Arc<Object>, Held) {
        let ids = || object.body.blobs().iter().map(|blob| blob.id).collect();
        let [first, _, ..] = object.body.blobs() else {
            return (Arc::clone(object), Held::One { _pins: blobs.pin(ids()) });
        };
        let mut reading = lock(&self.0);
        let found = reading.get(&first.id).and_then(Weak::upgrade);
        // An id is never given twice; that all the others are the same too is not left to that.
        let same = found.as_ref().filter(|found| found.object.body == object.body).map(Arc::clone);
        let shared = same.unwrap_or_else(|| {
            let (object, in_use) = (Arc::clone(object), self.clone());
            let shared = Shared { object, first: first.id, in_use, _pins: blobs.pin(ids()) };
            let shared = Arc::new(shared);
            reading.insert(first.id, Arc::downgrade(&shared));
            shared
        });
        // In this order: the last to hold one takes the lock.
        drop(reading);
        drop(found);
        (Arc::clone(&shared.object), Held::Many { _shared: shared })
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut reading = lock(&self.in_use.0);
        // Another may have come in its place meanwhile.
        if reading.get(&self.first).is_some_and(|there| there.strong_count() == 0) {
            reading.remove(&self.first);
        }
    }
}
