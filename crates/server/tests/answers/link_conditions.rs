//! The conditions of a link, `x-valet-*`: which are read, when each holds, and what is refused.

use crate::harness::{Ask, World, config, get, invalid_argument, put};
use crate::people::{Key, policy};

/// An object `k` of ten bytes.
async fn with_object() -> World {
    let world = World::with_bucket().await;
    assert_eq!(world.send(put("/bucket/k", "0123456789")).await.status, 200);
    world
}

fn link(world: &World, method: &str, key: &str, conditions: &[(&str, &str)]) -> Ask {
    world.link_with(method, key, &[], conditions)
}

const NO_LINK: &str = "The x-valet-* conditions are for links to S3 that are signed with SigV4.";
const DENIED: &str = "403 <Code>AccessDenied</Code><Message>Access Denied</Message>";

#[tokio::test]
async fn conditions_that_are_none_are_refused() {
    let world = with_object().await;
    for (name, value, message) in [
        ("x-valet-unknown", "1", "x-valet-unknown is not a condition of a link that is known here"),
        ("X-Valet-Uses", "1", "X-Valet-Uses is not a condition of a link that is known here"),
        ("x-valet-", "", "x-valet- is not a condition of a link that is known here"),
        (
            "x-valet-id",
            "a.b",
            "x-valet-id must be 1 to 64 of the characters A-Z, a-z, 0-9, _ and -",
        ),
        (
            "x-valet-uses",
            "0",
            "x-valet-uses must be a number from 1, without a sign and leading zeros",
        ),
        (
            "x-valet-uses",
            "+1",
            "x-valet-uses must be a number from 1, without a sign and leading zeros",
        ),
        (
            "x-valet-content-length-range",
            "5",
            "x-valet-content-length-range must be MIN,MAX in bytes, both inclusive",
        ),
        (
            "x-valet-source-ip",
            "here",
            "x-valet-source-ip must be 1 to 32 addresses or CIDR ranges, separated by commas",
        ),
        (
            "x-valet-not-before",
            "tomorrow",
            "x-valet-not-before must be an instant such as 20261130T120000Z",
        ),
        ("x-valet-head", "false", "x-valet-head must be true"),
        ("x-valet-write-once", "1", "x-valet-write-once must be true"),
        ("x-valet-rate", "1", "x-valet-rate must be bytes a second, from 1024 to 1099511627776"),
        ("x-valet-label", "", "x-valet-label must be 1 to 256 printable characters"),
    ] {
        for method in ["GET", "PUT", "DELETE", "HEAD"] {
            let answer = world.send_raw(link(&world, method, "k", &[(name, value)])).await;
            assert_eq!(answer.status, 400, "{method} {name}");
            if method != "HEAD" {
                assert_eq!(answer.refusal(), invalid_argument(message, name, value), "{method}");
            }
        }
    }
    let twice = [("x-valet-uses", "1"), ("x-valet-uses", "2")];
    assert_eq!(
        world.send_raw(link(&world, "GET", "k", &twice)).await.refusal(),
        invalid_argument("x-valet-uses is given twice", "x-valet-uses", "2")
    );
    assert_eq!(world.send(get("/bucket/k")).await.text(), "0123456789");
}

#[tokio::test]
async fn what_is_no_sigv4_link_has_no_conditions() {
    let world = with_object().await;
    for (name, value) in [("x-valet-uses", "1"), ("X-Valet-Label", "a"), ("x-valet-unknown", "")] {
        let expected = invalid_argument(NO_LINK, name, value);
        let query = format!("{name}={value}");
        let target = format!("/bucket/k?{query}");
        assert_eq!(world.refused(get(&target)).await, expected, "signed by header");
        let mut v2 = world.link_v2("GET", "k");
        v2.target += &["&", &query].concat();
        assert_eq!(world.send_raw(v2).await.refusal(), expected, "SigV2");
        assert_eq!(world.send_raw(get(&target)).await.refusal(), expected, "anonymous");
        let spelled = get(&target.replacen("alet", "%61let", 1));
        assert_eq!(world.send(spelled).await.status, 400, "in another spelling");
        // Nobody adds one to a link that has none.
        let mut added = world.link("GET", "k");
        added.target += &["&", &query].concat();
        assert_eq!(world.send_raw(added).await.status, 403, "added");
    }
    // And nobody takes one away.
    let limited = link(&world, "GET", "k", &[("x-valet-source-ip", "198.51.100.0/24")]);
    let stripped = limited.tamper("x-valet-source-ip=198.51.100.0%2F24&", "");
    assert!(world.send_raw(stripped).await.text().contains("SignatureDoesNotMatch"));
}

#[tokio::test]
async fn conditions_fit_operations() {
    let world = with_object().await;
    world.send(put("/bucket/k2", "x")).await;
    let range = ("x-valet-content-length-range", "1,10");
    let (head, once) = (("x-valet-head", "true"), ("x-valet-write-once", "true"));
    let check = |method: &'static str,
                 query: &'static [(&str, &str)],
                 condition: (&'static str, &'static str),
                 expected: u16| {
        let world = &world;
        async move {
            let mut conditions = query.to_vec();
            conditions.push(condition);
            let answer = world
                .send_raw(link(world, method, "new", &conditions).body(if method == "PUT" {
                    "12345"
                } else {
                    ""
                }))
                .await;
            assert_eq!(answer.status, expected, "{method} {query:?} {condition:?}");
            if expected == 400 {
                let message = format!("The condition {} does not fit this operation.", condition.0);
                assert_eq!(answer.refusal(), invalid_argument(&message, condition.0, condition.1));
            }
        }
    };
    check("GET", &[], range, 400).await;
    check("GET", &[], once, 400).await;
    check("GET", &[], head, 404).await;
    check("DELETE", &[], range, 400).await;
    check("DELETE", &[], head, 400).await;
    check("DELETE", &[], once, 400).await;
    check("PUT", &[], head, 400).await;
    check("PUT", &[("tagging", "")], range, 400).await;
    check("PUT", &[("partNumber", "1"), ("uploadId", "x")], once, 400).await;
    check("PUT", &[("partNumber", "1"), ("uploadId", "x")], range, 404).await;
    check("GET", &[("tagging", "")], head, 400).await;
    check("PUT", &[], range, 200).await;
    check("PUT", &[], once, 412).await;
    // What says something about every operation fits every one.
    for name in [
        ("x-valet-id", "a"),
        ("x-valet-label", "A b"),
        ("x-valet-source-ip", "0.0.0.0/0"),
        ("x-valet-rate", "1048576"),
        ("x-valet-uses", "9"),
        ("x-valet-not-before", "20260615T120000Z"),
    ] {
        check("PUT", &[], name, 200).await;
        check("GET", &[], name, 200).await;
        check("GET", &[("tagging", "")], name, 200).await;
        check("DELETE", &[], name, 204).await;
    }
}

#[tokio::test]
async fn a_link_opens_in_its_second_and_from_its_addresses() {
    let mut world = with_object().await;
    let later = link(&world, "GET", "k", &[("x-valet-not-before", "20260615T120010Z")]);
    assert_eq!(
        world.send_raw(later.clone()).await.refusal(),
        "403 <Code>AccessDenied</Code><Message>Request is not yet valid</Message><NotBefore>2026-06-15T12:00:10Z</NotBefore><ServerTime>2026-06-15T12:00:00Z</ServerTime>"
    );
    world.now = "2026-06-15T12:00:10Z".parse().unwrap();
    assert_eq!(world.send_raw(later).await.status, 200);
    for (ranges, address, expected) in [
        ("192.0.2.0/24", "192.0.2.7", 200),
        ("192.0.2.0/24", "::ffff:192.0.2.7", 200),
        ("192.0.2.7", "192.0.2.7", 200),
        ("192.0.2.8", "192.0.2.7", 403),
        ("198.51.100.0/24,192.0.2.0/28", "192.0.2.7", 200),
        ("2001:db8::/32", "2001:db8::1", 200),
        ("2001:db8::/32", "192.0.2.7", 403),
    ] {
        let limited = link(&world, "GET", "k", &[("x-valet-source-ip", ranges)]);
        let answer = world.at(address).send_raw(limited).await;
        assert_eq!(answer.status, expected, "{ranges} {address}");
        if expected == 403 {
            assert_eq!(answer.refusal(), DENIED);
        }
    }
}

/// A trusted proxy says where the request came from, and nobody else does.
#[tokio::test]
async fn the_address_is_that_of_the_client() {
    let mut config = config();
    config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    let world = with_object().await.restarted(config);
    let limited = link(&world, "GET", "k", &[("x-valet-source-ip", "192.0.2.7")]);
    let said = limited.clone().header("x-forwarded-for", "192.0.2.7");
    assert_eq!(world.at("10.0.0.1").send_raw(said.clone()).await.status, 200);
    assert_eq!(world.at("198.51.100.1").send_raw(said).await.status, 403);
    assert_eq!(world.at("10.0.0.1").send_raw(limited).await.status, 403);
}

#[tokio::test]
async fn a_get_link_answers_head_if_it_says_so() {
    let world = with_object().await;
    let head = |ask: Ask| Ask { method: "HEAD".to_owned(), ..ask };
    let with = link(&world, "GET", "k", &[("x-valet-head", "true")]);
    assert_eq!(world.send_raw(with.clone()).await.text(), "0123456789");
    let answer = world.send_raw(head(with.clone())).await;
    assert_eq!((answer.status, answer.header("content-length"), answer.body.len()), (200, "10", 0));
    let plain = world.send_raw(head(world.link("GET", "k"))).await;
    assert_eq!(plain.status, 403, "a link without it");
    // The signature is that of a GET, and so of no other method.
    assert_eq!(
        world.send_raw(link(&world, "HEAD", "k", &[("x-valet-head", "true")])).await.status,
        403
    );
    for method in ["PUT", "DELETE", "POST"] {
        assert_eq!(
            world.send_raw(Ask { method: method.to_owned(), ..with.clone() }).await.status,
            403,
            "{method}"
        );
    }
    // Added, or spelled otherwise than it was signed, it is no condition of the link.
    let mut added = world.link("GET", "k");
    added.target += "&x-valet-head=true";
    assert_eq!(world.send_raw(head(added)).await.status, 403);
    // Beside another that is unknown, nothing is believed.
    let more = link(&world, "GET", "k", &[("x-valet-head", "true"), ("x-valet-unknown", "")]);
    assert_eq!(world.send_raw(head(more)).await.status, 400);
}

#[tokio::test]
async fn sizes_are_those_of_what_is_stored() {
    let world = with_object().await;
    let sized = |key: &str, extra: &[(&str, &str)]| {
        let mut conditions = vec![("x-valet-content-length-range", "3,5")];
        conditions.extend(extra);
        link(&world, "PUT", key, &conditions)
    };
    for (body, expected) in [("", 400), ("12", 400), ("123", 200), ("12345", 200), ("123456", 400)]
    {
        let answer = world.send_raw(sized("sized", &[]).body(body)).await;
        assert_eq!(answer.status, expected, "{body:?}");
        let code = if body.len() < 3 { "EntityTooSmall" } else { "EntityTooLarge" };
        assert_eq!(answer.element("Code"), if expected == 400 { code } else { "" });
        if expected == 400 {
            assert!(
                matches!(world.send(get("/bucket/sized")).await.text(), "" | "123" | "12345")
                    || world.send(get("/bucket/sized")).await.status == 404
            );
        }
    }
    assert_eq!(world.send(get("/bucket/sized")).await.text(), "12345");
    let too_large = world.send_raw(sized("other", &[]).body("1234567")).await.refusal();
    assert_eq!(
        too_large,
        "400 <Code>EntityTooLarge</Code><Message>Your proposed upload exceeds the maximum allowed size</Message><ProposedSize>7</ProposedSize><MaxSizeAllowed>5</MaxSizeAllowed>"
    );
    assert_eq!(world.send(get("/bucket/other")).await.status, 404, "nothing is kept");
    // A copy has the size of its source; a part has one of its own.
    let copy = |source: &'static str| {
        world.link_with(
            "PUT",
            "copy",
            &[("x-amz-copy-source", source)],
            &[("x-valet-content-length-range", "3,5")],
        )
    };
    assert_eq!(world.send_raw(copy("/bucket/k")).await.element("Code"), "EntityTooLarge");
    assert_eq!(world.send(get("/bucket/copy")).await.status, 404);
    assert_eq!(world.send_raw(copy("/bucket/sized")).await.status, 200);
    let begun = world.send(crate::harness::ask("POST", "/bucket/parts?uploads")).await;
    let id = begun.element("UploadId");
    let part =
        |body: &'static str| sized("parts", &[("partNumber", "1"), ("uploadId", &id)]).body(body);
    assert_eq!(world.send_raw(part("123456")).await.element("Code"), "EntityTooLarge");
    assert_eq!(world.send_raw(part("1234")).await.status, 200);
}

#[tokio::test]
async fn a_key_is_written_once() {
    let world = with_object().await;
    let once = |key: &str| link(&world, "PUT", key, &[("x-valet-write-once", "true")]);
    let failed = "412 <Code>PreconditionFailed</Code><Message>At least one of the pre-conditions you specified did not hold</Message><Condition>If-None-Match</Condition>";
    assert_eq!(world.send_raw(once("k").body("x")).await.refusal(), failed);
    assert_eq!(world.send_raw(once("once").body("x")).await.status, 200);
    assert_eq!(world.send_raw(once("once").body("y")).await.refusal(), failed);
    assert_eq!(world.send(get("/bucket/once")).await.text(), "x");
    // Where the object was deleted there is none.
    world.send(crate::harness::ask("DELETE", "/bucket/once")).await;
    assert_eq!(world.send_raw(once("once").body("z")).await.status, 200);
    // A condition that asks for an object never holds together with it.
    let both = world.link_with(
        "PUT",
        "new",
        &[("if-match", "\"abc\"")],
        &[("x-valet-write-once", "true")],
    );
    assert_eq!(world.send_raw(both.body("x")).await.element("Condition"), "x-valet-write-once");
    let copy = |key: &str| {
        world.link_with(
            "PUT",
            key,
            &[("x-amz-copy-source", "/bucket/k")],
            &[("x-valet-write-once", "true")],
        )
    };
    assert_eq!(world.send_raw(copy("copied")).await.status, 200);
    assert_eq!(world.send_raw(copy("copied")).await.refusal(), failed);
    // One of many that write at once.
    let jobs: Vec<_> = (0..20).map(|n| world.send_raw(once("raced").body(n.to_string()))).collect();
    let mut statuses = Vec::new();
    for answer in futures(jobs).await {
        statuses.push(answer.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    assert!(statuses[1..].iter().all(|status| *status == 412), "{statuses:?}");
}

/// All of them at once.
async fn futures<F: Future>(jobs: Vec<F>) -> Vec<F::Output> {
    let mut jobs: Vec<_> = jobs.into_iter().map(|job| (Box::pin(job), None)).collect();
    std::future::poll_fn(|context| {
        for (job, answer) in jobs.iter_mut().filter(|(_, answer)| answer.is_none()) {
            if let std::task::Poll::Ready(done) = job.as_mut().poll(context) {
                *answer = Some(done);
            }
        }
        if jobs.iter().all(|(_, answer)| answer.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    jobs.into_iter().filter_map(|(_, answer)| answer).collect()
}

/// A delete marker is absence.
#[tokio::test]
async fn a_deleted_version_may_be_written_again() {
    let world = with_object().await;
    let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    assert_eq!(world.send(put("/bucket?versioning", enabled)).await.status, 200);
    world.send(crate::harness::ask("DELETE", "/bucket/k")).await;
    let once = || link(&world, "PUT", "k", &[("x-valet-write-once", "true")]).body("again");
    assert_eq!(world.send_raw(once()).await.status, 200);
    assert_eq!(world.send_raw(once()).await.status, 412);
}

/// What a holder is told does not depend on what is behind the condition that is not met.
#[tokio::test]
async fn conditions_come_in_an_order() {
    let world = with_object().await;
    let key = world.user("ann", &policy(r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/mine"}"#)).await;
    let refused = |query: Vec<(&'static str, &'static str)>, name: &'static str| {
        let (world, key): (&World, &Key) = (&world, &key);
        async move {
            let link = world.link_saying(key, "GET", name, &query);
            world.send_raw(link).await.refusal()
        }
    };
    let elsewhere = ("x-valet-source-ip", "198.51.100.0/24");
    let later = ("x-valet-not-before", "20260616T120000Z");
    assert!(
        refused(vec![elsewhere, later, ("x-valet-x", "")], "k")
            .await
            .starts_with("400 <Code>InvalidArgument")
    );
    assert!(refused(vec![elsewhere, later], "k").await.contains("Request is not yet valid"));
    assert_eq!(refused(vec![elsewhere], "k").await, DENIED, "the policy is not asked");
    assert!(refused(vec![], "k").await.contains("not authorized to perform: s3:GetObject"));
    assert!(refused(vec![("x-valet-uses", "1")], "mine").await.starts_with("403"));
}
