//! The rooms in which bodies are read: for calls of IAM and STS, for documents of S3, and for fields of forms.
//! They are separate, so that one kind cannot crowd out another.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::room::{Room, Slot};

/// Bodies of IAM and STS calls in memory, where the signature of the head was verified.
const PROVEN_MAX: usize = 64;
/// The same, where the head only claims a known access key. An access key id is no secret: it stands in every
/// link.
const CLAIMED_MAX: usize = 64;
/// The same, where no key is claimed: such a body is a token of an identity provider, and short.
const ANONYMOUS_MAX: usize = 16;
/// Documents of S3 calls that are read at once: short ones, and long ones.
const SHORT_DOCUMENTS_MAX: usize = 1024;
const LONG_DOCUMENTS_MAX: usize = 64;
/// Forms whose fields are read at once: 20 KiB each, before the sender is known.
const FORMS_MAX: usize = 1024;
/// The longest announced length of a short document.
const SHORT_DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// Calls of IAM and STS that are executed at once. Further ones wait, and keep the slot of their room.
const WORKING_MAX: usize = 64;

/// The rooms for calls of IAM and STS. Callers who have proved nothing cannot take slots of those who have.
#[derive(Debug)]
pub(crate) struct Rooms {
    pub(crate) proven: Arc<Room>,
    pub(crate) claimed: Arc<Room>,
    pub(crate) anonymous: Arc<Room>,
    pub(crate) working: Semaphore,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            proven: Arc::new(Room::new(PROVEN_MAX)),
            claimed: Arc::new(Room::new(CLAIMED_MAX)),
            anonymous: Arc::new(Room::new(ANONYMOUS_MAX)),
            working: Semaphore::new(WORKING_MAX),
        }
    }
}

/// The rooms for documents of S3 calls, and for the fields of forms. Without limits, a holder of one link could
/// begin many documents and end none; a form can be begun by anybody.
#[derive(Debug)]
pub(crate) struct Documents {
    short: Arc<Room>,
    long: Arc<Room>,
    forms: Arc<Room>,
}

impl Default for Documents {
    fn default() -> Self {
        let room = |most| Arc::new(Room::new(most));
        Self {
            short: room(SHORT_DOCUMENTS_MAX),
            long: room(LONG_DOCUMENTS_MAX),
            forms: room(FORMS_MAX),
        }
    }
}

impl Documents {
    /// Takes a slot for a document of at most `bytes_max` bytes.
    pub(crate) fn enter(&self, address: IpAddr, bytes_max: usize) -> Slot {
        let is_short = bytes_max <= SHORT_DOCUMENT_BYTES_MAX;
        let room = if is_short { &self.short } else { &self.long };
        room.enter(address)
    }

    /// Takes a slot for the fields of a form, which stand before its file.
    pub(crate) fn enter_form(&self, address: IpAddr) -> Slot {
        self.forms.enter(address)
    }
}
