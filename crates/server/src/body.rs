//! A request's body: read under limits and timeouts, checked against what its signature and headers say.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use presign::{
    ChunkDecoder, ChunkEvent, FormDecoder, FormEvent, FormFields, Payload, VerifiedSignature,
};
use tokio::sync::mpsc;

use crate::error::{self, Code, S3Error, refusal};
use crate::timed::Activity;

/// The longest time between two pieces of a body.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// How many bytes of a refused upload are still read. A client that reads only after it has written would
/// otherwise never see the refusal.
const DRAIN_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long a refused upload is still read.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);
/// Time for the fields of a form, which stand before its file. They are few, and they are read before the
/// sender is known.
const FORM_TIME_MAX: Duration = Duration::from_secs(30);
/// The most trailer names that one request may declare.
const TRAILERS_MAX: usize = 8;

/// The bytes that follow a request's head.
#[derive(Debug)]
pub struct RequestBody {
    source: BodySource,
    framing: Framing,
    /// Set once the fields of a form have been read: what follows is its file.
    form: Option<FormFile>,
    received: u64,
    ended: bool,
    /// Set while the client waits for a `100 Continue` before it "sends" an empty body.
    waits: Option<Arc<Activity>>,
}

/// A form whose fields have been read: the decoder stands at the first byte of the file.
#[derive(Debug)]
struct FormFile {
    decoder: FormDecoder,
    pending: Bytes,
    size: Option<u64>,
}

/// The part of a form before its file.
#[derive(Debug)]
pub(crate) struct FormHead {
    pub(crate) fields: FormFields,
    /// The file name that the browser sent.
    pub(crate) file_name: Option<String>,
    /// The approximate length of the file: the announced length of the whole form, less what stands around the
    /// file.
    pub(crate) file_size: Option<u64>,
}

/// The announced length of the decoded body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodySize {
    /// Exactly this many bytes. A body that ends earlier is incomplete.
    Exact(u64),
    /// About this many bytes. In a form, fields may follow the file, and their length is known only at the end.
    About(u64),
}

/// What the head says about the body's length and trailers.
#[derive(Debug)]
struct Framing {
    content_length: Option<u64>,
    /// `Transfer-Encoding`, which announces a body but not its length.
    transfer_encoding: bool,
    /// `x-amz-decoded-content-length`
    decoded_length: Option<u64>,
    trailers: Vec<String>,
}

impl Framing {
    fn read(headers: &HeaderMap) -> Self {
        const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");
        let length = |name: HeaderName| headers.get(name)?.to_str().ok()?.parse().ok();
        Self {
            content_length: length(CONTENT_LENGTH),
            transfer_encoding: headers.contains_key(TRANSFER_ENCODING),
            decoded_length: length(DECODED_LENGTH),
            trailers: declared_trailers(headers),
        }
    }
}

#[derive(Debug)]
enum BodySource {
    Wire(Incoming),
    Memory(Bytes),
    Pieces(mpsc::Receiver<Bytes>),
}

impl RequestBody {
    /// The body of a request whose head hyper has read.
    pub fn from_wire(body: Incoming, headers: &HeaderMap) -> Self {
        let ended = body.is_end_stream();
        let framing = Framing::read(headers);
        Self {
            source: BodySource::Wire(body),
            framing,
            form: None,
            received: 0,
            ended,
            waits: None,
        }
    }

    /// Notes that the client waits for a `100 Continue`. hyper sends one as soon as somebody reads the body,
    /// but not if the body is empty; that case is handled here.
    pub(crate) fn expected_to_go_on(mut self, activity: &Arc<Activity>) -> Self {
        self.waits = self.ended.then(|| Arc::clone(activity));
        self
    }

    /// Sends the `100 Continue` that a client with an empty body still waits for. Does nothing otherwise.
    pub(crate) async fn tell_to_go_on(&mut self) {
        if let Some(activity) = self.waits.take() {
            activity.tell_to_go_on().await;
        }
    }

    /// Whether a client with an empty body still waits for a `100 Continue`.
    pub(crate) fn is_waited_with(&self) -> bool {
        self.waits.is_some()
    }

    /// A body that is complete in memory, for tests.
    pub fn from_memory(bytes: Bytes, headers: &HeaderMap) -> Self {
        let ended = bytes.is_empty();
        let framing = Framing::read(headers);
        Self {
            source: BodySource::Memory(bytes),
            framing,
            form: None,
            received: 0,
            ended,
            waits: None,
        }
    }

    /// A body whose pieces a test sends one by one; it ends when the sender is dropped.
    pub fn from_pieces(pieces: mpsc::Receiver<Bytes>, headers: &HeaderMap) -> Self {
        let framing = Framing::read(headers);
        Self {
            source: BodySource::Pieces(pieces),
            framing,
            form: None,
            received: 0,
            ended: false,
            waits: None,
        }
    }

    /// Bytes taken from the connection so far, framing of aws-chunked included.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The next bytes as they arrived, still encoded; `None` at the end of the body.
    async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        loop {
            if self.ended {
                self.tell_to_go_on().await;
                return Ok(None);
            }
            let bytes = match &mut self.source {
                BodySource::Memory(bytes) => {
                    self.ended = true;
                    std::mem::take(bytes)
                }
                BodySource::Pieces(pieces) => {
                    let Some(bytes) = pieces.recv().await else {
                        self.ended = true;
                        return Ok(None);
                    };
                    bytes
                }
                BodySource::Wire(body) => {
                    match tokio::time::timeout(IDLE_MAX, body.frame()).await {
                        Err(_elapsed) => return Err(S3Error::new(Code::RequestTimeout)),
                        Ok(None) => {
                            self.ended = true;
                            return Ok(None);
                        }
                        Ok(Some(Err(cause))) => {
                            self.ended = true;
                            return Err(S3Error::new(Code::IncompleteBody).because(cause));
                        }
                        Ok(Some(Ok(frame))) => {
                            self.ended = body.is_end_stream();
                            // Trailers of HTTP are ignored: aws-chunked bodies bring trailers of their own.
                            let Ok(bytes) = frame.into_data() else { continue };
                            bytes
                        }
                    }
                }
            };
            if !bytes.is_empty() {
                self.received = self.received.saturating_add(length(&bytes));
                return Ok(Some(bytes));
            }
        }
    }

    /// Reads on after a refusal, within limits of bytes and time. A client that reads only after it has written
    /// would otherwise never see why it was refused.
    pub(crate) async fn drain(mut self) {
        let limit = self.received.saturating_add(DRAIN_BYTES_MAX);
        let reading = async {
            while self.received < limit {
                match self.next().await {
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break,
                }
            }
        };
        // The connection is closed in either case, so the outcome does not matter.
        let _ = tokio::time::timeout(DRAIN_TIME_MAX, reading).await;
    }

    /// Reads a form up to its file. The bytes of the file are then the body that [`Self::open`] returns.
    pub(crate) async fn read_form(&mut self, decoder: FormDecoder) -> Result<FormHead, S3Error> {
        let reading = tokio::time::timeout(FORM_TIME_MAX, self.read_to_file(decoder));
        reading.await.unwrap_or_else(|_elapsed| Err(S3Error::new(Code::RequestTimeout)))
    }

    async fn read_to_file(&mut self, mut decoder: FormDecoder) -> Result<FormHead, S3Error> {
        let mut fields = FormFields::default();
        let mut pending = Bytes::new();
        let file_name = loop {
            match decoder.decode(&mut pending).map_err(error::form::of_form)? {
                Some(FormEvent::Field { name, value }) => fields.push(name, value),
                Some(FormEvent::File { name }) => break name,
                Some(FormEvent::Data(_) | FormEvent::End) => {
                    return Err(S3Error::new(Code::InternalError));
                }
                None => match self.next().await? {
                    Some(bytes) => pending = bytes,
                    None => return Err(S3Error::new(Code::MalformedPostRequest)),
                },
            }
        };
        let announced = self.framing.content_length.zip(decoder.bytes_around_file());
        let file_size = announced.map(|(whole, around)| whole.saturating_sub(around));
        self.form = Some(FormFile { decoder, pending, size: file_size });
        Ok(FormHead { fields, file_name, file_size })
    }

    /// The decoded body, to be read once. The signature says how it is encoded (plain or aws-chunked) and which
    /// hash it must have.
    pub(crate) fn open(
        &mut self,
        signature: Option<&VerifiedSignature>,
    ) -> Result<OpenBody<'_>, S3Error> {
        let mut open = OpenBody {
            size: self.framing.content_length.map(BodySize::Exact),
            body: self,
            pending: Bytes::new(),
            decoder: Decoder::Plain,
            expected_sha256: None,
            trailers: Vec::new(),
        };
        if let Some(FormFile { decoder, pending, size }) = open.body.form.take() {
            open.decoder = Decoder::Form(decoder);
            open.pending = pending;
            open.size = size.map(BodySize::About);
            return Ok(open);
        }
        match signature.map(|signature| (signature, signature.payload())) {
            None | Some((_, Payload::Unsigned)) => {}
            Some((_, Payload::Sha256(text))) => open.expected_sha256 = Some(text.clone()),
            Some((signature, Payload::Streaming(_))) => {
                let framing = &open.body.framing;
                let missing = || S3Error::new(Code::MissingContentLength);
                let decoded_length = framing.decoded_length.ok_or_else(missing)?;
                let declared: Vec<&str> = framing.trailers.iter().map(String::as_str).collect();
                let decoder = signature.chunk_decoder(decoded_length, &declared);
                if let Some(decoder) = decoder {
                    open.decoder = Decoder::Chunks(Box::new(decoder));
                }
                open.size = Some(BodySize::Exact(decoded_length));
            }
        }
        Ok(open)
    }
}

/// A body that is decoded and verified as it is read: chunk signatures, hashes and length.
#[derive(Debug)]
pub(crate) struct OpenBody<'b> {
    body: &'b mut RequestBody,
    pending: Bytes,
    decoder: Decoder,
    size: Option<BodySize>,
    expected_sha256: Option<String>,
    trailers: Vec<(String, String)>,
}

/// How the bytes are encoded.
#[derive(Debug)]
enum Decoder {
    Plain,
    Chunks(Box<ChunkDecoder>),
    Form(FormDecoder),
}

impl OpenBody<'_> {
    /// The announced length of the decoded body.
    pub(crate) fn size(&self) -> Option<BodySize> {
        self.size
    }

    /// The refusal of a body without an announced length: S3 does not take `Transfer-Encoding` alone.
    pub(crate) fn without_length(&self) -> S3Error {
        if self.body.framing.transfer_encoding {
            S3Error::not_implemented("Transfer-Encoding")
        } else {
            S3Error::new(Code::MissingContentLength)
        }
    }

    /// The lower-case hex SHA-256 of the body that the signature covers, if it covers one.
    pub(crate) fn expected_sha256(&self) -> Option<&str> {
        self.expected_sha256.as_deref()
    }

    /// The value of a trailer. Trailers are known once [`Self::next`] has returned `None`.
    pub(crate) fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The next decoded bytes. `None` means that everything announced has arrived and been verified.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        let Self { body, pending, decoder, size, expected_sha256: _, trailers } = self;
        match decoder {
            Decoder::Plain => {
                let next = body.next().await?;
                let missing = *size != Some(BodySize::Exact(body.received)) && size.is_some();
                if next.is_none() && missing {
                    return Err(S3Error::new(Code::IncompleteBody));
                }
                Ok(next)
            }
            Decoder::Chunks(decoder) => loop {
                match decoder.decode(pending).map_err(refusal::of_chunk)? {
                    Some(ChunkEvent::Data(bytes)) => return Ok(Some(bytes)),
                    Some(ChunkEvent::End { trailers: found }) => {
                        *trailers = found;
                        // The decoder decides which bytes may still follow the last chunk.
                        decoder.decode(pending).map_err(refusal::of_chunk)?;
                        while let Some(mut more) = body.next().await? {
                            decoder.decode(&mut more).map_err(refusal::of_chunk)?;
                        }
                        decoder.finish().map_err(refusal::of_chunk)?;
                        return Ok(None);
                    }
                    // The decoder needs more bytes.
                    None => match body.next().await? {
                        Some(bytes) => *pending = bytes,
                        None => return Err(S3Error::new(Code::IncompleteBody)),
                    },
                }
            },
            Decoder::Form(decoder) => loop {
                match decoder.decode(pending).map_err(error::form::of_form)? {
                    Some(FormEvent::Data(bytes)) => return Ok(Some(bytes)),
                    // Fields after the file are ignored.
                    Some(FormEvent::End) => return Ok(None),
                    Some(FormEvent::Field { .. } | FormEvent::File { .. }) => {
                        return Err(S3Error::new(Code::InternalError));
                    }
                    None => match body.next().await? {
                        Some(bytes) => *pending = bytes,
                        None => return Err(S3Error::new(Code::MalformedPostRequest)),
                    },
                }
            },
        }
    }

    /// The whole of a small document, checked against the signed hash.
    pub(crate) async fn collect(
        mut self,
        bytes_max: usize,
    ) -> Result<(Bytes, Vec<(String, String)>), S3Error> {
        let too_long = || {
            S3Error::new(Code::MaxMessageLengthExceeded)
                .detail("MaxMessageLengthBytes", bytes_max.to_string())
        };
        if let Some(BodySize::Exact(size) | BodySize::About(size)) = self.size
            && usize::try_from(size).map_or(true, |size| size > bytes_max)
        {
            return Err(too_long());
        }
        let mut whole = BytesMut::new();
        while let Some(bytes) = self.next().await? {
            if whole.len() + bytes.len() > bytes_max {
                return Err(too_long());
            }
            whole.extend_from_slice(&bytes);
        }
        if let Some(expected) = &self.expected_sha256 {
            let computed = presign::payload_hash(&whole);
            if *expected != computed {
                return Err(refusal::content_sha256_mismatch(expected, &computed));
            }
        }
        Ok((whole.freeze(), self.trailers))
    }
}

fn declared_trailers(headers: &HeaderMap) -> Vec<String> {
    const TRAILER: HeaderName = HeaderName::from_static("x-amz-trailer");
    headers
        .get_all(TRAILER)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .take(TRAILERS_MAX)
        .collect()
}

pub(crate) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
