//! What was admitted to is no longer there when it is to be acted upon: another bucket has its name, or
//! another record stands at its key. Bodies that stop before their end keep the request going meanwhile.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::{Ask, World, ask, get, no_such_bucket, no_such_key, put, sha256};
use crate::people::policy;

/// Makes the bucket anew: the old one is empty.
async fn replace_bucket(world: &World) {
    assert_eq!(world.send(ask("DELETE", "/bucket")).await.status, 204);
    assert_eq!(world.send(put("/bucket", "")).await.status, 200);
}

/// Whether the bucket is as any new one, as far as the calls of these tests could change it.
async fn assert_untouched(world: &World, what: &str) {
    let listed = world.send(get("/bucket?versions")).await;
    assert!(!listed.text().contains("<Key>"), "{what}: {}", listed.text());
    let uploads = world.send(get("/bucket?uploads")).await;
    assert!(!uploads.text().contains("<Upload>"), "{what}: {}", uploads.text());
    let settings = [
        ("policy", "NoSuchBucketPolicy"),
        ("cors", "NoSuchCORSConfiguration"),
        ("tagging", "NoSuchTagSet"),
    ];
    for (setting, code) in settings {
        let answer = world.send(get(&format!("/bucket?{setting}"))).await;
        assert_eq!(answer.element("Code"), code, "{what}");
    }
    let versioning = world.send(get("/bucket?versioning")).await;
    assert_eq!(versioning.element("Status"), "", "{what}");
    let block = world.send(get("/bucket?publicAccessBlock")).await;
    assert_eq!(block.element("BlockPublicPolicy"), "true", "{what}");
    let encryption = world.send(get("/bucket?encryption")).await;
    assert_eq!(encryption.element("BucketKeyEnabled"), "false", "{what}");
}

fn digested(ask: Ask) -> Ask {
    let digest = STANDARD.encode(sha256(&ask.body));
    ask.header("x-amz-checksum-sha256", &digest)
}

#[tokio::test]
async fn what_one_bucket_admitted_is_not_done_to_the_next() {
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:root"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}]}"#;
    let rows = [
        ("PUT /bucket/k", "hello"),
        ("PUT /bucket?policy", policy),
        (
            "PUT /bucket?versioning",
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
        ),
        (
            "PUT /bucket?cors",
            "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>",
        ),
        (
            "PUT /bucket?encryption",
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>",
        ),
        (
            "PUT /bucket?tagging",
            "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
        ),
        (
            "PUT /bucket?publicAccessBlock",
            "<PublicAccessBlockConfiguration></PublicAccessBlockConfiguration>",
        ),
        (
            "PUT /bucket?ownershipControls",
            "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>",
        ),
    ];
    for (request, body) in rows {
        let world = World::with_bucket().await;
        let (method, target) = request.split_once(' ').unwrap();
        let ask = digested(ask(method, target).body(body.to_owned()));
        let answer = world.send_halting(ask.clone(), Box::pin(replace_bucket(&world))).await;
        assert_eq!(answer.refusal(), no_such_bucket("bucket"), "{request}");
        assert_untouched(&world, request).await;
        // The very same is taken when nobody is in between.
        let answer = world.send_halting(ask, async {}).await;
        assert!(answer.status < 300, "{request}: {}", answer.status);
    }
}

#[tokio::test]
async fn the_name_alone_does_not_admit() {
    // The bucket is gone, and nobody has its name.
    let world = World::with_bucket().await;
    let deleted = async { assert_eq!(world.send(ask("DELETE", "/bucket")).await.status, 204) };
    let answer = world.send_halting(put("/bucket/k", "hello"), Box::pin(deleted)).await;
    assert_eq!(answer.refusal(), no_such_bucket("bucket"));
}

#[tokio::test]
async fn a_form_that_one_bucket_admitted_is_not_stored_in_the_next() {
    let world = World::with_bucket().await;
    let form = world.form("up/k");
    let answer = world.send_raw_halting(form.ask(), Box::pin(replace_bucket(&world))).await;
    assert_eq!(answer.refusal(), no_such_bucket("bucket"));
    assert_untouched(&world, "form").await;
    let answer = world.send_raw_halting(form.ask(), async {}).await;
    assert_eq!(answer.status, 204);
}

#[tokio::test]
async fn parts_and_completions_of_a_bucket_that_is_gone() {
    let world = World::with_bucket().await;
    let begin = async || world.send(ask("POST", "/bucket/k?uploads")).await.element("UploadId");
    let of = |upload: &str| format!("/bucket/k?uploadId={upload}");

    let upload = begin().await;
    let part = put(&format!("{}&partNumber=1", of(&upload)), "hello");
    let answer = world.send_halting(part, Box::pin(replace_bucket(&world))).await;
    assert_eq!(answer.element("Code"), "NoSuchUpload");
    assert_untouched(&world, "part").await;

    let upload = begin().await;
    let part = put(&format!("{}&partNumber=1", of(&upload)), "hello");
    assert_eq!(world.send(part).await.status, 200);
    let document = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>5d41402abc4b2a76b9719d911017c592</ETag></Part></CompleteMultipartUpload>";
    let complete = ask("POST", &of(&upload)).body(document);
    let answer = world.send_halting(complete, Box::pin(replace_bucket(&world))).await;
    assert_eq!(answer.refusal(), no_such_bucket("bucket"));
    assert_untouched(&world, "completion").await;
}

/// Nothing of the next bucket goes because of what the old one's owner was asked.
#[tokio::test]
async fn deletes_and_tags_that_one_bucket_admitted_do_not_touch_the_next() {
    let delete = "<Delete><Object><Key>k</Key></Object></Delete>";
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    for (request, body) in [("POST /bucket?delete", delete), ("PUT /bucket/k?tagging", tags)] {
        let world = World::with_bucket().await;
        let meanwhile = async {
            replace_bucket(&world).await;
            assert_eq!(world.send(put("/bucket/k", "theirs")).await.status, 200);
        };
        let (method, target) = request.split_once(' ').unwrap();
        let ask = digested(ask(method, target).body(body.to_owned()));
        let answer = world.send_halting(ask, Box::pin(meanwhile)).await;
        assert_eq!(answer.element("Code"), "NoSuchBucket", "{request}: {}", answer.text());
        let kept = world.send(get("/bucket/k")).await;
        assert_eq!((kept.status, kept.text()), (200, "theirs"), "{request}");
        assert_eq!(kept.header("x-amz-tagging-count"), "", "{request}");
    }
}

/// Who may read and tag only what is tagged as open never sees what is not, however fast its owner
/// writes one over the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_or_tagged_has_the_tags_that_were_judged() {
    let world = Arc::new(World::with_bucket().await);
    let open = r#"{"Effect":"Allow","Action":["s3:GetObject","s3:PutObjectTagging"],"Resource":"*","Condition":{"StringEquals":{"s3:ExistingObjectTag/class":"open"}}}"#;
    let ann = world.user("ann", &policy(open)).await;
    let put_as =
        |class: &str| put("/bucket/k", class).header("x-amz-tagging", &format!("class={class}"));
    let puts = [put_as("secret"), put_as("open")];
    world.send(put_as("open")).await;
    let tags = "<Tagging><TagSet><Tag><Key>class</Key><Value>open</Value></Tag></TagSet></Tagging>";
    let tag = digested(put("/bucket/k?tagging", tags));
    let (here, ann_here) = (Arc::clone(&world), ann.clone());
    let owner = tokio::spawn(async move {
        for put in puts.iter().cycle().take(400) {
            assert_eq!(here.send(put.clone()).await.status, 200);
        }
    });
    let here = Arc::clone(&world);
    let tagger = tokio::spawn(async move {
        for _ in 0..400 {
            let told = here.send_as(&ann_here, tag.clone()).await;
            assert!([200, 403, 409].contains(&told.status), "{}", told.text());
        }
    });
    let reader = tokio::spawn(async move {
        for _ in 0..800 {
            let read = world.send_as(&ann, get("/bucket/k")).await;
            assert!(read.status == 403 || read.text() == "open", "{}", read.text());
        }
    });
    for task in [owner, tagger, reader] {
        task.await.unwrap();
    }
}

/// What an owner refuses is refused to documents that were on their way, too.
#[tokio::test]
async fn what_is_blocked_while_a_document_is_sent() {
    let world = World::with_bucket().await;
    assert_eq!(world.send(ask("DELETE", "/bucket?publicAccessBlock")).await.status, 204);
    let public = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}]}"#;
    let block = "<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy></PublicAccessBlockConfiguration>";
    let meanwhile = async {
        assert_eq!(world.send(put("/bucket?publicAccessBlock", block)).await.status, 200);
    };
    let answer = world.send_halting(put("/bucket?policy", public), Box::pin(meanwhile)).await;
    assert_eq!(answer.element("Code"), "AccessDenied", "{}", answer.text());
    let policy = world.send(get("/bucket?policy")).await;
    assert_eq!(policy.element("Code"), "NoSuchBucketPolicy");

    let rule = |blocked: &str| {
        let rule = format!(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>{blocked}</Rule></ServerSideEncryptionConfiguration>"
        );
        put("/bucket?encryption", &rule)
    };
    let blocked =
        "<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>";
    let meanwhile = async { assert_eq!(world.send(rule(blocked)).await.status, 200) };
    assert_eq!(world.send_halting(rule(""), Box::pin(meanwhile)).await.status, 200);
    let told = world.send(get("/bucket?encryption")).await;
    assert_eq!(told.element("EncryptionType"), "SSE-C");
}

/// A cap of bytes is one of what is stored, whatever was announced of the request.
#[tokio::test]
async fn a_cap_of_bytes_counts_what_is_stored() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/five", "hello")).await;
    world.send(put("/bucket/six", "hello!")).await;
    let read = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}"#;
    let cap = r#"{"Effect":"Allow","Action":"s3:PutObject","Resource":"*","Condition":{"NumericLessThanEquals":{"valet:ContentLength":"5"}}}"#;
    let ann = world.user("ann", &policy(&format!("{read},{cap}"))).await;
    let copy = |target: &str, source: &str| put(target, "").header("x-amz-copy-source", source);
    let upload = world.send(ask("POST", "/bucket/k?uploads")).await.element("UploadId");
    let part = format!("/bucket/k?uploadId={upload}&partNumber=1");
    let ranged = |range: &str| copy(&part, "/bucket/six").header("x-amz-copy-source-range", range);
    let rows = [
        ("a PUT", put("/bucket/k", "hello"), 200),
        ("a PUT", put("/bucket/k", "hello!"), 403),
        (
            "a plain PUT that claims chunks",
            put("/bucket/k", "hello!").header("x-amz-decoded-content-length", "5"),
            403,
        ),
        ("a copy", copy("/bucket/k", "/bucket/five"), 200),
        ("a copy", copy("/bucket/k", "/bucket/six"), 403),
        (
            "a copy that claims a length",
            copy("/bucket/k", "/bucket/six").header("x-amz-decoded-content-length", "1"),
            403,
        ),
        ("a copy of nothing", copy("/bucket/k", "/bucket/none"), 403),
        ("a part", put(&part, "hello"), 200),
        ("a part", put(&part, "hello!"), 403),
        ("a copied part", copy(&part, "/bucket/five"), 200),
        ("a copied part", copy(&part, "/bucket/six"), 403),
        ("a range", ranged("bytes=0-4"), 200),
        ("a range", ranged("bytes=0-5"), 403),
    ];
    for (what, ask, expected) in rows {
        let answer = world.send_as(&ann, ask.clone()).await;
        assert_eq!(answer.status, expected, "{what}: {}", answer.text());
    }
    let listing = r#"{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}"#;
    world.put_user_policy("ann", &policy(&format!("{read},{cap},{listing}"))).await;
    let missing = world.send_as(&ann, copy("/bucket/k", "/bucket/none")).await;
    assert_eq!(missing.refusal(), no_such_key("none"));
}

/// A completion stores what its parts are together.
#[tokio::test]
async fn a_cap_of_bytes_counts_the_parts_of_a_completion() {
    let world = World::with_bucket().await;
    let cap = |bytes: u32| {
        policy(&format!(
            r#"{{"Effect":"Allow","Action":"s3:PutObject","Resource":"*","Condition":{{"NumericLessThanEquals":{{"valet:ContentLength":"{bytes}"}}}}}}"#
        ))
    };
    let ann = world.user("ann", &cap(5_242_884)).await;
    let upload = world.send(ask("POST", "/bucket/k?uploads")).await.element("UploadId");
    let of = format!("/bucket/k?uploadId={upload}");
    let mut parts = String::new();
    for (number, size) in [(1, 5 * 1024 * 1024), (2, 5)] {
        let part = put(&format!("{of}&partNumber={number}"), &"a".repeat(size));
        let etag = world.send(part).await.header("etag").to_owned();
        let part = format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
        parts.push_str(&part);
    }
    let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let complete = ask("POST", &of).body(document);
    assert_eq!(world.send_as(&ann, complete.clone()).await.status, 403);
    assert_eq!(world.send(get("/bucket/k")).await.status, 404);
    world.put_user_policy("ann", &cap(5_242_885)).await;
    assert_eq!(world.send_as(&ann, complete).await.status, 200);
}
