//! What is worth knowing of a link that works.

use core::net::IpAddr;
use std::borrow::Cow;

use jiff::SignedDuration;

use super::allows::LinkGrant;
use super::attempt::{Attempt, ClaimFacts};
use crate::claim::Mechanism;

/// A link to read or delete an object that lives longer than this lives longer than most need.
const LONG_LIFE: SignedDuration = SignedDuration::from_hours(24);
/// Who writes so many seconds mostly means minutes.
const SECONDS_LIKE_MINUTES: i64 = 60;

/// Advice on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkNote {
    /// Text around the link was left out, or its lines were joined.
    Tidied,
    /// It lives for longer than most need.
    LongerThanNeeded,
    /// It lives for so few seconds that minutes may have been meant.
    SecondsLikeMinutes,
    /// Whoever uploads chooses the type of the object.
    ContentTypeUnsigned,
    /// A session signed it, and it ends with that session.
    TemporarySigner,
    /// It is signed with the old SigV2.
    SigV2,
    /// Its host is this machine's own name for itself.
    LoopbackHost,
    /// Its host is an address or a name of a private network.
    InternalHost,
    /// Its host is none of the server's names. Only a server can know.
    UnknownHost,
    /// Its signer may do far more than the link does. Only a server can know.
    PowerfulSigner,
    /// So many of its uses are left. Only a server can know.
    UsesLeft {
        /// How many are left.
        left: u64,
        /// How many it had.
        of: u64,
    },
}

impl LinkNote {
    /// The same as a text for people.
    pub fn text(&self) -> Cow<'static, str> {
        let text = match self {
            Self::Tidied => "Text around the link, or line ends in it, were left out.",
            Self::LongerThanNeeded => {
                "It lives for more than a day: whoever finds it may use it until then. A shorter life is safer."
            }
            Self::SecondsLikeMinutes => {
                "It lives for a minute or less. The unit is seconds: were minutes meant?"
            }
            Self::ContentTypeUnsigned => {
                "The Content-Type of what is uploaded is not signed: whoever has the link may upload a web page. \
                 Sign Content-Type where browsers will open the object."
            }
            Self::TemporarySigner => {
                "Temporary credentials signed it: it ends when their session ends, which may be long before \
                 the end that it names."
            }
            Self::SigV2 => {
                "It is signed with SigV2, which Amazon S3 no longer accepts in newer regions, which signs neither \
                 host nor region, and which lets anybody add parameters. Sign with SigV4."
            }
            Self::LoopbackHost => {
                "Its host is a name that only the machine of the server knows itself by: it works nowhere else. \
                 Sign for the public address."
            }
            Self::InternalHost => {
                "Its host is an address or name of a private network: it works only inside. \
                 Sign for the public address."
            }
            Self::UnknownHost => {
                "Its host is no name that this server knows: it works if that host leads here with Host and path \
                 unchanged. Check with valet doctor."
            }
            Self::PowerfulSigner => {
                "Its signer may do far more than the link does. A signer that may do nothing else limits what a \
                 leaked key can do."
            }
            Self::UsesLeft { left, of } => {
                return Cow::Owned(format!("{left} of its {of} uses are left."));
            }
        };
        Cow::Borrowed(text)
    }

    pub(super) fn of_link(attempt: &Attempt, facts: &ClaimFacts, grant: &LinkGrant) -> Vec<Self> {
        let mut notes = Vec::new();
        if let Some((from, until)) = facts.life.from.zip(facts.life.until) {
            let life = until.duration_since(from);
            let is_upload = matches!(grant.method.as_deref(), Some("PUT" | "POST"));
            if life > LONG_LIFE && !is_upload {
                notes.push(Self::LongerThanNeeded);
            }
            if (1..=SECONDS_LIKE_MINUTES).contains(&life.as_secs()) {
                notes.push(Self::SecondsLikeMinutes);
            }
        }
        let signs_type = facts.signed_headers.iter().any(|name| name == "content-type");
        let is_v2 = facts.mechanism == Mechanism::V2Query;
        let uploads_object = grant.method.as_deref() == Some("PUT")
            && !grant.key.is_empty()
            && attempt.query_value("uploadId").is_none();
        if uploads_object && !signs_type && !is_v2 {
            notes.push(Self::ContentTypeUnsigned);
        }
        if facts.has_token {
            notes.push(Self::TemporarySigner);
        }
        if is_v2 {
            notes.push(Self::SigV2);
        }
        notes.extend(of_host(super::pasted::split_port(&attempt.host).0));
        notes
    }
}

fn of_host(host: &str) -> Option<LinkNote> {
    let name = host.trim_start_matches('[').trim_end_matches(']');
    if name.is_empty() {
        return None;
    }
    if let Ok(address) = name.parse::<IpAddr>() {
        return of_address(address);
    }
    let is_loopback = name == "localhost" || name.ends_with(".localhost");
    let internal = [".local", ".internal", ".lan", ".svc", ".home", ".corp", ".test"];
    let is_internal = !name.contains('.')
        || internal.iter().any(|end| name.ends_with(end))
        || name.contains(".svc.cluster.");
    match (is_loopback, is_internal) {
        (true, _) => Some(LinkNote::LoopbackHost),
        (false, true) => Some(LinkNote::InternalHost),
        (false, false) => None,
    }
}

fn of_address(address: IpAddr) -> Option<LinkNote> {
    let (is_loopback, is_private) = match address.to_canonical() {
        IpAddr::V4(it) => (
            it.is_loopback() || it.is_unspecified(),
            it.is_private() || it.is_link_local() || matches!(it.octets(), [100, 64..=127, _, _]),
        ),
        IpAddr::V6(it) => (
            it.is_loopback() || it.is_unspecified(),
            it.is_unique_local() || it.is_unicast_link_local(),
        ),
    };
    match (is_loopback, is_private) {
        (true, _) => Some(LinkNote::LoopbackHost),
        (false, true) => Some(LinkNote::InternalHost),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_work_only_inside_are_known() {
        let check = |host: &str, expected: Option<LinkNote>| {
            assert_eq!(of_host(host), expected, "{host}");
        };
        for host in ["localhost", "b.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "0.0.0.0"] {
            check(host, Some(LinkNote::LoopbackHost));
        }
        for host in [
            "minio",
            "10.0.0.1",
            "192.168.1.2",
            "172.16.0.1",
            "100.64.0.1",
            "169.254.1.1",
            "[fd00::1]",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
            "minio.default.svc.cluster.local",
            "minio.svc.cluster.example",
            "ip-10-0-0-1.ec2.internal",
        ] {
            check(host, Some(LinkNote::InternalHost));
        }
        for host in ["s3.amazonaws.com", "192.0.2.1", "[2001:db8::1]", "100.128.0.1", ""] {
            check(host, None);
        }
    }
}
