//! How much comparing decisions may take: every step of it is counted, and what is spent decides nothing
//! in anybody's favour.
//!
//! Policies are written by those whom they are about, and so are many of the values that they are compared
//! with. One pattern costs little however it is made (`pattern.rs`); but there may be many of them, many
//! values, and many decisions in one request. So a decision, and all decisions of a request together, have
//! so many steps. When they are used up, a statement that denies applies and one that allows does not.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// Steps of one decision: somewhat more than a user with every quota used up needs, and some milliseconds.
pub const DECISION_STEPS_MAX: u64 = 4 * 1024 * 1024;
/// Steps of all decisions of one request: a thousand of them over 60 KiB of policies.
pub const REQUEST_STEPS_MAX: u64 = 16 * DECISION_STEPS_MAX;
/// Bytes of the longest value that is compared: a copy's source with every byte encoded has 3,136. One
/// that is longer fulfils every condition of a statement that denies, and none of one that allows.
pub const VALUE_BYTES_MAX: usize = 4096;

/// What one entry costs besides its letters.
const ENTRY_STEPS: usize = 4;

/// The steps that the decisions of one request have left.
#[derive(Debug)]
pub struct Work(AtomicU64);

impl Work {
    /// A budget of `steps` for all decisions of one request.
    pub fn new(steps: u64) -> Self {
        Self(AtomicU64::new(steps))
    }

    /// How many steps the request has left.
    pub fn left(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether none is left: what was decided since may be a refusal for that alone.
    pub fn is_spent(&self) -> bool {
        self.left() == 0
    }

    /// Takes what a decision has used from the budget of its request.
    pub(crate) fn spend(&self, steps: u64) {
        let less = |left: u64| left.saturating_sub(steps);
        self.0.update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

/// The budget of a whole request: [`REQUEST_STEPS_MAX`].
impl Default for Work {
    fn default() -> Self {
        Self::new(REQUEST_STEPS_MAX)
    }
}

/// The steps of one decision.
#[derive(Debug)]
pub(crate) struct Steps {
    given: u64,
    left: Cell<u64>,
}

impl Steps {
    pub(crate) fn new(given: u64) -> Self {
        Self { given, left: Cell::new(given) }
    }

    /// The budget of one decision: [`DECISION_STEPS_MAX`], or what its request has left if that is less.
    pub(crate) fn of(work: Option<&Work>) -> Self {
        Self::new(work.map_or(DECISION_STEPS_MAX, |work| work.left().min(DECISION_STEPS_MAX)))
    }

    /// Takes steps from the budget of this decision.
    pub(crate) fn spend(&self, steps: usize) {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        self.left.set(self.left.get().saturating_sub(steps));
    }

    /// Takes away what an entry of so many bytes costs before it is compared.
    pub(crate) fn spend_entry(&self, bytes: usize) {
        self.spend(bytes.saturating_add(ENTRY_STEPS));
    }

    pub(crate) fn spend_all(&self) {
        self.left.set(0);
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.left.get() == 0
    }

    pub(crate) fn used(&self) -> u64 {
        self.given.saturating_sub(self.left.get())
    }
}
