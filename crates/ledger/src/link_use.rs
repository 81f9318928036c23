//! What is told to the ledger: a use of a link, and the facts of a link that it sees for the first time.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use presign::{Fingerprint, LinkLabel};

/// The most characters of a client's name for itself that are kept.
pub const AGENT_CHARS_MAX: usize = 256;

/// The id of an object's version.
pub type VersionBytes = [u8; 24];

/// One use of a link. It borrows what is copied into the queue.
#[derive(Clone, Copy, Debug)]
pub struct LinkUse<'a> {
    /// The link that was used.
    pub link: Fingerprint,
    /// The operation that was run, such as `GetObject`.
    pub operation: &'static str,
    /// The key of the object, where the link is for more than one and the use was answered with this one.
    pub key: Option<&'a str>,
    /// The status of the answer.
    pub status: u16,
    /// The code of the error, if it was one.
    pub code: Option<&'static str>,
    /// The version of the object that was read or written.
    pub version: Option<VersionBytes>,
    /// Bytes of the body that were given or taken.
    pub bytes: u64,
    /// How long it took, to the microsecond.
    pub duration: Duration,
    /// Whose request it was, as far as the network says it.
    pub address: Option<IpAddr>,
    /// What the client calls itself: at most [`AGENT_CHARS_MAX`] characters are kept.
    pub agent: Option<&'a [u8]>,
    /// When it was, to the millisecond.
    pub at: Timestamp,
}

/// A link that was issued, and that nobody may have used yet.
#[derive(Clone, Copy, Debug)]
pub struct NotedLink {
    /// The link that was issued.
    pub link: Fingerprint,
    /// When it was issued.
    pub at: Timestamp,
}

/// What a link is for and who made it. It never changes, so it is asked only for a link that is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkFacts {
    /// Whose signature the link has.
    pub signer: SignerFacts,
    /// The account that owns the bucket.
    pub bucket_account: String,
    /// The bucket's own name.
    pub bucket: String,
    /// The object's key; empty where the link is for the bucket.
    pub key: String,
    /// The operation that the link is for.
    pub operation: String,
    /// What people call the link.
    pub label: Option<LinkLabel>,
    /// When it was signed, if the link says so.
    pub signed_at: Option<Timestamp>,
    /// When it ends, if it ever does.
    pub ends_at: Option<Timestamp>,
}

/// Who signed a link.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SignerFacts {
    /// The account's twelve digits.
    pub account: String,
    /// The ARN of the identity.
    pub arn: String,
    /// The identity's `aws:userid`.
    pub user_id: String,
    /// The id of the key that signed.
    pub access_key_id: String,
}

/// The facts of a link, put together by the writer, and only if the link is new to it.
pub type DeferredFacts = Box<dyn FnOnce() -> LinkFacts + Send>;
