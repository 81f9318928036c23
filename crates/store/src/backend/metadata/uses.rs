//! The records of how often links were used.

use std::future::Future;

use jiff::Timestamp;
use presign::Fingerprint;

use crate::{LinkUses, OpenUse, StoreError};

macro_rules! with_use_records {
    ($callback:ident) => {
        $callback! {
            /// How often links were used that may be used so often only.
            trait UseRecords {
                /// Takes one of the uses that are left. `false`: none is left, and nothing was changed.
                fn open_use(wanted: OpenUse) -> bool;
                /// Gives a use back of which so many bytes were taken. `false`: with them the link would have given back
                /// more than `bytes_max`, so the use stays taken.
                fn give_use_back(link: &Fingerprint, bytes: u64, bytes_max: u64) -> bool;
                /// `None`: the link was never used, or is forgotten.
                fn link_uses(link: &Fingerprint) -> Option<LinkUses>;
                /// Forgets links that ended before a time, as many as one transaction may. Says how many; 0: there are no
                /// more.
                fn forget_uses(ended_before: Timestamp) -> usize;
            }
        }
    };
}
pub(crate) use with_use_records;

with_use_records!(declare_records);
