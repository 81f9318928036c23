//! The commands for websites, as typed.

use clap::{Args, Subcommand};

use crate::args::Remote;

#[derive(Args, Debug)]
pub(crate) struct Website {
    #[command(subcommand)]
    pub(crate) command: WebsiteCommand,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebsiteCommand {
    /// Make a bucket a website
    Enable(Enable),
    /// Show what a bucket answers as a website
    Show {
        /// The bucket
        bucket: String,
    },
    /// Make a bucket no website
    Disable {
        /// The bucket
        bucket: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Enable {
    /// The bucket
    pub(crate) bucket: String,
    /// The page of a path that ends with `/` [default: the one before, or index.html]
    #[arg(long, value_name = "NAME")]
    pub(crate) index: Option<String>,
    /// The page that is answered in the place of errors [default: the one before, or none]
    #[arg(long, value_name = "KEY")]
    pub(crate) error: Option<String>,
    /// Let everybody read all objects of the bucket
    #[arg(long)]
    pub(crate) public: bool,
}
