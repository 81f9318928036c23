//! SSE-C: keys that customers send with every request, and that the server never stores.
//!
//! The messages, and which of several faults is reported, are as recorded from AWS. All of them name the same
//! header, whichever is at fault. A refusal never repeats the value of a key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderName;
use iam::CustomerKey;
use store::{ChecksumAlgorithms, Digests, KeyRefusal, Object, StoredChecksum, Unlocked, Upload};
use zeroize::Zeroizing;

use crate::error::{Code, S3Error};
use crate::gate::StoreAccess;
use crate::request::S3Request;
use crate::respond::Reply;
use crate::route::SOURCE_KEY;

pub(crate) use crate::route::OBJECT_KEY;

/// The header that every refusal names.
const CULPRIT: &str = "x-amz-server-side-encryption";
const ALGORITHM: &str = "AES256";
const KEY_BYTES: usize = 32;
/// The longest text that can be a key; a longer one is refused unread.
const KEY_CHARS_MAX: usize = 64;

/// A key as it was sent, with the MD5 that answers repeat.
#[derive(Clone, Debug)]
pub(crate) struct SentKey {
    key: CustomerKey,
    md5: String,
}

impl SentKey {
    /// Reads the key for the object that is written or read.
    pub(crate) fn read(request: &S3Request<'_>) -> Result<Option<Self>, S3Error> {
        Self::read_named(request, OBJECT_KEY)
    }

    /// Reads the key for the source of a copy.
    pub(crate) fn of_source(request: &S3Request<'_>) -> Result<Option<Self>, S3Error> {
        Self::read_named(request, SOURCE_KEY)
    }

    fn read_named(request: &S3Request<'_>, prefix: &str) -> Result<Option<Self>, S3Error> {
        // Nearly all requests have no such key; this makes them cheap.
        if !request.has_header_beginning(prefix) {
            return Ok(None);
        }
        let header = |part: &str| request.header(&format!("{prefix}{part}"));
        let (algorithm, key, md5) = (header("algorithm"), header("key"), header("key-md5"));
        if algorithm.is_none() && key.is_none() && md5.is_none() {
            return Ok(None);
        }
        match algorithm.as_deref() {
            None => return Err(lacks("a valid encryption algorithm")),
            Some(ALGORITHM) => {}
            Some(other) => {
                return Err(S3Error::new(Code::InvalidEncryptionAlgorithm)
                    .detail("ArgumentName", CULPRIT)
                    .detail("ArgumentValue", other));
            }
        }
        let key = key.ok_or_else(|| lacks("an appropriate secret key"))?;
        let md5 = md5.ok_or_else(|| lacks("the client calculated MD5 of the secret key"))?;
        let mut decoded = Zeroizing::new([0; KEY_CHARS_MAX]);
        let fits = key.len() <= KEY_CHARS_MAX;
        let length = fits.then(|| STANDARD.decode_slice(key.as_bytes(), decoded.as_mut_slice()));
        let decoded = length.and_then(Result::ok).and_then(|length| decoded.get(..length));
        let decoded = decoded.ok_or_else(invalid_key)?;
        let computed = STANDARD.encode(Digests::of(decoded, ChecksumAlgorithms::NONE).md5());
        if computed != *md5 {
            return Err(invalid(
                "The calculated MD5 hash of the key did not match the hash that was provided.",
            ));
        }
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        if decoded.len() != KEY_BYTES {
            return Err(invalid_key());
        }
        bytes.copy_from_slice(decoded);
        Ok(Some(Self { key: CustomerKey::from_bytes(bytes), md5: md5.into_owned() }))
    }

    pub(crate) fn key(&self) -> &CustomerKey {
        &self.key
    }

    /// Tells the client which key was used, by its MD5.
    pub(crate) fn tell(&self, reply: &mut Reply) {
        reply.set_text(
            HeaderName::from_static("x-amz-server-side-encryption-customer-algorithm"),
            ALGORITHM,
        );
        reply.set_text(
            HeaderName::from_static("x-amz-server-side-encryption-customer-key-md5"),
            &self.md5,
        );
    }
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> S3Error {
    S3Error::invalid_argument(message, CULPRIT, "null")
}

fn lacks(what: &str) -> S3Error {
    invalid(format!(
        "Requests specifying Server Side Encryption with Customer provided keys must provide {what}."
    ))
}

fn invalid_key() -> S3Error {
    invalid("The secret key was invalid for the specified algorithm.")
}

/// Unlocks an object for reading. If it was written with a customer's key, the request must have sent that key.
pub(crate) fn unlock(
    access: &StoreAccess,
    object: &std::sync::Arc<Object>,
    sent: Option<&SentKey>,
) -> Result<Unlocked, S3Error> {
    let unlocked = access.store().unlock(object, sent.map(SentKey::key));
    unlocked.map_err(|refusal| match refusal {
        KeyRefusal::Required => S3Error::invalid_request(
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.",
        ),
        KeyRefusal::NotApplicable => S3Error::invalid_request(
            "The encryption parameters are not applicable to this object.",
        ),
        KeyRefusal::Wrong => S3Error::with_message(
            Code::AccessDenied,
            "Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key.",
        ),
    })
}

/// The checksum of an object, which would let somebody confirm a guess at the bytes. If the object has a
/// customer's key, only a request with that key gets it.
pub(crate) fn checksum<'o>(
    access: &StoreAccess,
    object: &'o std::sync::Arc<Object>,
    sent: Option<&SentKey>,
) -> Option<&'o StoredChecksum> {
    unlock(access, object, sent).ok()?;
    object.checksum.as_ref()
}

/// Checks that a part is sent with the key that its upload was begun with.
pub(crate) fn check_upload(
    access: &StoreAccess,
    upload: &Upload,
    sent: Option<&SentKey>,
) -> Result<(), S3Error> {
    let checked = access.store().check_upload_key(upload, sent.map(SentKey::key));
    checked.map_err(|refusal| {
        S3Error::invalid_request(match refusal {
            KeyRefusal::Required | KeyRefusal::NotApplicable => {
                "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters."
            }
            KeyRefusal::Wrong => {
                "The provided encryption parameters did not match the ones used originally."
            }
        })
    })
}

/// Checks the key of a request that completes or lists an upload. None is needed, but one that is sent must be
/// that of the upload. One exception, as on AWS: it is required if the upload asked for checksums of a given
/// algorithm.
pub(crate) fn check_completion(
    access: &StoreAccess,
    upload: Option<&Upload>,
    sent: Option<&SentKey>,
) -> Result<(), S3Error> {
    // The upload may be gone because this very request was sent before and completed it.
    let Some(upload) = upload else { return Ok(()) };
    match sent {
        Some(_) => check_upload(access, upload, sent),
        None if upload.customer_key.is_some() && upload.checksum.is_some() => {
            Err(lacks("a valid encryption algorithm"))
        }
        None => Ok(()),
    }
}
