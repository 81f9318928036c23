//! Everything durable: records of buckets, objects, uploads and access keys, and the bytes of bodies.
//!
//! [`Store`] is the whole of it. Its order of writes is bytes first, record last: a body is
//! [staged](Store::stage) on stable storage, then one transaction decides and points at it. So a
//! record never points at missing bytes, and what no record points at is [swept](Store::maintenance).
//!
//! Beneath it are two seams, one for records and one for bytes, cut at the meaning of a whole S3 step
//! so that other engines fit; the embedded engines are SQLite and plain files in a data directory,
//! whose formats are drawn in `docs/design.md`. Buckets, objects, uploads, identities and garbage each have a file in the
//! facade (`store/`), in the seam (`backend/metadata/`), in each engine and in its contract.
//!
//! Nothing here reads the clock: `now` comes in with every call that writes.

mod backend;
mod body;
mod bucket;
mod checksum;
#[cfg(test)]
mod contract;
mod distribution;
mod engines;
mod error;
#[cfg(test)]
mod faults;
mod identity;
mod link_use;
mod listing;
mod lock;
mod managed_link;
mod multipart;
mod names;
mod notice;
mod object;
mod reading;
mod revocation;
#[cfg(test)]
mod sharing;
mod staging;
mod store;
mod sweep;
mod unlock;
mod vault;
mod website;

pub use backend::embedded::backup::{
    BackupError, Copied, CopyProgress, KeyInCopy, WithMasterKey, backup, restore,
};
pub use backend::embedded::master_key::{KeyOrigin, load_master_key};
pub use body::{AtRest, Digests, Encryption, FileRange, PIECE_BYTES_MAX};
pub use bucket::{
    Bucket, BucketEncryption, BucketPage, BucketRef, BucketSetting, Change, ChangeSubject,
    CorsMethod, CorsRule, CreateBucket, CustomerKeys, DeleteBucket, ListBuckets, NewBucket,
    ObjectOwnership, PublicAccessBlock, SetBucket, Versioning,
};
pub use checksum::{ChecksumAlgorithm, ChecksumAlgorithms, ChecksumType, StoredChecksum};
pub use distribution::{
    DISTRIBUTION_DOCUMENT_BYTES_MAX, DISTRIBUTION_RESOURCES_MAX, DistributionEdit,
    DistributionError, DistributionResource, Distributions, ResourceKind,
};
pub use error::{EngineError, OpenError, StoreError};
pub use identity::{
    AccessKey, Account, AccountPage, AttachedPolicy, BoundPolicy, Counts, CreateAccount,
    DeleteAccount, Directory, DirectoryEdit, EntityKind, GivenKey, Group, Hindrance, IdentityError,
    IdentityFacts, InstanceProfile, KeyOwner, KeyStatus, KeySummary, KeyUse, KnownIdentity,
    ManagedPolicy, NewAccount, NewManagedPolicy, NewOidcProvider, NewRole, OidcProvider,
    PolicyUses, PolicyVersion, Quota, RenewRootKey, Role, Signer, SignerKind, Tag, User,
};
pub use link_use::{LinkUses, OpenUse};
pub use managed_link::{
    CloseManagedLink, CreatorIdentity, CreatorSession, EndedPlace, FILES_MAX_UNSAID,
    FILES_UNDER_WAY_MAX, FileLimits, Landing, LinkCreator, LinkPurpose, ListManagedLinks,
    MANAGED_LINKS_MAX, ManagedLink, ManagedLinkId, ManagedLinkIdError, ManagedLinkPage,
    ManagedLinkPlace, ManagedLinksOf, NOTIFY_TARGETS_MAX, PASSPHRASE_PERIOD, PASSPHRASE_TRIES_MAX,
    PutManagedLink, RequestFile, RequestRoom, RequestTotals, ReserveFile, UsedUpLinks,
};
pub use multipart::{
    CHECKSUM_UNASKED, CompleteOutcome, CompleteUpload, CompletedPart, ListUploads, NewUpload,
    PART_SIZE_MIN, Part, PartPage, PutPart, Upload, UploadAfter, UploadEntry, UploadPage,
};
pub use names::{
    BUCKET_NAME_BYTES_MAX, BUCKET_NAME_BYTES_MIN, BucketName, BucketNameError, ETag, ETagError,
    OBJECT_KEY_BYTES_MAX, ObjectKey, ObjectKeyError, PART_NUMBER_MAX, PartNumber, PartNumberError,
    UploadId, UploadIdError, VersionId, VersionIdError, VersionToken,
};
pub use notice::{
    NOTICE_KEPT, NOTICE_KEPT_DELIVERED, NOTICES_WAITING_MAX, NOTICES_WAITING_OF_LINK_MAX,
    NewNotice, Notice, NoticeEvent, NoticeEventError, NoticeFacts, NoticeId, NoticeState,
    NoticeTry, PutNotice, REFUSALS_TOLD_EVERY,
};
pub use object::{
    Attributes, DeleteMarker, DeleteObject, DeleteOutcome, ListAfter, ListEntry, ListObjects,
    ListVersions, Lookup, Object, ObjectPage, ObjectSummary, PartSummary, Precondition, PutOutcome,
    SetTags, TagsChanged, VersionAfter, VersionEntry, VersionPage, VersionSummary,
};
pub use reading::{BodyReader, Segment};
pub use revocation::{
    LinkTarget, ListRevocations, OWN_REVOCATIONS_MAX, PresentedLink, REVOCATION_LIFE,
    REVOCATIONS_MAX, REVOKED_PREFIXES_MAX, RecordedRevocation, Revocation, RevocationPage,
    RevocationScope, Revoke, RevokedLinks,
};
pub use staging::{BodyStage, StageSpec, StagedBody};
pub use store::managed_links::LINK_SIGNER;
pub use store::objects::PutObject;
pub use store::{Counters, Store, StoreConfig};
pub use sweep::{Maintenance, Swept};
pub use unlock::{KeyCheck, KeyRefusal, Unlocked};
pub use vault::fill_random;
pub use website::{
    KeyReplacement, RoutingRedirect, RoutingRule, WebProtocol, Website, WebsiteHost, WebsitePages,
};
