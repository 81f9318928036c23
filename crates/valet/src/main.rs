//! `valet`, the one binary: reads the command line, runs a subcommand, answers with an exit status.

mod account;
mod args;
mod aws;
mod backup;
mod bucket_policy;
mod checksum;
mod clock;
mod cloudfront;
mod completions;
mod config;
mod credentials;
mod distributions;
mod doctor;
mod explain;
mod failure;
mod get;
mod grant;
mod identities;
mod links;
mod location;
mod log;
mod man;
mod objects;
mod output;
mod own_file;
mod passphrase;
mod presign;
mod put;
mod query;
mod refusal;
mod remote;
mod serve;
mod share;
mod sts;
mod table;
mod transfer;
mod trust;
mod website;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Arguments, Command};
use crate::failure::{Exit, Failure};

// This allocator decides about a tenth of the CPU time of a small GET, and whether memory is given back after
// many uploads at once.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(help) => return explain_usage(&help),
    };
    match run(arguments.command) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            if !failure.is_told() {
                output::error(&failure);
            }
            failure.exit().into()
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(arguments) => serve::run(*arguments),
        Command::Presign(arguments) => presign::run(&arguments),
        Command::PresignPost(arguments) => presign::post::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Share(arguments) => share::share(&arguments),
        Command::Request(arguments) => share::request(&arguments),
        Command::Links(arguments) => links::run(&arguments),
        Command::Get(arguments) => get::run(&arguments),
        Command::Put(arguments) => put::run(&arguments),
        Command::Ls(arguments) => objects::ls(&arguments),
        Command::Mb(arguments) => objects::mb(&arguments),
        Command::Rb(arguments) => objects::rb(&arguments),
        Command::Rm(arguments) => objects::rm(&arguments),
        Command::Cp(arguments) => objects::cp(&arguments),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Restore(arguments) => backup::restore(&arguments),
        Command::User(arguments) => identities::user(&arguments),
        Command::Group(arguments) => identities::group(&arguments),
        Command::Role(arguments) => identities::role(&arguments),
        Command::Policy(arguments) => identities::policy(&arguments),
        Command::Key(arguments) => identities::key(&arguments),
        Command::Account(arguments) => account::run(&arguments),
        Command::Cloudfront(arguments) => cloudfront::run(&arguments),
        Command::Distribution(arguments) => distributions::distribution(&arguments),
        Command::PublicKey(arguments) => distributions::public_key(&arguments),
        Command::KeyGroup(arguments) => distributions::key_group(&arguments),
        Command::Invalidation(arguments) => distributions::invalidation(&arguments),
        Command::Website(arguments) => website::run(&arguments),
        Command::Credentials(arguments) => credentials::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Man { words } => man::run(&words),
        Command::Completions { shell } => completions::run(shell),
    }
}

/// Help and version are results (standard output, status 0). Everything else is wrong usage.
fn explain_usage(help: &clap::Error) -> ExitCode {
    let exit = if help.use_stderr() { Exit::WrongUsage } else { Exit::Done };
    // If standard output or error is closed, nobody can be told.
    drop(help.print());
    exit.into()
}
