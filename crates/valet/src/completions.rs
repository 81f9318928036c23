//! `valet completions SHELL`: prints what makes a shell complete the command line.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Arguments;
use crate::failure::Failure;
use crate::output;

pub(crate) fn run(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "valet", &mut script);
    output::result(String::from_utf8_lossy(&script).trim_end())
}
