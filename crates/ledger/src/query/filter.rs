//! Makes numbers of what is asked for, and says which links have them.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use rusqlite::{Connection, OptionalExtension as _};

use super::{Budget, LinkName, LinkScope, LinkSubject};
use crate::LedgerError;
use crate::numbers::{Dimension, LinkNumbers};
use crate::writer::registry::{NameKind, find_name, find_object, name_of};

/// Objects of a prefix that are looked for one by one. Of more, all uses of their bucket are looked at.
const OBJECTS_MAX: usize = if cfg!(test) { 2 } else { 8192 };
/// Signers that share an ARN, and links that share sixteen digits, at most.
const NAMESAKES_MAX: usize = 64;

/// What is asked for, as numbers.
#[derive(Debug)]
pub(super) struct Filter {
    links: Option<Vec<u64>>,
    objects: Objects,
    bucket: Option<u64>,
    signers: Option<Vec<u64>>,
    key: Option<u64>,
    label: Option<u64>,
    account: Vec<u64>,
    /// Signers whose links may be seen, if not all of the account may.
    allowed: Option<Vec<u64>>,
}

/// Which objects are asked for.
#[derive(Debug)]
enum Objects {
    /// Any of them.
    Any,
    /// These alone, sorted.
    Listed(Vec<u64>),
    /// Those whose keys begin so.
    Under(Vec<u8>),
}

/// What a query asks for in words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) scope: &'a LinkScope,
    pub(super) link: Option<&'a LinkName>,
    pub(super) subject: Option<&'a LinkSubject>,
    pub(super) signer: Option<&'a str>,
    pub(super) label: Option<&'a str>,
}

impl Filter {
    /// Looks up the numbers. Nothing, if the ledger has not heard of one of the names: then it has no such link.
    pub(super) fn find(
        connection: &Connection,
        wanted: &Wanted<'_>,
    ) -> Result<Option<Self>, LedgerError> {
        let Wanted { scope, link, subject, signer, label } = *wanted;
        let Some(account) = find_name(connection, NameKind::Account, &scope.account)? else {
            return Ok(None);
        };
        let mut filter = Self {
            links: link.map(|name| numbers_of(connection, name)).transpose()?,
            objects: Objects::Any,
            bucket: None,
            signers: None,
            key: None,
            label: None,
            account: vec![account],
            allowed: None,
        };
        if let Some(user_id) = &scope.user_id {
            filter.allowed = Some(signers(connection, "user_id", user_id)?);
        }
        if let Some(subject) = subject
            && !filter.add_subject(connection, subject)?
        {
            return Ok(None);
        }
        if let Some(text) = signer {
            let mut found = signers(connection, "arn", text)?;
            found.extend(signers(connection, "user_id", text)?);
            found.sort_unstable();
            found.dedup();
            if found.is_empty() {
                filter.key = find_name(connection, NameKind::AccessKey, text)?;
                if filter.key.is_none() {
                    return Ok(None);
                }
            } else {
                filter.signers = Some(found);
            }
        }
        if let Some(text) = label {
            filter.label = find_name(connection, NameKind::Label, text)?;
            if filter.label.is_none() {
                return Ok(None);
            }
        }
        let no_link = filter.driver().1.is_empty();
        Ok((!no_link).then_some(filter))
    }

    /// Whether there may be links for it.
    fn add_subject(
        &mut self,
        connection: &Connection,
        subject: &LinkSubject,
    ) -> Result<bool, LedgerError> {
        let (LinkSubject::Object { bucket, .. } | LinkSubject::Prefix { bucket, .. }) = subject;
        let Some(bucket) = find_name(connection, NameKind::Bucket, bucket)? else {
            return Ok(false);
        };
        self.bucket = Some(bucket);
        match subject {
            LinkSubject::Object { key, .. } => {
                let found = find_object(connection, bucket, key.as_bytes())?;
                self.objects = Objects::Listed(found.into_iter().collect());
                Ok(found.is_some())
            }
            LinkSubject::Prefix { prefix, .. } if prefix.is_empty() => Ok(true),
            LinkSubject::Prefix { prefix, .. } => {
                let mut found = objects_under(connection, bucket, prefix.as_bytes())?;
                self.objects = if found.len() > OBJECTS_MAX {
                    Objects::Under(prefix.clone().into_bytes())
                } else {
                    found.sort_unstable();
                    Objects::Listed(found)
                };
                Ok(!matches!(&self.objects, Objects::Listed(found) if found.is_empty()))
            }
        }
    }

    /// The dimension that has the fewest uses of what is asked for, as far as one can guess, and the values in it.
    pub(super) fn driver(&self) -> (Dimension, &[u64]) {
        if let Some(links) = &self.links {
            return (Dimension::Link, links);
        }
        if let Objects::Listed(objects) = &self.objects {
            return (Dimension::Object, objects);
        }
        if let Some(label) = &self.label {
            return (Dimension::Label, std::slice::from_ref(label));
        }
        if let Some(key) = &self.key {
            return (Dimension::Key, std::slice::from_ref(key));
        }
        if let Some(signers) = &self.signers {
            return (Dimension::Signer, signers);
        }
        if let Some(signers) = &self.allowed {
            return (Dimension::Signer, signers);
        }
        if let Some(bucket) = &self.bucket {
            return (Dimension::Bucket, std::slice::from_ref(bucket));
        }
        (Dimension::Account, &self.account)
    }

    /// The bucket that is asked for, if it is about one.
    pub(super) fn bucket(&self) -> Option<u64> {
        self.bucket
    }

    /// Whether a link is asked for, but for its object.
    fn has(&self, numbers: &LinkNumbers) -> bool {
        let listed = |list: &Option<Vec<u64>>, number: u64| {
            list.as_ref().is_none_or(|list| list.contains(&number))
        };
        let same = |wanted: Option<u64>, number: u64| wanted.is_none_or(|wanted| wanted == number);
        let is_of = |number: u64| self.account.contains(&number);
        let seen = match &self.allowed {
            Some(signers) => is_of(numbers.account) && signers.contains(&numbers.signer),
            None => is_of(numbers.account) || is_of(numbers.bucket_account),
        };
        seen && listed(&self.links, numbers.link)
            && listed(&self.signers, numbers.signer)
            && same(self.bucket, numbers.bucket)
            && same(self.key, numbers.key)
            && same(self.label, numbers.label)
    }
}

/// Says which links a filter has, and remembers what it read of their objects.
#[derive(Debug)]
pub(super) struct Matcher<'c> {
    connection: &'c Connection,
    pub(super) filter: Filter,
    under: HashMap<u64, bool, RandomState>,
}

impl<'c> Matcher<'c> {
    pub(super) fn new(connection: &'c Connection, filter: Filter) -> Self {
        Self { connection, filter, under: HashMap::default() }
    }

    /// Whether a link is asked for.
    pub(super) fn has(
        &mut self,
        numbers: &LinkNumbers,
        budget: &mut Budget,
    ) -> Result<bool, LedgerError> {
        if !self.filter.has(numbers) {
            return Ok(false);
        }
        let prefix = match &self.filter.objects {
            Objects::Any => return Ok(true),
            Objects::Listed(objects) => return Ok(objects.binary_search(&numbers.object).is_ok()),
            Objects::Under(prefix) => prefix,
        };
        if let Some(under) = self.under.get(&numbers.object) {
            return Ok(*under);
        }
        budget.spend(1);
        let key: Option<Vec<u8>> = self
            .connection
            .prepare_cached("SELECT key FROM objects WHERE number = ?1")?
            .query_row([numbers.object.cast_signed()], |row| row.get(0))
            .optional()?;
        let under = key.is_some_and(|key| key.starts_with(prefix));
        self.under.insert(numbers.object, under);
        Ok(under)
    }
}

/// The numbers of links that have this name.
fn numbers_of(connection: &Connection, name: &LinkName) -> Result<Vec<u64>, LedgerError> {
    let (short, whole) = match name {
        LinkName::Whole(link) => (name_of(link), Some(link.as_bytes().as_slice())),
        LinkName::Short(bytes) => (i64::from_be_bytes(*bytes), None),
    };
    let mut statement = connection.prepare_cached(
        "SELECT number FROM links WHERE name = ?1 AND (?2 IS NULL OR fingerprint = ?2)
         ORDER BY number LIMIT ?3",
    )?;
    let limit = i64::try_from(NAMESAKES_MAX).unwrap_or(i64::MAX);
    let rows = statement.query_map((short, whole, limit), |row| row.get::<_, i64>(0))?;
    rows.map(|number| Ok(number?.cast_unsigned())).collect()
}

/// The numbers of signers by one of their names.
fn signers(connection: &Connection, column: &str, text: &str) -> Result<Vec<u64>, LedgerError> {
    let query = format!(
        "SELECT number FROM signers WHERE {column} = ?1 ORDER BY number DESC LIMIT {NAMESAKES_MAX}"
    );
    let mut statement = connection.prepare_cached(&query)?;
    let rows = statement.query_map([text], |row| row.get::<_, i64>(0))?;
    let mut found =
        rows.map(|number| Ok(number?.cast_unsigned())).collect::<Result<Vec<_>, LedgerError>>()?;
    found.sort_unstable();
    Ok(found)
}

/// The numbers of a bucket's objects whose keys begin so, one more than are listed at most.
fn objects_under(
    connection: &Connection,
    bucket: u64,
    prefix: &[u8],
) -> Result<Vec<u64>, LedgerError> {
    let mut statement = connection.prepare_cached(
        "SELECT number FROM objects
         WHERE bucket = ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3) LIMIT ?4",
    )?;
    let limit = i64::try_from(OBJECTS_MAX + 1).unwrap_or(i64::MAX);
    let range = (bucket.cast_signed(), prefix, after_all(prefix), limit);
    let rows = statement.query_map(range, |row| row.get::<_, i64>(0))?;
    rows.map(|number| Ok(number?.cast_unsigned())).collect()
}

/// The first bytes after all that begin with these. Nothing comes after those that begin with 255 alone.
fn after_all(prefix: &[u8]) -> Option<Vec<u8>> {
    let length = prefix.iter().rposition(|byte| *byte < 255)?;
    let mut end = prefix.get(..=length)?.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        let check = |prefix: &[u8], expected: Option<&[u8]>| {
            assert_eq!(after_all(prefix).as_deref(), expected, "{prefix:?}");
        };
        check(b"a/", Some(b"a0"));
        check(b"a\xff\xff", Some(b"b"));
        check(b"\xff", None);
        check(b"", None);
    }
}
