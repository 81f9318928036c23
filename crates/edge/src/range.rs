//! Ranges and conditions of a viewer, over the head of an answer.

use std::ops::Range;
use std::time::SystemTime;

use http::header::{
    ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
    RANGE,
};
use http::{HeaderMap, HeaderName};

/// What a viewer wants of a body whose length is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Whole,
    Part(Range<u64>),
    /// The range begins behind the end.
    Nothing,
}

/// A range as it is asked for, before anybody knows how long the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AskedRange {
    /// From a byte to another, which is the last of them.
    FromTo(u64, u64),
    From(u64),
    /// So many bytes at the end.
    Last(u64),
}

impl AskedRange {
    /// Reads the header. Several ranges, and what is none, are no range: the whole body is sent, as S3 does.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(RANGE)?.to_str().ok()?;
        let (from, to) = text.strip_prefix("bytes=")?.trim().split_once('-')?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().unwrap_or(u64::MAX))
        };
        match (from, to) {
            ("", last) => number(last).map(Self::Last),
            (from, "") => number(from).map(Self::From),
            (from, to) => {
                let (from, to) = (number(from)?, number(to)?);
                (from <= to).then_some(Self::FromTo(from, to))
            }
        }
    }

    /// The range within a body.
    pub(crate) fn of_length(self, length: u64) -> Wanted {
        let range = match self {
            Self::FromTo(from, to) => from..to.saturating_add(1).min(length),
            Self::From(from) => from..length,
            Self::Last(0) => return Wanted::Nothing,
            Self::Last(last) => length.saturating_sub(last)..length,
        };
        if range.is_empty() { Wanted::Nothing } else { Wanted::Part(range) }
    }
}

/// What the conditions of a request say of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Holds,
    NotModified,
    Failed,
}

/// Judges the conditions, in the order of RFC 9110.
pub(crate) fn condition(asked: &HeaderMap, head: &HeaderMap) -> Condition {
    let etag = head.get(ETAG).and_then(|etag| etag.to_str().ok());
    let named = |name: HeaderName, weakly: bool| {
        let lines = asked.get_all(name).iter().filter_map(|line| line.to_str().ok());
        let mut tags = lines.flat_map(|line| line.split(',')).map(str::trim);
        tags.any(|tag| tag == "*" || etag.is_some_and(|etag| is_same(tag, etag, weakly)))
    };
    let changed_since = |name: HeaderName| {
        let since = date(asked, name)?;
        Some(date(head, LAST_MODIFIED)? > since)
    };
    if asked.contains_key(IF_MATCH) {
        if !named(IF_MATCH, false) {
            return Condition::Failed;
        }
    } else if changed_since(IF_UNMODIFIED_SINCE) == Some(true) {
        return Condition::Failed;
    }
    if asked.contains_key(IF_NONE_MATCH) {
        if named(IF_NONE_MATCH, true) {
            return Condition::NotModified;
        }
    } else if changed_since(IF_MODIFIED_SINCE) == Some(false) {
        return Condition::NotModified;
    }
    Condition::Holds
}

/// The range that is asked for, if the answer is still the one that the viewer has a part of.
pub(crate) fn wanted(asked: &HeaderMap, head: &HeaderMap, length: u64) -> Wanted {
    let Some(range) = AskedRange::read(asked) else { return Wanted::Whole };
    let is_same_one = match asked.get(IF_RANGE) {
        None => true,
        Some(of) => {
            let same_tag = head
                .get(ETAG)
                .is_some_and(|etag| etag == of && !etag.as_bytes().starts_with(b"W/"));
            let since = date(asked, IF_RANGE);
            same_tag || (since.is_some() && since == date(head, LAST_MODIFIED))
        }
    };
    if is_same_one { range.of_length(length) } else { Wanted::Whole }
}

fn is_same(one: &str, other: &str, weakly: bool) -> bool {
    let bare = |tag: &str| tag.trim_start_matches("W/").trim_matches('"').to_owned();
    let weak = one.starts_with("W/") || other.starts_with("W/");
    (weakly || !weak) && bare(one) == bare(other)
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
            .collect()
    }

    #[test]
    fn one_range_is_served_and_no_other_form_is_one() {
        for (text, length, expected) in [
            ("bytes=0-0", 10, Wanted::Part(0..1)),
            ("bytes=2-4", 10, Wanted::Part(2..5)),
            ("bytes=2-99", 10, Wanted::Part(2..10)),
            ("bytes=9-", 10, Wanted::Part(9..10)),
            ("bytes=10-", 10, Wanted::Nothing),
            ("bytes=-3", 10, Wanted::Part(7..10)),
            ("bytes=-99", 10, Wanted::Part(0..10)),
            ("bytes=-0", 10, Wanted::Nothing),
            ("bytes=0-", 0, Wanted::Nothing),
            ("bytes=0-99999999999999999999999", 10, Wanted::Part(0..10)),
            ("bytes=4-2", 10, Wanted::Whole),
            ("bytes=0-1,3-4", 10, Wanted::Whole),
            ("bytes=a-b", 10, Wanted::Whole),
            ("bytes=-", 10, Wanted::Whole),
            ("items=0-1", 10, Wanted::Whole),
        ] {
            let asked = headers(&[]);
            let mut asked = asked;
            asked.insert(RANGE, HeaderValue::from_static(text));
            assert_eq!(wanted(&asked, &headers(&[]), length), expected, "{text}");
        }
    }

    #[test]
    fn conditions_are_judged_in_their_order() {
        let head =
            headers(&[("etag", "\"a\""), ("last-modified", "Fri, 15 Jan 2027 08:00:00 GMT")]);
        let (before, after) = ("Fri, 15 Jan 2027 07:59:59 GMT", "Fri, 15 Jan 2027 08:00:00 GMT");
        for (lines, expected) in [
            (vec![], Condition::Holds),
            (vec![("if-none-match", "\"a\"")], Condition::NotModified),
            (vec![("if-none-match", "W/\"a\"")], Condition::NotModified),
            (vec![("if-none-match", "\"b\", \"a\"")], Condition::NotModified),
            (vec![("if-none-match", "*")], Condition::NotModified),
            (vec![("if-none-match", "\"b\"")], Condition::Holds),
            (vec![("if-none-match", "\"b\""), ("if-modified-since", after)], Condition::Holds),
            (vec![("if-modified-since", after)], Condition::NotModified),
            (vec![("if-modified-since", before)], Condition::Holds),
            (vec![("if-match", "\"a\"")], Condition::Holds),
            (vec![("if-match", "W/\"a\"")], Condition::Failed),
            (vec![("if-match", "\"b\"")], Condition::Failed),
            (vec![("if-match", "\"a\""), ("if-none-match", "\"a\"")], Condition::NotModified),
            (vec![("if-unmodified-since", before)], Condition::Failed),
            (vec![("if-unmodified-since", after)], Condition::Holds),
            (vec![("if-modified-since", "yesterday")], Condition::Holds),
        ] {
            assert_eq!(condition(&headers(&lines), &head), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_part_of_another_answer_is_not_sent() {
        let head =
            headers(&[("etag", "\"a\""), ("last-modified", "Fri, 15 Jan 2027 08:00:00 GMT")]);
        for (of, expected) in [
            ("\"a\"", Wanted::Part(0..1)),
            ("\"b\"", Wanted::Whole),
            ("W/\"a\"", Wanted::Whole),
            ("Fri, 15 Jan 2027 08:00:00 GMT", Wanted::Part(0..1)),
            ("Fri, 15 Jan 2027 08:00:01 GMT", Wanted::Whole),
        ] {
            let asked = headers(&[("range", "bytes=0-0"), ("if-range", of)]);
            assert_eq!(wanted(&asked, &head, 10), expected, "{of}");
        }
    }
}
