//! Notices: what whoever made a managed link wants to be told of it, waiting to be sent.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use iam::AccountId;
use jiff::{SignedDuration, Timestamp};
use presign::Fingerprint;

use crate::StoreError;
use crate::vault::random;

/// The most notices of one account that wait to be sent. Further ones are dropped until some are.
pub const NOTICES_WAITING_MAX: u64 = 10_000;
/// The most of them about one link: whoever sends many files by one must not silence the others.
pub const NOTICES_WAITING_OF_LINK_MAX: u64 = 1000;
/// How long a notice is remembered that was delivered.
pub const NOTICE_KEPT_DELIVERED: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long a notice is remembered that was not.
pub const NOTICE_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A link that is refused after its end is told of once in so long.
pub const REFUSALS_TOLD_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// Tells a notice from all others, also to whoever gets it twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoticeId([u8; 16]);

impl NoticeId {
    /// An id that no other notice has.
    pub fn generate() -> Result<Self, StoreError> {
        random().map(Self)
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoticeId({self})")
    }
}

/// What a notice tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoticeEvent {
    /// The link was used for the first time.
    FirstUse,
    /// A file has come in whole by a request link.
    Upload,
    /// The link was used as often as it may be.
    UsedUp,
    /// The link was opened after it had ended.
    RefusedAfterEnd,
}

/// Not the name of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of an event that notices tell of")]
pub struct NoticeEventError;

impl NoticeEvent {
    const ALL: [Self; 4] = [Self::FirstUse, Self::Upload, Self::UsedUp, Self::RefusedAfterEnd];

    /// The event as records and receivers read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstUse => "first-use",
            Self::Upload => "upload",
            Self::UsedUp => "used-up",
            Self::RefusedAfterEnd => "refused-after-end",
        }
    }

    /// Whether an event is told of, where one of its kind has happened to the link before.
    pub(crate) fn is_told_again(self, told_at: Timestamp, now: Timestamp) -> bool {
        match self {
            Self::FirstUse | Self::UsedUp => false,
            Self::Upload => true,
            // A time that lies ahead is one of a clock that was put back.
            Self::RefusedAfterEnd => now.duration_since(told_at).abs() >= REFUSALS_TOLD_EVERY,
        }
    }
}

impl FromStr for NoticeEvent {
    type Err = NoticeEventError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|event| event.name() == text).ok_or(NoticeEventError)
    }
}

/// The circumstances that a notice tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoticeFacts {
    /// What the link is called.
    pub label: Option<String>,
    /// The bucket of the link.
    pub bucket: String,
    /// The key of the object, or the prefix of the link.
    pub key: String,
    /// How many bytes came in.
    pub bytes: Option<u64>,
    /// The address of the client.
    pub address: Option<IpAddr>,
}

/// Something that happened to a link, to be told to some.
#[derive(Clone, Debug)]
pub struct NewNotice {
    /// The link that it happened to.
    pub link: Fingerprint,
    /// The account of the link.
    pub account: AccountId,
    /// What has happened.
    pub event: NoticeEvent,
    /// When it happened.
    pub at: Timestamp,
    /// The circumstances of the event.
    pub facts: NoticeFacts,
    /// Who is told: a notice for each, under an id of its own.
    pub targets: Vec<(NoticeId, String)>,
}

/// What came of the attempt to record notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutNotice {
    /// They wait to be sent.
    Recorded,
    /// The event was told of before, and is not told of again.
    Known,
    /// The account has [`NOTICES_WAITING_MAX`], or the link [`NOTICES_WAITING_OF_LINK_MAX`].
    TooMany,
}

/// How far a notice has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeState {
    /// It is tried at a time, or again then.
    Waiting {
        /// When it is tried next.
        next_at: Timestamp,
    },
    /// Its receiver has it.
    Delivered,
    /// It was given up.
    Failed,
}

/// A notice for one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its id, the same with each try.
    pub id: NoticeId,
    /// The link that it is about.
    pub link: Fingerprint,
    /// The account of the link.
    pub account: AccountId,
    /// What has happened.
    pub event: NoticeEvent,
    /// When it happened.
    pub at: Timestamp,
    /// The circumstances of the event.
    pub facts: NoticeFacts,
    /// Who is told: a `mailto:` or `https:` URL.
    pub target: String,
    /// How far it has come.
    pub state: NoticeState,
    /// How often it was tried.
    pub tries: u64,
    /// Why the last try came to nothing, in words.
    pub error: Option<String>,
}

/// What came of a try to deliver a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeTry {
    /// Its receiver has it.
    Delivered,
    /// It is tried again; and so are others for the same receiver, not before.
    PutOff {
        /// When it is tried next.
        until: Timestamp,
        /// Why it was not delivered, in words.
        error: String,
    },
    /// It is given up.
    Failed {
        /// Why it was not delivered, in words.
        error: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_once_and_what_again() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let check = |event: NoticeEvent, since: i64, expected: bool| {
            assert_eq!(event.is_told_again(at(0), at(since)), expected, "{event:?} {since}");
            assert_eq!(event.name().parse(), Ok(event));
        };
        let day = 24 * 60 * 60;
        check(NoticeEvent::FirstUse, 1000 * day, false);
        check(NoticeEvent::UsedUp, 1000 * day, false);
        check(NoticeEvent::Upload, 0, true);
        check(NoticeEvent::RefusedAfterEnd, 0, false);
        check(NoticeEvent::RefusedAfterEnd, day - 1, false);
        check(NoticeEvent::RefusedAfterEnd, day, true);
        check(NoticeEvent::RefusedAfterEnd, -day, true);
        assert_eq!("opened".parse::<NoticeEvent>(), Err(NoticeEventError));
    }
}
