//! The library of this repository.

use std::hint::black_box;
use std::net::IpAddr;

use jiff::Timestamp;
use presign::{
    AdmissibleClaim, Credentials, Endpoint, ExpectedScope, ExpiresIn, LinkConditions, Presign,
    Presigner, QueryPairs, RequestHead, SecretAccessKey, SigV2Use, SignatureClaim, SignedHost,
    VerifyingKey, decode_query_component,
};

use crate::{
    ACCESS_KEY_ID, BUCKET, EXPIRES_IN_SECONDS, HOST, KEY, ORIGIN, PATH, REGION, SECRET_ACCESS_KEY,
};

/// As a service makes links: the presigner stays, and keeps the key of the day.
pub(crate) fn presign() -> impl FnMut() {
    let (endpoint, now) = (endpoint(), Timestamp::now());
    let mut presigner = presigner();
    move || {
        black_box(presigner.presign(black_box(&request(&endpoint)), now).unwrap());
    }
}

/// As a command makes one link.
pub(crate) fn presign_uncached() -> impl FnMut() {
    let (endpoint, now) = (endpoint(), Timestamp::now());
    move || {
        black_box(presigner().presign(black_box(&request(&endpoint)), now).unwrap());
    }
}

pub(crate) fn presign_v2() -> impl FnMut() {
    let (endpoint, now) = (endpoint(), Timestamp::now());
    let presigner = presigner();
    move || {
        black_box(presigner.presign_v2(black_box(&request(&endpoint)), now).unwrap());
    }
}

/// As a server verifies: the derived key is kept by its scope.
pub(crate) fn verify() -> impl FnMut() {
    let now = Timestamp::now();
    let query = query_of(&url());
    let key = verifying_key(&query, now);
    move || {
        let claim = admit(black_box(&query), now);
        black_box(claim.verify(&[signed_host()], &key).unwrap());
    }
}

/// The same for a link with conditions, which are read and asked once its signature holds.
pub(crate) fn verify_with_conditions() -> impl FnMut() {
    let now = Timestamp::now();
    let client: IpAddr = "203.0.113.9".parse().unwrap();
    let conditions = [
        ("x-valet-id", "s3cNyM0xQq2p5T8rV4aBzg"),
        ("x-valet-label", "Invoice 7"),
        ("x-valet-not-before", "20260101T000000Z"),
        ("x-valet-rate", "1048576"),
        ("x-valet-source-ip", "203.0.113.0/24,2001:db8::/32"),
        ("x-valet-uses", "5"),
    ];
    let conditions = LinkConditions::read(conditions.into_iter()).unwrap();
    let endpoint = endpoint();
    let wanted = request(&endpoint).with_conditions(&conditions);
    let query = query_of(&presigner().presign(&wanted, now).unwrap().url);
    let key = verifying_key(&query, now);
    move || {
        let claim = admit(black_box(&query), now);
        black_box(claim.verify(&[signed_host()], &key).unwrap());
        let text = |raw: &str| String::from_utf8(decode_query_component(raw).into_owned()).unwrap();
        let pairs: Vec<_> =
            QueryPairs::new(&query).map(|(name, value)| (text(name), text(value))).collect();
        let pairs = pairs.iter().map(|(name, value)| (&**name, &**value));
        let read = LinkConditions::read(pairs).unwrap();
        assert!(read.not_before.is_some_and(|opens| opens.timestamp() <= now));
        assert!(read.source_ip.as_ref().is_some_and(|ranges| ranges.contain(client)));
        black_box(read);
    }
}

pub(crate) fn verify_uncached() -> impl FnMut() {
    let now = Timestamp::now();
    let query = query_of(&url());
    move || check(black_box(&query), now)
}

pub(crate) fn verify_v2() -> impl FnMut() {
    let now = Timestamp::now();
    let url = presigner().presign_v2(&request(&endpoint()), now).unwrap().url;
    let query = query_of(&url);
    move || check(black_box(&query), now)
}

/// The URL of the usual request, made now.
pub(crate) fn url() -> String {
    presigner().presign(&request(&endpoint()), Timestamp::now()).unwrap().url
}

/// All that is done for a request whose key was never seen before.
pub(crate) fn check(query: &str, now: Timestamp) {
    let claim = admit(query, now);
    let key = VerifyingKey::derive(&claim, &SecretAccessKey::new(SECRET_ACCESS_KEY));
    black_box(claim.verify(&[signed_host()], &key).unwrap());
}

fn admit(query: &str, now: Timestamp) -> AdmissibleClaim<'_> {
    const HEADERS: [(&str, &[u8]); 3] =
        [("host", HOST.as_bytes()), ("user-agent", b"bench"), ("accept", b"*/*")];
    let head = RequestHead { method: "GET", path: PATH, query, headers: &HEADERS };
    let expected = ExpectedScope::new(REGION, "s3").with_sigv2(SigV2Use::Allow);
    SignatureClaim::from_request(&head).unwrap().unwrap().admit(&expected, now).unwrap()
}

fn verifying_key(query: &str, now: Timestamp) -> VerifyingKey {
    VerifyingKey::derive(&admit(query, now), &SecretAccessKey::new(SECRET_ACCESS_KEY))
}

fn signed_host() -> SignedHost<'static> {
    SignedHost { host: HOST, path: PATH, prefix: "", virtual_bucket: None }
}

fn query_of(url: &str) -> String {
    url.split_once('?').unwrap().1.to_owned()
}

fn presigner() -> Presigner {
    let credentials = Credentials {
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: SecretAccessKey::new(SECRET_ACCESS_KEY),
        session_token: None,
    };
    Presigner::new(credentials, REGION)
}

fn endpoint() -> Endpoint {
    Endpoint::parse(ORIGIN).unwrap()
}

fn request(endpoint: &Endpoint) -> Presign<'_> {
    Presign::new(
        "GET",
        endpoint,
        BUCKET,
        KEY.as_bytes(),
        ExpiresIn::parse(&EXPIRES_IN_SECONDS.to_string()).unwrap(),
    )
}
