//! What is told of a link that nobody has used yet is what happens when it is used.

use presign::{Endpoint, ExpiresIn, Presign, Presigner};
use serde_json::{Value, json};

use crate::harness::{Ask, HOST, World, ask, put};
use crate::people::{Key, policy, trusts, user_arn};

const READ: &str = r#"{"Effect":"Allow","Action":["s3:GetObject","s3:GetObjectVersion"],"Resource":"arn:aws:s3:::bucket/*"}"#;
const ALL: &str = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;

/// A link that may be asked about, and used.
#[derive(Clone, Copy, Debug)]
struct Link<'l> {
    method: &'l str,
    key: &'l str,
    version: Option<&'l str>,
}

impl<'l> Link<'l> {
    fn to(method: &'l str, key: &'l str) -> Self {
        Self { method, key, version: None }
    }

    fn of(self, version: &'l str) -> Self {
        Self { version: Some(version), ..self }
    }
}

/// What is told of a link before it is signed.
async fn told(world: &World, key: &Key, link: Link<'_>) -> Value {
    let Link { method, key: object, version } = link;
    let mut asked =
        json!({"method": method, "bucket": "bucket", "key": object, "expires_in_seconds": 3600});
    if let Some(version) = version {
        asked["version_id"] = version.into();
    }
    let ask = ask("POST", "/_valet/api/v1/expiry").body(asked.to_string());
    let answer = world.send_as(key, ask).await;
    assert_eq!(answer.status, 200, "{link:?}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

async fn is_allowed(world: &World, key: &Key, link: Link<'_>) -> bool {
    told(world, key, link).await["allowed"].as_bool().unwrap()
}

fn signed(world: &World, key: &Key, link: Link<'_>) -> Ask {
    let endpoint = Endpoint::parse(&format!("http://{HOST}")).unwrap();
    let query: Vec<_> = link.version.iter().map(|version| ("versionId", *version)).collect();
    let life = ExpiresIn::from_seconds(3600).unwrap();
    let mut presign = Presign::new(link.method, &endpoint, "bucket", link.key.as_bytes(), life);
    presign.query = &query;
    let mut presigner = Presigner::new(key.credentials(), world.region());
    let link = presigner.presign(&presign, world.now).unwrap();
    ask(presign.method, link.url.strip_prefix(&format!("http://{HOST}")).unwrap())
}

/// Whether the link works, used at once. What it names is there.
async fn works(world: &World, key: &Key, link: Link<'_>) -> bool {
    let answer = world.send_raw(signed(world, key, link)).await;
    assert!([200, 204, 403].contains(&answer.status), "{link:?}: {}", answer.text());
    answer.status != 403
}

async fn store(world: &World, key: &str, class: &str) -> String {
    let put = put(&format!("/bucket/{key}"), "hello");
    let put =
        if class.is_empty() { put } else { put.header("x-amz-tagging", &format!("class={class}")) };
    let stored = world.send(put).await;
    assert_eq!(stored.status, 200, "{}", stored.text());
    stored.header("x-amz-version-id").to_owned()
}

/// A world with objects that are tagged `open`, `secret` and not at all.
async fn tagged() -> World {
    let world = World::with_bucket().await;
    for (key, class) in [("open", "open"), ("secret", "secret"), ("plain", "")] {
        store(&world, key, class).await;
    }
    world
}

fn when(effect: &str, actions: &str, condition: &str) -> String {
    format!(r#"{{"Effect":"{effect}","Action":{actions},"Resource":"*","Condition":{condition}}}"#)
}

#[tokio::test]
async fn tags_of_the_object_decide() {
    let world = tagged().await;
    let ann = world.user("ann", "").await;
    let is =
        |class: &str| format!(r#"{{"StringEquals":{{"s3:ExistingObjectTag/class":"{class}"}}}}"#);
    let given = policy(&when("Allow", r#""s3:GetObject""#, &is("open")));
    let denied = policy(&format!("{READ},{}", when("Deny", r#""s3:GetObject""#, &is("secret"))));
    for (given, expected) in [(&given, [true, false, false]), (&denied, [true, false, true])] {
        world.put_user_policy("ann", given).await;
        for (key, expected) in ["open", "secret", "plain"].into_iter().zip(expected) {
            let link = Link::to("GET", key);
            assert_eq!(works(&world, &ann, link).await, expected, "{key}: {given}");
            assert_eq!(is_allowed(&world, &ann, link).await, expected, "{key}: {given}");
        }
    }
}

#[tokio::test]
async fn the_version_that_is_named_decides() {
    let world = World::with_bucket().await;
    world.versioning("Enabled").await;
    let first = store(&world, "a", "open").await;
    let second = store(&world, "a", "secret").await;
    let ann = world.user("ann", "").await;
    let tag = when(
        "Allow",
        r#"["s3:GetObject","s3:GetObjectVersion"]"#,
        r#"{"StringEquals":{"s3:ExistingObjectTag/class":"open"}}"#,
    );
    let id = when(
        "Allow",
        r#""s3:GetObjectVersion""#,
        &format!(r#"{{"StringEquals":{{"s3:VersionId":"{second}"}}}}"#),
    );
    for (given, [of_first, of_second]) in [(tag, [true, false]), (id, [false, true])] {
        world.put_user_policy("ann", &policy(&given)).await;
        for (version, expected) in [(&first, of_first), (&second, of_second)] {
            let link = Link::to("GET", "a").of(version);
            assert_eq!(works(&world, &ann, link).await, expected, "{given}");
            assert_eq!(is_allowed(&world, &ann, link).await, expected, "{given}");
        }
        assert!(!is_allowed(&world, &ann, Link::to("GET", "a")).await, "{given}");
    }
}

/// What every request has, though nobody has sent this one yet.
#[tokio::test]
async fn what_is_known_beforehand_decides() {
    let world = tagged().await;
    let ann = world.user("ann", "").await;
    for (condition, expected) in [
        (r#"{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}"#, true),
        (r#"{"StringEquals":{"aws:ResourceAccount":"000000000000"}}"#, true),
        (r#"{"StringEquals":{"s3:ResourceAccount":"000000000000"}}"#, true),
        (r#"{"StringEquals":{"s3:ResourceAccount":"000000000009"}}"#, false),
        (r#"{"StringEquals":{"s3:authType":"REST-QUERY-STRING"}}"#, true),
        (r#"{"StringEquals":{"s3:authType":"REST-HEADER"}}"#, false),
        (r#"{"Null":{"s3:x-amz-server-side-encryption":"true"}}"#, true),
        (r#"{"StringEquals":{"s3:ObjectCreationOperation":"true"}}"#, false),
    ] {
        world.put_user_policy("ann", &policy(&when("Allow", r#""s3:*""#, condition))).await;
        for method in ["GET", "HEAD"] {
            let link = Link::to(method, "open");
            assert_eq!(works(&world, &ann, link).await, expected, "{condition}");
            assert_eq!(is_allowed(&world, &ann, link).await, expected, "{condition}");
        }
    }
    let creation = r#"{"Bool":{"s3:ObjectCreationOperation":"true"}}"#;
    world.put_user_policy("ann", &policy(&when("Allow", r#""s3:*""#, creation))).await;
    let link = Link::to("PUT", "new");
    assert!(works(&world, &ann, link).await);
    assert!(is_allowed(&world, &ann, link).await);
}

/// What is told of a link to read, or to write `new`, by whoever has these statements.
async fn judged(world: &World, ann: &Key, link: Link<'_>, statements: &[String]) -> String {
    world.put_user_policy("ann", &policy(&statements.join(","))).await;
    let told = told(world, ann, link).await;
    assert_eq!(told["allowed"], told["works"] == "yes", "{told}");
    let end = told["effective_expires_at"].as_str().unwrap();
    let missing = told.get("missing").map_or(String::new(), Value::to_string);
    format!("{} {} {missing}", told["works"].as_str().unwrap(), end.split_once('T').unwrap().1)
}

#[tokio::test]
async fn what_nobody_can_know_yet_is_no_guess() {
    let world = tagged().await;
    let ann = world.user("ann", "").await;
    let on = |effect: &str, condition: &str| when(effect, r#""s3:*""#, condition);
    let (all, read) = (ALL.to_owned(), READ.to_owned());
    let inside = r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#;
    let outside = r#"{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#;
    let get = Link::to("GET", "open");
    for (statements, expected) in [
        (vec![all.clone(), on("Deny", outside)], r#"unknown 13:00:00Z ["aws:sourceip"]"#),
        (vec![all.clone(), on("Deny", inside)], r#"unknown 13:00:00Z ["aws:sourceip"]"#),
        (vec![on("Allow", inside)], r#"unknown 13:00:00Z ["aws:sourceip"]"#),
        (vec![all.clone(), on("Allow", inside)], "yes 13:00:00Z "),
        (vec![all.clone(), when("Deny", r#""s3:PutObject""#, inside)], "yes 13:00:00Z "),
        (vec![on("Deny", inside)], "no 12:00:00Z "),
        (vec![on("Allow", inside), on("Deny", "{}")], "no 12:00:00Z "),
        (
            vec![all.clone(), on("Deny", r#"{"Null":{"aws:Referer":"true"}}"#)],
            r#"unknown 13:00:00Z ["aws:referer"]"#,
        ),
        (
            vec![all.clone(), on("Deny", r#"{"Bool":{"aws:SecureTransport":"false"}}"#)],
            r#"unknown 13:00:00Z ["aws:securetransport"]"#,
        ),
        (
            vec![r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::bucket/${aws:UserAgent}"}"#.to_owned()],
            r#"unknown 13:00:00Z ["aws:useragent"]"#,
        ),
        // Until then it is sure, and afterwards not.
        (
            vec![read.clone(), on("Deny", r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"NumericGreaterThan":{"s3:signatureAge":"600000"}}"#)],
            "yes 12:10:00Z ",
        ),
        // Longer than this it works nowhere.
        (
            vec![on("Allow", r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"NumericLessThan":{"s3:signatureAge":"60000"}}"#)],
            r#"unknown 12:00:59Z ["aws:sourceip"]"#,
        ),
    ] {
        assert_eq!(judged(&world, &ann, get, &statements).await, expected, "{statements:?}");
    }
    // Headers of S3's own must be signed, so that a link without them is one without them; the length is not.
    let put = Link::to("PUT", "new");
    let encrypted = on("Deny", r#"{"Null":{"s3:x-amz-server-side-encryption":"true"}}"#);
    let short = on("Deny", r#"{"NumericGreaterThan":{"valet:ContentLength":"10"}}"#);
    let of_a_form = on("Deny", r#"{"Null":{"s3:ObjectCreationOperation":"false"}}"#);
    let form = Link::to("POST", "new");
    for (link, statement, expected) in [
        (put, &encrypted, "no 12:00:00Z "),
        (form, &encrypted, r#"unknown 13:00:00Z ["s3:x-amz-server-side-encryption"]"#),
        (put, &short, r#"unknown 13:00:00Z ["valet:contentlength"]"#),
        (get, &short, "yes 13:00:00Z "),
        (put, &of_a_form, "no 12:00:00Z "),
        (form, &of_a_form, "yes 13:00:00Z "),
    ] {
        let statements = [all.clone(), statement.clone()];
        assert_eq!(judged(&world, &ann, link, &statements).await, expected, "{link:?} {statement}");
    }
}

/// Whoever is refused wherever the object's tags do not matter learns nothing of them, nor that there is an object.
#[tokio::test]
async fn no_more_is_told_of_an_object_than_trying_would() {
    let world = tagged().await;
    let ann = world.user("ann", "").await;
    let secret = r#"{"StringEquals":{"s3:ExistingObjectTag/class":"secret"}}"#;
    let is_secret = when("Allow", r#""s3:GetObject""#, secret);
    let outside =
        when("Deny", r#""s3:GetObject""#, r#"{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#);
    let links = ["secret", "plain", "none"].map(|key| Link::to("GET", key));
    for link in links {
        let statements = [is_secret.clone(), outside.clone()];
        let told = judged(&world, &ann, link, &statements).await;
        let both = r#"unknown 13:00:00Z ["aws:sourceip","s3:existingobjecttag/class"]"#;
        assert_eq!(told, both, "{link:?}");
        assert!(!works(&world, &ann, link).await, "{link:?}");
    }
    // What hides behind another answer to the tag is no less hidden.
    let behind = when(
        "Allow",
        r#""s3:GetObject""#,
        r#"{"StringEquals":{"s3:ExistingObjectTag/class":"secret"},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#,
    );
    let open = when("Allow", r#""s3:GetObject""#, &secret.replace("secret", "open"));
    for link in links {
        let told = judged(&world, &ann, link, &[open.clone(), behind.clone()]).await;
        let both = r#"unknown 13:00:00Z ["aws:sourceip","s3:existingobjecttag/class"]"#;
        assert_eq!(told, both, "{link:?}");
    }
    // Who may read tags is told what they decide.
    let tags = when("Allow", r#""s3:GetObjectTagging""#, "{}");
    for (link, expected) in links.into_iter().zip([
        r#"unknown 13:00:00Z ["aws:sourceip"]"#,
        "no 12:00:00Z ",
        "no 12:00:00Z ",
    ]) {
        let statements = [is_secret.clone(), outside.clone(), tags.clone()];
        assert_eq!(judged(&world, &ann, link, &statements).await, expected, "{link:?}");
    }
    // Where tags alone decide, trying tells as much; but never whether an untagged object is there.
    for (effect, [of_tagged, of_others]) in [("Allow", ["yes", "no"]), ("Deny", ["no", "yes"])] {
        let statements = [
            when(effect, r#""s3:GetObject""#, secret),
            if effect == "Deny" { READ.to_owned() } else { tags.clone() },
        ];
        for (link, expected) in links.into_iter().zip([of_tagged, of_others, of_others]) {
            let told = judged(&world, &ann, link, &statements).await;
            assert_eq!(told.split(' ').next().unwrap(), expected, "{link:?}");
        }
    }
}

/// Of a tag that decides only later nothing is told that trying now would not tell.
#[tokio::test]
async fn what_a_tag_decides_later_is_not_told_now() {
    let world = tagged().await;
    let ann = world.user("ann", "").await;
    let allowing = |condition: &str| when("Allow", r#""s3:GetObject""#, condition);
    let soon = r#"{"DateLessThan":{"aws:CurrentTime":"2026-06-15T12:30:00Z"}}"#;
    let secret = r#"{"StringEquals":{"s3:ExistingObjectTag/class":"secret"}}"#;
    let links = ["secret", "open", "none"].map(|key| Link::to("GET", key));
    for link in links {
        let told = judged(&world, &ann, link, &[allowing(soon), allowing(secret)]).await;
        assert_eq!(told, "yes 12:29:59Z ", "{link:?}");
    }
    // Now one tag decides, and later another: now it is told what trying tells.
    let not_open = r#"{"StringNotEquals":{"s3:ExistingObjectTag/class":"open"},"DateLessThan":{"aws:CurrentTime":"2026-06-15T12:30:00Z"}}"#;
    for (link, expected) in
        links.into_iter().zip(["yes 12:29:59Z ", "no 12:00:00Z ", "yes 12:29:59Z "])
    {
        let told = judged(&world, &ann, link, &[allowing(not_open), allowing(secret)]).await;
        assert_eq!(told, expected, "{link:?}");
    }
    // A tag that decides now decides until something else does.
    let old =
        when("Deny", r#""s3:GetObject""#, r#"{"NumericGreaterThan":{"s3:signatureAge":"600000"}}"#);
    for (link, expected) in
        links.into_iter().zip(["yes 12:10:00Z ", "no 12:00:00Z ", "no 12:00:00Z "])
    {
        let told = judged(&world, &ann, link, &[old.clone(), allowing(secret)]).await;
        assert_eq!(told, expected, "{link:?}");
    }
    // Who may read tags is told all of it.
    let tags = when("Allow", r#""s3:GetObjectTagging""#, "{}");
    for (link, expected) in
        links.into_iter().zip(["yes 13:00:00Z ", "yes 12:29:59Z ", "yes 12:29:59Z "])
    {
        let told =
            judged(&world, &ann, link, &[allowing(soon), allowing(secret), tags.clone()]).await;
        assert_eq!(told, expected, "{link:?}");
    }
}

/// A link dies with the session that signs it.
#[tokio::test]
async fn the_end_of_the_session_is_told() {
    let world = World::with_bucket().await;
    let ann = world.user("ann", &policy(READ)).await;
    let assume = r#"{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}"#;
    world.put_user_policy("ann", &policy(assume)).await;
    world.role("reader", &trusts(&user_arn("ann")), &policy(READ)).await;
    let session = world.assume(&ann, "reader", &[("DurationSeconds", "900")]).await;
    let answer = told(&world, &session, Link::to("GET", "a")).await;
    assert_eq!(answer["effective_expires_at"], "2026-06-15T12:15:00Z");
    assert_eq!(answer["limited_by"], json!(["session"]));
}

/// A bucket that is not there has no policy, and nobody else's.
#[tokio::test]
async fn a_bucket_that_is_to_be_made_is_the_callers_own() {
    let world = World::new().await;
    let ann = world.user("ann", &policy(ALL)).await;
    assert!(is_allowed(&world, &ann, Link::to("PUT", "new")).await);
    assert!(is_allowed(&world, &ann, Link::to("PUT", "")).await);
    world.put_user_policy("ann", &policy(READ)).await;
    assert!(!is_allowed(&world, &ann, Link::to("PUT", "new")).await);
    assert!(!is_allowed(&world, &ann, Link::to("PUT", "")).await);
}

/// Whoever asks, and whatever the policies say: what is told of a link is what happens when it is used at once.
#[tokio::test]
async fn what_is_told_is_what_happens() {
    let world = World::with_bucket().await;
    world.versioning("Enabled").await;
    let first = store(&world, "secret", "open").await;
    for (key, class) in [("open", "open"), ("secret", "secret"), ("plain", "")] {
        store(&world, key, class).await;
    }
    let links = [
        Link::to("GET", "open"),
        Link::to("GET", "secret"),
        Link::to("GET", "secret").of(&first),
        Link::to("HEAD", "plain"),
        Link::to("PUT", "new"),
        Link::to("DELETE", "gone"),
        Link::to("GET", ""),
    ];
    let ann = world.user("ann", "").await;
    let ben = world.user("ben", &policy(ALL)).await;
    let bounds = [
        ("Action", "PutUserPermissionsBoundary"),
        ("UserName", "ben"),
        ("PermissionsBoundary", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"),
    ];
    world.iam(&bounds).await;
    world.role("any", &trusts(&user_arn("ann")), &policy(ALL)).await;
    let tagged = |effect: &str, class: &str| {
        let condition = format!(r#"{{"StringEquals":{{"s3:ExistingObjectTag/class":"{class}"}}}}"#);
        when(effect, r#""s3:*""#, &condition)
    };
    let narrow = policy(&tagged("Allow", "open"));
    let session = world.assume(&ann, "any", &[("Policy", narrow.as_str())]).await;
    let tenant = world.tenant().await;
    let own = [
        String::new(),
        READ.to_owned(),
        tagged("Allow", "open"),
        format!("{ALL},{}", tagged("Deny", "secret")),
        when(
            "Allow",
            r#""s3:*""#,
            &format!(r#"{{"StringEqualsIfExists":{{"s3:VersionId":"{first}"}}}}"#),
        ),
        format!(
            "{ALL},{}",
            when("Deny", r#""s3:*""#, r#"{"Null":{"s3:ObjectCreationOperation":"false"}}"#)
        ),
        when(
            "Allow",
            r#""s3:*""#,
            r#"{"StringEquals":{"aws:username":"ann","s3:authType":"REST-QUERY-STRING"}}"#,
        ),
        when(
            "Allow",
            r#""s3:*""#,
            r#"{"DateLessThan":{"aws:CurrentTime":"2026-06-15T12:30:00Z"}}"#,
        ),
    ];
    let on_all = |effect: &str, principal: &str, condition: &str| {
        format!(
            r#"{{"Effect":"{effect}","Principal":{principal},"Action":"s3:*","Resource":["arn:aws:s3:::bucket","arn:aws:s3:::bucket/*"],"Condition":{condition}}}"#
        )
    };
    let of_bucket = [
        (on_all("Allow", r#""*""#, "{}"), false),
        (on_all("Allow", r#""*""#, "{}"), true),
        (on_all("Allow", r#"{"AWS":"000000000003"}"#, "{}"), true),
        (
            on_all(
                "Deny",
                r#"{"AWS":"arn:aws:iam::000000000000:user/ann"}"#,
                r#"{"StringLike":{"s3:prefix":"*"}}"#,
            ),
            false,
        ),
        (on_all("Deny", r#""*""#, r#"{"Bool":{"s3:ObjectCreationOperation":"true"}}"#), false),
    ];
    let (mut yes, mut no) = (0, 0);
    for (statement, is_restricted) in of_bucket {
        let block = |restrict: bool| {
            put(
                "/bucket?publicAccessBlock",
                &format!(
                    "<PublicAccessBlockConfiguration><RestrictPublicBuckets>{restrict}</RestrictPublicBuckets></PublicAccessBlockConfiguration>"
                ),
            )
        };
        assert_eq!(world.send(block(false)).await.status, 200);
        world.bucket_policy(&policy(&statement)).await;
        assert_eq!(world.send(block(is_restricted)).await.status, 200);
        let mut callers = vec![(&ben, None), (&session, None), (&tenant, None)];
        callers.extend(own.iter().map(|own| (&ann, Some(own))));
        for (caller, own) in callers {
            match own.map(String::as_str) {
                Some("") => {
                    // What she had before was of the round before.
                    world
                        .query(
                            &Key::root(),
                            "iam",
                            &[
                                ("Action", "DeleteUserPolicy"),
                                ("UserName", "ann"),
                                ("PolicyName", "p"),
                            ],
                        )
                        .await;
                }
                Some(own) => world.put_user_policy("ann", &policy(own)).await,
                None => {}
            }
            for link in links {
                let told = told(&world, caller, link).await;
                let works = works(&world, caller, link).await;
                let expected = if works { "yes" } else { "no" };
                assert_eq!(told["works"], expected, "{link:?} by {own:?} under {statement}");
                *(if works { &mut yes } else { &mut no }) += 1;
            }
        }
    }
    assert!(yes > 100 && no > 100, "{yes} {no}");
}
