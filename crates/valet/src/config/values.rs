//! Reads the values of settings: what each may be, and what to write instead.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result, anyhow, ensure};
use ipnet::IpNet;
use jiff::SignedDuration;
use presign::ExpiresIn;
use server::BucketDomain;
use store::BucketName;

const NEVER: &str = "never";
/// The shortest time after which idle uploads may be aborted. It is longer than the seven days that a link can
/// live, so an upload outlives the links that were made for it.
const ABORT_UPLOADS_AFTER_MIN: SignedDuration = SignedDuration::from_hours(8 * 24);

/// Less would hold hardly an object.
const CACHE_MEMORY_MIN: u64 = 1 << 20;
/// Sixteen files, each of which must hold the largest entries.
const CACHE_DISK_MIN: u64 = 16 << 20;
const ACCOUNT_ID_DIGITS: usize = 12;
const REGION_BYTES_MAX: usize = 64;
const DOMAIN_BYTES_MAX: usize = 253;

fn reason(text: impl Display) -> anyhow::Error {
    anyhow!("{text}")
}

pub(super) fn address(text: &str) -> Result<SocketAddr> {
    text.parse().map_err(|_| reason("an address is IP:PORT, like 127.0.0.1:9000 or [::]:9000"))
}

pub(super) fn parse_cidr(text: &str) -> Result<IpNet> {
    let network = text.parse::<IpNet>().ok();
    network
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
        .ok_or_else(|| reason("a network is like 10.0.0.0/8, fd00::/8 or one address"))
}

pub(super) fn parse_region(text: &str) -> Result<String> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ensure!(
        (1..=REGION_BYTES_MAX).contains(&text.len()) && text.bytes().all(legal),
        "a region's name has lower-case letters, digits and hyphens"
    );
    Ok(text.to_owned())
}

pub(super) fn parse_account_id(text: &str) -> Result<String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    ensure!(digits && text.len() == ACCOUNT_ID_DIGITS, "an account has {ACCOUNT_ID_DIGITS} digits");
    Ok(text.to_owned())
}

pub(super) fn parse_abort_uploads_after(text: &str) -> Result<Option<SignedDuration>> {
    if text == NEVER {
        return Ok(None);
    }
    let seconds = i64::try_from(ExpiresIn::seconds_in(text)?).unwrap_or(i64::MAX);
    let idle = SignedDuration::from_secs(seconds);
    ensure!(
        idle >= ABORT_UPLOADS_AFTER_MIN,
        "8d at least, so that no link outlives its upload; or `{NEVER}`"
    );
    Ok(Some(idle))
}

pub(super) fn parse_cache_memory(text: &str) -> Result<u64> {
    let bytes = crate::args::bytes(text).map_err(reason)?;
    ensure!(bytes >= CACHE_MEMORY_MIN, "1MiB at least");
    Ok(bytes)
}

pub(super) fn parse_cache_disk(text: &str) -> Result<u64> {
    let bytes = crate::args::bytes(text).map_err(reason)?;
    ensure!(bytes == 0 || bytes >= CACHE_DISK_MIN, "16MiB at least, or 0 for none");
    Ok(bytes)
}

pub(super) fn parse_domain(text: &str) -> Result<String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let labels = text.split('.').all(|label| !label.is_empty() && label.bytes().all(legal));
    ensure!(
        labels && text.len() <= DOMAIN_BYTES_MAX,
        "a domain is a host name alone, like s3.example.com"
    );
    Ok(text.to_ascii_lowercase())
}

/// Reads `HOST=BUCKET`. A port may stand behind the host; it is not compared.
pub(super) fn parse_bucket_domain(text: &str) -> Result<BucketDomain> {
    let (host, bucket) = text
        .split_once('=')
        .ok_or_else(|| reason("written as HOST=BUCKET, like files.example.com=files"))?;
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    let bucket = BucketName::parse(bucket).with_context(|| format!("`{bucket}`"))?;
    Ok(BucketDomain { host: parse_domain(host)?, bucket })
}
