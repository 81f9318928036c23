//! What is judged is what is stored, and what is acted on is what was judged: IAM by letter case, by
//! path, by new name, and by what a call does not honour.

use crate::harness::{Answer, World, get, put};
use crate::people::{ACCOUNT, Key, policy, query_refusal, trusts, user_arn};

const TRUST_ALL: &str = "000000000000";

/// May do everything in IAM, but nothing to what is called boss.
async fn helper(world: &World) -> Key {
    let allow = r#"{"Effect":"Allow","Action":["iam:*","sts:*"],"Resource":"*"}"#;
    let deny = format!(
        r#"{{"Effect":"Deny","Action":"iam:*","Resource":["arn:aws:iam::{ACCOUNT}:*/boss","arn:aws:iam::{ACCOUNT}:*/high/*","arn:aws:iam::{ACCOUNT}:oidc-provider/issuer.example/boss"]}}"#
    );
    world.user("helper", &policy(&format!("{allow},{deny}"))).await
}

fn denied(answer: &Answer) -> bool {
    answer.status == 403 && answer.text().contains("explicit deny")
}

#[expect(clippy::too_many_lines, reason = "a table, a row a call")]
#[tokio::test]
async fn letter_case_passes_no_deny() {
    let world = World::with_bucket().await;
    let helper = helper(&world).await;
    let boss_key = world.user("boss", "").await;
    world.iam(&[("Action", "CreateGroup"), ("GroupName", "boss")]).await;
    world
        .role(
            "boss",
            &trusts(TRUST_ALL),
            &policy(r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#),
        )
        .await;
    world.iam(&[("Action", "CreateInstanceProfile"), ("InstanceProfileName", "boss")]).await;
    world
        .iam(&[
            ("Action", "CreateOpenIDConnectProvider"),
            ("Url", "https://issuer.example/boss"),
            ("ClientIDList.member.1", "c"),
        ])
        .await;
    let document = policy(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#);
    let (document, trust) = (document.as_str(), trusts(TRUST_ALL));
    let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
    let provider = format!("arn:aws:iam::{ACCOUNT}:oidc-provider/Issuer.example/BOSS");
    let source = user_arn("BOSS");
    let key = boss_key.id.as_str();
    let rows: &[(&str, &[(&str, &str)])] = &[
        ("CreateAccessKey", &[("UserName", "BOSS")]),
        ("UpdateAccessKey", &[("UserName", "Boss"), ("AccessKeyId", key), ("Status", "Inactive")]),
        ("DeleteAccessKey", &[("UserName", "BOSS"), ("AccessKeyId", key)]),
        ("ListAccessKeys", &[("UserName", "BOSS")]),
        ("GetUser", &[("UserName", "BOSS")]),
        (
            "PutUserPolicy",
            &[("UserName", "BOSS"), ("PolicyName", "p"), ("PolicyDocument", document)],
        ),
        ("AttachUserPolicy", &[("UserName", "bOSS"), ("PolicyArn", admin)]),
        ("PutUserPermissionsBoundary", &[("UserName", "BOSS"), ("PermissionsBoundary", admin)]),
        ("UpdateUser", &[("UserName", "BOSS"), ("NewUserName", "ex")]),
        (
            "TagUser",
            &[("UserName", "BOSS"), ("Tags.member.1.Key", "a"), ("Tags.member.1.Value", "b")],
        ),
        ("ListMFADevices", &[("UserName", "BOSS")]),
        ("DeleteUser", &[("UserName", "BOSS")]),
        ("AddUserToGroup", &[("GroupName", "BOSS"), ("UserName", "helper")]),
        (
            "PutGroupPolicy",
            &[("GroupName", "BOSS"), ("PolicyName", "p"), ("PolicyDocument", document)],
        ),
        ("UpdateGroup", &[("GroupName", "BOSS"), ("NewGroupName", "ex")]),
        ("GetGroup", &[("GroupName", "BOSS")]),
        ("UpdateAssumeRolePolicy", &[("RoleName", "BOSS"), ("PolicyDocument", &trust)]),
        (
            "PutRolePolicy",
            &[("RoleName", "Boss"), ("PolicyName", "p"), ("PolicyDocument", document)],
        ),
        ("GetRole", &[("RoleName", "BOSS")]),
        (
            "TagRole",
            &[("RoleName", "BOSS"), ("Tags.member.1.Key", "a"), ("Tags.member.1.Value", "b")],
        ),
        ("ListInstanceProfilesForRole", &[("RoleName", "BOSS")]),
        ("DeleteInstanceProfile", &[("InstanceProfileName", "BOSS")]),
        ("GetInstanceProfile", &[("InstanceProfileName", "BOSS")]),
        ("GetOpenIDConnectProvider", &[("OpenIDConnectProviderArn", &provider)]),
        (
            "AddClientIDToOpenIDConnectProvider",
            &[("OpenIDConnectProviderArn", &provider), ("ClientID", "mine")],
        ),
        ("DeleteOpenIDConnectProvider", &[("OpenIDConnectProviderArn", &provider)]),
    ];
    for (action, more) in rows {
        let mut parameters = vec![("Action", *action)];
        parameters.extend_from_slice(more);
        let answer = world.query(&helper, "iam", &parameters).await;
        assert!(denied(&answer), "{action} {more:?}: {}", answer.text());
    }
    let simulated = [
        ("Action", "SimulatePrincipalPolicy"),
        ("PolicySourceArn", source.as_str()),
        ("ActionNames.member.1", "s3:GetObject"),
    ];
    let answer = world.query(&helper, "iam", &simulated).await;
    assert_eq!(query_refusal(&answer), "404 NoSuchEntity The user with name BOSS cannot be found.");
    // Whoever is not guarded is found in any case of letters, as on AWS.
    world.user("carl", "").await;
    let found = world.query(&helper, "iam", &[("Action", "GetUser"), ("UserName", "CARL")]).await;
    assert_eq!((found.status, found.element("UserName").as_str()), (200, "carl"));
    // And what is not there is asked for as it is spelled.
    let none = world.query(&helper, "iam", &[("Action", "GetUser"), ("UserName", "nobody")]).await;
    assert_eq!(query_refusal(&none), "404 NoSuchEntity The user with name nobody cannot be found.");
}

#[tokio::test]
async fn a_new_name_is_asked_for_as_well_as_the_old_one() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/boss/a", "secret")).await;
    let helper = helper(&world).await;
    let rename = |key: Key, parameters: &'static [(&'static str, &'static str)]| {
        let world = &world;
        async move { world.query(&key, "iam", parameters).await }
    };
    // By a policy variable, somebody who may rename himself would become anybody.
    let own = format!(
        r#"{{"Effect":"Allow","Action":"iam:UpdateUser","Resource":"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"}},{{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/${{aws:username}}/*"}}"#
    );
    let ann = world.user("ann", &policy(&own)).await;
    let answer = rename(
        ann.clone(),
        &[("Action", "UpdateUser"), ("UserName", "ann"), ("NewUserName", "boss")],
    )
    .await;
    assert_eq!(
        query_refusal(&answer),
        format!(
            "403 AccessDenied User: {} is not authorized to perform: iam:UpdateUser on resource: {} because no identity-based policy allows the iam:UpdateUser action",
            user_arn("ann"),
            user_arn("boss")
        )
    );
    assert_eq!(world.send_as(&ann, get("/bucket/boss/a")).await.status, 403);
    // A Deny on the new name or the new path wins, and so does one on the old.
    world.user("carl", "").await;
    world.iam(&[("Action", "CreateGroup"), ("GroupName", "staff")]).await;
    world.iam(&[("Action", "CreateUser"), ("UserName", "dora"), ("Path", "/high/")]).await;
    world.iam(&[("Action", "CreateGroup"), ("GroupName", "chiefs"), ("Path", "/high/")]).await;
    for parameters in [
        &[("Action", "UpdateUser"), ("UserName", "carl"), ("NewUserName", "boss")][..],
        &[("Action", "UpdateUser"), ("UserName", "carl"), ("NewPath", "/high/")],
        &[("Action", "UpdateUser"), ("UserName", "dora"), ("NewPath", "/")],
        &[("Action", "UpdateUser"), ("UserName", "DORA"), ("NewPath", "/"), ("NewUserName", "x")],
        &[("Action", "UpdateGroup"), ("GroupName", "staff"), ("NewGroupName", "boss")],
        &[("Action", "UpdateGroup"), ("GroupName", "staff"), ("NewPath", "/high/")],
        &[("Action", "UpdateGroup"), ("GroupName", "chiefs"), ("NewPath", "/")],
    ] {
        let answer = rename(helper.clone(), parameters).await;
        assert!(denied(&answer), "{parameters:?}: {}", answer.text());
    }
    let allowed = [("Action", "UpdateUser"), ("UserName", "carl"), ("NewUserName", "carla")];
    assert_eq!(world.query(&helper, "iam", &allowed).await.status, 200);
}

/// The policy of a delegated administrator: users only within the boundary.
async fn delegate(world: &World, boundary: &str) -> Key {
    let statement = format!(
        r#"{{"Effect":"Allow","Action":["iam:PutUserPolicy","iam:DeleteUserPolicy","iam:AttachUserPolicy","iam:DetachUserPolicy","iam:DeleteUserPermissionsBoundary","iam:PutUserPermissionsBoundary","iam:CreateUser","iam:PutRolePolicy","iam:CreateRole"],"Resource":"*","Condition":{{"StringEquals":{{"iam:PermissionsBoundary":"{boundary}"}}}}}}"#
    );
    world.user("delegate", &policy(&statement)).await
}

#[tokio::test]
async fn the_boundary_that_is_asked_for_is_the_targets_own() {
    let world = World::with_bucket().await;
    let document = policy(r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#);
    let named = |name: &str| format!("arn:aws:iam::{ACCOUNT}:policy/{name}");
    for name in ["B", "wide"] {
        world
            .iam(&[("Action", "CreatePolicy"), ("PolicyName", name), ("PolicyDocument", &document)])
            .await;
    }
    let (bound, wide) = (named("B"), named("wide"));
    let delegate = delegate(&world, &bound).await;
    world.user("free", "").await;
    world
        .iam(&[("Action", "CreateUser"), ("UserName", "held"), ("PermissionsBoundary", &bound)])
        .await;
    let trust = trusts(TRUST_ALL);
    world
        .iam(&[
            ("Action", "CreateRole"),
            ("RoleName", "held"),
            ("AssumeRolePolicyDocument", &trust),
            ("PermissionsBoundary", &bound),
        ])
        .await;
    let put = [("PolicyName", "p"), ("PolicyDocument", document.as_str())];
    let rows: &[(u16, &str, &str, &[(&str, &str)])] = &[
        (403, "PutUserPolicy", "free", &put),
        (200, "PutUserPolicy", "held", &put),
        (200, "PutUserPolicy", "HELD", &put),
        (200, "DeleteUserPolicy", "held", &[("PolicyName", "p")]),
        (403, "AttachUserPolicy", "free", &[("PolicyArn", &wide)]),
        (200, "AttachUserPolicy", "held", &[("PolicyArn", &wide)]),
        (200, "DetachUserPolicy", "held", &[("PolicyArn", &wide)]),
        (403, "DeleteUserPermissionsBoundary", "free", &[]),
        (403, "CreateUser", "other", &[]),
    ];
    for (status, action, user, more) in rows {
        for with in [None, Some(bound.as_str())] {
            let mut parameters = vec![("Action", *action), ("UserName", *user)];
            parameters.extend_from_slice(more);
            // What the call does not take counts for nothing; CreateUser takes it.
            if *action != "CreateUser" {
                parameters.extend(with.map(|with| ("PermissionsBoundary", with)));
            }
            let answer = world.query(&delegate, "iam", &parameters).await;
            if with.is_none() {
                assert_eq!(answer.status, *status, "{action} {user}: {}", answer.text());
            } else if *status == 403 {
                assert_eq!(answer.status, 403, "{action} {user} {with:?}: {}", answer.text());
            }
        }
    }
    let role = [("Action", "PutRolePolicy"), ("RoleName", "held"), put[0], put[1]];
    assert_eq!(world.query(&delegate, "iam", &role).await.status, 200);
    // Where the call takes one, it is what is asked for.
    let made =
        [("Action", "CreateUser"), ("UserName", "made"), ("PermissionsBoundary", bound.as_str())];
    assert_eq!(world.query(&delegate, "iam", &made).await.status, 200);
    let wider = [
        ("Action", "PutUserPermissionsBoundary"),
        ("UserName", "held"),
        ("PermissionsBoundary", wide.as_str()),
    ];
    assert_eq!(world.query(&delegate, "iam", &wider).await.status, 403);
    let drop = [("Action", "DeleteUserPermissionsBoundary"), ("UserName", "made")];
    assert_eq!(world.query(&delegate, "iam", &drop).await.status, 200);
}

#[tokio::test]
async fn tags_and_policy_arns_count_where_a_call_takes_them() {
    let world = World::with_bucket().await;
    world.user("free", "").await;
    let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
    let when = |condition: &str| {
        policy(&format!(
            r#"{{"Effect":"Allow","Action":"iam:*","Resource":"*","Condition":{condition}}}"#
        ))
    };
    let tagged =
        world.user("tagged", &when(r#"{"StringEquals":{"aws:RequestTag/team":"a"}}"#)).await;
    let keyed =
        world.user("keyed", &when(r#"{"ForAnyValue:StringEquals":{"aws:TagKeys":"team"}}"#)).await;
    let policied = world
        .user("policied", &when(&format!(r#"{{"StringEquals":{{"iam:PolicyARN":"{admin}"}}}}"#)))
        .await;
    let tag = [("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "a")];
    let rows: &[(&Key, u16, &[(&str, &str)])] = &[
        (&tagged, 403, &[("Action", "CreateAccessKey"), ("UserName", "free"), tag[0], tag[1]]),
        (&tagged, 200, &[("Action", "TagUser"), ("UserName", "free"), tag[0], tag[1]]),
        (&keyed, 403, &[("Action", "CreateAccessKey"), ("UserName", "free"), tag[0], tag[1]]),
        (
            &keyed,
            403,
            &[("Action", "CreateAccessKey"), ("UserName", "free"), ("TagKeys.member.1", "team")],
        ),
        (
            &keyed,
            403,
            &[
                ("Action", "TagUser"),
                ("UserName", "free"),
                ("TagKeys.member.1", "team"),
                ("Tags.member.1.Key", "x"),
                ("Tags.member.1.Value", "y"),
            ],
        ),
        (
            &keyed,
            200,
            &[("Action", "UntagUser"), ("UserName", "free"), ("TagKeys.member.1", "team")],
        ),
        (
            &policied,
            403,
            &[("Action", "CreateAccessKey"), ("UserName", "free"), ("PolicyArn", admin)],
        ),
        (
            &policied,
            200,
            &[("Action", "AttachUserPolicy"), ("UserName", "free"), ("PolicyArn", admin)],
        ),
    ];
    for (key, status, parameters) in rows {
        let answer = world.query(key, "iam", parameters).await;
        assert_eq!(answer.status, *status, "{parameters:?}: {}", answer.text());
    }
}

#[expect(clippy::too_many_lines, reason = "a table, a row a call")]
#[tokio::test]
async fn lists_are_whole_or_refused() {
    let world = World::with_bucket().await;
    let sts = policy(r#"{"Effect":"Allow","Action":["s3:*","sts:*"],"Resource":"*"}"#);
    let ann = world.user("ann", &sts).await;
    world
        .role(
            "reader",
            &trusts(&user_arn("ann")),
            &policy(r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#),
        )
        .await;
    let role = format!("arn:aws:iam::{ACCOUNT}:role/reader");
    let none = "arn:aws:iam::aws:policy/IAMReadOnlyAccess";
    for list in [
        &[("PolicyArns.member.2.arn", none)][..],
        &[("PolicyArns.member.01.arn", none)],
        &[("PolicyArns.member.0.arn", none)],
        &[("PolicyArns.member.+1.arn", none)],
        &[("PolicyArns.member.1", none)],
        &[("PolicyArns.member.1.Arn", none)],
        &[("PolicyArns.member.arn", none)],
        &[("PolicyArns.1.arn", none)],
        &[("PolicyArns", none)],
        &[("PolicyArns.member.1.arn", none), ("PolicyArns.member.3.arn", none)],
        &[("PolicyArns.member.1.arn", none), ("PolicyArns.member.02.arn", none)],
        &[("PolicyArns.member.99999999999999999999.arn", none)],
        &[("Tags.member.2.Key", "a"), ("Tags.member.2.Value", "b")],
        &[("TransitiveTagKeys.member.2", "a")],
        &[("ProvidedContexts.member.2.ProviderArn", none)],
    ] {
        let mut parameters =
            vec![("Action", "AssumeRole"), ("RoleArn", &role), ("RoleSessionName", "ses")];
        parameters.extend_from_slice(list);
        let answer = world.query(&ann, "sts", &parameters).await;
        assert_eq!(answer.status, 400, "{list:?}: {}", answer.text());
    }
    // An empty list is how clients say that there is nothing in it.
    let empty = [
        ("Action", "AssumeRole"),
        ("RoleArn", &role),
        ("RoleSessionName", "ses"),
        ("PolicyArns", ""),
    ];
    assert_eq!(world.query(&ann, "sts", &empty).await.status, 200);
    for parameters in [
        &[
            ("Action", "TagUser"),
            ("UserName", "ann"),
            ("Tags.member.1.Key", "a"),
            ("Tags.member.1.Value", ""),
            ("Tags.member.3.Key", "b"),
            ("Tags.member.3.Value", ""),
        ][..],
        &[("Action", "UntagUser"), ("UserName", "ann"), ("TagKeys.member.2", "a")],
        &[
            ("Action", "CreateOpenIDConnectProvider"),
            ("Url", "https://i.example"),
            ("ClientIDList.member.2", "c"),
        ],
        &[
            ("Action", "CreateOpenIDConnectProvider"),
            ("Url", "https://i.example"),
            ("ThumbprintList.member.01", "c"),
        ],
        &[("Action", "GetAccountAuthorizationDetails"), ("Filter.member.2", "User")],
        &[
            ("Action", "SimulateCustomPolicy"),
            ("PolicyInputList.member.2", "{}"),
            ("ActionNames.member.1", "s3:GetObject"),
        ],
        &[
            ("Action", "SimulateCustomPolicy"),
            ("ActionNames.member.1", "s3:GetObject"),
            ("PermissionsBoundaryPolicyInputList.member.2", "{}"),
        ],
        &[
            ("Action", "SimulateCustomPolicy"),
            ("ActionNames.member.1", "s3:GetObject"),
            ("ContextEntries.member.2.ContextKeyName", "a"),
        ],
        &[
            ("Action", "SimulateCustomPolicy"),
            ("ActionNames.member.1", "s3:GetObject"),
            ("ContextEntries.member.1.ContextKeyName", "a"),
            ("ContextEntries.member.1.ContextKeyValues.member.2", "v"),
        ],
        &[
            ("Action", "SimulateCustomPolicy"),
            ("ActionNames.member.1", "s3:GetObject"),
            ("ResourceArns.member.2", "*"),
        ],
    ] {
        let answer = world.query(&Key::root(), "iam", parameters).await;
        assert_eq!(answer.status, 400, "{parameters:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_simulation_is_of_the_one_whose_arn_is_given() {
    let world = World::with_bucket().await;
    world.iam(&[("Action", "CreateUser"), ("UserName", "ann"), ("Path", "/staff/")]).await;
    let simulate = |arn: String| {
        let world = &world;
        async move {
            world
                .query(
                    &Key::root(),
                    "iam",
                    &[
                        ("Action", "SimulatePrincipalPolicy"),
                        ("PolicySourceArn", &arn),
                        ("ActionNames.member.1", "s3:GetObject"),
                    ],
                )
                .await
                .status
        }
    };
    assert_eq!(simulate(user_arn("staff/ann")).await, 200);
    assert_eq!(simulate(user_arn("carl/ann")).await, 404);
    assert_eq!(simulate(user_arn("ann")).await, 404);
    assert_eq!(simulate(user_arn("staff/Ann")).await, 404);
    assert_eq!(simulate("arn:aws:iam::111122223333:user/staff/ann".to_owned()).await, 404);
}

#[tokio::test]
async fn without_a_name_only_a_user_or_the_root_is_meant() {
    let world = World::with_bucket().await;
    let all = policy(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#);
    let ann = world.user("ann", &all).await;
    world.role("admin", &trusts(&user_arn("ann")), &all).await;
    let role = world.assume(&ann, "admin", &[]).await;
    let needed = "400 ValidationError Must specify userName when calling with non-User credentials";
    for action in [
        "GetUser",
        "ListAccessKeys",
        "CreateAccessKey",
        "ListMFADevices",
        "ListSSHPublicKeys",
        "ListSigningCertificates",
        "ListServiceSpecificCredentials",
    ] {
        let answer = world.query(&role, "iam", &[("Action", action)]).await;
        assert_eq!(query_refusal(&answer), needed, "{action}");
    }
    let own = world.query(&ann, "iam", &[("Action", "GetUser")]).await;
    assert_eq!(own.element("UserName"), "ann");
    let root = world.query(&Key::root(), "iam", &[("Action", "GetUser")]).await;
    assert_eq!(root.element("Arn"), format!("arn:aws:iam::{ACCOUNT}:root"));
    assert_eq!(world.query(&Key::root(), "iam", &[("Action", "ListAccessKeys")]).await.status, 200);
}

#[tokio::test]
async fn lists_can_be_read_whatever_was_written() {
    let world = World::with_bucket().await;
    let trust = trusts(TRUST_ALL);
    let document = policy(r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#);
    let role = |text: &'static str| {
        let (world, trust) = (&world, trust.as_str());
        async move {
            let new = [
                ("Action", "CreateRole"),
                ("RoleName", "r"),
                ("AssumeRolePolicyDocument", trust),
                ("Description", text),
            ];
            world.query(&Key::root(), "iam", &new).await
        }
    };
    let said = |text: &str, pattern: &str| {
        format!(
            "400 ValidationError 1 validation error detected: Value '{text}' at 'description' failed to satisfy constraint: Member must satisfy regular expression pattern: {pattern}"
        )
    };
    let of_roles = "[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*";
    for (bad, shown) in [
        ("a\u{1}b", "a\u{fffd}b"),
        ("\u{7f}", "\u{7f}"),
        ("\u{9b}", "\u{9b}"),
        ("\u{3a9}", "\u{3a9}"),
    ] {
        assert_eq!(query_refusal(&role(bad).await), said(shown, of_roles));
    }
    for bad in ["\u{0}", "\u{1b}[31m", "\u{ffff}"] {
        let new = [
            ("Action", "CreatePolicy"),
            ("PolicyName", "p"),
            ("PolicyDocument", document.as_str()),
            ("Description", bad),
        ];
        let answer = world.query(&Key::root(), "iam", &new).await;
        assert_eq!(
            (answer.status, answer.element("Code").as_str()),
            (400, "ValidationError"),
            "{bad:?}"
        );
    }
    for bad in ["\u{1}", "a\u{85}"] {
        let new = [
            ("Action", "CreateOpenIDConnectProvider"),
            ("Url", "https://issuer.example"),
            ("ClientIDList.member.1", bad),
        ];
        assert_eq!(world.query(&Key::root(), "iam", &new).await.status, 400, "{bad:?}");
        let url = format!("https://issuer.example/{bad}");
        let new = [("Action", "CreateOpenIDConnectProvider"), ("Url", url.as_str())];
        assert_eq!(world.query(&Key::root(), "iam", &new).await.status, 400, "{bad:?}");
    }
    let made = role("line\r\n\tsecond \u{e9}").await;
    assert_eq!(made.element("Description"), "line&#xD;\n\tsecond \u{e9}");
    // As on AWS, the answer of CreateRole does not tell how long a session may be.
    assert_eq!(
        (made.element("MaxSessionDuration"), made.text().contains("RoleLastUsed")),
        (String::new(), false)
    );
    for action in ["GetRole", "ListRoles"] {
        let answer = world.iam(&[("Action", action), ("RoleName", "r")]).await;
        assert_eq!(answer.element("MaxSessionDuration"), "3600", "{action}");
    }
    // What is echoed can be read as well.
    let echoed = [
        ("Action", "SimulateCustomPolicy"),
        ("ActionNames.member.1", "s3:\u{2}"),
        ("PolicyInputList.member.1", document.as_str()),
    ];
    assert_eq!(world.iam(&echoed).await.element("EvalActionName"), "s3:\u{fffd}");
}

#[tokio::test]
async fn a_key_passes_for_no_role() {
    let world = World::with_bucket().await;
    world
        .role(
            "r",
            &trusts(TRUST_ALL),
            &policy(r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#),
        )
        .await;
    let used = async |world: &World| world.iam(&[("Action", "GetRole"), ("RoleName", "r")]).await;
    let id = used(&world).await.element("RoleId");
    let ann = world
        .user("ann", &policy(r#"{"Effect":"Allow","Action":["s3:*","sts:*"],"Resource":"*"}"#))
        .await;
    let given = [
        ("Action", "CreateAccessKey"),
        ("UserName", "ann"),
        ("AccessKeyId", id.as_str()),
        ("SecretAccessKey", "a-secret-of-hers"),
    ];
    let of_that_id = Key::of(&world.iam(&given).await);
    assert_eq!(world.send_as(&of_that_id, get("/bucket")).await.status, 200);
    assert_eq!(used(&world).await.element("LastUsedDate"), "");
    world.assume(&ann, "r", &[]).await;
    assert_eq!(used(&world).await.element("LastUsedDate"), "2026-06-15T12:00:00Z");
    let key = [("Action", "GetAccessKeyLastUsed"), ("AccessKeyId", id.as_str())];
    assert_eq!(world.iam(&key).await.element("ServiceName"), "s3");
}

#[tokio::test]
async fn the_last_slash_of_a_provider_is_part_of_it() {
    let world = World::with_bucket().await;
    let make = |url: &'static str| {
        [("Action", "CreateOpenIDConnectProvider"), ("Url", url), ("ClientIDList.member.1", "c")]
    };
    let arn = |url: &str| format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{url}");
    for url in ["https://issuer.example/t/", "https://issuer.example/t"] {
        let made = world.iam(&make(url)).await;
        assert_eq!(made.element("OpenIDConnectProviderArn"), arn(&url[8..]));
    }
    let slashed = arn("issuer.example/t/");
    let found = world
        .iam(&[("Action", "GetOpenIDConnectProvider"), ("OpenIDConnectProviderArn", &slashed)])
        .await;
    assert_eq!(found.element("Url"), "issuer.example/t/");
}

#[tokio::test]
async fn a_simulation_answers_for_each_resource() {
    let world = World::with_bucket().await;
    let document =
        policy(r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::a/*"}"#);
    let asked = [
        ("Action", "SimulateCustomPolicy"),
        ("PolicyInputList.member.1", document.as_str()),
        ("ActionNames.member.1", "s3:GetObject"),
        ("ResourceArns.member.1", "arn:aws:s3:::a/k"),
        ("ResourceArns.member.2", "arn:aws:s3:::b/k"),
    ];
    let answer = world.iam(&asked).await;
    assert_eq!(answer.elements("EvalActionName"), ["s3:GetObject"]);
    assert_eq!(answer.elements("EvalDecision"), ["implicitDeny"]);
    assert_eq!(answer.elements("EvalResourceName"), ["*", "arn:aws:s3:::a/k", "arn:aws:s3:::b/k"]);
    assert_eq!(answer.elements("EvalResourceDecision"), ["allowed", "implicitDeny"]);
    assert_eq!(answer.element("SourcePolicyId"), "PolicyInputList.1");
    let end = document.len();
    assert_eq!(answer.elements("Column"), ["38".to_owned(), (end - 1).to_string()]);
    let one = world.iam(&asked[..4]).await;
    assert_eq!(one.elements("EvalDecision"), ["allowed"]);
    assert_eq!(one.elements("EvalResourceName"), ["arn:aws:s3:::a/k"; 2]);
}

/// Tags that are one to a policy, of an object and of an identity.
#[tokio::test]
async fn a_deny_sees_the_value_of_every_tag_of_a_name() {
    let world = World::with_bucket().await;
    let tagged = |tags: &str| put("/bucket/a", "hello").header("x-amz-tagging", tags);
    let allow = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
    let when = |effect: &str, condition: &str| {
        format!(
            r#"{{"Effect":"{effect}","Action":"s3:GetObject","Resource":"*","Condition":{condition}}}"#
        )
    };
    let secret = r#"{"StringEquals":{"s3:ExistingObjectTag/CLASS":"secret"}}"#;
    let open = r#"{"StringEquals":{"s3:ExistingObjectTag/class":"pub"}}"#;
    let other = r#"{"StringNotEquals":{"s3:ExistingObjectTag/class":"pub"}}"#;
    let accent = r#"{"StringEquals":{"s3:ExistingObjectTag/\u00c9tage":"secret"}}"#;
    let denies = |condition: &str| format!("{allow},{}", when("Deny", condition));
    let rows = [
        (denies(secret), "class=pub", 200),
        (denies(secret), "Class=secret", 403),
        (denies(secret), "class=pub&Class=secret", 403),
        (denies(secret), "Class=secret&class=pub", 403),
        // Whichever is the first when they are sorted.
        (denies(secret), "Class=pub&class=secret", 403),
        (denies(secret), "class=secret&Class=pub", 403),
        (denies(other), "Class=pub&class=pub", 200),
        (denies(other), "Class=secret&class=pub", 403),
        (denies(other), "Class=pub&class=secret", 403),
        (when("Allow", open), "class=pub", 200),
        (when("Allow", open), "Class=secret&class=pub", 403),
        (when("Allow", open), "class=pub&Class=secret", 403),
        (when("Allow", open), "Class=pub&class=secret", 403),
        (denies(accent), "%C3%A9tage=secret", 403),
        (denies(accent), "%C3%89TAGE=secret", 403),
    ];
    let ann = world.user("ann", "").await;
    for (statements, tags, status) in rows {
        world.put_user_policy("ann", &policy(&statements)).await;
        assert_eq!(world.send(tagged(tags)).await.status, 200, "{tags}");
        let answer = world.send_as(&ann, get("/bucket/a")).await;
        assert_eq!(answer.status, status, "{statements} {tags}");
    }
    // Of an identity no two tags are one, in any alphabet, and a Deny finds the one in any case of letters.
    let twice = [
        ("Action", "TagUser"),
        ("UserName", "ann"),
        ("Tags.member.1.Key", "\u{e9}tage"),
        ("Tags.member.1.Value", "a"),
        ("Tags.member.2.Key", "\u{c9}TAGE"),
        ("Tags.member.2.Value", "b"),
    ];
    assert_eq!(world.query(&Key::root(), "iam", &twice).await.status, 400);
    world.iam(&twice[..4]).await;
    let guard = r#"{"Effect":"Allow","Action":"iam:*","Resource":"*"},{"Effect":"Deny","Action":"iam:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/\u00c9tage":"a"}}}"#;
    let ben = world.user("ben", &policy(guard)).await;
    let answer =
        world.query(&ben, "iam", &[("Action", "CreateAccessKey"), ("UserName", "ann")]).await;
    assert!(denied(&answer), "{}", answer.text());
    let own = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/\u00c9tage":"a"}}}"#;
    world.put_user_policy("ann", &policy(own)).await;
    assert_eq!(world.send_as(&ann, get("/bucket/a")).await.status, 403);
}

#[tokio::test]
async fn no_stranger_passes_a_block() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/a", "hello")).await;
    let other = world.tenant().await;
    let gives = |principal: &str, condition: &str| {
        policy(&format!(
            r#"{{"Effect":"Allow","Principal":{principal},"Action":"s3:*","Resource":["arn:aws:s3:::bucket","arn:aws:s3:::bucket/*"],"Condition":{condition}}}"#
        ))
    };
    let anyone = r#""*""#;
    // With every block on, what would open the bucket is not stored.
    for condition in [
        r#"{"StringEquals":{"aws:userid":"anonymous"}}"#,
        r#"{"StringLike":{"aws:userid":["AIDA2222222222222222A","ANONYMOUS"]}}"#,
        r#"{"StringEquals":{"aws:PrincipalType":"Anonymous"}}"#,
        r#"{"StringEquals":{"s3:x-amz-server-side-encryption-aws-kms-key-id":"k"}}"#,
    ] {
        let answer = world.send(put("/bucket?policy", &gives(anyone, condition))).await;
        assert!(answer.text().contains("BlockPublicPolicy"), "{condition}: {}", answer.text());
    }
    // What is not public lets no stranger in while public access is restricted, whatever it asks.
    let (stranger, theirs) = (200, 200);
    let restricted = "<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
    let free = restricted.replace("<RestrictPublicBuckets>true", "<RestrictPublicBuckets>false");
    let rows = [
        (anyone, r#"{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}"#, 403, 403),
        (anyone, r#"{"StringEquals":{"aws:PrincipalAccount":"000000000003"}}"#, 403, 200),
        (r#"{"AWS":"000000000003"}"#, "{}", 403, 200),
    ];
    for (principal, condition, unsigned, signed) in rows {
        assert_eq!(world.send(put("/bucket?publicAccessBlock", restricted)).await.status, 200);
        world.bucket_policy(&gives(principal, condition)).await;
        assert_eq!(
            world.send_raw(get("/bucket/a")).await.status,
            unsigned,
            "{principal} {condition}"
        );
        assert_eq!(
            world.send_as(&other, get("/bucket/a")).await.status,
            signed,
            "{principal} {condition}"
        );
        if condition.contains("SourceIp") {
            assert_eq!(world.send(put("/bucket?publicAccessBlock", &free)).await.status, 200);
            assert_eq!(world.send_raw(get("/bucket/a")).await.status, stranger, "{condition}");
            assert_eq!(world.send_as(&other, get("/bucket/a")).await.status, theirs, "{condition}");
        }
    }
}
