//! Standard output carries the result alone; what a person should know goes to standard error.

use std::fmt::Display;
use std::io::{self, Write as _};

use anyhow::Context as _;

use crate::failure::Failure;

/// Prints one line of the result.
pub(crate) fn result(line: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .context("cannot write to standard output")
        .map_err(Failure::from)
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
    drop(writeln!(io::stderr().lock(), "{kind}: {text}"));
}
