//! Principals as policies name them.

use crate::arn::Arn;
use crate::policy::PolicyError;
use crate::{AccountId, Principal};

/// Lengths of unique ids (`AIDA…`, `AROA…`), as IAM documents them.
const UNIQUE_ID_CHARACTERS: std::ops::RangeInclusive<usize> = 16..=128;

/// An entry of `Principal` or `NotPrincipal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamedPrincipal<'p> {
    /// `*`: everybody, callers without a signature included.
    Anyone,
    /// An account, by its id or the ARN of its root: the account may give the permission on.
    Account(&'p str),
    /// The ARN of a user; the rest is `/name` or `/path/name`.
    User { account: &'p str, rest: &'p str },
    /// The ARN of a role; the rest is `/name` or `/path/name`.
    Role { account: &'p str, rest: &'p str },
    /// The ARN of one session of a role.
    Session { account: &'p str, role: &'p str, session: &'p str },
    /// The ARN of a session of `GetFederationToken`.
    FederatedUser { account: &'p str, name: &'p str },
    /// The unique id of a user or role.
    UniqueId(&'p str),
    /// `Federated`: a provider, by its ARN or name.
    Provider(&'p str),
    /// `CanonicalUser`: an id that Valet gives nobody, so that it names nobody.
    CanonicalUser(&'p str),
    /// `Service`: a service that calls for its resources, by name. Of those of AWS, few call here.
    Service(&'p str),
}

/// How closely a policy names somebody, loosest first. It decides what a grant is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Naming {
    /// The account is named: its own policies must allow as well.
    Account,
    /// The role of the session is named: boundary and session policies still limit the grant.
    Role,
    /// The caller itself is, or everybody.
    Caller,
}

impl<'p> NamedPrincipal<'p> {
    /// Reads an entry under `AWS`.
    pub(crate) fn parse_aws(text: &'p str) -> Result<Self, PolicyError> {
        let invalid = || PolicyError::Principal(text.to_owned());
        if text == "*" {
            return Ok(Self::Anyone);
        }
        if AccountId::is_well_formed(text) {
            return Ok(Self::Account(text));
        }
        if ["AIDA", "AROA"].iter().any(|prefix| text.starts_with(prefix)) {
            let well_formed = UNIQUE_ID_CHARACTERS.contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric());
            return well_formed.then_some(Self::UniqueId(text)).ok_or_else(invalid);
        }
        Arn::parse(text).and_then(|arn| Self::from_arn(&arn)).ok_or_else(invalid)
    }

    fn from_arn(arn: &Arn<'p>) -> Option<Self> {
        let account = Some(arn.account).filter(|account| AccountId::is_well_formed(account))?;
        let named = |name: &str| !name.is_empty() && !name.contains(['*', '?']);
        if arn.partition != "aws" || !arn.region.is_empty() {
            return None;
        }
        match arn.service {
            "iam" if arn.resource == "root" => Some(Self::Account(account)),
            "iam" => {
                let (kind, _) = arn.resource.split_once('/')?;
                let rest = arn.resource.strip_prefix(kind)?;
                let (_, name) = rest.rsplit_once('/')?;
                (named(name) && named(rest)).then_some(())?;
                match kind {
                    "user" => Some(Self::User { account, rest }),
                    "role" => Some(Self::Role { account, rest }),
                    _ => None,
                }
            }
            "sts" => {
                let (kind, name) = arn.resource.split_once('/')?;
                match kind {
                    "assumed-role" => {
                        let (role, session) = name.split_once('/')?;
                        let named = named(role) && named(session);
                        named.then_some(Self::Session { account, role, session })
                    }
                    "federated-user" => {
                        named(name).then_some(Self::FederatedUser { account, name })
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// How closely this names `principal`, if at all.
    pub(crate) fn names(self, principal: &Principal) -> Option<Naming> {
        let (names, naming) = match (self, principal) {
            (Self::Anyone, _) => (true, Naming::Caller),
            (Self::Account(account), Principal::Root { account: own }) => {
                (account == own.as_str(), Naming::Caller)
            }
            (Self::Account(account), _) => {
                (principal.account().is_some_and(|own| account == own.as_str()), Naming::Account)
            }
            (Self::User { account, rest }, Principal::User { account: own, path, name, .. }) => {
                (account == own.as_str() && is_path_and_name(rest, path, name), Naming::Caller)
            }
            (
                Self::Role { account, rest },
                Principal::AssumedRole { account: own, path, role, .. },
            ) => (account == own.as_str() && is_path_and_name(rest, path, role), Naming::Role),
            (
                Self::Session { account, role, session },
                Principal::AssumedRole {
                    account: own, role: own_role, session: own_session, ..
                },
            ) => (
                account == own.as_str() && role == own_role && session == own_session,
                Naming::Caller,
            ),
            (
                Self::FederatedUser { account, name },
                Principal::FederatedUser { account: own, name: own_name },
            ) => (account == own.as_str() && name == own_name, Naming::Caller),
            (Self::UniqueId(id), Principal::User { id: own, .. }) => (id == own, Naming::Caller),
            (Self::UniqueId(id), Principal::AssumedRole { role_id, .. }) => {
                (id == role_id, Naming::Role)
            }
            (Self::Service(name), Principal::Service { name: own }) => {
                (name == *own, Naming::Caller)
            }
            (Self::Provider(name), Principal::WebIdentity { provider }) => {
                (name == provider, Naming::Caller)
            }
            _ => return None,
        };
        names.then_some(naming)
    }

    /// The ARN of a user or role: of what can be deleted and made again under the same name.
    pub(crate) fn entity_arn(self) -> Option<String> {
        match self {
            Self::User { account, rest } => Some(format!("arn:aws:iam::{account}:user{rest}")),
            Self::Role { account, rest } => Some(format!("arn:aws:iam::{account}:role{rest}")),
            Self::Anyone
            | Self::Account(_)
            | Self::Session { .. }
            | Self::FederatedUser { .. }
            | Self::UniqueId(_)
            | Self::Provider(_)
            | Self::CanonicalUser(_)
            | Self::Service(_) => None,
        }
    }
}

/// Whether everything that `principal` is, the account included, stands in a `NotPrincipal`.
///
/// AWS asks for a user or session to be listed together with its account (and a session with its
/// role): what is not listed is denied.
pub(crate) fn is_exempt<'p>(
    listed: &(impl Iterator<Item = NamedPrincipal<'p>> + Clone),
    principal: &Principal,
) -> bool {
    if listed.clone().any(|entry| entry == NamedPrincipal::Anyone) {
        return true;
    }
    let named = |naming| listed.clone().any(|entry| entry.names(principal) == Some(naming));
    match principal {
        Principal::Anonymous => false,
        Principal::WebIdentity { .. } | Principal::Root { .. } | Principal::Service { .. } => {
            named(Naming::Caller)
        }
        Principal::User { .. } | Principal::FederatedUser { .. } => {
            named(Naming::Caller) && named(Naming::Account)
        }
        Principal::AssumedRole { .. } => {
            named(Naming::Caller) && named(Naming::Role) && named(Naming::Account)
        }
    }
}

/// Whether `rest` is `path` and `name` together.
fn is_path_and_name(rest: &str, path: &str, name: &str) -> bool {
    rest.strip_prefix(path) == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> AccountId {
        AccountId::parse("111122223333").unwrap()
    }

    fn user() -> Principal {
        let (path, name, id) = ("/staff/".into(), "ann".into(), "AIDA2222222222222222A".into());
        Principal::User { account: account(), path, name, id }
    }

    fn session() -> Principal {
        Principal::AssumedRole {
            account: account(),
            path: "/".into(),
            role: "reader".into(),
            role_id: "AROA2222222222222222A".into(),
            session: "s1".into(),
        }
    }

    #[test]
    fn names_callers_roles_and_accounts() {
        use Naming::{Account, Caller, Role};
        let federated = Principal::FederatedUser { account: account(), name: "bob".into() };
        let root = Principal::Root { account: account() };
        for (entry, principal, expected) in [
            ("*", Principal::Anonymous, Some(Caller)),
            ("*", user(), Some(Caller)),
            ("111122223333", user(), Some(Account)),
            ("arn:aws:iam::111122223333:root", session(), Some(Account)),
            ("arn:aws:iam::111122223333:root", root.clone(), Some(Caller)),
            ("444455556666", root, None),
            ("444455556666", Principal::Anonymous, None),
            ("arn:aws:iam::111122223333:user/staff/ann", user(), Some(Caller)),
            ("arn:aws:iam::111122223333:user/ann", user(), None),
            ("arn:aws:iam::111122223333:user/staff/Ann", user(), None),
            ("arn:aws:iam::444455556666:user/staff/ann", user(), None),
            ("arn:aws:iam::111122223333:role/staff/ann", user(), None),
            ("AIDA2222222222222222A", user(), Some(Caller)),
            ("AIDA2222222222222222B", user(), None),
            ("arn:aws:iam::111122223333:role/reader", session(), Some(Role)),
            ("AROA2222222222222222A", session(), Some(Role)),
            ("arn:aws:sts::111122223333:assumed-role/reader/s1", session(), Some(Caller)),
            ("arn:aws:sts::111122223333:assumed-role/reader/s2", session(), None),
            ("arn:aws:sts::111122223333:federated-user/bob", federated.clone(), Some(Caller)),
            ("arn:aws:iam::111122223333:user/bob", federated, None),
        ] {
            let named = NamedPrincipal::parse_aws(entry).unwrap();
            assert_eq!(named.names(&principal), expected, "{entry} for {principal}");
        }
    }

    #[test]
    fn a_service_is_named_as_such_and_by_everybody() {
        let service = Principal::Service { name: crate::CLOUDFRONT_SERVICE };
        for (entry, expected) in [
            (NamedPrincipal::Service("cloudfront.amazonaws.com"), Some(Naming::Caller)),
            (NamedPrincipal::Anyone, Some(Naming::Caller)),
            (NamedPrincipal::Service("logging.s3.amazonaws.com"), None),
            (NamedPrincipal::Provider("cloudfront.amazonaws.com"), None),
            (NamedPrincipal::Account("111122223333"), None),
        ] {
            assert_eq!(entry.names(&service), expected, "{entry:?}");
        }
        assert_eq!(NamedPrincipal::Service("cloudfront.amazonaws.com").names(&user()), None);
        let listed = [NamedPrincipal::Service("cloudfront.amazonaws.com")];
        assert!(is_exempt(&listed.into_iter(), &service));
        assert!(!is_exempt(&listed.into_iter(), &Principal::Anonymous));
    }

    #[test]
    fn refuses_what_names_nobody() {
        for bad in [
            "",
            "ann",
            "1234",
            "AIDA",
            "AIDA2222222222222222/",
            "arn:aws:iam::111122223333:user/*",
            "arn:aws:iam::111122223333:user",
            "arn:aws:iam::111122223333:user/",
            "arn:aws:iam::111122223333:group/g",
            "arn:aws:iam::*:root",
            "arn:aws:iam:us-east-1:111122223333:root",
            "arn:aws-cn:iam::111122223333:root",
            "arn:aws:sts::111122223333:assumed-role/reader",
            "arn:aws:sts::111122223333:federated-user/",
            "arn:aws:sts::111122223333:session/x",
            "arn:aws:s3:::b",
        ] {
            let refused = NamedPrincipal::parse_aws(bad);
            assert_eq!(refused, Err(PolicyError::Principal(bad.to_owned())), "{bad}");
        }
    }

    #[test]
    fn exempts_only_who_is_listed_with_the_account() {
        let exempt = |entries: &[&str], principal: Principal| {
            let entries: Vec<_> =
                entries.iter().map(|entry| NamedPrincipal::parse_aws(entry).unwrap()).collect();
            is_exempt(&entries.into_iter(), &principal)
        };
        let ann = "arn:aws:iam::111122223333:user/staff/ann";
        let role = "arn:aws:iam::111122223333:role/reader";
        let s1 = "arn:aws:sts::111122223333:assumed-role/reader/s1";
        assert!(exempt(&["*"], Principal::Anonymous));
        assert!(exempt(&[ann, "111122223333"], user()));
        assert!(!exempt(&[ann], user()));
        assert!(!exempt(&["111122223333"], user()));
        assert!(exempt(&[role, s1, "111122223333"], session()));
        assert!(!exempt(&[role, "111122223333"], session()));
        assert!(!exempt(&["111122223333"], Principal::Anonymous));
        assert!(exempt(&["111122223333"], Principal::Root { account: account() }));
    }
}
