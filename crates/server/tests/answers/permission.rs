//! Borrowed permission: what a link may do is what its signer may do, for as long as the signer may.

use jiff::SignedDuration;

use crate::harness::{Ask, World, ask, get, no_such_bucket, no_such_key, put};
use crate::people::{ACCOUNT, Key, policy, trusts, user_arn};

const READ: &str =
    r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}"#;
const ALL: &str = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
const DENY: &str = r#"{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}"#;

fn denied(arn: &str, action: &str, resource: &str, why: &str) -> String {
    format!(
        "403 <Code>AccessDenied</Code><Message>User: {arn} is not authorized to perform: {action} on resource: \"{resource}\" {why}</Message>"
    )
}

fn unknown_key(id: &str) -> String {
    format!(
        "403 <Code>InvalidAccessKeyId</Code><Message>The AWS Access Key Id you provided does not exist in our records.</Message><AWSAccessKeyId>{id}</AWSAccessKeyId>"
    )
}

fn expired_token(key: &Key) -> String {
    format!(
        "400 <Code>ExpiredToken</Code><Message>The provided token has expired.</Message><Token-0>{}</Token-0>",
        key.token.as_deref().unwrap()
    )
}

const PLAIN: &str = "403 <Code>AccessDenied</Code><Message>Access Denied</Message>";

/// A world with an object `a` in `bucket`.
async fn world() -> World {
    let world = World::with_bucket().await;
    assert_eq!(world.send(put("/bucket/a", "hello")).await.status, 200);
    world
}

async fn refused(world: &World, link: Ask) -> String {
    world.send_raw(link).await.refusal()
}

#[tokio::test]
async fn a_link_can_do_what_its_signer_may() {
    let world = world().await;
    let ann = world.user("ann", &policy(READ)).await;
    assert_eq!(world.send_raw(world.link_by(&ann, "GET", "a")).await.text(), "hello");
    let no_policy =
        |action: &str| format!("because no identity-based policy allows the {action} action");
    let expected = denied(
        &user_arn("ann"),
        "s3:PutObject",
        "arn:aws:s3:::bucket/b",
        &no_policy("s3:PutObject"),
    );
    assert_eq!(refused(&world, world.link_by(&ann, "PUT", "b").body("x")).await, expected);
    let ben = world.user("ben", "").await;
    let expected = denied(
        &user_arn("ben"),
        "s3:GetObject",
        "arn:aws:s3:::bucket/a",
        &no_policy("s3:GetObject"),
    );
    assert_eq!(refused(&world, world.link_by(&ben, "GET", "a")).await, expected);
    let list = world.send_as(&ben, get("/")).await.refusal();
    assert_eq!(
        list,
        format!(
            "403 <Code>AccessDenied</Code><Message>User: {} is not authorized to perform: s3:ListAllMyBuckets {}</Message>",
            user_arn("ben"),
            no_policy("s3:ListAllMyBuckets")
        )
    );
}

#[tokio::test]
async fn what_is_missing_is_told_to_who_may_list() {
    let world = world().await;
    let ann = world.user("ann", &policy(READ)).await;
    let why = "because no identity-based policy allows the s3:ListBucket action";
    let hidden = denied(&user_arn("ann"), "s3:ListBucket", "arn:aws:s3:::bucket", why);
    assert_eq!(refused(&world, world.link_by(&ann, "GET", "none")).await, hidden);
    let list = r#"{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::bucket"}"#;
    world.put_user_policy("ann", &policy(&format!("{READ},{list}"))).await;
    assert_eq!(refused(&world, world.link_by(&ann, "GET", "none")).await, no_such_key("none"));
    world.send(ask("DELETE", "/bucket/a")).await;
    assert_eq!(refused(&world, world.link_by(&ann, "GET", "a")).await, no_such_key("a"));

    // A permission to list that names a prefix is asked with the key as the prefix.
    let below = r#"{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::bucket","Condition":{"StringLike":{"s3:prefix":"mine/*"}}}"#;
    world.put_user_policy("ann", &policy(&format!("{READ},{below}"))).await;
    let told = refused(&world, world.link_by(&ann, "GET", "mine/none")).await;
    assert_eq!(told, no_such_key("mine/none"));
    for other in ["none", "yours/none", "a"] {
        assert_eq!(refused(&world, world.link_by(&ann, "GET", other)).await, hidden, "{other}");
    }
    let hide = r#"{"Effect":"Deny","Action":"s3:ListBucket","Resource":"arn:aws:s3:::bucket","Condition":{"StringLike":{"s3:prefix":"mine/secret*"}}}"#;
    world.put_user_policy("ann", &policy(&format!("{READ},{list},{hide}"))).await;
    let why = "with an explicit deny in an identity-based policy";
    let denied = denied(&user_arn("ann"), "s3:ListBucket", "arn:aws:s3:::bucket", why);
    assert_eq!(refused(&world, world.link_by(&ann, "GET", "mine/secret")).await, denied);
    assert_eq!(refused(&world, world.link_by(&ann, "GET", "mine/x")).await, no_such_key("mine/x"));
}

/// Every row of semantics 4.2.2.
#[tokio::test]
async fn links_die_with_what_they_borrowed() {
    let mut world = world().await;
    let ann = world.user("ann", &policy(READ)).await;
    let link = world.link_by(&ann, "GET", "a");
    let works = |answer: crate::harness::Answer| assert_eq!(answer.text(), "hello");
    works(world.send_raw(link.clone()).await);

    // Inactive, and active again.
    let status = |status| {
        [
            ("Action", "UpdateAccessKey"),
            ("UserName", "ann"),
            ("AccessKeyId", ann.id.as_str()),
            ("Status", status),
        ]
    };
    world.iam(&status("Inactive")).await;
    assert_eq!(refused(&world, link.clone()).await, unknown_key(&ann.id));
    world.iam(&status("Active")).await;
    works(world.send_raw(link.clone()).await);

    // Permission removed, given back, denied.
    let delete = [("Action", "DeleteUserPolicy"), ("UserName", "ann"), ("PolicyName", "p")];
    world.iam(&delete).await;
    let why = "because no identity-based policy allows the s3:GetObject action";
    let resource = "arn:aws:s3:::bucket/a";
    assert_eq!(
        refused(&world, link.clone()).await,
        denied(&user_arn("ann"), "s3:GetObject", resource, why)
    );
    world.put_user_policy("ann", &policy(&format!("{READ},{DENY}"))).await;
    assert_eq!(
        refused(&world, link.clone()).await,
        denied(
            &user_arn("ann"),
            "s3:GetObject",
            resource,
            "with an explicit deny in an identity-based policy"
        )
    );
    world.put_user_policy("ann", &policy(READ)).await;
    works(world.send_raw(link.clone()).await);

    // The key deleted.
    world
        .iam(&[("Action", "DeleteAccessKey"), ("UserName", "ann"), ("AccessKeyId", &ann.id)])
        .await;
    assert_eq!(refused(&world, link).await, unknown_key(&ann.id));

    // The object, then the bucket.
    let root = world.link("GET", "a");
    world.send(ask("DELETE", "/bucket/a")).await;
    assert_eq!(refused(&world, root.clone()).await, no_such_key("a"));
    world.send(ask("DELETE", "/bucket")).await;
    assert_eq!(refused(&world, root.clone()).await, no_such_bucket("bucket"));

    // Time out of all of it comes first.
    world.now += SignedDuration::from_secs(3601);
    assert!(refused(&world, root).await.contains("<Message>Request has expired</Message>"));
}

/// The gotcha: a link of seven days, a session of an hour.
#[tokio::test]
async fn a_link_dies_with_the_session_that_signed_it() {
    let mut world = world().await;
    let ann =
        world.user("ann", &policy(r#"{"Effect":"Allow","Action":"sts:*","Resource":"*"}"#)).await;
    world.role("reader", &trusts(&user_arn("ann")), &policy(READ)).await;
    let session = world.assume(&ann, "reader", &[]).await;
    let week = world.link_for(&session, "GET", "a", 604_800);
    assert_eq!(world.send_raw(week.clone()).await.text(), "hello");
    world.now += SignedDuration::from_secs(3599);
    assert_eq!(world.send_raw(week.clone()).await.text(), "hello");
    world.now += SignedDuration::from_secs(1);
    assert_eq!(refused(&world, week.clone()).await, expired_token(&session));
    world.now += SignedDuration::from_secs(7 * 86_400);
    assert!(refused(&world, week).await.contains("<Message>Request has expired</Message>"));
}

#[tokio::test]
async fn a_session_sees_its_role_as_it_is_now() {
    let mut world = world().await;
    let ann = world.user("ann", "").await;
    world.role("reader", &trusts(&user_arn("ann")), &policy(READ)).await;
    let session = world.assume(&ann, "reader", &[]).await;
    let link = world.link_by(&session, "GET", "a");
    assert_eq!(world.send_raw(link.clone()).await.text(), "hello");
    let arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/reader/ses");
    let resource = "arn:aws:s3:::bucket/a";

    // Revoked: whatever was opened before this moment.
    let before = "2026-06-15T12:00:01Z";
    let revoke = format!(
        r#"{{"Effect":"Deny","Action":["*"],"Resource":["*"],"Condition":{{"DateLessThan":{{"aws:TokenIssueTime":"{before}"}}}}}}"#
    );
    world.put_role_policy("reader", "AWSRevokeOlderSessions", &policy(&revoke)).await;
    let why = "with an explicit deny in an identity-based policy";
    assert_eq!(refused(&world, link.clone()).await, denied(&arn, "s3:GetObject", resource, why));
    world.now += SignedDuration::from_secs(2);
    let later = world.assume(&ann, "reader", &[]).await;
    assert_eq!(world.send_raw(world.link_by(&later, "GET", "a")).await.text(), "hello");

    // Deleted, and made again under the same name: another role.
    for name in ["p", "AWSRevokeOlderSessions"] {
        let delete = [("Action", "DeleteRolePolicy"), ("RoleName", "reader"), ("PolicyName", name)];
        world.iam(&delete).await;
    }
    world.iam(&[("Action", "DeleteRole"), ("RoleName", "reader")]).await;
    assert_eq!(refused(&world, link.clone()).await, unknown_key(&session.id));
    world.role("reader", &trusts(&user_arn("ann")), &policy(READ)).await;
    assert_eq!(refused(&world, link).await, unknown_key(&session.id));
}

#[tokio::test]
async fn a_token_belongs_to_its_key() {
    let world = world().await;
    let ann = world.user("ann", "").await;
    world.role("reader", &trusts(&user_arn("ann")), &policy(READ)).await;
    let session = world.assume(&ann, "reader", &[]).await;
    let other = world.assume(&ann, "reader", &[]).await;
    let with = |token: Option<&str>| Key { token: token.map(str::to_owned), ..session.clone() };
    let swapped = with(other.token.as_deref());
    assert_eq!(
        refused(&world, world.link_by(&swapped, "GET", "a")).await,
        unknown_key(&session.id)
    );
    assert_eq!(
        refused(&world, world.link_by(&with(None), "GET", "a")).await,
        unknown_key(&session.id)
    );
    let malformed = |token: &str| {
        format!(
            "400 <Code>InvalidToken</Code><Message>The provided token is malformed or otherwise invalid.</Message><Token-0>{token}</Token-0>"
        )
    };
    let garbage = world.link_by(&with(Some("garbage")), "GET", "a");
    assert_eq!(refused(&world, garbage).await, malformed("garbage"));
    // Beside a long-term key it is unexpected, once the signature holds.
    let beside = Key { token: session.token.clone(), ..ann };
    let expected = malformed(session.token.as_deref().unwrap());
    assert_eq!(refused(&world, world.link_by(&beside, "GET", "a")).await, expected);
}

#[tokio::test]
async fn a_bucket_policy_binds_its_owner_and_lets_itself_be_removed() {
    let world = world().await;
    let young = r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::bucket","arn:aws:s3:::bucket/*"],"Condition":{"NumericGreaterThan":{"s3:signatureAge":"600000"}}}"#;
    world.bucket_policy(&policy(young)).await;
    let link = world.link("GET", "a");
    assert_eq!(world.send_raw(link.clone()).await.text(), "hello");
    let mut later = world;
    later.now += SignedDuration::from_secs(600);
    assert_eq!(later.send_raw(link.clone()).await.text(), "hello");
    later.now += SignedDuration::from_secs(1);
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    let why = "with an explicit deny in a resource-based policy";
    let expected = denied(&root, "s3:GetObject", "arn:aws:s3:::bucket/a", why);
    assert_eq!(refused(&later, link.clone()).await, expected);
    // Sent by the client, the age counts for nothing: it is neither signed nor asked for.
    let forged = link.clone().header("s3-signatureage", "0");
    assert_eq!(refused(&later, forged).await, expected);
    // Header authentication has no age.
    assert_eq!(later.send(get("/bucket/a")).await.text(), "hello");

    let everything = r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::bucket","arn:aws:s3:::bucket/*"]}"#;
    later.bucket_policy(&policy(everything)).await;
    assert_eq!(
        later.send(get("/bucket/a")).await.refusal(),
        denied(&root, "s3:GetObject", "arn:aws:s3:::bucket/a", why)
    );
    assert_eq!(later.send(ask("DELETE", "/bucket?policy")).await.status, 204);
    assert_eq!(later.send(get("/bucket/a")).await.text(), "hello");
}

#[tokio::test]
async fn a_bucket_policy_gives_by_name_and_to_the_same_person_only() {
    let world = world().await;
    let ann = world.user("ann", "").await;
    let grant = format!(
        r#"{{"Effect":"Allow","Principal":{{"AWS":"{}"}},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}}"#,
        user_arn("ann")
    );
    world.bucket_policy(&policy(&grant)).await;
    assert_eq!(world.send_raw(world.link_by(&ann, "GET", "a")).await.text(), "hello");
    assert_eq!(world.send(get("/bucket?policy")).await.text(), policy(&grant));
    // Deleted and made anew, she is somebody else, and the policy shows the id of who is gone.
    world
        .iam(&[("Action", "DeleteAccessKey"), ("UserName", "ann"), ("AccessKeyId", &ann.id)])
        .await;
    world.iam(&[("Action", "DeleteUser"), ("UserName", "ann")]).await;
    let again = world.user("ann", "").await;
    let why = "because no identity-based policy allows the s3:GetObject action";
    assert_eq!(
        refused(&world, world.link_by(&again, "GET", "a")).await,
        denied(&user_arn("ann"), "s3:GetObject", "arn:aws:s3:::bucket/a", why)
    );
    let shown = world.send(get("/bucket?policy")).await;
    assert!(
        shown.text().contains("\"AIDA") && !shown.text().contains("user/ann"),
        "{}",
        shown.text()
    );
    // Nobody of that name.
    let nobody = grant.replace("user/ann", "user/zoe");
    let refusal = world.send(put("/bucket?policy", &policy(&nobody))).await.refusal();
    assert_eq!(
        refusal,
        format!(
            "400 <Code>MalformedPolicy</Code><Message>Invalid principal in policy</Message><Detail>\"AWS\" : \"{}\"</Detail>",
            user_arn("zoe")
        )
    );
    // Nobody of any name.
    let nobody = grant.replace(&user_arn("ann"), "zoe");
    assert_eq!(
        world.send(put("/bucket?policy", &policy(&nobody))).await.refusal(),
        "400 <Code>MalformedPolicy</Code><Message>Invalid principal in policy</Message><Detail>\"AWS\" : \"zoe\"</Detail>"
    );
}

#[tokio::test]
async fn nobody_reads_what_a_public_policy_gives() {
    let world = world().await;
    let public = policy(
        r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}"#,
    );
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    assert_eq!(
        world.send(put("/bucket?policy", &public)).await.refusal(),
        format!(
            "403 <Code>AccessDenied</Code><Message>User: {root} is not authorized to perform: s3:PutBucketPolicy on resource: \"arn:aws:s3:::bucket\" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.</Message>"
        )
    );
    let open = "<PublicAccessBlockConfiguration><BlockPublicPolicy>false</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
    assert_eq!(world.send(put("/bucket?publicAccessBlock", open)).await.status, 200);
    world.bucket_policy(&public).await;
    assert_eq!(world.send(get("/bucket?policyStatus")).await.element("IsPublic"), "true");
    // Restricted to the owner's own people.
    assert_eq!(world.send_raw(get("/bucket/a")).await.refusal(), PLAIN);
    let ann = world.user("ann", "").await;
    assert_eq!(world.send_raw(world.link_by(&ann, "GET", "a")).await.text(), "hello");
    assert_eq!(world.send(ask("DELETE", "/bucket?publicAccessBlock")).await.status, 204);
    assert_eq!(world.send_raw(get("/bucket/a")).await.text(), "hello");
    assert_eq!(world.send_raw(get("/bucket/none")).await.refusal(), PLAIN);
    assert_eq!(
        world.send_raw(get("/bucket/a?response-content-type=x")).await.refusal(),
        "400 <Code>InvalidRequest</Code><Message>Request specific response headers cannot be used for anonymous GET requests.</Message>"
    );
}

#[tokio::test]
async fn conditions_are_computed_here() {
    let world = world().await;
    let when = |condition: &str| {
        policy(&format!(
            r#"{{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{{{condition}}}}}"#
        ))
    };
    let ann = world.user("ann", "").await;
    let rows: &[(&str, bool, bool)] = &[
        // condition, by link, by header
        (r#""StringEquals":{"s3:authType":"REST-QUERY-STRING"}"#, true, false),
        (r#""StringEquals":{"s3:authType":"REST-HEADER"}"#, false, true),
        (r#""StringEquals":{"s3:signatureversion":"AWS4-HMAC-SHA256"}"#, true, true),
        (r#""NumericLessThan":{"s3:signatureAge":"1"}"#, true, false),
        (r#""Null":{"s3:signatureAge":"true"}"#, false, true),
        (r#""IpAddress":{"aws:SourceIp":"192.0.2.0/24"}"#, true, true),
        (r#""IpAddress":{"aws:SourceIp":"198.51.100.0/24"}"#, false, false),
        (r#""Bool":{"aws:SecureTransport":"false"}"#, true, true),
        (r#""Null":{"s3:TlsVersion":"true"}"#, true, true),
        (r#""StringEquals":{"aws:username":"ann"}"#, true, true),
        (r#""ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::000000000000:user/ann"}"#, true, true),
        (r#""StringEquals":{"aws:PrincipalType":"User"}"#, true, true),
        (r#""StringEquals":{"aws:PrincipalAccount":"000000000000"}"#, true, true),
        (r#""StringEquals":{"s3:ResourceAccount":"000000000000"}"#, true, true),
        (r#""Null":{"aws:TokenIssueTime":"true"}"#, true, true),
        (r#""Null":{"aws:MultiFactorAuthPresent":"true"}"#, true, true),
        (r#""DateLessThan":{"aws:CurrentTime":"2026-06-15T12:00:01Z"}"#, true, true),
        (r#""NumericEquals":{"aws:EpochTime":"1781524800"}"#, true, true),
        (r#""StringEquals":{"aws:RequestedRegion":"us-east-1"}"#, true, true),
        (r#""Null":{"s3:x-amz-content-sha256":"true"}"#, true, false),
        (r#""Null":{"s3:VersionId":"true"}"#, true, true),
        (r#""Null":{"s3:prefix":"true"}"#, true, true),
    ];
    for (condition, by_link, by_header) in rows {
        world.put_user_policy("ann", &when(condition)).await;
        let link = world.send_raw(world.link_by(&ann, "GET", "a")).await.status == 200;
        let header = world.send_as(&ann, get("/bucket/a")).await.status == 200;
        assert_eq!((link, header), (*by_link, *by_header), "{condition}");
    }
    let rows: &[(&str, Ask, u16)] = &[
        (r#""StringEquals":{"s3:prefix":"p/"}"#, get("/bucket?prefix=p%2F"), 200),
        (r#""StringEquals":{"s3:prefix":"p/"}"#, get("/bucket?prefix=q%2F"), 403),
        (r#""StringEquals":{"s3:prefix":"p/"}"#, get("/bucket?versions&prefix=p%2F"), 200),
        // Only listings have a prefix.
        (r#""StringEquals":{"s3:prefix":"p/"}"#, get("/bucket/a?prefix=p%2F"), 403),
        (r#""NumericLessThanEquals":{"s3:max-keys":"10"}"#, get("/bucket?max-keys=10"), 200),
        (r#""NumericLessThanEquals":{"s3:max-keys":"10"}"#, get("/bucket?max-keys=11"), 403),
        (r#""StringEquals":{"s3:VersionId":"null"}"#, get("/bucket/a?versionId=null"), 200),
        (r#""NumericLessThanEquals":{"valet:ContentLength":"3"}"#, put("/bucket/b", "abc"), 200),
        (r#""NumericLessThanEquals":{"valet:ContentLength":"3"}"#, put("/bucket/b", "abcd"), 403),
        // Only a body in chunks has a decoded length.
        (
            r#""NumericLessThanEquals":{"valet:ContentLength":"3"}"#,
            put("/bucket/b", "abcd").header("x-amz-decoded-content-length", "1"),
            403,
        ),
        (
            r#""StringEquals":{"s3:x-amz-storage-class":"GLACIER"}"#,
            put("/bucket/b", "").header("x-amz-storage-class", "GLACIER"),
            200,
        ),
        (r#""StringEquals":{"s3:x-amz-storage-class":"GLACIER"}"#, put("/bucket/b", ""), 403),
        (r#""Bool":{"s3:ObjectCreationOperation":"true"}"#, put("/bucket/b", ""), 200),
        (r#""Bool":{"s3:ObjectCreationOperation":"true"}"#, ask("POST", "/bucket/b?uploads"), 403),
        (
            r#""StringEquals":{"s3:if-none-match":"*"}"#,
            put("/bucket/new", "").header("if-none-match", "*"),
            200,
        ),
        (r#""StringEquals":{"s3:if-none-match":"*"}"#, put("/bucket/b", ""), 403),
        // Reads keep a condition in their headers alone, whatever a link says.
        (r#""StringEquals":{"s3:if-match":"*"}"#, get("/bucket/a").header("if-match", "*"), 200),
        (r#""StringEquals":{"s3:if-match":"*"}"#, get("/bucket/a?If-Match=*"), 403),
        (
            r#""StringLike":{"aws:UserAgent":"curl/*"}"#,
            get("/bucket/a").header("user-agent", "curl/8"),
            200,
        ),
        (
            r#""StringLike":{"aws:Referer":"https://x/*"}"#,
            get("/bucket/a").header("referer", "https://x/y"),
            200,
        ),
    ];
    for (condition, ask, expected) in rows {
        world.put_user_policy("ann", &when(condition)).await;
        let answer = world.send_as(&ann, ask.clone()).await;
        assert_eq!(answer.status, *expected, "{condition} {}: {}", ask.target, answer.text());
    }
}

#[tokio::test]
async fn the_owner_that_was_expected_is_the_owner() {
    let world = world().await;
    let ask = |owner: &str| get("/bucket/a").header("x-amz-expected-bucket-owner", owner);
    assert_eq!(world.send(ask(ACCOUNT)).await.text(), "hello");
    assert_eq!(world.refused(ask("111111111111")).await, PLAIN);
    let copy = |owner: &str| {
        put("/bucket/b", "")
            .header("x-amz-copy-source", "/bucket/a")
            .header("x-amz-source-expected-bucket-owner", owner)
    };
    assert_eq!(world.send(copy(ACCOUNT)).await.status, 200);
    assert_eq!(world.refused(copy("111111111111")).await, PLAIN);
}

#[tokio::test]
async fn another_account_needs_both_sides() {
    let world = world().await;
    let created = world
        .send(
            ask("POST", "/_valet/api/v1/accounts").body(r#"{"name":"other","id":"111111111111"}"#),
        )
        .await;
    assert_eq!(created.status, 201, "{}", created.text());
    let account: serde_json::Value = serde_json::from_slice(&created.body).unwrap();
    let text = |name: &str| account[name].as_str().unwrap().to_owned();
    let root = Key { id: text("access_key_id"), secret: text("secret_access_key"), token: None };
    // A stranger learns nothing, not even why.
    assert_eq!(refused(&world, world.link_by(&root, "GET", "a")).await, PLAIN);
    let grant = policy(
        r#"{"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"s3:*","Resource":["arn:aws:s3:::bucket","arn:aws:s3:::bucket/*"]}"#,
    );
    world.bucket_policy(&grant).await;
    assert_eq!(world.send_raw(world.link_by(&root, "GET", "a")).await.text(), "hello");
    // A user of that account needs its own policy as well.
    let make = [("Action", "CreateUser"), ("UserName", "una")];
    assert_eq!(world.query(&root, "iam", &make).await.status, 200);
    let make = [("Action", "CreateAccessKey"), ("UserName", "una")];
    let una = Key::of(&world.query(&root, "iam", &make).await);
    assert_eq!(refused(&world, world.link_by(&una, "GET", "a")).await, PLAIN);
    let give = [
        ("Action", "PutUserPolicy"),
        ("UserName", "una"),
        ("PolicyName", "p"),
        ("PolicyDocument", &policy(ALL)),
    ];
    assert_eq!(world.query(&root, "iam", &give).await.status, 200);
    assert_eq!(world.send_raw(world.link_by(&una, "GET", "a")).await.text(), "hello");
    // What she writes there is the bucket owner's.
    assert_eq!(world.send_raw(world.link_by(&una, "PUT", "u").body("x")).await.status, 200);
    // Accounts are the first account's business.
    let accounts = get("/_valet/api/v1/accounts");
    assert_eq!(world.send_as(&root, accounts.clone()).await.status, 403);
    assert_eq!(world.send(accounts).await.status, 200);
}

/// A version is the same to policies, whichever call reads it: a copy must be no way round them.
#[tokio::test]
async fn a_denied_version_is_not_copied_either() {
    let world = world().await;
    let deny = r#"{"Effect":"Deny","Action":"s3:GetObjectVersion*","Resource":"*","Condition":{"StringEquals":{"s3:VersionId":"null"}}}"#;
    let ann = world.user("ann", &policy(&[ALL, deny].join(","))).await;
    let upload = world.send(ask("POST", "/bucket/b?uploads")).await.element("UploadId");
    let part = format!("/bucket/b?partNumber=1&uploadId={upload}");
    let attributes = "/bucket/a?attributes&versionId=null";
    for asked in [
        get("/bucket/a?versionId=null"),
        get("/bucket/a?tagging&versionId=null"),
        get(attributes).header("x-amz-object-attributes", "ETag"),
        put("/bucket/b", "").header("x-amz-copy-source", "/bucket/a?versionId=null"),
        put(&part, "").header("x-amz-copy-source", "/bucket/a?versionId=null"),
    ] {
        let answer = world.send_as(&ann, asked.clone()).await;
        assert_eq!((answer.status, &*answer.element("Code")), (403, "AccessDenied"), "{asked:?}");
    }
    let current = put("/bucket/b", "").header("x-amz-copy-source", "/bucket/a");
    assert_eq!(world.send_as(&ann, current).await.status, 200);
}
