//! Policies to decisions: nothing panics, and what limits never grants.
#![no_main]

#[path = "../../crates/iam/tests/support/entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::policy_evaluate(data));
