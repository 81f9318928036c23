//! The chain of signatures that runs through a body: each covers the one before it.

use sha2::{Digest, Sha256};

use crate::canonical::EMPTY_SHA256;
use crate::encode::hex_digits;
use crate::key::SigningKey;
use crate::scope::{AmzDate, CredentialScope};

/// What a decoder needs of the request that the body belongs to.
#[derive(Clone)]
pub(crate) struct ChunkContext {
    pub signer: ChunkSigner,
    pub access_key_id: String,
    /// Of the request: what a mismatch shows (semantics 1.5.2b).
    pub canonical_request: String,
}

/// Signs chunk after chunk: each signature covers the one before, so that no chunk can be left out or moved.
#[derive(Clone)]
pub(crate) struct ChunkSigner {
    key: SigningKey,
    /// Date and scope, a line each.
    context: Vec<u8>,
    /// The signature before the next one: the request's, at first.
    previous: String,
}

impl ChunkSigner {
    pub(crate) fn new(
        key: SigningKey,
        date: AmzDate,
        scope: &CredentialScope<'_>,
        seed: String,
    ) -> Self {
        let mut context = date.text().to_vec();
        context.push(b'\n');
        scope.push_to(&mut context);
        Self { key, context, previous: seed }
    }

    /// What the signature of a chunk covers.
    pub(super) fn chunk_string_to_sign(&self, chunk: Sha256) -> Vec<u8> {
        let mut buffer = self.begin("AWS4-HMAC-SHA256-PAYLOAD");
        buffer.extend_from_slice(EMPTY_SHA256.as_bytes());
        buffer.push(b'\n');
        buffer.extend_from_slice(&hex_digits(&chunk.finalize().into()));
        buffer
    }

    /// What the signature of the trailers covers: `name:value\n` of each, sorted.
    pub(super) fn trailer_string_to_sign(&self, trailers: &[(String, String)]) -> Vec<u8> {
        let mut sorted: Vec<_> = trailers.iter().collect();
        sorted.sort_unstable();
        let mut hash = Sha256::new();
        for (name, value) in sorted {
            for piece in [name, ":", value, "\n"] {
                hash.update(piece);
            }
        }
        let mut buffer = self.begin("AWS4-HMAC-SHA256-TRAILER");
        buffer.extend_from_slice(&hex_digits(&hash.finalize().into()));
        buffer
    }

    /// Signs, and chains the next one to it.
    pub(super) fn sign(&mut self, string_to_sign: &[u8]) -> &str {
        self.previous = self.key.signature(string_to_sign);
        &self.previous
    }

    fn begin(&self, algorithm: &str) -> Vec<u8> {
        let mut buffer = Vec::with_capacity(320);
        for line in [algorithm.as_bytes(), &self.context, self.previous.as_bytes()] {
            buffer.extend_from_slice(line);
            buffer.push(b'\n');
        }
        buffer
    }
}
