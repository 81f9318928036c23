//! Downloads an object, as `valet get` does it: resumed, verified, and named when it is whole.

use std::path::PathBuf;

use super::wire::{S3, SignedObject};
use crate::failure::Failure;
use crate::get::{self, Fetched, Place, Source};
use crate::location::S3Uri;

pub(super) async fn to_file(
    s3: &S3,
    source: S3Uri,
    path: PathBuf,
    quiet: bool,
) -> Result<Fetched, Failure> {
    let place = Place::File { path, chosen_by_server: false };
    let source = Source::Own(SignedObject { s3, place: source });
    get::fetch(source, place, quiet).await
}

pub(super) async fn to_stream(s3: &S3, source: S3Uri, quiet: bool) -> Result<(), Failure> {
    let source = Source::Own(SignedObject { s3, place: source });
    get::fetch(source, Place::StandardOutput, quiet).await.map(drop)
}
