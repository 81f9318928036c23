//! `valet cloudfront`: signed URLs and signed cookies of CloudFront, as typed.

use std::path::PathBuf;

use clap::builder::{StringValueParser, TypedValueParser as _};
use clap::{Args, Subcommand, ValueEnum};
use ipnet::Ipv4Net;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

#[derive(Args, Debug)]
pub(crate) struct CloudFront {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print a signed URL, as `aws cloudfront sign` does
    SignUrl(SignUrl),
    /// Print the signed cookies that open many files
    SignCookies(SignCookies),
}

#[derive(Args, Debug)]
#[command(
    after_help = "Nothing is asked of a server: whoever has the private key signs. The distribution must trust a key \
                        group with the public half. Dates are `2026-12-31` (its beginning in UTC), \
                        `2026-12-31T12:00:00Z`, or seconds since 1970."
)]
pub(crate) struct SignUrl {
    /// The URL to sign
    #[arg(long)]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) signing: Signing,
    /// Sign for these URLs instead, with `*` and `?`: the link then opens all of them
    #[arg(long, value_name = "PATTERN")]
    pub(crate) policy_resource: Option<String>,
    /// Put what opens the URL in front of its path, for players that lose the query; only Valet knows this form
    #[arg(long)]
    pub(crate) in_path: bool,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Set these cookies for the distribution's host, with Secure and HttpOnly. Sign for a pattern such as \
                        `https://HOST/course/*`: for one exact URL without `*`, no policy is sent, and the cookies open \
                        that URL alone."
)]
pub(crate) struct SignCookies {
    /// The URLs that the cookies open, with `*` and `?`
    #[arg(long, value_name = "PATTERN")]
    pub(crate) resource: String,
    #[command(flatten)]
    pub(crate) signing: Signing,
    /// Print them as a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is signed, and with which key.
#[derive(Args, Debug)]
pub(crate) struct Signing {
    /// The id of the public key in the distribution's key group
    #[arg(long, value_name = "ID")]
    pub(crate) key_pair_id: String,
    /// The private key in PEM, RSA 2048 or ECDSA P-256; `file://` may stand before its name
    #[arg(long, value_name = "FILE", value_parser = StringValueParser::new().map(|text| file(&text)))]
    pub(crate) private_key: PathBuf,
    /// When it ends
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) date_less_than: Timestamp,
    /// When it begins
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) date_greater_than: Option<Timestamp>,
    /// The IPv4 address or network from which it may be used
    #[arg(long, value_name = "CIDR", value_parser = network)]
    pub(crate) ip_address: Option<Ipv4Net>,
    /// The hash that is signed
    #[arg(long, value_enum, value_name = "HASH", default_value = "SHA1")]
    pub(crate) hash_algorithm: Hash,
}

/// The hashes that CloudFront knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum Hash {
    /// The one that every signer and verifier has
    #[value(name = "SHA1")]
    Sha1,
    /// The stronger one
    #[value(name = "SHA256")]
    Sha256,
}

fn file(text: &str) -> PathBuf {
    text.strip_prefix("file://").unwrap_or(text).into()
}

/// A day, a time with or without zone, or seconds since 1970.
fn date(text: &str) -> Result<Timestamp, String> {
    let wrong =
        || "expected a date: 2026-12-31, 2026-12-31T12:00:00Z, or seconds since 1970".to_owned();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let second = text.parse().map_err(|_| wrong())?;
        return Timestamp::from_second(second).map_err(|_| wrong());
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    // In UTC, as everywhere in this protocol.
    let civil: Result<DateTime, _> =
        text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(DateTime::from));
    civil.and_then(|civil| Offset::UTC.to_timestamp(civil)).map_err(|_| wrong())
}

fn network(text: &str) -> Result<Ipv4Net, String> {
    let one = || Ipv4Net::new(text.parse().ok()?, 32).ok();
    let network = text.parse().ok().or_else(one);
    network.ok_or_else(|| "expected an IPv4 address, or a network like 192.0.2.0/24".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_the_aws_command_reads_them() {
        for (text, expected) in [
            ("2026-01-01", Some(1_767_225_600)),
            ("2026-01-01T18:00:00Z", Some(1_767_290_400)),
            ("2026-01-01T18:00:00", Some(1_767_290_400)),
            ("2026-01-01T19:00:00+01:00", Some(1_767_290_400)),
            ("1767290400", Some(1_767_290_400)),
            ("0", Some(0)),
            ("", None),
            ("tomorrow", None),
            ("2026-13-01", None),
            ("-1", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(date(text).ok().map(Timestamp::as_second), expected, "{text}");
        }
    }

    #[test]
    fn an_address_is_a_network_of_one() {
        for (text, expected) in [
            ("192.0.2.7", Some("192.0.2.7/32")),
            ("192.0.2.0/24", Some("192.0.2.0/24")),
            ("2001:db8::1", None),
            ("192.0.2.0/33", None),
            ("", None),
        ] {
            assert_eq!(network(text).ok().map(|it| it.to_string()).as_deref(), expected, "{text}");
        }
    }
}
