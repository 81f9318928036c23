//! A ledger for a test, links with facts that follow from their number, and uses of them.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use presign::Fingerprint;
use tempfile::TempDir;

use crate::writer::SegmentLimits;
use crate::{
    Cursor, Ledger, LinkEntry, LinkFacts, LinkQuery, LinkScope, LinkUse, NotedLink, RecordedLink,
    RecordedUse, SignerFacts, UseQuery,
};

/// A segment after two blocks, so that tests have many of them.
pub(super) const LIMITS: SegmentLimits =
    SegmentLimits { blocks: 2, milliseconds: 24 * 3600 * 1000 };

pub(super) struct Sample {
    pub(super) ledger: Ledger,
    pub(super) path: PathBuf,
    _directory: TempDir,
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub(super) fn link_of(number: u32) -> Fingerprint {
    Fingerprint::of_signature(&number.to_be_bytes())
}

/// Three accounts, each with two users of two keys; a bucket for each account, and every eleventh link for another's.
pub(super) fn facts_of(number: u32) -> LinkFacts {
    let account = number % 3;
    let owner = if number.is_multiple_of(11) { (account + 1) % 3 } else { account };
    let user = number / 3 % 2;
    LinkFacts {
        signer: SignerFacts {
            account: format!("{account:012}"),
            arn: format!("arn:aws:iam::{account:012}:user/u{user}"),
            user_id: format!("AIDA{account}{user}"),
            access_key_id: format!("AKIA{account}{user}{}", number / 6 % 2),
        },
        bucket_account: format!("{owner:012}"),
        bucket: format!("bucket-{owner}"),
        key: format!("folder-{}/key-{}", number % 4, number / 5),
        operation: if number.is_multiple_of(2) { "GetObject" } else { "PutObject" }.to_owned(),
        label: (number.is_multiple_of(5))
            .then(|| format!("label {}", number % 15).parse().unwrap()),
        signed_at: (!number.is_multiple_of(13)).then(|| at(0)),
        ends_at: (!number.is_multiple_of(17)).then(|| at(1000 * i64::from(number))),
    }
}

/// So many milliseconds after the beginning.
pub(super) fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_millis(milliseconds)
}

/// What the account of a link's signer may see.
pub(super) fn scope_of(number: u32) -> LinkScope {
    LinkScope::of_account(facts_of(number).signer.account)
}

pub(super) fn use_of(number: u32, milliseconds: i64, status: u16) -> LinkUse<'static> {
    let versions = [None, Some([7; 24]), Some([8; 24])];
    let agents: [Option<&[u8]>; 3] = [None, Some(b"curl/8.5.0"), Some(b"aws-cli/2.1")];
    let pick = usize::try_from(number % 3).unwrap();
    let [_, _, third, fourth] = number.to_be_bytes();
    // Every seventh link is for many objects, and one of them is that of other links.
    let keys = ["folder-1/inner/a", "folder-2/b", "folder-0/key-0"];
    let key = keys[usize::try_from(milliseconds.rem_euclid(3)).unwrap()];
    LinkUse {
        link: link_of(number),
        operation: if number.is_multiple_of(2) { "GetObject" } else { "PutObject" },
        key: (number % 7 == 2 && status < 400).then_some(key),
        status,
        code: (status >= 400).then_some("AccessDenied"),
        version: versions[pick],
        bytes: u64::from(number) * 1000,
        duration: Duration::from_micros(u64::from(number)),
        address: (!number.is_multiple_of(4)).then(|| IpAddr::from([192, 0, third, fourth])),
        agent: agents[pick],
        at: at(milliseconds),
    }
}

pub(super) fn expected_of(told: &LinkUse<'_>) -> RecordedUse {
    let facts = facts_of(number_of(told));
    RecordedUse {
        key: told.key.unwrap_or(&facts.key).to_owned(),
        link: Arc::new(RecordedLink { fingerprint: told.link, facts }),
        operation: told.operation.to_owned(),
        status: told.status,
        code: told.code.map(str::to_owned),
        version: told.version,
        bytes: told.bytes,
        duration: told.duration,
        address: told.address,
        agent: told.agent.map(|agent| String::from_utf8(agent.to_vec()).unwrap()),
        at: told.at,
    }
}

impl Sample {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.sqlite");
        let ledger = Ledger::open_with(&path, 30, LIMITS, at(0)).unwrap();
        Self { ledger, path, _directory: directory }
    }

    /// Records a use of a link of [`link_of`], whose number is what its bytes say.
    pub(super) fn record(&self, told: &LinkUse<'_>) {
        let number = number_of(told);
        self.ledger.record(told, || Box::new(move || facts_of(number)));
    }

    pub(super) fn note(&self, number: u32, milliseconds: i64) {
        let noted = NotedLink { link: link_of(number), at: at(milliseconds) };
        self.ledger.note_link(&noted, Box::new(move || facts_of(number)));
    }

    /// All uses that a query asks for, page by page.
    pub(super) async fn uses(&self, query: &UseQuery) -> Vec<RecordedUse> {
        let mut query = query.clone();
        let mut found = Vec::new();
        loop {
            let before = query.after;
            let page = self.ledger.uses(query.clone()).await.unwrap();
            assert!(page.uses.len() <= query.limit);
            found.extend(page.uses);
            query.after = page.next.map(through_text);
            if query.after.is_none() || query.after == before {
                return found;
            }
        }
    }
}

impl Sample {
    /// All links that a query asks for, page by page.
    pub(super) async fn links(&self, query: &LinkQuery) -> Vec<LinkEntry> {
        let mut query = query.clone();
        let mut found = Vec::new();
        loop {
            let page = self.ledger.links(query.clone()).await.unwrap();
            assert!(page.links.len() <= query.limit);
            found.extend(page.links);
            query.after = page.next.map(through_text);
            if query.after.is_none() {
                return found;
            }
        }
    }
}

/// A cursor as its reader hands it back.
pub(super) fn through_text(cursor: Cursor) -> Cursor {
    cursor.to_string().parse().unwrap()
}

fn number_of(told: &LinkUse<'_>) -> u32 {
    u32::try_from(told.bytes / 1000).unwrap()
}
