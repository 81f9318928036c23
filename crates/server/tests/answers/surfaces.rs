//! What holds on every surface, whatever it serves: conditions of links, the reach of a policy, reported prefixes.

use std::net::IpAddr;

use presign::SignedPayload;

use crate::harness::{At, World, config, get, put, sha256};
use crate::people::{Key, policy, query_ask, user_arn};

#[tokio::test]
async fn conditions_of_a_link_are_ignored_nowhere() {
    let world = World::with_bucket().await;
    for target in [
        "/bucket/k?x-valet-uses=1",
        "/bucket/k?X-Valet-Uses=1",
        "/_valet/metrics?x-valet-uses=1",
        "/_valet/metrics?%78-valet-uses=1",
        "/_valet/metrics?X-VALET-unheard-of",
        "/_valet/api/v1/accounts?x-valet-uses=1",
    ] {
        let answer = world.send(get(target)).await;
        assert_eq!(answer.status, 400, "{target}: {}", answer.text());
        assert!(answer.text().contains("x-valet-") || answer.text().contains("X-V"), "{target}");
    }
    for (service, action) in [("iam", "ListUsers"), ("sts", "GetCallerIdentity")] {
        let mut call = query_ask(service, &[("Action", action)]);
        call.target = "/?x-valet-uses=1".to_owned();
        let payload = SignedPayload::Sha256(sha256(&call.body));
        let call = world.sign_for(&Key::root().credentials(), service, call, payload);
        assert_eq!(world.send_raw(call).await.status, 400, "{action}");
    }
}

#[tokio::test]
async fn a_policy_for_all_of_s3_manages_no_server() {
    let world = World::new().await;
    let check = |name: &'static str, resource: &'static str, expected: u16| {
        let world = &world;
        async move {
            let all = format!(r#"{{"Effect":"Allow","Action":"*","Resource":"{resource}"}}"#);
            let key = world.user(name, &policy(&all)).await;
            for target in ["/_valet/metrics", "/_valet/api/v1/accounts"] {
                let answer = world.send_as(&key, get(target)).await;
                assert_eq!(answer.status, expected, "{resource} {target}: {}", answer.text());
            }
        }
    };
    check("ann", "arn:aws:s3:::*", 403).await;
    check("bob", "*", 200).await;
}

#[tokio::test]
async fn no_reported_prefix_makes_a_bucket_of_our_own_paths() {
    let mut config = config();
    config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    let mut world = World::with(config, store::Encryption::On).await;
    for bucket in ["/metrics", "/api", "/accounts"] {
        world.send(put(bucket, "")).await;
    }
    world.peer.address = "10.0.0.1".parse::<IpAddr>().unwrap();
    let at = At::path("http://other.example");
    for (method, key, moved) in [
        ("GET", "metrics", "/metrics"),
        ("GET", "api/v1/accounts", "/api/v1/accounts"),
        ("DELETE", "api/v1/accounts/123456789012", "/api/v1/accounts/123456789012"),
    ] {
        for prefix in ["/_valet", "/%5Fvalet", "/_valet/"] {
            let link = world.link_to(&at, method, "_valet", key);
            let sent = link.tamper(&format!("/_valet/{key}"), moved);
            let answer = world.send_raw(sent.header("x-forwarded-prefix", prefix)).await;
            assert_eq!(answer.status, 403, "{method} {moved} below {prefix}: {}", answer.text());
        }
    }
    let below = |key: &str| {
        let link = world.link_to(&at, "DELETE", "_valet", &format!("api/v1/{key}"));
        link.tamper(&format!("/_valet/api/v1/{key}"), &format!("/{key}"))
    };
    let sent = below("accounts/123456789012").header("x-forwarded-prefix", "/_valet/api/v1");
    assert_eq!(world.send_raw(sent).await.status, 403);
}

#[tokio::test]
async fn a_simulation_knows_of_the_identity_what_the_gate_knows() {
    let world = World::with_bucket().await;
    let statements = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/${aws:username}/*"},{"Effect":"Allow","Action":"s3:PutObject","Resource":"*"},{"Effect":"Deny","Action":"s3:PutObject","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"red"}}},{"Effect":"Allow","Action":"s3:DeleteObject","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}"#;
    world.user("ann", &policy(statements)).await;
    world
        .iam(&[
            ("Action", "TagUser"),
            ("UserName", "ann"),
            ("Tags.member.1.Key", "team"),
            ("Tags.member.1.Value", "red"),
        ])
        .await;
    let simulate = |action: &'static str, resource: &'static str| {
        let world = &world;
        async move {
            let arn = user_arn("ann");
            let parameters = [
                ("Action", "SimulatePrincipalPolicy"),
                ("PolicySourceArn", arn.as_str()),
                ("ActionNames.member.1", action),
                ("ResourceArns.member.1", resource),
            ];
            let answer = world.query(&Key::root(), "iam", &parameters).await;
            let missing = answer.element("MissingContextValues");
            (answer.element("EvalDecision"), missing.contains("<member>aws:sourceip</member>"))
        }
    };
    let check = |decided: (String, bool), decision: &str, lacks_address: bool| {
        assert_eq!(decided, (decision.to_owned(), lacks_address));
    };
    check(simulate("s3:GetObject", "arn:aws:s3:::bucket/ann/k").await, "allowed", false);
    check(simulate("s3:GetObject", "arn:aws:s3:::bucket/bob/k").await, "implicitDeny", false);
    check(simulate("s3:PutObject", "arn:aws:s3:::bucket/k").await, "explicitDeny", false);
    check(simulate("s3:DeleteObject", "arn:aws:s3:::bucket/k").await, "implicitDeny", true);
}
