//! Browser forms on the wire: every text of semantics 3, and the order of checks.

use presign::{PostCondition, SigV2Use};
use store::Encryption;

use crate::harness::{
    Answer, World, config, get, invalid_argument, invalid_request, not_implemented,
};
use crate::people::{Key, policy, trusts, user_arn};
use crate::post::{BOUNDARY, Form};

const ETAG: &str = "\"5d41402abc4b2a76b9719d911017c592\"";
const DENIED: &str = "403 <Code>AccessDenied</Code><Message>Access Denied</Message>";
const MALFORMED: &str = "400 <Code>MalformedPOSTRequest</Code><Message>The body of your POST request is not well-formed multipart/form-data.</Message>";
const MECHANISMS: &str = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified";

async fn send(world: &World, form: &Form) -> Answer {
    world.send_raw(form.ask()).await
}

/// A refusal, after which there is no object.
async fn refused(world: &World, form: &Form) -> String {
    let refusal = send(world, form).await.refusal();
    let listed = world.send(get("/bucket")).await;
    assert_eq!(listed.elements("Key"), Vec::<String>::new(), "{refusal}");
    refusal
}

/// 204, and the object reads as it was sent.
async fn stored(world: &World, form: &Form, key: &str) -> Answer {
    let answer = send(world, form).await;
    assert_eq!((answer.status, answer.text()), (204, ""), "{form:?}");
    let read = world.send(get(&format!("/bucket/{key}"))).await;
    assert_eq!((read.status, read.text()), (200, "hello"), "{key}");
    read
}

fn missing(name: &str) -> String {
    let message = format!(
        "Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
    );
    invalid_argument(&message, name, "")
}

fn by_policy(what: &str) -> String {
    format!("403 <Code>AccessDenied</Code><Message>Invalid according to Policy: {what}</Message>")
}

fn bad_policy(what: &str) -> String {
    format!("400 <Code>InvalidPolicyDocument</Code><Message>Invalid Policy: {what}</Message>")
}

#[tokio::test]
async fn a_form_stores_an_object() {
    let world = World::with_bucket().await;
    let root = Key::root();
    for form in [world.form("k"), world.form_v2(&root, "k", &[])] {
        for target in ["/bucket", "/bucket/", "/bucket?x-id=PostObject"] {
            let read = stored(&world, &form.clone().target(target), "k").await;
            // The part's own type means nothing.
            assert_eq!(read.header("content-type"), "binary/octet-stream");
            assert_eq!(world.send(crate::harness::ask("DELETE", "/bucket/k")).await.status, 204);
        }
    }
    let answer = send(&world, &world.form("up/a b.txt")).await;
    let header = |name: &str| answer.header(name).to_owned();
    assert_eq!(header("etag"), ETAG);
    assert_eq!(header("location"), "http://valet.test:9000/bucket/up%2Fa%20b.txt");
    assert_eq!(header("x-amz-server-side-encryption"), "AES256");
    assert_eq!(header("x-amz-checksum-crc64nvme"), "M3eFcAZSQlc=");
    assert_eq!(header("x-amz-checksum-type"), "FULL_OBJECT");
    assert_eq!(
        (header("content-type"), header("x-amz-version-id")),
        (String::new(), String::new())
    );
    world.versioning("Enabled").await;
    assert!(!send(&world, &world.form("k")).await.header("x-amz-version-id").is_empty());
}

#[tokio::test]
async fn a_virtual_host_is_a_bucket_too() {
    let mut config = config();
    config.domains = vec!["valet.test".into()];
    let world = World::with(config, Encryption::On).await;
    assert_eq!(world.send(crate::harness::put("/bucket", "")).await.status, 200);
    let form = world.form("up/k").target("/").header("host", "bucket.valet.test:9000");
    let answer = send(&world, &form).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!(answer.header("location"), "http://bucket.valet.test:9000/up%2Fk");
}

#[tokio::test]
async fn names_are_read_in_any_case() {
    let world = World::with_bucket().await;
    // As the SDK for JavaScript writes them.
    let mut form = world.form("k").field("bucket", "bucket");
    for (name, _) in &mut form.fields {
        *name = match name.as_str() {
            "policy" => "Policy".to_owned(),
            "x-amz-signature" => "X-Amz-Signature".to_owned(),
            "x-amz-credential" => "X-Amz-Credential".to_owned(),
            other => other.to_uppercase(),
        };
    }
    stored(&world, &form, "k").await;
    let mut form = world.form_v2(&Key::root(), "k", &[]);
    form.fields.iter_mut().for_each(|(name, _)| *name = name.to_lowercase());
    stored(&world, &form, "k").await;
    // Without quotes, and with what some clients put on every part.
    let form = world.form("k");
    let body = String::from_utf8(form.body()).unwrap();
    for body in [
        body.replace("name=\"", "name=").replace("\"\r\n", "\r\n").replace("\"; file", "; file"),
        body.replace("name=\"key\"", "name=\"key\"; filename=\"key\""),
        body.replace("name=\"file\"", "name=\"File\""),
        format!("preamble\r\n{body}epilogue"),
    ] {
        let answer = world.send_raw(form.ask_with(body)).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
    }
}

#[tokio::test]
async fn what_follows_the_file_is_ignored() {
    let world = World::with_bucket().await;
    let form = world.form("k");
    let body = String::from_utf8(form.body()).unwrap();
    let last = format!("--{BOUNDARY}--\r\n");
    let part = |name: &str| {
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\nx\r\n")
    };
    for rest in [
        part("submit") + &last,
        part("file") + &last,
        part("acl"),
        format!("--{BOUNDARY}--"),
        format!("--{BOUNDARY}"),
    ] {
        let answer = world.send_raw(form.ask_with(body.replace(&last, &rest))).await;
        assert_eq!(answer.status, 204, "{rest}: {}", answer.text());
        assert_eq!(world.send(get("/bucket/k")).await.text(), "hello");
    }
    // A field that comes too late is not there.
    let late = form.clone().without("policy");
    let policy = form.value("policy").to_owned();
    let body = String::from_utf8(late.body()).unwrap();
    let rest = part("policy").replace("\r\nx\r\n", &format!("\r\n{policy}\r\n")) + &last;
    let answer = world.send_raw(late.ask_with(body.replace(&last, &rest))).await;
    assert_eq!(answer.refusal(), missing("Policy"));
}

#[tokio::test]
async fn what_a_form_says_of_its_object() {
    let world = World::with_bucket().await;
    let fields = [
        ("acl", "private"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Disposition", "attachment; filename=\"${filename}\""),
        ("Content-Encoding", "identity"),
        ("Cache-Control", "no-store"),
        ("Expires", "Thu, 01 Dec 2050 16:00:00 GMT"),
        ("x-amz-meta-Plain", "a b"),
        ("x-amz-meta-unicode", "ÄMÄZÕÑ S3"),
        ("x-amz-meta-control", "\0\u{1}\u{2}\u{3}\u{4}"),
        ("x-amz-meta-lines", "b\r\nc"),
        ("x-amz-meta-encoded", "=?UTF-8?Q?actually-ascii?="),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-server-side-encryption", "AES256"),
        ("utf8", "✓"),
    ];
    let disposition = PostCondition::StartsWith("Content-Disposition", "attachment");
    let form = world.form_with(&Key::root(), "k", &fields, &[disposition]);
    let read = stored(&world, &form, "k").await;
    for (name, value) in [
        ("content-type", "text/plain; charset=utf-8"),
        ("content-disposition", "attachment; filename=\"cat.txt\""),
        ("content-encoding", "identity"),
        ("cache-control", "no-store"),
        ("expires", "Thu, 01 Dec 2050 16:00:00 GMT"),
        ("x-amz-meta-plain", "a b"),
        ("x-amz-meta-unicode", "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?="),
        ("x-amz-meta-control", "=?UTF-8?B?AAECAwQ=?="),
        ("x-amz-meta-lines", "=?UTF-8?B?Yg0KYw==?="),
        ("x-amz-meta-encoded", "=?UTF-8?Q?actually-ascii?="),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-server-side-encryption", "AES256"),
    ] {
        assert_eq!(read.header(name), value, "{name}");
    }
    // Headers are ISO 8859-1, and what that does not have is a space there.
    let fields = [("Cache-Control", "a_—_é_")];
    let read = stored(&world, &world.form_with(&Key::root(), "k", &fields, &[]), "k").await;
    assert_eq!(read.headers.get("cache-control").unwrap().as_bytes(), b"a_ _\xe9_");
    // Headers of the request say nothing of the object.
    let form = world
        .form("h")
        .header("x-amz-meta-a", "b")
        .header("x-amz-storage-class", "GLACIER")
        .header("x-amz-acl", "public-read")
        .header("x-amz-server-side-encryption-customer-algorithm", "AES256")
        .header("x-amz-expected-bucket-owner", "111111111111")
        .header("x-amz-tagging", "a=b")
        .header("content-disposition", "inline")
        .header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")
        .header("if-none-match", "*")
        .header("if-match", "\"other\"");
    for _ in 0..2 {
        let read = stored(&world, &form, "h").await;
        assert_eq!(read.header("x-amz-meta-a"), "");
        assert_eq!(read.header("x-amz-storage-class"), "");
        assert_eq!(read.header("content-disposition"), "");
    }
}

#[tokio::test]
async fn what_a_form_cannot_say_of_its_object() {
    let world = World::with_bucket().await;
    let with = |name: &str, value: &str| world.form_with(&Key::root(), "k", &[(name, value)], &[]);
    let check = async |name: &str, value: &str, expected: String| {
        assert_eq!(refused(&world, &with(name, value)).await, expected, "{name}: {value}");
    };
    let class = "400 <Code>InvalidStorageClass</Code><Message>The storage class you specified is not valid</Message><StorageClassRequested>FakeClass</StorageClassRequested>";
    check("x-amz-storage-class", "FakeClass", class.to_owned()).await;
    let acl = "400 <Code>AccessControlListNotSupported</Code><Message>The bucket does not allow ACLs</Message>";
    check("acl", "public-read", acl.to_owned()).await;
    check("ACL", "", acl.to_owned()).await;
    check("x-amz-grant-read", "id=1", acl.to_owned()).await;
    let kms = not_implemented("x-amz-server-side-encryption");
    check("x-amz-server-side-encryption", "aws:kms", kms).await;
    for name in [
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-server-side-encryption-context",
        "x-amz-server-side-encryption-bucket-key-enabled",
        "x-amz-object-lock-mode",
        "x-amz-copy-source",
        // Whoever signs a form that must overwrite nothing would find out too late.
        "If-None-Match",
        "if-match",
    ] {
        check(name, "x", not_implemented(name)).await;
    }
    let place = "400 <Code>InvalidRedirectLocation</Code><Message>The website redirect location must have a prefix of 'http://' or 'https://' or '/'.</Message>";
    check("x-amz-website-redirect-location", "x", place.to_owned()).await;
    // A form has a field of its own for tags.
    check("x-amz-tagging", "a=b", not_implemented("x-amz-tagging")).await;
    let malformed = "400 <Code>MalformedXML</Code><Message>The XML you provided was not well-formed or did not validate against our published schema</Message>";
    check("tagging", "a=b", malformed.to_owned()).await;
    let unfit = "A form's field must fit into the header that it stands for.";
    check("Cache-Control", "b\r\nc", invalid_argument(unfit, "Cache-Control", "b&#13;\nc")).await;
    check("x-amz-meta-a b", "c", invalid_argument(unfit, "x-amz-meta-a b", "c")).await;
    let long = "m".repeat(2049);
    let metadata = "400 <Code>MetadataTooLarge</Code><Message>Your metadata headers exceed the maximum allowed metadata size</Message><Size>2050</Size><MaxSizeAllowed>2048</MaxSizeAllowed>";
    check("x-amz-meta-a", &long, metadata.to_owned()).await;
    let link = "The x-valet-* conditions are for links to S3 that are signed with SigV4.";
    check("x-valet-uses", "1", invalid_argument(link, "x-valet-uses", "1")).await;
    check("X-Valet-Label", "a", invalid_argument(link, "X-Valet-Label", "a")).await;
    let query = world.form("k").target("/bucket?x-valet-write-once=true");
    assert_eq!(refused(&world, &query).await, invalid_argument(link, "x-valet-write-once", "true"));
}

#[tokio::test]
async fn checksums() {
    let world = World::with_bucket().await;
    for (algorithm, right, wrong) in [
        ("crc32", "NhCmhg==", "AAAAAA=="),
        ("crc32c", "mnG7TA==", "AAAAAA=="),
        ("crc64nvme", "M3eFcAZSQlc=", "AAAAAAAAAAA="),
        ("sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00=", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
        (
            "sha256",
            "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        ),
        ("md5", "XUFAKrxLKna5cZ2REBfFkg==", "1B2M2Y8AsgTpgAmY7PhCfg=="),
        ("xxhash64", "JseCfYifbaM=", "AAAAAAAAAAA="),
        ("xxhash128", "tenBrQcbPn/Hec+qXlI4GA==", "1B2M2Y8AsgTpgAmY7PhCfg=="),
    ] {
        let name = format!("x-amz-checksum-{algorithm}");
        let with = |value: &str| world.form_with(&Key::root(), "k", &[(&name, value)], &[]);
        let upper = algorithm.to_uppercase();
        assert_eq!(
            refused(&world, &with(wrong)).await,
            format!(
                "400 <Code>BadDigest</Code><Message>The {upper} you specified did not match the calculated checksum.</Message>"
            )
        );
        assert_eq!(
            refused(&world, &with("sailorjerry")).await,
            invalid_request(&format!("Value for {name} header is invalid."))
        );
        let answer = send(&world, &with(right)).await;
        assert_eq!((answer.status, answer.header(&name)), (204, right));
        world.send(crate::harness::ask("DELETE", "/bucket/k")).await;
    }
}

#[tokio::test]
async fn the_md5_that_a_form_announces() {
    let world = World::with_bucket().await;
    let with = |value: &str| world.form_with(&Key::root(), "k", &[("Content-MD5", value)], &[]);
    assert_eq!(
        refused(&world, &with("1B2M2Y8AsgTpgAmY7PhCfg==")).await,
        "400 <Code>BadDigest</Code><Message>The Content-MD5 you specified did not match what we received.</Message><ExpectedDigest>1B2M2Y8AsgTpgAmY7PhCfg==</ExpectedDigest><CalculatedDigest>XUFAKrxLKna5cZ2REBfFkg==</CalculatedDigest>"
    );
    let malformed = refused(&world, &with("sailorjerry")).await;
    assert!(malformed.starts_with("400 <Code>InvalidDigest</Code>"), "{malformed}");
    assert_eq!(world.send(get("/bucket/k")).await.status, 404);
    assert_eq!(send(&world, &with("XUFAKrxLKna5cZ2REBfFkg==")).await.status, 204);
}

#[tokio::test]
async fn the_file_names_the_object() {
    let world = World::with_bucket().await;
    let check = async |key: &str, file: Option<&str>, expected: &str| {
        let answer = send(&world, &world.form(key).file(file)).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
        let listed = world.send(get("/bucket")).await;
        assert_eq!(listed.elements("Key"), [expected], "{key} {file:?}");
        let path = presign::encode_path(expected.as_bytes());
        world.send(crate::harness::ask("DELETE", &format!("/bucket/{path}"))).await;
    };
    check("up/${filename}", Some("cat.txt"), "up/cat.txt").await;
    check("${filename}", Some("foo.txt"), "foo.txt").await;
    check("up/${filename}.bak", Some("cat.txt"), "up/cat.txt.bak").await;
    check("up/${filename}", Some("C:\\dir\\cat.txt"), "up/cat.txt").await;
    check("up/${filename}", Some("../../etc/passwd"), "up/passwd").await;
    check("up/${filename}", Some("ü — 1.pdf"), "up/ü — 1.pdf").await;
    check("up/${filename}", Some(""), "up/").await;
    check("up/${filename}", None, "up/${filename}").await;
    check("up/\\$k", Some("x"), "up/\\$k").await;
    // On AWS such a form fails (semantics 3.3.9).
    check("up/$$k", Some("x"), "up/$$k").await;
    let nothing = world.form("${filename}").file(Some(""));
    let empty = invalid_argument("User key must have a length greater than 0.", "key", "");
    assert_eq!(refused(&world, &nothing).await, empty);
    let long = world.form("${filename}").file(Some(&"k".repeat(1025)));
    let too_long = "400 <Code>KeyTooLongError</Code><Message>Your key is too long</Message><Size>1025</Size><MaxSizeAllowed>1024</MaxSizeAllowed>";
    assert_eq!(refused(&world, &long).await, too_long);
    // A field that repeats a long name is no short field.
    let anything = r#",["starts-with","$Content-Type",""]"#;
    let type_of = |places: usize| {
        let form = world.form_if(anything, &[("Content-Type", &"${filename}".repeat(places))]);
        form.file(Some(&"n".repeat(3000)))
    };
    let too_much = "400 <Code>MaxPostPreDataLengthExceeded</Code><Message>Your POST request fields preceeding the upload file was too large.</Message><MaxPostPreDataLengthBytes>20480</MaxPostPreDataLengthBytes>";
    assert_eq!(refused(&world, &type_of(1000)).await, too_much);
    assert_eq!(send(&world, &type_of(2)).await.status, 204);
    world.send(crate::harness::ask("DELETE", "/bucket/k")).await;
    // The condition is about the key that it becomes.
    let sly = world.form_if(r#",["starts-with","$x-ignore",""]"#, &[]).set("key", "${filename}");
    let failed = by_policy(r#"Policy Condition failed: ["eq", "$key", "k"]"#);
    assert_eq!(refused(&world, &sly.file(Some("other"))).await, failed);
}

#[tokio::test]
async fn answers_of_success() {
    let world = World::with_bucket().await;
    let with = |fields: &[(&str, &str)]| world.form_with(&Key::root(), "up/a&b ü", fields, &[]);
    let location = "http://valet.test:9000/bucket/up%2Fa%26b%20%C3%BC";
    for (status, expected) in [("200", 200), ("204", 204), ("999", 204), ("404", 204), ("", 204)] {
        let answer = send(&world, &with(&[("success_action_status", status)])).await;
        assert_eq!((answer.status, answer.text()), (expected, ""), "{status}");
        assert_eq!((answer.header("location"), answer.header("etag")), (location, ETAG));
        assert_eq!(answer.header("content-type"), "");
    }
    let created = send(&world, &with(&[("success_action_status", "201")])).await;
    assert_eq!((created.status, created.header("content-type")), (201, "application/xml"));
    assert_eq!((created.header("location"), created.header("etag")), (location, ETAG));
    assert_eq!(
        created.text(),
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>{location}</Location><Bucket>bucket</Bucket><Key>up/a&amp;b ü</Key><ETag>{ETAG}</ETag></PostResponse>"
        )
    );
    // The table of the documentation allows an exact condition alone; AWS takes this one
    // (semantics 3.3.8).
    let any = r#",["starts-with","$success_action_status",""]"#;
    let any = world.form_if(any, &[("success_action_status", "201")]);
    assert_eq!(send(&world, &any).await.status, 201);
    let told = "bucket=bucket&key=up%2Fa%26b+%C3%BC&etag=%225d41402abc4b2a76b9719d911017c592%22";
    for (fields, expected) in [
        (&[("success_action_redirect", "http://x/y")][..], format!("http://x/y?{told}")),
        (&[("redirect", "https://x/y?z=1")], format!("https://x/y?z=1&{told}")),
        (
            &[("redirect", "http://no"), ("success_action_redirect", "http://yes/")],
            format!("http://yes/?{told}"),
        ),
        (
            &[("success_action_status", "201"), ("success_action_redirect", "http://x")],
            format!("http://x?{told}"),
        ),
    ] {
        let answer = send(&world, &with(fields)).await;
        assert_eq!((answer.status, answer.text()), (303, ""), "{fields:?}");
        assert_eq!(answer.header("location"), expected);
    }
    for page in ["/wrong/redirect/relative", "javascript:alert(1)", "", "http://"] {
        let answer = send(&world, &with(&[("success_action_redirect", page)])).await;
        assert_eq!((answer.status, answer.header("location")), (204, location), "{page}");
    }
}

#[tokio::test]
async fn what_is_no_form() {
    let world = World::with_bucket().await;
    let precondition = "412 <Code>PreconditionFailed</Code><Message>At least one of the pre-conditions you specified did not hold</Message><Condition>Bucket POST must be of the enclosure-type multipart/form-data</Condition>";
    let form = world.form("k");
    for content_type in ["text/html", "", "application/x-www-form-urlencoded", "multipart/mixed"] {
        let form = form.clone().header("content-type", content_type);
        assert_eq!(refused(&world, &form).await, precondition, "{content_type}");
    }
    let bare = crate::harness::ask("POST", "/bucket");
    assert_eq!(world.send_raw(bare.clone()).await.refusal(), precondition);
    assert_eq!(world.send(bare).await.refusal(), precondition);
    for content_type in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=other",
    ] {
        let form = form.clone().header("content-type", content_type);
        assert_eq!(refused(&world, &form).await, MALFORMED, "{content_type}");
    }
    let body = form.body();
    let cut = |at: usize| form.ask_with(body[..at].to_vec());
    // However it is cut, it stores nothing.
    for at in [0, 1, 50, body.len() - BOUNDARY.len() - 9, body.len() - 9] {
        assert_eq!(world.send_raw(cut(at)).await.refusal(), MALFORMED, "{at}");
    }
    assert_eq!(world.send(get("/bucket/k")).await.status, 404);
    let no_length = form.ask().header("no-length", "");
    let length = "411 <Code>MissingContentLength</Code><Message>You must provide the Content-Length HTTP header.</Message>";
    assert_eq!(world.send_raw(no_length).await.refusal(), length);
}

#[tokio::test]
async fn the_file_is_the_part_of_that_name() {
    let world = World::with_bucket().await;
    let no_file =
        invalid_argument("POST requires exactly one file upload per request.", "file", "0");
    let form = world.form("k");
    let body = String::from_utf8(form.body()).unwrap();
    for body in [
        body.replace("name=\"file\"", "name=\"upload\""),
        body.replace("form-data; name=\"file\"", "file; name=\"file\""),
        body.replace("form-data; name=\"file\"", "form-data"),
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\nvalue\r\n--{BOUNDARY}--\r\n"
        ),
        format!("--{BOUNDARY}--\r\n"),
    ] {
        assert_eq!(world.send_raw(form.ask_with(body)).await.refusal(), no_file);
    }
    let too_much = "400 <Code>MaxPostPreDataLengthExceeded</Code><Message>Your POST request fields preceeding the upload file was too large.</Message><MaxPostPreDataLengthBytes>20480</MaxPostPreDataLengthBytes>";
    let long = form.clone().field("x-ignore-a", &"x".repeat(20_480));
    assert_eq!(refused(&world, &long).await, too_much);
    let large = form.content(vec![b'x'; 100_000]);
    let body = String::from_utf8(large.body()).unwrap();
    let misnamed = body.replace("name=\"file\"", "name=\"upload\"");
    assert_eq!(world.send_raw(large.ask_with(misnamed)).await.refusal(), too_much);
}

#[tokio::test]
async fn other_credentials_than_the_forms_own() {
    let world = World::with_bucket().await;
    let form = world.form("k");
    let content_sha256 = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.";
    let named = format!(
        "400 <Code>InvalidArgument</Code><Message>{content_sha256}</Message><ArgumentName>x-amz-content-sha256</ArgumentName>"
    );
    assert_eq!(world.send(form.ask()).await.refusal(), named);
    let bare = form.clone().header("authorization", "AWS4-HMAC-SHA256 Credential=x");
    let missing = invalid_request("Missing required header for this request: x-amz-content-sha256");
    assert_eq!(refused(&world, &bare).await, missing);
    let token = form.clone().header("x-amz-security-token", "t");
    let presented =
        "403 <Code>AccessDenied</Code><Message>No AWSAccessKey was presented.</Message>";
    assert_eq!(refused(&world, &token).await, presented);
    // Before anything in the form is looked at.
    assert_eq!(refused(&world, &token.set("x-amz-credential", "x")).await, presented);
    let link = form.clone().target("/bucket?X-Amz-Signature=0&X-Amz-Algorithm=x");
    assert_eq!(refused(&world, &link).await, invalid_argument(MECHANISMS, "Authorization", ""));
    let link = form.clone().target("/bucket?AWSAccessKeyId=a&Expires=1781528400&Signature=x");
    assert_eq!(refused(&world, &link).await, invalid_argument(MECHANISMS, "Authorization", ""));
    let both = form.field("AWSAccessKeyId", "x").field("signature", "y");
    assert_eq!(refused(&world, &both).await, invalid_argument(MECHANISMS, "Authorization", ""));
}

#[tokio::test]
async fn fields_that_must_be_there() {
    let world = World::with_bucket().await;
    let v4 = world.form("k");
    for (field, name) in [
        ("key", "key"),
        ("x-amz-algorithm", "X-Amz-Algorithm"),
        ("x-amz-credential", "X-Amz-Credential"),
        ("x-amz-date", "X-Amz-Date"),
        ("x-amz-signature", "X-Amz-Signature"),
        ("policy", "Policy"),
    ] {
        assert_eq!(refused(&world, &v4.clone().without(field)).await, missing(name));
    }
    let two = v4.clone().without("x-amz-algorithm").without("x-amz-credential");
    assert_eq!(refused(&world, &two).await, missing("X-Amz-Algorithm"));
    let v2 = world.form_v2(&Key::root(), "k", &[]);
    for (field, name) in [
        ("key", "key"),
        ("AWSAccessKeyId", "AWSAccessKeyId"),
        ("signature", "Signature"),
        ("policy", "Policy"),
    ] {
        assert_eq!(refused(&world, &v2.clone().without(field)).await, missing(name));
    }
    // Nobody signed it.
    let unsigned = Form::unsigned(&[("key", "k"), ("policy", v4.value("policy"))]);
    assert_eq!(refused(&world, &unsigned).await, DENIED);
    assert_eq!(refused(&world, &unsigned.without("key")).await, missing("key"));
}

#[tokio::test]
async fn credentials_of_forms() {
    let world = World::with_bucket().await;
    let check = async |credential: &str, message: &str, more: &str| {
        let form = world.form("k").set("x-amz-credential", credential);
        let expected = invalid_argument(message, "X-Amz-Credential", credential);
        assert_eq!(refused(&world, &form).await, format!("{expected}{more}"));
    };
    let malformed = "the Credential is mal-formed; expecting \"&lt;YOUR-AKID&gt;/YYYYMMDD/REGION/SERVICE/aws4_request\".";
    check("", malformed, "").await;
    check("a/20260615/us-east-1/s3", malformed, "").await;
    let nobody = "a non-empty Access Key (AKID) must be provided in the credential.";
    check("/20260615/us-east-1/s3/aws4_request", nobody, "").await;
    let date = "incorrect date format \"2026\". This date in the credential must be in the format \"yyyyMMdd\".";
    check("a/2026/us-east-1/s3/aws4_request", date, "").await;
    let region = "the region 'eu-central-1' is wrong; expecting 'us-east-1'";
    check("a/20260615/eu-central-1/sts/x", region, "<Region>us-east-1</Region>").await;
    let service = "incorrect service \"sts\". This endpoint belongs to \"s3\".";
    check("a/20260615/us-east-1/sts/x", service, "").await;
    let terminal = "incorrect terminal \"x\". This endpoint uses \"aws4_request\".";
    check("a/20260615/us-east-1/s3/x", terminal, "").await;
    let day = "Invalid credential date \"20260614\". This date is not the same as X-Amz-Date: \"20260615\".";
    check("a/20260614/us-east-1/s3/aws4_request", day, "").await;

    let date = world.form("k").set("x-amz-date", "2026-06-15");
    let message = "X-Amz-Date must be formated via ISO8601 Long format";
    let expected = invalid_argument(message, "X-Amz-Date", "2026-06-15");
    assert_eq!(refused(&world, &date).await, expected);
    let algorithm = world.form("k").set("x-amz-algorithm", "AWS4-HMAC-SHA512");
    let message = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\"";
    let expected = invalid_argument(message, "X-Amz-Algorithm", "AWS4-HMAC-SHA512");
    assert_eq!(refused(&world, &algorithm).await, expected);
    // The region goes with links to buckets, never with forms.
    let form = world.form("k").set("x-amz-credential", "a/20260615/r/s3/aws4_request");
    assert_eq!(send(&world, &form).await.header("x-amz-bucket-region"), "");
}

#[tokio::test]
async fn signatures_of_forms() {
    let world = World::with_bucket().await;
    let unknown = |id: &str| {
        format!(
            "403 <Code>InvalidAccessKeyId</Code><Message>The AWS Access Key Id you provided does not exist in our records.</Message><AWSAccessKeyId>{id}</AWSAccessKeyId>"
        )
    };
    let form = world.form_v2(&Key::root(), "k", &[]).set("AWSAccessKeyId", "foo");
    assert_eq!(refused(&world, &form).await, unknown("foo"));
    let root = Key::root();
    for (form, field) in
        [(world.form("k"), "x-amz-signature"), (world.form_v2(&root, "k", &[]), "signature")]
    {
        let policy = form.value("policy").to_owned();
        let cut = &policy[..policy.len() - 2];
        for (form, policy) in [
            (form.clone().set(field, "x"), policy.as_str()),
            (form.clone().set("policy", cut), cut),
        ] {
            let signature = form.value(field).to_owned();
            let bytes: Vec<_> = policy.bytes().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(
                refused(&world, &form).await,
                format!(
                    "403 <Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated does not match the signature you provided. Check your key and signing method.</Message><AWSAccessKeyId>{}</AWSAccessKeyId><StringToSign>{policy}</StringToSign><SignatureProvided>{signature}</SignatureProvided><StringToSignBytes>{}</StringToSignBytes>",
                    root.id,
                    bytes.join(" ")
                )
            );
        }
    }
    // No clock is compared with the date of a form.
    let mut later = World::with_bucket().await;
    let form = later.form("k");
    later.now = "2026-06-15T12:59:59Z".parse().unwrap();
    stored(&later, &form, "k").await;
}

#[tokio::test]
async fn sigv2_forms_can_be_denied() {
    let mut config = config();
    config.sigv2 = SigV2Use::Deny;
    let world = World::with(config, Encryption::On).await;
    assert_eq!(world.send(crate::harness::put("/bucket", "")).await.status, 200);
    let denied = invalid_request(
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    );
    assert_eq!(refused(&world, &world.form_v2(&Key::root(), "k", &[])).await, denied);
    stored(&world, &world.form("k"), "k").await;
}

#[tokio::test]
async fn sessions_sign_forms() {
    const ALL: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    let mut world = World::with_bucket().await;
    let ann = world.user("ann", &policy(ALL)).await;
    world.role("writer", &trusts(&user_arn("ann")), &policy(ALL)).await;
    let session = world.assume(&ann, "writer", &[]).await;
    let other = world.assume(&ann, "writer", &[]).await;
    let form = world.form_with(&session, "k", &[], &[]);
    stored(&world, &form, "k").await;
    stored(&world, &world.form_v2(&session, "k", &[]), "k").await;
    world.send(crate::harness::ask("DELETE", "/bucket/k")).await;
    let field = "x-amz-security-token";
    let unknown = format!(
        "403 <Code>InvalidAccessKeyId</Code><Message>The AWS Access Key Id you provided does not exist in our records.</Message><AWSAccessKeyId>{}</AWSAccessKeyId>",
        session.id
    );
    let token = |token: &str| form.clone().set(field, token);
    assert_eq!(refused(&world, &form.clone().without(field)).await, unknown);
    assert_eq!(refused(&world, &token("")).await, unknown);
    assert_eq!(refused(&world, &token(other.token.as_deref().unwrap())).await, unknown);
    assert_eq!(refused(&world, &form.clone().field(field, "x")).await, unknown);
    let invalid = |token: &str| {
        format!(
            "400 <Code>InvalidToken</Code><Message>The provided token is malformed or otherwise invalid.</Message><Token-0>{token}</Token-0>"
        )
    };
    let bad = "0".repeat(64);
    let unsigned = |token: &str| form.clone().set(field, token).set("x-amz-signature", &bad);
    assert_eq!(refused(&world, &unsigned("garbage")).await, invalid("garbage"));
    // Twice the same is the same session, and another value than its condition names.
    let own = session.token.clone().unwrap();
    let failed = by_policy(&format!(r#"Policy Condition failed: ["eq", "${field}", "{own}"]"#));
    assert_eq!(refused(&world, &form.clone().field(field, &own)).await, failed);
    // A token that no condition of the policy names.
    let bare = Key { token: None, ..session.clone() };
    for form in [world.form_with(&bare, "k", &[], &[]), world.form_v2(&bare, "k", &[])] {
        let extra = by_policy(&format!("Extra input fields: {field}"));
        assert_eq!(refused(&world, &form.field(field, &own)).await, extra);
    }
    // A long-term key has no token; its signature is looked at first.
    let long_term = world.form("k").field(field, "t");
    assert_eq!(refused(&world, &long_term).await, invalid("t"));
    let mismatch = refused(&world, &long_term.set("x-amz-signature", &bad)).await;
    assert!(mismatch.contains("SignatureDoesNotMatch"), "{mismatch}");
    // A dead session is told before its signature is looked at; the policy's own end comes later.
    world.now = "2026-06-15T13:00:01Z".parse().unwrap();
    let expired = format!(
        "400 <Code>ExpiredToken</Code><Message>The provided token has expired.</Message><Token-0>{own}</Token-0>"
    );
    assert_eq!(refused(&world, &unsigned(&own)).await, expired);
    let late = refused(&world, &world.form("k").set("x-amz-signature", &bad)).await;
    assert!(late.contains("SignatureDoesNotMatch"), "{late}");
}

#[tokio::test]
async fn policies_of_forms() {
    let world = World::with_bucket().await;
    let check = async |form: Form, expected: String| {
        assert_eq!(refused(&world, &form).await, expected, "{form:?}");
    };
    let under = |policy: &str| world.form_under(policy, &[("key", "k")]);
    check(world.form_under_base64("!", &[("key", "k")]), bad_policy("invalid Base64 encoding."))
        .await;
    check(under("{"), bad_policy("Invalid JSON.")).await;
    check(under(r#"{"Statement": []}"#), bad_policy("Unexpected: 'statement'")).await;
    check(under("{}"), bad_policy("Policy missing expiration.")).await;
    check(
        under(r#"{"expiration": "2015-10-17 03:15:59 UTC", "conditions": [{"a": "b"}]}"#),
        bad_policy("Invalid 'expiration' value: '2015-10-17 03:15:59 UTC'"),
    )
    .await;
    let missing = bad_policy("Policy missing conditions.");
    check(under(r#"{"expiration": "2026-06-15T13:00:00Z"}"#), missing.clone()).await;
    check(under(r#"{"expiration": "2026-06-15T13:00:00Z", "conditions": []}"#), missing).await;
    check(
        under(r#"{"expiration": "2026-06-15T13:00:00Z", "conditions": {}}"#),
        bad_policy("Invalid 'conditions' value: must be a List."),
    )
    .await;
    for (condition, expected) in [
        ("\"just a string\"", "Invalid condition test: must be a List or Object."),
        ("[]", "Invalid Condition: missing operation identifier."),
        (r#"["unknown-op","$key","k"]"#, "Invalid Condition: unknown operation 'unknown-op'."),
        (r#"["eq","$key"]"#, "Invalid Eq: wrong number of arguments."),
        (r#"["starts-with","$key"]"#, "Invalid starts-with: wrong number of arguments."),
        (
            r#"["content-length-range",0]"#,
            "Invalid content-length-range: wrong number of arguments.",
        ),
        (r#"["content-length-range",-1,0]"#, "Token - must be enclosed in quotes."),
        (r#"["content-length-range",0,1.0]"#, "Invalid JSON."),
        (
            "{}",
            "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.",
        ),
        (
            r#"{"acl":"a","acl":"a"}"#,
            "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.",
        ),
        (r#"{"acl":1}"#, "Invalid Simple-Condition: value must be a string."),
    ] {
        check(world.form_if(&format!(",{condition}"), &[]), bad_policy(expected)).await;
    }
}

#[tokio::test]
async fn what_a_policy_does_not_allow() {
    let world = World::with_bucket().await;
    let check = async |form: Form, expected: String| {
        assert_eq!(refused(&world, &form).await, expected, "{form:?}");
    };
    for (condition, expected) in [
        (r#"{"acl":"private"}"#, r#"["eq", "$acl", "private"]"#),
        (
            r#"["starts-with","$Content-Type","image/"]"#,
            r#"["starts-with", "$Content-Type", "image/"]"#,
        ),
        (r#"["eq","success_action_redirect","x"]"#, r#"["eq", "success_action_redirect", "x"]"#),
        (r#"["content-length-range","test","10"]"#, r#"["content-length-range", "test", "10"]"#),
        (r#"["eq","$a","\"q\""]"#, r#"["eq", "$a", "\"q\""]"#),
    ] {
        let form = world.form_if(&format!(",{condition}"), &[]);
        check(form, by_policy(&format!("Policy Condition failed: {expected}"))).await;
    }
    check(world.form("k").field("Submit", "x"), by_policy("Extra input fields: submit")).await;
    check(
        world.form("k").field("x-amz-meta-a", "x"),
        by_policy("Extra input fields: x-amz-meta-a"),
    )
    .await;
    let no_bucket = r#"{"expiration":"2026-06-15T13:00:00Z","conditions":[["starts-with","$key",""],["starts-with","$x-amz-algorithm",""],["starts-with","$x-amz-credential",""],["starts-with","$x-amz-date",""]]}"#;
    let under = world.form_under(no_bucket, &[("key", "k")]);
    check(under, by_policy("Extra input fields: bucket")).await;
    let other = world.form("k").target("/another");
    world.send(crate::harness::put("/another", "")).await;
    let failed = by_policy(r#"Policy Condition failed: ["eq", "$bucket", "bucket"]"#);
    check(other, failed).await;
    let ignored = world.form("k").field("X-Ignore-Submit", "x");
    stored(&world, &ignored, "k").await;
}

#[tokio::test]
async fn a_form_ends_with_its_policy() {
    let mut world = World::with_bucket().await;
    let form = world.form("k");
    world.now = "2026-06-15T13:00:00.001Z".parse().unwrap();
    assert_eq!(refused(&world, &form).await, by_policy("Policy expired."));
    // Whatever else is wrong with it.
    let form = form.field("Submit", "x");
    assert_eq!(refused(&world, &form).await, by_policy("Policy expired."));
    world.now = "2026-06-15T13:00:00Z".parse().unwrap();
    assert_eq!(refused(&world, &form).await, by_policy("Extra input fields: submit"));
}

#[tokio::test]
async fn sizes_of_files() {
    let world = World::with_bucket().await;
    let range = |range: &str| world.form_if(&format!(",[\"content-length-range\",{range}]"), &[]);
    let large = |size: usize, max: u64| {
        format!(
            "400 <Code>EntityTooLarge</Code><Message>Your proposed upload exceeds the maximum allowed size</Message><ProposedSize>{size}</ProposedSize><MaxSizeAllowed>{max}</MaxSizeAllowed>"
        )
    };
    let small = |size: usize, min: u64| {
        format!(
            "400 <Code>EntityTooSmall</Code><Message>Your proposed upload is smaller than the minimum allowed size</Message><ProposedSize>{size}</ProposedSize><MinSizeAllowed>{min}</MinSizeAllowed>"
        )
    };
    let sized = |form: &Form, size: usize| form.clone().content(vec![b'x'; size]);
    for form in [range("5,10"), range(r#""5","10""#)] {
        assert_eq!(refused(&world, &sized(&form, 12)).await, large(12, 10));
        assert_eq!(refused(&world, &sized(&form, 11)).await, large(11, 10));
        assert_eq!(refused(&world, &sized(&form, 4)).await, small(4, 5));
        assert_eq!(refused(&world, &sized(&form, 0)).await, small(0, 5));
        assert_eq!(refused(&world, &sized(&form, 1_000_000)).await, large(1_000_000, 10));
        for size in [5, 10] {
            assert_eq!(send(&world, &sized(&form, size)).await.status, 204);
            world.send(crate::harness::ask("DELETE", "/bucket/k")).await;
        }
    }
    assert_eq!(refused(&world, &sized(&range("0,0"), 1)).await, large(1, 0));
    assert_eq!(refused(&world, &sized(&range("100,10"), 50)).await, large(50, 10));
    assert_eq!(refused(&world, &sized(&range("100,10"), 4)).await, small(4, 100));
    assert_eq!(send(&world, &sized(&range("0,0"), 0)).await.status, 204);
}

/// Rule by rule in the order of semantics 3.3.11: each form has all faults that come later.
#[tokio::test]
async fn the_order_of_checks() {
    let world = World::with_bucket().await;
    let ben = world.user("ben", "").await;
    let body = |form: &Form| String::from_utf8(form.body()).unwrap();
    // Its policy allows five bytes and not this field; its signer may nothing.
    let denied = world.form_with(&ben, "k", &[], &[PostCondition::ContentLengthRange(0, 5)]);
    let uncovered = denied.clone().field("x", "y").content("too long");
    let code = async |form: &Form| send(&world, form).await.element("Code");
    let message = async |form: &Form| send(&world, form).await.element("Message");
    assert!(message(&denied).await.contains("is not authorized to perform: s3:PutObject"));
    assert_eq!(message(&uncovered).await, "Invalid according to Policy: Extra input fields: x");
    let unsigned = uncovered.clone().set("x-amz-signature", "0");
    assert_eq!(code(&unsigned).await, "SignatureDoesNotMatch");
    let credential = |id: &str, region: &str| format!("{id}/20260615/{region}/s3/aws4_request");
    let unknown = unsigned.clone().set("x-amz-credential", &credential("AKIANONE", "us-east-1"));
    assert_eq!(code(&unknown).await, "InvalidAccessKeyId");
    let elsewhere = unknown.clone().set("x-amz-credential", &credential("AKIANONE", "r"));
    assert_eq!(message(&elsewhere).await, "the region 'r' is wrong; expecting 'us-east-1'");
    let lacking = elsewhere.clone().without("x-amz-date");
    assert!(message(&lacking).await.contains("'X-Amz-Date'"));
    let keyless = lacking.clone().without("key");
    assert!(message(&keyless).await.contains("'key'"));
    let filed = body(&keyless).replace("name=\"file\"", "name=\"upload\"");
    let no_file = world.send_raw(keyless.ask_with(filed.clone())).await;
    assert_eq!(no_file.element("ArgumentName"), "file");
    let with_token = keyless.clone().header("x-amz-security-token", "t");
    let answer = world.send_raw(with_token.ask_with(filed.clone())).await;
    assert_eq!(answer.element("Message"), "No AWSAccessKey was presented.");
    let with_header = with_token.header("authorization", "x");
    assert_eq!(code(&with_header).await, "InvalidRequest");
    let no_boundary = with_header.clone().header("content-type", "multipart/form-data");
    assert_eq!(code(&no_boundary).await, "MalformedPOSTRequest");
    let no_form = with_header.header("content-type", "text/plain");
    assert_eq!(code(&no_form).await, "PreconditionFailed");
    // And a bucket that is not there is found missing last.
    let policy = world.form("k").target("/missing");
    assert_eq!(
        message(&policy).await,
        r#"Invalid according to Policy: Policy Condition failed: ["eq", "$bucket", "bucket"]"#
    );
}
