//! `x-valet-uses`: what a use is, and that there are never more of them than the link has.

use crate::harness::{Answer, Ask, World, ask, config, get, put};

const SIZE: usize = 300_000;
const USED_UP: &str = "403 <Code>AccessDenied</Code><Message>Link has been used up</Message>";

/// An object `k` of [`SIZE`] bytes.
async fn with_object() -> World {
    let world = World::with_bucket().await;
    assert_eq!(world.send(put("/bucket/k", &"x".repeat(SIZE))).await.status, 200);
    world
}

fn link(world: &World, uses: &str) -> Ask {
    world.link_with("GET", "k", &[], &[("x-valet-uses", uses)])
}

fn refused(answer: &Answer) -> String {
    if answer.status == 503 { "503".to_owned() } else { answer.refusal() }
}

#[tokio::test]
async fn a_link_is_used_so_often() {
    let world = with_object().await;
    let link = link(&world, "3");
    for n in 0..3_u8 {
        let answer = world.at(&format!("192.0.2.{n}")).send_raw(link.clone()).await;
        assert_eq!((answer.status, answer.body.len()), (200, SIZE));
    }
    assert_eq!(world.at("192.0.2.9").send_raw(link.clone()).await.refusal(), USED_UP);
    // A client that has had the whole object asks for it again, and that is another use.
    assert_eq!(world.at("192.0.2.1").send_raw(link.clone()).await.refusal(), USED_UP);
    // A client's ranges are part of its use.
    let range = link.header("range", "bytes=-1");
    assert_eq!(world.at("192.0.2.1").send_raw(range.clone()).await.status, 206);
    assert_eq!(world.at("192.0.2.9").send_raw(range).await.refusal(), USED_UP);
    // Other links have uses of their own.
    let other = world.link_with("GET", "k", &[], &[("x-valet-uses", "3"), ("x-valet-id", "b")]);
    assert_eq!(world.send_raw(other).await.status, 200);
    assert_eq!(world.send_raw(world.link("GET", "k")).await.status, 200);
}

#[tokio::test]
async fn what_is_no_use_takes_none() {
    let world = with_object().await;
    let conditions = [("x-valet-uses", "1"), ("x-valet-head", "true")];
    let link = world.link_with("GET", "k", &[], &conditions);
    let etag = world.send(get("/bucket/k")).await.header("etag").to_owned();
    let head = Ask { method: "HEAD".to_owned(), ..link.clone() };
    for n in 0..5_u8 {
        let world = world.at(&format!("192.0.2.{n}"));
        assert_eq!(world.send_raw(head.clone()).await.status, 200);
        let send = |name: &'static str, value: String| {
            let (world, ask) = (&world, link.clone().header(name, &value));
            async move { world.send_raw(ask).await.status }
        };
        assert_eq!(send("if-none-match", etag.clone()).await, 304);
        assert_eq!(send("if-match", "\"other\"".to_owned()).await, 412);
        assert_eq!(send("range", format!("bytes={SIZE}-")).await, 416);
    }
    assert_eq!(world.send_raw(link.clone()).await.status, 200);
    assert_eq!(world.at("192.0.2.99").send_raw(link).await.refusal(), USED_UP);
    // Whose uses are gone is told so by HEAD as well.
    assert_eq!(world.at("192.0.2.99").send_raw(head).await.status, 403);
    let missing = world.link_with("GET", "missing", &[], &[("x-valet-uses", "1")]);
    assert_eq!(world.send_raw(missing.clone()).await.status, 404);
    world.send(put("/bucket/missing", "now")).await;
    assert_eq!(world.send_raw(missing).await.status, 200);
}

#[tokio::test]
async fn ranges_pauses_and_retries_of_one_client_are_one_use() {
    let world = with_object().await;
    let link = link(&world, "1");
    let range =
        |first: usize, last: usize| link.clone().header("range", &format!("bytes={first}-{last}"));
    assert_eq!(world.send_raw(range(0, 99_999)).await.status, 206);
    assert_eq!(world.send_raw(range(100_000, 199_999)).await.status, 206);
    // An attempt at the whole that was cut off, and the next one.
    assert_eq!(world.take_some(link.clone(), 1).await.0, 200);
    assert_eq!(world.send_raw(link.clone()).await.body.len(), SIZE);
    assert_eq!(world.send_raw(range(0, 9)).await.status, 206);
    assert_eq!(world.at("192.0.2.9").send_raw(link.clone()).await.refusal(), USED_UP);
    // A network of IPv6 is one client.
    let other = world.link_with("GET", "k", &[], &[("x-valet-uses", "1"), ("x-valet-id", "b")]);
    let half = other.clone().header("range", "bytes=0-99");
    assert_eq!(world.at("2001:db8::1").send_raw(half.clone()).await.status, 206);
    assert_eq!(world.at("2001:db8::ffff:2").send_raw(other.clone()).await.status, 200);
    assert_eq!(world.at("2001:db8:0:1::1").send_raw(half).await.refusal(), USED_UP);
}

/// Whoever reads a little and goes takes nothing from others.
#[tokio::test]
async fn scanners_take_no_use() {
    let world = with_object().await;
    let link = link(&world, "1");
    for n in 0..3_u8 {
        let scanner = world.at(&format!("198.51.100.{n}"));
        assert_eq!(scanner.take_some(link.clone(), 1).await.0, 200);
    }
    assert_eq!(world.send_raw(link.clone()).await.body.len(), SIZE);
    assert_eq!(world.at("198.51.100.1").send_raw(link.clone()).await.refusal(), USED_UP);
}

/// What is given back adds up, so that nobody gets the object by pieces as often as they like.
#[tokio::test]
async fn no_more_than_the_budget_is_given_back() {
    let world = with_object().await;
    let link = link(&world, "1");
    let most = link.clone().header("range", &format!("bytes=0-{}", SIZE * 2 / 3));
    assert_eq!(world.at("198.51.100.1").send_raw(most.clone()).await.status, 206);
    assert_eq!(world.at("198.51.100.2").send_raw(most.clone()).await.status, 206);
    // The second one's use is not given back, since both together would be more than the object.
    assert_eq!(world.at("198.51.100.3").send_raw(most).await.refusal(), USED_UP);
}

#[tokio::test]
async fn while_a_use_is_open_others_wait() {
    let world = with_object().await;
    let sized = world.link_with("PUT", "new", &[], &[("x-valet-uses", "1")]).body("0123456789");
    let begun = world.begin(sized.clone(), 4).await;
    let answer = world.at("192.0.2.9").send_raw(sized.clone()).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.element("Code"), "SlowDown");
    assert_eq!(begun.end().await.status, 200);
    assert_eq!(world.send_raw(sized).await.refusal(), USED_UP);
}

#[tokio::test]
async fn a_call_that_fails_is_no_use() {
    let world = with_object().await;
    let conditions = [("x-valet-uses", "1"), ("x-valet-content-length-range", "1,5")];
    let upload = world.link_with("PUT", "up", &[], &conditions);
    for _ in 0..3 {
        assert_eq!(world.send_raw(upload.clone().body("123456")).await.status, 400);
    }
    assert_eq!(world.send_raw(upload.clone().body("12345")).await.status, 200);
    assert_eq!(world.send_raw(upload.body("54321")).await.refusal(), USED_UP);
    assert_eq!(world.send(get("/bucket/up")).await.text(), "12345");
    for (method, query, done) in [("DELETE", &[][..], 204), ("GET", &[("tagging", "")][..], 200)] {
        let mut conditions = query.to_vec();
        conditions.push(("x-valet-uses", "2"));
        let link = world.link_with(method, "k", &[], &conditions);
        assert_eq!(world.send_raw(link.clone()).await.status, done);
        if method == "DELETE" {
            world.send(put("/bucket/k", "again")).await;
        }
        assert_eq!(world.send_raw(link.clone()).await.status, done);
        assert_eq!(world.send_raw(link).await.refusal(), USED_UP);
        world.send(put("/bucket/k", "again")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_clients_at_once_use_a_link_no_more_often() {
    let world = std::sync::Arc::new(with_object().await);
    let link = link(&world, "5");
    let jobs: Vec<_> = (0..200_u8)
        .map(|n| {
            let (world, link) = (world.at(&format!("203.0.113.{n}")), link.clone());
            tokio::spawn(async move {
                loop {
                    let answer = world.send_raw(link.clone()).await;
                    if answer.status != 503 {
                        return (answer.status, answer.body.len());
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            })
        })
        .collect();
    let mut completed = 0;
    for job in jobs {
        let (status, bytes) = job.await.unwrap();
        assert!(status == 403 || bytes == SIZE, "{status} {bytes}");
        completed += u8::from(status == 200);
    }
    assert_eq!(completed, 5);
}

/// The uses that were taken stay taken, and those of clients who had gone are free.
#[tokio::test]
async fn another_process_gives_no_use_twice() {
    let world = with_object().await;
    let link = link(&world, "2");
    assert_eq!(world.send_raw(link.clone()).await.status, 200);
    let world = world.restarted(config());
    assert_eq!(world.at("192.0.2.9").send_raw(link.clone()).await.status, 200);
    let world = world.restarted(config());
    assert_eq!(refused(&world.at("192.0.2.9").send_raw(link).await), USED_UP);
}

/// Another version of the object is another use.
#[tokio::test]
async fn a_use_is_of_one_version() {
    let world = with_object().await;
    let link = link(&world, "2");
    let part = link.clone().header("range", "bytes=0-9");
    assert_eq!(world.send_raw(link.clone()).await.status, 200);
    assert_eq!(world.send_raw(part.clone()).await.status, 206);
    world.send(put("/bucket/k", &"y".repeat(100))).await;
    assert_eq!(world.send_raw(link.clone()).await.status, 200);
    assert_eq!(world.send_raw(part).await.status, 206);
    world.send(put("/bucket/k", "z")).await;
    assert_eq!(world.send_raw(link).await.refusal(), USED_UP);
    world.send(ask("DELETE", "/bucket/k")).await;
}

#[tokio::test]
async fn an_empty_object_is_used_by_being_asked_for() {
    let world = with_object().await;
    world.send(put("/bucket/k", "")).await;
    let link = link(&world, "1");
    assert_eq!(world.send_raw(link.clone()).await.status, 200);
    assert_eq!(world.send_raw(link).await.refusal(), USED_UP);
}
