//! What an answer says that was not expected: who gave it, what changed on the way, and what mends that.

use presign::CauseCode;
use reqwest::Url;
use reqwest::header::LOCATION;
use serde::Deserialize;

use super::arrival::{self, Change};
use super::probe::{Answer, Exchange};

/// What is wrong, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) text: String,
    pub(super) mend: String,
    /// What changed on the way, if that is known.
    pub(super) codes: Vec<CauseCode>,
}

/// The document of a refusal.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Refusal {
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
    canonical_request: Option<String>,
    bucket_name: Option<String>,
}

impl Refusal {
    /// Reads the refusal of a store.
    pub(super) fn of(answer: &Answer) -> Option<Self> {
        quick_xml::de::from_str(std::str::from_utf8(&answer.body).ok()?).ok()
    }

    /// Whether the signer's key or session is refused, which no proxy can mend.
    pub(super) fn is_of_credentials(&self) -> bool {
        matches!(self.code.as_str(), "InvalidAccessKeyId" | "ExpiredToken" | "InvalidToken")
    }

    /// Whether the time of the link is judged otherwise than it was signed.
    pub(super) fn is_of_time(&self) -> bool {
        let of_message = ["Request has expired", "Request is not yet valid"];
        self.code == "RequestTimeTooSkewed" || of_message.contains(&&*self.message)
    }

    /// Whether there is no bucket of this name.
    pub(super) fn lacks_bucket(&self, bucket: &str) -> bool {
        self.code == "NoSuchBucket" && self.bucket_name.as_deref().is_none_or(|name| name == bucket)
    }

    /// Whether the request was allowed as far as its signature goes.
    pub(super) fn is_verified(&self) -> bool {
        match self.code.as_str() {
            "NoSuchKey" => true,
            "AccessDenied" => !self.is_of_time(),
            _ => false,
        }
    }
}

impl Trouble {
    fn new(text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { text: text.into(), mend: mend.into(), codes: Vec::new() }
    }

    fn of_changes(changes: &[Change]) -> Self {
        let joined = |part: fn(&Change) -> &str| {
            let mut parts: Vec<&str> = Vec::new();
            for change in changes {
                if !parts.contains(&part(change)) {
                    parts.push(part(change));
                }
            }
            parts.join("; ")
        };
        let text = joined(|change| &change.text);
        let mend = joined(|change| &change.mend);
        Self { text, mend, codes: changes.iter().map(|change| change.code).collect() }
    }

    /// No answer came.
    pub(super) fn without_answer(words: String) -> Self {
        let mend = if words.contains("UnknownIssuer") {
            "let the server send the whole chain of its certificate, or trust its authority with --ca-bundle"
        } else if words.contains("invalid peer certificate") {
            "give the server a certificate for this name that is valid now"
        } else {
            "start what listens there, or open the way to it"
        };
        Self::new(words, mend)
    }
}

/// Explains an answer that is not the expected one. `bucket` is the one that was asked.
pub(super) fn trouble(exchange: &Exchange, bucket: &str) -> Trouble {
    let Exchange { link, answer } = exchange;
    if let Some(trouble) = redirected(&link.url, answer) {
        return trouble;
    }
    let Some(refusal) = Refusal::of(answer) else { return without_refusal(answer) };
    if refusal.code == "SignatureDoesNotMatch" {
        return mismatch(exchange, &refusal);
    }
    if refusal.is_of_time() {
        return Trouble::new(
            format!("the store finds the time of the link wrong: {}", refusal.message),
            "set the clock of this machine, or that of the server",
        );
    }
    if let Some(found) = refusal.bucket_name.as_ref().filter(|found| *found != bucket) {
        let mut trouble = Trouble::new(
            format!(
                "the store takes `{found}` for the bucket: it does not know its own path prefix"
            ),
            "tell Valet its whole address: `valet serve --public-url URL`; or let the proxy take the prefix off",
        );
        trouble.codes.push(CauseCode::PathPrefix);
        return trouble;
    }
    let Refusal { code, message, .. } = refusal;
    Trouble::new(
        format!("the store answers {} {code}: {message}", answer.status.as_u16()),
        "see docs/errors.md for the code",
    )
}

fn mismatch(exchange: &Exchange, refusal: &Refusal) -> Trouble {
    let Some(arrived) = &refusal.canonical_request else {
        return Trouble::new(
            "the signature does not match, and the store does not show what arrived",
            "compare host, port, path and headers on both sides of the proxy",
        );
    };
    let changes = arrival::changes(&exchange.link, arrived);
    if changes.is_empty() {
        return Trouble::new(
            "the signature does not match, although the request arrives as it was signed",
            "check the secret access key",
        );
    }
    Trouble::of_changes(&changes)
}

/// The answer sends elsewhere, which no signature survives.
fn redirected(url: &str, answer: &Answer) -> Option<Trouble> {
    if !answer.status.is_redirection() {
        return None;
    }
    let sent = Url::parse(url).ok()?;
    let target = sent.join(answer.headers.get(LOCATION)?.to_str().ok()?).ok()?;
    let (code, what) = if sent.scheme() != target.scheme() {
        (CauseCode::Scheme, format!("{} is sent on to {}", sent.scheme(), target.scheme()))
    } else if sent.host_str() != target.host_str() {
        let host = target.host_str().unwrap_or_default();
        (CauseCode::Host, format!("requests are sent on to the host `{host}`"))
    } else if sent.port_or_known_default() != target.port_or_known_default() {
        (CauseCode::Port, "requests are sent on to another port".to_owned())
    } else {
        (CauseCode::PathEncoding, format!("requests are sent on to the path `{}`", target.path()))
    };
    let origin = target.origin().ascii_serialization();
    let mut trouble = Trouble::new(what, format!("make links for where they end: {origin}"));
    trouble.codes.push(code);
    Some(trouble)
}

/// The answer has no refusal in it, so it may be of something before the store.
fn without_refusal(answer: &Answer) -> Trouble {
    let status = answer.status.as_u16();
    if answer.header("x-amz-request-id").is_some() {
        return Trouble::new(
            format!("the store answers {status}, which was not to be expected"),
            "look into the log of the store",
        );
    }
    let mend = match status {
        413 => "allow larger bodies: in nginx `client_max_body_size 0`",
        400 | 414 | 431 => "allow longer heads: in nginx `large_client_header_buffers 4 32k`",
        405 | 501 => "let GET, HEAD, PUT, POST, DELETE and OPTIONS pass",
        502..=504 => "let the proxy reach the store: check its upstream address",
        _ => "let the proxy pass every path and method on to the store",
    };
    let server = answer.header("server").map(|name| format!(" ({name})")).unwrap_or_default();
    Trouble::new(
        format!("the answer {status} is not the store's, but of something before it{server}"),
        mend,
    )
}

#[cfg(test)]
mod tests {
    use presign::{Credentials, Endpoint, ExpiresIn, Presign, Presigner, SecretAccessKey};
    use reqwest::StatusCode;
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    fn exchange(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Exchange {
        let credentials = Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: SecretAccessKey::new("secret"),
            session_token: None,
        };
        let endpoint = Endpoint::parse("http://files.example.com/store").unwrap();
        let presign = Presign::new("GET", &endpoint, "b", b"k", ExpiresIn::parse("60").unwrap());
        let at = "2026-06-15T12:00:00Z".parse().unwrap();
        let link = Presigner::new(credentials, "us-east-1").presign(&presign, at).unwrap();
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        let body = body.as_bytes().to_vec();
        Exchange { link, answer: Answer { status, headers, body, certificate: None, at } }
    }

    /// `expected` is the codes, and the beginning of the text.
    fn check(exchange: &Exchange, expected: (&[&str], &str)) {
        let found = trouble(exchange, "b");
        let codes: Vec<_> = found.codes.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes, expected.0, "{}", found.text);
        assert!(found.text.starts_with(expected.1), "{}", found.text);
        assert!(!found.mend.is_empty());
        assert!(!found.text.contains("X-Amz-Signature"), "{}", found.text);
    }

    #[test]
    fn who_sends_elsewhere_is_named() {
        let check = |location: &'static str, code: &str, text: &str| {
            check(&exchange(308, &[("location", location)], ""), (&[code], text));
        };
        check("https://files.example.com/store/b/k", "scheme", "http is sent on to https");
        check(
            "http://cdn.example.com/x",
            "host",
            "requests are sent on to the host `cdn.example.com`",
        );
        check("http://files.example.com:81/x", "port", "requests are sent on to another port");
        check("/b/k", "path-encoding", "requests are sent on to the path `/b/k`");
    }

    #[test]
    fn who_answers_is_named() {
        let own = [("x-amz-request-id", "1")];
        let none: &[&str] = &[];
        let proxy = [("server", "nginx")];
        let before = "the answer 413 is not the store's, but of something before it (nginx)";
        check(&exchange(413, &proxy, "<html>"), (none, before));
        check(&exchange(200, &[], "hello"), (none, "the answer 200 is not the store's"));
        check(&exchange(404, &own, ""), (none, "the store answers 404, which was not"));
        let body = "<Error><Code>SlowDown</Code><Message>Wait.</Message></Error>";
        check(&exchange(503, &own, body), (none, "the store answers 503 SlowDown: Wait."));
    }

    #[test]
    fn what_a_store_refuses_is_named() {
        let refused = |code: &str, more: &str| {
            let body = format!(
                "<Error><Code>{code}</Code><Message>Request has expired</Message>{more}</Error>"
            );
            exchange(403, &[("x-amz-request-id", "1")], &body)
        };
        let none: &[&str] = &[];
        let time = "the store finds the time of the link wrong";
        check(&refused("AccessDenied", ""), (none, time));
        let other = refused("NoSuchBucket", "<BucketName>store</BucketName>");
        let text = "the store takes `store` for the bucket";
        let found = trouble(&exchange(404, &[], ""), "b");
        assert_eq!(found.codes, []);
        let body = std::str::from_utf8(&other.answer.body)
            .unwrap()
            .replace("Request has expired", "None.");
        check(&exchange(404, &[], &body), (&["path-prefix"], text));
        // Stores other than AWS and Valet show nothing.
        let silent = "<Error><Code>SignatureDoesNotMatch</Code><Message>No.</Message></Error>";
        let text = "the signature does not match, and the store does not show what arrived";
        check(&exchange(403, &[], silent), (none, text));
    }
}
