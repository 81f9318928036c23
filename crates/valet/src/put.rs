//! `valet put FILE URL`: what the holder of an upload link runs.

use std::fs::File;
use std::io::Seek as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, anyhow};
use indicatif::ProgressBar;
use md5::{Digest as _, Md5};
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, InvalidHeaderName,
};
use reqwest::{Body, Response};
use tokio::io::AsyncReadExt as _;
use tokio_util::io::{InspectReader, ReaderStream};

use crate::args::Put;
use crate::failure::Failure;
use crate::{checksum, output, refusal, transfer};

/// What stands for standard input in place of a file.
const STANDARD_INPUT: &str = "-";

pub(crate) fn run(arguments: &Put) -> Result<(), Failure> {
    let url = transfer::link(&arguments.url)?;
    let headers = headers(arguments)?;
    let client = transfer::client(&arguments.connection)?;
    let (file, size) = open(&arguments.file)?;
    let bar = transfer::progress(&arguments.connection, Some(size));
    let md5 = Arc::new(Mutex::new(Md5::new()));
    let response = transfer::block_on(async {
        let request = client.put(url).headers(headers).header(CONTENT_LENGTH, size);
        let body = body(file, size, Arc::clone(&md5), bar.clone());
        let response = request.body(body).send().await.map_err(transfer::unanswered)?;
        if response.status().is_success() {
            return Ok(response);
        }
        bar.finish_and_clear();
        Err(refusal::read(response).await)
    })?;
    bar.finish_and_clear();
    let md5 = md5.lock().unwrap_or_else(PoisonError::into_inner).clone();
    confirm(&response, size, &md5.finalize())
}

fn headers(arguments: &Put) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: &str| -> anyhow::Result<()> {
        let name =
            name.trim().parse::<HeaderName>().map_err(|_: InvalidHeaderName| malformed(name))?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| malformed(name.as_str()))?;
        headers.append(name, value);
        Ok(())
    };
    if let Some(content_type) = &arguments.content_type {
        add(CONTENT_TYPE.as_str(), content_type).map_err(Failure::usage)?;
    }
    for text in &arguments.header {
        let (name, value) = text.split_once(':').ok_or_else(|| Failure::usage(malformed(text)))?;
        add(name, value).map_err(Failure::usage)?;
    }
    Ok(headers)
}

fn malformed(header: &str) -> anyhow::Error {
    anyhow!("a header is written `Name: value`, not `{header}`")
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

/// The body, hashed and counted as it is sent. Of a file that grows meanwhile only the announced
/// bytes are sent.
fn body(file: File, size: u64, md5: Arc<Mutex<Md5>>, bar: ProgressBar) -> Body {
    let counted = InspectReader::new(tokio::fs::File::from_std(file).take(size), move |bytes| {
        md5.lock().unwrap_or_else(PoisonError::into_inner).update(bytes);
        bar.inc(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    });
    Body::wrap_stream(ReaderStream::with_capacity(counted, transfer::READ_BYTES))
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
