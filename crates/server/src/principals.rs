//! Principals in policies of buckets and roles. They are stored by ids that are never given twice, and shown by
//! name.

use std::collections::HashMap;
use std::sync::Arc;

use iam::{AccountId, Policy};
use store::{BoundPolicy, Store, StoreError};

/// Why the principals of a policy could not be replaced by ids.
#[derive(Debug)]
pub(crate) enum BindError {
    /// The policy names somebody who does not exist.
    Unknown {
        /// The principal as the policy spells it.
        principal: String,
    },
    /// The store could not be read.
    Store(StoreError),
}

impl From<StoreError> for BindError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What a principal in a policy stands for.
enum Meaning {
    /// It stands for itself, and is evaluated as it is written.
    Itself,
    /// It stands for the identity with this id.
    Id(String),
    /// Nobody has this name.
    Nobody,
}

/// The policy as it is evaluated, with users and roles replaced by their ids. `first` is an account that is
/// known to exist.
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
    // The policy was parsed before, and only these texts were replaced.
    bound.map(Arc::new).map_err(|_| StoreError::Corrupt { what: "bound policy" }.into())
}

/// The policy as its owner may see it. It is the text as it was sent, while everybody named in it still exists.
/// An identity that was deleted is shown by its id, as on AWS (semantics 5.3.3).
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
        // Sessions are not stored, so their names are not checked here.
        ("sts", "assumed-role" | "federated-user") => Meaning::Itself,
        _ => Meaning::Nobody,
    })
}

/// Whether a resource is exactly this `kind`, path and name.
fn names(resource: &str, kind: &str, path: &str, name: &str) -> bool {
    let rest = resource.strip_prefix(kind).and_then(|rest| rest.strip_prefix(path));
    rest == Some(name)
}

/// The id of an identity. The identity may have been deleted; then the principal matches nobody.
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
