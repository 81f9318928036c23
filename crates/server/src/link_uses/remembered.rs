//! What is remembered of the uses of one link.

use std::time::Duration;

use tokio::time::Instant;

use super::{NoUse, WantedBytes};
use crate::shares::Neighbour;

/// For how long after its last byte a client's ranges are part of a use.
const RANGES_FREE: Duration = Duration::from_mins(10);
/// The most uses that are remembered of one link, besides those that are open.
const REMEMBERED_MAX: usize = 256;

/// The uses of one link, as far as they are open, or their clients may come back.
#[derive(Debug, Default)]
pub(super) struct LinkMemory {
    /// The calls under way, each of which is a use as a whole.
    calls: u64,
    uses: Vec<Use>,
    next: u64,
}

/// One use of bytes.
#[derive(Debug)]
struct Use {
    number: u64,
    client: Neighbour,
    version: String,
    size: u64,
    taken: u64,
    /// How many answers are being sent under the use, and how many of them are of the whole object.
    answers: u32,
    whole_answers: u32,
    /// Whether the client threw an answer away once. It is believed once.
    threw_away: bool,
    phase: Phase,
    /// When the client was last sent something.
    moved_at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Taken in the store, and not yet whole.
    Open,
    /// Taken for good.
    Counted,
    /// Given back in the store.
    GivenBack,
}

/// What a client has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// The use of this number, which the answer is now part of.
    Has(u64),
    /// A use that was given back after so many bytes.
    GaveBack {
        number: u64,
        taken: u64,
    },
    /// An attempt at the whole object that has not ended.
    UnderWay,
    Nothing,
}

impl Use {
    fn is_of(&self, wanted: &WantedBytes) -> bool {
        self.client == wanted.client && self.version == wanted.version
    }

    fn is_fresh(&self) -> bool {
        self.answers > 0 || self.moved_at.elapsed() < RANGES_FREE
    }

    fn begin(&mut self, wanted: &WantedBytes) {
        self.answers = self.answers.saturating_add(1);
        if !wanted.is_range {
            self.whole_answers = self.whole_answers.saturating_add(1);
        }
        self.moved_at = Instant::now();
        if self.taken >= self.size {
            self.phase = Phase::Counted;
        }
    }
}

impl LinkMemory {
    /// Makes the answer part of a use that the client has, if it may be.
    pub(super) fn join(&mut self, wanted: &WantedBytes) -> Joined {
        let mut found = Joined::Nothing;
        for one in self.uses.iter_mut().filter(|one| one.is_of(wanted) && one.is_fresh()) {
            match one.phase {
                Phase::Counted if !wanted.is_range => {}
                Phase::Open if !wanted.is_range && one.whole_answers > 0 => {
                    found = Joined::UnderWay;
                }
                Phase::Open | Phase::Counted => {
                    one.begin(wanted);
                    return Joined::Has(one.number);
                }
                Phase::GivenBack if found == Joined::Nothing => {
                    found = Joined::GaveBack { number: one.number, taken: one.taken };
                }
                Phase::GivenBack => {}
            }
        }
        found
    }

    pub(super) fn begin_call(&mut self) {
        self.calls = self.calls.saturating_add(1);
    }

    pub(super) fn end_call(&mut self) {
        self.calls = self.calls.saturating_sub(1);
    }

    /// Remembers a use that was taken.
    pub(super) fn add(&mut self, wanted: &WantedBytes) -> u64 {
        self.forget();
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        let WantedBytes { client, version, size, is_range: _ } = wanted.clone();
        let mut one = Use {
            number,
            client,
            version,
            size,
            taken: 0,
            answers: 0,
            whole_answers: 0,
            threw_away: false,
            phase: Phase::Open,
            moved_at: Instant::now(),
        };
        one.begin(wanted);
        self.uses.push(one);
        number
    }

    /// Remembers that a use which was given back was taken again.
    pub(super) fn take_again(&mut self, number: u64, wanted: &WantedBytes) -> u64 {
        match self.find(number) {
            Some(one) => {
                one.phase = Phase::Open;
                one.begin(wanted);
                number
            }
            None => self.add(wanted),
        }
    }

    pub(super) fn took(&mut self, number: u64, bytes: u64) {
        if let Some(one) = self.find(number) {
            one.taken = one.taken.saturating_add(bytes);
            one.moved_at = Instant::now();
            if one.taken >= one.size {
                one.phase = Phase::Counted;
            }
        }
    }

    /// So many bytes were noted, and not taken. Only while the answer that they belong to is part of the use.
    pub(super) fn took_not(&mut self, number: u64, bytes: u64) {
        let Some(one) = self.find(number).filter(|one| !one.threw_away) else { return };
        if one.phase == Phase::Counted && one.taken.saturating_sub(bytes) < one.size {
            one.threw_away = true;
            one.phase = Phase::Open;
            // It may have been read all the same, so it is charged as whole when the use is given back.
            one.taken = one.size;
        }
    }

    /// An answer has ended. Since when the use is idle, if it is.
    pub(super) fn left(&mut self, number: u64, is_whole: bool) -> Option<Instant> {
        let one = self.find(number)?;
        one.answers = one.answers.saturating_sub(1);
        one.whole_answers = one.whole_answers.saturating_sub(u32::from(is_whole));
        one.moved_at = Instant::now();
        (one.phase == Phase::Open && one.answers == 0).then_some(one.moved_at)
    }

    /// A use that is open, and whose client has gone.
    pub(super) fn idle(&self) -> Option<u64> {
        let idle = |one: &&Use| one.phase == Phase::Open && one.answers == 0;
        self.uses.iter().find(idle).map(|one| one.number)
    }

    pub(super) fn is_idle_since(&self, number: u64, since: Instant) -> bool {
        let found = self.uses.iter().find(|one| one.number == number);
        found.is_some_and(|one| {
            one.phase == Phase::Open && one.answers == 0 && one.moved_at == since
        })
    }

    /// How much was taken in a use that is open, and of how much.
    pub(super) fn taken_of(&self, number: u64) -> Option<(u64, u64)> {
        let found = self.uses.iter().find(|one| one.number == number && one.phase == Phase::Open);
        found.map(|one| (one.taken, one.size))
    }

    /// A use has ended with less than the whole: it was given back, or counts because too much was given back before.
    pub(super) fn ended(&mut self, number: u64, given_back: bool) {
        if let Some(one) = self.find(number) {
            one.phase = if given_back { Phase::GivenBack } else { Phase::Counted };
        }
    }

    /// Why no use is left.
    pub(super) fn why_none(&self) -> NoUse {
        if self.is_open() { NoUse::AllOpen } else { NoUse::UsedUp }
    }

    /// Whether a use may still be given back, or the client has one.
    pub(super) fn lives_for(&self, client: Neighbour) -> bool {
        let has = |one: &Use| one.client == client && one.phase == Phase::Counted && one.is_fresh();
        self.is_open() || self.uses.iter().any(has)
    }

    /// Whether the client could begin to take the whole object although every use is taken: by its own use, or by one whose
    /// client has gone.
    pub(super) fn has_for_whole(&self, client: Neighbour) -> bool {
        let open = self.uses.iter().filter(|one| one.phase == Phase::Open);
        let mut free =
            open.map(|one| one.answers == 0 || one.client == client && one.whole_answers == 0);
        free.any(|is_free| is_free)
    }

    /// Whether anything would be lost if nothing were remembered.
    pub(super) fn is_needed(&self) -> bool {
        self.is_open() || self.uses.iter().any(Use::is_fresh)
    }

    /// Whether a use is open, so that it may still be given back.
    pub(super) fn is_open(&self) -> bool {
        self.calls > 0 || self.uses.iter().any(|one| one.phase == Phase::Open)
    }

    fn find(&mut self, number: u64) -> Option<&mut Use> {
        self.uses.iter_mut().find(|one| one.number == number)
    }

    /// Forgets uses whose clients need not come back, and of too many the oldest.
    fn forget(&mut self) {
        self.uses.retain(|one| one.phase == Phase::Open || one.is_fresh());
        let is_over = |one: &Use| one.phase != Phase::Open && one.answers == 0;
        let mut surplus =
            self.uses.iter().filter(|one| is_over(one)).count().saturating_sub(REMEMBERED_MAX);
        self.uses.retain(|one| {
            let goes = surplus > 0 && is_over(one);
            surplus = surplus.saturating_sub(usize::from(goes));
            !goes
        });
    }
}
