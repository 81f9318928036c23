//! From when to when a certificate is valid, read from its DER. Whether it is to be trusted, TLS has judged before.

use jiff::Timestamp;

const SEQUENCE: u8 = 0x30;
/// The version, which certificates of version 1 do not have.
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The first and the last instant in which a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

/// When a certificate is valid; `None`: it cannot be read.
pub(super) fn validity(certificate: &[u8]) -> Option<Validity> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (signed, _) = element(certificate, SEQUENCE)?;
    // After the version: serial number, signature algorithm, issuer, and then from when to when.
    let mut rest = match element(signed, VERSION) {
        Some((_, rest)) => rest,
        None => signed,
    };
    for _ in 0..3 {
        (_, _, rest) = any_element(rest)?;
    }
    let (validity, _) = element(rest, SEQUENCE)?;
    let (from_tag, from, rest) = any_element(validity)?;
    let (until_tag, until, _) = any_element(rest)?;
    Some(Validity { from: time(from_tag, from)?, until: time(until_tag, until)? })
}

/// A time as certificates write it: `YYMMDDhhmmssZ` of 1950 to 2049, or `YYYYMMDDhhmmssZ`.
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let digits = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let century = match tag {
        UTC_TIME if digits.get(..2)? < "50" => "20",
        UTC_TIME => "19",
        GENERALIZED_TIME => "",
        _ => return None,
    };
    let whole = format!("{century}{digits}");
    let (day, time) = whole.split_at_checked(8)?;
    format!("{day}T{time}Z").parse().ok()
}

/// The content of an element with this tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = any_element(der)?;
    (found == tag).then_some((content, rest))
}

/// Tag and content of the first element, and what follows it.
fn any_element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
        rest = after;
        length = 0;
        for byte in bytes {
            length = length.checked_mul(256)?.checked_add(usize::from(*byte))?;
        }
    }
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let check = |tag: u8, text: &str, expected: Option<&str>| {
            assert_eq!(
                time(tag, text.as_bytes()).map(|it| it.to_string()).as_deref(),
                expected,
                "{text}"
            );
        };
        check(UTC_TIME, "261130120000Z", Some("2026-11-30T12:00:00Z"));
        check(UTC_TIME, "991130120000Z", Some("1999-11-30T12:00:00Z"));
        check(GENERALIZED_TIME, "20501130120000Z", Some("2050-11-30T12:00:00Z"));
        for text in ["", "Z", "é61130120000Z", "261130120000", "261330120000Z"] {
            check(UTC_TIME, text, None);
        }
        check(SEQUENCE, "261130120000Z", None);
    }

    #[test]
    fn what_is_cut_off_is_not_read() {
        // A certificate of nothing but what stands before its end.
        let times = [
            &[SEQUENCE, 30, UTC_TIME, 13][..],
            b"250101000000Z",
            &[UTC_TIME, 13],
            b"261130120000Z",
        ]
        .concat();
        let before = [0xa0, 3, 2, 1, 2, 2, 1, 7, SEQUENCE, 0, SEQUENCE, 0];
        let signed = [&before[..], &times].concat();
        let length = u8::try_from(signed.len()).unwrap();
        let certificate = [&[SEQUENCE, 0x81, length + 2, SEQUENCE, length][..], &signed].concat();
        let read = validity(&certificate).unwrap();
        assert_eq!(read.from.to_string(), "2025-01-01T00:00:00Z");
        assert_eq!(read.until.to_string(), "2026-11-30T12:00:00Z");
        for end in 0..certificate.len() {
            assert_eq!(validity(certificate.get(..end).unwrap()), None, "{end}");
        }
    }
}
