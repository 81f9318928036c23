//! A blob, as a member of the record that points at it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::corrupt;
use crate::StoreError;
use crate::body::{Blob, BlobId, SealedKey};

#[derive(Serialize, Deserialize)]
pub(super) struct BlobRecord {
    id: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Whether the key is sealed under a customer's.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) customer: bool,
}

impl BlobRecord {
    /// The same blob, with its key sealed otherwise.
    pub(super) fn resealed(
        self,
        mut reseal: impl FnMut(&mut Blob) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let mut blob = self.parse()?;
        reseal(&mut blob)?;
        Ok(Self::of(&blob))
    }

    pub(super) fn of(blob: &Blob) -> Self {
        let (key, customer) = match &blob.sealed_key {
            None => (None, false),
            Some(SealedKey::Master(sealed)) => (Some(sealed), false),
            Some(SealedKey::Customer(sealed)) => (Some(sealed), true),
        };
        let key = key.map(|sealed| STANDARD.encode(sealed));
        Self { id: blob.id.to_string(), size: blob.size, key, customer }
    }

    pub(super) fn parse(self) -> Result<Blob, StoreError> {
        let Self { id, size, key, customer } = self;
        let id = BlobId::parse(&id).ok_or(corrupt("id of a blob"))?;
        let sealed = key.map(|key| STANDARD.decode(key).map(Vec::into_boxed_slice)).transpose();
        let sealed = sealed.map_err(|_| corrupt("sealed key of a blob"))?;
        let sealed_key = match (sealed, customer) {
            (None, false) => None,
            (Some(sealed), false) => Some(SealedKey::Master(sealed)),
            (Some(sealed), true) => Some(SealedKey::Customer(sealed)),
            (None, true) => return Err(corrupt("sealed key of a blob")),
        };
        Ok(Blob { id, size, sealed_key })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(value: &bool) -> bool {
    !value
}
