//! Under which names a request may have been signed: as it arrived, as declared, as a trusted proxy says.

use std::net::IpAddr;

use server::{BucketDomain, PublicUrl};
use store::{BucketName, Encryption};

use crate::harness::{Ask, At, HOST, World, ask, config, get, invalid_argument, put};

const TRUSTED: &str = "10.0.0.1";
const STRANGER: &str = "198.51.100.9";
const BAD_REQUEST: &str = "400 <Code>BadRequest</Code><Message>An error occurred when parsing the HTTP request.</Message>";

/// Declared as `https://files.example.com/store` and `http://other.example:8080`, with `valet.test` and
/// `s3.example.com` as domains, and 10.0.0.0/8 as trusted.
async fn declared() -> World {
    let mut config = config();
    config.public_urls = ["https://files.example.com/store", "http://other.example:8080"]
        .map(|url| PublicUrl::parse(url).unwrap())
        .to_vec();
    config.domains = vec!["valet.test".into(), "s3.example.com".into()];
    config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
    let world = World::with(config, Encryption::On).await;
    world.send(put("/bucket", "")).await;
    world.send(put("/bucket/k", "hello")).await;
    world
}

fn from(mut world: World, peer: &str) -> World {
    world.peer.address = peer.parse::<IpAddr>().unwrap();
    world
}

async fn outcome(world: &World, ask: Ask) -> String {
    let answer = world.send_raw(ask).await;
    if answer.status == 200 {
        return answer.text().to_owned();
    }
    format!("{} {}", answer.status, answer.element("Code"))
}

const REFUSED: &str = "403 SignatureDoesNotMatch";

#[tokio::test]
async fn hosts_as_they_arrive_and_as_declared() {
    let world = declared().await;
    let localhost = At::path("http://localhost:9000");
    let files = At::path("https://files.example.com/store");
    let other = At::path("http://other.example:8080");
    let undeclared = At::path("https://undeclared.example");
    let prefixed = At::path("https://undeclared.example/store");
    for at in [localhost, files, other, undeclared, prefixed] {
        for at in [at, at.v2()] {
            // Whatever its name, it works under the name that was signed.
            assert_eq!(outcome(&world, world.link_at(&at, "GET", "k")).await, "hello", "{at:?}");
        }
    }
    for (at, works) in
        [(localhost, false), (files, true), (other, true), (undeclared, false), (prefixed, false)]
    {
        let link = world.link_at(&at, "GET", "k").set("host", "127.0.0.1:9000");
        let expected = if works { "hello" } else { REFUSED };
        assert_eq!(outcome(&world, link).await, expected, "{at:?}");
        // A SigV2 signature covers no host.
        let link = world.link_at(&at.v2(), "GET", "k").set("host", "127.0.0.1:9000");
        assert_eq!(outcome(&world, link).await, "hello", "{at:?}");
    }
}

#[tokio::test]
async fn prefixes_that_a_proxy_strips_or_not() {
    let world = declared().await;
    let files = At::path("https://files.example.com/store");
    for at in [files, files.v2()] {
        for host in ["files.example.com", "127.0.0.1:9000"] {
            let link = world.link_at(&at, "GET", "k").set("host", host);
            assert!(link.target.starts_with("/store/bucket/k?"));
            assert_eq!(outcome(&world, link.clone()).await, "hello", "{at:?} {host} kept");
            let stripped = link.tamper("/store/bucket/k", "/bucket/k");
            assert_eq!(outcome(&world, stripped).await, "hello", "{at:?} {host} stripped");
        }
    }
    // The prefix is of one name: under another, and where none was declared, it is none.
    let wrong = world.link_at(&At::path("http://other.example:8080/store"), "GET", "k");
    let wrong = wrong.set("host", "127.0.0.1:9000");
    assert_eq!(outcome(&world, wrong.clone()).await, REFUSED);
    assert_eq!(outcome(&world, wrong.tamper("/store/bucket", "/bucket")).await, REFUSED);
    let twice = world.link_at(&files, "GET", "k").tamper("/store/bucket", "/store/store/bucket");
    assert_ne!(outcome(&world, twice).await, "hello");
    // Only whole segments are a prefix.
    let storey = world.link_at(&At::path("https://files.example.com/storey"), "GET", "k");
    assert_eq!(outcome(&world, storey).await, "404 NoSuchBucket");
    // Another port is another name.
    let port = world.link_at(&At::path("http://other.example:8081"), "GET", "k");
    assert_eq!(outcome(&world, port.set("host", "127.0.0.1:9000")).await, REFUSED);
    // The probes are found below the prefix too.
    let probe = world.send_raw(get("/store/_valet/health/live")).await;
    assert_eq!((probe.status, probe.text()), (200, "live\n"));
}

#[tokio::test]
async fn what_an_untrusted_peer_says_of_itself_changes_nothing() {
    let world = declared().await;
    let evil = world.link_at(&At::path("https://evil.example/pre"), "GET", "k");
    let arrived = evil.set("host", HOST).tamper("/pre/bucket", "/bucket");
    let forwarded = |ask: Ask| {
        ask.header("x-forwarded-host", "evil.example").header("x-forwarded-prefix", "/pre")
    };
    assert_eq!(outcome(&world, arrived.clone()).await, REFUSED);
    let world = from(world, STRANGER);
    assert_eq!(outcome(&world, forwarded(arrived.clone())).await, REFUSED);
    // Nor can it move a bucket's host.
    let ask = world.sign(get("/k")).header("x-forwarded-host", "bucket.valet.test");
    assert_eq!(outcome(&world, ask).await, "400 InvalidBucketName");
    let world = from(world, TRUSTED);
    assert_eq!(outcome(&world, forwarded(arrived.clone())).await, "hello");
    let world = from(world, "::ffff:10.0.0.1");
    assert_eq!(outcome(&world, forwarded(arrived)).await, "hello");
}

#[tokio::test]
async fn what_a_trusted_proxy_reports() {
    let world = from(declared().await, TRUSTED);
    let at = At::path("https://public.example/pre");
    let link = || world.link_at(&at, "GET", "k").set("host", "127.0.0.1:9000");
    let stripped = || link().tamper("/pre/bucket", "/bucket");
    let rows: &[(&[(&str, &str)], &str)] = &[
        (&[("x-forwarded-host", "public.example"), ("x-forwarded-prefix", "/pre")], "hello"),
        (&[("x-forwarded-host", "public.example"), ("x-forwarded-prefix", "/pre/")], "hello"),
        // Each proxy appends; the nearest one's word is the last.
        (
            &[("x-forwarded-host", "evil.example, public.example"), ("x-forwarded-prefix", "/pre")],
            "hello",
        ),
        (
            &[("x-forwarded-host", "public.example, evil.example"), ("x-forwarded-prefix", "/pre")],
            REFUSED,
        ),
        (&[("x-forwarded-host", "public.example")], REFUSED),
        (&[("x-forwarded-prefix", "/pre")], REFUSED),
        (&[], REFUSED),
    ];
    for (headers, expected) in rows {
        let ask = headers.iter().fold(stripped(), |ask, (n, v)| ask.header(n, v));
        assert_eq!(outcome(&world, ask).await, *expected, "{headers:?}");
    }
    // A proxy that keeps Host reports the prefix alone.
    let kept = stripped().set("host", "public.example").header("x-forwarded-prefix", "/pre");
    assert_eq!(outcome(&world, kept).await, "hello");
    // A bucket's host, reported.
    let virtual_host = world.link_at(&At::virtual_host("http://s3.example.com"), "GET", "k");
    let reported =
        virtual_host.set("host", "10.1.1.1").header("x-forwarded-host", "bucket.s3.example.com");
    assert_eq!(outcome(&world, reported).await, "hello");
}

#[tokio::test]
async fn where_a_finished_upload_is_said_to_be() {
    let world = from(declared().await, TRUSTED);
    let complete = async |ask: &dyn Fn(&str, &str) -> Ask, seen: &[(&str, &str)]| {
        let seen_by = |ask: Ask| seen.iter().fold(ask, |ask, (n, v)| ask.header(n, v));
        let created = world.send_raw(seen_by(world.sign(ask("POST", "uploads")))).await;
        let id = created.element("UploadId");
        assert_eq!(created.status, 200, "{}", created.text());
        let part = ask("PUT", &format!("partNumber=1&uploadId={id}")).body("x");
        assert_eq!(world.send_raw(seen_by(world.sign(part))).await.status, 200);
        let document = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>9dd4e461268c8034f5c8564e155c67a6</ETag></Part></CompleteMultipartUpload>";
        let done = ask("POST", &format!("uploadId={id}")).body(document);
        world.send_raw(seen_by(world.sign(done))).await.element("Location")
    };
    let at = |path: &'static str, host: &'static str| {
        move |method: &str, query: &str| {
            ask(method, &format!("{path}?{query}")).header("host", host)
        }
    };
    let https = ("x-forwarded-proto", "https");
    let plain = at("/bucket/a%20b", HOST);
    assert_eq!(complete(&plain, &[]).await, format!("http://{HOST}/bucket/a%20b"));
    assert_eq!(complete(&plain, &[https]).await, format!("https://{HOST}/bucket/a%20b"));
    let prefixed = at("/store/bucket/k", "files.example.com");
    assert_eq!(complete(&prefixed, &[https]).await, "https://files.example.com/store/bucket/k");
    let bucket = at("/k", "bucket.s3.example.com:9000");
    assert_eq!(complete(&bucket, &[]).await, "http://bucket.s3.example.com:9000/k");
    let reported = [https, ("x-forwarded-host", "cdn.example"), ("x-forwarded-prefix", "/pre")];
    assert_eq!(complete(&plain, &reported).await, "https://cdn.example/pre/bucket/a%20b");
}

#[tokio::test]
async fn the_target_and_the_host() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/k", "hello")).await;
    let signed = || world.sign(get("/bucket/k"));
    let absolute = |authority: &str| {
        let mut ask = signed();
        ask.target = format!("http://{authority}{}", ask.target);
        ask
    };
    assert_eq!(outcome(&world, absolute(HOST)).await, "hello");
    assert_eq!(outcome(&world, absolute("VALET.test:9000")).await, "hello");
    // HTTP/2 has an authority and often no Host.
    assert_eq!(outcome(&world, absolute(HOST).header("no-host", "")).await, "hello");
    let refused = [
        absolute("evil.example"),
        absolute("valet.test"),
        absolute("user@valet.test:9000"),
        signed().header("host", HOST).header("host", HOST),
        signed().header("host", HOST).header("host", "evil.example"),
        signed().header("no-host", ""),
        signed().header("host", "valét.test"),
    ];
    for ask in refused {
        let answer = world.send_raw(ask.clone()).await;
        assert_eq!(answer.refusal(), BAD_REQUEST, "{ask:?}");
    }
}

#[tokio::test]
async fn virtual_hosts_are_of_declared_domains_only() {
    let world = declared().await;
    for at in [
        At::virtual_host("http://valet.test:9000"),
        At::virtual_host("http://valet.test"),
        At::virtual_host("https://s3.example.com"),
    ] {
        for at in [at, at.v2()] {
            let link = world.link_at(&at, "GET", "k");
            assert!(link.target.starts_with("/k?"), "{link:?}");
            assert_eq!(outcome(&world, link).await, "hello", "{at:?}");
        }
    }
    let other = world.link_at(&At::virtual_host("http://other.example:8080"), "GET", "k");
    assert_eq!(outcome(&world, other).await, "400 InvalidBucketName");
    // The domain itself names no bucket, and a host that only ends alike is another one.
    assert_eq!(outcome(&world, world.sign(get("/bucket/k"))).await, "hello");
    let alike = world.sign(get("/bucket/k").header("host", "bucketvalet.test"));
    assert_eq!(outcome(&world, alike).await, "hello");
    let root = world.send(get("/").header("host", "bucket.valet.test:9000")).await;
    assert_eq!(root.elements("Key"), ["k"]);
    let dotted = world.send(put("/", "").header("host", "a.b.valet.test")).await;
    assert_eq!((dotted.status, dotted.header("location")), (200, "/a.b"));
    let bad = world.send(get("/k").header("host", "b_d.valet.test")).await;
    assert_eq!(
        bad.refusal(),
        "400 <Code>InvalidBucketName</Code><Message>The specified bucket is not valid.</Message><BucketName>b_d</BucketName>"
    );
}

#[tokio::test]
async fn on_a_buckets_host_every_path_is_a_key() {
    let world = declared().await;
    let host = |ask: Ask| ask.header("host", "bucket.valet.test:9000");
    for key in ["_valet/health/live", "store/k", "store", "bucket/k", "/", "//x"] {
        let target = format!("/{}", presign::encode_path(key.as_bytes()));
        assert_eq!(world.send(host(put(&target, key))).await.status, 200, "{key}");
    }
    for key in ["_valet/health/live", "store/k", "store", "bucket/k", "/", "//x"] {
        let target = format!("/bucket/{}", presign::encode_path(key.as_bytes()));
        assert_eq!(world.send(get(&target)).await.text(), key);
    }
    assert_eq!(world.send(get("/bucket/k")).await.text(), "hello");
}

#[tokio::test]
async fn a_prefix_below_a_buckets_host() {
    let mut config = config();
    config.public_urls = vec![PublicUrl::parse("https://files.example.com/store").unwrap()];
    config.domains = vec!["files.example.com".into()];
    let world = World::with(config, Encryption::On).await;
    world.send(put("/bucket", "")).await;
    world.send(put("/bucket/k", "hello")).await;
    let at = At::virtual_host("https://files.example.com/store");
    for at in [at, at.v2()] {
        let link = world.link_at(&at, "GET", "k");
        assert!(link.target.starts_with("/store/k?"), "{link:?}");
        assert_eq!(outcome(&world, link).await, "hello", "{at:?}");
    }
}

#[tokio::test]
async fn a_refusal_shows_the_request_as_it_arrived() {
    let world = declared().await;
    let link = world.link_at(&At::path("https://files.example.com/store"), "GET", "k");
    let arrived = link.set("host", "127.0.0.1:9000").tamper("/bucket/k", "/bucket/other");
    let answer = world.send_raw(arrived.clone()).await;
    let canonical = answer.element("CanonicalRequest");
    assert!(canonical.starts_with("GET\n/store/bucket/other\nX-Amz-Algorithm"), "{canonical}");
    assert!(canonical.contains("\nhost:127.0.0.1:9000\n"), "{canonical}");
    let answer = world.send_raw(arrived.tamper("/store/bucket", "/bucket")).await;
    let canonical = answer.element("CanonicalRequest");
    assert!(canonical.starts_with("GET\n/bucket/other\nX-Amz-Algorithm"), "{canonical}");
}

#[tokio::test]
async fn conditions_of_a_link_are_refused_under_any_name() {
    let world = declared().await;
    let ask = get("/k?x-valet-uses=1").header("host", "bucket.valet.test");
    assert_eq!(
        world.refused(ask).await,
        invalid_argument(
            "The x-valet-* conditions are for links to S3 that are signed with SigV4.",
            "x-valet-uses",
            "1"
        )
    );
}

/// `files.acme.example` is the host of `bucket`, and `site.example` of another one.
async fn with_own_hosts() -> World {
    let own = |host: &str, bucket: &str| BucketDomain {
        host: host.to_owned(),
        bucket: BucketName::parse(bucket).unwrap(),
    };
    let mut config = config();
    config.domains = vec!["s3.example".into()];
    config.bucket_domains = vec![own("files.acme.example", "bucket"), own("site.example", "other")];
    config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    let world = World::with(config, Encryption::On).await;
    world.send(put("/bucket", "")).await;
    world.send(put("/other", "")).await;
    world.send(put("/bucket/k", "hello")).await;
    world.send(put("/bucket/bucket/k", "below")).await;
    world.send(put("/other/k", "other")).await;
    world
}

#[tokio::test]
async fn a_bucket_on_a_host_of_its_own() {
    let world = with_own_hosts().await;
    let files = At::bucket_host("https://files.acme.example");
    for at in [files, files.v2()] {
        assert_eq!(outcome(&world, world.link_at(&at, "GET", "k")).await, "hello", "{at:?}");
        let below = world.link_at(&at, "GET", "bucket/k");
        assert_eq!(outcome(&world, below).await, "below", "{at:?}");
    }
    // The link is for this bucket, wherever it is sent.
    let link = world.link_at(&files, "GET", "k");
    assert_eq!(outcome(&world, link.clone().set("host", "site.example")).await, REFUSED);
    let in_path = link.clone().tamper("/k?", "/bucket/k?").set("host", HOST);
    assert_eq!(outcome(&world, in_path).await, REFUSED);
    assert_eq!(outcome(&world, link.clone().tamper("/k?", "/bucket/k?")).await, REFUSED);
    // A SigV2 signature names the bucket and no host: the host of another bucket does not change which.
    let old = world.link_at(&files.v2(), "GET", "k");
    assert_eq!(outcome(&world, old.set("host", "site.example")).await, REFUSED);
    // What names the bucket in the path, or below a domain, is another name with the same reading or none.
    let in_path = world.link_at(&At::path("https://files.acme.example"), "GET", "k");
    assert_eq!(outcome(&world, in_path).await, "below");
    let below = world.link_at(&At::virtual_host("https://files.acme.example"), "GET", "k");
    assert_eq!(outcome(&world, below).await, "400 InvalidBucketName");
    // Valet's own paths are keys there.
    let own = world.link_at(&files, "GET", "_valet/health/live");
    assert_eq!(outcome(&world, own).await, "404 NoSuchKey");
    // A proxy may say which host was asked.
    let world = from(world, TRUSTED);
    let proxied =
        link.set("host", "127.0.0.1:9000").header("x-forwarded-host", "files.acme.example");
    assert_eq!(outcome(&world, proxied).await, "hello");
}
