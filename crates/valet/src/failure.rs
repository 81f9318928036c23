//! How commands end: their exit status, and the error that they print.

use std::fmt;
use std::process::ExitCode;

use crate::output::NobodyReads;

/// The exit statuses of every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command did what it was asked.
    Done,
    /// The command failed.
    Failed,
    /// The command line cannot be right.
    WrongUsage,
    /// The server refused the request.
    Denied,
    /// A link would die earlier than asked (`--strict`).
    DiesEarly,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::WrongUsage => 2,
            Exit::Denied => 3,
            Exit::DiesEarly => 4,
        })
    }
}

/// Why a command did not do what it was asked. Without a status of its own, an error is a plain failure.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: anyhow::Error,
    is_told: bool,
}

impl Failure {
    pub(crate) fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Failed, error: error.into(), is_told: false }
    }

    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::WrongUsage, error: error.into(), is_told: false }
    }

    pub(crate) fn denied(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Denied, error: error.into(), is_told: false }
    }

    pub(crate) fn dies_early(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::DiesEarly, error: error.into(), is_told: false }
    }

    /// Adds what the command had done before it failed.
    pub(crate) fn after(self, done: String) -> Self {
        Self { error: self.error.context(done), ..self }
    }

    /// Marks the failure as already reported.
    pub(crate) fn told(self) -> Self {
        Self { is_told: true, ..self }
    }

    pub(crate) fn is_told(&self) -> bool {
        self.is_told || self.error.is::<NobodyReads>()
    }

    /// Adds a hint, printed on a line of its own.
    pub(crate) fn with_hint(self, hint: &str) -> Self {
        Self { error: anyhow::anyhow!("{self}\n{hint}"), ..self }
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Many errors repeat their cause at the end; it is printed once.
        let mut said = String::new();
        for cause in self.error.chain() {
            let cause = cause.to_string();
            if said.is_empty() {
                said = cause;
            } else if !said.ends_with(&cause) {
                said = format!("{said}: {cause}");
            }
        }
        f.write_str(&said)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let check = |error: anyhow::Error, expected: &str| {
            assert_eq!(Failure::failed(error).to_string(), expected);
        };
        check(anyhow!("a"), "a");
        check(anyhow!("b").context("a"), "a: b");
        check(anyhow!("c").context("b: c").context("a"), "a: b: c");
        let address = "127.0.0.1:9000".parse().unwrap();
        let source = std::io::Error::from(std::io::ErrorKind::AddrInUse);
        let error = server::ListenError::Bind { address, source };
        check(error.into(), "cannot listen on 127.0.0.1:9000: address in use");
    }
}
