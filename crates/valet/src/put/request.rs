//! Sends a file by a link that was made to be sent files: in parts, each with as many tries as it takes, and going on with
//! what an earlier run has sent.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use indicatif::{HumanBytes, ProgressBar};
use reqwest::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::memory::{Begun, FileState, Memory};
use super::piece::{Piece, Sent};
use super::{STANDARD_INPUT, Tries};
use crate::args::Put;
use crate::checksum::md5_of_etag;
use crate::failure::Failure;
use crate::output::Form;
use crate::refusal::Refusal;
use crate::transfer::Moved;
use crate::{objects, output, passphrase, refusal, remote, transfer};

/// How far a file is.
#[derive(Debug, Deserialize)]
struct Progress {
    file: String,
    part_size: u64,
    uploaded: Vec<u16>,
    done: bool,
}

/// A link for a part.
#[derive(Clone, Debug, Deserialize)]
struct PartLink {
    offset: u64,
    size: u64,
    url: String,
}

pub(super) fn run(arguments: &Put, link: Url) -> Result<(), Failure> {
    let Put { file: path, connection, .. } = arguments;
    let is_stdin = path.as_os_str() == STANDARD_INPUT;
    if is_stdin && arguments.abort {
        return Err(Failure::usage(anyhow!("standard input cannot be gone on with, nor given up")));
    }
    if is_stdin && passphrase::is_on_standard_input(&arguments.passphrase) {
        let words = "the file is standard input: give the passphrase by --passphrase-file or VALET_PASSPHRASE";
        return Err(Failure::usage(anyhow!(words)));
    }
    let name = sent_name(arguments)?;
    let mut headers = transfer::headers(connection)?;
    if let Some(passphrase) = passphrase::given(&arguments.passphrase)? {
        headers.insert(passphrase::HEADER, passphrase::header_value(&passphrase)?);
    }
    let client = transfer::sender(connection)?;
    let (file, size) = super::open(path)?;
    let state = FileState::of(&file).with_context(|| path.display().to_string())?;
    let (memory, begun) = Memory::find(Some(path.as_path()).filter(|_| !is_stdin), &link)?;
    let bar = transfer::progress(connection.quiet, Some(size));
    let door = Door { client, link, headers, cookie: None, bar: bar.clone() };
    let sent = BTreeMap::new();
    let mut sending = Sending { door, file: Arc::new(file), state, memory, begun, sent, count: 0 };
    if arguments.abort {
        return transfer::block_on(sending.give_up());
    }
    let offered = offer(arguments, &name, size);
    let done = transfer::block_on(async {
        tokio::select! {
            done = sending.run(&offered) => done,
            interrupt = tokio::signal::ctrl_c() => {
                interrupt.context("cannot wait for Ctrl-C")?;
                Err(Failure::failed(anyhow!("interrupted")))
            }
        }
    });
    bar.finish_and_clear();
    if done.is_err() {
        sending.tell_ways_on();
    }
    done?;
    let (words, verified) = super::verified_parts(sending.is_verified());
    if !connection.quiet {
        output::note(format_args!("{} sent; {words}", HumanBytes(size)));
    }
    let file = super::name(path).unwrap_or(name);
    let whole = Moved { file: Some(file.clone()), size, etag: None, version_id: None, verified };
    output::answer(Form::of(arguments.json), &whole, [file])
}

/// The name under which the file is sent.
fn sent_name(arguments: &Put) -> Result<String, Failure> {
    let path = &arguments.file;
    if let Some(name) = &arguments.filename {
        return Ok(name.clone());
    }
    if path.as_os_str() == STANDARD_INPUT {
        let words = "a file that is sent by such a link has a name: --filename NAME";
        return Err(Failure::usage(anyhow!(words)));
    }
    let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    name.ok_or_else(|| Failure::usage(anyhow!("{}: no name", path.display())))
}

/// What the server is told of the file before it is sent.
fn offer(arguments: &Put, name: &str, size: u64) -> Value {
    let Put { content_type, sender, note, .. } = arguments;
    let by_name = || objects::type_of_name(std::path::Path::new(name)).map(str::to_owned);
    json!({
        "name": name, "size": size,
        "type": content_type.clone().or_else(by_name).unwrap_or_default(),
        "sender": sender.clone().unwrap_or_default(), "note": note.clone().unwrap_or_default(),
    })
}

/// One file on its way.
struct Sending {
    door: Door,
    file: Arc<File>,
    state: FileState,
    memory: Memory,
    /// What an earlier run has left.
    begun: Option<Begun>,
    /// The parts that are there, and whether each was answered with its MD5.
    sent: BTreeMap<u16, bool>,
    /// How many parts the file has.
    count: u16,
}

impl Sending {
    /// One part at a time: what is interrupted loses one part at most.
    async fn run(&mut self, offered: &Value) -> Result<(), Failure> {
        let (progress, known) = match self.begun_before().await? {
            Some((progress, begun)) => (progress, begun.parts),
            None => (self.begin(offered).await?, BTreeMap::new()),
        };
        if progress.done {
            self.door.bar.suspend(|| output::note("the file was sent already"));
            self.memory.forget();
            return Ok(());
        }
        let count = u16::try_from(self.state.size.div_ceil(progress.part_size.max(1)).max(1));
        self.count = count.context("the server's parts are too small")?;
        self.skip_what_is_there(&progress, &known).await?;
        let path = format!("/files/{}", progress.file);
        for number in 1..=self.count {
            if !self.sent.contains_key(&number) {
                let (verified, md5) = self.send_part(&path, number).await?;
                self.sent.insert(number, verified);
                self.memory.add(number, &md5);
            }
        }
        let _: Value = self.door.post(&format!("{path}/complete"), &json!({})).await?;
        self.memory.forget();
        Ok(())
    }

    /// The upload that an earlier run has begun of this very file, if the server still has it.
    async fn begun_before(&mut self) -> Result<Option<(Progress, Begun)>, Failure> {
        let Some(begun) = self.begun.take() else { return Ok(None) };
        if begun.file != self.state {
            self.door.bar.suspend(|| output::note("the file has changed: starting over"));
            // Its room is for the file as it is now. If the server has forgotten it, it has none.
            drop(self.door.abort(&begun.id).await);
            return Ok(None);
        }
        let progress = self.door.progress(&begun.id).await?;
        Ok(progress.map(|progress| (progress, begun)))
    }

    async fn begin(&mut self, offered: &Value) -> Result<Progress, Failure> {
        let progress: Progress = self.door.post("/files", offered).await?;
        let (id, file, parts) = (progress.file.clone(), self.state.clone(), BTreeMap::new());
        self.memory.begin(&Begun { id, file, parts });
        Ok(progress)
    }

    /// Skips the parts that an earlier run has sent, if they are the same as would be sent now.
    async fn skip_what_is_there(
        &mut self,
        progress: &Progress,
        known: &BTreeMap<u16, String>,
    ) -> Result<(), Failure> {
        for number in progress.uploaded.iter().filter(|number| **number <= self.count) {
            // Hashing takes long, and Ctrl-C must work meanwhile.
            tokio::task::yield_now().await;
            let offset = u64::from(number.saturating_sub(1)).saturating_mul(progress.part_size);
            let size = progress.part_size.min(self.state.size.saturating_sub(offset));
            let piece = Piece { file: Arc::clone(&self.file), offset, size };
            let md5 = hex(&piece.md5().context("cannot read the file")?);
            if known.get(number) == Some(&md5) {
                self.sent.insert(*number, true);
                self.door.bar.inc(size);
            }
        }
        let (there, all) = (self.sent.len(), self.count);
        if there > 0 {
            let words = format!("{there} of {all} parts are there already");
            self.door.bar.suspend(|| output::note(words));
        }
        Ok(())
    }

    /// Sends one part; returns whether the answer had its MD5, and that.
    async fn send_part(&mut self, path: &str, number: u16) -> Result<(bool, String), Failure> {
        let mut tries = Tries::default();
        loop {
            // Links for parts live for minutes, so each try has a fresh one.
            let wanted = json!({ "parts": [number] });
            let links: Vec<PartLink> = self.door.post(&format!("{path}/links"), &wanted).await?;
            let link = links.into_iter().next().context("the server gives no link for a part")?;
            let url = self.door.link.join(&link.url).context("the link of a part is none")?;
            let PartLink { offset, size, .. } = link;
            let piece = Piece { file: Arc::clone(&self.file), offset, size };
            let sent = piece.send(self.door.client.put(url), &self.door.bar).await;
            let (asked, error) = match sent {
                Ok(Sent { response, md5 }) if response.status() == StatusCode::OK => {
                    match md5_of_etag(response.headers()) {
                        Some(stored) if stored != md5 => {
                            self.door.bar.dec(size);
                            (None, anyhow!("what is stored is not what was sent: its MD5 differs"))
                        }
                        stored => return Ok((stored.is_some(), hex(&md5))),
                    }
                }
                Ok(Sent { response, .. }) => {
                    let asked = transfer::retry_after(response.headers());
                    (asked, anyhow!("{}", refusal::read(response).await))
                }
                Err(error) => (None, error),
            };
            tries.pause_for(asked, error, &self.door.bar).await?;
        }
    }

    /// Gives up what an earlier run has begun, so that its room is for other files.
    async fn give_up(&mut self) -> Result<(), Failure> {
        let begun = self.begun.take();
        let none = || Failure::usage(anyhow!("no upload of this file by this link was begun here"));
        self.door.abort(&begun.ok_or_else(none)?.id).await?;
        self.memory.forget();
        output::note("the upload is given up; its parts are discarded");
        Ok(())
    }

    fn is_verified(&self) -> bool {
        self.sent.values().all(|verified| *verified)
    }

    fn tell_ways_on(&self) {
        if self.count > 0 && self.memory.is_kept() {
            let (sent, all) = (self.sent.len(), self.count);
            output::note(format_args!(
                "{sent} of {all} parts are stored: run the same command to go on, or add --abort to give the upload up"
            ));
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// The calls below a short link.
struct Door {
    client: Client,
    link: Url,
    /// What is sent with each call, the passphrase among it.
    headers: HeaderMap,
    /// What the server has given in exchange for the passphrase, which may be tried a few times only.
    cookie: Option<HeaderValue>,
    bar: ProgressBar,
}

impl Door {
    async fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        document: &Value,
    ) -> Result<T, Failure> {
        self.call(path, Some(document)).await?.map_err(|refusal| self.refused(refusal))
    }

    /// How far an upload is. `None`: the server has it no more.
    async fn progress(&mut self, id: &str) -> Result<Option<Progress>, Failure> {
        match self.call(&format!("/files/{id}"), None).await? {
            Ok(progress) => Ok(Some(progress)),
            Err(refusal) if refusal.code == "NoSuchUpload" => Ok(None),
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    async fn abort(&mut self, id: &str) -> Result<(), Failure> {
        let _: Value = self.post(&format!("/files/{id}/abort"), &json!({})).await?;
        Ok(())
    }

    fn refused(&self, refusal: Refusal) -> Failure {
        if self.headers.contains_key(passphrase::HEADER) {
            return refusal.of_given_passphrase();
        }
        refusal.failure
    }

    /// Sends a document to a path below the link, or asks for what is there, and reads the answer.
    async fn call<T: DeserializeOwned>(
        &mut self,
        path: &str,
        document: Option<&Value>,
    ) -> Result<Result<T, Refusal>, Failure> {
        let url = format!("{}{path}", self.link);
        let mut tries = Tries::default();
        loop {
            let request = match document {
                Some(document) => {
                    let request = self.client.post(&url).header("content-type", "application/json");
                    request.body(document.to_string())
                }
                None => self.client.get(&url),
            };
            let response = transfer::answer(self.known(request)).await?;
            let (status, asked) = (response.status(), transfer::retry_after(response.headers()));
            if status.is_success() {
                self.remember(response.headers());
                return remote::parse(&remote::read(response).await?).map(Ok);
            }
            let refusal = refusal::look_at(response).await;
            if !refusal::passes(status, &refusal.code) {
                return Ok(Err(refusal));
            }
            tries.pause_for(asked, anyhow!("{}", refusal.failure), &self.bar).await?;
        }
    }

    /// Adds what proves that the passphrase is known.
    fn known(&self, request: RequestBuilder) -> RequestBuilder {
        let mut headers = self.headers.clone();
        if let Some(cookie) = &self.cookie {
            headers.remove(passphrase::HEADER);
            headers.append(COOKIE, cookie.clone());
        }
        request.headers(headers)
    }

    fn remember(&mut self, headers: &HeaderMap) {
        let cookie = headers.get(SET_COOKIE).and_then(|cookie| cookie.to_str().ok());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next());
        if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(cookie).ok()) {
            self.cookie = Some(cookie);
        }
    }
}
