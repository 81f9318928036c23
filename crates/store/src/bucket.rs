//! Buckets: what they are, and what is decided about them.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{BoundPolicy, BucketName, Tag, Website};
use iam::AccountId;

/// A bucket and its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name, unique over all accounts.
    pub name: BucketName,
    /// The account that made it.
    pub owner: AccountId,
    /// The region it was made in.
    pub region: String,
    /// When it was made, to the millisecond.
    pub created_at: Timestamp,
    /// Whether a write keeps the versions before it.
    pub versioning: Versioning,
    /// What the bucket itself allows and denies.
    pub policy: Option<Arc<BoundPolicy>>,
    /// What keeps it from becoming public; `None`: the owner removed that protection.
    pub public_access_block: Option<PublicAccessBlock>,
    /// Who owns the objects that others put into it; `None`: that setting was removed.
    pub ownership: Option<ObjectOwnership>,
    /// The tags of the bucket, at most 50.
    pub tags: Vec<Tag>,
    /// Which pages of other origins may use it; empty: none, which is no configuration.
    pub cors: Arc<[CorsRule]>,
    /// How new bodies in it are kept.
    pub encryption: BucketEncryption,
    /// What it answers as a website; `None`: it is none.
    pub website: Option<Arc<Website>>,
    /// Given once and never again, so that what is cached of a bucket is never taken for another's.
    pub(crate) id: i64,
}

impl Bucket {
    /// What says which bucket this is, whatever comes to bear its name.
    pub fn reference(&self) -> BucketRef {
        BucketRef { name: self.name.clone(), id: self.id }
    }

    /// Whether a setting is one that the bucket refuses.
    pub(crate) fn refuses(&self, setting: &BucketSetting) -> bool {
        self.public_access_block.is_some_and(|block| block.block_public_policy)
            && setting.is_public_policy()
    }
}

/// One bucket and no other: its name, and an id that is never given again. Whoever was admitted to a bucket
/// acts on this one; if it is gone, another of its name is none of theirs. Only the store makes them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BucketRef {
    pub(crate) name: BucketName,
    pub(crate) id: i64,
}

impl BucketRef {
    /// The name that it bears.
    pub fn name(&self) -> &BucketName {
        &self.name
    }
}

/// Whether a bucket keeps versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Versioning {
    /// Never has: a write replaces what was there.
    Unversioned,
    /// Every write makes a version, every delete a marker.
    Enabled,
    /// Writes replace the null version, and older versions stay.
    Suspended,
}

impl Versioning {
    /// What it becomes: whoever ever kept versions cannot become unversioned again.
    pub(crate) fn set_to(self, wanted: Self) -> Self {
        match (wanted, self) {
            (Self::Enabled, _) => Self::Enabled,
            (Self::Unversioned, Self::Unversioned) => Self::Unversioned,
            (Self::Suspended | Self::Unversioned, _) => Self::Suspended,
        }
    }
}

/// What keeps a bucket from becoming public.
#[expect(clippy::struct_excessive_bools, reason = "four switches, as S3 has them")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicAccessBlock {
    /// ACLs that would make something public are refused.
    pub block_public_acls: bool,
    /// ACLs that make something public count for nothing.
    pub ignore_public_acls: bool,
    /// Policies that would make it public are refused.
    pub block_public_policy: bool,
    /// A public policy gives something to the owner's own people alone.
    pub restrict_public_buckets: bool,
}

/// Who owns the objects of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectOwnership {
    /// The owner of the bucket, and ACLs are disabled: as on any new bucket.
    BucketOwnerEnforced,
    /// The owner of the bucket, where the writer says so.
    BucketOwnerPreferred,
    /// The account that wrote them.
    ObjectWriter,
}

/// What pages of some origins may do with a bucket. Which rules are good ones is for whoever sets
/// them to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsRule {
    /// The name that the bucket's owner gave the rule.
    pub id: Option<String>,
    /// Origins, each with one `*` at most.
    pub allowed_origins: Vec<String>,
    /// The methods that a page may use.
    pub allowed_methods: Vec<CorsMethod>,
    /// Which headers a page may send, each with one `*` at most.
    pub allowed_headers: Vec<String>,
    /// Which headers of an answer a page may read.
    pub expose_headers: Vec<String>,
    /// For how long a browser may remember the answer to a preflight.
    pub max_age_seconds: Option<u32>,
}

/// The methods that a rule can allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CorsMethod {
    /// `GET`
    Get,
    /// `PUT`
    Put,
    /// `POST`
    Post,
    /// `DELETE`
    Delete,
    /// `HEAD`
    Head,
}

impl CorsMethod {
    /// Reads a method as it is spelled in requests.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "GET" => Self::Get,
            "PUT" => Self::Put,
            "POST" => Self::Post,
            "DELETE" => Self::Delete,
            "HEAD" => Self::Head,
            _ => return None,
        })
    }

    /// The method as it is spelled in requests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
        }
    }
}

/// How the bodies of new objects of a bucket are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketEncryption {
    /// Encrypted, whatever the server does with others'.
    pub aes256: bool,
    /// Told again and of no effect: there is no KMS whose calls it would save.
    pub bucket_key: bool,
    /// What was said of customers' own keys, if anything was.
    pub customer_keys: Option<CustomerKeys>,
}

/// Whether bodies may be written under a key of the customer's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomerKeys {
    /// Such bodies may be written.
    Allowed,
    /// No such body may be written. Those that are there can still be read.
    Blocked,
}

/// One thing that an owner sets; `None` removes it.
#[derive(Clone, Debug)]
pub enum BucketSetting {
    /// What the bucket itself allows and denies.
    Policy(Option<Arc<BoundPolicy>>),
    /// What keeps it from becoming public.
    PublicAccessBlock(Option<PublicAccessBlock>),
    /// Who owns the objects that others put into it.
    Ownership(Option<ObjectOwnership>),
    /// The tags of the bucket, in the place of those before.
    Tags(Vec<Tag>),
    /// Which pages of other origins may use it.
    Cors(Vec<CorsRule>),
    /// How new bodies in it are kept.
    Encryption(BucketEncryption),
    /// What it answers as a website.
    Website(Option<Arc<Website>>),
}

impl BucketSetting {
    /// Whether it is a policy that would make the bucket public.
    fn is_public_policy(&self) -> bool {
        match self {
            Self::Policy(policy) => {
                policy.as_ref().is_some_and(|policy| policy.document.is_public())
            }
            Self::PublicAccessBlock(_)
            | Self::Ownership(_)
            | Self::Tags(_)
            | Self::Cors(_)
            | Self::Encryption(_)
            | Self::Website(_) => false,
        }
    }
}

/// What came of setting one thing of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBucket {
    /// The bucket has the setting.
    Set,
    /// There is no such bucket.
    NotFound,
    /// The setting is a policy that would make the bucket public, and the bucket refuses such policies.
    PublicPolicyBlocked,
}

/// Everything that an owner sets, as it is on any new bucket.
#[derive(Clone, Debug)]
pub(crate) struct BucketSettings {
    pub(crate) policy: Option<Arc<BoundPolicy>>,
    pub(crate) public_access_block: Option<PublicAccessBlock>,
    pub(crate) ownership: Option<ObjectOwnership>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) cors: Arc<[CorsRule]>,
    pub(crate) encryption: BucketEncryption,
    pub(crate) website: Option<Arc<Website>>,
}

impl Default for BucketSettings {
    fn default() -> Self {
        Self {
            policy: None,
            public_access_block: Some(PublicAccessBlock {
                block_public_acls: true,
                ignore_public_acls: true,
                block_public_policy: true,
                restrict_public_buckets: true,
            }),
            ownership: Some(ObjectOwnership::BucketOwnerEnforced),
            tags: Vec::new(),
            cors: Arc::new([]),
            encryption: BucketEncryption::default(),
            website: None,
        }
    }
}

/// A bucket to make.
#[derive(Clone, Debug)]
pub struct NewBucket {
    /// The name of the new bucket.
    pub name: BucketName,
    /// The account that will own it.
    pub owner: AccountId,
    /// The region it is made in.
    pub region: String,
    /// The tags that the bucket has from its beginning.
    pub tags: Vec<Tag>,
}

/// What came of making a bucket.
#[derive(Clone, Debug)]
pub enum CreateBucket {
    /// The bucket was made.
    Created(Arc<Bucket>),
    /// Somebody has one of that name; nothing was changed.
    AlreadyExists(Arc<Bucket>),
}

/// What came of removing a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteBucket {
    /// The bucket is gone, and uploads that were under way in it are aborted.
    Deleted,
    /// There is no such bucket.
    NotFound,
    /// The bucket still holds an object, a version or a delete marker.
    NotEmpty,
    /// It is there still: so many uploads were under way in it that not all are aborted yet. Trying again goes on.
    Unfinished,
}

/// Which buckets to list.
#[derive(Clone, Debug)]
pub struct ListBuckets {
    /// Only names that begin so.
    pub prefix: Option<String>,
    /// Only names after this one.
    pub after: Option<BucketName>,
    /// How many buckets a page holds at most.
    pub limit: usize,
}

/// A page of a listing of buckets.
#[derive(Clone, Debug)]
pub struct BucketPage {
    /// In the order of their names.
    pub buckets: Vec<Arc<Bucket>>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<BucketName>,
}

/// A write to a bucket's settings or an access key, numbered in the one change sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its place in the sequence.
    pub number: u64,
    /// The subject of the change.
    pub subject: ChangeSubject,
}

/// What a change is about. What it was before and what it is now is not kept here: whoever wants to know reads it
/// anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeSubject {
    /// A bucket was made, set or removed.
    Bucket(BucketName),
    /// An access key was put, set or removed.
    AccessKey(String),
    /// The identities of an account were changed.
    Identities(AccountId),
    /// An account was made or removed.
    Account(AccountId),
    /// Distributions, or what they are made of, were changed.
    Distributions,
}
