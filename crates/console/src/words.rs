//! Sizes, times and addresses as pages show them.

use jiff::Timestamp;
use maud::{Markup, html};
use presign::encode_component;

/// A number of bytes, in the unit in which it has one to four digits.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let (mut whole, mut tenth, mut unit) = (bytes, 0, None);
    for name in UNITS {
        if whole < 1024 {
            break;
        }
        tenth = whole % 1024 * 10 / 1024;
        whole /= 1024;
        unit = Some(name);
    }
    match unit {
        None => format!("{whole} B"),
        Some(unit) if whole < 100 => format!("{whole}.{tenth} {unit}"),
        Some(unit) => format!("{whole} {unit}"),
    }
}

/// A time: in UTC, and for readers with scripts at their own place and with its distance.
pub(crate) fn time(at: Timestamp) -> Markup {
    let whole = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    html! { time datetime=(whole) { (at.strftime("%-d %B %Y, %H:%M UTC").to_string()) } }
}

/// A value of a query.
pub(crate) fn value(text: &str) -> String {
    encode_component(text.as_bytes())
}

/// The address of a listing.
pub(crate) fn objects_at(base: &str, bucket: &str, prefix: &str) -> String {
    match prefix {
        "" => format!("{base}/buckets/{bucket}"),
        prefix => format!("{base}/buckets/{bucket}?prefix={}", value(prefix)),
    }
}

/// The address of an object's page.
pub(crate) fn object_at(base: &str, bucket: &str, key: &str) -> String {
    format!("{base}/buckets/{bucket}/object?key={}", value(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_few_digits() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (102_400, "100 KiB"),
            (1 << 20, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16777215 TiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }
}
