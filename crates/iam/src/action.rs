//! Patterns of actions: `service:Name` with wildcards, whatever the letters' case.

use crate::pattern::{Case, Token, matches, wildcards};

/// An entry of `Action` or `NotAction`.
#[derive(Clone, Debug)]
pub(crate) struct ActionPattern {
    text: Box<str>,
    tokens: Vec<Token<Box<str>>>,
}

impl ActionPattern {
    pub(crate) fn parse(text: &str) -> Self {
        Self { text: text.into(), tokens: wildcards(text) }
    }

    /// As the policy spells it.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn matches(&self, action: &str) -> bool {
        match self.tokens.as_slice() {
            [Token::Text(only)] => action.eq_ignore_ascii_case(only),
            tokens => matches(tokens, action, Case::Ignored),
        }
    }
}
