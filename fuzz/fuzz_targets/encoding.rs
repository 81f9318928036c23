//! Percent-encoding: any text decodes, and every byte survives.
#![no_main]

#[path = "../../crates/presign/tests/support/entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::encoding(data));
