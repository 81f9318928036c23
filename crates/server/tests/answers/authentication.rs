//! Who is asking: every refusal of semantics 1.3 to 1.7, 1.10, word for word, in its order.

use crate::harness::{Ask, HOST, KEY_ID, World, ask, get, put};

const SCOPE: &str = "%2F20260615%2Fus-east-1%2Fs3%2Faws4_request";

async fn refused(world: &World, ask: Ask) -> String {
    world.send_raw(ask).await.refusal()
}

fn aqpe(message: &str) -> String {
    format!("400 <Code>AuthorizationQueryParametersError</Code><Message>{message}</Message>")
}

#[tokio::test]
async fn a_link_lends_one_operation_on_one_object() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/a", "hello")).await;
    assert_eq!(world.send_raw(world.link("GET", "a")).await.text(), "hello");
    let link = world.link("PUT", "b").body("written");
    assert_eq!(world.send_raw(link).await.status, 200);
    assert_eq!(world.send_raw(world.link("GET", "b")).await.text(), "written");
    assert_eq!(world.send_raw(world.link_v2("GET", "a")).await.text(), "hello");
    assert_eq!(world.send_raw(world.link("DELETE", "a")).await.status, 204);
    assert_eq!(world.send_raw(world.link("HEAD", "b")).await.status, 200);
}

#[tokio::test]
async fn nobody_gets_nothing() {
    let world = World::with_bucket().await;
    let denied = "403 <Code>AccessDenied</Code><Message>Access Denied</Message>";
    for (method, target) in [
        ("GET", "/"),
        ("GET", "/bucket"),
        ("GET", "/bucket/a"),
        ("PUT", "/bucket/a"),
        ("DELETE", "/bucket/a"),
        ("PUT", "/other"),
        ("GET", "/_valet/metrics"),
    ] {
        assert_eq!(refused(&world, ask(method, target)).await, denied, "{method} {target}");
    }
}

#[tokio::test]
async fn parameters_of_a_link() {
    let world = World::with_bucket().await;
    let link = || world.link("GET", "a");
    let malformed = "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \"&lt;YOUR-AKID&gt;/YYYYMMDD/REGION/SERVICE/aws4_request\".";
    let missing = aqpe(
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
    );
    for name in ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"] {
        let ask = link().tamper(&format!("X-Amz-{name}="), &format!("x-{name}="));
        assert_eq!(refused(&world, ask).await, missing, "without {name}");
    }
    let rows: &[(&str, &str, &str)] = &[
        (
            "AWS4-HMAC-SHA256",
            "AWS4-HMAC-SHA512",
            "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\"",
        ),
        (
            "X-Amz-Date=20260615T120000Z",
            "X-Amz-Date=2026-06-15",
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
        ),
        (
            SCOPE,
            "%2F20260614%2Fus-east-1%2Fs3%2Faws4_request",
            "Invalid credential date \"20260614\". This date is not the same as X-Amz-Date: \"20260615\".",
        ),
        (SCOPE, "%252F20260615%252Fus-east-1%252Fs3%252Faws4_request", malformed),
        (SCOPE, "%2F20260615%2Fus-east-1%2Fs3", malformed),
        (
            SCOPE,
            "%2F2026%2Fus-east-1%2Fs3%2Faws4_request",
            "Error parsing the X-Amz-Credential parameter; incorrect date format \"2026\". This date in the credential must be in the format \"yyyyMMdd\".",
        ),
        (
            SCOPE,
            "%2F20260615%2Fus-east-1%2Fec2%2Faws4_request",
            "Error parsing the X-Amz-Credential parameter; incorrect service \"ec2\". This endpoint belongs to \"s3\".",
        ),
        (
            SCOPE,
            "%2F20260615%2Fus-east-1%2Fs3%2Faws5",
            "Error parsing the X-Amz-Credential parameter; incorrect terminal \"aws5\". This endpoint uses \"aws4_request\".",
        ),
        ("Expires=3600", "Expires=abc", "X-Amz-Expires should be a number"),
        ("Expires=3600", "Expires=9223372036854775808", "X-Amz-Expires should be a number"),
        ("Expires=3600", "Expires=-1", "X-Amz-Expires must be non-negative"),
        (
            "Expires=3600",
            "Expires=604801",
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
        ),
    ];
    for (from, to, message) in rows {
        assert_eq!(refused(&world, link().tamper(from, to)).await, aqpe(message), "{to}");
    }
    let region = format!(
        "{}<Region>us-east-1</Region>",
        aqpe(
            "Error parsing the X-Amz-Credential parameter; the region 'eu-west-1' is wrong; expecting 'us-east-1'"
        )
    );
    for scope in ["eu-west-1%2Fs3", "eu-west-1%2Fec2"] {
        let ask = link().tamper("us-east-1%2Fs3", scope);
        assert_eq!(refused(&world, ask).await, region, "{scope}");
    }
}

#[tokio::test]
async fn time_of_a_link() {
    let mut world = World::with_bucket().await;
    let link = world.link("GET", "a");
    let zero = link.clone().tamper("Expires=3600", "Expires=0");
    let at = |world: &mut World, now: &str| world.now = now.parse().unwrap();

    at(&mut world, "2026-06-15T13:00:01Z");
    assert_eq!(
        refused(&world, link.clone()).await,
        "403 <Code>AccessDenied</Code><Message>Request has expired</Message><X-Amz-Expires>3600</X-Amz-Expires><Expires>2026-06-15T13:00:00Z</Expires><ServerTime>2026-06-15T13:00:01Z</ServerTime>"
    );
    at(&mut world, "2026-06-15T13:00:00Z");
    assert_eq!(world.send_raw(link.clone()).await.status, 404);
    at(&mut world, "2026-06-15T11:44:59Z");
    assert_eq!(
        refused(&world, link.clone()).await,
        "403 <Code>AccessDenied</Code><Message>Request is not yet valid</Message><X-Amz-Date>1781524800000</X-Amz-Date><Expires>2026-06-15T13:00:00Z</Expires><ServerTime>2026-06-15T11:44:59Z</ServerTime>"
    );
    at(&mut world, "2026-06-15T11:45:01Z");
    assert_eq!(world.send_raw(link).await.status, 404);
    at(&mut world, "2026-06-15T12:00:01Z");
    assert!(refused(&world, zero).await.contains("<Message>Request has expired</Message>"));
}

#[tokio::test]
async fn the_time_window_comes_before_the_credential_date_and_region() {
    let mut world = World::with_bucket().await;
    let link = world.link("GET", "a").tamper(SCOPE, "%2F20260614%2Feu-west-1%2Fs3%2Faws4_request");
    world.now = "2026-06-15T14:00:00Z".parse().unwrap();
    assert!(refused(&world, link).await.contains("Request has expired"));
}

#[tokio::test]
async fn keys_and_signatures() {
    let world = World::with_bucket().await;
    let link = || world.link("GET", "a");
    assert_eq!(
        refused(&world, link().tamper(KEY_ID, "AKIAUNKNOWN")).await,
        "403 <Code>InvalidAccessKeyId</Code><Message>The AWS Access Key Id you provided does not exist in our records.</Message><AWSAccessKeyId>AKIAUNKNOWN</AWSAccessKeyId>"
    );
    for (from, to) in [("/bucket/a?", "/bucket/b?"), ("Expires=3600", "Expires=3601")] {
        let answer = world.send_raw(link().tamper(from, to)).await;
        assert!(answer.refusal().starts_with("403 <Code>SignatureDoesNotMatch</Code>"), "{to}");
    }
    let mut added = link();
    added.target.push_str("&x-id=GetObject");
    assert!(refused(&world, added).await.contains("SignatureDoesNotMatch"));
    let mut upper = link();
    let signature = upper.target.rsplit('=').next().unwrap().to_owned();
    upper.target = upper.target.replace(&signature, &signature.to_uppercase());
    assert!(refused(&world, upper).await.contains("SignatureDoesNotMatch"));
}

#[tokio::test]
async fn the_mismatch_shows_what_was_signed() {
    let world = World::with_bucket().await;
    let link = world.link("GET", "a").tamper("/bucket/a", "/bucket/b&c");
    let answer = world.send_raw(link).await;
    let order: Vec<usize> = [
        "<Code>",
        "<Message>",
        "<AWSAccessKeyId>",
        "<StringToSign>",
        "<SignatureProvided>",
        "<StringToSignBytes>",
        "<CanonicalRequest>",
        "<CanonicalRequestBytes>",
        "<RequestId>",
        "<HostId>",
    ]
    .iter()
    .map(|element| answer.text().find(element).unwrap_or_else(|| panic!("no {element}")))
    .collect();
    assert!(order.is_sorted());
    assert!(
        answer.element("CanonicalRequest").starts_with(
            "GET\n/bucket/b%26c\nX-Amz-Algorithm=AWS4-HMAC-SHA256&amp;X-Amz-Credential="
        )
    );
    assert!(
        answer.element("StringToSign").starts_with(
            "AWS4-HMAC-SHA256\n20260615T120000Z\n20260615/us-east-1/s3/aws4_request\n"
        )
    );
    assert!(answer.element("StringToSignBytes").starts_with("41 57 53 34 2d 48 4d 41 43"));
    assert!(answer.element("CanonicalRequestBytes").starts_with("47 45 54 0a"));
}

#[tokio::test]
async fn headers_that_were_not_signed() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/secret", "s")).await;
    let unsigned = |names: &str| {
        format!(
            "403 <Code>AccessDenied</Code><Message>There were headers present in the request which were not signed</Message><HeadersNotSigned>{names}</HeadersNotSigned>"
        )
    };
    for name in [
        "x-amz-copy-source",
        "x-amz-meta-a",
        "x-amz-acl",
        "x-amz-tagging",
        "x-amz-storage-class",
        "x-amz-website-redirect-location",
        "x-amz-server-side-encryption",
        "x-amz-object-lock-mode",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-user-agent",
        "x-amz-checksum-crc32",
        "x-amz-signature-age",
    ] {
        let ask = world.link("PUT", "b").header(name, "/bucket/secret").body("x");
        assert_eq!(refused(&world, ask).await, unsigned(name));
    }
    let two = world.link("PUT", "b").header("x-amz-meta-b", "1").header("x-amz-acl", "private");
    assert_eq!(refused(&world, two).await, unsigned("x-amz-acl, x-amz-meta-b"));
    let host = world.link("PUT", "b").tamper("SignedHeaders=host", "SignedHeaders=range");
    assert_eq!(refused(&world, host).await, unsigned("host"));
    // Nothing was stored by any of them.
    assert_eq!(world.send(get("/bucket/b")).await.status, 404);
    // Headers that S3 does not own may come unsigned, and are honoured.
    let ask = world.link("GET", "secret").header("range", "bytes=0-0").header("x-foo", "y");
    assert_eq!(world.send_raw(ask).await.status, 206);
    let ask = world.link("PUT", "b").header("x-amz-content-sha256", "UNSIGNED-PAYLOAD").body("x");
    assert_eq!(world.send_raw(ask).await.status, 200);
}

#[tokio::test]
async fn a_header_named_as_signed_may_stand_in_the_query() {
    let world = World::with_bucket().await;
    let ask = world
        .link_with(
            "PUT",
            "b",
            &[],
            &[
                ("x-amz-meta-colour", "blue"),
                ("x-amz-checksum-crc32", "AAAAAA=="),
                ("x-amz-sdk-checksum-algorithm", "CRC32"),
            ],
        )
        .body("x");
    assert_eq!(world.send_raw(ask).await.status, 200);
    let answer = world.send_raw(world.link("HEAD", "b")).await;
    assert_eq!(answer.header("x-amz-meta-colour"), "blue");
    let ask = world.link_with("PUT", "b", &[], &[("If-None-Match", "*")]).body("y");
    assert_eq!(world.send_raw(ask).await.status, 412);
}

#[tokio::test]
async fn two_mechanisms_at_once() {
    let world = World::with_bucket().await;
    let message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified";
    let expected = |value: &str| {
        format!(
            "400 <Code>InvalidArgument</Code><Message>{message}</Message><ArgumentName>Authorization</ArgumentName><ArgumentValue>{value}</ArgumentValue>"
        )
    };
    for link in [world.link("GET", "a"), world.link_v2("GET", "a")] {
        let ask = link.header("authorization", "nonsense");
        assert_eq!(refused(&world, ask).await, expected("nonsense"));
    }
    let mut both = world.link("GET", "a");
    both.target.push_str("&Signature=x&AWSAccessKeyId=y&Expires=1");
    assert_eq!(refused(&world, both).await, expected(""));
}

#[tokio::test]
async fn the_authorization_header() {
    let world = World::with_bucket().await;
    let signed = || world.sign(get("/bucket/a"));
    let value =
        |ask: &Ask| ask.headers.iter().find(|(n, _)| n == "authorization").unwrap().1.clone();
    let with = |text: String| {
        let mut ask = signed();
        ask.headers.retain(|(name, _)| name != "authorization");
        ask.header("authorization", &text)
    };
    let check = async |ask: Ask, expected: &str| {
        let got = refused(&world, ask).await;
        assert!(got.starts_with(expected), "{got} is not {expected}");
    };
    assert_eq!(world.send_raw(signed()).await.status, 404);
    check(with("garbage".into()), "400 <Code>InvalidArgument</Code>").await;
    check(with(value(&signed()).replace("SHA256", "SHA512")), "400 <Code>InvalidArgument</Code>")
        .await;
    // An empty one is none.
    for empty in ["", " "] {
        let anonymous = get("/bucket/k").header("authorization", empty);
        assert_eq!(
            world.send_raw(anonymous).await.refusal(),
            "403 <Code>AccessDenied</Code><Message>Access Denied</Message>"
        );
    }
    check(signed().header("authorization", "x"), "501 <Code>NotImplemented</Code><Message>A header you provided implies functionality that is not implemented</Message><Header>Authorization</Header>").await;
    check(
        with(value(&signed()).replace("/us-east-1/s3", "/s3")),
        "400 <Code>AuthorizationHeaderMalformed</Code>",
    )
    .await;
    check(
        with(value(&signed()).replace("Signature=", "Sig=")),
        "400 <Code>AuthorizationHeaderMalformed</Code>",
    )
    .await;
    check(with(value(&signed()).replace("/us-east-1/", "/eu-west-1/")), "400 <Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-east-1'</Message><Region>us-east-1</Region>").await;
    check(
        with(value(&signed()).replace(KEY_ID, "AKIAOTHER")),
        "403 <Code>InvalidAccessKeyId</Code>",
    )
    .await;
    check(with(format!("AWS {KEY_ID}:c2ln")), "400 <Code>InvalidRequest</Code><Message>The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.</Message>").await;
    let mut no_hash = signed();
    no_hash.headers.retain(|(name, _)| name != "x-amz-content-sha256");
    check(no_hash, "400 <Code>InvalidRequest</Code><Message>Missing required header for this request: x-amz-content-sha256</Message>").await;
    let mut no_date = signed();
    no_date.headers.retain(|(name, _)| name != "x-amz-date");
    check(no_date, "403 <Code>AccessDenied</Code>").await;
    check(signed().header("x-amz-acl", "private"), "403 <Code>AccessDenied</Code><Message>There were headers present in the request which were not signed</Message><HeadersNotSigned>x-amz-acl</HeadersNotSigned>").await;
}

#[tokio::test]
async fn skew_of_header_authentication() {
    let mut world = World::with_bucket().await;
    let signed = world.sign(get("/bucket/a"));
    for (now, status) in [
        ("2026-06-15T12:14:59Z", 404),
        ("2026-06-15T11:45:01Z", 404),
        ("2026-06-15T12:15:01Z", 403),
        ("2026-06-15T11:44:59Z", 403),
    ] {
        world.now = now.parse().unwrap();
        assert_eq!(world.send_raw(signed.clone()).await.status, status, "{now}");
    }
    assert_eq!(
        refused(&world, signed).await,
        "403 <Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the current time is too large.</Message><RequestTime>20260615T120000Z</RequestTime><ServerTime>2026-06-15T11:44:59Z</ServerTime><MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>"
    );
}

#[tokio::test]
async fn tokens_with_a_long_term_key() {
    let world = World::with_bucket().await;
    let link = world.link_with("GET", "a", &[], &[]);
    let mut ask = link;
    ask.target.push_str("&X-Amz-Security-Token=tok");
    // The token was not signed, so the signature is judged first.
    assert!(refused(&world, ask).await.contains("SignatureDoesNotMatch"));
    let ask = world.sign_with_token(get("/bucket/a"), "tok");
    assert_eq!(
        refused(&world, ask).await,
        "400 <Code>InvalidToken</Code><Message>The provided token is malformed or otherwise invalid.</Message><Token-0>tok</Token-0>"
    );
}

#[tokio::test]
async fn sigv2_links() {
    let mut world = World::with_bucket().await;
    let link = world.link_v2("GET", "a");
    let check = async |world: &World, ask: Ask, expected: &str| {
        let got = refused(world, ask).await;
        assert!(got.starts_with(expected), "{got} is not {expected}");
    };
    check(&world, link.clone().tamper("Signature=", "Sig="), "403 <Code>AccessDenied</Code><Message>Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters</Message>").await;
    let far = link.target.split("Expires=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    check(&world, link.clone().tamper(&far, "4294967296"), "403 <Code>AccessDenied</Code><Message>Invalid date (should be seconds since epoch): 4294967296</Message>").await;
    check(
        &world,
        link.clone().tamper("/bucket/a", "/bucket/b"),
        "403 <Code>SignatureDoesNotMatch</Code>",
    )
    .await;
    let shown = world.send_raw(link.clone().tamper("/bucket/a", "/bucket/b")).await;
    assert!(!shown.text().contains("<CanonicalRequest>"));
    check(
        &world,
        link.clone().header("x-amz-meta-a", "b"),
        "403 <Code>SignatureDoesNotMatch</Code>",
    )
    .await;
    check(
        &world,
        link.clone().header("content-type", "b"),
        "403 <Code>SignatureDoesNotMatch</Code>",
    )
    .await;
    world.now = "2026-06-15T13:00:01Z".parse().unwrap();
    check(&world, link.clone(), "403 <Code>AccessDenied</Code><Message>Request has expired</Message><Expires>2026-06-15T13:00:00Z</Expires><ServerTime>2026-06-15T13:00:01Z</ServerTime>").await;
    world.now = "2026-06-08T12:59:59Z".parse().unwrap();
    check(&world, link, "403 <Code>AccessDenied</Code><Message>Request is not yet valid</Message>")
        .await;
}

#[tokio::test]
async fn nothing_that_sigv2_leaves_unsigned_changes_what_a_link_does() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/a", "hello")).await;
    for name in ["attributes", "retention", "legal-hold"] {
        let mut ask = world.link_v2("GET", "a");
        ask.target += &["&", name].concat();
        assert_eq!(
            refused(&world, ask).await,
            format!(
                "403 <Code>AccessDenied</Code><Message>The signature does not cover the query parameter {name}</Message>"
            )
        );
    }
    for name in
        ["acl", "uploads", "versionId=null", "response-content-type=text%2Fhtml", "x-amz-meta-a=b"]
    {
        let mut ask = world.link_v2("GET", "a");
        ask.target += &["&", name].concat();
        assert!(refused(&world, ask).await.contains("SignatureDoesNotMatch"), "{name}");
    }
}

#[tokio::test]
async fn sigv2_can_be_denied() {
    let mut config = crate::harness::config();
    config.sigv2 = presign::SigV2Use::Deny;
    let world = World::with(config, store::Encryption::On).await;
    assert_eq!(
        refused(&world, world.link_v2("GET", "a")).await,
        "400 <Code>InvalidRequest</Code><Message>The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.</Message>"
    );
}

#[tokio::test]
async fn authentication_comes_before_everything_that_is_asked() {
    let world = World::new().await;
    // No such bucket, a bad bucket name, a sub-resource that is not served: the signature first.
    for target in ["/missing/a", "/BAD/a", "/missing/a?acl", "/missing/%80"] {
        let link = format!(
            "{target}{}X-Amz-Algorithm=AWS4-HMAC-SHA256",
            if target.contains('?') { '&' } else { '?' }
        );
        assert!(
            refused(&world, get(&link)).await.contains("AuthorizationQueryParametersError"),
            "{target}"
        );
    }
}

#[tokio::test]
async fn streaming_modes_are_no_way_around_a_link() {
    let world = World::with_bucket().await;
    for mode in ["STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"] {
        let link = world
            .link_with("PUT", "b", &[("x-amz-content-sha256", mode)], &[])
            .body("1\r\nx\r\n0\r\n\r\n");
        // The body is taken literally, and its hash is no mode (semantics 1.2.12f).
        let got = refused(&world, link).await;
        assert!(got.starts_with("400 <Code>XAmzContentSHA256Mismatch</Code>"), "{mode}: {got}");
        let ask = put("/bucket/b", "x").header("x-amz-content-sha256", mode);
        assert_eq!(world.send_raw(ask).await.status, 403, "{mode}");
    }
    assert_eq!(world.send(get("/bucket/b")).await.status, 404);
}

#[tokio::test]
async fn wrong_scope_on_a_bucket_tells_its_region() {
    let world = World::with_bucket().await;
    let ask = world.sign(get("/bucket"));
    let value = ask
        .headers
        .iter()
        .find(|(n, _)| n == "authorization")
        .unwrap()
        .1
        .replace("us-east-1", "eu-west-1");
    let mut ask = ask;
    ask.headers.retain(|(name, _)| name != "authorization");
    let answer = world.send_raw(ask.header("authorization", &value)).await;
    assert_eq!(answer.header("x-amz-bucket-region"), "us-east-1");
    let object = world.link("GET", "a").tamper("us-east-1%2Fs3", "eu-west-1%2Fs3");
    assert_eq!(world.send_raw(object).await.header("x-amz-bucket-region"), "");
}

#[tokio::test]
async fn a_head_is_refused_without_a_body() {
    let world = World::with_bucket().await;
    let mut ask = world.link("GET", "a");
    ask.method = "HEAD".into();
    let answer = world.send_raw(ask).await;
    assert_eq!((answer.status, answer.body.len()), (403, 0));
    assert!(!answer.headers.contains_key("content-length"));
}

#[test]
fn the_harness_signs_for_its_host() {
    assert!(HOST.contains(':'), "so that ports are tested too");
}
