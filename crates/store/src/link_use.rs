//! How often a link was used that may be used so often only.

use jiff::Timestamp;
use presign::Fingerprint;

/// A use that somebody wants to begin.
#[derive(Clone, Copy, Debug)]
pub struct OpenUse {
    /// The fingerprint of the link.
    pub link: Fingerprint,
    /// How many uses it has in all.
    pub uses_max: u64,
    /// The bytes that the client took in this very use before it was given back: they count as taken again, and no
    /// longer as given back.
    pub bytes_returned: u64,
    /// When the link ends, and its uses may be forgotten.
    pub link_ends_at: Timestamp,
}

/// What is known of the uses of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkUses {
    /// Uses that were begun and not given back.
    pub taken: u64,
    /// The bytes of all that was given back.
    pub bytes_given_back: u64,
}

impl LinkUses {
    /// Begins a use; `None`: none is left. Every engine does as this says.
    #[cfg(test)]
    pub(crate) fn open(self, wanted: &OpenUse) -> Option<Self> {
        let Self { taken, bytes_given_back } = self;
        (taken < wanted.uses_max).then(|| Self {
            taken: taken + 1,
            bytes_given_back: bytes_given_back.saturating_sub(wanted.bytes_returned),
        })
    }

    /// Gives a use back; `None`: it stays taken.
    #[cfg(test)]
    pub(crate) fn give_back(self, bytes: u64, bytes_max: u64) -> Option<Self> {
        let taken = self.taken.checked_sub(1)?;
        let bytes_given_back = self.bytes_given_back.checked_add(bytes)?;
        (bytes_given_back <= bytes_max).then_some(Self { taken, bytes_given_back })
    }
}
