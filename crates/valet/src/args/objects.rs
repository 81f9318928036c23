//! `valet ls`, `mb`, `rb`, `rm` and `cp`, as typed.

use clap::Args;

use super::Remote;

#[derive(Args, Debug)]
#[command(
    after_help = "Without a URI it lists the buckets. With one it lists what lies directly below, folders (PRE) \
                        first."
)]
pub(crate) struct Ls {
    /// `s3://bucket` or `s3://bucket/prefix`: the keys that begin so
    #[arg(value_name = "S3URI")]
    pub(crate) target: Option<String>,
    /// List everything below it, with whole keys
    #[arg(long, requires = "target")]
    pub(crate) recursive: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Args, Debug)]
pub(crate) struct Mb {
    /// `s3://bucket`
    #[arg(value_name = "S3URI")]
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Args, Debug)]
pub(crate) struct Rb {
    /// `s3://bucket`
    #[arg(value_name = "S3URI")]
    pub(crate) target: String,
    /// Delete its objects first
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Args, Debug)]
pub(crate) struct Rm {
    /// `s3://bucket/key`; with --recursive also `s3://bucket`, or a folder
    #[arg(value_name = "S3URI")]
    pub(crate) target: String,
    /// Delete every object in the bucket, or below `s3://bucket/folder/`, whose last `/` may be left out
    #[arg(long)]
    pub(crate) recursive: bool,
    /// Print what would be deleted, and delete nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Args, Debug)]
#[command(
    after_help = "One of the two is s3://bucket/key: the file is uploaded, or the object downloaded. If both are, \
                        the server copies. If the target ends in `/`, or is a folder, the name is kept."
)]
pub(crate) struct Cp {
    /// A file, an object, or `-` for standard input
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,
    /// A file, a folder, an object, or `-` for standard output
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,
    /// Copy all files of a folder, or all objects below `s3://bucket/prefix/`
    #[arg(long)]
    pub(crate) recursive: bool,
    /// The type of what is uploaded; without it, it is told by the name's ending
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// No progress bar, and no word of what went well
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}
