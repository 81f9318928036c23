//! Passphrases of managed links: chosen by whoever makes a link, and given by whoever was sent it.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use reqwest::header::HeaderValue;

use crate::args::GivenPassphrase;
use crate::config;
use crate::failure::Failure;

/// The header in which programs send the passphrase of a link.
pub(crate) const HEADER: &str = "x-valet-passphrase";
/// The longest passphrase that is read, in bytes.
const BYTES_MAX: u64 = 1024;

/// Reads a passphrase that is chosen: from the terminal twice, where it is not shown; otherwise the first line of standard
/// input.
pub(crate) fn choose() -> Result<String, Failure> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return first_line(input.lock());
    }
    let first = ask("Passphrase for whoever opens the link: ")?;
    if first != ask("Once more: ")? {
        return Err(Failure::usage(anyhow!("the two passphrases differ")));
    }
    checked(first)
}

/// Reads the passphrase of a link that one was sent, if the command line says that there is one.
pub(crate) fn given(arguments: &GivenPassphrase) -> Result<Option<String>, Failure> {
    if let Some(path) = &arguments.passphrase_file {
        return in_file(path).map(Some);
    }
    if !arguments.passphrase {
        return Ok(None);
    }
    if let Some(passphrase) = config::passphrase() {
        return checked(passphrase).map(Some);
    }
    let input = std::io::stdin();
    if input.is_terminal() {
        return checked(ask("Passphrase of the link: ")?).map(Some);
    }
    first_line(input.lock()).map(Some)
}

/// The passphrase as a header has it: not shown by what prints headers, and not only of ASCII.
pub(crate) fn header_value(passphrase: &str) -> Result<HeaderValue, Failure> {
    let value = HeaderValue::from_bytes(passphrase.as_bytes());
    let words = "the passphrase has characters that no header can have";
    let mut value = value.map_err(|_| Failure::usage(anyhow!(words)))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether the passphrase would be read from standard input, which then cannot be the file that is sent.
pub(crate) fn is_on_standard_input(arguments: &GivenPassphrase) -> bool {
    let elsewhere = arguments.passphrase_file.is_some() || config::passphrase().is_some();
    arguments.passphrase && !elsewhere
}

fn in_file(path: &Path) -> Result<String, Failure> {
    let file = std::fs::File::open(path).with_context(|| path.display().to_string());
    first_line(std::io::BufReader::new(file.map_err(Failure::usage)?))
}

fn ask(words: &str) -> Result<String, Failure> {
    rpassword::prompt_password(words).context("cannot read it").map_err(Failure::from)
}

fn first_line(input: impl std::io::BufRead) -> Result<String, Failure> {
    let mut line = String::new();
    std::io::Read::take(input, BYTES_MAX)
        .read_line(&mut line)
        .context("cannot read the passphrase")?;
    checked(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn checked(passphrase: String) -> Result<String, Failure> {
    if passphrase.is_empty() {
        return Err(Failure::usage(anyhow!(
            "--passphrase reads a passphrase from the terminal, or the first line of standard input, and there was none"
        )));
    }
    Ok(passphrase)
}
