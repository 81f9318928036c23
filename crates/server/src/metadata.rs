//! How S3 stores and sends the texts of headers: user metadata by RFC 2047, everything else as ISO 8859-1.
//!
//! A header is bytes, and S3 reads each byte as one character. In user metadata it decodes encoded words
//! (`=?UTF-8?Q?…?=`) when they are sent, and encodes text that no header can carry when it answers.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;

/// Reads the bytes of a header as ISO 8859-1 text.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Writes text as a header. A character that ISO 8859-1 does not have becomes a space. `None` if the text has
/// characters that no header can carry.
pub(crate) fn latin1_value(text: &str) -> Option<HeaderValue> {
    let byte = |character| u8::try_from(u32::from(character)).unwrap_or(b' ');
    HeaderValue::from_bytes(&text.chars().map(byte).collect::<Vec<u8>>()).ok()
}

/// User metadata with its encoded words decoded. A word that cannot be decoded stays as it is.
pub(crate) fn decode(sent: &str) -> Cow<'_, str> {
    if !sent.contains("=?") {
        return Cow::Borrowed(sent);
    }
    let (mut decoded, mut rest, mut after_word) = (String::with_capacity(sent.len()), sent, false);
    while let Some(start) = rest.find("=?") {
        let (before, from) = rest.split_at(start);
        let Some((word, behind)) = read_word(from) else {
            // Not an encoded word: its first two characters are text, and the search goes on after them.
            let (text, behind) = rest.split_at(start + 2);
            decoded.push_str(text);
            (rest, after_word) = (behind, false);
            continue;
        };
        // White space between two encoded words is dropped (RFC 2047, 6.2).
        if !(after_word && before.chars().all(char::is_whitespace)) {
            decoded.push_str(before);
        }
        decoded.push_str(&word);
        (rest, after_word) = (behind, true);
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// Decodes the encoded word that `from` begins with; also returns the rest after it.
fn read_word(from: &str) -> Option<(String, &str)> {
    let (charset, rest) = from.strip_prefix("=?")?.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (text, behind) = rest.split_once("?=")?;
    let bytes = match encoding {
        "B" | "b" => STANDARD.decode(text).ok()?,
        "Q" | "q" => unquote(text)?,
        _ => return None,
    };
    let text = match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "us-ascii" => String::from_utf8(bytes).ok()?,
        "iso-8859-1" => latin1(&bytes),
        _ => return None,
    };
    Some((text, behind))
}

fn unquote(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'_' => b' ',
            b'=' => {
                let digits = [rest.next()?, rest.next()?].map(char::from);
                let [high, low] = digits.map(|digit| digit.to_digit(16));
                u8::try_from(high? << 4 | low?).ok()?
            }
            other => other,
        });
    }
    Some(bytes)
}

/// User metadata as a header can carry it: ASCII as it is, other text as one encoded word. As S3 does,
/// printable text is quoted, and text with control characters is base64.
pub(crate) fn encode(value: &str) -> Cow<'_, str> {
    if value.bytes().all(|byte| byte == b'\t' || (32..127).contains(&byte)) {
        return Cow::Borrowed(value);
    }
    if value.chars().any(|character| character.is_control() || character == '\u{fffd}') {
        return Cow::Owned(format!("=?UTF-8?B?{}?=", STANDARD.encode(value)));
    }
    let mut word = String::from("=?UTF-8?Q?");
    for byte in value.bytes() {
        match byte {
            b' ' => word.push('_'),
            b'=' | b'?' | b'_' | 127.. => {
                use std::fmt::Write;
                // Writing to a `String` cannot fail.
                let _ = write!(word, "={byte:02X}");
            }
            plain => word.push(char::from(plain)),
        }
    }
    word.push_str("?=");
    Cow::Owned(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As S3 answered in 2026 (recorded by the tests of `LocalStack` on user metadata), and the example of its
    /// user guide ("Working with object metadata").
    #[test]
    fn metadata_is_told_as_by_s3() {
        let check = |value: &str, expected: &str| assert_eq!(encode(value), expected, "{value:?}");
        check("plain value", "plain value");
        check(
            "test_—_file%E2%80%94_é_2?.pdf",
            "=?UTF-8?Q?test=5F=E2=80=94=5Ffile%E2%80%94=5F=C3=A9=5F2=3F.pdf?=",
        );
        check("ÄMÄZÕÑ S3", "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?=");
        check("\0\u{1}\u{2}\u{3}", "=?UTF-8?B?AAECAw==?=");
        check("\u{fffd}".repeat(7).as_str(), "=?UTF-8?B?77+977+977+977+977+977+977+9?=");
        let safe = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ \t";
        check(safe, safe);
        let sent = latin1("ÄMÄZÕÑ S3".as_bytes());
        check(&sent, "=?UTF-8?B?w4PChE3Dg8KEWsODwpXDg8KRIFMz?=");
    }

    #[test]
    fn encoded_words_are_read() {
        let check = |sent: &str, expected: &str| assert_eq!(decode(sent), expected, "{sent}");
        check("plain", "plain");
        check("=?UTF-8?Q?actually-ascii?=", "actually-ascii");
        check("=?UTF-8?B?YWJj?=", "abc");
        check("=?utf-8?q?=C3=84M_S3?=", "ÄM S3");
        check("=?ISO-8859-1?Q?=E9?=", "é");
        check("a =?UTF-8?Q?b?= =?UTF-8?Q?c?= d", "a bc d");
        for kept in [
            "=?",
            "a=?b",
            "=?UTF-8?",
            "=?UTF-8?Q?a",
            "=?UTF-8?X?a?=",
            "=?KOI8-R?Q?a?=",
            "=?UTF-8?Q?=?=",
            "=?UTF-8?Q?=G0?=",
            "=?UTF-8?B?=GGG?=",
            "=?UTF-8?Q?=FF?=",
        ] {
            check(kept, kept);
        }
        check("=?UTF-8?B?*?= =?UTF-8?B?YWJj?=", "=?UTF-8?B?*?= abc");
    }

    #[test]
    fn whatever_is_told_is_read_again() {
        for value in ["", "a b", "é_= ?", "\u{1}\r\n", "=?UTF-8?é", "👑 crown"] {
            assert_eq!(decode(&encode(value)), value, "{value:?}");
        }
    }

    #[test]
    fn other_texts_are_latin_1() {
        let check = |text: &str, expected: Option<&[u8]>| {
            assert_eq!(
                latin1_value(text).as_ref().map(HeaderValue::as_bytes),
                expected,
                "{text:?}"
            );
        };
        check("é", Some(b"\xe9"));
        check("a—b", Some(b"a b"));
        check(&latin1("—".as_bytes()), Some("—".as_bytes()));
        check("a\nb", None);
    }
}
