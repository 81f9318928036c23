//! More bodies come in at once than there is room for: who is served, who gives way, and who goes on.

use std::pin::Pin;
use std::time::Duration;

use server::ServerConfig;
use store::Encryption;

use crate::harness::{Ask, World, ask, config, put};

/// More than fits beside a record.
const LONG_BYTES: usize = 20_000;
const FULL: &str = "503 <Code>SlowDown</Code><Message>Please reduce your request rate.</Message>";
/// Forms whose fields are read at once.
const FORMS_MAX: usize = 1024;
/// The addresses of the harness's own client, and of another.
const GREEDY: &str = "192.0.2.7";
const OTHER: &str = "192.0.2.8";

type Doing<'w, T> = Pin<Box<dyn Future<Output = T> + 'w>>;

/// A bucket with a long object in it, and room for so many bodies.
async fn world(most: usize, change: impl Fn(&mut ServerConfig)) -> World {
    let config = || {
        let mut config = config();
        config.connections_per_address = 256;
        change(&mut config);
        config
    };
    let world = World::with(config(), Encryption::On).await;
    assert_eq!(world.send(put("/bucket", "")).await.status, 200);
    assert_eq!(world.send(long("/bucket/long")).await.status, 200);
    world.with_uploads_max(most, config())
}

fn long(target: &str) -> Ask {
    put(target, &"x".repeat(LONG_BYTES))
}

/// The statuses of requests that all stop before their end until something is done.
fn halted<'w>(world: &'w World, asks: &'w [Ask], meanwhile: Doing<'w, ()>) -> Doing<'w, Vec<u16>> {
    Box::pin(async move {
        let Some((first, rest)) = asks.split_first() else {
            meanwhile.await;
            return Vec::new();
        };
        let mut statuses = Vec::new();
        let later = async { statuses = halted(world, rest, meanwhile).await };
        let answer = world.send_halting(first.clone(), later).await;
        statuses.insert(0, answer.status);
        statuses
    })
}

/// Every call for which the store opens a file.
async fn calls(world: &World) -> Vec<Ask> {
    let upload = world.send(ask("POST", "/bucket/parts?uploads")).await.element("UploadId");
    let part = |number: u8| format!("/bucket/parts?partNumber={number}&uploadId={upload}");
    let form = world.form("form").content("x".repeat(LONG_BYTES)).ask();
    let copy = |target: &str| put(target, "").header("x-amz-copy-source", "bucket/long");
    // A part has a file however short it is.
    let short_copy = copy(&part(4)).header("x-amz-copy-source-range", "bytes=0-0");
    let short = [put(&part(3), "hello"), short_copy];
    [long("/bucket/k"), long(&part(1)), copy("/bucket/copy"), copy(&part(2))]
        .into_iter()
        .chain(short)
        .map(|ask| world.sign(ask))
        .chain([form])
        .collect()
}

#[tokio::test]
async fn whoever_has_the_most_gives_way_to_another_address() {
    let world = world(2, |_| {}).await;
    for call in calls(&world).await {
        let greedy = [long("/bucket/first"), long("/bucket/second")];
        let meanwhile = async {
            let more = world.send_raw(call.clone()).await;
            assert_eq!(more.refusal(), FULL, "{}", call.target);
            // Of IPv6 a /64 is one address; one of IPv4 is the same in whatever form.
            let same = world.at("::ffff:192.0.2.7").send_raw(call.clone()).await;
            assert_eq!(same.refusal(), FULL, "{}", call.target);
            let other = world.at(OTHER).send_raw(call.clone()).await;
            assert!(other.status < 300, "{}: {}", call.target, other.text());
        };
        let statuses = halted(&world, &greedy, Box::pin(meanwhile)).await;
        assert_eq!(statuses, [200, 503], "{}", call.target);
        // Then there is room again.
        let again = world.send_raw(call.clone()).await;
        assert!(again.status < 300, "{}: {}", call.target, again.text());
    }
    assert_eq!(world.send(ask("GET", "/bucket/first")).await.status, 200);
    assert_eq!(world.send(ask("GET", "/bucket/second")).await.status, 404);
}

#[tokio::test]
async fn a_short_part_that_comes_in_has_a_place_from_its_first_byte() {
    let world = world(2, |_| {}).await;
    let upload = world.send(ask("POST", "/bucket/parts?uploads")).await.element("UploadId");
    let part = |number: u8| format!("/bucket/parts?partNumber={number}&uploadId={upload}");
    let greedy = [put(&part(1), "hello"), put(&part(2), "hello")];
    let meanwhile = async {
        assert_eq!(world.send(put(&part(3), "hello")).await.refusal(), FULL);
        assert_eq!(world.send(long("/bucket/k")).await.refusal(), FULL);
        assert_eq!(world.at(OTHER).send(long("/bucket/other")).await.status, 200);
    };
    assert_eq!(halted(&world, &greedy, Box::pin(meanwhile)).await, [200, 503]);
}

#[tokio::test]
async fn clients_of_a_trusted_proxy_are_told_apart_where_it_tells_them() {
    let world = world(2, |config| config.trusted_proxies = vec!["192.0.2.7/32".parse().unwrap()]);
    let world = world.await;
    let of = |client: &str, target: &str| long(target).header("x-forwarded-for", client);
    let told = [of("198.51.100.1", "/bucket/first"), of("198.51.100.1", "/bucket/second")];
    let untold = [long("/bucket/first"), long("/bucket/second")];
    for (greedy, statuses, others) in [(told, [200, 503], 200), (untold, [200, 200], 503)] {
        let meanwhile = async {
            let same = world.send(of("198.51.100.1", "/bucket/same")).await;
            assert_eq!(same.status, 503);
            let other = world.send(of("198.51.100.2", "/bucket/other")).await;
            assert_eq!(other.status, others);
            let without = world.send(long("/bucket/without")).await;
            assert_eq!(without.status, others);
        };
        assert_eq!(halted(&world, &greedy, Box::pin(meanwhile)).await, statuses);
    }
}

#[tokio::test]
async fn without_shares_nobody_gives_way() {
    let world = world(2, |config| config.connections_per_address = 0).await;
    let all = [long("/bucket/first"), long("/bucket/second")];
    let meanwhile = async {
        let other = world.at(OTHER).send(long("/bucket/other")).await;
        assert_eq!(other.refusal(), FULL);
    };
    assert_eq!(halted(&world, &all, Box::pin(meanwhile)).await, [200, 200]);
}

#[tokio::test(start_paused = true)]
async fn a_short_body_needs_room_only_if_it_takes_its_time() {
    assert_eq!(GREEDY, world(1, |_| {}).await.peer.address.to_string());
    for short in [put("/bucket/short", "hello"), put("/bucket/short", &"x".repeat(16_384))] {
        // There is none, and it needs none.
        let world = world(1, |_| {}).await;
        let full = [long("/bucket/k")];
        let meanwhile = async {
            assert_eq!(world.send(short.clone()).await.status, 200);
            assert_eq!(world.at(OTHER).send(short.clone()).await.status, 200);
        };
        assert_eq!(halted(&world, &full, Box::pin(meanwhile)).await, [200]);
        // Slow, it has a place as any other, and gives way as any other.
        let slow = [short.clone(), put("/bucket/second", "hello")];
        let meanwhile = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(world.at(OTHER).send(long("/bucket/other")).await.refusal(), FULL);
        };
        assert_eq!(halted(&world, &slow[..1], Box::pin(meanwhile)).await, [200]);
        let world = self::world(2, |_| {}).await;
        let meanwhile = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(world.at(OTHER).send(long("/bucket/other")).await.status, 200);
        };
        let mut statuses = halted(&world, &slow, Box::pin(meanwhile)).await;
        // Both came to their place in the same moment.
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 503]);
        // And where there is no room it is refused.
        let more = [long("/bucket/k"), long("/bucket/l"), short.clone()];
        let meanwhile = tokio::time::sleep(Duration::from_secs(2));
        assert_eq!(halted(&world, &more, Box::pin(meanwhile)).await, [200, 200, 503]);
    }
}

#[tokio::test]
async fn fields_of_forms_have_room_and_whoever_has_the_most_gives_way() {
    let world = World::with_bucket().await;
    let form = |key: &str| world.form(key).content("hello").ask();
    let mut begun = std::collections::VecDeque::new();
    // One more than there may be, and nobody knows yet who signed them.
    for _ in 0..=FORMS_MAX {
        begun.push_back(world.begin(form("k"), 40).await);
    }
    assert_eq!(begun.pop_front().unwrap().answer().await.refusal(), FULL);
    // Another address is served, and takes a place that whoever has the most loses.
    assert_eq!(world.at(OTHER).send_raw(form("other")).await.status, 204);
    assert_eq!(begun.pop_front().unwrap().answer().await.refusal(), FULL);
    // Nobody proven gives way to forms: documents have rooms of their own.
    let versioning =
        "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    assert_eq!(world.send(put("/bucket?versioning", versioning)).await.status, 200);
    assert_eq!(begun.pop_front().unwrap().end().await.status, 204);
}
