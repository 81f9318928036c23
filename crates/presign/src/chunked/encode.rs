//! Encoding a body as aws-chunked.

use std::fmt;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{ChunkSigner, SIGNATURE_EXTENSION, StreamingMode, TRAILER_SIGNATURE};

/// A signature, in hex digits.
const SIGNATURE_BYTES: u64 = 64;

/// Encodes a body as aws-chunked; made by
/// [`SignedRequest::chunk_encoder`](crate::SignedRequest::chunk_encoder).
#[derive(Clone)]
pub struct ChunkEncoder {
    mode: StreamingMode,
    signer: ChunkSigner,
}

impl ChunkEncoder {
    pub(crate) fn new(mode: StreamingMode, signer: ChunkSigner) -> Self {
        Self { mode, signer }
    }

    /// Encodes one chunk: the three pieces are to be sent in order. Every chunk but the last must
    /// have at least [`CHUNK_BYTES_MIN`](crate::CHUNK_BYTES_MIN) bytes.
    ///
    /// Empty `data` encodes to nothing: it is [`Self::finish`] that ends the body.
    pub fn chunk(&mut self, data: Bytes) -> [Bytes; 3] {
        if data.is_empty() {
            return [Bytes::new(), Bytes::new(), Bytes::new()];
        }
        let header = self.header(&data);
        [Bytes::from(header), data, Bytes::from_static(b"\r\n")]
    }

    /// Encodes the end of the body, with the trailers that `x-amz-trailer` declares. In
    /// [`StreamingMode::Signed`] there can be none, and none are written.
    pub fn finish(mut self, trailers: &[(&str, &str)]) -> Bytes {
        let mut end = self.header(b"");
        if self.mode.has_trailers() {
            let trailers: Vec<_> = trailers
                .iter()
                .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
                .collect();
            for (name, value) in &trailers {
                end.extend([name, ":", value, "\r\n"]);
            }
            if self.mode.signs_chunks() {
                let string_to_sign = self.signer.trailer_string_to_sign(&trailers);
                end.extend([TRAILER_SIGNATURE, ":", self.signer.sign(&string_to_sign), "\r\n"]);
            }
        }
        end.push_str("\r\n");
        Bytes::from(end)
    }

    /// How many bytes [`Self::chunk`] and [`Self::finish`] make of `decoded_length` bytes in chunks
    /// of `chunk_size` (the last one smaller): the `content-length` of the request. `trailers` are
    /// names and values as for `finish`; of a value that is not known yet only the length counts.
    pub fn encoded_length(
        mode: StreamingMode,
        decoded_length: u64,
        chunk_size: u64,
        trailers: &[(&str, &str)],
    ) -> u64 {
        let chunk_size = chunk_size.max(1);
        let (whole, rest) = (decoded_length / chunk_size, decoded_length % chunk_size);
        let chunk = |size: u64| header_length(mode, size).saturating_add(size).saturating_add(2);
        let mut parts = vec![whole.saturating_mul(chunk(chunk_size)), header_length(mode, 0), 2];
        if rest > 0 {
            parts.push(chunk(rest));
        }
        if mode.has_trailers() {
            parts.extend(trailers.iter().map(|(name, value)| trailer_length(name, length(value))));
            if mode.signs_chunks() {
                parts.push(trailer_length(TRAILER_SIGNATURE, SIGNATURE_BYTES));
            }
        }
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// The line before `data`, which it signs.
    fn header(&mut self, data: &[u8]) -> String {
        let mut header = format!("{:x}", data.len());
        if self.mode.signs_chunks() {
            let hash = Sha256::new_with_prefix(data);
            let string_to_sign = self.signer.chunk_string_to_sign(hash);
            header.extend([";", SIGNATURE_EXTENSION, "=", self.signer.sign(&string_to_sign)]);
        }
        header.push_str("\r\n");
        header
    }
}

fn header_length(mode: StreamingMode, size: u64) -> u64 {
    let digits = u64::from(size.checked_ilog(16).unwrap_or(0)) + 1;
    let extension = length(SIGNATURE_EXTENSION) + 2 + SIGNATURE_BYTES;
    digits + if mode.signs_chunks() { extension } else { 0 } + 2
}

fn trailer_length(name: &str, value_length: u64) -> u64 {
    length(name) + 1 + value_length + 2
}

fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

impl fmt::Debug for ChunkEncoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ChunkEncoder({:?}, ..)", self.mode)
    }
}
