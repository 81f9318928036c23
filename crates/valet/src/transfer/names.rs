//! Resolves host names. Those below `localhost` are always this machine, whatever the system's resolver says
//! (RFC 6761).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Asks the system, except for names below `localhost`, which few systems know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // Port 0 stands for the port of the URL.
            let found: Addrs = if is_below_localhost(name.as_str()) {
                let here =
                    [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), (Ipv6Addr::LOCALHOST, 0).into()];
                Box::new(here.into_iter())
            } else {
                let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
                Box::new(found.into_iter())
            };
            Ok(found)
        })
    }
}

fn is_below_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name.strip_suffix(".localhost").is_some_and(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_below_localhost_are_this_machine() {
        let check =
            |name: &str, expected: bool| assert_eq!(is_below_localhost(name), expected, "{name}");
        check("bucket.localhost", true);
        check("A.B.LOCALHOST.", true);
        check("localhost", false);
        check(".localhost", false);
        check("notlocalhost", false);
        check("localhost.example", false);
        let name = "bucket.localhost".parse::<Name>().unwrap();
        let found: Vec<_> = Resolver.resolve(name).await.unwrap().map(|at| at.ip()).collect();
        assert_eq!(
            found,
            ["127.0.0.1".parse::<std::net::IpAddr>().unwrap(), "::1".parse().unwrap()]
        );
    }
}
