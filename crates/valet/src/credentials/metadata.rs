//! Decides what a request to the metadata service or the container endpoint gets. Pure.
//!
//! A web page in a browser on this machine can send requests here. Three things stop it. Where it could read an
//! answer, the browser sends `Origin`. It cannot choose `Host` unless it owns a name that resolves to this
//! machine. And it cannot send the headers with a token without a preflight, which is refused.

use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};

/// The path of the container endpoint.
pub(crate) const CONTAINER_PATH: &str = "/credentials";
pub(crate) const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";
pub(crate) const TOKEN_LIFE_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";

const TOKEN_PATH: &str = "/latest/api/token";
const ROLES_PATH: &str = "/latest/meta-data/iam/security-credentials";
const REGION_PATH: &str = "/latest/meta-data/placement/region";
const ZONE_PATH: &str = "/latest/meta-data/placement/availability-zone";
/// The allowed life of a token, in seconds: up to six hours.
const TOKEN_LIFE_SECONDS: std::ops::RangeInclusive<i64> = 1..=21_600;
/// The number of bytes in a token that say when it ends.
const END_BYTES: usize = 8;

/// The parts of a request that decide about its answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MetadataRequest<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) host: Option<&'a str>,
    pub(crate) origin: Option<&'a str>,
    pub(crate) forwarded_for: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
    pub(crate) token_life: Option<&'a str>,
    pub(crate) authorization: Option<&'a str>,
}

/// What the request gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A new token, which lives for this many seconds.
    Token {
        token: String,
        seconds: i64,
    },
    /// The name of the only role.
    RoleName,
    InstanceCredentials,
    ContainerCredentials,
    Region,
    Zone,
    Refused(Refusal),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Answered with 400.
    Malformed,
    /// Answered with 401.
    NoToken,
    /// Answered with 403.
    Foreign,
    /// Answered with 404.
    Absent,
    /// Answered with 405.
    WrongMethod,
}

/// Judges requests, and makes and checks their tokens. A token of the metadata service contains its end and a
/// MAC, so no token needs to be remembered.
pub(crate) struct MetadataGuard {
    seal: hmac::Key,
    /// The token that the container endpoint requires.
    container_token: String,
    role_name: String,
}

impl std::fmt::Debug for MetadataGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MetadataGuard({})", self.role_name)
    }
}

impl MetadataGuard {
    /// `seeds` are two independent random keys.
    pub(crate) fn new(role_name: &str, seeds: [[u8; 32]; 2]) -> Self {
        let [seal, container] = seeds;
        Self {
            seal: hmac::Key::new(hmac::HMAC_SHA256, &seal),
            container_token: URL_SAFE_NO_PAD.encode(container),
            role_name: role_name.to_owned(),
        }
    }

    pub(crate) fn container_token(&self) -> &str {
        &self.container_token
    }

    pub(crate) fn judge(&self, request: &MetadataRequest<'_>, now: Timestamp) -> Verdict {
        match self.try_judge(request, now) {
            Ok(verdict) => verdict,
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    fn try_judge(&self, request: &MetadataRequest<'_>, now: Timestamp) -> Result<Verdict, Refusal> {
        if request.origin.is_some() || !request.host.is_some_and(is_local) {
            return Err(Refusal::Foreign);
        }
        match (request.method, request.path) {
            ("PUT", TOKEN_PATH) => self.issue(request, now),
            ("GET", CONTAINER_PATH) => {
                let given = request.authorization.unwrap_or_default().as_bytes();
                verify_slices_are_equal(given, self.container_token.as_bytes())
                    .map_err(|_| Refusal::NoToken)?;
                Ok(Verdict::ContainerCredentials)
            }
            ("GET", path) => {
                let token = request.token.filter(|token| self.is_alive(token, now));
                token.ok_or(Refusal::NoToken)?;
                self.metadata(path).ok_or(Refusal::Absent)
            }
            _ => Err(Refusal::WrongMethod),
        }
    }

    fn issue(&self, request: &MetadataRequest<'_>, now: Timestamp) -> Result<Verdict, Refusal> {
        // A proxy that is open to others must not give out tokens.
        if request.forwarded_for.is_some() {
            return Err(Refusal::Foreign);
        }
        let seconds = request.token_life.and_then(|text| text.parse::<i64>().ok());
        let seconds =
            seconds.filter(|s| TOKEN_LIFE_SECONDS.contains(s)).ok_or(Refusal::Malformed)?;
        let end = now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now);
        let end = end.as_second().to_be_bytes();
        let mut token = end.to_vec();
        token.extend_from_slice(hmac::sign(&self.seal, &end).as_ref());
        Ok(Verdict::Token { token: URL_SAFE_NO_PAD.encode(token), seconds })
    }

    fn is_alive(&self, token: &str, now: Timestamp) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) else { return false };
        let Some((end, seal)) = bytes.split_first_chunk::<END_BYTES>() else { return false };
        hmac::verify(&self.seal, end, seal).is_ok() && now.as_second() < i64::from_be_bytes(*end)
    }

    fn metadata(&self, path: &str) -> Option<Verdict> {
        let path = path.strip_suffix('/').unwrap_or(path);
        match path {
            ROLES_PATH => Some(Verdict::RoleName),
            REGION_PATH => Some(Verdict::Region),
            ZONE_PATH => Some(Verdict::Zone),
            _ => {
                let role = path.strip_prefix(ROLES_PATH)?.strip_prefix('/')?;
                (role == self.role_name).then_some(Verdict::InstanceCredentials)
            }
        }
    }
}

/// Whether `Host` is a loopback address or `localhost`, and not a name that a stranger could own.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-06-15T12:00:00Z";

    fn guard() -> MetadataGuard {
        MetadataGuard::new("deploy", [[1; 32], [2; 32]])
    }

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn token(seconds: &str) -> String {
        let request = MetadataRequest {
            method: "PUT",
            path: TOKEN_PATH,
            host: Some("127.0.0.1:80"),
            token_life: Some(seconds),
            ..MetadataRequest::default()
        };
        let found = guard().judge(&request, at(NOW));
        let Verdict::Token { token, .. } = found else { panic!("{found:?}") };
        token
    }

    #[test]
    fn tokens_are_given_under_the_rules_of_the_metadata_service() {
        let check =
            |life: Option<&str>, forwarded_for: Option<&str>, expected: Result<i64, Refusal>| {
                let request = MetadataRequest {
                    method: "PUT",
                    path: TOKEN_PATH,
                    host: Some("localhost:1"),
                    token_life: life,
                    forwarded_for,
                    ..MetadataRequest::default()
                };
                let found = guard().judge(&request, at(NOW));
                let holds = match (&found, expected) {
                    (Verdict::Token { seconds, .. }, Ok(expected)) => *seconds == expected,
                    (_, Ok(_)) => false,
                    (_, Err(refusal)) => found == Verdict::Refused(refusal),
                };
                assert!(holds, "{life:?}: {found:?}");
            };
        check(Some("1"), None, Ok(1));
        check(Some("21600"), None, Ok(21_600));
        check(Some("0"), None, Err(Refusal::Malformed));
        check(Some("21601"), None, Err(Refusal::Malformed));
        check(Some("-1"), None, Err(Refusal::Malformed));
        check(Some("six hours"), None, Err(Refusal::Malformed));
        check(None, None, Err(Refusal::Malformed));
        check(Some("60"), Some("10.0.0.1"), Err(Refusal::Foreign));
    }

    #[test]
    fn metadata_need_a_living_token() {
        let good = token("60");
        let check = |path: &str, token: Option<&str>, time: &str, expected: Verdict| {
            let request = MetadataRequest {
                method: "GET",
                path,
                host: Some("127.0.0.1:1338"),
                token,
                ..MetadataRequest::default()
            };
            assert_eq!(guard().judge(&request, at(time)), expected, "{path}");
        };
        let refused = Verdict::Refused;
        let role = "/latest/meta-data/iam/security-credentials/deploy";
        check(ROLES_PATH, Some(&good), NOW, Verdict::RoleName);
        check("/latest/meta-data/iam/security-credentials/", Some(&good), NOW, Verdict::RoleName);
        check(role, Some(&good), NOW, Verdict::InstanceCredentials);
        check(role, Some(&good), "2026-06-15T12:00:59Z", Verdict::InstanceCredentials);
        check(role, Some(&good), "2026-06-15T12:01:00Z", refused(Refusal::NoToken));
        check(role, None, NOW, refused(Refusal::NoToken));
        check(role, Some(""), NOW, refused(Refusal::NoToken));
        check(role, Some(&format!("{good}AA")), NOW, refused(Refusal::NoToken));
        check(role, Some(guard().container_token()), NOW, refused(Refusal::NoToken));
        check(&format!("{ROLES_PATH}/other"), Some(&good), NOW, refused(Refusal::Absent));
        check(&format!("{ROLES_PATH}deploy"), Some(&good), NOW, refused(Refusal::Absent));
        check(REGION_PATH, Some(&good), NOW, Verdict::Region);
        check("/latest/meta-data/placement/availability-zone/", Some(&good), NOW, Verdict::Zone);
        check("/latest/user-data", Some(&good), NOW, refused(Refusal::Absent));
        check("/", None, NOW, refused(Refusal::NoToken));
    }

    #[test]
    fn containers_need_the_token_they_were_told() {
        let check = |authorization: Option<&str>, expected: Verdict| {
            let request = MetadataRequest {
                method: "GET",
                path: CONTAINER_PATH,
                host: Some("[::1]:1338"),
                authorization,
                ..MetadataRequest::default()
            };
            assert_eq!(guard().judge(&request, at(NOW)), expected);
        };
        check(Some(guard().container_token()), Verdict::ContainerCredentials);
        check(Some("Basic x"), Verdict::Refused(Refusal::NoToken));
        check(None, Verdict::Refused(Refusal::NoToken));
        let metadata_token = token("60");
        check(Some(&metadata_token), Verdict::Refused(Refusal::NoToken));
    }

    #[test]
    fn no_web_page_is_answered() {
        let check = |host: Option<&str>, origin: Option<&str>, expected: Verdict| {
            let guard = guard();
            let request = MetadataRequest {
                method: "GET",
                path: CONTAINER_PATH,
                host,
                origin,
                authorization: Some(guard.container_token()),
                ..MetadataRequest::default()
            };
            assert_eq!(guard.judge(&request, at(NOW)), expected, "{host:?} {origin:?}");
        };
        let foreign = Verdict::Refused(Refusal::Foreign);
        check(Some("127.0.0.1:1338"), None, Verdict::ContainerCredentials);
        check(Some("127.0.0.1"), None, Verdict::ContainerCredentials);
        check(Some("[::1]"), None, Verdict::ContainerCredentials);
        check(Some("LocalHost:1338"), None, Verdict::ContainerCredentials);
        check(Some("rebound.example:1338"), None, foreign.clone());
        check(Some("127.0.0.1.rebound.example"), None, foreign.clone());
        check(Some("localhost.rebound.example:80"), None, foreign.clone());
        check(Some(""), None, foreign.clone());
        check(None, None, foreign.clone());
        check(Some("127.0.0.1:1338"), Some("https://page.example"), foreign.clone());
        check(Some("127.0.0.1:1338"), Some("null"), foreign);
    }

    #[test]
    fn nothing_is_written() {
        for (method, path) in
            [("POST", CONTAINER_PATH), ("GET", TOKEN_PATH), ("OPTIONS", ROLES_PATH), ("PUT", "/")]
        {
            let host = Some("localhost");
            let found = guard().judge(
                &MetadataRequest { method, path, host, ..MetadataRequest::default() },
                at(NOW),
            );
            let refused =
                matches!(found, Verdict::Refused(Refusal::WrongMethod | Refusal::NoToken));
            assert!(refused, "{method} {path}: {found:?}");
        }
    }
}
