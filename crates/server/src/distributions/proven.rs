//! Whether a viewer may have a resource: proves what it presents by a key of the behaviour, and judges it.

use std::sync::Arc;

use presign::{CloudFrontPresented, CloudFrontPublicKey, CloudFrontRefusal, VerifiedPolicy};
use quick_cache::sync::Cache;

/// How many policies that were found true are remembered.
const REMEMBERED_MAX: usize = 8_192;

/// Policies that a key was found to have signed. Whether the key is trusted, and what the policy allows, is asked for each
/// request; remembered is only what never changes.
pub(crate) struct ProvenPolicies(Cache<(usize, [u8; 32]), Proven>);

/// A proof, which holds for this very key: it keeps the key, so that no other comes to lie at its place in memory.
#[derive(Clone)]
struct Proven {
    _key: Arc<CloudFrontPublicKey>,
    policy: VerifiedPolicy,
}

impl std::fmt::Debug for ProvenPolicies {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ProvenPolicies")
            .field("remembered", &self.0.len())
            .finish_non_exhaustive()
    }
}

impl Default for ProvenPolicies {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED_MAX))
    }
}

impl ProvenPolicies {
    /// The policy that is presented, once the key is found to have signed it. `key`: the one of that id that is trusted.
    pub(crate) fn prove(
        &self,
        presented: CloudFrontPresented<'_>,
        urls: &[String],
        key: Option<&Arc<CloudFrontPublicKey>>,
    ) -> Result<VerifiedPolicy, CloudFrontRefusal> {
        let Some(key) = key else {
            // Whatever else is wrong with it is said first.
            return presented.read().and(Err(CloudFrontRefusal::InvalidKey));
        };
        let place = (Arc::as_ptr(key).addr(), presented.digest(urls));
        if let Some(Proven { policy, .. }) = self.0.get(&place) {
            return Ok(policy);
        }
        let policy = presented.read()?.verify(urls, key)?;
        self.0.insert(place, Proven { _key: Arc::clone(key), policy: policy.clone() });
        Ok(policy)
    }
}
