//! Everything that is built in has a licence of `deny.toml`'s list.
//!
//! `cargo deny` checks the same list where it is installed; this check needs nothing but cargo.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use crate::metadata::{Metadata, Package};
use crate::sources;

/// An expression nested deeper than this is refused rather than followed.
const DEPTH_MAX: usize = 8;

#[derive(Deserialize)]
struct Deny {
    licenses: Licences,
}

#[derive(Deserialize)]
struct Licences {
    allow: BTreeSet<String>,
}

/// Packages whose licence is missing, unreadable or not on the list.
pub(crate) fn violations() -> Result<Vec<String>> {
    let text = std::fs::read_to_string(sources::root().join("deny.toml")).context("deny.toml")?;
    let allowed = toml::from_str::<Deny>(&text).context("deny.toml")?.licenses.allow;
    Ok(Metadata::read()?.packages.iter().filter_map(|package| refused(package, &allowed)).collect())
}

fn refused(package: &Package, allowed: &BTreeSet<String>) -> Option<String> {
    let Package { name, version, license, .. } = package;
    let Some(expression) = license else { return Some(format!("{name} {version}: no licence")) };
    match permits(expression, allowed) {
        Ok(true) => None,
        Ok(false) => Some(format!("{name} {version}: {expression} is not allowed")),
        Err(error) => Some(format!("{name} {version}: cannot read {expression}: {error}")),
    }
}

/// Whether an SPDX expression can be met with allowed licences alone. `/` is the old way to write
/// `OR`; an exception (`WITH ..`) only adds permissions, so the licence before it decides.
fn permits(expression: &str, allowed: &BTreeSet<String>) -> Result<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = Words { words: spaced.split_whitespace().collect(), allowed };
    words.words.reverse();
    let permitted = words.either(0)?;
    ensure!(words.words.is_empty(), "a word too many");
    Ok(permitted)
}

/// What is left to read, the next word last.
struct Words<'a> {
    words: Vec<&'a str>,
    allowed: &'a BTreeSet<String>,
}

impl Words<'_> {
    fn take(&mut self, word: &str) -> bool {
        self.words.pop_if(|next| *next == word).is_some()
    }

    fn either(&mut self, depth: usize) -> Result<bool> {
        let mut permitted = self.both(depth)?;
        while self.take("OR") {
            permitted |= self.both(depth)?;
        }
        Ok(permitted)
    }

    fn both(&mut self, depth: usize) -> Result<bool> {
        let mut permitted = self.one(depth)?;
        while self.take("AND") {
            permitted &= self.one(depth)?;
        }
        Ok(permitted)
    }

    fn one(&mut self, depth: usize) -> Result<bool> {
        ensure!(depth < DEPTH_MAX, "nested too deep");
        if self.take("(") {
            let permitted = self.either(depth + 1)?;
            ensure!(self.take(")"), "a bracket stays open");
            return Ok(permitted);
        }
        let Some(licence) = self.words.pop() else { bail!("it ends early") };
        if self.take("WITH") {
            ensure!(self.words.pop().is_some(), "it ends early");
        }
        Ok(self.allowed.contains(licence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_licence_is_allowed() {
        assert_eq!(violations().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn expressions() {
        let allowed = BTreeSet::from(["MIT".to_owned(), "ISC".to_owned()]);
        let check = |expression: &str, expected: Option<bool>| {
            assert_eq!(permits(expression, &allowed).ok(), expected, "{expression}");
        };
        check("MIT", Some(true));
        check("GPL-3.0", Some(false));
        check("MIT OR GPL-3.0", Some(true));
        check("GPL-3.0/MIT", Some(true));
        check("MIT AND GPL-3.0", Some(false));
        check("MIT AND (GPL-3.0 OR ISC)", Some(true));
        check("GPL-3.0 OR MIT AND GPL-2.0", Some(false));
        check("GPL-2.0 WITH Classpath-exception-2.0 OR MIT", Some(true));
        check("", None);
        check("MIT AND", None);
        check("(MIT", None);
        check("MIT)", None);
        check("MIT WITH", None);
        check("((((((((MIT))))))))", None);
    }
}
