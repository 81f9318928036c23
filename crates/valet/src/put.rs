//! `valet put FILE URL`: uploads by a link, or by the links of a bundle.

mod bundle;
mod memory;
mod parts;
mod piece;
mod request;

use std::fs::File;
use std::io::Seek as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use indicatif::{HumanBytes, ProgressBar};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap};
use reqwest::{Client, Response, StatusCode, Url};

use crate::args::Put;
use crate::failure::Failure;
use crate::output::Form;
use crate::transfer::{Moved, Silent, Unreached};
use crate::{checksum, output, refusal, transfer};

pub(crate) use self::parts::{Tries, completion};
pub(crate) use self::piece::{Piece, Sent};

/// The argument that stands for standard input.
pub(crate) const STANDARD_INPUT: &str = "-";

pub(crate) fn run(arguments: &Put) -> Result<(), Failure> {
    if arguments.file.to_str().is_some_and(transfer::is_link) && !transfer::is_link(&arguments.url)
    {
        let words = "the file comes first, and then the link: valet put FILE LINK";
        return Err(Failure::usage(anyhow!(words)));
    }
    if bundle::is_bundle(&arguments.url) {
        return parts::run(arguments);
    }
    let url = transfer::link(&arguments.url)?;
    if let Some(link) = transfer::short_link(&url) {
        return request::run(arguments, link);
    }
    if arguments.abort {
        let words =
            "--abort is for a bundle or a link of `valet request`, and this is another link";
        return Err(Failure::usage(anyhow!(words)));
    }
    if has_words_of_request(arguments) {
        return Err(Failure::usage(anyhow!(
            "--sender, --note, --filename and --passphrase are for a link of `valet request`"
        )));
    }
    let headers = headers(arguments)?;
    let client = transfer::sender(&arguments.connection)?;
    let (file, size) = open(&arguments.file)?;
    let bar = transfer::progress(arguments.connection.quiet, Some(size));
    let piece = Piece { file: Arc::new(file), offset: 0, size };
    let upload = Upload { client, url, headers, piece, bar };
    let confirmation = transfer::block_on(upload.run())?;
    upload.bar.finish_and_clear();
    confirm(&confirmation, arguments, size)
}

/// Whether anything was given that only a link of `valet request` takes.
fn has_words_of_request(arguments: &Put) -> bool {
    let Put { sender, note, filename, passphrase, .. } = arguments;
    sender.as_ref().or(note.as_ref()).or(filename.as_ref()).is_some() || passphrase.is_given()
}

/// What is known of parts that were sent, in words and as a list: whether each was answered with its MD5.
fn verified_parts(all: bool) -> (&'static str, &'static [&'static str]) {
    if all {
        ("MD5 of every part verified", &["MD5 of every part"])
    } else {
        ("not all verified: not every part was answered with its MD5", &[])
    }
}

/// The file as it is reported; standard input has no name.
fn name(path: &Path) -> Option<String> {
    (path.as_os_str() != STANDARD_INPUT).then(|| path.display().to_string())
}

/// The hint for a refusal that follows a try without an answer.
const MAYBE_STORED: &str =
    "An earlier try may have stored the file: the connection was lost before its answer came.";

/// The hint if no try was ever answered.
const MAYBE_STORED_UNANSWERED: &str = "Whether it stored the file is not known.";

/// The upload of one file by one link. Standard input is first stored in a file, so that it too can be sent
/// again.
struct Upload {
    client: Client,
    url: Url,
    headers: HeaderMap,
    piece: Piece,
    bar: ProgressBar,
}

impl Upload {
    /// Sends the file, with as many tries as it takes, within limits.
    async fn run(&self) -> Result<Confirmation, Failure> {
        let mut tries = Tries::default();
        // Whether a try got no answer. The server may have stored the file even so.
        let mut is_unknown = false;
        let mut was_reached = false;
        loop {
            let request = self.client.put(self.url.clone()).headers(self.headers.clone());
            let sent = self.piece.send(request, &self.bar).await;
            let (asked, error) = match sent {
                Ok(Sent { response, md5 }) if response.status() == StatusCode::OK => {
                    let headers = response.headers();
                    let (stored_md5, version_id) =
                        (checksum::md5_of_etag(headers), transfer::version_id(headers));
                    let etag = stored(response).await?;
                    return Ok(Confirmation { etag, version_id, stored_md5, sent_md5: md5 });
                }
                Ok(Sent { response, .. }) => {
                    was_reached = true;
                    let asked = transfer::retry_after(response.headers());
                    let failure = self.refused(response).await;
                    match failure {
                        Refused::Passing(error) => (asked, error),
                        Refused::Final(failure) if is_unknown => {
                            return Err(failure.with_hint(MAYBE_STORED));
                        }
                        Refused::Final(failure) => return Err(failure),
                    }
                }
                // A server that was never reached is not tried again.
                Err(error) if error.is::<Unreached>() && !was_reached => return Err(error.into()),
                // Nor is one that was reached but never answered.
                Err(error) if error.is::<Silent>() && !was_reached => {
                    return Err(Failure::from(error).with_hint(MAYBE_STORED_UNANSWERED));
                }
                Err(error) => {
                    (was_reached, is_unknown) = (true, is_unknown || !error.is::<Unreached>());
                    (None, error)
                }
            };
            tries.pause_for(asked, error, &self.bar).await?;
        }
    }

    async fn refused(&self, response: Response) -> Refused {
        let status = response.status();
        let refusal = refusal::look_at(response).await;
        if refusal::passes(status, &refusal.code) {
            return Refused::Passing(anyhow!("{}", refusal.failure));
        }
        let mut sent = self.headers.clone();
        sent.insert(CONTENT_LENGTH, self.piece.size.into());
        Refused::Final(transfer::refused(&self.url, &sent, refusal))
    }
}

/// What follows from an answer that is no success.
enum Refused {
    /// The same request may succeed later.
    Passing(anyhow::Error),
    Final(Failure),
}

/// The `ETag` of an answer with which S3 confirms an upload: status 200, that header, and an empty body. Any
/// web server may answer 200.
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

/// Opens the file and returns its size, which must be sent before the first byte. Standard input is therefore
/// copied into a temporary file without a name.
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

/// The outcome of an upload.
struct Confirmation {
    etag: String,
    version_id: Option<String>,
    stored_md5: Option<Vec<u8>>,
    sent_md5: Vec<u8>,
}

/// Prints the `ETag`, or all that is known, and whether the `ETag` is the MD5 of the sent bytes.
fn confirm(confirmation: &Confirmation, arguments: &Put, size: u64) -> Result<(), Failure> {
    let Confirmation { etag, version_id, stored_md5: stored, sent_md5 } = confirmation;
    if stored.as_ref().is_some_and(|stored| stored != sent_md5) {
        return Err(Failure::failed(anyhow!(
            "what is stored is not what was sent: its MD5 differs"
        )));
    }
    let (words, verified): (_, &[_]) = match stored {
        Some(_) => ("MD5 verified", &["MD5"]),
        None => ("not verified: no MD5 was answered", &[]),
    };
    if !arguments.connection.quiet {
        output::note(format!("{} stored; {words}", HumanBytes(size)));
    }
    let etag = transfer::bare_etag(etag);
    let (file, version_id) = (name(&arguments.file), version_id.as_deref());
    let whole = Moved { file, size, etag: Some(etag), version_id, verified };
    output::answer(Form::of(arguments.json), &whole, [etag.to_owned()])
}
