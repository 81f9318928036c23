//! Signed requests in another shape than they were signed in: whatever is acted upon is what was signed.
#![no_main]

#[path = "../../crates/server/tests/answers/harness.rs"]
#[expect(dead_code, reason = "it is made for all tests of the server")]
mod harness;
#[path = "../../crates/server/tests/answers/moved.rs"]
mod moved;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    moved::moved(data);
});
