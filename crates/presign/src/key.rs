//! Keys that make and check signatures, and the fingerprint by which a signature is known.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::claim::AdmissibleClaim;
use crate::credentials::SecretAccessKey;
use crate::encode::{ascii_string, hex_digits, hex_of, lower_hex_value};
use crate::scope::{AmzDay, CredentialScope, TERMINAL};

/// A SigV4 signing key: what a secret becomes for one [`CredentialScope`].
///
/// Deriving one costs four HMACs, so keep it for the day. It holds a prepared HMAC state, which
/// makes a signature cost half of what it costs from the bare key. Wiped on drop, never printed.
#[derive(Clone)]
pub struct SigningKey {
    mac: Hmac<Sha256>,
}

impl SigningKey {
    /// Derives the key: an HMAC chain over day, region, service and `aws4_request`
    /// (semantics 1.2.13).
    pub fn derive(secret: &SecretAccessKey, day: AmzDay, region: &str, service: &str) -> Self {
        let mut secret_bytes = Zeroizing::new(Vec::with_capacity(4 + secret.expose().len()));
        secret_bytes.extend_from_slice(b"AWS4");
        secret_bytes.extend_from_slice(secret.expose().as_bytes());
        let mut key = Self::new(&secret_bytes);
        for part in [&day.to_string(), region, service, TERMINAL] {
            key = Self::new(&*Zeroizing::new(key.sign(part.as_bytes())));
        }
        key
    }

    /// Derives the key of a scope.
    pub fn for_scope(secret: &SecretAccessKey, scope: &CredentialScope<'_>) -> Self {
        Self::derive(secret, scope.day, &scope.region, &scope.service)
    }

    /// HMAC-SHA256 of a string to sign: the 32 bytes that signatures write in lower-case hex.
    pub fn sign(&self, string_to_sign: &[u8]) -> [u8; 32] {
        self.mac.clone().chain_update(string_to_sign).finalize().into_bytes().into()
    }

    /// The signature of a string to sign: 64 lower-case hex digits.
    pub(crate) fn signature(&self, string_to_sign: &[u8]) -> String {
        hex_of(&self.sign(string_to_sign))
    }

    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    fn new(key: &[u8]) -> Self {
        Self { mac: Hmac::new_from_slice(key).expect("HMAC takes keys of any length") }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey(..)")
    }
}

/// HMAC-SHA1 of a SigV2 string to sign.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
pub(crate) fn sigv2_mac(secret: &SecretAccessKey, string_to_sign: &[u8]) -> [u8; 20] {
    Hmac::<Sha1>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes keys of any length")
        .chain_update(string_to_sign)
        .finalize()
        .into_bytes()
        .into()
}

/// What verifies the claims of one access key in one scope.
///
/// Worth caching by (access key id, [`AdmissibleClaim::key_scope`]). A key used with a claim of
/// another scope verifies nothing.
#[derive(Clone)]
pub struct VerifyingKey(pub(crate) KeyKind);

/// SigV4 derives a key for each scope, SigV2 uses the secret itself.
#[derive(Clone)]
pub(crate) enum KeyKind {
    V4(SigningKey),
    V2(SecretAccessKey),
}

impl VerifyingKey {
    /// The key that verifies `claim`, were it made with `secret`.
    pub fn derive(claim: &AdmissibleClaim<'_>, secret: &SecretAccessKey) -> Self {
        Self(match claim.key_scope() {
            Some(scope) => KeyKind::V4(SigningKey::for_scope(secret, scope)),
            None => KeyKind::V2(secret.clone()),
        })
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("VerifyingKey(..)")
    }
}

/// SHA-256 of a signature's text as decoded: names a link without being one.
///
/// Displayed as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a signature's text: 64 hex digits for SigV4, base64 for SigV2.
    pub fn of_signature(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// The fingerprint of a link that was noted by these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 16 hex digits: how people name a link. Two links may share them, so compare
    /// whole fingerprints.
    pub fn short(&self) -> String {
        let digits = hex_digits(&self.0);
        ascii_string(digits.iter().take(16).copied().collect())
    }
}

/// Not 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the 64 lower-case hex digits of a SHA-256")]
pub struct FingerprintError;

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(FingerprintError) };
        let byte = |pair: &[u8; 2]| {
            let [high, low] = pair.map(lower_hex_value);
            Some(high? << 4 | low?)
        };
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(FingerprintError)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex_of(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_hash_of_the_text() {
        let fingerprint = Fingerprint::of_signature(b"");
        assert_eq!(
            fingerprint.to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        for text in ["", "e3", "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"] {
            assert_eq!(text.parse::<Fingerprint>(), Err(FingerprintError), "{text}");
        }
        assert_eq!(fingerprint.short(), "e3b0c44298fc1c14");
        assert_eq!(fingerprint.as_bytes().first(), Some(&0xe3));
    }

    #[test]
    fn debug_prints_no_key() {
        let secret = SecretAccessKey::new("hidden");
        let key = SigningKey::derive(&secret, AmzDay::parse("20130524").unwrap(), "r", "s3");
        assert_eq!(format!("{key:?}"), "SigningKey(..)");
        assert_eq!(format!("{:?}", VerifyingKey(KeyKind::V2(secret))), "VerifyingKey(..)");
    }
}
