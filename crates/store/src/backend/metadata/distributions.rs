//! The records of distributions, and of what they are made of.

use std::future::Future;
use std::sync::Arc;

use crate::{DistributionResource, StoreError};

/// Each id with its resource; none where it is removed.
pub(crate) type DistributionWrites = Vec<(String, Option<Arc<DistributionResource>>)>;

macro_rules! with_distribution_records {
    ($callback:ident) => {
        $callback! {
            /// The resources of distributions: few, and all of them read at once.
            trait DistributionRecords {
                /// All resources, with the number of their latest change; 0: there never was one.
                fn distribution_resources() -> (u64, Vec<DistributionResource>);
                /// Writes what was decided over the resources as they were at a number, and answers the number of this
                /// change. None: they are others by now, and nothing was written.
                fn write_distribution_resources(seen: u64, writes: DistributionWrites) -> Option<u64>;
            }
        }
    };
}
pub(crate) use with_distribution_records;

with_distribution_records!(declare_records);
