//! The one envelope for secrets at rest: AES-256-GCM-SIV under a sub-key for each purpose, with the
//! master key's id on every sealed value.
//!
//! ```text
//! sealed = version (1) | master key id (8) | nonce (12) | ciphertext (as long as the plaintext) | tag (16)
//! ```
//!
//! GCM-SIV, because a nonce that repeats then costs no more than showing that two equal plaintexts
//! are equal. The first 21 bytes are authenticated along with the caller's associated data.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::webhook::WebhookSecrets;

/// Bytes of the nonce that [`Sealer::seal`] takes.
pub const NONCE_BYTES: usize = 12;

/// How much longer a sealed value is than what it seals.
pub const SEALED_OVERHEAD_BYTES: usize = HEADER_BYTES + TAG_BYTES;

const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;
const ID_BYTES: usize = 8;
const HEADER_BYTES: usize = 1 + ID_BYTES + NONCE_BYTES;
const TAG_BYTES: usize = 16;
const ID_LABEL: &[u8] = b"valet master key id v1\0";
const SUB_KEY_LABEL: &[u8] = b"valet sub-key v1\0";
const KEY_MARK_LABEL: &[u8] = b"key mark";
const CUSTOMER_KEY_LABEL: &[u8] = b"customer key";
const RECORD_LABEL: &[u8] = b"record";
const WEBHOOK_LABEL: &[u8] = b"webhook secret";

/// Bytes of the seal of a record.
pub const RECORD_SEAL_BYTES: usize = 16;

/// The key that seals every other key and secret of a store. Wiped on drop, never printed.
pub struct MasterKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: MasterKeyId,
}

impl MasterKey {
    /// Takes 32 bytes of a good random source as the key.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        let bytes = Zeroizing::new(bytes);
        let digest = Sha256::new().chain_update(ID_LABEL).chain_update(bytes.as_slice()).finalize();
        let mut id = [0; ID_BYTES];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self { bytes, id: MasterKeyId(id) }
    }

    /// What names this key without giving it away.
    pub fn id(&self) -> MasterKeyId {
        self.id
    }

    /// The sealer of one purpose. What it seals, a sealer of another purpose cannot open.
    pub fn sealer(&self, purpose: Purpose) -> Sealer {
        Sealer::under(&self.sub_key(purpose.label()), self.id)
    }

    /// The sealer of records: with it the store proves that it wrote a record itself.
    pub fn record_sealer(&self) -> RecordSealer {
        RecordSealer(keyed(self.sub_key(RECORD_LABEL).as_slice()))
    }

    /// The maker of sealers for the keys that customers send along with a request (SSE-C).
    pub fn customer_sealers(&self) -> CustomerSealers {
        CustomerSealers { salt: self.sub_key(CUSTOMER_KEY_LABEL), master: self.id }
    }

    /// The maker of the secrets that sign what the server posts to others.
    pub fn webhook_secrets(&self) -> WebhookSecrets {
        WebhookSecrets::under(self.sub_key(WEBHOOK_LABEL))
    }

    /// The marker of the root keys that open sessions.
    pub(crate) fn marker(&self) -> Marker {
        Marker(self.sub_key(KEY_MARK_LABEL))
    }

    fn sub_key(&self, label: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
        hmac(self.bytes.as_slice(), &[SUB_KEY_LABEL, label])
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("an HMAC takes a key of any length")
}

pub(crate) fn hmac(key: &[u8], message: &[&[u8]]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mac = message.iter().fold(keyed(key), Mac::chain_update);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// Seals what is not secret: only who has the master key can write a record, or move one, that is taken
/// for what the store wrote.
///
/// ```text
/// seal  = first 16 bytes of HMAC-SHA256(the master key's sub-key "record", field | field | …)
/// field = type (1: 0 nothing, 1 number, 2 text, 3 bytes) | length (8, big-endian) | the bytes; a number has 8, big-endian
/// ```
///
/// Fields say how long they are, so that no two lists of them are the same message.
#[derive(Clone)]
pub struct RecordSealer(Hmac<Sha256>);

/// A field of a record that is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordField<'f> {
    /// A field that has no value.
    Nothing,
    /// A signed number, sealed as 8 bytes.
    Number(i64),
    /// Text, as its bytes in UTF-8.
    Text(&'f [u8]),
    /// Bytes that need not be text.
    Bytes(&'f [u8]),
}

impl RecordSealer {
    /// The seal of a record with these fields, in this order.
    pub fn seal<'f>(
        &self,
        fields: impl IntoIterator<Item = RecordField<'f>>,
    ) -> [u8; RECORD_SEAL_BYTES] {
        let mac = fields.into_iter().fold(self.0.clone(), |mac, field| match field {
            RecordField::Nothing => add(mac, 0, &[]),
            RecordField::Number(number) => add(mac, 1, &number.to_be_bytes()),
            RecordField::Text(bytes) => add(mac, 2, bytes),
            RecordField::Bytes(bytes) => add(mac, 3, bytes),
        });
        let mut seal = [0; RECORD_SEAL_BYTES];
        seal.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
        seal
    }
}

fn add(mac: Hmac<Sha256>, kind: u8, bytes: &[u8]) -> Hmac<Sha256> {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    mac.chain_update([kind]).chain_update(length.to_be_bytes()).chain_update(bytes)
}

impl fmt::Debug for RecordSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordSealer(..)")
    }
}

/// Makes marks: an HMAC-SHA256 that tells a thing from others and gives nothing of it away.
pub(crate) struct Marker(Zeroizing<[u8; KEY_BYTES]>);

impl Marker {
    pub(crate) fn mark(&self, parts: &[&[u8]]) -> [u8; KEY_BYTES] {
        *hmac(self.0.as_slice(), parts)
    }
}

/// A key of 256 bits that its owner sends with every request and that nobody keeps. Wiped on drop,
/// never printed, and compared by what it opens.
#[derive(Clone)]
pub struct CustomerKey(Zeroizing<[u8; KEY_BYTES]>);

impl CustomerKey {
    /// Takes a key as it was sent.
    pub fn from_bytes(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey(..)")
    }
}

/// Makes the sealers of customers' keys, each for one thing that is sealed.
///
/// ```text
/// key = HKDF-SHA256(salt = the master key's sub-key "customer key", input = the customer's key, info = what it is of)
/// ```
///
/// Both keys are needed: without the master key nobody can try out a guess at a customer's, which may
/// be a poor one, and the master key alone opens nothing. Since the key is of one thing alone, equal
/// keys of a customer do not show.
pub struct CustomerSealers {
    salt: Zeroizing<[u8; KEY_BYTES]>,
    master: MasterKeyId,
}

impl CustomerSealers {
    /// The sealer of one thing, which is named by bytes of its own, under a customer's key.
    pub fn sealer(&self, key: &CustomerKey, of: &[u8]) -> Sealer {
        // RFC 5869: extract, and one step of expand.
        let extracted = hmac(self.salt.as_slice(), &[key.0.as_slice()]);
        Sealer::under(&hmac(extracted.as_slice(), &[of, &[1]]), self.master)
    }
}

impl fmt::Debug for CustomerSealers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerSealers(..)")
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey(..{})", self.id)
    }
}

/// Names a master key: the first 8 bytes of a SHA-256 over a label and the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MasterKeyId([u8; ID_BYTES]);

impl MasterKeyId {
    /// Takes an id as it was stored.
    pub fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// The id as it is stored.
    pub fn as_bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }
}

impl fmt::Display for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKeyId({self})")
    }
}

/// What a sealed value is for; each purpose has a sub-key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The secret of an access key.
    AccessKey,
    /// The key under which one blob is encrypted.
    BlobKey,
    /// The secret of an access key, up to data format 3: bound to the key's id alone.
    AccessKeyFormat3,
    /// The key of a blob, up to data format 3: in records that nothing proves.
    BlobKeyFormat3,
    /// Temporary credentials, in their token.
    Session,
    /// The id of a managed link, which is all that one needs to use the link.
    ManagedLinkId,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::AccessKey => b"access key of an owner",
            Self::BlobKey => b"blob key of a record",
            Self::AccessKeyFormat3 => b"access key",
            Self::BlobKeyFormat3 => b"blob key",
            Self::Session => b"session",
            Self::ManagedLinkId => b"id of a managed link",
        }
    }
}

/// Seals and opens values of one [`Purpose`], or of one thing under a [`CustomerKey`], under one
/// [`MasterKey`].
pub struct Sealer {
    key: LessSafeKey,
    master: MasterKeyId,
}

impl Sealer {
    #[expect(clippy::expect_used, reason = "AES-256 takes any 32 bytes")]
    fn under(key: &Zeroizing<[u8; KEY_BYTES]>, master: MasterKeyId) -> Self {
        let key = UnboundKey::new(&AES_256_GCM_SIV, key.as_slice());
        Self { key: LessSafeKey::new(key.expect("AES-256 takes any 32 bytes")), master }
    }

    /// Seals `plaintext`, bound to `associated`, which is not part of the result and must be given
    /// again to [`open`](Self::open). The nonce must come from a random source.
    #[expect(clippy::expect_used, reason = "only a plaintext of 64 GiB or more is refused")]
    pub fn seal(&self, nonce: [u8; NONCE_BYTES], plaintext: &[u8], associated: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(SEALED_OVERHEAD_BYTES.saturating_add(plaintext.len()));
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.master.0);
        sealed.extend_from_slice(&nonce);
        let aad = Aad::from([sealed.as_slice(), associated].concat());
        let mut body = Zeroizing::new(plaintext.to_vec());
        let tag = self
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut body)
            .expect("a secret is far shorter than what AES-GCM-SIV takes");
        sealed.extend_from_slice(&body);
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what [`seal`](Self::seal) made with the same purpose, master key and associated data.
    pub fn open(
        &self,
        sealed: &[u8],
        associated: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        let (header, body) =
            sealed.split_first_chunk::<HEADER_BYTES>().ok_or(UnsealError::Truncated)?;
        let [version, id_and_nonce @ ..] = header;
        if *version != VERSION {
            return Err(UnsealError::UnknownVersion(*version));
        }
        if body.len() < TAG_BYTES {
            return Err(UnsealError::Truncated);
        }
        let (id, nonce) =
            id_and_nonce.split_first_chunk::<ID_BYTES>().ok_or(UnsealError::Truncated)?;
        if *id != self.master.0 {
            let sealed_by = MasterKeyId(*id);
            return Err(UnsealError::ForeignMasterKey { sealed_by, opened_with: self.master });
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| UnsealError::Truncated)?;
        let aad = Aad::from([header.as_slice(), associated].concat());
        let mut plain = Zeroizing::new(body.to_vec());
        let length = self
            .key
            .open_in_place(nonce, aad, &mut plain)
            .map_err(|_| UnsealError::Tampered)?
            .len();
        plain.truncate(length);
        Ok(plain)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

/// Why a sealed value does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// Shorter than the shortest sealed value.
    #[error("sealed value is cut short")]
    Truncated,
    /// Made by a later version, or not a sealed value at all.
    #[error("sealed value has unknown version {0}")]
    UnknownVersion(u8),
    /// Sealed under another master key than the one at hand.
    #[error("sealed under master key {sealed_by}, opened with {opened_with}")]
    ForeignMasterKey {
        /// The key whose id stands on the value.
        sealed_by: MasterKeyId,
        /// The key of this sealer.
        opened_with: MasterKeyId,
    },
    /// Changed since it was sealed, or sealed for another purpose or other associated data.
    #[error("sealed value does not authenticate")]
    Tampered,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: [u8; NONCE_BYTES] = [7; NONCE_BYTES];

    fn sealer(purpose: Purpose) -> Sealer {
        MasterKey::from_bytes([1; 32]).sealer(purpose)
    }

    /// Seals "secret" for "AKID", lets `damage` change the value, opens it for `associated`.
    fn check(
        damage: impl FnOnce(&mut Vec<u8>),
        opener: &Sealer,
        associated: &[u8],
        expected: Result<&[u8], UnsealError>,
    ) {
        let mut sealed = sealer(Purpose::AccessKey).seal(NONCE, b"secret", b"AKID");
        assert_eq!(sealed.len(), b"secret".len() + SEALED_OVERHEAD_BYTES);
        damage(&mut sealed);
        let opened = opener.open(&sealed, associated);
        assert_eq!(opened.as_deref().map(Vec::as_slice).map_err(|error| *error), expected);
    }

    #[test]
    fn opens_only_what_was_sealed_the_same_way() {
        let same = sealer(Purpose::AccessKey);
        let other_key = MasterKey::from_bytes([2; 32]);
        let foreign = UnsealError::ForeignMasterKey {
            sealed_by: MasterKey::from_bytes([1; 32]).id(),
            opened_with: other_key.id(),
        };
        check(|_| (), &same, b"AKID", Ok(b"secret"));
        check(|_| (), &same, b"AKIE", Err(UnsealError::Tampered));
        check(|_| (), &sealer(Purpose::BlobKey), b"AKID", Err(UnsealError::Tampered));
        check(|_| (), &sealer(Purpose::AccessKeyFormat3), b"AKID", Err(UnsealError::Tampered));
        check(|_| (), &other_key.sealer(Purpose::AccessKey), b"AKID", Err(foreign));
        check(|sealed| sealed[0] = 2, &same, b"AKID", Err(UnsealError::UnknownVersion(2)));
        check(|sealed| sealed.truncate(36), &same, b"AKID", Err(UnsealError::Truncated));
        check(|sealed| sealed.truncate(20), &same, b"AKID", Err(UnsealError::Truncated));
        check(Vec::clear, &same, b"AKID", Err(UnsealError::Truncated));
        check(|sealed| sealed.truncate(42), &same, b"AKID", Err(UnsealError::Tampered));
        for position in 9..43 {
            check(|sealed| sealed[position] ^= 1, &same, b"AKID", Err(UnsealError::Tampered));
        }
    }

    #[test]
    fn seals_nothing_as_well() {
        let sealed = sealer(Purpose::BlobKey).seal(NONCE, b"", b"");
        assert_eq!(sealed.len(), SEALED_OVERHEAD_BYTES);
        assert_eq!(sealer(Purpose::BlobKey).open(&sealed, b"").unwrap().as_slice(), b"");
    }

    /// The layout is a promise to every data directory there is: these bytes were made from the
    /// drawing above with another implementation of the cipher.
    #[test]
    fn layout_is_pinned() {
        let key = MasterKey::from_bytes(*b"0123456789abcdef0123456789abcdef");
        let sealed = key.sealer(Purpose::AccessKeyFormat3).seal(NONCE, b"secret", b"AKID");
        assert_eq!(sealed[0], 1);
        assert_eq!(sealed[1..9], *key.id().as_bytes());
        assert_eq!(sealed[9..21], NONCE);
        let expected = "019dc1385c1ca78642070707070707070707070707ab98aa28b35184c78661e7ee2575c59a884c6f629dbb";
        let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap();
        let pairs = expected.as_bytes().chunks(2);
        let expected = pairs.map(|pair| digit(pair[0]) * 16 + digit(pair[1]));
        assert_eq!(sealed, expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_customers_key_seals_one_thing() {
        let customer = |byte| CustomerKey::from_bytes(Zeroizing::new([byte; 32]));
        let sealers = |master| MasterKey::from_bytes([master; 32]).customer_sealers();
        let sealed = sealers(1).sealer(&customer(3), b"this").seal(NONCE, b"secret", b"AKID");
        let open = |sealer: Sealer| sealer.open(&sealed, b"AKID").map(|plain| plain.to_vec());
        assert_eq!(open(sealers(1).sealer(&customer(3), b"this")), Ok(b"secret".to_vec()));
        let wrong = Err(UnsealError::Tampered);
        assert_eq!(open(sealers(1).sealer(&customer(4), b"this")), wrong);
        assert_eq!(open(sealers(1).sealer(&customer(3), b"that")), wrong);
        assert_eq!(open(sealer(Purpose::BlobKey)), wrong);
        let foreign = open(sealers(2).sealer(&customer(3), b"this"));
        assert!(matches!(foreign, Err(UnsealError::ForeignMasterKey { .. })));
    }

    #[test]
    fn no_two_records_have_one_seal() {
        use RecordField::{Bytes, Nothing, Number, Text};
        let sealer = |master| MasterKey::from_bytes([master; 32]).record_sealer();
        let records: &[&[RecordField<'_>]] = &[
            &[],
            &[Nothing],
            &[Nothing, Nothing],
            &[Number(0)],
            &[Number(1)],
            &[Bytes(&[0; 8])],
            &[Text(&[0; 8])],
            &[Text(b"ab"), Text(b"c")],
            &[Text(b"a"), Text(b"bc")],
            &[Text(b"abc")],
            &[Text(b"abc"), Nothing],
            &[Text(b"")],
        ];
        let seals =
            |master| records.iter().map(move |fields| sealer(master).seal(fields.iter().copied()));
        let all = seals(1).chain(seals(2)).collect::<std::collections::HashSet<_>>();
        assert_eq!(all.len(), 2 * records.len());
        assert_eq!(sealer(1).seal([Number(7)]), sealer(1).seal([Number(7)]));
    }

    /// As [`layout_is_pinned`]: made with Python's hmac and hashlib.
    #[test]
    fn a_record_seal_is_pinned() {
        let key = MasterKey::from_bytes(*b"0123456789abcdef0123456789abcdef");
        let seal = key.record_sealer().seal([
            RecordField::Text(b"object"),
            RecordField::Number(-7),
            RecordField::Nothing,
            RecordField::Bytes(b"k\xff"),
        ]);
        let hex: Vec<_> = seal.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex.concat(), "3018716aa56cea16ede0f83721503f68");
    }

    /// As [`layout_is_pinned`]: made with another implementation of HKDF and of the cipher.
    #[test]
    fn a_customers_sealer_is_pinned() {
        let key = MasterKey::from_bytes(*b"0123456789abcdef0123456789abcdef");
        let customer = CustomerKey::from_bytes(Zeroizing::new([5; 32]));
        let sealer = key.customer_sealers().sealer(&customer, &[9; 16]);
        let expected = "019dc1385c1ca78642070707070707070707070707808c43a4b3d74e3812996580bd0587e3c68f99cace1c";
        let sealed = sealer.seal(NONCE, b"secret", b"AKID");
        let hex: Vec<_> = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex.concat(), expected);
    }

    #[test]
    fn prints_no_secret() {
        let key = MasterKey::from_bytes(*b"0123456789abcdef0123456789abcdef");
        assert_eq!(format!("{key:?}"), format!("MasterKey(..{})", key.id()));
        assert_eq!(format!("{:?}", key.sealer(Purpose::AccessKey)), "Sealer(..)");
        assert_eq!(format!("{:?}", key.customer_sealers()), "CustomerSealers(..)");
        assert_eq!(format!("{:?}", key.record_sealer()), "RecordSealer(..)");
        let customer = CustomerKey::from_bytes(Zeroizing::new([5; 32]));
        assert_eq!(format!("{customer:?}"), "CustomerKey(..)");
    }
}
