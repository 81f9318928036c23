//! Bodies on their way in: what was announced of them must be so, or nothing is stored.

use bytes::Bytes;
use presign::{ChunkEncoder, SignedPayload, StreamingMode};

use crate::harness::{
    Answer, Ask, World, ask, get, invalid_argument, invalid_request, put, sha256,
};

/// Of "hello", as Python's hashlib and zlib have them, a bitwise CRC for two others, and the reference
/// implementation of xxHash for the last three.
const HELLO: [(&str, &str); 10] = [
    ("crc32", "NhCmhg=="),
    ("crc32c", "mnG7TA=="),
    ("crc64nvme", "M3eFcAZSQlc="),
    ("sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
    ("sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
    (
        "sha512",
        "m3HSJL1i83hdltRq0+o9czGb+8KJDKra4t/3JRlnPKcjI8PZm6XBHXx6zG4UuMXaDEZjR1wuXDre9G9zvN7AQw==",
    ),
    ("md5", "XUFAKrxLKna5cZ2REBfFkg=="),
    ("xxhash64", "JseCfYifbaM="),
    ("xxhash3", "lVXoVVxi3P0="),
    ("xxhash128", "tenBrQcbPn/Hec+qXlI4GA=="),
];
/// Of nothing.
const EMPTY: [(&str, &str); 10] = [
    ("crc32", "AAAAAA=="),
    ("crc32c", "AAAAAA=="),
    ("crc64nvme", "AAAAAAAAAAA="),
    ("sha1", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
    ("sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    (
        "sha512",
        "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
    ),
    ("md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
    ("xxhash64", "70bbN1HY6Zk="),
    ("xxhash3", "LQaABTjTlMI="),
    ("xxhash128", "maoG0wFHmNhgAcMkRo1Jfw=="),
];
const HELLO_MD5: &str = "XUFAKrxLKna5cZ2REBfFkg==";
const EMPTY_MD5: &str = "1B2M2Y8AsgTpgAmY7PhCfg==";
const HELLO_HEX: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const X_HEX: &str = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
const INCOMPLETE: &str =
    "400 <Code>IncompleteBody</Code><Message>The request body terminated unexpectedly</Message>";
const NO_LENGTH: &str = "411 <Code>MissingContentLength</Code><Message>You must provide the Content-Length HTTP header.</Message>";
const BAD_TRAILER: &str = "400 <Code>MalformedTrailerError</Code><Message>The request contained trailing data that was not well-formed or did not conform to our published schema.</Message>";

async fn stored(world: &World) -> bool {
    world.send(get("/bucket/k")).await.status == 200
}

#[tokio::test]
async fn content_md5() {
    let world = World::with_bucket().await;
    let with = |value: &str| put("/bucket/k", "hello").header("content-md5", value);
    for malformed in ["", "x", "XUFAKrxLKna5cZ2REBfFkg", HELLO_HEX, "XUFAKrxLKna5cZ2REBfFkgA="] {
        assert_eq!(
            world.refused(with(malformed)).await,
            format!(
                "400 <Code>InvalidDigest</Code><Message>The Content-MD5 you specified was invalid.</Message><Content-MD5>{malformed}</Content-MD5>"
            )
        );
    }
    assert_eq!(
        world.refused(with(EMPTY_MD5)).await,
        format!(
            "400 <Code>BadDigest</Code><Message>The Content-MD5 you specified did not match what we received.</Message><ExpectedDigest>{EMPTY_MD5}</ExpectedDigest><CalculatedDigest>{HELLO_MD5}</CalculatedDigest>"
        )
    );
    assert!(!stored(&world).await);
    assert_eq!(world.send(with(HELLO_MD5)).await.status, 200);
}

#[tokio::test]
async fn the_ten_checksums() {
    let world = World::with_bucket().await;
    for ((algorithm, right), (_, wrong)) in HELLO.into_iter().zip(EMPTY) {
        let name = format!("x-amz-checksum-{algorithm}");
        let with = |value: &str| put("/bucket/k", "hello").header(&name, value);
        let upper = algorithm.to_uppercase();
        assert_eq!(
            world.refused(with(wrong)).await,
            format!(
                "400 <Code>BadDigest</Code><Message>The {upper} you specified did not match the calculated checksum.</Message>"
            )
        );
        for malformed in ["", "====", right.trim_end_matches('='), "AAAA", &format!("{right}AAAA")]
        {
            assert_eq!(
                world.refused(with(malformed)).await,
                invalid_request(&format!("Value for {name} header is invalid.")),
                "{malformed}"
            );
        }
        assert!(!stored(&world).await);
        let answer = world.send(with(right)).await;
        let got = (answer.status, answer.header(&name), answer.header("x-amz-checksum-type"));
        assert_eq!(got, (200, right, "FULL_OBJECT"));
        let read = world.send(get("/bucket/k").header("x-amz-checksum-mode", "ENABLED")).await;
        assert_eq!(read.header(&name), right);
        world.send(ask("DELETE", "/bucket/k")).await;
        // An empty body has checksums too.
        assert_eq!(world.send(put("/bucket/empty", "").header(&name, wrong)).await.status, 200);
    }
}

#[tokio::test]
async fn checksums_that_contradict_each_other() {
    let world = World::with_bucket().await;
    let with = |headers: &[(&str, &str)]| {
        headers.iter().fold(put("/bucket/k", "hello"), |ask, (n, v)| ask.header(n, v))
    };
    let (crc32, sha1) = (("x-amz-checksum-crc32", HELLO[0].1), ("x-amz-checksum-sha1", HELLO[3].1));
    let sdk = "x-amz-sdk-checksum-algorithm";
    let rows: &[(&[(&str, &str)], String)] = &[
        (
            &[crc32, sha1],
            invalid_request(
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            ),
        ),
        (
            &[crc32, ("x-amz-checksum-crc32", "AAAAAA==")],
            invalid_argument(
                "Only one value may be specified.",
                "x-amz-checksum-crc32",
                "AAAAAA==",
            ),
        ),
        (
            &[crc32, (sdk, "SHA1")],
            invalid_request("Value for x-amz-sdk-checksum-algorithm header is invalid."),
        ),
        (
            &[crc32, (sdk, "nonsense")],
            invalid_request("Value for x-amz-sdk-checksum-algorithm header is invalid."),
        ),
        (
            &[(sdk, "CRC32")],
            invalid_request(
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
            ),
        ),
        (
            &[("x-amz-checksum-crc16", "AAAA")],
            invalid_request(
                "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, MD5, SHA1, SHA256, SHA512, XXHASH128, XXHASH3, XXHASH64]",
            ),
        ),
    ];
    for (headers, expected) in rows {
        assert_eq!(world.refused(with(headers)).await, *expected, "{headers:?}");
    }
    assert!(!stored(&world).await);
    for fits in [
        vec![crc32, (sdk, "CRC32")],
        vec![crc32, (sdk, "crc32")],
        vec![crc32, ("content-md5", HELLO_MD5)],
        // Ignored on a PUT.
        vec![crc32, ("x-amz-checksum-algorithm", "SHA256")],
    ] {
        assert_eq!(world.send(with(&fits)).await.status, 200, "{fits:?}");
    }
}

#[tokio::test]
async fn the_hash_that_was_signed() {
    let world = World::with_bucket().await;
    let mut tampered = world.sign(put("/bucket/k", "hello"));
    tampered.body = "x".into();
    tampered = tampered.header("content-length", "1");
    let mismatch = |client: &str, computed: &str| {
        format!(
            "400 <Code>XAmzContentSHA256Mismatch</Code><Message>The provided 'x-amz-content-sha256' header does not match what was computed.</Message><ClientComputedContentSHA256>{client}</ClientComputedContentSHA256><S3ComputedContentSHA256>{computed}</S3ComputedContentSHA256>"
        )
    };
    assert_eq!(world.send_raw(tampered).await.refusal(), mismatch(HELLO_HEX, X_HEX));
    let mut malformed = world.sign(put("/bucket/k", "hello"));
    for (name, value) in &mut malformed.headers {
        if name == "x-amz-content-sha256" {
            *value = "nonsense".into();
        }
    }
    assert_eq!(
        world.send_raw(malformed).await.refusal(),
        invalid_argument(
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
            "x-amz-content-sha256",
            "nonsense"
        )
    );
    assert!(!stored(&world).await);
    let unsigned = world.sign_payload(put("/bucket/k", "hello"), SignedPayload::Unsigned);
    assert_eq!(world.send_raw(unsigned).await.status, 200);
}

#[tokio::test]
async fn the_hash_that_a_link_signs() {
    let world = World::with_bucket().await;
    let link = || world.link_with("PUT", "k", &[("x-amz-content-sha256", HELLO_HEX)], &[]);
    let got = world.send_raw(link().body("x")).await.refusal();
    assert!(got.starts_with("400 <Code>XAmzContentSHA256Mismatch</Code>"), "{got}");
    assert!(!stored(&world).await);
    assert_eq!(world.send_raw(link().body("hello")).await.status, 200);
    let nonsense = world.link_with("PUT", "k", &[("x-amz-content-sha256", "nonsense")], &[]);
    assert_eq!(
        world.send_raw(nonsense.body("hello")).await.refusal(),
        format!(
            "400 <Code>XAmzContentSHA256Mismatch</Code><Message>The provided 'x-amz-content-sha256' header does not match what was computed.</Message><ClientComputedContentSHA256>nonsense</ClientComputedContentSHA256><S3ComputedContentSHA256>{HELLO_HEX}</S3ComputedContentSHA256>"
        )
    );
    // On a read there is nothing to compare it with.
    let read = world.link_with("GET", "k", &[("x-amz-content-sha256", "nonsense")], &[]);
    assert_eq!(world.send_raw(read).await.text(), "hello");
}

#[tokio::test]
async fn lengths() {
    let world = World::with_bucket().await;
    for (announced, sent) in [("6", "hello"), ("4", "hello"), ("1", "")] {
        for signed in [
            world.sign_payload(put("/bucket/k", sent), SignedPayload::Unsigned),
            world.link("PUT", "k").body(sent),
        ] {
            let ask = signed.header("content-length", announced);
            assert_eq!(world.send_raw(ask).await.refusal(), INCOMPLETE, "{announced} {sent}");
        }
    }
    for signed in [
        world.sign(put("/bucket/k", "hello")),
        world.link("PUT", "k").body("hello"),
        world.link_v2("PUT", "k").body("hello"),
    ] {
        let bare = signed.header("no-length", "");
        assert_eq!(world.send_raw(bare.clone()).await.refusal(), NO_LENGTH);
        // A body that comes in chunks of HTTP's own is another matter to S3.
        assert_eq!(
            world.send_raw(bare.header("transfer-encoding", "chunked")).await.refusal(),
            "501 <Code>NotImplemented</Code><Message>A header you provided implies functionality that is not implemented</Message><Header>Transfer-Encoding</Header>"
        );
    }
    let over = world.link("PUT", "k").body("x").header("content-length", "5368709121");
    assert_eq!(
        world.send_raw(over).await.refusal(),
        "400 <Code>EntityTooLarge</Code><Message>Your proposed upload exceeds the maximum allowed size</Message><ProposedSize>5368709121</ProposedSize><MaxSizeAllowed>5368709120</MaxSizeAllowed>"
    );
    let just = world.link("PUT", "k").body("x").header("content-length", "5368709120");
    assert_eq!(world.send_raw(just).await.refusal(), INCOMPLETE);
    assert!(!stored(&world).await);
}

#[tokio::test]
async fn conditions_of_a_write() {
    let world = World::with_bucket().await;
    let failed = |condition: &str| {
        format!(
            "412 <Code>PreconditionFailed</Code><Message>At least one of the pre-conditions you specified did not hold</Message><Condition>{condition}</Condition>"
        )
    };
    let etag = "\"5d41402abc4b2a76b9719d911017c592\"";
    let with = |name: &str, value: &str| put("/bucket/k", "hello").header(name, value);
    assert_eq!(
        world.refused(with("if-match", etag)).await,
        "404 <Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>k</Key>"
    );
    assert_eq!(world.refused(with("if-match", "nonsense")).await, crate::harness::no_such_key("k"));
    assert_eq!(world.send(with("if-none-match", "*")).await.status, 200);
    assert_eq!(world.refused(with("if-none-match", "*")).await, failed("If-None-Match"));
    assert_eq!(world.send(with("if-match", etag)).await.status, 200);
    assert_eq!(world.send(with("if-match", etag.trim_matches('"'))).await.status, 200);
    let other = "\"00000000000000000000000000000000\"";
    for tag in [other, "nonsense", "\"5d41402abc4b2a76b9719d911017c592-2\""] {
        assert_eq!(world.refused(with("if-match", tag)).await, failed("If-Match"), "{tag}");
    }
    let unaccepted = |name: &str| {
        format!(
            "{}<additionalMessage>We don't accept the provided value of {name} header for this API</additionalMessage>",
            crate::harness::not_implemented(name)
        )
    };
    assert_eq!(world.refused(with("if-none-match", other)).await, unaccepted("If-None-Match"));
    assert_eq!(world.refused(with("if-match", "*")).await, unaccepted("If-Match"));
    assert_eq!(
        world.refused(with("if-match", etag).header("if-none-match", "*")).await,
        format!(
            "{}<additionalMessage>Multiple conditional request headers present in the request</additionalMessage>",
            crate::harness::not_implemented("If-Match,If-None-Match")
        )
    );
    // From a link's signed query too.
    for (name, value, condition) in
        [("If-None-Match", "*", "If-None-Match"), ("if-match", other, "If-Match")]
    {
        let link = world.link_with("PUT", "k", &[], &[(name, value)]).body("x");
        assert_eq!(world.send_raw(link).await.refusal(), failed(condition));
    }
    assert_eq!(world.send(get("/bucket/k")).await.text(), "hello");
    // A delete marker is absence.
    world.versioning("Enabled").await;
    world.send(ask("DELETE", "/bucket/k")).await;
    assert_eq!(world.send(with("if-none-match", "*")).await.status, 200);
}

#[tokio::test]
async fn a_link_carries_headers_in_its_query() {
    let world = World::with_bucket().await;
    let query = [
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-meta-a", "ü b"),
        ("x-amz-acl", "private"),
        ("x-amz-server-side-encryption", "AES256"),
        ("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"),
        ("x-amz-checksum-crc32", "AAAAAA=="),
        ("x-amz-sdk-checksum-algorithm", "CRC32"),
        ("x-id", "PutObject"),
    ];
    let answer = world.send_raw(world.link_with("PUT", "k", &[], &query).body("hello")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    // What the query says of checksums is ignored: the server's own is kept.
    assert_eq!(answer.header("x-amz-checksum-crc64nvme"), HELLO[2].1);
    let read = world.send(get("/bucket/k")).await;
    assert_eq!(read.header("x-amz-storage-class"), "STANDARD_IA");
    assert_eq!(read.header("x-amz-meta-a"), "=?UTF-8?Q?=C3=BC_b?=");
    // A sent header outweighs the query.
    let headers = [("x-amz-meta-a", "sent")];
    let both = world.link_with("PUT", "k", &headers, &[("x-amz-meta-a", "hoisted")]);
    world.send_raw(both.body("x")).await;
    assert_eq!(world.send(get("/bucket/k")).await.header("x-amz-meta-a"), "sent");
}

/// What is told of a body in chunks.
struct Chunked<'c> {
    mode: StreamingMode,
    chunks: &'c [Bytes],
    trailers: &'c [(&'c str, &'c str)],
    declared: Option<&'c str>,
    decoded_length: Option<u64>,
}

impl<'c> Chunked<'c> {
    fn new(mode: StreamingMode, chunks: &'c [Bytes]) -> Self {
        let decoded_length = chunks.iter().map(Bytes::len).sum::<usize>();
        let decoded_length = u64::try_from(decoded_length).unwrap();
        Self { mode, chunks, trailers: &[], declared: None, decoded_length: Some(decoded_length) }
    }

    fn trailing(self, trailers: &'c [(&'c str, &'c str)]) -> Self {
        Self { trailers, declared: trailers.first().map(|(name, _)| *name), ..self }
    }

    /// Signed, with its encoded body.
    fn ask(&self, world: &World) -> Ask {
        let mut ask = put("/bucket/k", "").header("content-encoding", "aws-chunked");
        if let Some(length) = self.decoded_length {
            ask = ask.header("x-amz-decoded-content-length", &length.to_string());
        }
        if let Some(declared) = self.declared {
            ask = ask.header("x-amz-trailer", declared);
        }
        let (signed, encoder) = world.sign_streaming(ask, self.mode);
        signed.body(self.encode(encoder))
    }

    fn encode(&self, mut encoder: ChunkEncoder) -> Vec<u8> {
        let mut body = Vec::new();
        for chunk in self.chunks {
            encoder.chunk(chunk.clone()).iter().for_each(|piece| body.extend_from_slice(piece));
        }
        body.extend_from_slice(&encoder.finish(self.trailers));
        body
    }
}

fn two_chunks() -> [Bytes; 2] {
    [Bytes::from(vec![b'a'; 8192]), Bytes::from_static(b"hello")]
}

const MODES: [StreamingMode; 3] =
    [StreamingMode::Signed, StreamingMode::SignedTrailer, StreamingMode::UnsignedTrailer];

async fn sent(world: &World, chunked: &Chunked<'_>) -> Answer {
    world.send_raw(chunked.ask(world)).await
}

#[tokio::test]
async fn bodies_in_chunks() {
    let world = World::with_bucket().await;
    let whole = [vec![b'a'; 8192], b"hello".to_vec()].concat();
    for mode in MODES {
        let answer = sent(&world, &Chunked::new(mode, &two_chunks())).await;
        assert_eq!(answer.status, 200, "{mode:?} {}", answer.text());
        let read = world.send(get("/bucket/k")).await;
        assert_eq!(read.body, whole, "{mode:?}");
        assert!(!read.headers.contains_key("content-encoding"));
        // It is the hash that says so; the encoding need not.
        let (bare, encoder) = world.sign_streaming(
            put("/bucket/k", "").header("x-amz-decoded-content-length", "8197"),
            mode,
        );
        let bare = bare.body(Chunked::new(mode, &two_chunks()).encode(encoder));
        assert_eq!(world.send_raw(bare).await.status, 200, "{mode:?}");
        assert_eq!(world.send(get("/bucket/k")).await.body, whole, "{mode:?}");
        let empty = sent(&world, &Chunked::new(mode, &[])).await;
        assert_eq!(empty.header("etag"), "\"d41d8cd98f00b204e9800998ecf8427e\"", "{mode:?}");
        world.send(ask("DELETE", "/bucket/k")).await;
    }
}

#[tokio::test]
async fn trailing_checksums() {
    let world = World::with_bucket().await;
    let hello = [Bytes::from_static(b"hello")];
    for mode in [StreamingMode::SignedTrailer, StreamingMode::UnsignedTrailer] {
        for ((algorithm, right), (_, wrong)) in HELLO.into_iter().zip(EMPTY) {
            let name = format!("x-amz-checksum-{algorithm}");
            let upper = algorithm.to_uppercase();
            let trailers = [(name.as_str(), wrong)];
            assert_eq!(
                sent(&world, &Chunked::new(mode, &hello).trailing(&trailers)).await.refusal(),
                format!(
                    "400 <Code>BadDigest</Code><Message>The {upper} you specified did not match the calculated checksum.</Message>"
                )
            );
            let trailers = [(name.as_str(), "AA==")];
            assert_eq!(
                sent(&world, &Chunked::new(mode, &hello).trailing(&trailers)).await.refusal(),
                invalid_request(&format!("Value for {name} header is invalid."))
            );
            assert!(!stored(&world).await);
            let trailers = [(name.as_str(), right)];
            let answer = sent(&world, &Chunked::new(mode, &hello).trailing(&trailers)).await;
            assert_eq!((answer.status, answer.header(&name)), (200, right), "{mode:?}");
            world.send(ask("DELETE", "/bucket/k")).await;
        }
    }
}

#[expect(clippy::too_many_lines, reason = "a table, a row a call")]
#[tokio::test]
async fn trailers_that_were_not_so_declared() {
    let world = World::with_bucket().await;
    let hello = [Bytes::from_static(b"hello")];
    let crc32 = ("x-amz-checksum-crc32", "NhCmhg==");
    for mode in [StreamingMode::SignedTrailer, StreamingMode::UnsignedTrailer] {
        let trailers = [crc32];
        let undeclared =
            Chunked { declared: None, ..Chunked::new(mode, &hello).trailing(&trailers) };
        assert_eq!(sent(&world, &undeclared).await.refusal(), BAD_TRAILER);
        let absent =
            Chunked { declared: Some("x-amz-checksum-crc32"), ..Chunked::new(mode, &hello) };
        assert_eq!(sent(&world, &absent).await.refusal(), BAD_TRAILER);
        let other = Chunked {
            declared: Some("x-amz-checksum-crc32c"),
            ..Chunked::new(mode, &hello).trailing(&trailers)
        };
        assert_eq!(sent(&world, &other).await.refusal(), BAD_TRAILER);
        let strange = Chunked { declared: Some("x-amz-meta-a"), ..Chunked::new(mode, &hello) };
        assert_eq!(
            sent(&world, &strange).await.refusal(),
            invalid_request("The value specified in the x-amz-trailer header is not supported")
        );
        let two = Chunked {
            declared: Some("x-amz-checksum-crc32, x-amz-checksum-sha1"),
            ..Chunked::new(mode, &hello).trailing(&trailers)
        };
        assert_eq!(
            sent(&world, &two).await.refusal(),
            invalid_request(
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
            )
        );
        // A header beside it must be of the same algorithm, and both must be right.
        let declared = Chunked::new(mode, &hello).trailing(&trailers);
        let wrong = [(crc32.0, EMPTY[0].1)];
        let lies = Chunked::new(mode, &hello).trailing(&wrong);
        let bad_digest = "400 <Code>BadDigest</Code><Message>The CRC32 you specified did not match the calculated checksum.</Message>";
        let two_kinds = invalid_request("Expecting a single x-amz-checksum- header");
        for (sent, name, value, expected) in [
            (&declared, "x-amz-checksum-sha1", HELLO[3].1, Some(&*two_kinds)),
            (&declared, crc32.0, EMPTY[0].1, Some(bad_digest)),
            (&lies, crc32.0, crc32.1, Some(bad_digest)),
            (&declared, crc32.0, crc32.1, None),
        ] {
            let base = put("/bucket/k", "")
                .header("x-amz-decoded-content-length", "5")
                .header("x-amz-trailer", crc32.0)
                .header(name, value);
            let (both, encoder) = world.sign_streaming(base, mode);
            let answer = world.send_raw(both.body(sent.encode(encoder))).await;
            match expected {
                Some(refusal) => assert_eq!(answer.refusal(), refusal, "{name}: {value}"),
                None => assert_eq!((answer.status, answer.header(crc32.0)), (200, crc32.1)),
            }
        }
        world.send(ask("DELETE", "/bucket/k")).await;
    }
    // A trailer in the mode without trailers.
    let mut ask = Chunked::new(StreamingMode::Signed, &hello).ask(&world);
    let end = ask.body.len() - 2;
    ask.body = [&ask.body[..end], b"x-amz-checksum-crc32:NhCmhg==\r\n\r\n"].concat().into();
    assert_eq!(world.send_raw(ask).await.refusal(), INCOMPLETE);
    // A line without a colon.
    let trailers = [crc32];
    for mode in [StreamingMode::SignedTrailer, StreamingMode::UnsignedTrailer] {
        let mut ask = Chunked::new(mode, &hello).trailing(&trailers).ask(&world);
        let text = String::from_utf8(ask.body.to_vec()).unwrap();
        ask.body = text.replace("crc32:", "crc32 ").into();
        assert_eq!(world.send_raw(ask).await.refusal(), INCOMPLETE, "{mode:?}");
    }
    // No signature of the trailers.
    let mut ask =
        Chunked::new(StreamingMode::SignedTrailer, &hello).trailing(&trailers).ask(&world);
    let text = String::from_utf8(ask.body.to_vec()).unwrap();
    let (head, _) = text.split_once("x-amz-trailer-signature").unwrap();
    ask.body = format!("{head}\r\n").into();
    assert_eq!(world.send_raw(ask).await.refusal(), INCOMPLETE);
    assert!(!stored(&world).await);
}

#[tokio::test]
async fn a_bad_chunk_signature_shows_the_chunk() {
    let world = World::with_bucket().await;
    let chunks = two_chunks();
    for mode in [StreamingMode::Signed, StreamingMode::SignedTrailer] {
        let mut ask = Chunked::new(mode, &chunks).ask(&world);
        let at = ask.body.len() - ask.body.iter().rev().position(|b| *b == b'o').unwrap() - 1;
        // The last byte of "hello".
        let at = ask.body[..=at].windows(5).rposition(|w| w == b"hello").unwrap() + 4;
        let mut body = ask.body.to_vec();
        body[at] = b'0';
        ask.body = body.into();
        let answer = world.send_raw(ask).await;
        let got = answer.refusal();
        assert!(got.starts_with("403 <Code>SignatureDoesNotMatch</Code>"), "{got}");
        let string_to_sign = answer.element("StringToSign");
        assert!(
            string_to_sign.starts_with(
                "AWS4-HMAC-SHA256-PAYLOAD\n20260615T120000Z\n20260615/us-east-1/s3/aws4_request\n"
            ),
            "{string_to_sign}"
        );
        assert!(string_to_sign.ends_with(&presign::payload_hash(b"hell0")));
        assert_eq!(answer.element("SignatureProvided").len(), 64);
        let canonical = answer.element("CanonicalRequest");
        assert!(canonical.starts_with("PUT\n/bucket/k\n\n"), "{canonical}");
        assert!(canonical.ends_with(mode.as_str()), "{canonical}");
    }
    // The end of the body is signed as well.
    let mut ask = Chunked::new(StreamingMode::Signed, &chunks).ask(&world);
    let mut body = ask.body.to_vec();
    let at = body.len() - 5;
    body[at] = if body[at] == b'0' { b'1' } else { b'0' };
    ask.body = body.into();
    assert!(world.send_raw(ask).await.refusal().starts_with("403 <Code>SignatureDoesNotMatch"));
    assert!(!stored(&world).await);
}

/// The refusal of a chunk of five bytes.
fn short_chunk(number: u64) -> String {
    format!(
        "403 <Code>InvalidChunkSizeError</Code><Message>Only the last chunk is allowed to have a size less than 8192 bytes</Message><Chunk>{number}</Chunk><BadChunkSize>5</BadChunkSize>"
    )
}

#[tokio::test]
async fn chunks_that_do_not_add_up() {
    let world = World::with_bucket().await;
    let small = [Bytes::from_static(b"small"), Bytes::from_static(b"hello")];
    for mode in MODES {
        assert_eq!(sent(&world, &Chunked::new(mode, &small)).await.refusal(), short_chunk(1));
        let [large, last] = two_chunks();
        let second = [large, last.clone(), last];
        assert_eq!(sent(&world, &Chunked::new(mode, &second)).await.refusal(), short_chunk(2));
        let chunks = two_chunks();
        let unknown = Chunked { decoded_length: None, ..Chunked::new(mode, &chunks) };
        assert_eq!(sent(&world, &unknown).await.refusal(), NO_LENGTH);
        for length in [8196, 8198, 0] {
            let wrong = Chunked { decoded_length: Some(length), ..Chunked::new(mode, &chunks) };
            assert_eq!(sent(&world, &wrong).await.refusal(), INCOMPLETE, "{length}");
        }
        let over = Chunked { decoded_length: Some(5_368_709_121), ..Chunked::new(mode, &chunks) };
        assert!(sent(&world, &over).await.refusal().starts_with("400 <Code>EntityTooLarge</Code>"));
        // Cut short at every kind of place, and gone on after its end.
        let whole = Chunked::new(mode, &chunks).ask(&world);
        for cut in [0, 1, 10, 200, 8190, whole.body.len() - 2, whole.body.len() - 1] {
            let cut = Ask { body: whole.body.slice(..cut), ..whole.clone() };
            assert_eq!(world.send_raw(cut).await.refusal(), INCOMPLETE, "{mode:?}");
        }
        let longer = Ask { body: [&whole.body[..], b"0"].concat().into(), ..whole.clone() };
        assert_eq!(world.send_raw(longer).await.refusal(), INCOMPLETE, "{mode:?}");
        let plain = Ask { body: "no chunks at all".into(), ..whole };
        assert_eq!(world.send_raw(plain).await.refusal(), INCOMPLETE, "{mode:?}");
    }
    assert!(!stored(&world).await);
}

#[tokio::test]
async fn an_unsigned_part_of_the_chunking_is_refused() {
    let world = World::with_bucket().await;
    let hello = [Bytes::from_static(b"hello")];
    let chunked = Chunked::new(StreamingMode::UnsignedTrailer, &hello);
    let ask = chunked.ask(&world).header("x-amz-trailer", "x-amz-checksum-crc32");
    assert_eq!(
        world.send_raw(ask).await.refusal(),
        "403 <Code>AccessDenied</Code><Message>There were headers present in the request which were not signed</Message><HeadersNotSigned>x-amz-trailer</HeadersNotSigned>"
    );
    assert!(!stored(&world).await);
}

#[test]
fn the_hash_of_the_harness_is_the_hash() {
    let hex: Vec<String> = sha256(b"hello").iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex.concat(), HELLO_HEX);
}

#[tokio::test]
async fn who_waits_to_send_and_is_refused_gets_a_connection_of_its_own() {
    let world = World::with_bucket().await;
    let upload = |expect: &str, path: &str| put(path, "hello").header("expect", expect);
    for (ask, status, connection) in [
        (upload("100-continue", "/missing/k"), 404, "close"),
        (upload("100-Continue", "/missing/k"), 404, "close"),
        (put("/missing/k", "hello"), 404, ""),
        (upload("100-continue", "/bucket/k"), 200, ""),
        (put("/missing/k", "").header("expect", "100-continue"), 404, ""),
    ] {
        let answer = world.send(ask).await;
        assert_eq!((answer.status, answer.header("connection")), (status, connection));
    }
}
