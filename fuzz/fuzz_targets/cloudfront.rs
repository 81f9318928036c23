//! Queries, cookies and tokens in paths to claims of CloudFront: nothing panics, and no signature is guessed.
#![no_main]

#[path = "../../crates/presign/tests/support/cloudfront_entry.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entry::cloudfront(data));
