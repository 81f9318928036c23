//! The command line of `valet explain`.

use clap::Args;

use super::{Aws, Method};

/// The link may be escaped, cut off or broken into lines: it is taken as it is pasted. The host in it is never
/// asked; the configured server is, and without one the secret of the key is needed to tell whether the signature
/// holds.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// The link, in quotes; `-` reads one a line from standard input
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// The method that it is used with [default: whatever it is good for]
    #[arg(long, value_enum, ignore_case = true)]
    pub(crate) method: Option<Method>,
    /// A header that is sent with it; repeatable
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// Do not ask the server
    #[arg(long)]
    pub(crate) offline: bool,
    /// Print the whole answer as JSON; with `-` one object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) aws: Aws,
}
