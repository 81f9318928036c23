//! Access keys that somebody else made, as the users of other stores bring them along.

use std::ops::RangeInclusive;

use presign::SecretAccessKey;
use store::GivenKey;

use crate::error::S3Error;

/// Characters of an access key id (other stores have shorter ones than IAM) and of a secret.
const KEY_ID_CHARS: RangeInclusive<usize> = 3..=128;
const SECRET_CHARS: RangeInclusive<usize> = 8..=128;

/// A key that somebody else made, as another store's user brings it along.
pub(crate) fn given_key(id: String, secret: &str) -> Result<GivenKey, S3Error> {
    let word = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if !KEY_ID_CHARS.contains(&id.len()) || !word {
        return Err(S3Error::invalid_request(
            "An access key id has 3 to 128 letters, digits, hyphens and underscores.",
        ));
    }
    if id.starts_with("ASIA") {
        return Err(S3Error::invalid_request("Ids that begin with ASIA are those of sessions."));
    }
    if !SECRET_CHARS.contains(&secret.len()) || !secret.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(S3Error::invalid_request("A secret has 8 to 128 printable characters."));
    }
    Ok(GivenKey { id, secret: SecretAccessKey::new(secret) })
}
