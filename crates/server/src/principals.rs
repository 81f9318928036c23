//! Principals in policies of resources: stored by the ids that are never given twice, shown by name.

use std::collections::HashMap;
use std::sync::Arc;

use iam::{AccountId, Policy};
use store::{BoundPolicy, Store, StoreError};

/// Why a policy cannot be bound.
#[derive(Debug)]
pub(crate) enum BindError {
    /// It names somebody who does not exist.
    Unknown {
        /// As the policy spells it.
        principal: String,
    },
    /// The records cannot be read.
    Store(StoreError),
}

impl From<StoreError> for BindError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What a name in a policy stands for.
enum Meaning {
    /// It is evaluated as it stands.
    Itself,
    /// It is evaluated by this id.
    Id(String),
    /// There is nobody of that name.
    Nobody,
}

/// The policy as it is evaluated: users and roles by their ids. `first` is the account that needs
/// no record.
pub(crate) async fn bind(
    store: &Store,
    first: &AccountId,
    policy: &Arc<Policy>,
) -> Result<Arc<Policy>, BindError> {
    let mut ids = HashMap::new();
    for principal in policy.aws_principals() {
        match meaning(store, first, &principal).await? {
            Meaning::Itself => {}
            Meaning::Id(id) => {
                ids.insert(principal, id);
            }
            Meaning::Nobody => return Err(BindError::Unknown { principal }),
        }
    }
    if ids.is_empty() {
        return Ok(Arc::clone(policy));
    }
    let bound = policy.bind(|principal| ids.get(principal).cloned());
    // It parsed before, and only texts were exchanged.
    bound.map(Arc::new).map_err(|_| StoreError::Corrupt { what: "bound policy" }.into())
}

/// The text as its owner may see it: as it was given while all whom it names are there; whoever is
/// gone is shown by id, as AWS does (semantics 5.3.3).
pub(crate) async fn shown(
    store: &Store,
    first: &AccountId,
    policy: &BoundPolicy,
) -> Result<String, StoreError> {
    let BoundPolicy { document, bound } = policy;
    let names = document.aws_principals().into_iter().zip(bound.aws_principals());
    let mut gone = HashMap::new();
    for (name, id) in names.filter(|(name, id)| name != id) {
        let now = match meaning(store, first, &name).await? {
            Meaning::Id(now) => Some(now),
            Meaning::Itself | Meaning::Nobody => None,
        };
        if now.as_ref() != Some(&id) {
            gone.insert(name, id);
        }
    }
    if gone.is_empty() {
        return Ok(document.text().to_owned());
    }
    let shown = document.bind(|name| gone.get(name).cloned());
    let shown = shown.map_err(|_| StoreError::Corrupt { what: "stored policy" })?;
    Ok(shown.text().to_owned())
}

async fn meaning(store: &Store, first: &AccountId, name: &str) -> Result<Meaning, StoreError> {
    if name == "*" {
        return Ok(Meaning::Itself);
    }
    if let Ok(account) = AccountId::parse(name) {
        return exists(store, first, &account).await;
    }
    let mut sections = name.splitn(6, ':');
    let (arn, partition, service) = (sections.next(), sections.next(), sections.next());
    let (region, account, resource) = (sections.next(), sections.next(), sections.next());
    let (Some("arn"), Some("aws"), Some(service), Some("")) = (arn, partition, service, region)
    else {
        return Ok(unique_id(name));
    };
    let Some(account) = account.and_then(|account| AccountId::parse(account).ok()) else {
        return Ok(Meaning::Nobody);
    };
    let resource = resource.unwrap_or_default();
    let (kind, rest) = resource.split_once('/').unwrap_or((resource, ""));
    let directory = store.directory(&account).await?;
    let last = rest.rsplit('/').next().unwrap_or_default();
    Ok(match (service, kind) {
        ("iam", "root") => return exists(store, first, &account).await,
        ("iam", "user") => match directory.user(last) {
            Some(user) if names(resource, "user", &user.path, &user.name) => {
                Meaning::Id(user.id.clone())
            }
            Some(_) | None => Meaning::Nobody,
        },
        ("iam", "role") => match directory.role(last) {
            Some(role) if names(resource, "role", &role.path, &role.name) => {
                Meaning::Id(role.id.clone())
            }
            Some(_) | None => Meaning::Nobody,
        },
        // Sessions come and go; their names are not given out here.
        ("sts", "assumed-role" | "federated-user") => Meaning::Itself,
        _ => Meaning::Nobody,
    })
}

/// Whether a resource is exactly that of `kind`, path and name.
fn names(resource: &str, kind: &str, path: &str, name: &str) -> bool {
    let rest = resource.strip_prefix(kind).and_then(|rest| rest.strip_prefix(path));
    rest == Some(name)
}

/// The id of somebody who may be gone: it may stand in a policy and matches nobody then.
fn unique_id(name: &str) -> Meaning {
    let known = ["AIDA", "AROA"].iter().any(|prefix| name.starts_with(prefix));
    let letters = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if known && letters { Meaning::Itself } else { Meaning::Nobody }
}

async fn exists(
    store: &Store,
    first: &AccountId,
    account: &AccountId,
) -> Result<Meaning, StoreError> {
    let known = account == first || store.account(account).await?.is_some();
    Ok(if known { Meaning::Itself } else { Meaning::Nobody })
}
