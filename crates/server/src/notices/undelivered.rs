//! Why a notice does not reach its receiver.

/// Why a notice was not delivered.
#[derive(Debug)]
pub(super) struct Undelivered {
    /// The reason in words, without addresses of the operator's network.
    pub(super) told: String,
    /// Whether another try could end otherwise.
    pub(super) may_change: bool,
}

impl Undelivered {
    pub(super) fn for_now(told: impl Into<String>) -> Self {
        Self { told: told.into(), may_change: true }
    }

    pub(super) fn for_good(told: impl Into<String>) -> Self {
        Self { told: told.into(), may_change: false }
    }
}
