//! What a form may do is what its signer may, under the circumstances of a form.

use crate::harness::{World, get, put};
use crate::people::{policy, user_arn};
use crate::post::{BOUNDARY, Form};

const PUT: &str =
    r#"{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::bucket/up/*"}"#;

fn denied(arn: &str, key: &str, why: &str) -> String {
    format!(
        "403 <Code>AccessDenied</Code><Message>User: {arn} is not authorized to perform: s3:PutObject on resource: \"arn:aws:s3:::bucket/{key}\" {why}</Message>"
    )
}

#[tokio::test]
async fn a_form_can_do_what_its_signer_may() {
    let world = World::with_bucket().await;
    let ann = world.user("ann", &policy(PUT)).await;
    let send = async |form: Form| world.send_raw(form.ask()).await;
    assert_eq!(send(world.form_with(&ann, "up/a", &[], &[])).await.status, 204);
    assert_eq!(send(world.form_v2(&ann, "up/a", &[])).await.status, 204);
    let why = "because no identity-based policy allows the s3:PutObject action";
    let other = world.form_with(&ann, "down/a", &[], &[]);
    assert_eq!(send(other).await.refusal(), denied(&user_arn("ann"), "down/a", why));
    // Whatever name the client gives the file, it is the key that it becomes.
    let sly = world.form_with(&ann, "${filename}", &[], &[]).file(Some("up"));
    assert_eq!(send(sly).await.refusal(), denied(&user_arn("ann"), "up", why));
    let deny = r#"{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::bucket/*","Condition":{"StringEquals":{"s3:authType":"POST"}}}"#;
    world.bucket_policy(&policy(deny)).await;
    let why = "with an explicit deny in a resource-based policy";
    let form = world.form_with(&ann, "up/a", &[], &[]);
    assert_eq!(send(form).await.refusal(), denied(&user_arn("ann"), "up/a", why));
    // A deny binds the root as well, and forms alone.
    assert_eq!(send(world.form("up/a")).await.status, 403);
    assert_eq!(world.send_as(&ann, put("/bucket/up/a", "x")).await.status, 200);
}

#[tokio::test]
async fn forms_die_with_what_they_borrowed() {
    let world = World::with_bucket().await;
    let ann = world.user("ann", &policy(PUT)).await;
    let form = world.form_with(&ann, "up/a", &[], &[]);
    let code = async || world.send_raw(form.ask()).await.element("Code");
    assert_eq!(code().await, "");
    let status = |status| {
        [
            ("Action", "UpdateAccessKey"),
            ("UserName", "ann"),
            ("AccessKeyId", ann.id.as_str()),
            ("Status", status),
        ]
    };
    world.iam(&status("Inactive")).await;
    assert_eq!(code().await, "InvalidAccessKeyId");
    world.iam(&status("Active")).await;
    assert_eq!(code().await, "");
    world.iam(&[("Action", "DeleteUserPolicy"), ("UserName", "ann"), ("PolicyName", "p")]).await;
    assert_eq!(code().await, "AccessDenied");
    let delete =
        [("Action", "DeleteAccessKey"), ("UserName", "ann"), ("AccessKeyId", ann.id.as_str())];
    world.iam(&delete).await;
    assert_eq!(code().await, "InvalidAccessKeyId");
}

#[tokio::test]
async fn nobodys_forms() {
    let world = World::with_bucket().await;
    let form = Form::unsigned(&[("key", "up/a"), ("success_action_status", "201"), ("a", "b")]);
    let plain = "403 <Code>AccessDenied</Code><Message>Access Denied</Message>";
    assert_eq!(world.send_raw(form.ask()).await.refusal(), plain);
    let open = r#"{"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::bucket/up/*"}"#;
    world.send(crate::harness::ask("DELETE", "/bucket?publicAccessBlock")).await;
    world.bucket_policy(&policy(open)).await;
    assert_eq!(world.send_raw(form.ask()).await.status, 201);
    assert_eq!(world.send(get("/bucket/up/a")).await.text(), "hello");
    let elsewhere = form.set("key", "down/a");
    assert_eq!(world.send_raw(elsewhere.ask()).await.refusal(), plain);
    let missing = elsewhere.target("/missing");
    assert_eq!(world.send_raw(missing.ask()).await.element("Code"), "NoSuchBucket");
}

#[tokio::test]
async fn circumstances_of_a_form() {
    let mut world = World::with_bucket().await;
    let ann = world.user("ann", "").await;
    let when = |condition: &str| {
        policy(&format!(
            r#"{{"Effect":"Allow","Action":"s3:PutObject","Resource":"*","Condition":{{{condition}}}}}"#
        ))
    };
    let (v4, v2) = (world.form_with(&ann, "k", &[], &[]), world.form_v2(&ann, "k", &[]));
    let with = |name: &str, value: &str| world.form_with(&ann, "k", &[(name, value)], &[]);
    let class = r#""StringEquals":{"s3:x-amz-storage-class":"GLACIER"}"#;
    let no_class = r#""Null":{"s3:x-amz-storage-class":"true"}"#;
    let encryption = r#""StringEquals":{"s3:x-amz-server-side-encryption":"AES256"}"#;
    let hash = r#""Null":{"s3:x-amz-content-sha256":"true"}"#;
    let rows: &[(&str, Form, bool)] = &[
        (r#""StringEquals":{"s3:authType":"POST"}"#, v4.clone(), true),
        (r#""StringEquals":{"s3:authType":"POST"}"#, v2.clone(), true),
        (r#""StringEquals":{"s3:signatureversion":"AWS4-HMAC-SHA256"}"#, v4.clone(), true),
        (r#""StringEquals":{"s3:signatureversion":"AWS"}"#, v4.clone(), false),
        (r#""StringEquals":{"s3:signatureversion":"AWS"}"#, v2.clone(), true),
        (r#""NumericLessThanEquals":{"s3:signatureAge":"600000"}"#, v4.clone(), true),
        (r#""NumericLessThanEquals":{"s3:signatureAge":"599999"}"#, v4.clone(), false),
        (r#""NumericEquals":{"s3:signatureAge":"0"}"#, v2.clone(), true),
        (r#""Null":{"s3:ObjectCreationOperation":"true"}"#, v4.clone(), true),
        (r#""NumericEquals":{"valet:ContentLength":"5"}"#, v4.clone(), true),
        (r#""NumericLessThan":{"valet:ContentLength":"5"}"#, v4.clone(), false),
        (r#""NumericLessThan":{"valet:ContentLength":"5"}"#, v4.clone().content("1234"), true),
        // What the form says, and only that.
        (class, with("x-amz-storage-class", "GLACIER"), true),
        (class, v4.clone().header("x-amz-storage-class", "GLACIER"), false),
        (class, v4.clone().target("/bucket?x-amz-storage-class=GLACIER"), false),
        (no_class, v4.clone().header("x-amz-storage-class", "GLACIER"), true),
        (encryption, with("X-Amz-Server-Side-Encryption", "AES256"), true),
        (encryption, v4.clone().header("x-amz-server-side-encryption", "AES256"), false),
        (r#""StringEquals":{"s3:x-amz-acl":"private"}"#, with("acl", "private"), true),
        (r#""StringEquals":{"s3:x-amz-acl":"private"}"#, v4.clone(), false),
        (hash, v4.clone().header("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), true),
        // A form has no condition on its write (semantics 3.1.8), so that no header passes for one with a policy.
        (
            r#""StringEquals":{"s3:if-none-match":"*"}"#,
            v4.clone().header("if-none-match", "*"),
            false,
        ),
        (r#""Null":{"s3:if-none-match":"true"}"#, v4.clone().header("if-none-match", "*"), true),
        (r#""Null":{"s3:if-match":"true"}"#, v4.clone().header("if-match", "\"x\""), true),
        (r#""StringEquals":{"s3:if-none-match":"*"}"#, v4.clone(), false),
        (
            r#""StringLike":{"aws:Referer":"https://x/*"}"#,
            v4.clone().header("referer", "https://x/y"),
            true,
        ),
        (r#""IpAddress":{"aws:SourceIp":"192.0.2.0/24"}"#, v4.clone(), true),
    ];
    world.now = "2026-06-15T12:10:00Z".parse().unwrap();
    for (condition, form, allowed) in rows {
        world.put_user_policy("ann", &when(condition)).await;
        let answer = world.send_raw(form.ask()).await;
        let expected = if *allowed { 204 } else { 403 };
        assert_eq!(answer.status, expected, "{condition} {form:?}: {}", answer.text());
    }
}

/// No clock is compared with a form's date. Were it young until then, a policy's limit would not hold.
#[tokio::test]
async fn a_form_that_is_dated_ahead_is_not_young() {
    let mut world = World::with_bucket().await;
    let young = r#"{"Effect":"Allow","Action":"s3:PutObject","Resource":"*","Condition":{"NumericLessThanEquals":{"s3:signatureAge":"600000"}}}"#;
    let ann = world.user("ann", &policy(young)).await;
    let form = world.form_with(&ann, "k", &[], &[]);
    for (now, status) in [
        ("2026-06-15T12:00:00Z", 204),
        ("2026-06-15T11:45:00Z", 204),
        ("2026-06-15T11:44:59Z", 403),
        ("2026-06-14T12:00:00Z", 403),
    ] {
        world.now = now.parse().unwrap();
        assert_eq!(world.send_raw(form.ask()).await.status, status, "{now}");
    }
}

/// A form may end in fewer bytes than clients write; a policy's limit holds all the same.
#[tokio::test]
async fn a_limit_of_bytes_is_not_circumvented() {
    let world = World::with_bucket().await;
    let cap = r#"{"Effect":"Allow","Action":"s3:PutObject","Resource":"*","Condition":{"NumericLessThanEquals":{"valet:ContentLength":"5"}}}"#;
    let ann = world.user("ann", &policy(cap)).await;
    let form = world.form_with(&ann, "k", &[], &[]);
    for (content, ending, expected) in [
        ("hello", "--\r\n", 204),
        ("hello", "--", 204),
        ("hello", "", 204),
        ("hello!", "--\r\n", 403),
        ("hello!", "--", 403),
        ("hello wor", "", 403),
    ] {
        let form = form.clone().content(content);
        let body = String::from_utf8(form.body()).unwrap();
        let (start, _) = body.rsplit_once("--\r\n").unwrap();
        assert!(start.ends_with(BOUNDARY));
        let answer = world.send_raw(form.ask_with(format!("{start}{ending}"))).await;
        assert_eq!(answer.status, expected, "{content} {ending:?}: {}", answer.text());
        let there = world.send(get("/bucket/k")).await.status == 200;
        assert_eq!(there, expected == 204);
        world.send(crate::harness::ask("DELETE", "/bucket/k")).await;
    }
}
