//! Objects and uploads under a key that a customer sends along: whether it is the right one.

use std::fmt;
use std::sync::Arc;

use iam::CustomerKey;

use crate::Object;

/// An object that may be read: if it needs a customer's key, its reader has shown it.
#[derive(Clone, Debug)]
pub struct Unlocked {
    pub(crate) object: Arc<Object>,
    pub(crate) key: Option<CustomerKey>,
}

impl Unlocked {
    /// The object that may be read.
    pub fn object(&self) -> &Arc<Object> {
        &self.object
    }
}

/// Why a customer's key, or its absence, does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// The body takes a customer's key, and none was given.
    #[error("a customer's key is needed")]
    Required,
    /// The body takes no key, and one was given.
    #[error("there is nothing that a customer's key opens")]
    NotApplicable,
    /// The body takes another key than the one given.
    #[error("the customer's key is another one")]
    Wrong,
}

/// Tells whether a customer's key is the one that an upload was begun with: nothing, sealed under
/// it. Equal keys do not show, since each is salted.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyCheck {
    pub(crate) salt: [u8; 16],
    pub(crate) sealed: Box<[u8]>,
}

impl fmt::Debug for KeyCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyCheck(..)")
    }
}
