//! Texts to session tokens, and bytes to the records in them: nothing panics, no token is guessed.
#![no_main]

#[path = "../../crates/iam/tests/support/entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::token(data));
