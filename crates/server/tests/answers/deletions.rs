//! Many deletions in one call, and what an object says of itself when asked for attributes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::{
    Ask, World, ask, get, invalid_argument, invalid_request, no_such_bucket, no_such_key, put,
    result, sha256,
};

const MALFORMED: &str = "400 <Code>MalformedXML</Code><Message>The XML you provided was not well-formed or did not validate against our published schema</Message>";

/// With the digest that the call demands.
fn delete(document: &str) -> Ask {
    let digest = STANDARD.encode(sha256(document.as_bytes()));
    ask("POST", "/bucket?delete").body(document.to_owned()).header("x-amz-checksum-sha256", &digest)
}

fn objects(keys: &[&str]) -> String {
    let objects: Vec<String> =
        keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
    let objects = objects.concat();
    format!("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{objects}</Delete>")
}

#[tokio::test]
async fn objects_are_deleted_and_named() {
    let world = World::with_bucket().await;
    for key in ["a", "b", "c"] {
        world.send(put(&format!("/bucket/{key}"), "x")).await;
    }
    let answer = world.send(delete(&objects(&["a", "never", "b"]))).await;
    assert_eq!(
        answer.text(),
        result(
            "DeleteResult",
            "<Deleted><Key>a</Key></Deleted><Deleted><Key>never</Key></Deleted><Deleted><Key>b</Key></Deleted>"
        )
    );
    assert_eq!(world.send(get("/bucket")).await.elements("Key"), ["c"]);
    let quiet = "<Delete><Quiet>true</Quiet><Object><Key>c</Key></Object></Delete>";
    assert_eq!(world.send(delete(quiet)).await.text(), result("DeleteResult", ""));
    assert_eq!(world.send(get("/bucket/c")).await.status, 404);
}

#[tokio::test]
async fn keys_are_read_as_they_are_written() {
    let world = World::with_bucket().await;
    for (path, written) in [
        ("%20a%20", " a "),
        ("a%20%20b", "a  b"),
        ("%20", " "),
        ("a%26b%3Cc%3E", "a&amp;b&lt;c&gt;"),
        ("%C3%BC", "&#252;"),
        ("%C3%BC", "ü"),
        ("a%0Db", "a&#13;b"),
        ("a%0Ab", "a&#10;b"),
        ("a%0Ab", "a\nb"),
        ("c%3C", "<![CDATA[c<]]>"),
        ("a//b/../c/", "a//b/../c/"),
    ] {
        assert_eq!(world.send(put(&format!("/bucket/{path}"), "x")).await.status, 200);
        let answer = world.send(delete(&objects(&[written]))).await;
        assert_eq!(answer.status, 200, "{written:?}");
        assert_eq!(world.send(get(&format!("/bucket/{path}"))).await.status, 404, "{written:?}");
    }
    assert_eq!(world.send(get("/bucket?list-type=2")).await.element("KeyCount"), "0");
}

#[tokio::test]
async fn a_digest_is_demanded() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/a", "x")).await;
    let document = objects(&["a"]);
    let bare = || ask("POST", "/bucket?delete").body(document.clone());
    assert_eq!(
        world.refused(bare()).await,
        invalid_request(
            "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"
        )
    );
    let wrong = "1B2M2Y8AsgTpgAmY7PhCfg==";
    let got = world.refused(bare().header("content-md5", wrong)).await;
    assert!(
        got.starts_with(
            "400 <Code>BadDigest</Code><Message>The Content-MD5 you specified did not match what we received.</Message><ExpectedDigest>1B2M2Y8AsgTpgAmY7PhCfg==</ExpectedDigest><CalculatedDigest>"
        ),
        "{got}"
    );
    assert_eq!(
        world.refused(bare().header("x-amz-checksum-crc32", "AAAAAA==")).await,
        "400 <Code>BadDigest</Code><Message>The CRC32 you specified did not match the calculated checksum.</Message>"
    );
    assert_eq!(world.send(get("/bucket/a")).await.status, 200);
}

#[tokio::test]
async fn documents_that_cannot_be_read() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/a", "x")).await;
    let many: Vec<String> = (0..1001).map(|n| format!("k{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let deep = format!(
        "<Delete>{}{}<Object><Key>a</Key></Object></Delete>",
        "<a>".repeat(200_000),
        "</a>".repeat(200_000)
    );
    for document in [
        "",
        "a",
        "<Delete/>",
        "<Delete></Delete>",
        "<Delete><Object></Object></Delete>",
        "<Delete><Object><Key>a</Key></Object>",
        "<Other><Object><Key>a</Key></Object></Other>",
        "<Delete><Quiet>perhaps</Quiet><Object><Key>a</Key></Object></Delete>",
        "<!DOCTYPE d [<!ENTITY e \"a\">]><Delete><Object><Key>&e;</Key></Object></Delete>",
        "<Delete><Object><Key>&e;</Key></Object></Delete>",
        &objects(&many),
        &deep,
    ] {
        let got = world.refused(delete(document)).await;
        assert_eq!(got, MALFORMED, "{}", document.get(..80).unwrap_or(document));
    }
    let long = format!("<Delete>{}</Delete>", " ".repeat(2_048_000));
    assert_eq!(
        world.refused(delete(&long)).await,
        "400 <Code>MaxMessageLengthExceeded</Code><Message>Your request was too big.</Message><MaxMessageLengthBytes>2048000</MaxMessageLengthBytes>"
    );
    assert_eq!(world.send(get("/bucket/a")).await.status, 200);
    let missing = delete(&objects(&["a"]));
    let missing = Ask { target: "/missing?delete".into(), ..missing };
    assert_eq!(world.refused(missing).await, no_such_bucket("missing"));
}

#[tokio::test]
async fn one_that_fails_does_not_stop_the_others() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/a", "x")).await;
    world.send(put("/bucket/b", "x")).await;
    let long = "k".repeat(1025);
    let document = format!(
        "<Delete><Quiet>true</Quiet><Object><Key>{long}</Key></Object><Object><Key>a</Key><VersionId>bad</VersionId></Object><Object><Key></Key></Object><Object><Key>b</Key><ETag>x</ETag></Object><Object><Key>b</Key><Size>1</Size></Object><Object><Key>n</Key><ETag>*</ETag></Object><Object><Key>a</Key><ETag>\"9dd4e461268c8034f5c8564e155c67a6\"</ETag></Object></Delete>"
    );
    assert_eq!(
        world.send(delete(&document)).await.text(),
        result(
            "DeleteResult",
            &format!(
                "<Error><Key>{long}</Key><Code>KeyTooLongError</Code><Message>Your key is too long</Message></Error>\
                 <Error><Key>a</Key><VersionId>bad</VersionId><Code>NoSuchVersion</Code><Message>The specified version does not exist.</Message></Error>\
                 <Error><Key></Key><Code>InvalidURI</Code><Message>Couldn't parse the specified URI.</Message></Error>\
                 <Error><Key>b</Key><Code>PreconditionFailed</Code><Message>At least one of the pre-conditions you specified did not hold</Message></Error>\
                 <Error><Key>b</Key><Code>NotImplemented</Code><Message>A header you provided implies functionality that is not implemented</Message></Error>\
                 <Error><Key>n</Key><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"
            )
        )
    );
    assert_eq!(world.send(get("/bucket")).await.elements("Key"), ["b"]);
}

/// A policy that demands conditional deletes is not content with a condition that nobody judges.
#[tokio::test]
async fn the_call_as_a_whole_has_no_condition() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/a", "hello")).await;
    let allow = r#"{"Effect":"Allow","Action":"s3:DeleteObject","Resource":"*","Condition":{"Null":{"s3:if-match":"false"}}}"#;
    let ann = world.user("ann", &crate::people::policy(allow)).await;
    for name in ["If-Match", "If-None-Match"] {
        let sent = delete(&objects(&["a"])).header(&name.to_lowercase(), "*");
        let refused = format!(
            "{}<additionalMessage>We don't accept the provided value of {name} header for this API</additionalMessage>",
            crate::harness::not_implemented(name)
        );
        assert_eq!(world.send_as(&ann, sent).await.refusal(), refused);
    }
    let bare = world.send_as(&ann, delete(&objects(&["a"]))).await;
    assert_eq!(bare.elements("Code"), ["AccessDenied"]);
    assert_eq!(world.send(get("/bucket/a")).await.text(), "hello");
    let judged = "<Delete><Object><Key>a</Key><ETag>*</ETag></Object></Delete>";
    assert_eq!(world.send_as(&ann, delete(judged)).await.elements("Key"), ["a"]);
    assert_eq!(world.send(get("/bucket/a")).await.status, 404);
}

#[tokio::test]
async fn versions_and_markers() {
    let world = World::with_bucket().await;
    world.versioning("Enabled").await;
    let version = world.send(put("/bucket/k", "x")).await.header("x-amz-version-id").to_owned();
    let answer = world.send(delete(&objects(&["k"]))).await;
    let marker = answer.element("DeleteMarkerVersionId");
    assert_eq!(
        answer.text(),
        result(
            "DeleteResult",
            &format!(
                "<Deleted><Key>k</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>{marker}</DeleteMarkerVersionId></Deleted>"
            )
        )
    );
    let named = |id: &str| {
        format!("<Delete><Object><Key>k</Key><VersionId>{id}</VersionId></Object></Delete>")
    };
    assert_eq!(
        world.send(delete(&named(&marker))).await.text(),
        result(
            "DeleteResult",
            &format!(
                "<Deleted><Key>k</Key><VersionId>{marker}</VersionId><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>{marker}</DeleteMarkerVersionId></Deleted>"
            )
        )
    );
    assert_eq!(world.send(get("/bucket/k")).await.text(), "x");
    assert_eq!(
        world.send(delete(&named(&version))).await.text(),
        result(
            "DeleteResult",
            &format!("<Deleted><Key>k</Key><VersionId>{version}</VersionId></Deleted>")
        )
    );
    assert_eq!(world.send(get("/bucket?versions")).await.elements("Version"), [""; 0]);
}

#[tokio::test]
async fn attributes_of_an_object() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/k", "hello").header("x-amz-storage-class", "GLACIER")).await;
    let asked = |names: &str| get("/bucket/k?attributes").header("x-amz-object-attributes", names);
    let etag = "<ETag>5d41402abc4b2a76b9719d911017c592</ETag>";
    let checksum = "<Checksum><ChecksumCRC64NVME>M3eFcAZSQlc=</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType></Checksum>";
    let rest = "<StorageClass>GLACIER</StorageClass><ObjectSize>5</ObjectSize>";
    for (names, content) in [
        ("ETag", etag.to_owned()),
        ("ObjectSize, ETag,StorageClass,Checksum,ObjectParts", format!("{etag}{checksum}{rest}")),
        ("ObjectParts", String::new()),
    ] {
        let answer = world.send(asked(names)).await;
        assert_eq!(answer.text(), result("GetObjectAttributesResponse", &content), "{names}");
        assert_eq!(answer.header("last-modified"), "Mon, 15 Jun 2026 12:00:00 GMT");
        assert!(!answer.headers.contains_key("x-amz-version-id"));
    }
    let two = get("/bucket/k?attributes")
        .header("x-amz-object-attributes", "ETag")
        .header("x-amz-object-attributes", "ObjectSize");
    assert_eq!(
        world.send(two).await.text(),
        result("GetObjectAttributesResponse", &format!("{etag}<ObjectSize>5</ObjectSize>"))
    );
    let link = world.link_with(
        "GET",
        "k",
        &[],
        &[("attributes", ""), ("x-amz-object-attributes", "ObjectSize")],
    );
    assert_eq!(world.send_raw(link).await.element("ObjectSize"), "5");
    for names in ["", "Etag", "ETag,Nothing"] {
        assert_eq!(
            world.refused(asked(names)).await,
            invalid_argument("Invalid attribute name specified.", "x-amz-object-attributes", names)
        );
    }
    let missing = get("/bucket/none?attributes").header("x-amz-object-attributes", "ETag");
    assert_eq!(world.refused(missing).await, no_such_key("none"));
}
