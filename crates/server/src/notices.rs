//! Notices: what happens to managed links is told to those whom their makers have named.
//!
//! A request only leaves a word in a bounded queue in memory, and goes on. A task writes what is there into the store, and
//! another delivers from the store: so a full queue, a dead receiver or a full disk delays no request.

mod delivery;
mod mail;
mod undelivered;
mod webhook;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::Method;
use jiff::Timestamp;
use presign::Fingerprint;
use store::{
    LinkPurpose, ManagedLink, NewNotice, NoticeEvent, NoticeFacts, NoticeId, PutNotice,
    REFUSALS_TOLD_EVERY, Store, StoreError,
};
use tokio::sync::Notify;

use crate::config::ServerConfig;
use crate::gate::{EXPIRED, REVOKED, USED_UP};
use crate::link_ledger::Outcome;
use crate::metrics::NoticeCounts;
use crate::notes::{OPEN_LINK, RequestNotes};
use crate::outbound::Outbound;
use mail::Mailer;

/// The most events that wait to be written. Further ones are dropped, and counted.
const QUEUED_MAX: usize = 1024;
/// The most events of which this process remembers that they were told.
const TOLD_MAX: usize = 16_384;

/// Takes in what happens, and tells it.
#[derive(Clone, Debug)]
pub(crate) struct Notices(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    outbound: Outbound,
    /// `None`: no mail is sent.
    mailer: Option<Mailer>,
    queue: Mutex<Queue>,
    arrived: Notify,
    written: Notify,
    counts: NoticeCounts,
    /// Rounds of delivery take turns.
    delivering: tokio::sync::Mutex<()>,
}

/// What waits to be written, and what need not be written again.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<LinkEvent>,
    told: HashMap<(Fingerprint, NoticeEvent), Timestamp>,
}

/// Something that happened to a link.
#[derive(Clone, Debug)]
struct LinkEvent {
    link: Arc<ManagedLink>,
    event: NoticeEvent,
    /// The key that it was about, if that is not what the link names.
    key: Option<String>,
    bytes: Option<u64>,
    address: Option<IpAddr>,
    at: Timestamp,
}

/// A file that has come in whole by a request link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CompletedFile<'f> {
    /// The key that it is stored under.
    pub(crate) key: &'f str,
    pub(crate) bytes: u64,
    pub(crate) address: Option<IpAddr>,
}

impl Notices {
    pub(crate) fn new(store: Store, config: &ServerConfig) -> Self {
        let outbound = Outbound::new(config.outbound_allow.clone());
        Self::over(store, outbound, config.smtp.clone().map(Mailer::new))
    }

    fn over(store: Store, outbound: Outbound, mailer: Option<Mailer>) -> Self {
        Self(Arc::new(Inner {
            store,
            outbound,
            mailer,
            queue: Mutex::default(),
            arrived: Notify::new(),
            written: Notify::new(),
            counts: NoticeCounts::default(),
            delivering: tokio::sync::Mutex::default(),
        }))
    }

    pub(crate) fn counts(&self) -> &NoticeCounts {
        &self.0.counts
    }

    /// Notes what a request has done to a managed link, once its answer is over. Links without `notify` cost a look.
    pub(crate) fn note(&self, notes: &RequestNotes, outcome: &Outcome<'_>) {
        let used = notes.caller.as_ref().and_then(|caller| caller.managed());
        let used = used.map(|used| &used.link);
        let Some(link) = used.or(notes.opened.as_ref()) else { return };
        if link.notify.is_empty() {
            return;
        }
        let ended = [EXPIRED, REVOKED, USED_UP];
        // A short link that shows a page, or sends on, is used by what it sends on to.
        let is_use = used.is_some() || notes.operation != OPEN_LINK;
        let event = if outcome.status.is_success() {
            // Each file that comes in by a request is told of itself.
            let is_request = matches!(link.purpose, LinkPurpose::Request { .. });
            let is_look = outcome.method == Method::HEAD.as_str();
            (is_use && !is_request && !is_look).then_some(NoticeEvent::FirstUse)
        } else {
            let is_ended = notes.reason.as_deref().is_some_and(|reason| ended.contains(&reason));
            is_ended.then_some(NoticeEvent::RefusedAfterEnd)
        };
        let Some(event) = event else { return };
        self.add(LinkEvent {
            link: Arc::clone(link),
            event,
            key: notes.key.as_ref().map(|key| key.as_str().to_owned()),
            bytes: None,
            address: notes.client,
            at: outcome.at,
        });
    }

    /// Tells of a file that has come in whole by a request link. It returns at once.
    pub(crate) fn upload_completed(
        &self,
        link: &ManagedLink,
        file: CompletedFile<'_>,
        now: Timestamp,
    ) {
        let CompletedFile { key, bytes, address } = file;
        if link.notify.is_empty() {
            return;
        }
        self.add(LinkEvent {
            link: Arc::new(link.clone()),
            event: NoticeEvent::Upload,
            key: Some(key.to_owned()),
            bytes: Some(bytes),
            address,
            at: now,
        });
    }

    /// Tells of a link that was closed because it has no use left. It returns at once.
    pub(crate) fn used_up(&self, link: &Arc<ManagedLink>, now: Timestamp) {
        self.add(LinkEvent {
            link: Arc::clone(link),
            event: NoticeEvent::UsedUp,
            key: None,
            bytes: None,
            address: None,
            at: now,
        });
    }

    fn add(&self, event: LinkEvent) {
        if event.link.notify.is_empty() {
            return;
        }
        let mut queue = self.queue();
        if queue.is_told(&event) {
            return;
        }
        if queue.waiting.len() >= QUEUED_MAX {
            drop(queue);
            self.0.counts.dropped.inc_by(targets(&event));
            return;
        }
        queue.remember(&event);
        queue.waiting.push_back(event);
        drop(queue);
        self.0.arrived.notify_one();
    }

    /// Waits until something has happened.
    pub(crate) async fn arrival(&self) {
        self.0.arrived.notified().await;
    }

    /// Waits until something was written.
    pub(crate) async fn written(&self) {
        self.0.written.notified().await;
    }

    /// Writes what has happened into the store. What cannot be written stays where it is, for the next time.
    pub(crate) async fn write(&self) -> Result<(), StoreError> {
        loop {
            // Taken out before it is written: only this task takes any.
            let Some(event) = self.queue().waiting.pop_front() else { return Ok(()) };
            let put = match event.notice() {
                Ok(notice) => self.0.store.put_notice(notice).await,
                Err(error) => Err(error),
            };
            match put {
                Ok(PutNotice::Recorded) => self.0.written.notify_one(),
                Ok(PutNotice::Known) => {}
                Ok(PutNotice::TooMany) => {
                    self.0.counts.dropped.inc_by(targets(&event));
                }
                Err(error) => {
                    self.queue().waiting.push_front(event);
                    return Err(error);
                }
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn targets(event: &LinkEvent) -> u64 {
    u64::try_from(event.link.notify.len()).unwrap_or(u64::MAX)
}

impl LinkEvent {
    fn name(&self) -> (Fingerprint, NoticeEvent) {
        (self.link.fingerprint(), self.event)
    }

    fn notice(&self) -> Result<NewNotice, StoreError> {
        let Self { link, event, key, bytes, address, at } = self;
        let ids = link.notify.iter().map(|target| Ok((NoticeId::generate()?, target.clone())));
        let key = key.as_deref().unwrap_or_else(|| link.purpose.key_or_prefix());
        Ok(NewNotice {
            link: link.fingerprint(),
            account: link.account.clone(),
            event: *event,
            at: *at,
            facts: NoticeFacts {
                label: link.conditions.label.as_ref().map(ToString::to_string),
                bucket: link.purpose.bucket().as_str().to_owned(),
                key: key.to_owned(),
                bytes: *bytes,
                address: *address,
            },
            targets: ids.collect::<Result<_, StoreError>>()?,
        })
    }
}

impl Queue {
    /// Whether this process has told the event before, so that the store need not be asked.
    fn is_told(&self, event: &LinkEvent) -> bool {
        let Some(told_at) = self.told.get(&event.name()) else { return false };
        match event.event {
            NoticeEvent::FirstUse | NoticeEvent::UsedUp => true,
            NoticeEvent::Upload => false,
            NoticeEvent::RefusedAfterEnd => {
                event.at.duration_since(*told_at).abs() < REFUSALS_TOLD_EVERY
            }
        }
    }

    fn remember(&mut self, event: &LinkEvent) {
        // The store remembers all of them.
        if self.told.len() >= TOLD_MAX {
            self.told.clear();
        }
        if event.event != NoticeEvent::Upload {
            self.told.insert(event.name(), event.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use iam::{AccountId, MasterKey};
    use presign::LinkConditions;
    use store::{
        BucketName, CreatorIdentity, Encryption, FileLimits, Landing, LinkCreator, ManagedLinkId,
        StoreConfig,
    };

    use super::*;

    fn request(notify: &[&str]) -> Arc<ManagedLink> {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        Arc::new(ManagedLink {
            id: ManagedLinkId::generate().unwrap(),
            account: AccountId::parse("000000000000").unwrap(),
            creator: LinkCreator {
                identity: CreatorIdentity::Root,
                arn: "arn:aws:iam::000000000000:root".to_owned(),
                signer: "root".to_owned(),
                access_key_id: "AKIAROOT".to_owned(),
                root_key: None,
                session: None,
            },
            purpose: LinkPurpose::Request {
                bucket: BucketName::parse("bucket").unwrap(),
                prefix: "in/".to_owned(),
                limits: FileLimits {
                    max_bytes: None,
                    max_files: None,
                    max_total_bytes: None,
                    types: Vec::new(),
                    ask_name: false,
                    ask_note: false,
                },
            },
            created_at: at("2026-06-15T12:00:00Z"),
            expires_at: at("2026-06-16T12:00:00Z"),
            conditions: LinkConditions::default(),
            passphrase: None,
            landing: Landing::Auto,
            names_creator: false,
            notify: notify.iter().map(|target| (*target).to_owned()).collect(),
            delete_object_at_end: None,
            closed_at: None,
            revision: 1,
        })
    }

    fn opened(dir: &std::path::Path, now: Timestamp) -> (Store, Notices) {
        let config = StoreConfig {
            data_dir: dir.to_owned(),
            master_key: MasterKey::from_bytes([7; 32]),
            encryption: Encryption::On,
            cache_bytes_max: 1 << 20,
        };
        let store = Store::open(config, now).unwrap();
        let notices = Notices::over(store.clone(), Outbound::new(Vec::new()), None);
        (store, notices)
    }

    #[tokio::test]
    async fn each_file_that_came_in_is_told_of_and_too_many_are_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let link = request(&["mailto:ana@example.com", "https://hook.test/"]);
        let now = link.created_at;
        let (store, notices) = opened(dir.path(), now);
        let file = CompletedFile { key: "in/a.txt", bytes: 7, address: "192.0.2.7".parse().ok() };
        notices.upload_completed(&request(&[]), file, now);
        for _ in 0..QUEUED_MAX + 3 {
            notices.upload_completed(&link, file, now);
        }
        assert_eq!(notices.counts().dropped.get(), 6, "of three events, for two each");
        notices.write().await.unwrap();
        let waiting = store.waiting_notices().await.unwrap();
        assert_eq!(waiting, store::NOTICES_WAITING_OF_LINK_MAX, "of two for each of the events");
        let one = store.notices_of(&link.fingerprint(), 1).await.unwrap().pop().unwrap();
        let expected = NoticeFacts {
            label: None,
            bucket: "bucket".to_owned(),
            key: "in/a.txt".to_owned(),
            bytes: Some(7),
            address: file.address,
        };
        assert_eq!((one.event, one.facts), (NoticeEvent::Upload, expected));
        // Other links have theirs, and the account its limit.
        for _ in 0..12 {
            let link = request(&["mailto:ana@example.com", "https://hook.test/"]);
            for _ in 0..QUEUED_MAX {
                notices.upload_completed(&link, file, now);
            }
            notices.write().await.unwrap();
        }
        let waiting = store.waiting_notices().await.unwrap();
        assert_eq!(waiting, store::NOTICES_WAITING_MAX);
        assert!(notices.counts().dropped.get() > 1000);
    }

    #[tokio::test]
    async fn what_cannot_be_written_waits_for_the_next_time() {
        let dir = tempfile::tempdir().unwrap();
        let link = request(&["https://hook.test/"]);
        let (store, notices) = opened(dir.path(), link.created_at);
        notices.used_up(&link, link.created_at);
        store.close().await.unwrap();
        for _ in 0..2 {
            assert!(notices.write().await.is_err());
        }
        assert_eq!(notices.queue().waiting.len(), 1);
        assert_eq!(notices.counts().dropped.get(), 0);
    }
}
