//! Sends one piece of a file.

use std::fs::File;
use std::future::Future;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use indicatif::ProgressBar;
use md5::{Digest as _, Md5};
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, RequestBuilder, Response, StatusCode};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::io::{InspectReader, ReaderStream};

use crate::transfer;

/// A range of bytes of a file. If the file grows meanwhile, only these bytes are sent.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) file: Arc<File>,
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

/// The answer to a piece, and the MD5 of the sent bytes.
pub(crate) struct Sent {
    pub(crate) response: Response,
    pub(crate) md5: Vec<u8>,
}

impl Piece {
    /// Sends the piece as the body of a request; hashes and counts its bytes. If it has to be sent again, the
    /// progress bar goes back.
    pub(crate) async fn send(
        &self,
        request: RequestBuilder,
        bar: &ProgressBar,
    ) -> anyhow::Result<Sent> {
        let taken = Arc::new(AtomicU64::new(0));
        let md5 = Arc::new(Mutex::new(Md5::new()));
        let counted = InspectReader::new(Reader::new(self), {
            let (taken, md5, bar) = (Arc::clone(&taken), Arc::clone(&md5), bar.clone());
            move |bytes| {
                let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                md5.lock().unwrap_or_else(PoisonError::into_inner).update(bytes);
                taken.fetch_add(count, Ordering::Relaxed);
                bar.inc(count);
            }
        });
        let body = Body::wrap_stream(ReaderStream::with_capacity(counted, transfer::READ_BYTES));
        let answer = request.header(CONTENT_LENGTH, self.size).body(body).send();
        let answer = match unless_silent(&taken, answer, transfer::SILENCE_MAX).await {
            Some(answer) => answer.map_err(transfer::unanswered),
            None => Err(transfer::Silent.into()),
        };
        if !answer.as_ref().is_ok_and(|response| response.status() == StatusCode::OK) {
            bar.dec(taken.load(Ordering::Relaxed));
        }
        let md5 = md5.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Sent { response: answer?, md5: md5.finalize().to_vec() })
    }

    /// The MD5 of the piece, without sending it.
    pub(crate) fn md5(&self) -> io::Result<Vec<u8>> {
        let mut md5 = Md5::new();
        let mut reader = Reader::new(self);
        let mut buffer = vec![0; transfer::READ_BYTES];
        loop {
            match reader.read(&mut buffer)? {
                [] => return Ok(md5.finalize().to_vec()),
                bytes => md5.update(bytes),
            }
        }
    }
}

/// Waits for an answer while bytes are being taken. `None`: for too long no byte was taken and no answer came.
async fn unless_silent<T>(
    taken: &AtomicU64,
    answer: impl Future<Output = T>,
    silence_max: Duration,
) -> Option<T> {
    let mut answer = pin!(answer);
    let mut before = taken.load(Ordering::Relaxed);
    loop {
        if let Ok(answer) = tokio::time::timeout(silence_max, &mut answer).await {
            return Some(answer);
        }
        let now = taken.load(Ordering::Relaxed);
        if now == before {
            return None;
        }
        before = now;
    }
}

/// Reads a piece without moving the file's position, which all pieces share. Reading a local file is short, so
/// no other thread is used.
struct Reader {
    file: Arc<File>,
    offset: u64,
    rest: u64,
}

impl Reader {
    fn new(piece: &Piece) -> Self {
        let Piece { file, offset, size } = piece;
        Self { file: Arc::clone(file), offset: *offset, rest: *size }
    }

    /// The next bytes; empty at the end.
    fn read<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
        let most = usize::try_from(self.rest).unwrap_or(usize::MAX).min(buffer.len());
        let room = buffer.get_mut(..most).unwrap_or_default();
        let count = self.file.read_at(room, self.offset)?;
        let counted = u64::try_from(count).unwrap_or_default();
        self.offset = self.offset.saturating_add(counted);
        self.rest = self.rest.saturating_sub(counted);
        Ok(room.get(..count).unwrap_or_default())
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = self.get_mut().read(buffer.initialize_unfilled())?.len();
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}
