//! The parts of an origin: hosts without their ports, networks of addresses, and the buckets that a path prefix hides.

use std::net::IpAddr;

use ipnet::IpNet;
use store::BucketName;

/// The first segment of Valet's own paths. No bucket can have this name.
pub(crate) const OWN_PREFIX: &str = "/_valet";

/// A host name without the port.
pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

/// Whether one of the networks holds the address; a v4-mapped v6 address is v4.
pub(crate) fn any_contains(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// The bucket that is named like the first segment of a prefix, where one can be.
pub(crate) fn bucket_of_prefix(prefix: &str) -> Option<BucketName> {
    first_segment(prefix, |segment| BucketName::parse(segment).ok())?
}

/// Whether a prefix begins as the server's own paths do. `GET /_valet/metrics` would otherwise be signed for the metrics,
/// and read as the bucket `metrics` where a client has `X-Forwarded-Prefix: /_valet` passed on.
pub(crate) fn is_own_prefix(prefix: &str) -> bool {
    first_segment(prefix, |segment| Some(segment) == OWN_PREFIX.strip_prefix('/')).unwrap_or(false)
}

/// Calls `read` with the first segment of a prefix, decoded. `None`: the prefix has none.
fn first_segment<T>(prefix: &str, read: impl FnOnce(&str) -> T) -> Option<T> {
    let decoded = presign::decode_component(prefix);
    let text = std::str::from_utf8(&decoded).ok()?;
    text.strip_prefix('/')?.split('/').next().map(read)
}
