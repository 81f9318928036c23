//! Sends a file by a link that was made to be sent files: in parts, each with as many tries as it takes.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, anyhow};
use indicatif::{HumanBytes, ProgressBar};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use store::ManagedLinkId;
use tokio::task::JoinSet;

use super::piece::{Piece, Sent};
use super::{STANDARD_INPUT, Tries, name};
use crate::args::Put;
use crate::failure::Failure;
use crate::output::Form;
use crate::{objects, output, refusal, remote, share, transfer};

/// How many parts are sent at once.
const PARTS_AT_ONCE: usize = 4;
/// The header of a link's passphrase.
const PASSPHRASE: &str = "x-valet-passphrase";

/// How far a file is.
#[derive(Debug, Deserialize)]
struct Progress {
    file: String,
    part_size: u64,
    uploaded: Vec<u16>,
}

/// A link for a part.
#[derive(Clone, Debug, Deserialize)]
struct PartLink {
    number: u16,
    offset: u64,
    size: u64,
    url: String,
}

/// The URL of a short link without anything behind its id. `None`: the URL is none of a short link.
pub(super) fn short_link(url: &Url) -> Option<Url> {
    let (before, rest) = url.path().split_once("/_valet/s/")?;
    let id: ManagedLinkId = rest.split('/').next()?.parse().ok()?;
    let mut bare = url.clone();
    bare.set_query(None);
    bare.set_fragment(None);
    bare.set_path(&format!("{before}/_valet/s/{}", id.text()));
    Some(bare)
}

pub(super) fn run(arguments: &Put, link: Url) -> Result<(), Failure> {
    let Put { file: path, content_type, sender, note, passphrase, .. } = arguments;
    if path.as_os_str() == STANDARD_INPUT {
        return Err(Failure::usage(anyhow!("a file that is sent by such a link has a name")));
    }
    let passphrase = passphrase.then(share::read_passphrase).transpose()?;
    let client = transfer::sender(&arguments.connection)?;
    let (file, size) = super::open(path)?;
    let file_name = path.file_name().and_then(|name| name.to_str());
    let file_name = file_name.ok_or_else(|| anyhow!("{}: no name", path.display()))?;
    let by_name = || objects::type_of_name(path).map(str::to_owned);
    let offered = json!({
        "name": file_name, "size": size,
        "type": content_type.clone().or_else(by_name).unwrap_or_default(),
        "sender": sender.clone().unwrap_or_default(), "note": note.clone().unwrap_or_default(),
    });
    let bar = transfer::progress(arguments.connection.quiet, Some(size));
    let sending =
        Sending { client, link, passphrase, cookie: Mutex::default(), file: Arc::new(file), bar };
    let sent = transfer::block_on(Arc::new(sending).run(offered, size));
    sent?;
    if !arguments.connection.quiet {
        output::note(format_args!("{} sent", HumanBytes(size)));
    }
    let file = name(path).unwrap_or_default();
    output::answer(Form::of(arguments.json), &json!({ "file": file, "size": size }), [file.clone()])
}

struct Sending {
    client: Client,
    link: Url,
    passphrase: Option<String>,
    /// What the server has given in exchange for the passphrase.
    cookie: Mutex<Option<String>>,
    file: Arc<File>,
    bar: ProgressBar,
}

impl Sending {
    async fn run(self: Arc<Self>, offered: Value, size: u64) -> Result<(), Failure> {
        let progress: Progress = self.call("/files", &offered).await?;
        let path = format!("/files/{}", progress.file);
        let done = tokio::select! {
            done = Arc::clone(&self).send_all(&path, (&progress, size)) => done,
            interrupt = tokio::signal::ctrl_c() => {
                interrupt.context("cannot wait for Ctrl-C")?;
                Err(Failure::failed(anyhow!("interrupted")))
            }
        };
        self.bar.finish_and_clear();
        if done.is_err() {
            // Nobody goes on with it: its room is for other files.
            let _: Result<Value, Failure> = self.call(&format!("{path}/abort"), &json!({})).await;
        }
        done
    }

    async fn send_all(
        self: Arc<Self>,
        path: &str,
        (progress, size): (&Progress, u64),
    ) -> Result<(), Failure> {
        let count = u16::try_from(size.div_ceil(progress.part_size.max(1)).max(1));
        let count = count.context("the server's parts are too small")?;
        let missing: Vec<u16> =
            (1..=count).filter(|number| !progress.uploaded.contains(number)).collect();
        for some in missing.chunks(PARTS_AT_ONCE) {
            let links = format!("{path}/links");
            let links: Vec<PartLink> = self.call(&links, &json!({ "parts": some })).await?;
            let mut sending = JoinSet::new();
            for link in links {
                sending.spawn(Arc::clone(&self).send_part(path.to_owned(), link));
            }
            while let Some(sent) = sending.join_next().await {
                sent.context("a worker failed")??;
            }
        }
        let _: Value = self.call(&format!("{path}/complete"), &json!({})).await?;
        Ok(())
    }

    async fn send_part(self: Arc<Self>, path: String, link: PartLink) -> Result<(), Failure> {
        let (mut tries, mut link) = (Tries::default(), link);
        loop {
            let url = self.link.join(&link.url).context("the link of a part is none")?;
            let piece =
                Piece { file: Arc::clone(&self.file), offset: link.offset, size: link.size };
            let (asked, error) = match piece.send(self.client.put(url), &self.bar).await {
                Ok(Sent { response, .. }) if response.status() == StatusCode::OK => return Ok(()),
                Ok(Sent { response, .. }) => {
                    let asked = transfer::retry_after(response.headers());
                    (asked, anyhow!("{}", refusal::read(response).await))
                }
                Err(error) => (None, error),
            };
            tries.pause_for(asked, error, &self.bar).await?;
            // The link may have ended meanwhile.
            let fresh = json!({ "parts": [link.number] });
            let mut links: Vec<PartLink> = self.call(&format!("{path}/links"), &fresh).await?;
            link = links.pop().context("the server gives no link for a part")?;
        }
    }

    /// Sends a document to a path below the link, and reads the answer.
    async fn call<T: DeserializeOwned>(&self, path: &str, document: &Value) -> Result<T, Failure> {
        let url = format!("{}{path}", self.link);
        let body = document.to_string();
        let mut tries = Tries::default();
        loop {
            let request = self.client.post(&url).header("content-type", "application/json");
            let answered = transfer::answer(self.known(request.body(body.clone()))).await;
            let (asked, error) = match answered {
                Ok(response) if response.status().is_success() => {
                    self.remember(response.headers().get(SET_COOKIE));
                    return remote::parse(&remote::read(response).await?);
                }
                Ok(response) => {
                    let (status, asked) =
                        (response.status(), transfer::retry_after(response.headers()));
                    let refusal = refusal::look_at(response).await;
                    if !refusal::passes(status, &refusal.code) {
                        return Err(refusal.failure);
                    }
                    (asked, anyhow!("{}", refusal.failure))
                }
                Err(error) => return Err(error.into()),
            };
            tries.pause_for(asked, error, &self.bar).await?;
        }
    }

    /// Adds what proves that the passphrase is known.
    fn known(&self, request: RequestBuilder) -> RequestBuilder {
        let cookie = self.cookie.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (cookie, &self.passphrase) {
            (Some(cookie), _) => request.header(COOKIE, cookie),
            (None, Some(passphrase)) => request.header(PASSPHRASE, passphrase),
            (None, None) => request,
        }
    }

    fn remember(&self, cookie: Option<&reqwest::header::HeaderValue>) {
        let cookie = cookie.and_then(|cookie| cookie.to_str().ok());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
        if cookie.is_some() {
            *self.cookie.lock().unwrap_or_else(PoisonError::into_inner) = cookie;
        }
    }
}
