//! Notices that this server cannot deliver as it is set: whoever names their receivers is better told at once.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::ServerConfig;
use crate::outbound::is_public;

/// A note for each kind of receivers that will not be reached.
pub(super) fn notes(targets: &[String], config: &ServerConfig) -> Vec<String> {
    let mut notes = Vec::new();
    let has_mail = targets.iter().any(|target| target.starts_with("mailto:"));
    if has_mail && config.smtp.is_none() {
        let note =
            "No mail server is set (--smtp-url): notices by mail are shown with the link alone.";
        notes.push(note.to_owned());
    }
    let refused = |target: &&String| !may_be_called(target, &config.outbound_allow);
    if let Some(target) = targets.iter().find(refused) {
        notes.push(format!(
            "{target} is not called as the server is set: plain http and private addresses take --outbound-allow."
        ));
    }
    notes
}

/// Whether a receiver may be called, as far as its URL tells: a name leads to an address only when it is called.
fn may_be_called(target: &str, allowed: &[IpNet]) -> bool {
    let Some(url) = reqwest::Url::parse(target).ok().filter(|url| url.scheme().starts_with("http"))
    else {
        return true;
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(address) => {
            let is_allowed = allowed.iter().any(|range| range.contains(&address));
            is_allowed || url.scheme() == "https" && is_public(address)
        }
        Err(_) => url.scheme() == "https" || !allowed.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_that_will_not_be_reached_are_known_by_their_urls() {
        let check = |target: &str, allowed: &[&str], expected: bool| {
            let allowed: Vec<IpNet> = allowed.iter().map(|range| range.parse().unwrap()).collect();
            assert_eq!(may_be_called(target, &allowed), expected, "{target} {allowed:?}");
        };
        check("mailto:ana@example.com", &[], true);
        check("https://hooks.example.com/valet", &[], true);
        check("https://203.0.113.7/valet", &[], false);
        check("https://8.8.8.8/valet", &[], true);
        check("https://10.0.0.7/valet", &[], false);
        check("https://10.0.0.7/valet", &["10.0.0.0/8"], true);
        check("https://[::1]/valet", &[], false);
        check("http://hooks.example.com/valet", &[], false);
        check("http://hooks.example.com/valet", &["10.0.0.0/8"], true);
        check("http://8.8.8.8/valet", &["10.0.0.0/8"], false);
    }
}
