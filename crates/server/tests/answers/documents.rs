//! Documents that requests bring: which must come with a digest, and how long each may be
//! (semantics 6.6.7, 6.6.8).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::{Ask, World, ask, get, invalid_request, put, sha256};

/// Than a document may take to come.
const LONGER: Duration = Duration::from_secs(61);
const SHORTER: Duration = Duration::from_secs(50);

/// Whether a call is refused without a digest of its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digest {
    Demanded,
    Welcome,
}

/// The document, made so long by white space before its end.
fn padded(document: &str, bytes: usize) -> String {
    let (start, end) = document.rsplit_once("</").unwrap();
    let document = format!("{start}{}</{end}", " ".repeat(bytes - document.len()));
    assert_eq!(document.len(), bytes);
    document
}

fn digested(ask: Ask) -> Ask {
    let digest = STANDARD.encode(sha256(&ask.body));
    ask.header("x-amz-checksum-sha256", &digest)
}

#[tokio::test]
async fn lengths_and_digests() {
    use Digest::{Demanded, Welcome};
    let world = World::with_bucket().await;
    world.send(put("/bucket/k", "hello")).await;
    let upload = world.send(ask("POST", "/bucket/parts?uploads")).await.element("UploadId");
    let part = format!("/bucket/parts?uploadId={upload}");
    assert_eq!(world.send(put(&format!("{part}&partNumber=1"), "hello")).await.status, 200);
    let completion = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>5d41402abc4b2a76b9719d911017c592</ETag></Part></CompleteMultipartUpload>";
    let tagging = "<Tagging><TagSet></TagSet></Tagging>";
    let rows = [
        (
            "PUT /bucket?versioning",
            "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>",
            1024,
            Welcome,
        ),
        (
            "PUT /bucket?ownershipControls",
            "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>",
            2048,
            Welcome,
        ),
        (
            "PUT /bucket?cors",
            "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>",
            65_536,
            Demanded,
        ),
        ("PUT /bucket?tagging", tagging, 163_840, Demanded),
        ("PUT /bucket/k?tagging", tagging, 163_840, Demanded),
        (
            "POST /bucket?delete",
            "<Delete><Object><Key>none</Key></Object></Delete>",
            2_048_000,
            Demanded,
        ),
        (
            "PUT /bucket?encryption",
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
            2_097_152,
            Welcome,
        ),
        (
            "PUT /bucket?publicAccessBlock",
            "<PublicAccessBlockConfiguration></PublicAccessBlockConfiguration>",
            2_097_152,
            Welcome,
        ),
        (&format!("POST {part}"), completion, 2_621_440, Welcome),
    ];
    for (request, document, bytes_max, digest) in rows {
        let (method, target) = request.split_once(' ').unwrap();
        let of = |bytes| ask(method, target).body(padded(document, bytes));
        let long = format!(
            "400 <Code>MaxMessageLengthExceeded</Code><Message>Your request was too big.</Message><MaxMessageLengthBytes>{bytes_max}</MaxMessageLengthBytes>"
        );
        assert_eq!(world.refused(digested(of(bytes_max + 1))).await, long, "{request}");
        let bare = world.send(of(bytes_max)).await;
        let taken = if digest == Demanded {
            let missing =
                "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
            assert_eq!(bare.refusal(), invalid_request(missing), "{request}");
            world.send(digested(of(bytes_max))).await
        } else {
            bare
        };
        assert!(matches!(taken.status, 200 | 204), "{request}: {}", taken.text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_that_takes_its_time_takes_no_effect() {
    let world = World::with_bucket().await;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}]}"#;
    let tagging = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";
    let accounts = "/_valet/api/v1/accounts";
    let rows = [
        (put("/bucket?policy", policy), get("/bucket?policy")),
        (digested(put("/bucket?tagging", tagging)), get("/bucket?tagging")),
        (
            ask("POST", accounts).body(r#"{"name":"slow","id":"123456789012"}"#),
            get("/_valet/api/v1/accounts/123456789012"),
        ),
    ];
    for (slow, effect) in rows {
        let late = world.send_halting(slow.clone(), tokio::time::sleep(LONGER)).await;
        assert_eq!(late.status, 400, "{}: {}", slow.target, late.text());
        assert!(late.text().contains("RequestTimeout"), "{}: {}", slow.target, late.text());
        assert_eq!(world.send(effect.clone()).await.status, 404, "{}", slow.target);
        let in_time = world.send_halting(slow.clone(), tokio::time::sleep(SHORTER)).await;
        assert!(in_time.status < 300, "{}: {}", slow.target, in_time.text());
        assert_eq!(world.send(effect).await.status, 200, "{}", slow.target);
    }
}
