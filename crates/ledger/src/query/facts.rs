//! Reads what a link is for and who made it, each name once a page.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _};

use super::RecordedLink;
use crate::LedgerError;
use crate::link_use::{LinkFacts, SignerFacts};
use crate::numbers::fingerprint_of;

/// What was read for a page so far.
pub(super) struct FactsReader<'c> {
    connection: &'c Connection,
    links: HashMap<u64, Arc<RecordedLink>, RandomState>,
    names: HashMap<i64, String, RandomState>,
    keys: HashMap<i64, String, RandomState>,
    signers: HashMap<i64, (String, String), RandomState>,
}

/// A row of `links`.
struct LinkRow {
    fingerprint: Vec<u8>,
    numbers: [i64; 7],
    operation: String,
    signed_at: Option<i64>,
    ends_at: Option<i64>,
}

impl<'c> FactsReader<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        let (links, names) = (HashMap::default(), HashMap::default());
        let (keys, signers) = (HashMap::default(), HashMap::default());
        Self { connection, links, names, keys, signers }
    }

    /// The link of this number, which is there.
    pub(super) fn link(&mut self, number: u64) -> Result<Arc<RecordedLink>, LedgerError> {
        if let Some(link) = self.links.get(&number) {
            return Ok(Arc::clone(link));
        }
        let mut statement = self.connection.prepare_cached(
            "SELECT fingerprint, object, bucket, signer, key, label, account, bucket_account,
               operation, signed_at, ends_at
             FROM links WHERE number = ?1",
        )?;
        let row = statement.query_row([number.cast_signed()], |row| {
            let mut numbers = [0; 7];
            for (column, number) in (1..).zip(&mut numbers) {
                *number = row.get(column)?;
            }
            Ok(LinkRow {
                fingerprint: row.get(0)?,
                numbers,
                operation: row.get(8)?,
                signed_at: row.get(9)?,
                ends_at: row.get(10)?,
            })
        });
        let row = row.optional()?.ok_or(LedgerError::Corrupt("a use of a link that is gone"))?;
        let link = Arc::new(self.recorded(row)?);
        self.links.insert(number, Arc::clone(&link));
        Ok(link)
    }

    fn recorded(&mut self, row: LinkRow) -> Result<RecordedLink, LedgerError> {
        let [object, bucket, signer, key, label, account, bucket_account] = row.numbers;
        let label = match label {
            0 => None,
            number => {
                let label = self.name(number)?.parse();
                Some(label.map_err(|_| LedgerError::Corrupt("a label"))?)
            }
        };
        let (arn, user_id) = self.signer(signer)?;
        let facts = LinkFacts {
            signer: SignerFacts {
                account: self.name(account)?,
                arn,
                user_id,
                access_key_id: self.name(key)?,
            },
            bucket_account: self.name(bucket_account)?,
            bucket: self.name(bucket)?,
            key: self.object_key(object)?,
            operation: row.operation,
            label,
            signed_at: row.signed_at.map(timestamp).transpose()?,
            ends_at: row.ends_at.map(timestamp).transpose()?,
        };
        Ok(RecordedLink { fingerprint: fingerprint_of(&row.fingerprint)?, facts })
    }

    fn name(&mut self, number: i64) -> Result<String, LedgerError> {
        if let Some(name) = self.names.get(&number) {
            return Ok(name.clone());
        }
        let name: Option<String> = self
            .connection
            .prepare_cached("SELECT text FROM names WHERE number = ?1")?
            .query_row([number], |row| row.get(0))
            .optional()?;
        let name = name.ok_or(LedgerError::Corrupt("a name that is gone"))?;
        self.names.insert(number, name.clone());
        Ok(name)
    }

    fn signer(&mut self, number: i64) -> Result<(String, String), LedgerError> {
        if let Some(signer) = self.signers.get(&number) {
            return Ok(signer.clone());
        }
        let signer: Option<(String, String)> = self
            .connection
            .prepare_cached("SELECT arn, user_id FROM signers WHERE number = ?1")?
            .query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let signer = signer.ok_or(LedgerError::Corrupt("a signer that is gone"))?;
        self.signers.insert(number, signer.clone());
        Ok(signer)
    }

    /// The key of the object of this number, which is there.
    pub(super) fn key(&mut self, object: u64) -> Result<String, LedgerError> {
        self.object_key(object.cast_signed())
    }

    fn object_key(&mut self, number: i64) -> Result<String, LedgerError> {
        if let Some(key) = self.keys.get(&number) {
            return Ok(key.clone());
        }
        let key: Option<Vec<u8>> = self
            .connection
            .prepare_cached("SELECT key FROM objects WHERE number = ?1")?
            .query_row([number], |row| row.get(0))
            .optional()?;
        let key = key.and_then(|key| String::from_utf8(key).ok());
        let key = key.ok_or(LedgerError::Corrupt("an object that is gone"))?;
        self.keys.insert(number, key.clone());
        Ok(key)
    }
}

/// A moment in milliseconds since 1970.
pub(super) fn timestamp(milliseconds: i64) -> Result<Timestamp, LedgerError> {
    Timestamp::from_millisecond(milliseconds).map_err(|_| LedgerError::Corrupt("a time"))
}
