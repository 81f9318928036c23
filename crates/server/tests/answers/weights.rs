//! A cost that somebody weighs: what users' words may take of a core, of memory and of an answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use presign::SignedPayload;
use std::sync::Arc;

use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinSet;

use crate::harness::{Ask, World, ask, get, put, sha256};
use crate::people::{Key, policy, query_ask, query_refusal, trusts};

/// One statement that allows reading under a condition.
fn reading_when(condition: &str) -> String {
    policy(&format!(
        r#"{{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{condition}}}"#
    ))
}

/// A condition's value has 4,096 bytes at most; what is longer is allowed nothing for its sake.
#[tokio::test]
async fn a_header_that_is_too_long_is_compared_with_nothing() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/a", "hello")).await;
    let allowed = reading_when(r#"{"StringLike":{"aws:UserAgent":"a*"}}"#);
    let ann = world.user("ann", &allowed).await;
    let denied = format!(
        r#"{{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}},
           {{"Effect":"Deny","Action":"*","Resource":"*","Condition":{}}}"#,
        r#"{"StringLike":{"aws:UserAgent":"b*"}}"#
    );
    let ben = world.user("ben", &policy(&denied)).await;
    for (bytes, status) in [(4096, 200), (4097, 403)] {
        for key in [&ann, &ben] {
            let read = get("/bucket/a").set("user-agent", &"a".repeat(bytes));
            assert_eq!(world.send_as(key, read).await.status, status, "{bytes}");
        }
    }
}

/// 8 KB of patterns against 4 KB, a thousand times: the first refusals take what the request has, and
/// none of the others is any dearer than nothing.
#[tokio::test]
async fn many_objects_cost_no_more_than_a_request_may() {
    let world = World::with_bucket().await;
    let patterns: Vec<String> = (0..170).map(|n| format!(r#""*{n}a?a?a?*b""#)).collect();
    let burner =
        reading_when(&format!(r#"{{"StringLike":{{"aws:UserAgent":[{}]}}}}"#, patterns.join(",")))
            .replace("s3:GetObject", "s3:DeleteObject");
    let ann = world.user("ann", "").await;
    world.role("burner", &trusts("*"), &burner).await;
    let session = world.assume(&ann, "burner", &[]).await;
    let objects: Vec<String> =
        (0..1000).map(|n| format!("<Object><Key>{n}</Key></Object>")).collect();
    let objects = objects.concat();
    let document = format!("<Delete>{objects}</Delete>");
    let digest = STANDARD.encode(sha256(document.as_bytes()));
    for key in [&session, &ann] {
        let delete = ask("POST", "/bucket?delete")
            .set("user-agent", &"1a".repeat(2048))
            .header("x-amz-checksum-sha256", &digest)
            .body(document.clone());
        let answer = world.send_as(key, delete).await;
        assert_eq!(answer.elements("Code"), vec!["AccessDenied"; 1000], "{}", answer.text());
        let told = answer.text().contains("take more comparing than one request may");
        assert_eq!(told, key.token.is_some());
    }
}

/// Whoever is refused because comparing was cut off is told so by IAM and STS as well.
#[tokio::test]
async fn calls_say_that_comparing_was_cut_off() {
    let world = World::new().await;
    let ann = world.user("ann", "").await;
    // Each variable costs what it stands for: 4,096 bytes for fourteen letters.
    let burning = "${aws:referer}".repeat(400);
    let burning = reading_when(&format!(r#"{{"StringLike":{{"aws:UserAgent":"{burning}"}}}}"#));
    for name in ["one", "two", "three"] {
        let document = burning.replace("s3:GetObject", "*");
        let create =
            [("Action", "CreatePolicy"), ("PolicyName", name), ("PolicyDocument", &document)];
        let arn = world.iam(&create).await.element("Arn");
        world
            .iam(&[("Action", "AttachUserPolicy"), ("UserName", "ann"), ("PolicyArn", &arn)])
            .await;
    }
    let calls = [
        ("iam", [("Action", "ListUsers"), ("PathPrefix", "/")], "iam:ListUsers on resource: "),
        (
            "sts",
            [("Action", "GetFederationToken"), ("Name", "fred")],
            "sts:GetFederationToken on resource: ",
        ),
    ];
    let words = [
        (4096, "because the policies take more comparing than one request may"),
        (8, "because no identity-based policy allows the "),
    ];
    for (service, parameters, asked) in calls {
        for (bytes, why) in words {
            let ask = query_ask(service, &parameters)
                .set("user-agent", "curl")
                .set("referer", &"r".repeat(bytes));
            let payload = SignedPayload::Sha256(sha256(&ask.body));
            let call = world.sign_for(&ann.credentials(), service, ask, payload);
            let refused = query_refusal(&world.send_raw(call).await);
            let told = refused.contains(asked) && refused.contains(why);
            assert!(refused.starts_with("403 AccessDenied User: ") && told, "{refused}");
        }
    }
}

/// Half a megabyte of policies and a thousand questions took 25 s of a core.
#[tokio::test]
async fn a_simulation_that_takes_too_much_is_refused() {
    let world = World::new().await;
    let patterns: Vec<String> = (0..6000).map(|n| format!(r#""*{n}a?a?a?*b""#)).collect();
    let heavy =
        reading_when(&format!(r#"{{"StringLike":{{"aws:UserAgent":[{}]}}}}"#, patterns.join(",")));
    let simulate = |policy: String, value: String| {
        let world = &world;
        async move {
            let mut parameters = vec![
                ("Action".to_owned(), "SimulateCustomPolicy".to_owned()),
                ("PolicyInputList.member.1".to_owned(), policy),
                ("ContextEntries.member.1.ContextKeyName".to_owned(), "aws:UserAgent".to_owned()),
                ("ContextEntries.member.1.ContextKeyType".to_owned(), "string".to_owned()),
                ("ContextEntries.member.1.ContextKeyValues.member.1".to_owned(), value),
            ];
            parameters.extend(
                (1..=100).map(|n| (format!("ActionNames.member.{n}"), "s3:GetObject".to_owned())),
            );
            let parameters: Vec<_> =
                parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            world.query(&Key::root(), "iam", &parameters).await
        }
    };
    let refused = simulate(heavy.clone(), "1a".repeat(2048)).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(refused.element("Code"), "InvalidInput");
    let light = reading_when(r#"{"StringLike":{"aws:UserAgent":"curl*"}}"#);
    let answered = simulate(light, "curl/8".to_owned()).await;
    assert_eq!(answered.elements("EvalDecision"), vec!["allowed"; 100]);
}

/// What a simulation names of missing keys does not grow with the policies.
#[tokio::test]
async fn a_simulation_names_so_many_missing_keys() {
    let world = World::new().await;
    let tags: Vec<String> =
        (0..1000).map(|n| format!(r#""s3:ExistingObjectTag/{n:0>40}":"v""#)).collect();
    let asking = |keys: &[String]| {
        policy(&format!(
            r#"{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"StringNotEquals":{{{}}}}}}}"#,
            keys.join(",")
        ))
    };
    let simulate = |policy: String| {
        let world = &world;
        async move {
            let parameters = [
                ("Action", "SimulateCustomPolicy"),
                ("PolicyInputList.member.1", policy.as_str()),
                ("ActionNames.member.1", "s3:GetObject"),
            ];
            world.query(&Key::root(), "iam", &parameters).await
        }
    };
    let few = simulate(asking(&tags[..2])).await;
    assert!(few.text().contains(&format!("s3:existingobjecttag/{:0>40}", 1)), "{}", few.text());
    let many = simulate(asking(&tags)).await;
    assert_eq!(many.status, 200, "{}", many.text());
    assert!(many.body.len() < 8192, "{}", many.body.len());
}

/// White space is not what AWS counts, but it is kept: four bytes for each character of a quota.
#[tokio::test]
async fn white_space_has_a_bound_of_its_own() {
    let world = World::new().await;
    world.user("ann", "").await;
    let put_policy = |bytes: usize| {
        let plain = policy(r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}"#);
        let text = plain.replacen('{', &format!("{{{}", " ".repeat(bytes - plain.len())), 1);
        let world = &world;
        async move {
            let parameters = [
                ("Action", "PutUserPolicy"),
                ("UserName", "ann"),
                ("PolicyName", "p"),
                ("PolicyDocument", text.as_str()),
            ];
            world.query(&Key::root(), "iam", &parameters).await
        }
    };
    assert_eq!(put_policy(4 * 2048).await.status, 200);
    let refused = put_policy(4 * 2048 + 1).await;
    assert_eq!((refused.status, refused.element("Code").as_str()), (409, "LimitExceeded"));
}

/// However many are asked for, an answer ends soon after a megabyte, and says where it goes on.
#[tokio::test]
async fn what_everybody_may_comes_in_pages_of_bytes() {
    const POLICIES: usize = 100;
    let world = World::new().await;
    // Each takes three bytes of an answer.
    let key = "%".repeat(5000);
    let document = policy(&format!(
        r#"{{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/{key}"}}"#
    ));
    for n in 0..POLICIES {
        let name = format!("p{n:03}");
        let parameters = [
            ("Action", "CreatePolicy"),
            ("PolicyName", name.as_str()),
            ("PolicyDocument", document.as_str()),
        ];
        assert_eq!(world.iam(&parameters).await.status, 200);
    }
    let mut marker: Option<String> = None;
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let mut parameters = vec![
            ("Action", "GetAccountAuthorizationDetails"),
            ("Filter.member.1", "LocalManagedPolicy"),
            ("MaxItems", "1000"),
        ];
        if let Some(marker) = &marker {
            parameters.push(("Marker", marker));
        }
        let answer = world.iam(&parameters).await;
        assert!(answer.text().len() < 2 * 1024 * 1024, "{}", answer.text().len());
        seen.extend(answer.elements("PolicyName"));
        pages += 1;
        if answer.element("IsTruncated") == "false" {
            break;
        }
        marker = Some(answer.element("Marker"));
    }
    assert!(pages > 1, "all of it in one page");
    let expected: Vec<_> = (0..POLICIES).map(|n| format!("p{n:03}")).collect();
    assert_eq!(seen, expected);
}

/// Documents that may be long and are read at once.
const LONG_DOCUMENTS_MAX: usize = 64;

fn long_document() -> Ask {
    let name = "a/rather/long/name/of/an/object/that/is/not/there";
    let objects: Vec<String> =
        (0..1000).map(|n| format!("<Object><Key>{name}/{n}</Key></Object>")).collect();
    let objects = objects.concat();
    let document = format!("<Delete><Quiet>true</Quiet>{objects}</Delete>");
    let digest = STANDARD.encode(sha256(document.as_bytes()));
    ask("POST", "/bucket?delete").header("x-amz-checksum-sha256", &digest).body(document)
}

/// Whoever may send documents can begin many and end none: of those that are too many, the oldest of whoever sends the
/// most makes room.
#[tokio::test]
async fn documents_that_do_not_end_have_a_bound() {
    let world = Arc::new(World::with_bucket().await);
    let (all_read, over) =
        (Arc::new(Barrier::new(LONG_DOCUMENTS_MAX + 1)), Arc::new(Semaphore::new(0)));
    let mut many = JoinSet::new();
    for _ in 0..LONG_DOCUMENTS_MAX {
        let (world, all_read, over) =
            (Arc::clone(&world), Arc::clone(&all_read), Arc::clone(&over));
        many.spawn(async move {
            let halting = async {
                all_read.wait().await;
                drop(over.acquire().await);
            };
            world.send_halting(long_document(), halting).await
        });
    }
    all_read.wait().await;
    let elsewhere = world.at("198.51.100.9").send(long_document()).await;
    let here = world.send(long_document()).await;
    let short = world.send(put("/bucket?tagging", "")).await;
    let more = (elsewhere.status, here.status, short.status);
    over.add_permits(LONG_DOCUMENTS_MAX);
    let many = many.join_all().await;
    assert_eq!(more, (200, 200, 400));
    let refused: Vec<_> = many.iter().filter(|answer| answer.status != 200).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!((refused[0].status, refused[0].element("Code")), (503, "SlowDown".to_owned()));
}
