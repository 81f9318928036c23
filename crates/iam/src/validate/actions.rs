//! The actions of S3, what each is done to, and the condition keys it has.
//!
//! Facts of the Service Authorization Reference for Amazon S3. What Valet does not serve stands here
//! too: a policy that is right on AWS is right here.

/// What of a bucket something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Applies(u8);

impl Applies {
    /// To an account, an access point, a job: nothing that a bucket policy can be about.
    pub(super) const NOWHERE: Self = Self(0);
    pub(super) const BUCKET: Self = Self(1);
    pub(super) const OBJECT: Self = Self(2);

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Some of the actions of S3, a bit each in the order of [`S3_ACTIONS`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Actions(u128);

const _: () = assert!(S3_ACTIONS.len() <= 128, "a bit each");

impl Actions {
    pub(super) fn of(mut wanted: impl FnMut(&S3Action) -> bool) -> Self {
        let bits = S3_ACTIONS.iter().rev();
        Self(bits.fold(0, |bits, known| (bits << 1) | u128::from(wanted(known))))
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// An action of S3: what it is done to, and which condition keys its requests have.
pub(super) struct S3Action {
    pub(super) name: &'static str,
    pub(super) applies: Applies,
    keys: &'static [&'static [&'static str]],
}

impl S3Action {
    /// Whether requests for it have that key (in lower case). Keys of other services are not asked
    /// about.
    pub(super) fn has_key(&self, key: &str) -> bool {
        if !key.starts_with("s3:") {
            return true;
        }
        let own = self.keys.iter().copied().flatten().copied();
        EVERYWHERE.iter().copied().chain(own).any(|known| is_named(known, key))
    }
}

/// Whether requests for an action of S3 (`s3:GetObject`) have that condition key (in lower case).
pub fn s3_action_has_key(action: &str, key: &str) -> bool {
    S3_ACTIONS.iter().any(|known| known.name == action && known.has_key(key))
}

/// Whether a bucket policy may ask for that key (in lower case). Of the global ones all are
/// accepted, as AWS does: it adds new ones.
pub(super) fn is_condition_key(key: &str) -> bool {
    match key.split_once(':') {
        Some(("s3", _)) => S3_ACTIONS.iter().any(|action| action.has_key(key)),
        Some(("valet", _)) => key == "valet:contentlength",
        Some((service, name)) => !service.is_empty() && !name.is_empty(),
        None => false,
    }
}

/// `known` ends in `/` or `-` where a name of the policy's own choice follows.
fn is_named(known: &str, key: &str) -> bool {
    let open = known.ends_with('/') || known == "s3:x-amz-grant-";
    if open { key.len() > known.len() && key.starts_with(known) } else { key == known }
}

/// Keys that every action has.
const EVERYWHERE: [&str; 10] = [
    "s3:accessgrantsinstancearn",
    "s3:accesspointnetworkorigin",
    "s3:authtype",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "s3:resourceaccount",
    "s3:signatureage",
    "s3:signatureversion",
    "s3:tlsversion",
    "s3:x-amz-content-sha256",
];
const LIST: &[&str] = &["s3:prefix", "s3:delimiter", "s3:max-keys"];
const EXISTING_TAGS: &[&str] = &["s3:existingobjecttag/"];
const NEW_TAGS: &[&str] = &["s3:requestobjecttag/", "s3:requestobjecttagkeys"];
const VERSION: &[&str] = &["s3:versionid"];
const MATCH: &[&str] = &["s3:if-match", "s3:if-none-match"];
const ACL: &[&str] = &["s3:x-amz-acl", "s3:x-amz-grant-"];
const LOCATION: &[&str] = &["s3:locationconstraint", "s3:x-amz-object-ownership"];
const LOCK: &[&str] = &[
    "s3:object-lock-mode",
    "s3:object-lock-legal-hold",
    "s3:object-lock-retain-until-date",
    "s3:object-lock-remaining-retention-days",
];
const STORED: &[&str] = &[
    "s3:objectcreationoperation",
    "s3:x-amz-copy-source",
    "s3:x-amz-metadata-directive",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-server-side-encryption-customer-algorithm",
    "s3:x-amz-storage-class",
    "s3:x-amz-website-redirect-location",
];
const INVENTORY: &[&str] = &["s3:inventoryaccessibleoptionalfields"];
const EVENTS: &[&str] = &["s3:destinationregion"];

const fn account(name: &'static str) -> S3Action {
    S3Action { name, applies: Applies::NOWHERE, keys: &[] }
}

const fn bucket(name: &'static str, keys: &'static [&'static [&'static str]]) -> S3Action {
    S3Action { name, applies: Applies::BUCKET, keys }
}

const fn object(name: &'static str, keys: &'static [&'static [&'static str]]) -> S3Action {
    S3Action { name, applies: Applies::OBJECT, keys }
}

/// Every action that S3 has, supported here or not: a policy may name them all.
pub(super) const S3_ACTIONS: &[S3Action] = &[
    object("s3:AbortMultipartUpload", &[]),
    object("s3:BypassGovernanceRetention", &[ACL, STORED, NEW_TAGS, LOCK]),
    account("s3:CreateAccessPoint"),
    bucket("s3:CreateBucket", &[ACL, LOCATION]),
    account("s3:CreateJob"),
    account("s3:DeleteAccessPoint"),
    account("s3:DeleteAccessPointPolicy"),
    bucket("s3:DeleteBucket", &[]),
    bucket("s3:DeleteBucketOwnershipControls", &[]),
    bucket("s3:DeleteBucketPolicy", &[]),
    bucket("s3:DeleteBucketPublicAccessBlock", &[]),
    bucket("s3:DeleteBucketWebsite", &[]),
    account("s3:DeleteJobTagging"),
    object("s3:DeleteObject", &[MATCH]),
    object("s3:DeleteObjectTagging", &[EXISTING_TAGS]),
    object("s3:DeleteObjectVersion", &[VERSION, MATCH]),
    object("s3:DeleteObjectVersionTagging", &[EXISTING_TAGS, VERSION]),
    account("s3:DescribeJob"),
    bucket("s3:GetAccelerateConfiguration", &[]),
    account("s3:GetAccessPoint"),
    account("s3:GetAccessPointPolicy"),
    account("s3:GetAccessPointPolicyStatus"),
    account("s3:GetAccountPublicAccessBlock"),
    bucket("s3:GetAnalyticsConfiguration", &[]),
    bucket("s3:GetBucketAbac", &[]),
    bucket("s3:GetBucketAcl", &[]),
    bucket("s3:GetBucketCORS", &[]),
    bucket("s3:GetBucketLocation", &[]),
    bucket("s3:GetBucketLogging", &[]),
    bucket("s3:GetBucketMetadataTableConfiguration", &[]),
    bucket("s3:GetBucketNotification", &[]),
    bucket("s3:GetBucketObjectLockConfiguration", &[]),
    bucket("s3:GetBucketOwnershipControls", &[]),
    bucket("s3:GetBucketPolicy", &[]),
    bucket("s3:GetBucketPolicyStatus", &[]),
    bucket("s3:GetBucketPublicAccessBlock", &[]),
    bucket("s3:GetBucketRequestPayment", &[]),
    bucket("s3:GetBucketTagging", &[]),
    bucket("s3:GetBucketVersioning", &[]),
    bucket("s3:GetBucketWebsite", &[]),
    bucket("s3:GetEncryptionConfiguration", &[]),
    bucket("s3:GetIntelligentTieringConfiguration", &[]),
    bucket("s3:GetInventoryConfiguration", &[]),
    account("s3:GetJobTagging"),
    bucket("s3:GetLifecycleConfiguration", &[]),
    bucket("s3:GetMetricsConfiguration", &[]),
    object("s3:GetObject", &[EXISTING_TAGS, MATCH]),
    object("s3:GetObjectAcl", &[EXISTING_TAGS]),
    object("s3:GetObjectAttributes", &[EXISTING_TAGS]),
    object("s3:GetObjectLegalHold", &[]),
    object("s3:GetObjectRetention", &[]),
    object("s3:GetObjectTagging", &[EXISTING_TAGS]),
    object("s3:GetObjectTorrent", &[]),
    object("s3:GetObjectVersion", &[EXISTING_TAGS, VERSION, MATCH]),
    object("s3:GetObjectVersionAcl", &[EXISTING_TAGS, VERSION]),
    object("s3:GetObjectVersionAttributes", &[EXISTING_TAGS, VERSION]),
    object("s3:GetObjectVersionForReplication", &[]),
    object("s3:GetObjectVersionTagging", &[EXISTING_TAGS, VERSION]),
    object("s3:GetObjectVersionTorrent", &[VERSION]),
    bucket("s3:GetReplicationConfiguration", &[]),
    object("s3:InitiateReplication", &[]),
    account("s3:ListAccessPoints"),
    account("s3:ListAllMyBuckets"),
    bucket("s3:ListBucket", &[LIST]),
    bucket("s3:ListBucketMultipartUploads", &[]),
    bucket("s3:ListBucketVersions", &[LIST]),
    account("s3:ListJobs"),
    object("s3:ListMultipartUploadParts", &[]),
    bucket("s3:ListTagsForResource", &[]),
    object("s3:ObjectOwnerOverrideToBucketOwner", &[]),
    bucket("s3:PutAccelerateConfiguration", &[]),
    account("s3:PutAccessPointPolicy"),
    account("s3:PutAccountPublicAccessBlock"),
    bucket("s3:PutAnalyticsConfiguration", &[]),
    bucket("s3:PutBucketAbac", &[]),
    bucket("s3:PutBucketAcl", &[ACL]),
    bucket("s3:PutBucketCORS", &[]),
    bucket("s3:PutBucketLogging", &[]),
    bucket("s3:PutBucketNotification", &[]),
    bucket("s3:PutBucketObjectLockConfiguration", &[]),
    bucket("s3:PutBucketOwnershipControls", &[]),
    bucket("s3:PutBucketPolicy", &[]),
    bucket("s3:PutBucketPublicAccessBlock", &[]),
    bucket("s3:PutBucketRequestPayment", &[]),
    bucket("s3:PutBucketTagging", &[]),
    bucket("s3:PutBucketVersioning", &[]),
    bucket("s3:PutBucketWebsite", &[]),
    bucket("s3:PutEncryptionConfiguration", &[]),
    bucket("s3:PutIntelligentTieringConfiguration", &[]),
    bucket("s3:PutInventoryConfiguration", &[INVENTORY]),
    account("s3:PutJobTagging"),
    bucket("s3:PutLifecycleConfiguration", &[]),
    bucket("s3:PutMetricsConfiguration", &[]),
    object("s3:PutObject", &[ACL, STORED, NEW_TAGS, LOCK, MATCH]),
    object("s3:PutObjectAcl", &[ACL, EXISTING_TAGS, &["s3:x-amz-storage-class"]]),
    object("s3:PutObjectLegalHold", &[LOCK]),
    object("s3:PutObjectRetention", &[LOCK]),
    object("s3:PutObjectTagging", &[EXISTING_TAGS, NEW_TAGS]),
    object("s3:PutObjectVersionAcl", &[ACL, EXISTING_TAGS, VERSION, &["s3:x-amz-storage-class"]]),
    object("s3:PutObjectVersionTagging", &[EXISTING_TAGS, NEW_TAGS, VERSION]),
    bucket("s3:PutReplicationConfiguration", &[EVENTS]),
    bucket("s3:TagResource", &[]),
    bucket("s3:UntagResource", &[]),
    object("s3:ReplicateDelete", &[EVENTS]),
    object("s3:ReplicateObject", &[STORED, EVENTS]),
    object("s3:ReplicateTags", &[EVENTS]),
    object("s3:RestoreObject", &[]),
    object("s3:UpdateObjectEncryption", &[EXISTING_TAGS]),
    account("s3:UpdateJobPriority"),
    account("s3:UpdateJobStatus"),
];
