//! Who signs, out of single records: from memory, or from one snapshot of the database.
//!
//! Records that are cached are each the latest one, but two that were taken one after another may have a change between
//! them. So the number of the account's latest change is looked at before and after: it is taken away before a commit
//! and put back, higher, after it. Where it stayed the same, everything between was of one moment. Where it did not,
//! all is read from one snapshot, and nothing of it is kept.

use std::sync::Arc;

use iam::AccountId;
use quick_cache::Equivalent;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::backend::record::{kind_code, kind_of, parse_identity};
use crate::backend::sqlite::cache::{ByWeight, Ticket, Weigh};
use crate::backend::sqlite::caches::Caches;
use crate::backend::sqlite::changes::Subject;
use crate::backend::sqlite::error::engine;
use crate::backend::sqlite::rows::corrupt;
use crate::backend::sqlite::seal::{self, row_seal};
use crate::identity::{Entity, EntityKey, SignerRecord, SignerSource};
use crate::{AttachedPolicy, Directory, EntityKind, Group, Signer, StoreError};

/// How much memory assembled signers may take, in bytes, each with all of its policies.
const SIGNERS_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// About how many of them there may be; it sizes the table.
const SIGNERS: usize = 16 * 1024;
/// How many rows are read where they are asked for, and not on a thread that may block.
pub(crate) const POINT_ROWS_MAX: usize = 16;

const NUMBER: &str = "SELECT number FROM changes WHERE kind = ?1 AND subject = ?2";
/// Two: none but one is the one.
/// By that index and no other way: SQLite would look through all of the account, which the primary key begins with.
const BY_ID: &str = concat!(
    "SELECT kind, record, seal = ",
    row_seal!(identity),
    " FROM identities INDEXED BY identities_by_unique_id
    WHERE account = ?1 AND unique_id = ?2 LIMIT 2"
);
const BY_NAME: &str = concat!(
    "SELECT kind, record, seal = ",
    row_seal!(identity),
    " FROM identities WHERE account = ?1 AND kind = ?2 AND name = ?3"
);

/// Where a record that signers are made of is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PieceKey {
    account: AccountId,
    by: PieceKeyKind,
    text: String,
}

/// By which of its names a record is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum PieceKeyKind {
    /// A user or role, by its id: its name may come to be another's.
    Id,
    GroupName,
    PolicyName,
}

/// A [`PieceKey`] with borrowed texts, to look up by.
#[derive(Clone, Copy, Hash)]
struct PieceKeyRef<'a> {
    account: &'a AccountId,
    by: PieceKeyKind,
    text: &'a str,
}

impl Equivalent<PieceKey> for PieceKeyRef<'_> {
    fn equivalent(&self, other: &PieceKey) -> bool {
        *self.account == other.account && self.by == other.by && *self.text == *other.text
    }
}

impl PieceKeyRef<'_> {
    fn to_owned(self) -> PieceKey {
        let Self { account, by, text } = self;
        PieceKey { account: account.clone(), by, text: text.to_owned() }
    }
}

impl PieceKey {
    /// Where signers find a record that was as it was `before` and is `after`: by both ids, where it was made anew.
    pub(crate) fn of_changed(
        account: &AccountId,
        (kind, name): &EntityKey,
        before: &Directory,
        after: Option<&Entity>,
    ) -> Vec<Self> {
        let place = |by, text: &str| PieceKeyRef { account, by, text }.to_owned();
        match kind {
            EntityKind::Group => vec![place(PieceKeyKind::GroupName, name)],
            EntityKind::Policy => vec![place(PieceKeyKind::PolicyName, name)],
            EntityKind::InstanceProfile
            | EntityKind::OidcProvider
            | EntityKind::AccessKey
            | EntityKind::InlinePolicy
            | EntityKind::PolicyVersion
            | EntityKind::Boundary => Vec::new(),
            EntityKind::User | EntityKind::Role => {
                let after = after.and_then(Entity::signer_id);
                let user = before.user(name).filter(|_| *kind == EntityKind::User);
                let role = before.role(name).filter(|_| *kind == EntityKind::Role);
                let before = user.map(|user| user.id.as_str());
                let before = before.or_else(|| role.map(|role| role.id.as_str()));
                before.into_iter().chain(after).map(|id| place(PieceKeyKind::Id, id)).collect()
            }
        }
    }
}

/// A record that signers are made of.
#[derive(Clone, Debug)]
pub(crate) enum SignerPiece {
    Signer(SignerRecord),
    Group(Arc<Group>),
    Policy(AttachedPolicy),
}

impl Weigh for SignerPiece {
    fn weight_bytes(&self) -> u64 {
        let bytes = match self {
            Self::Signer(record) => record.weight_bytes(),
            Self::Group(group) => group.weight_bytes(),
            Self::Policy(policy) => policy.weight_bytes(),
        };
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

impl Weigh for Arc<Signer> {
    fn weight_bytes(&self) -> u64 {
        u64::try_from(Signer::weight_bytes(self)).unwrap_or(u64::MAX)
    }
}

/// Signers as they were put together. One is as good as its account's number: whoever takes it asks for that.
pub(crate) struct Signers(quick_cache::sync::Cache<PieceKey, Arc<Signer>, ByWeight>);

impl Default for Signers {
    fn default() -> Self {
        Self(quick_cache::sync::Cache::with_weighter(SIGNERS, SIGNERS_BYTES_MAX, ByWeight))
    }
}

impl std::fmt::Debug for Signers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signers(..)")
    }
}

/// The signer of an id, if all of it is in memory and of one moment.
pub(crate) fn remembered(caches: &Caches, account: &AccountId, id: &str) -> Option<Arc<Signer>> {
    let place = PieceKeyRef { account, by: PieceKeyKind::Id, text: id };
    let kept = caches.signers.0.get(&place);
    let number = caches.numbers.get(account).ok()?;
    if let Some(signer) = kept.filter(|signer| signer.number == number) {
        return Some(signer);
    }
    let Ok(SignerPiece::Signer(record)) = caches.pieces.get(&place) else { return None };
    if record.id() != id {
        return None;
    }
    let mut source = Remembered { caches, account };
    let signer = Arc::new(Signer::gather(account, &record, number, &mut source).ok()?);
    if caches.numbers.get(account).ok() != Some(number) {
        return None;
    }
    caches.signers.0.insert(place.to_owned(), Arc::clone(&signer));
    Some(signer)
}

/// A source of records that looks into memory alone.
struct Remembered<'a> {
    caches: &'a Caches,
    account: &'a AccountId,
}

/// Says that a record is not in memory.
struct NotRemembered;

impl SignerSource for Remembered<'_> {
    type Missing = NotRemembered;

    fn group(&mut self, name: &str) -> Result<Arc<Group>, NotRemembered> {
        let place = PieceKeyRef { account: self.account, by: PieceKeyKind::GroupName, text: name };
        match self.caches.pieces.get(&place) {
            Ok(SignerPiece::Group(group)) => Ok(group),
            Ok(SignerPiece::Signer(_) | SignerPiece::Policy(_)) | Err(_) => Err(NotRemembered),
        }
    }

    fn policy(&mut self, arn: &str) -> Result<AttachedPolicy, NotRemembered> {
        let name = policy_name(arn);
        let place =
            PieceKeyRef { account: self.account, by: PieceKeyKind::PolicyName, text: &name };
        match self.caches.pieces.get(&place) {
            Ok(SignerPiece::Policy(policy)) if *policy.name == *arn => Ok(policy),
            Ok(SignerPiece::Signer(_) | SignerPiece::Group(_) | SignerPiece::Policy(_))
            | Err(_) => Err(NotRemembered),
        }
    }
}

/// The folded name of the policy of an ARN.
fn policy_name(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or_default().to_ascii_lowercase()
}

/// What came of looking up a signer.
pub(crate) enum SignerLookup {
    Read(Option<Arc<Signer>>),
    /// The signer has more rows than may be read on the calling thread.
    TooLong,
}

/// Why a signer could not be put together.
enum Failure {
    TooLong,
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Reads the signer of an id at one moment.
pub(crate) fn read(
    connection: &Connection,
    caches: &Caches,
    account: &AccountId,
    id: &str,
    rows_max: usize,
) -> Result<SignerLookup, StoreError> {
    // Before the snapshot begins.
    let ticket = caches.numbers.get(account).err();
    run(connection, "BEGIN")?;
    let read = read_snapshot(connection, caches, (account, id), ticket, rows_max);
    run(connection, "COMMIT")?;
    match read {
        Ok(signer) => Ok(SignerLookup::Read(signer)),
        Err(Failure::TooLong) => Ok(SignerLookup::TooLong),
        Err(Failure::Store(error)) => Err(error),
    }
}

fn read_snapshot(
    connection: &Connection,
    caches: &Caches,
    (account, id): (&AccountId, &str),
    ticket: Option<Ticket>,
    rows_max: usize,
) -> Result<Option<Arc<Signer>>, Failure> {
    let number = number(connection, account)?;
    if let Some(ticket) = ticket {
        caches.numbers.fill(ticket, account.clone(), number);
    }
    let mut snapshot = Snapshot {
        connection,
        account,
        shared: Some(caches),
        read: Vec::new(),
        rows_left: rows_max,
    };
    let signer = snapshot.signer(id, number);
    if caches.numbers.get(account).ok() == Some(number) {
        // Nothing was changed since the snapshot began, so that what is in memory is of its moment too, and what was
        // read may be kept: a write that begins from now on takes it out, or finds the ticket used up.
        for (ticket, place, known) in snapshot.read {
            caches.pieces.fill(ticket, place, known);
        }
        let signer = signer?.map(Arc::new);
        if let Some(signer) = &signer {
            let place = PieceKeyRef { account, by: PieceKeyKind::Id, text: id }.to_owned();
            caches.signers.0.insert(place, Arc::clone(signer));
        }
        return Ok(signer);
    }
    let mut alone =
        Snapshot { connection, account, shared: None, read: Vec::new(), rows_left: rows_max };
    Ok(alone.signer(id, number)?.map(Arc::new))
}

/// The number of the latest change of an account's identities; 0: there was none.
fn number(connection: &Connection, account: &AccountId) -> Result<u64, StoreError> {
    let found: Option<i64> = connection
        .prepare_cached(NUMBER)
        .and_then(|mut select| {
            let subject = params![Subject::Identities.code(), account.as_str()];
            select.query_row(subject, |row| row.get(0)).optional()
        })
        .map_err(engine)?;
    u64::try_from(found.unwrap_or_default()).map_err(|_| corrupt("number of a change"))
}

fn run(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    let done = connection.prepare_cached(sql).and_then(|mut step| step.execute([]));
    done.map(drop).map_err(engine)
}

/// A source of records that are all of one moment: read in one transaction.
struct Snapshot<'a> {
    connection: &'a Connection,
    account: &'a AccountId,
    /// Where records are that need not be read, if they may be used.
    shared: Option<&'a Caches>,
    /// The records that were read, and may be cached.
    read: Vec<(Ticket, PieceKey, SignerPiece)>,
    rows_left: usize,
}

impl Snapshot<'_> {
    fn signer(&mut self, id: &str, number: u64) -> Result<Option<Signer>, Failure> {
        let found = self.find(PieceKeyKind::Id, id, |known| match known {
            SignerPiece::Signer(record) if record.id() == id => Some(record),
            SignerPiece::Signer(_) | SignerPiece::Group(_) | SignerPiece::Policy(_) => None,
        })?;
        let Some(record) = found else { return Ok(None) };
        let account = self.account;
        Signer::gather(account, &record, number, self).map(Some)
    }

    /// A record from memory, or from the database. What is not as `take` wants it is corrupt.
    fn find<T>(
        &mut self,
        by: PieceKeyKind,
        text: &str,
        take: impl Fn(SignerPiece) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        let place = PieceKeyRef { account: self.account, by, text };
        let ticket = match self.shared.map(|caches| caches.pieces.get(&place)) {
            Some(Ok(known)) => return Ok(take(known)),
            Some(Err(ticket)) => Some(ticket),
            None => None,
        };
        self.rows_left = self.rows_left.checked_sub(1).ok_or(Failure::TooLong)?;
        let Some(known) = self.row(by, text)? else { return Ok(None) };
        let taken = take(known.clone()).ok_or(Failure::Store(corrupt("identities")))?;
        if let Some(ticket) = ticket {
            self.read.push((ticket, place.to_owned(), known));
        }
        Ok(Some(taken))
    }

    fn row(&self, by: PieceKeyKind, text: &str) -> Result<Option<SignerPiece>, StoreError> {
        let account = self.account.as_str();
        let kind = match by {
            PieceKeyKind::Id => None,
            PieceKeyKind::GroupName => Some(EntityKind::Group),
            PieceKeyKind::PolicyName => Some(EntityKind::Policy),
        };
        let sql = if kind.is_some() { BY_NAME } else { BY_ID };
        let mut select = self.connection.prepare_cached(sql).map_err(engine)?;
        let rows = match kind {
            None => select.query(params![account, text]),
            Some(kind) => select.query(params![account, kind_code(kind)?, text]),
        };
        let mut rows = rows.map_err(engine)?;
        let Some(row) = rows.next().map_err(engine)? else { return Ok(None) };
        let known = self.parse(row)?;
        // Two of one id: an older one was put back, and who knows which one it is.
        if rows.next().map_err(engine)?.is_some() {
            Err(corrupt("identities"))
        } else {
            Ok(Some(known))
        }
    }

    fn parse(&self, row: &Row<'_>) -> Result<SignerPiece, StoreError> {
        seal::check(row, 2)?;
        let (kind, record): (i64, Vec<u8>) =
            (row.get(0).map_err(engine)?, row.get(1).map_err(engine)?);
        match parse_identity(kind_of(kind)?, self.account, &record)? {
            Entity::User(user) => Ok(SignerPiece::Signer(SignerRecord::User(user))),
            Entity::Role(role) => Ok(SignerPiece::Signer(SignerRecord::Role(role))),
            Entity::Group(group) => Ok(SignerPiece::Group(group)),
            Entity::Policy(policy) => Ok(SignerPiece::Policy(AttachedPolicy::of(&policy))),
            Entity::InstanceProfile(_) | Entity::OidcProvider(_) => Err(corrupt("identities")),
        }
    }
}

impl SignerSource for Snapshot<'_> {
    type Missing = Failure;

    fn group(&mut self, name: &str) -> Result<Arc<Group>, Failure> {
        let found = self.find(PieceKeyKind::GroupName, name, |known| match known {
            SignerPiece::Group(group) => Some(group),
            SignerPiece::Signer(_) | SignerPiece::Policy(_) => None,
        })?;
        found.ok_or(Failure::Store(corrupt("identities")))
    }

    fn policy(&mut self, arn: &str) -> Result<AttachedPolicy, Failure> {
        let found =
            self.find(PieceKeyKind::PolicyName, &policy_name(arn), |known| match known {
                SignerPiece::Policy(policy) if *policy.name == *arn => Some(policy),
                SignerPiece::Signer(_) | SignerPiece::Group(_) | SignerPiece::Policy(_) => None,
            })?;
        found.ok_or(Failure::Store(corrupt("identities")))
    }
}
