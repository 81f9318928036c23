//! What the server says of a link: to whom, and nothing else to anybody else.

#[path = "../../../presign/tests/support/broken_links.rs"]
mod broken_links;

use broken_links::{Signing, broken_links};
use presign::{Credentials, Endpoint, ExpiresIn, Presign, Presigner};
use serde_json::{Value, json};
use server::{PublicUrl, ServerConfig};
use store::{Revocation, RevocationScope, Revoke, RevokedLinks};

use crate::harness::{Answer, HOST, SECRET, World, ask, config, credentials, put};
use crate::people::{ACCOUNT, Key, policy, role_arn, trusts, user_arn};

const READ: &str =
    r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}"#;
const READ_AND_WRITE: &str = r#"{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::bucket/*"}"#;

/// The whole answer about a link.
async fn answer(world: &World, key: &Key, question: Value) -> Answer {
    world.send_as(key, ask("POST", "/_valet/api/v1/explain").body(question.to_string())).await
}

async fn explained(world: &World, key: &Key, question: Value) -> Value {
    let answer = answer(world, key, question).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    serde_json::from_slice(&answer.body).unwrap()
}

/// What is said of a link of which nothing but its URL is known.
async fn told(world: &World, key: &Key, url: &str) -> Value {
    explained(world, key, json!({"url": url})).await
}

fn codes(told: &Value) -> Vec<&str> {
    let causes = told["causes"].as_array().unwrap();
    causes.iter().map(|cause| cause["code"].as_str().unwrap()).collect()
}

/// Verdict and codes, on one line.
fn verdict(told: &Value) -> String {
    format!("{} {}", told["works"].as_str().unwrap(), codes(told).join(" ")).trim_end().to_owned()
}

fn link(world: &World, key: &Key, method: &str, object: &str) -> String {
    link_with(world, &key.credentials(), method, ("bucket", object), &[])
}

fn link_with(
    world: &World,
    credentials: &Credentials,
    method: &str,
    (bucket, object): (&str, &str),
    query: &[(&str, &str)],
) -> String {
    let endpoint = Endpoint::parse(&format!("http://{HOST}")).unwrap();
    let life = ExpiresIn::from_seconds(3600).unwrap();
    let presign = Presign::new(method, &endpoint, bucket, object.as_bytes(), life);
    let presign = presign.with_query(query);
    let mut presigner = Presigner::new(credentials.clone(), world.region());
    presigner.presign(&presign, world.now).unwrap().url
}

/// `bucket` with the object `a`, and a user who may read and write there.
async fn world_with_ann() -> (World, Key) {
    let world = World::with_bucket().await;
    assert_eq!(world.send(put("/bucket/a", "hello")).await.status, 200);
    let ann = world.user("ann", &policy(READ_AND_WRITE)).await;
    (world, ann)
}

#[tokio::test]
async fn the_right_cause_is_named_first_without_the_secret() {
    let mut world = World::new().await;
    assert_eq!(world.send(put("/photos", "")).await.status, 200);
    let (signer, now) = (credentials(), world.now);
    let (public, region) = ("https://files.example.com", "us-east-1");
    let signing = Signing { credentials: &signer, public, region, bucket: "photos", now };
    let mut wrong = Vec::new();
    let rows = broken_links(&signing);
    for row in &rows {
        world.now = now.checked_add(jiff::SignedDuration::from_secs(row.seconds)).unwrap();
        let headers: serde_json::Map<String, Value> =
            row.headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let mut question = json!({"url": row.text, "headers": headers});
        if let Some(method) = row.method {
            question["method"] = method.into();
        }
        let told = explained(&world, &Key::root(), question).await;
        let is_right = codes(&told).first() == Some(&row.cause.as_str());
        if !is_right || told["works"] != "no" {
            wrong.push(format!("{}: {told}", row.name));
        }
        assert!(!told.to_string().contains(SECRET), "{told}");
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[tokio::test]
async fn a_link_is_judged_as_the_gate_would_judge_it() {
    let (world, ann) = world_with_ann().await;
    let check = async |url: &str, expected: &str| {
        let told = told(&world, &ann, url).await;
        assert_eq!(verdict(&told), expected, "{told}");
        told
    };
    let sound = check(&link(&world, &ann, "GET", "a"), "yes").await;
    assert_eq!(sound["allows"]["operation"], "GET: download the object");
    assert_eq!(sound["allows"]["limited_by"], json!(["requested"]));
    assert_eq!(sound["missing"], json!([]));
    // The host of these tests is no public one.
    assert_eq!(sound["notes"].as_array().unwrap().len(), 1, "{sound}");
    check(&link(&world, &ann, "PUT", "new"), "yes").await;
    check(&link(&world, &ann, "DELETE", "a"), "no policy").await;
    check(&link(&world, &ann, "GET", "b"), "no object-missing").await;
    let credentials = ann.credentials();
    let elsewhere = link_with(&world, &credentials, "GET", ("nowhere", "a"), &[]);
    check(&elsewhere, "no bucket-missing").await;
    let version = link_with(&world, &credentials, "GET", ("bucket", "a"), &[("versionId", "null")]);
    check(&version, "no policy").await;
    let away = [("x-valet-source-ip", "198.51.100.0/24")];
    let away = link_with(&world, &credentials, "GET", ("bucket", "a"), &away);
    let told = check(&away, "unknown source-ip").await;
    assert_eq!(told["missing"], json!(["aws:sourceip"]));
    assert_eq!(told["conditions"], json!({"x-valet-source-ip": "198.51.100.0/24"}));
    let here = [("x-valet-source-ip", "192.0.2.0/24"), ("x-valet-head", "true")];
    let here = link_with(&world, &credentials, "GET", ("bucket", "a"), &here);
    check(&here, "yes").await;
    let head = explained(&world, &ann, json!({"url": here, "method": "HEAD"})).await;
    assert_eq!(verdict(&head), "yes", "{head}");
    let escaped = link(&world, &ann, "GET", "a").replace('&', "&amp;");
    check(&escaped, "no html-escaped").await;
}

/// The link at another host: signed for it, as whoever signed it believed that it leads here.
fn link_at(world: &World, key: &Key, origin: &str, (bucket, object): (&str, &str)) -> String {
    let endpoint = Endpoint::parse(origin).unwrap();
    let life = ExpiresIn::from_seconds(3600).unwrap();
    let presign = Presign::new("GET", &endpoint, bucket, object.as_bytes(), life);
    let mut presigner = Presigner::new(key.credentials(), world.region());
    presigner.presign(&presign, world.now).unwrap().url
}

/// Nothing that is stored here says whether a link to somewhere else works.
#[tokio::test]
async fn a_link_to_somewhere_else_is_not_judged_as_one_to_here() {
    let (world, ann) = world_with_ann().await;
    let tenant = world.tenant().await;
    for (origin, bucket, object) in [
        ("https://s3.amazonaws.com", "bucket", "a"),
        ("https://s3.eu-west-1.amazonaws.com", "bucket", "a"),
        ("https://bucket.s3.amazonaws.com", "b", "a"),
        ("https://s3.cn-north-1.amazonaws.com.cn", "nowhere", "a"),
    ] {
        let host = origin.trim_start_matches("https://");
        for key in [&ann, &Key::root(), &tenant] {
            let told = told(&world, key, &link_at(&world, &ann, origin, (bucket, object))).await;
            assert_eq!(verdict(&told), "no host", "{told}");
            assert_eq!(told["missing"], json!([]));
            let said = format!("The link is for Amazon S3 ({host}), not for this server.");
            assert_eq!(told["causes"][0]["text"], json!(said));
            assert_eq!(told["causes"][0]["mend"], "Set AWS_ENDPOINT_URL, and sign again.");
        }
    }
    for (origin, bucket, object) in [
        ("https://files.example.com", "bucket", "a"),
        ("https://files.example.com", "nowhere", "a"),
        ("https://bucket.files.example.com", "b", "a"),
        // A machine at Amazon is no S3.
        ("http://ec2-192-0-2-1.compute-1.amazonaws.com:9000", "bucket", "a"),
    ] {
        let told = told(&world, &ann, &link_at(&world, &ann, origin, (bucket, object))).await;
        assert_eq!(verdict(&told), "unknown", "{origin} {bucket} {told}");
        assert_eq!(told["missing"], json!(["host"]), "{origin} {bucket}");
        let notes = told["notes"].to_string();
        assert!(notes.contains("valet doctor"), "{notes}");
    }
    // What is wrong wherever it leads is still said, and so is that nothing is stored in a bucket that is here.
    let absent = link_at(&world, &ann, "https://files.example.com", ("bucket", "b"));
    assert_eq!(verdict(&told(&world, &ann, &absent).await), "no object-missing");
    let elsewhere = link_at(&world, &ann, "https://files.example.com", ("bucket", "a"));
    let question = json!({"url": elsewhere, "method": "DELETE"});
    assert_eq!(verdict(&explained(&world, &ann, question).await), "no method");
}

/// Names that the configuration declares, and addresses at which the server listens, lead to it.
#[tokio::test]
async fn a_link_to_a_known_name_is_judged() {
    let (world, ann) = world_with_ann().await;
    let check = async |change: fn(&mut ServerConfig), origin: &str| {
        let mut config = config();
        change(&mut config);
        let world = world.under(config);
        let told = told(&world, &ann, &link_at(&world, &ann, origin, ("bucket", "a"))).await;
        assert_eq!(verdict(&told), "yes", "{origin} {told}");
    };
    let public = "https://files.example.com";
    check(
        |it| it.public_urls = vec![PublicUrl::parse("https://files.example.com").unwrap()],
        public,
    )
    .await;
    check(|it| it.domains = vec!["s3.amazonaws.com".to_owned()], "https://s3.amazonaws.com").await;
    check(|it| it.listen = vec!["0.0.0.0:9000".parse().unwrap()], "http://localhost:9000").await;
    check(|it| it.listen = vec!["[::]:9000".parse().unwrap()], "http://127.0.0.1:9000").await;
    check(|it| it.listen = vec!["192.0.2.1:9000".parse().unwrap()], "http://192.0.2.1:9000").await;
}

/// At the host of a bucket the path is the key.
#[tokio::test]
async fn a_link_to_the_host_of_a_bucket_is_one_to_an_object() {
    let (world, ann) = world_with_ann().await;
    let mut config = config();
    let bucket = store::BucketName::parse("bucket").unwrap();
    config.bucket_domains =
        vec![server::BucketDomain { host: "files.example.com".to_owned(), bucket }];
    let world = world.under(config);
    let endpoint = Endpoint::parse("https://files.example.com").unwrap();
    let life = ExpiresIn::from_seconds(3600).unwrap();
    let presign = Presign::new("GET", &endpoint, "bucket", b"a", life);
    let presign = presign.with_addressing(presign::Addressing::BucketHost);
    let mut presigner = Presigner::new(ann.credentials(), world.region());
    let link = presigner.presign(&presign, world.now).unwrap().url;
    let question = json!({"url": link, "method": "GET"});
    let told = explained(&world, &ann, question).await;
    assert_eq!(verdict(&told), "yes", "{told}");
    let allows = &told["allows"];
    assert_eq!((&allows["bucket"], &allows["key"]), (&json!("bucket"), &json!("a")), "{told}");
    assert_eq!(allows["operation"], "GET: download the object");
}

/// Takes the link back, or all links of something.
async fn revoke(world: &World, links: RevokedLinks) {
    let account = iam::AccountId::parse(ACCOUNT).unwrap();
    let revocation = Revocation {
        links,
        scope: RevocationScope { account, signer: None },
        signed_until: world.now,
        lives_until: world.now.checked_add(store::REVOCATION_LIFE).unwrap(),
        revoked_at: world.now,
        revoked_by: "arn:aws:iam::000000000000:root".to_owned(),
    };
    assert!(matches!(world.store.revoke(revocation).await.unwrap(), Revoke::Recorded(_)));
}

#[tokio::test]
async fn a_link_that_was_taken_back_is_said_to_be() {
    let (mut world, ann) = world_with_ann().await;
    let later = [("x-valet-not-before", "20260615T123000Z")];
    let later = link_with(&world, &ann.credentials(), "GET", ("bucket", "a"), &later);
    let absent = link(&world, &ann, "GET", "b");
    let url = link(&world, &ann, "GET", "a");
    assert_eq!(verdict(&told(&world, &ann, &later).await), "no not-yet");
    let of_one = told(&world, &ann, &url).await;
    assert_eq!(verdict(&of_one), "yes");
    revoke(&world, RevokedLinks::AccessKey(ann.id.clone())).await;
    let told_of_key = told(&world, &ann, &url).await;
    assert_eq!(verdict(&told_of_key), "no revoked");
    let text = format!(
        "All links that the access key {} had signed were taken back at {}.",
        ann.id,
        world.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    );
    assert_eq!(told_of_key["causes"][0]["text"], text);
    assert_eq!(verdict(&told(&world, &ann, &absent).await), "no revoked");
    assert_eq!(verdict(&told(&world, &ann, &later).await), "no revoked not-yet");
    assert_eq!(verdict(&told(&world, &Key::root(), &url).await), "no revoked");
    let eve = world.user("eve", &policy(READ)).await;
    assert_eq!(verdict(&told(&world, &eve, &url).await), "unknown");
    world.now = world.now.checked_add(jiff::SignedDuration::from_secs(1)).unwrap();
    assert_eq!(verdict(&told(&world, &ann, &link(&world, &ann, "GET", "a")).await), "yes");
}

#[tokio::test]
async fn a_link_that_is_used_up_is_said_to_be() {
    let (world, ann) = world_with_ann().await;
    let of = |query| link_with(&world, &ann.credentials(), "GET", ("bucket", "a"), query);
    let url = of(&[("x-valet-uses", "1")]);
    let at_once = told(&world, &ann, &url).await;
    assert_eq!(verdict(&at_once), "yes");
    assert_eq!(at_once["conditions"], json!({"x-valet-uses": "1"}));
    let left = json!("1 of its 1 uses are left.");
    assert!(at_once["notes"].as_array().unwrap().contains(&left), "{at_once}");
    // How often others used it is nobody else's business.
    let eve = world.user("eve", &policy(READ)).await;
    let elsewhere = told(&world, &eve, &url).await;
    assert!(!elsewhere["notes"].as_array().unwrap().contains(&left), "{elsewhere}");
    let target = url.strip_prefix(&format!("http://{HOST}")).unwrap();
    // Whoever asks may have used it himself.
    assert_eq!(world.send_raw(ask("GET", target)).await.status, 200);
    assert_eq!(verdict(&told(&world, &ann, &url).await), "no used-up");
    let unfit = of(&[("x-valet-write-once", "true")]);
    let unfit = told(&world, &ann, &unfit).await;
    assert_eq!(verdict(&unfit), "no parameter-added", "{unfit}");
}

#[tokio::test]
async fn what_policies_decide_is_told() {
    let (world, ann) = world_with_ann().await;
    let url = link(&world, &ann, "GET", "a");
    let office = r#"{"Effect":"Deny","Action":"s3:GetObject","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"198.51.100.0/24"}}}"#;
    let aged = r#"{"Effect":"Deny","Action":"s3:GetObject","Resource":"*","Condition":{"NumericGreaterThan":{"s3:signatureAge":"600000"}}}"#;
    let never = r#"{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}"#;
    for (more, expected, missing, limited_by) in [
        (office, "unknown", json!(["aws:sourceip"]), "requested"),
        (aged, "yes", json!([]), "signature-age"),
        (never, "no policy", json!([]), "requested"),
    ] {
        world.put_user_policy("ann", &policy(&format!("{READ},{more}"))).await;
        let told = told(&world, &ann, &url).await;
        assert_eq!(verdict(&told), expected, "{told}");
        assert_eq!(told["missing"], missing, "{told}");
        assert_eq!(told["allows"]["limited_by"], json!([limited_by]), "{told}");
    }
    let text = told(&world, &ann, &url).await["causes"][0]["text"].as_str().unwrap().to_owned();
    assert!(text.contains("denied by the identity-based policy"), "{text}");
}

#[tokio::test]
async fn keys_and_sessions_are_told_to_their_account() {
    let (mut world, ann) = world_with_ann().await;
    let root = Key::root();
    let sound = link(&world, &ann, "GET", "a");
    let set = |status| {
        [
            ("Action", "UpdateAccessKey"),
            ("UserName", "ann"),
            ("AccessKeyId", ann.id.as_str()),
            ("Status", status),
        ]
    };
    world.iam(&set("Inactive")).await;
    assert_eq!(verdict(&told(&world, &root, &sound).await), "no key-inactive");
    // Nothing is looked up for a link that cannot be used.
    let absent = link(&world, &ann, "GET", "b");
    assert_eq!(verdict(&told(&world, &root, &absent).await), "no key-inactive");
    world.iam(&set("Active")).await;
    assert_eq!(verdict(&told(&world, &root, &sound).await), "yes");

    world.role("reader", &trusts(&user_arn("ann")), &policy(READ)).await;
    let assume = policy(&format!(
        r#"{{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"{}"}}"#,
        role_arn("reader")
    ));
    world.put_user_policy("ann", &assume).await;
    let session = world.assume(&ann, "reader", &[("DurationSeconds", "900")]).await;
    let of_session = link(&world, &session, "GET", "a");
    let living = told(&world, &session, &of_session).await;
    assert_eq!(verdict(&living), "yes", "{living}");
    assert_eq!(living["allows"]["limited_by"], json!(["session"]));
    assert_eq!(living["allows"]["until"], "2026-06-15T12:15:00Z");
    assert!(living["notes"].to_string().contains("ends when their session ends"), "{living}");
    let other = world.assume(&ann, "reader", &[("DurationSeconds", "900")]).await;
    let mixed = Key { token: other.token.clone(), ..session.clone() };
    let mixed = link(&world, &mixed, "GET", "a");
    assert_eq!(verdict(&told(&world, &root, &mixed).await), "no session-token");
    let broken = Key { token: Some("bm90IGEgdG9rZW4=".to_owned()), ..session.clone() };
    let broken = link(&world, &broken, "GET", "a");
    assert_eq!(verdict(&told(&world, &root, &broken).await), "unknown session-token");
    world.now = world.now.checked_add(jiff::SignedDuration::from_secs(901)).unwrap();
    assert_eq!(verdict(&told(&world, &root, &of_session).await), "no session-ended");
    world.now = world.now.checked_add(jiff::SignedDuration::from_secs(3600)).unwrap();
    assert_eq!(verdict(&told(&world, &root, &of_session).await), "no expired session-ended");
}

/// Whoever may not know is told what the URL tells, whatever is behind it, byte for byte.
#[tokio::test]
async fn strangers_are_told_what_the_url_tells() {
    let (world, ann) = world_with_ann().await;
    let tenant = world.tenant().await;
    let eve = world.user("eve", &policy(READ)).await;
    let elsewhere = r#"{"Effect":"Allow","Action":"valet:ExplainLink","Resource":"arn:aws:s3:::bucket/other/*"}"#;
    let fay = world.user("fay", &policy(elsewhere)).await;
    let of_object =
        r#"{"Effect":"Allow","Action":"valet:ExplainLink","Resource":"arn:aws:s3:::bucket/a"}"#;
    let guy = world.user("guy", &policy(of_object)).await;
    let nobody = Key { id: "AKIANOBODYATALL".to_owned(), ..ann.clone() };
    let inactive = world.key_of("ann").await;
    world
        .iam(&[
            ("Action", "UpdateAccessKey"),
            ("UserName", "ann"),
            ("AccessKeyId", &inactive.id),
            ("Status", "Inactive"),
        ])
        .await;
    // The same link but for its signer and its object, with what makes it itself taken out.
    let same = |told: &Value, signer: &Key| {
        let mut told = told.clone();
        told["fingerprint"] = Value::Null;
        told["allows"]["key"] = Value::Null;
        told["allows"]["bucket"] = Value::Null;
        told.to_string().replace(&signer.id, "SIGNER")
    };
    for stranger in [&tenant, &eve, &fay] {
        let mut answers = Vec::new();
        for signer in [&ann, &nobody, &inactive] {
            for (bucket, key) in [("bucket", "a"), ("bucket", "b"), ("nowhere", "a")] {
                let url = link_with(&world, &signer.credentials(), "GET", (bucket, key), &[]);
                answers.push(same(&told(&world, stranger, &url).await, signer));
                let broken = url.replacen("Signature=", "Signature=0", 1);
                let broken = &broken[..broken.len() - 1];
                answers.push(same(&told(&world, stranger, broken).await, signer));
            }
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:#?}");
        let one: Value = serde_json::from_str(&answers[0]).unwrap();
        let missing = json!(["secret", "policies"]);
        assert_eq!((verdict(&one), &one["missing"]), ("unknown".to_owned(), &missing));
    }
    // Who has the permission is told, of this object alone.
    assert_eq!(verdict(&told(&world, &guy, &link(&world, &ann, "GET", "a")).await), "yes");
    assert_eq!(verdict(&told(&world, &guy, &link(&world, &ann, "GET", "b")).await), "unknown");
    // A key of nobody's is told to who may explain links of an own bucket, and that of another account is no different.
    for signer in [&nobody, &tenant] {
        let told = told(&world, &Key::root(), &link(&world, signer, "GET", "a")).await;
        assert_eq!(verdict(&told), "unknown key-unknown", "{told}");
    }
    let of_nobody = link_with(&world, &nobody.credentials(), "GET", ("nowhere", "a"), &[]);
    assert_eq!(verdict(&told(&world, &Key::root(), &of_nobody).await), "unknown");
}

/// A bucket policy of another account is nobody's business, and neither is an object that its signer may not see.
#[tokio::test]
async fn nothing_is_told_that_trying_would_not_tell() {
    let (world, ann) = world_with_ann().await;
    let tenant = world.tenant().await;
    let foreign = told(&world, &tenant, &link(&world, &tenant, "GET", "a")).await;
    assert_eq!(verdict(&foreign), "no policy", "{foreign}");
    let text = &foreign["causes"][0]["text"];
    assert_eq!(text, "The link's signer may not do this.");
    // There or not, the answer is the same for a signer who may not read.
    world.put_user_policy("ann", &policy(r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#)).await;
    let mut answers = Vec::new();
    for key in ["a", "b"] {
        let mut told = told(&world, &ann, &link(&world, &ann, "GET", key)).await;
        (told["fingerprint"], told["allows"]["key"]) = (Value::Null, Value::Null);
        answers.push(told);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(verdict(&answers[0]), "no policy");
    // An expired link, or one with another's signature, tells nothing of the object either.
    let root = Key::root();
    let sound = link(&world, &root, "GET", "b");
    let stolen = sound.replacen("Signature=", "Signature=0", 1);
    assert_eq!(codes(&told(&world, &root, &stolen[..stolen.len() - 1]).await), ["secret"]);
    // Headers of the question are no proxy's.
    let question = json!({"url": link(&world, &root, "GET", "a"), "headers": {"X-Forwarded-Host": "evil.example"}});
    assert_eq!(verdict(&explained(&world, &root, question).await), "yes");
}

/// The name of a federated user is chosen by whoever opens the session: it makes nobody the same as another.
#[tokio::test]
async fn a_name_makes_nobody_the_signer() {
    let (world, _) = world_with_ann().await;
    let federate =
        format!(r#"{READ},{{"Effect":"Allow","Action":"sts:GetFederationToken","Resource":"*"}}"#);
    let bob = world.user("bob", &policy(&federate)).await;
    let eve = world.user("eve", &policy(&federate)).await;
    let scope = policy(READ);
    let parameters =
        [("Action", "GetFederationToken"), ("Name", "guest"), ("Policy", scope.as_str())];
    let of_bob = Key::of(&world.query(&bob, "sts", &parameters).await);
    let of_eve = Key::of(&world.query(&eve, "sts", &parameters).await);
    let url = link(&world, &of_bob, "GET", "a");
    assert_eq!(verdict(&told(&world, &of_bob, &url).await), "yes");
    assert_eq!(verdict(&told(&world, &of_eve, &url).await), "unknown");
    assert_eq!(verdict(&told(&world, &eve, &url).await), "unknown");
    // A user who is made again under the same name is somebody else, and the key of the first is gone with him.
    let old = link(&world, &bob, "GET", "a");
    for call in [
        vec![("Action", "DeleteAccessKey"), ("UserName", "bob"), ("AccessKeyId", &*bob.id)],
        vec![("Action", "DeleteUserPolicy"), ("UserName", "bob"), ("PolicyName", "p")],
        vec![("Action", "DeleteUser"), ("UserName", "bob")],
    ] {
        world.iam(&call).await;
    }
    let again = world.user("bob", &policy(READ)).await;
    assert_eq!(verdict(&told(&world, &again, &old).await), "unknown");
    assert_eq!(verdict(&told(&world, &Key::root(), &old).await), "unknown key-unknown");
    assert_eq!(verdict(&told(&world, &Key::root(), &url).await), "no key-inactive");
}

#[tokio::test]
async fn a_powerful_signer_is_noted() {
    let (world, ann) = world_with_ann().await;
    let all = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
    let bob = world.user("bob", &policy(all)).await;
    for (signer, is_noted) in [(&Key::root(), true), (&bob, true), (&ann, false)] {
        let told = told(&world, signer, &link(&world, signer, "GET", "a")).await;
        assert_eq!(told["notes"].to_string().contains("far more"), is_noted, "{told}");
    }
}

#[tokio::test]
async fn what_is_no_question_is_refused() {
    let world = World::with_bucket().await;
    let root = Key::root();
    let many: serde_json::Map<String, Value> =
        (0..65).map(|number| (format!("x-{number}"), json!(""))).collect();
    for (question, message) in [
        (json!({"url": ""}), "There is no link in `url`."),
        (json!({"url": "hello"}), "There is no link in `url`."),
        (json!({"url": "x".repeat(17_000)}), "`url` is longer than any link."),
        (
            json!({"url": "x", "method": "get"}),
            "`method` is GET, PUT, HEAD, DELETE or POST, in upper case.",
        ),
        (json!({"url": "x", "headers": many}), "`headers` has 64 members at most."),
    ] {
        let refused = answer(&world, &root, question).await;
        let document: Value = serde_json::from_slice(&refused.body).unwrap();
        assert_eq!((refused.status, &document["error"]["message"]), (400, &json!(message)));
    }
    assert_eq!(answer(&world, &root, json!({"url": "x", "secret": "y"})).await.status, 400);
    let anonymous = ask("POST", "/_valet/api/v1/explain").body("{\"url\":\"x\"}");
    assert_eq!(world.send_raw(anonymous).await.status, 403);
    for url in ["http://h", "https://h/%zz?X-Amz-Signature=%zz", "http://h/\u{0}/\u{ffff}"] {
        assert_ne!(verdict(&told(&world, &root, url).await), "yes", "{url}");
    }
}

/// A question is no use: the key is not noted as used.
#[tokio::test]
async fn a_question_uses_no_key() {
    let (world, ann) = world_with_ann().await;
    let key = world.key_of("ann").await;
    assert_eq!(verdict(&told(&world, &ann, &link(&world, &key, "GET", "a")).await), "yes");
    let used = world.iam(&[("Action", "GetAccessKeyLastUsed"), ("AccessKeyId", &key.id)]).await;
    assert_eq!(used.element("ServiceName"), "N/A", "{}", used.text());
}
