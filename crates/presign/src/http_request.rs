//! The types of the `http` crate, in both directions: its requests read for verification, and signed.

use std::fmt;

use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method, Request, Uri};
use jiff::Timestamp;

use crate::chunked::ChunkEncoder;
use crate::claim::SignedHost;
use crate::presign::Presigned;
use crate::request::RequestHead;
use crate::sign::{SECURITY_TOKEN, SignError, SignedPayload, Signer, sign_request};

/// The head of an [`http::Request`] as it arrived, for [`SignatureClaim`](crate::SignatureClaim) to read.
///
/// It borrows from the request and keeps a list of its header lines. The host is settled here, for the same
/// reason in every server: over HTTP/1 it is the `Host` header, over HTTP/2 `:authority`, and a request that
/// names two different hosts would let a client choose at which of them a signature is checked.
///
/// ```
/// use presign::{ExpectedScope, HttpRequestHead, SecretAccessKey, SignatureClaim, VerifyingKey};
///
/// let request = http::Request::get(
///     "/examplebucket/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
///      &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
///      &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
///      &X-Amz-Signature=733255ef022bec3f2a8701cd61d4b371f3f28c9f193a1f02279211d48d5193d7",
/// )
/// .header("host", "s3.amazonaws.com")
/// .body(())?;
/// let now = "2013-05-24T12:00:00Z".parse()?;
///
/// let arrived = HttpRequestHead::from_request(&request)?;
/// let claim = SignatureClaim::from_request(&arrived.head())?.ok_or("an anonymous request")?;
/// let claim = claim.admit(&ExpectedScope::new("us-east-1", "s3"), now)?;
/// let secret = SecretAccessKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
/// let key = VerifyingKey::derive(&claim, &secret);
/// let verified = claim.verify(&[arrived.signed_host()], &key)?;
/// assert_eq!(verified.access_key_id(), "AKIAIOSFODNN7EXAMPLE");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct HttpRequestHead<'r> {
    method: &'r str,
    host: &'r str,
    path: &'r str,
    query: &'r str,
    /// The header lines, and after them `host` where the request has no such line.
    lines: Vec<(&'r str, &'r [u8])>,
}

/// Why the head of a request cannot be read: nobody can say which host it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpHeadError {
    /// Neither a `Host` header nor an authority in the request's target.
    #[error("the request names no host")]
    MissingHost,
    /// More than one `Host` header.
    #[error("the request names its host twice")]
    RepeatedHost,
    /// A `Host` header with bytes other than visible ASCII.
    #[error("the host header is not text")]
    MalformedHost,
    /// A `Host` header that differs from the authority in the request's target by more than the case of letters.
    #[error("the host header contradicts the request's target")]
    ContradictedHost,
}

impl<'r> HttpRequestHead<'r> {
    /// Reads the head of a request. Its body is not looked at.
    pub fn from_request<B>(request: &'r Request<B>) -> Result<Self, HttpHeadError> {
        Self::read(request.method(), request.uri(), request.headers())
    }

    /// Reads the head of a request that was taken apart by [`Request::into_parts`].
    pub fn from_parts(parts: &'r Parts) -> Result<Self, HttpHeadError> {
        Self::read(&parts.method, &parts.uri, &parts.headers)
    }

    fn read(
        method: &'r Method,
        uri: &'r Uri,
        headers: &'r HeaderMap,
    ) -> Result<Self, HttpHeadError> {
        let host = host_of(uri, headers)?;
        let lines = lines_of(headers, host);
        let (path, query) = target_of(uri);
        Ok(Self { method: method.as_str(), host, path, query, lines })
    }

    /// The host that the request is for, with its port, as the client wrote both.
    pub fn host(&self) -> &'r str {
        self.host
    }

    /// The path in wire form; `/` where the client sent none.
    pub fn path(&self) -> &'r str {
        self.path
    }

    /// The query in wire form, without its `?`; empty where there is none.
    pub fn query(&self) -> &'r str {
        self.query
    }

    /// The request as [`SignatureClaim::from_request`](crate::SignatureClaim::from_request) takes it.
    pub fn head(&self) -> RequestHead<'_> {
        let Self { method, host: _, path, query, lines } = self;
        RequestHead { method, path, query, headers: lines }
    }

    /// The host and path at which the request arrived, in path style, for
    /// [`AdmissibleClaim::verify`](crate::AdmissibleClaim::verify).
    ///
    /// A server that takes the bucket from the host's name says so:
    /// `SignedHost { virtual_bucket: Some(bucket), ..arrived.signed_host() }`.
    pub fn signed_host(&self) -> SignedHost<'r> {
        SignedHost { host: self.host, path: self.path, prefix: "", virtual_bucket: None }
    }
}

/// Shows the shape of the request and never a value: a presigned query is a credential.
impl fmt::Debug for HttpRequestHead<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("HttpRequestHead").field(&self.head()).finish()
    }
}

/// The one host that a request names.
fn host_of<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Result<&'r str, HttpHeadError> {
    let mut lines = headers.get_all(HOST).iter();
    let header = lines.next().map(|host| host.to_str().map_err(|_| HttpHeadError::MalformedHost));
    let header = header.transpose()?;
    if lines.next().is_some() {
        return Err(HttpHeadError::RepeatedHost);
    }
    let authority = uri.authority().map(Authority::as_str);
    match (header, authority) {
        (Some(header), Some(authority)) if !header.eq_ignore_ascii_case(authority) => {
            Err(HttpHeadError::ContradictedHost)
        }
        (Some(host), _) | (None, Some(host)) => Ok(host),
        (None, None) => Err(HttpHeadError::MissingHost),
    }
}

/// The header lines in the shape of a [`RequestHead`], with a `host` in any case.
fn lines_of<'r>(headers: &'r HeaderMap, host: &'r str) -> Vec<(&'r str, &'r [u8])> {
    let mut lines = Vec::with_capacity(headers.len() + 1);
    lines.extend(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
    if !headers.contains_key(HOST) {
        lines.push(("host", host.as_bytes()));
    }
    lines
}

/// Path and query in wire form.
fn target_of(uri: &Uri) -> (&str, &str) {
    let path = match uri.path() {
        "" => "/",
        path => path,
    };
    (path, uri.query().unwrap_or_default())
}

/// Signs an [`http::Request`] by adding headers to it, as [`sign_request`] does for any other.
///
/// Every header that is there already is signed, but those that clients and proxies change on the way; so add
/// all headers before. For a [`SignedPayload::Streaming`] body, the result encodes it; it is `None` for others.
///
/// The host that is signed is the `Host` header, and where there is none, what clients send for the request's
/// URI: its host, and its port where that is not the scheme's own.
///
/// ```
/// use presign::{Credentials, SecretAccessKey, SignedPayload, Signer, sign_http_request};
///
/// let credentials = Credentials {
///     access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
///     secret_access_key: SecretAccessKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
///     session_token: None,
/// };
/// let signer = Signer { credentials: &credentials, region: "us-east-1", service: "s3" };
/// let mut request = http::Request::delete("http://localhost:9000/bucket/key").body(())?;
/// sign_http_request(
///     &mut request,
///     SignedPayload::Unsigned,
///     &signer,
///     "2026-06-15T12:00:00Z".parse()?,
/// )?;
/// assert!(request.headers().contains_key("authorization"));
/// assert_eq!(request.headers()["x-amz-date"], "20260615T120000Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn sign_http_request<B>(
    request: &mut Request<B>,
    payload: SignedPayload,
    signer: &Signer<'_>,
    now: Timestamp,
) -> Result<Option<ChunkEncoder>, SignError> {
    let host = match request.headers().get(HOST) {
        Some(host) => host.to_str().map_err(|_| SignError::MissingHost)?.to_owned(),
        None => sent_host(request.uri()).ok_or(SignError::MissingHost)?,
    };
    let lines = lines_of(request.headers(), &host);
    let (path, query) = target_of(request.uri());
    let head = RequestHead { method: request.method().as_str(), path, query, headers: &lines };
    let signed = sign_request(&head, payload, signer, now)?;
    let encoder = signed.chunk_encoder();
    for (name, value) in signed.headers {
        let mut value =
            HeaderValue::from_str(&value).map_err(|_| SignError::MalformedCredentials)?;
        value.set_sensitive(name == AUTHORIZATION || name == SECURITY_TOKEN);
        request.headers_mut().insert(HeaderName::from_static(name), value);
    }
    Ok(encoder)
}

/// What HTTP clients send as `Host` for a URI.
fn sent_host(uri: &Uri) -> Option<String> {
    let host = uri.host()?;
    let own_port = match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        Some(_) | None => None,
    };
    Some(match uri.port_u16().filter(|port| Some(*port) != own_port) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

impl Presigned {
    /// The request that this link stands for: its method, its URL and the headers that must be sent with it.
    ///
    /// Fails where the URL is longer than a URI of the `http` crate may be, 65,534 bytes.
    ///
    /// ```
    /// # use presign::{Credentials, Endpoint, ExpiresIn, Presign, Presigner, SecretAccessKey};
    /// # let credentials = Credentials {
    /// #     access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
    /// #     secret_access_key: SecretAccessKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    /// #     session_token: None,
    /// # };
    /// # let endpoint = Endpoint::parse("http://localhost:9000")?;
    /// # let link = Presigner::new(credentials, "us-east-1").presign(
    /// #     &Presign::new("PUT", &endpoint, "bucket", b"key", ExpiresIn::parse("15m")?)
    /// #         .with_headers(&[("Content-Type", "text/plain")]),
    /// #     "2026-06-15T12:00:00Z".parse()?,
    /// # )?;
    /// let request = link.to_http_request("hello")?;
    /// assert_eq!(request.method(), "PUT");
    /// assert_eq!(request.headers()["content-type"], "text/plain");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_http_request<B>(&self, body: B) -> http::Result<Request<B>> {
        let builder = Request::builder().method(self.method.as_str()).uri(&self.url);
        let lines = self.headers.iter();
        lines
            .fold(builder, |builder, (name, value)| builder.header(name, value.as_bytes()))
            .body(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_for_one_host() {
        fn check(target: &str, hosts: &[&str], expected: Result<&str, HttpHeadError>) {
            let builder = Request::get(target);
            let builder = hosts.iter().fold(builder, |builder, host| builder.header("host", *host));
            let request = builder.body(()).unwrap();
            let read = HttpRequestHead::from_request(&request);
            assert_eq!(read.map(|arrived| arrived.host()), expected, "{target} {hosts:?}");
        }
        check("/k", &["h:9000"], Ok("h:9000"));
        check("http://h:9000/k", &[], Ok("h:9000"));
        check("http://h:9000/k", &["H:9000"], Ok("H:9000"));
        check("/k", &[], Err(HttpHeadError::MissingHost));
        check("/k", &["h", "h"], Err(HttpHeadError::RepeatedHost));
        check("/k", &["h", "é"], Err(HttpHeadError::RepeatedHost));
        check("/k", &["é"], Err(HttpHeadError::MalformedHost));
        check("http://h:9000/k", &["h"], Err(HttpHeadError::ContradictedHost));
        check("http://h/k", &["other"], Err(HttpHeadError::ContradictedHost));
    }

    #[test]
    fn a_head_is_what_was_on_the_wire() {
        let request = Request::put("http://h/a%2f..//b%20?x=%41&y")
            .header("x-amz-meta-a", "1")
            .header("x-amz-meta-a", "2")
            .body(())
            .unwrap();
        let arrived = HttpRequestHead::from_request(&request).unwrap();
        let head = arrived.head();
        assert_eq!((head.method, head.path, head.query), ("PUT", "/a%2f..//b%20", "x=%41&y"));
        let expected: [(&str, &[u8]); 3] =
            [("x-amz-meta-a", b"1"), ("x-amz-meta-a", b"2"), ("host", b"h")];
        assert_eq!(head.headers, expected);
        let at = arrived.signed_host();
        assert_eq!((at.host, at.path, at.virtual_bucket), ("h", "/a%2f..//b%20", None));
        assert_eq!(
            HttpRequestHead::from_parts(&request.into_parts().0).unwrap().query(),
            "x=%41&y"
        );
    }

    #[test]
    fn the_host_is_signed_as_clients_send_it() {
        fn check(uri: &str, expected: Option<&str>) {
            assert_eq!(sent_host(&uri.parse().unwrap()).as_deref(), expected, "{uri}");
        }
        check("http://h/k", Some("h"));
        check("http://h:80/k", Some("h"));
        check("https://h:443/k", Some("h"));
        check("https://h:80/k", Some("h:80"));
        check("http://u@h:9000/k", Some("h:9000"));
        check("http://[::1]:9000/k", Some("[::1]:9000"));
        check("/k", None);
    }

    #[test]
    fn debug_prints_no_value() {
        let request =
            Request::get("/k?X-Amz-Signature=secret").header("host", "h").body(()).unwrap();
        let shown = format!("{:?}", HttpRequestHead::from_request(&request).unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }
}
