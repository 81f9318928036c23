//! POST policies over forms: nothing panics, and no field that is not named is let through.
#![no_main]

#[path = "../../crates/presign/tests/support/entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::post_policy(data));
