//! `valet ls`, `mb`, `rb`, `rm` and `cp`: buckets and objects, in the words of `aws s3`.

mod content_type;
mod copy;
mod delete;
mod download;
mod list;
mod place;
mod upload;
mod wire;

pub(crate) use self::copy::run as cp;
pub(crate) use self::wire::SignedObject;

use std::path::Path;

use anyhow::anyhow;
use indicatif::HumanBytes;
use reqwest::Method;
use serde_json::json;

use self::place::{bucket_of, place_of};
use self::wire::{Operation, S3, Target};
use crate::args::{Aws, objects as args};
use crate::failure::Failure;
use crate::refusal::{self, Refusal};
use crate::{output, transfer};

/// The region in which buckets are created without a location constraint.
const REGION_UNSAID: &str = "us-east-1";

/// The hint for a bucket that is not empty.
const FORCE: &str = "`valet rb --force` deletes its objects first; older versions stay.";
/// The hint for a bucket that is still not empty after `--force`.
const VERSIONS_STAY: &str = "Older versions and delete markers stay: each is deleted by its version id, as `aws s3api \
                             delete-object --version-id` does it.";

pub(crate) fn ls(arguments: &args::Ls) -> Result<(), Failure> {
    let place = arguments.target.as_deref().map(place_of).transpose()?;
    let form = arguments.remote.form();
    transfer::block_on(async {
        let s3 = S3::connect(&arguments.remote.aws).await?;
        match place {
            None => list::buckets(&s3, form).await,
            Some(place) => list::objects(&s3, &place, arguments.recursive, form).await,
        }
    })
}

/// The document that asks for a bucket in the configured region.
fn in_region(s3: &S3) -> String {
    match s3.region() {
        REGION_UNSAID => String::new(),
        region => format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>",
            quick_xml::escape::escape(region)
        ),
    }
}

/// The media type of a file, told by its name.
pub(crate) fn type_of_name(path: &Path) -> Option<&'static str> {
    content_type::of_name(path)
}

/// Makes a bucket. `false`: the caller has it already.
pub(crate) async fn make_bucket(aws: &Aws, bucket: &str) -> Result<bool, Failure> {
    let s3 = S3::connect(aws).await?;
    let head = Operation::new(&Method::HEAD, Target::bucket(bucket));
    if s3.answer(head, "").await?.status().is_success() {
        return Ok(false);
    }
    s3.ask(Operation::new(&Method::PUT, Target::bucket(bucket)), &in_region(&s3)).await?;
    Ok(true)
}

/// Uploads a file to a key of a bucket, with a progress bar.
pub(crate) async fn store_file(
    aws: &Aws,
    path: &Path,
    (bucket, key): (&str, &str),
    quiet: bool,
) -> Result<(), Failure> {
    let s3 = S3::connect(aws).await?;
    let goal = upload::UploadTarget { bucket, key, content_type: content_type::of_name(path) };
    let stored = upload::run(&s3, Some(path), goal, quiet).await?;
    if !quiet {
        output::note(format_args!("{} stored; {}", HumanBytes(stored.size), stored.words));
    }
    Ok(())
}

pub(crate) fn mb(arguments: &args::Mb) -> Result<(), Failure> {
    let bucket = bucket_of(&arguments.target)?;
    transfer::block_on(async {
        let s3 = S3::connect(&arguments.remote.aws).await?;
        s3.ask(Operation::new(&Method::PUT, Target::bucket(&bucket)), &in_region(&s3)).await?;
        let uri = format!("s3://{bucket}");
        output::answer(arguments.remote.form(), &json!({ "uri": uri }), [uri.clone()])
    })
}

pub(crate) fn rb(arguments: &args::Rb) -> Result<(), Failure> {
    let bucket = bucket_of(&arguments.target)?;
    transfer::block_on(async {
        let s3 = S3::connect(&arguments.remote.aws).await?;
        if arguments.force {
            let deleted = delete::all(&s3, &bucket, "", |_| Ok(())).await?;
            let objects = if deleted == 1 { "object" } else { "objects" };
            output::note(format_args!("{deleted} {objects} deleted"));
        }
        let delete = Operation::new(&Method::DELETE, Target::bucket(&bucket));
        let response = s3.answer(delete, "").await?;
        if !response.status().is_success() {
            let Refusal { code, failure, .. } = refusal::look_at_own(response).await;
            let hint = if arguments.force { VERSIONS_STAY } else { FORCE };
            return Err(if code == "BucketNotEmpty" { failure.with_hint(hint) } else { failure });
        }
        let uri = format!("s3://{bucket}");
        output::answer(arguments.remote.form(), &json!({ "uri": uri }), [uri.clone()])
    })
}

pub(crate) fn rm(arguments: &args::Rm) -> Result<(), Failure> {
    let place = place_of(&arguments.target)?;
    let form = arguments.remote.form();
    if place.key.is_none() && !arguments.recursive {
        let words = "this is a bucket: add --recursive to delete its objects, or use `valet rb`";
        return Err(Failure::usage(anyhow!(words)));
    }
    transfer::block_on(async {
        let s3 = S3::connect(&arguments.remote.aws).await?;
        delete::run(&s3, &place, arguments, form).await
    })
}
