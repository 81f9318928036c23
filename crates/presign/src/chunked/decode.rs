//! Decoding an aws-chunked body while verifying it.

use std::fmt;

use bytes::{Buf, Bytes};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{CHUNK_BYTES_MIN, ChunkContext, SIGNATURE_EXTENSION, StreamingMode, TRAILER_SIGNATURE};
use crate::claim::SignatureMismatch;

/// The longest line before a chunk, without its end: 16 digits and a signature need 97 bytes.
const CHUNK_HEADER_BYTES_MAX: usize = 128;

/// The most digits of a chunk's size; how large it may be is bounded by the declared length.
const CHUNK_SIZE_DIGITS_MAX: usize = 16;

/// The most bytes of all trailer lines together.
const TRAILER_BYTES_MAX: usize = 8192;

/// What a [`ChunkDecoder`] has found.
#[derive(Clone, PartialEq, Eq)]
pub enum ChunkEvent {
    /// Bytes of the body. Their chunk's signature is not proven yet: only [`Self::End`] says that
    /// all of them are what was signed.
    Data(Bytes),
    /// The body is whole, and everything in it verified.
    End {
        /// Names in lower case, values trimmed, in order of arrival.
        trailers: Vec<(String, String)>,
    },
}

impl fmt::Debug for ChunkEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(data) => write!(formatter, "Data({} bytes)", data.len()),
            Self::End { trailers } => write!(formatter, "End({} trailers)", trailers.len()),
        }
    }
}

/// Why an aws-chunked body is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// A chunk below 8192 bytes that is not the last.
    ///
    /// 403 `InvalidChunkSizeError` "Only the last chunk is allowed to have a size less than 8192
    /// bytes" with `Chunk` and `BadChunkSize` (semantics 6.6.9).
    #[error("chunk {chunk} has only {size} bytes")]
    InvalidChunkSize {
        /// The number of the chunk, counted from 1.
        chunk: u64,
        /// The size that the chunk announces, in bytes.
        size: u64,
    },
    /// A trailer that is undeclared, absent, repeated or other than declared, or too many bytes of
    /// them.
    ///
    /// 400 `MalformedTrailerError` (semantics 6.6.9).
    #[error("malformed trailer")]
    MalformedTrailer,
    /// The framing is broken, the body ends early or goes on after its end, or there is no trailer
    /// signature.
    ///
    /// 400 `IncompleteBody` "The request body terminated unexpectedly" (semantics 6.6.9).
    #[error("incomplete body")]
    IncompleteBody,
    /// The decoded body is not as long as `x-amz-decoded-content-length` says.
    ///
    /// 400 `IncompleteBody`.
    #[error("decoded body is not {declared} bytes long")]
    DecodedLength {
        /// The length in bytes that was declared.
        declared: u64,
    },
    /// A chunk's or the trailers' signature does not match: the chunk's string to sign, with the
    /// request's canonical request (semantics 1.5.2b).
    ///
    /// 403 `SignatureDoesNotMatch`.
    #[error(transparent)]
    Signature(SignatureMismatch),
}

/// Decodes and verifies an aws-chunked body; made by
/// [`VerifiedSignature::chunk_decoder`](crate::VerifiedSignature::chunk_decoder).
///
/// Holds at most one line of the body. Data goes out before its signature is proven, so what is
/// made of it must not be published before [`ChunkEvent::End`].
pub struct ChunkDecoder {
    mode: StreamingMode,
    context: ChunkContext,
    /// Of the whole body, in bytes.
    declared_length: u64,
    undecoded_length: u64,
    /// Declared and not yet seen, in lower case.
    awaited_trailers: Vec<String>,
    trailers: Vec<(String, String)>,
    trailer_bytes: usize,
    /// Whether a line feed alone ended a trailer.
    bare_line_feed: bool,
    /// The line that is being read.
    line: Vec<u8>,
    chunk: Chunk,
    state: State,
}

/// The chunk that is being read, or that was read last.
#[derive(Default)]
struct Chunk {
    /// From 1; 0 before the first.
    number: u64,
    size: u64,
    /// As sent; empty where chunks are not signed.
    signature: Vec<u8>,
    hash: Sha256,
}

enum State {
    ChunkHeader,
    ChunkData {
        remaining: u64,
    },
    ChunkEnd,
    Trailers,
    /// A line feed alone ended the trailers, and an empty line followed: their signature is next.
    TrailerSignature,
    /// The trailers' signature was the line before.
    LastLine {
        trailer_signature: Vec<u8>,
    },
    /// The end, and one empty line more may follow it.
    EndedOpen,
    Ended,
    Failed,
}

impl ChunkDecoder {
    pub(crate) fn new(
        mode: StreamingMode,
        context: ChunkContext,
        decoded_length: u64,
        declared_trailers: &[&str],
    ) -> Self {
        Self {
            mode,
            context,
            declared_length: decoded_length,
            undecoded_length: decoded_length,
            awaited_trailers: declared_trailers
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
            trailers: Vec::new(),
            trailer_bytes: 0,
            bare_line_feed: false,
            line: Vec::new(),
            chunk: Chunk::default(),
            state: State::ChunkHeader,
        }
    }

    /// Takes what it can from the front of `input`. `Ok(None)`: all of it is taken, and more is
    /// needed.
    ///
    /// After an error every further byte is an error; after [`ChunkEvent::End`] every one but an empty
    /// line where a line feed alone ended the trailers.
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Option<ChunkEvent>, ChunkError> {
        let result = self.advance(input);
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    /// To be called when the input has ended: an error unless [`ChunkEvent::End`] was reached.
    pub fn finish(&self) -> Result<(), ChunkError> {
        match self.state {
            State::Ended => Ok(()),
            State::EndedOpen if self.line.is_empty() => Ok(()),
            State::ChunkHeader
            | State::ChunkData { .. }
            | State::ChunkEnd
            | State::Trailers
            | State::TrailerSignature
            | State::LastLine { .. }
            | State::EndedOpen
            | State::Failed => Err(ChunkError::IncompleteBody),
        }
    }

    fn advance(&mut self, input: &mut Bytes) -> Result<Option<ChunkEvent>, ChunkError> {
        while input.has_remaining() {
            if let State::ChunkData { remaining } = &mut self.state {
                let taken = usize::try_from(*remaining).unwrap_or(usize::MAX).min(input.len());
                let data = input.split_to(taken);
                *remaining -= u64::try_from(taken).unwrap_or(*remaining);
                if *remaining == 0 {
                    self.state = State::ChunkEnd;
                }
                if self.mode.signs_chunks() {
                    self.chunk.hash.update(&data);
                }
                return Ok(Some(ChunkEvent::Data(data)));
            }
            let line_max = match self.state {
                State::ChunkHeader => CHUNK_HEADER_BYTES_MAX,
                State::Trailers | State::TrailerSignature | State::LastLine { .. } => {
                    TRAILER_BYTES_MAX
                }
                State::ChunkData { .. } | State::ChunkEnd | State::EndedOpen => 0,
                State::Ended | State::Failed => return Err(ChunkError::IncompleteBody),
            };
            let Some(line) = self.read_line(input, line_max)? else { return Ok(None) };
            if let Some(end) = self.read_frame(&line)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    /// A line without its end, once it is complete. That is CRLF; after a trailer, which is signed
    /// with a line feed, it may be that line feed alone.
    fn read_line(
        &mut self,
        input: &mut Bytes,
        bytes_max: usize,
    ) -> Result<Option<Vec<u8>>, ChunkError> {
        let room = (bytes_max + 2).saturating_sub(self.line.len());
        let visible = input.get(..room.min(input.len())).unwrap_or_default();
        if let Some(end) = visible.iter().position(|byte| *byte == b'\n') {
            self.line.extend_from_slice(&input.split_to(end));
            input.advance(1);
            let mut line = std::mem::take(&mut self.line);
            if line.pop_if(|last| *last == b'\r').is_some() {
                return Ok(Some(line));
            }
            let is_trailer = matches!(self.state, State::Trailers) && self.mode.has_trailers();
            if !is_trailer || !line.last().is_some_and(u8::is_ascii_graphic) {
                return Err(ChunkError::IncompleteBody);
            }
            self.bare_line_feed = true;
            return Ok(Some(line));
        }
        if visible.len() == room {
            let in_trailers = matches!(self.state, State::Trailers) && self.mode.has_trailers();
            return Err(if in_trailers {
                ChunkError::MalformedTrailer
            } else {
                ChunkError::IncompleteBody
            });
        }
        self.line.extend_from_slice(visible);
        input.clear();
        Ok(None)
    }

    fn read_frame(&mut self, line: &[u8]) -> Result<Option<ChunkEvent>, ChunkError> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::ChunkHeader => self.begin_chunk(line)?,
            State::ChunkEnd => {
                // Of the bytes before it, `read_line` leaves room for none.
                self.verify_chunk()?;
                self.state = State::ChunkHeader;
            }
            State::Trailers
                if line.is_empty() && self.bare_line_feed && self.mode.signs_chunks() =>
            {
                self.state = State::TrailerSignature;
            }
            State::Trailers if line.is_empty() => return self.end(None).map(Some),
            State::Trailers => self.read_trailer(line)?,
            State::TrailerSignature => {
                self.read_trailer(line)?;
                if !matches!(self.state, State::LastLine { .. }) {
                    return Err(ChunkError::IncompleteBody);
                }
            }
            State::LastLine { trailer_signature } if line.is_empty() => {
                return self.end(Some(trailer_signature)).map(Some);
            }
            State::LastLine { .. } => return Err(ChunkError::MalformedTrailer),
            State::EndedOpen => self.state = State::Ended,
            State::ChunkData { .. } | State::Ended | State::Failed => {
                return Err(ChunkError::IncompleteBody);
            }
        }
        Ok(None)
    }

    fn begin_chunk(&mut self, line: &[u8]) -> Result<(), ChunkError> {
        let (size, signature) =
            parse_chunk_header(line, self.mode).ok_or(ChunkError::IncompleteBody)?;
        let Chunk { number, size: size_before, .. } = self.chunk;
        if size > 0 && number > 0 && size_before < CHUNK_BYTES_MIN {
            return Err(ChunkError::InvalidChunkSize { chunk: number, size: size_before });
        }
        self.undecoded_length = self
            .undecoded_length
            .checked_sub(size)
            .ok_or(ChunkError::DecodedLength { declared: self.declared_length })?;
        let signature = signature.to_vec();
        self.chunk = Chunk { number: number + 1, size, signature, hash: Sha256::new() };
        if size > 0 {
            self.state = State::ChunkData { remaining: size };
            return Ok(());
        }
        self.verify_chunk()?;
        if self.undecoded_length > 0 {
            return Err(ChunkError::DecodedLength { declared: self.declared_length });
        }
        self.state = State::Trailers;
        Ok(())
    }

    fn verify_chunk(&mut self) -> Result<(), ChunkError> {
        if !self.mode.signs_chunks() {
            return Ok(());
        }
        let hash = std::mem::take(&mut self.chunk.hash);
        let string_to_sign = self.context.signer.chunk_string_to_sign(hash);
        let signature = std::mem::take(&mut self.chunk.signature);
        self.verify_signature(&string_to_sign, &signature)
    }

    fn verify_signature(
        &mut self,
        string_to_sign: &[u8],
        provided: &[u8],
    ) -> Result<(), ChunkError> {
        let computed = self.context.signer.sign(string_to_sign);
        if computed.as_bytes().ct_eq(provided).into() {
            return Ok(());
        }
        Err(ChunkError::Signature(SignatureMismatch {
            access_key_id: self.context.access_key_id.clone(),
            string_to_sign: String::from_utf8_lossy(string_to_sign).into_owned(),
            signature_provided: String::from_utf8_lossy(provided).into_owned(),
            canonical_request: Some(self.context.canonical_request.clone()),
        }))
    }

    fn read_trailer(&mut self, line: &[u8]) -> Result<(), ChunkError> {
        if !self.mode.has_trailers() {
            return Err(ChunkError::IncompleteBody);
        }
        self.trailer_bytes += line.len() + 2;
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(ChunkError::MalformedTrailer);
        }
        let line = std::str::from_utf8(line).map_err(|_| ChunkError::MalformedTrailer)?;
        let (name, value) = line.split_once(':').ok_or(ChunkError::IncompleteBody)?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name == TRAILER_SIGNATURE && self.mode.signs_chunks() {
            self.state = State::LastLine { trailer_signature: value.as_bytes().to_vec() };
            return Ok(());
        }
        let awaited = self.awaited_trailers.iter().position(|declared| *declared == name);
        self.awaited_trailers.swap_remove(awaited.ok_or(ChunkError::MalformedTrailer)?);
        self.trailers.push((name, value.to_owned()));
        self.state = State::Trailers;
        Ok(())
    }

    fn end(&mut self, trailer_signature: Option<Vec<u8>>) -> Result<ChunkEvent, ChunkError> {
        if self.mode == StreamingMode::SignedTrailer {
            let provided = trailer_signature.ok_or(ChunkError::IncompleteBody)?;
            if !self.awaited_trailers.is_empty() {
                return Err(ChunkError::MalformedTrailer);
            }
            let string_to_sign = self.context.signer.trailer_string_to_sign(&self.trailers);
            self.verify_signature(&string_to_sign, &provided)?;
        } else if !self.awaited_trailers.is_empty() {
            return Err(ChunkError::MalformedTrailer);
        }
        let open = self.bare_line_feed && !self.mode.signs_chunks();
        self.state = if open { State::EndedOpen } else { State::Ended };
        Ok(ChunkEvent::End { trailers: std::mem::take(&mut self.trailers) })
    }
}

/// `<hex size>[;chunk-signature=<signature>]`, the signature exactly where chunks are signed.
fn parse_chunk_header(line: &[u8], mode: StreamingMode) -> Option<(u64, &[u8])> {
    let line = std::str::from_utf8(line).ok()?;
    let (digits, signature) = if mode.signs_chunks() {
        let (digits, extension) = line.split_once(';')?;
        let signature = extension.strip_prefix(SIGNATURE_EXTENSION)?.strip_prefix('=')?;
        (digits, signature)
    } else {
        (line, "")
    };
    let well_formed = (1..=CHUNK_SIZE_DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let size = u64::from_str_radix(digits, 16).ok().filter(|_| well_formed)?;
    Some((size, signature.as_bytes()))
}

impl fmt::Debug for ChunkDecoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ChunkDecoder({:?}, ..)", self.mode)
    }
}
