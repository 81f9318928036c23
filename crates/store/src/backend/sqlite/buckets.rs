//! Buckets in the database.

mod settings;

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::SqliteMetadata;
use super::changes::{Subject, record_change};
use super::error::engine;
use super::rows::{account, corrupt, page, timestamp};
use super::seal::{self, row_seal};
use super::transaction::Transaction;
use super::uploads;
use super::uploads::completion;
use super::writer::DiskRoom;
use crate::backend::metadata::buckets::BucketRecords;
use crate::bucket::BucketSettings;
use crate::{
    Bucket, BucketName, BucketPage, BucketRef, BucketSetting, CreateBucket, DeleteBucket,
    ListBuckets, NewBucket, SetBucket, StoreError, Versioning,
};
use iam::AccountId;

impl BucketRecords for SqliteMetadata {
    async fn create_bucket(
        &self,
        bucket: NewBucket,
        now: Timestamp,
    ) -> Result<CreateBucket, StoreError> {
        self.writer.run(DiskRoom::Needed, move |tx| create(tx, &bucket, now)).await
    }

    async fn bucket(&self, name: &BucketName) -> Result<Option<Arc<Bucket>>, StoreError> {
        let ticket = match self.caches.buckets.get(name) {
            Ok(bucket) => return Ok(Some(bucket)),
            Err(ticket) => ticket,
        };
        let read = self.readers.point(|connection| read(connection, name)).await?;
        let bucket = read.map(Arc::new);
        if let Some(bucket) = &bucket {
            self.caches.buckets.fill(ticket, name.clone(), Arc::clone(bucket));
        }
        Ok(bucket)
    }

    async fn delete_bucket(
        &self,
        bucket: &BucketRef,
        now: Timestamp,
    ) -> Result<DeleteBucket, StoreError> {
        let bucket = bucket.clone();
        self.writer.run(DiskRoom::Reserve, move |tx| delete(tx, &bucket, now)).await
    }

    async fn buckets(
        &self,
        owner: &AccountId,
        query: ListBuckets,
    ) -> Result<BucketPage, StoreError> {
        let owner = owner.clone();
        self.readers.list(move |connection| list(connection, &owner, &query)).await
    }

    async fn set_versioning(
        &self,
        bucket: &BucketRef,
        versioning: Versioning,
    ) -> Result<bool, StoreError> {
        let bucket = bucket.clone();
        let set = move |tx: &mut Transaction<'_>| set_versioning(tx, &bucket, versioning);
        self.writer.run(DiskRoom::Needed, set).await
    }

    async fn set_bucket(
        &self,
        bucket: &BucketRef,
        setting: BucketSetting,
    ) -> Result<SetBucket, StoreError> {
        let bucket = bucket.clone();
        self.writer.run(DiskRoom::Needed, move |tx| set(tx, &bucket, &setting)).await
    }
}

impl SqliteMetadata {
    /// Whether a bucket is still there; one that another has the name of now is not.
    pub(super) async fn is_there(&self, bucket: &BucketRef) -> Result<bool, StoreError> {
        Ok(self.bucket(&bucket.name).await?.is_some_and(|found| found.id == bucket.id))
    }
}

const BY_NAME: &str = concat!(
    "SELECT id, name, owner, region, created_ms, versioning, ",
    row_seal!(settings),
    ", seal = ",
    row_seal!(bucket),
    " FROM buckets WHERE name = ?1"
);
const BY_ID: &str = concat!(
    "SELECT id, name, owner, region, created_ms, versioning, ",
    row_seal!(settings),
    ", seal = ",
    row_seal!(bucket),
    " FROM buckets WHERE id = ?1"
);
const BY_OWNER: &str = concat!(
    "SELECT id, name, owner, region, created_ms, versioning, ",
    row_seal!(settings),
    ", seal = ",
    row_seal!(bucket),
    " FROM buckets
    WHERE owner = ?1 AND name > ?2 AND name >= ?3 AND name < ?4 ORDER BY name LIMIT ?5"
);
const CREATE: &str = "INSERT INTO buckets (name, owner, region, created_ms, versioning)
    VALUES (?1, ?2, ?3, ?4, 0)";
const DELETE: &str = "DELETE FROM buckets WHERE id = ?1";
const HOLDS_ANYTHING: &str = "SELECT EXISTS (SELECT 1 FROM objects WHERE bucket = ?1)";
const SET_VERSIONING: &str = "UPDATE buckets SET versioning = ?2 WHERE id = ?1";

/// How many buckets one page holds at most.
const PAGE_MAX: usize = 10_000;
/// After every bucket name: names are ASCII.
const AFTER_ALL_NAMES: &str = "\u{7f}";

const UNVERSIONED: i64 = 0;
const ENABLED: i64 = 1;
const SUSPENDED: i64 = 2;

/// The bucket that bears a name now.
pub(super) fn read(
    connection: &Connection,
    name: &BucketName,
) -> Result<Option<Bucket>, StoreError> {
    find(connection, BY_NAME, [name.as_str()])
}

/// That bucket and no other, as it is now: whoever writes found it earlier, and may have been admitted
/// to no other.
pub(super) fn same(
    connection: &Connection,
    bucket: &BucketRef,
) -> Result<Option<Bucket>, StoreError> {
    find(connection, BY_ID, [bucket.id])
}

fn find(
    connection: &Connection,
    sql: &str,
    row: impl Params,
) -> Result<Option<Bucket>, StoreError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut select| select.query_row(row, |row| Ok(decode(row))).optional())
        .map_err(engine)?
        .transpose()
}

pub(super) fn create(
    tx: &mut Transaction<'_>,
    new: &NewBucket,
    now: Timestamp,
) -> Result<CreateBucket, StoreError> {
    if let Some(bucket) = read(tx.connection, &new.name)? {
        return Ok(CreateBucket::AlreadyExists(Arc::new(bucket)));
    }
    let created = now.as_millisecond();
    tx.connection
        .prepare_cached(CREATE)
        .and_then(|mut create| {
            create.execute(params![new.name.as_str(), new.owner.as_str(), new.region, created])
        })
        .map_err(engine)?;
    let id = tx.connection.last_insert_rowid();
    // What waits under an id that was never given was planted, and would be sealed below.
    settings::forget(tx.connection, id)?;
    if !new.tags.is_empty() {
        settings::put(tx.connection, id, &BucketSetting::Tags(new.tags.clone()))?;
    }
    seal::seal_bucket(tx.connection, id)?;
    changed(tx, &new.name)?.map(CreateBucket::Created).ok_or(corrupt("bucket just made"))
}

/// Removes an empty bucket, or some of the uploads that stand in its way.
pub(super) fn delete(
    tx: &mut Transaction<'_>,
    bucket: &BucketRef,
    now: Timestamp,
) -> Result<DeleteBucket, StoreError> {
    let Some(bucket) = same(tx.connection, bucket)? else { return Ok(DeleteBucket::NotFound) };
    let holds_anything: bool = tx
        .connection
        .prepare_cached(HOLDS_ANYTHING)
        .and_then(|mut select| select.query_row([bucket.id], |row| row.get(0)))
        .map_err(engine)?;
    if holds_anything {
        return Ok(DeleteBucket::NotEmpty);
    }
    // Nothing else of the bucket changes before the last of them, so what was judged above is judged anew.
    let none_left = uploads::abort_some(tx.connection, bucket.id, now)?
        && completion::forget_of(tx.connection, bucket.id)?;
    if !none_left {
        return Ok(DeleteBucket::Unfinished);
    }
    settings::forget(tx.connection, bucket.id)?;
    tx.connection
        .prepare_cached(DELETE)
        .and_then(|mut delete| delete.execute([bucket.id]))
        .map_err(engine)?;
    changed(tx, &bucket.name)?;
    Ok(DeleteBucket::Deleted)
}

pub(super) fn set_versioning(
    tx: &mut Transaction<'_>,
    bucket: &BucketRef,
    versioning: Versioning,
) -> Result<bool, StoreError> {
    let Some(bucket) = same(tx.connection, bucket)? else { return Ok(false) };
    let code = match bucket.versioning.set_to(versioning) {
        Versioning::Unversioned => UNVERSIONED,
        Versioning::Enabled => ENABLED,
        Versioning::Suspended => SUSPENDED,
    };
    tx.connection
        .prepare_cached(SET_VERSIONING)
        .and_then(|mut set| set.execute([bucket.id, code]))
        .map_err(engine)?;
    seal::seal_bucket(tx.connection, bucket.id)?;
    changed(tx, &bucket.name)?;
    Ok(true)
}

pub(super) fn set(
    tx: &mut Transaction<'_>,
    bucket: &BucketRef,
    setting: &BucketSetting,
) -> Result<SetBucket, StoreError> {
    let Some(bucket) = same(tx.connection, bucket)? else { return Ok(SetBucket::NotFound) };
    if bucket.refuses(setting) {
        return Ok(SetBucket::PublicPolicyBlocked);
    }
    settings::put(tx.connection, bucket.id, setting)?;
    seal::seal_bucket(tx.connection, bucket.id)?;
    changed(tx, &bucket.name)?;
    Ok(SetBucket::Set)
}

/// Notes that a bucket was written; answers it as it is now.
fn changed(tx: &mut Transaction<'_>, name: &BucketName) -> Result<Option<Arc<Bucket>>, StoreError> {
    record_change(tx.connection, Subject::Bucket, name.as_str())?;
    let bucket = read(tx.connection, name)?.map(Arc::new);
    tx.bucket_is(name.clone(), bucket.clone());
    Ok(bucket)
}

pub(super) fn list(
    connection: &Connection,
    owner: &AccountId,
    query: &ListBuckets,
) -> Result<BucketPage, StoreError> {
    let prefix = query.prefix.as_deref().unwrap_or("");
    let after = query.after.as_ref().map_or("", BucketName::as_str);
    let limit = query.limit.min(PAGE_MAX);
    let end = format!("{prefix}{AFTER_ALL_NAMES}");
    let wanted = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let mut select = connection.prepare_cached(BY_OWNER).map_err(engine)?;
    let mut rows =
        select.query(params![owner.as_str(), after, prefix, end, wanted]).map_err(engine)?;
    let mut buckets = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        buckets.push(Arc::new(decode(row)?));
    }
    let (buckets, more) = page(buckets, limit);
    let next = buckets.last().filter(|_| more).map(|bucket| bucket.name.clone());
    Ok(BucketPage { buckets, next })
}

fn decode(row: &Row<'_>) -> Result<Bucket, StoreError> {
    seal::check(row, 7)?;
    let name: String = row.get(1).map_err(engine)?;
    let versioning = match row.get(5).map_err(engine)? {
        UNVERSIONED => Versioning::Unversioned,
        ENABLED => Versioning::Enabled,
        SUSPENDED => Versioning::Suspended,
        _ => return Err(corrupt("versioning of a bucket")),
    };
    let id = row.get(0).map_err(engine)?;
    let settings: Option<String> = row.get(6).map_err(engine)?;
    let BucketSettings { policy, public_access_block, ownership, tags, cors, encryption, website } =
        settings::read(settings.as_deref())?;
    Ok(Bucket {
        id,
        name: BucketName::parse(&name).map_err(|_| corrupt("name of a bucket"))?,
        owner: account(row, 2)?,
        region: row.get(3).map_err(engine)?,
        created_at: timestamp(row, 4)?,
        versioning,
        policy,
        public_access_block,
        ownership,
        tags,
        cors,
        encryption,
        website,
    })
}
