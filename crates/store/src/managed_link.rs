//! Managed links: links that are records of the server. They outlive any signature, can be changed and taken back, and
//! end with whoever made them.

mod creator;
mod id;
mod purpose;
mod request;

use std::num::NonZeroU64;
use std::sync::Arc;

use iam::AccountId;
use jiff::{SignedDuration, Timestamp};
use presign::{Fingerprint, LinkConditions};

use crate::{BucketName, DeleteOutcome, ETag};

pub use creator::{CreatorIdentity, CreatorSession, LinkCreator};
pub use id::{ManagedLinkId, ManagedLinkIdError};
pub use purpose::{FileLimits, Landing, LinkPurpose};
pub use request::{
    FILES_MAX_UNSAID, FILES_UNDER_WAY_MAX, RequestFile, RequestRoom, RequestTotals, ReserveFile,
};

/// The most managed links that one account may have, ended ones included while they are remembered.
pub const MANAGED_LINKS_MAX: u64 = 1_000_000;
/// The most targets of notices that one link may have.
pub const NOTIFY_TARGETS_MAX: usize = 8;

/// How often a passphrase may be tried within [`PASSPHRASE_PERIOD`], by all who have the link together.
pub const PASSPHRASE_TRIES_MAX: usize = 5;
/// See [`PASSPHRASE_TRIES_MAX`].
pub const PASSPHRASE_PERIOD: SignedDuration = SignedDuration::from_secs(60);

/// The times of the tries that count at this moment, with one more; `None`: there may be no other one yet. A time that lies
/// ahead is one of a clock that was put back, and counts as if it were now.
pub(crate) fn one_more_try(tried: &[Timestamp], now: Timestamp) -> Option<Vec<Timestamp>> {
    let counts = |at: &&Timestamp| now.duration_since(**at) < PASSPHRASE_PERIOD;
    let mut counted: Vec<Timestamp> = tried.iter().filter(counts).map(|at| *at.min(&now)).collect();
    if counted.len() >= PASSPHRASE_TRIES_MAX {
        return None;
    }
    counted.push(now);
    Some(counted)
}

/// A managed link. Whether it was taken back is told by revocations, as of any link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedLink {
    /// What its short URL ends with. Whoever knows it has the link.
    pub id: ManagedLinkId,
    /// The account of whoever made it.
    pub account: AccountId,
    /// Who made it, and what they could do then at most.
    pub creator: LinkCreator,
    /// What the link is for.
    pub purpose: LinkPurpose,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What limits it: uses, addresses, rate, the time when it opens; and its label.
    pub conditions: LinkConditions,
    /// A hash of its passphrase, as argon2 writes it: `$argon2id$…`.
    pub passphrase: Option<String>,
    /// Whether somebody who opens it sees a page first.
    pub landing: Landing,
    /// Whether that page says who shares.
    pub names_creator: bool,
    /// Who is told what becomes of it: `mailto:` and `https:` URLs.
    pub notify: Vec<String>,
    /// The tag of the object that is deleted when the link ends: what has taken its place by then stays. `None`: nothing is
    /// deleted.
    pub delete_object_at_end: Option<ETag>,
    /// When what was to be done at its end was done.
    pub closed_at: Option<Timestamp>,
    /// How often the record was changed.
    pub revision: u64,
}

impl ManagedLink {
    /// By which its uses are counted, it is found, and others are told of it without being given it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.id.fingerprint()
    }

    /// How many files a request takes; `None`: the link is none.
    pub fn files_max(&self) -> Option<u64> {
        let LinkPurpose::Request { limits, .. } = &self.purpose else { return None };
        let uses = self.conditions.uses.map(NonZeroU64::get);
        [limits.max_files, uses].into_iter().flatten().min().or(Some(FILES_MAX_UNSAID))
    }
}

/// What came of the attempt to record a managed link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutManagedLink {
    /// The link is recorded.
    Recorded,
    /// The account has [`MANAGED_LINKS_MAX`].
    TooMany,
}

/// What came of the attempt to close a managed link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseManagedLink {
    /// The link is closed; and what came of deleting its object, if that was asked for.
    Closed(Option<DeleteOutcome>),
    /// The link is gone, or was changed meanwhile: nothing was written.
    Changed,
}

/// Which managed links of an account to list, the newest first.
#[derive(Clone, Debug)]
pub struct ListManagedLinks {
    /// The account whose links they are.
    pub account: AccountId,
    /// Only those into this bucket that lead to something whose key begins like this: their key or prefix does, or they are
    /// for a folder in which it lies.
    pub within: Option<(BucketName, String)>,
    /// Goes on after this place of an earlier page.
    pub after: Option<ManagedLinkPlace>,
    /// How many at most; a page holds 1000 at most.
    pub limit: usize,
}

/// Which managed links are meant together.
#[derive(Clone, Debug)]
pub enum ManagedLinksOf {
    /// Those into a bucket, whoever made them.
    Bucket(BucketName),
    /// Those that identities of an account have made.
    Account(AccountId),
}

/// Where a link stands in a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagedLinkPlace {
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// The fingerprint of the link.
    pub fingerprint: Fingerprint,
}

/// One page of managed links.
#[derive(Clone, Debug, Default)]
pub struct ManagedLinkPage {
    /// The links, the newest first.
    pub links: Vec<Arc<ManagedLink>>,
    /// Where the next page goes on; `None`: there are no more.
    pub next: Option<ManagedLinkPlace>,
}

/// Where a link stands among those that have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedPlace {
    /// When it ended, in milliseconds since 1970.
    pub ended_ms: i64,
    /// The fingerprint of the link.
    pub fingerprint: Fingerprint,
}

/// Links that have no use left, of those that were looked at.
#[derive(Clone, Debug, Default)]
pub struct UsedUpLinks {
    /// The links that have none left.
    pub links: Vec<Arc<ManagedLink>>,
    /// The last one that was looked at; `None`: there are no more.
    pub next: Option<Fingerprint>,
}

impl ManagedLink {
    /// Where the link stands among those that have ended, once it has.
    pub fn ended_place(&self) -> EndedPlace {
        EndedPlace { ended_ms: self.expires_at.as_millisecond(), fingerprint: self.fingerprint() }
    }

    pub(crate) fn place(&self) -> ManagedLinkPlace {
        ManagedLinkPlace {
            created_ms: self.created_at.as_millisecond(),
            fingerprint: self.fingerprint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_tried_five_times_a_minute() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let mut tried = Vec::new();
        let mut check = |now: i64, expected: bool| {
            let more = one_more_try(&tried, at(now));
            assert_eq!(more.is_some(), expected, "{now}");
            tried = more.unwrap_or_else(|| tried.clone());
            assert!(tried.len() <= PASSPHRASE_TRIES_MAX);
        };
        for now in [0, 1, 2, 3, 4] {
            check(now, true);
        }
        check(5, false);
        check(59, false);
        check(60, true);
        check(60, false);
        check(61, true);
        // The clock was put back.
        check(-1000, false);
        check(-900, false);
    }
}
