//! Admission of what IAM and STS are asked.

use std::sync::Arc;

use iam::{AccessRequest, AccountId, Decision, NamedPolicy, PolicySet, Principal, Values};
use store::{Directory, KnownIdentity, StoreError};

use super::authorize::{Authorizer, PolicyQuestion, TOO_MUCH_WORK_WHY, reason};
use super::bindings::NameBindings;
use super::caller::Caller;
use super::circumstances::{Circumstances, OperationKeys};
use super::{Authorized, Gate, Judged, StoreAccess};
use crate::context::RequestContext;

/// What a call can know before it is admitted: resources are named by paths that only the
/// directory knows.
#[derive(Clone, Copy)]
pub(crate) struct AccountView<'a> {
    pub(crate) caller: &'a Caller,
    /// The account that the call is about: the caller's.
    pub(crate) account: &'a AccountId,
    /// The identities of that account.
    pub(crate) directory: &'a Directory,
}

/// One action on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryPermission {
    /// As policies spell it: `iam:CreateUser`.
    pub(crate) action: &'static str,
    pub(crate) target: Target,
}

/// What an action is done to. An identity that is there is judged as it is stored, whatever the spelling in
/// which it was asked for, and what is done is done to the one that was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// `*` for an action that is done to no resource.
    pub(crate) arn: String,
    /// The identity that it is about, as it was when it was judged.
    pub(crate) known: Option<KnownIdentity>,
}

impl Target {
    /// An action that is done to no resource.
    pub(crate) fn any() -> Self {
        Self::new("*".to_owned())
    }

    /// Something that is no identity, or is to be made.
    pub(crate) fn new(arn: String) -> Self {
        Self { arn, known: None }
    }
}

/// What the gate asks of a call. In which words it is refused is for its protocol to say.
pub(crate) trait AdmissibleCall: Sized + Sync {
    type Refusal;

    /// Every permission the call needs.
    fn permissions(&self, at: &AccountView<'_>) -> Result<Vec<QueryPermission>, Self::Refusal>;

    /// The value of a condition key that the call has, where it is done to this.
    fn condition<'k>(&'k self, target: &'k Target, key: &str) -> Option<Values<'k>>;

    /// The records could not be read.
    fn unreadable(cause: StoreError) -> Self::Refusal;

    /// It is not permitted.
    fn denied(denied: &DeniedCall<'_>) -> Self::Refusal;
}

/// A permission that a call does not have.
pub(crate) struct DeniedCall<'d> {
    pub(crate) principal: &'d Principal,
    pub(crate) action: &'static str,
    pub(crate) resource: &'d str,
    pub(crate) why: &'d str,
}

/// The condition keys of a call that is done to something.
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
    /// Admits a call, or says why not.
    pub(crate) async fn admit_call<O: AdmissibleCall>(
        &self,
        operation: O,
        caller: &Arc<Caller>,
        context: &Arc<RequestContext>,
    ) -> Result<Authorized<O>, O::Refusal> {
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
        Ok(Authorized { operation, access: StoreAccess { judged, ..self.access(caller, context) } })
    }
}

/// A role that somebody wants to be, and what it says of that.
#[derive(Clone, Copy)]
pub(crate) struct Trusted<'t> {
    /// Who asks: the caller, or a web identity.
    pub(crate) principal: &'t Principal,
    /// `sts:AssumeRole` and the like.
    pub(crate) action: &'t str,
    pub(crate) role_arn: &'t str,
    pub(crate) account: &'t AccountId,
    pub(crate) trust: &'t iam::Policy,
}

impl StoreAccess {
    /// Whether a role's trust policy lets somebody do this, and, where it only delegates to the
    /// account, the caller's own policies as well.
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
