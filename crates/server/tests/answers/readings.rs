//! What is verified and what is run are one reading of a request: a link for one bucket works on no
//! other, however its host, prefix or path is spelt.

use std::net::IpAddr;

use presign::{Addressing, SignedPayload};
use server::PublicUrl;
use store::Encryption;

use crate::harness::{Answer, Ask, At, World, ask, config, get, put, sha256};
use crate::people::{Key, policy, query_ask};

const TRUSTED: &str = "10.0.0.1";

/// Declared as `http://s3.example.com` and `https://files.example.net/store`, with both and `example.org`
/// as domains; with the objects `uploads/k`, `private/uploads/k`, `private/k`.
async fn declared(public_urls: &[&str], domains: &[&str]) -> World {
    let mut config = config();
    config.public_urls = public_urls.iter().map(|url| PublicUrl::parse(url).unwrap()).collect();
    config.domains = domains.iter().map(|&domain| domain.to_owned()).collect();
    config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    let world = World::with(config, Encryption::On).await;
    for target in ["/uploads", "/private"] {
        assert_eq!(world.send(put(target, "")).await.status, 200);
    }
    for (target, body) in [
        ("/uploads/k", "uploads/k"),
        ("/private/uploads/k", "private/uploads/k"),
        ("/private/uploads", "private/uploads"),
        ("/private/k", "private/k"),
    ] {
        assert_eq!(world.send(put(target, body)).await.status, 200);
    }
    world
}

async fn one_name() -> World {
    declared(&["http://s3.example.com"], &["s3.example.com"]).await
}

fn from(mut world: World, peer: &str) -> World {
    world.peer.address = peer.parse::<IpAddr>().unwrap();
    world
}

fn shown(answer: &Answer) -> String {
    match answer.status {
        200 => answer.text().to_owned(),
        204 => "204".to_owned(),
        status => format!("{status} {}", answer.element("Code")),
    }
}

/// Sends, and expects to be told that nothing like it was signed.
async fn mismatch(world: &World, ask: Ask) {
    let answer = world.send_raw(ask.clone()).await;
    assert_eq!(shown(&answer), "403 SignatureDoesNotMatch", "{ask:?}");
}

const S3: &str = "http://s3.example.com";
const EVIL: &str = "private.s3.example.com";

#[tokio::test]
async fn a_link_by_path_is_none_at_the_host_of_a_bucket() {
    let world = one_name().await;
    let at = At::path(S3);
    let link = |method: &str, key: &str| world.link_to(&at, method, "uploads", key);
    assert_eq!(shown(&world.send_raw(link("GET", "k")).await), "uploads/k");
    for (method, key) in [("GET", "k"), ("PUT", "k"), ("DELETE", "k"), ("GET", ""), ("DELETE", "")]
    {
        for host in [
            EVIL,
            "PRIVATE.S3.Example.com",
            "private.s3.example.com:9000",
            "private.s3.example.com.",
        ] {
            mismatch(&world, link(method, key).set("host", host)).await;
        }
    }
    // A link to list the buckets lists no bucket.
    let buckets = world.link_to(&at, "GET", "", "");
    assert_eq!(world.send_raw(buckets.clone()).await.elements("Name"), ["private", "uploads"]);
    mismatch(&world, buckets.set("host", EVIL)).await;
    for (target, body) in [("/private/uploads/k", "private/uploads/k"), ("/private/k", "private/k")]
    {
        assert_eq!(world.send(get(target)).await.text(), body, "nothing was changed");
    }
}

#[tokio::test]
async fn a_link_at_the_host_of_a_bucket_is_none_by_path() {
    let world = one_name().await;
    let at = At::virtual_host(S3);
    let link = |key: &str| world.link_to(&at, "GET", "private", key);
    assert_eq!(shown(&world.send_raw(link("uploads/k")).await), "private/uploads/k");
    mismatch(&world, link("uploads/k").set("host", "s3.example.com")).await;
    mismatch(&world, link("uploads/k").set("host", "uploads.s3.example.com")).await;
    mismatch(&world, link("uploads/k").set("host", "127.0.0.1:9000")).await;
}

#[tokio::test]
async fn a_request_signed_by_header_is_none_at_another_host() {
    let world = one_name().await;
    for method in ["GET", "PUT", "DELETE", "HEAD"] {
        let signed = world.sign(ask(method, "/uploads/k").header("host", "s3.example.com"));
        let answer = world.send_raw(signed.set("host", EVIL)).await;
        assert_eq!(answer.status, 403, "{method}");
    }
    let signed = world.sign(get("/").header("host", "s3.example.com"));
    mismatch(&world, signed.set("host", EVIL)).await;
    let batch = "<Delete><Object><Key>k</Key></Object></Delete>";
    let batch = ask("POST", "/uploads?delete").body(batch).header("host", "s3.example.com");
    let answer = world.send_raw(world.sign(batch).set("host", EVIL)).await;
    assert_eq!(answer.status, 403);
    assert_eq!(world.send(get("/private/uploads/k")).await.text(), "private/uploads/k");
}

#[tokio::test]
async fn a_trusted_proxy_that_reports_another_host_moves_no_link() {
    let world = from(one_name().await, TRUSTED);
    let at = At::path(S3);
    let link = |method: &str| world.link_to(&at, method, "uploads", "k");
    for host in ["s3.example.com", "10.1.1.1", EVIL] {
        for method in ["GET", "PUT", "DELETE"] {
            let moved = link(method).set("host", host).header("x-forwarded-host", EVIL);
            mismatch(&world, moved).await;
        }
        let honest = link("GET").set("host", host).header("x-forwarded-host", "s3.example.com");
        assert_eq!(shown(&world.send_raw(honest).await), "uploads/k", "{host}");
    }
    // What the refusal shows is the request as it arrived.
    let moved = link("GET").set("host", "10.1.1.1").header("x-forwarded-host", EVIL);
    let canonical = world.send_raw(moved).await.element("CanonicalRequest");
    assert!(canonical.contains("\nhost:10.1.1.1\n"), "{canonical}");
}

#[tokio::test]
async fn a_proxy_reports_no_prefix_that_makes_another_bucket_of_a_link() {
    // The client's own X-Forwarded-Prefix, which the proxy has passed on.
    let world = from(one_name().await, TRUSTED);
    let link = world.link_to(&At::path(S3), "GET", "uploads", "private/k");
    let moved =
        link.tamper("/uploads/private/k", "/private/k").header("x-forwarded-prefix", "/uploads");
    for host in ["s3.example.com", "10.1.1.1"] {
        mismatch(&world, moved.clone().set("host", host)).await;
        let reported = moved.clone().set("host", host).header("x-forwarded-host", "s3.example.com");
        mismatch(&world, reported).await;
    }
    // Under a name that nobody has declared either, as long as there is such a bucket.
    let other = At::path("http://other.example");
    let link = world.link_to(&other, "GET", "uploads", "private/k");
    let moved =
        link.tamper("/uploads/private/k", "/private/k").header("x-forwarded-prefix", "/uploads");
    mismatch(&world, moved.clone()).await;
    mismatch(&world, moved.set("x-forwarded-prefix", "/%75ploads")).await;
    let link = world.link_to(&other, "GET", "pre", "private/k");
    let below = link.tamper("/pre/private/k", "/private/k").header("x-forwarded-prefix", "/pre");
    assert_eq!(shown(&world.send_raw(below).await), "private/k");
}

#[tokio::test]
async fn another_public_name_moves_no_link() {
    let world = declared(&["https://public.example"], &["s3.example.com"]).await;
    let link = world.link_to(&At::path("https://public.example"), "GET", "uploads", "k");
    assert_eq!(shown(&world.send_raw(link.clone()).await), "uploads/k");
    mismatch(&world, link.set("host", EVIL)).await;
    // With a prefix, which a bucket's host does not have.
    let world = declared(&["https://public.example/pre"], &["s3.example.com"]).await;
    let link = world.link_to(&At::path("https://public.example/pre"), "GET", "uploads", "k");
    for target in ["/pre/uploads/k", "/uploads/k"] {
        let moved = link.clone().tamper("/pre/uploads/k", target);
        mismatch(&world, moved.set("host", EVIL)).await;
    }
}

#[tokio::test]
async fn a_sigv2_link_covers_its_bucket_wherever_it_stands() {
    let world = one_name().await;
    for (at, bucket, key) in [
        (At::path(S3).v2(), "private", "uploads/k"),
        (At::virtual_host(S3).v2(), "private", "uploads/k"),
    ] {
        let link = world.link_to(&at, "GET", bucket, key);
        assert_eq!(shown(&world.send_raw(link.clone()).await), "private/uploads/k");
        let other = link.set("host", "uploads.s3.example.com");
        mismatch(&world, other).await;
    }
    let link = world.link_to(&At::path(S3).v2(), "GET", "uploads", "k");
    mismatch(&world, link.set("host", EVIL)).await;
}

#[tokio::test]
async fn a_form_is_for_the_bucket_that_its_policy_names() {
    let world = one_name().await;
    assert_eq!(world.send(put("/bucket", "")).await.status, 200);
    let form =
        |target: &str, host: &str| world.form("new").target(target).header("host", host).ask();
    assert_eq!(world.send_raw(form("/bucket", "s3.example.com")).await.status, 204);
    assert_eq!(world.send_raw(form("/", "bucket.s3.example.com")).await.status, 204);
    let answer = world.send_raw(form("/", EVIL)).await;
    assert_eq!(shown(&answer), "403 AccessDenied");
    let answer = world.send_raw(form("/bucket", EVIL)).await;
    assert_eq!(shown(&answer), "405 MethodNotAllowed");
}

#[tokio::test]
async fn calls_of_iam_and_of_the_api_are_none_at_the_host_of_a_bucket() {
    let world = one_name().await;
    let own = world.sign(get("/_valet/api/v1/accounts").header("host", "s3.example.com"));
    assert_eq!(world.send_raw(own.clone()).await.status, 200);
    mismatch(&world, own.set("host", EVIL)).await;
    let metrics = world.sign(get("/_valet/metrics").header("host", "s3.example.com"));
    mismatch(&world, metrics.set("host", EVIL)).await;
    let call = |action: &str, user: &str| {
        let call = query_ask("iam", &[("Action", action), ("UserName", user)]);
        let payload = SignedPayload::Sha256(sha256(&call.body));
        let call = call.header("host", "s3.example.com");
        world.sign_for(&Key::root().credentials(), "iam", call, payload)
    };
    let moved = world.send_raw(call("CreateUser", "eve").set("host", EVIL)).await;
    assert!(moved.status >= 400, "{}", moved.text());
    assert_eq!(world.send_raw(call("GetUser", "eve")).await.status, 404);
    assert_eq!(world.send_raw(call("CreateUser", "ann")).await.status, 200);
    // And nothing of a bucket is a path of our own.
    let link = world.link_to(&At::virtual_host(S3), "GET", "private", "_valet/metrics");
    mismatch(&world, link.set("host", "s3.example.com")).await;
}

#[tokio::test]
async fn a_prefix_is_the_same_however_it_is_spelt() {
    let world = declared(&["http://h/files"], &[]).await;
    let at = At::path("http://h/files");
    for bucket in ["uploads", "private"] {
        let link = world.link_to(&at, "GET", bucket, "uploads/k");
        let expected = if bucket == "private" { "private/uploads/k" } else { "404 NoSuchKey" };
        for spelt in
            ["/files/", "/%66iles/", "/%66%69%6c%65%73/", "/file%73/", "/files%2F", "/files%2f"]
        {
            let ask = link.clone().tamper("/files/", spelt);
            assert_eq!(shown(&world.send_raw(ask).await), expected, "{spelt} {bucket}");
        }
    }
    // The paths of our own are as well.
    for path in
        ["/%5Fvalet/health/live", "/_val%65t/health%2Flive", "/%66iles/%5fvalet/health/live"]
    {
        let answer = world.send_raw(get(path)).await;
        assert_eq!((answer.status, answer.text()), (200, "live\n"), "{path}");
    }
    // So is the bucket: two spellings of the same bytes have the same signature.
    let link = world.link_to(&At::path("http://h"), "GET", "private", "uploads/k");
    for spelt in ["/private%2Fuploads/k", "/%70rivate/uploads%2Fk"] {
        let ask = link.clone().tamper("/private/uploads/k", spelt);
        assert_eq!(shown(&world.send_raw(ask).await), "private/uploads/k", "{spelt}");
    }
}

#[tokio::test]
async fn a_prefix_at_a_buckets_host_is_the_same_however_it_is_spelt() {
    let world = declared(&["https://files.example.net/store"], &["files.example.net"]).await;
    let host = |ask: Ask| ask.header("host", "private.files.example.net");
    for key in ["store/k", "k"] {
        let target = format!("/private/{key}");
        world.send(put(&target, key)).await;
    }
    let at = At::virtual_host("https://files.example.net/store");
    let link = world.link_to(&at, "GET", "private", "k");
    for spelt in ["/store/k", "/%73tore/k", "/stor%65%2Fk"] {
        let ask = link.clone().tamper("/store/k", spelt);
        assert_eq!(shown(&world.send_raw(ask).await), "k", "{spelt}");
        assert_eq!(shown(&world.send(host(get(spelt))).await), "k", "{spelt}");
    }
}

#[tokio::test]
async fn the_longest_domain_counts_and_declared_names_are_no_buckets() {
    let world = declared(
        &["http://api.example.org"],
        &["example.org", "s3.example.org", "files.s3.example.org"],
    )
    .await;
    for (host, target, expected) in [
        ("private.s3.example.org", "/k", "private/k"),
        ("private.files.s3.example.org", "/k", "private/k"),
        ("private.example.org.", "/k", "private/k"),
        ("private.EXAMPLE.org:9000", "/k", "private/k"),
        ("s3.example.org", "/private/k", "private/k"),
        ("files.s3.example.org", "/private/k", "private/k"),
        ("api.example.org", "/private/k", "private/k"),
        ("example.org", "/private/k", "private/k"),
        ("s3.example.org.", "/private/k", "private/k"),
        (".example.org", "/private/k", "private/k"),
    ] {
        let answer = world.send(get(target).header("host", host)).await;
        assert_eq!(shown(&answer), expected, "{host}{target}");
    }
}

#[tokio::test]
async fn what_a_bucket_at_its_own_host_behind_a_proxy_was_signed_as() {
    // The proxy takes the prefix off, or adds a port to the host, and says nothing of it.
    let world = declared(&["https://files.example.net/store"], &["files.example.net"]).await;
    let at = At::virtual_host("https://files.example.net/store");
    let link = world.link_to(&at, "GET", "private", "k");
    for (host, target) in [
        ("private.files.example.net", "/k"),
        ("private.files.example.net:9000", "/k"),
        ("private.files.example.net:9000", "/store/k"),
    ] {
        let ask = link.clone().tamper("/store/k", target).set("host", host);
        assert_eq!(shown(&world.send_raw(ask).await), "private/k", "{host}{target}");
    }
    let moved = link.tamper("/store/k", "/k").set("host", "uploads.files.example.net");
    mismatch(&world, moved).await;
    assert_eq!(at.addressing, Addressing::VirtualHost);
}

#[tokio::test]
async fn a_bucket_named_like_a_prefix_is_not_made() {
    let world = declared(&["http://h/files/deep", "http://h/other"], &["s3.example.com"]).await;
    for (target, host) in
        [("/files", "h"), ("/", "files.s3.example.com"), ("/", "other.s3.example.com")]
    {
        let refused = world.refused(put(target, "").header("host", host)).await;
        assert!(
            refused.starts_with("400 <Code>InvalidBucketName</Code>"),
            "{target} {host} {refused}"
        );
        let named = refused.contains("/files is the prefix of a public URL")
            || refused.contains("/other is the prefix of a public URL");
        assert!(named, "{target} {host} {refused}");
    }
    // At the public URL itself no bucket is named at all.
    for (method, path) in [("PUT", "/other"), ("DELETE", "/other/"), ("PUT", "/%6fther")] {
        let refused = world.refused(ask(method, path).header("host", "h")).await;
        let prefix = path.trim_end_matches('/');
        assert_eq!(
            refused,
            format!(
                "405 <Code>MethodNotAllowed</Code><Message>The specified method is not allowed against this resource: {prefix} is the prefix of a public URL of this server, and no bucket can have that name.</Message><Method>{method}</Method><ResourceType>SERVICE</ResourceType>"
            )
        );
    }
}

#[tokio::test]
async fn a_url_as_the_source_of_a_copy_is_read_as_a_request_to_it_would_be() {
    let world = declared(&["https://files.example.net/store"], &["s3.example.com"]).await;
    let copy = async |source: &str| {
        let answer = world.send(put("/uploads/copy", "").header("x-amz-copy-source", source)).await;
        if answer.status != 200 {
            return shown(&answer);
        }
        world.send(get("/uploads/copy")).await.text().to_owned()
    };
    for (source, expected) in [
        ("https://files.example.net/store/private/k", "private/k"),
        ("https://files.example.net/%73tore/private/k", "private/k"),
        ("https://files.example.net/private/uploads/k", "private/uploads/k"),
        ("http://private.s3.example.com/uploads/k", "private/uploads/k"),
        ("http://s3.example.com:9000/private/uploads/k", "private/uploads/k"),
        ("http://private.example.com/private/k", "400 InvalidArgument"),
    ] {
        assert_eq!(copy(source).await, expected, "{source}");
    }
}

/// `src/%73ecret/k` is `src/secret/k` to a policy as well.
#[tokio::test]
async fn a_deny_on_the_source_of_a_copy_knows_one_spelling() {
    let world = one_name().await;
    world.send(put("/private/secret/k", "secret")).await;
    let statements = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Effect":"Deny","Action":"s3:PutObject","Resource":"*","Condition":{"StringLike":{"s3:x-amz-copy-source":"private/secret/*"}}}"#;
    let ann = world.user("ann", &policy(statements)).await;
    let part = world.send(ask("POST", "/uploads/big?uploads")).await.element("UploadId");
    let part = format!("/uploads/big?partNumber=1&uploadId={part}");
    for source in [
        "private/secret/k",
        "/private/secret/k",
        "private/%73ecret/k",
        "private%2Fsecret%2Fk",
        "%2Fprivate/secret/%6b",
        "/private/secret/k?versionId=null",
        "http://valet.test:9000/private/secret/k",
        "http://private.s3.example.com/%73ecret/k",
    ] {
        for target in ["/uploads/copy", part.as_str()] {
            let copy = put(target, "").header("x-amz-copy-source", source);
            let answer = world.send_as(&ann, copy).await;
            assert_eq!(shown(&answer), "403 AccessDenied", "{source} {target}");
        }
    }
    let hoisted = "/uploads/copy?x-amz-copy-source=private%2F%2573ecret%2Fk";
    assert_eq!(shown(&world.send_as(&ann, put(hoisted, "")).await), "403 AccessDenied");
    let other = put("/uploads/copy", "").header("x-amz-copy-source", "/private/k");
    assert_eq!(world.send_as(&ann, other).await.status, 200);
}

#[tokio::test]
async fn a_plus_is_a_space_in_a_query_and_a_plus_in_a_path() {
    let world = one_name().await;
    for key in ["a%20b", "a%2Bb"] {
        world.send(put(&format!("/uploads/{key}"), key)).await;
    }
    assert_eq!(world.send(get("/uploads/a+b")).await.text(), "a%2Bb");
    let listed = world.send(get("/uploads?list-type=2&prefix=a+")).await;
    assert_eq!(listed.elements("Key"), ["a b"]);
    let listed = world.send(get("/uploads?list-type=2&prefix=a%2B")).await;
    assert_eq!(listed.elements("Key"), ["a+b"]);
    // Nobody may write one for the other into a link, and both spellings of a blank are signed alike.
    let named = [("response-content-disposition", "attachment; filename=a b.txt")];
    world.send(put("/bucket", "")).await;
    world.send(put("/bucket/k", "x")).await;
    let link = world.link_with("GET", "k", &[], &named);
    let answer = world.send_raw(link.clone().tamper("a%20b.txt", "a+b.txt")).await;
    assert_eq!(answer.header("content-disposition"), named[0].1);
    mismatch(&world, link.tamper("a%20b.txt", "a%2Bb.txt")).await;
}
