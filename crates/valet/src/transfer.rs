//! What `get` and `put` share: the HTTP client, and the progress bar.

mod names;

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, InvalidHeaderName,
    RETRY_AFTER,
};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, Url};
use serde::Serialize;
use store::ManagedLinkId;

use crate::args::Connection;
use crate::failure::Failure;
use crate::refusal::Refusal;
use crate::trust;
use server::disposition;

/// The size of a read from a file, in bytes.
pub(crate) const READ_BYTES: usize = 256 * 1024;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the server may stay silent before a request is given up.
pub(crate) const SILENCE_MAX: Duration = Duration::from_mins(2);
const REDIRECTS_MAX: usize = 5;

const BAR: &str = "[{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
const BAR_WITHOUT_END: &str = "{spinner} {bytes} {bytes_per_sec}";

/// Runs a command that uses HTTP.
pub(crate) fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(command);
    // A read of standard input may still be waiting; it must not keep the process alive.
    runtime.shutdown_background();
    outcome
}

/// A client for downloads. It sends `headers` with every request and never gives the link away: no `Referer` on
/// redirects, and no redirect to an unencrypted address.
pub(crate) fn client(connection: &Connection, headers: HeaderMap) -> Result<Client, Failure> {
    let builder = builder(connection.trust.ca_bundle().as_deref())?
        .read_timeout(SILENCE_MAX)
        .redirect(careful(&headers))
        .default_headers(headers);
    builder.build().context("cannot start the HTTP client").map_err(Failure::from)
}

/// A client that asks where a short link sends on to, and does not go there.
pub(crate) fn scout(connection: &Connection, headers: HeaderMap) -> Result<Client, Failure> {
    let builder = builder(connection.trust.ca_bundle().as_deref())?
        .read_timeout(SILENCE_MAX)
        .redirect(Policy::none())
        .default_headers(headers);
    builder.build().context("cannot start the HTTP client").map_err(Failure::from)
}

/// A client for uploads. That for downloads counts the time without an answer from the start of the request, so
/// it would give up a long upload. This one follows no redirects, since the new address would not get the body.
pub(crate) fn sender(connection: &Connection) -> Result<Client, Failure> {
    let builder = builder(connection.trust.ca_bundle().as_deref())?.redirect(Policy::none());
    builder.build().context("cannot start the HTTP client").map_err(Failure::from)
}

/// The redirect policy of [`client`]. Headers may be secret, such as a customer's own key: they are sent to the
/// server of the link only.
fn careful(headers: &HeaderMap) -> Policy {
    if headers.is_empty() { Policy::custom(follow) } else { Policy::custom(follow_at_home) }
}

/// The headers that were given with `--header`.
pub(crate) fn headers(connection: &Connection) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for text in &connection.header {
        let (name, value) = text.split_once(':').ok_or_else(|| malformed(text))?;
        let (name, value) = header(name, value)?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// Reads a header from the command line.
pub(crate) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Failure> {
    let name = name.trim().parse::<HeaderName>().map_err(|_: InvalidHeaderName| malformed(name))?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| malformed(name.as_str()))?;
    Ok((name, value))
}

/// The error for a malformed header. Its value may be secret, so it is not repeated.
fn malformed(header: &str) -> Failure {
    let name = header.split(':').next().unwrap_or_default();
    Failure::usage(anyhow!("a header is written `Name: value`, not `{name}`"))
}

/// The builder that all HTTP clients of the commands share.
pub(crate) fn builder(authorities: Option<&Path>) -> Result<ClientBuilder, Failure> {
    let builder = Client::builder()
        .user_agent(concat!("valet/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .dns_resolver(names::Resolver)
        .referer(false);
    let Some(path) = authorities else { return Ok(builder) };
    let config = trust::config(path);
    let config = config.with_context(|| format!("the authorities in {}", path.display()));
    Ok(builder.tls_backend_preconfigured(config.map_err(Failure::usage)?))
}

fn follow_at_home(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let home = attempt.previous().first().map(Url::origin);
    if home.is_some_and(|home| home != attempt.url().origin()) {
        attempt.error("the headers of a link are not sent to another server")
    } else {
        follow(attempt)
    }
}

fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let was_encrypted = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    if was_encrypted && attempt.url().scheme() != "https" {
        attempt.error("a redirect from https to http is not followed")
    } else if attempt.previous().len() > REDIRECTS_MAX {
        attempt.error("too many redirects")
    } else {
        attempt.follow()
    }
}

/// Reads a link. The text itself is a credential, so errors do not repeat it.
///
/// A URL parser removes `.` and `..` from a path, as browsers do, and the request would be for another key than
/// the signed one. Such a link is refused, and the error says what can be done.
pub(crate) fn link(text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| {
        let is_object = text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("s3://"));
        let hint = if is_object { "; for an object use `valet cp`" } else { "" };
        Failure::usage(anyhow!("a link begins with http:// or https://{hint}"))
    })?;
    if is_signed(&url) != Signed::Wholly
        && url.query_pairs().any(|(name, _)| name.starts_with("amp;"))
    {
        return Err(Failure::usage(anyhow!(ESCAPED)));
    }
    if is_signed(&url) == Signed::Partly {
        return Err(Failure::usage(anyhow!(
            "the link was cut off: it has no signature. {UNQUOTED}"
        )));
    }
    let path = text.split(['?', '#']).next().unwrap_or_default();
    if path.split('/').any(is_folded) {
        return Err(Failure::failed(anyhow!(
            "the key of this link has a `.` or `..` between slashes, which URL libraries fold away; \
             use curl --path-as-is"
        )));
    }
    Ok(url)
}

/// The URL of a short link without anything behind its id. `None`: the URL is none of a short link.
pub(crate) fn short_link(url: &Url) -> Option<Url> {
    let (before, rest) = url.path().split_once("/_valet/s/")?;
    // A presigned URL can lead to a key that looks like a short link.
    if is_signed(url) != Signed::Not {
        return None;
    }
    let id: ManagedLinkId = rest.split('/').next()?.parse().ok()?;
    let mut bare = url.clone();
    bare.set_query(None);
    bare.set_fragment(None);
    bare.set_path(&format!("{before}/_valet/s/{}", id.text()));
    Some(bare)
}

/// Whether a text looks like a link although a file was expected.
pub(crate) fn is_link(text: &str) -> bool {
    let begins = |scheme: &str| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    (begins("http://") || begins("https://")) && !Path::new(text).exists()
}

/// How much of its signature a link has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signed {
    Wholly,
    /// Its beginning only. An unquoted `&` ends a command in a shell, so the rest was cut off.
    Partly,
    /// Nothing: the link is to a public object, or was cut off before the signature.
    Not,
}

/// Looks for the parameters of SigV4 and of SigV2.
fn is_signed(url: &Url) -> Signed {
    let has = |wanted: &str| url.query_pairs().any(|(name, _)| name == wanted);
    if has("X-Amz-Signature") || has("Signature") {
        Signed::Wholly
    } else if has("X-Amz-Algorithm") || has("X-Amz-Credential") || has("AWSAccessKeyId") {
        Signed::Partly
    } else {
        Signed::Not
    }
}

/// The beginning of rustls's message for a certificate that is not trusted.
const UNTRUSTED: &str = "invalid peer certificate";

/// The hint for that.
const TRUST_IT: &str = "; --ca-bundle FILE trusts the certificate or authority in that file";

/// The parts of rustls's message for a certificate that is not valid at this time.
const UNTIMELY: [&str; 2] = ["certificate not valid yet", "certificate expired"];

/// The hint for that.
const CLOCK: &str = "; is the clock of this machine right?";

/// The beginning of hyper's message for an answer that is not HTTP, such as an alert of TLS.
const NOT_HTTP: &str = "invalid HTTP";

/// The hint for that.
const MAYBE_TLS: &str = "; if this port speaks TLS, use https://";

/// The name in rustls's message for an answer that is not TLS, such as plain HTTP.
const NOT_TLS: &str = "InvalidContentType";

/// The message for that.
const MAYBE_PLAIN: &str = "this port does not speak TLS; if it speaks plain HTTP, use http://";

/// The hint for a link in which `&` is written as `&amp;`.
const ESCAPED: &str =
    "the link has `&amp;` in it, which is HTML's and mail's way to write `&`: replace each by `&`";

/// The hint for a link without a signature.
const UNQUOTED: &str =
    "Was the link quoted? A shell ends it at its first `&`: put it between 'single quotes'";

/// The error for a refused link. It also says what may be wrong with the link as it was typed, or with the
/// headers that were sent: of a link that a shell cut off, only the first parameter is left.
pub(crate) fn refused(url: &Url, sent: &HeaderMap, refusal: Refusal) -> Failure {
    let Refusal { code, failure, .. } = refusal;
    if short_link(url).is_some() {
        return failure;
    }
    let one_parameter = url.query().is_some_and(|query| !query.contains('&'));
    if one_parameter && is_signed(url) != Signed::Wholly {
        return failure.with_hint(UNQUOTED);
    }
    let of_headers = (code == "SignatureDoesNotMatch")
        .then(|| missing_headers(url, sent).or_else(|| type_of_sigv2(url, sent)));
    match of_headers.flatten() {
        Some(hint) => failure.with_hint(&hint),
        None => failure,
    }
}

/// Headers that the link was signed with and that were not sent.
fn missing_headers(url: &Url, sent: &HeaderMap) -> Option<String> {
    let (_, signed) = url.query_pairs().find(|(name, _)| name == "X-Amz-SignedHeaders")?;
    // The HTTP client itself sends these.
    let by_itself = [HOST.as_str(), CONTENT_LENGTH.as_str()];
    let missing = |name: &&str| !by_itself.contains(name) && !sent.contains_key(*name);
    let missing: Vec<_> = signed.split(';').filter(missing).map(shown).collect();
    let headers = match missing.as_slice() {
        [] => return None,
        [_] => "a header that was",
        _ => "headers that were",
    };
    Some(format!("The link demands {headers} not sent: {}.", missing.join(", ")))
}

/// What is wrong with the type that was sent: a SigV2 signature covers the type of the body, even if there is
/// none.
fn type_of_sigv2(url: &Url, sent: &HeaderMap) -> Option<String> {
    let is_sigv2 = url.query_pairs().any(|(name, _)| name == "AWSAccessKeyId");
    let sent_type =
        sent.get(CONTENT_TYPE).map(|value| shown(&String::from_utf8_lossy(value.as_bytes())));
    // A mere download sends no type.
    if !is_sigv2 || (sent_type.is_none() && !sent.contains_key(CONTENT_LENGTH)) {
        return None;
    }
    let sent_type = sent_type.unwrap_or_else(|| "none".to_owned());
    Some(format!(
        "Links of this kind (SigV2) demand the Content-Type that they were made with, and none if they were made with \
         none; {sent_type} was sent."
    ))
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !disposition::is_deceptive(*c)).collect()
}

/// Whether a path segment means the same folder or the one above, encoded or not.
pub(crate) fn is_folded(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

/// The server was not reached, so nothing of the request was sent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreached(String);

/// The server was reached, but never answered.
#[derive(Debug, thiserror::Error)]
#[error("the server has not answered for {} s", SILENCE_MAX.as_secs())]
pub(crate) struct Silent;

/// The server fell silent in the middle of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the server has sent nothing for {} s", SILENCE_MAX.as_secs())]
struct FellSilent;

/// The message if the connection ends where an answer should begin.
const LOST: &str = "the connection was lost before the answer came";

/// The messages of hyper and of the system for the same.
const LOST_CAUSES: [&str; 3] =
    ["connection closed before message completed", "Connection reset by peer", "Broken pipe"];

/// What `get` and `put` moved, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Moved<'m> {
    /// `None`: standard input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    pub(crate) size: u64,
    /// The `ETag` without quotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) etag: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version_id: Option<&'m str>,
    /// The checksums that were verified.
    pub(crate) verified: &'m [&'static str],
}

/// The version in an answer, if the bucket has versions.
pub(crate) fn version_id(headers: &HeaderMap) -> Option<String> {
    headers.get("x-amz-version-id")?.to_str().ok().map(str::to_owned)
}

/// An `ETag` as it is reported: a strong one without its quotes.
pub(crate) fn bare_etag(etag: &str) -> &str {
    let bare = etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"'));
    bare.unwrap_or(etag)
}

/// How long the server asks to wait before the next try.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Why a request got no answer, or only a part of it. The innermost cause is the clearest, and the link must
/// not be repeated.
pub(crate) fn unanswered(error: reqwest::Error) -> anyhow::Error {
    let is_unreached = error.is_connect();
    if error.is_timeout() && !is_unreached {
        let begun = error.is_body() || error.is_decode();
        return if begun { FellSilent.into() } else { Silent.into() };
    }
    let words = unanswered_in_words(error, is_unreached);
    if is_unreached { Unreached(words).into() } else { anyhow!(words) }
}

fn unanswered_in_words(error: reqwest::Error, is_unreached: bool) -> String {
    let origin = error.url().map(|url| url.origin().ascii_serialization());
    let what = if error.is_body() || error.is_decode() {
        "the connection broke".to_owned()
    } else if error.is_redirect() {
        "the server sends elsewhere".to_owned()
    } else {
        format!("{} cannot be reached", origin.as_deref().unwrap_or("the server"))
    };
    let is_plain = error.url().is_some_and(|url| url.scheme() == "http");
    let cause = anyhow::Error::from(error.without_url()).root_cause().to_string();
    if LOST_CAUSES.iter().any(|words| cause.contains(words)) && !is_unreached {
        return LOST.to_owned();
    }
    if !is_plain && cause.contains(NOT_TLS) {
        return format!("{what}: {MAYBE_PLAIN}");
    }
    let is_of_time = UNTIMELY.iter().any(|words| cause.contains(words));
    let mend = if cause.starts_with(UNTRUSTED) && is_of_time {
        CLOCK
    } else if cause.starts_with(UNTRUSTED) {
        TRUST_IT
    } else if is_plain && cause.starts_with(NOT_HTTP) {
        MAYBE_TLS
    } else {
        ""
    };
    format!("{what}: {cause}{mend}")
}

/// Sends a request and waits for the head of its answer. Gives up a silent server, whatever client is used. Not
/// for requests with long bodies.
pub(crate) async fn answer(request: RequestBuilder) -> anyhow::Result<Response> {
    answer_within(request, SILENCE_MAX).await
}

async fn answer_within(request: RequestBuilder, silence_max: Duration) -> anyhow::Result<Response> {
    match tokio::time::timeout(silence_max, request.send()).await {
        Ok(answer) => answer.map_err(unanswered),
        Err(_elapsed) => Err(Silent.into()),
    }
}

/// The next bytes of an answer; `None` at its end. Gives up a silent server, whatever client is used.
pub(crate) async fn chunk(response: &mut Response) -> anyhow::Result<Option<Bytes>> {
    chunk_within(response, SILENCE_MAX).await
}

/// Like [`chunk`], with another limit.
pub(crate) async fn chunk_within(
    response: &mut Response,
    silence_max: Duration,
) -> anyhow::Result<Option<Bytes>> {
    match tokio::time::timeout(silence_max, response.chunk()).await {
        Ok(chunk) => chunk.map_err(unanswered),
        Err(_elapsed) => Err(FellSilent.into()),
    }
}

/// A progress bar on standard error, shown only on a terminal.
pub(crate) fn progress(quiet: bool, total: Option<u64>) -> ProgressBar {
    let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
    if quiet {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let template = if total.is_some() { BAR } else { BAR_WITHOUT_END };
    // The templates are constants, and a test reads them.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_readable() {
        ProgressStyle::with_template(BAR).unwrap();
        ProgressStyle::with_template(BAR_WITHOUT_END).unwrap();
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_given_up_in_words() {
        // Its system takes connections, and nobody answers them.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let moment = Duration::from_millis(20);
        let client = Client::new();
        let error = answer_within(client.get(&url), moment).await.unwrap_err();
        assert!(error.is::<Silent>());
        assert_eq!(error.to_string(), "the server has not answered for 120 s");
        // The client's own limit, which is the same, says the same.
        let impatient = Client::builder().read_timeout(moment).build().unwrap();
        let error = unanswered(impatient.get(&url).send().await.unwrap_err());
        assert!(error.is::<Silent>());
    }

    #[test]
    fn links_that_are_none_say_what_may_help() {
        let check = |text: &str, words: &str| {
            let said = link(text).unwrap_err().to_string();
            assert!(said.contains(words), "{text}: {said}");
            assert!(!said.contains("s3cr3t"), "{text}: {said}");
        };
        check("s3://b/k", "for an object use `valet cp`");
        check("S3://b/k", "for an object use `valet cp`");
        check("http://h/k?X-Amz-Algorithm=A&amp;X-Amz-Signature=s3cr3t", "replace each by `&`");
        check("http://h/k?response-expires=1&amp;X-Amz-Signature=s3cr3t", "replace each by `&`");
        check("http://h/k?AWSAccessKeyId=a&amp;Signature=s3cr3t", "replace each by `&`");
        // A name of one's own in a link that is whole.
        assert!(link("http://h/k?X-Amz-Algorithm=A&amp;x=1&X-Amz-Signature=1").is_ok());
    }

    #[test]
    fn links() {
        let check = |text: &str, holds: bool| assert_eq!(link(text).is_ok(), holds, "{text}");
        check("http://localhost:9000/b/k?X-Amz-Date=1", true);
        check("http://h/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=1", true);
        check("http://h/b/k?AWSAccessKeyId=a&Signature=b", true);
        // What a shell leaves of them.
        check("http://h/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256", false);
        check("http://h/b/k?AWSAccessKeyId=a", false);
        check("https://h/", true);
        check("ftp://h/", false);
        check("s3://b/k", false);
        check("report.pdf", false);
        check("", false);
        check("http://h/b/a/../c?X-Amz-Date=1", false);
        check("http://h/b/%2E/c", false);
        check("http://h/b/.%2e", false);
        check("http://h/b/..c/...?a=/../", true);
    }
}
