//! Buckets: made, looked at, listed, versioned and deleted.

use server::PublicUrl;
use store::Encryption;

use crate::harness::{
    World, ask, config, get, invalid_argument, no_such_bucket, not_implemented, put, result,
};

const OWNER: &str = "valet canonical user 000000000000";

fn owner() -> String {
    presign::payload_hash(OWNER.as_bytes())
}

async fn in_region(region: &str) -> World {
    let mut config = config();
    config.region = region.into();
    World::with(config, Encryption::On).await
}

fn constraint(region: &str) -> String {
    format!(
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
    )
}

#[tokio::test]
async fn a_bucket_is_made_and_told_where() {
    let world = World::new().await;
    let answer = world.send(put("/bucket", "")).await;
    assert_eq!((answer.status, answer.header("location"), answer.body.len()), (200, "/bucket", 0));
    assert_eq!(answer.header("x-amz-bucket-arn"), "arn:aws:s3:::bucket");
    // In the oldest region, and only there, its owner may make it again.
    assert_eq!(world.send(put("/bucket", "")).await.status, 200);
    world.send(put("/bucket/k", "kept")).await;
    assert_eq!(world.send(put("/bucket/", "")).await.status, 200);
    assert_eq!(world.send(get("/bucket/k")).await.text(), "kept");
}

#[tokio::test]
async fn elsewhere_a_bucket_is_made_once() {
    let world = in_region("eu-central-1").await;
    let first = world.send(put("/bucket", &constraint("eu-central-1"))).await;
    assert_eq!(first.status, 200);
    let again = world.send(put("/bucket", &constraint("eu-central-1"))).await;
    assert_eq!(
        again.refusal(),
        "409 <Code>BucketAlreadyOwnedByYou</Code><Message>Your previous request to create the named bucket succeeded and you already own it.</Message><BucketName>bucket</BucketName>"
    );
    let located = world.send(get("/bucket?location")).await;
    assert_eq!(located.text(), result("LocationConstraint", "eu-central-1"));
    let head = world.send(ask("HEAD", "/bucket")).await;
    assert_eq!(head.header("x-amz-bucket-region"), "eu-central-1");
}

#[tokio::test]
async fn location_constraints() {
    let refused = |message: &str| {
        format!("400 <Code>IllegalLocationConstraintException</Code><Message>{message}</Message>")
    };
    let unnamed = "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.";
    let named = |region: &str| {
        format!(
            "The {region} location constraint is incompatible for the region specific endpoint this request was sent to."
        )
    };
    let invalid = |region: &str| {
        format!(
            "400 <Code>InvalidLocationConstraint</Code><Message>The specified location-constraint is not valid</Message><LocationConstraint>{region}</LocationConstraint>"
        )
    };
    let rows = [
        ("us-east-1", constraint("us-east-1"), Some(invalid("us-east-1"))),
        ("us-east-1", constraint("aws-global"), Some(invalid("aws-global"))),
        ("eu-west-1", constraint("aws-global"), Some(refused(&named("aws-global")))),
        ("us-east-1", constraint(""), None),
        (
            "us-east-1",
            "<CreateBucketConfiguration></CreateBucketConfiguration>".into(),
            None,
        ),
        ("us-east-1", constraint("eu-west-1"), Some(refused(&named("eu-west-1")))),
        ("eu-west-1", constraint("eu-west-1"), None),
        ("eu-west-1", String::new(), Some(refused(unnamed))),
        ("eu-west-1", constraint("us-east-1"), Some(refused(&named("us-east-1")))),
        (
            "us-east-1",
            "<CreateBucketConfiguration>".into(),
            Some("400 <Code>MalformedXML</Code><Message>The XML you provided was not well-formed or did not validate against our published schema</Message>".into()),
        ),
        (
            "us-east-1",
            "hello".into(),
            Some("400 <Code>MalformedXML</Code><Message>The XML you provided was not well-formed or did not validate against our published schema</Message>".into()),
        ),
        (
            "us-east-1",
            format!("<CreateBucketConfiguration>{}</CreateBucketConfiguration>", " ".repeat(65536)),
            Some("400 <Code>MaxMessageLengthExceeded</Code><Message>Your request was too big.</Message><MaxMessageLengthBytes>65536</MaxMessageLengthBytes>".into()),
        ),
    ];
    for (region, body, expected) in rows {
        let world = in_region(region).await;
        let answer = world.send(put("/bucket", &body)).await;
        let exists = world.send(ask("HEAD", "/bucket")).await.status;
        match expected {
            None => assert_eq!((answer.status, exists), (200, 200), "{region} {body}"),
            Some(expected) => assert_eq!((answer.refusal(), exists), (expected, 404), "{region}"),
        }
    }
}

#[tokio::test]
async fn names_of_buckets() {
    let mut config = config();
    config.public_urls = vec![PublicUrl::parse("https://files.example/store/below").unwrap()];
    let world = World::with(config, Encryption::On).await;
    let long = "a".repeat(63);
    for name in ["abc", "a.b", "a-b", "1bucket", "below", long.as_str()] {
        assert_eq!(world.send(put(&format!("/{name}"), "")).await.status, 200, "{name}");
    }
    let longer = "a".repeat(64);
    for name in [
        "ab",
        "store",
        "Bucket",
        "a_b",
        "-ab",
        "ab-",
        "a..b",
        ".ab",
        "192.168.0.1",
        "xn--a",
        "a-s3alias",
        "a%20b",
        longer.as_str(),
    ] {
        let shown = name.replace("%20", " ");
        let why = match name {
            "store" => ": /store is the prefix of a public URL of this server, or begins one.",
            _ => ".",
        };
        assert_eq!(
            world.refused(put(&format!("/{name}"), "")).await,
            format!(
                "400 <Code>InvalidBucketName</Code><Message>The specified bucket is not valid{why}</Message><BucketName>{shown}</BucketName>"
            )
        );
    }
    // The server's own paths are nobody's bucket, however they are spelled.
    for path in ["/_valet", "/%5Fvalet", "/_vale%74/"] {
        let answer = world.send(put(path, "")).await;
        assert_eq!((answer.status, answer.text()), (404, "There is nothing at this path.\n"));
    }
}

#[tokio::test]
async fn what_a_new_bucket_may_ask_for() {
    let world = World::new().await;
    let lock = "x-amz-bucket-object-lock-enabled";
    for (name, value) in [
        ("x-amz-acl", "private"),
        ("x-amz-object-ownership", "BucketOwnerEnforced"),
        (lock, "false"),
    ] {
        let ask = put("/asked", "").header(name, value);
        assert_eq!(world.send(ask).await.status, 200, "{name}");
    }
    let rows = [
        (
            "x-amz-acl",
            "public-read",
            "400 <Code>AccessControlListNotSupported</Code><Message>The bucket does not allow ACLs</Message>".to_owned(),
        ),
        ("x-amz-object-ownership", "ObjectWriter", not_implemented("x-amz-object-ownership")),
        (lock, "true", not_implemented(lock)),
        (
            "x-amz-grant-read",
            "id=1",
            "400 <Code>AccessControlListNotSupported</Code><Message>The bucket does not allow ACLs</Message>".to_owned(),
        ),
    ];
    for (name, value, expected) in rows {
        assert_eq!(world.refused(put("/refused", "").header(name, value)).await, expected);
    }
    assert_eq!(world.send(ask("HEAD", "/refused")).await.status, 404);
}

#[tokio::test]
async fn heads_of_buckets() {
    let world = World::with_bucket().await;
    let answer = world.send(ask("HEAD", "/bucket")).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(answer.header("x-amz-bucket-region"), "us-east-1");
    assert_eq!(answer.header("x-amz-access-point-alias"), "false");
    assert_eq!(answer.header("server"), "Valet");
    assert_eq!(answer.header("x-amz-request-id").len(), 16);
    assert_eq!(answer.header("x-amz-bucket-arn"), "arn:aws:s3:::bucket");
    let host_id = answer.header("x-amz-id-2").to_owned();
    assert_eq!(host_id.len(), 76);
    let missing = world.send(ask("HEAD", "/missing")).await;
    assert_eq!((missing.status, missing.body.len()), (404, 0));
    assert_ne!(missing.header("x-amz-id-2"), host_id);
}

fn tagged_with(tags: &str) -> String {
    format!("<CreateBucketConfiguration><Tags>{tags}</Tags></CreateBucketConfiguration>")
}

/// As recorded on AWS in 2026: tags are there from the beginning, and a bucket is not made again to be tagged.
#[tokio::test]
async fn buckets_that_are_made_with_tags() {
    let world = World::new().await;
    let tag = |key: &str, value: &str| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
    let tags = async |bucket: &str| world.send(get(&format!("/{bucket}?tagging"))).await;
    let answer = world.send(put("/bucket", &tagged_with(&tag("a", "1")))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = tags("bucket").await;
    assert_eq!((told.element("Key"), told.element("Value")), ("a".into(), "1".into()));
    let owned = "409 <Code>BucketAlreadyOwnedByYou</Code><Message>Your previous request to create the named bucket succeeded and you already own it.</Message><BucketName>bucket</BucketName>";
    for again in [tag("a", "1"), tag("b", "2")] {
        assert_eq!(world.refused(put("/bucket", &tagged_with(&again))).await, owned);
    }
    for again in [String::new(), tagged_with("")] {
        assert_eq!(world.send(put("/bucket", &again)).await.status, 200);
        assert_eq!(tags("bucket").await.elements("Key"), ["a"]);
    }
    assert_eq!(world.send(put("/plain", &tagged_with(""))).await.status, 200);
    assert_eq!(tags("plain").await.status, 404);
    let invalid = |message: &str, rest: &str| {
        format!("400 <Code>InvalidTag</Code><Message>{message}</Message>{rest}")
    };
    let reserved = "User-defined tag keys can't start with \"aws:\". This prefix is reserved for system tags. Remove \"aws:\" from your tag keys and try again.";
    let malformed = "400 <Code>MalformedXML</Code><Message>The XML you provided was not well-formed or did not validate against our published schema</Message>";
    for (document, expected) in [
        (tagged_with(&tag("aws:a", "1")), invalid(reserved, "<TagKey>aws:a</TagKey>")),
        (
            tagged_with(&tag("a,b", "1")),
            invalid("The TagKey you have provided is invalid", "<TagKey>a,b</TagKey>"),
        ),
        (
            tagged_with(&tag("a", "1,2")),
            invalid(
                "The TagValue you have provided is invalid",
                "<TagKey>a</TagKey><TagValue>1,2</TagValue>",
            ),
        ),
        (tagged_with("<Tag><Key>a</Key></Tag>"), malformed.to_owned()),
        // What is not understood is not passed over.
        ("<CreateBucketConfiguration><Other/></CreateBucketConfiguration>".into(), malformed.into()),
        (
            "<CreateBucketConfiguration><Bucket><Type>Directory</Type></Bucket></CreateBucketConfiguration>".into(),
            not_implemented("Bucket"),
        ),
    ] {
        assert_eq!(world.refused(put("/new", &document)).await, expected, "{document}");
        assert_eq!(world.send(ask("HEAD", "/new")).await.status, 404);
    }
}

#[tokio::test]
async fn buckets_of_a_region() {
    let world = World::with_bucket().await;
    let names = async |query: &str| world.send(get(query)).await.elements("Name");
    assert_eq!(names("/?bucket-region=us-east-1").await, ["bucket"]);
    assert_eq!(names("/?bucket-region=eu-west-1").await, [""; 0]);
    assert_eq!(
        world.refused(get("/?bucket-region=eu-east-1")).await,
        "400 <Code>InvalidArgument</Code><Message>Argument value eu-east-1 is not a valid AWS Region</Message><ArgumentName>bucket-region</ArgumentName>"
    );
}

/// Without ownership controls ACLs would count on AWS. Here they stay off, and each is refused, not ignored.
#[tokio::test]
async fn without_ownership_controls_acls_are_refused() {
    let world = World::with_bucket().await;
    assert_eq!(world.send(ask("DELETE", "/bucket?ownershipControls")).await.status, 204);
    assert_eq!(world.send(get("/bucket?ownershipControls")).await.status, 404);
    let acl = "400 <Code>AccessControlListNotSupported</Code><Message>The bucket does not allow ACLs</Message>";
    for target in ["/bucket/k", "/bucket?acl"] {
        assert_eq!(world.refused(put(target, "").header("x-amz-acl", "public-read")).await, acl);
    }
}

#[tokio::test]
async fn deleting_buckets() {
    let world = World::with_bucket().await;
    assert_eq!(world.refused(ask("DELETE", "/missing")).await, no_such_bucket("missing"));
    let full = "409 <Code>BucketNotEmpty</Code><Message>The bucket you tried to delete is not empty</Message><BucketName>bucket</BucketName>";
    world.send(put("/bucket/k", "x")).await;
    assert_eq!(world.refused(ask("DELETE", "/bucket")).await, full);
    world.send(ask("DELETE", "/bucket/k")).await;
    // A bucket that shows nothing may still keep versions.
    world.versioning("Enabled").await;
    let version = world.send(put("/bucket/k", "x")).await.header("x-amz-version-id").to_owned();
    let marker = world.send(ask("DELETE", "/bucket/k")).await.header("x-amz-version-id").to_owned();
    assert_eq!(world.refused(ask("DELETE", "/bucket")).await, full);
    world.send(ask("DELETE", &format!("/bucket/k?versionId={version}"))).await;
    assert_eq!(world.refused(ask("DELETE", "/bucket")).await, full);
    world.send(ask("DELETE", &format!("/bucket/k?versionId={marker}"))).await;
    let answer = world.send(ask("DELETE", "/bucket")).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert!(!answer.headers.contains_key("content-type"));
    assert_eq!(world.refused(ask("DELETE", "/bucket")).await, no_such_bucket("bucket"));
    // It can be had again, without its versions.
    assert_eq!(world.send(put("/bucket", "")).await.status, 200);
    assert_eq!(
        world.send(get("/bucket?versioning")).await.text(),
        result("VersioningConfiguration", "")
    );
}

#[tokio::test]
async fn an_upload_that_is_under_way_does_not_keep_its_bucket() {
    let world = World::with_bucket().await;
    let id = world.send(ask("POST", "/bucket/k?uploads")).await.element("UploadId");
    assert_eq!(world.send(ask("DELETE", "/bucket")).await.status, 204);
    let part = put(&format!("/bucket/k?partNumber=1&uploadId={id}"), "x");
    assert_eq!(world.refused(part).await, no_such_bucket("bucket"));
}

#[tokio::test]
async fn lists_of_buckets() {
    let world = World::new().await;
    let page = |entries: &str, rest: &str| {
        result(
            "ListAllMyBucketsResult",
            &format!("<Owner><ID>{}</ID></Owner><Buckets>{entries}</Buckets>{rest}", owner()),
        )
    };
    let entry = |name: &str| {
        format!(
            "<Bucket><Name>{name}</Name><CreationDate>2026-06-15T12:00:00.000Z</CreationDate><BucketRegion>us-east-1</BucketRegion><BucketArn>arn:aws:s3:::{name}</BucketArn></Bucket>"
        )
    };
    assert_eq!(world.send(get("/")).await.text(), page("", ""));
    for name in ["logs-b", "data", "logs-a"] {
        world.send(put(&format!("/{name}"), "")).await;
    }
    let all = [entry("data"), entry("logs-a"), entry("logs-b")].concat();
    assert_eq!(world.send(get("/")).await.text(), page(&all, ""));
    assert_eq!(
        world.send(get("/?prefix=logs-")).await.text(),
        page(&[entry("logs-a"), entry("logs-b")].concat(), "<Prefix>logs-</Prefix>")
    );
    assert_eq!(world.send(get("/?prefix=z")).await.text(), page("", "<Prefix>z</Prefix>"));
    let first = world.send(get("/?max-buckets=2")).await;
    let token = first.element("ContinuationToken");
    assert_eq!(
        first.text(),
        page(
            &[entry("data"), entry("logs-a")].concat(),
            &format!("<ContinuationToken>{token}</ContinuationToken>")
        )
    );
    let second = world.send(get(&format!("/?continuation-token={token}&max-buckets=2"))).await;
    assert_eq!(second.text(), page(&entry("logs-b"), ""));
    // An empty token, or number, is none.
    assert_eq!(world.send(get("/?continuation-token=&max-buckets=")).await.text(), page(&all, ""));
    let number = "Provided max-buckets not an integer or within integer range";
    for value in ["abc", "-1", "4294967296"] {
        assert_eq!(
            world.refused(get(&format!("/?max-buckets={value}"))).await,
            invalid_argument(number, "max-buckets", value)
        );
    }
    assert_eq!(
        world.refused(get("/?continuation-token=%C3%BC")).await,
        invalid_argument("The continuation token provided is incorrect", "continuation-token", "ü")
    );
}

#[tokio::test]
async fn where_a_bucket_is() {
    let world = World::with_bucket().await;
    let located = world.send(get("/bucket?location")).await;
    assert_eq!(located.text(), result("LocationConstraint", ""));
    assert_eq!(world.refused(get("/missing?location")).await, no_such_bucket("missing"));
}

#[tokio::test]
async fn the_state_of_versions() {
    let world = World::with_bucket().await;
    let state = async || world.send(get("/bucket?versioning")).await.text().to_owned();
    let shown =
        |status: &str| result("VersioningConfiguration", &format!("<Status>{status}</Status>"));
    assert_eq!(state().await, result("VersioningConfiguration", ""));
    let malformed = "400 <Code>MalformedXML</Code><Message>The XML you provided was not well-formed or did not validate against our published schema</Message>";
    let long = format!(
        "<VersioningConfiguration><Status>Enabled</Status>{}</VersioningConfiguration>",
        " ".repeat(1024)
    );
    let rows: &[(&str, &str)] = &[
        ("", "400 <Code>MissingRequestBodyError</Code><Message>Request Body is empty</Message>"),
        ("<VersioningConfiguration><Status>enabled</Status></VersioningConfiguration>", malformed),
        ("<VersioningConfiguration><Status>Enabled</Status>", malformed),
        (
            "<VersioningConfiguration></VersioningConfiguration>",
            "400 <Code>IllegalVersioningConfigurationException</Code><Message>The versioning configuration specified in the request is invalid.</Message>",
        ),
        (
            &long,
            "400 <Code>MaxMessageLengthExceeded</Code><Message>Your request was too big.</Message><MaxMessageLengthBytes>1024</MaxMessageLengthBytes>",
        ),
    ];
    for (body, expected) in rows {
        assert_eq!(world.refused(put("/bucket?versioning", body)).await, *expected, "{body}");
    }
    let mfa = "<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>";
    assert_eq!(world.refused(put("/bucket?versioning", mfa)).await, not_implemented("x-amz-mfa"));
    assert_eq!(state().await, result("VersioningConfiguration", ""));

    world.versioning("Enabled").await;
    assert_eq!(state().await, shown("Enabled"));
    world.versioning("Suspended").await;
    assert_eq!(state().await, shown("Suspended"));
    assert_eq!(
        world.refused(put("/missing?versioning", "<VersioningConfiguration/>")).await,
        no_such_bucket("missing")
    );
    assert_eq!(world.refused(get("/missing?versioning")).await, no_such_bucket("missing"));
}

#[tokio::test]
async fn a_document_must_hash_to_what_was_signed() {
    let world = World::with_bucket().await;
    let mut ask = world.sign(put(
        "/bucket?versioning",
        "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
    ));
    ask.body =
        "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>".into();
    assert!(
        world
            .send_raw(ask)
            .await
            .refusal()
            .starts_with("400 <Code>XAmzContentSHA256Mismatch</Code>")
    );
    assert_eq!(
        world.send(get("/bucket?versioning")).await.text(),
        result("VersioningConfiguration", "")
    );
}
