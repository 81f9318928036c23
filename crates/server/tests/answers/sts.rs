//! STS on the wire: every message and limit of semantics 4.1.

use jiff::SignedDuration;
use presign::{SignedPayload, Signer};

use crate::harness::{Ask, HOST, World, ask, credentials, get, put, sha256};
use crate::people::{ACCOUNT, Key, policy, query_ask, query_refusal, role_arn, trusts, user_arn};

const STS: &str = r#"{"Effect":"Allow","Action":"sts:*","Resource":"*"}"#;
const READ: &str = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;

async fn world() -> (World, Key) {
    let world = World::with_bucket().await;
    world.send(put("/bucket/a", "hello")).await;
    let ann = world.user("ann", &policy(STS)).await;
    world.role("reader", &trusts(&user_arn("ann")), &policy(READ)).await;
    (world, ann)
}

fn assume<'p>(arn: &'p str, more: &[(&'p str, &'p str)]) -> Vec<(&'p str, &'p str)> {
    let mut parameters = vec![("Action", "AssumeRole"), ("RoleArn", arn)];
    if !more.iter().any(|(name, _)| *name == "RoleSessionName") {
        parameters.push(("RoleSessionName", "ses"));
    }
    parameters.extend_from_slice(more);
    parameters
}

#[tokio::test]
async fn the_answer_of_assume_role() {
    let (world, ann) = world().await;
    let arn = role_arn("reader");
    let answer = world.query(&ann, "sts", &assume(&arn, &[])).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/xml");
    let text = answer.text();
    let start = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <AssumeRoleResult>\n    <AssumedRoleUser>\n      <AssumedRoleId>AROA";
    assert!(text.starts_with(start), "{text}");
    assert!(
        text.ends_with("</RequestId>\n  </ResponseMetadata>\n</AssumeRoleResponse>\n"),
        "{text}"
    );
    assert_eq!(answer.element("Arn"), format!("arn:aws:sts::{ACCOUNT}:assumed-role/reader/ses"));
    assert_eq!(answer.element("Expiration"), "2026-06-15T13:00:00Z");
    assert_eq!(answer.element("AccessKeyId").len(), 20);
    assert!(answer.element("AccessKeyId").starts_with("ASIA"));
    assert_eq!(answer.element("SecretAccessKey").len(), 40);
    assert!(answer.element("SessionToken").len() >= 100);
    assert_eq!(answer.element("AssumedRoleId").split(':').next().unwrap().len(), 21);
    assert_eq!(answer.element("PackedPolicySize"), "");
    assert!(!answer.header("x-amzn-requestid").is_empty());
}

#[tokio::test]
async fn faults_of_parameters() {
    let (world, ann) = world().await;
    let arn = role_arn("reader");
    let detected =
        |faults: &str| format!("400 ValidationError 1 validation error detected: {faults}");
    let rows: &[(&[(&str, &str)], String)] = &[
        (&[("DurationSeconds", "899")], detected("Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900")),
        (&[("DurationSeconds", "43201")], detected("Value '43201' at 'durationSeconds' failed to satisfy constraint: Member must have value less than or equal to 43200")),
        (&[("DurationSeconds", "3601")], "400 ValidationError The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".to_owned()),
        (&[("DurationSeconds", "abc")], "400 MalformedInput ".to_owned()),
        (&[("DurationSeconds", "900.0")], "400 MalformedInput ".to_owned()),
        (&[("DurationSeconds", "2147483648")], "400 MalformedInput ".to_owned()),
        (&[("DurationSeconds", "")], "400 MalformedInput missing value for decimal type".to_owned()),
        (&[("RoleSessionName", "a b")], detected("Value 'a b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*")),
        (&[("RoleSessionName", "a")], detected("Value 'a' at 'roleSessionName' failed to satisfy constraint: Member must have length greater than or equal to 2")),
        (&[("ExternalId", "x")], detected("Value 'x' at 'externalId' failed to satisfy constraint: Member must have length greater than or equal to 2")),
        (&[("Policy", "{")], "400 MalformedPolicyDocument Syntax errors in policy.".to_owned()),
    ];
    for (more, expected) in rows {
        let answer = world.query(&ann, "sts", &assume(&arn, more)).await;
        assert_eq!(query_refusal(&answer), *expected, "{more:?}");
    }
    let two = world.query(&ann, "sts", &[("Action", "AssumeRole"), ("RoleSessionName", "é")]).await;
    assert_eq!(
        query_refusal(&two),
        "400 ValidationError 3 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null; Value 'é' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*; Value 'é' at 'roleSessionName' failed to satisfy constraint: Member must have length greater than or equal to 2"
    );
    for good in ["+900", "0900", "3600"] {
        let answer = world.query(&ann, "sts", &assume(&arn, &[("DurationSeconds", good)])).await;
        assert_eq!(answer.status, 200, "{good}: {}", answer.text());
    }
    let invalid = "arn:aws:iam::000000000000:user/ann";
    let answer = world.query(&ann, "sts", &assume(invalid, &[])).await;
    assert_eq!(query_refusal(&answer), format!("400 ValidationError {invalid} is invalid"));
}

#[tokio::test]
async fn whether_a_role_is_there_is_not_told() {
    let (world, ann) = world().await;
    world.role("closed", &trusts("000000000000"), &policy(READ)).await;
    let ben = world.user("ben", "").await;
    for (key, role) in [(&ann, "none"), (&ben, "reader"), (&ben, "closed"), (&ben, "none")] {
        let who = if key.id == ann.id { "ann" } else { "ben" };
        let answer = world.query(key, "sts", &assume(&role_arn(role), &[])).await;
        let expected = format!(
            "403 AccessDenied User: {} is not authorized to perform: sts:AssumeRole on resource: {}",
            user_arn(who),
            role_arn(role)
        );
        assert_eq!(query_refusal(&answer), expected, "{role}");
    }
    // The account is trusted, and ann's own policy gives it on.
    assert_eq!(world.query(&ann, "sts", &assume(&role_arn("closed"), &[])).await.status, 200);
    let root = world.query(&Key::root(), "sts", &assume(&role_arn("closed"), &[])).await;
    assert_eq!(query_refusal(&root), "403 AccessDenied Roles may not be assumed by root accounts.");
}

#[tokio::test]
async fn conditions_of_trust() {
    let (world, ann) = world().await;
    let when = |action: &str, condition: &str| {
        format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":"{}"}},"Action":{action},"Condition":{{{condition}}}}}"#,
            user_arn("ann")
        )
    };
    let external = when(r#""sts:AssumeRole""#, r#""StringEquals":{"sts:ExternalId":"xyz"}"#);
    world.role("external", &policy(&external), &policy(READ)).await;
    let arn = role_arn("external");
    let answer = |more: &'static [(&'static str, &'static str)]| {
        let (world, ann, arn) = (&world, &ann, arn.clone());
        async move { world.query(ann, "sts", &assume(&arn, more)).await.status }
    };
    assert_eq!(answer(&[]).await, 403);
    assert_eq!(answer(&[("ExternalId", "abc")]).await, 403);
    assert_eq!(answer(&[("ExternalId", "xyz")]).await, 200);
    // Tags and a source identity are permissions of their own.
    let tagged =
        [("ExternalId", "xyz"), ("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "a")];
    let refused = world.query(&ann, "sts", &assume(&arn, &tagged)).await;
    assert!(query_refusal(&refused).contains("perform: sts:TagSession on"), "{}", refused.text());
    let named = [("ExternalId", "xyz"), ("SourceIdentity", "ann")];
    let refused = world.query(&ann, "sts", &assume(&arn, &named)).await;
    assert!(
        query_refusal(&refused).contains("perform: sts:SetSourceIdentity on"),
        "{}",
        refused.text()
    );

    let all = when(
        r#"["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]"#,
        r#""StringEquals":{"aws:RequestTag/team":"a"}"#,
    );
    let tag = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"a","aws:SourceIdentity":"ann"}}}"#;
    world.role("tagged", &policy(&all), &policy(tag)).await;
    let session = world
        .assume(
            &ann,
            "tagged",
            &[
                ("Tags.member.1.Key", "team"),
                ("Tags.member.1.Value", "a"),
                ("SourceIdentity", "ann"),
            ],
        )
        .await;
    assert_eq!(world.send_raw(world.link_by(&session, "GET", "a")).await.text(), "hello");
}

#[tokio::test]
async fn session_policies_only_restrict() {
    let (world, ann) = world().await;
    let narrow = policy(r#"{"Effect":"Allow","Action":["s3:GetObject","iam:*"],"Resource":"*"}"#);
    let session = world.assume(&ann, "reader", &[("Policy", &narrow)]).await;
    assert_eq!(world.send_raw(world.link_by(&session, "GET", "a")).await.text(), "hello");
    let refused = world.send_raw(world.link_by(&session, "PUT", "b").body("x")).await.refusal();
    assert!(
        refused.contains("because no session policy allows the s3:PutObject action"),
        "{refused}"
    );
    let more = world.query(&session, "iam", &[("Action", "ListUsers")]).await;
    assert!(
        query_refusal(&more).contains("because no identity-based policy allows"),
        "{}",
        more.text()
    );
    let managed = [("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")];
    let session = world.assume(&ann, "reader", &managed).await;
    assert_eq!(world.send_raw(world.link_by(&session, "GET", "a")).await.text(), "hello");
    assert_eq!(world.send_raw(world.link_by(&session, "DELETE", "a")).await.status, 403);
}

#[tokio::test]
async fn chains_are_short_and_hand_on_what_they_must() {
    let (world, ann) = world().await;
    let trust = policy(&format!(
        r#"{{"Effect":"Allow","Principal":{{"AWS":"{}"}},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}}"#,
        user_arn("ann")
    ));
    world.role("first", &trust, &policy(STS)).await;
    let trust = trust.replace(&user_arn("ann"), &role_arn("first"));
    world.role("second", &trust, &policy(STS)).await;
    world
        .iam(&[("Action", "UpdateRole"), ("RoleName", "second"), ("MaxSessionDuration", "43200")])
        .await;
    let first = world
        .assume(
            &ann,
            "first",
            &[
                ("Tags.member.1.Key", "team"),
                ("Tags.member.1.Value", "a"),
                ("TransitiveTagKeys.member.1", "team"),
                ("SourceIdentity", "ann"),
            ],
        )
        .await;
    let arn = role_arn("second");
    let long = world.query(&first, "sts", &assume(&arn, &[("DurationSeconds", "3601")])).await;
    assert_eq!(
        query_refusal(&long),
        "400 ValidationError The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
    );
    let other = world.query(&first, "sts", &assume(&arn, &[("SourceIdentity", "ben")])).await;
    assert_eq!(
        query_refusal(&other),
        "400 ValidationError The source identity is already set for this assume role session"
    );
    let second = world.query(&first, "sts", &assume(&arn, &[])).await;
    assert_eq!(second.element("SourceIdentity"), "ann");
    let second = Key::of(&second);
    let tag = policy(
        r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"a"}}}"#,
    );
    world.put_role_policy("second", "tag", &tag).await;
    assert_eq!(world.send_raw(world.link_by(&second, "GET", "a")).await.text(), "hello");
}

#[tokio::test]
async fn session_tokens_and_federation() {
    let (world, ann) = world().await;
    world.put_user_policy("ann", &policy(&format!("{STS},{READ}"))).await;
    let token =
        |seconds: &'static str| [("Action", "GetSessionToken"), ("DurationSeconds", seconds)];
    let answer = world.query(&ann, "sts", &[("Action", "GetSessionToken")]).await;
    assert_eq!(answer.element("Expiration"), "2026-06-16T00:00:00Z");
    let session = Key::of(&answer);
    assert_eq!(world.send_raw(world.link_by(&session, "GET", "a")).await.text(), "hello");
    assert_eq!(world.query(&ann, "sts", &token("129601")).await.status, 400);
    let root = world.query(&Key::root(), "sts", &token("129600")).await;
    assert_eq!(root.element("Expiration"), "2026-06-15T13:00:00Z");
    // Such sessions do neither IAM nor open others.
    let iam = world.query(&session, "iam", &[("Action", "GetUser")]).await;
    assert_eq!(
        query_refusal(&iam),
        "403 InvalidClientTokenId The security token included in the request is invalid."
    );
    let again = world.query(&session, "sts", &[("Action", "GetSessionToken")]).await;
    assert_eq!(
        query_refusal(&again),
        "403 AccessDenied Cannot call GetSessionToken with session credentials"
    );

    let federate = |more: &[(&'static str, &'static str)]| {
        let mut parameters = vec![("Action", "GetFederationToken"), ("Name", "bob")];
        parameters.extend_from_slice(more);
        parameters
    };
    let plain = world.query(&ann, "sts", &federate(&[])).await;
    assert_eq!(plain.element("FederatedUserId"), format!("{ACCOUNT}:bob"));
    assert_eq!(plain.element("Arn"), format!("arn:aws:sts::{ACCOUNT}:federated-user/bob"));
    let nothing = Key::of(&plain);
    let refused = world.send_raw(world.link_by(&nothing, "GET", "a")).await.refusal();
    assert!(
        refused.contains("because no session policy allows the s3:GetObject action"),
        "{refused}"
    );
    let read = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;
    let some = Key::of(&world.query(&ann, "sts", &federate(&[("Policy", read)])).await);
    assert_eq!(world.send_raw(world.link_by(&some, "GET", "a")).await.text(), "hello");
    assert_eq!(world.send_raw(world.link_by(&some, "DELETE", "a")).await.status, 403);
    // They live no longer than whoever vouched for them.
    world
        .iam(&[("Action", "DeleteAccessKey"), ("UserName", "ann"), ("AccessKeyId", &ann.id)])
        .await;
    world.iam(&[("Action", "DeleteUserPolicy"), ("UserName", "ann"), ("PolicyName", "p")]).await;
    assert_eq!(world.send_raw(world.link_by(&some, "GET", "a")).await.status, 403);
    world.iam(&[("Action", "DeleteUser"), ("UserName", "ann")]).await;
    let refused = world.send_raw(world.link_by(&some, "GET", "a")).await.refusal();
    assert!(refused.contains("InvalidAccessKeyId"), "{refused}");
}

#[tokio::test]
async fn who_i_am() {
    let (world, ann) = world().await;
    let me = [("Action", "GetCallerIdentity")];
    let root = world.query(&Key::root(), "sts", &me).await;
    assert_eq!(root.element("Arn"), format!("arn:aws:iam::{ACCOUNT}:root"));
    assert_eq!((root.element("UserId"), root.element("Account")), (ACCOUNT.into(), ACCOUNT.into()));
    let nobody = world.user("nobody", "").await;
    let answer = world.query(&nobody, "sts", &me).await;
    assert_eq!(answer.element("Arn"), user_arn("nobody"));
    assert!(answer.element("UserId").starts_with("AIDA"));
    let session = world.assume(&ann, "reader", &[]).await;
    let answer = world.query(&session, "sts", &me).await;
    assert_eq!(answer.element("Arn"), format!("arn:aws:sts::{ACCOUNT}:assumed-role/reader/ses"));
    assert!(answer.element("UserId").ends_with(":ses"));
    let info = [("Action", "GetAccessKeyInfo"), ("AccessKeyId", ann.id.as_str())];
    assert_eq!(world.query(&ann, "sts", &info).await.element("Account"), ACCOUNT);
}

/// Faults of the credentials themselves (semantics 4.1.6), and of the call (semantics 4.1.2).
#[tokio::test]
async fn faults_of_calls() {
    let (mut world, ann) = world().await;
    let me = [("Action", "GetCallerIdentity")];
    let invalid = "403 InvalidClientTokenId The security token included in the request is invalid.";
    let unknown = Key { id: "AKIAUNKNOWN".into(), ..ann.clone() };
    assert_eq!(query_refusal(&world.query(&unknown, "sts", &me).await), invalid);
    let wrong = Key { secret: "wrong".into(), ..ann.clone() };
    let mismatch = "403 SignatureDoesNotMatch The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";
    assert_eq!(query_refusal(&world.query(&wrong, "sts", &me).await), mismatch);
    let session = world.assume(&ann, "reader", &[]).await;
    let without = Key { token: None, ..session.clone() };
    assert_eq!(query_refusal(&world.query(&without, "sts", &me).await), invalid);

    let action =
        |name: &'static str, version: &'static str| [("Action", name), ("Version", version)];
    let answer = world.query(&ann, "sts", &action("NoSuchAction", "2011-06-15")).await;
    assert_eq!(
        query_refusal(&answer),
        "400 InvalidAction Could not find operation NoSuchAction for version 2011-06-15"
    );
    assert!(answer.text().contains("http://webservices.amazon.com/AWSFault/2005-15-09"));
    let answer = world.query(&ann, "sts", &action("CreateUser", "2010-05-08")).await;
    assert_eq!(
        query_refusal(&answer),
        "400 InvalidAction Could not find operation CreateUser for version 2010-05-08"
    );

    // Out of its region or service.
    let sign = |region: &str, ask: Ask| {
        let credentials = credentials();
        let signer = Signer { credentials: &credentials, region, service: "sts" };
        let payload = SignedPayload::Sha256(sha256(&ask.body));
        world.sign_by(&signer, ask, payload).0
    };
    let answer = world.send_raw(sign("eu-west-1", query_ask("sts", &me))).await;
    assert_eq!(
        query_refusal(&answer),
        "403 SignatureDoesNotMatch Credential should be scoped to a valid region. This server's is 'us-east-1'."
    );
    // Nothing to do: elsewhere.
    let nothing = world.send_raw(sign("us-east-1", query_ask("sts", &[]))).await;
    assert_eq!((nothing.status, nothing.header("location")), (302, "https://aws.amazon.com/iam"));
    // The body is bound.
    let mut forged = sign("us-east-1", query_ask("sts", &me));
    forged.body = "Action=GetCallerIdentity&Version=2011-06-15&x=1".into();
    assert_eq!(query_refusal(&world.send_raw(forged).await), mismatch);
    let unsigned = {
        let ask = query_ask("sts", &me);
        let credentials = credentials();
        let signer = Signer { credentials: &credentials, region: "us-east-1", service: "sts" };
        world.sign_by(&signer, ask, SignedPayload::Unsigned).0
    };
    assert_eq!(query_refusal(&world.send_raw(unsigned).await), mismatch);
    // Nobody at all.
    let anonymous = world.send_raw(query_ask("sts", &me)).await;
    assert_eq!(
        query_refusal(&anonymous),
        "403 MissingAuthenticationToken Request is missing Authentication Token"
    );
    let get = world.send_raw(get("/?Action=GetCallerIdentity&Version=2011-06-15")).await;
    assert_eq!(
        query_refusal(&get),
        "403 MissingAuthenticationToken Request is missing Authentication Token"
    );

    world.now += SignedDuration::from_secs(3601);
    let ended = "403 ExpiredToken The security token included in the request is expired";
    assert_eq!(query_refusal(&world.query(&session, "sts", &me).await), ended);
}

#[tokio::test]
async fn web_identities_that_are_none() {
    let (world, _) = world().await;
    let arn = role_arn("reader");
    let with = |token: &'static str| {
        let parameters = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("RoleArn", arn.as_str()),
            ("RoleSessionName", "ses"),
            ("WebIdentityToken", token),
        ];
        query_ask("sts", &parameters)
    };
    let malformed = "400 InvalidIdentityToken The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)";
    let signature = "400 InvalidIdentityToken The ID Token's signature is invalid";
    // {"alg":"none"}.{"iss":"https://a"}. and the same with HS256: never, whoever the issuer is.
    let rows = [
        ("garbage", malformed),
        ("a.b.c", malformed),
        ("eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2EifQ.", malformed),
        ("eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJodHRwczovL2EifQ.c2ln", signature),
        (
            "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2EifQ.c2ln",
            "400 InvalidIdentityToken No OpenIDConnect provider found in your account for https://a",
        ),
    ];
    for (token, expected) in rows {
        assert_eq!(query_refusal(&world.send_raw(with(token)).await), expected, "{token}");
    }
}

/// What travels in a token has a limit; what is beyond it is refused, not answered with a token that
/// nobody opens.
#[tokio::test]
async fn session_policies_and_tags_have_a_size() {
    let (world, ann) = world().await;
    let arn = role_arn("reader");
    let open = policy(
        r#"{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":["sts:AssumeRole","sts:TagSession"]}"#,
    );
    world
        .iam(&[
            ("Action", "UpdateAssumeRolePolicy"),
            ("RoleName", "reader"),
            ("PolicyDocument", &open),
        ])
        .await;
    let managed = |at: usize| format!("arn:aws:iam::{ACCOUNT}:policy/p{at}");
    for at in 1..=2 {
        let pad = "x".repeat(5900);
        let document = policy(&format!(
            r#"{{"Effect":"Allow","Action":"s3:GetObject","Resource":["*","arn:aws:s3:::{pad}"]}}"#
        ));
        let name = format!("p{at}");
        let new =
            [("Action", "CreatePolicy"), ("PolicyName", &name), ("PolicyDocument", &document)];
        world.iam(&new).await;
    }
    let (first, second) = (managed(1), managed(2));
    let one = [("PolicyArns.member.1.arn", first.as_str())];
    let answer = world.query(&ann, "sts", &assume(&arn, &one)).await;
    assert_eq!(answer.element("PackedPolicySize"), "59", "{}", answer.text());
    let session = Key::of(&answer);
    assert_eq!(world.send_raw(world.link_by(&session, "GET", "a")).await.text(), "hello");
    let two =
        [("PolicyArns.member.1.arn", first.as_str()), ("PolicyArns.member.2.arn", second.as_str())];
    let answer = world.query(&ann, "sts", &assume(&arn, &two)).await;
    assert_eq!(
        query_refusal(&answer),
        "400 PackedPolicyTooLarge Packed size of policy consumes 118% of allotted space."
    );
    let value = "v".repeat(256);
    let tags: Vec<(String, String)> = (1..=50)
        .flat_map(|at| {
            [
                (format!("Tags.member.{at}.Key"), format!("k{at}")),
                (format!("Tags.member.{at}.Value"), value.clone()),
            ]
        })
        .collect();
    let tags: Vec<_> = tags.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let answer = world.query(&ann, "sts", &assume(&arn, &tags)).await;
    assert_eq!(
        query_refusal(&answer),
        "400 PackedPolicyTooLarge Packed size of session tags consumes 127% of allotted space."
    );
    let none = [("PolicyArns.member.1.arn", "arn:aws:iam::000000000000:policy/none")];
    let answer = world.query(&ann, "sts", &assume(&arn, &none)).await;
    assert_eq!(
        query_refusal(&answer),
        "400 MalformedPolicyDocument The policy arn:aws:iam::000000000000:policy/none does not exist or is not attachable."
    );
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused() {
    let (world, ann) = world().await;
    let arn = role_arn("reader");
    let factor =
        "403 AccessDenied MultiFactorAuthentication failed with invalid MFA one time pass code.";
    let tag = "400 InvalidParameterValue The specified transitive tag key must be included in the requested tags.";
    let rows: [(&[(&str, &str)], &str); 4] = [
        (&[("SerialNumber", "arn:aws:iam::000000000000:mfa/ann"), ("TokenCode", "123456")], factor),
        (&[("TokenCode", "123456")], factor),
        (&[("TransitiveTagKeys.member.1", "team")], tag),
        (
            &[("ProvidedContexts.member.1.ProviderArn", "arn:aws:iam::aws:contextProvider/x")],
            "400 ValidationError ProvidedContexts are not supported.",
        ),
    ];
    for (more, expected) in rows {
        let answer = world.query(&ann, "sts", &assume(&arn, more)).await;
        assert_eq!(query_refusal(&answer), expected, "{more:?}");
    }
}

#[tokio::test]
async fn a_federated_user_is_tagged_by_who_may() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/a", "hello")).await;
    let federate = r#"{"Effect":"Allow","Action":"sts:GetFederationToken","Resource":"*"}"#;
    let ann = world.user("ann", &policy(&format!("{federate},{READ}"))).await;
    let call = |team: &'static str| {
        [
            ("Action", "GetFederationToken"),
            ("Name", "bob"),
            ("Tags.member.1.Key", "team"),
            ("Tags.member.1.Value", team),
        ]
    };
    let refused = world.query(&ann, "sts", &call("a")).await;
    assert_eq!(
        query_refusal(&refused),
        format!(
            "403 AccessDenied User: {} is not authorized to perform: sts:TagSession on resource: arn:aws:sts::{ACCOUNT}:federated-user/bob because no identity-based policy allows the sts:TagSession action",
            user_arn("ann")
        )
    );
    let tag = r#"{"Effect":"Allow","Action":"sts:TagSession","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"a"},"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}}"#;
    world.put_user_policy("ann", &policy(&format!("{federate},{READ},{tag}"))).await;
    assert_eq!(world.query(&ann, "sts", &call("b")).await.status, 403);
    assert_eq!(world.query(&ann, "sts", &call("a")).await.status, 200);
}

#[tokio::test]
async fn the_tags_of_a_role_are_conditions_too() {
    let (world, ann) = world().await;
    let only = r#"{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}}"#;
    world.put_user_policy("ann", &policy(only)).await;
    world.role("shared", &trusts(ACCOUNT), &policy(READ)).await;
    let arn = role_arn("shared");
    assert_eq!(world.query(&ann, "sts", &assume(&arn, &[])).await.status, 403);
    world
        .iam(&[
            ("Action", "TagRole"),
            ("RoleName", "shared"),
            ("Tags.member.1.Key", "team"),
            ("Tags.member.1.Value", "a"),
        ])
        .await;
    assert_eq!(world.query(&ann, "sts", &assume(&arn, &[])).await.status, 200);
}

/// Across accounts both sides must allow.
#[tokio::test]
async fn roles_of_another_account() {
    let (world, ann) = world().await;
    let account = r#"{"name":"other","id":"111122223333"}"#;
    let made = world.send(ask("POST", "/_valet/api/v1/accounts").body(account)).await;
    let made: serde_json::Value = serde_json::from_slice(&made.body).unwrap();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let made = Key { id: text("access_key_id"), secret: text("secret_access_key"), token: None };
    let cross = "arn:aws:iam::111122223333:role/cross";
    let trust = trusts(&user_arn("ann"));
    let create = [
        ("Action", "CreateRole"),
        ("RoleName", "cross"),
        ("AssumeRolePolicyDocument", trust.as_str()),
    ];
    assert_eq!(world.query(&made, "iam", &create).await.status, 200);
    let answer = world.query(&ann, "sts", &assume(cross, &[])).await;
    assert_eq!(answer.element("Arn"), "arn:aws:sts::111122223333:assumed-role/cross/ses");
    // The trust names ann, but ann's own account has to agree.
    world.iam(&[("Action", "DeleteUserPolicy"), ("UserName", "ann"), ("PolicyName", "p")]).await;
    let refused = world.query(&ann, "sts", &assume(cross, &[])).await;
    assert_eq!(
        query_refusal(&refused),
        format!(
            "403 AccessDenied User: {} is not authorized to perform: sts:AssumeRole on resource: {cross}",
            user_arn("ann")
        )
    );
}

/// The Go SDK's `PresignGetCallerIdentity` says nothing of how long its links live.
/// A link of the root's to `GetCallerIdentity`, signed at the time at which tests begin.
pub(crate) fn identity_link(service: &str, expires: &str) -> Ask {
    let root = credentials();
    let scope = format!("20260615/us-east-1/{service}/aws4_request");
    let credential = format!("{}%2F{}", root.access_key_id, scope.replace('/', "%2F"));
    let query = format!(
        "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date=20260615T120000Z{expires}&X-Amz-SignedHeaders=host"
    );
    let request = format!("GET\n/\n{query}\nhost:{HOST}\n\nhost\n{}", presign::payload_hash(b""));
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n20260615T120000Z\n{scope}\n{}",
        presign::payload_hash(request.as_bytes())
    );
    let day = presign::AmzDay::parse("20260615").unwrap();
    let key = presign::SigningKey::derive(&root.secret_access_key, day, "us-east-1", service);
    let signature = key.sign(to_sign.as_bytes());
    let signature: String =
        signature.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    get(&format!("/?{query}&X-Amz-Signature={signature}"))
}

#[tokio::test]
async fn a_link_of_sts_lives_for_a_quarter_of_an_hour_unless_it_says() {
    let mut world = World::with_bucket().await;
    let start = world.now;
    for (expires, seconds, status) in [
        ("", 0, 200),
        ("", 900, 200),
        ("", 901, 400),
        ("&X-Amz-Expires=60", 60, 200),
        ("&X-Amz-Expires=60", 61, 400),
    ] {
        world.now = start + SignedDuration::from_secs(seconds);
        let answer = world.send_raw(identity_link("sts", expires)).await;
        assert_eq!(answer.status, status, "{expires} after {seconds}: {}", answer.text());
        if status == 200 {
            assert_eq!(answer.element("Account"), ACCOUNT);
        } else {
            assert_eq!(query_refusal(&answer), "400 RequestExpired Request has expired.");
        }
    }
    // S3 wants to be told.
    world.now = start;
    let refused = world.send_raw(identity_link("s3", "")).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
}

#[tokio::test]
async fn tags_of_sessions_are_refused_in_the_words_of_sts() {
    let (world, ann) = world().await;
    let arn = role_arn("reader");
    let twice = [
        ("Tags.member.1.Key", "a"),
        ("Tags.member.1.Value", "1"),
        ("Tags.member.2.Key", "A"),
        ("Tags.member.2.Value", "2"),
    ];
    let answer = world.query(&ann, "sts", &assume(&arn, &twice)).await;
    assert_eq!(
        query_refusal(&answer),
        "400 InvalidParameterValue Duplicate tag keys found. Please note that Tag keys are case insensitive."
    );
}
