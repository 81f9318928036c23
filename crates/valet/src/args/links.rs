//! The commands for links that were made, as typed.

use clap::{Args, Subcommand};
use presign::Fingerprint;

use crate::args::limits::Opening;
use crate::args::{Life, Remote, life};
use crate::location::S3Uri;

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
    /// List the links that the server has made or seen, the newest first; or what was taken back
    Ls(ListedLinks),
    /// Show a link, and what became of it
    Show {
        /// Its short link or id; or its fingerprint, whole or the first 16 digits
        #[arg(value_name = "LINK")]
        link: String,
    },
    /// Print each use of a link as it happens
    #[command(
        after_help = "It goes on until Ctrl-C. Who has valet:ListLinks sees the links of everybody in the account; who \
                            has not, only their own."
    )]
    Watch(WatchedLinks),
    /// Change when a managed link ends, what it is called, and who is told of it
    #[command(
        after_help = "Whoever may make such a link may change it, until it was taken back or closed after its end. What \
                            is not named stays as it is."
    )]
    Change(ChangedLink),
    /// Undo a revocation, so that its links work again
    Undo {
        /// Its id, from `valet links ls --revocations`, or from what `revoke` has printed
        id: String,
    },
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ListedLinks {
    /// Only links to this object, or to keys that begin so: `s3://bucket/prefix`
    #[arg(value_name = "S3URI", conflicts_with = "revocations")]
    pub(crate) within: Option<String>,
    /// Only those that this identity has made: its ARN, its id, or an access key
    #[arg(long, value_name = "WHO", conflicts_with = "revocations")]
    pub(crate) signer: Option<String>,
    /// Only those of this label
    #[arg(long, value_name = "TEXT", conflicts_with = "revocations")]
    pub(crate) label: Option<String>,
    /// Only those in this state
    #[arg(long, value_name = "STATE", conflicts_with = "revocations",
          value_parser = ["scheduled", "active", "used-up", "expired", "revoked", "orphaned"])]
    pub(crate) state: Option<String>,
    /// The revocations, and nothing else
    #[arg(long)]
    pub(crate) revocations: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct WatchedLinks {
    /// Only this link: its short link or id, or its fingerprint
    #[arg(value_name = "LINK")]
    pub(crate) link: Option<String>,
    /// Only links to keys that begin so: `s3://bucket/prefix`
    #[arg(long, value_name = "S3URI")]
    pub(crate) within: Option<String>,
    /// Only those of this label
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
    /// Begin with the uses since then: like 2026-11-30T12:00:00Z, or so long ago, like 15m, 1h
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Opening>,
    /// Print what there is, all of it without --since, and do not wait for more
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ChangedLink {
    /// Its short link or id; or its fingerprint, whole or the first 16 digits
    #[arg(value_name = "LINK")]
    pub(crate) link: String,
    /// How long it lives from now on: seconds, or like 15m, 12h, 30d
    #[arg(long, value_name = "DURATION", value_parser = life)]
    pub(crate) expires_in: Option<Life>,
    /// What people call it; '' takes the label away
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
    /// Who is told what becomes of it, in place of those who were: `mailto:ana@example.com`, or
    /// `https://example.com/hook`; repeatable; '' for nobody
    #[arg(long, value_name = "TARGET")]
    pub(crate) notify: Vec<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Revoke {
    #[command(flatten)]
    pub(crate) links: NamedLinks,
    /// Only links that were signed until then: like 2026-11-30T12:00:00Z, or so long ago, like 15m, 1h30m; otherwise
    /// until now
    #[arg(long, value_name = "TIME", conflicts_with_all = ["url", "fingerprint"])]
    pub(crate) before: Option<Opening>,
    /// Keep the revocation until then, or for so long, like 30d: for forms that were made elsewhere to live longer than
    /// seven days
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Opening>,
}

/// Which links are meant.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct NamedLinks {
    /// The link, short or presigned, or its fingerprint, of which the first 16 digits do as lists show them; `-` reads it from standard input, so that it stands in no history of a shell
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The fingerprint of a link or form, from the --json of the command that made it
    #[arg(long, value_name = "F", value_parser = fingerprint)]
    pub(crate) fingerprint: Option<Fingerprint>,
    /// An access key: all links and forms that it signed
    #[arg(long, value_name = "AKID")]
    pub(crate) key: Option<String>,
    /// An object: all links to it
    #[arg(long, value_name = "S3URI", value_parser = object)]
    pub(crate) object: Option<String>,
    /// All links to keys that begin so; `s3://bucket/` for those to the whole bucket
    #[arg(long, value_name = "S3URI", value_parser = prefix)]
    pub(crate) prefix: Option<String>,
}

fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    let is_short = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.parse().map_err(|error| {
        if is_short {
            "logs and lists show the first 16 digits of a fingerprint, which name no link for sure: give the whole \
             fingerprint or the link, or end all links to its object (--object) or of its key (--key); a link that the \
             server lists is revoked by them without --fingerprint"
                .to_owned()
        } else {
            format!("{error}")
        }
    })
}

fn object(text: &str) -> Result<String, String> {
    match S3Uri::parse(text).map_err(|error| error.to_string())? {
        S3Uri { bucket, key: Some(key) } => Ok(format!("s3://{bucket}/{key}")),
        S3Uri { key: None, .. } => {
            Err("an object has a key: s3://bucket/key; --prefix takes a bucket".to_owned())
        }
    }
}

fn prefix(text: &str) -> Result<String, String> {
    let S3Uri { bucket, key } = S3Uri::parse(text).map_err(|error| error.to_string())?;
    Ok(format!("s3://{bucket}/{}", key.unwrap_or_default()))
}
