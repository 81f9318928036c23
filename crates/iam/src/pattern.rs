//! Patterns with `*`, `?` and policy variables: kept as the text that a policy has, read while they are
//! matched, so that they take no more memory than their letters.
//!
//! The cost of a match is bounded by the lengths of both, and not by their product. What stands between
//! two `*` is found where it first can be, and nothing before that is looked at again. Text alone is
//! found by the standard library's search, which is linear; with a `?` in it, by an automaton that is
//! in 64 states at once. `Steps` counts it, and a test holds the count against the lengths.

mod search;
#[cfg(test)]
mod tests;
mod tokens;

use std::borrow::Cow;

use crate::evaluate::{Context, Values};
use crate::fold_case;
use crate::unknown::Unknowns;
use crate::work::Steps;
use search::Segment;
use tokens::{Token, Tokens, Variable};

/// Whether the letters' case counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Sensitive,
    /// ASCII letters only: what is compared so are names of actions.
    Ignored,
}

/// What counts as special in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Syntax {
    /// `${…}`: only in documents of version 2012-10-17.
    pub(crate) variables: bool,
    /// `*` for any characters and `?` for one character.
    pub(crate) wildcards: bool,
}

/// Where values come from, and how many steps they may take.
#[derive(Clone, Copy)]
pub(crate) struct Circumstance<'c> {
    pub(crate) context: &'c dyn Context,
    pub(crate) steps: &'c Steps,
    pub(crate) unknowns: &'c Unknowns,
    pub(crate) shared: Shared,
}

/// What a variable stands for whose name several things share ([`Values::Alike`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shared {
    /// Nothing, as one without a value.
    Nothing,
    /// Whatever there may be: where a match denies.
    Anything,
}

impl<'c> Circumstance<'c> {
    /// The values of a key, paid for by their lengths. One that is unknown is noted.
    pub(crate) fn values(self, key: &str) -> Option<Values<'c>> {
        let values = self.context.values(key);
        self.steps.spend_entry(match &values {
            None => 0,
            Some(Values::Unknown) => {
                self.unknowns.note(key);
                key.len()
            }
            Some(Values::One(value)) => value.len(),
            Some(Values::Many(values) | Values::Alike(values)) => {
                values.iter().map(|value| value.len() + 1).sum()
            }
        });
        values
    }
}

/// A pattern as a policy spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pattern<'p> {
    text: &'p str,
    syntax: Syntax,
}

impl<'p> Pattern<'p> {
    pub(crate) fn new(text: &'p str, syntax: Syntax) -> Self {
        Self { text, syntax }
    }

    /// `*` and `?` are wildcards, all else is text.
    pub(crate) fn wildcards(text: &'p str) -> Self {
        Self::new(text, Syntax { variables: false, wildcards: true })
    }

    /// The pattern `*`, which matches every text.
    pub(crate) fn any() -> Self {
        Self::wildcards("*")
    }

    /// Whether the pattern matches every text: it consists of `*` alone.
    pub(crate) fn is_any(self) -> bool {
        self.syntax.wildcards && !self.text.is_empty() && self.text.bytes().all(|b| b == b'*')
    }

    /// Whether the pattern can match one text only, because it has no wildcard and no variable.
    pub(crate) fn is_fixed(self) -> bool {
        self.tokens().all(|token| matches!(token, Token::Text(_)))
    }

    /// Whether the text begins otherwise, so that no value of a variable could make it match.
    pub(crate) fn begins_otherwise(self, text: &str) -> bool {
        match self.tokens().next() {
            Some(Token::Text(start)) => !text.starts_with(start),
            Some(Token::One | Token::Any | Token::Variable(_) | Token::Broken) | None => false,
        }
    }

    /// Whether the text is what it says; `None`: a variable has no value.
    pub(crate) fn matches(self, text: &str, at: Circumstance<'_>) -> Option<bool> {
        if !self.has_variables() {
            return Some(self.matches_plain(text, Case::Sensitive, at.steps));
        }
        let resolved = self.resolve(at)?;
        let tokens = resolved.iter().map(|token| match token {
            Resolved::Text(text) => Token::Text(text),
            Resolved::One => Token::One,
            Resolved::Any => Token::Any,
        });
        Some(run(tokens, text, Case::Sensitive, at.steps))
    }

    /// Whether the text is what a pattern without variables says.
    pub(crate) fn matches_plain(self, text: &str, case: Case, steps: &Steps) -> bool {
        steps.spend_entry(self.text.len());
        run(self.tokens(), text, case, steps)
    }

    /// Whether the text is what it says, whatever the letters' case in any alphabet.
    pub(crate) fn equals_ignoring_case(self, text: &str, at: Circumstance<'_>) -> Option<bool> {
        let resolved = self.resolve(at)?;
        at.steps.spend(text.len());
        // No wildcard stands in what is compared so: it is a variable that may be anything.
        if resolved.iter().any(|token| matches!(token, Resolved::Any)) {
            return Some(true);
        }
        let own = resolved.iter().flat_map(|token| match token {
            Resolved::Text(text) => text.chars(),
            Resolved::One => "?".chars(),
            Resolved::Any => "*".chars(),
        });
        let folded = own.flat_map(char::to_lowercase);
        Some(folded.eq(text.chars().flat_map(char::to_lowercase)))
    }

    /// Splits at the first `colons` colons of its text; what variables stand for is never split.
    pub(crate) fn split_at_colons(self, colons: usize) -> impl Iterator<Item = Self> + 'p {
        let mut rest = Some(self.text);
        let mut left = colons;
        let syntax = self.syntax;
        std::iter::from_fn(move || {
            let text = rest?;
            let at = if left == 0 { None } else { tokens::colon(text, syntax) };
            left = left.saturating_sub(1);
            let (part, after) = match at {
                Some(at) => (text.get(..at)?, text.get(at.checked_add(1)?..)),
                None => (text, None),
            };
            rest = after;
            Some(Self::new(part, syntax))
        })
    }

    pub(crate) fn as_str(self) -> &'p str {
        self.text
    }

    fn tokens(self) -> Tokens<'p> {
        Tokens::new(self.text, self.syntax)
    }

    fn has_variables(self) -> bool {
        self.syntax.variables && self.text.contains("${")
    }

    /// Its tokens, the values of variables as plain text: a `*` in a value is no wildcard, or who
    /// chooses a tag would choose what is matched. `None`: a variable has no value.
    fn resolve(self, at: Circumstance<'p>) -> Option<Vec<Resolved<'p>>> {
        at.steps.spend_entry(self.text.len());
        let tokens = self.tokens().map(|token| match token {
            Token::Any => Some(Resolved::Any),
            Token::One => Some(Resolved::One),
            Token::Text(text) => Some(Resolved::Text(Cow::Borrowed(text))),
            Token::Variable(variable) => value(variable, at),
            Token::Broken => None,
        });
        tokens.collect()
    }
}

/// A token of a pattern once its variables have been replaced by their values.
enum Resolved<'t> {
    Text(Cow<'t, str>),
    One,
    Any,
}

fn value<'v>(variable: Variable<'v>, at: Circumstance<'v>) -> Option<Resolved<'v>> {
    match at.values(&fold_case(variable.key)) {
        Some(Values::One(value)) => Some(Resolved::Text(value)),
        // AWS: a key of many values cannot be a variable.
        Some(Values::Many(_) | Values::Unknown) => None,
        Some(Values::Alike(_)) => match at.shared {
            Shared::Nothing => None,
            Shared::Anything => Some(Resolved::Any),
        },
        None => variable.default.map(|text| Resolved::Text(Cow::Borrowed(text))),
    }
}

/// Whether the whole text is what the tokens say. What stands before the first `*` begins the text, what
/// stands after the last one ends it, and what is between is found in its order, each where it first can be.
fn run<'t>(
    mut tokens: impl Iterator<Item = Token<'t>>,
    text: &str,
    case: Case,
    steps: &Steps,
) -> bool {
    let mut rest = text;
    loop {
        let after = match tokens.next() {
            None => return rest.is_empty(),
            Some(Token::Any) => break,
            Some(token) => search::strip_start(rest, token, case),
        };
        let Some(after) = after else { return false };
        rest = after;
    }
    let mut segment = Segment::default();
    loop {
        segment.clear();
        let is_last = loop {
            match tokens.next() {
                None => break true,
                Some(Token::Any) => break false,
                Some(token) => segment.push(token),
            }
        };
        if is_last {
            return segment.ends(rest, case);
        }
        let Some(after) = segment.find(rest, case, steps) else { return false };
        rest = after;
    }
}
