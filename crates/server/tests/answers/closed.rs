//! What is not served is refused, never ignored, and stores nothing; what clients read unasked answers as
//! a bucket nobody has configured.

use crate::harness::{
    Ask, World, ask, get, invalid_argument, no_such_bucket, no_such_key, not_implemented, put,
    result,
};

/// Every sub-resource of the S3 API, from the service model of botocore 1.43, and four that only the
/// documentation knows. Kept apart from the route table: what is missing there is found here.
const SUB_RESOURCES: &[&str] = &[
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "session",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versioning",
    "versions",
    "website",
];

/// Those of them that are served by these methods, on bucket and object.
const SERVED: &[(&str, &str, &str)] = &[
    ("PUT", "/bucket", "versioning"),
    ("POST", "/bucket", "delete"),
    ("POST", "/bucket/k", "uploads"),
    ("PUT", "/bucket/k", "uploadId"),
    ("POST", "/bucket/k", "uploadId"),
    ("DELETE", "/bucket/k", "uploadId"),
    ("PUT", "/bucket", "ownershipControls"),
    ("DELETE", "/bucket", "ownershipControls"),
    ("PUT", "/bucket", "cors"),
    ("DELETE", "/bucket", "cors"),
    ("PUT", "/bucket", "website"),
    ("DELETE", "/bucket", "website"),
    ("PUT", "/bucket", "policy"),
    ("DELETE", "/bucket", "policy"),
    ("PUT", "/bucket", "publicAccessBlock"),
    ("DELETE", "/bucket", "publicAccessBlock"),
    ("PUT", "/bucket", "encryption"),
    ("DELETE", "/bucket", "encryption"),
    ("PUT", "/bucket", "tagging"),
    ("DELETE", "/bucket", "tagging"),
    ("PUT", "/bucket/k", "tagging"),
    ("DELETE", "/bucket/k", "tagging"),
    // Refused as what they are.
    ("PUT", "/bucket", "acl"),
    ("PUT", "/bucket/k", "acl"),
];

const NO_ACL: &str = "400 <Code>AccessControlListNotSupported</Code><Message>The bucket does not allow ACLs</Message>";

/// Headers that change what a write means, with a value that AWS would accept.
const MEANINGS: &[(&str, &str)] = &[
    ("x-amz-bypass-governance-retention", "true"),
    ("x-amz-grant-full-control", "id=1"),
    ("x-amz-grant-read", "id=1"),
    ("x-amz-grant-read-acp", "id=1"),
    ("x-amz-grant-write", "id=1"),
    ("x-amz-grant-write-acp", "id=1"),
    ("x-amz-if-match-initiated-time", "Mon, 15 Jun 2026 12:00:00 GMT"),
    ("x-amz-if-match-last-modified-time", "Mon, 15 Jun 2026 12:00:00 GMT"),
    ("x-amz-if-match-size", "5"),
    ("x-amz-mfa", "serial 123456"),
    ("x-amz-object-lock-legal-hold", "ON"),
    ("x-amz-object-lock-mode", "COMPLIANCE"),
    ("x-amz-object-lock-retain-until-date", "2027-06-15T12:00:00Z"),
    ("x-amz-rename-source", "/bucket/k"),
    ("x-amz-server-side-encryption-aws-kms-key-id", "k"),
    ("x-amz-server-side-encryption-bucket-key-enabled", "true"),
    ("x-amz-server-side-encryption-context", "e30="),
    ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
    ("x-amz-server-side-encryption-customer-key", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="),
    ("x-amz-server-side-encryption-customer-key-md5", "hRasmdxgYDKV3nvbahU1MA=="),
    ("x-amz-tagging", "a=b"),
    ("x-amz-website-redirect-location", "/elsewhere"),
    ("x-amz-write-offset-bytes", "5"),
    ("x-amz-copy-source-range", "bytes=0-1"),
    ("x-amz-copy-source-server-side-encryption-customer-algorithm", "AES256"),
    ("x-amz-server-side-encryption", "aws:kms"),
];

/// Whether a call takes one of them: what it answers then is told elsewhere.
fn honours(ask: &Ask, name: &str) -> bool {
    let copies = ask.headers.iter().any(|(name, _)| name == "x-amz-copy-source");
    let makes = ask.target.starts_with("/bucket/new");
    match name {
        "x-amz-tagging" | "x-amz-website-redirect-location" => makes,
        "x-amz-copy-source-server-side-encryption-customer-algorithm" => copies,
        customer if customer.starts_with("x-amz-server-side-encryption-customer-") => {
            makes || ask.target.contains("uploadId=")
        }
        _ => false,
    }
}

async fn with_object() -> World {
    let world = World::with_bucket().await;
    world.send(put("/bucket/k", "hello")).await;
    world
}

/// One object of five bytes, in a bucket without versions or uploads.
async fn assert_untouched(world: &World, after: &str) {
    let listed = world.send(get("/bucket?versions")).await;
    assert_eq!(listed.elements("Key"), ["k"], "{after}");
    assert_eq!(world.send(get("/bucket/k")).await.text(), "hello", "{after}");
    assert_eq!(world.send(get("/bucket?uploads")).await.elements("UploadId"), [""; 0], "{after}");
    let versioning = world.send(get("/bucket?versioning")).await;
    assert_eq!(versioning.text(), result("VersioningConfiguration", ""), "{after}");
    assert_eq!(world.send(get("/")).await.elements("Name"), ["bucket"], "{after}");
}

#[tokio::test]
async fn no_sub_resource_is_written_to() {
    let world = with_object().await;
    for name in SUB_RESOURCES {
        for method in ["PUT", "POST", "DELETE", "PATCH"] {
            for path in ["/bucket", "/bucket/k", "/bucket/new", "/new"] {
                let served = path.replace("/bucket/new", "/bucket/k").replace("/new", "/bucket");
                if SERVED.contains(&(method, &served, name)) {
                    continue;
                }
                for query in [(*name).to_owned(), format!("{name}=x"), format!("{name}&x-id=Put")] {
                    let body = if method == "DELETE" { "" } else { "<a/>" };
                    let ask = ask(method, &format!("{path}?{query}")).body(body);
                    assert_eq!(
                        world.refused(ask).await,
                        not_implemented(name),
                        "{method} {path}?{query}"
                    );
                }
            }
        }
    }
    assert_untouched(&world, "sub-resources").await;
}

#[tokio::test]
async fn no_sub_resource_is_written_to_by_link() {
    let world = with_object().await;
    for name in SUB_RESOURCES {
        for (method, key) in [("PUT", "k"), ("PUT", ""), ("DELETE", "k"), ("DELETE", "")] {
            let path = if key.is_empty() { "/bucket" } else { "/bucket/k" };
            if SERVED.contains(&(method, path, name)) {
                continue;
            }
            let link = world.link_with(method, key, &[], &[(name, "")]);
            let answer = world.send_raw(link).await;
            assert_eq!(answer.refusal(), not_implemented(name), "{method} {path}?{name}");
            // Added to a link that was made without it, it breaks the link.
            let mut added = world.link(method, key);
            added.target += &["&", name].concat();
            let refused = world.send_raw(added).await.refusal();
            assert!(refused.starts_with("403 <Code>SignatureDoesNotMatch</Code>"), "{refused}");
        }
    }
    assert_untouched(&world, "links").await;
}

#[tokio::test]
async fn two_sub_resources_at_once() {
    let world = with_object().await;
    for (query, message) in [
        ("acl&policy", "Conflicting query string parameters: acl, policy"),
        ("versioning&delete", "Conflicting query string parameters: delete, versioning"),
        ("uploads&uploadId=x", "Conflicting query string parameters: uploadId, uploads"),
    ] {
        let first = message.split(": ").nth(1).unwrap().split(',').next().unwrap();
        for method in ["GET", "PUT", "POST", "DELETE"] {
            for path in ["/bucket", "/bucket/k"] {
                assert_eq!(
                    world.refused(ask(method, &format!("{path}?{query}"))).await,
                    invalid_argument(message, "ResourceType", first),
                    "{method} {path}?{query}"
                );
            }
        }
    }
    assert_untouched(&world, "two at once").await;
}

#[tokio::test]
async fn no_meaning_is_ignored() {
    let world = with_object().await;
    for (name, value) in MEANINGS {
        let asks = [
            put("/bucket/new", "x"),
            put("/bucket/new", "").header("x-amz-copy-source", "/bucket/k"),
            ask("POST", "/bucket/new?uploads"),
            put("/bucket/k?partNumber=1&uploadId=x", "x"),
            ask("DELETE", "/bucket/k"),
            put("/new", ""),
            ask("DELETE", "/bucket"),
            put(
                "/bucket?versioning",
                "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
            ),
        ];
        for ask in asks {
            let what = format!("{name}: {} {}", ask.method, ask.target);
            // Whoever takes an ACL at all refuses it by its name.
            let takes_acl = ["/bucket/new", "/bucket/new?uploads", "/new"].contains(&&*ask.target);
            if honours(&ask, name) {
                continue;
            }
            let expected = if takes_acl && name.starts_with("x-amz-grant-") {
                NO_ACL.to_owned()
            } else {
                not_implemented(name)
            };
            let answer = world.send(ask.header(name, value)).await;
            assert_eq!(answer.refusal(), expected, "{what}");
        }
        if honours(&put("/bucket/new", "x"), name) {
            continue;
        }
        // Hoisted into a link it means the same.
        let link = world.link_with("PUT", "new", &[], &[(name, value)]).body("x");
        let grant = name.starts_with("x-amz-grant-");
        let expected = if grant { NO_ACL.to_owned() } else { not_implemented(name) };
        assert_eq!(world.send_raw(link).await.refusal(), expected, "{name} by link");
    }
    assert_untouched(&world, "meanings").await;
}

#[tokio::test]
async fn access_lists_are_disabled() {
    let world = with_object().await;
    // What is so anyway may be said: clients copy the list of one object to another.
    let own = world.send(get("/bucket/k?acl")).await;
    assert_eq!(world.send(put("/bucket/k?acl", own.text())).await.status, 200);
    assert_eq!(world.send(put("/bucket?acl", own.text())).await.status, 200);
    let private = put("/bucket/k?acl", "").header("x-amz-acl", "private");
    assert_eq!(world.send(private).await.status, 200);
    let others = own.text().replace("FULL_CONTROL", "READ");
    assert_eq!(world.refused(put("/bucket/k?acl", &others)).await, NO_ACL);
    for acl in ["public-read", "public-read-write", "authenticated-read", "nonsense"] {
        for ask in [put("/bucket/new", "x"), put("/new", ""), ask("POST", "/bucket/new?uploads")] {
            assert_eq!(
                world.refused(ask.header("x-amz-acl", acl)).await,
                "400 <Code>AccessControlListNotSupported</Code><Message>The bucket does not allow ACLs</Message>"
            );
        }
    }
    let delete = ask("DELETE", "/bucket/k").header("x-amz-acl", "private");
    assert_eq!(world.refused(delete).await, not_implemented("x-amz-acl"));
    assert_untouched(&world, "access lists").await;
    for acl in ["private", "bucket-owner-full-control"] {
        assert_eq!(
            world.send(put("/bucket/k", "hello").header("x-amz-acl", acl)).await.status,
            200
        );
    }
}

#[tokio::test]
async fn an_expected_owner_must_be_the_owner() {
    let world = with_object().await;
    let denied = "403 <Code>AccessDenied</Code><Message>Access Denied</Message>";
    let asks = || {
        [
            put("/bucket/k", "hello"),
            get("/bucket/k"),
            put("/bucket/k", "")
                .header("x-amz-copy-source", "/bucket/k")
                .header("x-amz-metadata-directive", "REPLACE"),
            get("/bucket"),
        ]
    };
    let name = "x-amz-expected-bucket-owner";
    for ask in asks() {
        assert_eq!(world.refused(ask.header(name, "111111111111")).await, denied);
    }
    for name in [name, "x-amz-source-expected-bucket-owner"] {
        for ask in asks() {
            assert_eq!(world.send(ask.header(name, "000000000000")).await.status, 200);
        }
    }
}

#[tokio::test]
async fn an_owner_that_could_be_none_is_refused() {
    let world = with_object().await;
    for owner in ["0000", "0000000000020", "abcd", "aa000000000$", "00000000000000000000"] {
        for name in ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"] {
            let expected = format!(
                "400 <Code>InvalidBucketOwnerAWSAccountID</Code><Message>The value of the expected bucket owner parameter must be an AWS Account ID... [{owner}]</Message>"
            );
            for ask in [get("/bucket/k"), put("/bucket/k", "x"), get("/bucket?policy")] {
                assert_eq!(world.refused(ask.header(name, owner)).await, expected);
            }
        }
    }
}

#[tokio::test]
async fn overrides_that_there_are_not() {
    let world = with_object().await;
    for name in ["response-x-amz-meta-a", "response-foo", "response-"] {
        let link = world.link_with("GET", "k", &[], &[(name, "v")]);
        assert_eq!(
            world.send_raw(link).await.refusal(),
            invalid_argument("This header of the response cannot be overridden.", name, "v")
        );
    }
}

#[tokio::test]
async fn methods_that_nobody_serves() {
    let world = with_object().await;
    let refused = |method: &str, resource: &str| {
        format!(
            "405 <Code>MethodNotAllowed</Code><Message>The specified method is not allowed against this resource.</Message><Method>{method}</Method><ResourceType>{resource}</ResourceType>"
        )
    };
    for method in ["POST", "PATCH", "TRACE", "CONNECT", "BREW", "get"] {
        for (path, resource) in [("/", "SERVICE"), ("/bucket", "BUCKET"), ("/bucket/k", "OBJECT")] {
            // What a bucket takes as a POST is a form.
            if (method, path) == ("POST", "/bucket") {
                continue;
            }
            let signed = ask(method, path);
            assert_eq!(world.refused(signed).await, refused(method, resource), "{method} {path}");
        }
    }
    for method in ["PUT", "DELETE"] {
        assert_eq!(world.refused(ask(method, "/")).await, refused(method, "SERVICE"));
    }
    assert_eq!(world.send(ask("HEAD", "/")).await.status, 405);
    assert_untouched(&world, "methods").await;
}

#[tokio::test]
async fn paths_of_our_own() {
    let world = with_object().await;
    for (path, status, body) in [
        ("/_valet/health/live", 200, "live\n"),
        ("/_valet/health/ready", 200, "ready\n"),
        ("/_valet", 404, "There is nothing at this path.\n"),
        ("/_valet/", 404, "There is nothing at this path.\n"),
        ("/_valet/console/", 404, "There is nothing at this path.\n"),
        ("/_valet/health/live/", 404, "There is nothing at this path.\n"),
        ("/_valet/health", 404, "There is nothing at this path.\n"),
    ] {
        for answer in [world.send_raw(get(path)).await, world.send(get(path)).await] {
            assert_eq!((answer.status, answer.text()), (status, body), "{path}");
            assert_eq!(answer.header("server"), "Valet");
        }
        let head = world.send_raw(ask("HEAD", path)).await;
        assert_eq!((head.status, head.text()), (status, ""));
        for method in ["PUT", "POST", "DELETE"] {
            let answer = world.send(ask(method, path)).await;
            let (expected, allow) = if status == 200 { (405, "GET, HEAD") } else { (404, "") };
            assert_eq!(
                (answer.status, answer.header("allow")),
                (expected, allow),
                "{method} {path}"
            );
        }
    }
    assert_eq!(
        world.send_raw(get("/_valet/metrics")).await.refusal(),
        "403 <Code>AccessDenied</Code><Message>Access Denied</Message>"
    );
    let metrics = world.send(get("/_valet/metrics")).await;
    assert_eq!(metrics.status, 200);
    assert!(
        metrics.text().contains("valet_requests_total{operation=\"PutObject\",status=\"200\"} 1\n")
    );
    assert!(metrics.text().ends_with("# EOF\n"));
    assert_eq!(world.send(ask("DELETE", "/_valet/metrics")).await.status, 405);
    // A bucket's name may begin alike, if it is a name at all.
    assert!(world.refused(get("/_valetx")).await.starts_with("400 <Code>InvalidBucketName</Code>"));
}

#[tokio::test]
async fn settings_that_nobody_has_made() {
    let world = with_object().await;
    let owner = presign::payload_hash(b"valet canonical user 000000000000");
    let acl = result(
        "AccessControlPolicy",
        &format!(
            "<Owner><ID>{owner}</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"><ID>{owner}</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList>"
        ),
    );
    let none = "<IsTruncated>false</IsTruncated>";
    let rows: Vec<(&str, String)> = vec![
        ("/bucket?acl", acl.clone()),
        ("/bucket/k?acl", acl),
        ("/bucket/k?tagging", result("Tagging", "<TagSet></TagSet>")),
        ("/bucket?accelerate", result("AccelerateConfiguration", "")),
        ("/bucket?logging", result("BucketLoggingStatus", "")),
        ("/bucket?notification", result("NotificationConfiguration", "")),
        (
            "/bucket?requestPayment",
            result("RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>"),
        ),
        (
            "/bucket?encryption",
            result(
                "ServerSideEncryptionConfiguration",
                "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule>",
            ),
        ),
        (
            "/bucket?ownershipControls",
            result(
                "OwnershipControls",
                "<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>",
            ),
        ),
        (
            "/bucket?publicAccessBlock",
            result(
                "PublicAccessBlockConfiguration",
                "<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets>",
            ),
        ),
        ("/bucket?analytics", result("ListBucketAnalyticsConfigurationResult", none)),
        ("/bucket?inventory", result("ListInventoryConfigurationsResult", none)),
        ("/bucket?metrics", result("ListMetricsConfigurationsResult", none)),
        (
            "/bucket?intelligent-tiering",
            result("ListBucketIntelligentTieringConfigurationsOutput", none),
        ),
    ];
    for (target, expected) in rows {
        assert_eq!(world.send(get(target)).await.text(), expected, "{target}");
        let (path, query) = target.split_once('?').unwrap();
        if path == "/bucket" {
            let missing = get(&format!("/missing?{query}"));
            assert_eq!(world.refused(missing).await, no_such_bucket("missing"), "{target}");
        } else {
            let missing = get(&format!("/bucket/none?{query}"));
            assert_eq!(world.refused(missing).await, no_such_key("none"), "{target}");
        }
    }
}

#[tokio::test]
async fn settings_that_are_missing() {
    let world = with_object().await;
    for (query, code, message) in [
        ("cors", "NoSuchCORSConfiguration", "The CORS configuration does not exist"),
        ("lifecycle", "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"),
        (
            "object-lock",
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
        ),
        ("policy", "NoSuchBucketPolicy", "The bucket policy does not exist"),
        ("policyStatus", "NoSuchBucketPolicy", "The bucket policy does not exist"),
        (
            "replication",
            "ReplicationConfigurationNotFoundError",
            "The replication configuration was not found",
        ),
        ("tagging", "NoSuchTagSet", "The TagSet does not exist"),
        (
            "website",
            "NoSuchWebsiteConfiguration",
            "The specified bucket does not have a website configuration",
        ),
        ("analytics&id=a", "NoSuchConfiguration", "The specified configuration does not exist."),
        ("inventory&id=a", "NoSuchConfiguration", "The specified configuration does not exist."),
        ("metrics&id=a", "NoSuchConfiguration", "The specified configuration does not exist."),
        (
            "intelligent-tiering&id=a",
            "NoSuchConfiguration",
            "The specified configuration does not exist.",
        ),
    ] {
        assert_eq!(
            world.refused(get(&format!("/bucket?{query}"))).await,
            format!(
                "404 <Code>{code}</Code><Message>{message}</Message><BucketName>bucket</BucketName>"
            )
        );
        assert_eq!(
            world.refused(get(&format!("/missing?{query}"))).await,
            no_such_bucket("missing")
        );
    }
    for query in ["legal-hold", "retention"] {
        assert_eq!(
            world.refused(get(&format!("/bucket/k?{query}"))).await,
            "400 <Code>InvalidRequest</Code><Message>Bucket is missing Object Lock Configuration</Message>"
        );
        assert_eq!(world.refused(get(&format!("/bucket/none?{query}"))).await, no_such_key("none"));
    }
    // Reads that have no unconfigured answer are refused like the writes.
    for target in [
        "/bucket?abac",
        "/bucket?session",
        "/bucket?metadataTable",
        "/bucket/k?torrent",
        "/bucket/k?restore",
        "/bucket/k?policy",
    ] {
        let name = target.split('?').nth(1).unwrap();
        assert_eq!(world.refused(get(target)).await, not_implemented(name));
    }
}

#[tokio::test]
async fn without_encryption_there_is_no_such_setting() {
    let world = World::with(crate::harness::config(), store::Encryption::Off).await;
    world.send(put("/bucket", "")).await;
    assert_eq!(
        world.refused(get("/bucket?encryption")).await,
        "404 <Code>ServerSideEncryptionConfigurationNotFoundError</Code><Message>The server side encryption configuration was not found</Message><BucketName>bucket</BucketName>"
    );
}

#[tokio::test]
async fn what_does_not_change_the_meaning_is_ignored() {
    let world = with_object().await;
    let harmless: Ask = get("/bucket/k?x-id=GetObject&unknown=1")
        .header("x-amz-request-payer", "requester")
        .header("x-amz-user-agent", "me")
        .header("x-amz-unknown", "1");
    assert_eq!(world.send(harmless).await.text(), "hello");
}
