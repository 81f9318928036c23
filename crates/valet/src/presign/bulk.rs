//! Links in bulk: one JSON object a line is read, and one a line is written, in the same order.

use std::io::{self, BufRead, BufReader, Read, Write};

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};

use crate::args::{self, Life, LinkOptions, Method};
use crate::clock;
use crate::failure::Failure;
use crate::output;
use crate::presign::Maker;
use crate::presign::link::{EarlyDeath, Link, LinkError};

/// The longest line. A longer one describes no link.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// A line of the input: a URI, and options that differ from those on the command line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    uri: String,
    method: Option<Method>,
    #[serde(alias = "expires-in")]
    expires_in: Option<Lifetime>,
    #[serde(alias = "content-type")]
    content_type: Option<String>,
    header: Option<Vec<String>>,
    query: Option<Vec<String>>,
    #[serde(alias = "version-id")]
    version_id: Option<String>,
    filename: Option<String>,
    inline: Option<bool>,
    strict: Option<bool>,
    trim: Option<bool>,
    offline: Option<bool>,
}

/// A number of seconds, or a duration as text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Lifetime {
    Seconds(u64),
    Text(String),
}

/// The output for a line that makes no link.
#[derive(Serialize)]
struct Refused<'a> {
    line: u64,
    error: &'a str,
}

/// Reads standard input to its end. For a line that makes no link, its number and the reason are written, and
/// the command fails at the end.
pub(crate) fn run(defaults: &LinkOptions, mut maker: Maker) -> Result<(), Failure> {
    let mut input = BufReader::new(io::stdin().lock());
    let mut answers = io::BufWriter::new(io::stdout().lock());
    let (mut refused, mut dead_early) = (0_u64, 0_u64);
    let mut line = Vec::new();
    for number in 1_u64.. {
        // A program that writes a line and waits for the answer must get it at once.
        if input.buffer().is_empty() {
            output::written(answers.flush())?;
        }
        if !read_line(&mut input, &mut line).context("cannot read standard input")? {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let answer = match make(&line, defaults, &mut maker) {
            Ok(answer) => answer,
            Err(error) => {
                refused += 1;
                let dies_early = error.downcast_ref::<LinkError>();
                dead_early += u64::from(matches!(dies_early, Some(LinkError::DiesEarly(_))));
                let refusal = Refused { line: number, error: &format!("{error:#}") };
                output::json(&refusal)?
            }
        };
        output::written(writeln!(answers, "{answer}"))?;
    }
    output::written(answers.flush())?;
    let words = anyhow!("{refused} line(s) made no link");
    match refused {
        0 => Ok(()),
        _ if refused == dead_early => Err(Failure::dies_early(words)),
        _ => Err(Failure::failed(words)),
    }
}

/// Makes the link of one line. The server is asked only if the answer decides whether or how the link is made:
/// otherwise tens of thousands of links a second would become hundreds.
fn make(line: &[u8], defaults: &LinkOptions, maker: &mut Maker) -> anyhow::Result<String> {
    if line.len() > LINE_BYTES_MAX {
        return Err(anyhow!("a line has at most {LINE_BYTES_MAX} bytes"));
    }
    // serde would take an array for the members in their order.
    if !line.trim_ascii_start().starts_with(b"{") {
        return Err(anyhow!("a line is a JSON object"));
    }
    let row: Row = serde_json::from_slice(line)?;
    let uri = row.uri.clone();
    let options = row.over(defaults)?;
    let link = Link::new(&uri, &options)?;
    let now = clock::now();
    let answer = if options.offline || link.early_death == EarlyDeath::Told {
        maker.make_offline(&link, now)
    } else {
        maker.make(&link, now)
    };
    answer?.json()
}

impl Row {
    fn over(self, defaults: &LinkOptions) -> anyhow::Result<LinkOptions> {
        let expires_in = match self.expires_in {
            None => defaults.expires_in,
            Some(Lifetime::Seconds(seconds)) => life(&seconds.to_string())?,
            Some(Lifetime::Text(text)) => life(&text)?,
        };
        Ok(LinkOptions {
            method: self.method.unwrap_or(defaults.method),
            expires_in,
            content_type: self.content_type.or_else(|| defaults.content_type.clone()),
            header: self.header.unwrap_or_else(|| defaults.header.clone()),
            query: self.query.unwrap_or_else(|| defaults.query.clone()),
            version_id: self.version_id.or_else(|| defaults.version_id.clone()),
            filename: self.filename.or_else(|| defaults.filename.clone()),
            inline: self.inline.unwrap_or(defaults.inline),
            strict: self.strict.unwrap_or(defaults.strict),
            trim: self.trim.unwrap_or(defaults.trim),
            offline: self.offline.unwrap_or(defaults.offline),
        })
    }
}

fn life(text: &str) -> anyhow::Result<Life> {
    args::life(text).map_err(|reason| anyhow!("expires_in: {reason}"))
}

/// Reads one line into `line`; of a line that is too long, only enough to notice. `false` at the end of the
/// input.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let limit = u64::try_from(LINE_BYTES_MAX + 2).unwrap_or(u64::MAX);
    let read = input.by_ref().take(limit).read_until(b'\n', line)?;
    if line.ends_with(b"\n") {
        line.pop();
    } else if line.len() > LINE_BYTES_MAX {
        skip_line(input)?;
    }
    Ok(read > 0)
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let (ended, used) = match end {
            Some(position) => (true, position + 1),
            None => (buffer.is_empty(), buffer.len()),
        };
        input.consume(used);
        if ended {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let long = "x".repeat(LINE_BYTES_MAX);
        let check = |input: &str, expected: &[usize]| {
            let mut input = BufReader::with_capacity(7, input.as_bytes());
            let mut line = Vec::new();
            let mut found = Vec::new();
            while read_line(&mut input, &mut line).unwrap() {
                found.push(line.len());
            }
            assert_eq!(found, expected);
        };
        check("", &[]);
        check("a\n\nbc", &[1, 0, 2]);
        check(&format!("{long}\na\n"), &[LINE_BYTES_MAX, 1]);
        check(&format!("{long}{long}\na\n"), &[LINE_BYTES_MAX + 2, 1]);
        check(&format!("{long}{long}"), &[LINE_BYTES_MAX + 2]);
        check(&format!("{long}x\na\n"), &[LINE_BYTES_MAX + 1, 1]);
    }
}
