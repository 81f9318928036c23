//! The proof that a browser knows the passphrase of a link: a cookie, so that a folder of many files asks for it once. It is
//! good for one link, one hour, and as long as the process runs.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::HeaderMap;
use hyper::header::{COOKIE, HeaderValue};
use jiff::Timestamp;
use sha2::Sha256;
use store::ManagedLink;

use crate::context::RequestContext;
use crate::error::{Code, S3Error, refusal};

/// The name of the cookie.
const COOKIE_NAME: &str = "valet-link";
/// How long the proof is good for.
const PROOF_SECONDS: i64 = 3600;
const KEY_BYTES: usize = 32;

/// The key of all proofs, which is made when the first one is needed.
#[derive(Default)]
pub(crate) struct ProofKey(OnceLock<[u8; KEY_BYTES]>);

impl std::fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProofKey(..)")
    }
}

impl ProofKey {
    /// The cookie that proves for an hour that whoever sends it knew the passphrase of the link. `path` is that of the link.
    pub(crate) fn cookie(
        &self,
        link: &ManagedLink,
        path: &str,
        context: &RequestContext,
    ) -> Result<HeaderValue, S3Error> {
        let end = context.now.as_second().saturating_add(PROOF_SECONDS);
        let code = URL_SAFE_NO_PAD.encode(self.code(link, end)?.finalize().into_bytes());
        let secure = if context.secure { "; Secure" } else { "" };
        let cookie = format!(
            "{COOKIE_NAME}={end}.{code}; Path={path}; Max-Age={PROOF_SECONDS}; HttpOnly; SameSite=Lax{secure}"
        );
        HeaderValue::try_from(cookie)
            .map_err(|cause| S3Error::new(Code::InternalError).because(cause))
    }

    /// Whether a request proves to know the passphrase of the link as it is now.
    pub(crate) fn is_proven(
        &self,
        link: &ManagedLink,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<bool, S3Error> {
        for proof in cookies(headers) {
            let Some((end, code)) = proof.split_once('.') else { continue };
            let (Ok(seconds), Ok(code)) = (end.parse::<i64>(), URL_SAFE_NO_PAD.decode(code)) else {
                continue;
            };
            // A time that is written in another way than here is none of here.
            let lives = now.as_second() < seconds && seconds.to_string() == end;
            if lives && self.code(link, seconds)?.verify_slice(&code).is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn code(&self, link: &ManagedLink, end: i64) -> Result<Hmac<Sha256>, S3Error> {
        let mut code = Hmac::<Sha256>::new_from_slice(self.key()?)
            .map_err(|_| S3Error::new(Code::InternalError))?;
        code.update(link.fingerprint().to_string().as_bytes());
        code.update(&end.to_be_bytes());
        // Another passphrase of the same link is proven anew.
        code.update(link.passphrase.as_deref().unwrap_or_default().as_bytes());
        Ok(code)
    }

    fn key(&self) -> Result<&[u8; KEY_BYTES], S3Error> {
        if let Some(key) = self.0.get() {
            return Ok(key);
        }
        let mut key = [0; KEY_BYTES];
        store::fill_random(&mut key).map_err(refusal::of_store)?;
        Ok(self.0.get_or_init(|| key))
    }
}

/// The values of the cookies of this name.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| name.trim() == COOKIE_NAME).map(|(_, value)| value.trim())
}
