//! Drives two Rust S3 clients, at their default settings, against a running server.
//!
//! Endpoint, region, credentials and certificate authorities come from the environment, as they
//! would for any program built on these crates. One subcommand is one scenario; its result is one
//! JSON object on standard output, which the Python tests judge.

mod limits;
mod sdk;
mod store;

use anyhow::{Context, Result, bail};
use sdk::Complete;
use serde_json::Value;

const USAGE: &str = "usage: valet-clients SCENARIO BUCKET KEY [FILE]\n\
    scenarios: sdk-put-get sdk-put-file sdk-multipart sdk-multipart-checked \
    sdk-presign sdk-presign-part sdk-limited-links store-objects store-multipart store-signed-urls";

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = run(&arguments).await?;
    println!("{result}");
    Ok(())
}

async fn run(arguments: &[String]) -> Result<Value> {
    let argument = |index: usize| arguments.get(index).map(String::as_str).context(USAGE);
    let (bucket, key) = (argument(1)?, argument(2)?);
    match argument(0)? {
        "sdk-put-get" => sdk::put_get(bucket, key).await,
        "sdk-put-file" => sdk::put_file(bucket, key, argument(3)?).await,
        "sdk-multipart" => sdk::multipart(bucket, key, argument(3)?, Complete::ByETag).await,
        "sdk-multipart-checked" => {
            sdk::multipart(bucket, key, argument(3)?, Complete::ByChecksum).await
        }
        "sdk-presign" => sdk::presign(bucket, key).await,
        "sdk-presign-part" => sdk::presign_part(bucket, key).await,
        "sdk-limited-links" => sdk::limited_links(bucket, key).await,
        "store-objects" => store::objects(bucket, key).await,
        "store-multipart" => store::multipart(bucket, key, argument(3)?).await,
        "store-signed-urls" => store::signed_urls(bucket, key).await,
        other => bail!("no scenario {other}\n{USAGE}"),
    }
}
