//! aws-chunked bodies: signed or unsigned chunks, with or without trailers, decoded and encoded.
//!
//! Sans I/O and without copies: bytes come in, slices of them go out.

use std::fmt;

use bytes::Bytes;

use crate::claim::SignatureMismatch;

/// How the chunks of a body are vouched for: the value of `x-amz-content-sha256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamingMode {
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`
    Signed,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER`
    SignedTrailer,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`
    UnsignedTrailer,
}

/// What a [`ChunkDecoder`] has found.
#[derive(Clone, PartialEq, Eq)]
pub enum ChunkEvent {
    /// Bytes of the body. Their chunk's signature is not proven yet.
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
pub enum ChunkError {
    /// A chunk below 8192 bytes that is not the last.
    ///
    /// 403 `InvalidChunkSizeError` "Only the last chunk is allowed to have a size less than 8192
    /// bytes" with `Chunk` and `BadChunkSize` (aws-semantics 6.6.9).
    #[error("chunk {chunk} has only {size} bytes")]
    InvalidChunkSize {
        /// Its number, from 1.
        chunk: u64,
        /// Its size in bytes.
        size: u64,
    },
    /// A trailer that is undeclared, absent, repeated or other than declared.
    ///
    /// 400 `MalformedTrailerError` (6.6.9).
    #[error("malformed trailer")]
    MalformedTrailer,
    /// The framing is broken, the body ends early or goes on after its end, or there is no trailer
    /// signature.
    ///
    /// 400 `IncompleteBody` "The request body terminated unexpectedly" (6.6.9).
    #[error("incomplete body")]
    IncompleteBody,
    /// The decoded body is not as long as `x-amz-decoded-content-length` says.
    ///
    /// 400 `IncompleteBody`.
    #[error("decoded body is not {declared} bytes long")]
    DecodedLength {
        /// The length that was declared.
        declared: u64,
    },
    /// A chunk's or the trailers' signature does not match (1.5.2b).
    ///
    /// 403 `SignatureDoesNotMatch`.
    #[error(transparent)]
    Signature(SignatureMismatch),
}

/// Decodes and verifies an aws-chunked body; made by
/// [`VerifiedSignature::chunk_decoder`](crate::VerifiedSignature::chunk_decoder).
pub struct ChunkDecoder {
    _private: (),
}

impl ChunkDecoder {
    /// Takes what it can from the front of `input`. `Ok(None)`: all of it is taken, and more is
    /// needed.
    ///
    /// After an error, or after [`ChunkEvent::End`], every further byte is an error.
    pub fn decode(&mut self, _input: &mut Bytes) -> Result<Option<ChunkEvent>, ChunkError> {
        todo!()
    }

    /// To be called when the input has ended: an error unless [`ChunkEvent::End`] was reached.
    pub fn finish(&self) -> Result<(), ChunkError> {
        todo!()
    }
}

impl fmt::Debug for ChunkDecoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ChunkDecoder(..)")
    }
}

/// Encodes a body as aws-chunked; made by
/// [`SignedRequest::chunk_encoder`](crate::SignedRequest::chunk_encoder).
#[derive(Clone)]
pub struct ChunkEncoder {
    _private: (),
}

impl ChunkEncoder {
    /// Encodes one chunk: the three pieces are to be sent in order. Every chunk but the last must
    /// have at least 8192 bytes. An empty `data` encodes nothing: [`Self::finish`] ends the body.
    pub fn chunk(&mut self, _data: Bytes) -> [Bytes; 3] {
        todo!()
    }

    /// Encodes the end of the body.
    pub fn finish(self, _trailers: &[(&str, &str)]) -> Bytes {
        todo!()
    }
}

impl fmt::Debug for ChunkEncoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ChunkEncoder(..)")
    }
}
