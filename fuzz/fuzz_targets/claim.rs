//! Requests to claims, and claims to refusals: nothing panics, and no signature is guessed.
#![no_main]

#[path = "../../crates/presign/tests/support/entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::claim(data));
