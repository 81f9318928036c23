//! The checks themselves. Each ends with one line.

use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use reqwest::{Body, Method, StatusCode, Url};
use tokio::io::AsyncWriteExt as _;
use tokio_util::io::ReaderStream;

use super::Status;
use super::certificate::{self, Validity};
use super::examine::Examination;
use super::probe::{Answer, Ask, Probe, answered};
use super::trouble::{Trouble, trouble};
use crate::clock;

/// Keys that something on the way may write otherwise, and what is odd about them.
const ODD_KEYS: [(&str, &str); 6] = [
    ("a b", "a space"),
    ("a+b", "a plus"),
    ("zoë-日本", "letters beyond ASCII"),
    ("a//b", "two slashes"),
    ("100%25", "a percent sign"),
    ("a:b;c=d&e@f'(!)*~", "reserved characters"),
];
/// Clocks that differ by less are as good as the same, and those that differ by more end links.
const CLOCK_SECONDS_FINE: i64 = 30;
/// See [`CLOCK_SECONDS_FINE`].
const CLOCK_SECONDS_MAX: i64 = 300;
/// A certificate that ends later need not be renewed now, nor one of which this part of its life is left: those that
/// are made for a day are renewed by a program.
const CERTIFICATE_DAYS_FINE: i64 = 14;
/// See [`CERTIFICATE_DAYS_FINE`].
const CERTIFICATE_PART_FINE: i64 = 5;
/// The length of the query of a long link; AWS takes half of it.
const LONG_QUERY_BYTES: usize = 8 * 1024;
/// See [`LONG_QUERY_BYTES`].
const SHORTER_QUERY_BYTES: usize = 4 * 1024;
const UPLOAD_BYTES: usize = 8 * 1024 * 1024;
/// An upload that is refused, of which only the beginning is sent at first.
const PAUSED_BYTES: usize = 256 * 1024;
const PAUSED_AFTER_BYTES: usize = 4 * 1024;
/// How long the answer to its beginning is waited for.
const PAUSE: Duration = Duration::from_secs(4);

/// How a check ended.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) status: Status,
    pub(super) text: String,
    pub(super) mend: Option<String>,
}

impl Found {
    pub(super) fn fine(text: impl Into<String>) -> Self {
        Self { status: Status::Fine, text: text.into(), mend: None }
    }

    pub(super) fn warning(text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { status: Status::Warning, text: text.into(), mend: Some(mend.into()) }
    }

    pub(super) fn broken(text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { status: Status::Broken, text: text.into(), mend: Some(mend.into()) }
    }

    pub(super) fn of(trouble: Trouble) -> Self {
        let Trouble { text, mend, codes } = trouble;
        let mut named: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
        named.dedup();
        let text = if named.is_empty() { text } else { format!("{}: {text}", named.join(", ")) };
        Self::broken(text, mend)
    }
}

/// A page of HTML, which a proxy would compress.
pub(super) fn page() -> Bytes {
    let line = "<p>Made by valet doctor, and deleted again.</p>\n";
    Bytes::from(format!("<!doctype html>\n{}", line.repeat(200)))
}

/// Rules by which pages of an origin may use a bucket.
pub(super) fn cors_rules(origin: &str) -> String {
    let origin = origin.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<CORSConfiguration><CORSRule><AllowedOrigin>{origin}</AllowedOrigin>\
         <AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod>\
         <AllowedHeader>*</AllowedHeader></CORSRule></CORSConfiguration>"
    )
}

/// Whether links travel unseen. The chain and its name were judged when the connection was made.
pub(super) fn tls(url: &str, answer: &Answer) -> Found {
    if url.starts_with("http://") {
        let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
        let host = host.unwrap_or_default();
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        let is_local = address.map_or(host == "localhost", |address| address.is_loopback());
        return if is_local {
            Found::fine("no TLS, on this machine alone")
        } else {
            let text = "no TLS: whoever sees a link on its way can use it";
            Found::warning(text, "serve HTTPS: `valet serve --tls-cert`, or a proxy before it")
        };
    }
    let read = answer.certificate.as_deref().and_then(certificate::validity);
    let Some(validity) = read else {
        return Found::fine("the chain is trusted; when it ends cannot be read");
    };
    of_certificate(validity, answer.at)
}

fn of_certificate(validity: Validity, now: Timestamp) -> Found {
    let Validity { from, until } = validity;
    let hours = until.duration_since(now).as_hours();
    let (days, life) = (hours / 24, until.duration_since(from).as_hours());
    let text = format!(
        "the chain and the name are trusted; the certificate ends in {days} days, at {until}"
    );
    if days >= CERTIFICATE_DAYS_FINE || hours >= life / CERTIFICATE_PART_FINE {
        Found::fine(text)
    } else {
        Found::warning(text, "renew it")
    }
}

/// Whether both sides have the same time, by which links begin and end.
pub(super) fn clock(answer: &Answer) -> Found {
    let date = answer.header("date").and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    match date {
        Some(date) => of_clocks(date.timestamp(), answer.at),
        None => Found::warning("the answer has no date", "let the proxy pass the header `date`"),
    }
}

fn of_clocks(theirs: Timestamp, ours: Timestamp) -> Found {
    let apart = ours.duration_since(theirs);
    let seconds = apart.as_secs();
    let order = if apart > SignedDuration::ZERO { "ahead of" } else { "behind" };
    let mend = "let both set their clocks by NTP";
    match seconds.abs() {
        ..=CLOCK_SECONDS_FINE => Found::fine("both clocks say the same"),
        apart @ ..=CLOCK_SECONDS_MAX => {
            Found::warning(format!("this clock is {apart} s {order} the server's"), mend)
        }
        apart => Found::broken(format!("this clock is {apart} s {order} the server's"), mend),
    }
}

/// Whether Valet is ready; `None`: the store is another, or does not let its own paths be seen.
pub(super) async fn health(probe: &Probe) -> Option<Found> {
    let url = format!("{}/_valet/health/ready", probe.url.trim_end_matches('/'));
    let answer = answered(probe.client.get(url)).await.ok()?;
    match answer.status {
        StatusCode::OK => Some(Found::fine("Valet is ready")),
        StatusCode::SERVICE_UNAVAILABLE => {
            Some(Found::broken("Valet is not ready", "look into its log"))
        }
        _ => None,
    }
}

impl Examination<'_> {
    /// Whether keys arrive as they are written.
    pub(super) async fn keys(&mut self) -> Found {
        let mut odd = Vec::new();
        let mut last = None;
        for (name, what) in ODD_KEYS {
            let key = self.key(name);
            let put = self.used(Ask::put(&key, name)).await;
            let outcome = match put {
                Ok(_) => self.used(Ask::new("GET", &key)).await,
                Err(trouble) => Err(trouble),
            };
            match outcome {
                Ok(got) if got.answer.body == name.as_bytes() => {}
                Ok(_) => odd.push(what),
                Err(trouble) => {
                    odd.push(what);
                    last.get_or_insert(trouble);
                }
            }
        }
        match last {
            None if odd.is_empty() => Found::fine("odd keys arrive as they are written"),
            None => Found::broken(
                format!("what is stored under keys with {} comes back otherwise", odd.join(", ")),
                "let the proxy pass the path as it is",
            ),
            Some(mut trouble) => {
                trouble.text = format!("{} (keys with {})", trouble.text, odd.join(", "));
                Found::of(trouble)
            }
        }
    }

    /// Whether signed headers arrive.
    pub(super) async fn headers(&mut self) -> Found {
        let key = self.key("headers");
        let mut ask = Ask::put(&key, "headers");
        ask.signed_headers = &[
            ("content-type", "text/x-doctor"),
            ("x-amz-meta-doctor", "a value  with spaces"),
            ("x-doctor", "1"),
        ];
        if let Err(trouble) = self.used(ask).await {
            return Found::of(trouble);
        }
        let mut ask = Ask::put(&key, "headers");
        ask.signed_headers = &[("x-amz-meta-doctor_line", "1")];
        if let Err(trouble) = self.used(ask).await {
            let text = format!("metadata whose names have an underscore: {}", trouble.text);
            return Found::warning(text, trouble.mend);
        }
        Found::fine("signed headers arrive")
    }

    /// Whether HEAD stays HEAD.
    pub(super) async fn head(&mut self, page: &str) -> Found {
        // A link to GET refuses HEAD, unless that becomes GET on the way.
        let mut ask = Ask::new("GET", page);
        ask.sent_as = Some(Method::HEAD);
        let turned = self.probe.ask(ask).await;
        if turned.is_ok_and(|exchange| exchange.answer.status == StatusCode::OK) {
            return Found::broken(
                "method: HEAD arrives as GET",
                "let the proxy pass methods as they are; in nginx `proxy_cache_convert_head off`, and no \
                 `proxy_method`",
            );
        }
        match self.used(Ask::new("HEAD", page)).await {
            Err(trouble) => Found::of(trouble),
            Ok(_) => Found::fine("HEAD arrives as HEAD"),
        }
    }

    /// Whether what is fetched, wholly or in part, is what was stored.
    pub(super) async fn body(&mut self, page: &str, etag: &str) -> Found {
        let mut ask = Ask::new("GET", page);
        ask.other_headers = &[("accept-encoding", "gzip, br")];
        let whole = match self.used(ask).await {
            Ok(exchange) => exchange.answer,
            Err(trouble) => return Found::of(trouble),
        };
        if let Some(coding) = whole.header("content-encoding") {
            return Found::warning(
                format!(
                    "the answer is compressed on the way ({coding}): it loses length, ranges and ETag"
                ),
                "do not compress what the store sends: in nginx `gzip off`",
            );
        }
        let content = self::page();
        if whole.body != content {
            let text = "what is fetched is not what was stored";
            return Found::broken(text, "let the proxy pass bodies as they are");
        }
        if whole.header("etag") != Some(etag) || whole.header("content-length").is_none() {
            let text = "the answer loses its ETag or its length on the way";
            return Found::warning(text, "let the proxy pass `etag` and `content-length`");
        }
        let mut ask = Ask::new("GET", page);
        ask.other_headers = &[("range", "bytes=2-8")];
        match self.used(ask).await {
            Err(trouble) => Found::of(trouble),
            Ok(part) if part.answer.status == StatusCode::PARTIAL_CONTENT => {
                Found::fine("bodies and ranges arrive as they were stored")
            }
            Ok(_) => Found::warning(
                "a range is answered with the whole object: downloads do not resume",
                "let the proxy pass the header `range`",
            ),
        }
    }

    /// Whether a link that is long arrives, as those of sessions are.
    pub(super) async fn large_head(&mut self, page: &str) -> Found {
        if !self.rounds.is_aws && self.long_link(page, LONG_QUERY_BYTES).await.is_ok() {
            return Found::fine("links of 8 KiB arrive");
        }
        match self.long_link(page, SHORTER_QUERY_BYTES).await {
            Ok(()) if self.rounds.is_aws => Found::fine("links of 4 KiB arrive"),
            Ok(()) => Found::warning(
                "links of 4 KiB arrive, and those of 8 KiB do not",
                "allow longer heads: in nginx `large_client_header_buffers 4 32k`",
            ),
            Err(trouble) => Found::of(trouble),
        }
    }

    /// Uses a link whose query has so many bytes.
    async fn long_link(&mut self, page: &str, bytes: usize) -> Result<(), Trouble> {
        let plain = self.probe.link(&Ask::new("GET", page)).map_err(Trouble::without_answer)?;
        let query = plain.url.split_once('?').map_or(0, |(_, query)| query.len());
        let name = "x-doctor";
        let filling = "a".repeat(bytes.saturating_sub(query + name.len() + 2));
        let filled = [(name, &*filling)];
        let mut ask = Ask::new("GET", page);
        ask.query = &filled;
        self.used(ask).await.map(drop)
    }

    /// Whether an upload of some size arrives.
    pub(super) async fn upload(&mut self) -> Found {
        let key = self.key("upload");
        // Bytes that no proxy makes smaller on its way.
        let mut content = vec![0; UPLOAD_BYTES];
        if aws_lc_rs::rand::fill(&mut content).is_err() {
            return Found::warning("the machine gives no random numbers", "try again");
        }
        let begun = clock::now();
        match self.used(Ask::put(&key, content)).await {
            Ok(_) => {
                let millis = clock::now().duration_since(begun).as_millis();
                Found::fine(format!("8 MiB are stored in {millis} ms"))
            }
            Err(mut trouble) => {
                trouble.text = format!("of 8 MiB: {}", trouble.text);
                Found::of(trouble)
            }
        }
    }

    /// Whether an upload reaches the store while it is sent. One that is to be refused is answered as soon as its
    /// beginning arrives; something that keeps bodies until they are whole gives no answer before.
    pub(super) async fn buffering(&mut self) -> Found {
        match self.refused_upload().await {
            Ok(true) => Found::fine("uploads are passed on while they are sent"),
            Ok(false) => Found::warning(
                "uploads are kept on the way until they are whole: a refusal comes late, and progress is not \
                 that of the store",
                "pass them on as they come: in nginx `proxy_request_buffering off`",
            ),
            Err(trouble) => Found::of(trouble),
        }
    }

    /// Whether a refusal comes before the whole body was sent.
    async fn refused_upload(&mut self) -> Result<bool, Trouble> {
        let key = self.key("refused");
        let mut link = self.probe.link(&Ask::new("PUT", &key)).map_err(Trouble::without_answer)?;
        let last = link.url.pop();
        link.url.push(if last == Some('0') { '1' } else { '0' });
        let (reader, mut writer) = tokio::io::duplex(PAUSED_BYTES);
        let body = Body::wrap_stream(ReaderStream::new(reader));
        let size = u64::try_from(PAUSED_BYTES).unwrap_or_default();
        let request = self.probe.upload(&link, size, body).map_err(Trouble::without_answer)?;
        let mut answer = Box::pin(answered(request));
        let content = vec![0; PAUSED_BYTES];
        let (beginning, rest) = content.split_at_checked(PAUSED_AFTER_BYTES).unwrap_or_default();
        // The pipe has room for all of it, so neither write waits for the server.
        let unwritten = |error: std::io::Error| Trouble::without_answer(error.to_string());
        writer.write_all(beginning).await.map_err(unwritten)?;
        if let Ok(early) = tokio::time::timeout(PAUSE, &mut answer).await {
            // A connection that is closed on a refused upload is an answer too.
            return Ok(early.map_or(true, |answer| !answer.status.is_success()));
        }
        writer.write_all(rest).await.map_err(unwritten)?;
        drop(writer);
        answer.await.map(|_| false).map_err(Trouble::without_answer)
    }

    /// Whether a page of this origin may use links.
    pub(super) async fn preflight(&mut self, origin: &str, page: &str) -> Found {
        let mend = "allow the origin in the CORS rules of the bucket (docs/cors.md), and let the proxy pass OPTIONS \
                    and add no such headers itself";
        for asked in ["GET", "PUT"] {
            let mut ask = Ask::new("GET", page);
            ask.sent_as = Some(Method::OPTIONS);
            let headers = [("origin", origin), ("access-control-request-method", asked)];
            ask.other_headers = &headers;
            match self.probe.ask(ask).await {
                Err(words) => return Found::of(Trouble::without_answer(words)),
                Ok(exchange) => {
                    if let Err(what) = allowed(&exchange.answer, origin) {
                        return Found::broken(format!("a preflight for {asked}: {what}"), mend);
                    }
                }
            }
        }
        let mut ask = Ask::new("GET", page);
        let headers = [("origin", origin)];
        ask.other_headers = &headers;
        match self.probe.ask(ask).await {
            Err(words) => Found::of(Trouble::without_answer(words)),
            Ok(exchange) if !exchange.answer.status.is_success() => {
                Found::of(trouble(&exchange, &self.probe.bucket))
            }
            Ok(exchange) => match allowed(&exchange.answer, origin) {
                Err(what) => Found::broken(format!("a download: {what}"), mend),
                Ok(()) => Found::fine(format!("pages of {origin} may use links")),
            },
        }
    }
}

/// Whether a browser lets a page of this origin read the answer.
fn allowed(answer: &Answer, origin: &str) -> Result<(), String> {
    if !answer.status.is_success() {
        return Err(format!("it is answered {}", answer.status.as_u16()));
    }
    let values: Vec<&[u8]> = answer
        .headers
        .get_all("access-control-allow-origin")
        .iter()
        .map(reqwest::header::HeaderValue::as_bytes)
        .collect();
    match values.as_slice() {
        [value] if *value == b"*" || *value == origin.as_bytes() => Ok(()),
        [] => Err("the answer does not allow the origin".to_owned()),
        [_] => Err("the answer allows another origin".to_owned()),
        [_, ..] => Err("the answer names allowed origins twice, which browsers refuse".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue};

    use super::*;

    fn answer(status: u16, origins: &[&'static str]) -> Answer {
        let mut headers = HeaderMap::new();
        for origin in origins {
            let value = HeaderValue::from_static(origin);
            headers.append("access-control-allow-origin", value);
        }
        let status = StatusCode::from_u16(status).unwrap();
        let at = "2026-06-15T12:00:00Z".parse().unwrap();
        Answer { status, headers, body: Vec::new(), certificate: None, at }
    }

    #[test]
    fn clocks_and_certificates_have_bounds() {
        let now: Timestamp = "2026-06-15T12:00:00Z".parse().unwrap();
        let after = |seconds: i64| now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
        for (seconds, expected) in [
            (0, Status::Fine),
            (-30, Status::Fine),
            (31, Status::Warning),
            (-300, Status::Warning),
            (301, Status::Broken),
            (-86_400, Status::Broken),
        ] {
            assert_eq!(of_clocks(after(seconds), now).status, expected, "{seconds}");
        }
        assert_eq!(of_clocks(after(40), now).text, "this clock is 40 s behind the server's");
        assert_eq!(of_clocks(after(-40), now).text, "this clock is 40 s ahead of the server's");
        let day = 86_400;
        for (begun, days, expected) in [
            (-76, 14, Status::Fine),
            (-76, 13, Status::Warning),
            (-1, 1, Status::Fine),
            (-9, 1, Status::Warning),
            (-90, -1, Status::Warning),
        ] {
            let validity = Validity { from: after(begun * day), until: after(days * day) };
            assert_eq!(of_certificate(validity, now).status, expected, "{begun} {days}");
        }
    }

    #[test]
    fn what_browsers_allow() {
        let origin = "https://app.example.com";
        let check = |status: u16, origins: &[&'static str], expected: bool| {
            assert_eq!(allowed(&answer(status, origins), origin).is_ok(), expected, "{origins:?}");
        };
        check(200, &["https://app.example.com"], true);
        check(204, &["*"], true);
        check(403, &["*"], false);
        check(200, &[], false);
        check(200, &["https://other.example.com"], false);
        check(200, &["*", "https://app.example.com"], false);
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        let check = |url: &str, expected: Status| {
            assert_eq!(tls(url, &answer(404, &[])).status, expected, "{url}");
        };
        check("http://localhost:9000", Status::Fine);
        check("http://127.0.0.1:9000", Status::Fine);
        check("http://[::1]:9000", Status::Fine);
        check("http://files.example.com", Status::Warning);
        check("http://192.0.2.7:9000", Status::Warning);
    }
}
