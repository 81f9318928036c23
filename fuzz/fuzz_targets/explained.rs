//! Why a link does not work: any text is explained, and nothing secret is said.
#![no_main]

#[path = "../../crates/presign/tests/support/entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::explained(data));
