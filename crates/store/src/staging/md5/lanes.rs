//! The compression of MD5 (RFC 1321) for eight bodies at a time, one in each lane of a vector.
#![expect(
    clippy::inline_always,
    clippy::indexing_slicing,
    reason = "all of it is compiled once for each set of instructions; arrays are as long as their indices go"
)]

use std::array::from_fn;

use fearless_simd::{Level, Simd, SimdFrom as _, dispatch, u32x8};
use md5::block_api::compress;

use super::Block;

/// How many bodies go in step.
pub(in crate::staging) const LANES: usize = 8;

/// A state, and the blocks that it is to take in.
pub(super) type Stream<'s> = (&'s mut [u32; 4], &'s [Block]);

/// Takes the blocks of all in: in step for as long as there are two, and those of the last alone.
pub(super) fn compress_all(level: Level, mut streams: Vec<Stream<'_>>) {
    loop {
        streams.retain(|(_, blocks)| !blocks.is_empty());
        match streams.as_mut_slice() {
            [] => return,
            [(state, blocks)] => return compress(state, blocks),
            several => several.chunks_mut(LANES).for_each(|some| compress_in_step(level, some)),
        }
    }
}

/// Takes as many blocks of each in as all have.
fn compress_in_step(level: Level, streams: &mut [Stream<'_>]) {
    let count = streams.iter().map(|(_, blocks)| blocks.len()).min().unwrap_or(0);
    // A lane without a body works too; nobody asks at what.
    let mut states = [[0; 4]; LANES];
    let mut fronts: [&[Block]; LANES] = [&[]; LANES];
    for ((own, blocks), (state, front)) in
        streams.iter_mut().zip(states.iter_mut().zip(&mut fronts))
    {
        *state = **own;
        (*front, *blocks) = blocks.split_at_checked(count).unwrap_or((*blocks, &[]));
    }
    let states = dispatch!(level, simd => compress_lanes(simd, &states, fronts, count));
    for ((own, _), state) in streams.iter_mut().zip(states) {
        **own = state;
    }
}

/// Compresses the same number of blocks in every lane, with whichever instructions the processor has.
#[inline(always)]
fn compress_lanes<S: Simd>(
    simd: S,
    states: &[[u32; 4]; LANES],
    mut fronts: [&[Block]; LANES],
    count: usize,
) -> [[u32; 4]; LANES] {
    let mut state = across(simd, states);
    for _ in 0..count {
        let blocks = fronts.each_mut().map(|front| match front.split_first() {
            Some((first, rest)) => {
                *front = rest;
                words(first)
            }
            None => [0; 16],
        });
        state = rounds(state, &across(simd, &blocks));
    }
    let state = state.map(<[u32; LANES]>::from);
    from_fn(|lane| from_fn(|word| state[word][lane]))
}

#[inline(always)]
fn words(block: &Block) -> [u32; 16] {
    let words = block.as_chunks::<4>().0;
    from_fn(|n| u32::from_le_bytes(words[n]))
}

/// The same word of all lanes in one vector.
#[inline(always)]
fn across<S: Simd, const WORDS: usize>(
    simd: S,
    lanes: &[[u32; WORDS]; LANES],
) -> [u32x8<S>; WORDS] {
    from_fn(|word| u32x8::simd_from(simd, from_fn(|lane| lanes[lane][word])))
}

/// Section 3.4: the state after a block, with the names that it has there.
#[inline(always)]
fn rounds<S: Simd>(state: [u32x8<S>; 4], words: &[u32x8<S>; 16]) -> [u32x8<S>; 4] {
    let [mut a, mut b, mut c, mut d] = state;
    macro_rules! mixed {
        (f, $b:ident, $c:ident, $d:ident) => {
            $d ^ ($b & ($c ^ $d))
        };
        (g, $b:ident, $c:ident, $d:ident) => {
            $c ^ ($d & ($b ^ $c))
        };
        (h, $b:ident, $c:ident, $d:ident) => {
            $b ^ ($c ^ $d)
        };
        (i, $b:ident, $c:ident, $d:ident) => {
            $c ^ ($b | !$d)
        };
    }
    macro_rules! step {
        ($f:ident, $a:ident, $b:ident, $c:ident, $d:ident, $k:literal, $t:literal, $s:literal) => {
            let sum = words[$k] + $t + $a + mixed!($f, $b, $c, $d);
            $a = $b + ((sum << $s) | (sum >> (32 - $s)));
        };
    }
    macro_rules! four {
        ($f:ident, [$s0:literal, $s1:literal, $s2:literal, $s3:literal],
         $k0:literal: $t0:literal, $k1:literal: $t1:literal, $k2:literal: $t2:literal, $k3:literal: $t3:literal) => {
            step!($f, a, b, c, d, $k0, $t0, $s0);
            step!($f, d, a, b, c, $k1, $t1, $s1);
            step!($f, c, d, a, b, $k2, $t2, $s2);
            step!($f, b, c, d, a, $k3, $t3, $s3);
        };
    }
    four!(f, [7, 12, 17, 22], 0: 0xd76a_a478, 1: 0xe8c7_b756, 2: 0x2420_70db, 3: 0xc1bd_ceee);
    four!(f, [7, 12, 17, 22], 4: 0xf57c_0faf, 5: 0x4787_c62a, 6: 0xa830_4613, 7: 0xfd46_9501);
    four!(f, [7, 12, 17, 22], 8: 0x6980_98d8, 9: 0x8b44_f7af, 10: 0xffff_5bb1, 11: 0x895c_d7be);
    four!(f, [7, 12, 17, 22], 12: 0x6b90_1122, 13: 0xfd98_7193, 14: 0xa679_438e, 15: 0x49b4_0821);
    four!(g, [5, 9, 14, 20], 1: 0xf61e_2562, 6: 0xc040_b340, 11: 0x265e_5a51, 0: 0xe9b6_c7aa);
    four!(g, [5, 9, 14, 20], 5: 0xd62f_105d, 10: 0x0244_1453, 15: 0xd8a1_e681, 4: 0xe7d3_fbc8);
    four!(g, [5, 9, 14, 20], 9: 0x21e1_cde6, 14: 0xc337_07d6, 3: 0xf4d5_0d87, 8: 0x455a_14ed);
    four!(g, [5, 9, 14, 20], 13: 0xa9e3_e905, 2: 0xfcef_a3f8, 7: 0x676f_02d9, 12: 0x8d2a_4c8a);
    four!(h, [4, 11, 16, 23], 5: 0xfffa_3942, 8: 0x8771_f681, 11: 0x6d9d_6122, 14: 0xfde5_380c);
    four!(h, [4, 11, 16, 23], 1: 0xa4be_ea44, 4: 0x4bde_cfa9, 7: 0xf6bb_4b60, 10: 0xbebf_bc70);
    four!(h, [4, 11, 16, 23], 13: 0x289b_7ec6, 0: 0xeaa1_27fa, 3: 0xd4ef_3085, 6: 0x0488_1d05);
    four!(h, [4, 11, 16, 23], 9: 0xd9d4_d039, 12: 0xe6db_99e5, 15: 0x1fa2_7cf8, 2: 0xc4ac_5665);
    four!(i, [6, 10, 15, 21], 0: 0xf429_2244, 7: 0x432a_ff97, 14: 0xab94_23a7, 5: 0xfc93_a039);
    four!(i, [6, 10, 15, 21], 12: 0x655b_59c3, 3: 0x8f0c_cc92, 10: 0xffef_f47d, 1: 0x8584_5dd1);
    four!(i, [6, 10, 15, 21], 8: 0x6fa8_7e4f, 15: 0xfe2c_e6e0, 6: 0xa301_4314, 13: 0x4e08_11a1);
    four!(i, [6, 10, 15, 21], 4: 0xf753_7e82, 11: 0xbd3a_f235, 2: 0x2ad7_d2bb, 9: 0xeb86_d391);
    let [a0, b0, c0, d0] = state;
    [a0 + a, b0 + b, c0 + c, d0 + d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_any_instructions_and_any_number_of_bodies_it_is_the_same() {
        let bodies: Vec<Vec<Block>> = (0..=2 * LANES)
            .map(|body| {
                (0..body * 5 % 13)
                    .map(|block| from_fn(|n| byte(body * 7 + block * 31 + n)))
                    .collect()
            })
            .collect();
        let start = |body: usize| [1, 2, 3, u32::try_from(body).unwrap()];
        for level in [Level::new(), Level::baseline()] {
            let mut states: Vec<[u32; 4]> = (0..bodies.len()).map(start).collect();
            let streams = states.iter_mut().zip(bodies.iter().map(Vec::as_slice)).collect();
            compress_all(level, streams);
            for (body, (state, blocks)) in states.iter().zip(&bodies).enumerate() {
                let mut expected = start(body);
                compress(&mut expected, blocks);
                assert_eq!(*state, expected, "{level:?} {body}");
            }
        }
    }

    fn byte(n: usize) -> u8 {
        u8::try_from(n * n % 251).unwrap()
    }
}
