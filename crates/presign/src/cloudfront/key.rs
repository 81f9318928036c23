//! Keys: RSA of 2048 bits or ECDSA over P-256. Whoever signs has the private half, a distribution the public one.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA1_ASN1, ECDSA_P256_SHA256_ASN1, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    VerificationAlgorithm,
};
use p256::ecdsa::DerSignature;
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use p256::pkcs8::DecodePrivateKey as _;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs1v15;
use rsa::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use rsa::signature::{SignatureEncoding as _, Signer as _};
use rsa::traits::PublicKeyParts as _;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

/// The bits of an RSA key that CloudFront takes (semantics 7.3.1).
const RSA_BITS: u32 = 2048;
/// The longest PEM file of a key that is read, in bytes.
const PEM_BYTES_MAX: usize = 16 * 1024;

/// The hash that is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CloudFrontHash {
    /// SHA-1, where nothing else is said.
    #[default]
    Sha1,
    /// SHA-256, which must be said.
    Sha256,
}

impl CloudFrontHash {
    /// Reads the value of `Hash-Algorithm`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "SHA1" => Some(Self::Sha1),
            "SHA256" => Some(Self::Sha256),
            _ => None,
        }
    }

    /// The hash as `Hash-Algorithm` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }
}

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloudFrontKeyError {
    /// Neither RSA nor ECDSA over P-256, or not in PEM.
    #[error("not an RSA or P-256 key in PEM")]
    Malformed,
    /// An RSA key of a length that CloudFront does not take.
    #[error("an RSA key of {bits} bits, where {RSA_BITS} are needed")]
    Length {
        /// The length of the key's modulus in bits.
        bits: u32,
    },
}

/// A private key. Wiped from memory on drop, never printed.
pub struct CloudFrontPrivateKey(Private);

enum Private {
    Rsa(Box<rsa::PrivateKey>),
    Ec(Box<p256::ecdsa::SigningKey>),
}

impl CloudFrontPrivateKey {
    /// Reads a key in PEM: PKCS#8, PKCS#1 (`RSA PRIVATE KEY`) or SEC1 (`EC PRIVATE KEY`).
    pub fn from_pem(pem: &str) -> Result<Self, CloudFrontKeyError> {
        let pem = pem.trim();
        if pem.len() > PEM_BYTES_MAX {
            return Err(CloudFrontKeyError::Malformed);
        }
        let rsa =
            rsa::PrivateKey::from_pkcs8_pem(pem).or_else(|_| rsa::PrivateKey::from_pkcs1_pem(pem));
        if let Ok(key) = rsa {
            check_length(key.n().bit_width_vartime())?;
            return Ok(Self(Private::Rsa(Box::new(key))));
        }
        let ec = p256::ecdsa::SigningKey::from_pkcs8_pem(pem)
            .or_else(|_| p256::SecretKey::from_sec1_pem(pem).map(p256::ecdsa::SigningKey::from));
        let key = ec.map_err(|_| CloudFrontKeyError::Malformed)?;
        Ok(Self(Private::Ec(Box::new(key))))
    }

    /// Signs a policy. The same policy has the same signature, of both kinds of keys. `None`: the key cannot sign.
    pub(super) fn sign(&self, policy: &[u8], hash: CloudFrontHash) -> Option<Vec<u8>> {
        let rsa_signature = |signature: pkcs1v15::Signature| signature.to_vec();
        match (&self.0, hash) {
            (Private::Rsa(key), CloudFrontHash::Sha1) => {
                let key = pkcs1v15::SigningKey::<Sha1>::new(key.as_ref().clone());
                key.try_sign(policy).ok().map(rsa_signature)
            }
            (Private::Rsa(key), CloudFrontHash::Sha256) => {
                let key = pkcs1v15::SigningKey::<Sha256>::new(key.as_ref().clone());
                key.try_sign(policy).ok().map(rsa_signature)
            }
            (Private::Ec(key), hash) => {
                let digest = match hash {
                    CloudFrontHash::Sha1 => Sha1::digest(policy).to_vec(),
                    CloudFrontHash::Sha256 => Sha256::digest(policy).to_vec(),
                };
                let signature: DerSignature = key.sign_prehash(&digest).ok()?;
                Some(signature.as_bytes().to_vec())
            }
        }
    }
}

impl fmt::Debug for CloudFrontPrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CloudFrontPrivateKey(..)")
    }
}

/// A public key, read once and ready to verify with.
#[derive(Clone, Debug)]
pub struct CloudFrontPublicKey {
    sha1: ParsedPublicKey,
    sha256: ParsedPublicKey,
}

impl CloudFrontPublicKey {
    /// Reads a key in PEM (`PUBLIC KEY`).
    pub fn from_pem(pem: &str) -> Result<Self, CloudFrontKeyError> {
        let pem = pem.trim();
        if pem.len() > PEM_BYTES_MAX {
            return Err(CloudFrontKeyError::Malformed);
        }
        if let Ok(key) = rsa::PublicKey::from_public_key_pem(pem) {
            check_length(key.n().bit_width_vartime())?;
            let der = key.to_public_key_der().map_err(|_| CloudFrontKeyError::Malformed)?;
            return Self::prepare(
                der.as_bytes(),
                &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
                &RSA_PKCS1_2048_8192_SHA256,
            );
        }
        let key = p256::ecdsa::VerifyingKey::from_public_key_pem(pem)
            .map_err(|_| CloudFrontKeyError::Malformed)?;
        let point = key.to_sec1_point(false);
        Self::prepare(point.as_bytes(), &ECDSA_P256_SHA1_ASN1, &ECDSA_P256_SHA256_ASN1)
    }

    fn prepare(
        bytes: &[u8],
        sha1: &'static dyn VerificationAlgorithm,
        sha256: &'static dyn VerificationAlgorithm,
    ) -> Result<Self, CloudFrontKeyError> {
        let parse = |algorithm| {
            ParsedPublicKey::new(algorithm, bytes).map_err(|_| CloudFrontKeyError::Malformed)
        };
        Ok(Self { sha1: parse(sha1)?, sha256: parse(sha256)? })
    }

    /// Whether the private half made the signature over the policy.
    pub(super) fn verifies(&self, policy: &[u8], hash: CloudFrontHash, signature: &[u8]) -> bool {
        let key = match hash {
            CloudFrontHash::Sha1 => &self.sha1,
            CloudFrontHash::Sha256 => &self.sha256,
        };
        key.verify_sig(policy, signature).is_ok()
    }
}

fn check_length(bits: u32) -> Result<(), CloudFrontKeyError> {
    if bits == RSA_BITS { Ok(()) } else { Err(CloudFrontKeyError::Length { bits }) }
}
