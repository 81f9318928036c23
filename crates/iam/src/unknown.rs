//! What nobody can know of a request that is not sent yet, and what a decision makes of it.
//!
//! The value of a key may be unknown ([`Values::Unknown`](crate::Values::Unknown)). Whatever in a statement hangs on
//! such a key, a condition or its list of resources, could be either way. A decision takes all of that for one way:
//! for what refuses, or for what permits. What is allowed even so, or refused even so, holds whatever the values will
//! be. Between the two nobody can tell, and the keys that were asked for say why.

use std::cell::Cell;
use std::collections::BTreeSet;

use crate::policy::Effect;

/// What a decision takes everything for that could be either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lean {
    /// Statements that deny apply, and those that allow do not. What is not known permits nothing.
    #[default]
    Refusing,
    /// Statements that allow apply, and those that deny do not.
    Permitting,
    /// Every statement applies that could: to see which keys its parts ask for.
    Applying,
}

impl Lean {
    fn applies(self, effect: Effect) -> bool {
        match (self, effect) {
            (Self::Applying, _)
            | (Self::Refusing, Effect::Deny)
            | (Self::Permitting, Effect::Allow) => true,
            (Self::Refusing, Effect::Allow) | (Self::Permitting, Effect::Deny) => false,
        }
    }
}

/// The unknown keys that one decision has asked for.
#[derive(Default)]
pub(crate) struct Unknowns {
    lean: Lean,
    asked: Cell<Vec<String>>,
    count: Cell<usize>,
}

impl Unknowns {
    pub(crate) fn leaning(lean: Lean) -> Self {
        Self { lean, ..Self::default() }
    }

    /// Notes that this key was asked for.
    pub(crate) fn note(&self, key: &str) {
        let mut asked = self.asked.take();
        asked.push(key.to_owned());
        self.asked.set(asked);
        self.count.set(self.count.get().saturating_add(1));
    }

    /// A part of a statement: as it is, unless an unknown key was asked for to tell it.
    pub(crate) fn settle(&self, effect: Effect, part: impl FnOnce() -> bool) -> bool {
        let before = self.count.get();
        let told = part();
        if self.count.get() == before { told } else { self.lean.applies(effect) }
    }

    /// The keys that were noted since they were taken last.
    pub(crate) fn take(&self) -> BTreeSet<String> {
        self.asked.take().into_iter().collect()
    }
}
