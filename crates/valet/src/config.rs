//! The configuration: flags, variables and file, merged and parsed. Apart from the declarations of flags, no
//! other file reads the environment.

mod file;
mod secret;
mod values;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::{Args, CommandFactory as _, ValueEnum};
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use presign::{Credentials, SecretAccessKey, SigV2Use};
use serde::Deserialize;
use server::{ActiveContent, BucketDomain, LinkCaching, SmtpUrl, SseC};

use crate::args::{Arguments, Serve};
use crate::failure::Failure;
use crate::log;
use secret::SecretText;
use values::{
    address, parse_abort_uploads_after, parse_account_id, parse_bucket_domain, parse_cache_disk,
    parse_cache_memory, parse_cidr, parse_domain, parse_region,
};

const ROOT_ACCESS_KEY_ID: &str = "VALET_ROOT_ACCESS_KEY_ID";
const ROOT_SECRET_ACCESS_KEY: &str = "VALET_ROOT_SECRET_ACCESS_KEY";
const LOG: &str = "VALET_LOG";
const LOG_DEFAULT: &str = "info";
/// Variables that Kubernetes sets in every pod beside a service named `valet`.
const NOT_SETTINGS: [&str; 2] = ["VALET_PORT", "VALET_SERVICE_"];

pub(crate) const DATA_DIR_DEFAULT: &str = "./valet-data";
const LISTEN_DEFAULT: &str = "127.0.0.1:9000";
const REGION_DEFAULT: &str = "us-east-1";
const ACCOUNT_ID_DEFAULT: &str = "000000000000";

/// The default of `--domain` if every listening address is of this machine alone. SDKs send requests for a
/// bucket to `bucket.localhost`, which is always this machine.
const DOMAIN_DEFAULT: &str = "localhost";

const CONNECTIONS_PER_ADDRESS_DEFAULT: u32 = 256;
const LEDGER_DAYS_DEFAULT: u32 = 90;
const CACHE_MEMORY_DEFAULT: &str = "128MiB";

const ABORT_UPLOADS_AFTER_DEFAULT: &str = "14d";
const ACCESS_KEY_ID_BYTES: std::ops::RangeInclusive<usize> = 3..=128;
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 8..=256;
/// A longer file is taken for a mistake.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// The settings of the server as written: by flag, by variable or in the file.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Where metadata and object bytes live [default: ./valet-data]
    #[arg(long, env = "VALET_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// An address to listen on; repeatable; port 0 takes a free one [default: 127.0.0.1:9000]
    #[arg(long, env = "VALET_LISTEN", value_name = "ADDR", value_delimiter = ',')]
    #[serde(deserialize_with = "file::addresses")]
    listen: Vec<String>,
    /// The region that signatures must name [default: us-east-1]
    #[arg(long, env = "VALET_REGION", value_name = "NAME")]
    region: Option<String>,
    /// The first account [default: 000000000000]
    #[arg(long, env = "VALET_ACCOUNT_ID", value_name = "12DIGITS")]
    #[serde(deserialize_with = "file::account")]
    account_id: Option<String>,
    /// An origin, with or without a path prefix, by which clients reach the server; repeatable
    #[arg(long, env = "VALET_PUBLIC_URL", value_name = "URL", value_delimiter = ',')]
    #[serde(deserialize_with = "file::urls")]
    public_url: Vec<String>,
    /// An origin of its own for the console; what was uploaded may then run at declared names
    #[arg(long, env = "VALET_CONSOLE_URL", value_name = "URL")]
    console_url: Option<String>,
    /// Whether HTML, SVG, PDF and other active content is sandboxed in browsers [default: sandbox]
    #[arg(long, env = "VALET_ACTIVE_CONTENT", value_name = "sandbox|as-stored")]
    active_content: Option<Content>,
    /// Whether caches are told to keep no answer for longer than its link lives [default: capped]
    #[arg(long, env = "VALET_LINK_CACHING", value_name = "capped|as-stored")]
    link_caching: Option<Caching>,
    /// Serve Prometheus metrics without credentials here
    #[arg(long, env = "VALET_METRICS_LISTEN", value_name = "ADDR")]
    #[serde(deserialize_with = "file::address")]
    metrics_listen: Option<String>,
    /// `bucket.NAME` is virtual-hosted style; repeatable [default: localhost, where all addresses
    /// listened on are of this machine alone]
    #[arg(long, env = "VALET_DOMAIN", value_name = "NAME", value_delimiter = ',')]
    #[serde(deserialize_with = "file::domains")]
    domain: Vec<String>,
    /// `bucket.NAME` is the website of a bucket
    #[arg(long, env = "VALET_WEBSITE_DOMAIN", value_name = "NAME")]
    website_domain: Option<String>,
    /// `ID.NAME` is a distribution
    #[arg(long, env = "VALET_DISTRIBUTION_DOMAIN", value_name = "NAME")]
    distribution_domain: Option<String>,
    /// A bucket on a host of its own, with bare keys as paths; repeatable
    #[arg(long, env = "VALET_BUCKET_DOMAIN", value_name = "HOST=BUCKET", value_delimiter = ',')]
    #[serde(deserialize_with = "file::bucket_domains")]
    bucket_domain: Vec<String>,
    /// Whose X-Forwarded-* headers are believed; repeatable
    #[arg(long, env = "VALET_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',')]
    #[serde(deserialize_with = "file::networks")]
    trusted_proxy: Vec<String>,
    /// Loopback, link-local and private addresses that the server itself may call; repeatable
    #[arg(long, env = "VALET_OUTBOUND_ALLOW", value_name = "CIDR", value_delimiter = ',')]
    #[serde(deserialize_with = "file::networks")]
    outbound_allow: Vec<String>,
    /// Who takes the mail of notices: `smtp://HOST?from=ADDRESS` or `smtps://USER:PASSWORD@HOST:PORT?from=ADDRESS`
    #[arg(long, env = "VALET_SMTP_URL", value_name = "URL", hide_env_values = true)]
    smtp_url: Option<SecretText>,
    /// Serve HTTPS with this certificate chain (PEM); read again when it changes
    #[arg(long, env = "VALET_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate (PEM)
    #[arg(long, env = "VALET_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// The key that seals secrets at rest; made on first start [default: master.key in the data directory]
    #[arg(long, env = "VALET_MASTER_KEY_FILE", value_name = "FILE")]
    master_key_file: Option<PathBuf>,
    /// Whether new bodies are encrypted at rest [default: on]
    #[arg(long, env = "VALET_ENCRYPTION", value_name = "on|off")]
    encryption: Option<Switch>,
    /// When an upload is aborted that has got no part for so long: at least 8d, or `never`
    /// [default: 14d]
    #[arg(long, env = "VALET_ABORT_UPLOADS_AFTER", value_name = "DURATION")]
    abort_uploads_after: Option<String>,
    /// Whether SigV2 links are honoured [default: allow]
    #[arg(long, env = "VALET_SIGV2", value_name = "allow|deny")]
    sigv2: Option<Permission>,
    /// Over which connections customers may send keys of their own [default: tls]
    #[arg(long, env = "VALET_SSE_C", value_name = "tls|any")]
    sse_c: Option<Connections>,
    /// Connections at once of one address, an IPv6 /64 counting as one, trusted proxies apart; 0: no such
    /// limit [default: 256]
    #[arg(long, env = "VALET_CONNECTIONS_PER_ADDRESS", value_name = "N")]
    connections_per_address: Option<u32>,
    /// How many days the uses of links are remembered; 0 keeps no ledger [default: 90]
    #[arg(long, env = "VALET_LEDGER_DAYS", value_name = "N")]
    ledger_days: Option<u32>,
    /// How much memory the cache of distributions may take: bytes, or like 128MiB, 2GiB; 1MiB at least [default: 128MiB]
    #[arg(long, env = "VALET_CACHE_MEMORY", value_name = "BYTES")]
    cache_memory: Option<String>,
    /// How much of a disk the cache of distributions may take for what memory has no room for: bytes, or like 20GiB;
    /// 16MiB at least, or 0 [default: 0]
    #[arg(long, env = "VALET_CACHE_DISK", value_name = "BYTES")]
    cache_disk: Option<String>,
    /// The folder whose disk that is; nothing in it has a name [default: the data directory]
    #[arg(long, env = "VALET_CACHE_DIR", value_name = "PATH")]
    cache_dir: Option<PathBuf>,
    /// How the lines on standard error are written [default: json]
    #[arg(long, env = "VALET_LOG_FORMAT", value_name = "json|text")]
    log_format: Option<log::Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Connections {
    Tls,
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Permission {
    Allow,
    Deny,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Content {
    Sandbox,
    AsStored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Caching {
    Capped,
    AsStored,
}

/// What `valet serve` decides before it opens the first file or socket.
#[derive(Debug)]
pub(crate) struct ServeConfig {
    pub(crate) data_dir: PathBuf,
    /// `None`: `master.key` in the data directory.
    pub(crate) master_key_file: Option<PathBuf>,
    pub(crate) encryption: Switch,
    /// `None`: uploads are never aborted.
    pub(crate) abort_uploads_after: Option<SignedDuration>,
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) region: String,
    /// Twelve digits: the first account.
    pub(crate) account_id: String,
    pub(crate) public_urls: Vec<String>,
    pub(crate) console_url: Option<String>,
    pub(crate) active_content: ActiveContent,
    pub(crate) link_caching: LinkCaching,
    /// The domains of virtual-hosted style, in lower case.
    pub(crate) domains: Vec<String>,
    pub(crate) website_domain: Option<String>,
    pub(crate) distribution_domain: Option<String>,
    /// Hosts on which one bucket is reached each, as `HOST=BUCKET`.
    pub(crate) bucket_domains: Vec<BucketDomain>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Networks outside the public internet that the server itself may call.
    pub(crate) outbound_allow: Vec<IpNet>,
    /// `None`: no mail is sent.
    pub(crate) smtp: Option<SmtpUrl>,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) sigv2: SigV2Use,
    pub(crate) sse_c: SseC,
    /// Connections that one address may have; 0 means no limit.
    pub(crate) connections_per_address: u32,
    /// 0: no ledger is kept.
    pub(crate) ledger_days: u32,
    pub(crate) cache: CacheConfig,
    pub(crate) log_format: log::Format,
    /// The root key given from outside. `None`: the one in the data directory is used.
    pub(crate) root: Option<Credentials>,
}

/// What the cache of distributions may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CacheConfig {
    /// How much memory, in bytes.
    pub(crate) memory: u64,
    /// How much of a disk, in bytes. 0: none.
    pub(crate) disk: u64,
    /// Where that disk is; `None`: the data directory is on it.
    pub(crate) folder: Option<PathBuf>,
}

/// The PEM files of certificate chain and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl ServeConfig {
    /// Merges flags and variables with the file, and parses the result. Invalid values are wrong usage.
    pub(crate) fn read(arguments: Serve) -> Result<Self, Failure> {
        Self::try_read(arguments).map_err(Failure::usage)
    }

    fn try_read(arguments: Serve) -> Result<Self> {
        refuse_unknown(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))?;
        let file = match arguments.config {
            Some(path) => read_file(&path).with_context(|| path.display().to_string())?,
            None => Settings::default(),
        };
        let root = root_key(variable(ROOT_ACCESS_KEY_ID), variable(ROOT_SECRET_ACCESS_KEY))?;
        Self::parse(arguments.settings.over(file), root)
    }

    fn parse(settings: Settings, root: Option<Credentials>) -> Result<Self> {
        let or = |value: Option<String>, default: &str| value.unwrap_or_else(|| default.to_owned());
        let mut listen = each("listen", &settings.listen, address)?;
        if listen.is_empty() {
            listen.push(address(LISTEN_DEFAULT)?);
        }
        let mut domains = each("domain", &settings.domain, parse_domain)?;
        if domains.is_empty() && listen.iter().all(|address| address.ip().is_loopback()) {
            domains.push(DOMAIN_DEFAULT.to_owned());
        }
        let metrics_listen = settings.metrics_listen.as_ref();
        let metrics_listen = each("metrics-listen", metrics_listen, address)?.pop();
        let region = or(settings.region, REGION_DEFAULT);
        let account_id = or(settings.account_id, ACCOUNT_ID_DEFAULT);
        let abort_uploads_after = or(settings.abort_uploads_after, ABORT_UPLOADS_AFTER_DEFAULT);
        Ok(Self {
            data_dir: settings.data_dir.unwrap_or_else(|| DATA_DIR_DEFAULT.into()),
            master_key_file: settings.master_key_file,
            encryption: settings.encryption.unwrap_or(Switch::On),
            listen,
            metrics_listen,
            region: one("region", &region, parse_region)?,
            account_id: one("account-id", &account_id, parse_account_id)?,
            public_urls: settings.public_url,
            console_url: settings.console_url,
            active_content: match settings.active_content {
                Some(Content::AsStored) => ActiveContent::AsStored,
                Some(Content::Sandbox) | None => ActiveContent::Sandbox,
            },
            link_caching: match settings.link_caching {
                Some(Caching::AsStored) => LinkCaching::AsStored,
                Some(Caching::Capped) | None => LinkCaching::Capped,
            },
            domains,
            website_domain: each("website-domain", &settings.website_domain, parse_domain)?.pop(),
            distribution_domain: each(
                "distribution-domain",
                &settings.distribution_domain,
                parse_domain,
            )?
            .pop(),
            bucket_domains: each("bucket-domain", &settings.bucket_domain, parse_bucket_domain)?,
            trusted_proxies: each("trusted-proxy", &settings.trusted_proxy, parse_cidr)?,
            outbound_allow: each("outbound-allow", &settings.outbound_allow, parse_cidr)?,
            smtp: settings.smtp_url.as_ref().map(SecretText::smtp_url).transpose()?,
            tls: tls_files(settings.tls_cert, settings.tls_key)?,
            abort_uploads_after: one(
                "abort-uploads-after",
                &abort_uploads_after,
                parse_abort_uploads_after,
            )?,
            sigv2: match settings.sigv2 {
                Some(Permission::Deny) => SigV2Use::Deny,
                Some(Permission::Allow) | None => SigV2Use::Allow,
            },
            sse_c: match settings.sse_c {
                Some(Connections::Any) => SseC::Any,
                Some(Connections::Tls) | None => SseC::Tls,
            },
            connections_per_address: settings
                .connections_per_address
                .unwrap_or(CONNECTIONS_PER_ADDRESS_DEFAULT),
            ledger_days: settings.ledger_days.unwrap_or(LEDGER_DAYS_DEFAULT),
            cache: CacheConfig::parse(
                settings.cache_memory.as_deref(),
                settings.cache_disk.as_deref(),
                settings.cache_dir,
            )?,
            log_format: settings.log_format.unwrap_or(log::Format::Json),
            root,
        })
    }
}

impl CacheConfig {
    fn parse(memory: Option<&str>, disk: Option<&str>, folder: Option<PathBuf>) -> Result<Self> {
        let memory = memory.unwrap_or(CACHE_MEMORY_DEFAULT);
        Ok(Self {
            memory: one("cache-memory", memory, parse_cache_memory)?,
            disk: one("cache-disk", disk.unwrap_or("0"), parse_cache_disk)?,
            folder,
        })
    }
}

impl Settings {
    /// These settings, completed by those of the file. An empty variable counts as not set, because compose
    /// files leave a setting out that way.
    fn over(self, file: Self) -> Self {
        let text = |ours: Option<String>, file| ours.filter(|text| !text.is_empty()).or(file);
        let path =
            |ours: Option<PathBuf>, file| ours.filter(|p| !p.as_os_str().is_empty()).or(file);
        let list = |mut ours: Vec<String>, file| {
            ours.retain(|text| !text.is_empty());
            if ours.is_empty() { file } else { ours }
        };
        Self {
            data_dir: path(self.data_dir, file.data_dir),
            listen: list(self.listen, file.listen),
            region: text(self.region, file.region),
            account_id: text(self.account_id, file.account_id),
            public_url: list(self.public_url, file.public_url),
            console_url: text(self.console_url, file.console_url),
            active_content: self.active_content.or(file.active_content),
            link_caching: self.link_caching.or(file.link_caching),
            metrics_listen: text(self.metrics_listen, file.metrics_listen),
            domain: list(self.domain, file.domain),
            website_domain: text(self.website_domain, file.website_domain),
            distribution_domain: text(self.distribution_domain, file.distribution_domain),
            bucket_domain: list(self.bucket_domain, file.bucket_domain),
            trusted_proxy: list(self.trusted_proxy, file.trusted_proxy),
            outbound_allow: list(self.outbound_allow, file.outbound_allow),
            smtp_url: self.smtp_url.filter(|url| !url.is_empty()).or(file.smtp_url),
            tls_cert: path(self.tls_cert, file.tls_cert),
            tls_key: path(self.tls_key, file.tls_key),
            master_key_file: path(self.master_key_file, file.master_key_file),
            encryption: self.encryption.or(file.encryption),
            abort_uploads_after: text(self.abort_uploads_after, file.abort_uploads_after),
            sigv2: self.sigv2.or(file.sigv2),
            sse_c: self.sse_c.or(file.sse_c),
            connections_per_address: self.connections_per_address.or(file.connections_per_address),
            ledger_days: self.ledger_days.or(file.ledger_days),
            cache_memory: text(self.cache_memory, file.cache_memory),
            cache_disk: text(self.cache_disk, file.cache_disk),
            cache_dir: path(self.cache_dir, file.cache_dir),
            log_format: self.log_format.or(file.log_format),
        }
    }
}

/// The end of the session whose credentials are in the environment, if the environment says so. `None` if
/// `access_key_id` is not the one in the environment.
pub(crate) fn credential_expiration(access_key_id: &str) -> Option<Timestamp> {
    if variable("AWS_ACCESS_KEY_ID")? != access_key_id {
        return None;
    }
    variable("AWS_CREDENTIAL_EXPIRATION")?.parse().ok()
}

/// The value of a variable that is set and not empty.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The file of certificate authorities to trust in addition; the same variable as for the `aws` command.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn ca_bundle() -> Option<PathBuf> {
    std::env::var_os("AWS_CA_BUNDLE").map(PathBuf::from)
}

/// The passphrase of a link that `valet get` or `valet put` was sent, for where nobody can type it.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn passphrase() -> Option<String> {
    std::env::var("VALET_PASSPHRASE").ok()
}

/// The log filter `VALET_LOG`, in the syntax of `tracing`.
pub(crate) fn log_filter() -> String {
    variable(LOG).unwrap_or_else(|| LOG_DEFAULT.to_owned())
}

fn read_file(path: &Path) -> Result<Settings> {
    let bytes = std::fs::metadata(path)?.len();
    ensure!(bytes <= CONFIG_BYTES_MAX, "a configuration has at most {CONFIG_BYTES_MAX} bytes");
    secret::parse_file(&std::fs::read_to_string(path)?)
}

/// Refuses variables that begin with `VALET_` and are no setting. One may be misspelt, or belong to another
/// version; if it were ignored, objects could be stored in the wrong place.
fn refuse_unknown(names: impl Iterator<Item = String>) -> Result<()> {
    let command = Arguments::command();
    let mut known: BTreeSet<&str> = [ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY, LOG].into();
    if let Some(serve) = command.find_subcommand("serve") {
        known
            .extend(serve.get_arguments().filter_map(|a| a.get_env().and_then(|env| env.to_str())));
    }
    for name in names.filter(|name| name.starts_with("VALET_")) {
        let foreign = NOT_SETTINGS.iter().any(|prefix| name.starts_with(prefix));
        ensure!(foreign || known.contains(&*name), "{name} is not a setting of this version");
    }
    Ok(())
}

fn root_key(id: Option<String>, secret: Option<String>) -> Result<Option<Credentials>> {
    let (id, secret) = match (id, secret) {
        (None, None) => return Ok(None),
        (Some(id), Some(secret)) => (id, secret),
        (Some(_), None) => return Err(anyhow!("{ROOT_ACCESS_KEY_ID} is set without its secret")),
        (None, Some(_)) => return Err(anyhow!("{ROOT_SECRET_ACCESS_KEY} is set without its id")),
    };
    let (least, most) = ACCESS_KEY_ID_BYTES.into_inner();
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    ensure!(
        plain && ACCESS_KEY_ID_BYTES.contains(&id.len()),
        "{ROOT_ACCESS_KEY_ID}: {least} to {most} letters, digits, `-`, `_` and `.`"
    );
    let (least, most) = SECRET_BYTES.into_inner();
    ensure!(
        SECRET_BYTES.contains(&secret.len()),
        "{ROOT_SECRET_ACCESS_KEY}: {least} to {most} bytes"
    );
    Ok(Some(Credentials {
        access_key_id: id,
        secret_access_key: SecretAccessKey::new(secret),
        session_token: None,
    }))
}

fn tls_files(certificate: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<TlsFiles>> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
        (Some(_), None) => Err(anyhow!("tls-cert: is given without tls-key")),
        (None, Some(_)) => Err(anyhow!("tls-key: is given without tls-cert")),
    }
}

fn one<T>(name: &str, text: &str, parse: fn(&str) -> Result<T>) -> Result<T> {
    parse(text).with_context(|| format!("{name}: `{text}`"))
}

fn each<'t, T>(
    name: &str,
    texts: impl IntoIterator<Item = &'t String>,
    parse: fn(&str) -> Result<T>,
) -> Result<Vec<T>> {
    texts.into_iter().map(|text| one(name, text, parse)).collect()
}

#[cfg(test)]
mod tests;
