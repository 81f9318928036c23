//! The only place from which the server itself calls others: identity providers, and whom notices of links are posted
//! to. (Mail goes to a server that the operator has named.)
//!
//! The URLs come from people who may manage policies, or links, and nothing more. The calls must not become their way to
//! other machines of the operator's network. So: https only, no redirects, small and quick, and only to the
//! very address that was checked (docs/serve.md, `--outbound-allow`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hyper::HeaderMap;
use ipnet::IpNet;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};

use crate::origin::any_contains;

/// The longest answer, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The longest time for a call, from the look-up of the name to the last byte.
const TIME_MAX: Duration = Duration::from_secs(5);

/// Calls other servers, under the rules of this module.
#[derive(Clone, Debug)]
pub(crate) struct Outbound {
    allowed: Vec<IpNet>,
}

/// Why a call failed. Addresses appear only in the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutboundError {
    #[error("not a URL that may be called")]
    Url,
    #[error("the host has no address")]
    NoAddress,
    #[error("{address} may not be called: see --outbound-allow")]
    Address { address: IpAddr },
    #[error("plain http is for addresses of --outbound-allow alone")]
    PlainHttp,
    #[error("the answer is not the document that was asked for")]
    Document,
    #[error("the answer was {status}")]
    Status { status: StatusCode },
    #[error("the answer is longer than {BODY_BYTES_MAX} bytes")]
    TooLong,
    #[error("no answer within {} s", TIME_MAX.as_secs())]
    TooSlow,
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}

impl OutboundError {
    /// The failure as those may know it who have named the URL: nothing of the operator's network.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Address { .. } => "the address of the host may not be called".to_owned(),
            Self::Http(error) if error.is_connect() => "the host cannot be reached".to_owned(),
            Self::Http(_) => "the host has broken the call off".to_owned(),
            Self::Url
            | Self::NoAddress
            | Self::PlainHttp
            | Self::Document
            | Self::Status { .. }
            | Self::TooLong
            | Self::TooSlow => self.to_string(),
        }
    }
}

impl Outbound {
    pub(crate) fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    /// Fetches a URL. Any status but 200 is an error.
    pub(crate) async fn get(&self, url: &str) -> Result<Vec<u8>, OutboundError> {
        let fetched = tokio::time::timeout(TIME_MAX, self.fetch(url)).await;
        fetched.unwrap_or(Err(OutboundError::TooSlow))
    }

    /// Posts a document. Any status but a 2xx is an error; what else is answered is not read.
    pub(crate) async fn post(
        &self,
        url: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<(), OutboundError> {
        let posting = async {
            let (client, url) = self.client(url).await?;
            let answer = client.post(url).headers(headers).body(body).send().await?;
            let status = answer.status();
            if status.is_success() { Ok(()) } else { Err(OutboundError::Status { status }) }
        };
        tokio::time::timeout(TIME_MAX, posting).await.unwrap_or(Err(OutboundError::TooSlow))
    }

    async fn fetch(&self, url: &str) -> Result<Vec<u8>, OutboundError> {
        let (client, url) = self.client(url).await?;
        let mut answer = client.get(url).send().await?;
        if answer.status() != StatusCode::OK {
            return Err(OutboundError::Status { status: answer.status() });
        }
        let mut body = Vec::new();
        while let Some(bytes) = answer.chunk().await? {
            if body.len() + bytes.len() > BODY_BYTES_MAX {
                return Err(OutboundError::TooLong);
            }
            body.extend_from_slice(&bytes);
        }
        Ok(body)
    }

    /// A client for this URL alone, which connects to no other address than one that was checked.
    async fn client(&self, url: &str) -> Result<(Client, Url), OutboundError> {
        let url = Url::parse(url).map_err(|_| OutboundError::Url)?;
        let port = url.port_or_known_default().ok_or(OutboundError::Url)?;
        let host = url.host_str().ok_or(OutboundError::Url)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OutboundError::Url);
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = tokio::net::lookup_host((bare, port)).await;
        let addresses: Vec<SocketAddr> = found.map_err(|_| OutboundError::NoAddress)?.collect();
        self.check(&addresses, url.scheme())?;
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(TIME_MAX)
            .resolve_to_addrs(host, &addresses)
            .build()?;
        Ok((client, url))
    }

    /// Every address that the name resolves to must be allowed. If one is not, the name is not called at all.
    fn check(&self, addresses: &[SocketAddr], scheme: &str) -> Result<(), OutboundError> {
        if addresses.is_empty() {
            return Err(OutboundError::NoAddress);
        }
        for address in addresses {
            let address = address.ip().to_canonical();
            let allowed = any_contains(&self.allowed, address);
            if !allowed && !is_public(address) {
                return Err(OutboundError::Address { address });
            }
            match scheme {
                "https" => {}
                "http" if allowed => {}
                "http" => return Err(OutboundError::PlainHttp),
                _ => return Err(OutboundError::Url),
            }
        }
        Ok(())
    }
}

/// Whether an address belongs to the public internet: not to a machine or network itself, to documentation, or
/// to a translation into such an address.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // Only the block 2000::/3 is given out to the public. Outside it are loopback, local, multicast and
    // translated addresses.
    let given_out = first & 0xe000 == 0x2000;
    let documentation =
        (first == 0x2001 && second == 0x0db8) || (first == 0x3fff && second < 0x1000);
    // Within it, 2001::/23 is kept for protocols. Teredo (there) and 6to4 (2002::/16) carry an IPv4 address
    // inside.
    let protocols = (first == 0x2001 && second < 0x0200) || first == 0x2002;
    given_out && !documentation && !protocols
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_be_called() {
        let check = |allowed: &[&str], scheme: &str, address: &str, expected: bool| {
            let allowed = allowed.iter().map(|net| net.parse().unwrap()).collect();
            let address = SocketAddr::new(address.parse().unwrap(), 443);
            let checked = Outbound::new(allowed).check(&[address], scheme);
            assert_eq!(checked.is_ok(), expected, "{scheme} {address}");
        };
        check(&[], "https", "93.184.216.34", true);
        check(&[], "https", "2606:4700::1111", true);
        check(&[], "http", "93.184.216.34", false);
        check(&[], "ftp", "93.184.216.34", false);
        for inner in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.8",
            "240.0.0.1",
            "192.0.2.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:20::1",
            "2001:db8::1",
            "3fff::1",
            "192.88.99.1",
        ] {
            check(&[], "https", inner, false);
        }
        check(&["127.0.0.0/8"], "https", "127.0.0.1", true);
        check(&["127.0.0.0/8"], "http", "127.0.0.1", true);
        check(&["127.0.0.0/8"], "http", "::ffff:127.0.0.1", true);
        check(&["127.0.0.0/8"], "http", "10.0.0.1", false);
        check(&["fc00::/7"], "http", "fc00::1", true);
        let both = ["93.184.216.34:443".parse().unwrap(), "127.0.0.1:443".parse().unwrap()];
        assert!(Outbound::new(Vec::new()).check(&both, "https").is_err());
    }
}
