//! Reads a bundle that `valet presign --multipart` printed: the links of one upload in parts.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, anyhow, ensure};
use reqwest::Url;
use serde::Deserialize;

use super::STANDARD_INPUT;
use crate::failure::Failure;
use crate::transfer;

/// The longest bundle. 10,000 links with the longest session tokens are shorter.
const BUNDLE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// The links of an upload. Each is a credential, so a bundle is never printed.
pub(super) struct Bundle {
    pub(super) parts: Vec<Part>,
    pub(super) complete: Url,
    pub(super) abort: Url,
    /// `None` if the server cannot renew links.
    pub(super) renew: Option<Url>,
    /// The scheme, host and port of each link in the bundle. Nothing is sent anywhere else.
    origins: BTreeSet<String>,
}

/// A part of the file, and the link for it.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) number: u16,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) link: Url,
}

#[derive(Deserialize)]
struct Written {
    parts: Vec<WrittenPart>,
    complete: String,
    abort: String,
    renew: Option<String>,
}

#[derive(Deserialize)]
struct WrittenPart {
    number: u16,
    offset: u64,
    size: u64,
    link: String,
}

/// Whether the argument in place of a link is the file of a bundle.
pub(super) fn is_bundle(text: &str) -> bool {
    !text.is_empty() && !text.contains("://")
}

impl Bundle {
    /// Reads a bundle from a file or from standard input.
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        let json = load(text).with_context(|| format!("the bundle `{text}`"));
        let written = serde_json::from_slice::<Written>(&json.map_err(Failure::usage)?)
            .map_err(|error| Failure::usage(anyhow!("`{text}` is no bundle: {error}")))?;
        Self::of(written)
    }

    fn of(written: Written) -> Result<Self, Failure> {
        let Written { parts, complete, abort, renew } = written;
        let parts = parts.into_iter().map(|part| {
            let WrittenPart { number, offset, size, link } = part;
            Ok(Part { number, offset, size, link: transfer::link(&link)? })
        });
        let parts = parts.collect::<Result<Vec<_>, Failure>>()?;
        check(&parts).map_err(Failure::usage)?;
        let mut bundle = Self {
            parts,
            complete: transfer::link(&complete)?,
            abort: transfer::link(&abort)?,
            renew: renew.as_deref().map(transfer::link).transpose()?,
            origins: BTreeSet::new(),
        };
        let links = bundle.parts.iter().map(|part| &part.link);
        let links = links.chain([&bundle.complete, &bundle.abort]).chain(&bundle.renew);
        bundle.origins = links.map(origin).collect();
        Ok(bundle)
    }

    pub(super) fn size(&self) -> u64 {
        self.parts.iter().map(|part| part.size).fold(0, u64::saturating_add)
    }

    /// Checks a link that the server signed anew.
    pub(super) fn fresh(&self, text: &str) -> Result<Url, Failure> {
        let link = transfer::link(text)?;
        if self.origins.contains(&origin(&link)) {
            return Ok(link);
        }
        Err(Failure::failed(anyhow!(
            "a fresh link leads to a server that the bundle does not name"
        )))
    }
}

fn load(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut json = Vec::new();
    let limit = BUNDLE_BYTES_MAX + 1;
    if text == STANDARD_INPUT {
        std::io::stdin().lock().take(limit).read_to_end(&mut json)?;
    } else {
        std::fs::File::open(Path::new(text))?.take(limit).read_to_end(&mut json)?;
    }
    ensure!(json.len() < usize::try_from(limit)?, "is too long");
    Ok(json)
}

/// The parts must cover the file from its beginning and without a gap.
fn check(parts: &[Part]) -> anyhow::Result<()> {
    let mut end = 0_u64;
    ensure!(!parts.is_empty(), "the bundle has no parts");
    for (number, part) in (1..).zip(parts) {
        ensure!(
            part.number == number && part.offset == end,
            "the bundle's parts do not follow one another"
        );
        end = end.checked_add(part.size).context("the bundle's parts are too long")?;
    }
    Ok(())
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(parts: &[(u16, u64, u64)]) -> Result<Bundle, Failure> {
        let part = |&(number, offset, size): &(u16, u64, u64)| {
            let link = format!("http://h:1/b/k?partNumber={number}");
            WrittenPart { number, offset, size, link }
        };
        Bundle::of(Written {
            parts: parts.iter().map(part).collect(),
            complete: "http://h:1/b/k?c".to_owned(),
            abort: "http://h:1/b/k?a".to_owned(),
            renew: Some("http://r/p".to_owned()),
        })
    }

    #[test]
    fn a_bundle_is_a_file_and_no_link() {
        for (text, expected) in [
            ("bundle.json", true),
            ("-", true),
            ("https://h/k", false),
            ("ftp://h", false),
            ("", false),
        ] {
            assert_eq!(is_bundle(text), expected, "{text}");
        }
    }

    #[test]
    fn the_parts_are_the_whole_file() {
        let check = |parts: &[(u16, u64, u64)], expected: Result<u64, &str>| {
            let size = bundle(parts).map(|bundle| bundle.size());
            let size = size.map_err(|failure| failure.to_string());
            assert_eq!(size, expected.map_err(str::to_owned), "{parts:?}");
        };
        let gap = Err("the bundle's parts do not follow one another");
        check(&[(1, 0, 5), (2, 5, 3)], Ok(8));
        check(&[(1, 0, 0)], Ok(0));
        check(&[], Err("the bundle has no parts"));
        check(&[(2, 0, 5)], gap);
        check(&[(1, 0, 5), (2, 6, 3)], gap);
        check(&[(1, 0, 5), (3, 5, 3)], gap);
        check(&[(1, 0, 5), (2, 5, u64::MAX)], Err("the bundle's parts are too long"));
    }

    #[test]
    fn a_fresh_link_leads_to_a_host_of_the_bundle() {
        let bundle = bundle(&[(1, 0, 5)]).unwrap();
        let check =
            |link: &str, expected| assert_eq!(bundle.fresh(link).is_ok(), expected, "{link}");
        check("http://h:1/b/k?x", true);
        check("http://r/b/k", true);
        check("http://h/b/k", false);
        check("https://h:1/b/k", false);
        check("http://evil/b/k", false);
    }
}
