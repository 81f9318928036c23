//! What has to be permitted for a call, and what else the gate asks of it.

use std::ops::Range;

use iam::Values;
use store::{BucketName, ObjectKey, VersionId};

/// What the gate asks of whatever is to be admitted. Who does something implements
/// [`Operation`](crate::operation::Operation), and is asked that.
pub(crate) trait Admissible: Sync {
    /// The headers that change what a write means and that it honours.
    const HONOURS: &'static [&'static str];

    /// Condition keys that stand for a query parameter.
    const QUERY_KEYS: &'static [(&'static str, &'static str)];

    /// Every permission it needs.
    fn permissions(&self) -> Vec<Permission<'_>>;

    /// What else it needs, once its body is read.
    fn permission_of_body(&self) -> OfBody<'_>;

    /// The value of a condition key that only it knows.
    fn condition(&self, key: &str) -> Option<Values<'_>>;

    /// What it copies on the server.
    fn copied(&self) -> Option<Copied<'_>>;
}

/// What is asked for only when a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfBody<'o> {
    /// Nothing: the call is judged as a whole before.
    Nothing,
    /// This permission, by condition keys that stand in the body.
    Keys(Permission<'o>),
    /// A permission for each of the things that the body names.
    Targets,
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
