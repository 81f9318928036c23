//! The revocations that live, in memory: what answers that a link is not revoked, without asking an engine.
//!
//! The index may hold more than what is recorded, and never less. So what it does not hold is not revoked, and what it
//! does hold is looked up.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use iam::AccountId;
use jiff::Timestamp;

use super::{LinkTarget, PresentedLink, Revocation, RevokedLinks, ScopeName, Subject};
use crate::{BucketName, ObjectKey};

/// So many maps share the subjects: whoever adds one holds up few readers, and no map is large when it grows.
const SHARDS: usize = 256;

/// Revocations by what they match.
#[derive(Debug)]
pub(crate) struct RevocationIndex {
    /// Whether all that was recorded before is in the index. Until then, whatever is asked about is looked up.
    is_loaded: AtomicBool,
    subjects: Vec<RwLock<HashMap<Subject, Life>>>,
    subjects_count: AtomicUsize,
    /// By whose links, bucket and prefix.
    prefixes: RwLock<BTreeMap<String, Life>>,
    prefixes_count: AtomicUsize,
}

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
            subjects: std::iter::repeat_with(RwLock::default).take(SHARDS).collect(),
            subjects_count: AtomicUsize::new(0),
            prefixes: RwLock::default(),
            prefixes_count: AtomicUsize::new(0),
        }
    }
}

impl RevocationIndex {
    /// Adds a revocation. Before whoever made it is answered.
    pub(crate) fn add(&self, revocation: &Revocation) {
        let Revocation { links, scope, signed_until, lives_until, .. } = revocation;
        let life = Life::new(*signed_until, *lives_until);
        match links {
            RevokedLinks::Prefix(bucket, prefix) => {
                self.add_prefix(place(scope.name(), bucket, prefix), life);
            }
            RevokedLinks::Link { .. } | RevokedLinks::AccessKey(_) | RevokedLinks::Object(_, _) => {
                self.add_subject(revocation.subject(), life);
            }
        }
    }

    /// Removes one that was undone, when no other of its name is left. Nothing of that name may be added meanwhile.
    pub(crate) fn remove(&self, revocation: &Revocation) {
        match &revocation.links {
            RevokedLinks::Prefix(bucket, prefix) => {
                let mut prefixes = write(&self.prefixes);
                prefixes.remove(&place(revocation.scope.name(), bucket, prefix));
                self.prefixes_count.store(prefixes.len(), Ordering::Release);
            }
            RevokedLinks::Link { .. } | RevokedLinks::AccessKey(_) | RevokedLinks::Object(_, _) => {
                let subject = revocation.subject();
                let removed = self.shard(subject).and_then(|shard| write(shard).remove(&subject));
                if removed.is_some() {
                    self.subjects_count.fetch_sub(1, Ordering::Release);
                }
            }
        }
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
                self.subjects_count.fetch_add(1, Ordering::Release);
            }
        }
    }

    fn add_prefix(&self, place: String, life: Life) {
        let mut prefixes = write(&self.prefixes);
        let there = prefixes.entry(place).or_insert(life);
        *there = there.and(life);
        self.prefixes_count.store(prefixes.len(), Ordering::Release);
    }

    /// Says that all that was recorded is in the index.
    pub(crate) fn is_complete(&self) {
        self.is_loaded.store(true, Ordering::Release);
    }

    /// Forgets what has ended.
    pub(crate) fn forget(&self, now: Timestamp) {
        let now = seconds(now);
        let lives = |life: &Life| life.lives_until >= now;
        for shard in &self.subjects {
            let mut shard = write(shard);
            let before = shard.len();
            shard.retain(|_, life| lives(life));
            if shard.len() < before {
                shard.shrink_to_fit();
                self.subjects_count
                    .fetch_sub(before.saturating_sub(shard.len()), Ordering::Release);
            }
        }
        let mut prefixes = write(&self.prefixes);
        prefixes.retain(|_, life| lives(life));
        self.prefixes_count.store(prefixes.len(), Ordering::Release);
    }

    /// Whether nothing is revoked anywhere, as far as is known: nearly always.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_loaded.load(Ordering::Acquire)
            && self.subjects_count.load(Ordering::Acquire) == 0
            && self.prefixes_count.load(Ordering::Acquire) == 0
    }

    /// The subjects whose records decide whether the link is dead; none: it is not. Each target comes with the account
    /// that owns its bucket.
    pub(crate) fn to_look_up(
        &self,
        link: &PresentedLink<'_>,
        used_for: &[(LinkTarget<'_>, Option<AccountId>)],
        now: Timestamp,
    ) -> Vec<Subject> {
        let account = link.account;
        let mut scopes = vec![
            ScopeName { account, signer: Some(link.signer) },
            ScopeName { account, signer: None },
        ];
        for (_, owner) in used_for {
            let Some(account) = owner else { continue };
            if !scopes.iter().any(|known| known.account == account) {
                scopes.push(ScopeName { account, signer: None });
            }
        }
        let mut found = Vec::new();
        let is_loaded = self.is_loaded.load(Ordering::Acquire);
        let may_match = |life: Life| life.may_match(link.signed_at, now);
        let prefixes = read(&self.prefixes);
        for scope in scopes {
            let of_link = [
                Subject::link(scope, &link.fingerprint),
                Subject::access_key(scope, link.access_key_id),
            ];
            let of_targets = used_for.iter().filter_map(|(target, _)| {
                target.key.map(|key| Subject::object(scope, target.bucket, key))
            });
            let subjects = of_link.into_iter().chain(of_targets);
            found.extend(
                subjects.filter(|subject| !is_loaded || self.life(*subject).is_some_and(may_match)),
            );
            if !prefixes.is_empty() {
                for (target, _) in used_for {
                    push_prefixes(&prefixes, (scope, *target), &mut found, may_match);
                }
            }
        }
        found
    }

    fn life(&self, subject: Subject) -> Option<Life> {
        read(self.shard(subject)?).get(&subject).copied()
    }

    fn shard(&self, subject: Subject) -> Option<&RwLock<HashMap<Subject, Life>>> {
        let [first, ..] = subject.as_bytes();
        self.subjects.get(usize::from(*first))
    }
}

/// Adds every prefix that a key begins with. Each step goes to the greatest prefix that is not greater than what is
/// left of the key: if the key does not begin with it, then no prefix of the key is longer than what both share.
fn push_prefixes(
    prefixes: &BTreeMap<String, Life>,
    (scope, target): (ScopeName<'_>, LinkTarget<'_>),
    found: &mut Vec<Subject>,
    counts: impl Fn(Life) -> bool,
) {
    let LinkTarget { bucket, key } = target;
    let key = key.map_or("", ObjectKey::as_str);
    let whole = place(scope, bucket, key);
    let head_length = whole.len().saturating_sub(key.len());
    let mut left = Bound::Included(whole.as_str());
    while let Some((prefix, life)) = prefixes.range::<str, _>((Bound::Unbounded, left)).next_back()
    {
        if whole.starts_with(prefix.as_str()) {
            let of_key = prefix.get(head_length..);
            if let Some(of_key) = of_key.filter(|_| counts(*life)) {
                found.push(Subject::prefix(scope, bucket, of_key));
            }
            left = Bound::Excluded(prefix.as_str());
        } else {
            let shared = shared_length(prefix, &whole);
            if shared < head_length {
                return;
            }
            let Some(shorter) = whole.get(..shared) else { return };
            left = Bound::Included(shorter);
        }
    }
}

/// How many bytes two texts share at their beginnings, up to the end of a character.
fn shared_length(one: &str, other: &str) -> usize {
    let pairs = one.char_indices().zip(other.chars());
    let differs = pairs.skip_while(|((_, a), b)| a == b).map(|((at, _), _)| at).next();
    differs.unwrap_or_else(|| one.len().min(other.len()))
}

/// Whose links, in which bucket, and how their keys begin. What stands before the slash has no slash.
fn place(scope: ScopeName<'_>, bucket: &BucketName, prefix: &str) -> String {
    let ScopeName { account, signer } = scope;
    format!("{account}\u{1}{}\u{1}{bucket}/{prefix}", signer.unwrap_or_default())
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
