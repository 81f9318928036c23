//! From which addresses a link may be used.

use core::net::{IpAddr, Ipv6Addr};
use std::fmt;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

/// The most ranges that one link may name.
pub const SOURCE_RANGES_MAX: usize = 32;

/// The bits of an IPv6 address before the IPv4 address that is mapped into it.
const MAPPED_BITS: u8 = 96;

/// The addresses from which a link may be used: 1 to 32 ranges.
///
/// An IPv4 address that is mapped into IPv6, such as `::ffff:192.0.2.7`, is the IPv4 address: servers that listen on
/// both see their clients so. A bare address is the range of that address alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRanges(Vec<IpNet>);

/// Not a list of 1 to 32 addresses and CIDR ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 32 addresses or CIDR ranges such as 192.0.2.0/24, separated by commas")]
pub struct SourceRangesError;

impl SourceRanges {
    /// Whether an address lies in one of the ranges.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|range| range.contains(&address))
    }

    /// All of the ranges.
    pub fn ranges(&self) -> &[IpNet] {
        &self.0
    }
}

impl FromStr for SourceRanges {
    type Err = SourceRangesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // One more than allowed is enough to see that there are too many.
        let pieces = text.split(',').take(SOURCE_RANGES_MAX + 1);
        let ranges: Option<Vec<IpNet>> = pieces.map(range).collect();
        let ranges = ranges.filter(|ranges| ranges.len() <= SOURCE_RANGES_MAX);
        ranges.map(Self).ok_or(SourceRangesError)
    }
}

impl fmt::Display for SourceRanges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, range) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(formatter, "{comma}{range}")?;
        }
        Ok(())
    }
}

/// One range, or the range of one address.
fn range(text: &str) -> Option<IpNet> {
    let net = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().ok()?,
    };
    let IpNet::V6(wide) = net else { return Some(net) };
    // A mapped range of at least the mapped half is a range of IPv4; a wider one holds other addresses too.
    let mapped = Ipv6Addr::to_ipv4_mapped(&wide.addr());
    match (mapped, wide.prefix_len().checked_sub(MAPPED_BITS)) {
        (Some(address), Some(bits)) => Ipv4Net::new(address, bits).ok().map(IpNet::V4),
        (Some(_) | None, _) => Some(net),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lie_in_ranges_or_not() {
        let check = |ranges: &str, address: &str, expected: bool| {
            let ranges: SourceRanges = ranges.parse().unwrap();
            assert_eq!(ranges.contain(address.parse().unwrap()), expected, "{ranges} {address}");
        };
        check("192.0.2.0/24", "192.0.2.255", true);
        check("192.0.2.0/24", "192.0.3.0", false);
        check("192.0.2.9/24", "192.0.2.1", true);
        check("192.0.2.7", "192.0.2.7", true);
        check("192.0.2.7", "192.0.2.8", false);
        check("192.0.2.7", "::ffff:192.0.2.7", true);
        check("::ffff:192.0.2.7", "192.0.2.7", true);
        check("::ffff:192.0.2.0/120", "192.0.2.9", true);
        check("::ffff:192.0.2.0/120", "192.0.3.9", false);
        check("::/0", "2001:db8::1", true);
        check("::/0", "192.0.2.7", false);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("0.0.0.0/0,::/0", "2001:db8::1", true);
        check("2001:db8::/32", "2001:db8:ffff::1", true);
        check("2001:db8::/32", "2001:db9::1", false);
    }

    #[test]
    fn lists_have_an_end() {
        let many = |count: usize| vec!["192.0.2.1"; count].join(",");
        assert!(many(SOURCE_RANGES_MAX).parse::<SourceRanges>().is_ok());
        assert!(many(SOURCE_RANGES_MAX + 1).parse::<SourceRanges>().is_err());
    }
}
