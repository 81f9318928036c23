//! Links in bulk: one JSON object a line is read, and one a line is written, in the same order.

use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Read, Write};

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};

use crate::args::limits::{self, LimitOptions};
use crate::args::{self, LinkOptions, Method};
use crate::clock;
use crate::failure::Failure;
use crate::output;
use crate::presign::Maker;
use crate::presign::limits::with_files_read;
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
    expires_in: Option<Amount>,
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
    #[serde(alias = "bucket-domain")]
    bucket_domain: Option<String>,
    uses: Option<Amount>,
    unique: Option<bool>,
    #[serde(alias = "max-size")]
    max_size: Option<Amount>,
    #[serde(alias = "min-size")]
    min_size: Option<Amount>,
    #[serde(alias = "source-ip")]
    source_ip: Option<Ranges>,
    #[serde(alias = "not-before")]
    not_before: Option<Amount>,
    rate: Option<Amount>,
    label: Option<String>,
    #[serde(alias = "write-once")]
    write_once: Option<bool>,
    #[serde(alias = "allow-head")]
    allow_head: Option<bool>,
    sha256: Option<String>,
    #[serde(alias = "round-to")]
    round_to: Option<Amount>,
}

/// A number, or what the option takes as text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Amount {
    Number(u64),
    Text(String),
}

/// What `--source-ip` takes, whole or in pieces.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Ranges {
    Text(String),
    List(Vec<String>),
}

impl Amount {
    fn text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

impl Ranges {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::List(pieces) => pieces.join(","),
        }
    }
}

/// The output for a line that makes no link.
#[derive(Serialize)]
struct Refused<'a> {
    line: u64,
    error: &'a str,
}

/// Reads standard input to its end. For a line that makes no link, its number and the reason are written, and
/// the command fails at the end.
pub(crate) fn run(defaults: LinkOptions, mut maker: Maker) -> Result<(), Failure> {
    let defaults = with_files_read(defaults)?;
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
        let answer = match make(&line, &defaults, &mut maker) {
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
    let now = clock::now();
    let link = Link::new(&uri, &options, now)?;
    let answer = if options.offline || link.early_death == EarlyDeath::Told {
        maker.make_offline(&link, now)
    } else {
        maker.make(&link, now)
    };
    answer?.json()
}

impl Row {
    fn over(self, defaults: &LinkOptions) -> anyhow::Result<LinkOptions> {
        let known = &defaults.limits;
        let limits = LimitOptions {
            uses: member("uses", self.uses.map(Amount::text), known.uses.as_ref(), limits::uses)?,
            unique: self.unique.unwrap_or(known.unique),
            max_size: member(
                "max_size",
                self.max_size.map(Amount::text),
                known.max_size.as_ref(),
                args::bytes,
            )?,
            min_size: member(
                "min_size",
                self.min_size.map(Amount::text),
                known.min_size.as_ref(),
                args::bytes,
            )?,
            source_ip: member(
                "source_ip",
                self.source_ip.map(Ranges::text),
                known.source_ip.as_ref(),
                str::parse,
            )?,
            not_before: member(
                "not_before",
                self.not_before.map(Amount::text),
                known.not_before.as_ref(),
                str::parse,
            )?,
            rate: member("rate", self.rate.map(Amount::text), known.rate.as_ref(), limits::rate)?,
            label: member("label", self.label, known.label.as_ref(), str::parse)?,
            write_once: self.write_once.unwrap_or(known.write_once),
            allow_head: self.allow_head.unwrap_or(known.allow_head),
            sha256: member("sha256", self.sha256, known.sha256.as_ref(), str::parse)?,
            round_to: member(
                "round_to",
                self.round_to.map(Amount::text),
                known.round_to.as_ref(),
                args::life,
            )?,
        };
        let bucket_domain = member("bucket_domain", self.bucket_domain, None, args::bucket_domain)?;
        let expires_in = self.expires_in.map(Amount::text);
        let expires_in = member("expires_in", expires_in, None, args::life)?;
        Ok(LinkOptions {
            method: self.method.unwrap_or(defaults.method),
            expires_in: expires_in.unwrap_or(defaults.expires_in),
            limits,
            content_type: self.content_type.or_else(|| defaults.content_type.clone()),
            header: self.header.unwrap_or_else(|| defaults.header.clone()),
            query: self.query.unwrap_or_else(|| defaults.query.clone()),
            version_id: self.version_id.or_else(|| defaults.version_id.clone()),
            filename: self.filename.or_else(|| defaults.filename.clone()),
            inline: self.inline.unwrap_or(defaults.inline),
            strict: self.strict.unwrap_or(defaults.strict),
            trim: self.trim.unwrap_or(defaults.trim),
            offline: self.offline.unwrap_or(defaults.offline),
            bucket_domain: bucket_domain.or_else(|| defaults.bucket_domain.clone()),
        })
    }
}

/// Reads a member as its option is read; one that is not there is as on the command line.
fn member<T: Clone, E: Display>(
    name: &str,
    text: Option<String>,
    default: Option<&T>,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> anyhow::Result<Option<T>> {
    let Some(text) = text else { return Ok(default.cloned()) };
    read(&text).map(Some).map_err(|reason| anyhow!("{name}: {reason}"))
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
