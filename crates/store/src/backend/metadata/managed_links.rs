//! The records of managed links.

use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use presign::Fingerprint;

use crate::{
    CloseManagedLink, DeleteObject, EndedPlace, ListManagedLinks, ManagedLink, ManagedLinkPage,
    ManagedLinksOf, PutManagedLink, StoreError, UsedUpLinks,
};

macro_rules! with_managed_link_records {
    ($callback:ident) => {
        $callback! {
            /// Links that outlive any signature.
            trait ManagedLinkRecords {
                /// Records a link that is made now: none has its fingerprint.
                fn put_managed_link(link: ManagedLink) -> PutManagedLink;
                fn managed_link(fingerprint: &Fingerprint) -> Option<Arc<ManagedLink>>;
                /// Puts the link in the place of itself, one revision older. What is remembered of its uses is kept for as long
                /// as it lives now. `false`: it is gone, or was changed meanwhile, and nothing was written.
                fn change_managed_link(link: ManagedLink) -> bool;
                /// Takes one of the tries that a link's passphrase has within a minute. `false`: there is none left.
                fn try_passphrase(link: &Fingerprint, now: Timestamp) -> bool;
                fn managed_links(query: ListManagedLinks) -> ManagedLinkPage;
                /// When the last of those ends that are not closed: of those into a bucket, or else of those of an account.
                fn managed_links_end(of: ManagedLinksOf) -> Option<Timestamp>;
                /// Those that have ended by now and are not closed, those first that ended first, from after a place on.
                fn ended_managed_links(now: Timestamp, after: Option<EndedPlace>, limit: usize)
                    -> Vec<Arc<ManagedLink>>;
                /// Of so many of those that are not closed and whose uses are counted, from after a fingerprint on: those that
                /// have no use left that was not begun at least. Some of them may be given back.
                fn used_up_managed_links(after: Option<Fingerprint>, looked_at: usize) -> UsedUpLinks;
                /// Like a change to the link, closed; and deletes its object in the same step, if that is asked for. So this
                /// happens once, whenever the process dies. What was sent to the link by half is given up. `None`: there is
                /// more of it than one transaction may remove, and the link is not closed yet.
                fn close_managed_link(link: ManagedLink, delete: Option<DeleteObject>, now: Timestamp)
                    -> Option<CloseManagedLink>;
                /// Forgets closed links that ended before a time, as many as one transaction may. Says how many; 0: there are
                /// no more.
                fn forget_managed_links(ended_before: Timestamp) -> usize;
            }
        }
    };
}
pub(crate) use with_managed_link_records;

with_managed_link_records!(declare_records);
