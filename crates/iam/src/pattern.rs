//! Patterns with `*`, `?` and policy variables, compiled once.

use std::borrow::Cow;

use crate::{Context, Values};

/// A text with wildcards and variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// `*`: any text, also none.
    Any,
    /// `?`: one character.
    One,
    /// `${key}` or `${key, 'default'}`: what it stands for is taken literally, so that a value with
    /// an asterisk in it is no wildcard.
    Variable {
        key: String,
        default: Option<String>,
    },
}

/// Whether upper and lower case are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Matters,
    Ignored,
}

/// Whether `${…}` stands for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variables {
    /// As of version 2012-10-17.
    Resolved,
    /// It is text like any other.
    Literal,
}

/// Whether `*` and `?` are wildcards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wildcards {
    Wild,
    Literal,
}

impl Pattern {
    /// Never fails: what is no variable is text.
    pub(crate) fn compile(text: &str, wildcards: Wildcards, variables: Variables) -> Self {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let special = match first {
                '*' if wildcards == Wildcards::Wild => Some((Piece::Any, 1)),
                '?' if wildcards == Wildcards::Wild => Some((Piece::One, 1)),
                '$' if variables == Variables::Resolved => variable(rest),
                _ => None,
            };
            let (piece, length) =
                special.unwrap_or_else(|| (Piece::Literal(first.to_string()), first.len_utf8()));
            rest = rest.get(length..).unwrap_or_default();
            match piece {
                Piece::Literal(text) => literal.push_str(&text),
                other @ (Piece::Any | Piece::One | Piece::Variable { .. }) => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    // Two asterisks are one.
                    if !(other == Piece::Any && pieces.last() == Some(&Piece::Any)) {
                        pieces.push(other);
                    }
                }
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Self(pieces)
    }

    /// A pattern of an action: wildcards, no variables.
    pub(crate) fn action(text: &str) -> Self {
        Self::compile(text, Wildcards::Wild, Variables::Literal)
    }

    /// Whether it matches the whole text; `None`: a variable has no value.
    pub(crate) fn matches(&self, text: &str, case: Case, context: &dyn Context) -> Option<bool> {
        // Most patterns are one of these.
        match self.0.as_slice() {
            [Piece::Any] => return Some(true),
            [Piece::Literal(literal)] => return Some(same(literal, text, case)),
            [] => return Some(text.is_empty()),
            _ => {}
        }
        let mut values = Vec::new();
        for piece in &self.0 {
            if let Piece::Variable { key, default } = piece {
                values.push(resolve(key, default.as_deref(), context)?);
            }
        }
        let mut values = values.iter();
        let tokens: Vec<Token<'_>> = self
            .0
            .iter()
            .map(|piece| match piece {
                Piece::Literal(text) => Token::Literal(text),
                Piece::Any => Token::Any,
                Piece::One => Token::One,
                Piece::Variable { .. } => Token::Literal(values.next().map_or("", |v| v.as_ref())),
            })
            .collect();
        Some(glob(&tokens, text, case))
    }

    /// Whether it has no wildcard and no variable.
    pub(crate) fn is_fixed(&self) -> bool {
        matches!(self.0.as_slice(), [] | [Piece::Literal(_)])
    }

    /// Whether two patterns without variables may match the same text, for checks of documents only:
    /// wildcards of either side match what is written in the other.
    pub(crate) fn meets(&self, text: &str, case: Case) -> bool {
        self.matches(text, case, &Nothing).unwrap_or(true)
    }
}

/// A context in which every key is absent.
pub(crate) struct Nothing;

impl Context for Nothing {
    fn values(&self, _key: &str) -> Option<Values<'_>> {
        None
    }
}

/// The variable that a text begins with, and its length.
fn variable(text: &str) -> Option<(Piece, usize)> {
    let inner = text.strip_prefix("${")?;
    let end = inner.find('}')?;
    let (name, _) = inner.split_at_checked(end)?;
    let length = end + "${}".len();
    // `${*}`, `${?}` and `${$}` are those characters.
    if let "*" | "?" | "$" = name {
        return Some((Piece::Literal(name.to_owned()), length));
    }
    let (key, default) = match name.split_once(',') {
        None => (name, None),
        Some((key, default)) => {
            let quoted = default.trim().strip_prefix('\'')?.strip_suffix('\'')?;
            (key, Some(quoted.to_owned()))
        }
    };
    let key = key.trim().to_ascii_lowercase();
    (!key.is_empty()).then_some((Piece::Variable { key, default }, length))
}

fn resolve<'c>(
    key: &str,
    default: Option<&'c str>,
    context: &'c dyn Context,
) -> Option<Cow<'c, str>> {
    match context.values(key) {
        Some(Values::One(value)) => Some(value),
        // A set of values stands for no one text.
        Some(Values::Many(_)) => None,
        None => default.map(Cow::Borrowed),
    }
}

#[derive(Clone, Copy)]
enum Token<'t> {
    Literal(&'t str),
    Any,
    One,
}

fn same(one: &str, other: &str, case: Case) -> bool {
    match case {
        Case::Matters => one == other,
        Case::Ignored => {
            one.len() == other.len() && one.eq_ignore_ascii_case(other)
                || !(one.is_ascii() && other.is_ascii())
                    && one.to_lowercase() == other.to_lowercase()
        }
    }
}

/// What is left of the text after a token, if it begins so.
fn take<'t>(token: Token<'_>, text: &'t str, case: Case) -> Option<&'t str> {
    match token {
        Token::Any => Some(text),
        Token::One => {
            let mut characters = text.chars();
            characters.next().map(|_| characters.as_str())
        }
        Token::Literal(literal) => {
            let (start, rest) = text.split_at_checked(literal.len())?;
            same(literal, start, case).then_some(rest)
        }
    }
}

/// Goes back to the last asterisk only: what an earlier one took never has to be taken back.
fn glob(tokens: &[Token<'_>], text: &str, case: Case) -> bool {
    let (mut tokens, mut text) = (tokens, text);
    let mut retry: Option<(&[Token<'_>], &str)> = None;
    loop {
        let step = match tokens.split_first() {
            None if text.is_empty() => return true,
            None => None,
            Some((Token::Any, rest)) => {
                retry = Some((rest, text));
                tokens = rest;
                continue;
            }
            Some((token, rest)) => take(*token, text, case).map(|text| (rest, text)),
        };
        match (step, retry) {
            (Some(next), _) => (tokens, text) = next,
            (None, None) => return false,
            (None, Some((after, from))) => {
                let mut characters = from.chars();
                if characters.next().is_none() {
                    return false;
                }
                retry = Some((after, characters.as_str()));
                (tokens, text) = (after, characters.as_str());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(&'static str, &'static str);

    impl Context for One {
        fn values(&self, key: &str) -> Option<Values<'_>> {
            (key == self.0).then(|| Values::One(self.1.into()))
        }
    }

    #[test]
    fn wildcards() {
        let check = |pattern: &str, text: &str, expected: bool| {
            let pattern = Pattern::compile(pattern, Wildcards::Wild, Variables::Resolved);
            let got = pattern.matches(text, Case::Matters, &Nothing);
            assert_eq!(got, Some(expected), "{pattern:?} {text}");
        };
        check("*", "", true);
        check("a", "a", true);
        check("a", "A", false);
        check("a*", "a/b/c", true);
        check("*a*b", "xaybzb", true);
        check("*a*b", "xaybz", false);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("?", "é", true);
        check("a**b", "ab", true);
        check("*?*", "", false);
        check("${*}x", "*x", true);
        check("${*}x", "ax", false);
        check("${$}{a}", "${a}", true);
        check("$a", "$a", true);
        check("${", "${", true);
    }

    #[test]
    fn variables() {
        let context = One("aws:username", "a*");
        let check = |pattern: &str, text: &str, expected: Option<bool>| {
            let pattern = Pattern::compile(pattern, Wildcards::Wild, Variables::Resolved);
            assert_eq!(
                pattern.matches(text, Case::Matters, &context),
                expected,
                "{pattern:?} {text}"
            );
        };
        check("home/${aws:username}/*", "home/a*/x", Some(true));
        check("home/${aws:username}/*", "home/ab/x", Some(false));
        check("home/${AWS:UserName}/*", "home/a*/x", Some(true));
        check("${aws:other}", "x", None);
        check("${aws:other, 'x'}", "x", Some(true));
        check("${aws:other,'*'}", "x", Some(false));
        check("${aws:username, 'x'}", "a*", Some(true));
        let old = Pattern::compile("${aws:username}", Wildcards::Wild, Variables::Literal);
        assert_eq!(old.matches("${aws:username}", Case::Matters, &context), Some(true));
        assert_eq!(old.matches("a*", Case::Matters, &context), Some(false));
    }

    #[test]
    fn case_is_ignored_where_it_does_not_matter() {
        let pattern = Pattern::action("s3:Get*");
        assert_eq!(pattern.matches("S3:gETOBJECT", Case::Ignored, &Nothing), Some(true));
        assert_eq!(pattern.matches("s3:PutObject", Case::Ignored, &Nothing), Some(false));
        let umlaut = Pattern::compile("Ä", Wildcards::Literal, Variables::Literal);
        assert_eq!(umlaut.matches("ä", Case::Ignored, &Nothing), Some(true));
    }
}
