//! `valet presign-post`, as typed.

use clap::{Args, ValueEnum};

use presign::Endpoint;

use crate::args::{Aws, Life, bucket_domain, bytes, life};

/// Credentials, region and endpoint come from the standard AWS chain: variables, profiles,
/// container and instance roles.
#[derive(Args, Debug)]
pub(crate) struct PresignPost {
    /// `s3://bucket/key`, the key taken literally. Where it holds `${filename}`, or ends in `/`, whoever
    /// uploads names the file
    #[arg(value_name = "S3URI")]
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) form: FormOptions,
    #[command(flatten)]
    pub(crate) format: FormFormat,
    #[command(flatten)]
    pub(crate) aws: Aws,
}

/// What a form allows.
#[derive(Args, Clone, Debug)]
pub(crate) struct FormOptions {
    /// How long it lives: seconds, or like 15m, 1h30m, 7d; 7 days at most, unless --trim is given
    #[arg(long, value_name = "DURATION", default_value = "3600", value_parser = life)]
    pub(crate) expires_in: Life,
    /// The fewest bytes the file may have: bytes, or like 12MiB, 5GiB
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) min_size: Option<u64>,
    /// The most bytes the file may have: bytes, or like 12MiB, 5GiB
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) max_size: Option<u64>,
    /// The type of the file
    #[arg(long, value_name = "TYPE", conflicts_with = "content_type_starts_with")]
    pub(crate) content_type: Option<String>,
    /// How the type of the file begins; whoever uploads says the rest in the field `Content-Type`
    #[arg(long, value_name = "PREFIX")]
    pub(crate) content_type_starts_with: Option<String>,
    /// A further field of the form, sent as given; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) field: Vec<String>,
    /// What a successful upload is answered; 201 tells what was stored
    #[arg(long, value_enum, value_name = "STATUS")]
    pub(crate) success_status: Option<SuccessStatus>,
    /// Where a successful upload sends the browser
    #[arg(long, value_name = "URL")]
    pub(crate) redirect: Option<String>,
    /// Make no form that would die earlier than asked, or of which that cannot be known: exit 4
    #[arg(long, conflicts_with = "trim")]
    pub(crate) strict: bool,
    /// Shorten its life to what will hold, 7 days included
    #[arg(long)]
    pub(crate) trim: bool,
    /// The bucket's own host, as `valet serve --bucket-domain` gives it one: HOST with HTTPS, or a URL
    #[arg(long, value_name = "HOST|URL", value_parser = bucket_domain)]
    pub(crate) bucket_domain: Option<Endpoint>,
    /// Do not ask the server which policies end the form
    #[arg(long)]
    pub(crate) offline: bool,
}

/// How the form is printed: as JSON unless told otherwise.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub(crate) struct FormFormat {
    /// Print URL and fields, and how long they work
    #[arg(long)]
    pub(crate) json: bool,
    /// Print a page that uploads when it is opened in a browser
    #[arg(long)]
    pub(crate) html: bool,
    /// Print the curl command that uploads
    #[arg(long)]
    pub(crate) curl: bool,
}

/// The statuses a form can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SuccessStatus {
    /// An empty answer
    #[value(name = "200")]
    Ok,
    /// A document that tells what was stored
    #[value(name = "201")]
    Created,
    /// No answer; browsers stay where they are
    #[value(name = "204")]
    NoContent,
}

impl SuccessStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "200",
            Self::Created => "201",
            Self::NoContent => "204",
        }
    }
}
