//! The id of a managed link: a secret of its own.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use presign::Fingerprint;

use crate::StoreError;
use crate::vault::random;

/// What an id is hashed behind, so that its fingerprint is none of a signature.
const FINGERPRINT_OF: &[u8] = b"valet managed link v1\0";

/// The id of a managed link: 128 random bits, written as 22 characters of URL-safe base64. Whoever knows the id has the
/// link, so it is printed where it is meant to be seen, and nowhere else.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ManagedLinkId([u8; 16]);

/// Not the 22 characters of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the 22 characters of a managed link's id")]
pub struct ManagedLinkIdError;

impl ManagedLinkId {
    /// An id that nobody can guess.
    pub fn generate() -> Result<Self, StoreError> {
        random().map(Self)
    }

    /// By which the link is found, and named to those who are not to have it.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_signature(&[FINGERPRINT_OF, &self.0].concat())
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes of the id.
    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id as it stands in a URL.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl FromStr for ManagedLinkId {
    type Err = ManagedLinkIdError;

    /// Each id has one spelling: what the last character has to spare is zero.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| ManagedLinkIdError)?;
        bytes.try_into().map(Self).map_err(|_| ManagedLinkIdError)
    }
}

impl fmt::Debug for ManagedLinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ManagedLinkId(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = ManagedLinkId([0xff; 16]);
        assert_eq!(id.text(), "_____________________w");
        assert_eq!(id.text().parse(), Ok(id));
        let others =
            ["", "_____________________x", "_____________________w==", "/////////////////////w"];
        for text in others {
            assert_eq!(text.parse::<ManagedLinkId>(), Err(ManagedLinkIdError), "{text}");
        }
    }

    #[test]
    fn ids_differ_and_are_not_printed() {
        let ids = [ManagedLinkId::generate().unwrap(), ManagedLinkId::generate().unwrap()];
        assert_ne!(ids[0], ids[1]);
        assert_ne!(ids[0].fingerprint(), ids[1].fingerprint());
        assert_eq!(format!("{:?}", ids[0]), "ManagedLinkId(..)");
    }
}
