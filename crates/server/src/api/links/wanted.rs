//! The managed link that a document asks for.

use std::num::NonZeroU64;

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use presign::{AmzDate, LinkConditions, SourceRanges};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{
    BucketName, FileLimits, Landing, LinkPurpose, NOTIFY_TARGETS_MAX, OBJECT_KEY_BYTES_MAX,
    ObjectKey, VersionId,
};

use crate::api::error::ApiError;
use crate::disposition;
use crate::gate::iso_time;
use crate::passphrase::PASSPHRASE_BYTES_MAX;

/// How long a link lives whose maker says nothing.
const USUAL_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The longest life of a managed link, by the calendar.
const YEARS_MAX: i32 = 10;
/// The longest life of a presigned URL.
const PRESIGNED_LIFE_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The most media types and endings of a request for files.
const TYPES_MAX: usize = 32;
/// The longest target of a notice.
const TARGET_BYTES_MAX: usize = 1024;

/// A managed link that is to be made.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "the document has a member for each")]
pub(crate) struct WantedLink {
    pub(super) kind: WantedKind,
    /// The bucket of what is shared.
    bucket: Option<String>,
    /// The key of the object: of `object` and `presigned`.
    key: Option<String>,
    /// How the keys begin: of `folder` and `request`. Or `s3://bucket/prefix`, without `bucket`.
    prefix: Option<String>,
    /// The object as `s3://bucket/key`, in the place of `bucket` and `key`.
    object: Option<String>,
    /// When the link ends; otherwise after seven days.
    expires_at: Option<String>,
    /// When the link opens; otherwise at once.
    not_before: Option<String>,
    uses: Option<NonZeroU64>,
    /// Addresses and CIDR ranges, separated by commas, or as a list.
    source_ip: Option<OneOrMore>,
    /// Bytes a second.
    rate: Option<u64>,
    label: Option<String>,
    pub(super) passphrase: Option<String>,
    filename: Option<String>,
    #[serde(default)]
    inline: bool,
    version_id: Option<String>,
    landing: Option<WantedLanding>,
    /// Whether the page says who shares.
    #[serde(default)]
    pub(super) show_creator: bool,
    #[serde(default)]
    notify: Vec<String>,
    #[serde(default)]
    pub(super) delete_object_at_end: bool,
    max_bytes: Option<u64>,
    max_files: Option<u64>,
    max_total_bytes: Option<u64>,
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    ask_name: bool,
    #[serde(default)]
    ask_note: bool,
    /// The method of a `presigned` link: GET, HEAD, PUT or DELETE.
    method: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum WantedKind {
    #[default]
    Object,
    Folder,
    Request,
    Presigned,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum WantedLanding {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// What a `presigned` link is for, before it is signed.
#[derive(Debug)]
pub(super) struct WantedPresigned {
    pub(super) bucket: BucketName,
    pub(super) key: ObjectKey,
    pub(super) method: &'static str,
    pub(super) version: Option<VersionId>,
}

/// What a link is to be for.
#[derive(Debug)]
pub(super) enum WantedPurpose {
    Managed(LinkPurpose),
    Presigned(WantedPresigned),
}

impl WantedLink {
    /// What the link is for. Every member that its kind does not have is refused.
    pub(super) fn purpose(&self) -> Result<WantedPurpose, ApiError> {
        self.refuse_what_is_not_of_the_kind()?;
        Ok(match self.kind {
            WantedKind::Object => {
                let (bucket, key) = self.object()?;
                let filename = self.filename.as_deref().map(|name| {
                    disposition::safe_name(name).ok_or_else(|| {
                        ApiError::invalid_argument("filename", "`filename` is no name of a file.")
                    })
                });
                WantedPurpose::Managed(LinkPurpose::Object {
                    bucket,
                    key,
                    version: self.version()?,
                    filename: filename.transpose()?,
                    inline: self.inline,
                })
            }
            WantedKind::Folder => {
                let (bucket, prefix) = self.below()?;
                WantedPurpose::Managed(LinkPurpose::Folder { bucket, prefix })
            }
            WantedKind::Request => {
                let (bucket, prefix) = self.below()?;
                let limits = self.limits()?;
                WantedPurpose::Managed(LinkPurpose::Request { bucket, prefix, limits })
            }
            WantedKind::Presigned => {
                let (bucket, key) = self.object()?;
                let methods = ["GET", "HEAD", "PUT", "DELETE"];
                let asked = self.method.as_deref().unwrap_or("GET");
                let method = methods.into_iter().find(|known| *known == asked);
                let method = method.ok_or_else(|| {
                    let message = "`method` is GET, HEAD, PUT or DELETE.";
                    ApiError::invalid_argument("method", message)
                })?;
                let version = self.version()?;
                WantedPurpose::Presigned(WantedPresigned { bucket, key, method, version })
            }
        })
    }

    fn refuse_what_is_not_of_the_kind(&self) -> Result<(), ApiError> {
        use WantedKind as Kind;
        let objects: &[Kind] = &[Kind::Object, Kind::Presigned];
        let members: [(bool, &'static str, &[Kind]); 16] = [
            (self.key.is_some(), "key", objects),
            (self.object.is_some(), "object", objects),
            (self.prefix.is_some(), "prefix", &[Kind::Folder, Kind::Request]),
            (self.filename.is_some(), "filename", &[Kind::Object]),
            (self.inline, "inline", &[Kind::Object]),
            (self.version_id.is_some(), "version_id", objects),
            (self.delete_object_at_end, "delete_object_at_end", &[Kind::Object]),
            (self.max_bytes.is_some(), "max_bytes", &[Kind::Request]),
            (self.max_files.is_some(), "max_files", &[Kind::Request]),
            (self.max_total_bytes.is_some(), "max_total_bytes", &[Kind::Request]),
            (!self.types.is_empty(), "types", &[Kind::Request]),
            (self.ask_name, "ask_name", &[Kind::Request]),
            (self.ask_note, "ask_note", &[Kind::Request]),
            (self.method.is_some(), "method", &[Kind::Presigned]),
            (self.passphrase.is_some(), "passphrase", &[Kind::Object, Kind::Folder, Kind::Request]),
            (self.landing.is_some(), "landing", &[Kind::Object, Kind::Folder, Kind::Request]),
        ];
        let misfit = members.iter().find(|(given, _, kinds)| *given && !kinds.contains(&self.kind));
        match misfit {
            None => Ok(()),
            Some((_, name, _)) => {
                let message = format!("A link of this kind has no member {name}.");
                Err(ApiError::invalid_argument(name, message))
            }
        }
    }

    fn object(&self) -> Result<(BucketName, ObjectKey), ApiError> {
        let (bucket, key) = match (&self.object, &self.bucket, &self.key) {
            (Some(uri), None, None) => of_uri("object", uri)?,
            (None, Some(bucket), Some(key)) => (bucket.as_str(), key.as_str()),
            _ => {
                return Err(ApiError::invalid_request(
                    "Name the object by `bucket` and `key`, or by `object` as s3://bucket/key.",
                ));
            }
        };
        let key = ObjectKey::parse(key)
            .map_err(|cause| ApiError::invalid_argument("key", format!("`key`: {cause}.")))?;
        Ok((bucket_named(bucket)?, key))
    }

    fn below(&self) -> Result<(BucketName, String), ApiError> {
        let (bucket, prefix) = match (&self.bucket, self.prefix.as_deref()) {
            (None, Some(uri)) => of_uri("prefix", uri)?,
            (Some(bucket), prefix) => (bucket.as_str(), prefix.unwrap_or_default()),
            (None, None) => {
                return Err(ApiError::invalid_request(
                    "Name the place by `bucket` and `prefix`, or by `prefix` as s3://bucket/prefix.",
                ));
            }
        };
        if prefix.len() > OBJECT_KEY_BYTES_MAX / 2 {
            return Err(ApiError::invalid_argument("prefix", "`prefix` is too long."));
        }
        // A folder ends with a slash, so that `invoices` does not share `invoices-2027/`.
        let ends = prefix.is_empty() || prefix.ends_with('/');
        let prefix = if ends { prefix.to_owned() } else { format!("{prefix}/") };
        Ok((bucket_named(bucket)?, prefix))
    }

    fn version(&self) -> Result<Option<VersionId>, ApiError> {
        let version = self.version_id.as_deref().map(VersionId::parse).transpose();
        version.map_err(|_| {
            ApiError::invalid_argument("version_id", "`version_id` is no id of a version.")
        })
    }

    fn limits(&self) -> Result<FileLimits, ApiError> {
        for (cap, name) in [
            (self.max_bytes, "max_bytes"),
            (self.max_files, "max_files"),
            (self.max_total_bytes, "max_total_bytes"),
        ] {
            if cap == Some(0) {
                let message = format!("`{name}` is 1 at least: nothing could be sent.");
                return Err(ApiError::invalid_argument(name, message));
            }
        }
        let wrong = |message: &'static str| ApiError::invalid_argument("types", message);
        if self.types.len() > TYPES_MAX {
            return Err(wrong("`types` has too many members."));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ".+-_".contains(c);
        let is_type = |text: &str| match (text.strip_prefix('.'), text.split_once('/')) {
            (Some(ending), _) => !ending.is_empty() && ending.chars().all(is_plain),
            (None, Some((kind, sub))) => {
                !kind.is_empty()
                    && kind.chars().all(is_plain)
                    && (sub == "*" || !sub.is_empty() && sub.chars().all(is_plain))
            }
            (None, None) => false,
        };
        if !self.types.iter().all(|text| text.len() <= 128 && is_type(text)) {
            return Err(wrong("`types` are media types such as image/* and endings such as .pdf."));
        }
        Ok(FileLimits {
            max_bytes: self.max_bytes,
            max_files: self.max_files,
            max_total_bytes: self.max_total_bytes,
            types: self.types.iter().map(|text| text.to_ascii_lowercase()).collect(),
            ask_name: self.ask_name,
            ask_note: self.ask_note,
        })
    }

    /// When the link ends.
    pub(super) fn end(&self, now: Timestamp) -> Result<Timestamp, ApiError> {
        let last = match self.kind {
            WantedKind::Presigned => now.checked_add(PRESIGNED_LIFE_MAX).unwrap_or(Timestamp::MAX),
            WantedKind::Object | WantedKind::Folder | WantedKind::Request => last_end(now),
        };
        end(self.expires_at.as_deref(), last, now)
    }

    /// The conditions of the link.
    pub(super) fn conditions(&self) -> Result<LinkConditions, ApiError> {
        let mut parameters: Vec<(&'static str, String)> = Vec::new();
        parameters.extend(self.uses.map(|uses| ("x-valet-uses", uses.to_string())));
        let ranges = self.source_ip.as_ref().map(|ranges| match ranges {
            OneOrMore::One(text) => text.clone(),
            OneOrMore::More(all) => all.join(","),
        });
        parameters.extend(ranges.map(|ranges| ("x-valet-source-ip", ranges)));
        parameters.extend(self.rate.map(|rate| ("x-valet-rate", rate.to_string())));
        parameters.extend(self.label.clone().map(|label| ("x-valet-label", label)));
        if let Some(text) = &self.not_before {
            let at = time("not_before", text)?;
            let at = at.strftime("%Y%m%dT%H%M%SZ").to_string();
            parameters.push(("x-valet-not-before", at));
        }
        let pairs = parameters.iter().map(|(name, value)| (*name, value.as_str()));
        LinkConditions::read(pairs).map_err(|error| {
            let (name, _) = error.parameter();
            let member = match name {
                "x-valet-source-ip" => "source_ip",
                "x-valet-rate" => "rate",
                "x-valet-label" => "label",
                "x-valet-not-before" => "not_before",
                _ => "uses",
            };
            ApiError::invalid_argument(member, format!("`{member}`: {error}."))
        })
    }

    pub(super) fn landing(&self) -> Landing {
        match self.landing {
            None | Some(WantedLanding::Auto) => Landing::Auto,
            Some(WantedLanding::Always) => Landing::Always,
            Some(WantedLanding::Never) => Landing::Never,
        }
    }

    pub(super) fn notify(&self) -> Result<Vec<String>, ApiError> {
        targets(self.notify.clone())
    }

    pub(super) fn check_passphrase(&self) -> Result<(), ApiError> {
        let fits = |text: &String| (1..=PASSPHRASE_BYTES_MAX).contains(&text.len());
        if self.passphrase.as_ref().is_none_or(fits) {
            return Ok(());
        }
        let message = "`passphrase` has 1 to 1024 bytes.";
        Err(ApiError::invalid_argument("passphrase", message))
    }
}

/// The last moment at which a managed link that is made or changed now may end.
pub(super) fn last_end(now: Timestamp) -> Timestamp {
    let last = Offset::UTC.to_datetime(now).checked_add(YEARS_MAX.years());
    last.and_then(|last| Offset::UTC.to_timestamp(last)).unwrap_or(Timestamp::MAX)
}

/// Refuses a link that would end before it opens. `argument` is the member that makes it so.
pub(super) fn refuse_never_open(
    argument: &'static str,
    conditions: &LinkConditions,
    expires_at: Timestamp,
) -> Result<(), ApiError> {
    match conditions.not_before.map(AmzDate::timestamp) {
        Some(opens) if opens >= expires_at => {
            let (opens, ends) = (iso_time(opens), iso_time(expires_at));
            let message =
                format!("The link would never work: it opens at {opens} and ends at {ends}.");
            Err(ApiError::invalid_argument(argument, message))
        }
        Some(_) | None => Ok(()),
    }
}

/// When a link ends, at `last` at the latest.
pub(super) fn end(
    asked: Option<&str>,
    last: Timestamp,
    now: Timestamp,
) -> Result<Timestamp, ApiError> {
    let wrong = |message: String| ApiError::invalid_argument("expires_at", message);
    let Some(asked) = asked else {
        return Ok(now.checked_add(USUAL_LIFE).unwrap_or(Timestamp::MAX).min(last));
    };
    let at = time("expires_at", asked)?;
    if at <= now {
        return Err(wrong("`expires_at` has passed.".to_owned()));
    }
    // A maker's clock may be ahead by some seconds.
    if at > last.checked_add(SignedDuration::from_secs(5)).unwrap_or(last) {
        let last = iso_time(last);
        return Err(wrong(format!("`expires_at` lies beyond {last}, the last moment possible.")));
    }
    Ok(at.min(last))
}

/// The targets of notices.
pub(super) fn targets(wanted: Vec<String>) -> Result<Vec<String>, ApiError> {
    let wrong = |message: &'static str| ApiError::invalid_argument("notify", message);
    if wanted.len() > NOTIFY_TARGETS_MAX {
        return Err(wrong("`notify` has eight targets at most."));
    }
    let is_target = |text: &String| {
        let mail = text.strip_prefix("mailto:").is_some_and(is_mail_address);
        let hook = text.starts_with("https://") || text.starts_with("http://");
        text.len() <= TARGET_BYTES_MAX
            && text.chars().all(|c| c.is_ascii_graphic())
            && (mail || hook && reqwest::Url::parse(text).is_ok())
    };
    if wanted.iter().all(is_target) {
        return Ok(wanted);
    }
    Err(wrong("`notify` has targets such as mailto:ana@example.com and https://example.com/hook."))
}

/// Whether a text is a plain address: one that is part of no header or list.
fn is_mail_address(text: &str) -> bool {
    let Some((name, host)) = text.rsplit_once('@') else { return false };
    let plain = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let of_host = |c: char| c.is_ascii_alphanumeric() || ".-[]:".contains(c);
    !name.is_empty() && !host.is_empty() && name.chars().all(plain) && host.chars().all(of_host)
}

fn time(argument: &'static str, text: &str) -> Result<Timestamp, ApiError> {
    text.parse().map_err(|_| {
        let message = format!("`{argument}` is a time such as 2026-11-30T12:00:00Z.");
        ApiError::invalid_argument(argument, message)
    })
}

fn bucket_named(name: &str) -> Result<BucketName, ApiError> {
    BucketName::parse(name)
        .map_err(|cause| ApiError::invalid_argument("bucket", format!("`bucket`: {cause}.")))
}

/// The bucket of an S3 URI, and what follows the slash after it.
fn of_uri<'t>(argument: &'static str, uri: &'t str) -> Result<(&'t str, &'t str), ApiError> {
    let wrong = || {
        let message = format!("`{argument}` is written s3://bucket/{argument}.");
        ApiError::invalid_argument(argument, message)
    };
    let rest = uri.strip_prefix("s3://").ok_or_else(wrong)?;
    Ok(rest.split_once('/').unwrap_or((rest, "")))
}

/// The texts of addresses, as they are shown.
pub(super) fn ranges(ranges: &SourceRanges) -> Vec<String> {
    ranges.ranges().iter().map(ToString::to_string).collect()
}
