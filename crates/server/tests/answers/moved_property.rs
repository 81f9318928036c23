//! [`moved`] for a bounded while.

use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::moved::moved;

const CASES: u32 = 20_000;
/// Of these at least so many must have been acted upon, or the property says little.
const ACTED_MIN: u32 = CASES / 50;

#[test]
fn whatever_is_acted_upon_is_what_was_signed() {
    let acted = AtomicU32::new(0);
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..Default::default() };
    let choices = prop::collection::vec(any::<u8>(), 0..32);
    let outcome = TestRunner::new(config).run(&choices, |choices| {
        if moved(&choices) {
            acted.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    });
    outcome.unwrap();
    let acted = acted.into_inner();
    assert!(acted >= ACTED_MIN, "only {acted} of {CASES} were acted upon");
}
