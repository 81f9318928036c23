//! Documents that requests bring: which must come with a digest, and how long each may be
//! (semantics 6.6.7, 6.6.8).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::{Ask, World, ask, invalid_request, put, sha256};

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
