//! What browsers and caches are told about objects: what may not run, and what is not kept for longer
//! than its link lives.

use server::{ActiveContent, LinkCaching, PublicUrl, ServerConfig};
use store::Encryption;

use crate::harness::{Answer, Ask, At, World, config, get, put};
use crate::people::{Key, policy, trusts, user_arn};

const SANDBOX: &str = "sandbox; default-src 'none'; img-src data:; media-src data:; font-src data:; style-src 'unsafe-inline'";

async fn world_with(config: ServerConfig) -> World {
    let world = World::with(config, Encryption::On).await;
    assert_eq!(world.send(put("/bucket", "")).await.status, 200);
    for (key, kind) in [("page", "text/html"), ("text", "text/plain"), ("svg", "image/svg+xml")] {
        let object = put(&format!("/bucket/{key}"), "hello").header("content-type", kind);
        assert_eq!(world.send(object).await.status, 200);
    }
    assert_eq!(world.send(put("/bucket/bare", "hello")).await.status, 200);
    world
}

/// The two headers about content that could run.
fn guards(answer: &Answer) -> (&str, &str) {
    (answer.header("x-content-type-options"), answer.header("content-security-policy"))
}

#[tokio::test]
async fn what_could_run_is_sandboxed_whoever_asks() {
    let world = world_with(config()).await;
    let public = r#"{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}"#;
    world.bucket_policy(&policy(public)).await;
    let with = |query: &[(&str, &str)], key| world.link_with("GET", key, &[], query);
    let (inert, active) = (("nosniff", ""), ("nosniff", SANDBOX));
    for (sent, status, expected) in [
        (world.link("GET", "page"), 200, active),
        (world.link("HEAD", "page"), 200, active),
        (world.link("GET", "page").header("range", "bytes=0-1"), 206, active),
        (world.link_v2("GET", "page"), 200, active),
        (world.sign(get("/bucket/page")), 200, active),
        (world.link("GET", "svg"), 200, active),
        (world.link("GET", "text"), 200, inert),
        (world.link("GET", "bare"), 200, inert),
        (with(&[("response-content-type", "text/html")], "text"), 200, active),
        (with(&[("response-content-type", "application/pdf")], "text"), 200, active),
        (with(&[("response-content-type", "x")], "text"), 200, active),
        (with(&[("response-content-type", "image/png")], "page"), 200, inert),
        (world.link("GET", "page").header("if-none-match", "*"), 304, ("", "")),
        (world.link("GET", "none"), 404, ("", "")),
    ] {
        let answer = world.send_raw(sent.clone()).await;
        assert_eq!((answer.status, guards(&answer)), (status, expected), "{sent:?}");
    }
}

#[tokio::test]
async fn what_could_run_runs_only_apart_from_the_console() {
    let url = |text: &str| Some(PublicUrl::parse(text).unwrap());
    let (closed, stored) = (("nosniff", SANDBOX), ("", ""));
    let (sandbox, as_stored) = (ActiveContent::Sandbox, ActiveContent::AsStored);
    for (console_url, active_content, expected) in [
        (None, sandbox, closed),
        // No name was declared for the objects, and a proxy may put any in the console's place.
        (url("https://console.test"), sandbox, closed),
        (url("http://valet.test:9000"), sandbox, closed),
        // Cookies do not tell ports and schemes apart.
        (url("https://Valet.test:9001/console"), sandbox, closed),
        (None, as_stored, stored),
        (url("https://console.test"), as_stored, stored),
    ] {
        let config = ServerConfig { console_url: console_url.clone(), active_content, ..config() };
        let world = world_with(config).await;
        let answer = world.send_raw(world.link("GET", "page")).await;
        assert_eq!((answer.status, guards(&answer)), (200, expected), "{console_url:?}");
    }
}

#[tokio::test]
async fn which_names_are_not_the_consoles() {
    let (free, closed) = (("nosniff", ""), ("nosniff", SANDBOX));
    let apart = |console: &str| ServerConfig {
        console_url: Some(PublicUrl::parse(console).unwrap()),
        public_urls: vec![PublicUrl::parse("http://valet.test:9000").unwrap()],
        domains: vec!["s3.test".into()],
        ..config()
    };
    let world = world_with(apart("https://console.test")).await;
    for (host, expected) in [
        ("console.test", closed),
        ("CONSOLE.test:443", closed),
        ("console.test.", closed),
        ("valet.test", free),
        // Whatever a proxy puts there is not known to be another origin.
        ("10.0.0.1:9000", closed),
    ] {
        let answer = world.send_raw(world.link("GET", "page").header("host", host)).await;
        assert_eq!((answer.status, guards(&answer)), (200, expected), "{host}");
    }
    for (console, expected) in [("https://console.test", free), ("https://bucket.s3.test", closed)]
    {
        let world = world_with(apart(console)).await;
        let link = world.link_at(&At::virtual_host("http://s3.test"), "GET", "page");
        let answer = world.send_raw(link).await;
        assert_eq!((answer.status, guards(&answer)), (200, expected), "{console}");
    }
}

/// An object with these two headers, ten minutes later.
async fn aged(world: &mut World, cache_control: &str, expires: &str) {
    let mut object = put("/bucket/k", "hello");
    for (name, value) in [("cache-control", cache_control), ("expires", expires)] {
        if !value.is_empty() {
            object = object.header(name, value);
        }
    }
    assert_eq!(world.send(object).await.status, 200);
    world.now += jiff::SignedDuration::from_mins(10);
}

fn caching(answer: &Answer) -> (&str, &str) {
    (answer.header("cache-control"), answer.header("expires"))
}

#[tokio::test]
async fn nothing_read_by_a_link_is_kept_for_longer() {
    let late = "Thu, 01 Dec 2044 16:00:00 GMT";
    let at_end = "Mon, 15 Jun 2026 13:10:00 GMT";
    let mut world = world_with(config()).await;
    aged(&mut world, "public, max-age=86400, immutable", late).await;
    let capped = ("public, max-age=3600", at_end);
    let with = |query: &[(&str, &str)]| world.link_with("GET", "k", &[], query);
    for (sent, status, expected) in [
        (world.link("GET", "k"), 200, capped),
        (world.link("HEAD", "k"), 200, capped),
        (world.link_v2("GET", "k"), 200, capped),
        (world.link("GET", "k").header("range", "bytes=0-1"), 206, capped),
        (world.link("GET", "k").header("if-none-match", "*"), 304, capped),
        (with(&[("response-cache-control", "max-age=9999")]), 200, ("max-age=3600", at_end)),
        (with(&[("response-cache-control", "no-store")]), 200, ("no-store", at_end)),
        (with(&[("response-expires", "0")]), 200, ("public, max-age=3600", "0")),
        (world.sign(get("/bucket/k")), 200, ("public, max-age=86400, immutable", late)),
        (world.sign(get("/bucket/k").header("if-none-match", "*")), 304, ("", "")),
    ] {
        let answer = world.send_raw(sent.clone()).await;
        assert_eq!((answer.status, caching(&answer)), (status, expected), "{sent:?}");
    }
    // Nearer its end the same link allows less, and in its last second nothing.
    let link = world.link("GET", "k");
    for (minutes, age) in [(59, "public, max-age=60"), (1, "public, max-age=0")] {
        world.now += jiff::SignedDuration::from_mins(minutes);
        assert_eq!(world.send_raw(link.clone()).await.header("cache-control"), age);
    }
}

#[tokio::test]
async fn what_nobody_spoke_of_is_private() {
    let mut world = world_with(config()).await;
    aged(&mut world, "", "").await;
    for link in [world.link("GET", "k"), world.link("GET", "k").header("if-none-match", "*")] {
        let answer = world.send_raw(link).await;
        assert_eq!(caching(&answer), ("private, max-age=60", ""));
    }
    assert_eq!(caching(&world.send(get("/bucket/k")).await), ("", ""));
}

#[tokio::test]
async fn a_link_ends_with_its_session() {
    let mut world = world_with(config()).await;
    let ann = world.user("ann", "").await;
    let read = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}"#;
    world.role("reader", &trusts(&user_arn("ann")), &policy(read)).await;
    let may = r#"{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}"#;
    world.put_user_policy("ann", &policy(may)).await;
    let session: Key = world.assume(&ann, "reader", &[("DurationSeconds", "900")]).await;
    aged(&mut world, "max-age=86400", "").await;
    let answer = world.send_raw(world.link_for(&session, "GET", "k", 3600)).await;
    assert_eq!((answer.status, caching(&answer)), (200, ("max-age=300", "")));
}

#[tokio::test]
async fn caching_as_it_is_stored() {
    let config = ServerConfig { link_caching: LinkCaching::AsStored, ..config() };
    let mut world = world_with(config).await;
    let (control, late) = ("max-age=86400, immutable", "Thu, 01 Dec 2044 16:00:00 GMT");
    aged(&mut world, control, late).await;
    let link: Ask = world.link("GET", "k");
    assert_eq!(caching(&world.send_raw(link.clone()).await), (control, late));
    let answer = world.send_raw(link.header("if-none-match", "*")).await;
    assert_eq!((answer.status, caching(&answer)), (304, ("", "")));
}
