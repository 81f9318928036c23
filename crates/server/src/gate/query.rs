//! Admission of what IAM and STS are asked.

use std::sync::Arc;

use iam::{
    AccessRequest, AccountId, Decision, NamedPolicy, PolicySet, Principal, SessionPrincipal, Values,
};

use store::{Directory, KnownIdentity};

use super::authorize::{Asking, Question, TOO_MUCH_WORK_WHY, reason};
use super::caller::{Caller, Identity};
use super::circumstances::{Circumstances, OperationKeys};
use super::meanings::Meanings;
use super::tags::tag_named;
use super::{Authorized, Door, Gate};
use crate::authentication::Service;
use crate::context::RequestContext;
use crate::query::error::{self, QueryCode, QueryError};
use crate::query::operation::{
    BoundaryAsked, Brought, QueryOperation, QueryPermission, Scene, Sessions, Target,
};

/// What a call of the Query protocol is admitted with.
#[derive(Clone, Copy)]
pub(crate) struct QueryAdmission<'a> {
    pub(crate) service: Service,
    pub(crate) caller: &'a Arc<Caller>,
    pub(crate) context: &'a Arc<RequestContext>,
    /// The name of the operation.
    pub(crate) action: &'a str,
}

/// The condition keys of a call: what it brings, and the identity that it is about.
struct KeysOf<'o, O> {
    operation: &'o O,
    target: &'o Target,
}

impl<O: QueryOperation> OperationKeys for KeysOf<'_, O> {
    fn condition(&self, key: &str) -> Option<Values<'_>> {
        let one = |text: &str| Some(Values::One(text.to_owned().into()));
        let known = self.operation.condition(key);
        known.or_else(|| {
            let Brought { tags, tag_keys, policy_arn, boundary } = self.operation.brings();
            let facts = self.target.known.as_ref().and_then(KnownIdentity::facts);
            match key {
                "iam:permissionsboundary" => match boundary {
                    BoundaryAsked::None => None,
                    BoundaryAsked::Given(boundary) => boundary.and_then(one),
                    BoundaryAsked::Targets => facts?.boundary.as_deref().and_then(one),
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
}

impl Gate {
    /// Admits a call, or says why not.
    pub(crate) async fn admit_query<O: QueryOperation>(
        &self,
        operation: O,
        admission: QueryAdmission<'_>,
    ) -> Result<Authorized<O>, QueryError> {
        let QueryAdmission { service, caller, context, action } = admission;
        check_session(caller.identity(), O::SESSIONS, (service, action))?;
        let account = caller.account().unwrap_or(&self.config.account);
        let directory = self.store.directory(account).await.map_err(error::of_store)?;
        let scene = Scene { caller, account, directory: &directory };
        let meanings = Meanings::default();
        let asking = Asking { store: &self.store, caller, context, meanings: &meanings };
        let mut known = Vec::new();
        for QueryPermission { action, target } in operation.permissions(&scene)? {
            let resource = target.arn.as_str();
            let question =
                Question { action, resource, owner: account, policy: None, version: None };
            let keys = KeysOf { operation: &operation, target: &target };
            let decision = asking.decide(question, &keys);
            if let Some(why) = reason(&decision, action) {
                let is_spent = context.work.is_spent();
                let why = if is_spent { TOO_MUCH_WORK_WHY } else { why.as_str() };
                return Err(denied(caller.principal(), action, resource, why));
            }
            known.extend(target.known);
        }
        let judged = Some(Arc::new(Judged { directory, known }));
        Ok(Authorized { operation, door: Door { judged, ..self.door(caller, context) } })
    }
}

/// What a call of IAM was judged by: it reads that, and changes nothing else.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) directory: Arc<Directory>,
    /// The identities that it is about.
    pub(crate) known: Vec<KnownIdentity>,
}

/// Refuses a session that the operation is not open to.
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
        Service::Sts | Service::S3 => QueryError::with_message(
            QueryCode::AccessDenied,
            format!("Cannot call {action} with session credentials"),
        ),
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
