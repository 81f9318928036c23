//! `/_valet/api/v1/`: accounts, and how long a link will hold.

use serde_json::{Value, json};

use crate::harness::{Answer, World, ask, get, put};
use crate::people::{Key, policy, query_refusal};

const READ: &str = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}"#;

fn document(answer: &Answer) -> Value {
    assert_eq!(answer.header("content-type"), "application/json");
    serde_json::from_slice(&answer.body).unwrap()
}

fn told(status: u16, code: &str, message: &str, answer: &Answer) {
    let document = document(answer);
    assert_eq!(answer.status, status, "{document}");
    assert_eq!(
        (&document["error"]["code"], &document["error"]["message"]),
        (&json!(code), &json!(message))
    );
}

#[tokio::test]
async fn accounts_come_and_go() {
    let world = World::new().await;
    let accounts = "/_valet/api/v1/accounts";
    let create = |body: &str| ask("POST", accounts).body(body.to_owned());
    let made = world.send(create(r#"{"name":"moved","id":"123456789012","email":"a@b","access_key_id":"OLDSTORE","secret_access_key":"old/secret+"}"#)).await;
    assert_eq!(made.status, 201);
    let made = document(&made);
    assert_eq!(made["id"], "123456789012");
    assert_eq!(
        (&made["access_key_id"], &made["secret_access_key"]),
        (&json!("OLDSTORE"), &json!("old/secret+"))
    );
    let key = Key { id: "OLDSTORE".into(), secret: "old/secret+".into(), token: None };
    assert_eq!(world.send_as(&key, put("/moved-bucket", "")).await.status, 200);

    let any = document(&world.send(create(r#"{"name":"any"}"#)).await);
    let listed = document(&world.send(get(accounts)).await);
    let names: Vec<&str> = listed["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"any") && names.contains(&"moved"), "{names:?}");
    // `after` is where a page ended: what it named is not told again.
    let behind = document(&world.send(get(&format!("{accounts}?after=123456789012"))).await);
    assert!(!behind.to_string().contains("moved"), "{behind}");
    assert_eq!(world.send(get(&format!("{accounts}?after=x"))).await.status, 400);
    assert_eq!(world.send(get(&format!("{accounts}?limit=1"))).await.status, 400);
    let one = |id: &str| format!("{accounts}/{id}");
    assert_eq!(document(&world.send(get(&one("123456789012"))).await)["email"], "a@b");
    told(
        404,
        "NoSuchAccount",
        "There is no account of that id.",
        &world.send(get(&one("999999999999"))).await,
    );
    told(
        409,
        "AccountConflict",
        "The account still has buckets or identities: delete them first.",
        &world.send(ask("DELETE", &one("123456789012"))).await,
    );
    assert_eq!(world.send(ask("DELETE", &one(any["id"].as_str().unwrap()))).await.status, 204);
    // Its root is nobody any more.
    let gone = Key {
        id: any["access_key_id"].as_str().unwrap().into(),
        secret: any["secret_access_key"].as_str().unwrap().into(),
        token: None,
    };
    let refused = world.query(&gone, "sts", &[("Action", "GetCallerIdentity")]).await;
    assert_eq!(
        query_refusal(&refused),
        "403 InvalidClientTokenId The security token included in the request is invalid."
    );
}

#[tokio::test]
async fn accounts_that_cannot_be_made() {
    let world = World::new().await;
    let accounts = "/_valet/api/v1/accounts";
    let create = |body: &str| ask("POST", accounts).body(body.to_owned());
    let first = r#"{"name":"moved","id":"123456789012","access_key_id":"OLDSTORE","secret_access_key":"old/secret+"}"#;
    assert_eq!(world.send(create(first)).await.status, 201);
    told(
        409,
        "AccountConflict",
        "There is an account of that id.",
        &world.send(create(r#"{"name":"x","id":"123456789012"}"#)).await,
    );
    told(
        409,
        "AccountConflict",
        "There is an account of that id.",
        &world.send(create(r#"{"name":"x","id":"000000000000"}"#)).await,
    );
    told(
        409,
        "AccountConflict",
        "There is an access key of that id.",
        &world
            .send(create(
                r#"{"name":"x","access_key_id":"OLDSTORE","secret_access_key":"old/secret+"}"#,
            ))
            .await,
    );
    told(
        400,
        "InvalidRequest",
        "An account is named by its 12 digits.",
        &world.send(create(r#"{"name":"x","id":"1"}"#)).await,
    );
    told(
        400,
        "InvalidRequest",
        "A name has 1 to 128 characters.",
        &world.send(create(r#"{"name":""}"#)).await,
    );
    told(
        400,
        "InvalidRequest",
        "access_key_id and secret_access_key are given together or not at all.",
        &world.send(create(r#"{"name":"x","access_key_id":"ABC"}"#)).await,
    );
    told(
        400,
        "InvalidRequest",
        "Ids that begin with ASIA are those of sessions.",
        &world
            .send(create(
                r#"{"name":"x","access_key_id":"ASIAX","secret_access_key":"old/secret+"}"#,
            ))
            .await,
    );
    assert_eq!(world.send(create(r#"{"name":"x","admin":true}"#)).await.status, 400);
}

#[tokio::test]
async fn managing_accounts_is_a_permission_in_the_first_account() {
    let world = World::new().await;
    let accounts = "/_valet/api/v1/accounts";
    let create = r#"{"name":"moved","access_key_id":"OLDSTORE","secret_access_key":"old/secret+"}"#;
    assert_eq!(world.send(ask("POST", accounts).body(create)).await.status, 201);
    let key = Key { id: "OLDSTORE".into(), secret: "old/secret+".into(), token: None };
    let ann = world.user("ann", "").await;
    assert_eq!(world.send_as(&ann, get(accounts)).await.status, 403);
    // What cannot be read is refused before anybody asks for a permission, as by S3; a document is read after.
    let unreadable = format!("{accounts}/x");
    let words = "An account is named by its 12 digits.";
    told(400, "InvalidRequest", words, &world.send_as(&ann, get(&unreadable)).await);
    assert_eq!(world.send_as(&ann, ask("POST", accounts).body("{")).await.status, 403);
    world
        .put_user_policy(
            "ann",
            &policy(r#"{"Effect":"Allow","Action":"valet:ManageAccounts","Resource":"*"}"#),
        )
        .await;
    assert_eq!(world.send_as(&ann, get(accounts)).await.status, 200);
    assert_eq!(world.send_as(&key, get(accounts)).await.status, 403);
    assert_eq!(world.send_raw(get(accounts)).await.status, 403);
    told(
        404,
        "NoSuchKey",
        "There is nothing at this path of the API.",
        &world.send(get("/_valet/api/v1/nothing")).await,
    );
}

#[tokio::test]
async fn metrics_are_a_permission() {
    let world = World::new().await;
    let ann = world.user("ann", "").await;
    assert_eq!(world.send_as(&ann, get("/_valet/metrics")).await.status, 403);
    world
        .put_user_policy(
            "ann",
            &policy(r#"{"Effect":"Allow","Action":"valet:ReadMetrics","Resource":"*"}"#),
        )
        .await;
    assert_eq!(world.send_as(&ann, get("/_valet/metrics")).await.status, 200);
}

#[tokio::test]
async fn how_long_a_link_will_hold() {
    let world = World::with_bucket().await;
    let ann = world.user("ann", &policy(READ)).await;
    let tell = |key: &Key, method: &str, seconds: u64| {
        let body = json!({"method": method, "bucket": "bucket", "key": "a", "expires_in_seconds": seconds});
        let (world, key) = (&world, key.clone());
        async move {
            let ask = ask("POST", "/_valet/api/v1/expiry").body(body.to_string());
            let told = document(&world.send_as(&key, ask).await);
            format!(
                "{} {} {}",
                told["effective_expires_at"].as_str().unwrap(),
                told["limited_by"],
                told["allowed"]
            )
        }
    };
    assert_eq!(tell(&ann, "GET", 3600).await, "2026-06-15T13:00:00Z [] true");
    assert_eq!(tell(&ann, "PUT", 3600).await, "2026-06-15T12:00:00Z [] false");
    assert_eq!(tell(&Key::root(), "PUT", 604_800).await, "2026-06-22T12:00:00Z [] true");

    let with = |statement: &str| policy(&format!("{READ},{statement}"));
    let age = r#"{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"NumericGreaterThan":{"s3:signatureAge":"600000"}}}"#;
    world.put_user_policy("ann", &with(age)).await;
    assert_eq!(tell(&ann, "GET", 3600).await, "2026-06-15T12:10:00Z [\"signature-age\"] true");
    assert_eq!(tell(&ann, "GET", 300).await, "2026-06-15T12:05:00Z [] true");
    let until = r#"{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2026-06-15T12:30:00Z"}}}"#;
    world.put_user_policy("ann", &with(until)).await;
    assert_eq!(tell(&ann, "GET", 3600).await, "2026-06-15T12:30:00Z [\"policy-time\"] true");
    // The bucket's policy binds the root as well.
    world.bucket_policy(&policy(r#"{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*","Condition":{"NumericGreaterThan":{"s3:signatureAge":"60000"}}}"#)).await;
    assert_eq!(
        tell(&Key::root(), "GET", 3600).await,
        "2026-06-15T12:01:00Z [\"signature-age\"] true"
    );
    let anonymous = ask("POST", "/_valet/api/v1/expiry").body("{}");
    assert_eq!(world.send_raw(anonymous).await.status, 403);
}

/// What Block Public Access leaves out at the gate is no promise either.
#[tokio::test]
async fn a_link_that_public_access_is_kept_from_will_not_hold() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/a", "hello")).await;
    let other = world.tenant().await;
    let gives = |principal: &str| {
        policy(&format!(
            r#"{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}}"#
        ))
    };
    let block = |restrict: bool| {
        format!(
            "<PublicAccessBlockConfiguration><RestrictPublicBuckets>{restrict}</RestrictPublicBuckets></PublicAccessBlockConfiguration>"
        )
    };
    let named = r#"{"AWS":"000000000003"}"#;
    for (principal, restrict, holds) in
        [(r#""*""#, false, true), (r#""*""#, true, false), (named, true, true)]
    {
        assert_eq!(world.send(put("/bucket?publicAccessBlock", &block(false))).await.status, 200);
        world.bucket_policy(&gives(principal)).await;
        assert_eq!(
            world.send(put("/bucket?publicAccessBlock", &block(restrict))).await.status,
            200
        );
        let asked =
            json!({"method": "GET", "bucket": "bucket", "key": "a", "expires_in_seconds": 60});
        let ask = ask("POST", "/_valet/api/v1/expiry").body(asked.to_string());
        let told = document(&world.send_as(&other, ask).await);
        assert_eq!(told["allowed"], holds, "{principal} {restrict}");
        let used = world.send_raw(world.link_by(&other, "GET", "a")).await.status;
        assert_eq!(used == 200, holds, "{principal} {restrict}");
    }
}

#[tokio::test]
async fn conditions_of_iam_calls() {
    let world = World::new().await;
    let may = |condition: &str| {
        policy(&format!(
            r#"{{"Effect":"Allow","Action":"iam:*","Resource":"*","Condition":{{{condition}}}}}"#
        ))
    };
    let boundary = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
    let ann = world
        .user("ann", &may(&format!(r#""StringEquals":{{"iam:PermissionsBoundary":"{boundary}"}}"#)))
        .await;
    let create = |name: &'static str| vec![("Action", "CreateUser"), ("UserName", name)];
    assert_eq!(world.query(&ann, "iam", &create("one")).await.status, 403);
    let bounded = [create("one"), vec![("PermissionsBoundary", boundary)]].concat();
    assert_eq!(world.query(&ann, "iam", &bounded).await.status, 200);

    world
        .put_user_policy(
            "ann",
            &may(
                r#""ArnEquals":{"iam:PolicyARN":"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}"#,
            ),
        )
        .await;
    let attach = |arn: &'static str| {
        [("Action", "AttachUserPolicy"), ("UserName", "one"), ("PolicyArn", arn)]
    };
    assert_eq!(
        world
            .query(&ann, "iam", &attach("arn:aws:iam::aws:policy/AdministratorAccess"))
            .await
            .status,
        403
    );
    assert_eq!(world.query(&ann, "iam", &attach(boundary)).await.status, 200);

    world.put_user_policy("ann", &may(r#""StringEquals":{"aws:RequestTag/team":"a"},"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}"#)).await;
    let tag = |value: &'static str, more: &'static str| {
        let mut parameters = vec![
            ("Action", "TagUser"),
            ("UserName", "one"),
            ("Tags.member.1.Key", "team"),
            ("Tags.member.1.Value", value),
        ];
        if !more.is_empty() {
            parameters.extend([("Tags.member.2.Key", more), ("Tags.member.2.Value", "x")]);
        }
        parameters
    };
    assert_eq!(world.query(&ann, "iam", &tag("b", "")).await.status, 403);
    assert_eq!(world.query(&ann, "iam", &tag("a", "other")).await.status, 403);
    assert_eq!(world.query(&ann, "iam", &tag("a", "")).await.status, 200);

    world.put_user_policy("ann", &may(r#""StringEquals":{"aws:ResourceTag/team":"a"}"#)).await;
    let get = |name: &'static str| [("Action", "GetUser"), ("UserName", name)];
    assert_eq!(world.query(&ann, "iam", &get("one")).await.status, 200);
    assert_eq!(world.query(&ann, "iam", &get("ann")).await.status, 403);
}

#[tokio::test]
async fn no_link_reaches_the_api() {
    let world = World::new().await;
    let link = world.link_raw("GET", "/_valet/api/v1/accounts");
    let words = "This call is signed in its Authorization header, not by a link.";
    told(403, "AccessDenied", words, &world.send_raw(link).await);
}

const OTHER: &str = "/_valet/api/v1/accounts/111111111111";

/// Makes that account, and returns its root.
async fn other(world: &World) -> Key {
    let account = r#"{"name":"other","id":"111111111111"}"#;
    let made = world.send(ask("POST", "/_valet/api/v1/accounts").body(account)).await;
    assert_eq!(made.status, 201);
    let made = document(&made);
    let member = |name: &str| made[name].as_str().unwrap().to_owned();
    Key { id: member("access_key_id"), secret: member("secret_access_key"), token: None }
}

/// Whoever sends a document means something by it, and must not be answered as if it had been read.
#[tokio::test]
async fn a_call_that_takes_no_document_refuses_one() {
    let world = World::new().await;
    let root = other(&world).await;
    let ann = world.user("ann", "").await;
    let long = "x".repeat(1024);
    for (method, path) in [
        ("GET", "/_valet/api/v1/accounts"),
        ("GET", OTHER),
        ("POST", &format!("{OTHER}/root-key")),
        ("DELETE", OTHER),
    ] {
        for body in ["{}", " ", r#"{"dry_run":true}"#, &long] {
            let words = "This call takes no document.";
            let call = || ask(method, path).body(body.to_owned());
            told(400, "InvalidRequest", words, &world.send(call()).await);
            assert_eq!(world.send_as(&ann, call()).await.status, 403, "{method} {path}");
        }
    }
    // Nothing was done: the account is there, and so is its key.
    assert_eq!(world.send(get(OTHER)).await.status, 200);
    assert_eq!(world.send_as(&root, put("/of-the-other", "")).await.status, 200);
}

#[tokio::test]
async fn a_parameter_that_a_call_does_not_read_is_refused() {
    let world = World::new().await;
    let root = other(&world).await;
    for (method, rest, name) in [
        ("GET", "accounts?limit=1", "limit"),
        ("GET", "accounts?after=111111111111&x", "x"),
        ("GET", "accounts?%61fter=111111111111", "%61fter"),
        ("GET", "accounts?Expires=1", "Expires"),
        ("POST", "accounts?x=1", "x"),
        ("GET", "accounts/111111111111?after=000000000000", "after"),
        ("DELETE", "accounts/111111111111?dry-run=true", "dry-run"),
        ("POST", "accounts/111111111111/root-key?x=1", "x"),
        ("POST", "expiry?x=1", "x"),
    ] {
        let body = if method == "POST" { r#"{"name":"x"}"# } else { "" };
        let call = ask(method, &format!("/_valet/api/v1/{rest}")).body(body);
        let words = format!("This call has no query parameter `{name}`.");
        told(400, "InvalidArgument", &words, &world.send(call).await);
    }
    let twice = get("/_valet/api/v1/accounts?after=111111111111&after=000000000000");
    let words = "The query parameter `after` stands twice.";
    told(400, "InvalidArgument", words, &world.send(twice).await);
    for nothing in ["?", "?&"] {
        let list = get(&format!("/_valet/api/v1/accounts{nothing}"));
        let listed = document(&world.send(list).await);
        assert_eq!(listed["accounts"].as_array().unwrap().len(), 1, "{listed}");
    }
    assert_eq!(world.send(get(OTHER)).await.status, 200);
    assert_eq!(world.send_as(&root, put("/of-the-other", "")).await.status, 200);
}

/// The members of a document are named. An array would give them by their order in the program.
#[tokio::test]
async fn a_document_is_a_json_object() {
    let world = World::with_bucket().await;
    let words = "The document must be a JSON object.";
    let send = |path: &str, body: &str| {
        let ask = ask("POST", &format!("/_valet/api/v1/{path}")).body(body.to_owned());
        let world = &world;
        async move { world.send(ask).await }
    };
    for body in [r#"["array",null,null,null,null]"#, r#" ["a"]"#, "5", "null", r#""x""#, "", "x"] {
        told(400, "InvalidRequest", words, &send("accounts", body).await);
    }
    for body in [r#"["GET","bucket","a",null,60]"#, "\u{feff}{}"] {
        told(400, "InvalidRequest", words, &send("expiry", body).await);
    }
    assert_eq!(send("accounts", "\r\n\t {\"name\":\"x\"} ").await.status, 201);
}

#[tokio::test]
async fn the_method_of_a_link_is_one_that_links_have() {
    let world = World::with_bucket().await;
    let tell = |method: &str| {
        let body =
            json!({"method": method, "bucket": "bucket", "key": "a", "expires_in_seconds": 60});
        let ask = ask("POST", "/_valet/api/v1/expiry").body(body.to_string());
        let world = &world;
        async move { world.send(ask).await }
    };
    for method in ["GET", "PUT", "HEAD", "DELETE", "POST"] {
        assert_eq!(tell(method).await.status, 200, "{method}");
    }
    let words = "`method` is GET, PUT, HEAD, DELETE or POST, in upper case.";
    for method in ["get", "PATCH", "OPTIONS", "", "GET ", "G T", "post"] {
        told(400, "InvalidRequest", words, &tell(method).await);
    }
}

#[tokio::test]
async fn the_root_key_of_the_first_account_is_renewed_elsewhere() {
    let world = World::new().await;
    let renew = |id: &str| ask("POST", &format!("/_valet/api/v1/accounts/{id}/root-key"));
    told(
        409,
        "AccountConflict",
        "The root key of the first account is not renewed here: it is VALET_ROOT_ACCESS_KEY_ID, or was made at the first start. Restart the server with another VALET_ROOT_ACCESS_KEY_ID and VALET_ROOT_SECRET_ACCESS_KEY.",
        &world.send(renew("000000000000")).await,
    );
    let missing = world.send(renew("999999999999")).await;
    told(404, "NoSuchAccount", "There is no account of that id.", &missing);
}

/// A path means one thing and is spelt in one way: whatever else decodes or folds to it is no path of the API.
#[tokio::test]
async fn a_path_of_the_api_has_one_spelling() {
    let world = World::new().await;
    let nothing = "There is nothing at this path of the API.";
    let account = r#"{"name":"other","id":"111111111111"}"#;
    let made = world.send(ask("POST", "/_valet/api/v1/accounts").body(account)).await;
    assert_eq!(made.status, 201);
    for path in ["/_valet/api/v1/accounts", "/_valet/api/v1/accounts/111111111111"] {
        assert_eq!(world.send(get(path)).await.status, 200, "{path}");
    }
    for path in [
        "/_valet/api/v1/",
        "/_valet/api/v1//accounts",
        "/_valet/api/v1/accounts/",
        "/_valet/api/v1/accounts//",
        "/_valet/api/v1//accounts/111111111111",
        "/_valet/api/v1/accounts//111111111111",
        "/_valet/api/v1/accounts/111111111111/",
        "/_valet/api/v1/accounts/111111111111/root-key/",
        "/_valet/api/v1/./accounts",
        "/_valet/api/v1/expiry/../accounts",
        "/_valet/api/v1/Accounts",
        "/_valet/api/v1/%61ccounts",
        "/_valet/api/v1/accounts%2F111111111111",
        "/_valet/api/v1/accounts/%31%31%31%31%31%31%31%31%31%31%31%31",
        "/_valet/api/v1/accounts/..%2Fx",
        "/_valet/api/v1%2Faccounts",
        "/_valet%2Fapi/v1/accounts",
        "/%5Fvalet/api/v1/accounts",
    ] {
        let answer = world.send(get(path)).await;
        assert_eq!((path, answer.status), (path, 404));
        told(404, "NoSuchKey", nothing, &answer);
    }
    told(
        404,
        "NoSuchKey",
        nothing,
        &world.send(ask("POST", "/_valet/api/v1/accounts//root-key")).await,
    );
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_told_those_that_it_has() {
    let world = World::new().await;
    let message = "The specified method is not allowed against this resource.";
    for (method, path, allowed) in [
        ("PUT", "accounts", "GET, POST"),
        ("HEAD", "accounts", "GET, POST"),
        ("POST", "accounts/111111111111", "GET, DELETE"),
        ("GET", "accounts/111111111111/root-key", "POST"),
        ("GET", "expiry", "POST"),
    ] {
        let answer = world.send(ask(method, &format!("/_valet/api/v1/{path}"))).await;
        assert_eq!(answer.header("allow"), allowed, "{method} {path}");
        if method != "HEAD" {
            told(405, "MethodNotAllowed", message, &answer);
        }
    }
    let link = world.link_raw("GET", "/_valet/api/v1/uploads/x/parts");
    let answer = world.send_raw(link).await;
    told(405, "MethodNotAllowed", message, &answer);
    assert_eq!(answer.header("allow"), "POST");
}

/// Metrics, as the log, tell which operation was refused, whoever it was refused to.
#[tokio::test]
async fn refused_calls_are_counted_as_what_they_are() {
    let world = World::new().await;
    let ann = world.user("ann", "").await;
    let path = |rest: &str| format!("/_valet/api/v1/{rest}");
    let forged = Key { secret: "another secret".to_owned(), ..ann.clone() };
    assert_eq!(world.send_raw(get(&path("accounts"))).await.status, 403);
    assert_eq!(world.send_as(&forged, ask("POST", &path("accounts"))).await.status, 403);
    assert_eq!(world.send_as(&ann, get(&path("accounts/111111111111"))).await.status, 403);
    assert_eq!(world.send_raw(world.link_raw("POST", &path("expiry"))).await.status, 403);
    assert_eq!(world.send(ask("POST", &path("uploads/x/parts"))).await.status, 403);
    assert_eq!(world.send(get(&path("nothing"))).await.status, 404);
    assert_eq!(world.send(ask("PATCH", &path("accounts"))).await.status, 405);
    assert_eq!(world.send_as(&ann, get("/_valet/metrics")).await.status, 403);
    let metrics = world.send(get("/_valet/metrics")).await.text().to_owned();
    for (operation, status) in [
        ("ListAccounts", 403),
        ("CreateAccount", 403),
        ("GetAccount", 403),
        ("TellExpiry", 403),
        ("RenewParts", 403),
        ("ReadMetrics", 403),
        ("Api", 404),
        ("Api", 405),
    ] {
        let labels = format!("{{operation=\"{operation}\",status=\"{status}\"}}");
        assert!(metrics.contains(&labels), "{labels} in {metrics}");
    }
}
