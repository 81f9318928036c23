//! Gives links, signers, objects and names their numbers. What is new is added; what is asked often is kept in memory.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use jiff::Timestamp;
use presign::Fingerprint;
use rusqlite::{Connection, OptionalExtension as _};

use crate::LedgerError;
use crate::link_use::{LinkFacts, SignerFacts};
use crate::numbers::LinkNumbers;

/// Links of which the numbers are in memory, at most.
const LINKS_MAX: usize = 1 << 16;
/// Names and signers in memory, at most, of each.
const NAMES_MAX: usize = 4096;

/// How much later than it is written down an object may have been used last, in milliseconds.
pub(super) const USED_WITHIN_MS: i64 = 3600 * 1000;

/// What a name is the name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum NameKind {
    Account,
    Bucket,
    AccessKey,
    Label,
}

impl NameKind {
    /// The kind's number on the disk.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Account => 1,
            Self::Bucket => 2,
            Self::AccessKey => 3,
            Self::Label => 4,
        }
    }
}

/// The numbers that the writer knows.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// Links that were asked for lately, and those that were asked for before.
    links: HashMap<Fingerprint, LinkNumbers, RandomState>,
    older_links: HashMap<Fingerprint, LinkNumbers, RandomState>,
    names: HashMap<(NameKind, String), u64, RandomState>,
    signers: HashMap<SignerFacts, (u64, u64), RandomState>,
}

impl Registry {
    /// Forgets links that were removed from the tables, and all names, since some may have gone with them.
    pub(crate) fn forget_links(&mut self, links: &[Fingerprint]) {
        for link in links {
            self.links.remove(link);
            self.older_links.remove(link);
        }
        self.names.clear();
        self.signers.clear();
    }

    /// Forgets all, when some of it was given in a transaction that failed.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// The numbers of a link that is in memory.
    pub(crate) fn remembered(&mut self, link: &Fingerprint) -> Option<LinkNumbers> {
        if let Some(numbers) = self.links.get(link) {
            return Some(*numbers);
        }
        let numbers = self.older_links.remove(link)?;
        self.remember(*link, numbers);
        Some(numbers)
    }

    /// The numbers of a link that the tables have.
    pub(crate) fn look_up(
        &mut self,
        connection: &Connection,
        link: &Fingerprint,
    ) -> Result<Option<LinkNumbers>, LedgerError> {
        let mut statement = connection.prepare_cached(
            "SELECT number, object, bucket, signer, key, label, account, bucket_account
             FROM links WHERE name = ?1 AND fingerprint = ?2",
        )?;
        let found = statement
            .query_row((name_of(link), link.as_bytes().as_slice()), |row| {
                let mut numbers = [0; LinkNumbers::COUNT];
                for (column, number) in numbers.iter_mut().enumerate() {
                    *number = row.get::<_, i64>(column)?.cast_unsigned();
                }
                Ok(LinkNumbers::from_array(numbers))
            })
            .optional()?;
        if let Some(numbers) = found {
            self.remember(*link, numbers);
        }
        Ok(found)
    }

    /// Adds a link that the tables do not have.
    pub(crate) fn add(
        &mut self,
        connection: &Connection,
        link: &Fingerprint,
        facts: &LinkFacts,
        seen_at: i64,
    ) -> Result<LinkNumbers, LedgerError> {
        let bucket = self.name(connection, NameKind::Bucket, &facts.bucket)?;
        let (account, signer) = self.signer(connection, &facts.signer)?;
        let label = facts.label.as_ref();
        let mut numbers = LinkNumbers {
            link: 0,
            object: object(connection, bucket, facts.key.as_bytes())?,
            bucket,
            signer,
            key: self.name(connection, NameKind::AccessKey, &facts.signer.access_key_id)?,
            label: match label {
                Some(label) => self.name(connection, NameKind::Label, label.as_str())?,
                None => 0,
            },
            account,
            bucket_account: self.name(connection, NameKind::Account, &facts.bucket_account)?,
        };
        let [_, object, bucket, signer, key, label, account, bucket_account] =
            numbers.to_array().map(u64::cast_signed);
        let mut statement = connection.prepare_cached(
            "INSERT INTO links (name, fingerprint, object, bucket, signer, key, label, account,
               bucket_account, operation, signed_at, ends_at, seen_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?;
        statement.execute(rusqlite::params![
            name_of(link),
            link.as_bytes().as_slice(),
            object,
            bucket,
            signer,
            key,
            label,
            account,
            bucket_account,
            facts.operation,
            facts.signed_at.map(Timestamp::as_millisecond),
            facts.ends_at.map(Timestamp::as_millisecond),
            seen_at,
        ])?;
        numbers.link = connection.last_insert_rowid().cast_unsigned();
        self.remember(*link, numbers);
        Ok(numbers)
    }

    fn remember(&mut self, link: Fingerprint, numbers: LinkNumbers) {
        if self.links.len() >= LINKS_MAX / 2 {
            self.older_links = std::mem::take(&mut self.links);
        }
        self.links.insert(link, numbers);
    }

    fn name(
        &mut self,
        connection: &Connection,
        kind: NameKind,
        text: &str,
    ) -> Result<u64, LedgerError> {
        let key = (kind, text.to_owned());
        if let Some(number) = self.names.get(&key) {
            return Ok(*number);
        }
        let number = if let Some(number) = find_name(connection, kind, text)? {
            number
        } else {
            connection
                .prepare_cached("INSERT INTO names (kind, text) VALUES (?1, ?2)")?
                .execute((kind.number(), text))?;
            connection.last_insert_rowid().cast_unsigned()
        };
        if self.names.len() >= NAMES_MAX {
            self.names.clear();
        }
        self.names.insert(key, number);
        Ok(number)
    }

    /// The numbers of the signer's account and of the signer, who is the same whichever key signs.
    fn signer(
        &mut self,
        connection: &Connection,
        facts: &SignerFacts,
    ) -> Result<(u64, u64), LedgerError> {
        if let Some(numbers) = self.signers.get(facts) {
            return Ok(*numbers);
        }
        let account = self.name(connection, NameKind::Account, &facts.account)?;
        let row = (account.cast_signed(), &facts.arn, &facts.user_id);
        let found: Option<i64> = connection
            .prepare_cached(
                "SELECT number FROM signers WHERE account = ?1 AND arn = ?2 AND user_id = ?3",
            )?
            .query_row(row, |row| row.get(0))
            .optional()?;
        let number = if let Some(number) = found {
            number
        } else {
            let insert = "INSERT INTO signers (account, arn, user_id) VALUES (?1, ?2, ?3)";
            connection.prepare_cached(insert)?.execute(row)?;
            connection.last_insert_rowid()
        };
        if self.signers.len() >= NAMES_MAX {
            self.signers.clear();
        }
        let numbers = (account, number.cast_unsigned());
        self.signers.insert(facts.clone(), numbers);
        Ok(numbers)
    }
}

/// The first eight bytes of a fingerprint, by which its row is found.
pub(crate) fn name_of(link: &Fingerprint) -> i64 {
    let [name @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
        *link.as_bytes();
    i64::from_be_bytes(name)
}

/// The number of a name, if it has one.
pub(crate) fn find_name(
    connection: &Connection,
    kind: NameKind,
    text: &str,
) -> Result<Option<u64>, LedgerError> {
    let mut statement =
        connection.prepare_cached("SELECT number FROM names WHERE kind = ?1 AND text = ?2")?;
    let found =
        statement.query_row((kind.number(), text), |row| row.get::<_, i64>(0)).optional()?;
    Ok(found.map(i64::cast_unsigned))
}

/// The number of an object, if it has one.
pub(crate) fn find_object(
    connection: &Connection,
    bucket: u64,
    key: &[u8],
) -> Result<Option<u64>, LedgerError> {
    let mut statement =
        connection.prepare_cached("SELECT number FROM objects WHERE bucket = ?1 AND key = ?2")?;
    let found =
        statement.query_row((bucket.cast_signed(), key), |row| row.get::<_, i64>(0)).optional()?;
    Ok(found.map(i64::cast_unsigned))
}

/// The numbers of a use of one object, where the link is for more than that. No link keeps such an object in the tables, so
/// it is written down when it was used, to [`USED_WITHIN_MS`].
pub(super) fn of_object(
    connection: &Connection,
    numbers: LinkNumbers,
    key: &str,
    at: i64,
) -> Result<LinkNumbers, LedgerError> {
    let object = object(connection, numbers.bucket, key.as_bytes())?;
    let noted = (object.cast_signed(), at, at.saturating_sub(USED_WITHIN_MS));
    connection
        .prepare_cached(
            "UPDATE objects SET used_at = ?2
             WHERE number = ?1 AND (used_at IS NULL OR used_at < ?3)",
        )?
        .execute(noted)?;
    Ok(LinkNumbers { object, ..numbers })
}

fn object(connection: &Connection, bucket: u64, key: &[u8]) -> Result<u64, LedgerError> {
    if let Some(number) = find_object(connection, bucket, key)? {
        return Ok(number);
    }
    connection
        .prepare_cached("INSERT INTO objects (bucket, key) VALUES (?1, ?2)")?
        .execute((bucket.cast_signed(), key))?;
    Ok(connection.last_insert_rowid().cast_unsigned())
}
