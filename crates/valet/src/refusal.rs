//! Refusals in words: what the server said, and what the user can do about it.

use std::time::Duration;

use anyhow::anyhow;
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use server::disposition;

use crate::failure::Failure;
use crate::transfer;

/// The most bytes of an error body that are read.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// The most characters shown of a text from the server.
const SHOWN_CHARS_MAX: usize = 300;
/// The header in which a server says of a link why it is refused: `CODE; TEXT`.
const HINT: &str = "x-valet-hint";
/// The most characters shown of a hint.
const HINT_CHARS_MAX: usize = 512;

/// The answers of nginx and of servers in Go to plain HTTP on a port that speaks TLS.
const PLAIN_TO_TLS: [&str; 2] = [
    "The plain HTTP request was sent to HTTPS port",
    "Client sent an HTTP request to an HTTPS server",
];

/// The error document of S3.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct S3Error {
    code: String,
    message: String,
    expires: Option<String>,
    headers_not_signed: Option<String>,
    /// The server's region, if the request was signed for another.
    region: Option<String>,
    /// When the link opens.
    not_before: Option<String>,
    max_size_allowed: Option<String>,
    min_size_allowed: Option<String>,
    /// What the server says of the link beside the document.
    #[serde(skip)]
    hint: Option<String>,
    /// Whether Valet's own API has refused.
    #[serde(skip)]
    is_own: bool,
}

/// An answer that is no success, read to its end.
struct Answer {
    status: StatusCode,
    body: String,
    hint: Option<String>,
}

impl Answer {
    async fn read(response: Response) -> Self {
        let (status, hint) = (response.status(), hint_of(response.headers()));
        Self { status, body: read_body(response).await, hint }
    }

    fn error(&self) -> S3Error {
        S3Error { hint: self.hint.clone(), ..parse(&self.body) }
    }
}

/// The text of a hint, without the code before it.
fn hint_of(headers: &HeaderMap) -> Option<String> {
    let hint = headers.get(HINT)?.to_str().ok()?;
    let (_, text) = hint.split_once(';')?;
    let text = shown_within(text.trim(), HINT_CHARS_MAX);
    (!text.is_empty()).then_some(text)
}

/// The server's words of a short link whose passphrase was not given.
const NEEDS_PASSPHRASE: &str = "Link needs a passphrase";

/// The hint for plain HTTP on a port that speaks TLS.
const USE_TLS: &str = "this port speaks TLS: use https://";

/// The words of Valet for the same.
const VALET_SPEAKS_TLS: &str = "This port speaks TLS: use https://";

fn speaks_tls(body: &str) -> bool {
    PLAIN_TO_TLS.iter().any(|words| body.contains(words))
}

/// The rule of S3 for the names of buckets.
const BUCKET_NAMES: &str = "name of a bucket has 3 to 63 of `a-z`, `0-9`, `-` and `.`, begins and ends with a letter \
                            or digit, has no `.` or `-` beside a `.`, and is no IP address";

/// The element in which IAM and STS wrap an error.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ErrorResponse {
    error: S3Error,
}

/// The error document of Valet's own API.
#[derive(Debug, Deserialize)]
struct OwnError {
    error: OwnErrorBody,
}

#[derive(Debug, Deserialize)]
struct OwnErrorBody {
    code: String,
    message: String,
    /// The argument that cannot be right.
    argument: Option<String>,
}

/// A refusal, for callers that may do something else than give up.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) failure: Failure,
    region: Option<String>,
    /// Whether it answers plain HTTP on a port that speaks TLS.
    speaks_tls: bool,
}

impl Refusal {
    /// Whether a link is refused only because it has expired.
    pub(crate) fn is_expiry(&self) -> bool {
        self.code == "AccessDenied" && self.message == "Request has expired"
    }

    /// The failure of somebody who has given a passphrase: the page of a request asks again, whatever it was given.
    pub(crate) fn of_given_passphrase(self) -> Failure {
        if self.code == "AccessDenied" && self.message == NEEDS_PASSPHRASE {
            return Failure::denied(anyhow!(
                "403 AccessDenied: Passphrase is wrong\nAsk whoever sent you the link."
            ));
        }
        self.failure
    }

    /// Whether it answers plain HTTP on a port that speaks TLS.
    pub(crate) fn speaks_tls(&self) -> bool {
        self.speaks_tls
    }

    /// What is wrong with the bucket of a link, if that is the whole problem.
    pub(crate) fn of_bucket(&self) -> Option<String> {
        (self.code == "InvalidBucketName").then(|| format!("the {BUCKET_NAMES}"))
    }

    /// What is wrong with the credentials, so that nothing they sign will work; or with the server's address.
    pub(crate) fn of_signer(&self) -> Option<String> {
        let words = match self.code.as_str() {
            _ if self.speaks_tls => USE_TLS,
            "InvalidAccessKeyId" | "InvalidClientTokenId" => {
                "the server does not know the access key, or it was switched off"
            }
            "SignatureDoesNotMatch" if is_of_clock(&self.message) => CLOCK_WRONG,
            "SignatureDoesNotMatch" => "the secret is not the one of the access key",
            "InvalidToken" => "the session token is not one of this server",
            "ExpiredToken" => "the session is over",
            "RequestTimeTooSkewed" => CLOCK_WRONG,
            "AuthorizationHeaderMalformed" => {
                let region = shown(self.region.as_deref()?);
                return Some(format!(
                    "it is signed for another region than the server's; set AWS_REGION={region}"
                ));
            }
            _ => return None,
        };
        Some(words.to_owned())
    }
}

/// Reads the refusal of a link. 403 is a denial, anything else a failure.
pub(crate) async fn read(response: Response) -> Failure {
    read_with(response, advice).await
}

/// Like [`read`], for callers that look at the refusal.
pub(crate) async fn look_at(response: Response) -> Refusal {
    look_with(response, advice).await
}

/// Like [`read_own`], for callers that look at the refusal.
pub(crate) async fn look_at_own(response: Response) -> Refusal {
    look_with(response, own_advice).await
}

async fn look_with(response: Response, advice: fn(&S3Error) -> Option<String>) -> Refusal {
    let answer = Answer::read(response).await;
    let S3Error { code, message, region, .. } = answer.error();
    let speaks_tls = message == VALET_SPEAKS_TLS || (code.is_empty() && speaks_tls(&answer.body));
    Refusal { code, message, failure: failure(&answer, advice), region, speaks_tls }
}

/// Whether the same request may succeed later.
pub(crate) fn passes(status: StatusCode, code: &str) -> bool {
    matches!(
        status,
        StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    ) || matches!(code, "RequestTimeout" | "IncompleteBody")
}

/// An error in the body of an answer that began with 200.
pub(crate) fn in_body(body: &str) -> Failure {
    failure(&Answer { status: StatusCode::OK, body: body.to_owned(), hint: None }, advice)
}

/// Reads the refusal of a request that was signed with the user's own credentials.
pub(crate) async fn read_own(response: Response) -> Failure {
    read_with(response, own_advice).await
}

async fn read_with(response: Response, advice: fn(&S3Error) -> Option<String>) -> Failure {
    failure(&Answer::read(response).await, advice)
}

/// A request of the user's own that names an argument which cannot be right is wrong usage.
fn failure(answer: &Answer, advice: fn(&S3Error) -> Option<String>) -> Failure {
    let words = anyhow!(in_words(answer, advice));
    match answer.status {
        StatusCode::FORBIDDEN => Failure::denied(words),
        StatusCode::BAD_REQUEST if names_argument(&answer.body) => Failure::usage(words),
        _ => Failure::failed(words),
    }
}

fn names_argument(body: &str) -> bool {
    serde_json::from_str::<OwnError>(body).is_ok_and(|own| own.error.argument.is_some())
}

/// Reads the body as far as it comes. Half an error document is better than none.
async fn read_body(response: Response) -> String {
    read_body_within(response, transfer::SILENCE_MAX).await
}

/// Neither a single piece nor the whole may take longer than a server may be silent.
async fn read_body_within(mut response: Response, time_max: Duration) -> String {
    let mut body = Vec::new();
    let reading = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() >= BODY_BYTES_MAX {
                body.truncate(BODY_BYTES_MAX);
                break;
            }
        }
    };
    // The bytes that came in time are kept.
    let _in_time = tokio::time::timeout(time_max, reading).await;
    String::from_utf8_lossy(&body).into_owned()
}

fn in_words(answer: &Answer, advice: fn(&S3Error) -> Option<String>) -> String {
    let Answer { status, body, .. } = answer;
    let error = answer.error();
    if error.code.is_empty() {
        let mend = if speaks_tls(body) { format!(": {USE_TLS}") } else { String::new() };
        return format!("the server answered {status}{mend}");
    }
    let said = format!("{} {}: {}", status.as_u16(), shown(&error.code), shown(&error.message));
    match advice(&error) {
        Some(advice) => format!("{said}\n{advice}"),
        None => said,
    }
}

/// Reads the error document in any of its forms; empty if the body is none of them.
fn parse(body: &str) -> S3Error {
    if let Ok(OwnError { error: OwnErrorBody { code, message, .. } }) = serde_json::from_str(body) {
        let region = region_of(&message).map(str::to_owned);
        return S3Error { code, message, region, is_own: true, ..S3Error::default() };
    }
    let error = quick_xml::de::from_str::<S3Error>(body).unwrap_or_default();
    if !error.code.is_empty() {
        return error;
    }
    quick_xml::de::from_str::<ErrorResponse>(body).unwrap_or_default().error
}

/// The hint for clocks that may differ.
const CLOCK: &str = "Is the clock of this machine right?";

/// The hint if a link will not work for that reason.
const CLOCK_WRONG: &str = "the clock of this machine, or the server's, is wrong";

/// Whether IAM or STS refused a signature because of its time. They have no code of their own for this.
fn is_of_clock(message: &str) -> bool {
    ["Signature not yet current", "Signature expired"]
        .iter()
        .any(|words| message.starts_with(words))
}

/// The server's region in the message of IAM, STS or Valet's own API, if the request was signed for another. They have
/// no element of their own for this.
fn region_of(message: &str) -> Option<&str> {
    let begins = [
        "Credential should be scoped to a valid region",
        "The authorization header is malformed; the region ",
    ];
    let rest = begins.into_iter().find_map(|begin| message.strip_prefix(begin))?;
    rest.split('\'').rev().nth(1)
}

/// The hint for users who sign with their own credentials.
fn own_advice(error: &S3Error) -> Option<String> {
    if let ("AuthorizationHeaderMalformed", Some(region)) = (&*error.code, &error.region) {
        let region = shown(region);
        return Some(format!("The server's region is {region}: set AWS_REGION, or use --region."));
    }
    if let ("SignatureDoesNotMatch", Some(region)) = (&*error.code, region_of(&error.message)) {
        let region = shown(region);
        return Some(format!("The server's region is {region}: set AWS_REGION, or use --region."));
    }
    let advice = match error.code.as_str() {
        "AccessDenied" if error.message.starts_with("Roles may not be assumed by root") => {
            "Make a user whom the role trusts, and use a key of that user."
        }
        "SignatureDoesNotMatch" if is_of_clock(&error.message) => CLOCK,
        "SignatureDoesNotMatch" => "Is the secret of the access key right, and is the region?",
        "InvalidClientTokenId" | "InvalidAccessKeyId" | "InvalidToken" => {
            "The server does not know the credentials, or they were switched off."
        }
        "ExpiredToken" => "The session is over: get new credentials.",
        "RequestTimeTooSkewed" => CLOCK,
        // `valet share` asks the API, which takes all below a prefix as a folder.
        "NoSuchKey" if error.is_own => {
            "Nothing is stored under that key. If it is a folder, add a slash at the end."
        }
        "NoSuchKey" => "Nothing is stored under that key. If it is a folder, add --recursive.",
        "InvalidBucketName" => return Some(format!("The {BUCKET_NAMES}.")),
        "DeleteConflict" => "--force removes what hinders first.",
        "SlowDown" | "ServiceUnavailable" | "Throttling" => "Try again in a while.",
        _ => return None,
    };
    Some(advice.to_owned())
}

/// What the document says of the limits of a link: that is the answer to what the holder asks next.
fn limit(error: &S3Error) -> Option<String> {
    if let ("AccessDenied", Some(opens)) = (&*error.code, &error.not_before) {
        return Some(format!("The link opens at {}.", shown(opens)));
    }
    match (&*error.code, &error.max_size_allowed, &error.min_size_allowed) {
        ("EntityTooLarge", Some(max), _) => {
            Some(format!("At most {} bytes may be uploaded.", shown(max)))
        }
        ("EntityTooSmall", _, Some(min)) => {
            Some(format!("At least {} bytes must be uploaded.", shown(min)))
        }
        _ => None,
    }
}

/// The hint for users of a link: what the document says of its end and limits, what the server says of this link,
/// or what is likely.
fn advice(error: &S3Error) -> Option<String> {
    let ends = error.message == "Request has expired" && error.expires.is_some();
    if let Some(limit) = limit(error) {
        return Some(limit);
    }
    match &error.hint {
        Some(hint) if !ends => Some(hint.clone()),
        Some(_) | None => likely(error),
    }
}

fn likely(error: &S3Error) -> Option<String> {
    let advice = match (error.code.as_str(), error.message.as_str()) {
        ("AccessDenied", "Request has expired") => {
            let end = error.expires.as_deref().map(|end| format!(" at {}", shown(end)));
            return Some(format!("The link died{}: ask for a new one.", end.unwrap_or_default()));
        }
        ("AccessDenied", "Link has been revoked") => "The link was taken back: ask for a new one.",
        ("AccessDenied", "Link has been used up") => {
            "The link has been used up: ask for a new one."
        }
        ("AccessDenied", NEEDS_PASSPHRASE) => "Add --passphrase.",
        ("AccessDenied", "Passphrase is wrong") => "Ask whoever sent you the link.",
        ("InvalidRequest", "Please give your name.") => "Add --sender NAME.",
        ("AccessDenied", "Request is not yet valid") => {
            "The link's time has not come, or the clock of whoever made it is ahead."
        }
        ("AccessDenied", _) if error.headers_not_signed.is_some() => {
            let headers = shown(error.headers_not_signed.as_deref().unwrap_or_default());
            return Some(format!("The link does not allow these headers: {headers}."));
        }
        ("AccessDenied", _) => "Whoever made the link may not do this (any more).",
        ("SignatureDoesNotMatch", _) => {
            "The link was cut or changed on its way, or it was made for another method or with \
             headers that must be sent (-H)."
        }
        ("InvalidAccessKeyId" | "ExpiredToken" | "InvalidToken", _) => {
            "The credentials that made the link are gone, and the link with them: ask for a new one."
        }
        ("NoSuchKey" | "NoSuchVersion", _) => "Nothing is stored there (any more).",
        ("NoSuchUpload", _) => {
            "The upload was completed, or given up: ask for a new bundle if you still need one."
        }
        ("NoSuchBucket", _) => "The bucket does not exist (any more).",
        ("SlowDown" | "ServiceUnavailable", _) => "Try again in a while.",
        _ => return None,
    };
    Some(advice.to_owned())
}

/// Text from the server, without what a terminal would obey.
fn shown(text: &str) -> String {
    shown_within(text, SHOWN_CHARS_MAX)
}

fn shown_within(text: &str, most: usize) -> String {
    text.chars().filter(|c| !disposition::is_deceptive(*c)).take(most).collect()
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;
    use crate::failure::Exit;

    fn answer(status: u16, body: &str, hint: Option<&str>) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(hint) = hint {
            headers.insert(HINT, hint.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, body: body.to_owned(), hint: hint_of(&headers) }
    }

    #[test]
    fn every_api_tells_its_region() {
        let own = r#"{"error":{"code":"AuthorizationHeaderMalformed","message":"The authorization header is malformed; the region 'a' is wrong; expecting 'eu-1'"}}"#;
        let iam = "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>Credential should be scoped to a valid region, not 'a'. Expected 'eu-1'.</Message></Error></ErrorResponse>";
        let s3 = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>M</Message><Region>eu-1</Region></Error>";
        for body in [own, iam, s3] {
            let words = in_words(&answer(400, body, None), own_advice);
            assert!(
                words.ends_with("The server's region is eu-1: set AWS_REGION, or use --region."),
                "{words}"
            );
        }
    }

    #[test]
    fn what_is_said_of_this_link_stands_before_what_is_likely() {
        let check = |code: &str, rest: &str, hint: Option<&str>, expected: &str| {
            let body = format!("<Error><Code>{code}</Code><Message>M</Message>{rest}</Error>");
            let words = in_words(&answer(403, &body, hint), advice);
            assert_eq!(words, format!("403 {code}: M\n{expected}"));
        };
        let hint = Some("revoked; This link was taken back. Ask for a new one.");
        check("AccessDenied", "", hint, "This link was taken back. Ask for a new one.");
        check("SignatureDoesNotMatch", "", Some("host; Signed for h."), "Signed for h.");
        let nothing = "Whoever made the link may not do this (any more).";
        check("AccessDenied", "", Some("no hint"), nothing);
        check("AccessDenied", "", Some("policy; "), nothing);
        let opens = "<NotBefore>2026-12-24T18:00:00Z</NotBefore>";
        let hint = Some("not-yet; This link does not work yet. Open it again then.");
        check("AccessDenied", opens, hint, "The link opens at 2026-12-24T18:00:00Z.");
        let most = "<ProposedSize>9</ProposedSize><MaxSizeAllowed>5</MaxSizeAllowed>";
        check("EntityTooLarge", most, None, "At most 5 bytes may be uploaded.");
        let least = "<ProposedSize>1</ProposedSize><MinSizeAllowed>5</MinSizeAllowed>";
        check("EntityTooSmall", least, None, "At least 5 bytes must be uploaded.");
    }

    #[test]
    fn an_argument_that_the_server_names_is_wrong_usage() {
        let exit =
            |status: u16, body: &str| failure(&answer(status, body, None), own_advice).exit();
        let named = r#"{"error":{"code":"InvalidArgument","message":"M","argument":"before"}}"#;
        let unnamed = r#"{"error":{"code":"InvalidRequest","message":"M"}}"#;
        assert_eq!(exit(400, named), Exit::WrongUsage);
        assert_eq!(exit(400, unnamed), Exit::Failed);
        assert_eq!(exit(403, named), Exit::Denied);
    }

    #[test]
    fn refusals() {
        let check = |status: u16, body: &str, expected: &str| {
            assert_eq!(in_words(&answer(status, body, None), advice), expected);
        };
        let xml = |code: &str, message: &str, rest: &str| {
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
                 <Message>{message}</Message>{rest}<RequestId>1</RequestId></Error>"
            )
        };
        check(502, "<html>", "the server answered 502 Bad Gateway");
        check(404, "", "the server answered 404 Not Found");
        let tls = "the server answered 400 Bad Request: this port speaks TLS: use https://";
        check(400, "Client sent an HTTP request to an HTTPS server.\n", tls);
        check(400, "<title>400 The plain HTTP request was sent to HTTPS port</title>", tls);
        check(
            403,
            &xml("AccessDenied", "Request has expired", "<Expires>2026-01-01T00:00:00Z</Expires>"),
            "403 AccessDenied: Request has expired\n\
             The link died at 2026-01-01T00:00:00Z: ask for a new one.",
        );
        check(
            403,
            &xml("AccessDenied", "There were headers", "<HeadersNotSigned>x-a</HeadersNotSigned>"),
            "403 AccessDenied: There were headers\nThe link does not allow these headers: x-a.",
        );
        check(
            403,
            &xml("AccessDenied", "Request is not yet valid", ""),
            "403 AccessDenied: Request is not yet valid\n\
             The link's time has not come, or the clock of whoever made it is ahead.",
        );
        check(
            403,
            &xml("AccessDenied", "Access Denied", ""),
            "403 AccessDenied: Access Denied\nWhoever made the link may not do this (any more).",
        );
        check(
            404,
            &xml("NoSuchKey", "The specified key does not exist.", ""),
            "404 NoSuchKey: The specified key does not exist.\nNothing is stored there (any more).",
        );
        check(400, &xml("Odd", "a\u{9b}b&#27;c &lt;d&gt;", ""), "400 Odd: abc <d>");
        check(400, &xml("Odd", "a\u{202e}b\u{61c}c\u{200b}d", ""), "400 Odd: abcd");
        check(400, &xml("Odd", &"x".repeat(400), ""), &format!("400 Odd: {}", "x".repeat(300)));
    }

    /// An answer of these bytes, after which nothing comes and nothing ends.
    async fn unfinished(body: &'static str) -> (Response, tokio::io::DuplexStream) {
        let (mut server, client) = tokio::io::duplex(1024);
        server.write_all(body.as_bytes()).await.unwrap();
        let body = reqwest::Body::wrap_stream(tokio_util::io::ReaderStream::new(client));
        (Response::from(hyper::Response::new(body)), server)
    }

    #[tokio::test]
    async fn a_server_that_falls_silent_in_its_answer_is_given_up() {
        let moment = Duration::from_millis(20);
        let (response, _server) = unfinished("<Error>").await;
        assert_eq!(read_body_within(response, moment).await, "<Error>");
        let (mut response, _server) = unfinished("a").await;
        let first = transfer::chunk_within(&mut response, moment).await.unwrap();
        assert_eq!(first.as_deref(), Some(&b"a"[..]));
        let next = transfer::chunk_within(&mut response, moment).await;
        assert_eq!(next.unwrap_err().to_string(), "the server has sent nothing for 120 s");
    }

    #[test]
    fn refusals_of_what_was_signed_with_own_credentials() {
        let check = |status: u16, body: &str, expected: &str| {
            assert_eq!(in_words(&answer(status, body, None), own_advice), expected);
        };
        let query = |code: &str, message: &str| {
            format!(
                "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\n  <Error>\n    \
                 <Type>Sender</Type>\n    <Code>{code}</Code>\n    <Message>{message}</Message>\n  \
                 </Error>\n  <RequestId>1</RequestId>\n</ErrorResponse>\n"
            )
        };
        check(403, &query("AccessDenied", "Not so."), "403 AccessDenied: Not so.");
        check(
            403,
            &query("AccessDenied", "Roles may not be assumed by root accounts."),
            "403 AccessDenied: Roles may not be assumed by root accounts.\n\
             Make a user whom the role trusts, and use a key of that user.",
        );
        check(
            409,
            &query("DeleteConflict", "Has keys."),
            "409 DeleteConflict: Has keys.\n--force removes what hinders first.",
        );
        for message in ["Signature expired: a is now", "Signature not yet current: a is still"] {
            check(
                403,
                &query("SignatureDoesNotMatch", message),
                &format!(
                    "403 SignatureDoesNotMatch: {message}\nIs the clock of this machine right?"
                ),
            );
        }
        check(
            403,
            &query("SignatureDoesNotMatch", "It does not."),
            "403 SignatureDoesNotMatch: It does not.\n\
             Is the secret of the access key right, and is the region?",
        );
        check(
            403,
            &query("InvalidClientTokenId", "Invalid."),
            "403 InvalidClientTokenId: Invalid.\n\
             The server does not know the credentials, or they were switched off.",
        );
        check(
            404,
            r#"{"error":{"code":"NoSuchAccount","message":"There is none."}}"#,
            "404 NoSuchAccount: There is none.",
        );
        check(
            403,
            "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
            "403 AccessDenied: Access Denied",
        );
        check(404, "{}", "the server answered 404 Not Found");
    }
}
