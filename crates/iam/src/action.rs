//! Patterns of actions: `service:Name` with wildcards, whatever the letters' case.

use crate::pattern::{Case, Pattern};
use crate::work::Steps;

/// An entry of `Action` or `NotAction`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ActionPattern<'p>(Pattern<'p>);

impl<'p> ActionPattern<'p> {
    pub(crate) fn new(text: &'p str) -> Self {
        Self(Pattern::wildcards(text))
    }

    /// As the policy spells it.
    pub(crate) fn as_str(self) -> &'p str {
        self.0.as_str()
    }

    pub(crate) fn matches(self, action: &str, steps: &Steps) -> bool {
        self.0.matches_plain(action, Case::Ignored, steps)
    }
}
