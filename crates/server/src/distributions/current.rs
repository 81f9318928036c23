//! All distributions as they are now, read anew when one of them changes: what did not change is not read again.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use store::{DistributionResource, Distributions, ResourceKind, Store};

use super::compiled::{Distribution, Forgotten};
use super::document::kept_invalidation;
use super::sources::{ReadKeys, Sources};
use crate::config::ServerConfig;

/// All distributions, read at one change.
#[derive(Debug, Default)]
struct Compiled {
    number: u64,
    /// All that distributions name: if nothing of that has changed, a distribution that has not is what it was.
    named: Vec<Arc<DistributionResource>>,
    keys: ReadKeys,
    read: HashMap<String, (Arc<DistributionResource>, Distribution)>,
    /// By the id of the invalidation, with the distribution that it is of.
    forgotten: HashMap<String, (String, Arc<Forgotten>)>,
    by_id: HashMap<String, Arc<Distribution>>,
    by_host: HashMap<String, Arc<Distribution>>,
}

/// The distributions of this server.
#[derive(Debug, Default)]
pub(super) struct CurrentDistributions(RwLock<Arc<Compiled>>);

impl CurrentDistributions {
    /// The distribution of an id, as it is now.
    pub(super) fn by_id(
        &self,
        id: &str,
        store: &Store,
        config: &ServerConfig,
    ) -> Option<Arc<Distribution>> {
        self.now(store, config).by_id.get(id).cloned()
    }

    /// The distribution that has a host of its own, which is in lower case.
    pub(super) fn by_host(
        &self,
        host: &str,
        store: &Store,
        config: &ServerConfig,
    ) -> Option<Arc<Distribution>> {
        self.now(store, config).by_host.get(host).cloned()
    }

    fn now(&self, store: &Store, config: &ServerConfig) -> Arc<Compiled> {
        let number = store.distributions_number();
        let held = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        if held.number == number {
            return held;
        }
        let mut slot = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let all = store.distributions();
        if slot.number != all.number() {
            *slot = Arc::new(slot.again(&all, config));
        }
        Arc::clone(&slot)
    }
}

impl Compiled {
    /// The same at a later change.
    fn again(&self, all: &Distributions, config: &ServerConfig) -> Self {
        let named: Vec<_> = ResourceKind::ALL
            .into_iter()
            .filter(|kind| !matches!(kind, ResourceKind::Distribution | ResourceKind::Invalidation))
            .flat_map(|kind| all.all_of(kind).cloned())
            .collect();
        let is_same = self.named.len() == named.len()
            && self.named.iter().zip(&named).all(|(one, other)| Arc::ptr_eq(one, other));
        let mut now = Self { number: all.number(), named, ..Self::default() };
        let mut of_distributions: HashMap<&str, Vec<Arc<Forgotten>>> = HashMap::new();
        for resource in all.all_of(ResourceKind::Invalidation) {
            // Nobody changes an invalidation.
            let known = self.forgotten.get(&resource.id).cloned();
            let read = || {
                let kept = kept_invalidation(resource)?;
                let forgotten = Forgotten::read(resource.created_at, &kept.batch);
                Some((kept.distribution, Arc::new(forgotten)))
            };
            let Some(found) = known.or_else(read) else { continue };
            now.forgotten.insert(resource.id.clone(), found);
        }
        for (distribution, forgotten) in now.forgotten.values() {
            of_distributions.entry(distribution).or_default().push(Arc::clone(forgotten));
        }
        let mut sources = Sources::new(all, &self.keys);
        for resource in all.all_of(ResourceKind::Distribution) {
            let known = self.read.get(&resource.id);
            let known = known.filter(|(before, _)| is_same && Arc::ptr_eq(before, resource));
            let read = known.map(|(_, distribution)| distribution.clone());
            let Some(mut distribution) =
                read.or_else(|| Distribution::read(resource, &mut sources, config))
            else {
                tracing::warn!(
                    id = resource.id,
                    "a distribution cannot be served: something that it names is gone"
                );
                continue;
            };
            let forgotten = of_distributions.remove(&*resource.id).unwrap_or_default();
            distribution.forgotten = forgotten.into();
            now.read.insert(resource.id.clone(), (Arc::clone(resource), distribution.clone()));
            let distribution = Arc::new(distribution);
            let hosts = resource.hosts.iter().filter(|_| config.lends_hosts_to(&resource.account));
            for host in hosts {
                now.by_host.insert(host.clone(), Arc::clone(&distribution));
            }
            now.by_id.insert(resource.id.clone(), distribution);
        }
        let read = sources.into_keys();
        now.keys = if is_same { read.or(&self.keys) } else { read };
        now
    }
}
