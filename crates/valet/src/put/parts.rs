//! Uploads a file by the links of a bundle: several parts at once, each with as many tries as it takes.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use indicatif::{HumanBytes, ProgressBar};
use reqwest::header::{CONTENT_TYPE, ETAG};
use reqwest::{Client, Response, StatusCode, Url};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::STANDARD_INPUT;
use super::bundle::{Bundle, Part};
use super::piece::{Piece, Sent};
use crate::args::Put;
use crate::checksum::{md5_of_etag, md5_of_text};
use crate::failure::Failure;
use crate::output::Form;
use crate::refusal::{self, Refusal};
use crate::transfer::{Moved, Silent};
use crate::{output, remote, table, transfer};

/// The number of parts that are sent at once.
const PARTS_AT_ONCE: usize = 4;
/// The most links that one call renews.
const RENEWED_AT_ONCE: usize = 1000;
/// The most tries of one request.
const TRIES_MAX: u32 = 6;
/// The longest pause before another try.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The longest wait for the answer to a short request. Completing an upload reads no bytes, so it is short too.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(5);

pub(super) fn run(arguments: &Put) -> Result<(), Failure> {
    let Put { file: path, url: bundle, abort, json, connection, .. } = arguments;
    let Put { content_type, .. } = arguments;
    if content_type.is_some() || !connection.header.is_empty() {
        return Err(Failure::usage(anyhow!(
            "--content-type and -H are for a link, not for a bundle"
        )));
    }
    if super::has_words_of_request(arguments) {
        return Err(Failure::usage(anyhow!(
            "--sender, --note, --filename and --passphrase are for a link of `valet request`, not for a bundle"
        )));
    }
    if path.as_os_str() == STANDARD_INPUT && bundle == STANDARD_INPUT && !abort {
        return Err(Failure::usage(anyhow!(
            "the file and the bundle cannot both be standard input"
        )));
    }
    let bundle = Bundle::read(bundle)?;
    let client = transfer::sender(connection)?;
    if *abort {
        return transfer::block_on(give_up(&client, bundle.abort));
    }
    let (file, size) = super::open(path)?;
    if size != bundle.size() {
        let planned = bundle.size();
        let error = anyhow!("the bundle is for {planned} bytes, and the file has {size}");
        return Err(Failure::usage(error));
    }
    let bar = transfer::progress(connection.quiet, Some(size));
    let upload = Arc::new(Upload::new(bundle, client, file, bar));
    let done = transfer::block_on(async {
        tokio::select! {
            done = Arc::clone(&upload).run() => done,
            interrupt = tokio::signal::ctrl_c() => {
                interrupt.context("cannot wait for Ctrl-C")?;
                upload.bar.suspend(|| output::note(upload.ways_on()));
                Err(Failure::failed(anyhow!("interrupted")))
            }
        }
    });
    upload.bar.finish_and_clear();
    let Uploaded { etag, version_id } = done?;
    let (words, verified) = upload.verified();
    if !connection.quiet {
        output::note(format!("{} stored; {words}", HumanBytes(size)));
    }
    let file = super::name(path);
    // The tag comes from XML, which can contain characters that no header can.
    let line = table::shown(&etag);
    let whole =
        Moved { file, size, etag: Some(&etag), version_id: version_id.as_deref(), verified };
    output::answer(Form::of(*json), &whole, [line])
}

async fn give_up(client: &Client, abort: Url) -> Result<(), Failure> {
    let request = client.delete(abort).timeout(ANSWER_TIMEOUT);
    let response = transfer::answer(request).await?;
    // S3 answers 204. Any other answer is that of another server.
    if response.status() != StatusCode::NO_CONTENT {
        return Err(refusal::read(response).await);
    }
    output::note("the upload is given up; its parts are discarded");
    Ok(())
}

struct Upload {
    bundle: Bundle,
    client: Client,
    file: Arc<File>,
    bar: ProgressBar,
    waiting: Mutex<VecDeque<Part>>,
    stored: Mutex<BTreeMap<u16, Stored>>,
    /// Renewed links, by part. One worker at a time asks for them.
    fresh: tokio::sync::Mutex<BTreeMap<u16, Url>>,
}

struct Stored {
    etag: String,
    verified: bool,
}

/// The outcome of an upload.
struct Uploaded {
    etag: String,
    version_id: Option<String>,
}

/// Why a request did not succeed.
enum Setback {
    /// The same request may succeed later.
    Passing(anyhow::Error),
    /// The link has expired.
    Expired(Failure),
    Final(Failure),
}

#[derive(Serialize)]
struct Wanted {
    parts: Vec<u16>,
}

#[derive(Deserialize)]
struct Renewed {
    parts: Vec<RenewedPart>,
    uploaded: Vec<UploadedPart>,
}

#[derive(Deserialize)]
struct RenewedPart {
    number: u16,
    link: String,
}

#[derive(Deserialize)]
struct UploadedPart {
    number: u16,
    size: u64,
    etag: String,
}

#[derive(Deserialize)]
struct Completed {
    #[serde(rename = "ETag")]
    etag: String,
}

impl Upload {
    fn new(bundle: Bundle, client: Client, file: File, bar: ProgressBar) -> Self {
        let waiting = Mutex::new(bundle.parts.iter().cloned().collect());
        let (stored, fresh) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { bundle, client, file: Arc::new(file), bar, waiting, stored, fresh }
    }

    /// Uploads the parts that are missing, and completes.
    async fn run(self: Arc<Self>) -> Result<Uploaded, Failure> {
        self.skip_what_is_there().await?;
        let mut workers = JoinSet::new();
        for _ in 0..PARTS_AT_ONCE {
            workers.spawn(Arc::clone(&self).work());
        }
        while let Some(worker) = workers.join_next().await {
            let done = worker.context("a worker failed")?;
            if done.is_err() {
                self.bar.suspend(|| output::note(self.ways_on()));
            }
            done?;
        }
        self.complete().await
    }

    /// Finds parts that an earlier run has sent. They are skipped if they are the same as would be sent.
    async fn skip_what_is_there(&self) -> Result<(), Failure> {
        let Some(renew) = &self.bundle.renew else { return Ok(()) };
        let Renewed { uploaded, .. } = self.ask(renew, Vec::new()).await?;
        let uploaded: BTreeMap<_, _> =
            uploaded.into_iter().map(|part| (part.number, part)).collect();
        let mut waiting = VecDeque::new();
        for part in &self.bundle.parts {
            // Hashing takes long, and Ctrl-C must work meanwhile.
            tokio::task::yield_now().await;
            let same = match uploaded.get(&part.number) {
                Some(found) if found.size == part.size => self.is_same(part, &found.etag)?,
                Some(_) | None => false,
            };
            if same {
                let etag = uploaded.get(&part.number).map(|found| found.etag.clone());
                let stored = Stored { etag: etag.unwrap_or_default(), verified: true };
                lock(&self.stored).insert(part.number, stored);
                self.bar.inc(part.size);
            } else {
                waiting.push_back(part.clone());
            }
        }
        let there = self.bundle.parts.len().saturating_sub(waiting.len());
        if there > 0 {
            let all = self.bundle.parts.len();
            self.bar.suspend(|| output::note(format!("{there} of {all} parts are there already")));
        }
        *lock(&self.waiting) = waiting;
        Ok(())
    }

    fn is_same(&self, part: &Part, etag: &str) -> Result<bool, Failure> {
        let Some(stored) = md5_of_text(etag) else { return Ok(false) };
        Ok(self.piece(part).md5().context("cannot read the file")? == stored)
    }

    fn piece(&self, part: &Part) -> Piece {
        Piece { file: Arc::clone(&self.file), offset: part.offset, size: part.size }
    }

    async fn work(self: Arc<Self>) -> Result<(), Failure> {
        loop {
            let Some(part) = lock(&self.waiting).pop_front() else { return Ok(()) };
            let stored = self.put(&part).await?;
            lock(&self.stored).insert(part.number, stored);
        }
    }

    /// Uploads one part, with as many tries as it takes.
    async fn put(&self, part: &Part) -> Result<Stored, Failure> {
        let mut link = part.link.clone();
        let mut tries = Tries::default();
        loop {
            match self.try_put(part, link.clone()).await {
                Ok(stored) => return Ok(stored),
                Err(Setback::Final(failure)) => return Err(failure),
                Err(Setback::Passing(error)) => tries.pause(error, &self.bar).await?,
                Err(Setback::Expired(failure)) => {
                    tries.count += 1;
                    link = match &self.bundle.renew {
                        Some(renew) if tries.count < TRIES_MAX => {
                            self.renewed(renew, part, &link).await?
                        }
                        Some(_) | None => return Err(failure),
                    }
                }
            }
        }
    }

    async fn try_put(&self, part: &Part, link: Url) -> Result<Stored, Setback> {
        let sent = self.piece(part).send(self.client.put(link), &self.bar).await;
        let Sent { response, md5 } = sent.map_err(|error| self.unanswered(error))?;
        let response = accepted(response).await?;
        let verified = match md5_of_etag(response.headers()) {
            Some(stored) if stored != md5 => {
                self.bar.dec(part.size);
                let error = anyhow!("what is stored is not what was sent: its MD5 differs");
                return Err(Setback::Passing(error));
            }
            Some(_) => true,
            None => false,
        };
        let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
        let missing = || Setback::Final(anyhow!("the answer has no ETag").into());
        Ok(Stored { etag: etag.ok_or_else(missing)?.to_owned(), verified })
    }

    /// A link for the part in place of the expired one. The links of waiting parts have expired too, or soon
    /// will, and are renewed along with it.
    async fn renewed(&self, renew: &Url, part: &Part, dead: &Url) -> Result<Url, Failure> {
        let mut fresh = self.fresh.lock().await;
        if let Some(link) = fresh.get(&part.number).filter(|link| *link != dead) {
            return Ok(link.clone());
        }
        let waiting = lock(&self.waiting).iter().map(|part| part.number).collect::<Vec<_>>();
        let wanted = std::iter::once(part.number).chain(waiting).take(RENEWED_AT_ONCE).collect();
        let Renewed { parts, .. } = self.ask(renew, wanted).await?;
        for RenewedPart { number, link } in parts {
            fresh.insert(number, self.bundle.fresh(&link)?);
        }
        drop_into_waiting(&mut lock(&self.waiting), &fresh);
        let link = fresh.get(&part.number).cloned();
        link.ok_or_else(|| anyhow!("the server renews no link of part {}", part.number).into())
    }

    async fn ask(&self, renew: &Url, parts: Vec<u16>) -> Result<Renewed, Failure> {
        let body = serde_json::to_string(&Wanted { parts }).context("cannot write JSON")?;
        let answer = remote::read(self.post(renew, "application/json", body).await?).await?;
        let renewed = serde_json::from_str(&answer).context("the server's answer cannot be read");
        renewed.map_err(Failure::from)
    }

    async fn complete(&self) -> Result<Uploaded, Failure> {
        let body = completion(lock(&self.stored).iter().map(|(n, stored)| (*n, &*stored.etag)));
        let answer = self.post(&self.bundle.complete, "application/xml", body).await?;
        let version_id = transfer::version_id(answer.headers());
        let answer = remote::read(answer).await?;
        match quick_xml::de::from_str::<Completed>(&answer) {
            Ok(Completed { etag }) => {
                Ok(Uploaded { etag: etag.trim_matches('"').to_owned(), version_id })
            }
            // S3 may report an error in the body of an answer that began with 200.
            Err(_) => Err(refusal::in_body(&answer)),
        }
    }

    /// Sends a document, with as many tries as it takes. Both documents that are sent may be repeated.
    async fn post(
        &self,
        link: &Url,
        content_type: &'static str,
        body: String,
    ) -> Result<Response, Failure> {
        let mut tries = Tries::default();
        loop {
            let request = self.client.post(link.clone()).timeout(ANSWER_TIMEOUT);
            let request = request.header(CONTENT_TYPE, content_type).body(body.clone());
            let response = match transfer::answer(request).await {
                Ok(response) => accepted(response).await,
                Err(error) => Err(self.unanswered(error)),
            };
            match response {
                Ok(response) => return Ok(response),
                Err(Setback::Passing(error)) => tries.pause(error, &self.bar).await?,
                Err(Setback::Expired(failure) | Setback::Final(failure)) => return Err(failure),
            }
        }
    }

    /// A server that has never answered is not asked again.
    fn unanswered(&self, error: anyhow::Error) -> Setback {
        if error.is::<Silent>() && lock(&self.stored).is_empty() {
            Setback::Final(error.into())
        } else {
            Setback::Passing(error)
        }
    }

    /// What was verified, in words and as a list.
    fn verified(&self) -> (&'static str, &'static [&'static str]) {
        super::verified_parts(lock(&self.stored).values().all(|stored| stored.verified))
    }

    /// The hint: how the interrupted upload can be continued or aborted.
    fn ways_on(&self) -> String {
        let (stored, all) = (lock(&self.stored).len(), self.bundle.parts.len());
        let go_on = match self.bundle.renew {
            Some(_) => "run the same command to go on, or add --abort to give the upload up",
            None => "add --abort to give the upload up",
        };
        format!("{stored} of {all} parts are stored: {go_on}")
    }
}

/// The document that completes an upload: part numbers and entity tags.
pub(crate) fn completion<'e>(parts: impl Iterator<Item = (u16, &'e str)>) -> String {
    let parts = parts.fold(String::new(), |parts, (number, etag)| {
        let etag = quick_xml::escape::escape(etag);
        parts + &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
    });
    format!(
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{parts}\
         </CompleteMultipartUpload>"
    )
}

fn drop_into_waiting(waiting: &mut VecDeque<Part>, fresh: &BTreeMap<u16, Url>) {
    for part in waiting {
        if let Some(link) = fresh.get(&part.number) {
            part.link = link.clone();
        }
    }
}

/// Passes on an answer with 200, which is the only success here; sorts all others.
async fn accepted(response: Response) -> Result<Response, Setback> {
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(response);
    }
    let refusal = refusal::look_at(response).await;
    let passes = refusal::passes(status, &refusal.code);
    let expired = refusal.is_expiry();
    let Refusal { failure, .. } = refusal;
    Err(match (passes, expired) {
        (true, _) => Setback::Passing(anyhow!("{failure}")),
        (false, true) => Setback::Expired(failure),
        (false, false) => Setback::Final(failure),
    })
}

/// Counts the tries of one request.
#[derive(Default)]
pub(crate) struct Tries {
    count: u32,
}

impl Tries {
    /// Waits before the next try, longer each time, or gives up.
    pub(crate) async fn pause(
        &mut self,
        error: anyhow::Error,
        bar: &ProgressBar,
    ) -> Result<(), Failure> {
        self.pause_for(None, error, bar).await
    }

    /// Like [`pause`](Self::pause), or for as long as the server asks.
    pub(super) async fn pause_for(
        &mut self,
        asked: Option<Duration>,
        error: anyhow::Error,
        bar: &ProgressBar,
    ) -> Result<(), Failure> {
        self.count += 1;
        if self.count >= TRIES_MAX {
            return Err(error.context("given up").into());
        }
        bar.suspend(|| output::note(format!("{error:#}; trying again")));
        let pause = asked.unwrap_or(Duration::from_secs(1 << (self.count - 1)));
        tokio::time::sleep(pause.min(PAUSE_MAX)).await;
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
