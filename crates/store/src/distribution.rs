//! Distributions, and what they are made of: public keys, key groups, policies, invalidations. What their documents
//! mean is for whoever writes them to say; here they are kept, found and changed, all of them at one moment.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use iam::AccountId;
use jiff::Timestamp;

/// How many resources of distributions one account may have, invalidations among them.
pub const DISTRIBUTION_RESOURCES_MAX: usize = 2_000;
/// How long the document of one resource may be, in bytes.
pub const DISTRIBUTION_DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// What a resource of distributions is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// A key that signatures of viewers are verified with.
    PublicKey,
    /// Keys that a distribution trusts together.
    KeyGroup,
    /// How a distribution proves itself to its origin.
    OriginAccessControl,
    /// What is part of the key of a cache, and for how long it is kept.
    CachePolicy,
    /// Which headers a distribution sends on to its origin.
    OriginRequestPolicy,
    /// Which headers a distribution adds to its answers.
    ResponseHeadersPolicy,
    /// A distribution itself.
    Distribution,
    /// An order to forget what is cached of a distribution.
    Invalidation,
}

impl ResourceKind {
    /// All kinds, in the order of their declaration.
    pub const ALL: [Self; 8] = [
        Self::PublicKey,
        Self::KeyGroup,
        Self::OriginAccessControl,
        Self::CachePolicy,
        Self::OriginRequestPolicy,
        Self::ResponseHeadersPolicy,
        Self::Distribution,
        Self::Invalidation,
    ];

    /// The word for the kind: in records, and in names of resources (ARNs).
    pub fn name(self) -> &'static str {
        match self {
            Self::PublicKey => "public-key",
            Self::KeyGroup => "key-group",
            Self::OriginAccessControl => "origin-access-control",
            Self::CachePolicy => "cache-policy",
            Self::OriginRequestPolicy => "origin-request-policy",
            Self::ResponseHeadersPolicy => "response-headers-policy",
            Self::Distribution => "distribution",
            Self::Invalidation => "invalidation",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One resource as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistributionResource {
    /// Given once and never again, over all kinds and accounts.
    pub id: String,
    /// The account that made it.
    pub account: AccountId,
    /// What it is.
    pub kind: ResourceKind,
    /// Names this state of the resource: whoever changes it says which state was read.
    pub etag: String,
    /// When it was made, to the millisecond.
    pub created_at: Timestamp,
    /// When it was changed last, to the millisecond.
    pub changed_at: Timestamp,
    /// Hosts at which a distribution is reached beside its own, in lower case; each leads to one distribution.
    pub hosts: Vec<String>,
    /// What it says, in the words of whoever wrote it: at most [`DISTRIBUTION_DOCUMENT_BYTES_MAX`] bytes.
    pub document: Arc<str>,
}

/// Why a change of distributions cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DistributionError {
    /// The account has [`DISTRIBUTION_RESOURCES_MAX`] resources.
    #[error("the account has too many resources of distributions")]
    TooMany,
    /// The document is longer than [`DISTRIBUTION_DOCUMENT_BYTES_MAX`].
    #[error("the document of the resource is too long")]
    TooLong,
    /// Another distribution is reached at one of the hosts.
    #[error("a host leads to another distribution already")]
    HostTaken,
    /// Another account has a resource of that id.
    #[error("the id of the resource is taken")]
    IdTaken,
}

/// The resources of all accounts at one moment.
#[derive(Clone, Debug, Default)]
pub struct Distributions {
    number: u64,
    all: BTreeMap<String, Arc<DistributionResource>>,
    hosts: HashMap<String, Arc<DistributionResource>>,
}

impl Distributions {
    pub(crate) fn new(number: u64, all: Vec<DistributionResource>) -> Self {
        let mut these = Self { number, ..Self::default() };
        for resource in all {
            these.put(resource);
        }
        these
    }

    /// The number of their latest change: another number, other resources.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The resource of an id, whoever made it.
    pub fn resource(&self, id: &str) -> Option<&Arc<DistributionResource>> {
        self.all.get(id)
    }

    /// Those of an account and a kind, in the order of their ids.
    pub fn of<'a>(
        &'a self,
        account: &'a AccountId,
        kind: ResourceKind,
    ) -> impl Iterator<Item = &'a Arc<DistributionResource>> {
        self.all.values().filter(move |found| found.kind == kind && found.account == *account)
    }

    /// All resources of a kind, of every account.
    pub fn all_of(&self, kind: ResourceKind) -> impl Iterator<Item = &Arc<DistributionResource>> {
        self.all.values().filter(move |found| found.kind == kind)
    }

    /// The distribution that has a host of its own, which is given in lower case and without port.
    pub fn at_host(&self, host: &str) -> Option<&Arc<DistributionResource>> {
        self.hosts.get(host)
    }

    fn put(&mut self, resource: DistributionResource) {
        self.remove(&resource.id);
        let resource = Arc::new(resource);
        for host in &resource.hosts {
            self.hosts.insert(host.clone(), Arc::clone(&resource));
        }
        self.all.insert(resource.id.clone(), resource);
    }

    fn remove(&mut self, id: &str) {
        if let Some(resource) = self.all.remove(id) {
            self.hosts.retain(|_, at| at.id != resource.id);
        }
    }
}

/// A change of resources that is being decided: what it has done so far can be read from it.
#[derive(Clone, Debug)]
pub struct DistributionEdit {
    now: Distributions,
    written: BTreeMap<String, Option<Arc<DistributionResource>>>,
}

impl DistributionEdit {
    pub(crate) fn new(before: &Distributions) -> Self {
        Self { now: before.clone(), written: BTreeMap::new() }
    }

    /// The resources as this change leaves them.
    pub fn distributions(&self) -> &Distributions {
        &self.now
    }

    /// Puts a resource in the place of the one that has its id.
    pub fn put(&mut self, resource: DistributionResource) -> Result<(), DistributionError> {
        if resource.document.len() > DISTRIBUTION_DOCUMENT_BYTES_MAX {
            return Err(DistributionError::TooLong);
        }
        let other = |found: &&Arc<DistributionResource>| found.id != resource.id;
        if resource.hosts.iter().any(|host| self.now.at_host(host).as_ref().is_some_and(other)) {
            return Err(DistributionError::HostTaken);
        }
        match self.now.resource(&resource.id) {
            Some(found) if found.account != resource.account || found.kind != resource.kind => {
                return Err(DistributionError::IdTaken);
            }
            Some(_) => (),
            None => {
                let of_account =
                    self.now.all.values().filter(|found| found.account == resource.account);
                if of_account.count() >= DISTRIBUTION_RESOURCES_MAX {
                    return Err(DistributionError::TooMany);
                }
            }
        }
        let id = resource.id.clone();
        self.now.put(resource);
        self.written.insert(id.clone(), self.now.resource(&id).cloned());
        Ok(())
    }

    /// Removes a resource. One that is not there is none.
    pub fn remove(&mut self, id: &str) {
        if self.now.resource(id).is_some() {
            self.now.remove(id);
            self.written.insert(id.to_owned(), None);
        }
    }

    pub(crate) fn has_written(&self) -> bool {
        !self.written.is_empty()
    }

    /// What is to be written: each id with its resource, or none where it is gone.
    pub(crate) fn finish(self) -> Vec<(String, Option<Arc<DistributionResource>>)> {
        self.written.into_iter().collect()
    }

    /// The resources after what was written got its number.
    pub(crate) fn numbered(self, number: u64) -> Distributions {
        Distributions { number, ..self.now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(id: &str, account: &str, host: Option<&str>) -> DistributionResource {
        DistributionResource {
            id: id.to_owned(),
            account: AccountId::parse(account).unwrap(),
            kind: ResourceKind::Distribution,
            etag: "E1".to_owned(),
            created_at: Timestamp::UNIX_EPOCH,
            changed_at: Timestamp::UNIX_EPOCH,
            hosts: host.map(str::to_owned).into_iter().collect(),
            document: Arc::from("{}"),
        }
    }

    #[test]
    fn what_an_edit_refuses() {
        let (ours, theirs) = ("111111111111", "222222222222");
        let mut edit = DistributionEdit::new(&Distributions::default());
        edit.put(resource("E1", ours, Some("a.test"))).unwrap();
        let long = DistributionResource {
            document: "x".repeat(DISTRIBUTION_DOCUMENT_BYTES_MAX + 1).into(),
            ..resource("E2", ours, None)
        };
        let other_kind =
            DistributionResource { kind: ResourceKind::PublicKey, ..resource("E1", ours, None) };
        let rows = [
            (long, Err(DistributionError::TooLong)),
            (resource("E2", theirs, Some("a.test")), Err(DistributionError::HostTaken)),
            (resource("E1", theirs, None), Err(DistributionError::IdTaken)),
            (other_kind, Err(DistributionError::IdTaken)),
            (resource("E1", ours, Some("a.test")), Ok(())),
            (resource("E1", ours, Some("b.test")), Ok(())),
            (resource("E2", theirs, Some("a.test")), Ok(())),
        ];
        for (resource, expected) in rows {
            assert_eq!(edit.put(resource), expected);
        }
        for number in 3..=DISTRIBUTION_RESOURCES_MAX + 1 {
            edit.put(resource(&format!("E{number}"), ours, None)).unwrap();
        }
        assert_eq!(edit.put(resource("E0", ours, None)), Err(DistributionError::TooMany));
        assert_eq!(edit.put(resource("E0", theirs, None)), Ok(()));
    }

    #[test]
    fn a_host_goes_with_its_distribution() {
        let mut edit = DistributionEdit::new(&Distributions::default());
        edit.put(resource("E1", "111111111111", Some("a.test"))).unwrap();
        edit.put(resource("E1", "111111111111", Some("b.test"))).unwrap();
        let at = |edit: &DistributionEdit, host: &str| {
            edit.distributions().at_host(host).map(|found| found.id.clone())
        };
        assert_eq!(at(&edit, "a.test"), None);
        assert_eq!(at(&edit, "b.test").as_deref(), Some("E1"));
        edit.remove("E1");
        assert_eq!(at(&edit, "b.test"), None);
        let written = edit.finish();
        assert_eq!(written, [("E1".to_owned(), None)]);
    }
}
