//! SSE-C: what a customer's key opens, what is told of it, and every way in which it does not do.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use server::{SseC, TlsVersion};
use store::{ChecksumAlgorithms, Digests, Encryption};

use crate::harness::{
    Answer, Ask, World, ask, config, get, invalid_argument, invalid_request, not_implemented, put,
};
use crate::people::{Key, policy};

const NAME: &str = "x-amz-server-side-encryption-customer";
const SOURCE: &str = "x-amz-copy-source-server-side-encryption-customer";
const SSE: &str = "x-amz-server-side-encryption";
const KEY: [u8; 32] = *b"0123456789abcdef0123456789abcdef";
const OTHER: [u8; 32] = *b"fedcba9876543210fedcba9876543210";

const INSECURE: &str = "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.";
const NEEDED: &str = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.";
const NOT_APPLICABLE: &str = "The encryption parameters are not applicable to this object.";
const WRONG: &str = "403 <Code>AccessDenied</Code><Message>Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key.</Message>";
const PARTS: &str = "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.";
const OTHER_PART: &str =
    "The provided encryption parameters did not match the ones used originally.";

fn md5(key: &[u8]) -> String {
    STANDARD.encode(Digests::of(key, ChecksumAlgorithms::NONE).md5())
}

fn with(ask: Ask, prefix: &str, key: &[u8]) -> Ask {
    ask.header(&format!("{prefix}-algorithm"), "AES256")
        .header(&format!("{prefix}-key"), &STANDARD.encode(key))
        .header(&format!("{prefix}-key-md5"), &md5(key))
}

pub(crate) fn keyed(ask: Ask) -> Ask {
    with(ask, NAME, &KEY)
}

/// Over TLS, with one bucket.
async fn world() -> World {
    let mut world = World::with_bucket().await;
    world.peer.tls = Some(TlsVersion::V1_3);
    world
}

fn assert_told(answer: &Answer, what: &str) {
    assert_eq!(answer.status / 100, 2, "{what}: {}", answer.text());
    assert_eq!(answer.header(&format!("{NAME}-algorithm")), "AES256", "{what}");
    assert_eq!(answer.header(&format!("{NAME}-key-md5")), md5(&KEY), "{what}");
    assert!(!answer.headers.contains_key(SSE), "{what}");
}

#[tokio::test]
async fn what_is_written_with_a_key_is_read_with_it() {
    let world = world().await;
    for body in ["", "hello", &"long ".repeat(60_000)] {
        let written = world.send(keyed(put("/bucket/k", body))).await;
        assert_told(&written, "PUT");
        let read = world.send(keyed(get("/bucket/k"))).await;
        assert_told(&read, "GET");
        assert_eq!(read.text(), body);
        assert_eq!(read.header("etag"), written.header("etag"));
        let head = world.send(keyed(ask("HEAD", "/bucket/k"))).await;
        assert_told(&head, "HEAD");
        assert_eq!(head.header("content-length"), body.len().to_string());
        for _ in 0..2 {
            let need = invalid_request(NEEDED);
            assert_eq!(world.refused(get("/bucket/k")).await, need);
            assert_eq!(world.refused(with(get("/bucket/k"), NAME, &OTHER)).await, WRONG);
        }
        // A refused HEAD has no body to say why in.
        assert_eq!(world.send(ask("HEAD", "/bucket/k")).await.status, 400);
        assert_eq!(world.send(with(ask("HEAD", "/bucket/k"), NAME, &OTHER)).await.status, 403);
    }
    let range = keyed(get("/bucket/k").header("range", "bytes=5-8"));
    let answer = world.send(range).await;
    assert_told(&answer, "a range");
    assert_eq!((answer.status, answer.text()), (206, "long"));
    let cached = keyed(get("/bucket/k")).header("if-none-match", answer.header("etag"));
    assert_eq!(world.send(cached).await.status, 304);
    // A listing tells that it is there; deleting it takes no key.
    assert_eq!(world.send(get("/bucket")).await.elements("Size"), ["300000"]);
    assert_eq!(world.send(ask("DELETE", "/bucket/k")).await.status, 204);
}

#[tokio::test]
async fn the_tag_is_not_the_md5() {
    let world = world().await;
    let mut tags = Vec::new();
    for _ in 0..2 {
        let digest = md5(b"hello");
        let written = world.send(keyed(put("/bucket/k", "hello")).header("content-md5", &digest));
        let written = written.await;
        assert_told(&written, "PUT");
        tags.push(written.header("etag").to_owned());
    }
    assert_ne!(tags[0], tags[1]);
    assert!(!tags.contains(&"\"5d41402abc4b2a76b9719d911017c592\"".to_owned()));
    // What was sent is compared with what was announced all the same.
    let wrong = keyed(put("/bucket/k", "hello")).header("content-md5", &md5(b"other"));
    assert!(world.refused(wrong).await.starts_with("400 <Code>BadDigest</Code>"));
    let matching = keyed(put("/bucket/k", "again")).header("if-match", &tags[1]);
    assert_eq!(world.send(matching).await.status, 200);
}

#[tokio::test]
async fn keys_that_are_none() {
    let world = world().await;
    world.send(keyed(put("/bucket/k", "hello"))).await;
    let lacks = |what: &str| {
        let message = format!(
            "Requests specifying Server Side Encryption with Customer provided keys must provide {what}."
        );
        invalid_argument(&message, SSE, "null")
    };
    let other = |value: &str| {
        format!(
            "400 <Code>InvalidEncryptionAlgorithmError</Code><Message>The Encryption request you specified is not valid. Supported value: AES256.</Message><ArgumentName>{SSE}</ArgumentName><ArgumentValue>{value}</ArgumentValue>"
        )
    };
    let invalid_key = "The secret key was invalid for the specified algorithm.";
    let invalid = invalid_argument(invalid_key, SSE, "null");
    let other_md5 = "The calculated MD5 hash of the key did not match the hash that was provided.";
    let mismatch = invalid_argument(other_md5, SSE, "null");
    let (key, sum) = (STANDARD.encode(KEY), md5(&KEY));
    let sized = |size: usize| (STANDARD.encode(vec![7; size]), md5(&vec![7; size]));
    let (short, long, longer) = (sized(31), sized(33), sized(300));
    let rows: Vec<(Vec<(&str, &str)>, String)> = vec![
        (vec![("key", &key), ("key-md5", &sum)], lacks("a valid encryption algorithm")),
        (vec![("key-md5", &sum)], lacks("a valid encryption algorithm")),
        (vec![("algorithm", "AES192"), ("key", &key), ("key-md5", &sum)], other("AES192")),
        (vec![("algorithm", "aes256"), ("key", &key), ("key-md5", &sum)], other("aes256")),
        (vec![("algorithm", "AES256")], lacks("an appropriate secret key")),
        (vec![("algorithm", "AES256"), ("key-md5", &sum)], lacks("an appropriate secret key")),
        (
            vec![("algorithm", "AES256"), ("key", &key)],
            lacks("the client calculated MD5 of the secret key"),
        ),
        (vec![("algorithm", "AES256"), ("key", &key), ("key-md5", &short.1)], mismatch.clone()),
        // The digest is compared before the length is.
        (vec![("algorithm", "AES256"), ("key", &short.0), ("key-md5", &sum)], mismatch.clone()),
        (vec![("algorithm", "AES256"), ("key", &key), ("key-md5", "")], mismatch),
        (vec![("algorithm", "AES256"), ("key", &short.0), ("key-md5", &short.1)], invalid.clone()),
        (vec![("algorithm", "AES256"), ("key", &long.0), ("key-md5", &long.1)], invalid.clone()),
        (
            vec![("algorithm", "AES256"), ("key", &longer.0), ("key-md5", &longer.1)],
            invalid.clone(),
        ),
        (vec![("algorithm", "AES256"), ("key", "no base64!"), ("key-md5", &sum)], invalid),
    ];
    for (headers, expected) in rows {
        let say = |ask: Ask, prefix: &str| {
            let add = |ask: Ask, (name, value): &(&str, &str)| {
                ask.header(&format!("{prefix}-{name}"), value)
            };
            headers.iter().fold(ask, add)
        };
        let copy = || put("/bucket/copy", "").header("x-amz-copy-source", "/bucket/k");
        for ask in [
            say(put("/bucket/new", "x"), NAME),
            say(get("/bucket/k"), NAME),
            say(ask("POST", "/bucket/new?uploads"), NAME),
            say(put("/bucket/new?partNumber=1&uploadId=x", "x"), NAME),
            say(ask("POST", "/bucket/new?uploadId=x"), NAME),
            say(get("/bucket/new?uploadId=x"), NAME),
            say(get("/bucket/k?attributes").header("x-amz-object-attributes", "ETag"), NAME),
            say(with(copy(), SOURCE, &KEY), NAME),
            say(copy(), SOURCE),
        ] {
            let what = format!("{} {} {headers:?}", ask.method, ask.target);
            let answer = world.send(ask).await;
            assert_eq!(answer.refusal(), expected, "{what}");
            assert!(!answer.text().contains(&key));
        }
    }
    assert_eq!(world.send(get("/bucket")).await.elements("Key"), ["k"]);
}

#[tokio::test]
async fn a_key_and_another_encryption_contradict_each_other() {
    let world = world().await;
    for method in ["AES256", "aws:kms"] {
        let expected = invalid_argument(
            "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
            SSE,
            method,
        );
        for ask in [put("/bucket/k", "x"), ask("POST", "/bucket/k?uploads")] {
            assert_eq!(world.refused(keyed(ask.header(SSE, method))).await, expected);
        }
    }
    // A read does not say how bytes are kept.
    world.send(put("/bucket/k", "hello")).await;
    let message = "x-amz-server-side-encryption header is not supported for this operation.";
    assert_eq!(
        world.refused(get("/bucket/k").header(SSE, "AES256")).await,
        invalid_argument(message, SSE, "AES256")
    );
    assert_eq!(world.send(ask("HEAD", "/bucket/k").header(SSE, "AES256")).await.status, 400);
}

#[tokio::test]
async fn a_key_for_what_takes_none() {
    let world = world().await;
    world.send(put("/bucket/k", "hello")).await;
    let not_applicable = invalid_request(NOT_APPLICABLE);
    assert_eq!(world.refused(keyed(get("/bucket/k"))).await, not_applicable);
    let attributes = get("/bucket/k?attributes").header("x-amz-object-attributes", "ETag");
    assert_eq!(world.refused(keyed(attributes)).await, not_applicable);
    let copy = put("/bucket/copy", "").header("x-amz-copy-source", "/bucket/k");
    assert_eq!(world.refused(with(copy, SOURCE, &KEY)).await, not_applicable);
    // Whether it is there is told first.
    assert_eq!(world.send(keyed(get("/bucket/none"))).await.status, 404);
    // Calls that have nothing to do with bodies take no key.
    for ask in [
        ask("DELETE", "/bucket/k"),
        get("/bucket"),
        get("/bucket/k?tagging"),
        put("/bucket?versioning", ""),
    ] {
        let refused = world.refused(keyed(ask)).await;
        assert_eq!(refused, not_implemented(&format!("{NAME}-algorithm")));
    }
    assert_eq!(world.send(get("/bucket/k")).await.text(), "hello");
}

#[tokio::test]
async fn a_key_travels_over_tls() {
    let insecure = invalid_request(INSECURE);
    let asks = || {
        let copy = put("/bucket/copy", "").header("x-amz-copy-source", "/bucket/k");
        [
            keyed(put("/bucket/new", "x")),
            keyed(get("/bucket/k")),
            keyed(ask("POST", "/bucket/new?uploads")),
            keyed(put("/bucket/new?partNumber=1&uploadId=x", "x")),
            with(copy, SOURCE, &KEY),
        ]
    };
    let world = World::with_bucket().await;
    for ask in asks() {
        assert_eq!(world.refused(ask).await, insecure);
    }
    // What nobody trusted says of the connection counts for nothing.
    let claimed = keyed(put("/bucket/new", "x")).header("x-forwarded-proto", "https");
    assert_eq!(world.refused(claimed).await, insecure);
    assert_eq!(world.send(get("/bucket")).await.elements("Key"), [""; 0]);

    // A trusted proxy's word is taken, either way.
    let behind = || {
        let mut behind = config();
        behind.trusted_proxies = vec!["192.0.2.7/32".parse().unwrap()];
        behind
    };
    let mut world = World::with(behind(), Encryption::On).await;
    world.send(put("/bucket", "")).await;
    let over = |proto: &str| keyed(put("/bucket/k", "x")).header("x-forwarded-proto", proto);
    assert_eq!(world.refused(over("http")).await, insecure);
    assert_eq!(world.send(over("https")).await.status, 200);
    world.peer.tls = Some(TlsVersion::V1_2);
    assert_eq!(world.refused(over("http")).await, insecure);

    // For development.
    let mut anyhow = config();
    anyhow.sse_c = SseC::Any;
    let world = World::with(anyhow, Encryption::On).await;
    world.send(put("/bucket", "")).await;
    assert_told(&world.send(keyed(put("/bucket/k", "x"))).await, "PUT");
    assert_eq!(world.send(keyed(get("/bucket/k"))).await.text(), "x");
}

#[tokio::test]
async fn copies_from_one_key_to_another() {
    let world = world().await;
    world.send(keyed(put("/bucket/locked", "hello"))).await;
    world.send(put("/bucket/open", "hello")).await;
    let copy = |source: &str| {
        put("/bucket/copy", "").header("x-amz-copy-source", &format!("/bucket/{source}"))
    };
    assert_eq!(world.refused(copy("locked")).await, invalid_request(NEEDED));
    assert_eq!(world.refused(keyed(copy("locked"))).await, invalid_request(NEEDED));
    assert_eq!(world.refused(with(copy("locked"), SOURCE, &OTHER)).await, WRONG);
    assert_eq!(world.send(get("/bucket/copy")).await.status, 404);
    // Out of the key: then the tag is the MD5 again.
    let answer = world.send(with(copy("locked"), SOURCE, &KEY)).await;
    assert_eq!((answer.status, answer.header(SSE)), (200, "AES256"));
    assert_eq!(answer.element("ETag"), "\"5d41402abc4b2a76b9719d911017c592\"");
    assert_eq!(world.send(get("/bucket/copy")).await.text(), "hello");
    // Into one, and from one into another.
    assert_told(&world.send(keyed(copy("open"))).await, "a copy");
    assert_eq!(world.send(keyed(get("/bucket/copy"))).await.text(), "hello");
    let both = with(with(copy("locked"), SOURCE, &KEY), NAME, &OTHER);
    let answer = world.send(both).await;
    assert_eq!(answer.header(&format!("{NAME}-key-md5")), md5(&OTHER));
    assert_eq!(world.refused(keyed(get("/bucket/copy"))).await, WRONG);
    assert_eq!(world.send(with(get("/bucket/copy"), NAME, &OTHER)).await.text(), "hello");
    // Another key is a change that a copy onto itself may make.
    let onto = put("/bucket/locked", "").header("x-amz-copy-source", "/bucket/locked");
    let onto = with(with(onto, SOURCE, &KEY), NAME, &OTHER);
    assert_eq!(world.send(onto).await.status, 200);
    assert_eq!(world.send(with(get("/bucket/locked"), NAME, &OTHER)).await.text(), "hello");
}

fn completion(upload: &str, etag: &str) -> Ask {
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    ask("POST", &format!("/bucket/k?uploadId={upload}")).body(document)
}

#[tokio::test]
async fn an_upload_is_under_one_key() {
    let world = world().await;
    let begun = world.send(keyed(ask("POST", "/bucket/k?uploads"))).await;
    assert_told(&begun, "begun");
    let upload = begun.element("UploadId");
    let part = || put(&format!("/bucket/k?partNumber=1&uploadId={upload}"), "hello");
    assert_eq!(world.refused(part()).await, invalid_request(PARTS));
    assert_eq!(world.refused(with(part(), NAME, &OTHER)).await, invalid_request(OTHER_PART));
    let sent = world.send(keyed(part())).await;
    assert_told(&sent, "a part");
    assert_ne!(sent.header("etag"), "\"5d41402abc4b2a76b9719d911017c592\"");
    // A part that is copied comes out of one key and into another.
    world.send(with(put("/bucket/source", "copied"), NAME, &OTHER)).await;
    let copied = || {
        put(&format!("/bucket/k?partNumber=1&uploadId={upload}"), "")
            .header("x-amz-copy-source", "/bucket/source")
    };
    let source = |ask: Ask| with(ask, SOURCE, &OTHER);
    assert_eq!(world.refused(source(copied())).await, invalid_request(PARTS));
    assert_eq!(world.refused(keyed(copied())).await, invalid_request(NEEDED));
    assert_eq!(world.refused(with(keyed(copied()), SOURCE, &KEY)).await, WRONG);
    let wrong = with(source(copied()), NAME, &OTHER);
    assert_eq!(world.refused(wrong).await, invalid_request(OTHER_PART));
    let answer = world.send(keyed(source(copied()))).await;
    assert_told(&answer, "a copied part");
    let etag = answer.element("ETag");
    // Listing and completing take no key, but not another one.
    let list = || get(&format!("/bucket/k?uploadId={upload}"));
    // Nor are they told what would confirm a guess at the bytes.
    let told = |answer: &Answer| (answer.element("ETag"), answer.element("ChecksumCRC64NVME"));
    // None was asked for, so that parts tell none either way.
    assert_eq!(told(&answer).1, "");
    assert_eq!(told(&world.send(list()).await), (etag.clone(), String::new()));
    assert_eq!(told(&world.send(keyed(list())).await), (etag.clone(), String::new()));
    assert_eq!(world.refused(with(list(), NAME, &OTHER)).await, invalid_request(OTHER_PART));
    let other = with(completion(&upload, &etag), NAME, &OTHER);
    assert_eq!(world.refused(other).await, invalid_request(OTHER_PART));
    let done = world.send(completion(&upload, &etag)).await;
    assert_eq!((done.status, told(&done).1), (200, String::new()));
    // The same again is answered the same, by whichever key.
    for (key, tells) in [(OTHER, false), (KEY, true)] {
        let again = world.send(with(completion(&upload, &etag), NAME, &key)).await;
        assert_eq!((again.status, !told(&again).1.is_empty()), (200, tells));
    }
    assert!(!done.headers.contains_key(SSE));
    assert_eq!(world.refused(get("/bucket/k")).await, invalid_request(NEEDED));
    assert_eq!(world.send(keyed(get("/bucket/k"))).await.text(), "copied");
    let part = keyed(get("/bucket/k?partNumber=1"));
    assert_eq!(world.send(part).await.text(), "copied");

    // An upload without a key has parts without one.
    let upload = world.send(ask("POST", "/bucket/k?uploads")).await.element("UploadId");
    let part = put(&format!("/bucket/k?partNumber=1&uploadId={upload}"), "hello");
    assert_eq!(world.refused(keyed(part)).await, invalid_request(PARTS));
}

#[tokio::test]
async fn a_completion_with_checksums_takes_the_key() {
    let world = world().await;
    let begin = ask("POST", "/bucket/k?uploads").header("x-amz-checksum-algorithm", "CRC32");
    let begin = begin.header("x-amz-checksum-type", "FULL_OBJECT");
    let upload = world.send(keyed(begin)).await.element("UploadId");
    let part = put(&format!("/bucket/k?partNumber=1&uploadId={upload}"), "hello");
    let etag = world.send(keyed(part)).await.header("etag").to_owned();
    assert_eq!(
        world.refused(completion(&upload, &etag)).await,
        invalid_argument(
            "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.",
            SSE,
            "null"
        )
    );
    assert_eq!(world.send(keyed(completion(&upload, &etag))).await.status, 200);
    let read = keyed(get("/bucket/k")).header("x-amz-checksum-mode", "ENABLED");
    assert_eq!(world.send(read).await.header("x-amz-checksum-crc32"), "NhCmhg==");
    let attributes = || get("/bucket/k?attributes").header("x-amz-object-attributes", "Checksum");
    assert_eq!(world.refused(attributes()).await, invalid_request(NEEDED));
    assert_eq!(world.refused(with(attributes(), NAME, &OTHER)).await, WRONG);
    assert_eq!(world.send(keyed(attributes())).await.element("ChecksumCRC32"), "NhCmhg==");
}

#[tokio::test]
async fn each_version_has_its_own_key() {
    let world = world().await;
    world.versioning("Enabled").await;
    let written = world.send(keyed(put("/bucket/k", "old"))).await;
    let old = format!("/bucket/k?versionId={}", written.header("x-amz-version-id"));
    world.send(with(put("/bucket/k", "new"), NAME, &OTHER)).await;
    assert_eq!(world.send(keyed(get(&old))).await.text(), "old");
    assert_eq!(world.refused(with(get(&old), NAME, &OTHER)).await, WRONG);
    assert_eq!(world.refused(keyed(get("/bucket/k"))).await, WRONG);
    assert_eq!(world.send(with(get("/bucket/k"), NAME, &OTHER)).await.text(), "new");
    // The tags of a version are no part of its body.
    let tagged = keyed(put("/bucket/k", "hello")).header("x-amz-tagging", "a=b");
    assert_eq!(world.send(tagged).await.status, 200);
    assert_eq!(world.send(get("/bucket/k?tagging")).await.elements("Key"), ["a"]);
}

#[tokio::test]
async fn links_with_a_key() {
    let world = world().await;
    let (key, sum) = (STANDARD.encode(KEY), md5(&KEY));
    let names = ["algorithm", "key", "key-md5"].map(|part| format!("{NAME}-{part}"));
    let said = [
        (names[0].as_str(), "AES256"),
        (names[1].as_str(), key.as_str()),
        (names[2].as_str(), sum.as_str()),
    ];
    // As headers that are signed, and must be sent.
    assert_told(
        &world.send_raw(world.link_with("PUT", "k", &said, &[]).body("hello")).await,
        "PUT",
    );
    let read = world.link_with("GET", "k", &said, &[]);
    assert_eq!(world.send_raw(read.clone()).await.text(), "hello");
    let bare = Ask { headers: Vec::new(), ..read };
    let refused = world.send_raw(bare).await.refusal();
    assert!(refused.starts_with("403 <Code>SignatureDoesNotMatch</Code>"), "{refused}");
    // As a signed query, which stands for them: boto3 makes SigV2 links so.
    assert_told(
        &world.send_raw(world.link_with("PUT", "k", &[], &said).body("again")).await,
        "PUT",
    );
    assert_eq!(world.send_raw(world.link_with("GET", "k", &[], &said)).await.text(), "again");
    // Added to a link that was made without, they are refused.
    let added =
        said.iter().fold(world.link("GET", "k"), |ask, (name, value)| ask.header(name, value));
    let refused = world.send_raw(added).await.refusal();
    assert!(refused.contains("<HeadersNotSigned>"), "{refused}");
    assert_eq!(world.send_raw(world.link("GET", "k")).await.refusal(), invalid_request(NEEDED));
}

#[tokio::test]
async fn a_form_with_a_key() {
    let mut world = world().await;
    let (key, sum) = (STANDARD.encode(KEY), md5(&KEY));
    let names = ["algorithm", "key", "key-MD5"].map(|part| format!("{NAME}-{part}"));
    let fields = [
        (names[0].as_str(), "AES256"),
        (names[1].as_str(), key.as_str()),
        (names[2].as_str(), sum.as_str()),
    ];
    let form = world.form_with(&Key::root(), "k", &fields, &[]);
    let answer = world.send_raw(form.ask()).await;
    assert_told(&answer, "a form");
    assert_eq!(world.send(keyed(get("/bucket/k"))).await.text(), "hello");
    assert_eq!(world.refused(get("/bucket/k")).await, invalid_request(NEEDED));
    let lacking = world.form_with(&Key::root(), "k", &fields[..1], &[]);
    let refused = world.send_raw(lacking.ask()).await.refusal();
    assert!(refused.contains("must provide an appropriate secret key."), "{refused}");
    let small = [(names[0].as_str(), "aes256"), fields[1], fields[2]];
    let small = world.form_with(&Key::root(), "k", &small, &[]);
    assert_eq!(
        world.send_raw(small.ask()).await.refusal(),
        format!(
            "400 <Code>InvalidEncryptionAlgorithmError</Code><Message>The Encryption request you specified is not valid. Supported value: AES256.</Message><ArgumentName>{SSE}</ArgumentName><ArgumentValue>aes256</ArgumentValue>"
        )
    );
    world.peer.tls = None;
    assert_eq!(world.send_raw(form.ask()).await.refusal(), invalid_request(INSECURE));
}

#[tokio::test]
async fn a_bucket_may_block_customers_keys() {
    let world = world().await;
    let begun = world.send(keyed(ask("POST", "/bucket/begun?uploads"))).await.element("UploadId");
    world.send(keyed(put("/bucket/k", "hello"))).await;
    let rule = |kind: &str| {
        put(
            "/bucket?encryption",
            &format!(
                "<ServerSideEncryptionConfiguration><Rule><BlockedEncryptionTypes><EncryptionType>{kind}</EncryptionType></BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>"
            ),
        )
    };
    assert_eq!(world.send(rule("SSE-C")).await.status, 200);
    let blocked = |key: &str| {
        format!(
            "403 <Code>AccessDenied</Code><Message>User: arn:aws:iam::000000000000:root is not authorized to perform: s3:PutObject on resource: \"arn:aws:s3:::bucket/{key}\" because this bucket has blocked upload requests that specify Server Side Encryption with Customer provided keys (SSE-C). Please specify a different server-side encryption type</Message>"
        )
    };
    let copy = put("/bucket/copy", "").header("x-amz-copy-source", "/bucket/k");
    for (ask, key) in [
        (put("/bucket/k", "x"), "k"),
        (ask("POST", "/bucket/new?uploads"), "new"),
        (put(&format!("/bucket/begun?partNumber=1&uploadId={begun}"), "x"), "begun"),
        (with(copy.clone(), SOURCE, &KEY), "copy"),
    ] {
        assert_eq!(world.refused(keyed(ask)).await, blocked(key));
    }
    // What is there is read on, and comes out of its key.
    assert_eq!(world.send(keyed(get("/bucket/k"))).await.text(), "hello");
    assert_eq!(world.send(with(copy, SOURCE, &KEY)).await.status, 200);
    assert_eq!(world.send(rule("NONE")).await.status, 200);
    assert_eq!(world.send(keyed(put("/bucket/k", "x"))).await.status, 200);
}

#[tokio::test]
async fn policies_ask_for_the_algorithm_and_never_for_the_key() {
    let world = world().await;
    let allow = format!(
        r#"{{"Effect":"Allow","Action":"s3:PutObject","Resource":"*","Condition":{{"StringEquals":{{"s3:{NAME}-algorithm":"AES256"}}}}}}"#
    );
    let ann = world.user("ann", &policy(&allow)).await;
    assert_eq!(world.send_as(&ann, keyed(put("/bucket/k", "x"))).await.status, 200);
    assert_eq!(world.send_as(&ann, put("/bucket/k", "x")).await.status, 403);
    for part in ["key", "key-md5"] {
        let ask = format!(
            r#"{{"Effect":"Allow","Action":"s3:PutObject","Resource":"*","Condition":{{"StringLike":{{"s3:{NAME}-{part}":"*"}}}}}}"#
        );
        world.put_user_policy("ann", &policy(&ask)).await;
        assert_eq!(world.send_as(&ann, keyed(put("/bucket/k", "x"))).await.status, 403, "{part}");
    }
}
