//! Revocations in memory.

use iam::AccountId;
use jiff::Timestamp;

use super::{MemoryMetadata, Records, page};
use crate::backend::metadata::revocations::RevocationRecords;
use crate::revocation::{Life, RevokedKinds, Subject};
use crate::{
    ListRevocations, OWN_REVOCATIONS_MAX, REVOCATIONS_MAX, REVOKED_PREFIXES_MAX,
    RecordedRevocation, Revocation, RevocationPage, RevocationScope, Revoke, RevokedLinks,
    StoreError,
};

fn is_prefix(revocation: &Revocation) -> bool {
    matches!(revocation.links, RevokedLinks::Prefix(_, _))
}

impl RevocationRecords for MemoryMetadata {
    async fn revoke(&self, revocation: Revocation) -> Result<Revoke, StoreError> {
        self.write(|records| records.revoke(revocation))
    }

    async fn revocations_of(&self, subjects: Vec<Subject>) -> Result<Vec<Revocation>, StoreError> {
        self.read(|records| {
            let all = records.revocations.values();
            all.filter(|one| subjects.contains(&one.subject())).cloned().collect()
        })
    }

    async fn revocations(&self, query: ListRevocations) -> Result<RevocationPage, StoreError> {
        let ListRevocations { account, signer, after, limit } = query;
        self.read(|records| {
            let all = records.revocations.iter().filter(|(number, one)| {
                let of_signer = signer.is_none() || one.scope.signer == signer;
                **number > after && one.scope.account == account && of_signer
            });
            let (some, more) = page(all, limit);
            let recorded = |(number, one): &(&u64, &Revocation)| RecordedRevocation {
                number: **number,
                revocation: (*one).clone(),
            };
            let revocations: Vec<_> = some.iter().map(recorded).collect();
            let next = revocations.last().filter(|_| more).map(|last| last.number);
            RevocationPage { revocations, next }
        })
    }

    async fn revocation(
        &self,
        account: &AccountId,
        number: u64,
    ) -> Result<Option<RecordedRevocation>, StoreError> {
        self.read(|records| {
            let found = records.revocations.get(&number);
            let found = found.filter(|one| one.scope.account == *account).cloned();
            found.map(|revocation| RecordedRevocation { number, revocation })
        })
    }

    async fn undo_revocation(&self, account: &AccountId, number: u64) -> Result<bool, StoreError> {
        self.write(|records| {
            let found = records.revocations.get(&number);
            if found.is_none_or(|one| one.scope.account != *account) {
                return false;
            }
            records.revocations.remove(&number);
            true
        })
    }

    async fn revoked_subjects(&self, after: u64) -> Result<Vec<(u64, Subject, Life)>, StoreError> {
        self.read(|records| {
            let all = records
                .revocations
                .iter()
                .filter(|(number, one)| **number > after && !is_prefix(one));
            all.map(|(number, one)| {
                (*number, one.subject(), Life::new(one.signed_until, one.lives_until))
            })
            .collect()
        })
    }

    async fn revoked_scopes(&self) -> Result<Vec<(RevocationScope, RevokedKinds)>, StoreError> {
        self.read(|records| {
            let mut scopes: Vec<RevocationScope> = Vec::new();
            for one in records.revocations.values() {
                if !scopes.contains(&one.scope) {
                    scopes.push(one.scope.clone());
                }
            }
            let kinds = |scope: RevocationScope| {
                let kinds = records.revoked_kinds(&scope);
                (scope, kinds)
            };
            scopes.into_iter().map(kinds).collect()
        })
    }

    async fn revoked_kinds(&self, scope: &RevocationScope) -> Result<RevokedKinds, StoreError> {
        self.read(|records| records.revoked_kinds(scope))
    }

    async fn revoked_prefixes(&self) -> Result<Vec<Revocation>, StoreError> {
        self.read(|records| {
            records.revocations.values().filter(|one| is_prefix(one)).cloned().collect()
        })
    }

    async fn forget_revocations(&self, ended_before: Timestamp) -> Result<usize, StoreError> {
        self.write(|records| {
            let before = records.revocations.len();
            records.revocations.retain(|_, one| one.lives_until >= ended_before);
            before - records.revocations.len()
        })
    }
}

impl Records {
    fn revoked_kinds(&self, scope: &RevocationScope) -> RevokedKinds {
        let of_scope = || self.revocations.values().filter(|one| one.scope == *scope);
        let any = |kind: fn(&RevokedLinks) -> bool| of_scope().any(|one| kind(&one.links));
        RevokedKinds {
            links: any(|links| matches!(links, RevokedLinks::Link { .. })),
            access_keys: any(|links| matches!(links, RevokedLinks::AccessKey(_))),
            objects: any(|links| matches!(links, RevokedLinks::Object(_, _))),
        }
    }

    fn revoke(&mut self, revocation: Revocation) -> Revoke {
        let known = self
            .revocations
            .iter()
            .find_map(|(number, one)| Some((*number, one.merged(&revocation)?)));
        if let Some((number, revocation)) = known {
            self.revocations.insert(number, revocation.clone());
            return Revoke::Recorded(RecordedRevocation { number, revocation });
        }
        let of_account = |one: &&Revocation| one.scope.account == revocation.scope.account;
        let all = || self.revocations.values().filter(of_account);
        let has = |count: usize, most: u64| u64::try_from(count).unwrap() >= most;
        let is_full = match &revocation.scope.signer {
            None => {
                let wide = || all().filter(|one| one.scope.signer.is_none());
                let prefixes = wide().filter(|one| is_prefix(one)).count();
                has(wide().count(), REVOCATIONS_MAX)
                    || is_prefix(&revocation) && has(prefixes, REVOKED_PREFIXES_MAX)
            }
            Some(signer) => {
                let (of_all, of_one) = OWN_REVOCATIONS_MAX;
                let own = all().filter(|one| one.scope.signer.as_ref() == Some(signer)).count();
                let every = all().filter(|one| one.scope.signer.is_some()).count();
                has(own, of_one) || has(every, of_all)
            }
        };
        if is_full {
            return Revoke::TooMany;
        }
        self.revocation_numbers += 1;
        let number = self.revocation_numbers;
        self.revocations.insert(number, revocation.clone());
        Revoke::Recorded(RecordedRevocation { number, revocation })
    }
}
