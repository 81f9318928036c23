//! What was admitted to is no longer there when it is to be acted upon: another bucket has its name, or
//! another record stands at its key. Bodies that stop before their end hold the door open meanwhile.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::{Ask, World, ask, get, no_such_bucket, put, sha256};
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
        let answer = world.send_halting(ask.clone(), replace_bucket(&world)).await;
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
    let answer = world.send_halting(put("/bucket/k", "hello"), deleted).await;
    assert_eq!(answer.refusal(), no_such_bucket("bucket"));
}

#[tokio::test]
async fn a_form_that_one_bucket_admitted_is_not_stored_in_the_next() {
    let world = World::with_bucket().await;
    let form = world.form("up/k");
    let answer = world.send_raw_halting(form.ask(), replace_bucket(&world)).await;
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
    let answer = world.send_halting(part, replace_bucket(&world)).await;
    assert_eq!(answer.element("Code"), "NoSuchUpload");
    assert_untouched(&world, "part").await;

    let upload = begin().await;
    let part = put(&format!("{}&partNumber=1", of(&upload)), "hello");
    assert_eq!(world.send(part).await.status, 200);
    let document = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>5d41402abc4b2a76b9719d911017c592</ETag></Part></CompleteMultipartUpload>";
    let complete = ask("POST", &of(&upload)).body(document);
    let answer = world.send_halting(complete, replace_bucket(&world)).await;
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
        let answer = world.send_halting(ask, meanwhile).await;
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
    let answer = world.send_halting(put("/bucket?policy", public), meanwhile).await;
    assert_eq!(answer.element("Code"), "AccessDenied", "{}", answer.text());
    let policy = world.send(get("/bucket?policy")).await;
    assert_eq!(policy.element("Code"), "NoSuchBucketPolicy");

    let rule = |blocked: &str| {
        let rule = format!(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>{blocked}</Rule></ServerSideEncryptionConfiguration>"
        );
        put("/bucket?encryption", &rule)
    };
    let blocked = "<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>";
    let meanwhile = async { assert_eq!(world.send(rule(blocked)).await.status, 200) };
    assert_eq!(world.send_halting(rule(""), meanwhile).await.status, 200);
    let told = world.send(get("/bucket?encryption")).await;
    assert_eq!(told.element("EncryptionType"), "SSE-C");
}
