//! Runs the steps of `cargo xtask ci` in order, cheapest first, and stops at the first that fails.

use std::io::Write as _;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use crate::{licences, references, rings, sources, tidy, walls};

/// The options that every call of cargo on the whole workspace shares.
const WORKSPACE: [&str; 2] = ["--workspace", "--quiet"];

/// Every step; the tests come last, so that their closing lines end the output.
pub(crate) fn run() -> Result<()> {
    cargo_step("fmt", &["fmt", "--all", "--check"], &[])?;
    run_check("tidy", tidy::violations)?;
    run_check("walls", walls::violations)?;
    run_check("rings", rings::violations)?;
    run_check("references", references::violations)?;
    run_check("licences", licences::violations)?;
    let clippy = ["clippy", WORKSPACE[0], WORKSPACE[1], "--all-targets", "--", "-D", "warnings"];
    cargo_step("clippy", &clippy, &[])?;
    let doc = ["doc", WORKSPACE[0], WORKSPACE[1], "--no-deps", "--document-private-items"];
    cargo_step("doc", &doc, &[("RUSTDOCFLAGS", "-D warnings")])?;
    tests()
}

/// Runs one of this package's own checks: a line when it holds, else what violates it.
pub(crate) fn run_check(name: &str, check: fn() -> Result<Vec<String>>) -> Result<()> {
    let started = Instant::now();
    let violations = check().with_context(|| name.to_owned())?;
    if violations.is_empty() {
        return say(name, started);
    }
    bail!("{name}: {} violation(s)\n  {}", violations.len(), violations.join("\n  "))
}

/// Prints to standard error; when even that is closed there is nobody left to tell.
pub(crate) fn complain(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// Runs cargo with its output held back, and shows it only when the step fails.
fn cargo_step(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let started = Instant::now();
    let output = Command::new("cargo")
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(sources::root())
        .output()
        .with_context(|| format!("{name}: cargo does not start"))?;
    if !output.status.success() {
        complain(&String::from_utf8_lossy(&output.stdout));
        complain(&String::from_utf8_lossy(&output.stderr));
        bail!("{name}: `cargo {}` failed", arguments.join(" "));
    }
    say(name, started)
}

/// The tests speak for themselves: their output is cargo's own.
fn tests() -> Result<()> {
    let status = Command::new("cargo")
        .args(["test", "--workspace"])
        .current_dir(sources::root())
        .status()
        .context("test: cargo does not start")?;
    ensure!(status.success(), "test: `cargo test --workspace` failed");
    Ok(())
}

fn say(name: &str, started: Instant) -> Result<()> {
    let seconds = started.elapsed().as_secs_f64();
    writeln!(std::io::stdout(), "{name:<10} ok  {seconds:6.1} s").context("standard output")
}
