//! The facts of distributions: their documents, what these mean for requests, and what is kept for viewers. The control API
//! (`cloudfront`) writes them, and `distribution` answers viewers by them.

mod compiled;
mod current;
mod document;
mod headers;
pub(crate) mod managed;
mod origin_name;
mod pattern;
mod proven;
mod sources;

use std::sync::Arc;

use edge::EdgeCache;
use store::{Distributions, Store};

use crate::config::{ActiveContent, LinkCaching, ServerConfig};
use current::CurrentDistributions;

pub(crate) use compiled::{Behavior, Distribution, Methods, ViewerProtocol, arn};
pub(crate) use document::{
    INVALIDATIONS_KEPT, config_of, document_of, invalidations_of, kept_invalidation, tag_of,
    tags_of,
};
pub(crate) use origin_name::bucket_of;
pub(crate) use proven::ProvenPolicies;

/// All distributions of this server, and what is kept for them.
#[derive(Debug)]
pub(crate) struct DistributionState {
    current: CurrentDistributions,
    proven: ProvenPolicies,
    cache: EdgeCache,
    /// How objects are read for distributions: as they are stored.
    origin_config: Arc<ServerConfig>,
    store: Store,
}

impl DistributionState {
    pub(crate) fn new(config: &ServerConfig, store: Store) -> Self {
        let origin_config = ServerConfig {
            active_content: ActiveContent::AsStored,
            link_caching: LinkCaching::AsStored,
            ..config.clone()
        };
        Self {
            current: CurrentDistributions::default(),
            proven: ProvenPolicies::default(),
            cache: EdgeCache::new(config.cache_memory_bytes),
            origin_config: Arc::new(origin_config),
            store,
        }
    }

    /// Whether nobody ever made a distribution.
    pub(crate) fn is_empty(&self) -> bool {
        self.store.distributions_number() == 0
    }

    /// All resources as they are stored now.
    pub(crate) fn stored(&self) -> Arc<Distributions> {
        self.store.distributions()
    }

    /// The distribution of an id, as it is now.
    pub(crate) fn by_id(&self, id: &str) -> Option<Arc<Distribution>> {
        self.current.by_id(id, &self.store, &self.origin_config)
    }

    /// The distribution that has a host of its own, which is in lower case.
    pub(crate) fn by_host(&self, host: &str) -> Option<Arc<Distribution>> {
        self.current.by_host(host, &self.store, &self.origin_config)
    }

    pub(crate) fn cache(&self) -> &EdgeCache {
        &self.cache
    }

    pub(crate) fn proven(&self) -> &ProvenPolicies {
        &self.proven
    }

    pub(crate) fn origin_config(&self) -> &Arc<ServerConfig> {
        &self.origin_config
    }
}
