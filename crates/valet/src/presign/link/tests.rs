//! Links against those that the AWS CLI and botocore made of the same inputs at the same time.

use presign::{Credentials, Endpoint, SecretAccessKey, SessionToken};
use serde::Deserialize;

use super::*;
use crate::args;
use crate::args::limits::{ContentHash, LimitOptions, Opening};
use crate::failure::Exit;
use crate::location::Style;
use crate::presign::expiry::{Limit, Works};

/// Printed by the AWS CLI under a stopped clock.
const AWS_CLI: &str = include_str!("../../../tests/vectors/aws-cli-2.json");
const NOW: &str = "2026-06-15T12:00:00Z";

#[derive(Deserialize)]
struct Vectors {
    now: String,
    access_key_id: String,
    secret_access_key: String,
    links: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    uri: String,
    region: Option<String>,
    endpoint: Option<String>,
    expires_in: Option<u64>,
    session_token: Option<String>,
    url: String,
}

fn options(method: Method) -> LinkOptions {
    LinkOptions {
        method,
        expires_in: args::life("3600").unwrap(),
        content_type: None,
        header: Vec::new(),
        query: Vec::new(),
        version_id: None,
        filename: None,
        inline: false,
        strict: false,
        trim: false,
        offline: true,
        bucket_domain: None,
        limits: LimitOptions::default(),
    }
}

fn signer(vectors: &Vectors, vector: &Vector) -> LinkSigner {
    let region = vector.region.clone();
    let endpoint = vector.endpoint.as_ref().map(|text| Endpoint::parse(text).unwrap());
    LinkSigner::new(Identity {
        credentials: Credentials {
            access_key_id: vectors.access_key_id.clone(),
            secret_access_key: SecretAccessKey::new(&*vectors.secret_access_key),
            session_token: vector.session_token.as_deref().map(SessionToken::new),
        },
        session: Session::LongTerm,
        region: region.clone().unwrap_or_else(|| "us-east-1".to_owned()),
        service: Service { endpoint, region, style: Style::Auto },
    })
}

#[test]
fn links_are_those_of_the_aws_cli() {
    let vectors: Vectors = serde_json::from_str(AWS_CLI).unwrap();
    for vector in &vectors.links {
        let mut options = options(Method::Get);
        if let Some(seconds) = vector.expires_in {
            options.expires_in = args::life(&seconds.to_string()).unwrap();
        }
        let now = vectors.now.parse().unwrap();
        let link = Link::new(&vector.uri, &options, now).unwrap();
        let answer = signer(&vectors, vector).sign(&link, None, now).unwrap();
        assert_eq!(answer.url(), vector.url, "{}", vector.uri);
    }
}

/// `expected` is the query after the credential, without the signature, and the JSON of headers.
fn check(uri: &str, options: &LinkOptions, expected: (&str, &str)) {
    let vectors: Vectors = serde_json::from_str(AWS_CLI).unwrap();
    let now = vectors.now.parse().unwrap();
    let link = Link::new(uri, options, now).unwrap();
    let mut signer = signer(&vectors, &vectors.links[0]);
    let answer = signer.sign(&link, None, now).unwrap();
    let query = answer.url().split_once('?').unwrap().1;
    let query = query.replace("X-Amz-Algorithm=AWS4-HMAC-SHA256&", "");
    let fixed = "X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260615%2Fus-east-1%2Fs3%2Faws4_request&\
                 X-Amz-Date=20260615T120000Z&X-Amz-Expires=3600&";
    let query = query.replace(fixed, "").split("&X-Amz-Signature").next().unwrap().to_owned();
    let json: serde_json::Value = serde_json::from_str(&answer.json().unwrap()).unwrap();
    assert_eq!((&*query, &*json["headers"].to_string()), expected, "{options:?}");
}

#[test]
fn options_become_headers_and_parameters() {
    let get = || options(Method::Get);
    let put = || options(Method::Put);
    let text = |text: &str| Some(text.to_owned());
    let host = "X-Amz-SignedHeaders=host";
    check("s3://b/k", &get(), (host, "{}"));
    check(
        "s3://b/k",
        &LinkOptions { content_type: text("image/png"), ..put() },
        ("X-Amz-SignedHeaders=content-type%3Bhost", r#"{"content-type":"image/png"}"#),
    );
    check(
        "s3://b/k",
        &LinkOptions { content_type: text("image/png"), ..get() },
        (&format!("response-content-type=image%2Fpng&{host}"), "{}"),
    );
    check(
        "s3://b/k",
        &LinkOptions { filename: text("a b.pdf"), version_id: text("v1"), ..get() },
        (
            &format!(
                "response-content-disposition=attachment%3B%20filename%3D%22a%20b.pdf%22&\
                 versionId=v1&{host}"
            ),
            "{}",
        ),
    );
    check(
        "s3://b/k",
        &LinkOptions { inline: true, ..get() },
        (&format!("response-content-disposition=inline&{host}"), "{}"),
    );
    let header = vec!["X-Amz-Meta-Foo:  bar ".to_owned()];
    check(
        "s3://b/k",
        &LinkOptions { header, ..put() },
        ("X-Amz-SignedHeaders=host%3Bx-amz-meta-foo", r#"{"x-amz-meta-foo":"bar"}"#),
    );
    let query = vec!["list-type=2".to_owned(), "prefix=a/b=c".to_owned(), "acl".to_owned()];
    check(
        "s3://b",
        &LinkOptions { query, ..get() },
        (&format!("list-type=2&prefix=a%2Fb%3Dc&acl=&{host}"), "{}"),
    );
}

#[test]
fn what_cannot_be_right_is_refused() {
    let check = |uri: &str, options: LinkOptions, expected: &str| {
        assert_eq!(
            Link::new(uri, &options, NOW.parse().unwrap()).unwrap_err().to_string(),
            expected
        );
    };
    let get = || options(Method::Get);
    let put = || options(Method::Put);
    let delete = || options(Method::Delete);
    let text = Some("t".to_owned());
    let list = |text: &str| vec![text.to_owned()];
    check("https://b/k", get(), "the scheme is s3://, not https://");
    check(
        "s3://b/k",
        LinkOptions { header: list("no colon"), ..get() },
        "a header is written `Name: value`, not `no colon`",
    );
    check(
        "s3://b/k",
        LinkOptions { query: list("=v"), ..get() },
        "a query parameter is written `name=value`, not `=v`",
    );
    let shown = LinkOptions { filename: text.clone(), ..put() };
    check("s3://b/k", shown, "--filename is for GET and HEAD");
    check("s3://b/k", LinkOptions { inline: true, ..delete() }, "--inline is for GET and HEAD");
    let version = LinkOptions { version_id: text.clone(), ..put() };
    check("s3://b/k", version, "--version-id is for GET, HEAD and DELETE");
    let typed = LinkOptions { content_type: text.clone(), ..delete() };
    check("s3://b/k", typed, "--content-type is for GET, HEAD and PUT");
    let version = LinkOptions { version_id: text.clone(), ..get() };
    check("s3://b", version, "--version-id is for an object, and the URI names a bucket");
    let named = LinkOptions { filename: text, ..get() };
    check("s3://b", named, "--filename is for an object, and the URI names a bucket");
}

/// A link with limits, that lives for an hour.
fn limited(method: Method, set: impl Fn(&mut LimitOptions)) -> LinkOptions {
    let mut options = options(method);
    set(&mut options.limits);
    options
}

#[test]
fn limits_become_parameters() {
    let get = |set: &dyn Fn(&mut LimitOptions), expected: &str| {
        let expected = format!("{expected}X-Amz-SignedHeaders=host");
        check("s3://b/k", &limited(Method::Get, set), (&expected, "{}"));
    };
    let put = |set: &dyn Fn(&mut LimitOptions), expected: &str| {
        let expected = format!("{expected}X-Amz-SignedHeaders=host");
        check("s3://b/k", &limited(Method::Put, set), (&expected, "{}"));
    };
    let range =
        |min, max| move |limits: &mut LimitOptions| (limits.min_size, limits.max_size) = (min, max);
    put(&range(None, Some(10)), "x-valet-content-length-range=0%2C10&");
    put(&range(Some(1), Some(10)), "x-valet-content-length-range=1%2C10&");
    put(&range(Some(1), None), "x-valet-content-length-range=1%2C5368709120&");
    put(&range(Some(7), Some(7)), "x-valet-content-length-range=7%2C7&");
    put(&|limits| limits.write_once = true, "x-valet-write-once=true&");
    get(&|limits| limits.allow_head = true, "x-valet-head=true&");
    get(
        &|limits| limits.source_ip = Some("192.0.2.7,2001:db8::/32".parse().unwrap()),
        "x-valet-source-ip=192.0.2.7%2F32%2C2001%3Adb8%3A%3A%2F32&",
    );
    get(&|limits| limits.rate = Some(1024.try_into().unwrap()), "x-valet-rate=1024&");
    get(&|limits| limits.label = Some("a b".parse().unwrap()), "x-valet-label=a%20b&");
    let at = |text: &str| Some(Opening::At(text.parse().unwrap()));
    let opens = "x-valet-not-before=20260615T123000Z&";
    get(&|limits| limits.not_before = at("2026-06-15T14:30:00+02:00"), opens);
    // A link opens with a second, and not before what was asked.
    get(&|limits| limits.not_before = at("2026-06-15T12:29:59.2Z"), opens);
    get(&|limits| limits.not_before = Some(Opening::After(1800)), opens);

    let known = ContentHash::Known([7; 32]);
    let content = limited(Method::Put, |limits| limits.sha256 = Some(known.clone()));
    let header = r#"{"x-amz-checksum-sha256":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="}"#;
    check("s3://b/k", &content, ("X-Amz-SignedHeaders=host%3Bx-amz-checksum-sha256", header));
}

#[test]
fn a_link_that_is_counted_has_a_name_of_its_own() {
    let named = |options: &LinkOptions| {
        let vectors: Vectors = serde_json::from_str(AWS_CLI).unwrap();
        let now = vectors.now.parse().unwrap();
        let link = Link::new("s3://b/k", options, now).unwrap();
        let answer = signer(&vectors, &vectors.links[0]).sign(&link, None, now).unwrap();
        let query = answer.url().split_once('?').unwrap().1.to_owned();
        let ids = query.split('&').filter_map(|pair| pair.strip_prefix("x-valet-id="));
        ids.map(str::to_owned).collect::<Vec<_>>()
    };
    let uses = limited(Method::Get, |limits| limits.uses = Some(5.try_into().unwrap()));
    let unique = limited(Method::Get, |limits| limits.unique = true);
    for options in [&uses, &unique] {
        let (one, other) = (named(options), named(options));
        assert_eq!((one.len(), one[0].len(), other.len()), (1, 22, 1), "{options:?}");
        assert_ne!(one, other);
    }
    assert_eq!(named(&options(Method::Get)), Vec::<String>::new());
    let own = LinkOptions { query: vec!["x-valet-id=mine".to_owned()], ..uses };
    assert_eq!(named(&own), ["mine"]);
}

#[test]
fn limits_that_cannot_hold_are_refused() {
    let check = |uri: &str, options: &LinkOptions, expected: &str| {
        let refused = Link::new(uri, options, NOW.parse().unwrap()).unwrap_err();
        assert_eq!(refused.to_string(), expected, "{options:?}");
        assert_eq!(Failure::from(refused).exit(), Exit::WrongUsage, "{options:?}");
    };
    let object = "s3://b/k";
    let of_uploads = "is for the upload of an object with PUT";
    for method in [Method::Get, Method::Head, Method::Delete] {
        let sized = limited(method, |limits| limits.max_size = Some(1));
        check(object, &sized, &format!("--max-size {of_uploads}"));
        let sized = limited(method, |limits| limits.min_size = Some(1));
        check(object, &sized, &format!("--min-size {of_uploads}"));
        let once = limited(method, |limits| limits.write_once = true);
        check(object, &once, &format!("--write-once {of_uploads}"));
        let known = limited(method, |limits| limits.sha256 = Some(ContentHash::Known([0; 32])));
        check(object, &known, &format!("--sha256 {of_uploads}"));
    }
    let of_downloads = "--allow-head is for the download of an object with GET";
    for method in [Method::Put, Method::Head, Method::Delete] {
        check(object, &limited(method, |limits| limits.allow_head = true), of_downloads);
    }
    let headed = limited(Method::Get, |limits| limits.allow_head = true);
    check("s3://b", &headed, of_downloads);
    let once = limited(Method::Put, |limits| limits.write_once = true);
    check("s3://b", &once, &format!("--write-once {of_uploads}"));
    let with = |options: &LinkOptions, query: &[&str]| LinkOptions {
        query: query.iter().map(|text| (*text).to_owned()).collect(),
        ..options.clone()
    };
    check(object, &with(&headed, &["tagging"]), of_downloads);
    check(object, &with(&once, &["acl"]), &format!("--write-once {of_uploads}"));
    let part = ["partNumber=1", "uploadId=u"];
    check(object, &with(&once, &part), &format!("--write-once {of_uploads}"));
    let sized = limited(Method::Put, |limits| limits.max_size = Some(1));
    assert!(Link::new(object, &with(&sized, &part), NOW.parse().unwrap()).is_ok());

    let sizes =
        limited(Method::Put, |limits| (limits.min_size, limits.max_size) = (Some(2), Some(1)));
    check(object, &sizes, "--min-size is more than --max-size");
    let never = "--not-before is not before the end of the link, which would never open";
    let opens = |at| limited(Method::Get, move |limits| limits.not_before = Some(at));
    check(object, &opens(Opening::After(3600)), never);
    check(object, &opens(Opening::At("2026-06-15T13:00:00Z".parse().unwrap())), never);
    let beyond = "--not-before is beyond the calendar";
    check(object, &opens(Opening::After(u64::MAX)), beyond);
    let missing = ContentHash::OfFile("/nowhere/a.bin".into());
    let missing = limited(Method::Put, |limits| limits.sha256 = Some(missing.clone()));
    let told = "--sha256 takes 64 hex digits or a file: /nowhere/a.bin: No such file or directory (os error 2)";
    check(object, &missing, told);

    // Conditions that are written out are judged as those of the options.
    let get = options(Method::Get);
    check(object, &with(&headed, &["x-valet-head=true"]), "x-valet-head is given twice");
    let unknown = "x-valet-used is not a condition of a link that is known here";
    check(object, &with(&get, &["x-valet-used=1"]), unknown);
    let malformed = "x-valet-uses must be a number from 1, without a sign and leading zeros";
    check(object, &with(&get, &["x-valet-uses=0"]), malformed);
    let unfit = with(&get, &["x-valet-content-length-range=1,2"]);
    check(object, &unfit, &format!("--max-size {of_uploads}"));
}

#[test]
fn links_of_one_period_are_the_same() {
    let vectors: Vectors = serde_json::from_str(AWS_CLI).unwrap();
    let url = |life: &str, period: &str, trim: bool, now: &str| {
        let mut options = options(Method::Get);
        options.expires_in = args::life(life).unwrap();
        options.trim = trim;
        options.limits.round_to = Some(args::life(period).unwrap());
        let now: Timestamp = format!("2026-06-{now}Z").parse().unwrap();
        let link = Link::new("s3://b/k", &options, now).unwrap();
        let answer = signer(&vectors, &vectors.links[0]).sign(&link, None, now).unwrap();
        let json: serde_json::Value = serde_json::from_str(&answer.json().unwrap()).unwrap();
        let end = json["effective_expires_at"].as_str().unwrap().to_owned();
        (answer.url().to_owned(), end)
    };
    let check = |life: &str, period: &str, trim: bool, now: &str, expected: (&str, &str, &str)| {
        let (url, end) = url(life, period, trim, now);
        let (date, seconds, expected_end) = expected;
        let said = format!("X-Amz-Date={date}Z&X-Amz-Expires={seconds}&");
        assert!(url.contains(&said), "{url}");
        assert_eq!(end, format!("2026-06-{expected_end}Z"), "{now}");
    };
    // Whenever in its period it is made, the link lives for what was asked, and by at most a period longer.
    check("1h", "10m", false, "15T12:00:00", ("20260615T120000", "4200", "15T13:10:00"));
    check("1h", "10m", false, "15T12:09:59.9", ("20260615T120000", "4200", "15T13:10:00"));
    check("1h", "10m", false, "15T12:10:00", ("20260615T121000", "4200", "15T13:20:00"));
    check("2d", "1d", false, "15T23:59:59", ("20260615T000000", "259200", "18T00:00:00"));
    check("6d", "1d", false, "15T12:00:00", ("20260615T000000", "604800", "22T00:00:00"));
    check("30d", "1d", true, "15T12:00:00", ("20260615T000000", "604800", "22T00:00:00"));
    assert_eq!(url("1h", "10m", false, "15T12:00:00"), url("1h", "10m", false, "15T12:09:59"));

    let check = |life: &str, set: &dyn Fn(&mut LimitOptions), expected: Option<&str>| {
        let mut options = limited(Method::Get, set);
        options.expires_in = args::life(life).unwrap();
        let made = Link::new("s3://b/k", &options, NOW.parse().unwrap());
        let refused = made.err().map(|error| error.to_string());
        assert_eq!(refused.as_deref(), expected, "{life} {options:?}");
    };
    let to = |period: &'static str| {
        move |limits: &mut LimitOptions| limits.round_to = Some(args::life(period).unwrap())
    };
    let too_much = Some("--round-to is at most half of --expires-in, and at most a day");
    check("1h", &to("30m"), None);
    check("1h", &to("1801"), too_much);
    check("1", &to("1"), too_much);
    check("7d", &to("86401"), too_much);
    let too_long = "--round-to lengthens the link by as much, and S3 refuses every link that lives longer than \
                    7 days (604800 seconds): take a shorter --expires-in; --trim shortens it";
    check("7d", &to("1"), Some(too_long));
    let unlike = |option: &str| {
        format!(
            "--round-to makes the links of a period the same, and {option} would make each another: leave \
             out one"
        )
    };
    let and = |set: fn(&mut LimitOptions)| {
        move |limits: &mut LimitOptions| {
            to("1m")(limits);
            set(limits);
        }
    };
    check("1h", &and(|limits| limits.unique = true), Some(&unlike("--unique")));
    let uses = and(|limits| limits.uses = Some(1.try_into().unwrap()));
    check("1h", &uses, Some(&unlike("--uses")));
    let opens = and(|limits| limits.not_before = Some(Opening::After(60)));
    check("1h", &opens, Some(&unlike("a --not-before that counts from now")));
}

#[test]
fn a_rounded_signature_grows_old_earlier() {
    let at = |time: &str| -> Timestamp { format!("2026-06-15T{time}Z").parse().unwrap() };
    let check = |limit: Limit, expected: &str| {
        let told = ServerExpiry { end: at("12:30:00"), limited_by: vec![limit], works: Works::Yes };
        let end = told.of_signature_at(at("12:00:00"), at("12:05:00")).end;
        assert_eq!(end, at(expected), "{limit:?}");
    };
    check(Limit::SignatureAge, "12:25:00");
    check(Limit::PolicyTime, "12:30:00");
    check(Limit::Session, "12:30:00");
}

#[test]
fn a_bundle_refuses_what_it_cannot_keep() {
    let none = LimitOptions::default();
    assert!(limits::check_bundle(&none).is_ok());
    let labelled = LimitOptions { label: Some("a".parse().unwrap()), ..none };
    assert_eq!(
        limits::check_bundle(&labelled).unwrap_err().to_string(),
        "a bundle cannot keep --label: the links for its parts, which the server renews, would not have it"
    );
}
