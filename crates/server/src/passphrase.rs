//! Passphrases of managed links: how they rest, and how one that is sent is compared.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use store::ManagedLink;
use tokio::sync::Semaphore;

use crate::error::{Code, S3Error, refusal};

/// The longest passphrase, in bytes.
pub(crate) const PASSPHRASE_BYTES_MAX: usize = 1024;
/// How many are compared at once: each takes 19 MiB of memory.
const AT_ONCE_MAX: usize = 2;
const SALT_BYTES: usize = 16;

/// Where passphrases are computed with, a few at a time.
#[derive(Debug)]
pub(crate) struct Passphrases(Arc<Semaphore>);

impl Default for Passphrases {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE_MAX)))
    }
}

impl Passphrases {
    /// What is stored of a passphrase: `$argon2id$…`, with a salt of its own.
    pub(crate) async fn hash(&self, passphrase: String) -> Result<String, S3Error> {
        let mut salt = [0; SALT_BYTES];
        store::fill_random(&mut salt).map_err(refusal::of_store)?;
        self.compute(move || {
            let hashed: Result<PasswordHash, _> =
                Argon2::default().hash_password_with_salt(passphrase.as_bytes(), &salt);
            hashed.map(|hash| hash.to_string()).map_err(|_| internal())
        })
        .await?
    }

    /// Whether a passphrase is that of a link. A link without one fits nothing.
    pub(crate) async fn fits(&self, link: &ManagedLink, given: String) -> Result<bool, S3Error> {
        let Some(hash) = link.passphrase.clone() else { return Ok(false) };
        self.compute(move || {
            let parsed = PasswordHash::new(&hash).map_err(|_| internal())?;
            Ok(Argon2::default().verify_password(given.as_bytes(), &parsed).is_ok())
        })
        .await?
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, S3Error> {
        let turn = Arc::clone(&self.0).acquire_owned().await.map_err(|_| internal())?;
        let turn_and_work = move || {
            // Whoever asked may have gone: the turn lasts as long as the work.
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(turn_and_work).await.map_err(|_| internal())
    }
}

fn internal() -> S3Error {
    S3Error::new(Code::InternalError)
}
