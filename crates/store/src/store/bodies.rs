//! The facade of bodies: how their bytes come in, what key they take, and how they are read.

use std::ops::Range;
use std::sync::Arc;

use iam::CustomerKey;

use super::Inner;
use crate::{
    AtRest, BodyReader, BodyStage, Encryption, KeyCheck, KeyRefusal, Object, StageSpec, Store,
    StoreError, Unlocked, Upload,
};

impl Store {
    /// Takes in a body that a later call will point at.
    #[expect(clippy::unused_async, reason = "an engine may have to wait before it takes bytes")]
    pub async fn stage(&self, spec: StageSpec) -> Result<BodyStage, StoreError> {
        self.0.premises.check_writes()?;
        self.0.premises.check_room(spec.size_hint.unwrap_or(0))?;
        Ok(BodyStage::new(Arc::clone(&self.0.stager), spec, self.0.encryption))
    }

    /// Lets an object be read with the key that it takes, which may be none.
    pub fn unlock(
        &self,
        object: &Arc<Object>,
        key: Option<&CustomerKey>,
    ) -> Result<Unlocked, KeyRefusal> {
        self.0.vault.check_key(object.body.blobs(), key)?;
        Ok(Unlocked { object: Arc::clone(object), key: key.cloned() })
    }

    /// Streams a range of an object's body; what lies beyond its end is left out.
    pub fn read(&self, unlocked: &Unlocked, range: Range<u64>) -> BodyReader {
        let Inner { blobs, vault, readers, .. } = &*self.0;
        BodyReader::new(unlocked, range, blobs, vault, readers)
    }

    /// What tells a customer's key from others, for an upload under it.
    pub fn key_check(&self, key: &CustomerKey) -> Result<KeyCheck, StoreError> {
        self.0.vault.key_check(key)
    }

    /// Whether this is the key, or the absence of one, that an upload was begun with.
    pub fn check_upload_key(
        &self,
        upload: &Upload,
        key: Option<&CustomerKey>,
    ) -> Result<(), KeyRefusal> {
        self.0.vault.fits(upload.customer_key.as_ref(), key)
    }

    /// Whether new bodies are encrypted when nobody asks.
    pub fn encryption(&self) -> Encryption {
        self.0.encryption
    }

    /// How a body would be kept that is staged so.
    pub fn at_rest(&self, spec: &StageSpec) -> AtRest {
        match (&spec.customer_key, spec.encryption.unwrap_or(self.0.encryption)) {
            (Some(_), _) => AtRest::CustomerKey,
            (None, Encryption::On) => AtRest::Aes256,
            (None, Encryption::Off) => AtRest::Plain,
        }
    }
}
