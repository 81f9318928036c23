//! Base64 as CloudFront writes it in URLs and cookies (semantics 7.3.2): the standard alphabet, with three characters
//! replaced, and with padding. It is not base64url.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Writes bytes as a parameter or cookie carries them.
pub(super) fn encode(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    text.chars()
        .map(|character| match character {
            '+' => '-',
            '=' => '_',
            '/' => '~',
            other => other,
        })
        .collect()
}

/// Reads the text of a parameter or cookie; `None`: it is not written so.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let standard = text.iter().map(|byte| match byte {
        b'-' => Some(b'+'),
        b'_' => Some(b'='),
        b'~' => Some(b'/'),
        // Another spelling of the same bytes would be another text under the same signature.
        b'+' | b'=' | b'/' => None,
        other => Some(*other),
    });
    STANDARD.decode(standard.collect::<Option<Vec<_>>>()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_characters_are_replaced() {
        for (bytes, text) in
            [(&b"\xfb\xff"[..], "-~8_"), (b"", ""), (b"a", "YQ__"), (b"abc", "YWJj")]
        {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(bytes), "{text}");
        }
        for bad in ["+/8=", "YQ==", "YQ", "Y", "Y Q_", "YR__", "\u{e9}"] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
    }
}
