//! Counts the uses of links that may be used so often only (`x-valet-uses`).
//!
//! A use is taken in the store, durably, before its first byte is sent. Who has it, and how much of it was taken, is
//! known here alone: if the process dies, what was taken stays taken. So a link is never used more often than it may be,
//! whatever is forgotten here.
//!
//! A use belongs to one client and one version of an object. Its client's ranges are part of it, and so is another
//! attempt after one that has ended; it is counted once the client has taken as many bytes as the object has. Whoever
//! ends with fewer has it given back, and goes on with it later, if another client has not taken it by then.

mod remembered;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use presign::Fingerprint;
use store::{OpenUse, Store, StoreError};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::shares::Neighbour;
use remembered::{Joined, LinkMemory};

/// How long a use whose client has gone is kept for another attempt, before it is given back. Somebody else who wants
/// it gets it at once.
const GIVEN_BACK_AFTER: Duration = Duration::from_secs(1);
/// How long a client who asks for the whole object again waits for the end of its own last attempt, if no other use is
/// left.
const OWN_END_AWAITED: Duration = Duration::from_millis(1500);
/// After so many links, those of which nothing need be remembered are looked for.
const LINKS_FREE: usize = 1024;

/// The most links of which more is remembered than what is open.
const LINKS_MAX: usize = 65_536;

/// The uses of all links.
#[derive(Clone, Debug)]
pub(crate) struct LinkUses(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    links: Mutex<Links>,
}

#[derive(Debug, Default)]
struct Links {
    known: HashMap<Fingerprint, Arc<Link>>,
    /// Those of which the last use was taken, as far as they are remembered.
    used_up: HashSet<Fingerprint>,
    looked_through_at: usize,
}

/// One link that is used so often only.
#[derive(Debug)]
struct Link {
    allowed: Allowance,
    /// Held by whoever takes or gives back a use: one at a time, so that two ranges of one client do not take two.
    turn: tokio::sync::Mutex<()>,
    memory: Mutex<LinkMemory>,
    /// An attempt has ended.
    ended: tokio::sync::Notify,
}

/// How often a link may be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    pub(crate) link: Fingerprint,
    pub(crate) uses_max: u64,
    /// When the link ends.
    pub(crate) ends_at: Timestamp,
}

/// Bytes of an object that a client wants.
#[derive(Clone, Debug)]
pub(crate) struct WantedBytes {
    pub(crate) client: Neighbour,
    /// Tells the versions of the link's object apart.
    pub(crate) version: String,
    /// The size of the object.
    pub(crate) size: u64,
    /// Whether a range was asked for.
    pub(crate) is_range: bool,
}

/// Why a link cannot be used.
#[derive(Debug)]
pub(crate) enum NoUse {
    /// All uses are counted.
    UsedUp,
    /// No use is left, but one that is open may be given back.
    AllOpen,
    Store(StoreError),
}

impl From<StoreError> for NoUse {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl LinkUses {
    pub(crate) fn new(store: Store) -> Self {
        Self(Arc::new(Inner { store, links: Mutex::default() }))
    }

    /// Begins to send bytes of an object: by a use that the client has, or by another one.
    pub(crate) async fn begin(
        &self,
        allowed: Allowance,
        wanted: WantedBytes,
    ) -> Result<BytesUse, NoUse> {
        let link = self.link(allowed);
        let number = self.begin_on(&link, &wanted).await?;
        let is_whole = !wanted.is_range;
        Ok(BytesUse { uses: self.clone(), link, number, is_whole })
    }

    async fn begin_on(&self, link: &Link, wanted: &WantedBytes) -> Result<u64, NoUse> {
        let patience = Instant::now() + OWN_END_AWAITED;
        loop {
            let ended = link.ended.notified();
            match self.try_begin(link, wanted).await? {
                Tried::Begun(number) => return Ok(number),
                Tried::NoneLeft => return Err(link.memory().why_none()),
                // A client whose attempt was cut off asks again before the server has seen the end of it.
                Tried::OwnIsUnderWay => {
                    if tokio::time::timeout_at(patience, ended).await.is_err() {
                        return Err(NoUse::AllOpen);
                    }
                }
            }
        }
    }

    async fn try_begin(&self, link: &Link, wanted: &WantedBytes) -> Result<Tried, NoUse> {
        let _turn = link.turn.lock().await;
        let joined = link.memory().join(wanted);
        let bytes_returned = match joined {
            Joined::Has(number) => return Ok(Tried::Begun(number)),
            Joined::GaveBack { taken, .. } => taken,
            Joined::UnderWay | Joined::Nothing => 0,
        };
        if self.take(link, bytes_returned).await? {
            let mut memory = link.memory();
            return Ok(Tried::Begun(match joined {
                Joined::GaveBack { number, .. } => memory.take_again(number, wanted),
                Joined::Has(_) | Joined::UnderWay | Joined::Nothing => memory.add(wanted),
            }));
        }
        Ok(match joined {
            Joined::UnderWay => Tried::OwnIsUnderWay,
            Joined::Has(_) | Joined::GaveBack { .. } | Joined::Nothing => Tried::NoneLeft,
        })
    }

    /// Takes a use in the store; where none is left, one of a client who has gone.
    async fn take(&self, link: &Link, bytes_returned: u64) -> Result<bool, StoreError> {
        let Allowance { link: fingerprint, uses_max, ends_at } = link.allowed;
        let wanted = OpenUse { link: fingerprint, uses_max, bytes_returned, link_ends_at: ends_at };
        loop {
            if self.0.store.open_use(wanted).await? {
                self.note_if_used_up(link).await;
                return Ok(true);
            }
            let idle = link.memory().idle();
            let Some(idle) = idle else { return Ok(false) };
            self.give_back(link, idle).await?;
        }
    }

    async fn note_if_used_up(&self, link: &Link) {
        let Allowance { link: name, uses_max, .. } = link.allowed;
        let Ok(uses) = self.0.store.link_uses(&name).await else { return };
        if uses.taken >= uses_max {
            self.note_used_up(name);
        }
    }

    /// Remembers that the last use of a link seems to be taken, until somebody asks which are.
    pub(crate) fn note_used_up(&self, link: Fingerprint) {
        let mut links = lock(&self.0.links);
        if links.used_up.len() < LINKS_MAX {
            links.used_up.insert(link);
        }
    }

    /// The links of which the last use was taken since this was asked last, and those that are not settled. A few may be missing.
    pub(crate) fn take_used_up(&self) -> Vec<Fingerprint> {
        let used_up = std::mem::take(&mut lock(&self.0.links).used_up);
        let (settled, unsettled): (Vec<_>, Vec<_>) =
            used_up.into_iter().partition(|link| self.is_settled(link));
        lock(&self.0.links).used_up.extend(unsettled);
        settled
    }

    async fn give_back(&self, link: &Link, number: u64) -> Result<(), StoreError> {
        let Some((taken, size)) = link.memory().taken_of(number) else { return Ok(()) };
        let bytes_max = size.saturating_mul(link.allowed.uses_max);
        let given = self.0.store.give_use_back(&link.allowed.link, taken, bytes_max).await?;
        link.memory().ended(number, given);
        Ok(())
    }

    /// Begins a call that is a use as a whole, whatever it does.
    pub(crate) async fn begin_call(&self, allowed: Allowance) -> Result<CallUse, NoUse> {
        let link = self.link(allowed);
        let _turn = link.turn.lock().await;
        if !self.take(&link, 0).await? {
            return Err(link.memory().why_none());
        }
        link.memory().begin_call();
        Ok(CallUse { uses: self.clone(), link: Arc::clone(&link), is_open: true })
    }

    /// Refuses what is no use itself, if the client could not use the link either.
    pub(crate) async fn refuse_used_up(
        &self,
        allowed: Allowance,
        client: Neighbour,
    ) -> Result<(), NoUse> {
        let taken = self.0.store.link_uses(&allowed.link).await?.taken;
        if taken < allowed.uses_max {
            return Ok(());
        }
        let known = lock(&self.0.links).known.get(&allowed.link).cloned();
        let lives = known.is_some_and(|link| link.memory().lives_for(client));
        if lives { Ok(()) } else { Err(NoUse::UsedUp) }
    }

    /// How many uses a link has left, if the client could begin one of the whole object now. One that is open and whose
    /// client has gone is left, too.
    pub(crate) async fn left_for(
        &self,
        allowed: Allowance,
        client: Neighbour,
    ) -> Result<u64, NoUse> {
        let taken = self.0.store.link_uses(&allowed.link).await?.taken;
        let left = allowed.uses_max.saturating_sub(taken);
        if left > 0 {
            return Ok(left);
        }
        let known = lock(&self.0.links).known.get(&allowed.link).cloned();
        let Some(link) = known else { return Err(NoUse::UsedUp) };
        let memory = link.memory();
        if memory.has_for_whole(client) { Ok(1) } else { Err(memory.why_none()) }
    }

    /// Whether every use that is taken of a link counts for good.
    pub(crate) fn is_settled(&self, link: &Fingerprint) -> bool {
        let known = lock(&self.0.links).known.get(link).cloned();
        known.is_none_or(|link| matches!(link.memory().why_none(), NoUse::UsedUp))
    }

    /// Gives back what clients who have gone took less than whole of, before the server ends.
    pub(crate) async fn give_back_idle(&self) {
        let links: Vec<_> = lock(&self.0.links).known.values().cloned().collect();
        for link in links {
            let _turn = link.turn.lock().await;
            loop {
                let Some(number) = link.memory().idle() else { break };
                if self.give_back(&link, number).await.is_err() {
                    return;
                }
            }
        }
    }

    fn link(&self, allowed: Allowance) -> Arc<Link> {
        let mut links = lock(&self.0.links);
        let Links { known, looked_through_at, used_up: _ } = &mut *links;
        if known.len() >= LINKS_FREE.max(looked_through_at.saturating_mul(2)) {
            // Who holds a link is about to change what is remembered of it.
            known.retain(|_, link| Arc::strong_count(link) > 1 || link.memory().is_needed());
            // Whoever is forgotten has to take another use: no more is given than there is.
            if known.len() >= LINKS_MAX {
                known.retain(|_, link| Arc::strong_count(link) > 1 || link.memory().is_open());
            }
            *looked_through_at = known.len();
        }
        let link = known.entry(allowed.link).or_insert_with(|| {
            Arc::new(Link {
                allowed,
                turn: tokio::sync::Mutex::default(),
                memory: Mutex::default(),
                ended: tokio::sync::Notify::new(),
            })
        });
        Arc::clone(link)
    }
}

/// What came of the attempt to begin.
enum Tried {
    /// The number of the use.
    Begun(u64),
    NoneLeft,
    /// None is left, and one of them is the client's own, of an attempt that has not ended yet.
    OwnIsUnderWay,
}

impl Link {
    fn memory(&self) -> MutexGuard<'_, LinkMemory> {
        lock(&self.memory)
    }
}

/// Bytes that are being sent under a use, until this value is dropped.
#[derive(Debug)]
pub(crate) struct BytesUse {
    uses: LinkUses,
    link: Arc<Link>,
    number: u64,
    is_whole: bool,
}

impl BytesUse {
    /// Notes that the client took so many more bytes.
    pub(crate) fn took(&self, bytes: u64) {
        self.link.memory().took(self.number, bytes);
    }

    /// Notes that the client did not take so many bytes after all: it has thrown the connection away.
    pub(crate) fn took_not(&self, bytes: u64) {
        self.link.memory().took_not(self.number, bytes);
    }
}

impl Drop for BytesUse {
    fn drop(&mut self) {
        let idle_since = self.link.memory().left(self.number, self.is_whole);
        self.link.ended.notify_waiters();
        let (Some(idle_since), Ok(runtime)) = (idle_since, Handle::try_current()) else { return };
        let (uses, link) = (self.uses.clone(), Arc::clone(&self.link));
        let number = self.number;
        runtime.spawn(async move {
            tokio::time::sleep(GIVEN_BACK_AFTER).await;
            let _turn = link.turn.lock().await;
            if link.memory().is_idle_since(number, idle_since)
                && let Err(error) = uses.give_back(&link, number).await
            {
                tracing::warn!(%error, "a use of a link could not be given back, so it counts");
            }
        });
    }
}

/// A call that is a use as a whole. If it is dropped before its end is known, the use counts.
#[derive(Debug)]
pub(crate) struct CallUse {
    uses: LinkUses,
    link: Arc<Link>,
    is_open: bool,
}

impl CallUse {
    /// Counts the use, or gives it back if the call has done nothing.
    pub(crate) async fn settle(mut self, is_done: bool) {
        if !is_done {
            let _turn = self.link.turn.lock().await;
            let (store, link) = (&self.uses.0.store, &self.link.allowed.link);
            if let Err(error) = store.give_use_back(link, 0, u64::MAX).await {
                tracing::warn!(%error, "a use of a link could not be given back, so it counts");
            }
        }
        self.close();
    }

    /// Gives the use back after so many bytes of an answer that was broken off, if all that was given back before is less
    /// than what the uses of the link can take of `size`.
    pub(crate) async fn break_off(mut self, bytes: u64, size: u64) {
        let link = Arc::clone(&self.link);
        let _turn = link.turn.lock().await;
        let (store, Allowance { link: fingerprint, uses_max, .. }) =
            (&self.uses.0.store, link.allowed);
        let bytes_max = size.saturating_mul(uses_max);
        if let Err(error) = store.give_use_back(&fingerprint, bytes, bytes_max).await {
            tracing::warn!(%error, "a use of a link could not be given back, so it counts");
        }
        self.close();
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.is_open) {
            self.link.memory().end_call();
        }
    }
}

impl Drop for CallUse {
    fn drop(&mut self) {
        self.close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
