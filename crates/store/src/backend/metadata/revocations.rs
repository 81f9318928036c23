//! The records of revocations.

use std::future::Future;

use iam::AccountId;
use jiff::Timestamp;

use crate::revocation::{Life, RevokedKinds, Subject};
use crate::{
    ListRevocations, RecordedRevocation, Revocation, RevocationPage, RevocationScope, Revoke,
    StoreError,
};

macro_rules! with_revocation_records {
    ($callback:ident) => {
        $callback! {
            /// Which links are dead before their end.
            ///
            /// Numbers are as those of changes: whoever has seen one never comes to see a lower one. So what another node has
            /// revoked is found after the last number that was seen.
            trait RevocationRecords {
                fn revoke(revocation: Revocation) -> Revoke;
                /// Every revocation of these subjects that is recorded, ended ones perhaps too.
                fn revocations_of(subjects: Vec<Subject>) -> Vec<Revocation>;
                fn revocations(query: ListRevocations) -> RevocationPage;
                /// The one of that number, if it is one of the account's.
                fn revocation(account: &AccountId, number: u64) -> Option<RecordedRevocation>;
                /// `false`: there is no such revocation.
                fn undo_revocation(account: &AccountId, number: u64) -> bool;
                /// The subjects of those after a number that are not of prefixes, with the last of their numbers: as many
                /// as are read at once. None: there are no more.
                fn revoked_subjects(after: u64) -> Vec<(u64, Subject, Life)>;
                /// Every scope in which something is revoked, with the kinds that are.
                fn revoked_scopes() -> Vec<(RevocationScope, RevokedKinds)>;
                /// The kinds that are revoked in a scope.
                fn revoked_kinds(scope: &RevocationScope) -> RevokedKinds;
                /// All that are of prefixes.
                fn revoked_prefixes() -> Vec<Revocation>;
                /// Forgets those that ended before a time, as many as one transaction may. Says how many; 0: there are no
                /// more.
                fn forget_revocations(ended_before: Timestamp) -> usize;
            }
        }
    };
}
pub(crate) use with_revocation_records;

with_revocation_records!(declare_records);
