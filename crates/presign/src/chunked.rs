//! aws-chunked bodies: signed or unsigned chunks, with or without trailers, decoded and encoded.
//!
//! Sans I/O and without copies: bytes come in, slices of them go out.
//!
//! ```text
//! body     = *chunk last [ *trailer [ "x-amz-trailer-signature:" signature CRLF ] ] CRLF
//! chunk    = size [ ";chunk-signature=" signature ] CRLF data CRLF
//! last     = "0"  [ ";chunk-signature=" signature ] CRLF
//! trailer  = name ":" value CRLF
//! ```
//!
//! What is signed of a trailer ends with a line feed, and some clients (minio-go) send that one as well:
//! `name ":" value LF CRLF`, then the signature or one more CRLF. S3 takes both, and so does the decoder.

mod decode;
mod encode;
mod signer;

pub use decode::{ChunkDecoder, ChunkError, ChunkEvent};
pub use encode::ChunkEncoder;
pub(crate) use signer::{ChunkContext, ChunkSigner};

/// Every chunk but the last must have at least so many bytes.
pub const CHUNK_BYTES_MIN: u64 = 8192;

const SIGNATURE_EXTENSION: &str = "chunk-signature";
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// How the chunks of a body are vouched for: the value of `x-amz-content-sha256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamingMode {
    /// Each chunk is signed: `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`.
    Signed,
    /// Each chunk is signed, and so are the trailers that follow: `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER`.
    SignedTrailer,
    /// Neither chunks nor trailers are signed; a checksum among the trailers guards against accidents alone:
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`.
    UnsignedTrailer,
}

impl StreamingMode {
    /// Reads an `x-amz-content-sha256`. `None`: not a mode that is known.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Signed, Self::SignedTrailer, Self::UnsignedTrailer]
            .into_iter()
            .find(|mode| mode.as_str() == text)
    }

    /// The word of the mode, as `x-amz-content-sha256` carries it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            Self::SignedTrailer => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            Self::UnsignedTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        }
    }

    /// Whether each chunk has a signature of its own.
    pub const fn signs_chunks(self) -> bool {
        match self {
            Self::Signed | Self::SignedTrailer => true,
            Self::UnsignedTrailer => false,
        }
    }

    /// Whether trailers may follow the body.
    pub const fn has_trailers(self) -> bool {
        match self {
            Self::SignedTrailer | Self::UnsignedTrailer => true,
            Self::Signed => false,
        }
    }
}
