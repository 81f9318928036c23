//! All files of a folder as one zip, made while it is sent. Each file is asked for by a request of its own, so that whoever
//! made the link must have the permission for each at that moment; and a piece of one file is in memory at a time.

mod format;
mod names;

use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use presign::LinkConditions;
use store::{BodyReader, ManagedLink, StoreError};

use super::ask::OwnRequests;
use super::folder::listing::{FolderFile, FolderPage, Place};
use super::visit::lent_for;
use crate::error::{Code, S3Error};
use crate::gate::LentRequest;
use crate::link_rate::Throttle;
use crate::link_uses::CallUse;
use crate::made::{ClientGone, MadeBodySender, made_body};
use crate::respond::{Reply, ReplyBody};
use crate::zip_places::ZipPlace;
use format::ZipWriter;
use names::ZipNames;

/// The longest piece of a file that is read at once.
const PIECE_BYTES_MAX: usize = 64 * 1024;
/// What is shorter is sent together with what follows.
const PIECE_BYTES_MIN: usize = 16 * 1024;
/// The longest directory of a zip, which is kept until its end: some seventy thousand files with usual names.
const DIRECTORY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The most files that are named as left out.
const LEFT_OUT_MAX: usize = 1000;
/// How often a file is asked for again whose link is too busy at that moment, a second apart.
const BUSY_MAX: u32 = 30;
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// The last entry, if files were left out.
const NOT_INCLUDED: &str = "NOT-INCLUDED.txt";

/// A zip to be made.
#[derive(Debug)]
pub(super) struct ZipJob {
    pub(super) requests: OwnRequests,
    pub(super) link: ManagedLink,
    pub(super) folder: Place,
}

/// A zip whose first files are known.
#[derive(Debug)]
pub(super) struct BegunZip {
    job: ZipJob,
    first: FolderPage,
    place: ZipPlace,
}

/// A zip that is being sent.
struct SendingZip {
    job: ZipJob,
    sender: MadeBodySender,
    place: ZipPlace,
    zip: ZipWriter,
    names: ZipNames,
    /// What was made and is to be sent with what follows.
    out: Vec<u8>,
    sent: u64,
    /// The size of all files that are known so far.
    listed: u64,
    left_out: LeftOut,
}

/// What is not in the zip.
#[derive(Debug, Default)]
struct LeftOut {
    files: Vec<String>,
    more: u64,
    /// Why the list of files is not whole.
    rest: Option<&'static str>,
}

/// Why a zip is broken off.
#[derive(Debug)]
enum BrokenOff {
    ClientGone,
    /// Of a file whose beginning is sent already.
    Failed(StoreError),
}

impl From<ClientGone> for BrokenOff {
    fn from(_: ClientGone) -> Self {
        Self::ClientGone
    }
}

/// The answer that a zip is the body of.
pub(super) fn head(disposition: &str) -> Reply {
    let mut reply = Reply::new(StatusCode::OK);
    reply.set(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    reply.set_text(CONTENT_DISPOSITION, disposition);
    reply
}

/// The refusal of a zip beyond those that may be under way.
pub(super) fn too_many() -> S3Error {
    let message = "Too many folders are being sent as a zip. Please try again.";
    S3Error::with_message(Code::SlowDown, message).retry_after_a_second()
}

impl ZipJob {
    /// Reads the first page of the list. What refuses that refuses the zip.
    pub(super) async fn begin(self, place: ZipPlace) -> Result<BegunZip, S3Error> {
        let Self { requests, link, folder } = &self;
        let first = folder.list_all_levels(requests, link, None).await?;
        Ok(BegunZip { job: self, first, place })
    }
}

impl BegunZip {
    /// Sends the zip in a task of its own, which ends when nobody takes the body any more. The use counts unless the client
    /// goes before the end.
    pub(super) fn send(self, using: Option<CallUse>) -> ReplyBody {
        let Self { job, first, place } = self;
        let (sender, body) = made_body();
        let sending = SendingZip {
            job,
            sender,
            place,
            zip: ZipWriter::default(),
            names: ZipNames::default(),
            out: Vec::new(),
            sent: 0,
            listed: 0,
            left_out: LeftOut::default(),
        };
        tokio::spawn(sending.run(first, using));
        ReplyBody::Made(Box::new(body))
    }
}

impl SendingZip {
    async fn run(mut self, first: FolderPage, using: Option<CallUse>) {
        let written = self.write(first).await;
        let Self { sender, sent, listed, place: _place, .. } = self;
        let ended = match written {
            Ok(()) => sender.end().await.map_err(BrokenOff::from),
            Err(BrokenOff::Failed(error)) => {
                sender.fail(error.clone()).await;
                Err(BrokenOff::Failed(error))
            }
            Err(BrokenOff::ClientGone) => Err(BrokenOff::ClientGone),
        };
        match (using, ended) {
            (Some(using), Ok(())) => using.settle(true).await,
            (Some(using), Err(BrokenOff::ClientGone | BrokenOff::Failed(_))) => {
                using.break_off(sent, listed).await;
            }
            (None, Ok(()) | Err(_)) => {}
        }
    }

    async fn write(&mut self, first: FolderPage) -> Result<(), BrokenOff> {
        let mut page = first;
        loop {
            let held =
                memory(&page).saturating_add(self.zip.memory()).saturating_add(self.names.memory());
            if !self.place.hold(held) {
                self.left_out.rest = Some(
                    "The server had no room for more. Take the folders in it, or try again later.",
                );
                return self.finish().await;
            }
            let sizes = page.files.iter().map(|file| file.size);
            self.listed = sizes.fold(self.listed, u64::saturating_add);
            for file in &page.files {
                if self.zip.directory_bytes() > DIRECTORY_BYTES_MAX || self.names.is_full() {
                    self.left_out.rest = Some("A zip holds no more files than are in this one.");
                    return self.finish().await;
                }
                self.add(file).await?;
            }
            let Some(next) = page.next else { return self.finish().await };
            let ZipJob { requests, link, folder } = &self.job;
            page = match folder.list_all_levels(requests, link, Some(&next)).await {
                Ok(page) => page,
                Err(_refused) => {
                    self.left_out.rest = Some("The link did not give the rest of the list.");
                    return self.finish().await;
                }
            };
        }
    }

    /// Adds a file, or notes that it is left out.
    async fn add(&mut self, file: &FolderFile) -> Result<(), BrokenOff> {
        if self.sender.is_gone() {
            return Err(BrokenOff::ClientGone);
        }
        if file.size == 0 && file.name.ends_with('/') {
            if let Some(name) = self.names.folder(&file.name) {
                self.zip.folder(name, file.modified, &mut self.out);
            }
            return Ok(());
        }
        let Ok(mut reply) = self.ask(&file.name).await else {
            self.left_out.add(&file.name);
            return Ok(());
        };
        let size = match &reply.body {
            ReplyBody::Object(reader) => reader.remaining(),
            ReplyBody::Full(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            ReplyBody::Empty | ReplyBody::Made(_) | ReplyBody::Edge(_) => 0,
        };
        let name = self.names.file(&file.name);
        let mut writing = self.zip.begin_file((name, size, file.modified), &mut self.out);
        let (mut body, flow) = reply.take_flowing();
        let mut throttle = flow.and_then(|flow| flow.throttle);
        while let Some(piece) = next_piece(&mut body, throttle.as_ref()).await {
            let piece = piece.map_err(BrokenOff::Failed)?;
            if let Some(throttle) = &mut throttle {
                throttle.pass(piece.len()).await;
            }
            writing.take(&piece);
            self.send(piece).await?;
        }
        self.zip.end_file(writing, &mut self.out).map_err(|_| {
            BrokenOff::Failed(StoreError::Corrupt { what: "the size of a file in a zip" })
        })
    }

    /// Asks for a file, again where its link is only busy.
    async fn ask(&self, name: &str) -> Result<Reply, S3Error> {
        let ZipJob { requests, link, folder } = &self.job;
        let key = format!("{}{name}", folder.whole_prefix());
        let lent = LentRequest {
            method: "GET",
            key: &key,
            query: &[],
            headers: &[],
            expires_in: lent_for()?,
            conditions: LinkConditions::default(),
        };
        for _ in 0..BUSY_MAX {
            match requests.ask(link, &lent).await {
                Err(busy) if busy.code() == Code::SlowDown => {}
                answered => return answered,
            }
            tokio::time::sleep(BUSY_PAUSE).await;
        }
        Err(S3Error::new(Code::SlowDown))
    }

    async fn finish(&mut self) -> Result<(), BrokenOff> {
        if let Some(text) = self.left_out.text() {
            let name = self.names.file(NOT_INCLUDED);
            let size = u64::try_from(text.len()).unwrap_or(u64::MAX);
            let now = self.job.requests.now();
            let mut writing = self.zip.begin_file((name, size, now), &mut self.out);
            writing.take(text.as_bytes());
            self.send(Bytes::from(text)).await?;
            self.zip.end_file(writing, &mut self.out).map_err(|_| {
                BrokenOff::Failed(StoreError::Corrupt { what: "the size of a file in a zip" })
            })?;
        }
        self.send_out().await?;
        let mut end = Bytes::from(std::mem::take(&mut self.zip).finish());
        while !end.is_empty() {
            let piece = end.split_to(PIECE_BYTES_MAX.min(end.len()));
            self.send_on(piece).await?;
        }
        Ok(())
    }

    /// Sends a piece of a file; a short one with what follows.
    async fn send(&mut self, piece: Bytes) -> Result<(), ClientGone> {
        if piece.len() < PIECE_BYTES_MIN {
            self.out.extend_from_slice(&piece);
            if self.out.len() < PIECE_BYTES_MAX {
                return Ok(());
            }
            return self.send_out().await;
        }
        self.send_out().await?;
        self.send_on(piece).await
    }

    async fn send_out(&mut self) -> Result<(), ClientGone> {
        let out = Bytes::from(std::mem::take(&mut self.out));
        self.send_on(out).await
    }

    async fn send_on(&mut self, piece: Bytes) -> Result<(), ClientGone> {
        let bytes = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.sender.send(piece).await?;
        self.sent = self.sent.saturating_add(bytes);
        Ok(())
    }
}

/// What a page of the list takes in memory, in bytes.
fn memory(page: &FolderPage) -> u64 {
    let files =
        page.files.iter().map(|file| size_of::<FolderFile>().saturating_add(file.name.len()));
    let bytes = files.fold(0, usize::saturating_add);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// The next bytes of a file, as many as the rate of its link lets pass at once.
async fn next_piece(
    body: &mut ReplyBody,
    throttle: Option<&Throttle>,
) -> Option<Result<Bytes, StoreError>> {
    let most = throttle.map_or(PIECE_BYTES_MAX, Throttle::piece_bytes_max).min(PIECE_BYTES_MAX);
    match body {
        ReplyBody::Object(reader) => read(reader, most).await,
        ReplyBody::Full(bytes) if !bytes.is_empty() => {
            Some(Ok(bytes.split_to(most.min(bytes.len()))))
        }
        ReplyBody::Full(_) | ReplyBody::Empty | ReplyBody::Made(_) | ReplyBody::Edge(_) => None,
    }
}

async fn read(reader: &mut BodyReader, most: usize) -> Option<Result<Bytes, StoreError>> {
    std::future::poll_fn(|context| reader.poll_next(context, most)).await
}

impl LeftOut {
    fn add(&mut self, name: &str) {
        if self.files.len() < LEFT_OUT_MAX {
            self.files.push(name.to_owned());
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// What is left out, in words; `None`: nothing is.
    fn text(&self) -> Option<String> {
        if self.files.is_empty() && self.rest.is_none() {
            return None;
        }
        let mut lines = vec!["Not all files of the folder are in this zip.".to_owned()];
        lines.extend(self.rest.map(str::to_owned));
        if !self.files.is_empty() {
            lines.push(String::new());
            lines.push("The link did not give these files, or they were gone:".to_owned());
            // A name that has lines of its own is still one line here.
            lines.extend(self.files.iter().map(|name| format!("  {}", name.escape_debug())));
        }
        if self.more > 0 {
            lines.push(format!("  and {} more", self.more));
        }
        Some(lines.join("\r\n") + "\r\n")
    }
}
