//! The format of an encrypted blob, version 1: chunks of 64 KiB, each sealed by itself
//! (`docs/design.md`, "Blobs").

use std::fmt;

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};

use super::BlobId;
use crate::StoreError;

/// How many bytes of the body a chunk holds; the last one may hold fewer.
pub(crate) const CHUNK_BYTES: u64 = 64 * 1024;
/// How much longer a stored chunk is.
pub(crate) const TAG_BYTES: u64 = 16;

const FORMAT: u8 = 1;
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;
const CORRUPT: StoreError = StoreError::Corrupt { what: "encrypted chunk" };

/// Seals and opens the chunks of one blob.
pub(crate) struct BlobCipher {
    id: BlobId,
    key: LessSafeKey,
}

impl BlobCipher {
    pub(crate) fn new(id: BlobId, key: LessSafeKey) -> Self {
        Self { id, key }
    }

    /// Seals whole chunks, of which the first has number `first`. Only with `End::Last` may the last
    /// of them be short, and only then is it the last of the blob.
    pub(crate) fn seal(&self, plain: &[u8], first: u64, end: End) -> Result<Vec<u8>, StoreError> {
        let mut stored = Vec::new();
        self.seal_into(&mut stored, plain, first, end)?;
        Ok(stored)
    }

    /// Seals as [`seal`](Self::seal) does, into a room whose bytes are replaced.
    pub(crate) fn seal_into(
        &self,
        stored: &mut Vec<u8>,
        plain: &[u8],
        first: u64,
        end: End,
    ) -> Result<(), StoreError> {
        let count = plain.len().div_ceil(CHUNK).max(1);
        stored.clear();
        stored.reserve_exact(plain.len().saturating_add(count.saturating_mul(TAG)));
        let mut number = first;
        let mut rest = plain;
        loop {
            let (chunk, after) = rest.split_at_checked(CHUNK).unwrap_or((rest, &[]));
            let last = end == End::Last && after.is_empty();
            let start = stored.len();
            stored.extend_from_slice(chunk);
            let body = stored.get_mut(start..).ok_or(CORRUPT)?;
            let tag = self
                .key
                .seal_in_place_separate_tag(nonce(number), self.aad(number, last), body)
                .map_err(|_| CORRUPT)?;
            stored.extend_from_slice(tag.as_ref());
            if after.is_empty() {
                return Ok(());
            }
            rest = after;
            number = number.saturating_add(1);
        }
    }

    /// Opens whole stored chunks, of which the first has number `first`, in the room that they take:
    /// fresh memory for each piece would cost more than the cipher does.
    pub(crate) fn open(
        &self,
        stored: &mut Vec<u8>,
        first: u64,
        end: End,
    ) -> Result<(), StoreError> {
        let chunks = stored.len().div_ceil(CHUNK + TAG);
        if chunks == 0 {
            return Err(CORRUPT);
        }
        let mut number = first;
        let mut size = 0_usize;
        let mut start = 0_usize;
        for left in (0..chunks).rev() {
            let stop = start.saturating_add(CHUNK + TAG).min(stored.len());
            let chunk = stored.get_mut(start..stop).ok_or(CORRUPT)?;
            let last = end == End::Last && left == 0;
            let opened = self.key.open_in_place(nonce(number), self.aad(number, last), chunk);
            let opened = opened.map_err(|_| CORRUPT)?.len();
            // The tags before it go.
            stored.copy_within(start..start.saturating_add(opened), size);
            size = size.saturating_add(opened);
            start = stop;
            number = number.saturating_add(1);
        }
        stored.truncate(size);
        Ok(())
    }

    fn aad(&self, number: u64, last: bool) -> Aad<[u8; 26]> {
        let bytes = std::iter::once(FORMAT)
            .chain(self.id.as_bytes().iter().copied())
            .chain(number.to_be_bytes())
            .chain(std::iter::once(u8::from(last)));
        let mut aad = [0; 26];
        aad.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        Aad::from(aad)
    }
}

/// Whether a run of chunks ends the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Last,
    More,
}

fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce.iter_mut().skip(4).zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
    Nonce::assume_unique_for_key(nonce)
}

impl fmt::Debug for BlobCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobCipher({}, ..)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::aead::{AES_256_GCM, UnboundKey};

    fn cipher(id: u8, key: u8) -> BlobCipher {
        let key = UnboundKey::new(&AES_256_GCM, &[key; 32]).unwrap();
        BlobCipher::new(BlobId::from_bytes([id; 16]), LessSafeKey::new(key))
    }

    /// Seals chunks 0 to 2 of a blob, the last one short; `damage` changes them; opens them as told.
    fn check(
        damage: impl FnOnce(&mut Vec<u8>),
        opener: &BlobCipher,
        first: u64,
        end: End,
        ok: bool,
    ) {
        let plain = vec![7; 2 * CHUNK + 5];
        let mut stored = cipher(1, 2).seal(&plain, 0, End::Last).unwrap();
        assert_eq!(stored.len(), plain.len() + 3 * TAG);
        damage(&mut stored);
        let opened = opener.open(&mut stored, first, end);
        assert_eq!(opened.is_ok_and(|()| stored == plain), ok);
    }

    #[test]
    fn opens_only_the_same_chunks_of_the_same_blob() {
        let same = cipher(1, 2);
        check(|_| (), &same, 0, End::Last, true);
        check(|_| (), &same, 1, End::Last, false);
        check(|_| (), &same, 0, End::More, false);
        check(|_| (), &cipher(2, 2), 0, End::Last, false);
        check(|_| (), &cipher(1, 3), 0, End::Last, false);
        check(|stored| stored[0] ^= 1, &same, 0, End::Last, false);
        check(|stored| stored.truncate(2 * (CHUNK + TAG)), &same, 0, End::Last, false);
        check(|stored| stored.truncate(9), &same, 0, End::Last, false);
        check(Vec::clear, &same, 0, End::Last, false);
        check(|stored| stored.rotate_left(CHUNK + TAG), &same, 0, End::Last, false);
    }

    #[test]
    fn runs_of_chunks_can_be_sealed_and_opened_apart() {
        let cipher = cipher(1, 2);
        let plain = (0..CHUNK + 5).map(|n| u8::try_from(n % 251).unwrap()).collect::<Vec<_>>();
        let whole = cipher.seal(&plain, 0, End::Last).unwrap();
        let mut runs = cipher.seal(&plain[..CHUNK], 0, End::More).unwrap();
        runs.extend(cipher.seal(&plain[CHUNK..], 1, End::Last).unwrap());
        assert_eq!(whole, runs);
        let mut last = whole[CHUNK + TAG..].to_vec();
        cipher.open(&mut last, 1, End::Last).unwrap();
        assert_eq!(last, &plain[CHUNK..]);
    }

    #[test]
    fn nothing_is_one_empty_chunk() {
        let mut stored = cipher(1, 2).seal(b"", 0, End::Last).unwrap();
        assert_eq!(stored.len(), TAG);
        cipher(1, 2).open(&mut stored, 0, End::Last).unwrap();
        assert_eq!(stored, b"");
    }

    /// Made with another implementation of AES-GCM from the layout in docs/design.md.
    #[test]
    fn layout_is_pinned() {
        let stored = cipher(1, 2).seal(b"valet", 3, End::Last).unwrap();
        assert_eq!(
            format!("{:x}", bytes::Bytes::from(stored)),
            "2cd98312c8acf4dbe5c9ef1ae42990577b551ec856"
        );
    }
}
