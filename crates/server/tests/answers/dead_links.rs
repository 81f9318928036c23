//! What the holder of a link that does not work is told: a hint in a header, and in a browser a page in words.

use jiff::SignedDuration;
use serde_json::json;

use crate::harness::{Answer, Ask, KEY_ID, SECRET, World, ask, get, put};
use crate::people::policy;

async fn with_object() -> World {
    let world = World::with_bucket().await;
    assert_eq!(world.send(put("/bucket/k", "hello")).await.status, 200);
    world
}

/// As a browser opens a link.
fn opened(link: Ask) -> Ask {
    link.header("sec-fetch-mode", "navigate").header("accept", "text/html,*/*;q=0.8")
}

fn title(answer: &Answer) -> String {
    let text = answer.text();
    let (_, rest) = text.split_once("<h1>").unwrap_or_else(|| panic!("no page: {text}"));
    rest.split_once("</h1>").unwrap().0.to_owned()
}

/// One link that is refused, opened and fetched: its status, the title of the page, and the beginning of the hint.
async fn check(world: &World, link: Ask, status: u16, expected: &str, hint: &str) {
    let page = world.send_raw(opened(link.clone())).await;
    assert_eq!((page.status, title(&page)), (status, expected.to_owned()));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(!page.text().contains("<script"));
    let fetched = world.send_raw(link.clone()).await;
    assert_eq!(fetched.status, status);
    assert!(fetched.refusal().contains("<Code>"), "clients get the XML");
    for answer in [&page, &fetched] {
        let told = answer.header("x-valet-hint");
        assert!(told.starts_with(hint) && told.is_empty() == hint.is_empty(), "{told}");
        for secret in [SECRET, "StringToSign"] {
            assert!(!answer.header("x-valet-hint").contains(secret));
        }
        assert!(!page.text().contains(KEY_ID) && !page.text().contains("StringToSign"));
    }
}

#[tokio::test]
async fn each_refusal_has_words() {
    let mut world = with_object().await;
    let link = world.link("GET", "k");
    check(&world, world.link("GET", "gone"), 404, "There is nothing here any more", "").await;
    let later = world.link_with("GET", "k", &[], &[("x-valet-not-before", "20260615T130000Z")]);
    check(&world, later.clone(), 403, "This link does not work yet", "not-yet; ").await;
    assert!(
        world.send_raw(opened(later)).await.text().contains("It opens at 15 June 2026, 13:00 UTC.")
    );
    let elsewhere = world.link_with("GET", "k", &[], &[("x-valet-source-ip", "198.51.100.1")]);
    check(&world, elsewhere, 403, "This link does not work from here", "source-ip; ").await;
    let once = world.link_with("GET", "k", &[], &[("x-valet-uses", "1")]);
    assert_eq!(world.send_raw(once.clone()).await.status, 200);
    check(&world, once, 403, "This link has been used up", "used-up; ").await;
    let nobody =
        world.user("ann", &policy(r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#)).await;
    check(&world, world.link_by(&nobody, "GET", "k"), 403, "This link gives no access", "").await;
    let unknown = link.clone().tamper(KEY_ID, "AKIANOBODYNOBODYNOBO");
    check(&world, unknown, 403, "This link has ended", "").await;
    let cut = Ask { target: link.target[..link.target.len() - 9].to_owned(), ..link.clone() };
    check(&world, cut, 403, "This link is not whole, or was changed", "cut-off; ").await;
    let unsigned = Ask {
        target: link.target.split_once("&X-Amz-Signature").unwrap().0.to_owned(),
        ..link.clone()
    };
    check(&world, unsigned, 400, "This link is not whole, or was changed", "cut-off; ").await;
    let escaped = Ask { target: link.target.replace('&', "&amp;"), ..link.clone() };
    check(&world, escaped, 400, "This link is not whole, or was changed", "html-escaped; ").await;
    let upload = world.link("PUT", "k");
    let opened_upload = Ask { method: "GET".to_owned(), ..upload };
    check(&world, opened_upload, 403, "This link is not for opening", "method; ").await;
    let other = world.link("GET", "k").tamper("X-Amz-Signature=", "X-Amz-Signature=00000000");
    let shorter = other.target[..other.target.len() - 8].to_owned();
    let wrong = Ask { target: shorter, ..other };
    check(&world, wrong, 403, "This link was made wrongly", "secret; ").await;
    let added = Ask { target: format!("{}&utm_source=mail", link.target), ..link.clone() };
    check(&world, added, 403, "This link is not whole, or was changed", "parameter-added; ").await;
    let revoked = world.link_with("GET", "k", &[], &[("x-valet-id", "leaked")]);
    let document = json!({"url": format!("http://valet.test:9000{}", revoked.target)}).to_string();
    let made = world.send(ask("POST", "/_valet/api/v1/revocations").body(document)).await;
    assert_eq!(made.status, 201);
    check(&world, revoked, 403, "This link was taken back", "revoked; ").await;
    world.now += SignedDuration::from_secs(3601);
    check(&world, link.clone(), 403, "This link has expired", "expired; ").await;
    assert!(
        world
            .send_raw(opened(link))
            .await
            .text()
            .contains("It worked until 15 June 2026, 13:00 UTC.")
    );
}

/// What a back-end developer looks for hours for.
#[tokio::test]
async fn a_hint_names_the_one_change() {
    let world = with_object().await;
    let put = world.link_with("PUT", "up", &[("content-type", "image/png")], &[]).body("x");
    let other = put.clone().set("content-type", "image/jpeg");
    let told = world.send_raw(other).await;
    assert!(
        told.header("x-valet-hint").starts_with("header-changed; "),
        "{}",
        told.header("x-valet-hint")
    );
    let wrong = Ask { method: "GET".to_owned(), ..put };
    let told = world.send_raw(Ask { body: "".into(), ..wrong }).await;
    assert!(told.header("x-valet-hint").starts_with("method; "), "{}", told.header("x-valet-hint"));
}

#[tokio::test]
async fn only_links_have_hints_and_pages() {
    let world = with_object().await;
    let by_header = world.sign(get("/bucket/gone"));
    for answer in
        [world.send_raw(opened(by_header)).await, world.send_raw(opened(get("/bucket/k"))).await]
    {
        assert!(answer.status >= 400);
        assert!(!answer.header("content-type").contains("html"));
        assert_eq!(answer.header("x-valet-hint"), "");
    }
    let head = world.send_raw(opened(ask("HEAD", &world.link("GET", "k").target))).await;
    assert_eq!((head.status, head.body.len()), (403, 0));
    assert!(head.header("x-valet-hint").starts_with("method; "));
    assert!(!head.header("content-type").contains("html"));
    // A link that works is what it is.
    let works = world.send_raw(opened(world.link("GET", "k"))).await;
    assert_eq!((works.status, works.text()), (200, "hello"));
    // A page that reads the link is no navigation.
    let read =
        world.link("GET", "gone").header("sec-fetch-mode", "cors").header("accept", "text/html");
    assert!(world.send_raw(read).await.refusal().contains("NoSuchKey"));
}

/// A page of another origin that may read answers may read the hint.
#[tokio::test]
async fn the_hint_is_exposed_to_pages_that_may_read() {
    let world = with_object().await;
    let rules = "<CORSConfiguration><CORSRule><AllowedOrigin>https://app.test</AllowedOrigin><AllowedMethod>GET</AllowedMethod><ExposeHeader>ETag</ExposeHeader></CORSRule></CORSConfiguration>";
    assert_eq!(world.send(crate::cors::rules(rules)).await.status, 200);
    let link = world.link("GET", "k");
    let cut = Ask { target: link.target[..link.target.len() - 9].to_owned(), ..link };
    let exposed = |answer: &Answer| {
        let values = answer.headers.get_all("access-control-expose-headers");
        values.iter().map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let here = world.send_raw(cut.clone().header("origin", "https://app.test")).await;
    assert_eq!(exposed(&here), ["ETag, x-valet-hint"]);
    let elsewhere = world.send_raw(cut.header("origin", "https://other.test")).await;
    assert!(
        exposed(&elsewhere).is_empty()
            || elsewhere.header("access-control-allow-origin").is_empty()
    );
}
