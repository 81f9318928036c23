//! Scenarios of the `object_store` crate.

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::TryStreamExt;
use http::Method;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion,
};
use serde_json::{Value, json};
use std::time::Duration;

const LINK_LIFE: Duration = Duration::from_secs(600);
const PART_SIZE: usize = 5 * 1024 * 1024;

fn store(bucket: &str) -> Result<AmazonS3> {
    Ok(AmazonS3Builder::from_env().with_bucket_name(bucket).build()?)
}

/// Put, conditional put, get, range, head, list, list with delimiter, copy, delete.
pub async fn objects(bucket: &str, key: &str) -> Result<Value> {
    let store = store(bucket)?;
    let path = Path::from(key);
    let first = store.put(&path, PutPayload::from_static(b"0123456789")).await?;
    let create = PutOptions::from(PutMode::Create);
    let refused = store.put_opts(&path, PutPayload::from_static(b"no"), create).await;
    let update = PutMode::Update(UpdateVersion::from(first));
    let updated = store
        .put_opts(&path, PutPayload::from_static(b"abcdefghij"), PutOptions::from(update.clone()))
        .await?;
    let stale =
        store.put_opts(&path, PutPayload::from_static(b"stale"), PutOptions::from(update)).await;
    let body = store.get(&path).await?.bytes().await?;
    let range = store.get_range(&path, 2..5).await?;
    let head = store.head(&path).await?;
    let copy = Path::from(format!("{key}.d/copy"));
    store.copy(&path, &copy).await?;
    let listed: Vec<String> =
        store.list(None).map_ok(|object| object.location.to_string()).try_collect().await?;
    let delimited = store.list_with_delimiter(None).await?;
    store.delete(&copy).await?;
    let missing = store.get(&copy).await;
    Ok(json!({
        "create_on_existing": name(refused.err()),
        "stale_update": name(stale.err()),
        "updated_etag": updated.e_tag,
        "head_etag": head.e_tag,
        "size": head.size,
        "body": String::from_utf8_lossy(&body),
        "range": String::from_utf8_lossy(&range),
        "listed": listed,
        "prefixes": delimited.common_prefixes.iter().map(Path::to_string).collect::<Vec<_>>(),
        "after_delete": name(missing.err()),
    }))
}

/// Uploads a file in parts of 5 MiB and reads it back.
pub async fn multipart(bucket: &str, key: &str, file: &str) -> Result<Value> {
    let store = store(bucket)?;
    let path = Path::from(key);
    let bytes = std::fs::read(file).with_context(|| file.to_owned())?;
    let mut upload = store.put_multipart(&path).await?;
    for chunk in bytes.chunks(PART_SIZE) {
        upload.put_part(PutPayload::from(Bytes::copy_from_slice(chunk))).await?;
    }
    let done = upload.complete().await?;
    let same = store.get(&path).await?.bytes().await? == bytes;
    Ok(json!({ "etag": done.e_tag, "same": same }))
}

/// Makes a GET and a PUT link; the caller uses them.
pub async fn signed_urls(bucket: &str, key: &str) -> Result<Value> {
    let store = store(bucket)?;
    let path = Path::from(key);
    let get = store.signed_url(Method::GET, &path, LINK_LIFE).await?;
    let put = store.signed_url(Method::PUT, &path, LINK_LIFE).await?;
    Ok(json!({ "get": get.as_str(), "put": put.as_str() }))
}

fn name(error: Option<object_store::Error>) -> &'static str {
    match error {
        None => "none",
        Some(object_store::Error::AlreadyExists { .. }) => "already exists",
        Some(object_store::Error::Precondition { .. }) => "precondition",
        Some(object_store::Error::NotFound { .. }) => "not found",
        Some(_) => "other",
    }
}
