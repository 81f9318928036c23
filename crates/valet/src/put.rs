//! `valet put FILE URL`: what the holder of an upload link runs, or of a bundle of them.

mod bundle;
mod parts;
mod piece;

use std::fs::File;
use std::io::Seek as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use indicatif::HumanBytes;
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap};
use reqwest::{Response, StatusCode};

use crate::args::Put;
use crate::failure::Failure;
use crate::{checksum, output, refusal, transfer};

pub(crate) use self::parts::{Tries, completion};
pub(crate) use self::piece::{Piece, Sent};

/// What stands for standard input in place of a file.
pub(crate) const STANDARD_INPUT: &str = "-";

pub(crate) fn run(arguments: &Put) -> Result<(), Failure> {
    if bundle::is_bundle(&arguments.url) {
        return parts::run(arguments);
    }
    if arguments.abort {
        return Err(Failure::usage(anyhow!("--abort is for a bundle, and this is a link")));
    }
    let url = transfer::link(&arguments.url)?;
    let headers = headers(arguments)?;
    let client = transfer::sender(&arguments.connection)?;
    let (file, size) = open(&arguments.file)?;
    let bar = transfer::progress(arguments.connection.quiet, Some(size));
    let piece = Piece { file: Arc::new(file), offset: 0, size };
    let confirmation = transfer::block_on(async {
        let sent = piece.send(client.put(url.clone()).headers(headers), &bar).await?;
        bar.finish_and_clear();
        let Sent { response, md5 } = sent;
        if response.status() != StatusCode::OK {
            return Err(transfer::refused(&url, refusal::read(response).await));
        }
        let stored_md5 = checksum::md5_of_etag(response.headers());
        Ok(Confirmation { etag: stored(response).await?, stored_md5, sent_md5: md5 })
    })?;
    confirm(&confirmation, size)
}

/// The `ETag` of what S3 says it has stored: 200, that header, and nothing in the body. Any web server may answer 200.
async fn stored(mut response: Response) -> Result<String, Failure> {
    let no_store = || {
        anyhow!(
            "the server does not answer as a store does: whether it stored the file is not known"
        )
    };
    let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
    let etag = etag.filter(|etag| !etag.is_empty()).ok_or_else(no_store)?;
    while let Some(bytes) = transfer::chunk(&mut response).await? {
        if !bytes.is_empty() {
            return Err(no_store().into());
        }
    }
    Ok(etag)
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
pub(crate) fn open(path: &Path) -> Result<(File, u64), Failure> {
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

/// What came of an upload.
struct Confirmation {
    etag: String,
    stored_md5: Option<Vec<u8>>,
    sent_md5: Vec<u8>,
}

/// Prints the `ETag`, and says whether it is the MD5 of what was sent.
fn confirm(confirmation: &Confirmation, size: u64) -> Result<(), Failure> {
    let Confirmation { etag, stored_md5: stored, sent_md5 } = confirmation;
    if stored.as_ref().is_some_and(|stored| stored != sent_md5) {
        return Err(Failure::failed(anyhow!(
            "what is stored is not what was sent: its MD5 differs"
        )));
    }
    let verified =
        if stored.is_some() { "MD5 verified" } else { "not verified: no MD5 was answered" };
    output::note(format!("{} stored; {verified}", HumanBytes(size)));
    output::result(etag.trim_matches('"'))
}
