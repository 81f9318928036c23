//! Links with limits that only Valet keeps: the recipe of `docs/limits-of-links.md`.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use anyhow::Result;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpRequest;
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};

/// Adds query parameters, already percent-encoded, to a request that is about to be signed.
fn add_limits(limits: String) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
    move |request| {
        let uri = request.uri();
        let mark = if uri.contains('?') { '&' } else { '?' };
        let limited = format!("{uri}{mark}{limits}");
        request.set_uri(limited).expect("the limits are percent-encoded");
    }
}

/// A name at random: the keys of a hasher are the random numbers that the standard library has.
fn random_name() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

pub async fn limited_links(
    client: &Client,
    bucket: &str,
    key: &str,
) -> Result<[PresignedRequest; 2]> {
    let life = PresigningConfig::expires_in(Duration::from_secs(600))?;
    let get = client.get_object().bucket(bucket).key(key).customize();
    let name = random_name();
    let once = add_limits(format!("x-valet-uses=1&x-valet-id={name}&x-valet-label=Invoice%207"));
    let put = client.put_object().bucket(bucket).key(key).customize();
    let small = add_limits("x-valet-content-length-range=1%2C1024".to_owned());
    Ok([
        get.mutate_request(once).presigned(life.clone()).await?,
        put.mutate_request(small).presigned(life).await?,
    ])
}
