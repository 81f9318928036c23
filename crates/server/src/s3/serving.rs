//! Protections for browsers and caches that S3 does not have. A browser must not guess another type than the
//! stored one, must not run an object as a page of this server's origin, and must not cache an answer to a link
//! for longer than the link lives.

use std::borrow::Cow;

use hyper::StatusCode;
use hyper::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, EXPIRES, HeaderName,
    HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use jiff::Timestamp;

use crate::config::{ActiveContent, LinkCaching};
use crate::context::RequestContext;
use crate::gate::StoreAccess;
use crate::respond::Reply;
use crate::s3::headers::parse_http_time;
use crate::s3::http_time;

/// The `Content-Security-Policy` for active content: no scripts, forms or windows, an origin of its own, and
/// nothing loaded from elsewhere. Styles and pictures inside the document are allowed, so that a report, a
/// drawing or a PDF is still shown.
const SANDBOX: &str = "sandbox; default-src 'none'; img-src data:; media-src data:; font-src data:; style-src 'unsafe-inline'";

/// Top-level types in which only markup (such as SVG) can run.
const MEDIA: &[&str] = &["image", "audio", "video", "font"];
/// Other types that no browser runs. A type that is not known to be inert counts as active.
const INERT: &[&str] = &[
    "application/gzip",
    "application/json",
    "application/octet-stream",
    "application/x-gzip",
    "application/x-tar",
    "application/zip",
    "binary/octet-stream",
    "text/calendar",
    "text/css",
    "text/csv",
    "text/markdown",
    "text/plain",
    "text/tab-separated-values",
    "text/vtt",
];

/// The `Cache-Control` directives that an answer to a link may carry. Others could let a cache keep the answer
/// for longer: `immutable`, `stale-while-revalidate`, `stale-if-error`, and those that do not exist yet.
const KEPT_DIRECTIVES: &[&str] = &[
    "must-revalidate",
    "must-understand",
    "no-cache",
    "no-store",
    "no-transform",
    "private",
    "proxy-revalidate",
    "public",
];

/// Tells browsers not to guess a type, and, where the console may be in the same origin, to sandbox active
/// content.
pub(crate) fn guard(reply: &mut Reply, access: &StoreAccess) {
    guard_page(reply, access.context());
}

/// The same for an answer that comes from elsewhere than from an operation of S3.
pub(crate) fn guard_page(reply: &mut Reply, context: &RequestContext) {
    match context.config.active_content {
        ActiveContent::AsStored => return,
        ActiveContent::Sandbox => {}
    }
    // A 304 has neither type nor body, and the cached answer was guarded when it was sent. What the 304 says of both would
    // take the place of what was said then.
    if reply.status == StatusCode::NOT_MODIFIED {
        let of_page =
            [CONTENT_TYPE, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS];
        for name in of_page {
            reply.headers.remove(name);
        }
        return;
    }
    reply.set(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let inert = reply.headers.get(CONTENT_TYPE).is_some_and(|value| is_inert(value.as_bytes()));
    if !inert && context.config.may_hold_console(&context.host) {
        reply.set(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    }
}

/// Headers that are about the answer itself. By others an answer could rule over the whole origin that it comes from, such as
/// `Set-Cookie`, `Clear-Site-Data`, `Service-Worker-Allowed`, `Report-To`, `Alt-Svc`; and those of later browsers.
const OF_ANSWERS: [&str; 16] = [
    "accept-ranges",
    "age",
    "allow",
    "cache-control",
    "connection",
    "date",
    "etag",
    "expires",
    "last-modified",
    "location",
    "referrer-policy",
    "retry-after",
    "server",
    "timing-allow-origin",
    "vary",
    "via",
];
/// The beginnings of more such names.
const OF_ANSWERS_BEGIN: [&str; 4] = ["access-control-", "content-", "cross-origin-", "x-"];

/// Takes from an answer what would rule over the server's own origin, of which it is only a page.
pub(crate) fn keep_origin(reply: &mut Reply) {
    let is_kept = |name: &HeaderName| {
        let name = name.as_str();
        OF_ANSWERS.contains(&name) || OF_ANSWERS_BEGIN.iter().any(|begin| name.starts_with(begin))
    };
    let ruling: Vec<_> = reply.headers.keys().filter(|name| !is_kept(name)).cloned().collect();
    for name in ruling {
        reply.headers.remove(name);
    }
}

fn is_inert(content_type: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(content_type) else { return false };
    // Of several types in one header, browsers take the last.
    if text.contains(',') {
        return false;
    }
    let essence = text.split(';').next().unwrap_or_default().trim();
    let Some((class, kind)) = essence.split_once('/') else { return false };
    let is = |known: &&str| known.eq_ignore_ascii_case(essence);
    if !MEDIA.iter().any(|media| media.eq_ignore_ascii_case(class)) {
        return INERT.iter().any(is);
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b".-+_".contains(&byte);
    let kind = kind.to_ascii_lowercase();
    let markup = kind.contains("xml") || kind.contains("svg");
    !kind.is_empty() && kind.bytes().all(legal) && !markup
}

/// The headers of an answer that say how long it may be cached.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Caching {
    pub(crate) cache_control: Option<String>,
    pub(crate) expires: Option<String>,
}

impl Caching {
    /// Sets these headers on the answer to a link, reduced to what the link has left to live. Other answers are
    /// left as stored, and so are all if the operator chose that (`LinkCaching::AsStored`).
    pub(crate) fn set_on(self, reply: &mut Reply, last_modified: Timestamp, access: &StoreAccess) {
        match access.context().config.link_caching {
            LinkCaching::AsStored => return,
            LinkCaching::Capped => {}
        }
        let Some(end) = access.link_ends_at() else { return };
        if access.counts_uses() {
            // What a cache keeps would be shown again without a use.
            reply.set(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
            return;
        }
        let Self { cache_control, expires } = self.until(end, last_modified, access.now());
        reply.set_optional(CACHE_CONTROL, cache_control.as_deref());
        reply.set_optional(EXPIRES, expires.as_deref());
    }

    fn until(self, end: Timestamp, last_modified: Timestamp, now: Timestamp) -> Self {
        let left = seconds_between(now, end);
        // Without headers, browsers cache for a tenth of the object's age (RFC 9111, 4.2.2).
        let guessed = left.min(seconds_between(last_modified, now) / 10);
        let Self { cache_control, expires } = self;
        // Nearly all objects are without both headers.
        if cache_control.is_none() && expires.is_none() {
            let cache_control = Some(format!("private, max-age={guessed}"));
            return Self { cache_control, expires: None };
        }
        let expiry = expires.as_deref().map(parse_http_time);
        let mut directives = match cache_control.as_deref() {
            Some(text) => Directives::read(text, left),
            None => Directives::default(),
        };
        if directives.need_age() {
            match expiry {
                None => directives.set_age(guessed),
                // A date that cannot be read counts as past for most caches, but not for all.
                Some(None) => directives.set_age(0),
                Some(Some(_)) => {}
            }
        }
        let expires = match expiry {
            Some(Some(time)) if time > end => Some(http_time(end)),
            Some(_) | None => expires,
        };
        Self { cache_control: directives.finish(), expires }
    }
}

fn seconds_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_secs()).unwrap_or(0)
}

/// The directives of a `Cache-Control` that are allowed on a link.
#[derive(Default)]
struct Directives {
    written: Vec<Cow<'static, str>>,
    has_age: bool,
    is_never_fresh: bool,
}

impl Directives {
    fn read(text: &str, left: u64) -> Self {
        let mut read = Self::default();
        // A comma inside quotes separates here too, since not all caches respect the quotes.
        for directive in text.split(',') {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            let name = name.trim().to_ascii_lowercase();
            match name.as_str() {
                "max-age" | "s-maxage" => {
                    let seconds = left.min(age(value));
                    read.written.push(Cow::Owned(format!("{name}={seconds}")));
                    read.has_age |= name == "max-age";
                }
                _ => {
                    let kept = KEPT_DIRECTIVES.iter().find(|kept| **kept == name);
                    read.written.extend(kept.map(|kept| Cow::Borrowed(*kept)));
                    read.is_never_fresh |= matches!(name.as_str(), "no-cache" | "no-store");
                }
            }
        }
        read
    }

    fn need_age(&self) -> bool {
        !self.has_age && !self.is_never_fresh
    }

    fn set_age(&mut self, seconds: u64) {
        self.written.push(Cow::Owned(format!("max-age={seconds}")));
    }

    fn finish(self) -> Option<String> {
        (!self.written.is_empty()).then(|| self.written.join(", "))
    }
}

/// The seconds of a directive. A value that is no number means already stale (RFC 9111, 4.2.1).
fn age(text: &str) -> u64 {
    let digits = text.trim().trim_matches('"');
    let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if number { digits.parse().unwrap_or(u64::MAX) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_run() {
        let check =
            |text: &str, inert: bool| assert_eq!(is_inert(text.as_bytes()), inert, "{text}");
        for inert in ["image/png", "IMAGE/PNG; q=1", " video/mp4 ", "audio/ogg", "font/woff2"] {
            check(inert, true);
        }
        for inert in ["text/plain; charset=utf-8", "application/json", "binary/octet-stream"] {
            check(inert, true);
        }
        for active in [
            "text/html",
            "Text/HTML; charset=utf-8",
            "application/xhtml+xml",
            "image/svg+xml",
            "image/svg",
            "image/x+xml",
            "text/xml",
            "application/xml",
            "application/atom+xml",
            "application/pdf",
            "text/javascript",
            "application/javascript",
            "multipart/x-mixed-replace; boundary=a",
            "message/rfc822",
            "application/x-unheard-of",
            "",
            "/",
            "*/*",
            "image/",
            "image/*",
            "text",
            "unknown/unknown",
            "image/png, text/html",
            "text/plain;a=\",text/html\"",
            "image/png text/html",
            "image/png\ttext/html",
        ] {
            check(active, false);
        }
        assert!(!is_inert(b"image/\xff"));
    }

    #[test]
    fn tables_are_sorted() {
        assert!(INERT.is_sorted() && KEPT_DIRECTIVES.is_sorted());
    }

    /// In this test the link lives for another hour, and the object is a hundred minutes old.
    #[test]
    fn nothing_is_kept_for_longer_than_the_link_lives() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (now, end) = (at("2026-06-15T12:00:00.5Z"), at("2026-06-15T13:00:01Z"));
        let check = |cache_control: Option<&str>, expires: Option<&str>, expected: [&str; 2]| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let said = Caching { cache_control: owned(cache_control), expires: owned(expires) };
            let kept = said.until(end, at("2026-06-15T10:20:00Z"), now);
            let kept = [kept.cache_control, kept.expires].map(Option::unwrap_or_default);
            assert_eq!(kept, expected, "{cache_control:?} {expires:?}");
        };
        let (past, soon) = ("Thu, 01 Dec 1994 16:00:00 GMT", "Mon, 15 Jun 2026 12:30:00 GMT");
        let (late, at_end) = ("Thu, 01 Dec 2044 16:00:00 GMT", "Mon, 15 Jun 2026 13:00:01 GMT");
        check(None, None, ["private, max-age=600", ""]);
        check(Some("max-age=60"), None, ["max-age=60", ""]);
        check(Some("public,max-age=86400,immutable"), None, ["public, max-age=3600", ""]);
        check(Some("Max-Age=\"86400\" , S-MaxAge=7200"), None, ["max-age=3600, s-maxage=3600", ""]);
        check(Some("s-maxage=9999999999999999999999"), None, ["s-maxage=3600, max-age=600", ""]);
        check(Some("max-age=-1"), None, ["max-age=0", ""]);
        check(Some("max-age"), None, ["max-age=0", ""]);
        check(Some("public"), None, ["public, max-age=600", ""]);
        check(Some("immutable"), None, ["max-age=600", ""]);
        check(Some(""), None, ["max-age=600", ""]);
        check(Some("no-store"), None, ["no-store", ""]);
        check(Some("No-Cache, max-age=86400"), None, ["no-cache, max-age=3600", ""]);
        check(Some("private=\"a, b\", max-age=9"), None, ["private, max-age=9", ""]);
        check(Some("x=\"a, max-age=86400\""), None, ["max-age=3600", ""]);
        check(
            Some("max-age=1, stale-while-revalidate=86400, stale-if-error=86400, must-revalidate"),
            None,
            ["max-age=1, must-revalidate", ""],
        );
        check(None, Some(late), ["", at_end]);
        check(None, Some(soon), ["", soon]);
        check(None, Some(past), ["", past]);
        check(None, Some("0"), ["max-age=0", "0"]);
        check(None, Some("in a year"), ["max-age=0", "in a year"]);
        check(Some("public"), Some(late), ["public", at_end]);
        check(Some("max-age=86400"), Some(late), ["max-age=3600", at_end]);
        check(Some("no-cache"), Some("0"), ["no-cache", "0"]);
    }
}
