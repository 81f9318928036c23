//! Standard output carries the result alone; what a person should know goes to standard error.

use std::fmt::{Display, Write as _};
use std::io::{self, Write as _};

use anyhow::Context as _;
use serde::Serialize;

use crate::disposition;
use crate::failure::Failure;

/// Whoever read standard output has seen enough, as `head` does: the command ends, and nothing is to be said.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads standard output")]
pub(crate) struct NobodyReads;

/// Prints one line of the result.
pub(crate) fn result(line: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    written(writeln!(stdout, "{line}").and_then(|()| stdout.flush())).map_err(Failure::from)
}

/// Prints a piece of a result that is longer than should be held.
pub(crate) fn piece(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes())
}

/// The same of what is text already, or a part of it.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    written(stdout.write_all(bytes).and_then(|()| stdout.flush())).map_err(Failure::from)
}

/// What came of writing to standard output.
pub(crate) fn written(outcome: io::Result<()>) -> anyhow::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(NobodyReads.into()),
        other => other.context("cannot write to standard output"),
    }
}

/// How much a terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TerminalSize {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// None where standard output is no terminal, or one that does not know.
pub(crate) fn terminal_size() -> Option<TerminalSize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    let (columns, rows) = (size.ws_col.into(), size.ws_row.into());
    (columns > 0 && rows > 0).then_some(TerminalSize { columns, rows })
}

/// How a command prints its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// What a person or a script wants of it, line by line.
    Lines,
    /// The whole answer, on one line.
    Json,
}

impl Form {
    /// What `--json` asks for.
    pub(crate) fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Lines }
    }
}

/// Prints the result in the form that was asked for.
pub(crate) fn answer(
    form: Form,
    whole: &impl Serialize,
    lines: impl IntoIterator<Item = String>,
) -> Result<(), Failure> {
    match form {
        Form::Json => result(&json(whole)?),
        // A name or an ARN is a server's word, and XML can carry in it what no header can.
        Form::Lines => lines.into_iter().try_for_each(|line| result(&harmless(&line))),
    }
}

/// JSON on one line that no terminal obeys: what is not shown as it is stands as `\\u` and four digits.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<String> {
    let written = serde_json::to_string(value).context("cannot write JSON")?;
    Ok(escaped(written, disposition::is_deceptive))
}

/// Prints a document of JSON as it is written, but for what a terminal would obey.
pub(crate) fn document(text: &str) -> Result<(), Failure> {
    let obeyed = |c| !matches!(c, '\n' | '\t') && disposition::is_deceptive(c);
    result(&escaped(text.to_owned(), obeyed))
}

/// JSON whose characters of a kind stand as `\\u` and four digits.
fn escaped(json: String, is_escaped: impl Fn(char) -> bool) -> String {
    if !json.chars().any(&is_escaped) {
        return json;
    }
    let mut harmless = String::with_capacity(json.len());
    for c in json.chars() {
        if is_escaped(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(harmless, "\\u{unit:04x}");
            }
        } else {
            harmless.push(c);
        }
    }
    harmless
}

/// A command that sets a variable, ready to paste.
pub(crate) fn export(name: &str, value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./+=:@%".contains(&byte);
    if !value.is_empty() && value.bytes().all(plain) {
        format!("export {name}={value}")
    } else {
        format!("export {name}={}", quoted(value))
    }
}

/// A word that no shell changes and no terminal obeys: what is not shown as it is, but for the end of
/// a line, is written as the `printf` of every shell writes it.
pub(crate) fn quoted(text: &str) -> String {
    let mut word = String::from("'");
    for c in text.chars() {
        match c {
            '\'' => word.push_str(r"'\''"),
            '\n' => word.push(c),
            c if disposition::is_deceptive(c) => {
                word.push_str("'\"$(printf '");
                for byte in c.to_string().bytes() {
                    // Writing to a string cannot fail.
                    let _ = write!(word, "\\{byte:03o}");
                }
                word.push_str("')\"'");
            }
            c => word.push(c),
        }
    }
    word.push('\'');
    word
}

/// Says something that is not part of the result.
pub(crate) fn note(text: impl Display) {
    complain("note", text);
}

/// Says why the command ends without its result.
pub(crate) fn error(text: impl Display) {
    complain("error", text);
}

fn complain(kind: &str, text: impl Display) {
    // When even standard error is closed there is nobody left to tell.
    drop(writeln!(io::stderr().lock(), "{kind}: {}", harmless(&text.to_string())));
}

/// What a terminal shows as it is written, line by line: an error may repeat a key or a name that a server chose.
fn harmless(text: &str) -> String {
    text.chars().filter(|c| *c == '\n' || !disposition::is_deceptive(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_said_moves_a_terminal() {
        assert_eq!(harmless("a\u{1b}]0;b\u{7}\r\u{9b}2J\u{202e}c\nd é"), "a]0;b2Jc\nd é");
    }

    #[test]
    fn json_is_the_same_and_moves_no_terminal() {
        let written = json(&["a\u{1b}\u{9b}2J\u{202e}\u{e0041} é"]).unwrap();
        assert_eq!(written, "[\"a\\u001b\\u009b2J\\u202e\\udb40\\udc41 é\"]");
        let read: Vec<String> = serde_json::from_str(&written).unwrap();
        assert_eq!(read, ["a\u{1b}\u{9b}2J\u{202e}\u{e0041} é"]);
    }

    #[test]
    fn shell_words() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("a\u{1b}[2J"), r#"'a'"$(printf '\033')"'[2J'"#);
        assert_eq!(
            quoted("\u{9b}\u{202e}"),
            r#"''"$(printf '\302\233')"''"$(printf '\342\200\256')"''"#
        );
        assert_eq!(quoted("a\nb\r"), "'a\nb'\"$(printf '\\015')\"''");
        assert_eq!(export("A", "wJalr/Utn+EMI="), "export A=wJalr/Utn+EMI=");
        assert_eq!(export("A", "$(x)"), "export A='$(x)'");
        assert_eq!(export("A", ""), "export A=''");
    }
}
