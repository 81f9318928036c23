//! `valet put FILE URL`: what the holder of an upload link runs, or of a bundle of them.

mod bundle;
mod parts;
mod piece;

use std::fs::File;
use std::io::Seek as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap};

use crate::args::Put;
use crate::failure::Failure;
use crate::{checksum, output, refusal, transfer};

use self::piece::{Piece, Sent};

/// What stands for standard input in place of a file.
const STANDARD_INPUT: &str = "-";

pub(crate) fn run(arguments: &Put) -> Result<(), Failure> {
    if bundle::is_bundle(&arguments.url) {
        return parts::run(arguments);
    }
    if arguments.abort {
        return Err(Failure::usage(anyhow!("--abort is for a bundle, and this is a link")));
    }
    let url = transfer::link(&arguments.url)?;
    let headers = headers(arguments)?;
    let client = transfer::sender(&arguments.connection, transfer::careful(&headers))?;
    let (file, size) = open(&arguments.file)?;
    let bar = transfer::progress(&arguments.connection, Some(size));
    let piece = Piece { file: Arc::new(file), offset: 0, size };
    let sent = transfer::block_on(async {
        let sent = piece.send(client.put(url).headers(headers), &bar).await?;
        if sent.response.status().is_success() {
            return Ok(sent);
        }
        bar.finish_and_clear();
        Err(refusal::read(sent.response).await)
    })?;
    bar.finish_and_clear();
    let Sent { response, md5 } = sent;
    confirm(&response, size, &md5)
}

fn headers(arguments: &Put) -> Result<HeaderMap, Failure> {
    let mut headers = transfer::headers(&arguments.connection)?;
    if let Some(content_type) = &arguments.content_type {
        let (name, value) = transfer::header(CONTENT_TYPE.as_str(), content_type)?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// The file and its size, which must be told before the first byte; standard input is therefore
/// kept in a temporary file that has no name.
fn open(path: &Path) -> Result<(File, u64), Failure> {
    let file = if path.as_os_str() == STANDARD_INPUT {
        let mut spool = tempfile::tempfile().context("cannot make a temporary file")?;
        std::io::copy(&mut std::io::stdin().lock(), &mut spool)
            .and_then(|_| spool.rewind())
            .context("cannot keep standard input")?;
        spool
    } else {
        File::open(path).with_context(|| path.display().to_string())?
    };
    let metadata = file.metadata().with_context(|| path.display().to_string())?;
    if !metadata.is_file() {
        return Err(Failure::usage(anyhow!("{}: not a file", path.display())));
    }
    Ok((file, metadata.len()))
}

/// Prints the `ETag`, and says whether it is the MD5 of what was sent.
fn confirm(response: &Response, size: u64, md5: &[u8]) -> Result<(), Failure> {
    let stored = checksum::md5_of_etag(response.headers());
    if stored.as_deref().is_some_and(|stored| stored != md5) {
        return Err(Failure::failed(anyhow!(
            "what is stored is not what was sent: its MD5 differs"
        )));
    }
    let verified =
        if stored.is_some() { "MD5 verified" } else { "not verified: no MD5 was answered" };
    output::note(format!("{size} bytes stored; {verified}"));
    let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
    output::result(etag.unwrap_or_default().trim_matches('"'))
}
