//! A policy document, read once and compiled for evaluation.

use std::sync::Arc;

/// A policy document that was read whole: nothing in it is skipped.
#[derive(Clone, Debug)]
pub struct Policy {
    text: Arc<str>,
}

impl Policy {
    /// Reads a document, JSON as AWS spells it. What kind of policy it may serve as is asked
    /// afterwards.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Ok(Self { text: text.into() })
    }

    /// The document as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Why a document is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It is not JSON, or a member is repeated.
    #[error("not JSON")]
    Json,
}
