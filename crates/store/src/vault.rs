//! What the store seals and opens with the master key, and where its random bytes come from.

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use iam::{MasterKey, MasterKeyId, Purpose, Sealer, SessionSealer};
use presign::SecretAccessKey;
use zeroize::Zeroizing;

use crate::StoreError;
use crate::body::{Blob, BlobCipher, BlobId};

/// The sealers of one master key.
#[derive(Debug)]
pub(crate) struct Vault {
    master: MasterKeyId,
    access_keys: Sealer,
    blob_keys: Sealer,
    sessions: SessionSealer,
}

impl Vault {
    pub(crate) fn new(master: &MasterKey) -> Self {
        Self {
            master: master.id(),
            access_keys: master.sealer(Purpose::AccessKey),
            blob_keys: master.sealer(Purpose::BlobKey),
            sessions: SessionSealer::new(master),
        }
    }

    pub(crate) fn master_key_id(&self) -> MasterKeyId {
        self.master
    }

    pub(crate) fn session_sealer(&self) -> SessionSealer {
        self.sessions.clone()
    }

    /// A cipher with a new key of its own.
    pub(crate) fn new_cipher(&self, id: BlobId) -> Result<NewCipher, StoreError> {
        let key = Zeroizing::new(random::<32>()?);
        let sealed = self.blob_keys.seal(random()?, key.as_slice(), id.as_bytes());
        Ok(NewCipher { cipher: cipher(id, key.as_slice())?, sealed_key: sealed.into() })
    }

    /// The cipher of a stored blob; `None`: it is plain.
    pub(crate) fn open_cipher(&self, blob: &Blob) -> Result<Option<BlobCipher>, StoreError> {
        let Some(sealed) = &blob.sealed_key else { return Ok(None) };
        let key = self
            .blob_keys
            .open(sealed, blob.id.as_bytes())
            .map_err(|_| StoreError::Corrupt { what: "sealed key of a blob" })?;
        cipher(blob.id, &key).map(Some)
    }

    pub(crate) fn seal_secret(
        &self,
        secret: &SecretAccessKey,
        access_key_id: &str,
    ) -> Result<Vec<u8>, StoreError> {
        let plain = secret.expose().as_bytes();
        Ok(self.access_keys.seal(random()?, plain, access_key_id.as_bytes()))
    }

    pub(crate) fn open_secret(
        &self,
        sealed: &[u8],
        access_key_id: &str,
    ) -> Result<SecretAccessKey, StoreError> {
        let corrupt = StoreError::Corrupt { what: "sealed secret of an access key" };
        let Ok(plain) = self.access_keys.open(sealed, access_key_id.as_bytes()) else {
            return Err(corrupt);
        };
        std::str::from_utf8(&plain).map(SecretAccessKey::new).map_err(|_| corrupt)
    }
}

/// The cipher of a new blob, and its key as it goes into the record.
pub(crate) struct NewCipher {
    pub(crate) cipher: BlobCipher,
    pub(crate) sealed_key: Box<[u8]>,
}

impl NewCipher {
    pub(crate) fn into_parts(self) -> (BlobCipher, Box<[u8]>) {
        (self.cipher, self.sealed_key)
    }
}

fn cipher(id: BlobId, key: &[u8]) -> Result<BlobCipher, StoreError> {
    let key = UnboundKey::new(&AES_256_GCM, key)
        .map_err(|_| StoreError::Corrupt { what: "length of a blob key" })?;
    Ok(BlobCipher::new(id, LessSafeKey::new(key)))
}

/// Fills with bytes that nobody can guess.
pub fn fill_random(bytes: &mut [u8]) -> Result<(), StoreError> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| StoreError::NoRandomness)
}

/// Bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    fill_random(&mut bytes)?;
    Ok(bytes)
}
