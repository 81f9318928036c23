//! Percent-encoding as signatures use it: RFC 3986 unreserved bytes stay, all others are `%XX`.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// Percent-decodes once.
///
/// `+` stays a plus, as in a path, and a `%` that is not followed by two hex digits stays a `%`. Borrowed when
/// there is nothing to decode.
pub fn decode_component(text: &str) -> Cow<'_, [u8]> {
    if memchr(b'%', text.as_bytes()).is_none() {
        return Cow::Borrowed(text.as_bytes());
    }
    Cow::Owned(DecodedBytes::of_path(text).collect())
}

/// Percent-decodes a name or value of a query once, where `+` is a space: so forms write it, and so
/// S3 reads it, in every parameter.
///
/// A `%` that is not followed by two hex digits stays a `%`. Borrowed when there is nothing to decode.
pub fn decode_query_component(text: &str) -> Cow<'_, [u8]> {
    if memchr2(b'%', b'+', text.as_bytes()).is_none() {
        return Cow::Borrowed(text.as_bytes());
    }
    Cow::Owned(DecodedBytes::of_query(text).collect())
}

/// Percent-encodes all but the unreserved bytes `A-Z a-z 0-9 - _ . ~`, with upper-case digits.
pub fn encode_component(bytes: &[u8]) -> String {
    let mut encoded = Vec::with_capacity(bytes.len());
    push_encoded(&mut encoded, bytes, Slash::Encoded);
    ascii_string(encoded)
}

/// The same as [`encode_component`], but `/` stays: for a path or an object key in a path.
pub fn encode_path(bytes: &[u8]) -> String {
    let mut encoded = Vec::with_capacity(bytes.len());
    push_encoded(&mut encoded, bytes, Slash::Kept);
    ascii_string(encoded)
}

/// Whether `/` is encoded like other reserved characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slash {
    /// `/` stays, as it must in a path.
    Kept,
    /// In a query name or value.
    Encoded,
}

impl Slash {
    fn stays(self, byte: u8) -> bool {
        const COMPONENT: [bool; 256] = staying(Slash::Encoded);
        const PATH: [bool; 256] = staying(Slash::Kept);
        let staying = match self {
            Self::Kept => &PATH,
            Self::Encoded => &COMPONENT,
        };
        staying.get(usize::from(byte)).is_some_and(|stays| *stays)
    }
}

/// Appends `bytes`, percent-encoded as SigV4 demands: all but letters, digits, `-`, `.`, `_` and `~`.
pub(crate) fn push_encoded(buffer: &mut Vec<u8>, bytes: &[u8], slash: Slash) {
    let mut rest = bytes;
    while let Some(run) = rest.iter().position(|byte| !slash.stays(*byte)) {
        let (kept, tail) = rest.split_at(run);
        buffer.extend_from_slice(kept);
        if let Some((byte, tail)) = tail.split_first() {
            push_escape(buffer, *byte);
            rest = tail;
        }
    }
    buffer.extend_from_slice(rest);
}

/// Appends a path, decoded once and encoded again: what two spellings of the same bytes share
/// (semantics 1.2.5).
pub(crate) fn push_recoded_path(buffer: &mut Vec<u8>, path: &str) {
    if memchr(b'%', path.as_bytes()).is_none() {
        push_encoded(buffer, path.as_bytes(), Slash::Kept);
        return;
    }
    push_all(buffer, DecodedBytes::of_path(path), Slash::Kept);
}

/// The same of a name or value of a query; borrowed when that changes nothing, as it does for what
/// signers write.
pub(crate) fn recode_query(text: &str) -> Cow<'_, str> {
    if is_recoded_query(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let mut buffer = Vec::with_capacity(text.len());
    push_all(&mut buffer, DecodedBytes::of_query(text), Slash::Encoded);
    Cow::Owned(ascii_string(buffer))
}

fn push_all(buffer: &mut Vec<u8>, bytes: DecodedBytes<'_>, slash: Slash) {
    for byte in bytes {
        if slash.stays(byte) {
            buffer.push(byte);
        } else {
            push_escape(buffer, byte);
        }
    }
}

/// Whether [`recode_query`] would write the text as it is.
fn is_recoded_query(text: &[u8]) -> bool {
    let slash = Slash::Encoded;
    let mut rest = text;
    while let Some(run) = rest.iter().position(|byte| !slash.stays(*byte)) {
        let (_, [b'%', high, low, tail @ ..]) = rest.split_at(run) else { return false };
        match (upper_hex_value(*high), upper_hex_value(*low)) {
            (Some(high), Some(low)) if !slash.stays(high << 4 | low) => rest = tail,
            _ => return false,
        }
    }
    true
}

/// The value of a hex digit, if it is one in lower case.
pub(crate) const fn lower_hex_value(digit: u8) -> Option<u8> {
    if digit.is_ascii_uppercase() { None } else { hex_value(digit) }
}

const fn upper_hex_value(digit: u8) -> Option<u8> {
    if digit.is_ascii_lowercase() { None } else { hex_value(digit) }
}

/// The lower-case hex digits of a SHA-256 or an HMAC of it.
pub(crate) fn hex_digits(digest: &[u8; 32]) -> [u8; 64] {
    let mut digits = [0; 64];
    let (pairs, _) = digits.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(digest) {
        *pair = [hex_digit(byte >> 4, b'a'), hex_digit(byte & 15, b'a')];
    }
    digits
}

/// The digest as text: 64 lower-case hex digits.
pub(crate) fn hex_of(digest: &[u8; 32]) -> String {
    ascii_string(hex_digits(digest).to_vec())
}

/// What stands before and after the first such byte, which is ASCII. `None`: there is none.
pub(crate) fn cut(text: &str, byte: u8) -> Option<(&str, &str)> {
    let (before, rest) = text.split_at_checked(memchr(byte, text.as_bytes())?)?;
    Some((before, rest.get(1..)?))
}

/// `buffer` as text; what this crate writes itself is ASCII, so nothing is ever replaced there.
pub(crate) fn ascii_string(buffer: Vec<u8>) -> String {
    String::from_utf8(buffer)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn push_escape(buffer: &mut Vec<u8>, byte: u8) {
    buffer.extend_from_slice(&[b'%', hex_digit(byte >> 4, b'A'), hex_digit(byte & 15, b'A')]);
}

const fn hex_digit(nibble: u8, ten: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { ten + (nibble - 10) }
}

/// Which bytes are not escaped, as a table: every byte of a query is looked up in it.
#[expect(clippy::indexing_slicing, reason = "every byte is below 256")]
const fn staying(slash: Slash) -> [bool; 256] {
    let mut staying = [false; 256];
    let (mut at, mut byte) = (0, 0u8);
    while at < staying.len() {
        let in_path = byte == b'/' && matches!(slash, Slash::Kept);
        staying[at] = is_unreserved(byte) || in_path;
        (at, byte) = (at + 1, byte.wrapping_add(1));
    }
    staying
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~')
}

/// The bytes that a percent-encoded text stands for.
struct DecodedBytes<'a> {
    rest: &'a [u8],
    /// What a `+` stands for.
    plus: u8,
}

impl<'a> DecodedBytes<'a> {
    fn of_path(path: &'a str) -> Self {
        Self { rest: path.as_bytes(), plus: b'+' }
    }

    fn of_query(text: &'a str) -> Self {
        Self { rest: text.as_bytes(), plus: b' ' }
    }
}

impl Iterator for DecodedBytes<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (byte, tail) = match self.rest {
            [b'%', high, low, tail @ ..] => match (hex_value(*high), hex_value(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, tail),
                _ => (b'%', self.rest.get(1..).unwrap_or_default()),
            },
            [b'+', tail @ ..] => (self.plus, tail),
            [byte, tail @ ..] => (*byte, tail),
            [] => return None,
        };
        self.rest = tail;
        Some(byte)
    }
}

const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_is_done_once_and_leaves_what_is_not_an_escape() {
        fn check(text: &str, expected: &[u8]) {
            assert_eq!(*decode_component(text), *expected, "{text}");
        }
        check("", b"");
        check("a+b", b"a+b");
        check("%41%2f%2F", b"A//");
        check("%2541", b"%41");
        check("%", b"%");
        check("%4", b"%4");
        check("%zz%4g%%41", b"%zz%4g%A");
        check("%FF%00", b"\xff\x00");
    }

    #[test]
    fn encoding_keeps_the_unreserved_bytes_alone() {
        fn check(bytes: &[u8], component: &str, path: &str) {
            assert_eq!(encode_component(bytes), component);
            assert_eq!(encode_path(bytes), path);
        }
        check(b"AZaz09-_.~", "AZaz09-_.~", "AZaz09-_.~");
        check(b"a/b c", "a%2Fb%20c", "a/b%20c");
        check(b"!'()*+=&%", "%21%27%28%29%2A%2B%3D%26%25", "%21%27%28%29%2A%2B%3D%26%25");
        check("é".as_bytes(), "%C3%A9", "%C3%A9");
        check(b"\x00\x7f\xff", "%00%7F%FF", "%00%7F%FF");
    }

    #[test]
    fn every_spelling_of_the_same_bytes_is_recoded_alike() {
        fn path(text: &str, expected: &str) {
            let mut buffer = Vec::new();
            push_recoded_path(&mut buffer, text);
            assert_eq!(ascii_string(buffer), expected, "{text}");
        }
        fn query(text: &str, expected: &str) {
            let recoded = recode_query(text);
            assert_eq!(recoded, expected, "{text}");
            assert_eq!(matches!(recoded, Cow::Borrowed(_)), text == expected, "{text}");
        }
        query("a%2Fb~%00%FF", "a%2Fb~%00%FF");
        query("%", "%25");
        query("%2", "%252");
        query("a/%2Fb%zz", "a%2F%2Fb%25zz");
        query("a+b%2Bc%20d", "a%20b%2Bc%20d");
        path("%7E%2F", "~/");
        path("/a!%21%2b%2B+~%7e", "/a%21%21%2B%2B%2B~~");
        path("//a/../%2e/", "//a/.././");
    }

    #[test]
    fn a_plus_is_a_space_in_a_query_alone() {
        assert_eq!(*decode_query_component("a+b%2Bc%20d+"), *b"a b+c d ");
        assert_eq!(*decode_component("a+b%2Bc%20d+"), *b"a+b+c d+");
        assert!(matches!(decode_query_component("ab"), Cow::Borrowed(b"ab")));
    }
}
