//! Values as conditions compare them: numbers, dates, networks and bytes.

use core::net::IpAddr;
use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Compares two decimal numbers exactly, however long they are; `None`: one of them is none.
pub(crate) fn compare_numbers(left: &str, right: &str) -> Option<Ordering> {
    Some(Decimal::parse(left)?.cmp(&Decimal::parse(right)?))
}

/// A decimal number: sign, digits, and digits after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decimal<'a> {
    negative: bool,
    /// The digits before the point, without leading zeros; empty for zero.
    whole: &'a str,
    /// The digits after the point, without trailing zeros; empty for an integer.
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (unsigned, ""),
        };
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
            return None;
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let zero = whole.is_empty() && fraction.is_empty();
        Some(Self { negative: text.starts_with('-') && !zero, whole, fraction })
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let magnitude = |one: &Self, two: &Self| {
            one.whole
                .len()
                .cmp(&two.whole.len())
                .then_with(|| one.whole.cmp(two.whole))
                .then_with(|| one.fraction.cmp(two.fraction))
        };
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => magnitude(self, other),
            (true, true) => magnitude(other, self),
        }
    }
}

/// A moment, as ISO 8601 or in seconds since 1970 spell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date(pub(crate) Timestamp);

impl Date {
    /// Reads a date, or a date and time; without an offset it is UTC.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Ok(seconds) = text.parse::<i64>() {
            return Timestamp::from_second(seconds).ok().map(Self);
        }
        if let Ok(timestamp) = text.parse::<Timestamp>() {
            return Some(Self(timestamp));
        }
        let civil = text.parse::<DateTime>().ok()?;
        TimeZone::UTC.to_timestamp(civil).ok().map(Self)
    }
}

/// A network of addresses, v4 or v6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network(pub(crate) IpNet);

impl Network {
    /// Reads `address/length`, or an address alone. A v4-mapped v6 network is the v4 one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        const MAPPED_BITS: u8 = 96;
        let network = match text.parse::<IpNet>() {
            Ok(network) => network,
            Err(_) => IpNet::from(text.parse::<IpAddr>().ok()?),
        };
        if let IpNet::V6(v6) = network
            && let Some(v4) = v6.addr().to_ipv4_mapped()
            && let Some(length) = v6.prefix_len().checked_sub(MAPPED_BITS)
        {
            return IpNet::new(v4.into(), length).ok().map(Self);
        }
        Some(Self(network))
    }

    /// Whether it contains that address; `None`: that is none.
    pub(crate) fn contains(&self, address: &str) -> Option<bool> {
        let address = address.parse::<IpAddr>().ok()?.to_canonical();
        Some(self.0.contains(&address))
    }
}

/// Bytes that are spelled in base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(Vec<u8>);

impl Bytes {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_as_decimals() {
        use Ordering::{Equal, Greater, Less};
        for (left, right, expected) in [
            ("1", "1.0", Some(Equal)),
            ("01", "1", Some(Equal)),
            ("-0", "0", Some(Equal)),
            ("+5", "5", Some(Equal)),
            (".5", "0.50", Some(Equal)),
            ("10", "9", Some(Greater)),
            ("1.25", "1.3", Some(Less)),
            ("-2", "-1", Some(Less)),
            ("-1", "1", Some(Less)),
            ("1", "-1", Some(Greater)),
            ("18446744073709551617", "18446744073709551616", Some(Greater)),
            ("0.1", "0.10000000000000000001", Some(Less)),
            ("1.", "1", None),
            ("", "1", None),
            ("1e3", "1", None),
            ("0x1", "1", None),
            ("1", "-", None),
            ("1", "--1", None),
        ] {
            assert_eq!(compare_numbers(left, right), expected, "{left} and {right}");
        }
    }

    #[test]
    fn dates_are_iso_8601_or_seconds() {
        for (text, expected) in [
            ("1561939200", Some(1_561_939_200)),
            ("2019-07-01", Some(1_561_939_200)),
            ("2019-07-01T00:00Z", Some(1_561_939_200)),
            ("2019-07-01T00:00:00Z", Some(1_561_939_200)),
            ("2019-07-01T00:00:00.000Z", Some(1_561_939_200)),
            ("2019-07-01T02:00:00+02:00", Some(1_561_939_200)),
            ("2019-07-01T00:00:00", Some(1_561_939_200)),
            ("20190701T000000Z", Some(1_561_939_200)),
            ("2019-13-01", None),
            ("soon", None),
            ("", None),
        ] {
            let read = Date::parse(text).map(|date| date.0.as_second());
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn networks_know_both_families() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.1.2.3", Some(true)),
            ("10.0.0.0/8", "11.1.2.3", Some(false)),
            ("10.0.0.0/8", "::ffff:10.1.2.3", Some(true)),
            ("::ffff:10.0.0.0/104", "10.1.2.3", Some(true)),
            ("192.0.2.1", "192.0.2.1", Some(true)),
            ("192.0.2.1", "192.0.2.2", Some(false)),
            ("192.0.2.77/24", "192.0.2.1", Some(true)),
            ("2001:db8::/32", "2001:db8:1::1", Some(true)),
            ("2001:db8::1", "2001:db8::2", Some(false)),
            ("0.0.0.0/0", "2001:db8::2", Some(false)),
            ("::/0", "10.1.2.3", Some(false)),
            ("10.0.0.0/8", "somewhere", None),
        ] {
            let read = Network::parse(network).unwrap();
            assert_eq!(read.contains(address), expected, "{network} and {address}");
        }
        for bad in ["", "10.0.0.0/33", "10.0.0", "here", "10.0.0.0/8 "] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }
}
