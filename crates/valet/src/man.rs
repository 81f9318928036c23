//! `valet man [COMMAND]…`: prints the manual page of a command, for those who package it.

use anyhow::{Context as _, anyhow};
use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::args::Arguments;
use crate::failure::Failure;
use crate::output;

pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    let mut command = Arguments::command();
    // Gives the commands below it their full names and the options that they share.
    command.build();
    for word in words {
        let found = command.find_subcommand(word).cloned();
        command = found.ok_or_else(|| Failure::usage(anyhow!("there is no command `{word}`")))?;
    }
    let mut page = Vec::new();
    let man = Man::new(command).source(concat!("valet ", env!("CARGO_PKG_VERSION")));
    man.render(&mut page).context("cannot write the page")?;
    output::result(String::from_utf8_lossy(&page).trim_end())
}
