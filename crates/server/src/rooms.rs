//! Rooms for calls whose bodies, and documents, are not here yet, apart from each other.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::room::{Room, Slot};

/// Bodies in memory of callers whose signature holds.
const PROVEN_MAX: usize = 64;
/// And of those who claim a key that is known, which stands in every link.
const CLAIMED_MAX: usize = 64;
/// And of those who claim none: tokens of identity providers, which are short.
const ANONYMOUS_MAX: usize = 16;
/// Documents of S3 that are read at once, and those of them that may be long.
const SHORT_DOCUMENTS_MAX: usize = 1024;
const LONG_DOCUMENTS_MAX: usize = 64;
/// Forms whose fields are read at once: 20 KiB each, of nobody who is known yet.
const FORMS_MAX: usize = 1024;
/// What is announced as no longer than this is a short one.
const SHORT_DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// Proven calls at work at once; further ones wait in their room.
const WORKING_MAX: usize = 64;

/// All of them: who has proved nothing takes no place of who has.
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

/// Room for documents of S3 calls. Whoever has a link that takes one can begin many and end none. And, apart from them,
/// for the fields of forms, which anybody can begin.
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
    /// Takes a place for a document of so many bytes at most.
    pub(crate) fn enter(&self, address: IpAddr, bytes_max: usize) -> Slot {
        let is_short = bytes_max <= SHORT_DOCUMENT_BYTES_MAX;
        let room = if is_short { &self.short } else { &self.long };
        room.enter(address)
    }

    /// Takes a place for what comes before a form's file.
    pub(crate) fn enter_form(&self, address: IpAddr) -> Slot {
        self.forms.enter(address)
    }
}
