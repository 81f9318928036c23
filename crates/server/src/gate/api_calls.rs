//! Admits calls of Valet's own API, by the kind of permission that each needs.

use std::sync::Arc;

use iam::Values;
use jiff::Timestamp;
use presign::Presigner;

use super::{Authorized, Caller, Gate, OperationKeys, StoreAccess};
use crate::context::RequestContext;
use crate::error::{Code, S3Error};
use crate::permission::Permission;

/// The permission that a call of the API needs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ApiPermission<'o> {
    /// An action on the whole server, such as `valet:ManageAccounts`. Only identities of the first account can
    /// have it: its root, and those with an identity policy that allows it.
    Operator(&'static str),
    /// None: everybody who signs may make the call, because it is about the caller alone.
    Oneself,
    /// None, and what the answer tells of a link is decided link by link: [`StoreAccess::link_signer`].
    LinkByLink,
    /// An action of S3 that the call's link lends. The call may sign further links for the same action:
    /// [`StoreAccess::lent`].
    LentByLink(Permission<'o>),
}

/// What the gate needs to know of a call of the API.
pub(crate) trait AdmissibleApiCall: Sync {
    /// The permission that the call needs.
    fn permission(&self) -> ApiPermission<'_>;

    /// The value of a condition key that only the operation knows.
    fn condition(&self, key: &str) -> Option<Values<'_>>;
}

/// The permission to sign further links that a call's link lends: with the same key, and for no longer than
/// that link has.
#[derive(Debug)]
pub(crate) struct LentSigning {
    until: Timestamp,
    presigner: Presigner,
}

impl LentSigning {
    /// When the signed links must end: at the end of the call's link, at the end of the session that signed it,
    /// or when a policy would refuse a link of that age, whichever is first.
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
    /// Admits a call, or refuses it.
    pub(crate) async fn admit_api_call<O: AdmissibleApiCall>(
        self: &Arc<Self>,
        operation: O,
        caller: &Arc<Caller>,
        context: &Arc<RequestContext>,
    ) -> Result<Authorized<O>, S3Error> {
        let denied = || S3Error::new(Code::AccessDenied);
        let signed = caller.signed().ok_or_else(denied)?;
        let access = self.access(caller, context);
        let lent = match operation.permission() {
            ApiPermission::Operator(action) => {
                if signed.identity.account != self.config.account {
                    return Err(denied());
                }
                access.require(Permission::server(action)).await?;
                None
            }
            ApiPermission::Oneself => None,
            ApiPermission::LinkByLink => {
                let explains = Some(Arc::clone(self));
                return Ok(Authorized { operation, access: StoreAccess { explains, ..access } });
            }
            ApiPermission::LentByLink(permission) => {
                let link_ends_at = access.link_ends_at().ok_or_else(denied)?;
                access.refuse_revoked(&[permission]).await?;
                let judging = access.authorizer();
                let until =
                    judging.authorize_until(permission, &KeysOf(&operation), link_ends_at).await?;
                let presigner = self.presigner(signed).ok_or_else(denied)?;
                Some(Arc::new(LentSigning { until, presigner }))
            }
        };
        Ok(Authorized { operation, access: StoreAccess { lent, ..access } })
    }
}
