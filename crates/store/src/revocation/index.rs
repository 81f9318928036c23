//! The revocations that live, in memory: what answers that a link is not revoked, without asking an engine.
//!
//! The index may hold more than what is recorded, and never less. So what it does not hold is not revoked, and what it
//! does hold is looked up.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::fast::RandomState;
use iam::AccountId;
use jiff::Timestamp;

use super::{
    LinkTarget, PresentedLink, Revocation, RevocationScope, RevokedKinds, RevokedLinks, ScopeName,
    Subject,
};
use crate::{BucketName, ObjectKey};

/// So many maps share the subjects: whoever adds one holds up few readers, and no map is large when it grows.
const SHARDS: usize = 256;

/// Revocations by what they match.
#[derive(Debug)]
pub(crate) struct RevocationIndex {
    /// Whether all that was recorded before is in the index. Until then, whatever is asked about is looked up.
    is_loaded: AtomicBool,
    /// Whether nothing is revoked anywhere, as far as is known.
    is_empty: AtomicBool,
    /// What is revoked at all, by whom: so most links are found alive without a look at a subject.
    accounts: RwLock<Map<AccountId, OfAccount>>,
    subjects: Vec<RwLock<Map<Subject, Life>>>,
}

/// What is revoked in the name of one account.
#[derive(Debug, Default)]
struct OfAccount {
    /// Of everybody's links.
    all: OfScope,
    /// Of their own links, by identities.
    own: Map<String, OfScope>,
}

/// What is revoked in one scope.
#[derive(Debug, Default)]
struct OfScope {
    kinds: RevokedKinds,
    prefixes: Map<BucketName, Prefixes>,
}

/// Prefixes of the keys of one bucket.
#[derive(Debug, Default)]
struct Prefixes {
    lives: Map<String, Life>,
    /// The lengths that they have in bytes, and how many have each: a key is asked about once a length.
    lengths: BTreeMap<usize, usize>,
}

/// Its hashes are quick, and nobody outside knows their seed.
type Map<K, V> = HashMap<K, V, RandomState>;

/// For how long a subject's revocations live, and which links they match at all, in seconds since 1970. Of several, the
/// later of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    signed_until: u32,
    lives_until: u32,
}

impl Life {
    pub(crate) fn new(signed_until: Timestamp, lives_until: Timestamp) -> Self {
        Self { signed_until: seconds(signed_until), lives_until: seconds(lives_until) }
    }

    fn and(self, other: Self) -> Self {
        Self {
            signed_until: self.signed_until.max(other.signed_until),
            lives_until: self.lives_until.max(other.lives_until),
        }
    }

    fn may_match(self, signed_at: Option<Timestamp>, now: Timestamp) -> bool {
        seconds(now) <= self.lives_until
            && signed_at.is_none_or(|signed_at| seconds(signed_at) <= self.signed_until)
    }
}

/// What cannot be said in 32 bits is the last that can: such a revocation lives on in the index, and its record is asked.
fn seconds(time: Timestamp) -> u32 {
    let seconds = time.as_second();
    if seconds < 0 { 0 } else { u32::try_from(seconds).unwrap_or(u32::MAX) }
}

impl Default for RevocationIndex {
    fn default() -> Self {
        Self {
            is_loaded: AtomicBool::new(false),
            is_empty: AtomicBool::new(true),
            accounts: RwLock::default(),
            subjects: std::iter::repeat_with(RwLock::default).take(SHARDS).collect(),
        }
    }
}

impl RevocationIndex {
    /// Adds a revocation. Before whoever made it is answered.
    pub(crate) fn add(&self, revocation: &Revocation) {
        let Revocation { links, scope, signed_until, lives_until, .. } = revocation;
        let life = Life::new(*signed_until, *lives_until);
        let RevokedLinks::Prefix(bucket, prefix) = links else {
            self.add_subject(revocation.subject(), life);
            self.add_kinds(scope, links.kind());
            return;
        };
        let mut accounts = write(&self.accounts);
        of_scope(&mut accounts, scope)
            .prefixes
            .entry(bucket.clone())
            .or_default()
            .add(prefix, life);
        self.is_empty.store(false, Ordering::Release);
    }

    /// Says that subjects of these kinds are revoked in a scope.
    pub(crate) fn add_kinds(&self, scope: &RevocationScope, kinds: RevokedKinds) {
        let known = scope_of(&read(&self.accounts), scope.name()).map(|known| known.kinds);
        if known.is_some_and(|known| known.and(kinds) == known) {
            return;
        }
        let mut accounts = write(&self.accounts);
        let scope = of_scope(&mut accounts, scope);
        scope.kinds = scope.kinds.and(kinds);
        self.is_empty.store(false, Ordering::Release);
    }

    /// Removes one that was undone, when no other of its name is left, and says which kinds its scope still has. No
    /// revocation may be added meanwhile.
    pub(crate) fn remove(&self, revocation: &Revocation, left: RevokedKinds) {
        let mut accounts = write(&self.accounts);
        let scope = of_scope(&mut accounts, &revocation.scope);
        scope.kinds = left;
        if let RevokedLinks::Prefix(bucket, prefix) = &revocation.links {
            if let Some(of_bucket) = scope.prefixes.get_mut(bucket) {
                of_bucket.retain(|other, _| other != prefix);
            }
        } else {
            let subject = revocation.subject();
            self.shard(subject).and_then(|shard| write(shard).remove(&subject));
        }
        self.drop_empty(&mut accounts);
    }

    /// Adds one by its subject, if it is none of a prefix.
    pub(crate) fn add_subject(&self, subject: Subject, life: Life) {
        let Some(shard) = self.shard(subject) else { return };
        match write(shard).entry(subject) {
            Entry::Occupied(mut there) => {
                let both = there.get().and(life);
                there.insert(both);
            }
            Entry::Vacant(place) => {
                place.insert(life);
            }
        }
    }

    /// Says that all that was recorded is in the index.
    pub(crate) fn is_complete(&self) {
        self.is_loaded.store(true, Ordering::Release);
    }

    /// Forgets what has ended, and learns which kinds each scope still has. No revocation may be added meanwhile.
    pub(crate) fn forget(&self, now: Timestamp, left: Vec<(RevocationScope, RevokedKinds)>) {
        let now = seconds(now);
        let lives = |life: &Life| life.lives_until >= now;
        for shard in &self.subjects {
            let mut shard = write(shard);
            let before = shard.len();
            shard.retain(|_, life| lives(life));
            if shard.len() < before {
                shard.shrink_to_fit();
            }
        }
        let mut accounts = write(&self.accounts);
        for of_account in accounts.values_mut() {
            for scope in of_account.own.values_mut().chain([&mut of_account.all]) {
                scope.kinds = RevokedKinds::default();
                for of_bucket in scope.prefixes.values_mut() {
                    of_bucket.retain(|_, life| lives(life));
                }
            }
        }
        for (scope, kinds) in left {
            of_scope(&mut accounts, &scope).kinds = kinds;
        }
        self.drop_empty(&mut accounts);
    }

    fn drop_empty(&self, accounts: &mut Map<AccountId, OfAccount>) {
        accounts.retain(|_, of_account| {
            for scope in of_account.own.values_mut().chain([&mut of_account.all]) {
                scope.prefixes.retain(|_, of_bucket| !of_bucket.lives.is_empty());
            }
            of_account.own.retain(|_, scope| !scope.is_empty());
            !of_account.own.is_empty() || !of_account.all.is_empty()
        });
        self.is_empty.store(accounts.is_empty(), Ordering::Release);
    }

    /// Whether nothing is revoked anywhere, as far as is known: nearly always.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_empty.load(Ordering::Acquire)
    }

    /// The subjects whose records decide whether the link is dead by what was revoked in the name of its signer's account.
    /// And whether anything is in the name of others: then ask [`of_owner`](Self::of_owner) as well.
    pub(crate) fn of_signer(
        &self,
        link: &PresentedLink<'_>,
        used_for: &[LinkTarget<'_>],
        now: Timestamp,
    ) -> (Vec<Subject>, bool) {
        let mut found = Vec::new();
        let account = link.account;
        let accounts = read(&self.accounts);
        let Some(of_account) = accounts.get(account) else { return (found, !accounts.is_empty()) };
        if let Some(own) = of_account.own.get(link.signer) {
            let name = ScopeName { account, signer: Some(link.signer) };
            self.push_found((own, name), (link, used_for), now, &mut found);
        }
        let name = ScopeName { account, signer: None };
        self.push_found((&of_account.all, name), (link, used_for), now, &mut found);
        (found, accounts.len() > 1)
    }

    /// The same for what was revoked in the name of the account that owns a bucket.
    pub(crate) fn of_owner(
        &self,
        owner: &AccountId,
        link: &PresentedLink<'_>,
        used_for: &[LinkTarget<'_>],
        now: Timestamp,
    ) -> Vec<Subject> {
        let mut found = Vec::new();
        if let Some(of_account) = read(&self.accounts).get(owner) {
            let name = ScopeName { account: owner, signer: None };
            self.push_found((&of_account.all, name), (link, used_for), now, &mut found);
        }
        found
    }

    fn push_found(
        &self,
        (scope, name): (&OfScope, ScopeName<'_>),
        (link, used_for): (&PresentedLink<'_>, &[LinkTarget<'_>]),
        now: Timestamp,
        found: &mut Vec<Subject>,
    ) {
        let is_loaded = self.is_loaded.load(Ordering::Acquire);
        let may_match = |life: Life| life.may_match(link.signed_at, now);
        let is_found = |subject: &Subject| !is_loaded || self.life(*subject).is_some_and(may_match);
        let OfScope { kinds, prefixes } = scope;
        if kinds.links {
            found.extend(Some(Subject::link(name, &link.fingerprint)).filter(is_found));
        }
        if kinds.access_keys {
            found.extend(Some(Subject::access_key(name, link.access_key_id)).filter(is_found));
        }
        for LinkTarget { bucket, key } in used_for {
            if let (true, Some(key)) = (kinds.objects, key) {
                found.extend(Some(Subject::object(name, bucket, key)).filter(is_found));
            }
            if let Some(prefixes) = prefixes.get(*bucket) {
                let begins = prefixes.of(key.map_or("", ObjectKey::as_str), may_match);
                found.extend(begins.map(|begin| Subject::prefix(name, bucket, begin)));
            }
        }
    }

    fn life(&self, subject: Subject) -> Option<Life> {
        read(self.shard(subject)?).get(&subject).copied()
    }

    fn shard(&self, subject: Subject) -> Option<&RwLock<Map<Subject, Life>>> {
        let [first, ..] = subject.as_bytes();
        self.subjects.get(usize::from(*first))
    }
}

impl OfScope {
    fn is_empty(&self) -> bool {
        self.kinds == RevokedKinds::default() && self.prefixes.is_empty()
    }
}

impl Prefixes {
    fn add(&mut self, prefix: &str, life: Life) {
        if let Some(there) = self.lives.get_mut(prefix) {
            *there = there.and(life);
            return;
        }
        self.lives.insert(prefix.to_owned(), life);
        let count = self.lengths.entry(prefix.len()).or_default();
        *count = count.saturating_add(1);
    }

    fn retain(&mut self, keeps: impl Fn(&str, &Life) -> bool) {
        for (prefix, _) in self.lives.extract_if(|prefix, life| !keeps(prefix, life)) {
            if let Some(count) = self.lengths.get_mut(&prefix.len()) {
                *count = count.saturating_sub(1);
            }
        }
        self.lengths.retain(|_, count| *count > 0);
    }

    /// Those that the key begins with.
    fn of<'k>(&self, key: &'k str, counts: impl Fn(Life) -> bool) -> impl Iterator<Item = &'k str> {
        let begins = self.lengths.range(..=key.len()).filter_map(|(length, _)| key.get(..*length));
        begins.filter(move |begin| self.lives.get(*begin).is_some_and(|life| counts(*life)))
    }
}

fn scope_of<'a>(
    accounts: &'a Map<AccountId, OfAccount>,
    scope: ScopeName<'_>,
) -> Option<&'a OfScope> {
    let of_account = accounts.get(scope.account)?;
    match scope.signer {
        Some(signer) => of_account.own.get(signer),
        None => Some(&of_account.all),
    }
}

fn of_scope<'a>(
    accounts: &'a mut Map<AccountId, OfAccount>,
    scope: &RevocationScope,
) -> &'a mut OfScope {
    let of_account = accounts.entry(scope.account.clone()).or_default();
    match &scope.signer {
        Some(signer) => of_account.own.entry(signer.clone()).or_default(),
        None => &mut of_account.all,
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
