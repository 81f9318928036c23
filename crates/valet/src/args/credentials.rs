//! The commands that give credentials to programs, as typed.

use std::net::SocketAddr;

use clap::{Args, Subcommand};

use crate::args::{Remote, session_seconds};

#[derive(Args, Debug)]
pub(crate) struct Credentials {
    #[command(subcommand)]
    pub(crate) command: CredentialsCommand,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CredentialsCommand {
    /// Serve a role's credentials to programs of this machine, as an EC2 instance and a container
    /// do; they are renewed while somebody asks
    Serve(ServeCredentials),
    /// Print credentials as `credential_process` of a profile wants them
    Print(PrintCredentials),
}

#[derive(Args, Debug)]
pub(crate) struct ServeCredentials {
    /// The role to assume: its name, with its path if it has one, or its ARN
    #[arg(long, value_name = "NAME|ARN")]
    pub(crate) role: String,
    /// Where to listen: a loopback address; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) session: RoleSession,
}

#[derive(Args, Debug)]
pub(crate) struct PrintCredentials {
    /// The role to assume; without it your own credentials are printed
    #[arg(long, value_name = "NAME|ARN")]
    pub(crate) role: Option<String>,
    #[command(flatten)]
    pub(crate) session: RoleSession,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RoleSession {
    /// How long each session lives: 15m to 12h
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = session_seconds)]
    pub(crate) duration: u32,
    /// What the sessions are called in ARNs and audits
    #[arg(long, value_name = "NAME", default_value = "valet-credentials")]
    pub(crate) session_name: String,
}
