//! Websites: configured by their bucket's owner, and asked by anybody at hosts of their own, at the host of one bucket, and
//! below the server's own paths.

use server::{BucketDomain, ServerConfig};
use store::{BucketName, Encryption};

use crate::harness::{Answer, World, ask, config, get, put};

const SITE: &str = "bucket.web.valet.test";
const PAGES: &str = "<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument><ErrorDocument><Key>error.html</Key></ErrorDocument></WebsiteConfiguration>";
const INDEX: &str = "<IndexDocument><Suffix>index.html</Suffix></IndexDocument>";

fn served() -> ServerConfig {
    let bucket = BucketName::parse("bucket").unwrap();
    ServerConfig {
        website_domain: Some("web.valet.test".into()),
        bucket_domains: vec![BucketDomain { host: "files.acme.example".into(), bucket }],
        ..config()
    }
}

/// A public bucket with pages, and what it is configured to answer.
async fn world(website: &str) -> World {
    let world = World::with(served(), Encryption::On).await;
    assert_eq!(world.send(put("/bucket", "")).await.status, 200);
    for (key, body) in [
        ("index.html", "<p>root</p>"),
        ("a.html", "<p>a</p>"),
        ("dir/index.html", "<p>dir</p>"),
        ("dir/b.txt", "there"),
        ("error.html", "<p>error</p>"),
        ("%2Fevil.example/index.html", "<p>slash</p>"),
        ("private/index.html", "<p>private</p>"),
    ] {
        let page = put(&format!("/bucket/{key}"), body).header("content-type", "text/html");
        assert_eq!(world.send(page).await.status, 200, "{key}");
    }
    open(&world, true).await;
    if !website.is_empty() {
        let set = world.send(put("/bucket?website", website)).await;
        assert_eq!(set.status, 200, "{}", set.text());
    }
    world
}

/// Lets everybody read what is not private, and list if so said.
async fn open(world: &World, lists: bool) {
    assert_eq!(world.send(ask("DELETE", "/bucket?publicAccessBlock")).await.status, 204);
    let mut statements = vec![
        r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}"#,
        r#"{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/private/*","Condition":{"StringEquals":{"aws:PrincipalType":"Anonymous"}}}"#,
    ];
    if lists {
        statements.push(
            r#"{"Effect":"Allow","Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::bucket"}"#,
        );
    }
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","));
    let set = world.send(put("/bucket?policy", &policy)).await;
    assert_eq!(set.status, 204, "{}", set.text());
}

impl World {
    async fn visit(&self, method: &str, host: &str, path: &str) -> Answer {
        self.send_raw(ask(method, path).header("host", host)).await
    }

    async fn page(&self, path: &str) -> Answer {
        self.visit("GET", SITE, path).await
    }
}

#[tokio::test]
async fn paths_are_answered_by_pages() {
    let world = world(PAGES).await;
    for (path, status, body) in [
        ("/", 200, "<p>root</p>"),
        ("/index.html", 200, "<p>root</p>"),
        ("/a.html", 200, "<p>a</p>"),
        ("/a.html?versionId=1&response-content-type=text/plain&acl", 200, "<p>a</p>"),
        ("/dir/", 200, "<p>dir</p>"),
        ("/dir/b.txt", 200, "there"),
        ("/missing", 404, "<p>error</p>"),
        ("/missing/", 404, "<p>error</p>"),
        ("/private/", 403, "<p>error</p>"),
        ("/dir/..%2fa.html", 404, "<p>error</p>"),
        ("/dir/../a.html", 404, "<p>error</p>"),
        ("/%2e%2e/a.html", 404, "<p>error</p>"),
        ("/dir%5cb.txt", 404, "<p>error</p>"),
        ("/a.html%00", 404, "<p>error</p>"),
        ("//", 404, "<p>error</p>"),
        ("/../other/secret.html", 404, "<p>error</p>"),
        ("/..%2fother%2fsecret.html", 404, "<p>error</p>"),
        ("/%2fother/secret.html", 404, "<p>error</p>"),
        ("/a.html%0d%0aSet-Cookie:%20x", 404, "<p>error</p>"),
        ("/a.html/", 404, "<p>error</p>"),
        ("/?website", 200, "<p>root</p>"),
        ("/?list-type=2", 200, "<p>root</p>"),
    ] {
        let got = world.page(path).await;
        assert_eq!((got.status, got.text()), (status, body), "{path}");
        let head = world.visit("HEAD", SITE, path).await;
        assert_eq!((head.status, head.text()), (status, ""), "HEAD {path}");
    }
    for (path, location) in
        [("/dir", "/dir/"), ("/dir?x", "/dir/"), ("//evil.example", "/%2Fevil.example/")]
    {
        let got = world.page(path).await;
        assert_eq!((got.status, got.header("location")), (302, location), "{path}");
    }
    let followed = world.page("/%2Fevil.example/").await;
    assert_eq!((followed.status, followed.text()), (200, "<p>slash</p>"));
    // Whoever may not list learns no more than that he may not read.
    open(&world, false).await;
    assert_eq!(world.page("/missing").await.status, 403);
    assert_eq!(world.page("/dir").await.status, 302);
}

#[tokio::test]
async fn ranges_and_conditions_hold() {
    let world = world(PAGES).await;
    let ask = |name: &str, value: &str| get("/a.html").header("host", SITE).header(name, value);
    let part = world.send_raw(ask("range", "bytes=3-3")).await;
    assert_eq!((part.status, part.text()), (206, "a"));
    let etag = world.page("/a.html").await.header("etag").to_owned();
    assert_eq!(world.send_raw(ask("if-none-match", &etag)).await.status, 304);
    let failed = world.send_raw(ask("if-match", "\"x\"")).await;
    assert_eq!((failed.status, failed.text()), (412, "<p>error</p>"));
    let beyond = world.send_raw(ask("range", "bytes=99-")).await;
    assert_eq!((beyond.status, beyond.text()), (416, "<p>error</p>"));
    assert_eq!(beyond.header("content-range"), "bytes */8");
    // A part of another body than the client holds would be worthless to it.
    for (validator, status) in [(&*etag, 206), ("\"x\"", 200)] {
        let resumed = world.send_raw(ask("range", "bytes=3-3").header("if-range", validator)).await;
        assert_eq!(resumed.status, status, "{validator}");
    }
}

/// Where an object stands for another place, neither its bytes nor what somebody holds of it matter.
#[tokio::test]
async fn ranges_and_conditions_of_a_redirection_do_not_matter() {
    let world = world(PAGES).await;
    let page = put("/bucket/moved", "").header("x-amz-website-redirect-location", "/a.html");
    let etag = world.send(page).await.header("etag").to_owned();
    for (name, value) in [
        ("range", "bytes=0-"),
        ("range", "bytes=7-"),
        ("if-match", "\"x\""),
        ("if-none-match", &*etag),
        ("if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ] {
        for method in ["GET", "HEAD"] {
            let sent = ask(method, "/moved").header("host", SITE).header(name, value);
            let got = world.send_raw(sent).await;
            assert_eq!((got.status, got.header("location")), (301, "/a.html"), "{method} {name}");
        }
    }
}

/// The policy is asked about the client's own request, not about one that the server makes of itself.
#[tokio::test]
async fn policies_see_what_the_client_sends() {
    let mut config = served();
    config.trusted_proxies = vec!["192.0.2.7/32".parse().unwrap()];
    let world = world(PAGES).await.under(config);
    let condition = |text: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}},{{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*","Condition":{text}}}]}}"#
        )
    };
    let (plain, tls) = (("x-forwarded-proto", "http"), ("x-forwarded-proto", "https"));
    let only_tls = r#"{"Bool":{"aws:SecureTransport":"false"}}"#;
    let no_leech = r#"{"StringLike":{"aws:Referer":"https://leech.example/*"}}"#;
    let no_robot = r#"{"StringLike":{"aws:UserAgent":"robot/*"}}"#;
    for (text, header, status) in [
        (only_tls, plain, 403),
        (only_tls, tls, 200),
        (no_leech, ("referer", "https://leech.example/page"), 403),
        (no_leech, ("referer", "https://friend.example/"), 200),
        (no_robot, ("user-agent", "robot/1"), 403),
        (no_robot, ("user-agent", "browser/1"), 200),
    ] {
        assert_eq!(world.send(put("/bucket?policy", &condition(text))).await.status, 204);
        for (host, base) in [(SITE, ""), ("valet.test:9000", "/_valet/website/bucket")] {
            let sent = get(&format!("{base}/a.html")).header("host", host);
            let got = world.send_raw(sent.header(header.0, header.1)).await;
            assert_eq!(got.status, status, "{host} {text} {header:?}");
        }
    }
}

#[tokio::test]
async fn errors_are_told_in_pages() {
    let world = world(&PAGES.replace("error.html", "private/&lt;none&gt;.html")).await;
    let got = world.page("/mis%3Ci%3Esing").await;
    assert_eq!(got.status, 404);
    assert_eq!(got.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(got.header("x-amz-error-code"), "NoSuchKey");
    let begins = "<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1><ul><li>Code: NoSuchKey</li><li>Message: The specified key does not exist.</li><li>Key: mis&lt;i&gt;sing</li><li>RequestId: ";
    assert!(got.text().starts_with(begins), "{}", got.text());
    let ends = "<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3><ul><li>Code: AccessDenied</li><li>Message: Access Denied</li><li>Key: private/&lt;none&gt;.html</li></ul><hr/></body></html>";
    assert!(got.text().ends_with(ends), "{}", got.text());
    for (host, method, status, code) in [
        ("nothing.web.valet.test", "GET", 404, "NoSuchBucket"),
        ("NO_BUCKET.web.valet.test", "GET", 404, "NoSuchBucket"),
        (SITE, "PUT", 405, "MethodNotAllowed"),
        (SITE, "POST", 405, "MethodNotAllowed"),
        (SITE, "DELETE", 405, "MethodNotAllowed"),
    ] {
        let got = world.visit(method, host, "/a.html").await;
        assert_eq!(got.header("allow"), if status == 405 { "GET, HEAD" } else { "" });
        assert_eq!((got.status, got.header("x-amz-error-code")), (status, code), "{method} {host}");
    }
    let bare = self::world("").await;
    let got = bare.page("/").await;
    assert_eq!((got.status, got.header("x-amz-error-code")), (404, "NoSuchWebsiteConfiguration"));
}

#[tokio::test]
async fn rules_send_elsewhere() {
    let rule = |condition: &str, redirect: &str| {
        format!("<RoutingRule>{condition}<Redirect>{redirect}</Redirect></RoutingRule>")
    };
    let prefix = |prefix: &str| {
        format!("<Condition><KeyPrefixEquals>{prefix}</KeyPrefixEquals></Condition>")
    };
    let rules = [
        rule(&prefix("old/"), "<ReplaceKeyPrefixWith>new &amp; better/</ReplaceKeyPrefixWith>"),
        rule(
            &prefix("a.html"),
            "<ReplaceKeyWith>b.html</ReplaceKeyWith><HttpRedirectCode>307</HttpRedirectCode>",
        ),
        rule(&prefix("far/"), "<HostName>far.example</HostName><Protocol>https</Protocol>"),
        rule(
            "<Condition><KeyPrefixEquals>reports/</KeyPrefixEquals><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition>",
            "<HostName>archive.example</HostName>",
        ),
        rule(
            &prefix("thumbs/"),
            "<HostName>images.example</HostName><Protocol>https</Protocol><ReplaceKeyPrefixWith>resize?key=</ReplaceKeyPrefixWith>",
        ),
        rule(
            &prefix("lines/"),
            "<ReplaceKeyPrefixWith>x&#13;&#10;Set-Cookie: y/</ReplaceKeyPrefixWith>",
        ),
        rule(
            "<Condition><HttpErrorCodeReturnedEquals>403</HttpErrorCodeReturnedEquals></Condition>",
            "<ReplaceKeyPrefixWith>//evil.example/\\</ReplaceKeyPrefixWith>",
        ),
    ];
    let website = format!(
        "<WebsiteConfiguration>{INDEX}<RoutingRules>{}</RoutingRules></WebsiteConfiguration>",
        rules.concat()
    );
    let world = world(&website).await;
    let site = format!("http://{SITE}");
    for (path, status, location) in [
        ("/old/x%20y", 301, format!("{site}/new%20&%20better/x%20y")),
        ("/old/%0d%0aSet-Cookie:x", 301, format!("{site}/new%20&%20better/%0D%0ASet-Cookie%3Ax")),
        ("/thumbs/1%262.png", 301, "https://images.example/resize?key=1%262.png".to_owned()),
        ("/lines/a", 301, format!("{site}/x%0D%0ASet-Cookie:%20y/a")),
        ("/a.html?q", 307, format!("{site}/b.html")),
        ("/far/%E2%82%AC", 301, "https://far.example/far/%E2%82%AC".to_owned()),
        ("/reports/1", 301, "http://archive.example/reports/1".to_owned()),
        ("/private/", 301, format!("{site}///evil.example/%5Cprivate/")),
    ] {
        let got = world.page(path).await;
        assert_eq!((got.status, got.header("location")), (status, &*location), "{path}");
        assert_eq!(got.text(), "");
    }
    assert_eq!(world.page("/dir/").await.status, 200);
    assert_eq!(world.page("/missing").await.status, 404);
    // What was configured is told again.
    let told = world.send(get("/bucket?website")).await;
    let again = told.text().split_once("/\">").unwrap().1;
    let set = world.send(put("/bucket?website", &format!("<WebsiteConfiguration>{again}"))).await;
    assert_eq!(set.status, 200, "{}", set.text());
    assert_eq!(world.send(get("/bucket?website")).await.text(), told.text());
}

#[tokio::test]
async fn all_requests_can_be_sent_to_another_host() {
    for (protocol, scheme) in [("", "http"), ("<Protocol>https</Protocol>", "https")] {
        let website = format!(
            "<WebsiteConfiguration><RedirectAllRequestsTo><HostName>other.example</HostName>{protocol}</RedirectAllRequestsTo></WebsiteConfiguration>"
        );
        let world = world(&website).await;
        for (path, key) in [("/", ""), ("/dir/b.txt", "dir/b.txt"), ("//x", "/x")] {
            let got = world.page(path).await;
            let location = format!("{scheme}://other.example/{key}");
            assert_eq!((got.status, got.header("location")), (301, &*location), "{path}");
        }
    }
}

#[tokio::test]
async fn objects_can_stand_for_other_places() {
    let world = world(PAGES).await;
    for (place, location) in [
        ("/a.html", "/a.html"),
        ("https://other.example/x?y#z", "https://other.example/x?y#z"),
        ("http://other.example/", "http://other.example/"),
    ] {
        let page = put("/bucket/moved", "").header("x-amz-website-redirect-location", place);
        assert_eq!(world.send(page).await.status, 200, "{place}");
        let got = world.page("/moved").await;
        assert_eq!((got.status, got.header("location"), got.text()), (301, location, ""));
        let below = world.visit("GET", "valet.test:9000", "/_valet/website/bucket/moved").await;
        let root = if place.starts_with('/') { "/_valet/website/bucket" } else { "" };
        assert_eq!(below.header("location"), format!("{root}{location}"));
        // S3 itself tells the place, and sends nobody there.
        let read = world.send(get("/bucket/moved")).await;
        assert_eq!(read.status, 200);
        assert_eq!(read.header("x-amz-website-redirect-location"), place);
    }
    let copy = put("/bucket/copy", "").header("x-amz-copy-source", "/bucket/moved");
    assert_eq!(world.send(copy).await.status, 200);
    let copied = world.send(get("/bucket/copy")).await;
    assert_eq!(copied.header("x-amz-website-redirect-location"), "");
    let long = format!("/{}", "x".repeat(2048));
    for place in ["", "other.example", "ftp://other.example/", "javascript:alert(1)", &long] {
        let page = put("/bucket/refused", "").header("x-amz-website-redirect-location", place);
        let got = world.send(page).await;
        assert_eq!((got.status, got.element("Code")), (400, "InvalidRedirectLocation".into()));
    }
    // A link can carry text that no header could.
    for (place, status) in [("/a\r\nSet-Cookie: b", 400), ("/\0", 400), ("/é/€?a b", 200)] {
        let query = [("x-amz-website-redirect-location", place)];
        let link = world.link_with("PUT", "linked", &[], &query);
        assert_eq!(world.send_raw(link).await.status, status, "{place:?}");
    }
    let linked = world.page("/linked").await;
    assert_eq!((linked.status, linked.header("location")), (301, "/%C3%A9/%E2%82%AC?a%20b"));
}

#[tokio::test]
async fn scripts_run_at_hosts_of_their_own_alone() {
    let world = world(PAGES).await;
    for (host, path, sandboxed) in [
        (SITE, "/a.html", false),
        ("files.acme.example", "/a.html", false),
        ("valet.test:9000", "/_valet/website/bucket/a.html", true),
        ("valet.test:9000", "/_valet/website/bucket/missing", true),
        ("valet.test:9000", "/_valet/website/bucket/", true),
    ] {
        let got = world.visit("GET", host, path).await;
        let policy = got.header("content-security-policy");
        assert_eq!(policy.starts_with("sandbox"), sandboxed, "{host}{path}: {policy}");
    }
    for (path, location) in
        [("bucket/dir", "bucket/dir/"), ("bucket", "bucket/"), ("bucket?x", "bucket/")]
    {
        let got = world.visit("GET", "valet.test:9000", &format!("/_valet/website/{path}")).await;
        let location = format!("/_valet/website/{location}");
        assert_eq!((got.status, got.header("location")), (302, &*location), "{path}");
    }
    for path in ["other", "other/", "..", "%62ucket/", "/", "bucket%2fa.html"] {
        let got = world.visit("GET", "valet.test:9000", &format!("/_valet/website/{path}")).await;
        assert_eq!((got.status, got.header("x-amz-error-code")), (404, "NoSuchBucket"), "{path}");
    }
}

#[tokio::test]
async fn the_host_of_one_bucket_is_its_website_for_whoever_signs_nothing() {
    let world = world(PAGES).await;
    let host = "files.acme.example";
    assert_eq!(world.visit("GET", host, "/dir/").await.text(), "<p>dir</p>");
    assert_eq!(world.visit("GET", host, "/missing").await.text(), "<p>error</p>");
    // Whoever signs, even wrongly, asks S3.
    for path in [
        "/dir/?X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "/dir/?AWSAccessKeyId=x&Signature=y&Expires=1",
        "/private/index.html?X-Amz-Signature=0",
    ] {
        let got = world.visit("GET", host, path).await;
        assert!(got.status >= 400 && got.text().starts_with("<?xml"), "{path}: {}", got.text());
    }
    let signed = world.send_raw(get("/dir/").header("host", host).header("authorization", "x"));
    assert_eq!(signed.await.status, 400);
    assert_eq!(world.send(ask("DELETE", "/bucket?website")).await.status, 204);
    let bare = world.visit("GET", host, "/dir/").await;
    assert_eq!((bare.status, bare.element("Code")), (404, "NoSuchKey".into()));
}

/// Puts configurations that make no sense, each with its refusal.
async fn refused(rows: Vec<(String, &str, &str)>) {
    let world = world("").await;
    for (content, code, message) in rows {
        let document = format!("<WebsiteConfiguration>{content}</WebsiteConfiguration>");
        let got = world.send(put("/bucket?website", &document)).await;
        assert_eq!((got.status, got.element("Code")), (400, code.to_owned()), "{content}");
        if !message.is_empty() {
            assert_eq!(got.element("Message"), message, "{content}");
        }
    }
    let none = world.send(get("/bucket?website")).await;
    assert_eq!((none.status, none.element("Code")), (404, "NoSuchWebsiteConfiguration".into()));
}

#[tokio::test]
async fn documents_that_make_no_sense_are_refused() {
    let argument = "InvalidArgument";
    let to = "<RedirectAllRequestsTo><HostName>x.example</HostName></RedirectAllRequestsTo>";
    let index = |suffix: &str| format!("<IndexDocument><Suffix>{suffix}</Suffix></IndexDocument>");
    let suffix = "The IndexDocument Suffix is not well formed";
    let none =
        "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty";
    let both = "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.";
    let protocol = "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.";
    let ftp = to.replace("</HostName>", "</HostName><Protocol>ftp</Protocol>");
    let key = format!("{INDEX}<ErrorDocument><Key/></ErrorDocument>");
    refused(vec![
        (String::new(), argument, none),
        (format!("{to}{INDEX}"), argument, both),
        (index("a/b"), argument, suffix),
        (index(""), argument, suffix),
        (key, argument, "The ErrorDocument Key is not well formed"),
        (ftp, "InvalidRequest", protocol),
        (to.replace("x.example", "x.example/a"), argument, "The HostName is not well formed"),
        (to.replace("x.example", "x.example&#13;&#10;a"), argument, ""),
    ])
    .await;
}

#[tokio::test]
async fn rules_that_make_no_sense_are_refused() {
    let (argument, request) = ("InvalidArgument", "InvalidRequest");
    let rules = |rules: &str| format!("{INDEX}<RoutingRules>{rules}</RoutingRules>");
    let rule = |inner: &str| rules(&format!("<RoutingRule>{inner}</RoutingRule>"));
    let redirect = "<Redirect><HostName>x.example</HostName></Redirect>";
    let many = format!("<RoutingRule>{redirect}</RoutingRule>").repeat(51);
    let long =
        format!("<Redirect><ReplaceKeyWith>{}</ReplaceKeyWith></Redirect>", "x".repeat(2049));
    let empty = "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.";
    let both = "<Redirect><ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith></Redirect>";
    let code = "<Redirect><HttpRedirectCode>200</HttpRedirectCode></Redirect>";
    let status =
        "<Condition><HttpErrorCodeReturnedEquals>200</HttpErrorCodeReturnedEquals></Condition>";
    let prefix = "<Condition><KeyPrefixEquals>a</KeyPrefixEquals></Condition>";
    refused(vec![
        (rule(&format!("<Condition/>{redirect}")), request, empty),
        (rule("<Redirect/>"), "MalformedXML", ""),
        (rule(&long), "MalformedXML", ""),
        (rule(prefix), "MalformedXML", ""),
        (rule(both), request, "You can only define ReplaceKeyPrefix or ReplaceKey but not both."),
        (
            rule(code),
            argument,
            "The provided HTTP redirect code (200) is not valid. Valid codes are 3XX except 300.",
        ),
        (
            rule(&format!("{status}{redirect}")),
            argument,
            "The provided HTTP error code (200) is not valid. Valid codes are 4XX or 5XX.",
        ),
        (
            rules(&many),
            request,
            "51 routing rules provided, the number of routing rules in a website configuration is limited to 50.",
        ),
    ])
    .await;
}

#[tokio::test]
async fn nothing_but_what_everybody_may_read_is_served() {
    let world = world(PAGES).await;
    // No credentials count: neither a signature nor the owner's own request.
    let own = world.send(get("/private/index.html").header("host", SITE)).await;
    assert_eq!(own.status, 403);
    assert_eq!(world.send(put("/bucket?publicAccessBlock", "<PublicAccessBlockConfiguration><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>")).await.status, 200);
    let closed = world.page("/a.html").await;
    assert_eq!(closed.status, 403);
    assert!(!closed.text().contains("<p>"), "{}", closed.text());
}

#[tokio::test]
async fn the_error_page_is_judged_as_any_other() {
    let world = world(PAGES).await;
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"},
        {"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/error.html","Condition":{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}]}"#;
    assert_eq!(world.send(put("/bucket?policy", policy)).await.status, 204);
    assert_eq!(world.page("/missing").await.text(), "<p>error</p>");
    let elsewhere = world.at("198.51.100.1").page("/missing").await;
    assert!(elsewhere.text().contains("Custom Error Document"), "{}", elsewhere.text());
}
