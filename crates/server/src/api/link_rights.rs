//! What identities may do with links, by their own policies.

use store::LinkPurpose;

use super::error::ApiError;
use crate::error::{Code, S3Error};
use crate::gate::{SignedCaller, StoreAccess};

/// The action that lets an identity make managed links, and change those of others.
pub(super) const CREATE: &str = "valet:CreateLink";
/// What stands for any further characters of a key where a permission on a whole prefix is asked for.
pub(super) const ANY_KEY: [&str; 2] = ["*", "********************************"];
/// Whether the caller's identity policies give an action on all that a link is for.
pub(super) fn may_on(access: &StoreAccess, action: &'static str, purpose: &LinkPurpose) -> bool {
    let (bucket, within) = (purpose.bucket(), purpose.key_or_prefix());
    match purpose {
        LinkPurpose::Object { .. } | LinkPurpose::Presigned { .. } => {
            access.may_by_identity(action, &format!("arn:aws:s3:::{bucket}/{within}"))
        }
        LinkPurpose::Folder { .. } | LinkPurpose::Request { .. } => ANY_KEY.iter().all(|any| {
            access.may_by_identity(action, &format!("arn:aws:s3:::{bucket}/{within}{any}"))
        }),
    }
}

pub(super) fn own_name(access: &StoreAccess) -> Option<String> {
    access.caller().signed().map(SignedCaller::signer_name)
}

pub(super) fn denied(action: &str) -> ApiError {
    let message = format!("This takes the permission {action} on what the link is for.");
    S3Error::with_message(Code::AccessDenied, message).into()
}
