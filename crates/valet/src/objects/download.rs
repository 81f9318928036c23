//! Downloads an object as `valet get` does: resumable, verified, and named only when it is complete.

use std::path::PathBuf;

use super::wire::{S3, SignedObject};
use crate::failure::Failure;
use crate::get::{self, Destination, DownloadSource, Fetched};
use crate::location::S3Uri;

pub(super) async fn to_file(
    s3: &S3,
    source: S3Uri,
    path: PathBuf,
    quiet: bool,
) -> Result<Fetched, Failure> {
    let destination = Destination::File { path, chosen_by_server: false };
    let source = DownloadSource::Own(SignedObject { s3, uri: source });
    get::fetch(source, destination, quiet).await
}

pub(super) async fn to_stream(s3: &S3, source: S3Uri, quiet: bool) -> Result<(), Failure> {
    let source = DownloadSource::Own(SignedObject { s3, uri: source });
    get::fetch(source, Destination::StandardOutput, quiet).await.map(drop)
}
