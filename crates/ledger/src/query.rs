//! What can be asked of the ledger, and what is answered.

mod facts;
mod filter;
mod links;
mod uses;

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use presign::Fingerprint;

use crate::cursor::Cursor;
use crate::link_use::{LinkFacts, VersionBytes};

pub(crate) use links::{named_links, page_of_links};
pub(crate) use uses::page_of_uses;

/// Rows that a page has at most, whatever is asked for.
pub const PAGE_MAX: usize = 1000;

/// Whose links are seen: those that an account has signed, and those for its buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkScope {
    pub(crate) account: String,
    pub(crate) user_id: Option<String>,
}

impl LinkScope {
    /// All links of an account.
    pub fn of_account(account: impl Into<String>) -> Self {
        Self { account: account.into(), user_id: None }
    }

    /// Only those that one identity of the account has signed.
    #[must_use]
    pub fn signed_by(self, user_id: impl Into<String>) -> Self {
        Self { user_id: Some(user_id.into()), ..self }
    }
}

/// What links are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkSubject {
    /// One object, or with an empty key the bucket itself.
    Object {
        /// The bucket's own name.
        bucket: String,
        /// The object's key, exactly.
        key: String,
    },
    /// All objects whose keys begin so; with an empty prefix all that is in the bucket, and the bucket.
    Prefix {
        /// The bucket's own name.
        bucket: String,
        /// How the keys begin.
        prefix: String,
    },
}

/// A link as people name it: its fingerprint, or the first sixteen digits of that, which two links may share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkName {
    /// All of the fingerprint's 64 digits.
    Whole(Fingerprint),
    /// The first eight bytes of it.
    Short([u8; 8]),
}

/// Neither 64 nor 16 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the 64 hex digits of a fingerprint, or the first 16 of them")]
pub struct LinkNameError;

impl FromStr for LinkName {
    type Err = LinkNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 16 {
            return text.parse().map(Self::Whole).map_err(|_| LinkNameError);
        }
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if !text.bytes().all(is_hex) {
            return Err(LinkNameError);
        }
        let number = u64::from_str_radix(text, 16).map_err(|_| LinkNameError)?;
        Ok(Self::Short(number.to_be_bytes()))
    }
}

/// Asks for links, those first that the ledger has seen last.
#[derive(Clone, Debug)]
pub struct LinkQuery {
    /// Whose links may be seen.
    pub scope: LinkScope,
    /// What they are for, if that matters.
    pub subject: Option<LinkSubject>,
    /// Who signed them: an ARN, an `aws:userid` or the id of an access key.
    pub signer: Option<String>,
    /// How people call them, exactly.
    pub label: Option<String>,
    /// Only links that end after this moment, or never.
    pub lives_at: Option<Timestamp>,
    /// Only links that had ended at this moment.
    pub ended_at: Option<Timestamp>,
    /// Where the page before this one ended.
    pub after: Option<Cursor>,
    /// Links of a page at most; never more than [`PAGE_MAX`].
    pub limit: usize,
}

impl LinkQuery {
    /// Asks for all links that may be seen.
    pub fn new(scope: LinkScope) -> Self {
        Self {
            scope,
            subject: None,
            signer: None,
            label: None,
            lives_at: None,
            ended_at: None,
            after: None,
            limit: PAGE_MAX,
        }
    }
}

/// Asks for uses.
#[derive(Clone, Debug)]
pub struct UseQuery {
    /// Whose links may be seen.
    pub scope: LinkScope,
    /// Which link was used, if it is about one.
    pub link: Option<LinkName>,
    /// What the links are for, if that matters.
    pub subject: Option<LinkSubject>,
    /// Who signed them: an ARN, an `aws:userid` or the id of an access key.
    pub signer: Option<String>,
    /// How people call them, exactly.
    pub label: Option<String>,
    /// Only uses of this moment or later.
    pub since: Option<Timestamp>,
    /// Only uses before this moment.
    pub until: Option<Timestamp>,
    /// Which uses come first.
    pub order: UseOrder,
    /// Where the page before this one ended.
    pub after: Option<Cursor>,
    /// Uses of a page at most; never more than [`PAGE_MAX`].
    pub limit: usize,
}

impl UseQuery {
    /// Asks for all uses that may be seen, the newest first.
    pub fn new(scope: LinkScope) -> Self {
        Self {
            scope,
            link: None,
            subject: None,
            signer: None,
            label: None,
            since: None,
            until: None,
            order: UseOrder::NewestFirst,
            after: None,
            limit: PAGE_MAX,
        }
    }
}

/// Which of the uses come first, in the order in which they were recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseOrder {
    /// Those recorded last.
    NewestFirst,
    /// Those recorded first. The cursor of the last page leads on to uses that are recorded later.
    OldestFirst,
}

/// A link that the ledger has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedLink {
    /// What names the link.
    pub fingerprint: Fingerprint,
    /// What it is for and who made it.
    pub facts: LinkFacts,
}

/// A link, and in sum what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkEntry {
    /// The link itself.
    pub link: Arc<RecordedLink>,
    /// When the ledger heard of it first: by a use, or when it was issued.
    pub seen_at: Timestamp,
    /// When it was used first. Totals are of all uses, also of those that are not kept any more.
    pub first_used_at: Option<Timestamp>,
    /// When it was used last.
    pub last_used_at: Option<Timestamp>,
    /// Uses that were answered with what was asked for.
    pub served: u64,
    /// Uses that were refused, or that failed.
    pub refused: u64,
    /// Bytes of bodies in all these uses.
    pub bytes: u64,
}

/// Some links, and where to go on. A page may have fewer than were asked for, since the work for it is bounded.
#[derive(Clone, Debug)]
pub struct LinkPage {
    /// The links of the page.
    pub links: Vec<LinkEntry>,
    /// Where the next page begins; nothing at the end.
    pub next: Option<Cursor>,
}

/// A use of a link, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedUse {
    /// The link that was used.
    pub link: Arc<RecordedLink>,
    /// The operation that was run.
    pub operation: String,
    /// The key of the object; what the link is for, if the use was of no object alone.
    pub key: String,
    /// The status of the answer.
    pub status: u16,
    /// The code of the error, if it was one.
    pub code: Option<String>,
    /// The version of the object that was read or written.
    pub version: Option<VersionBytes>,
    /// Bytes of the body that were given or taken.
    pub bytes: u64,
    /// How long it took, to the microsecond.
    pub duration: Duration,
    /// Whose request it was.
    pub address: Option<IpAddr>,
    /// What the client called itself.
    pub agent: Option<String>,
    /// When it was, to the millisecond.
    pub at: Timestamp,
}

/// Some uses, and where to go on. A page may have fewer than were asked for, since the work for it is bounded.
#[derive(Clone, Debug)]
pub struct UsePage {
    /// The uses of the page.
    pub uses: Vec<RecordedUse>,
    /// Where the next page begins; nothing at the end of the newest first, and always something of the oldest first.
    pub next: Option<Cursor>,
}

/// How much a page may still cost. A unit is a row that is looked up, some ten microseconds.
#[derive(Debug)]
pub(crate) struct Budget(u32);

/// Units that a page may cost. In tests pages end early, so that many of them are put together.
const BUDGET: u32 = if cfg!(test) { 12 } else { 2500 };

impl Budget {
    pub(crate) fn new() -> Self {
        Self(BUDGET)
    }

    pub(crate) fn spend(&mut self, units: u32) {
        self.0 = self.0.saturating_sub(units);
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.0 == 0
    }
}
