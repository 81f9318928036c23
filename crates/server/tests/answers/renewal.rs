//! `POST /_valet/api/v1/uploads/<id>/parts`: links that renew the links of an upload's parts.

use jiff::SignedDuration;
use presign::{Addressing, Endpoint, ExpiresIn, Presigner};
use serde_json::{Value, json};
use server::{PartPlan, UploadLinks};

use crate::customer_keys;
use crate::harness::{Answer, Ask, HOST, World, ask};
use crate::people::{Key, policy, trusts, user_arn};

const MIB: u64 = 1024 * 1024;
/// Three parts: two of 5 MiB and one of 3 bytes.
const SIZE: u64 = 10 * MIB + 3;
const WRITE: &str = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;

/// An upload of `bucket/a key`, and whose links are asked for.
pub(crate) struct Begun {
    pub(crate) id: String,
    key: Key,
}

impl Begun {
    pub(crate) async fn by(world: &World, key: &Key) -> Self {
        Self::by_asking(world, key, |ask| ask).await
    }

    async fn by_asking(world: &World, key: &Key, change: impl Fn(Ask) -> Ask) -> Self {
        let begun = world.send_as(key, change(ask("POST", "/bucket/a%20key?uploads"))).await;
        assert_eq!(begun.status, 200, "{}", begun.text());
        Self { id: begun.element("UploadId"), key: key.clone() }
    }

    fn renew_for(&self, world: &World, seconds: u64) -> Ask {
        self.renew_of(world, "bucket", &self.id, seconds)
    }

    fn renew_of(&self, world: &World, bucket: &str, upload_id: &str, seconds: u64) -> Ask {
        let endpoint = Endpoint::parse(&format!("http://{HOST}")).unwrap();
        let addressing = Addressing::Path;
        let links =
            UploadLinks { endpoint: &endpoint, addressing, bucket, key: "a key", upload_id };
        let plan = PartPlan::new(SIZE, 5 * MIB).unwrap();
        let mut presigner = Presigner::new(self.key.credentials(), world.region());
        let life = ExpiresIn::from_seconds(seconds).unwrap();
        target("POST", &links.renew(&plan, &mut presigner, life, world.now).unwrap())
    }

    pub(crate) fn renew(&self, world: &World) -> Ask {
        self.renew_for(world, 3600)
    }
}

fn target(method: &str, url: &str) -> Ask {
    ask(method, url.strip_prefix(&format!("http://{HOST}")).unwrap())
}

fn document(answer: &Answer) -> Value {
    assert_eq!(answer.header("content-type"), "application/json", "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

async fn renewed(world: &World, ask: Ask) -> Value {
    let answer = world.send_raw(ask).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    document(&answer)
}

/// Status, code and message of a refusal, in either form.
async fn refused(world: &World, ask: Ask) -> String {
    let answer = world.send_raw(ask).await;
    if answer.header("content-type") == "application/xml" {
        return format!(
            "{} {} {}",
            answer.status,
            answer.element("Code"),
            answer.element("Message")
        );
    }
    let error = &document(&answer)["error"];
    let text = |name: &str| error[name].as_str().unwrap().to_owned();
    format!("{} {} {}", answer.status, text("code"), text("message"))
}

fn numbers(document: &Value) -> Vec<u64> {
    let parts = document["parts"].as_array().unwrap().iter();
    parts.map(|part| part["number"].as_u64().unwrap()).collect()
}

fn link(part: &Value) -> Ask {
    target("PUT", part["link"].as_str().unwrap())
}

#[tokio::test]
async fn fresh_links_upload_what_is_missing() {
    let mut world = World::with_bucket().await;
    let begun = Begun::by(&world, &Key::root()).await;
    let renew = begun.renew(&world);
    world.now += SignedDuration::from_mins(50);
    let answer = renewed(&world, renew.clone()).await;
    assert_eq!(answer["upload_id"], begun.id);
    assert_eq!(answer["expires_at"], "2026-06-15T13:00:00Z");
    assert_eq!((numbers(&answer), &answer["uploaded"]), (vec![1, 2, 3], &json!([])));
    let last = &answer["parts"][2];
    assert_eq!((&last["offset"], &last["size"]), (&json!(10 * MIB), &json!(3)));

    // The link is for 3 bytes, no more and no less.
    for body in ["abcd", "ab"] {
        let answer = world.send_raw(link(last).body(body)).await;
        assert_eq!((answer.status, &*answer.element("Code")), (403, "SignatureDoesNotMatch"));
    }
    let put = world.send_raw(link(last).body("abc")).await;
    assert_eq!((put.status, put.header("etag")), (200, "\"900150983cd24fb0d6963f7d28e17f72\""));
    let first = link(&answer["parts"][0]).body(vec![7; 5 * 1024 * 1024]);
    assert_eq!(world.send_raw(first).await.status, 200);

    let answer = renewed(&world, renew.clone()).await;
    assert_eq!(numbers(&answer), [2]);
    let etag = "\"900150983cd24fb0d6963f7d28e17f72\"";
    assert_eq!(answer["uploaded"][1], json!({"number": 3, "size": 3, "etag": etag}));
    // Asked for by number, in whatever order: also what is there.
    let named = renew.clone().body(r#"{"parts":[3,1,3]}"#);
    assert_eq!(numbers(&renewed(&world, named).await), [1, 3]);
    assert_eq!(numbers(&renewed(&world, renew.clone().body(r#"{"parts":[]}"#)).await), [0; 0]);

    // No fresh link outlives the one that asked for it, though it was signed later.
    let late = link(&answer["parts"][0]).body(vec![7; 5 * 1024 * 1024]);
    world.now += SignedDuration::from_secs(601);
    for dead in [late, renew] {
        assert_eq!(refused(&world, dead).await, "403 AccessDenied Request has expired");
    }
}

#[tokio::test]
async fn a_part_of_another_length_counts_as_missing() {
    let world = World::with_bucket().await;
    let begun = Begun::by(&world, &Key::root()).await;
    let part = format!("/bucket/a%20key?partNumber=3&uploadId={}", begun.id);
    assert_eq!(world.send(ask("PUT", &part).body("four")).await.status, 200);
    let answer = renewed(&world, begun.renew(&world)).await;
    assert_eq!((numbers(&answer), &answer["uploaded"][0]["size"]), (vec![1, 2, 3], &json!(4)));
}

/// The part that such a link is for takes the key, which only a header that is signed brings.
#[tokio::test]
async fn an_upload_under_a_customers_key_has_no_fresh_links() {
    let mut world = World::with_bucket().await;
    world.peer.tls = Some(server::TlsVersion::V1_3);
    let begun = Begun::by_asking(&world, &Key::root(), customer_keys::keyed).await;
    let words = "400 InvalidRequest The upload was begun with a key of the customer's own (SSE-C). The links of a bundle carry none: sign those of its parts yourself, with the headers of the key.";
    assert_eq!(refused(&world, begun.renew(&world)).await, words);
}

#[tokio::test]
async fn what_does_not_renew() {
    let world = World::with_bucket().await;
    assert_eq!(world.send(ask("PUT", "/other")).await.status, 200);
    let begun = Begun::by(&world, &Key::root()).await;
    let other = Begun::by(&world, &Key::root()).await;
    let renew = || begun.renew(&world);
    let gone = "404 NoSuchUpload The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
    let tampered = "403 SignatureDoesNotMatch The request signature we calculated does not match the signature you provided. Check your key and signing method.";
    let denied = "403 AccessDenied Access Denied";
    let request = |message: &str| format!("400 InvalidRequest {message}");
    let unknown = "400 InvalidArgument The link says something that is not understood.";
    let path = format!("/_valet/api/v1/uploads/{}/parts", begun.id);
    let bare = |more: &str| world.link_with("POST", "k", &[], &[]).tamper("/bucket/k", more);
    let too_many = serde_json::to_string(&json!({"parts": vec![1; 1001]})).unwrap();
    let long = format!("{{\"parts\":[{}]}}", "1,".repeat(40_000));
    let rows = [
        (renew().tamper(&begun.id, &other.id), tampered.to_owned()),
        (renew().tamper("size=10485763", "size=10485764"), tampered.to_owned()),
        (renew().tamper("bucket=bucket", "bucket=other"), tampered.to_owned()),
        (Ask { target: format!("{}&x=1", renew().target), ..renew() }, tampered.to_owned()),
        (bare(&path), tampered.to_owned()),
        (begun.renew_of(&world, "other", &begun.id, 60), gone.to_owned()),
        (
            begun.renew_of(&world, "nowhere", &begun.id, 60),
            "404 NoSuchBucket The specified bucket does not exist".to_owned(),
        ),
        (begun.renew_of(&world, "bucket", "x", 60), gone.to_owned()),
        // A link to the path that says nothing of the upload; one that says what is not known.
        (world.link_raw("POST", &path), "400 InvalidArgument The link must say its size.".into()),
        (
            world.sign(ask("POST", &path)),
            "403 AccessDenied This call is made by a link: the renew link of a bundle.".into(),
        ),
        (ask("POST", &path), denied.to_owned()),
        (
            world.link_raw("GET", &path),
            "405 MethodNotAllowed The specified method is not allowed against this resource."
                .into(),
        ),
        (renew().body(r#"{"parts":[0]}"#), request("The upload has no part 0.")),
        (renew().body(r#"{"parts":[4]}"#), request("The upload has no part 4.")),
        (renew().body(r#"{"parts":[10001]}"#), request("The upload has no part 10001.")),
        (renew().body(too_many), request("One call renews the links of 1000 parts at most.")),
        (
            renew().body("{"),
            request("The document does not fit: EOF while parsing an object at line 1 column 1."),
        ),
        (
            renew().body(r#"{"bucket":"b"}"#),
            request(
                "The document does not fit: unknown field `bucket`, expected `parts` at line 1 column 9.",
            ),
        ),
        (renew().body("[[1]]"), request("The document must be a JSON object.")),
        (renew().body("[]"), request("The document must be a JSON object.")),
        (renew().body(long), "400 MaxMessageLengthExceeded Your request was too big.".to_owned()),
    ];
    for (ask, expected) in rows {
        let shown = format!("{ask:?}");
        assert_eq!(refused(&world, ask).await, expected, "{}", &shown[..shown.len().min(900)]);
    }
    for name in ["x-valet-uses", "x-valet-source-ip", "uploadId"] {
        let renew = signed_with(&world, &begun, name);
        assert_eq!(refused(&world, renew).await, unknown, "{name}");
    }
    let abort = format!("/bucket/a%20key?uploadId={}", begun.id);
    let renew = begun.renew(&world);
    assert_eq!(world.send(ask("DELETE", &abort)).await.status, 204);
    assert_eq!(refused(&world, renew).await, gone);
}

/// A link that says one thing more.
fn signed_with(world: &World, begun: &Begun, name: &str) -> Ask {
    let path = format!("api/v1/uploads/{}/parts", begun.id);
    let endpoint = Endpoint::parse(&format!("http://{HOST}")).unwrap();
    let query = [
        ("bucket", "bucket"),
        ("key", "a key"),
        ("size", "1"),
        ("part-size", "5242880"),
        ("endpoint", "http://valet.test:9000"),
        (name, "1"),
    ];
    let presign = presign::Presign::new(
        "POST",
        &endpoint,
        "_valet",
        path.as_bytes(),
        ExpiresIn::from_seconds(60).unwrap(),
    )
    .with_query(&query);
    let mut presigner = Presigner::new(begun.key.credentials(), world.region());
    target("POST", &presigner.presign(&presign, world.now).unwrap().url)
}

#[tokio::test]
async fn a_link_opens_no_other_path_of_the_api() {
    let world = World::with_bucket().await;
    let signed = "This call is signed in its Authorization header, not by a link.";
    for (method, path, words) in [
        ("GET", "/_valet/api/v1/accounts", signed),
        ("PATCH", "/_valet/api/v1/accounts", signed),
        ("POST", "/_valet/api/v1/expiry", signed),
        ("POST", "/_valet/api/v1/uploads", "Access Denied"),
        ("POST", "/_valet/api/v1/uploads/x", "Access Denied"),
        ("POST", "/_valet/api/v1/uploads/x/parts/1", "Access Denied"),
    ] {
        let answer = refused(&world, world.link_raw(method, path)).await;
        assert_eq!(answer, format!("403 AccessDenied {words}"), "{path}");
    }
}

#[tokio::test]
async fn fresh_links_borrow_what_the_signer_may_now() {
    let world = World::with_bucket().await;
    let ann = world.user("ann", &policy(WRITE)).await;
    let begun = Begun::by(&world, &ann).await;
    let renew = begun.renew(&world);
    let part = link(&renewed(&world, renew.clone()).await["parts"][2]).body("abc");
    let deny = r#"{"Effect":"Deny","Action":"s3:PutObject","Resource":"*"}"#;
    world.put_user_policy("ann", &policy(deny)).await;
    let arn = "arn:aws:s3:::bucket/a key";
    let expected = format!(
        "403 AccessDenied User: {} is not authorized to perform: s3:PutObject on resource: \"{arn}\" with an explicit deny in an identity-based policy",
        user_arn("ann")
    );
    for ask in [renew.clone(), part.clone()] {
        assert_eq!(refused(&world, ask).await, expected);
    }
    world.put_user_policy("ann", &policy(WRITE)).await;
    assert_eq!(world.send_raw(part.clone()).await.status, 200);
    world
        .iam(&[("Action", "DeleteAccessKey"), ("UserName", "ann"), ("AccessKeyId", &ann.id)])
        .await;
    for ask in [renew, part] {
        let expected = "403 InvalidAccessKeyId The AWS Access Key Id you provided does not exist in our records.";
        assert_eq!(refused(&world, ask).await, expected);
    }
}

#[tokio::test]
async fn fresh_links_end_with_the_session() {
    let mut world = World::with_bucket().await;
    let ann = world.user("ann", &policy(WRITE)).await;
    let assume = r#"{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}"#;
    world.put_user_policy("ann", &policy(assume)).await;
    world.role("writer", &trusts(&user_arn("ann")), &policy(WRITE)).await;
    let session = world.assume(&ann, "writer", &[("DurationSeconds", "900")]).await;
    let begun = Begun::by(&world, &session).await;
    let renew = begun.renew_for(&world, 604_800);
    let answer = renewed(&world, renew.clone()).await;
    assert_eq!(answer["expires_at"], "2026-06-15T12:15:00Z");
    let part = link(&answer["parts"][2]).body("abc");
    assert!(part.target.contains("X-Amz-Expires=900&"), "{}", part.target);
    assert_eq!(world.send_raw(part).await.status, 200);
    world.now += SignedDuration::from_mins(15);
    let ended = "400 ExpiredToken The provided token has expired.";
    assert_eq!(refused(&world, renew).await, ended);
}

#[tokio::test]
async fn a_fresh_link_is_as_old_as_the_one_that_renews_it() {
    let mut world = World::with_bucket().await;
    let begun = Begun::by(&world, &Key::root()).await;
    world
        .bucket_policy(&policy(
            r#"{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::bucket/*","Condition":{"NumericGreaterThan":{"s3:signatureAge":"600000"}}}"#,
        ))
        .await;
    let renew = begun.renew(&world);
    world.now += SignedDuration::from_mins(8);
    let answer = renewed(&world, renew.clone()).await;
    assert_eq!(answer["expires_at"], "2026-06-15T12:10:00Z");
    let part = link(&answer["parts"][2]).body("abc");
    world.now += SignedDuration::from_secs(121);
    assert_eq!(refused(&world, part).await, "403 AccessDenied Request has expired");
    assert!(
        refused(&world, renew).await.contains("with an explicit deny in a resource-based policy")
    );
}

#[tokio::test]
async fn an_age_that_is_no_number_lends_nothing() {
    let mut world = World::with_bucket().await;
    let begun = Begun::by(&world, &Key::root()).await;
    world
        .bucket_policy(&policy(
            r#"{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::bucket/*","Condition":{"StringNotLike":{"s3:signatureAge":["?","??","???","????","?????","??????"]}}}"#,
        ))
        .await;
    let renew = begun.renew(&world);
    world.now += SignedDuration::from_mins(8);
    let answer = refused(&world, renew).await;
    assert!(answer.starts_with("403 AccessDenied"), "{answer}");
}
