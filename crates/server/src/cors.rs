//! Which pages of other origins may use a bucket: answers to preflights, and the headers of every other answer.
//!
//! Nobody is authenticated here. A browser sends a preflight without credentials, and a page must be able to
//! read why its request was refused (semantics 6.4).

use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderName, HeaderValue, ORIGIN,
    VARY,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, StatusCode};
use store::{BucketName, CorsRule};

use crate::error::{Code, S3Error};
use crate::gate::Gate;
use crate::respond::Reply;
use crate::route::{self, Level};

/// The most header names that a page may ask about: more than any request can have.
const REQUESTED_HEADERS_MAX: usize = 256;
/// The headers that decide about an answer to a page, so that caches keep them apart.
const VARIES: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";
/// The words of AWS.
const NOT_ALLOWED: &str = "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.";

/// What the browser says of a page: its origin, and the request that the page wants to make.
#[derive(Debug)]
struct Page<'r> {
    origin: &'r str,
    /// The method that a preflight asks about; otherwise, the method of this request.
    method: &'r str,
    /// The header names that a preflight asks about, in lower case and in order. Empty where the page needs no
    /// permission for its headers.
    headers: Vec<String>,
}

/// The headers that a CORS rule adds to an answer for a page of an allowed origin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CorsHeaders(Vec<(HeaderName, HeaderValue)>);

/// Whether the request comes from a page, or from a browser on behalf of one.
pub(crate) fn concerns(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS || parts.headers.contains_key(ORIGIN)
}

/// Answers `OPTIONS` on a path of a bucket, or where one would be.
pub(crate) async fn preflight(
    gate: &Gate,
    parts: &Parts,
    bucket: Option<&BucketName>,
    level: Level,
) -> Result<Reply, S3Error> {
    let Some(origin) = text(&parts.headers, &ORIGIN) else {
        let message = "Insufficient information. Origin request header needed.";
        return Err(S3Error::with_message(Code::BadRequest, message));
    };
    let asked = text(&parts.headers, &ACCESS_CONTROL_REQUEST_METHOD);
    let refused = |message: &'static str, level: Level| {
        S3Error::with_message(Code::AccessForbidden, message)
            .detail("Method", asked.unwrap_or(parts.method.as_str()))
            .detail("ResourceType", route::resource_type(level))
    };
    let rules = match bucket {
        Some(bucket) => gate.cors(bucket).await?,
        None => None,
    };
    let Some(rules) = rules else {
        return Err(refused("CORSResponse: Bucket not found", Level::Bucket));
    };
    if rules.is_empty() {
        return Err(refused("CORSResponse: CORS is not enabled for this bucket.", level));
    }
    let matched = asked
        .and_then(|method| Some(Page { origin, method, headers: requested(&parts.headers)? }))
        .and_then(|page| page.headers_of(&rules));
    let Some(headers) = matched else { return Err(refused(NOT_ALLOWED, level)) };
    let mut reply = Reply::new(StatusCode::OK);
    headers.add_to(&mut reply.headers);
    Ok(reply)
}

/// The headers for the answer to a page, if a rule of the bucket allows the page's origin.
pub(crate) async fn headers_for(
    gate: &Gate,
    parts: &Parts,
    bucket: Option<&BucketName>,
) -> Option<CorsHeaders> {
    let origin = text(&parts.headers, &ORIGIN)?;
    // If the records cannot be read, no page is allowed; the request itself will report the error.
    let rules = gate.cors(bucket?).await.ok()??;
    let asked = text(&parts.headers, &ACCESS_CONTROL_REQUEST_METHOD);
    let method = asked.unwrap_or(parts.method.as_str());
    Page { origin, method, headers: requested(&parts.headers)? }.headers_of(&rules)
}

impl CorsHeaders {
    pub(crate) fn add_to(self, headers: &mut HeaderMap) {
        headers.extend(self.0);
    }
}

impl Page<'_> {
    /// The headers of the first rule that fits.
    fn headers_of(&self, rules: &[CorsRule]) -> Option<CorsHeaders> {
        let mut fitting = rules.iter().filter_map(|rule| Some((rule, self.allowed_origin(rule)?)));
        let (rule, allowed_origin) = fitting.next()?;
        let methods: Vec<&str> = rule.allowed_methods.iter().map(|m| m.as_str()).collect();
        let mut headers = Vec::with_capacity(7);
        let mut add = |name: HeaderName, value: &str| {
            // A rule may hold text that no header can carry. Then the page gets no headers.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.push((name, value));
            }
        };
        let any = allowed_origin == "*";
        add(ACCESS_CONTROL_ALLOW_ORIGIN, if any { "*" } else { self.origin });
        add(ACCESS_CONTROL_ALLOW_METHODS, &methods.join(", "));
        if !self.headers.is_empty() {
            add(ACCESS_CONTROL_ALLOW_HEADERS, &self.headers.join(", "));
        }
        if !rule.expose_headers.is_empty() {
            add(ACCESS_CONTROL_EXPOSE_HEADERS, &rule.expose_headers.join(", "));
        }
        if let Some(seconds) = rule.max_age_seconds {
            add(ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
        }
        if !any {
            add(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        add(VARY, VARIES);
        Some(CorsHeaders(headers))
    }

    /// The origin of the rule that fits the page's origin, if the rule also allows the method and headers.
    fn allowed_origin<'c>(&self, rule: &'c CorsRule) -> Option<&'c str> {
        let origin = rule.allowed_origins.iter().find(|origin| fits(origin, self.origin))?;
        let method = rule.allowed_methods.iter().any(|method| method.as_str() == self.method);
        let allowed = |name: &String| {
            rule.allowed_headers.iter().any(|header| fits_ignoring_case(header, name))
        };
        (method && self.headers.iter().all(allowed)).then_some(origin)
    }
}

/// The header names that a preflight asks about; `None` if they are more than any request can have.
fn requested(headers: &HeaderMap) -> Option<Vec<String>> {
    let lines = headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let names = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    let names = names.map(str::trim).filter(|name| !name.is_empty());
    let names: Vec<String> =
        names.map(str::to_ascii_lowercase).take(REQUESTED_HEADERS_MAX + 1).collect();
    (names.len() <= REQUESTED_HEADERS_MAX).then_some(names)
}

fn text<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Option<&'r str> {
    headers.get(name)?.to_str().ok().filter(|text| !text.is_empty())
}

/// Whether a text fits a pattern in which `*` stands for any text, also an empty one.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
    }
}

/// Like [`fits`], with any case of letters in the pattern; the text is in lower case.
fn fits_ignoring_case(pattern: &str, text: &str) -> bool {
    let Some((start, end)) = pattern.split_once('*') else {
        return pattern.eq_ignore_ascii_case(text);
    };
    let parts = text.split_at_checked(start.len());
    let is = |own: &str, part: &str| own.eq_ignore_ascii_case(part);
    parts.is_some_and(|(own, rest)| {
        let tail = rest.len().checked_sub(end.len()).and_then(|at| rest.get(at..));
        is(own, start) && tail.is_some_and(|tail| is(tail, end))
    })
}

#[cfg(test)]
mod tests {
    use store::CorsMethod;

    use super::*;

    #[test]
    fn patterns() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        };
        check("https://a.example", "https://a.example", true);
        check("https://a.example", "https://a.example:443", false);
        check("https://a.example", "http://a.example", false);
        check("https://a.example", "https://A.example", false);
        check("https://a.example", "https://a.example/", false);
        check("*", "", true);
        check("*", "null", true);
        check("http://*suffix", "http://foo.suffix", true);
        check("http://*suffix", "http://foo.suffix.get", false);
        check("http://start*end", "http://startend", true);
        check("http://start*end", "http://start12end", true);
        check("http://start*end", "http://0start12end", false);
        check("http://prefix*", "http://prefix", true);
        check("http://ab*ba", "http://aba", false);
    }

    /// `page`: origin, method and requested headers. `expected`: the index of the rule that decides.
    #[test]
    fn the_first_rule_that_fits_decides() {
        let rule = |origins: &[&str], methods: &[CorsMethod], headers: &[&str], max_age| CorsRule {
            id: None,
            allowed_origins: origins.iter().map(|&text| text.to_owned()).collect(),
            allowed_methods: methods.to_vec(),
            allowed_headers: headers.iter().map(|&text| text.to_owned()).collect(),
            expose_headers: Vec::new(),
            max_age_seconds: Some(max_age),
        };
        let rules = [
            rule(&["http://a", "http://*.a"], &[CorsMethod::Get], &[], 0),
            rule(&["http://a"], &[CorsMethod::Put, CorsMethod::Get], &["x-A*", "CONTENT-type"], 1),
            rule(&["*"], &[CorsMethod::Get], &["*"], 2),
        ];
        let check = |origin: &str, method: &str, headers: &[&str], expected: Option<&str>| {
            let names = headers.join(",");
            let mut map = HeaderMap::new();
            map.insert(ACCESS_CONTROL_REQUEST_HEADERS, names.parse().unwrap());
            let page = Page { origin, method, headers: requested(&map).unwrap() };
            let found = page.headers_of(&rules);
            let age = found.map(|CorsHeaders(headers)| {
                let mut ages = headers.iter().filter(|(name, _)| *name == ACCESS_CONTROL_MAX_AGE);
                ages.next().unwrap().1.to_str().unwrap().to_owned()
            });
            assert_eq!(age.as_deref(), expected, "{origin} {method} {names}");
        };
        check("http://a", "GET", &[], Some("0"));
        check("http://b.a", "GET", &[], Some("0"));
        check("http://a", "PUT", &[], Some("1"));
        check("http://a", "GET", &["X-Amz-Date", " content-TYPE "], Some("1"));
        check("http://a", "PUT", &["x-b"], None);
        check("http://a", "GET", &["x-b"], Some("2"));
        check("http://b", "GET", &[], Some("2"));
        check("http://b", "DELETE", &[], None);
        check("http://b", "get", &[], None);
    }

    #[test]
    fn too_many_headers_are_none() {
        let of = |count: usize| {
            let names = vec!["x-a"; count].join(",");
            let mut map = HeaderMap::new();
            map.insert(ACCESS_CONTROL_REQUEST_HEADERS, names.parse().unwrap());
            requested(&map).map(|names| names.len())
        };
        assert_eq!(of(REQUESTED_HEADERS_MAX), Some(REQUESTED_HEADERS_MAX));
        assert_eq!(of(REQUESTED_HEADERS_MAX + 1), None);
    }
}
