//! The options of `valet presign` that limit a link, as typed.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use jiff::Timestamp;
use presign::{ExpiresIn, LINK_RATE_MAX, LINK_RATE_MIN, LinkLabel, SourceRanges};
use sha2::{Digest as _, Sha256};

use crate::args::{Life, bytes, life};

/// Where the help has these options.
const HEADING: &str = "Limits";
/// How much of a file is read at once.
const READ_BYTES: usize = 64 * 1024;

/// What a link's holder may do less with it than the method says. Valet keeps these limits, and AWS ignores most.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct LimitOptions {
    /// How often the link may be used
    #[arg(long, help_heading = HEADING, value_name = "N", value_parser = uses)]
    pub(crate) uses: Option<NonZeroU64>,
    /// Make a link unlike every other, by a random name in it; --uses does so too
    #[arg(long, help_heading = HEADING)]
    pub(crate) unique: bool,
    /// PUT: the most bytes that may be sent: bytes, or like 12MiB, 5GiB
    #[arg(long, help_heading = HEADING, value_name = "BYTES", value_parser = bytes)]
    pub(crate) max_size: Option<u64>,
    /// PUT: the fewest bytes that may be sent: bytes, or like 12MiB, 5GiB
    #[arg(long, help_heading = HEADING, value_name = "BYTES", value_parser = bytes)]
    pub(crate) min_size: Option<u64>,
    /// From where it may be used: addresses and ranges such as 192.0.2.0/24, separated by commas
    #[arg(long, help_heading = HEADING, value_name = "CIDR")]
    pub(crate) source_ip: Option<SourceRanges>,
    /// When it opens: like 2026-12-24T18:00:00Z, or from now, like 15m, 1h30m
    #[arg(long, help_heading = HEADING, value_name = "TIME")]
    pub(crate) not_before: Option<Opening>,
    /// The most bytes a second, over all connections: bytes, or like 512KiB, 1MiB
    #[arg(long, help_heading = HEADING, value_name = "BYTES", value_parser = rate)]
    pub(crate) rate: Option<NonZeroU64>,
    /// What people call it, in logs and lists; whoever has the link can read it
    #[arg(long, help_heading = HEADING, value_name = "TEXT")]
    pub(crate) label: Option<LinkLabel>,
    /// PUT: only as long as there is no such object
    #[arg(long, help_heading = HEADING)]
    pub(crate) write_once: bool,
    /// GET: the link answers HEAD too
    #[arg(long, help_heading = HEADING)]
    pub(crate) allow_head: bool,
    /// PUT: only this content: its SHA-256 as 64 hex digits, or a file that has it
    #[arg(long, help_heading = HEADING, value_name = "HEX|FILE")]
    pub(crate) sha256: Option<ContentHash>,
    /// Make all links of a period the same, so that caches keep what they fetch: like 15m, 1h; at most half of
    /// --expires-in and at most a day, by which the link then lives longer
    #[arg(long, help_heading = HEADING, value_name = "DURATION", value_parser = life)]
    pub(crate) round_to: Option<Life>,
}

/// When a link opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    At(Timestamp),
    /// So many seconds after it is made.
    After(u64),
}

impl FromStr for Opening {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let after = ExpiresIn::seconds_in(text).ok().map(Self::After);
        let at = || text.parse().ok().map(Self::At);
        after.or_else(at).ok_or_else(|| {
            "expected a time like 2026-12-24T18:00:00Z, or a duration like 15m, 1h30m".to_owned()
        })
    }
}

/// The one content that may be uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ContentHash {
    Known([u8; 32]),
    OfFile(PathBuf),
}

impl FromStr for ContentHash {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut known = [0; 32];
        Ok(match base16(text, &mut known) {
            Some(()) => Self::Known(known),
            None => Self::OfFile(text.into()),
        })
    }
}

impl ContentHash {
    /// The SHA-256, for which a file is read.
    pub(crate) fn digest(&self) -> io::Result<[u8; 32]> {
        match self {
            Self::Known(digest) => Ok(*digest),
            Self::OfFile(path) => {
                let mut hasher = Sha256::new();
                let mut file = BufReader::with_capacity(READ_BYTES, File::open(path)?);
                loop {
                    let read = file.fill_buf()?;
                    if read.is_empty() {
                        return Ok(hasher.finalize().into());
                    }
                    hasher.update(read);
                    let read = read.len();
                    file.consume(read);
                }
            }
        }
    }
}

/// Reads exactly as many bytes as there is room for, each two hex digits.
fn base16(text: &str, bytes: &mut [u8]) -> Option<()> {
    let mut digits =
        text.chars().map(|digit| digit.to_digit(16).and_then(|d| u8::try_from(d).ok()));
    for byte in bytes {
        *byte = digits.next()?? << 4 | digits.next()??;
    }
    digits.next().is_none().then_some(())
}

/// Reads how often a link may be used.
pub(crate) fn uses(text: &str) -> Result<NonZeroU64, String> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let uses = text.parse().ok().filter(|_| is_number);
    uses.ok_or_else(|| "expected a number from 1".to_owned())
}

/// Reads how many bytes a second a link may move.
pub(crate) fn rate(text: &str) -> Result<NonZeroU64, String> {
    let rate = bytes(text)?;
    let fits = (LINK_RATE_MIN..=LINK_RATE_MAX).contains(&rate);
    let rate = NonZeroU64::new(rate).filter(|_| fits);
    rate.ok_or_else(|| "a link moves 1KiB to 1TiB a second".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openings_are_times_or_durations() {
        let check = |text: &str, expected: Option<Opening>| {
            assert_eq!(text.parse().ok(), expected, "{text}");
        };
        let at = |text: &str| Some(Opening::At(text.parse().unwrap()));
        check("2026-12-24T18:00:00Z", at("2026-12-24T18:00:00Z"));
        check("2026-12-24T19:00:00+01:00", at("2026-12-24T18:00:00Z"));
        check("90", Some(Opening::After(90)));
        check("1h30m", Some(Opening::After(5400)));
        for text in ["", "soon", "2026-12-24", "2026-12-24T18:00:00", "-1h"] {
            check(text, None);
        }
    }

    #[test]
    fn hashes_are_digits_or_of_files() {
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852B855";
        let ContentHash::Known(bytes) = digest.parse().unwrap() else { panic!("a file") };
        assert_eq!((bytes[0], bytes[31]), (0xe3, 0x55));
        let digits = digest.get(1..).unwrap();
        for name in
            [digits, &format!("0{digest}"), &format!("é{}", digest.get(2..).unwrap()), "a.bin"]
        {
            assert_eq!(name.parse(), Ok(ContentHash::OfFile(name.into())), "{name}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(ContentHash::OfFile(file.path().into()).digest().unwrap(), bytes);
        assert!(ContentHash::OfFile("/nowhere/a.bin".into()).digest().is_err());
    }

    #[test]
    fn rates_and_uses_have_bounds() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(rate(text).ok().map(NonZeroU64::get), expected, "{text}");
        };
        check("1024", Some(1024));
        check("1MiB", Some(1 << 20));
        check("1TiB", Some(1 << 40));
        for text in ["1023", "0", "2TiB", "fast"] {
            check(text, None);
        }
        assert_eq!(uses("5").map(NonZeroU64::get), Ok(5));
        for text in ["0", "+5", "-1", "", "1e3", "18446744073709551616"] {
            assert!(uses(text).is_err(), "{text}");
        }
    }
}
