//! Pages of other origins: the rules of a bucket, preflights, and the headers of every other answer
//! (semantics 6.4).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use store::Encryption;

use crate::harness::{
    Answer, Ask, At, World, ask, config, get, invalid_request, no_such_bucket, put, result, sha256,
};
use crate::people::{Key, policy};

const ORIGIN: &str = "https://app.example";
const VARY: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";
const MALFORMED: &str = "400 <Code>MalformedXML</Code><Message>The XML you provided was not well-formed or did not validate against our published schema</Message>";
const UNCONFIGURED: &str = "404 <Code>NoSuchCORSConfiguration</Code><Message>The CORS configuration does not exist</Message><BucketName>bucket</BucketName>";

/// A document, with the digest that the call demands.
pub(crate) fn rules(document: impl Into<String>) -> Ask {
    let document = document.into();
    let digest = STANDARD.encode(sha256(document.as_bytes()));
    ask("PUT", "/bucket?cors").body(document).header("x-amz-checksum-sha256", &digest)
}

fn configuration(rules: &str) -> String {
    format!(
        "<CORSConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{rules}</CORSConfiguration>"
    )
}

fn rule(members: &str) -> String {
    configuration(&format!("<CORSRule>{members}</CORSRule>"))
}

/// Two rules: one for [`ORIGIN`] that says all there is to say, one for everybody who reads.
fn two_rules() -> String {
    configuration(
        "<CORSRule><AllowedOrigin>https://app.example</AllowedOrigin><AllowedOrigin>http://*.example</AllowedOrigin>\
         <AllowedMethod>PUT</AllowedMethod><AllowedMethod>POST</AllowedMethod>\
         <AllowedHeader>content-type</AllowedHeader><AllowedHeader>X-amz-*</AllowedHeader>\
         <ExposeHeader>ETag</ExposeHeader><ExposeHeader>x-amz-version-id</ExposeHeader>\
         <MaxAgeSeconds>3000</MaxAgeSeconds></CORSRule>\
         <CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>",
    )
}

async fn world_with(document: String) -> World {
    let world = World::with_bucket().await;
    assert_eq!(world.send(put("/bucket/k", "hello")).await.status, 200);
    let set = world.send(rules(document)).await;
    assert_eq!((set.status, set.body.len()), (200, 0));
    world
}

/// A preflight as a browser sends it.
fn preflight(target: &str, origin: &str, method: &str, headers: &str) -> Ask {
    let ask = ask("OPTIONS", target).header("origin", origin);
    let ask = ask.header("access-control-request-method", method);
    if headers.is_empty() { ask } else { ask.header("access-control-request-headers", headers) }
}

fn forbidden(message: &str, method: &str, resource: &str) -> String {
    format!(
        "403 <Code>AccessForbidden</Code><Message>{message}</Message><Method>{method}</Method><ResourceType>{resource}</ResourceType>"
    )
}

fn not_allowed(method: &str, resource: &str) -> String {
    let message = "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.";
    forbidden(message, method, resource)
}

/// What an answer says to a page, a line a header.
fn told(answer: &Answer) -> String {
    let of_pages = |name: &str| name == "vary" || name.starts_with("access-control-");
    let mut lines: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| of_pages(name.as_str()))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    lines.join("\n")
}

/// The same of the first of [`two_rules`], for a page of that origin.
fn told_by_first(origin: &str) -> String {
    format!(
        "access-control-allow-credentials: true\n\
         access-control-allow-methods: PUT, POST\n\
         access-control-allow-origin: {origin}\n\
         access-control-expose-headers: ETag, x-amz-version-id\n\
         access-control-max-age: 3000\n\
         vary: {VARY}"
    )
}

fn told_by_second() -> String {
    format!("access-control-allow-methods: GET\naccess-control-allow-origin: *\nvary: {VARY}")
}

#[tokio::test]
async fn rules_come_back_in_the_order_of_aws() {
    let world = World::with_bucket().await;
    assert_eq!(world.refused(get("/bucket?cors")).await, UNCONFIGURED);
    assert_eq!(world.send(ask("DELETE", "/bucket?cors")).await.status, 204);
    let mixed = configuration(
        "<CORSRule><ExposeHeader>x-amz-request-id</ExposeHeader><AllowedMethod>PUT</AllowedMethod>\
         <AllowedOrigin>http://test.example:80</AllowedOrigin><AllowedHeader>x-AMZ-*</AllowedHeader>\
         <AllowedMethod>GET</AllowedMethod><ID>a &amp; b</ID><ExposeHeader>etag</ExposeHeader>\
         <AllowedOrigin></AllowedOrigin><MaxAgeSeconds>0</MaxAgeSeconds></CORSRule>\
         <CORSRule><AllowedMethod>HEAD</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>",
    );
    assert_eq!(world.send(rules(mixed)).await.status, 200);
    let stored = result(
        "CORSConfiguration",
        "<CORSRule><ID>a &amp; b</ID><AllowedOrigin>http://test.example:80</AllowedOrigin><AllowedOrigin></AllowedOrigin>\
         <AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET</AllowedMethod><MaxAgeSeconds>0</MaxAgeSeconds>\
         <ExposeHeader>x-amz-request-id</ExposeHeader><ExposeHeader>etag</ExposeHeader>\
         <AllowedHeader>x-AMZ-*</AllowedHeader></CORSRule>\
         <CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>HEAD</AllowedMethod></CORSRule>",
    );
    assert_eq!(world.send(get("/bucket?cors")).await.text(), stored);
    // A refused document changes nothing.
    assert_eq!(world.refused(rules(configuration(""))).await, MALFORMED);
    assert_eq!(world.send(get("/bucket?cors")).await.text(), stored);
    assert_eq!(world.send(ask("DELETE", "/bucket?cors")).await.status, 204);
    assert_eq!(world.refused(get("/bucket?cors")).await, UNCONFIGURED);
    for method in ["GET", "DELETE"] {
        let missing = world.refused(ask(method, "/missing?cors")).await;
        assert_eq!(missing, no_such_bucket("missing"));
    }
    assert_eq!(
        world.refused(Ask { target: "/missing?cors".into(), ..rules(two_rules()) }).await,
        no_such_bucket("missing")
    );
}

#[tokio::test]
async fn documents_that_are_no_rules() {
    let world = World::with_bucket().await;
    let origin = "<AllowedOrigin>*</AllowedOrigin>";
    let both = format!("{origin}<AllowedMethod>GET</AllowedMethod>");
    let unsupported = |method: &str| {
        invalid_request(&format!(
            "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
        ))
    };
    let many = |count: usize| configuration(&format!("<CORSRule>{both}</CORSRule>").repeat(count));
    let id = |chars: usize| rule(&format!("<ID>{}</ID>{both}", "é".repeat(chars)));
    for (document, expected) in [
        (String::new(), "400 <Code>MissingRequestBodyError</Code><Message>Request Body is empty</Message>".into()),
        ("<CORSConfiguration>".into(), MALFORMED.into()),
        ("<Other/>".into(), MALFORMED.into()),
        (configuration("<CORSRule/>"), MALFORMED.into()),
        (configuration("<Rule/>"), MALFORMED.into()),
        (rule(origin), MALFORMED.into()),
        (rule("<AllowedMethod>GET</AllowedMethod>"), MALFORMED.into()),
        (rule(&format!("{both}<Unknown>a</Unknown>")), MALFORMED.into()),
        (rule(&format!("{both}<MaxAgeSeconds>-1</MaxAgeSeconds>")), MALFORMED.into()),
        (rule(&format!("{both}<MaxAgeSeconds>a</MaxAgeSeconds>")), MALFORMED.into()),
        (
            rule(&format!("{both}<MaxAgeSeconds>1</MaxAgeSeconds><MaxAgeSeconds>1</MaxAgeSeconds>")),
            MALFORMED.into(),
        ),
        (rule(&format!("<ID>a</ID><ID>b</ID>{both}")), MALFORMED.into()),
        (id(256), MALFORMED.into()),
        (rule(&format!("{origin}<AllowedMethod>MYMETHOD</AllowedMethod>")), unsupported("MYMETHOD")),
        (rule(&format!("{origin}<AllowedMethod>OPTIONS</AllowedMethod>")), unsupported("OPTIONS")),
        (rule(&format!("{origin}<AllowedMethod>get</AllowedMethod>")), unsupported("get")),
        (rule(&format!("{origin}<AllowedMethod/>")), unsupported("")),
        (
            rule(&format!("{both}<AllowedOrigin>*example*.com</AllowedOrigin>")),
            invalid_request("AllowedOrigin \"*example*.com\" can not have more than one wildcard."),
        ),
        (
            rule(&format!("{both}<AllowedHeader>*a*</AllowedHeader>")),
            invalid_request("AllowedHeader \"*a*\" can not have more than one wildcard."),
        ),
        (
            rule(&format!("{both}<ExposeHeader>x-*</ExposeHeader>")),
            invalid_request("ExposeHeader \"x-*\" contains wildcard. We currently do not support wildcard for ExposeHeader."),
        ),
        (
            many(101),
            invalid_request("The number of CORS rules should not exceed allowed limit of 100 rules."),
        ),
        (
            rule(&format!("<ID>{}</ID>{both}", "a".repeat(65_536))),
            "400 <Code>MaxMessageLengthExceeded</Code><Message>Your request was too big.</Message><MaxMessageLengthBytes>65536</MaxMessageLengthBytes>".into(),
        ),
    ] {
        assert_eq!(world.refused(rules(&*document)).await, expected, "{document:.300}");
    }
    assert_eq!(world.refused(get("/bucket?cors")).await, UNCONFIGURED);
    for document in [many(100), id(255)] {
        assert_eq!(world.send(rules(document)).await.status, 200);
    }
    let bare = ask("PUT", "/bucket?cors").body(two_rules());
    assert_eq!(
        world.refused(bare.clone()).await,
        invalid_request(
            "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"
        )
    );
    let wrong = "XUFAKrxLKna5cZ2REBfFkg==";
    let got = world.refused(bare.header("content-md5", wrong)).await;
    assert!(got.starts_with("400 <Code>BadDigest</Code>"), "{got}");
}

#[tokio::test]
async fn who_may_set_and_read_rules() {
    let world = World::with_bucket().await;
    let may = |action: &str| {
        policy(&format!("{{\"Effect\":\"Allow\",\"Action\":\"{action}\",\"Resource\":\"*\"}}"))
    };
    let writer = world.user("writer", &may("s3:PutBucketCORS")).await;
    let reader = world.user("reader", &may("s3:GetBucketCORS")).await;
    let send = async |key: &Key, ask: Ask| world.send_as(key, ask).await.status;
    assert_eq!(send(&reader, rules(two_rules())).await, 403);
    assert_eq!(send(&writer, rules(two_rules())).await, 200);
    assert_eq!(send(&writer, get("/bucket?cors")).await, 403);
    assert_eq!(send(&reader, get("/bucket?cors")).await, 200);
    assert_eq!(send(&reader, ask("DELETE", "/bucket?cors")).await, 403);
    assert_eq!(send(&writer, ask("DELETE", "/bucket?cors")).await, 204);
}

#[tokio::test]
async fn preflights_that_are_answered() {
    let world = world_with(two_rules()).await;
    let check = async |target: &str, page: [&str; 3], expected: String| {
        let [origin, method, headers] = page;
        let answer = world.send_raw(preflight(target, origin, method, headers)).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{target} {page:?}");
        assert_eq!(told(&answer), expected, "{target} {page:?}");
    };
    let with_headers = |headers: &str| format!("access-control-allow-headers: {headers}\n");
    let after_credentials = |headers: &str| {
        told_by_first(ORIGIN).replace(
            "access-control-allow-methods",
            &format!("{}access-control-allow-methods", with_headers(headers)),
        )
    };
    check("/bucket/k", [ORIGIN, "PUT", ""], told_by_first(ORIGIN)).await;
    check("/bucket", [ORIGIN, "POST", ""], told_by_first(ORIGIN)).await;
    check("/bucket/none", [ORIGIN, "PUT", ""], told_by_first(ORIGIN)).await;
    check("/bucket/k", ["http://a.example", "PUT", ""], told_by_first("http://a.example")).await;
    check(
        "/bucket/k",
        [ORIGIN, "PUT", "X-Amz-Date,content-TYPE"],
        after_credentials("x-amz-date, content-type"),
    )
    .await;
    check("/bucket/k", [ORIGIN, "GET", ""], told_by_second()).await;
    check("/bucket/k", ["null", "GET", ""], told_by_second()).await;
    // What cannot be a key, contradicts itself or has a dead signature is no matter here.
    for target in [
        "/bucket/%80",
        "/bucket/k?acl&policy",
        "/bucket/k?X-Amz-Signature=a&X-Amz-Algorithm=b&Signature=c",
    ] {
        check(target, [ORIGIN, "PUT", ""], told_by_first(ORIGIN)).await;
    }
    let signed = world.sign(preflight("/bucket/k", ORIGIN, "PUT", "")).set("authorization", "a");
    assert_eq!(told(&world.send_raw(signed).await), told_by_first(ORIGIN));
    let with_body = preflight("/bucket/k", ORIGIN, "PUT", "").body("ignored");
    assert_eq!(told(&world.send_raw(with_body).await), told_by_first(ORIGIN));
}

#[tokio::test]
async fn preflights_that_are_refused() {
    let world = world_with(two_rules()).await;
    assert_eq!(world.send(put("/plain-bucket", "")).await.status, 200);
    let disabled = "CORSResponse: CORS is not enabled for this bucket.";
    let missing = "CORSResponse: Bucket not found";
    let no_origin = "400 <Code>BadRequest</Code><Message>Insufficient information. Origin request header needed.</Message>";
    let bare = |target: &str| ask("OPTIONS", target);
    let no_method = |target: &str| bare(target).header("origin", ORIGIN);
    for (sent, expected) in [
        (bare("/bucket/k"), no_origin.to_owned()),
        (bare("/missing"), no_origin.to_owned()),
        (bare("/"), no_origin.to_owned()),
        (bare("/bucket/k").header("referer", ORIGIN), no_origin.to_owned()),
        (no_method("/bucket/k"), not_allowed("OPTIONS", "OBJECT")),
        (no_method("/plain-bucket"), forbidden(disabled, "OPTIONS", "BUCKET")),
        (no_method("/missing"), forbidden(missing, "OPTIONS", "BUCKET")),
        (preflight("/missing/k", ORIGIN, "GET", ""), forbidden(missing, "GET", "BUCKET")),
        (preflight("/NO", ORIGIN, "GET", ""), forbidden(missing, "GET", "BUCKET")),
        (preflight("/", ORIGIN, "GET", ""), forbidden(missing, "GET", "BUCKET")),
        (preflight("/plain-bucket/k", ORIGIN, "GET", ""), forbidden(disabled, "GET", "OBJECT")),
        (preflight("/plain-bucket/", ORIGIN, "GET", ""), forbidden(disabled, "GET", "BUCKET")),
        (preflight("/bucket/k", "http://other", "PUT", ""), not_allowed("PUT", "OBJECT")),
        (preflight("/bucket", ORIGIN, "DELETE", ""), not_allowed("DELETE", "BUCKET")),
        (preflight("/bucket/k", ORIGIN, "PUT", "x-other"), not_allowed("PUT", "OBJECT")),
        (preflight("/bucket/k", ORIGIN, "GET", "content-type"), not_allowed("GET", "OBJECT")),
        (
            preflight("/bucket/k", ORIGIN, "PUT", &"x-amz-a,".repeat(257)),
            not_allowed("PUT", "OBJECT"),
        ),
    ] {
        let answer = world.send_raw(sent.clone()).await;
        assert_eq!(answer.refusal(), expected, "{sent:?}");
        assert_eq!(told(&answer), "", "{sent:?}");
    }
}

#[tokio::test]
async fn every_answer_to_an_allowed_page_can_be_read() {
    let world = world_with(two_rules()).await;
    let from = |ask: Ask| ask.header("origin", ORIGIN);
    let expired = world.link("GET", "k");
    let expired = expired.tamper("X-Amz-Expires=3600", "X-Amz-Expires=0");
    for (sent, status) in [
        (world.link("GET", "k"), 200),
        (expired, 403),
        (world.link("GET", "k").tamper("X-Amz-Signature=", "X-Amz-Signature=0"), 403),
        (world.link("GET", "k").tamper("X-Amz-Expires=3600", "X-Amz-Expires=x"), 400),
        (world.link("GET", "k").header("authorization", "a"), 400),
        (world.link("GET", "none"), 404),
        (world.link("GET", "k").header("range", "bytes=1-2"), 206),
        (world.link("GET", "k").header("range", "bytes=9-"), 416),
        (world.link("GET", "k").header("if-match", "\"a\""), 412),
        (world.link("GET", "k").header("if-none-match", "*"), 304),
        (get("/bucket/k"), 403),
        (get("/bucket/%80"), 400),
        (get("/bucket?acl&policy"), 400),
        (get("/bucket?torrent"), 501),
    ] {
        let answer = world.send_raw(from(sent.clone())).await;
        assert_eq!(answer.status, status, "{sent:?}");
        // What is told of a link that does not work may be read as well.
        let hint = "access-control-expose-headers: x-valet-hint\n";
        let hinted = answer.headers.contains_key("x-valet-hint");
        assert_eq!(told(&answer).contains(hint), hinted, "{sent:?}");
        assert_eq!(told(&answer).replace(hint, ""), told_by_second(), "{sent:?}");
    }
    for (sent, status) in [
        (world.link("PUT", "k").body("hello"), 200),
        (world.link("PUT", "k").body("hello").header("content-md5", "a"), 400),
        (ask("POST", "/bucket/k"), 405),
        (ask("POST", "/bucket").body("no form"), 412),
        (ask("POST", "/bucket").header("content-type", "multipart/form-data").body("no form"), 400),
        (world.link("GET", "k").header("access-control-request-method", "PUT"), 200),
    ] {
        let answer = world.send_raw(from(sent.clone())).await;
        assert_eq!((answer.status, told(&answer)), (status, told_by_first(ORIGIN)), "{sent:?}");
    }
}

#[tokio::test]
async fn other_pages_are_served_and_told_nothing() {
    let world = world_with(two_rules()).await;
    assert_eq!(world.send(put("/plain-bucket", "")).await.status, 200);
    let other = |ask: Ask| ask.header("origin", "http://other");
    for (sent, status) in [
        (other(world.link("PUT", "k").body("hello")), 200),
        (world.link("GET", "k"), 200),
        (other(world.link("GET", "k")).header("access-control-request-method", "PUT"), 200),
        (other(world.link("GET", "k")).header("access-control-request-headers", "x-amz-date"), 200),
        (other(get("/plain-bucket")), 403),
        (other(get("/missing/k")), 404),
        (other(get("/")), 403),
        (other(get("/_valet/health/live")), 200),
    ] {
        let answer = world.send_raw(sent.clone()).await;
        assert_eq!((answer.status, told(&answer)), (status, String::new()), "{sent:?}");
    }
}

#[tokio::test]
async fn the_host_or_the_path_names_the_bucket() {
    let url = "http://files.example/store";
    let config = server::ServerConfig {
        domains: vec!["s3.example".into()],
        public_urls: vec![server::PublicUrl::parse(url).unwrap()],
        ..config()
    };
    let world = World::with(config, Encryption::On).await;
    assert_eq!(world.send(put("/bucket", "")).await.status, 200);
    assert_eq!(world.send(rules(two_rules())).await.status, 200);
    let at_host =
        |target: &str| preflight(target, ORIGIN, "PUT", "").header("host", "Bucket.s3.example");
    for sent in [
        at_host("/k"),
        at_host("/"),
        at_host("/_valet/health/live"),
        preflight("/store/bucket/k", ORIGIN, "PUT", ""),
        preflight("/b%75cket", ORIGIN, "PUT", ""),
    ] {
        let answer = world.send_raw(sent.clone()).await;
        assert_eq!((answer.status, told(&answer)), (200, told_by_first(ORIGIN)), "{sent:?}");
    }
    let link = world.link_at(&At::virtual_host("http://s3.example"), "GET", "none");
    let answer = world.send_raw(link.header("origin", ORIGIN)).await;
    assert_eq!((answer.status, told(&answer)), (404, told_by_second()));
}

#[tokio::test]
async fn a_warm_page_reads_no_record() {
    let world = world_with(two_rules()).await;
    let link = world.link("GET", "k").header("origin", ORIGIN);
    let send = async || {
        assert_eq!(world.send_raw(preflight("/bucket/k", ORIGIN, "PUT", "")).await.status, 200);
        assert_eq!(told(&world.send_raw(link.clone()).await), told_by_second());
    };
    send().await;
    let before = world.store.counters().cache_misses;
    send().await;
    assert_eq!(world.store.counters().cache_misses, before);
}

#[tokio::test]
async fn the_renewal_of_an_upload_follows_the_rules_of_its_bucket() {
    let world = world_with(two_rules()).await;
    let path = "/_valet/api/v1/uploads/u/parts";
    let of_bucket = format!("{path}?bucket=bucket");
    let allowed = world.send_raw(preflight(&of_bucket, ORIGIN, "POST", "content-type")).await;
    assert_eq!(allowed.status, 200);
    assert!(told(&allowed).contains("access-control-allow-headers: content-type"));
    for (target, origin, method, refused) in [
        (of_bucket.as_str(), ORIGIN, "DELETE", not_allowed("DELETE", "OBJECT")),
        (&of_bucket, "https://evil", "POST", not_allowed("POST", "OBJECT")),
        (path, ORIGIN, "POST", forbidden("CORSResponse: Bucket not found", "POST", "BUCKET")),
    ] {
        let answer = world.send_raw(preflight(target, origin, method, "")).await;
        assert_eq!(
            (answer.refusal(), told(&answer)),
            (refused, String::new()),
            "{target} {origin}"
        );
    }
    // A page may read why it was refused, by a link that does not verify too; no other path of the
    // API is for pages.
    let told_page = |answer: &Answer| answer.header("access-control-allow-origin").to_owned();
    let unsigned = world.send_raw(ask("POST", &of_bucket).header("origin", ORIGIN)).await;
    assert_eq!((unsigned.status, told_page(&unsigned).as_str()), (403, ORIGIN));
    let other = "/_valet/api/v1/expiry?bucket=bucket";
    let other = world.send_raw(ask("POST", other).header("origin", ORIGIN)).await;
    assert_eq!((other.status, told(&other).as_str()), (403, ""));
}
