//! What distributions name, read once for all that name it: policies, access controls, key groups and keys. Forty
//! behaviours of fifty distributions may name the same key.

use std::collections::HashMap;
use std::sync::Arc;

use iam::AccountId;
use presign::CloudFrontPublicKey;
use store::{DistributionResource, Distributions, ResourceKind};

use super::document::config_of;
use super::managed;
use crate::xml::Element;

/// A key, and the resource that it was read from.
type ReadKey = (Arc<DistributionResource>, Arc<CloudFrontPublicKey>);

/// The resources at one change, as far as they were read.
pub(super) struct Sources<'s> {
    all: &'s Distributions,
    configs: HashMap<String, Option<Arc<Element>>>,
    groups: HashMap<String, Arc<[ReadKey]>>,
    keys: HashMap<String, ReadKey>,
    /// The keys of the change before. One that is the same still is not read again, and what was proven by it is known.
    keys_before: &'s HashMap<String, ReadKey>,
}

/// The keys that were read, by their ids.
#[derive(Debug, Default)]
pub(super) struct ReadKeys(HashMap<String, ReadKey>);

impl ReadKeys {
    /// These keys, and those of before that nobody had to read again.
    pub(super) fn or(mut self, before: &Self) -> Self {
        for (id, read) in &before.0 {
            self.0.entry(id.clone()).or_insert_with(|| read.clone());
        }
        self
    }
}

impl<'s> Sources<'s> {
    pub(super) fn new(all: &'s Distributions, before: &'s ReadKeys) -> Self {
        Self {
            all,
            configs: HashMap::new(),
            groups: HashMap::new(),
            keys: HashMap::new(),
            keys_before: &before.0,
        }
    }

    /// All keys that were read.
    pub(super) fn into_keys(self) -> ReadKeys {
        ReadKeys(self.keys)
    }

    fn resource(
        &self,
        id: &str,
        kind: ResourceKind,
        account: &AccountId,
    ) -> Option<&'s Arc<DistributionResource>> {
        self.all.resource(id).filter(|found| found.account == *account && found.kind == kind)
    }

    /// The configuration of a resource of the account, or of a managed one.
    pub(super) fn config(
        &mut self,
        id: &str,
        kind: ResourceKind,
        account: &AccountId,
    ) -> Option<Arc<Element>> {
        if let Some(managed) = managed::find(kind, id) {
            return Some(Arc::clone(managed.config()));
        }
        let found = self.resource(id, kind, account)?;
        let read = self.configs.entry(id.to_owned());
        read.or_insert_with(|| config_of(found).map(Arc::new)).clone()
    }

    /// The keys of the groups that a behaviour trusts; `None`: it trusts everybody. A key that cannot be read opens nothing.
    pub(super) fn keys_of(
        &mut self,
        behavior: &Element,
        account: &AccountId,
    ) -> Option<HashMap<String, Arc<CloudFrontPublicKey>>> {
        if behavior.text_at(&["TrustedKeyGroups", "Enabled"]) != "true" {
            return None;
        }
        let mut keys = HashMap::new();
        for group in behavior.items(&["TrustedKeyGroups"]) {
            let of_group = self.keys_of_group(&group.text, account);
            keys.extend(of_group.iter().map(|(of, key)| (of.id.clone(), Arc::clone(key))));
        }
        Some(keys)
    }

    fn keys_of_group(&mut self, id: &str, account: &AccountId) -> Arc<[ReadKey]> {
        // Of another account there is none of that id.
        if self.resource(id, ResourceKind::KeyGroup, account).is_none() {
            return Arc::default();
        }
        if let Some(known) = self.groups.get(id) {
            return Arc::clone(known);
        }
        let config = self.config(id, ResourceKind::KeyGroup, account).unwrap_or_default();
        let keys: Arc<[ReadKey]> =
            config.items(&[]).filter_map(|key| self.key(&key.text, account)).collect();
        self.groups.insert(id.to_owned(), Arc::clone(&keys));
        keys
    }

    fn key(&mut self, id: &str, account: &AccountId) -> Option<ReadKey> {
        let resource = self.resource(id, ResourceKind::PublicKey, account)?;
        let is_same = |known: &&ReadKey| Arc::ptr_eq(&known.0, resource);
        let known = self.keys.get(id).or(self.keys_before.get(id)).filter(is_same).cloned();
        if let Some(known) = known {
            self.keys.insert(id.to_owned(), known.clone());
            return Some(known);
        }
        let config = config_of(resource)?;
        let key = CloudFrontPublicKey::from_pem(config.text_at(&["EncodedKey"])).ok()?;
        let read = (Arc::clone(resource), Arc::new(key));
        self.keys.insert(id.to_owned(), read.clone());
        Some(read)
    }
}
