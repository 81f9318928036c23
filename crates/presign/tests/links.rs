//! Links that this crate makes: what is refused, what the result says.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "support/harness.rs"]
mod harness;

use harness::{Request, credentials, now_plus};
use presign::{
    Addressing, ConditionError, Endpoint, ExpiresIn, Fingerprint, LinkConditions, Presign,
    PresignError, Presigned, Presigner,
};

fn endpoint() -> Endpoint {
    Endpoint::parse("http://s3.example.com").unwrap()
}

fn get(endpoint: &Endpoint) -> Presign<'_> {
    Presign::new("GET", endpoint, "b", b"k", ExpiresIn::from_seconds(60).unwrap())
}

fn put(endpoint: &Endpoint) -> Presign<'_> {
    Presign::new("PUT", endpoint, "b", b"k", ExpiresIn::from_seconds(60).unwrap())
}

fn presigner() -> Presigner {
    Presigner::new(credentials(None), "us-east-1")
}

/// As a client would use it.
fn request_of(link: &Presigned) -> Request {
    let target = link.url.strip_prefix("http://s3.example.com").unwrap();
    let mut request = Request::new(&link.method, target);
    for (name, value) in &link.headers {
        request = request.with(name, value.clone());
    }
    request
}

#[test]
fn a_link_says_how_to_use_it() {
    let endpoint = endpoint();
    let headers = [("X-Amz-Meta-A", " 1  2"), ("Content-Type", "text/plain")];
    let request = put(&endpoint).with_headers(&headers);
    let link = presigner().presign(&request, now_plus(0)).unwrap();
    assert_eq!(link.method, "PUT");
    assert_eq!(link.expires_at, now_plus(60));
    let sent = [("x-amz-meta-a", " 1  2"), ("content-type", "text/plain")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(link.headers, sent);
    let verified = request_of(&link).verify().unwrap();
    assert_eq!(verified.expires_at(), Some(link.expires_at));
    assert_eq!(verified.fingerprint(), link.fingerprint);
    let shown = format!("{link:?}");
    assert!(!shown.contains("X-Amz-Signature"), "{shown}");

    let link = presigner().presign_v2(&request, now_plus(0)).unwrap();
    assert_eq!(link.headers, [("content-type".to_owned(), "text/plain".to_owned())]);
    let verified = request_of(&link).verify().unwrap();
    assert_eq!(verified.expires_at(), Some(link.expires_at));
    assert_eq!(verified.fingerprint(), link.fingerprint);
    assert_ne!(link.fingerprint, Fingerprint::of_signature(b""));
}

#[test]
fn the_key_of_the_day_changes_with_the_day() {
    let endpoint = endpoint();
    let mut kept = presigner();
    for hours in [0, 1, 11, 12, 36, 0] {
        let now = now_plus(hours * 3600);
        let link = kept.presign(&get(&endpoint), now).unwrap();
        assert_eq!(link, presigner().presign(&get(&endpoint), now).unwrap(), "{hours}");
        assert_eq!(request_of(&link).after(hours * 3600).outcome(), "Unsigned", "{hours}");
    }
}

#[test]
fn what_cannot_be_signed_is_refused() {
    fn check(
        change: impl Fn(&mut Presign<'_>),
        v4: Option<&PresignError>,
        v2: Option<&PresignError>,
    ) {
        let endpoint = endpoint();
        let mut request = get(&endpoint);
        change(&mut request);
        assert_eq!(presigner().presign(&request, now_plus(0)).err().as_ref(), v4);
        assert_eq!(presigner().presign_v2(&request, now_plus(0)).err().as_ref(), v2);
    }
    fn both(change: impl Fn(&mut Presign<'_>), error: &PresignError) {
        check(change, Some(error), Some(error));
    }
    both(|link| link.method = "", &PresignError::MalformedMethod);
    both(|link| link.method = "get", &PresignError::MalformedMethod);
    both(|link| link.bucket = "", &PresignError::KeyWithoutBucket);
    both(|link| link.bucket = "a/b", &PresignError::MalformedBucket);
    both(|link| link.bucket = "a b", &PresignError::MalformedBucket);
    check(|link| link.bucket = "A_b", None, None);
    both(
        |link| {
            link.bucket = "A_b";
            link.addressing = Addressing::VirtualHost;
        },
        &PresignError::MalformedBucket,
    );
    for headers in [&[("", "v")][..], &[("a b", "v")], &[("é", "v")], &[("a:", "v")]] {
        let endpoint = endpoint();
        let request = get(&endpoint).with_headers(headers);
        let error = PresignError::MalformedHeader { name: headers[0].0.to_owned() };
        assert_eq!(presigner().presign(&request, now_plus(0)), Err(error.clone()));
        assert_eq!(presigner().presign_v2(&request, now_plus(0)), Err(error));
    }
    let malformed = PresignError::MalformedHeader { name: "a".to_owned() };
    both(|link| link.headers = &[("a", "b\r\nc: d")], &malformed);
    for headers in [&[("Host", "x")][..], &[("User-Agent", "x")], &[("Authorization", "x")]] {
        let name = headers[0].0.to_owned();
        let endpoint = endpoint();
        let request = get(&endpoint).with_headers(headers);
        let error = PresignError::UnsignableHeader { name };
        assert_eq!(presigner().presign(&request, now_plus(0)), Err(error.clone()));
        assert_eq!(presigner().presign_v2(&request, now_plus(0)), Err(error));
    }
    check(
        |link| link.headers = &[("Range", "bytes=0-1")],
        None,
        Some(&PresignError::UnsignableHeader { name: "range".to_owned() }),
    );
    both(
        |link| link.headers = &[("a", "1"), ("A", "2")],
        &PresignError::RepeatedHeader { name: "a".to_owned() },
    );
    let reserved = |name: &str| PresignError::ReservedParameter { name: name.to_owned() };
    both(|link| link.query = &[("X-Amz-Expires", "1")], &reserved("X-Amz-Expires"));
    both(|link| link.query = &[("Signature", "1")], &reserved("Signature"));
    check(|link| link.query = &[("Expires", "1")], None, Some(&reserved("Expires")));
    check(
        |link| link.query = &[("response-expires", "0&versionId=1")],
        None,
        Some(&PresignError::AmbiguousParameter),
    );
    let endpoint = endpoint();
    let last = presigner().presign(&get(&endpoint), jiff::Timestamp::MAX);
    assert_eq!(last, Err(PresignError::BeyondCalendar));
    // Before the epoch, too, nothing panics.
    let _ = presigner().presign(&get(&endpoint), jiff::Timestamp::MIN);
    let _ = presigner().presign_v2(&get(&endpoint), jiff::Timestamp::MIN);
}

#[test]
fn conditions_stand_between_the_operation_and_the_signature() {
    let mut conditions = LinkConditions::default();
    conditions.uses = Some(1.try_into().unwrap());
    conditions.content_length = Some("0,10".parse().unwrap());
    conditions.source_ip = Some("192.0.2.0/24".parse().unwrap());
    conditions.label = Some("a b".parse().unwrap());
    let endpoint = endpoint();
    let query = [("versionId", "v")];
    let request = get(&endpoint).with_query(&query).with_conditions(&conditions);
    let link = presigner().presign(&request, now_plus(0)).unwrap();
    let expected = "http://s3.example.com/b/k?versionId=v&x-valet-uses=1\
                    &x-valet-content-length-range=0%2C10&x-valet-source-ip=192.0.2.0%2F24\
                    &x-valet-label=a%20b&X-Amz-Algorithm=";
    assert!(link.url.starts_with(expected), "{}", link.url);
    assert_eq!(request_of(&link).outcome(), "Unsigned");
    // They are parameters as any other: written among those of the operation, they give the same link.
    let parameters = conditions.parameters();
    let written: Vec<_> =
        query.into_iter().chain(parameters.iter().map(|(name, value)| (*name, &**value))).collect();
    let same = presigner().presign(&get(&endpoint).with_query(&written), now_plus(0)).unwrap();
    assert_eq!(link, same);
    // Without any, the link is as it always was.
    let none = LinkConditions::default();
    let link = presigner().presign(&get(&endpoint).with_conditions(&none), now_plus(0)).unwrap();
    assert_eq!(link, presigner().presign(&get(&endpoint), now_plus(0)).unwrap());
    let link = presigner().presign_v2(&get(&endpoint).with_conditions(&none), now_plus(0)).unwrap();
    assert_eq!(link, presigner().presign_v2(&get(&endpoint), now_plus(0)).unwrap());
}

#[test]
fn conditions_that_cannot_hold_are_refused() {
    fn check(query: &[(&str, &str)], set: impl Fn(&mut LinkConditions), expected: &str) {
        let endpoint = endpoint();
        let mut conditions = LinkConditions::default();
        set(&mut conditions);
        let request = get(&endpoint).with_query(query).with_conditions(&conditions);
        let error = presigner().presign(&request, now_plus(0)).unwrap_err();
        let PresignError::Condition(condition) = &error else { panic!("{error}") };
        let kind = match condition {
            ConditionError::Unknown { .. } => "unknown",
            ConditionError::Repeated { .. } => "repeated",
            ConditionError::Malformed { .. } => "malformed",
            _ => "another",
        };
        assert_eq!(format!("{kind} {}", condition.parameter().0), expected);
        assert!(presigner().presign_v2(&request, now_plus(0)).is_err(), "{expected}");
    }
    let twice = [("x-valet-head", "true")];
    check(&twice, |conditions| conditions.allow_head = true, "repeated x-valet-head");
    check(&[("x-valet-use", "1")], |_| {}, "unknown x-valet-use");
    check(&[], |made| made.rate = Some(1.try_into().unwrap()), "malformed x-valet-rate");

    let endpoint = endpoint();
    let mut conditions = LinkConditions::default();
    conditions.allow_head = true;
    let request = get(&endpoint).with_conditions(&conditions);
    let refused = presigner().presign_v2(&request, now_plus(0)).unwrap_err();
    assert_eq!(refused, PresignError::UnsignableConditions);
}
