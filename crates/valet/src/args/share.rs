//! `valet share` and `valet request`, as typed.

use std::num::NonZeroU64;

use clap::{Args, ValueEnum};
use presign::{LinkLabel, SourceRanges};

use super::limits::{Opening, rate, uses};
use super::{Life, Remote, bytes, life};

#[derive(Args, Debug)]
#[command(
    after_help = "The link is printed alone on standard output; what else there is to say goes to standard error. \
                        A file of this machine is uploaded first, below --to or VALET_SHARE_TO; without either, into a \
                        bucket `shared-` and the number of your account, which is made if it is missing."
)]
pub(crate) struct Share {
    /// A file of this machine, which is uploaded first; or `s3://bucket/key`; or `s3://bucket/folder/`, all of it
    #[arg(value_name = "PATH|S3URI")]
    pub(crate) source: String,
    /// Where the file is uploaded to: `s3://bucket/prefix/`
    #[arg(long, value_name = "S3URI", env = "VALET_SHARE_TO")]
    pub(crate) to: Option<String>,
    /// The name under which it is saved
    #[arg(long, value_name = "NAME")]
    pub(crate) filename: Option<String>,
    /// Let browsers show the file rather than save it
    #[arg(long)]
    pub(crate) inline: bool,
    /// The version of the object; without it, the latest at each download
    #[arg(long, value_name = "ID")]
    pub(crate) version_id: Option<String>,
    /// Delete the object when the link ends
    #[arg(long)]
    pub(crate) delete_object_at_end: bool,
    #[command(flatten)]
    pub(crate) link: ManagedOptions,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Whoever has the link may send files, and sees nothing of what is there. The server names what comes: \
                        PREFIX/<date>/<random>-<name>."
)]
pub(crate) struct RequestFiles {
    /// Where the files are put: `s3://bucket/prefix/`
    #[arg(value_name = "S3URI")]
    pub(crate) target: String,
    /// The most bytes of one file: bytes, or like 12MiB, 5GiB
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) max_bytes: Option<u64>,
    /// The most files
    #[arg(long, value_name = "N")]
    pub(crate) max_files: Option<u64>,
    /// The most bytes of all files together
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) max_total_bytes: Option<u64>,
    /// Only these: media types such as image/*, and endings such as .pdf; repeatable
    #[arg(long, value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// The sender has to give a name
    #[arg(long)]
    pub(crate) ask_name: bool,
    /// The sender is asked for a note
    #[arg(long)]
    pub(crate) ask_note: bool,
    #[command(flatten)]
    pub(crate) link: ManagedOptions,
}

/// What every managed link may have.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct ManagedOptions {
    /// How long it lives: seconds, or like 15m, 12h, 30d
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = life)]
    pub(crate) expires_in: Life,
    /// When it opens: like 2026-12-24T18:00:00Z, or from now, like 15m, 1h30m
    #[arg(long, value_name = "TIME")]
    pub(crate) not_before: Option<Opening>,
    /// How often it may be used
    #[arg(long, value_name = "N", value_parser = uses)]
    pub(crate) uses: Option<NonZeroU64>,
    /// From where it may be used: addresses and ranges such as 192.0.2.0/24, separated by commas
    #[arg(long, value_name = "CIDR")]
    pub(crate) source_ip: Option<SourceRanges>,
    /// The most bytes a second: bytes, or like 512KiB, 1MiB
    #[arg(long, value_name = "BYTES", value_parser = rate)]
    pub(crate) rate: Option<NonZeroU64>,
    /// What people call it, in lists and in the ledger
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<LinkLabel>,
    /// Ask for a passphrase, which whoever opens the link must know: from the terminal, or the first line of standard input
    #[arg(long)]
    pub(crate) passphrase: bool,
    /// Whether whoever opens the link sees a page first
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) landing: LandingChoice,
    /// Let the page say who shares
    #[arg(long)]
    pub(crate) show_creator: bool,
    /// Who is told what becomes of it: `mailto:ana@example.com`, or `https://example.com/hook`; repeatable
    #[arg(long, value_name = "TARGET")]
    pub(crate) notify: Vec<String>,
    /// Draw the link as a QR code too, on standard error
    #[arg(long, conflicts_with = "json")]
    pub(crate) qr: bool,
    /// No progress bar, and no word of what went well
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Whether whoever opens a link sees a page first.
#[derive(Clone, Copy, Debug, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LandingChoice {
    /// Browsers do; programs are sent on
    Auto,
    /// Everybody does
    Always,
    /// Nobody does
    Never,
}
