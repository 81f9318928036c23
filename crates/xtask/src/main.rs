//! Repository chores: `cargo xtask ci` is every check the project has, one line a step.
//!
//! The checks on the sources (`tidy`), on the crates' order and purity (`walls`), on modules that use each
//! other (`rings`), on what refers to documents (`references`) and on the licences of what is built in are
//! tests of this package too, so a plain `cargo test` runs them.

mod ci;
mod licences;
mod metadata;
mod references;
mod rings;
mod sources;
mod tidy;
mod walls;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <ci | tidy | walls | rings | references | licences>
  ci          every check: format, lints, docs, tidy, walls, rings, references, licences, tests
  tidy        the conventions that a text search can check
  walls       the order of the crates, and that presign and iam are pure
  rings       that no modules of a crate use each other in a large ring
  references  that clauses of docs/semantics.md and links between documents lead somewhere
  licences    that everything built in has a licence of deny.toml's list";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["ci"] => ci::run(),
        ["tidy"] => ci::run_check("tidy", tidy::violations),
        ["walls"] => ci::run_check("walls", walls::violations),
        ["references"] => ci::run_check("references", references::violations),
        ["rings"] => ci::run_check("rings", rings::violations),
        ["licences"] => ci::run_check("licences", licences::violations),
        _ => Err(anyhow::anyhow!(USAGE)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ci::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
