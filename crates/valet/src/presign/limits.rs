//! What limits a link, besides its method and its end: the conditions that Valet adds, one content, one period.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use presign::{
    AmzDate, ConditionError, ContentLengthRange, EXPIRES_SECONDS_MAX, LinkConditions, LinkId,
};

use crate::args::limits::{ContentHash, LimitOptions, Opening};
use crate::args::{Life, LinkOptions, Method};
use crate::failure::Failure;
use crate::location::S3Uri;

/// S3 takes no larger object in one piece: 5 GiB.
pub(super) const SIZE_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// The longest period whose links are the same.
const PERIOD_SECONDS_MAX: u64 = 24 * 3600;
/// The random bytes in the name of a link that is to be unlike every other.
const ID_BYTES: usize = 16;
/// Parameters that make the request one about something else than the content of the object.
const SUB_RESOURCES: [&str; 8] =
    ["acl", "attributes", "legal-hold", "restore", "retention", "tagging", "torrent", "uploads"];
/// The header that promises the content.
const CONTENT_HASH: &str = "x-amz-checksum-sha256";

/// Why a link cannot be limited as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LimitError {
    #[error(transparent)]
    Condition(#[from] ConditionError),
    #[error("{option} is for {fits}")]
    Unfit { option: &'static str, fits: &'static str },
    #[error("--min-size is more than --max-size")]
    Sizes,
    #[error("--not-before is not before the end of the link, which would never open")]
    NeverOpens,
    #[error("--not-before is beyond the calendar")]
    BeyondCalendar,
    #[error("--sha256 takes 64 hex digits or a file: {0}: {1}")]
    Content(String, std::io::Error),
    #[error(
        "--round-to makes the links of a period the same, and {0} would make each another: leave out one"
    )]
    Unlike(&'static str),
    #[error("--round-to is at most half of --expires-in, and at most a day")]
    Period,
    #[error(
        "--round-to lengthens the link by as much, and S3 refuses every link that lives longer than 7 days \
         (604800 seconds): take a shorter --expires-in; --trim shortens it"
    )]
    PeriodTooLong,
    #[error(
        "a bundle cannot keep {0}: the links for its parts, which the server renews, would not have it"
    )]
    NotOfBundles(&'static str),
    #[error("the machine gives no random numbers")]
    NoRandomness,
}

impl From<LimitError> for Failure {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::NoRandomness => Self::failed(error),
            LimitError::Condition(_)
            | LimitError::Unfit { .. }
            | LimitError::Sizes
            | LimitError::NeverOpens
            | LimitError::BeyondCalendar
            | LimitError::Content(..)
            | LimitError::Unlike(_)
            | LimitError::Period
            | LimitError::PeriodTooLong
            | LimitError::NotOfBundles(_) => Self::usage(error),
        }
    }
}

/// The conditions of a link. `query` is what its parameters are without them, and may have conditions of its own.
pub(super) fn conditions(
    uri: &S3Uri,
    options: &LinkOptions,
    query: &[(String, String)],
    now: Timestamp,
) -> Result<LinkConditions, LimitError> {
    let limits = &options.limits;
    let mut conditions = LinkConditions::default();
    conditions.uses = limits.uses;
    conditions.content_length = content_length(limits)?;
    conditions.source_ip.clone_from(&limits.source_ip);
    conditions.not_before = limits.not_before.map(|at| opening(at, now)).transpose()?;
    conditions.rate = limits.rate;
    conditions.label.clone_from(&limits.label);
    conditions.write_once = limits.write_once;
    conditions.allow_head = limits.allow_head;
    let made = conditions.parameters();
    let made = made.iter().map(|(name, value)| (*name, &**value));
    let written = query.iter().map(|(name, value)| (&**name, &**value));
    let all = LinkConditions::read(written.chain(made))?;
    check_fit(uri, options, query, &all)?;
    let end = now.saturating_add(seconds(options.expires_in.seconds()));
    if all.not_before.is_some_and(|opens| end.is_ok_and(|end| opens.timestamp() >= end)) {
        return Err(LimitError::NeverOpens);
    }
    if all.id.is_none() && (all.uses.is_some() || limits.unique) {
        conditions.id = Some(random_id()?);
    }
    Ok(conditions)
}

/// The header by which a link takes one content alone.
pub(super) fn content_header(
    options: &LinkOptions,
) -> Result<Option<(String, String)>, LimitError> {
    let Some(content) = &options.limits.sha256 else { return Ok(None) };
    let digest = digest(content)?;
    Ok(Some((CONTENT_HASH.to_owned(), STANDARD.encode(digest))))
}

/// Options of which a file was read once, for many links.
pub(super) fn with_files_read(mut options: LinkOptions) -> Result<LinkOptions, LimitError> {
    if let Some(content) = &options.limits.sha256 {
        options.limits.sha256 = Some(ContentHash::Known(digest(content)?));
    }
    Ok(options)
}

fn digest(content: &ContentHash) -> Result<[u8; 32], LimitError> {
    content.digest().map_err(|error| {
        let name = match content {
            ContentHash::Known(_) => String::new(),
            ContentHash::OfFile(path) => path.display().to_string(),
        };
        LimitError::Content(name, error)
    })
}

/// A period whose links are the same: they are signed as of its beginning, and live longer by its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period {
    seconds: u64,
}

impl Period {
    /// The period that is asked for, if one is.
    pub(super) fn of(options: &LinkOptions) -> Result<Option<Self>, LimitError> {
        let LinkOptions { limits, expires_in, trim, .. } = options;
        let Some(period) = limits.round_to.map(Life::seconds) else { return Ok(None) };
        let unlike = match limits.not_before {
            _ if limits.uses.is_some() => Some("--uses"),
            _ if limits.unique => Some("--unique"),
            Some(Opening::After(_)) => Some("a --not-before that counts from now"),
            Some(Opening::At(_)) | None => None,
        };
        if let Some(option) = unlike {
            return Err(LimitError::Unlike(option));
        }
        if period > PERIOD_SECONDS_MAX || period > expires_in.seconds() / 2 {
            return Err(LimitError::Period);
        }
        let week = u64::from(EXPIRES_SECONDS_MAX);
        let is_longer = expires_in.seconds() <= week && expires_in.seconds() + period > week;
        if is_longer && !trim {
            return Err(LimitError::PeriodTooLong);
        }
        Ok(Some(Self { seconds: period }))
    }

    /// The life to sign, that lasts from the beginning of the period.
    pub(super) fn lengthened(self, life: Life) -> Life {
        life.longer_by(self.seconds)
    }

    /// The beginning of the period in which an instant lies.
    pub(super) fn beginning(self, now: Timestamp) -> Timestamp {
        let length = i64::try_from(self.seconds).unwrap_or(i64::MAX).max(1);
        let second = now.as_second();
        Timestamp::from_second(second - second.rem_euclid(length)).unwrap_or(now)
    }
}

/// What a bundle cannot keep of its options.
pub(super) fn check_bundle(limits: &LimitOptions) -> Result<(), LimitError> {
    let LimitOptions {
        uses,
        unique,
        max_size,
        min_size,
        source_ip,
        not_before,
        rate,
        label,
        write_once,
        allow_head,
        sha256,
        round_to,
    } = limits;
    let given = [
        ("--uses", uses.is_some()),
        ("--unique", *unique),
        ("--max-size", max_size.is_some()),
        ("--min-size", min_size.is_some()),
        ("--source-ip", source_ip.is_some()),
        ("--not-before", not_before.is_some()),
        ("--rate", rate.is_some()),
        ("--label", label.is_some()),
        ("--write-once", *write_once),
        ("--allow-head", *allow_head),
        ("--sha256", sha256.is_some()),
        ("--round-to", round_to.is_some()),
    ];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(LimitError::NotOfBundles(option)),
        None => Ok(()),
    }
}

/// Refuses what the server would refuse, because it limits nothing of such a request.
fn check_fit(
    uri: &S3Uri,
    options: &LinkOptions,
    query: &[(String, String)],
    conditions: &LinkConditions,
) -> Result<(), LimitError> {
    let unfit = |option, fits| Err(LimitError::Unfit { option, fits });
    let names = |known: &[&str]| query.iter().any(|(name, _)| known.contains(&&**name));
    let of_content = uri.key.is_some() && !names(&SUB_RESOURCES);
    let uploads = options.method == Method::Put && of_content;
    let downloads = options.method == Method::Get && of_content;
    let upload = "the upload of an object with PUT";
    if conditions.content_length.is_some() && !uploads {
        let given = options.limits.max_size.is_some() || options.limits.min_size.is_none();
        return unfit(if given { "--max-size" } else { "--min-size" }, upload);
    }
    let makes_object = uploads && !names(&["partNumber", "uploadId"]);
    if conditions.write_once && !makes_object {
        return unfit("--write-once", upload);
    }
    if conditions.allow_head && !downloads {
        return unfit("--allow-head", "the download of an object with GET");
    }
    if options.limits.sha256.is_some() && !uploads {
        return unfit("--sha256", upload);
    }
    Ok(())
}

/// The sizes that may be uploaded: one end may be left out on the command line, and stands in every link.
fn content_length(limits: &LimitOptions) -> Result<Option<ContentLengthRange>, LimitError> {
    let (min, max) = match (limits.min_size, limits.max_size) {
        (None, None) => return Ok(None),
        (min, max) => (min.unwrap_or(0), max.unwrap_or(SIZE_MAX)),
    };
    ContentLengthRange::new(min, max).map(Some).ok_or(LimitError::Sizes)
}

/// The first whole second in which the link is to be open.
fn opening(opening: Opening, now: Timestamp) -> Result<AmzDate, LimitError> {
    let at = match opening {
        Opening::At(at) => at,
        Opening::After(after) => {
            now.checked_add(seconds(after)).map_err(|_| LimitError::BeyondCalendar)?
        }
    };
    let begun = u64::from(at.subsec_nanosecond() > 0);
    let at = at.checked_add(seconds(begun)).map_err(|_| LimitError::BeyondCalendar)?;
    Ok(AmzDate::from_timestamp(at))
}

fn seconds(seconds: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))
}

fn random_id() -> Result<LinkId, LimitError> {
    let mut bytes = [0; ID_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| LimitError::NoRandomness)?;
    URL_SAFE_NO_PAD.encode(bytes).parse().map_err(|_| LimitError::NoRandomness)
}
