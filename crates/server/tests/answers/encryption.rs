//! How a bucket says that new bodies are kept.

use crate::harness::{Ask, World, ask, config, get, no_such_bucket, not_implemented, put, result};
use crate::people::policy;

const MALFORMED: &str = "400 <Code>MalformedXML</Code><Message>The XML you provided was not well-formed or did not validate against our published schema</Message>";
const AES256: &str = "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>";

fn configuration(rules: &str) -> String {
    result("ServerSideEncryptionConfiguration", rules)
}

fn set(rule: &str) -> Ask {
    put("/bucket?encryption", &configuration(&format!("<Rule>{rule}</Rule>")))
}

fn blocked(kind: &str) -> String {
    format!(
        "<BlockedEncryptionTypes><EncryptionType>{kind}</EncryptionType></BlockedEncryptionTypes>"
    )
}

/// The rule that a bucket has, as it tells it.
async fn rule(world: &World) -> String {
    let answer = world.send(get("/bucket?encryption")).await;
    if answer.status == 404 { "none".to_owned() } else { answer.element("Rule") }
}

#[tokio::test]
async fn what_is_set_is_told() {
    let world = World::with_bucket().await;
    let key = |enabled: bool| format!("<BucketKeyEnabled>{enabled}</BucketKeyEnabled>");
    let none = format!("{AES256}{}", key(false));
    assert_eq!(rule(&world).await, none);
    for (given, expected) in [
        (AES256.to_owned(), none.clone()),
        (format!("{AES256}{}", key(true)), format!("{AES256}{}", key(true))),
        (key(false), none.clone()),
        (blocked("SSE-C"), format!("{AES256}{}{}", blocked("SSE-C"), key(false))),
        // Not said again, it is as it was.
        (AES256.to_owned(), format!("{AES256}{}{}", blocked("SSE-C"), key(false))),
        (blocked("NONE"), format!("{AES256}{}{}", blocked("NONE"), key(false))),
    ] {
        let answer = world.send(set(&given)).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{given}");
        assert_eq!(rule(&world).await, expected, "{given}");
    }
    world.send(set(&format!("{}{}", blocked("SSE-C"), key(true)))).await;
    for _ in 0..2 {
        let answer = world.send(ask("DELETE", "/bucket?encryption")).await;
        assert_eq!((answer.status, answer.body.len()), (204, 0));
        assert_eq!(rule(&world).await, format!("{AES256}{}{}", blocked("SSE-C"), key(false)));
    }
}

#[tokio::test]
async fn what_cannot_be_set() {
    let world = World::with_bucket().await;
    let by_default = |inner: &str| {
        format!("<ApplyServerSideEncryptionByDefault>{inner}</ApplyServerSideEncryptionByDefault>")
    };
    for algorithm in ["aws:kms", "aws:kms:dsse", "aws:fsx", "aws:backup"] {
        let inner =
            format!("<SSEAlgorithm>{algorithm}</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>");
        assert_eq!(world.refused(set(&by_default(&inner))).await, not_implemented("SSEAlgorithm"));
    }
    let with_key = "<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>";
    assert_eq!(
        world.refused(set(&by_default(with_key))).await,
        "400 <Code>InvalidArgument</Code><Message>a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse</Message><ArgumentName>ApplyServerSideEncryptionByDefault</ArgumentName>"
    );
    for rule in [
        by_default("<SSEAlgorithm>AES512</SSEAlgorithm>"),
        by_default(""),
        blocked("SSE-S3"),
        "<BlockedEncryptionTypes/>".to_owned(),
        blocked("NONE").replace("</Bl", "<EncryptionType>SSE-C</EncryptionType></Bl"),
        "<BucketKeyEnabled>maybe</BucketKeyEnabled>".to_owned(),
    ] {
        assert_eq!(world.refused(set(&rule)).await, MALFORMED, "{rule}");
    }
    let rule = format!("<Rule>{AES256}</Rule>");
    for rules in ["", &rule.repeat(2)] {
        assert_eq!(
            world.refused(put("/bucket?encryption", &configuration(rules))).await,
            MALFORMED
        );
    }
    let refused = world.refused(put("/bucket?encryption", "")).await;
    assert!(refused.starts_with("400 <Code>MissingRequestBodyError</Code>"), "{refused}");
    let wrong = set(AES256).header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==");
    assert!(world.refused(wrong).await.starts_with("400 <Code>BadDigest</Code>"));
    // Whether the bucket is there is asked before the document is.
    for ask in [put("/missing?encryption", ""), ask("DELETE", "/missing?encryption")] {
        assert_eq!(world.refused(ask).await, no_such_bucket("missing"));
    }
}

#[tokio::test]
async fn setting_it_needs_a_permission() {
    let world = World::with_bucket().await;
    let allow = r#"{"Effect":"Allow","Action":"s3:GetEncryptionConfiguration","Resource":"*"}"#;
    let ann = world.user("ann", &policy(allow)).await;
    assert_eq!(world.send_as(&ann, get("/bucket?encryption")).await.status, 200);
    for ask in [set(AES256), ask("DELETE", "/bucket?encryption")] {
        let refused = world.send_as(&ann, ask).await.refusal();
        assert!(refused.contains("to perform: s3:PutEncryptionConfiguration on"), "{refused}");
    }
}

#[tokio::test]
async fn without_encryption_a_bucket_may_ask_for_it() {
    let world = World::with(config(), store::Encryption::Off).await;
    world.send(put("/bucket", "")).await;
    let header = "x-amz-server-side-encryption";
    let writes = || {
        [
            put("/bucket/put", "x"),
            put("/bucket/copy", "").header("x-amz-copy-source", "/bucket/source"),
            ask("POST", "/bucket/parts?uploads"),
        ]
    };
    world.send(put("/bucket/source", "x")).await;
    for ask in writes() {
        assert!(!world.send(ask).await.headers.contains_key(header));
    }
    assert_eq!(rule(&world).await, "none");
    assert_eq!(world.send(set(AES256)).await.status, 200);
    assert_eq!(rule(&world).await, format!("{AES256}<BucketKeyEnabled>false</BucketKeyEnabled>"));
    for ask in writes() {
        assert_eq!(world.send(ask).await.header(header), "AES256");
    }
    for key in ["put", "copy"] {
        let read = world.send(get(&format!("/bucket/{key}"))).await;
        assert_eq!((read.text(), read.header(header)), ("x", "AES256"));
    }
    // What is there stays as it is.
    assert!(!world.send(get("/bucket/source")).await.headers.contains_key(header));
    world.send(ask("DELETE", "/bucket?encryption")).await;
    assert_eq!(rule(&world).await, "none");
    assert!(!world.send(put("/bucket/put", "x")).await.headers.contains_key(header));
    // A block alone is told without a default.
    world.send(set(&blocked("SSE-C"))).await;
    assert_eq!(
        rule(&world).await,
        format!("{}<BucketKeyEnabled>false</BucketKeyEnabled>", blocked("SSE-C"))
    );
}
