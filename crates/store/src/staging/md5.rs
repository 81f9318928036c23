//! MD5, of one body by itself or of several in step: one has a single chain of additions, and a processor has room
//! for eight of them at a time.

mod lanes;

use fearless_simd::Level;
use md5::block_api::compress;

pub(super) use lanes::LANES;

const BLOCK: usize = 64;
type Block = [u8; BLOCK];

/// The state that RFC 1321 begins with.
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The MD5 of the bytes so far.
#[derive(Clone)]
pub(crate) struct Md5Digest {
    state: [u32; 4],
    size: u64,
    /// The bytes after the last whole block.
    rest: Vec<u8>,
}

impl Default for Md5Digest {
    fn default() -> Self {
        Self { state: START, size: 0, rest: Vec::new() }
    }
}

impl Md5Digest {
    /// Takes further bytes in, of each body its own.
    pub(super) fn update_all(bodies: Vec<(&mut Self, &[u8])>) {
        let streams = bodies.into_iter().map(|(md5, bytes)| {
            let blocks = md5.whole_blocks(bytes);
            (&mut md5.state, blocks)
        });
        lanes::compress_all(Level::new(), streams.collect());
    }

    pub(crate) fn finish(self) -> [u8; 16] {
        let Self { mut state, size, rest } = self;
        let mut last = rest;
        last.push(0x80);
        let length = size_of::<u64>();
        let padded = last.len().saturating_add(length).next_multiple_of(BLOCK);
        last.resize(padded.saturating_sub(length), 0);
        last.extend(size.wrapping_mul(8).to_le_bytes());
        compress(&mut state, last.as_chunks().0);
        let mut digest = [0; 16];
        let words = digest.as_chunks_mut().0.iter_mut();
        words.zip(state).for_each(|(bytes, word)| *bytes = word.to_le_bytes());
        digest
    }

    /// Counts the bytes, and tells those of them that are still to be compressed.
    fn whole_blocks<'b>(&mut self, bytes: &'b [u8]) -> &'b [Block] {
        self.size = self.size.wrapping_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let missing = self.rest.len().next_multiple_of(BLOCK).saturating_sub(self.rest.len());
        let (first, bytes) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
        self.rest.extend_from_slice(first);
        if self.rest.len() == BLOCK {
            compress(&mut self.state, self.rest.as_chunks().0);
            self.rest.clear();
        }
        let (blocks, rest) = bytes.as_chunks();
        self.rest.extend_from_slice(rest);
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::{Digest as _, Md5};
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// The test suite of RFC 1321.
    const SUITE: [(&str, &str); 7] = [
        ("", "d41d8cd98f00b204e9800998ecf8427e"),
        ("a", "0cc175b9c0f1b6a831c399e269772661"),
        ("abc", "900150983cd24fb0d6963f7d28e17f72"),
        ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
        (
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            "d174ab98d277d9f5a5611c2c9f419d9f",
        ),
        (
            "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
            "57edf4a22be3c955ac49da2e2107b67a",
        ),
    ];

    fn hex(digest: [u8; 16]) -> String {
        format!("{:x}", bytes::Bytes::copy_from_slice(&digest))
    }

    /// All bodies in step, each cut at the places told.
    fn together(bodies: &[Vec<&[u8]>]) -> Vec<[u8; 16]> {
        let mut all = vec![Md5Digest::default(); bodies.len()];
        for step in 0..bodies.iter().map(Vec::len).max().unwrap_or(0) {
            let now = all.iter_mut().zip(bodies);
            let now = now.map(|(md5, body)| (md5, body.get(step).copied().unwrap_or(&[])));
            Md5Digest::update_all(now.collect());
        }
        all.into_iter().map(Md5Digest::finish).collect()
    }

    #[test]
    fn the_suite_of_the_rfc_alone_and_together() {
        let bodies: Vec<Vec<&[u8]>> = SUITE.iter().map(|(text, _)| vec![text.as_bytes()]).collect();
        let expected: Vec<&str> = SUITE.iter().map(|(_, digest)| *digest).collect();
        let alone = bodies.iter().flat_map(|body| together(std::slice::from_ref(body)));
        assert_eq!(alone.map(hex).collect::<Vec<_>>(), expected);
        assert_eq!(together(&bodies).into_iter().map(hex).collect::<Vec<_>>(), expected);
    }

    proptest! {
        #[test]
        fn any_bodies_in_step_have_their_own_md5(
            bodies in vec((vec(any::<u8>(), 0..2000), vec(0_usize..2000, 0..3)), 1..=LANES),
        ) {
            let cut = |(body, cuts): &'_ (Vec<u8>, Vec<usize>)| {
                let mut steps = Vec::new();
                let mut rest = body.as_slice();
                for cut in cuts {
                    let (step, after) = rest.split_at(*cut.min(&rest.len()));
                    steps.push(step);
                    rest = after;
                }
                steps.push(rest);
                steps.iter().map(|step| step.to_vec()).collect::<Vec<_>>()
            };
            let steps: Vec<_> = bodies.iter().map(cut).collect();
            let steps: Vec<Vec<&[u8]>> =
                steps.iter().map(|steps| steps.iter().map(Vec::as_slice).collect()).collect();
            let expected: Vec<[u8; 16]> =
                bodies.iter().map(|(body, _)| Md5::digest(body).into()).collect();
            prop_assert_eq!(together(&steps), expected);
        }
    }
}
