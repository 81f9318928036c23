//! What the gate needs to admit a call of IAM or STS, and how those services word a refusal.

use std::sync::Arc;

use iam::{SessionPrincipal, Values};
use store::{KnownIdentity, StoreError};

use super::error::{self, QueryCode, QueryError};
use super::operation::{
    AccountView, BoundaryValue, Brought, QueryOperation, QueryPermission, Sessions, Target,
};
use crate::authentication::Service;
use crate::context::RequestContext;
use crate::gate::{
    AdmissibleCall, Authorized, Caller, DeniedCall, Gate, Identity, REVOKED, tag_named,
};

/// A call of IAM or STS with what the gate needs to admit it.
#[derive(Clone, Copy)]
pub(crate) struct QueryAdmission<'a> {
    pub(crate) service: Service,
    pub(crate) caller: &'a Arc<Caller>,
    pub(crate) context: &'a Arc<RequestContext>,
    /// The name of the operation.
    pub(crate) action: &'a str,
}

impl QueryAdmission<'_> {
    /// Admits a call, or refuses it in the words of its service.
    pub(crate) async fn admit<O: QueryOperation>(
        self,
        gate: &Gate,
        operation: O,
    ) -> Result<Authorized<O>, QueryError> {
        let Self { service, caller, context, action } = self;
        check_session(caller.identity(), O::SESSIONS, (service, action))?;
        gate.admit_call(operation, caller, context).await
    }
}

impl<O: QueryOperation> AdmissibleCall for O {
    type Refusal = QueryError;

    fn permissions(&self, at: &AccountView<'_>) -> Result<Vec<QueryPermission>, QueryError> {
        QueryOperation::permissions(self, at)
    }

    /// The values that the call brings, and those of the identity that it is about.
    fn condition<'k>(&'k self, target: &'k Target, key: &str) -> Option<Values<'k>> {
        let one = |text: &str| Some(Values::One(text.to_owned().into()));
        let known = QueryOperation::condition(self, key);
        known.or_else(|| {
            let Brought { tags, tag_keys, policy_arn, boundary } = self.brings();
            let facts = target.known.as_ref().and_then(KnownIdentity::facts);
            match key {
                "iam:permissionsboundary" => match boundary {
                    BoundaryValue::None => None,
                    BoundaryValue::Given(boundary) => boundary.and_then(one),
                    BoundaryValue::Targets => facts?.boundary.as_deref().and_then(one),
                },
                "iam:policyarn" => policy_arn.and_then(one),
                "aws:tagkeys" => {
                    let keys = tags.iter().map(|tag| &tag.key).chain(tag_keys);
                    let keys: Vec<_> = keys.map(|key| key.clone().into()).collect();
                    (!keys.is_empty()).then_some(Values::Many(keys))
                }
                other => {
                    let (kind, name) = other.split_once('/')?;
                    match kind {
                        "aws:requesttag" => tag_named(tags, name),
                        "aws:resourcetag" | "iam:resourcetag" => tag_named(&facts?.tags, name),
                        _ => None,
                    }
                }
            }
        })
    }

    fn unreadable(cause: StoreError) -> QueryError {
        error::of_store(cause)
    }

    fn revoked() -> QueryError {
        QueryError::with_message(QueryCode::AccessDenied, REVOKED)
    }

    /// A refusal as IAM words it: no quotes around the ARN.
    fn denied(denied: &DeniedCall<'_>) -> QueryError {
        let DeniedCall { principal, action, resource, why } = denied;
        QueryError::with_message(
            QueryCode::AccessDenied,
            format!(
                "User: {principal} is not authorized to perform: {action} on resource: {resource} {why}"
            ),
        )
    }
}

/// Refuses a session of a kind that may not call this operation.
fn check_session(
    identity: Option<&Identity>,
    open_to: Sessions,
    (service, action): (Service, &str),
) -> Result<(), QueryError> {
    let Some(session) = identity.and_then(|identity| identity.session.as_ref()) else {
        return Ok(());
    };
    let needed = match session.principal {
        SessionPrincipal::AssumedRole { .. } => Sessions::OfRoles,
        SessionPrincipal::Root { .. } | SessionPrincipal::User { .. } => Sessions::ButFederated,
        SessionPrincipal::Federated { .. } => Sessions::All,
    };
    if open_to >= needed {
        return Ok(());
    }
    Err(match service {
        Service::Iam => QueryError::new(QueryCode::InvalidClientTokenId),
        Service::Sts | Service::S3 | Service::CloudFront => QueryError::with_message(
            QueryCode::AccessDenied,
            format!("Cannot call {action} with session credentials"),
        ),
    })
}
