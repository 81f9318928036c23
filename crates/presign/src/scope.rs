//! Where and when a signature holds: its instant, its day, and its credential scope.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// The last part of every credential scope.
pub(crate) const TERMINAL: &str = "aws4_request";

/// An instant in whole seconds, written `yyyyMMdd'T'HHmmss'Z'` in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AmzDate(Timestamp);

impl AmzDate {
    /// Reads `yyyyMMdd'T'HHmmss'Z'` and nothing else. `None`: not in that form, or no such instant.
    pub fn parse(text: &str) -> Option<Self> {
        let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
        let date = parse_date(day)?;
        let [hour, minute, second] = digit_pairs(time)?;
        let instant =
            DateTime::new(date.year(), date.month(), date.day(), hour, minute, second, 0).ok()?;
        Offset::UTC.to_timestamp(instant).ok().map(Self)
    }

    /// The second in which `timestamp` lies.
    pub fn from_timestamp(timestamp: Timestamp) -> Self {
        let fraction = SignedDuration::from_nanos(i64::from(timestamp.subsec_nanosecond()));
        let whole = timestamp.checked_sub(fraction).unwrap_or(timestamp);
        Self(whole)
    }

    /// The instant, in whole seconds.
    pub fn timestamp(self) -> Timestamp {
        self.0
    }

    /// The UTC day in which it lies.
    pub fn day(self) -> AmzDay {
        AmzDay(Offset::UTC.to_datetime(self.0).date())
    }

    /// The instant so many seconds later, or the last one that there is.
    pub(crate) fn plus_seconds(self, seconds: u32) -> Timestamp {
        self.0.saturating_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(self.0)
    }

    /// As written, without the detour through a formatter.
    pub(crate) fn text(self) -> [u8; 16] {
        let at = Offset::UTC.to_datetime(self.0);
        let [c1, c2, y1, y2, m1, m2, d1, d2] = AmzDay(at.date()).text();
        let [[h1, h2], [n1, n2], [s1, s2]] = [at.hour(), at.minute(), at.second()].map(two_digits);
        [c1, c2, y1, y2, m1, m2, d1, d2, b'T', h1, h2, n1, n2, s1, s2, b'Z']
    }
}

impl fmt::Display for AmzDate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_ascii(formatter, &self.text())
    }
}

/// A UTC day, written `yyyyMMdd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AmzDay(Date);

impl AmzDay {
    /// Reads eight digits that name a day. `None`: anything else.
    pub fn parse(text: &str) -> Option<Self> {
        parse_date(text).map(Self)
    }

    /// As written, without the detour through a formatter.
    pub(crate) fn text(self) -> [u8; 8] {
        let Self(date) = self;
        let (century, year) = (date.year() / 100, date.year() % 100);
        let pairs = [century, year].map(|number| i8::try_from(number).unwrap_or_default());
        let [[c1, c2], [y1, y2]] = pairs.map(two_digits);
        let [[m1, m2], [d1, d2]] = [date.month(), date.day()].map(two_digits);
        [c1, c2, y1, y2, m1, m2, d1, d2]
    }
}

impl fmt::Display for AmzDay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_ascii(formatter, &self.text())
    }
}

/// What a signing key is good for: one day, one region, one service.
///
/// Displayed as in a string to sign: `day/region/service/aws4_request`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CredentialScope<'a> {
    /// The day on which the signature was made.
    pub day: AmzDay,
    /// The region that the key is for, for instance `us-east-1`.
    pub region: Cow<'a, str>,
    /// The service that the key is for: `s3` for object storage.
    pub service: Cow<'a, str>,
}

impl CredentialScope<'_> {
    /// The same scope, borrowing nothing.
    pub fn into_owned(self) -> CredentialScope<'static> {
        let Self { day, region, service } = self;
        CredentialScope {
            day,
            region: Cow::Owned(region.into_owned()),
            service: Cow::Owned(service.into_owned()),
        }
    }
}

impl CredentialScope<'_> {
    /// Appends the scope as `Display` writes it, without a formatter.
    pub(crate) fn push_to(&self, buffer: &mut Vec<u8>) {
        let Self { day, region, service } = self;
        buffer.extend_from_slice(&day.text());
        for part in [region, service, TERMINAL] {
            buffer.push(b'/');
            buffer.extend_from_slice(part.as_bytes());
        }
    }
}

impl fmt::Display for CredentialScope<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { day, region, service } = self;
        write!(formatter, "{day}/{region}/{service}/{TERMINAL}")
    }
}

fn parse_date(text: &str) -> Option<Date> {
    let [century, year, month, day] = digit_pairs(text)?;
    Date::new(i16::from(century) * 100 + i16::from(year), month, day).ok()
}

/// `N` pairs of decimal digits, and not a byte more.
fn digit_pairs<const N: usize>(text: &str) -> Option<[i8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let pairs: &[[u8; 2]; N] = pairs.try_into().ok()?;
    if !rest.is_empty() || !pairs.as_flattened().iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(pairs.map(|[tens, ones]| {
        let number = (tens - b'0') * 10 + (ones - b'0');
        i8::try_from(number).unwrap_or(i8::MAX)
    }))
}

/// A number below 100 as two digits.
fn two_digits(number: i8) -> [u8; 2] {
    let number = number.unsigned_abs() % 100;
    [b'0' + number / 10, b'0' + number % 10]
}

fn write_ascii(formatter: &mut fmt::Formatter<'_>, text: &[u8]) -> fmt::Result {
    text.iter().try_for_each(|byte| formatter.write_char(char::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_in_one_form_only() {
        fn check(text: &str, expected: Option<&str>) {
            let read = AmzDate::parse(text).map(|date| date.timestamp().to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
        check("20130524T000000Z", Some("2013-05-24T00:00:00Z"));
        check("20240229T235959Z", Some("2024-02-29T23:59:59Z"));
        check("20130229T000000Z", None);
        check("20130524T240000Z", None);
        check("20130524T006000Z", None);
        check("20130524T000000.5Z", None);
        check("20130524T000000", None);
        check("20130524t000000z", None);
        check("2013-05-24T00:00:00Z", None);
        check("+0130524T000000Z", None);
        check("２0130524T000000Z", None);
        check("99991231T235959Z", None);
        check("", None);
    }

    #[test]
    fn a_day_is_eight_digits() {
        fn check(text: &str, expected: Option<&str>) {
            assert_eq!(AmzDay::parse(text).map(|day| day.to_string()).as_deref(), expected);
        }
        check("20130524", Some("20130524"));
        check("00010101", Some("00010101"));
        check("20131301", None);
        check("2013052", None);
        check("201305240", None);
        check("2013 524", None);
    }

    #[test]
    fn a_date_is_whole_seconds_and_written_as_read() {
        let date = AmzDate::from_timestamp("2013-05-24T01:02:03.999Z".parse().unwrap());
        assert_eq!(date.to_string(), "20130524T010203Z");
        assert_eq!(AmzDate::parse("20130524T010203Z"), Some(date));
        assert_eq!(date.day().to_string(), "20130524");
    }

    #[test]
    fn a_scope_is_written_as_in_a_string_to_sign() {
        let scope = CredentialScope {
            day: AmzDay::parse("20130524").unwrap(),
            region: "us-east-1".into(),
            service: "s3".into(),
        };
        let mut buffer = Vec::new();
        scope.push_to(&mut buffer);
        assert_eq!(buffer, b"20130524/us-east-1/s3/aws4_request");
        assert_eq!(scope.to_string().as_bytes(), buffer);
    }
}
