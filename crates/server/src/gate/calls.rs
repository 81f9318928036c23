//! Admits calls of IAM and STS.

use std::sync::Arc;

use iam::{AccessRequest, AccountId, Decision, NamedPolicy, PolicySet, Principal, Values};
use store::{Directory, KnownIdentity, StoreError};

use super::authorize::{Authorizer, PolicyQuestion, TOO_MUCH_WORK_WHY, reason};
use super::bindings::NameBindings;
use super::caller::Caller;
use super::circumstances::{Circumstances, OperationKeys};
use super::{Authorized, Gate, Judged, StoreAccess};
use crate::context::RequestContext;

/// What a call may look at before it is admitted. Its resources are named with paths, which only the directory
/// knows.
#[derive(Clone, Copy)]
pub(crate) struct AccountView<'a> {
    pub(crate) caller: &'a Caller,
    /// The account that the call is about, which is the caller's.
    pub(crate) account: &'a AccountId,
    /// The identities of that account.
    pub(crate) directory: &'a Directory,
}

/// One action on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryPermission {
    /// The action as policies spell it, such as `iam:CreateUser`.
    pub(crate) action: &'static str,
    pub(crate) target: Target,
}

/// The resource of an action. An existing identity is judged as it is stored, whatever the case of letters in
/// which the call named it, and the identity that was judged is the one that is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The ARN; `*` for an action without a resource.
    pub(crate) arn: String,
    /// The identity, as it was when it was judged.
    pub(crate) known: Option<KnownIdentity>,
}

impl Target {
    /// For an action without a resource.
    pub(crate) fn any() -> Self {
        Self::new("*".to_owned())
    }

    /// For a resource that is no identity, or that is to be created.
    pub(crate) fn new(arn: String) -> Self {
        Self { arn, known: None }
    }
}

/// What the gate needs to know of a call. The wording of refusals is left to the protocol.
pub(crate) trait AdmissibleCall: Sized + Sync {
    type Refusal;

    /// Every permission that the call needs.
    fn permissions(&self, at: &AccountView<'_>) -> Result<Vec<QueryPermission>, Self::Refusal>;

    /// The value of a condition key that the call has for this target.
    fn condition<'k>(&'k self, target: &'k Target, key: &str) -> Option<Values<'k>>;

    /// The refusal if the store could not be read.
    fn unreadable(cause: StoreError) -> Self::Refusal;

    /// The refusal of a call that came by a link which was taken back.
    fn revoked() -> Self::Refusal;

    /// The refusal of a call that is not permitted.
    fn denied(denied: &DeniedCall<'_>) -> Self::Refusal;
}

/// A permission that a call does not have.
pub(crate) struct DeniedCall<'d> {
    pub(crate) principal: &'d Principal,
    pub(crate) action: &'static str,
    pub(crate) resource: &'d str,
    pub(crate) why: &'d str,
}

/// The condition keys of a call for one of its targets.
struct KeysOf<'o, O> {
    operation: &'o O,
    target: &'o Target,
}

impl<O: AdmissibleCall> OperationKeys for KeysOf<'_, O> {
    fn condition(&self, key: &str) -> Option<Values<'_>> {
        self.operation.condition(self.target, key)
    }
}

impl Gate {
    /// Admits a call, or refuses it.
    pub(crate) async fn admit_call<O: AdmissibleCall>(
        &self,
        operation: O,
        caller: &Arc<Caller>,
        context: &Arc<RequestContext>,
    ) -> Result<Authorized<O>, O::Refusal> {
        let access = self.access(caller, context);
        if access.is_revoked(&[]).await.map_err(O::unreadable)? {
            return Err(O::revoked());
        }
        let account = caller.account().unwrap_or(&self.config.account);
        let directory = self.store.directory(account).await.map_err(O::unreadable)?;
        let view = AccountView { caller, account, directory: &directory };
        let bindings = NameBindings::default();
        let authorizer =
            Authorizer { store: &self.store, caller, context, bindings: &bindings, future: None };
        let mut known = Vec::new();
        for QueryPermission { action, target } in operation.permissions(&view)? {
            let resource = target.arn.as_str();
            let question =
                PolicyQuestion { action, resource, owner: account, policy: None, version: None };
            let keys = KeysOf { operation: &operation, target: &target };
            let decision = authorizer.decide(question, &keys);
            if let Some(why) = reason(&decision, action) {
                let is_spent = context.work.is_spent();
                let why = if is_spent { TOO_MUCH_WORK_WHY } else { why.as_str() };
                let principal = caller.principal();
                return Err(O::denied(&DeniedCall { principal, action, resource, why }));
            }
            known.extend(target.known);
        }
        let judged = Some(Arc::new(Judged { directory, known }));
        Ok(Authorized { operation, access: StoreAccess { judged, ..access } })
    }
}

/// A role that somebody wants to assume, and its trust policy.
#[derive(Clone, Copy)]
pub(crate) struct Trusted<'t> {
    /// Who wants to assume the role: the caller, or a web identity.
    pub(crate) principal: &'t Principal,
    /// The action, such as `sts:AssumeRole`.
    pub(crate) action: &'t str,
    pub(crate) role_arn: &'t str,
    pub(crate) account: &'t AccountId,
    pub(crate) trust: &'t iam::Policy,
}

impl StoreAccess {
    /// Whether the role's trust policy allows the action. If it only delegates to the account, the caller's own
    /// policies must allow it too.
    pub(crate) fn decide_trust(&self, asked: Trusted<'_>, keys: &dyn OperationKeys) -> Decision {
        let Trusted { principal, action, role_arn, account, trust } = asked;
        let circumstances = Circumstances::new(&self.caller, &self.context, keys, account);
        let request = AccessRequest {
            principal,
            action,
            resource: role_arn,
            resource_account: account,
            context: &circumstances,
        };
        let trust = Some(NamedPolicy { name: "trust policy", policy: trust });
        let decide = |policies: &PolicySet<'_>| iam::evaluate_trust(&request, policies);
        self.caller.with_policies(trust, decide)
    }
}
