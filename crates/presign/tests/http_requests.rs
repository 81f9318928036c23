//! Requests of the `http` crate: what is signed in them verifies, and what is changed afterwards does not.

#![expect(clippy::unwrap_used, reason = "a test may")]

use bytes::Bytes;
use http::{Request, Uri};
use jiff::Timestamp;
use presign::{
    ChunkEvent, Credentials, Endpoint, ExpectedScope, ExpiresIn, HttpRequestHead, Mechanism,
    Presign, Presigner, SecretAccessKey, SessionToken, SignError, SignatureClaim, SignedPayload,
    Signer, StreamingMode, VerifiedSignature, VerifyingKey, sign_http_request,
};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

fn credentials() -> Credentials {
    Credentials {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret_access_key: SecretAccessKey::new(SECRET),
        session_token: None,
    }
}

fn now() -> Timestamp {
    "2026-06-15T12:00:00Z".parse().unwrap()
}

/// Signed by the key above, or not.
fn verify<B>(request: &Request<B>) -> Option<VerifiedSignature> {
    let arrived = HttpRequestHead::from_request(request).unwrap();
    let claim = SignatureClaim::from_request(&arrived.head()).unwrap()?;
    let expected = ExpectedScope::new("us-east-1", "s3");
    let claim = claim.admit(&expected, now()).ok()?;
    let key = VerifyingKey::derive(&claim, &SecretAccessKey::new(SECRET));
    claim.verify(&[arrived.signed_host()], &key).ok()
}

fn sign<B>(
    request: &mut Request<B>,
    credentials: &Credentials,
    payload: SignedPayload,
) -> Result<Option<presign::ChunkEncoder>, SignError> {
    let signer = Signer { credentials, region: "us-east-1", service: "s3" };
    sign_http_request(request, payload, &signer, now())
}

#[test]
fn a_signed_request_verifies_until_it_is_changed() {
    let mut request = Request::put("http://localhost:9000/bucket/a%20b?x-id=PutObject")
        .header("content-type", "text/plain")
        .header("user-agent", "tests")
        .header("authorization", "what stood there before")
        .body(())
        .unwrap();
    assert!(sign(&mut request, &credentials(), SignedPayload::Unsigned).unwrap().is_none());
    assert_eq!(verify(&request).unwrap().mechanism(), Mechanism::V4Header);

    let changed = |change: fn(&mut Request<()>)| {
        let mut request = request.clone();
        change(&mut request);
        verify(&request).is_some()
    };
    assert!(changed(|request| {
        request.headers_mut().insert("user-agent", "proxy".parse().unwrap());
    }));
    assert!(!changed(|request| {
        request.headers_mut().insert("content-type", "text/html".parse().unwrap());
    }));
    assert!(!changed(|request| *request.method_mut() = http::Method::DELETE));
    for uri in [
        "http://localhost:9001/bucket/a%20b?x-id=PutObject",
        "http://localhost:9000/bucket/a?x-id=PutObject",
        "http://localhost:9000/bucket/a%20b?x-id=GetObject",
    ] {
        let mut request = request.clone();
        *request.uri_mut() = Uri::from_static(uri);
        assert!(verify(&request).is_none(), "{uri}");
    }
}

#[test]
fn what_is_secret_is_marked_in_the_headers() {
    let credentials =
        Credentials { session_token: Some(SessionToken::new("token")), ..credentials() };
    let mut request = Request::get("https://h/bucket/k").body(()).unwrap();
    sign(&mut request, &credentials, SignedPayload::Unsigned).unwrap();
    let sensitive = |name: &str| request.headers()[name].is_sensitive();
    assert!(sensitive("authorization") && sensitive("x-amz-security-token"));
    assert!(!sensitive("x-amz-date"));
}

#[test]
fn a_host_header_is_signed_before_the_target() {
    let mut request = Request::get("/bucket/k").header("host", "h:9000").body(()).unwrap();
    sign(&mut request, &credentials(), SignedPayload::Unsigned).unwrap();
    assert!(verify(&request).is_some());
    let mut request = Request::get("/bucket/k").body(()).unwrap();
    let refused = sign(&mut request, &credentials(), SignedPayload::Unsigned);
    assert_eq!(refused.unwrap_err(), SignError::MissingHost);
}

#[test]
fn credentials_that_no_header_can_carry_sign_nothing() {
    for id in ["AKID\r\nx-amz-acl: public-read", "AKID\0", "AKIDé"] {
        let credentials = Credentials { access_key_id: id.to_owned(), ..credentials() };
        let mut request = Request::get("http://h/bucket/k").body(()).unwrap();
        let refused = sign(&mut request, &credentials, SignedPayload::Unsigned);
        assert_eq!(refused.unwrap_err(), SignError::MalformedCredentials, "{id:?}");
        assert!(request.headers().is_empty());
    }
}

#[test]
fn a_body_in_chunks_is_encoded_for_the_request() {
    let mut request = Request::put("http://h/bucket/k")
        .header("x-amz-decoded-content-length", "5")
        .body(())
        .unwrap();
    let payload = SignedPayload::Streaming(StreamingMode::Signed);
    let mut encoder = sign(&mut request, &credentials(), payload).unwrap().unwrap();
    let mut body = encoder.chunk(Bytes::from_static(b"hello")).concat();
    body.extend(encoder.finish(&[]));

    let mut decoder = verify(&request).unwrap().chunk_decoder(5, &[]).unwrap();
    let mut input = Bytes::from(body);
    assert_eq!(
        decoder.decode(&mut input).unwrap(),
        Some(ChunkEvent::Data(Bytes::from_static(b"hello")))
    );
}

#[test]
fn a_link_becomes_the_request_it_stands_for() {
    let endpoint = Endpoint::parse("http://localhost:9000/prefix").unwrap();
    let link = |key: &[u8]| {
        let presign =
            Presign::new("PUT", &endpoint, "bucket", key, ExpiresIn::parse("15m").unwrap())
                .with_headers(&[("Content-Type", "text/plain"), ("x-amz-meta-name", "café")]);
        Presigner::new(credentials(), "us-east-1").presign(&presign, now()).unwrap()
    };
    let request = link("a b/é".as_bytes()).to_http_request("hello").unwrap();
    assert_eq!(request.uri().path(), "/prefix/bucket/a%20b/%C3%A9");
    assert_eq!(*request.body(), "hello");
    assert_eq!(request.headers()["x-amz-meta-name"].as_bytes(), "café".as_bytes());
    assert_eq!(verify(&request).unwrap().mechanism(), Mechanism::V4Query);

    assert!(link(&b"k".repeat(70_000)).to_http_request(()).is_err(), "longer than a URI may be");
}
