//! The command line of `valet doctor`.

use clap::Args;

use super::Aws;

/// It uses the server as a client does: it makes links to objects of its own, fetches them through each public URL, says
/// what changes them on the way and how to mend it, and deletes what it made.
#[derive(Args, Debug)]
#[command(
    after_help = "The exit status is 1 if something must be mended. The configured endpoint is always looked at. \
                  Credentials, region and endpoint come from the standard AWS chain."
)]
pub(crate) struct Doctor {
    /// A bucket to make the objects in [default: one is made, and removed at the end]
    #[arg(long, value_name = "BUCKET")]
    pub(crate) bucket: Option<String>,
    /// Another URL by which clients reach the server; repeatable
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Vec<String>,
    /// The origin of a web page that shall use links: scheme, host and port
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) origin: Option<String>,
    /// Print what was found as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) aws: Aws,
}
