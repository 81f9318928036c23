//! The managed link that a request came by, as far as it limits the request.

use std::num::NonZeroU64;
use std::sync::Arc;

use jiff::Timestamp;
use presign::{Fingerprint, LinkConditions};
use store::{LinkPurpose, ManagedLink};

use super::caller::Caller;
use crate::error::{Code, S3Error};
use crate::permission::{Permission, Resource};

/// The action of a listing, which only a link to a folder lends.
const LIST: &str = "s3:ListBucket";

/// The managed link that a request came by.
#[derive(Clone, Debug)]
pub(crate) struct ManagedUse {
    pub(crate) link: Arc<ManagedLink>,
    pub(crate) fingerprint: Fingerprint,
    /// Whoever made the link, as the sender of this very request; `None`: that identity is gone.
    pub(super) creator: Option<Arc<Caller>>,
    /// Whether the request is part of a use that was taken before, or of none: it takes none itself.
    pub(super) is_part: bool,
}

impl ManagedUse {
    /// Refuses a link that is used for something else than it was made for. The server signs none, so this is only a
    /// second lock. `listed` is the prefix of a listing.
    pub(super) fn check_purpose(
        &self,
        permissions: &[Permission<'_>],
        listed: Option<&str>,
    ) -> Result<(), S3Error> {
        let purpose = &self.link.purpose;
        let is_within = |permission: &Permission<'_>| match permission.resource {
            Resource::Object(bucket, key) => {
                let within = purpose.key_or_prefix();
                bucket == purpose.bucket()
                    && match purpose {
                        LinkPurpose::Object { .. } | LinkPurpose::Presigned { .. } => {
                            key.as_str() == within
                        }
                        LinkPurpose::Folder { .. } | LinkPurpose::Request { .. } => {
                            key.as_str().starts_with(within)
                        }
                    }
            }
            Resource::Bucket(bucket) => match purpose {
                LinkPurpose::Folder { bucket: own, prefix } => {
                    let is_below = listed.is_some_and(|listed| listed.starts_with(prefix.as_str()));
                    bucket == own && permission.action == LIST && is_below
                }
                LinkPurpose::Object { .. }
                | LinkPurpose::Request { .. }
                | LinkPurpose::Presigned { .. } => false,
            },
            Resource::Server | Resource::Account | Resource::NewBucket(_) => false,
        };
        if permissions.iter().all(is_within) {
            return Ok(());
        }
        Err(S3Error::new(Code::AccessDenied))
    }

    /// When the link ends: an earlier end than that of its signature counts.
    pub(super) fn ends_at(&self) -> Timestamp {
        self.link.expires_at
    }

    /// The conditions of the link: those of the record, and of those in the signed query what the record leaves open.
    pub(super) fn conditions(&self, signed: LinkConditions) -> LinkConditions {
        let mut all = self.link.conditions.clone();
        all.id = signed.id;
        all.uses = if self.is_part { None } else { counted_uses(&self.link).or(signed.uses) };
        all.content_length = all.content_length.or(signed.content_length);
        all.source_ip = all.source_ip.or(signed.source_ip);
        all.not_before = all.not_before.or(signed.not_before);
        all.allow_head |= signed.allow_head;
        all.write_once |= signed.write_once;
        all.rate = all.rate.or(signed.rate);
        all.label = all.label.or(signed.label);
        all
    }
}

/// How often requests of a link may be answered. A request for files counts the files, by its own account of them.
pub(super) fn counted_uses(link: &ManagedLink) -> Option<NonZeroU64> {
    let counts_files = matches!(link.purpose, LinkPurpose::Request { .. });
    link.conditions.uses.filter(|_| !counts_files)
}
