//! What the store seals and opens with the master key, and where its random bytes come from.

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use iam::{
    AccountId, CustomerKey, CustomerSealers, MasterKey, MasterKeyId, Purpose, RecordSealer, Sealer,
    SessionSealer, UnsealError, WebhookSecret, WebhookSecrets,
};
use jiff::Timestamp;
use presign::SecretAccessKey;
use zeroize::Zeroizing;

use crate::body::{Blob, BlobCipher, BlobId, SealedKey};
use crate::{
    AccessKey, KeyCheck, KeyOwner, KeyRefusal, KeyStatus, KeySummary, ManagedLink, ManagedLinkId,
    StoreError,
};

/// The sealers of one master key.
#[derive(Debug)]
pub(crate) struct Vault {
    master: MasterKeyId,
    access_keys: Sealer,
    blob_keys: Sealer,
    /// Opens the secrets of access keys as format 3 sealed them.
    access_keys_before: Sealer,
    blob_keys_before: Sealer,
    records: RecordSealer,
    sessions: SessionSealer,
    customers: CustomerSealers,
    webhooks: WebhookSecrets,
    link_ids: Sealer,
}

/// The purpose that the check of an upload's key is sealed for.
const KEY_CHECK: &[u8] = b"key check";

impl Vault {
    pub(crate) fn new(master: &MasterKey) -> Self {
        Self {
            master: master.id(),
            access_keys: master.sealer(Purpose::AccessKey),
            blob_keys: master.sealer(Purpose::BlobKey),
            access_keys_before: master.sealer(Purpose::AccessKeyFormat3),
            blob_keys_before: master.sealer(Purpose::BlobKeyFormat3),
            records: master.record_sealer(),
            sessions: SessionSealer::new(master),
            customers: master.customer_sealers(),
            webhooks: master.webhook_secrets(),
            link_ids: master.sealer(Purpose::ManagedLinkId),
        }
    }

    pub(crate) fn master_key_id(&self) -> MasterKeyId {
        self.master
    }

    /// The sealer of the rows of the database.
    pub(crate) fn records(&self) -> &RecordSealer {
        &self.records
    }

    pub(crate) fn session_sealer(&self) -> SessionSealer {
        self.sessions.clone()
    }

    /// What posts about the links of an identity are signed with.
    pub(crate) fn webhook_secret(
        &self,
        account: &AccountId,
        kind: &str,
        name: &str,
    ) -> WebhookSecret {
        self.webhooks.secret(&[account.as_str(), kind, name])
    }

    /// A cipher with a new key of its own, which only a customer's opens if one is given.
    pub(crate) fn new_cipher(
        &self,
        id: BlobId,
        customer: Option<&CustomerKey>,
    ) -> Result<NewCipher, StoreError> {
        let key = Zeroizing::new(random::<32>()?);
        let of = id.as_bytes();
        let sealed_key = match customer {
            None => SealedKey::Master(self.blob_keys.seal(random()?, key.as_slice(), of).into()),
            Some(customer) => {
                let sealer = self.customers.sealer(customer, of);
                SealedKey::Customer(sealer.seal(random()?, key.as_slice(), of).into())
            }
        };
        Ok(NewCipher { cipher: cipher(id, key.as_slice())?, sealed_key })
    }

    /// The cipher of a stored blob; `None`: it is plain.
    pub(crate) fn open_cipher(
        &self,
        blob: &Blob,
        customer: Option<&CustomerKey>,
    ) -> Result<Option<BlobCipher>, StoreError> {
        let of = blob.id.as_bytes();
        let opened = match (&blob.sealed_key, customer) {
            (None, _) => return Ok(None),
            (Some(SealedKey::Master(sealed)), _) => self.blob_keys.open(sealed, of),
            (Some(SealedKey::Customer(sealed)), Some(customer)) => {
                self.customers.sealer(customer, of).open(sealed, of)
            }
            // Whoever has unlocked an object has shown its key.
            (Some(SealedKey::Customer(_)), None) => return Err(StoreError::CustomerKeyMissing),
        };
        let key = opened.map_err(|_| StoreError::Corrupt { what: "sealed key of a blob" })?;
        cipher(blob.id, &key).map(Some)
    }

    /// Whether this is the key, or the absence of one, that an object takes.
    pub(crate) fn check_key(
        &self,
        blobs: &[Blob],
        customer: Option<&CustomerKey>,
    ) -> Result<(), KeyRefusal> {
        // All of them are under one key: that of the upload.
        let sealed = blobs.iter().find_map(|blob| match &blob.sealed_key {
            Some(SealedKey::Customer(sealed)) => Some((blob.id, sealed)),
            Some(SealedKey::Master(_)) | None => None,
        });
        match (sealed, customer) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(KeyRefusal::NotApplicable),
            (Some(_), None) => Err(KeyRefusal::Required),
            (Some((id, sealed)), Some(customer)) => {
                let of = id.as_bytes();
                let opened = self.customers.sealer(customer, of).open(sealed, of);
                opened.map(drop).map_err(|_| KeyRefusal::Wrong)
            }
        }
    }

    /// Tells a customer's key from others, for an upload that is begun under it.
    pub(crate) fn key_check(&self, customer: &CustomerKey) -> Result<KeyCheck, StoreError> {
        let salt = random()?;
        let sealer = self.customers.sealer(customer, &salt);
        Ok(KeyCheck { salt, sealed: sealer.seal(random()?, b"", KEY_CHECK).into() })
    }

    /// Whether this is the key, or the absence of one, that an upload was begun with.
    pub(crate) fn fits(
        &self,
        check: Option<&KeyCheck>,
        customer: Option<&CustomerKey>,
    ) -> Result<(), KeyRefusal> {
        match (check, customer) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(KeyRefusal::NotApplicable),
            (Some(_), None) => Err(KeyRefusal::Required),
            (Some(KeyCheck { salt, sealed }), Some(customer)) => {
                let opened = self.customers.sealer(customer, salt).open(sealed, KEY_CHECK);
                opened.map(drop).map_err(|_| KeyRefusal::Wrong)
            }
        }
    }

    /// The key of a blob of format 3, sealed anew. A customer's can be opened only with what nobody keeps, and stays.
    pub(crate) fn reseal(&self, blob: &mut Blob) -> Result<(), StoreError> {
        let Some(SealedKey::Master(sealed)) = &mut blob.sealed_key else { return Ok(()) };
        let of = blob.id.as_bytes();
        let key = self.blob_keys_before.open(sealed, of);
        let key = key.map_err(|_| StoreError::Corrupt { what: "sealed key of a blob" })?;
        *sealed = self.blob_keys.seal(random()?, &key, of).into();
        Ok(())
    }

    /// Seals the id of a managed link, bound to the account that has the link.
    pub(crate) fn seal_link_id(&self, link: &ManagedLink) -> Result<Vec<u8>, StoreError> {
        let account = link.account.as_str().as_bytes();
        Ok(self.link_ids.seal(random()?, link.id.text().as_bytes(), account))
    }

    /// Opens the id of a managed link of an account.
    pub(crate) fn open_link_id(
        &self,
        sealed: &[u8],
        account: &AccountId,
    ) -> Result<ManagedLinkId, StoreError> {
        let corrupt = || StoreError::Corrupt { what: "sealed id of a managed link" };
        let opened = self.link_ids.open(sealed, account.as_str().as_bytes());
        let opened = opened.map_err(|_| corrupt())?;
        std::str::from_utf8(&opened).ok().and_then(|id| id.parse().ok()).ok_or_else(corrupt)
    }

    /// Seals the secret of a key, bound to whose key it is and whether it is active.
    pub(crate) fn seal_secret(&self, key: &AccessKey) -> Result<Vec<u8>, StoreError> {
        let AccessKey { id, secret, account, owner, status, created_at } = key;
        let of = associated(id, account, owner, *status, *created_at);
        Ok(self.access_keys.seal(random()?, secret.expose().as_bytes(), &of))
    }

    /// Opens the secret of a key that is what its row says.
    pub(crate) fn open_secret(
        &self,
        sealed: &[u8],
        account: &AccountId,
        key: &KeySummary,
    ) -> Result<SecretAccessKey, StoreError> {
        let KeySummary { id, owner, status, created_at } = key;
        let of = associated(id, account, owner, *status, *created_at);
        secret(self.access_keys.open(sealed, &of))
    }

    /// Opens the secret of a key of format 3, which is bound to the key's id alone.
    pub(crate) fn open_secret_before(
        &self,
        sealed: &[u8],
        access_key_id: &str,
    ) -> Result<SecretAccessKey, StoreError> {
        secret(self.access_keys_before.open(sealed, access_key_id.as_bytes()))
    }
}

fn secret(opened: Result<Zeroizing<Vec<u8>>, UnsealError>) -> Result<SecretAccessKey, StoreError> {
    let corrupt = StoreError::Corrupt { what: "sealed secret of an access key" };
    let Ok(plain) = opened else { return Err(corrupt) };
    std::str::from_utf8(&plain).map(SecretAccessKey::new).map_err(|_| corrupt)
}

/// What the seal of a secret is bound to. None of the fields holds a NUL.
fn associated(
    id: &str,
    account: &AccountId,
    owner: &KeyOwner,
    status: KeyStatus,
    created_at: Timestamp,
) -> Vec<u8> {
    let (kind, user) = match owner {
        KeyOwner::Root => ("root", ""),
        KeyOwner::User { id } => ("user", id.as_str()),
        KeyOwner::Role { id } => ("role", id.as_str()),
    };
    let status = match status {
        KeyStatus::Active => "active",
        KeyStatus::Inactive => "inactive",
    };
    let created = created_at.as_millisecond().to_string();
    [id, account.as_str(), kind, user, status, &created].join("\0").into_bytes()
}

/// The cipher of a new blob, and its key as it goes into the record.
pub(crate) struct NewCipher {
    pub(crate) cipher: BlobCipher,
    pub(crate) sealed_key: SealedKey,
}

impl NewCipher {
    pub(crate) fn into_parts(self) -> (BlobCipher, SealedKey) {
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
