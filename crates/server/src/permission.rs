//! The permissions that a call needs, and what else the gate must know of it.

use std::ops::Range;

use iam::Values;
use store::{BucketName, ObjectKey, VersionId};

/// The action that lets an identity make managed links: each use of a link needs that the link may still be made.
pub(crate) const CREATE_LINK: &str = "valet:CreateLink";

/// What the gate needs to know of an operation. The operations of S3 have it by way of
/// [`Operation`](crate::operation::Operation).
pub(crate) trait Admissible: Sync {
    /// The headers that change what a write means and that the operation honours.
    const HONOURS: &'static [&'static str];

    /// Condition keys for query parameters: (key, parameter).
    const QUERY_KEYS: &'static [(&'static str, &'static str)];

    /// Every permission that the call needs.
    fn permissions(&self) -> Vec<Permission<'_>>;

    /// Further permissions, which depend on the body.
    fn permission_of_body(&self) -> OfBody<'_>;

    /// The value of a condition key that only the operation knows.
    fn condition(&self, key: &str) -> Option<Values<'_>>;

    /// The bytes that the operation copies on the server.
    fn copied(&self) -> Option<Copied<'_>>;
}

/// Which conditions of a link say something about an operation, of those that do not about every one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkFit {
    /// `x-valet-content-length-range`: the operation stores bytes that it is sent or copies.
    pub(crate) sizes: bool,
    /// `x-valet-head`: the operation reads an object.
    pub(crate) head: bool,
    /// `x-valet-write-once`: the operation makes an object.
    pub(crate) write_once: bool,
}

impl LinkFit {
    /// None of them.
    pub(crate) const NONE: Self = Self { sizes: false, head: false, write_once: false };
    /// Those for reading an object.
    pub(crate) const READS: Self = Self { head: true, ..Self::NONE };
    /// Those for bytes that become part of an upload.
    pub(crate) const STORES: Self = Self { sizes: true, ..Self::NONE };
    /// Those for making an object.
    pub(crate) const MAKES: Self = Self { sizes: true, write_once: true, ..Self::NONE };
}

/// What a request by a link that may be used so often only does to its uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkUse {
    /// The whole call is one use, if it succeeds.
    Call,
    /// The bytes that are sent are a use, or part of one. The operation begins it itself.
    Bytes,
    /// The call is no use of its link.
    Nothing,
}

/// Permissions that can be checked only after the body has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfBody<'o> {
    /// None: the call is judged as a whole before its body is read.
    Nothing,
    /// This permission, with condition keys from the body.
    Keys(Permission<'o>),
    /// One permission for each target that the body names.
    Targets,
}

/// The source of a copy: bytes of an existing object.
#[derive(Clone, Debug)]
pub(crate) struct Copied<'o> {
    pub(crate) bucket: &'o BucketName,
    pub(crate) key: &'o ObjectKey,
    pub(crate) version: Option<&'o VersionId>,
    /// The range of bytes; `None`: the whole object.
    pub(crate) range: Option<Range<u64>>,
}

/// One action on one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Permission<'o> {
    /// The action as policies spell it, such as `s3:GetObject`.
    pub(crate) action: &'static str,
    pub(crate) resource: Resource<'o>,
    /// The version whose id and tags policies may ask for; `None`: the current version.
    pub(crate) version: Option<&'o VersionId>,
}

/// The resource of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource<'o> {
    /// The whole server, which is no resource of S3: a policy for all of S3 does not reach it.
    Server,
    /// The account itself, for example for its list of buckets.
    Account,
    /// A bucket that need not exist yet.
    NewBucket(&'o BucketName),
    Bucket(&'o BucketName),
    Object(&'o BucketName, &'o ObjectKey),
}

impl Resource<'_> {
    /// The resource as policies name it.
    pub(crate) fn arn(&self) -> String {
        match self {
            Self::Server => "*".to_owned(),
            Self::Account => "arn:aws:s3:::*".to_owned(),
            Self::NewBucket(bucket) | Self::Bucket(bucket) => format!("arn:aws:s3:::{bucket}"),
            Self::Object(bucket, key) => format!("arn:aws:s3:::{bucket}/{key}"),
        }
    }
}

impl<'o> Permission<'o> {
    pub(crate) fn server(action: &'static str) -> Self {
        Self::on(action, Resource::Server)
    }

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

    /// The same permission for one version, if a version is named.
    pub(crate) fn of_version(self, version: Option<&'o VersionId>) -> Self {
        Self { version, ..self }
    }

    fn on(action: &'static str, resource: Resource<'o>) -> Self {
        Self { action, resource, version: None }
    }
}
