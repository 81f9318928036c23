//! Copies of objects: what is kept, what is replaced, and what may not be copied.

use crate::harness::{
    Ask, World, ask, get, invalid_argument, invalid_request, no_such_bucket, no_such_key,
    not_implemented, put, result,
};

const HELLO_ETAG: &str = "\"5d41402abc4b2a76b9719d911017c592\"";
const HELLO_CRC64: &str = "M3eFcAZSQlc=";
const HELLO_SHA256: &str = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
const WRITTEN: &str = "2026-06-15T12:00:00.000Z";

fn copy(target: &str, source: &str) -> Ask {
    put(target, "").header("x-amz-copy-source", source)
}

fn precondition_failed(condition: &str) -> String {
    format!(
        "412 <Code>PreconditionFailed</Code><Message>At least one of the pre-conditions you specified did not hold</Message><Condition>{condition}</Condition>"
    )
}

async fn with_source() -> World {
    let world = World::with_bucket().await;
    let source = put("/bucket/source", "hello")
        .header("content-type", "text/plain")
        .header("cache-control", "no-store")
        .header("x-amz-storage-class", "STANDARD_IA")
        .header("x-amz-meta-colour", "blue");
    assert_eq!(world.send(source).await.status, 200);
    world
}

#[tokio::test]
async fn a_copy_keeps_what_is_said_of_its_source() {
    let world = with_source().await;
    let answer = world.send(copy("/bucket/copy", "/bucket/source")).await;
    assert_eq!(
        answer.text(),
        result(
            "CopyObjectResult",
            &format!(
                "<ETag>{HELLO_ETAG}</ETag><LastModified>{WRITTEN}</LastModified><ChecksumCRC64NVME>{HELLO_CRC64}</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>"
            )
        )
    );
    assert_eq!(answer.header("x-amz-server-side-encryption"), "AES256");
    assert!(!answer.headers.contains_key("x-amz-version-id"));
    assert!(!answer.headers.contains_key("x-amz-copy-source-version-id"));
    let read = world.send(get("/bucket/copy")).await;
    assert_eq!(read.text(), "hello");
    assert_eq!(read.header("content-type"), "text/plain");
    assert_eq!(read.header("cache-control"), "no-store");
    assert_eq!(read.header("x-amz-meta-colour"), "blue");
    // The class is the request's either way.
    assert!(!read.headers.contains_key("x-amz-storage-class"));
}

#[tokio::test]
async fn a_copy_may_say_something_else() {
    let world = with_source().await;
    let replaced = copy("/bucket/copy", "/bucket/source")
        .header("x-amz-metadata-directive", "REPLACE")
        .header("content-type", "text/html")
        .header("x-amz-meta-shape", "round")
        .header("x-amz-storage-class", "GLACIER_IR");
    assert_eq!(world.send(replaced).await.status, 200);
    let read = world.send(get("/bucket/copy")).await;
    assert_eq!(read.text(), "hello");
    assert_eq!(read.header("content-type"), "text/html");
    assert_eq!(read.header("x-amz-meta-shape"), "round");
    assert_eq!(read.header("x-amz-storage-class"), "GLACIER_IR");
    assert!(!read.headers.contains_key("x-amz-meta-colour"));
    assert!(!read.headers.contains_key("cache-control"));
    // With COPY, what the request says of the object is not read.
    let kept = copy("/bucket/copy", "/bucket/source")
        .header("x-amz-metadata-directive", "COPY")
        .header("content-type", "text/html");
    world.send(kept).await;
    assert_eq!(world.send(get("/bucket/copy")).await.header("content-type"), "text/plain");
    let unknown = copy("/bucket/new", "/bucket/source").header("x-amz-metadata-directive", "MERGE");
    assert_eq!(
        world.refused(unknown).await,
        invalid_argument("Unknown metadata directive.", "x-amz-metadata-directive", "MERGE")
    );
    let unknown = copy("/bucket/new", "/bucket/source").header("x-amz-tagging-directive", "x");
    assert_eq!(
        world.refused(unknown).await,
        invalid_argument("Unknown tagging directive.", "x-amz-tagging-directive", "x")
    );
    assert_eq!(world.send(get("/bucket/new")).await.status, 404);
}

#[tokio::test]
async fn a_copy_onto_itself_must_change_something() {
    let world = with_source().await;
    let onto = || copy("/bucket/source", "bucket/source");
    let idle = invalid_request(
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
    assert_eq!(world.refused(onto()).await, idle);
    assert_eq!(world.refused(onto().header("x-amz-metadata-directive", "COPY")).await, idle);
    // Conditions are judged first.
    assert_eq!(
        world.refused(onto().header("if-none-match", "*")).await,
        "412 <Code>PreconditionFailed</Code><Message>At least one of the pre-conditions you specified did not hold</Message><Condition>If-None-Match</Condition>"
    );
    assert_eq!(world.refused(onto().header("if-match", HELLO_ETAG)).await, idle);
    for (name, value) in [
        ("x-amz-storage-class", "GLACIER"),
        ("x-amz-storage-class", "STANDARD"),
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-metadata-directive", "REPLACE"),
    ] {
        assert_eq!(world.send(onto().header(name, value)).await.status, 200, "{name}");
        assert_eq!(world.send(get("/bucket/source")).await.text(), "hello");
    }
    // All that was said is gone with the last one.
    let read = world.send(get("/bucket/source")).await;
    assert_eq!(read.header("content-type"), "binary/octet-stream");
}

/// What a bucket's owner has set of encryption is reason enough for a copy onto itself.
#[tokio::test]
async fn a_copy_onto_itself_encrypts_as_the_bucket_says() {
    let world = with_source().await;
    let document = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>";
    assert_eq!(world.send(put("/bucket?encryption", document)).await.status, 200);
    let answer = world.send(copy("/bucket/source", "/bucket/source")).await;
    assert_eq!((answer.status, answer.header("x-amz-server-side-encryption")), (200, "AES256"));
}

#[tokio::test]
async fn sources_as_clients_write_them() {
    let world = World::with_bucket().await;
    world.send(put("/other", "")).await;
    for (key, body) in [
        ("a%20b", "blank"),
        ("a+b", "plus"),
        ("%C3%BC", "umlaut"),
        ("a//b", "two"),
        ("a%3Fb", "question"),
        ("a%252520b", "encoded twice"),
        ("a%2520b", "encoded"),
    ] {
        assert_eq!(world.send(put(&format!("/other/{key}"), body)).await.status, 200);
    }
    for (source, body) in [
        ("/other/a%20b", "blank"),
        ("other/a b", "blank"),
        ("other%2Fa%20b", "blank"),
        ("%2Fother%2Fa%20b", "blank"),
        ("/other/a+b", "blank"),
        ("/other/a%2Bb", "plus"),
        ("http://valet.test:9000/other/a%20b", "blank"),
        ("HTTPS://Valet.Test:9000/other/a+b", "blank"),
        ("https://valet.test:9000/other%2Fa%2Bb", "plus"),
        ("/other/%C3%BC", "umlaut"),
        ("/other/ü", "umlaut"),
        ("/other/a//b", "two"),
        ("/other/a%3Fb", "question"),
        ("/other/a%2520b", "encoded"),
    ] {
        let answer = world.send(copy("/bucket/copy", source)).await;
        assert_eq!(answer.status, 200, "{source}: {}", answer.text());
        assert_eq!(world.send(get("/bucket/copy")).await.text(), body, "{source}");
    }
    let message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
    let sources = ["", "other", "/other", "/other/", "//k", "/UPPER/k", "/other/%80"];
    // Another server's object is none of this one.
    let urls = [
        "https://elsewhere.example/other/a%20b",
        "http://valet.test/other/a%20b",
        "http://valet.test:9000/other/",
        "http://valet.test:9000",
        "ftp://valet.test:9000/other/a%20b",
    ];
    for source in sources.into_iter().chain(urls) {
        assert_eq!(
            world.refused(copy("/bucket/new", source)).await,
            invalid_argument(message, "x-amz-copy-source", source)
        );
    }
    assert_eq!(world.refused(copy("/bucket/new", "/other/none")).await, no_such_key("none"));
    assert_eq!(world.refused(copy("/bucket/new", "/missing/k")).await, no_such_bucket("missing"));
    assert_eq!(world.refused(copy("/missing/new", "/other/a+b")).await, no_such_bucket("missing"));
    assert_eq!(world.send(get("/bucket/new")).await.status, 404);
}

#[tokio::test]
async fn conditions_on_the_source() {
    const BEFORE: &str = "Mon, 15 Jun 2026 11:59:59 GMT";
    const WRITTEN: &str = "Mon, 15 Jun 2026 12:00:00 GMT";
    const AFTER: &str = "Mon, 15 Jun 2026 12:00:01 GMT";
    let world = with_source().await;
    let other = "\"781e5e245d69b566979b86e28d23f2c7\"";
    let rows: &[(&[(&str, &str)], Option<&str>)] = &[
        (&[("if-match", HELLO_ETAG)], None),
        (&[("if-match", other)], Some("x-amz-copy-source-If-Match")),
        (&[("if-none-match", other)], None),
        (&[("if-none-match", HELLO_ETAG)], Some("x-amz-copy-source-If-None-Match")),
        (&[("if-modified-since", BEFORE)], None),
        (&[("if-modified-since", WRITTEN)], Some("x-amz-copy-source-If-Modified-Since")),
        (&[("if-modified-since", AFTER)], None),
        (&[("if-unmodified-since", AFTER)], None),
        (&[("if-unmodified-since", BEFORE)], Some("x-amz-copy-source-If-Unmodified-Since")),
        (&[("if-match", HELLO_ETAG), ("if-unmodified-since", BEFORE)], None),
        (&[("if-none-match", other), ("if-modified-since", AFTER)], None),
    ];
    for (conditions, failed) in rows {
        let copied =
            conditions.iter().fold(copy("/bucket/copy", "/bucket/source"), |ask, (n, v)| {
                ask.header(&format!("x-amz-copy-source-{n}"), v)
            });
        let answer = world.send(copied).await;
        match failed {
            None => assert_eq!(answer.status, 200, "{conditions:?}"),
            Some(failed) => assert_eq!(answer.refusal(), precondition_failed(failed)),
        }
    }
    // And on the target.
    let kept = copy("/bucket/copy", "/bucket/source").header("if-none-match", "*");
    assert_eq!(world.refused(kept).await, precondition_failed("If-None-Match"));
    let kept = copy("/bucket/copy", "/bucket/source").header("if-match", other);
    assert_eq!(world.refused(kept).await, precondition_failed("If-Match"));
    let fits = copy("/bucket/copy", "/bucket/source").header("if-match", HELLO_ETAG);
    assert_eq!(world.send(fits).await.status, 200);
}

#[tokio::test]
async fn versions_are_copied_by_their_id() {
    let world = World::with_bucket().await;
    world.versioning("Enabled").await;
    let old = world.send(put("/bucket/k", "old")).await.header("x-amz-version-id").to_owned();
    let new = world.send(put("/bucket/k", "new")).await.header("x-amz-version-id").to_owned();
    let answer = world.send(copy("/bucket/copy", "/bucket/k")).await;
    assert_eq!(answer.header("x-amz-copy-source-version-id"), new);
    assert_eq!(answer.header("x-amz-version-id").len(), 32);
    let source = format!("/bucket/k?versionId={old}");
    let answer = world.send(copy("/bucket/copy", &source)).await;
    assert_eq!(answer.header("x-amz-copy-source-version-id"), old);
    assert_eq!(world.send(get("/bucket/copy")).await.text(), "old");
    // An old version onto its own key is how one is restored.
    assert_eq!(world.send(copy("/bucket/k", &source)).await.status, 200);
    assert_eq!(world.send(get("/bucket/k")).await.text(), "old");

    let unknown = "A".repeat(32);
    assert_eq!(
        world.refused(copy("/bucket/new", &format!("/bucket/k?versionId={unknown}"))).await,
        format!(
            "404 <Code>NoSuchVersion</Code><Message>The specified version does not exist.</Message><Key>k</Key><VersionId>{unknown}</VersionId>"
        )
    );
    let bad = "/bucket/k?versionId=bad";
    assert_eq!(
        world.refused(copy("/bucket/new", bad)).await,
        invalid_argument("Invalid version id specified", "x-amz-copy-source", bad)
    );
    let marker = world.send(ask("DELETE", "/bucket/k")).await.header("x-amz-version-id").to_owned();
    assert_eq!(world.refused(copy("/bucket/new", "/bucket/k")).await, no_such_key("k"));
    let source = format!("/bucket/k?versionId={marker}");
    assert_eq!(
        world.refused(copy("/bucket/new", &source)).await,
        invalid_request(
            "The source of a copy request may not specifically refer to a delete marker by version id."
        )
    );
}

#[tokio::test]
async fn checksums_of_copies() {
    let world = World::with_bucket().await;
    let source = put("/bucket/k", "hello").header("x-amz-checksum-sha256", HELLO_SHA256);
    assert_eq!(world.send(source).await.status, 200);
    let told = async |key: &str, name: &str| {
        let ask = get(key).header("x-amz-checksum-mode", "ENABLED");
        world.send(ask).await.header(name).to_owned()
    };
    // The source's algorithm, unless the request names one.
    let answer = world.send(copy("/bucket/copy", "/bucket/k")).await;
    assert_eq!(answer.element("ChecksumSHA256"), HELLO_SHA256);
    assert_eq!(told("/bucket/copy", "x-amz-checksum-sha256").await, HELLO_SHA256);
    let asked = copy("/bucket/copy", "/bucket/k").header("x-amz-checksum-algorithm", "CRC32");
    assert_eq!(world.send(asked).await.element("ChecksumCRC32"), "NhCmhg==");
    assert_eq!(told("/bucket/copy", "x-amz-checksum-crc32").await, "NhCmhg==");
    for (algorithm, value) in [("MD5", "XUFAKrxLKna5cZ2REBfFkg=="), ("XXHASH3", "lVXoVVxi3P0=")] {
        let asked = copy("/bucket/copy", "/bucket/k").header("x-amz-checksum-algorithm", algorithm);
        let answer = world.send(asked).await;
        assert_eq!(answer.element(&format!("Checksum{algorithm}")), value);
        assert_eq!(answer.element("ChecksumType"), "FULL_OBJECT");
        let header = format!("x-amz-checksum-{}", algorithm.to_lowercase());
        assert_eq!(told("/bucket/copy", &header).await, value);
    }
    let unknown = copy("/bucket/new", "/bucket/k").header("x-amz-checksum-algorithm", "CRC16");
    assert_eq!(
        world.refused(unknown).await,
        invalid_request(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, MD5, SHA1, SHA256, SHA512, XXHASH128, XXHASH3, XXHASH64]"
        )
    );
}

#[tokio::test]
async fn what_a_copy_may_not_ask_for() {
    let world = with_source().await;
    for (name, value, expected) in [
        ("x-amz-server-side-encryption", "aws:kms", not_implemented("x-amz-server-side-encryption")),
        ("x-amz-write-offset-bytes", "0", not_implemented("x-amz-write-offset-bytes")),
        (
            "x-amz-acl",
            "public-read",
            "400 <Code>AccessControlListNotSupported</Code><Message>The bucket does not allow ACLs</Message>".to_owned(),
        ),
    ] {
        let ask = copy("/bucket/copy", "/bucket/source").header(name, value);
        assert_eq!(world.refused(ask).await, expected);
    }
    assert_eq!(world.send(get("/bucket/copy")).await.status, 404);
}

#[tokio::test]
async fn a_link_may_carry_its_source_signed() {
    let world = with_source().await;
    let link = world.link_with("PUT", "copy", &[], &[("x-amz-copy-source", "/bucket/source")]);
    assert_eq!(world.send_raw(link).await.status, 200);
    assert_eq!(world.send(get("/bucket/copy")).await.text(), "hello");
    // What its signer did not sign turns no upload into a copy.
    for mut link in [world.link("PUT", "stolen"), world.link_v2("PUT", "stolen")] {
        link.target.push_str("&x-amz-copy-source=/bucket/source");
        assert!(
            world
                .send_raw(link)
                .await
                .refusal()
                .starts_with("403 <Code>SignatureDoesNotMatch</Code>")
        );
    }
    assert_eq!(world.send(get("/bucket/stolen")).await.status, 404);
}
