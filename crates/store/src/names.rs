//! The names of things, each parsed once: buckets, keys, versions, entity tags, uploads, accounts.
//!
//! All are cheap to clone: shared text, or a few bytes by value.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

/// The shortest bucket name, in bytes.
pub const BUCKET_NAME_BYTES_MIN: usize = 3;
/// The longest bucket name, in bytes.
pub const BUCKET_NAME_BYTES_MAX: usize = 63;
/// The longest object key, in bytes of UTF-8.
pub const OBJECT_KEY_BYTES_MAX: usize = 1024;
/// The highest part number of an upload.
pub const PART_NUMBER_MAX: u16 = 10_000;

const TOKEN_BYTES: usize = 24;
/// More versions than a key can ever have had. An id of 24 other bytes tells a place beyond, but for one
/// in 16 million.
pub(crate) const PLACES_MAX: u64 = 1 << 40;

/// Names that the S3 naming rules keep for other uses, by how they begin and end.
const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const RESERVED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/// The name of a bucket: 3 to 63 of `a-z`, `0-9`, `-` and `.`, by the rules for general purpose
/// buckets ("Bucket naming rules" in the S3 User Guide). `_valet` is none, because of its `_`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketName(Arc<str>);

impl BucketName {
    /// Reads a bucket name.
    pub fn parse(text: &str) -> Result<Self, BucketNameError> {
        let size = text.len();
        if !(BUCKET_NAME_BYTES_MIN..=BUCKET_NAME_BYTES_MAX).contains(&size) {
            return Err(BucketNameError::Length { size });
        }
        let letter_or_digit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !text.bytes().all(|byte| letter_or_digit(byte) || byte == b'-' || byte == b'.') {
            return Err(BucketNameError::Character);
        }
        let ends = [text.bytes().next(), text.bytes().next_back()];
        if !ends.into_iter().flatten().all(letter_or_digit) {
            return Err(BucketNameError::Ends);
        }
        let has = |pair: &[u8; 2]| text.as_bytes().windows(2).any(|window| window == pair);
        if has(b"..") {
            return Err(BucketNameError::AdjacentPeriods);
        }
        if has(b".-") || has(b"-.") {
            return Err(BucketNameError::HyphenAtPeriod);
        }
        if looks_like_ipv4(text) {
            return Err(BucketNameError::IpAddress);
        }
        let reserved = RESERVED_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
            || RESERVED_SUFFIXES.iter().any(|suffix| text.ends_with(suffix));
        if reserved {
            return Err(BucketNameError::Reserved);
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Four groups of digits, also such as no address has (`999.1.1.1`, `01.1.1.1`).
fn looks_like_ipv4(text: &str) -> bool {
    let digits = |group: &str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
    text.split('.').all(digits) && text.split('.').count() == 4
}

/// Why a text is no bucket name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BucketNameError {
    /// Shorter than 3 or longer than 63 bytes.
    #[error("bucket name of {size} bytes")]
    Length {
        /// How many bytes the text has.
        size: usize,
    },
    /// Something else than `a-z`, `0-9`, `-` and `.`.
    #[error("bucket name with a character that is not allowed")]
    Character,
    /// Does not begin and end with a letter or digit.
    #[error("bucket name does not begin and end with a letter or digit")]
    Ends,
    /// Two periods side by side.
    #[error("bucket name with two adjacent periods")]
    AdjacentPeriods,
    /// A hyphen beside a period, as no host name has it.
    #[error("bucket name with a hyphen beside a period")]
    HyphenAtPeriod,
    /// Formatted as an IPv4 address.
    #[error("bucket name formatted as an address")]
    IpAddress,
    /// Begins or ends as names do that S3 keeps for other uses.
    #[error("bucket name with a reserved prefix or suffix")]
    Reserved,
}

/// The key of an object: 1 to 1024 bytes of UTF-8, any, kept byte for byte. Ordered by bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(Arc<str>);

impl ObjectKey {
    /// Reads a key from the bytes of a request.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ObjectKeyError> {
        Self::parse(std::str::from_utf8(bytes).map_err(|_| ObjectKeyError::NotUtf8)?)
    }

    /// Reads a key from text.
    pub fn parse(text: &str) -> Result<Self, ObjectKeyError> {
        match text.len() {
            0 => Err(ObjectKeyError::Empty),
            1..=OBJECT_KEY_BYTES_MAX => Ok(Self(text.into())),
            size => Err(ObjectKeyError::TooLong { size }),
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Why bytes are no object key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectKeyError {
    /// The text is empty.
    #[error("object key is empty")]
    Empty,
    /// The text has more than 1024 bytes.
    #[error("object key of {size} bytes")]
    TooLong {
        /// How many bytes the text has.
        size: usize,
    },
    /// The bytes are not UTF-8.
    #[error("object key is not UTF-8")]
    NotUtf8,
}

/// Which version of a key: the null version, or one with an id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VersionId {
    /// The version of a bucket that keeps no versions, or no longer; its text is `null`.
    Null,
    /// A version with an id: 32 characters safe in a URL.
    Id(VersionToken),
}

impl VersionId {
    /// Reads a version id: `null` or 32 URL-safe characters. An id that was made elsewhere is none: the
    /// place that it would tell is beyond every version that a key can have had.
    pub fn parse(text: &str) -> Result<Self, VersionIdError> {
        if text == "null" {
            return Ok(Self::Null);
        }
        let token = Token::parse(text).map(VersionToken);
        token.filter(|token| token.place() < PLACES_MAX).map(Self::Id).ok_or(VersionIdError)
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Id(VersionToken(token)) => token.fmt(f),
        }
    }
}

/// The opaque id of a version. It tells the engine where the version stands among those of its key,
/// so that no index is needed; the place is masked by the id's random bytes, for the looks of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionToken(Token);

impl VersionToken {
    /// The id of the version at `place`, unique by its random bytes. It never begins with `-`, which
    /// command lines would take for an option of theirs.
    pub(crate) fn new(place: u64, mut random: [u8; 16]) -> Self {
        let token = Self::masked(place, random);
        if !token.to_string().starts_with('-') {
            return token;
        }
        let [first, ..] = &mut random;
        *first ^= 0x80;
        Self::masked(place, random)
    }

    fn masked(place: u64, random: [u8; 16]) -> Self {
        let [mask @ .., _, _, _, _, _, _, _, _] = random;
        let masked = place ^ u64::from_be_bytes(mask);
        Self(Token::join(masked.to_be_bytes(), random))
    }

    /// Where the version stands among those of its key.
    pub(crate) fn place(self) -> u64 {
        let [head @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.0.0;
        let [_, _, _, _, _, _, _, _, mask @ .., _, _, _, _, _, _, _, _] = self.0.0;
        u64::from_be_bytes(head) ^ u64::from_be_bytes(mask)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::of_bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0.0
    }

    /// The id that these bytes are.
    pub fn of_bytes(bytes: [u8; 24]) -> Self {
        Self(Token(bytes))
    }

    /// The bytes that the id is the base64 of.
    pub fn to_bytes(self) -> [u8; 24] {
        self.0.0
    }
}

/// A text is neither `null` nor a version id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed version id")]
pub struct VersionIdError;

/// The id of a multipart upload: 32 characters safe in a URL. The ids of one key are ordered by when
/// their uploads began.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(Token);

impl UploadId {
    /// Reads an upload id.
    pub fn parse(text: &str) -> Result<Self, UploadIdError> {
        Token::parse(text).map(Self).ok_or(UploadIdError)
    }

    /// The id of an upload that begins now, unique by its random bytes.
    pub(crate) fn new(now: Timestamp, random: [u8; 16]) -> Self {
        let millisecond = u64::try_from(now.as_millisecond()).unwrap_or(0);
        Self(Token::join(millisecond.to_be_bytes(), random))
    }

    /// No upload that began in this millisecond or later has a lesser id, and every earlier one has.
    pub(crate) fn first_of(time: Timestamp) -> Self {
        Self::new(time, [0; 16])
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Token(bytes)))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0.0
    }
}

/// A text is not an upload id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed upload id")]
pub struct UploadIdError;

/// 24 bytes that are 32 characters of URL-safe base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Token([u8; TOKEN_BYTES]);

impl Token {
    fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    fn join(head: [u8; 8], tail: [u8; 16]) -> Self {
        let mut bytes = [0; TOKEN_BYTES];
        bytes.iter_mut().zip(head.into_iter().chain(tail)).for_each(|(to, from)| *to = from);
        Self(bytes)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// An entity tag, without its quotes: the MD5 of the body in hex, and for a multipart upload the MD5
/// of its parts' MD5s, a hyphen and their count.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ETag {
    md5: [u8; 16],
    /// `None`: not a multipart upload.
    parts: Option<u16>,
}

impl ETag {
    /// Reads an entity tag, with or without its quotes.
    pub fn parse(text: &str) -> Result<Self, ETagError> {
        let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
        let (hex, parts) = match text.split_once('-') {
            None => (text, None),
            Some((hex, count)) => (hex, Some(parse_count(count)?)),
        };
        Ok(Self { md5: parse_hex(hex).ok_or(ETagError)?, parts })
    }

    /// The tag of a body that was put in one piece.
    pub fn of_md5(md5: [u8; 16]) -> Self {
        Self { md5, parts: None }
    }

    /// The tag of an upload of `parts` parts.
    pub(crate) fn of_parts(md5_of_md5s: [u8; 16], parts: u16) -> Self {
        Self { md5: md5_of_md5s, parts: Some(parts) }
    }

    /// The MD5 within the tag.
    pub fn md5(&self) -> &[u8; 16] {
        &self.md5
    }

    /// How many parts the upload had; `None`: the body was put in one piece.
    pub fn parts(&self) -> Option<u16> {
        self.parts
    }
}

fn parse_count(text: &str) -> Result<u16, ETagError> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain).ok_or(ETagError)
}

/// Reads lower or upper case hex digits, exactly as many as fill `N` bytes.
pub(crate) fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2_usize.checked_mul(N)? {
        return None;
    }
    let mut digits = text.chars().map(|digit| digit.to_digit(16));
    for byte in &mut bytes {
        let (high, low) = (digits.next()??, digits.next()??);
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All digits at once: an ETag goes with every answer.
        let digit = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
        let mut digits = [0; 32];
        let (pairs, _) = digits.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(self.md5) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        f.write_str(std::str::from_utf8(&digits).unwrap_or_default())?;
        self.parts.map_or(Ok(()), |parts| write!(f, "-{parts}"))
    }
}

/// A text is not an entity tag that this store can have given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed entity tag")]
pub struct ETagError;

/// The number of a part: 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartNumber(u16);

impl PartNumber {
    /// The least part number.
    pub const FIRST: Self = Self(1);

    /// Takes a number from 1 to 10,000.
    pub fn new(number: u16) -> Result<Self, PartNumberError> {
        (1..=PART_NUMBER_MAX).contains(&number).then_some(Self(number)).ok_or(PartNumberError)
    }

    /// Reads a number from 1 to 10,000.
    pub fn parse(text: &str) -> Result<Self, PartNumberError> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| digits).ok_or(PartNumberError)?;
        Self::new(number)
    }

    /// The number, from 1 to 10,000.
    pub fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Not a number from 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("part number is not between 1 and {PART_NUMBER_MAX}")]
pub struct PartNumberError;

/// Text types print as their text, in errors and logs alike.
macro_rules! prints_as_text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &*self.0)
            }
        }
    )*};
}
prints_as_text!(BucketName, ObjectKey);

/// Ids print as their text.
macro_rules! debugs_as_display {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    )*};
}
debugs_as_display!(VersionId, VersionToken, UploadId, ETag);

impl fmt::Display for VersionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_naming_rules() {
        use BucketNameError::*;
        let check = |text: &str, expected: Result<(), BucketNameError>| {
            assert_eq!(BucketName::parse(text).map(drop), expected, "{text}");
        };
        for good in ["abc", "a-b", "a.b", "0ab", "a--b", "1.2.3", "1.2.3.4.5", "xn-a", "my-xn--a"] {
            check(good, Ok(()));
        }
        check(&"a".repeat(63), Ok(()));
        check("", Err(Length { size: 0 }));
        check("ab", Err(Length { size: 2 }));
        check(&"a".repeat(64), Err(Length { size: 64 }));
        for bad in ["_valet", "aBc", "a_b", "a b", "a/b", "äbc", "ab\0"] {
            check(bad, Err(Character));
        }
        for bad in ["-ab", "ab-", ".ab", "ab.", "..."] {
            check(bad, Err(Ends));
        }
        check("a..b", Err(AdjacentPeriods));
        check("foo.-bar", Err(HyphenAtPeriod));
        check("foo-.bar", Err(HyphenAtPeriod));
        for bad in ["192.168.5.4", "999.1.1.1", "01.02.03.04"] {
            check(bad, Err(IpAddress));
        }
        for prefix in ["xn--a", "sthree-a", "sthree-configurator", "amzn-s3-demo-a"] {
            check(prefix, Err(Reserved));
        }
        for suffix in ["a-s3alias", "a--ol-s3", "a.mrap", "a--x-s3", "a--table-s3"] {
            check(suffix, Err(Reserved));
        }
    }

    #[test]
    fn object_keys_are_utf8_of_limited_length() {
        let check = |bytes: &[u8], expected: Result<(), ObjectKeyError>| {
            assert_eq!(ObjectKey::from_bytes(bytes).map(drop), expected);
        };
        check(b"", Err(ObjectKeyError::Empty));
        check(b"\0", Ok(()));
        check(&[b'x'; 1024], Ok(()));
        check(&[b'x'; 1025], Err(ObjectKeyError::TooLong { size: 1025 }));
        check("é".repeat(512).as_bytes(), Ok(()));
        check("é".repeat(513).as_bytes(), Err(ObjectKeyError::TooLong { size: 1026 }));
        check(b"\xff", Err(ObjectKeyError::NotUtf8));
    }

    #[test]
    fn no_version_id_looks_like_an_option() {
        for first in 0..=u8::MAX {
            let mut random = *b"0123456789abcdef";
            random[0] = first;
            for place in [0, 1, u64::MAX] {
                let token = VersionToken::new(place, random);
                assert!(!token.to_string().starts_with('-'), "{token}");
                assert_eq!(token.place(), place);
            }
        }
    }

    #[test]
    fn version_ids_tell_their_place() {
        for place in [0, 1, PLACES_MAX - 1] {
            let token = VersionToken::new(place, *b"0123456789abcdef");
            let text = token.to_string();
            assert_eq!((text.len(), token.place()), (32, place));
            assert_eq!(VersionId::parse(&text), Ok(VersionId::Id(token)));
        }
        // An id of Amazon S3, and one place too far.
        let beyond = VersionToken::new(PLACES_MAX, *b"0123456789abcdef").to_string();
        for foreign in ["HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD", &beyond] {
            assert_eq!(VersionId::parse(foreign), Err(VersionIdError), "{foreign}");
        }
        assert_eq!(VersionId::parse("null"), Ok(VersionId::Null));
        assert_eq!(VersionId::Null.to_string(), "null");
        for bad in ["", "Null", &"a".repeat(31), &"a".repeat(33), &"=".repeat(32), &"+".repeat(32)]
        {
            assert_eq!(VersionId::parse(bad), Err(VersionIdError), "{bad}");
            assert_eq!(UploadId::parse(bad), Err(UploadIdError), "{bad}");
        }
    }

    #[test]
    fn etags_are_an_md5_and_a_count() {
        let md5 = "0123456789abcdef0123456789abcdef";
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(ETag::parse(text).ok().map(|tag| tag.to_string()).as_deref(), expected);
        };
        check(md5, Some(md5));
        check(&format!("\"{md5}\""), Some(md5));
        check(&md5.to_uppercase(), Some(md5));
        check(&format!("{md5}-10000"), Some(&format!("{md5}-10000")));
        for bad in ["", "*", "\"", "0123", &format!("{md5}0"), &format!("{md5}-")] {
            check(bad, None);
        }
        for bad in ["-0", "-01", "-+1", "-99999", "-1-1"] {
            check(&format!("{md5}{bad}"), None);
        }
    }

    #[test]
    fn part_numbers_are_digits() {
        let part = |text: &str| PartNumber::parse(text).ok().map(PartNumber::number);
        assert_eq!([part("1"), part("10000")], [Some(1), Some(10_000)]);
        for bad in ["", "0", "10001", "-1", "+1", "1 ", "99999999999"] {
            assert_eq!(part(bad), None, "{bad}");
        }
    }
}
