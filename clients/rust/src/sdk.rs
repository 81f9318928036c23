//! Scenarios of `aws-sdk-s3`.

use anyhow::{Context, Result};
use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use serde_json::{Value, json};
use std::time::Duration;

const LINK_LIFE: Duration = Duration::from_secs(600);
const PART_SIZE: usize = 5 * 1024 * 1024;

async fn client() -> Client {
    Client::new(&aws_config::load_from_env().await)
}

/// Puts a body from memory with metadata and reads it back.
pub async fn put_get(bucket: &str, key: &str) -> Result<Value> {
    let client = client().await;
    let body = b"from aws-sdk-s3".to_vec();
    let put = client
        .put_object()
        .bucket(bucket)
        .key(key)
        .content_type("text/plain")
        .metadata("origin", "rust")
        .body(ByteStream::from(body.clone()))
        .send()
        .await?;
    let got = client.get_object().bucket(bucket).key(key).send().await?;
    let content_type = got.content_type().map(str::to_owned);
    let metadata = got.metadata().cloned();
    let etag = got.e_tag().map(str::to_owned);
    let checksum = got.checksum_crc32().map(str::to_owned);
    let same = got.body.collect().await?.into_bytes() == body;
    Ok(json!({
        "put_etag": put.e_tag(),
        "put_crc32": put.checksum_crc32(),
        "etag": etag,
        "crc32": checksum,
        "content_type": content_type,
        "metadata": metadata,
        "same": same,
    }))
}

/// Puts a body that streams from a file (over TLS the checksum travels as a trailer).
pub async fn put_file(bucket: &str, key: &str, path: &str) -> Result<Value> {
    let client = client().await;
    let body = ByteStream::from_path(path).await?;
    let put = client.put_object().bucket(bucket).key(key).body(body).send().await?;
    let got = client.get_object().bucket(bucket).key(key).send().await?;
    let same = got.body.collect().await?.into_bytes() == read_file(path)?;
    Ok(json!({ "put_crc32": put.checksum_crc32(), "same": same }))
}

/// What an upload is completed with.
#[derive(Clone, Copy)]
pub enum Complete {
    /// The number and ETag of each part.
    ByETag,
    /// Also the checksum of each part, under the algorithm that the upload was created with.
    ByChecksum,
}

/// Uploads a file in parts of 5 MiB and reads it back.
pub async fn multipart(bucket: &str, key: &str, path: &str, complete: Complete) -> Result<Value> {
    let client = client().await;
    let bytes = read_file(path)?;
    let algorithm = match complete {
        Complete::ByETag => None,
        Complete::ByChecksum => Some(ChecksumAlgorithm::Crc32),
    };
    let created = client
        .create_multipart_upload()
        .bucket(bucket)
        .key(key)
        .set_checksum_algorithm(algorithm)
        .send()
        .await?;
    let upload_id = created.upload_id().context("the answer names no upload")?;
    let mut parts = Vec::new();
    for (number, chunk) in (1..).zip(bytes.chunks(PART_SIZE)) {
        let part = client
            .upload_part()
            .bucket(bucket)
            .key(key)
            .upload_id(upload_id)
            .part_number(number)
            .body(ByteStream::from(chunk.to_vec()))
            .send()
            .await?;
        let checksum = match complete {
            Complete::ByETag => None,
            Complete::ByChecksum => part.checksum_crc32().map(str::to_owned),
        };
        parts.push(
            CompletedPart::builder()
                .part_number(number)
                .set_e_tag(part.e_tag().map(str::to_owned))
                .set_checksum_crc32(checksum)
                .build(),
        );
    }
    let done = client
        .complete_multipart_upload()
        .bucket(bucket)
        .key(key)
        .upload_id(upload_id)
        .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
        .send()
        .await?;
    let got = client.get_object().bucket(bucket).key(key).send().await?;
    let same = got.body.collect().await?.into_bytes() == bytes;
    Ok(json!({ "etag": done.e_tag(), "same": same }))
}

/// Makes a GET and a PUT link at the defaults; the caller uses them.
pub async fn presign(bucket: &str, key: &str) -> Result<Value> {
    let client = client().await;
    let life = || PresigningConfig::expires_in(LINK_LIFE);
    let get = client.get_object().bucket(bucket).key(key).presigned(life()?).await?;
    let put = client.put_object().bucket(bucket).key(key).presigned(life()?).await?;
    let put_typed = client
        .put_object()
        .bucket(bucket)
        .key(key)
        .content_type("text/x-rust")
        .metadata("origin", "link")
        .presigned(life()?)
        .await?;
    Ok(json!({ "get": link(&get), "put": link(&put), "put_typed": link(&put_typed) }))
}

/// Begins an upload and makes the link of its one part; the caller uses it.
pub async fn presign_part(bucket: &str, key: &str) -> Result<Value> {
    let client = client().await;
    let begun = client.create_multipart_upload().bucket(bucket).key(key).send().await?;
    let upload_id = begun.upload_id().context("no upload id")?;
    let part = client.upload_part().bucket(bucket).key(key).upload_id(upload_id).part_number(1);
    let part = part.presigned(PresigningConfig::expires_in(LINK_LIFE)?).await?;
    Ok(json!({ "upload_id": upload_id, "part": link(&part) }))
}

/// Makes links with limits that only Valet keeps; the caller uses them.
pub async fn limited_links(bucket: &str, key: &str) -> Result<Value> {
    let client = client().await;
    let [get, put] = crate::limits::limited_links(&client, bucket, key).await?;
    let [another, _] = crate::limits::limited_links(&client, bucket, key).await?;
    Ok(json!({ "get": link(&get), "put": link(&put), "another": link(&another) }))
}

fn link(request: &PresignedRequest) -> Value {
    let headers: Vec<(&str, &str)> = request.headers().collect();
    json!({ "method": request.method(), "url": request.uri(), "headers": headers })
}

fn read_file(path: &str) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.to_owned())
}
