//! Prints results to standard output, and everything else to standard error.

use std::fmt::{Display, Write as _};
use std::io::{self, Write as _};

use anyhow::Context as _;
use serde::Serialize;
use server::disposition;

use crate::failure::Failure;

/// The reader of standard output has closed it, as `head` does when it has enough. The command ends without an
/// error.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads standard output")]
pub(crate) struct NobodyReads;

/// Prints one line of the result.
pub(crate) fn result(line: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    written(writeln!(stdout, "{line}").and_then(|()| stdout.flush())).map_err(Failure::from)
}

/// Prints a piece of a result that is too long to be held in memory.
pub(crate) fn piece(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes())
}

/// The same for bytes of a text, which may end within a character.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    written(stdout.write_all(bytes).and_then(|()| stdout.flush())).map_err(Failure::from)
}

/// Turns a failed write to standard output into an error; see [`NobodyReads`].
pub(crate) fn written(outcome: io::Result<()>) -> anyhow::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(NobodyReads.into()),
        other => other.context("cannot write to standard output"),
    }
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TerminalSize {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// `None` if standard output is no terminal, or one that does not tell its size.
pub(crate) fn terminal_size() -> Option<TerminalSize> {
    size_of(io::stdout())
}

/// The same of standard error.
pub(crate) fn error_terminal_size() -> Option<TerminalSize> {
    size_of(io::stderr())
}

fn size_of(terminal: impl std::os::fd::AsFd) -> Option<TerminalSize> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    let (columns, rows) = (size.ws_col.into(), size.ws_row.into());
    (columns > 0 && rows > 0).then_some(TerminalSize { columns, rows })
}

/// The form in which a command prints its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Line by line, for people and scripts.
    Lines,
    /// The whole answer as JSON, on one line.
    Json,
}

impl Form {
    /// The form that the flag `--json` chooses.
    pub(crate) fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Lines }
    }
}

/// Prints the result in the chosen form.
pub(crate) fn answer(
    form: Form,
    whole: &impl Serialize,
    lines: impl IntoIterator<Item = String>,
) -> Result<(), Failure> {
    match form {
        Form::Json => result(&json(whole)?),
        // Names and ARNs come from the server, and XML can carry characters that no header can.
        Form::Lines => lines.into_iter().try_for_each(|line| result(&harmless(&line))),
    }
}

/// JSON on one line that no terminal obeys: characters that a terminal would not show as they are stand as
/// `\\u` and four digits.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<String> {
    let written = serde_json::to_string(value).context("cannot write JSON")?;
    Ok(escaped(written, disposition::is_deceptive))
}

/// Prints a JSON document as it was written, except for characters that a terminal would obey.
pub(crate) fn document(text: &str) -> Result<(), Failure> {
    let obeyed = |c| !matches!(c, '\n' | '\t') && disposition::is_deceptive(c);
    result(&escaped(text.to_owned(), obeyed))
}

/// Writes the chosen characters of a JSON text as `\\u` and four digits.
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

/// Quotes a word for a shell, so that no shell changes it and no terminal obeys it. Characters other than a
/// line break that a terminal would not show are written for `printf`.
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

/// Prints a remark that is no part of the result.
pub(crate) fn note(text: impl Display) {
    complain("note", text);
}

/// Prints a picture beside the result, on standard error.
pub(crate) fn picture(text: &str) {
    // If standard error is closed too, nobody can be told.
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Prints why the command ends without its result.
pub(crate) fn error(text: impl Display) {
    complain("error", text);
}

fn complain(kind: &str, text: impl Display) {
    // If standard error is closed too, nobody can be told.
    drop(writeln!(io::stderr().lock(), "{kind}: {}", harmless(&text.to_string())));
}

/// Removes from each line what a terminal would obey. An error may repeat a key or name that a server chose.
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
