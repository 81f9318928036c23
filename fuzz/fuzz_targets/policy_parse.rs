//! Texts to policies: nothing panics, and what is bound names nobody by ARN.
#![no_main]

#[path = "../../crates/iam/tests/support/entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::policy_parse(data));
