//! `valet share` and `valet request`: managed links, made by the server.

use std::num::NonZeroU64;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use server::disposition;

use crate::args::limits::Opening;
use crate::args::share::{LandingChoice, ManagedOptions, RequestFiles, Share};
use crate::failure::Failure;
use crate::location::S3Uri;
use crate::output;
use crate::presign::qr_code;
use crate::remote::{self, Remote};
use crate::{clock, objects, passphrase, sts, transfer};

const PATH: &str = "/_valet/api/v1/links";

/// What the server is asked to make.
#[derive(Debug, Default, Serialize)]
struct WantedLink {
    kind: &'static str,
    bucket: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uses: Option<NonZeroU64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<NonZeroU64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passphrase: Option<String>,
    landing: Option<LandingChoice>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    show_creator: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notify: Vec<String>,
    #[serde(flatten)]
    more: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
struct MadeLink {
    url: String,
    /// What whoever makes the link should know.
    #[serde(default)]
    notes: Vec<String>,
}

pub(crate) fn share(arguments: &Share) -> Result<(), Failure> {
    let is_object = arguments.source.starts_with("s3://");
    if is_object && std::env::args().any(|word| word == "--to" || word.starts_with("--to=")) {
        let words = "--to is for a file of this machine: an object is shared where it is";
        return Err(Failure::usage(anyhow!(words)));
    }
    let named = is_object.then(|| S3Uri::parse(&arguments.source)).transpose();
    let named = named.map_err(Failure::usage)?;
    let place = arguments.to.as_deref().map(S3Uri::parse).transpose().map_err(Failure::usage)?;
    let mut more = serde_json::Map::new();
    if let Some(name) = &arguments.filename {
        more.insert("filename".to_owned(), json!(name));
    }
    if let Some(version) = &arguments.version_id {
        more.insert("version_id".to_owned(), json!(version));
    }
    for (given, name) in
        [(arguments.inline, "inline"), (arguments.delete_object_at_end, "delete_object_at_end")]
    {
        if given {
            more.insert(name.to_owned(), json!(true));
        }
    }
    let is_folder = named.as_ref().is_some_and(is_folder);
    if is_folder && !more.is_empty() {
        let words = "--filename, --inline, --version-id and --delete-object-at-end are for an object, and this is a folder";
        return Err(Failure::usage(anyhow!(words)));
    }
    let wanted = WantedLink::of(&arguments.link)?;
    transfer::block_on(async {
        let remote = Remote::connect(&arguments.link.remote.aws).await?;
        let (bucket, key) = if let Some(S3Uri { bucket, key }) = named {
            (bucket, key.unwrap_or_default())
        } else {
            upload(&remote, arguments, (Path::new(&arguments.source), place)).await?
        };
        if key.is_empty() && !arguments.link.quiet {
            output::note(format_args!(
                "this shares the whole bucket s3://{bucket}, and what is put there later"
            ));
        }
        let wanted = if is_folder {
            WantedLink { kind: "folder", bucket, prefix: Some(key), more, ..wanted }
        } else {
            WantedLink { kind: "object", bucket, key: Some(key), more, ..wanted }
        };
        make(&remote, &wanted, &arguments.link).await
    })
}

/// Whether a URI names a bucket, or all below a prefix of keys.
fn is_folder(uri: &S3Uri) -> bool {
    uri.key.as_ref().is_none_or(|key| key.ends_with('/'))
}

pub(crate) fn request(arguments: &RequestFiles) -> Result<(), Failure> {
    if arguments.types.iter().any(|wanted| wanted.contains([',', ' '])) {
        let words = "--types takes one type, and may be repeated: --types .pdf --types .doc";
        return Err(Failure::usage(anyhow!(words)));
    }
    let S3Uri { bucket, key } = S3Uri::parse(&arguments.target).map_err(Failure::usage)?;
    let mut more = serde_json::Map::new();
    let caps = [
        (arguments.max_bytes, "max_bytes"),
        (arguments.max_files, "max_files"),
        (arguments.max_total_bytes, "max_total_bytes"),
    ];
    for (cap, name) in caps {
        if let Some(cap) = cap {
            more.insert(name.to_owned(), json!(cap));
        }
    }
    if !arguments.types.is_empty() {
        more.insert("types".to_owned(), json!(arguments.types));
    }
    for (given, name) in [(arguments.ask_name, "ask_name"), (arguments.ask_note, "ask_note")] {
        if given {
            more.insert(name.to_owned(), json!(true));
        }
    }
    let prefix = Some(key.unwrap_or_default());
    let wanted = WantedLink::of(&arguments.link)?;
    let wanted = WantedLink { kind: "request", bucket, prefix, more, ..wanted };
    transfer::block_on(async {
        let remote = Remote::connect(&arguments.link.remote.aws).await?;
        make(&remote, &wanted, &arguments.link).await
    })
}

impl WantedLink {
    fn of(options: &ManagedOptions) -> Result<Self, Failure> {
        let now = clock::now();
        let after = |seconds: u64| {
            let life = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
            let at = now.checked_add(life);
            at.map_err(|_| Failure::usage(anyhow!("that time is beyond the calendar")))
        };
        let opens = match options.not_before {
            Some(Opening::At(at)) => Some(at),
            Some(Opening::After(seconds)) => Some(after(seconds)?),
            None => None,
        };
        let second = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        Ok(Self {
            expires_at: second(after(options.expires_in.seconds())?),
            not_before: opens.map(second),
            uses: options.uses,
            source_ip: options.source_ip.as_ref().map(ToString::to_string),
            rate: options.rate,
            label: options.label.as_ref().map(ToString::to_string),
            passphrase: options.passphrase.then(passphrase::choose).transpose()?,
            landing: Some(options.landing),
            show_creator: options.show_creator,
            notify: options.notify.clone(),
            ..Self::default()
        })
    }
}

/// Uploads the file below a name that nobody guesses; returns bucket and key.
async fn upload(
    remote: &Remote,
    arguments: &Share,
    (path, place): (&Path, Option<S3Uri>),
) -> Result<(String, String), Failure> {
    if path.is_dir() {
        let path = path.display();
        return Err(Failure::usage(anyhow!(
            "{path} is a folder: put it there with `valet cp --recursive {path} s3://bucket/folder/`, and share s3://bucket/folder/"
        )));
    }
    let name = path.file_name().and_then(|name| name.to_str()).and_then(disposition::safe_name);
    let name = name.ok_or_else(|| {
        Failure::usage(anyhow!("{} is no name of a file that can be shared", path.display()))
    })?;
    let aws = &arguments.link.remote.aws;
    let (bucket, prefix) = if let Some(S3Uri { bucket, key }) = place {
        (bucket, key.unwrap_or_default())
    } else {
        let bucket = format!("shared-{}", sts::caller(remote).await?.account);
        if objects::make_bucket(aws, &bucket).await? && !arguments.link.quiet {
            output::note(format_args!("made the bucket s3://{bucket}"));
        }
        (bucket, String::new())
    };
    let prefix =
        if prefix.is_empty() || prefix.ends_with('/') { prefix } else { format!("{prefix}/") };
    let mut random = [0; 8];
    store::fill_random(&mut random).context("no random numbers")?;
    let random = u64::from_be_bytes(random);
    let key = format!("{prefix}{}/{random:016x}/{name}", clock::now().strftime("%Y-%m-%d"));
    objects::store_file(aws, path, (&bucket, &key), arguments.link.quiet).await?;
    if !arguments.link.quiet {
        output::note(format_args!("the file is s3://{bucket}/{key}"));
    }
    Ok((bucket, key))
}

async fn make(
    remote: &Remote,
    wanted: &WantedLink,
    options: &ManagedOptions,
) -> Result<(), Failure> {
    let body = serde_json::to_string(wanted).context("cannot write JSON")?;
    let answer = remote.send_json(&Method::POST, PATH, "", &body).await?;
    let whole: Value = remote::parse(&answer)?;
    let made: MadeLink = remote::parse(&answer)?;
    let form = options.remote.form();
    if !options.quiet {
        made.notes.iter().for_each(output::note);
    }
    output::answer(form, &whole, [made.url.clone()])?;
    // The link is the result; the picture of it is for whoever sits before the terminal.
    if options.qr {
        output::picture(&qr_code(&made.url, output::error_terminal_size())?);
    }
    Ok(())
}
