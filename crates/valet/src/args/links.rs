//! The commands for links that were made, as typed.

use clap::{Args, Subcommand};

use crate::args::Remote;

#[derive(Args, Debug)]
pub(crate) struct Links {
    #[command(subcommand)]
    pub(crate) command: LinksCommand,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LinksCommand {
    /// Take links back: one, or all of an access key, an object or a prefix
    #[command(
        after_help = "The links are refused from the moment the command returns; requests under way are finished. \
                            Who has valet:RevokeLinks ends the links of everybody in the account; who has not, only those \
                            that they signed themselves."
    )]
    Revoke(Revoke),
    /// List what was taken back
    Ls {
        /// List what was taken back, and has not ended
        #[arg(long, required = true)]
        revocations: bool,
    },
    /// Undo a revocation, so that its links work again
    Undo {
        /// Its id, from `valet links ls --revocations`
        id: String,
    },
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Revoke {
    #[command(flatten)]
    pub(crate) links: NamedLinks,
    /// Only links that were signed until then, such as 2026-11-30T12:00:00Z; otherwise until now
    #[arg(long, value_name = "TIME", conflicts_with_all = ["url", "fingerprint"])]
    pub(crate) before: Option<String>,
    /// Keep the revocation until then: for forms that were made elsewhere to live longer than seven days
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
}

/// Which links are meant.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct NamedLinks {
    /// The link; `-` reads it from standard input, so that it stands in no history of a shell
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The fingerprint of a link or form, from the --json of the command that made it
    #[arg(long, value_name = "F")]
    pub(crate) fingerprint: Option<String>,
    /// An access key: all links and forms that it signed
    #[arg(long, value_name = "AKID")]
    pub(crate) key: Option<String>,
    /// An object: all links to it
    #[arg(long, value_name = "S3URI")]
    pub(crate) object: Option<String>,
    /// All links to keys that begin so; `s3://bucket/` for those to the whole bucket
    #[arg(long, value_name = "S3URI")]
    pub(crate) prefix: Option<String>,
}
