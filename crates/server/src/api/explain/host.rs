//! Whether the host of a link leads to this server.

use std::net::{IpAddr, SocketAddr};

use presign::{
    Cause, CauseCode, Endpoint, Explanation, LinkGrant, LinkNote, LinkVerdict, MissingFact,
};

use crate::config::ServerConfig;
use crate::context::RequestContext;
use crate::route::Target;

/// The domains of Amazon, below which a host with a label of S3 is its own.
const AMAZON_DOMAINS: [&str; 2] = [".amazonaws.com", ".amazonaws.com.cn"];

/// Where the host of a link leads, as far as this server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostKind {
    /// Here: it is declared, the server listens there, or the question itself came to it.
    Known,
    /// To Amazon S3.
    Amazon,
    /// Nobody here knows.
    Unknown,
}

impl HostKind {
    /// `host` is as clients send it, with its port.
    pub(super) fn of(host: &str, context: &RequestContext) -> Self {
        let config = &context.config;
        let is_asked = context.host.eq_ignore_ascii_case(host);
        if is_asked || config.knows(host) || is_listened(host, config) {
            return Self::Known;
        }
        if is_amazon(host) { Self::Amazon } else { Self::Unknown }
    }

    /// Names the bucket and the key as this server reads them, if the link leads here: a host that is declared names no
    /// bucket, whatever domain it lies below.
    pub(super) fn read_here(self, grant: &mut LinkGrant, target: &Target) {
        let (bucket, key) = match target {
            Target::Bucket(bucket) => (bucket, ""),
            Target::Object(bucket, key) => (bucket, key.as_str()),
            Target::Service => return,
        };
        if self == Self::Known {
            grant.set_place(bucket.as_str(), key);
        }
    }
}

fn is_listened(host: &str, config: &ServerConfig) -> bool {
    if listened(config).iter().any(|endpoint| endpoint.signed_host().eq_ignore_ascii_case(host)) {
        return true;
    }
    let scheme_port = if config.tls.is_some() { 443 } else { 80 };
    let bare = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let bare = bare.map(|address| SocketAddr::new(address, scheme_port));
    let Ok(named) = host.parse::<SocketAddr>().or(bare) else { return false };
    let is_all = |it: &SocketAddr| it.port() == named.port() && it.ip().is_unspecified();
    named.ip().is_loopback() && config.listen.iter().any(is_all)
}

/// Machines that people rent at Amazon have names below the same domains, and no label of S3.
fn is_amazon(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or(host).to_ascii_lowercase();
    let rest = AMAZON_DOMAINS.iter().find_map(|domain| name.strip_suffix(domain));
    rest.is_some_and(|rest| rest.split('.').any(|label| label == "s3" || label.starts_with("s3-")))
}

/// A link for Amazon S3: nothing that is known here is about it.
pub(super) fn of_amazon(by_text: Explanation, host: &str) -> Explanation {
    let cause = Cause::new(
        CauseCode::Host,
        format!("The link is for Amazon S3 ({host}), not for this server."),
        "Set AWS_ENDPOINT_URL, and sign again.",
    );
    let mut told = by_text;
    told.works = LinkVerdict::Fails;
    told.missing.clear();
    // The region is right or wrong there, not here.
    told.causes.retain(|cause| cause.code != CauseCode::Region);
    told.causes.insert(0, cause);
    told
}

/// A link to a host that nobody here knows may lead elsewhere. What is wrong with it anyway stays said.
pub(super) fn limit(told: &mut Explanation, host: HostKind) {
    if host != HostKind::Unknown || told.works == LinkVerdict::Fails {
        return;
    }
    told.works = LinkVerdict::Unknown;
    if !told.missing.contains(&MissingFact::Host) {
        told.missing.push(MissingFact::Host);
    }
    if !told.notes.contains(&LinkNote::UnknownHost) {
        told.notes.push(LinkNote::UnknownHost);
    }
}

/// The addresses that a back end beside the server may sign for by mistake.
pub(super) fn listened(config: &ServerConfig) -> Vec<Endpoint> {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let addresses = config.listen.iter().flat_map(|address| {
        [format!("{scheme}://{address}"), format!("{scheme}://localhost:{}", address.port())]
    });
    addresses.filter_map(|text| Endpoint::parse(&text).ok()).collect()
}
