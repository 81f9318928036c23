//! Objects put whole: written, read, described, conditioned and removed.

use base64::Engine as _;
use store::Encryption;

use crate::harness::{
    Answer, Ask, World, ask, config, get, invalid_argument, invalid_request, no_such_bucket,
    no_such_key, not_implemented, put,
};

const WRITTEN: &str = "Mon, 15 Jun 2026 12:00:00 GMT";
/// Of "hello", "0123456789" and nothing, as Python's hashlib has them.
const HELLO_ETAG: &str = "\"5d41402abc4b2a76b9719d911017c592\"";
const DIGITS_ETAG: &str = "\"781e5e245d69b566979b86e28d23f2c7\"";
const EMPTY_ETAG: &str = "\"d41d8cd98f00b204e9800998ecf8427e\"";
/// CRC-64/NVME of "hello".
const HELLO_CRC64: &str = "M3eFcAZSQlc=";

fn head(target: &str) -> Ask {
    ask("HEAD", target)
}

fn delete(target: &str) -> Ask {
    ask("DELETE", target)
}

/// All headers but the ids and the server's name, as lines in order of their names.
fn described(answer: &Answer) -> String {
    let mut lines: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "x-amz-request-id" | "x-amz-id-2" | "server"))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    format!("{} {}", answer.status, lines.join(" | "))
}

fn precondition_failed(condition: &str) -> String {
    format!(
        "412 <Code>PreconditionFailed</Code><Message>At least one of the pre-conditions you specified did not hold</Message><Condition>{condition}</Condition>"
    )
}

#[tokio::test]
async fn a_put_and_what_it_answers() {
    let world = World::with_bucket().await;
    let answer = world.send(put("/bucket/k", "hello")).await;
    assert_eq!(
        described(&answer),
        format!(
            "200 etag: {HELLO_ETAG} | x-amz-checksum-crc64nvme: {HELLO_CRC64} | x-amz-checksum-type: FULL_OBJECT | x-amz-server-side-encryption: AES256"
        )
    );
    assert_eq!(answer.body.len(), 0);
    assert_eq!(world.send(put("/bucket/empty", "")).await.header("etag"), EMPTY_ETAG);
    assert_eq!(world.refused(put("/missing/k", "x")).await, no_such_bucket("missing"));
}

#[tokio::test]
async fn a_read_and_what_it_says() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/k", "hello")).await;
    let plain = format!(
        "200 accept-ranges: bytes | content-length: 5 | content-type: binary/octet-stream | etag: {HELLO_ETAG} | last-modified: {WRITTEN} | x-amz-server-side-encryption: AES256 | x-content-type-options: nosniff"
    );
    let answer = world.send(get("/bucket/k")).await;
    assert_eq!((described(&answer), answer.text()), (plain.clone(), "hello"));
    let answer = world.send(head("/bucket/k")).await;
    assert_eq!((described(&answer), answer.text()), (plain, ""));
    assert_eq!(world.refused(get("/bucket/nothing")).await, no_such_key("nothing"));
    assert_eq!(world.send(head("/bucket/nothing")).await.status, 404);
    assert_eq!(world.refused(get("/missing/k")).await, no_such_bucket("missing"));
}

#[tokio::test]
async fn what_a_writer_says_is_told_again() {
    let world = World::with_bucket().await;
    let said = [
        ("content-type", "text/plain; charset=utf-8"),
        ("content-encoding", "gzip"),
        ("content-language", "de, en"),
        ("content-disposition", "attachment; filename=\"a b.txt\""),
        ("cache-control", "max-age=60"),
        ("expires", "not a date at all"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-meta-colour", "blue"),
    ];
    let mut written = put("/bucket/k", "hello");
    for (name, value) in said {
        written = written.header(name, value);
    }
    assert_eq!(world.send(written).await.status, 200);
    for answer in [world.send(get("/bucket/k")).await, world.send(head("/bucket/k")).await] {
        for (name, value) in said {
            assert_eq!(answer.header(name), value, "{name}");
        }
    }
}

#[tokio::test]
async fn the_encoding_of_the_transfer_is_not_the_objects() {
    let world = World::with_bucket().await;
    for (sent, kept) in [
        ("aws-chunked", ""),
        ("aws-chunked,gzip", "gzip"),
        ("gzip, aws-chunked", "gzip"),
        ("deflate, gzip, aws-chunked", "deflate, gzip"),
        ("AWS-Chunked , br", "br"),
    ] {
        world.send(put("/bucket/k", "x").header("content-encoding", sent)).await;
        let answer = world.send(get("/bucket/k")).await;
        assert_eq!(answer.header("content-encoding"), kept, "{sent}");
        assert_eq!(answer.headers.contains_key("content-encoding"), !kept.is_empty());
    }
}

#[tokio::test]
async fn metadata_of_the_user() {
    let world = World::with_bucket().await;
    let rows: &[(&[(&str, &str)], &str, &str)] = &[
        (&[("x-amz-meta-a", "1"), ("x-amz-meta-a", "2")], "a", "1,2"),
        (&[("x-amz-meta-a", "  two  words  ")], "a", "two  words"),
        (&[("x-amz-meta-a", "")], "a", ""),
        // Bytes are characters, and words that are encoded are read: as S3 does, whose guide has the first.
        (&[("x-amz-meta-a", "ÄMÄZÕÑ S3")], "a", "=?UTF-8?B?w4PChE3Dg8KEWsODwpXDg8KRIFMz?="),
        (
            &[("x-amz-meta-a", "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?=")],
            "a",
            "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?=",
        ),
        (&[("x-amz-meta-a", "=?UTF-8?B?AAECAw==?=")], "a", "=?UTF-8?B?AAECAw==?="),
        (&[("x-amz-meta-a", "=?UTF-8?Q?actually-ascii?=")], "a", "actually-ascii"),
        (&[("x-amz-meta-a", "=?UTF-8?B?YWJj?=")], "a", "abc"),
    ];
    for (sent, name, told) in rows {
        let mut written = put("/bucket/k", "x");
        for (name, value) in *sent {
            written = written.header(name, value.trim());
        }
        assert_eq!(world.send(written).await.status, 200, "{sent:?}");
        let answer = world.send(head("/bucket/k")).await;
        assert_eq!(answer.header(&format!("x-amz-meta-{name}")), *told, "{sent:?}");
    }
    // Names and values together: 2048 bytes fit, one more does not.
    let value = "v".repeat(2046);
    let fits = put("/bucket/k", "x").header("x-amz-meta-aa", &value);
    assert_eq!(world.send(fits).await.status, 200);
    let over = put("/bucket/other", "x").header("x-amz-meta-aaa", &value);
    assert_eq!(
        world.refused(over).await,
        "400 <Code>MetadataTooLarge</Code><Message>Your metadata headers exceed the maximum allowed metadata size</Message><Size>2049</Size><MaxSizeAllowed>2048</MaxSizeAllowed>"
    );
    assert_eq!(world.send(head("/bucket/other")).await.status, 404);
}

/// Other headers come back byte for byte.
#[tokio::test]
async fn headers_beyond_ascii() {
    let world = World::with_bucket().await;
    for name in ["content-disposition", "cache-control", "content-language", "content-type"] {
        world.send(put("/bucket/k", "x").header(name, "ÄM é — =?UTF-8?Q?a?=")).await;
        let answer = world.send(head("/bucket/k")).await;
        let told = answer.headers.get(name).unwrap().as_bytes();
        assert_eq!(told, "ÄM é — =?UTF-8?Q?a?=".as_bytes(), "{name}");
    }
}

#[tokio::test]
async fn metadata_that_no_header_could_carry_is_refused() {
    let world = World::with_bucket().await;
    let ask = world.link_with("PUT", "k", &[], &[("x-amz-meta-a b", "1")]).body("x");
    let answer = world.send_raw(ask).await;
    assert_eq!(
        answer.refusal(),
        invalid_argument("Metadata names must be valid header names.", "x-amz-meta-a b", "1")
    );
    assert_eq!(world.send(head("/bucket/k")).await.status, 404);
}

#[tokio::test]
async fn storage_classes() {
    let world = World::with_bucket().await;
    assert_eq!(
        world.refused(put("/bucket/k", "y").header("x-amz-storage-class", "OUTPOSTS")).await,
        "400 <Code>InvalidStorageClass</Code><Message>The storage class you specified is not valid</Message><StorageClassRequested>OUTPOSTS</StorageClassRequested>"
    );
    for class in ["REDUCED_REDUNDANCY", "GLACIER", "DEEP_ARCHIVE", "INTELLIGENT_TIERING"] {
        world.send(put("/bucket/k", "x").header("x-amz-storage-class", class)).await;
        let answer = world.send(get("/bucket/k")).await;
        assert_eq!((answer.header("x-amz-storage-class"), answer.text()), (class, "x"));
    }
    // The usual one goes without saying.
    world.send(put("/bucket/k", "x").header("x-amz-storage-class", "STANDARD")).await;
    let answer = world.send(get("/bucket/k")).await;
    assert!(!answer.headers.contains_key("x-amz-storage-class"));
    assert_eq!(
        world.refused(put("/bucket/k", "y").header("x-amz-storage-class", "standard")).await,
        "400 <Code>InvalidStorageClass</Code><Message>The storage class you specified is not valid</Message><StorageClassRequested>standard</StorageClassRequested>"
    );
}

#[tokio::test]
async fn encryption_is_told_where_it_is() {
    const NAME: &str = "x-amz-server-side-encryption";
    let off = World::with(config(), Encryption::Off).await;
    off.send(put("/bucket", "")).await;
    let answer = off.send(put("/bucket/plain", "x")).await;
    assert!(!answer.headers.contains_key(NAME));
    assert!(!off.send(get("/bucket/plain")).await.headers.contains_key(NAME));
    let answer = off.send(put("/bucket/asked", "x").header(NAME, "AES256")).await;
    assert_eq!(answer.header(NAME), "AES256");
    assert_eq!(off.send(get("/bucket/asked")).await.header(NAME), "AES256");
    assert_eq!(off.send(get("/bucket/asked")).await.text(), "x");
    for (value, expected) in [
        ("aws:kms", not_implemented(NAME)),
        ("aws:kms:dsse", not_implemented(NAME)),
        (
            "aes256",
            invalid_argument("The encryption method specified is not supported", NAME, "aes256"),
        ),
    ] {
        assert_eq!(off.refused(put("/bucket/k", "x").header(NAME, value)).await, expected);
    }
    assert_eq!(off.send(head("/bucket/k")).await.status, 404);
}

#[tokio::test]
async fn ranges() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/k", "0123456789")).await;
    world.send(put("/bucket/empty", "")).await;
    let partial: &[(&str, &str, &str)] = &[
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=4-", "456789", "bytes 4-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=-99", "0123456789", "bytes 0-9/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
        ("bytes=9-9", "9", "bytes 9-9/10"),
        ("BYTES=1-1", "1", "bytes 1-1/10"),
    ];
    for (range, body, content_range) in partial {
        let answer = world.send(get("/bucket/k").header("range", range)).await;
        let got = (answer.status, answer.text(), answer.header("content-range"));
        assert_eq!(got, (206, *body, *content_range), "{range}");
        assert_eq!(answer.header("content-length"), body.len().to_string(), "{range}");
        let answer = world.send(head("/bucket/k").header("range", range)).await;
        assert_eq!((answer.status, answer.header("content-range")), (206, *content_range));
    }
    for ignored in ["bytes=0-1,3-4", "bytes=5-4", "bytes=-", "bytes=x-y", "lines=0-1", "0-1"] {
        let answer = world.send(get("/bucket/k").header("range", ignored)).await;
        assert_eq!((answer.status, answer.text()), (200, "0123456789"), "{ignored}");
        assert!(!answer.headers.contains_key("content-range"));
    }
    for (key, range, size) in
        [("k", "bytes=10-", 10), ("k", "bytes=-0", 10), ("empty", "bytes=0-", 0)]
    {
        let answer = world.send(get(&format!("/bucket/{key}")).header("range", range)).await;
        assert_eq!(
            answer.refusal(),
            format!(
                "416 <Code>InvalidRange</Code><Message>The requested range is not satisfiable</Message><RangeRequested>{range}</RangeRequested><ActualObjectSize>{size}</ActualObjectSize>"
            )
        );
        assert_eq!(answer.header("content-range"), format!("bytes */{size}"));
    }
}

#[tokio::test]
async fn a_range_that_holds_only_for_the_same_object() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/k", "0123456789")).await;
    for (validator, status) in [
        (DIGITS_ETAG, 206),
        (WRITTEN, 206),
        (HELLO_ETAG, 200),
        ("Mon, 15 Jun 2026 11:59:59 GMT", 200),
        ("nonsense", 200),
    ] {
        let ask = get("/bucket/k").header("range", "bytes=0-1").header("if-range", validator);
        assert_eq!(world.send(ask).await.status, status, "{validator}");
    }
}

#[tokio::test]
async fn conditions_of_a_read() {
    const BEFORE: &str = "Mon, 15 Jun 2026 11:59:59 GMT";
    const AFTER: &str = "Mon, 15 Jun 2026 12:00:01 GMT";
    let world = World::with_bucket().await;
    world.send(put("/bucket/k", "hello").header("cache-control", "no-store")).await;
    let bare = HELLO_ETAG.trim_matches('"');
    let rows: &[(&[(&str, &str)], u16, &str)] = &[
        (&[("if-match", HELLO_ETAG)], 200, ""),
        (&[("if-match", bare)], 200, ""),
        (&[("if-match", "*")], 200, ""),
        (&[("if-match", "\"a\", \"5d41402abc4b2a76b9719d911017c592\"")], 200, ""),
        (&[("if-match", DIGITS_ETAG)], 412, "If-Match"),
        (&[("if-none-match", HELLO_ETAG)], 304, ""),
        (&[("if-none-match", "*")], 304, ""),
        (&[("if-none-match", DIGITS_ETAG)], 200, ""),
        (&[("if-modified-since", BEFORE)], 200, ""),
        (&[("if-modified-since", WRITTEN)], 304, ""),
        // A date that is yet to come says nothing.
        (&[("if-modified-since", AFTER)], 200, ""),
        (&[("if-unmodified-since", AFTER)], 200, ""),
        (&[("if-modified-since", "nonsense")], 200, ""),
        (&[("if-unmodified-since", BEFORE)], 412, "If-Unmodified-Since"),
        (&[("if-unmodified-since", WRITTEN)], 200, ""),
        (&[("if-unmodified-since", "nonsense")], 200, ""),
        // A tag outweighs a date.
        (&[("if-match", HELLO_ETAG), ("if-unmodified-since", BEFORE)], 200, ""),
        (&[("if-none-match", DIGITS_ETAG), ("if-modified-since", AFTER)], 200, ""),
        (&[("if-none-match", HELLO_ETAG), ("if-modified-since", BEFORE)], 304, ""),
        (&[("if-match", DIGITS_ETAG), ("if-none-match", HELLO_ETAG)], 412, "If-Match"),
    ];
    for (conditions, status, condition) in rows {
        let with = |ask: Ask| conditions.iter().fold(ask, |ask, (n, v)| ask.header(n, v));
        let answer = world.send(with(get("/bucket/k"))).await;
        assert_eq!(answer.status, *status, "{conditions:?}");
        match *status {
            304 => assert_eq!(
                (described(&answer), answer.body.len()),
                (format!("304 etag: {HELLO_ETAG} | last-modified: {WRITTEN}"), 0)
            ),
            412 => assert_eq!(answer.refusal(), precondition_failed(condition)),
            _ => assert_eq!(answer.text(), "hello"),
        }
        assert_eq!(world.send(with(head("/bucket/k"))).await.status, *status, "{conditions:?}");
    }
    // What is not there has no conditions.
    let missing = get("/bucket/none").header("if-none-match", "*");
    assert_eq!(world.refused(missing).await, no_such_key("none"));
}

#[tokio::test]
async fn a_link_overrides_what_its_answer_says() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/k", "hello").header("content-type", "text/plain")).await;
    let overrides = [
        ("response-content-type", "text/html"),
        ("response-content-language", "fr"),
        ("response-expires", "Thu, 01 Dec 1994 16:00:00 GMT"),
        ("response-cache-control", "no-cache"),
        ("response-content-disposition", "attachment; filename=\"r\u{e9}sum\u{e9}.txt\""),
        ("response-content-encoding", "identity"),
    ];
    for method in ["GET", "HEAD"] {
        let answer = world.send_raw(world.link_with(method, "k", &[], &overrides)).await;
        assert_eq!(answer.status, 200);
        for (name, value) in overrides {
            let header = name.strip_prefix("response-").unwrap();
            let latin1: Vec<u8> =
                value.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
            assert_eq!(answer.headers[header].as_bytes(), latin1, "{name}");
        }
    }
    for name in overrides.map(|(name, _)| name) {
        let answer =
            world.send_raw(world.link_with("GET", "k", &[], &[(name, "caf\u{e9}\u{20ac}")])).await;
        assert_eq!(
            answer.refusal(),
            invalid_argument(
                "Header value cannot be represented using ISO-8859-1.",
                name,
                "caf\u{e9}\u{20ac}"
            )
        );
    }
    // A line end would be a header of the link holder's own.
    let split =
        world.link_with("GET", "k", &[], &[("response-content-type", "a\r\nset-cookie: b")]);
    let answer = world.send_raw(split).await;
    assert_eq!(answer.status, 400);
    assert!(!answer.headers.contains_key("set-cookie"));
    // Overrides are for answers that carry the object.
    let refused = world.link_with("GET", "none", &[], &[("response-content-type", "text/html")]);
    assert_eq!(world.send_raw(refused).await.header("content-type"), "application/xml");
}

#[tokio::test]
async fn parts_of_an_object_put_whole() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/k", "0123456789")).await;
    let answer = world.send(get("/bucket/k?partNumber=1")).await;
    assert_eq!(
        (answer.status, answer.text(), answer.header("content-range")),
        (206, "0123456789", "bytes 0-9/10")
    );
    assert!(!answer.headers.contains_key("x-amz-mp-parts-count"));
    assert_eq!(
        world.refused(get("/bucket/k?partNumber=2")).await,
        "416 <Code>InvalidPartNumber</Code><Message>The requested partnumber is not satisfiable</Message><ActualPartCount>1</ActualPartCount><PartNumberRequested>2</PartNumberRequested>"
    );
    for value in ["0", "10001", "x", ""] {
        assert_eq!(
            world.refused(get(&format!("/bucket/k?partNumber={value}"))).await,
            invalid_argument(
                "Part number must be an integer between 1 and 10000, inclusive",
                "partNumber",
                value
            )
        );
    }
    assert_eq!(
        world.refused(get("/bucket/k?partNumber=1").header("range", "bytes=0-1")).await,
        invalid_request("Cannot specify both Range header and partNumber query parameter")
    );
}

#[tokio::test]
async fn checksums_are_told_when_asked_for() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/k", "hello")).await;
    let name = "x-amz-checksum-crc64nvme";
    let asked = |ask: Ask| ask.header("x-amz-checksum-mode", "ENABLED");
    for answer in [
        world.send(asked(get("/bucket/k"))).await,
        world.send(asked(head("/bucket/k"))).await,
        world
            .send_raw(world.link_with("GET", "k", &[], &[("x-amz-checksum-mode", "ENABLED")]))
            .await,
    ] {
        assert_eq!(answer.header(name), HELLO_CRC64);
        assert_eq!(answer.header("x-amz-checksum-type"), "FULL_OBJECT");
    }
    assert!(!world.send(get("/bucket/k")).await.headers.contains_key(name));
    let part = world.send(asked(get("/bucket/k").header("range", "bytes=0-1"))).await;
    assert!(!part.headers.contains_key(name), "it would be of other bytes");
}

#[tokio::test]
async fn keys_are_bytes_and_nothing_is_folded() {
    let world = World::with_bucket().await;
    let long = "k".repeat(1024);
    let long_umlauts = "%C3%BC".repeat(512);
    let keys = [
        "a",
        "a/",
        "a//",
        "a//b",
        "/a",
        "//",
        "a/../b",
        "../b",
        "./x",
        ".",
        "..",
        "a/./b",
        "a/b",
        "b",
        "x",
        "a%20b",
        "%20",
        "a+b",
        "a%2Bb%2B",
        "a%25b",
        "a%2525b",
        "%F0%9F%9A%80",
        "tr%C3%A4ger",
        "tra%CC%88ger",
        "a%3Fb%3Dc",
        "a%23b",
        "a&b",
        "a;b,c:d",
        "%00",
        "%0D%0A",
        "%7F",
        "a%5Cb",
        "a%22b",
        "A",
        "aB",
        "_valet",
        "_valet/health/live",
        long.as_str(),
        long_umlauts.as_str(),
        "index.html/",
        "a=b",
        "~!*'()",
    ];
    let mut seen = std::collections::BTreeMap::new();
    for key in keys {
        seen.insert(presign::decode_component(key).into_owned(), key);
    }
    for key in seen.values() {
        let answer = world.send(put(&format!("/bucket/{key}"), key)).await;
        assert_eq!(answer.status, 200, "{key}: {}", answer.text());
    }
    for key in seen.values() {
        assert_eq!(world.send(get(&format!("/bucket/{key}"))).await.text(), *key);
    }
    let listed = world.send(get("/bucket?list-type=2&encoding-type=url")).await.elements("Key");
    let names: Vec<Vec<u8>> =
        listed.iter().map(|key| presign::decode_component(key).into_owned()).collect();
    assert_eq!(names, seen.keys().cloned().collect::<Vec<_>>());
    for key in seen.values() {
        assert_eq!(world.send(delete(&format!("/bucket/{key}"))).await.status, 204, "{key}");
    }
    assert_eq!(world.send(get("/bucket?list-type=2")).await.element("KeyCount"), "0");
}

#[tokio::test]
async fn keys_that_cannot_be() {
    let world = World::with_bucket().await;
    for (key, size) in [("k".repeat(1025), 1025), ("%C3%BC".repeat(513), 1026)] {
        let expected = format!(
            "400 <Code>KeyTooLongError</Code><Message>Your key is too long</Message><Size>{size}</Size><MaxSizeAllowed>1024</MaxSizeAllowed>"
        );
        assert_eq!(world.refused(put(&format!("/bucket/{key}"), "x")).await, expected);
        assert_eq!(world.refused(get(&format!("/bucket/{key}"))).await, expected);
    }
    let uri = "400 <Code>InvalidURI</Code><Message>Couldn't parse the specified URI.</Message>";
    for key in ["%80", "a%C3", "%ED%A0%80", "%FF"] {
        assert_eq!(world.refused(put(&format!("/bucket/{key}"), "x")).await, uri, "{key}");
    }
    assert_eq!(world.refused(get("/bucket/k?prefix=%80")).await, uri);
    let many = vec!["a=b"; 257].join("&");
    assert_eq!(world.refused(get(&format!("/bucket/k?{many}"))).await, uri);
}

#[tokio::test]
async fn deleting_without_versions() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/k", "x")).await;
    for target in ["/bucket/k", "/bucket/k", "/bucket/never", "/bucket/never?versionId=null"] {
        let answer = world.send(delete(target)).await;
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{target}");
        for name in ["content-type", "content-length", "x-amz-delete-marker"] {
            assert!(!answer.headers.contains_key(name), "{target} {name}");
        }
    }
    assert_eq!(world.refused(get("/bucket/k")).await, no_such_key("k"));
    assert_eq!(world.refused(delete("/missing/k")).await, no_such_bucket("missing"));
}

#[tokio::test]
async fn a_delete_may_be_conditional() {
    let world = World::with_bucket().await;
    let delete = |name: &str, value: &str| ask("DELETE", "/bucket/k").header(name, value);
    let failed = "412 <Code>PreconditionFailed</Code><Message>At least one of the pre-conditions you specified did not hold</Message><Condition>If-Match</Condition>";
    let other = "\"00000000000000000000000000000000\"";
    for etag in ["*", HELLO_ETAG, other, "nonsense"] {
        assert_eq!(world.refused(delete("if-match", etag)).await, no_such_key("k"));
    }
    for etag in [HELLO_ETAG, HELLO_ETAG.trim_matches('"'), "*"] {
        world.send(put("/bucket/k", "hello")).await;
        assert_eq!(world.refused(delete("if-match", other)).await, failed);
        assert_eq!(world.refused(delete("if-match", "nonsense")).await, failed);
        assert_eq!(world.send(delete("if-match", etag)).await.status, 204);
        assert_eq!(world.send(get("/bucket/k")).await.status, 404);
    }
    world.send(put("/bucket/k", "hello")).await;
    assert_eq!(
        world.refused(delete("if-none-match", "*")).await,
        format!(
            "{}<additionalMessage>We don't accept the provided value of If-None-Match header for this API</additionalMessage>",
            not_implemented("If-None-Match")
        )
    );
    // From a link's signed query too.
    let link = world.link_with("DELETE", "k", &[], &[("if-match", other)]);
    assert_eq!(world.send_raw(link).await.refusal(), failed);
    assert_eq!(world.send(get("/bucket/k")).await.text(), "hello");
    // To name a tag takes the permission to read it.
    let allow = |actions: &str| {
        crate::people::policy(&format!(
            r#"{{"Effect":"Allow","Action":[{actions}],"Resource":"arn:aws:s3:::bucket/*"}}"#
        ))
    };
    let ann = world.user("ann", &allow(r#""s3:DeleteObject""#)).await;
    for etag in [HELLO_ETAG, "nonsense"] {
        let refused = world.send_as(&ann, delete("if-match", etag)).await.refusal();
        assert!(refused.contains("not authorized to perform: s3:GetObject on"), "{refused}");
    }
    assert_eq!(world.send_as(&ann, delete("if-match", "*")).await.status, 204);
    // A marker is absence, and it is the current version that is judged.
    world.versioning("Enabled").await;
    let old = world.send(put("/bucket/k", "old")).await.header("x-amz-version-id").to_owned();
    world.send(put("/bucket/k", "hello")).await;
    let version =
        |etag: &str| ask("DELETE", &format!("/bucket/k?versionId={old}")).header("if-match", etag);
    // One that names a version has no condition: the tag would be another version's.
    for etag in [other, HELLO_ETAG, "*"] {
        assert_eq!(world.refused(version(etag)).await, not_implemented("If-Match"));
    }
    let document = format!(
        "<Delete><Object><Key>k</Key><VersionId>{old}</VersionId><ETag>{HELLO_ETAG}</ETag></Object></Delete>"
    );
    let digest = crate::harness::sha256(document.as_bytes());
    let digest = base64::engine::general_purpose::STANDARD.encode(digest);
    let many = ask("POST", "/bucket?delete").body(document);
    let many = world.send(many.header("x-amz-checksum-sha256", &digest)).await;
    assert_eq!(many.elements("Code"), ["NotImplemented"]);
    let kept = world.send(get(&format!("/bucket/k?versionId={old}"))).await;
    assert_eq!(kept.text(), "old");
    assert_eq!(
        world.send(delete("if-match", HELLO_ETAG)).await.header("x-amz-delete-marker"),
        "true"
    );
    assert_eq!(world.refused(delete("if-match", "*")).await, no_such_key("k"));
}

#[tokio::test]
async fn versions_of_an_object() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/k", "null")).await;
    world.versioning("Enabled").await;
    let version = async |body: &str| {
        world.send(put("/bucket/k", body)).await.header("x-amz-version-id").to_owned()
    };
    let (one, two) = (version("one").await, version("two").await);
    assert!(one != two && one.len() == 32, "{one} {two}");
    let at = |version: &str| format!("/bucket/k?versionId={version}");
    for (id, body) in [("null", "null"), (&one, "one"), (&two, "two")] {
        let answer = world.send(get(&at(id))).await;
        assert_eq!((answer.text(), answer.header("x-amz-version-id")), (body, id));
        assert_eq!(world.send(head(&at(id))).await.header("x-amz-version-id"), id);
    }
    assert_eq!(world.send(get("/bucket/k")).await.header("x-amz-version-id"), two);

    let other = "A".repeat(32);
    assert_eq!(
        world.refused(get(&at(&other))).await,
        format!(
            "404 <Code>NoSuchVersion</Code><Message>The specified version does not exist.</Message><Key>k</Key><VersionId>{other}</VersionId>"
        )
    );
    assert_eq!(
        world.refused(get(&at("nonsense"))).await,
        invalid_argument("Invalid version id specified", "versionId", "nonsense")
    );
    assert_eq!(
        world.refused(get(&at(""))).await,
        invalid_argument("Version id cannot be the empty string", "versionId", "")
    );

    // A version is never written to.
    for ask in [put(&at(&one), "x"), put(&at(&one), "").header("x-amz-copy-source", "/bucket/k")] {
        assert_eq!(
            world.refused(ask).await,
            invalid_argument("This operation does not accept a version-id.", "versionId", &one)
        );
    }

    // Deleting a version removes it; the one before it is current again.
    let answer = world.send(delete(&at(&two))).await;
    assert_eq!(described(&answer), format!("204 x-amz-version-id: {two}"));
    assert_eq!(world.send(get("/bucket/k")).await.text(), "one");
    let again = world.send(delete(&at(&two))).await;
    assert_eq!(again.status, 204);
    let answer = world.send(delete(&at("null"))).await;
    assert_eq!(described(&answer), "204 x-amz-version-id: null");
    assert_eq!(world.send(get(&at("null"))).await.status, 404);
}

#[tokio::test]
async fn delete_markers() {
    let world = World::with_bucket().await;
    world.versioning("Enabled").await;
    let version = world.send(put("/bucket/k", "x")).await.header("x-amz-version-id").to_owned();
    let deleted = world.send(delete("/bucket/k")).await;
    let marker = deleted.header("x-amz-version-id").to_owned();
    assert_eq!(
        described(&deleted),
        format!("204 x-amz-delete-marker: true | x-amz-version-id: {marker}")
    );
    // The current marker hides the object.
    for method in ["GET", "HEAD"] {
        let answer = world.send(ask(method, "/bucket/k")).await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.header("x-amz-delete-marker"), "true");
        assert_eq!(answer.header("x-amz-version-id"), marker);
        if method == "GET" {
            assert_eq!(answer.refusal(), no_such_key("k"));
        }
    }
    // Asked for by its id, it allows nothing but its removal.
    for method in ["GET", "HEAD"] {
        let answer = world.send(ask(method, &format!("/bucket/k?versionId={marker}"))).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "DELETE"));
        assert_eq!(answer.header("x-amz-delete-marker"), "true");
        assert_eq!(answer.header("x-amz-version-id"), marker);
        assert_eq!(answer.header("last-modified"), WRITTEN);
        if method == "GET" {
            assert_eq!(
                answer.refusal(),
                "405 <Code>MethodNotAllowed</Code><Message>The specified method is not allowed against this resource.</Message><Method>GET</Method><ResourceType>DeleteMarker</ResourceType>"
            );
        }
    }
    assert_eq!(world.send(get(&format!("/bucket/k?versionId={version}"))).await.text(), "x");
    let removed = world.send(delete(&format!("/bucket/k?versionId={marker}"))).await;
    assert_eq!(
        described(&removed),
        format!("204 x-amz-delete-marker: true | x-amz-version-id: {marker}")
    );
    assert_eq!(world.send(get("/bucket/k")).await.text(), "x");
    // A key that never was gets a marker too.
    let never = world.send(delete("/bucket/never")).await;
    assert_eq!(never.header("x-amz-delete-marker"), "true");
}

/// As recorded on AWS in 2026: an id that this store cannot have given is no id.
#[tokio::test]
async fn version_ids_of_another_store() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/k", "x")).await;
    let foreign = "HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD";
    for _ in 0..2 {
        for target in
            ["/bucket/k?versionId=", "/bucket/none?versionId=", "/bucket/k?tagging&versionId="]
        {
            assert_eq!(
                world.refused(get(&format!("{target}{foreign}"))).await,
                invalid_argument("Invalid version id specified", "versionId", foreign)
            );
        }
        world.versioning("Enabled").await;
    }
    let missing = format!("/bucket/k?versionId={}", "A".repeat(32));
    assert_eq!(world.send(get(&missing)).await.status, 404, "this store could have given it");
}

#[tokio::test]
async fn suspended_versions() {
    let world = World::with_bucket().await;
    world.versioning("Enabled").await;
    let kept = world.send(put("/bucket/k", "kept")).await.header("x-amz-version-id").to_owned();
    world.versioning("Suspended").await;
    let answer = world.send(put("/bucket/k", "null one")).await;
    assert!(!answer.headers.contains_key("x-amz-version-id"), "as recorded on AWS in 2026");
    let copied = put("/bucket/copy", "").header("x-amz-copy-source", "/bucket/k");
    assert!(!world.send(copied).await.headers.contains_key("x-amz-version-id"));
    let begun = world.send(ask("POST", "/bucket/parts?uploads")).await.element("UploadId");
    let part = put(&format!("/bucket/parts?partNumber=1&uploadId={begun}"), "x");
    let etag = world.send(part).await.header("etag").to_owned();
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    let done = ask("POST", &format!("/bucket/parts?uploadId={begun}")).body(document);
    let done = world.send(done).await;
    assert_eq!((done.status, done.header("x-amz-version-id")), (200, ""));
    for key in ["copy", "parts"] {
        world.send(delete(&format!("/bucket/{key}?versionId=null"))).await;
    }
    world.send(put("/bucket/k", "null two")).await;
    assert_eq!(world.send(get("/bucket/k?versionId=null")).await.text(), "null two");
    assert_eq!(world.send(get("/bucket/k")).await.header("x-amz-version-id"), "null");
    // The marker takes the place of the null version.
    let answer = world.send(delete("/bucket/k")).await;
    assert_eq!(described(&answer), "204 x-amz-delete-marker: true | x-amz-version-id: null");
    assert_eq!(world.send(get("/bucket/k?versionId=null")).await.status, 405);
    assert_eq!(world.send(get(&format!("/bucket/k?versionId={kept}"))).await.text(), "kept");
    assert_eq!(world.send(get("/bucket?versions")).await.elements("VersionId"), ["null", &kept]);
}
