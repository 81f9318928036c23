//! The parts of an origin: hosts without their ports, networks of addresses, and the buckets that a path prefix hides.

use std::net::IpAddr;

use ipnet::IpNet;
use store::BucketName;

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
    let decoded = presign::decode_component(prefix);
    let text = std::str::from_utf8(&decoded).ok()?;
    BucketName::parse(text.strip_prefix('/')?.split('/').next()?).ok()
}
