//! What one S3 call is: how it is read, which permissions it needs, what it does.

use std::future::Future;
use std::ops::Range;

use iam::Values;
use store::{BucketName, ObjectKey, VersionId};

use crate::body::RequestBody;
use crate::error::S3Error;
use crate::gate::Authorized;
use crate::request::S3Request;
use crate::respond::Reply;

/// One S3 call, whole: a struct that implements this and a row of the route table.
pub(crate) trait Operation: Sized + Send + Sync {
    /// The headers that change what a write means and that this operation honours. Any other of
    /// [`crate::route::MEANING_HEADERS`] on its requests is refused, never ignored.
    const HONOURS: &'static [&'static str] = &[];

    /// Condition keys that stand for a query parameter of this operation, where it was sent.
    const QUERY_KEYS: &'static [(&'static str, &'static str)] = &[];

    /// Reads the call from a routed request. Nothing is looked up yet.
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error>;

    /// Every permission the call needs; there is no default.
    fn permissions(&self) -> Vec<Permission<'_>>;

    /// The value of a condition key that only this operation knows, its name in lower case
    /// (`s3:prefix`). What every request has is computed by the gate.
    fn condition(&self, _key: &str) -> Option<Values<'_>> {
        None
    }

    /// What it copies on the server, whose size is that of what it stores.
    fn copied(&self) -> Option<Copied<'_>> {
        None
    }

    /// Does it. Only [`Authorized`] lends the store.
    fn run(
        call: Authorized<Self>,
        body: &mut RequestBody,
    ) -> impl Future<Output = Result<Reply, S3Error>> + Send;
}

/// Bytes of an object that is there.
#[derive(Clone, Debug)]
pub(crate) struct Copied<'o> {
    pub(crate) bucket: &'o BucketName,
    pub(crate) key: &'o ObjectKey,
    pub(crate) version: Option<&'o VersionId>,
    /// Which of them; `None`: all.
    pub(crate) range: Option<Range<u64>>,
}

/// One action on one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Permission<'o> {
    /// As policies spell it: `s3:GetObject`.
    pub(crate) action: &'static str,
    pub(crate) resource: Resource<'o>,
    /// Of an object that is there: the version that policies may ask for, and for its tags. None is the
    /// current.
    pub(crate) version: Option<&'o VersionId>,
}

/// What an action is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource<'o> {
    /// The account's own, such as its list of buckets.
    Account,
    /// A bucket that need not exist yet.
    NewBucket(&'o BucketName),
    Bucket(&'o BucketName),
    Object(&'o BucketName, &'o ObjectKey),
}

impl Resource<'_> {
    /// As policies name it.
    pub(crate) fn arn(&self) -> String {
        match self {
            Self::Account => "arn:aws:s3:::*".to_owned(),
            Self::NewBucket(bucket) | Self::Bucket(bucket) => format!("arn:aws:s3:::{bucket}"),
            Self::Object(bucket, key) => format!("arn:aws:s3:::{bucket}/{key}"),
        }
    }
}

impl<'o> Permission<'o> {
    pub(crate) fn account(action: &'static str) -> Self {
        Self::on(action, Resource::Account)
    }

    pub(crate) fn new_bucket(action: &'static str, bucket: &'o BucketName) -> Self {
        Self::on(action, Resource::NewBucket(bucket))
    }

    pub(crate) fn bucket(action: &'static str, bucket: &'o BucketName) -> Self {
        Self::on(action, Resource::Bucket(bucket))
    }

    pub(crate) fn object(action: &'static str, bucket: &'o BucketName, key: &'o ObjectKey) -> Self {
        Self::on(action, Resource::Object(bucket, key))
    }

    /// The same of one version, where one is named.
    pub(crate) fn of_version(self, version: Option<&'o VersionId>) -> Self {
        Self { version, ..self }
    }

    fn on(action: &'static str, resource: Resource<'o>) -> Self {
        Self { action, resource, version: None }
    }
}
