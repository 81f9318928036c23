//! Links against those that the AWS CLI and botocore made of the same inputs at the same time.

use presign::{Credentials, Endpoint, SecretAccessKey, SessionToken};
use serde::Deserialize;

use super::*;
use crate::args;
use crate::location::Style;

/// Printed by the AWS CLI under a stopped clock.
const AWS_CLI: &str = include_str!("../../../tests/vectors/aws-cli-2.json");

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
        let link = Link::new(&vector.uri, &options).unwrap();
        let answer =
            signer(&vectors, vector).sign(&link, None, vectors.now.parse().unwrap()).unwrap();
        assert_eq!(answer.url(), vector.url, "{}", vector.uri);
    }
}

/// `expected` is the query after the credential, without the signature, and the JSON of headers.
fn check(uri: &str, options: &LinkOptions, expected: (&str, &str)) {
    let vectors: Vectors = serde_json::from_str(AWS_CLI).unwrap();
    let link = Link::new(uri, options).unwrap();
    let mut signer = signer(&vectors, &vectors.links[0]);
    let answer = signer.sign(&link, None, vectors.now.parse().unwrap()).unwrap();
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
        assert_eq!(Link::new(uri, &options).unwrap_err().to_string(), expected);
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
