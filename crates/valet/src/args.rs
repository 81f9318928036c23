//! The command line as typed. What it means is decided elsewhere.

pub(crate) mod cloudfront;
pub(crate) mod credentials;
pub(crate) mod distributions;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod identities;
pub(crate) mod limits;
pub(crate) mod links;
pub(crate) mod objects;
pub(crate) mod post;
pub(crate) mod share;
pub(crate) mod website;

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use presign::{Endpoint, ExpiresIn, ExpiresInError};

use crate::config::{self, Settings};
use crate::output::Form;

/// What STS takes: 15 minutes to 12 hours.
const SESSION_SECONDS: std::ops::RangeInclusive<u32> = 900..=43_200;

/// A private object store built around the presigned URL.
#[derive(Debug, Parser)]
#[command(name = "valet", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server
    Serve(Box<Serve>),
    /// Print a presigned URL
    Presign(Box<Presign>),
    /// Print a browser form that uploads under a policy
    PresignPost(post::PresignPost),
    /// Say what a link allows, until when, and why it does not work
    Explain(explain::Explain),
    /// Make a short link that outlives any signature: to a file, an object or a folder
    Share(Box<share::Share>),
    /// Make a short link by which files can be sent to you
    Request(Box<share::RequestFiles>),
    /// See what becomes of links, and take them back
    Links(links::Links),
    /// Download from a link, resuming what was begun
    Get(Get),
    /// Upload a file to a link
    Put(Put),
    /// List buckets, or the objects of one
    Ls(objects::Ls),
    /// Make a bucket
    Mb(objects::Mb),
    /// Remove a bucket
    Rb(objects::Rb),
    /// Delete objects
    Rm(objects::Rm),
    /// Copy files to a bucket, objects to files, or objects to objects
    Cp(objects::Cp),
    /// Copy a store, running or not, to a directory
    Backup(Backup),
    /// Put a backup back as a data directory
    Restore(Restore),
    /// Manage users
    User(identities::User),
    /// Manage groups of users
    Group(identities::Group),
    /// Manage roles
    Role(identities::Role),
    /// Manage policies
    Policy(identities::Policy),
    /// Manage access keys
    Key(identities::Key),
    /// Manage accounts
    Account(identities::Account),
    /// Sign URLs and cookies of a distribution, as CloudFront's signers do
    Cloudfront(Box<cloudfront::CloudFront>),
    /// Manage distributions: buckets behind a cache, opened by CloudFront's signatures
    Distribution(distributions::Distribution),
    /// Manage the public keys of those who sign for distributions
    PublicKey(distributions::PublicKey),
    /// Manage groups of public keys, which distributions trust
    KeyGroup(distributions::KeyGroup),
    /// See which cached objects of a distribution were forgotten
    Invalidation(distributions::Invalidation),
    /// Make buckets websites
    Website(website::Website),
    /// Give credentials to programs
    Credentials(credentials::Credentials),
    /// Check a running server by using it: its public URLs, proxies, clock, TLS and CORS
    Doctor(doctor::Doctor),
    /// Print the completion script of a shell
    Completions {
        /// The shell to make it for
        shell: Shell,
    },
    /// Print the manual page of valet, or of one of its commands
    Man {
        /// The command, with those below it: `user create`
        #[arg(value_name = "COMMAND")]
        words: Vec<String>,
    },
}

#[derive(Args, Debug)]
#[command(
    after_help = "Every setting has a flag, a variable VALET_<FLAG> and a key in the file of --config. The flag \
                        wins over the variable, and the variable over the file. The root key comes from \
                        VALET_ROOT_ACCESS_KEY_ID and VALET_ROOT_SECRET_ACCESS_KEY; without them the first start makes \
                        one and prints it once."
)]
pub(crate) struct Serve {
    /// A TOML file with any of these settings
    #[arg(long, env = "VALET_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Credentials, region and endpoint come from the standard AWS chain: variables, profiles, \
                        container and instance roles."
)]
pub(crate) struct Presign {
    /// `s3://bucket/key`, the key taken literally; `s3://bucket` for the bucket itself; `-` reads
    /// one JSON object a line and writes one a line
    #[arg(value_name = "S3URI")]
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) link: LinkOptions,
    #[command(flatten)]
    pub(crate) in_parts: InParts,
    #[command(flatten)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) aws: Aws,
}

/// An upload in parts instead of one link.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct InParts {
    /// Start an upload in parts, and print its links as JSON: for a browser, or for `valet put`
    #[arg(
        long,
        requires = "size",
        conflicts_with_all = ["method", "bucket_domain", "query", "version_id", "filename", "inline", "curl", "qr"]
    )]
    pub(crate) multipart: bool,
    /// The size of the file: bytes, or like 12MiB, 5GiB
    #[arg(long, value_name = "BYTES", requires = "multipart", value_parser = bytes)]
    pub(crate) size: Option<u64>,
    /// The size of every part but the last, 5MiB to 5GiB [default: 8MiB, doubled until 10,000 parts
    /// are enough]
    #[arg(long, value_name = "BYTES", requires = "multipart", value_parser = bytes)]
    pub(crate) part_size: Option<u64>,
}

/// What a link is for.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(crate) struct LinkOptions {
    /// What the holder of the link may do
    #[arg(long, value_enum, ignore_case = true, default_value = "GET")]
    pub(crate) method: Method,
    /// How long it lives: seconds, or like 15m, 1h30m, 7d; 7 days at most, unless --trim is given
    #[arg(long, value_name = "DURATION", default_value = "3600", value_parser = life)]
    pub(crate) expires_in: Life,
    /// PUT: the type that must be sent. GET and HEAD: the type that is answered
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// A header that must be sent, and exactly so; repeatable
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// A query parameter, not encoded; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) query: Vec<String>,
    /// The version of the object
    #[arg(long, value_name = "ID")]
    pub(crate) version_id: Option<String>,
    /// GET and HEAD: the name under which browsers save the file
    #[arg(long, value_name = "NAME")]
    pub(crate) filename: Option<String>,
    /// GET and HEAD: browsers show the file rather than save it
    #[arg(long)]
    pub(crate) inline: bool,
    /// Make no link that would die earlier than asked, or of which that cannot be known: exit 4
    #[arg(long, conflicts_with = "trim")]
    pub(crate) strict: bool,
    /// Shorten the link to what will hold, 7 days included
    #[arg(long)]
    pub(crate) trim: bool,
    /// The bucket's own host, as `valet serve --bucket-domain` gives it one: HOST with HTTPS, or a URL
    #[arg(long, value_name = "HOST|URL", value_parser = bucket_domain)]
    pub(crate) bucket_domain: Option<Endpoint>,
    /// Do not ask the server which policies end the link
    #[arg(long)]
    pub(crate) offline: bool,
    #[command(flatten)]
    pub(crate) limits: limits::LimitOptions,
}

/// How the link is printed: the bare URL unless told otherwise.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub(crate) struct Format {
    /// Print all that is known about the link
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the curl command that uses the link
    #[arg(long)]
    pub(crate) curl: bool,
    /// Print a QR code
    #[arg(long)]
    pub(crate) qr: bool,
}

/// Where the AWS chain is told something on the command line.
#[derive(Args, Debug)]
#[command(next_help_heading = "AWS options")]
pub(crate) struct Aws {
    /// The profile of ~/.aws to use
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) profile: Option<String>,
    /// The region to sign for
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) region: Option<String>,
    /// The server, where it is not AWS
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) endpoint_url: Option<String>,
    #[command(flatten)]
    pub(crate) trust: Trust,
}

/// Whom to trust for HTTPS.
#[derive(Args, Debug)]
pub(crate) struct Trust {
    /// A PEM file of authorities or certificates to trust besides the system's authorities [env:
    /// `AWS_CA_BUNDLE`]
    // Were the variable read by clap, a usage line would have the option as if it were demanded.
    #[arg(
        long,
        alias = "cacert",
        value_name = "FILE",
        global = true,
        value_parser = OsStringValueParser::new().map(PathBuf::from)
    )]
    ca_bundle: Option<PathBuf>,
}

impl Trust {
    /// The file; an empty name is none, as for the `aws` command.
    pub(crate) fn ca_bundle(&self) -> Option<PathBuf> {
        let named = self.ca_bundle.clone().or_else(config::ca_bundle);
        named.filter(|path| !path.as_os_str().is_empty())
    }
}

/// What the commands share that speak to a server.
#[derive(Args, Debug)]
pub(crate) struct Remote {
    /// Print the whole answer as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    pub(crate) aws: Aws,
}

impl Remote {
    pub(crate) fn form(&self) -> Form {
        Form::of(self.json)
    }
}

/// The operations a link can be made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, ValueEnum)]
#[serde(rename_all = "UPPERCASE")]
#[value(rename_all = "UPPER")]
pub(crate) enum Method {
    /// Download; of a bucket: list
    Get,
    /// Upload; of a bucket: create
    Put,
    /// Ask for size, type and ETag
    Head,
    /// Delete
    Delete,
}

impl Method {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Head => "HEAD",
            Self::Delete => "DELETE",
        }
    }
}

#[derive(Args, Debug)]
#[command(
    after_help = "A short link to an object is taken as its page's button does. Of a short link to a folder, LINK/NAME is \
                        one file, and 'LINK?zip' all of them. The name of the file is learned before a use of the link is \
                        spent: if a file of that name is here, nothing is."
)]
pub(crate) struct Get {
    /// The link
    pub(crate) url: String,
    /// Where to save it; `-` is standard output. Without it the server's name is taken, and a file
    /// of that name is not overwritten
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: GivenPassphrase,
    /// Print what was saved as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Args, Debug)]
#[command(
    after_help = "What was interrupted goes on if the same command is run again: by a link of `valet request`, a file \
                        `.FILE.valet-put-…` beside FILE remembers until then what was sent."
)]
pub(crate) struct Put {
    /// What to upload; `-` is standard input
    pub(crate) file: PathBuf,
    /// The link, or the file of a bundle that `valet presign --multipart` printed; `-` reads the
    /// bundle from standard input
    #[arg(value_name = "URL|BUNDLE")]
    pub(crate) url: String,
    /// Give up the upload that was begun, by a bundle or a link of `valet request`, and discard the parts that are there
    #[arg(long, conflicts_with = "json")]
    pub(crate) abort: bool,
    /// The type of the file
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// By a link of `valet request`: who sends the file
    #[arg(long, value_name = "NAME")]
    pub(crate) sender: Option<String>,
    /// By a link of `valet request`: a note to whoever gets the file
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// By a link of `valet request`: the name that the file has there; standard input has none of its own
    #[arg(long, value_name = "NAME")]
    pub(crate) filename: Option<String>,
    #[command(flatten)]
    pub(crate) passphrase: GivenPassphrase,
    /// Print what was stored as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// The passphrase of a link that one was sent. It is no word of the command line, which histories and lists of processes show.
#[derive(Args, Debug)]
pub(crate) struct GivenPassphrase {
    /// Give the passphrase of a short link: of the variable `VALET_PASSPHRASE`, or else from the terminal, or the first line
    /// of standard input
    #[arg(long)]
    pub(crate) passphrase: bool,
    /// Give the passphrase of a short link: the first line of this file
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

impl GivenPassphrase {
    /// Whether the command line says that there is one.
    pub(crate) fn is_given(&self) -> bool {
        self.passphrase || self.passphrase_file.is_some()
    }
}

/// The store may be running. Repeated into the same directory, it copies what is new. Without the master key a
/// backup opens nothing: keep the key apart, or take it along.
#[derive(Args, Debug)]
pub(crate) struct Backup {
    /// A directory that is new or empty, or holds an earlier backup of this store
    #[arg(value_name = "DEST")]
    pub(crate) to: PathBuf,
    #[command(flatten)]
    pub(crate) store: DataDir,
    /// Take the master key along: whoever has the backup can then read all of it
    #[arg(long)]
    pub(crate) with_master_key: bool,
    /// Where the master key is [default: master.key in the data directory]
    #[arg(long, env = "VALET_MASTER_KEY_FILE", value_name = "FILE")]
    pub(crate) master_key_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: CopyOutput,
}

#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// The backup
    #[arg(value_name = "SRC")]
    pub(crate) from: PathBuf,
    #[command(flatten)]
    pub(crate) store: DataDir,
    #[command(flatten)]
    pub(crate) output: CopyOutput,
}

/// Where the store of this machine is.
#[derive(Args, Debug)]
pub(crate) struct DataDir {
    /// The data directory, as of `valet serve`
    #[arg(long, env = "VALET_DATA_DIR", value_name = "DIR", default_value = crate::config::DATA_DIR_DEFAULT)]
    pub(crate) data_dir: PathBuf,
}

/// How a copy tells how far it is, and what it did.
#[derive(Args, Debug)]
pub(crate) struct CopyOutput {
    /// Print what was copied as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress bar, and no word of what went well
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// What `get` and `put` share.
#[derive(Args, Debug)]
pub(crate) struct Connection {
    /// A header that the link demands; repeatable
    #[arg(long, short = 'H', value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    #[command(flatten)]
    pub(crate) trust: Trust,
    /// No progress bar, and no word of what went well
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// How long a link is asked to live, in seconds: at least one. It may be longer than any link can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life(u64);

impl Life {
    pub(crate) fn seconds(self) -> u64 {
        self.0
    }

    pub(crate) fn longer_by(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

/// Reads how long a link shall live. Whether any link can is asked later: --trim shortens it.
pub(crate) fn life(text: &str) -> Result<Life, ExpiresInError> {
    match ExpiresIn::seconds_in(text)? {
        0 => Err(ExpiresInError::TooShort),
        seconds => Ok(Life(seconds)),
    }
}

/// Reads the host of a bucket: a name, which is reached by HTTPS, or a URL without a path.
pub(crate) fn bucket_domain(text: &str) -> Result<Endpoint, String> {
    let url = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let endpoint = Endpoint::parse(&url).map_err(|error| error.to_string())?;
    let has_path = endpoint.to_string().matches('/').count() > 2;
    if has_path {
        return Err("a bucket's host has no path: https://files.example.com".to_owned());
    }
    Ok(endpoint)
}

/// Reads how long a session lives. STS judges again, by the role.
pub(crate) fn session_seconds(text: &str) -> Result<u32, String> {
    let seconds = ExpiresIn::seconds_in(text).map_err(|error| error.to_string())?;
    let seconds = u32::try_from(seconds).ok().filter(|s| SESSION_SECONDS.contains(s));
    seconds.ok_or_else(|| "a session lives for 15m to 12h".to_owned())
}

/// Reads a number of bytes, with or without a binary unit.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u32); 4] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let unit = UNITS.into_iter().find_map(|(unit, bits)| Some((text.strip_suffix(unit)?, bits)));
    let (digits, bits) = unit.unwrap_or((text, 0));
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse::<u64>().ok().filter(|_| is_number);
    let bytes = number.and_then(|number| number.checked_mul(1 << bits));
    bytes.ok_or_else(|| "expected a number of bytes, or like 12MiB, 5GiB".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_tells_of_every_command_and_of_every_argument() {
        let mut commands = vec![Arguments::command()];
        while let Some(command) = commands.pop() {
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {argument}", command.get_name());
            }
            for below in command.get_subcommands() {
                let is_told = below.get_about().is_some() && !below.is_hide_set();
                assert!(is_told, "{} {}", command.get_name(), below.get_name());
            }
            commands.extend(command.get_subcommands().cloned());
        }
    }

    #[test]
    fn sizes_of_forms_have_units_too() {
        let size = |text: &str| {
            let words =
                ["valet", "presign-post", "s3://b/k", "--min-size", "1KiB", "--max-size", text];
            let Command::PresignPost(post) = Arguments::try_parse_from(words).ok()?.command else {
                return None;
            };
            Some((post.form.min_size?, post.form.max_size?))
        };
        assert_eq!(size("10MiB"), Some((1024, 10 << 20)));
        assert_eq!(size("2048"), Some((1024, 2048)));
        assert_eq!(size("10MB"), None);
    }

    #[test]
    fn sizes_are_bytes_or_have_a_binary_unit() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(bytes(text).ok(), expected, "{text}");
        };
        check("0", Some(0));
        check("12582912", Some(12 << 20));
        check("12MiB", Some(12 << 20));
        check("1KiB", Some(1024));
        check("2TiB", Some(2 << 40));
        check("17179869184GiB", None);
        for text in ["", "MiB", "1MB", "1M", "1.5GiB", "+1", "-1", "1 MiB", "1mib"] {
            check(text, None);
        }
    }

    #[test]
    fn sessions_live_for_15_minutes_to_12_hours() {
        let check = |text: &str, expected: Option<u32>| {
            assert_eq!(session_seconds(text).ok(), expected, "{text}");
        };
        check("899", None);
        check("15m", Some(900));
        check("1h30m", Some(5_400));
        check("12h", Some(43_200));
        check("43201", None);
        check("soon", None);
    }
}
