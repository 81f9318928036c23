//! Admits calls of Valet's own paths, by the kinds of permission that such a call can need.

use std::sync::Arc;

use iam::Values;
use jiff::Timestamp;
use presign::Presigner;

use super::{Authorized, Caller, Door, Gate, OperationKeys};
use crate::context::RequestContext;
use crate::error::{Code, S3Error, refusal};
use crate::permission::Permission;

/// What has to be permitted for a call of one of Valet's own paths.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ApiPermission<'o> {
    /// An action that concerns the whole server, such as `valet:ManageAccounts`. Only people of the first account can
    /// have this permission: its root, and whoever has it by an identity policy.
    Operator(&'static str),
    /// Everybody who signs may make the call, which is about nobody but themselves.
    Oneself,
    /// An action of S3 that the link by which the call came lends, as long as it does. The call may then sign links
    /// for the same action: [`Door::lent`].
    LentByLink(Permission<'o>),
}

/// What the gate asks of a call of one of Valet's own paths.
pub(crate) trait AdmissibleApiCall: Sync {
    /// The permission that the call needs.
    fn permission(&self) -> ApiPermission<'_>;

    /// The value of a condition key that only the operation knows.
    fn condition(&self, key: &str) -> Option<Values<'_>>;
}

/// What a link lends to its holder for passing on: links that are signed with the same key, and end with it.
#[derive(Debug)]
pub(crate) struct LentSigning {
    until: Timestamp,
    presigner: Presigner,
}

impl LentSigning {
    /// When the links that are signed must end at the latest: when the link of the call ends, or the session that
    /// signed it, or when the policies of now would refuse a link of that age, whichever is first.
    pub(crate) fn until(&self) -> Timestamp {
        self.until
    }

    /// A presigner with the key that signed the link.
    pub(crate) fn presigner(&self) -> Presigner {
        self.presigner.clone()
    }
}

/// The condition keys of a call.
struct KeysOf<'o, O>(&'o O);

impl<O: AdmissibleApiCall> OperationKeys for KeysOf<'_, O> {
    fn condition(&self, key: &str) -> Option<Values<'_>> {
        self.0.condition(key)
    }
}

impl Gate {
    /// Admits a call, or says why not.
    pub(crate) async fn admit_api_call<O: AdmissibleApiCall>(
        &self,
        operation: O,
        caller: &Arc<Caller>,
        context: &Arc<RequestContext>,
    ) -> Result<Authorized<O>, S3Error> {
        let denied = || S3Error::new(Code::AccessDenied);
        let signed = caller.signed().ok_or_else(denied)?;
        let door = self.door(caller, context);
        let lent = match operation.permission() {
            ApiPermission::Operator(action) => {
                if signed.identity.account != self.config.account {
                    return Err(denied());
                }
                door.require(Permission::account(action)).await?;
                None
            }
            ApiPermission::Oneself => None,
            ApiPermission::LentByLink(permission) => {
                let link_ends_at = door.link_ends_at().ok_or_else(denied)?;
                let judging = door.asking();
                let until =
                    judging.authorize_until(permission, &KeysOf(&operation), link_ends_at).await?;
                let presigner = self.presigner(signed).await;
                let presigner = presigner.map_err(refusal::of_authentication)?;
                Some(Arc::new(LentSigning { until, presigner: presigner.ok_or_else(denied)? }))
            }
        };
        Ok(Authorized { operation, door: Door { lent, ..door } })
    }
}
