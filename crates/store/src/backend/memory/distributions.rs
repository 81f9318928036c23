//! The resources of distributions in memory.

use std::sync::Arc;

use super::MemoryMetadata;
use crate::backend::metadata::distributions::{DistributionRecords, DistributionWrites};
use crate::{ChangeSubject, DistributionResource, StoreError};

impl DistributionRecords for MemoryMetadata {
    async fn distribution_resources(&self) -> Result<(u64, Vec<DistributionResource>), StoreError> {
        self.read(|records| {
            let all = records.distributions.values();
            (records.distributions_number(), all.map(|found| found.as_ref().clone()).collect())
        })
    }

    async fn write_distribution_resources(
        &self,
        seen: u64,
        writes: DistributionWrites,
    ) -> Result<Option<u64>, StoreError> {
        self.write(|records| {
            if records.distributions_number() != seen {
                return None;
            }
            for (id, resource) in writes {
                match resource {
                    Some(resource) => records.distributions.insert(id, Arc::clone(&resource)),
                    None => records.distributions.remove(&id),
                };
            }
            records.changed(ChangeSubject::Distributions);
            Some(records.distributions_number())
        })
    }
}

impl super::Records {
    fn distributions_number(&self) -> u64 {
        let mut changes = self.changes.iter();
        changes
            .find(|change| change.subject == ChangeSubject::Distributions)
            .map_or(0, |change| change.number)
    }
}
