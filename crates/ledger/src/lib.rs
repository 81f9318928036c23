//! The ledger: what became of every link. It is an engine of its own, beside the store: its file and its writer are its own,
//! so that neither ever waits for the other.
//!
//! [`Ledger::record`] puts a use into a bounded queue and returns; a thread writes what has gathered, in batches. If the
//! queue is full, or the file cannot be written, uses are lost and counted, and requests go on.
//!
//! A link is named by the fingerprint of its signature, never by the signature. How uses are kept so that a hundred million of
//! them can be asked by object, signer or label is drawn in `docs/design.md`, "The ledger".

mod block;
mod cursor;
mod database;
mod error;
mod known;
mod ledger;
mod link_use;
mod numbers;
mod postings;
mod query;
mod queue;
mod readers;
mod totals;
mod varint;
mod writer;

pub use cursor::{Cursor, CursorError};
pub use error::LedgerError;
pub use ledger::{Ledger, LedgerCounts};
pub use link_use::{
    AGENT_CHARS_MAX, DeferredFacts, LinkFacts, LinkUse, NotedLink, SignerFacts, VersionBytes,
};
pub use query::{
    LinkEntry, LinkName, LinkNameError, LinkPage, LinkQuery, LinkScope, LinkSubject, PAGE_MAX,
    RecordedLink, RecordedUse, UseOrder, UsePage, UseQuery,
};
pub use queue::QUEUE_MAX;

#[cfg(test)]
mod tests;
