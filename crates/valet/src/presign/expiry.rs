//! When a link really ends, and why.

use jiff::{SignedDuration, Timestamp};
use presign::{AmzDate, EXPIRES_SECONDS_MAX, ExpiresIn};
use serde::{Deserialize, Serialize};

use crate::args::Life;
use crate::aws::Session;

/// What is known about the end of a link before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expiry {
    pub(crate) requested_end: Timestamp,
    /// `None` if nobody can know.
    pub(crate) effective_end: Option<Timestamp>,
    pub(crate) limited_by: Vec<Limit>,
    /// Whether the server would let the link in already now. `None` if it was not asked, or did not say.
    pub(crate) works: Option<Works>,
}

/// What the server said of a link, as members of what `--json` prints. None of them is there if it said nothing.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ToldMembers<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    works: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<&'e [String]>,
}

/// Whether a link works, as things are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Works {
    Yes,
    No,
    /// That depends on the values of these condition keys, which nobody knows before the link is used.
    Unknown(Vec<String>),
}

impl Works {
    /// Reads the server's answer.
    pub(crate) fn of(allowed: bool, missing: Vec<String>) -> Self {
        match (allowed, missing.is_empty()) {
            (true, _) => Self::Yes,
            (false, true) => Self::No,
            (false, false) => Self::Unknown(missing),
        }
    }
}

/// The reason why a link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Limit {
    /// The life that was asked for.
    Requested,
    /// The longest life that any link can have.
    Maximum,
    /// The end of the session that signs it.
    Session,
    /// The end of the session that signs it, which is not known.
    SessionUnknown,
    /// A policy that limits the age of signatures (`s3:signatureAge`).
    SignatureAge,
    /// A policy that allows the operation only until some time.
    PolicyTime,
}

/// The server's answer, which considers its policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerExpiry {
    pub(crate) end: Timestamp,
    pub(crate) limited_by: Vec<Limit>,
    pub(crate) works: Works,
}

impl ServerExpiry {
    /// The answer for a link that is signed as of an earlier time than the server was asked about: its signature
    /// grows too old earlier by as much.
    pub(crate) fn of_signature_at(&self, signed_at: Timestamp, asked_at: Timestamp) -> Self {
        let Self { end, limited_by, works } = self.clone();
        let ages = limited_by.contains(&Limit::SignatureAge);
        let earlier = end.saturating_sub(asked_at.duration_since(signed_at));
        let end = if ages { earlier.unwrap_or(end) } else { end };
        Self { end, limited_by, works }
    }
}

impl Expiry {
    /// The earliest of all known ends. `told` is the server's answer, if it was asked.
    pub(crate) fn of(
        life: Life,
        session: Session,
        told: Option<&ServerExpiry>,
        now: Timestamp,
    ) -> Self {
        let signed_at = AmzDate::from_timestamp(now).timestamp();
        let requested_end = after(signed_at, life.seconds());
        let mut ends = vec![(Limit::Requested, requested_end)];
        let works = told.map(|told| told.works.clone());
        let maximum = u64::from(EXPIRES_SECONDS_MAX);
        if life.seconds() >= maximum {
            ends.push((Limit::Maximum, after(signed_at, maximum)));
        }
        match session {
            Session::LongTerm => {}
            Session::EndsAt(end) => ends.push((Limit::Session, end)),
            Session::EndUnknown => {
                let limited_by = vec![Limit::SessionUnknown];
                return Self { requested_end, effective_end: None, limited_by, works };
            }
        }
        if let Some(told) = told {
            let of_server = told.limited_by.iter().filter(|limit| limit.is_of_server());
            ends.extend(of_server.map(|limit| (*limit, told.end)));
        }
        let earliest = ends.iter().map(|(_, end)| *end).min();
        let mut limited_by: Vec<Limit> = Vec::new();
        for (limit, end) in ends {
            if Some(end) == earliest && !limited_by.contains(&limit) {
                limited_by.push(limit);
            }
        }
        Self { requested_end, effective_end: earliest, limited_by, works }
    }

    /// What the server said of the link.
    pub(crate) fn told(&self) -> ToldMembers<'_> {
        let (works, missing) = match &self.works {
            None => (None, None),
            Some(Works::Yes) => (Some("yes"), None),
            Some(Works::No) => (Some("no"), None),
            Some(Works::Unknown(missing)) => (Some("unknown"), Some(&**missing)),
        };
        let allowed = self.works.as_ref().map(|works| *works == Works::Yes);
        ToldMembers { allowed, works, missing }
    }

    /// A warning: the link would be refused, or may be, or ends earlier than asked, or may. `None` if all is well.
    pub(crate) fn caution(&self) -> Option<String> {
        let Self { requested_end, effective_end, limited_by: _, works } = self;
        match works {
            None | Some(Works::Yes) => {}
            Some(Works::No) => {
                let refused = "the link would be refused: its signer may not do this";
                return Some(refused.to_owned());
            }
            Some(Works::Unknown(missing)) => {
                return Some(format!(
                    "whether the link works depends on {}, which nobody knows until it is used",
                    missing.join(", ")
                ));
            }
        }
        match effective_end {
            None => Some(
                "temporary credentials sign this link, and they do not say when they end; the link \
                 ends with them"
                    .to_owned(),
            ),
            Some(end) if end < requested_end => {
                let why = self.why();
                Some(format!("the link works until {end}, {why}, not until {requested_end}"))
            }
            Some(_) => None,
        }
    }

    fn why(&self) -> &'static str {
        match self.limited_by.first() {
            Some(Limit::Maximum) => "7 days being the longest that any link can live",
            Some(Limit::Session | Limit::SessionUnknown) => "when the session that signs it ends",
            Some(Limit::SignatureAge) => "when a policy finds its signature too old",
            Some(Limit::PolicyTime) => "when the time that a policy allows is over",
            Some(Limit::Requested) | None => "as asked",
        }
    }

    /// The life that ends with the link. `None` if the end has passed, or nobody can know it.
    pub(crate) fn trimmed(&self, now: Timestamp) -> Option<ExpiresIn> {
        let signed_at = AmzDate::from_timestamp(now).timestamp();
        let seconds = self.effective_end?.duration_since(signed_at).as_secs();
        ExpiresIn::from_seconds(u64::try_from(seconds).ok()?).ok()
    }
}

impl Limit {
    /// Whether only the server knows about this end. The others follow from the link's own date.
    fn is_of_server(self) -> bool {
        match self {
            Self::Session | Self::SignatureAge | Self::PolicyTime => true,
            Self::Requested | Self::Maximum | Self::SessionUnknown => false,
        }
    }
}

fn after(time: Timestamp, seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    time.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;

    const NOW: &str = "2026-06-15T12:00:00.7Z";

    fn at(time: &str) -> Timestamp {
        format!("2026-06-{time}Z").parse().unwrap()
    }

    fn expiry(life: &str, session: Session, told: Option<&ServerExpiry>) -> Expiry {
        Expiry::of(args::life(life).unwrap(), session, told, NOW.parse().unwrap())
    }

    #[test]
    fn the_earliest_end_limits() {
        let check =
            |life: &str, session, told: Option<&ServerExpiry>, end, limited_by: &[Limit]| {
                let found = expiry(life, session, told);
                assert_eq!((found.effective_end, &*found.limited_by), (end, limited_by), "{life}");
            };
        let end = at("15T13:00:00");
        let (earlier, later) = (at("15T12:30:00"), at("15T13:30:00"));
        check("1h", Session::LongTerm, None, Some(end), &[Limit::Requested]);
        let week = Some(at("22T12:00:00"));
        check("7d", Session::LongTerm, None, week, &[Limit::Requested, Limit::Maximum]);
        check("30d", Session::LongTerm, None, week, &[Limit::Maximum]);
        check("1h", Session::EndsAt(earlier), None, Some(earlier), &[Limit::Session]);
        let both = [Limit::Requested, Limit::Session];
        check("1h", Session::EndsAt(end), None, Some(end), &both);
        check("1h", Session::EndsAt(later), None, Some(end), &[Limit::Requested]);
        check("1h", Session::EndUnknown, None, None, &[Limit::SessionUnknown]);

        let told =
            |end, limit| Some(ServerExpiry { end, limited_by: vec![limit], works: Works::Yes });
        let age = told(earlier, Limit::SignatureAge);
        check("1h", Session::LongTerm, age.as_ref(), Some(earlier), &[Limit::SignatureAge]);
        check("1h", Session::EndUnknown, age.as_ref(), None, &[Limit::SessionUnknown]);
        let both = [Limit::Session, Limit::SignatureAge];
        check("1h", Session::EndsAt(earlier), age.as_ref(), Some(earlier), &both);
        let session = told(earlier, Limit::Session);
        check("1h", Session::EndsAt(earlier), session.as_ref(), Some(earlier), &[Limit::Session]);
        let time = told(later, Limit::PolicyTime);
        check("1h", Session::LongTerm, time.as_ref(), Some(end), &[Limit::Requested]);
        // The server counts from when it was asked, the link from when it is signed.
        let asked = told(at("15T13:00:01"), Limit::Requested);
        check("1h", Session::LongTerm, asked.as_ref(), Some(end), &[Limit::Requested]);
    }

    #[test]
    fn cautions() {
        let check = |life: &str, session, told: Option<Limit>, expected: Option<&str>| {
            let told = told.map(|limit| ServerExpiry {
                end: at("15T12:30:00"),
                limited_by: vec![limit],
                works: if limit == Limit::Requested { Works::No } else { Works::Yes },
            });
            assert_eq!(expiry(life, session, told.as_ref()).caution().as_deref(), expected);
        };
        check("1h", Session::LongTerm, None, None);
        check("1h", Session::EndsAt(at("15T13:00:00")), None, None);
        check(
            "1h",
            Session::LongTerm,
            Some(Limit::Requested),
            Some("the link would be refused: its signer may not do this"),
        );
        check(
            "1h",
            Session::EndsAt(at("15T12:30:00")),
            None,
            Some(
                "the link works until 2026-06-15T12:30:00Z, when the session that signs it ends, \
                 not until 2026-06-15T13:00:00Z",
            ),
        );
        check(
            "1h",
            Session::LongTerm,
            Some(Limit::SignatureAge),
            Some(
                "the link works until 2026-06-15T12:30:00Z, when a policy finds its signature too \
                 old, not until 2026-06-15T13:00:00Z",
            ),
        );
        check(
            "1h",
            Session::LongTerm,
            Some(Limit::PolicyTime),
            Some(
                "the link works until 2026-06-15T12:30:00Z, when the time that a policy allows is \
                 over, not until 2026-06-15T13:00:00Z",
            ),
        );
        check(
            "8d",
            Session::LongTerm,
            None,
            Some(
                "the link works until 2026-06-22T12:00:00Z, 7 days being the longest that any link \
                 can live, not until 2026-06-23T12:00:00Z",
            ),
        );
        check(
            "1h",
            Session::EndUnknown,
            None,
            Some(
                "temporary credentials sign this link, and they do not say when they end; the link \
                 ends with them",
            ),
        );
    }

    #[test]
    fn a_caution_names_what_nobody_knows() {
        let open = ServerExpiry {
            end: at("15T12:30:00"),
            limited_by: vec![Limit::SignatureAge],
            works: Works::of(false, vec!["aws:sourceip".to_owned(), "aws:useragent".to_owned()]),
        };
        let found = expiry("1h", Session::LongTerm, Some(&open));
        assert_eq!(found.effective_end, Some(open.end));
        let expected = "whether the link works depends on aws:sourceip, aws:useragent, which nobody knows \
                        until it is used";
        assert_eq!(found.caution().as_deref(), Some(expected));
    }

    #[test]
    fn what_the_server_said_is_printed() {
        let members = |works: Option<Works>| {
            let end = at("15T12:30:00");
            let told = works.map(|works| ServerExpiry { end, limited_by: Vec::new(), works });
            let members = |session| {
                serde_json::to_string(&expiry("1h", session, told.as_ref()).told()).unwrap()
            };
            assert_eq!(members(Session::LongTerm), members(Session::EndUnknown));
            members(Session::LongTerm)
        };
        let missing = vec!["aws:sourceip".to_owned()];
        assert_eq!(members(None), "{}");
        assert_eq!(members(Some(Works::Yes)), r#"{"allowed":true,"works":"yes"}"#);
        assert_eq!(members(Some(Works::No)), r#"{"allowed":false,"works":"no"}"#);
        assert_eq!(
            members(Some(Works::of(false, missing))),
            r#"{"allowed":false,"works":"unknown","missing":["aws:sourceip"]}"#
        );
    }

    #[test]
    fn what_is_trimmed_holds() {
        let check = |life: &str, session, expected: Option<u32>| {
            let found = expiry(life, session, None).trimmed(NOW.parse().unwrap());
            assert_eq!(found.map(ExpiresIn::seconds), expected, "{life}");
        };
        check("1h", Session::LongTerm, Some(3_600));
        check("30d", Session::LongTerm, Some(604_800));
        check("1h", Session::EndsAt(at("15T12:10:00.9")), Some(600));
        check("1h", Session::EndsAt(at("15T12:00:01")), Some(1));
        check("1h", Session::EndsAt(at("15T12:00:00.9")), None);
        check("1h", Session::EndsAt(at("14T12:00:00")), None);
        check("1h", Session::EndUnknown, None);
    }
}
