//! Admission of what IAM and STS are asked.

use std::sync::Arc;

use iam::{
    AccessRequest, AccountId, Decision, NamedPolicy, PolicySet, Principal, SessionPrincipal, Values,
};

use super::authorize::{Asking, Question, reason};
use super::caller::{Caller, Identity};
use super::circumstances::{Circumstances, OperationKeys};
use super::{Authorized, Door, Gate, Service};
use crate::query::error::{self, QueryCode, QueryError};
use crate::query::operation::{QueryOperation, QueryPermission, Scene};
use crate::respond::RequestContext;

/// What a call of the Query protocol is admitted with.
#[derive(Clone, Copy)]
pub(crate) struct QueryAdmission<'a> {
    pub(crate) service: Service,
    pub(crate) caller: &'a Arc<Caller>,
    pub(crate) context: &'a Arc<RequestContext>,
}

/// The condition keys of a call.
struct KeysOf<'o, O>(&'o O);

impl<O: QueryOperation> OperationKeys for KeysOf<'_, O> {
    fn condition(&self, key: &str) -> Option<Values<'_>> {
        self.0.condition(key)
    }
}

impl Gate {
    /// Admits a call, or says why not.
    pub(crate) async fn admit_query<O: QueryOperation>(
        &self,
        operation: O,
        admission: QueryAdmission<'_>,
    ) -> Result<Authorized<O>, QueryError> {
        let QueryAdmission { service, caller, context } = admission;
        if service == Service::Iam && !may_call_iam(caller.identity()) {
            return Err(QueryError::new(QueryCode::InvalidClientTokenId));
        }
        let account = caller.account().unwrap_or(&self.config.account);
        let directory = self.store.directory(account).await.map_err(error::of_store)?;
        let scene = Scene { caller, account, directory: &directory };
        let asking = Asking { store: &self.store, caller, context };
        for permission in operation.permissions(&scene) {
            let QueryPermission { action, resource } = permission;
            let question = Question { action, resource: &resource, owner: account, policy: None };
            let decision = asking.decide(question, &KeysOf(&operation));
            if let Some(why) = reason(&decision, action) {
                return Err(denied(caller.principal(), action, &resource, &why));
            }
        }
        Ok(Authorized { operation, door: self.door(caller, context) })
    }
}

/// A session of a user or root that was opened without a second factor, or of a federated user, is
/// not for IAM (aws-semantics 4.1.9).
fn may_call_iam(identity: Option<&Identity>) -> bool {
    let session = identity.and_then(|identity| identity.session.as_ref());
    session.is_none_or(|session| match session.principal {
        SessionPrincipal::AssumedRole { .. } => true,
        SessionPrincipal::Root { .. }
        | SessionPrincipal::User { .. }
        | SessionPrincipal::Federated { .. } => false,
    })
}

/// The words of a refusal, as IAM writes them: no quotes around the ARN.
fn denied(principal: &Principal, action: &str, resource: &str, why: &str) -> QueryError {
    QueryError::with_message(
        QueryCode::AccessDenied,
        format!(
            "User: {principal} is not authorized to perform: {action} on resource: {resource} {why}"
        ),
    )
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

impl Door {
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
        match self.caller.identity() {
            Some(identity) => identity.with_policies(trust, decide),
            None => decide(&PolicySet { resource: trust, ..PolicySet::default() }),
        }
    }
}
