//! A policy of a resource or of trust, as a member of a record.

use std::sync::Arc;

use iam::Policy;
use serde::{Deserialize, Serialize};

use super::corrupt;
use crate::{BoundPolicy, StoreError};

/// A policy, as written and as evaluated.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BoundRecord {
    policy: String,
    /// The policy as it is evaluated, where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bound: Option<String>,
}

impl BoundRecord {
    pub(crate) fn of(policy: &BoundPolicy) -> Self {
        let BoundPolicy { document, bound } = policy;
        let differs = document.text() != bound.text();
        Self { policy: document.text().to_owned(), bound: differs.then(|| bound.text().to_owned()) }
    }

    pub(crate) fn parse(self) -> Result<BoundPolicy, StoreError> {
        let document = parse_policy(&self.policy)?;
        let bound = match &self.bound {
            Some(bound) => parse_policy(bound)?,
            None => Arc::clone(&document),
        };
        Ok(BoundPolicy { document, bound })
    }
}

pub(super) fn parse_policy(text: &str) -> Result<Arc<Policy>, StoreError> {
    Policy::parse(text).map(Arc::new).map_err(|_| corrupt("policy"))
}
