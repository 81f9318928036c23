//! Browser forms: nothing panics, no signature is guessed, and how a body is cut does not matter.
#![no_main]

#[path = "../../crates/presign/tests/support/entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::form(data));
