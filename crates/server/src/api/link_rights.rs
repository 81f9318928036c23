//! What identities may do with links, by their own policies.

use std::sync::Arc;

use iam::Policy;
use store::{LinkPurpose, ManagedLink};

use super::error::ApiError;
use crate::error::{Code, S3Error};
use crate::gate::StoreAccess;

/// The action that lets an identity revoke links of others in its account, and undo that.
pub(super) const REVOKE: &str = "valet:RevokeLinks";
/// The action that lets an identity see links of others of its account, their uses, and what was revoked.
pub(super) const LIST: &str = "valet:ListLinks";
/// All objects, as policies name them.
pub(super) const ALL_OBJECTS: &str = "arn:aws:s3:::*";
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

/// The name under which the caller's own links are found. `None`: the caller has none, or acts in a session that policies
/// restrict, to which its role's other sessions of that name are as strangers.
pub(super) fn own_name(access: &StoreAccess) -> Option<String> {
    let signed = access.caller().signed()?;
    signed.session_policies().is_none().then(|| signed.signer_name())
}

/// Whether the caller made a managed link: under the same policies, if policies restrict the caller's session.
pub(super) fn owns(access: &StoreAccess, link: &ManagedLink) -> bool {
    let Some(signed) = access.caller().signed() else { return false };
    signed.signer_name() == link.creator.signer
        && signed.session_policies().is_none_or(|policies| {
            let made = link.creator.session.as_ref().and_then(|session| session.policies.as_ref());
            let text = |policy: &Arc<Policy>| policy.text().to_owned();
            made.is_some_and(|made| made.iter().map(text).eq(policies.iter().map(text)))
        })
}

/// Whether the caller may list a link that is for a key: one that they signed, or by policy.
pub(super) fn may_list_key(access: &StoreAccess, signer: &str, bucket: &str, key: &str) -> bool {
    own_name(access).as_deref() == Some(signer)
        || access.may_by_identity(LIST, &format!("arn:aws:s3:::{bucket}/{key}"))
}

pub(super) fn denied(action: &str) -> ApiError {
    let message = format!("This takes the permission {action} on what the link is for.");
    S3Error::with_message(Code::AccessDenied, message).into()
}
