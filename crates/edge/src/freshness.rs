//! For how long an answer may be sent again: its headers, within the limits of the behaviour, as CloudFront reads them.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, SET_COOKIE, VARY};
use http::{HeaderMap, StatusCode};

/// The limits of a behaviour, in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ttls {
    /// Whatever the origin says, it is kept for so long.
    pub min: u64,
    /// For so long where the origin says nothing.
    pub default: u64,
    /// However long the origin says, it is kept for no longer.
    pub max: u64,
    /// How long errors are kept.
    pub errors: Arc<ErrorTtls>,
}

/// How long errors are kept, in seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorTtls {
    /// By their status.
    pub by_status: BTreeMap<u16, u64>,
    /// Those of any other status.
    pub others: u64,
}

impl ErrorTtls {
    pub(crate) fn seconds(&self, status: StatusCode) -> u64 {
        self.by_status.get(&status.as_u16()).copied().unwrap_or(self.others)
    }
}

/// For how long an answer may be sent again, in milliseconds since 1970.
#[expect(clippy::struct_field_names, reason = "each is a time in milliseconds, and says so")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Freshness {
    /// Until when it is fresh.
    pub(crate) fresh_ms: u64,
    /// Until when it may be sent while it is being confirmed anew.
    pub(crate) stale_while_revalidate_ms: u64,
    /// Until when it may be sent if the origin fails.
    pub(crate) stale_if_error_ms: u64,
}

/// The directives of `Cache-Control` that matter here.
#[derive(Debug, Default, PartialEq, Eq)]
struct Directives {
    max_age: Option<u64>,
    s_maxage: Option<u64>,
    stale_while_revalidate: u64,
    stale_if_error: u64,
    /// `no-store` or `private`.
    forbids: bool,
    /// `no-cache`: it is kept, and confirmed each time.
    confirms: bool,
    /// `must-revalidate` or `proxy-revalidate`: nothing stale is sent.
    revalidates: bool,
}

impl Directives {
    fn read(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
        for directive in lines.flat_map(|line| line.split(',')) {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            let seconds = || seconds(value.trim().trim_matches('"'));
            match name.trim().to_ascii_lowercase().as_str() {
                "max-age" => found.max_age = found.max_age.or_else(seconds),
                "s-maxage" => found.s_maxage = found.s_maxage.or_else(seconds),
                "stale-while-revalidate" => found.stale_while_revalidate = seconds().unwrap_or(0),
                "stale-if-error" => found.stale_if_error = seconds().unwrap_or(0),
                "no-store" | "private" => found.forbids = true,
                "no-cache" => found.confirms = true,
                "must-revalidate" | "proxy-revalidate" => found.revalidates = true,
                _ => {}
            }
        }
        found
    }
}

impl Freshness {
    /// Reads an answer that came now. `None`: it is not kept.
    pub(crate) fn of(
        status: StatusCode,
        headers: &HeaderMap,
        ttls: &Ttls,
        now_ms: u64,
    ) -> Option<Self> {
        let mut varies = headers
            .get_all(VARY)
            .iter()
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        if headers.contains_key(SET_COOKIE) || varies.any(|name| name.trim_ascii() == b"*") {
            return None;
        }
        if !status.is_success() {
            let seconds = ttls.errors.seconds(status);
            if !is_kept_error(status) || seconds == 0 {
                return None;
            }
            return Some(Self::for_seconds(seconds, 0, 0, now_ms));
        }
        if ttls.max == 0 {
            return None;
        }
        let directives = Directives::read(headers);
        let seconds = if directives.forbids {
            if ttls.min == 0 {
                return None;
            }
            ttls.min
        } else if directives.confirms {
            ttls.min
        } else {
            let said =
                directives.s_maxage.or(directives.max_age).or_else(|| expires(headers, now_ms));
            let said = said.map(|seconds| seconds.saturating_sub(age(headers)));
            said.map_or(ttls.default.max(ttls.min), |seconds| seconds.max(ttls.min)).min(ttls.max)
        };
        let (mut while_revalidated, mut if_error) =
            (directives.stale_while_revalidate, directives.stale_if_error);
        if directives.revalidates || directives.confirms {
            (while_revalidated, if_error) = (0, 0);
        }
        Some(Self::for_seconds(seconds, while_revalidated, if_error, now_ms))
    }

    fn for_seconds(fresh: u64, while_revalidated: u64, if_error: u64, now_ms: u64) -> Self {
        let until = |seconds: u64| now_ms.saturating_add(seconds.saturating_mul(1000));
        Self {
            fresh_ms: until(fresh),
            stale_while_revalidate_ms: until(fresh.saturating_add(while_revalidated)),
            stale_if_error_ms: until(fresh.saturating_add(if_error)),
        }
    }
}

/// A number of seconds; one that is too large to count is very long.
fn seconds(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// The errors that are kept for a while, as CloudFront keeps them; but not 416, which is about one viewer's range.
fn is_kept_error(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 403 | 404 | 405 | 410 | 414 | 500..=504)
}

/// The seconds until `Expires`, which counts from the origin's own clock if it tells it.
fn expires(headers: &HeaderMap, now_ms: u64) -> Option<u64> {
    let time = |name| {
        let value = headers.get(name)?.to_str().ok()?;
        let time = httpdate::parse_http_date(value).ok()?;
        Some(time.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    };
    if !headers.contains_key(EXPIRES) {
        return None;
    }
    // A date that cannot be read has passed.
    let end = time(EXPIRES).unwrap_or(0);
    Some(end.saturating_sub(time(DATE).unwrap_or(now_ms / 1000)))
}

/// How long the answer was kept on its way here.
fn age(headers: &HeaderMap) -> u64 {
    headers.get(AGE).and_then(|age| age.to_str().ok()?.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOW_MS: u64 = 1_800_000_000_000;

    fn fresh_seconds(
        status: u16,
        lines: &[(&'static str, &'static str)],
        ttls: &Ttls,
    ) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let status = StatusCode::from_u16(status).unwrap();
        let found = Freshness::of(status, &headers, ttls, NOW_MS)?;
        Some((found.fresh_ms - NOW_MS) / 1000)
    }

    #[test]
    fn headers_count_within_the_limits_of_the_behaviour() {
        let errors = |by_status: &[(u16, u64)], others| {
            Arc::new(ErrorTtls { by_status: by_status.iter().copied().collect(), others })
        };
        let some = errors(&[(403, 20), (404, 0)], 10);
        let ttls = |min, default, max| Ttls { min, default, max, errors: Arc::clone(&some) };
        let usual = &ttls(0, 100, 1000);
        let many = Ttls { errors: errors(&[], 7), ..usual.clone() };
        let cc = |value| ("cache-control", value);
        for (status, lines, limits, expected) in [
            (200, vec![], usual, Some(100)),
            (200, vec![], &ttls(200, 100, 1000), Some(200)),
            (200, vec![cc("max-age=50")], usual, Some(50)),
            (200, vec![cc("max-age=5000")], usual, Some(1000)),
            (200, vec![cc("max-age=5")], &ttls(10, 100, 1000), Some(10)),
            (200, vec![cc("max-age=5, s-maxage=7")], usual, Some(7)),
            (200, vec![cc("Max-Age=\"5\"")], usual, Some(5)),
            (200, vec![cc("max-age=x")], usual, Some(100)),
            (200, vec![cc("max-age=50"), ("age", "20")], usual, Some(30)),
            (200, vec![cc("no-store")], usual, None),
            (200, vec![cc("private")], usual, None),
            (200, vec![cc("no-cache")], &ttls(3, 100, 1000), Some(3)),
            (200, vec![cc("no-cache, max-age=50")], usual, Some(0)),
            (200, vec![cc("no-cache, no-store")], usual, None),
            (200, vec![("expires", "Fri, 15 Jan 2027 08:00:30 GMT")], usual, Some(30)),
            (
                200,
                vec![
                    ("expires", "Fri, 15 Jan 2027 08:00:30 GMT"),
                    ("date", "Fri, 15 Jan 2027 08:00:20 GMT"),
                ],
                usual,
                Some(10),
            ),
            (200, vec![("expires", "0")], usual, Some(0)),
            (200, vec![("expires", "0"), cc("max-age=9")], usual, Some(9)),
            (200, vec![], &ttls(0, 0, 0), None),
            (200, vec![("set-cookie", "a=b")], usual, None),
            (200, vec![("vary", "*")], usual, None),
            (200, vec![("vary", "Origin")], usual, Some(100)),
            (410, vec![], usual, Some(10)),
            (403, vec![cc("max-age=500")], usual, Some(20)),
            (404, vec![], usual, None),
            (404, vec![], &many, Some(7)),
            (412, vec![], usual, None),
            (416, vec![], usual, None),
            (200, vec![("vary", "Origin, *")], usual, None),
            (200, vec![("vary", "Origin"), ("vary", " * ")], usual, None),
            (200, vec![cc("max-age=99999999999999999999")], usual, Some(1000)),
            (206, vec![], usual, Some(100)),
        ] {
            assert_eq!(fresh_seconds(status, &lines, limits), expected, "{status} {lines:?}");
        }
    }

    #[test]
    fn what_is_stale_may_be_sent_for_a_while() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(value));
            let ttls = Ttls { min: 0, default: 0, max: 1000, errors: Arc::default() };
            let found = Freshness::of(StatusCode::OK, &headers, &ttls, 0).unwrap();
            let Freshness { fresh_ms, stale_while_revalidate_ms, stale_if_error_ms } = found;
            [fresh_ms, stale_while_revalidate_ms, stale_if_error_ms].map(|ms| ms / 1000)
        };
        assert_eq!(of("max-age=5"), [5, 5, 5]);
        assert_eq!(of("max-age=5, stale-while-revalidate=10"), [5, 15, 5]);
        assert_eq!(of("max-age=5, stale-if-error=20"), [5, 5, 25]);
        assert_eq!(
            of("max-age=5, stale-if-error=20, stale-while-revalidate=9, must-revalidate"),
            [5, 5, 5]
        );
    }
}
