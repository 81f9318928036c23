//! A pattern's text, taken apart while it is matched.

use super::Syntax;

/// One step of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'p> {
    /// Exactly this text.
    Text(&'p str),
    /// `?`: one character, whichever it is.
    One,
    /// `*`: any characters, also none and also `/`.
    Any,
    Variable(Variable<'p>),
    /// A `${` that nothing closes, or whose default is not quoted: it never resolves.
    Broken,
}

/// A policy variable: `${key}` or `${key, 'default'}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variable<'p> {
    /// The condition key it stands for, in any case of letters.
    pub(super) key: &'p str,
    pub(super) default: Option<&'p str>,
}

/// The tokens of a pattern, in order.
pub(super) struct Tokens<'p> {
    rest: &'p str,
    syntax: Syntax,
}

impl<'p> Tokens<'p> {
    pub(super) fn new(rest: &'p str, syntax: Syntax) -> Self {
        Self { rest, syntax }
    }

    /// Takes so many bytes off the rest; what is no boundary of characters ends everything.
    fn take(&mut self, bytes: usize) -> &'p str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }
}

impl<'p> Iterator for Tokens<'p> {
    type Item = Token<'p>;

    fn next(&mut self) -> Option<Token<'p>> {
        let special = special(self.rest, self.syntax);
        match special {
            None if self.rest.is_empty() => None,
            None => Some(Token::Text(self.take(self.rest.len()))),
            Some((0, b'*')) => {
                self.rest = self.rest.trim_start_matches('*');
                Some(Token::Any)
            }
            Some((0, b'?')) => {
                self.take(1);
                Some(Token::One)
            }
            Some((0, _)) => {
                self.take(2);
                let Some(end) = self.rest.find('}') else {
                    self.rest = "";
                    return Some(Token::Broken);
                };
                let name = self.take(end);
                self.take(1);
                Some(variable(name))
            }
            Some((at, _)) => Some(Token::Text(self.take(at))),
        }
    }
}

fn variable(name: &str) -> Token<'_> {
    if let "*" | "?" | "$" = name {
        return Token::Text(name);
    }
    match name.split_once(',') {
        None => Token::Variable(Variable { key: name.trim(), default: None }),
        Some((key, default)) => {
            let quoted = default.trim().strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
            match quoted {
                None => Token::Broken,
                default => Token::Variable(Variable { key: key.trim(), default }),
            }
        }
    }
}

/// Where the next letter is that is more than text, and which.
fn special(text: &str, syntax: Syntax) -> Option<(usize, u8)> {
    let Syntax { variables, wildcards } = syntax;
    let bytes = text.as_bytes();
    let is_special = |at: usize, byte: u8| match byte {
        b'*' | b'?' => wildcards,
        b'$' => variables && bytes.get(at + 1) == Some(&b'{'),
        _ => false,
    };
    bytes.iter().copied().enumerate().find(|(at, byte)| is_special(*at, *byte))
}

/// Where the first colon is that stands in no variable.
pub(super) fn colon(text: &str, syntax: Syntax) -> Option<usize> {
    let (mut from, mut rest) = (0_usize, text);
    loop {
        let colon = rest.find(':')?;
        let open = if syntax.variables { rest.find("${") } else { None };
        let Some(open) = open.filter(|open| *open < colon) else {
            return from.checked_add(colon);
        };
        // What nothing closes goes on to the end.
        let close = rest.get(open..)?.find('}')?.checked_add(open)?.checked_add(1)?;
        from = from.checked_add(close)?;
        rest = rest.get(close..)?;
    }
}
