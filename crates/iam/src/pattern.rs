//! Patterns with `*`, `?` and policy variables, compiled when a policy is read.

use std::borrow::Cow;

use crate::evaluate::{Context, Values};
use crate::fold_case;

/// One step of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token<T> {
    /// This text.
    Text(T),
    /// `?`: one character.
    One,
    /// `*`: any characters, also none and also `/`.
    Any,
}

/// Whether the letters' case counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Sensitive,
    /// ASCII letters only: what is compared so are names of actions.
    Ignored,
}

/// Whether the whole text is what the tokens say. Never allocates; at worst the product of the two
/// lengths in steps, since only the last `*` is ever tried again.
pub(crate) fn matches<T: AsRef<str>>(tokens: &[Token<T>], text: &str, case: Case) -> bool {
    let (mut left, mut rest) = (tokens, text);
    let mut retry = None;
    loop {
        match left.split_first() {
            None if rest.is_empty() => return true,
            Some((Token::Any, [])) => return true,
            Some((Token::Any, after)) => {
                retry = Some((after, rest));
                left = after;
                continue;
            }
            Some((Token::One, after)) => {
                if let Some(next) = after_one(rest) {
                    (left, rest) = (after, next);
                    continue;
                }
            }
            Some((Token::Text(expected), after)) => {
                if let Some(next) = strip(rest, expected.as_ref(), case) {
                    (left, rest) = (after, next);
                    continue;
                }
            }
            None => {}
        }
        let Some((after, from)) = retry else { return false };
        let Some(from) = after_one(from) else { return false };
        retry = Some((after, from));
        (left, rest) = (after, from);
    }
}

fn after_one(text: &str) -> Option<&str> {
    let mut characters = text.chars();
    characters.next()?;
    Some(characters.as_str())
}

fn strip<'t>(text: &'t str, prefix: &str, case: Case) -> Option<&'t str> {
    match case {
        Case::Sensitive => text.strip_prefix(prefix),
        Case::Ignored => {
            let (start, rest) = text.split_at_checked(prefix.len())?;
            start.eq_ignore_ascii_case(prefix).then_some(rest)
        }
    }
}

/// A pattern without variables: `*` and `?` are wildcards, all else is text.
pub(crate) fn wildcards(text: &str) -> Vec<Token<Box<str>>> {
    Template::parse(text, Syntax { variables: false, wildcards: true })
        .pieces
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Fixed(token) => Some(token),
            Piece::Variable(_) | Piece::Broken => None,
        })
        .collect()
}

/// What counts as special in a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Syntax {
    /// `${…}`: only in documents of version 2012-10-17.
    pub(crate) variables: bool,
    /// `*` and `?`.
    pub(crate) wildcards: bool,
}

/// A pattern as a policy spells it, its variables not yet replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) pieces: Vec<Piece>,
}

/// A piece of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Fixed(Token<Box<str>>),
    Variable(Variable),
    /// A `${` that nothing closes: it never resolves.
    Broken,
}

/// `${key}` or `${key, 'default'}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    /// The condition key it stands for, in lower case.
    key: Box<str>,
    default: Option<Box<str>>,
}

impl Template {
    pub(crate) fn parse(text: &str, syntax: Syntax) -> Self {
        let mut pieces = Pieces::default();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if syntax.variables
                && let Some(inside) = rest.strip_prefix("${")
            {
                let Some((name, after)) = inside.split_once('}') else {
                    pieces.push(Piece::Broken);
                    break;
                };
                pieces.variable(name);
                rest = after;
                continue;
            }
            match character {
                '*' if syntax.wildcards => pieces.push(Piece::Fixed(Token::Any)),
                '?' if syntax.wildcards => pieces.push(Piece::Fixed(Token::One)),
                _ => pieces.text.push(character),
            }
            rest = after_one(rest).unwrap_or_default();
        }
        pieces.finish()
    }

    /// Whether it can match but one text: no wildcard, no variable.
    pub(crate) fn is_fixed(&self) -> bool {
        self.pieces.iter().all(|piece| matches!(piece, Piece::Fixed(Token::Text(_))))
    }

    /// Whether the text begins otherwise, so that no value of a variable could make it match.
    pub(crate) fn begins_otherwise(&self, text: &str) -> bool {
        match self.pieces.first() {
            Some(Piece::Fixed(Token::Text(start))) => !text.starts_with(&**start),
            Some(Piece::Fixed(Token::One | Token::Any) | Piece::Variable(_) | Piece::Broken)
            | None => false,
        }
    }

    /// Whether the text is what it says; `None`: a variable has no value.
    pub(crate) fn matches(&self, text: &str, context: &dyn Context) -> Option<bool> {
        if let [Piece::Fixed(Token::Text(only))] = self.pieces.as_slice() {
            return Some(**only == *text);
        }
        Some(matches(&self.resolve(context)?, text, Case::Sensitive))
    }

    /// Whether the text is what it says, whatever the letters' case in any alphabet.
    pub(crate) fn equals_ignoring_case(&self, text: &str, context: &dyn Context) -> Option<bool> {
        let mut own = String::new();
        for token in self.resolve(context)? {
            match token {
                Token::Text(piece) => own.push_str(&piece),
                Token::One => own.push('?'),
                Token::Any => own.push('*'),
            }
        }
        let folded = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
        Some(own.eq_ignore_ascii_case(text) || folded(&own) == folded(text))
    }

    /// Its tokens, the values of variables as plain text: a `*` in a value is no wildcard, or who
    /// chooses a tag would choose what is matched. `None`: a variable has no value.
    fn resolve<'t>(&'t self, context: &'t dyn Context) -> Option<Vec<Token<Cow<'t, str>>>> {
        let tokens = self.pieces.iter().map(|piece| match piece {
            Piece::Fixed(Token::Any) => Some(Token::Any),
            Piece::Fixed(Token::One) => Some(Token::One),
            Piece::Fixed(Token::Text(text)) => Some(Token::Text(Cow::Borrowed(&**text))),
            Piece::Variable(variable) => variable.value(context).map(Token::Text),
            Piece::Broken => None,
        });
        tokens.collect()
    }

    /// Splits at the first `colons` colons of its text; what variables stand for is never split.
    pub(crate) fn split_at_colons(self, colons: usize) -> Vec<Self> {
        let mut parts = vec![Pieces::default()];
        let mut left = colons;
        for piece in self.pieces {
            let Piece::Fixed(Token::Text(text)) = piece else {
                if let Some(part) = parts.last_mut() {
                    part.push(piece);
                }
                continue;
            };
            for character in text.chars() {
                if character == ':' && left > 0 {
                    left -= 1;
                    parts.push(Pieces::default());
                } else if let Some(part) = parts.last_mut() {
                    part.text.push(character);
                }
            }
        }
        parts.into_iter().map(Pieces::finish).collect()
    }

    /// What `*` says.
    pub(crate) fn any() -> Self {
        Self { pieces: vec![Piece::Fixed(Token::Any)] }
    }
}

impl Variable {
    fn value<'v>(&'v self, context: &'v dyn Context) -> Option<Cow<'v, str>> {
        match context.values(&self.key) {
            Some(Values::One(value)) => Some(value),
            // AWS: a key of many values cannot be a variable.
            Some(Values::Many(_) | Values::Alike(_)) => None,
            None => self.default.as_deref().map(Cow::Borrowed),
        }
    }
}

/// Pieces under way, and the text that has not become one yet.
#[derive(Default)]
struct Pieces {
    done: Vec<Piece>,
    text: String,
}

impl Pieces {
    fn push(&mut self, piece: Piece) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text).into_boxed_str();
            self.done.push(Piece::Fixed(Token::Text(text)));
        }
        let run = matches!(piece, Piece::Fixed(Token::Any)) && self.done.last() == Some(&piece);
        if !run {
            self.done.push(piece);
        }
    }

    fn variable(&mut self, name: &str) {
        if let "*" | "?" | "$" = name {
            return self.text.push_str(name);
        }
        let (key, default) = match name.split_once(',') {
            None => (name, None),
            Some((key, default)) => {
                let quoted = default.trim().strip_prefix('\'').and_then(|d| d.strip_suffix('\''));
                let Some(default) = quoted else { return self.push(Piece::Broken) };
                (key, Some(default.into()))
            }
        };
        let key = fold_case(key.trim()).into_boxed_str();
        self.push(Piece::Variable(Variable { key, default }));
    }

    fn finish(mut self) -> Template {
        if !self.text.is_empty() {
            self.done.push(Piece::Fixed(Token::Text(self.text.into_boxed_str())));
        }
        Template { pieces: self.done }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tags;

    impl Context for Tags {
        fn values(&self, key: &str) -> Option<Values<'_>> {
            match key {
                "aws:username" => Some(Values::One("ann".into())),
                "aws:principaltag/star" => Some(Values::One("a*".into())),
                "aws:tagkeys" => Some(Values::Many(vec!["x".into()])),
                _ => None,
            }
        }
    }

    fn check(pattern: &str, text: &str, expected: Option<bool>) {
        let template = Template::parse(pattern, Syntax { variables: true, wildcards: true });
        assert_eq!(template.matches(text, &Tags), expected, "{pattern} on {text}");
    }

    #[test]
    fn wildcards_match_runs_and_single_characters() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "a", true),
            ("a*b", "a/x/b", true),
            ("a*b", "a/x/bc", false),
            ("*b*", "abc", true),
            ("a?c", "abc", true),
            ("a?c", "aéc", true),
            ("a?c", "ac", false),
            ("?", "", false),
            ("*?", "a", true),
            ("*?", "", false),
            ("a**c", "abc", true),
            ("*aab", "aaaab", true),
            ("*a*a*a*b", &"a".repeat(500), false),
            ("A", "a", false),
        ] {
            check(pattern, text, Some(expected));
        }
        assert!(matches(&wildcards("s3:get*"), "S3:GetObject", Case::Ignored));
        assert!(!matches(&wildcards("s3:geté"), "s3:getx", Case::Ignored));
    }

    #[test]
    fn variables_stand_for_plain_text() {
        for (pattern, text, expected) in [
            ("home/${aws:username}/*", "home/ann/x", Some(true)),
            ("home/${AWS:UserName}/*", "home/bob/x", Some(false)),
            ("${aws:PrincipalTag/star}", "a*", Some(true)),
            ("${aws:PrincipalTag/star}", "ab", Some(false)),
            ("${aws:PrincipalTag/none}", "", None),
            ("${aws:PrincipalTag/none, 'all'}", "all", Some(true)),
            ("${aws:PrincipalTag/none,'all'}", "all", Some(true)),
            ("${aws:username, 'all'}", "all", Some(false)),
            ("${aws:PrincipalTag/none, all}", "all", None),
            ("${aws:TagKeys}", "x", None),
            ("a${*}", "a*", Some(true)),
            ("a${*}", "ab", Some(false)),
            ("a${?}", "ab", Some(false)),
            ("${$}{x}", "${x}", Some(true)),
            ("${aws:username", "ann", None),
            ("$a", "$a", Some(true)),
        ] {
            check(pattern, text, expected);
        }
        let plain =
            Template::parse("${aws:username}", Syntax { variables: false, wildcards: true });
        assert_eq!(plain.matches("${aws:username}", &Tags), Some(true));
    }
}
