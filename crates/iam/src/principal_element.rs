//! Whom a statement of a resource's policy is about.

use crate::{AccountId, Principal};

/// The names in a `Principal` or `NotPrincipal`.
#[derive(Clone, Debug, Default)]
pub(crate) struct PrincipalElement {
    names: Vec<PrincipalName>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PrincipalName {
    Everyone,
    /// `arn:aws:iam::A:root` or the bare id: the account's own policies decide further.
    Account(AccountId),
    /// An ARN or a unique id.
    Aws(String),
    Federated(String),
    /// Nobody of that kind ever asks here.
    Other,
}

/// How firmly a statement names somebody (aws-semantics 5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grip {
    /// The account: it only delegates.
    Account,
    /// Everybody, or the role of a session: boundaries and session policies still bind.
    Loose,
    /// The very user, session or federated user.
    Direct,
}

impl PrincipalElement {
    pub(crate) const KINDS: &[&str] = &["AWS", "CanonicalUser", "Federated", "Service"];

    pub(crate) fn push(&mut self, kind: &str, name: String) {
        self.names.push(match kind {
            "AWS" => aws_name(name),
            "Federated" => PrincipalName::Federated(name),
            _ => PrincipalName::Other,
        });
    }

    /// Whether it names everybody.
    pub(crate) fn is_everyone(&self) -> bool {
        self.names.contains(&PrincipalName::Everyone)
    }

    /// How firmly it names this principal; `None`: not at all.
    pub(crate) fn grip(&self, principal: &Principal) -> Option<Grip> {
        self.names.iter().filter_map(|name| grip(name, principal)).max()
    }

    /// Whether a `NotPrincipal` leaves this principal out: it must name everything that the
    /// principal is, the account included, or the denial of the account reaches it.
    pub(crate) fn spares(&self, principal: &Principal) -> bool {
        let names = |matches: &dyn Fn(&PrincipalName) -> bool| self.names.iter().any(matches);
        let everyone = names(&|name| *name == PrincipalName::Everyone);
        let account = principal.account().is_some_and(|account| {
            names(&|name| matches!(name, PrincipalName::Account(known) if known == account))
        });
        let text = |text: Option<String>| {
            text.is_some_and(|text| {
                names(&|name| matches!(name, PrincipalName::Aws(known) if *known == text))
            })
        };
        everyone
            || match principal {
                Principal::Anonymous => false,
                Principal::Root { .. } => account,
                Principal::User { id, .. } => {
                    account && (text(principal.arn()) || text(Some(id.clone())))
                }
                Principal::AssumedRole { role_id, .. } => {
                    let role = text(principal.principal_arn()) || text(Some(role_id.clone()));
                    account && role && (text(principal.arn()) || text(principal.user_id()))
                }
                Principal::FederatedUser { .. } => account && text(principal.arn()),
                Principal::WebIdentity { provider } => names(
                    &|name| matches!(name, PrincipalName::Federated(known) if known == provider),
                ),
            }
    }
}

fn aws_name(name: String) -> PrincipalName {
    if name == "*" {
        return PrincipalName::Everyone;
    }
    if let Ok(account) = AccountId::parse(&name) {
        return PrincipalName::Account(account);
    }
    let account = name.strip_prefix("arn:aws:iam::").and_then(|rest| rest.strip_suffix(":root"));
    match account.and_then(|account| AccountId::parse(account).ok()) {
        Some(account) => PrincipalName::Account(account),
        None => PrincipalName::Aws(name),
    }
}

fn grip(name: &PrincipalName, principal: &Principal) -> Option<Grip> {
    match name {
        PrincipalName::Everyone => Some(Grip::Loose),
        PrincipalName::Account(account) => {
            (principal.account() == Some(account)).then_some(Grip::Account)
        }
        PrincipalName::Aws(text) => match principal {
            Principal::User { id, .. } => {
                let named = text == id || Some(text) == principal.arn().as_ref();
                named.then_some(Grip::Direct)
            }
            Principal::AssumedRole { role_id, .. } => {
                let session = Some(text) == principal.arn().as_ref()
                    || Some(text) == principal.user_id().as_ref();
                let role = text == role_id || Some(text) == principal.principal_arn().as_ref();
                if session { Some(Grip::Direct) } else { role.then_some(Grip::Loose) }
            }
            Principal::FederatedUser { .. } => {
                (Some(text) == principal.arn().as_ref()).then_some(Grip::Direct)
            }
            Principal::Anonymous | Principal::Root { .. } | Principal::WebIdentity { .. } => None,
        },
        PrincipalName::Federated(provider) => match principal {
            Principal::WebIdentity { provider: own } => (own == provider).then_some(Grip::Direct),
            Principal::Anonymous
            | Principal::Root { .. }
            | Principal::User { .. }
            | Principal::AssumedRole { .. }
            | Principal::FederatedUser { .. } => None,
        },
        PrincipalName::Other => None,
    }
}
