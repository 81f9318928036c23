//! Admission of what IAM and STS are asked.

use std::sync::Arc;

use iam::{
    AccessRequest, AccountId, Decision, NamedPolicy, PolicySet, Principal, SessionPrincipal, Values,
};

use store::{Directory, Tag};

use super::authorize::{Asking, Question, reason};
use super::caller::{Caller, Identity};
use super::circumstances::{Circumstances, OperationKeys};
use super::meanings::Meanings;
use super::{Authorized, Door, Gate, Service};
use crate::query::error::{self, QueryCode, QueryError};
use crate::query::form::Form;
use crate::query::operation::{QueryOperation, QueryPermission, Scene};
use crate::respond::RequestContext;

/// What a call of the Query protocol is admitted with.
#[derive(Clone, Copy)]
pub(crate) struct QueryAdmission<'a> {
    pub(crate) service: Service,
    pub(crate) caller: &'a Arc<Caller>,
    pub(crate) context: &'a Arc<RequestContext>,
    pub(crate) form: &'a Form,
}

/// The condition keys of a call: what it asks, and what tags the identity has that it is about.
struct KeysOf<'o, O> {
    operation: &'o O,
    form: &'o Form,
    directory: &'o Directory,
    resource: &'o str,
}

impl<O: QueryOperation> OperationKeys for KeysOf<'_, O> {
    fn condition(&self, key: &str) -> Option<Values<'_>> {
        let one = |text: &str| Some(Values::One(text.to_owned().into()));
        let known = self.operation.condition(key);
        known.or_else(|| match key {
            "iam:permissionsboundary" => self.form.get("PermissionsBoundary").and_then(one),
            "iam:policyarn" => self.form.get("PolicyArn").and_then(one),
            "aws:tagkeys" => {
                let keys = self.form.structures("Tags", ["Key"]).into_iter().flatten().flatten();
                let keys: Vec<_> = keys
                    .chain(self.form.list("TagKeys"))
                    .map(|key| key.to_owned().into())
                    .collect();
                (!keys.is_empty()).then_some(Values::Many(keys))
            }
            other => {
                let (kind, name) = other.split_once('/')?;
                let same = |key: &str| key.eq_ignore_ascii_case(name);
                match kind {
                    "aws:requesttag" => {
                        let tags = self.form.structures("Tags", ["Key", "Value"]);
                        let found = tags.into_iter().find(|[key, _]| key.is_some_and(same));
                        found.and_then(|[_, value]| one(value.unwrap_or_default()))
                    }
                    "aws:resourcetag" | "iam:resourcetag" => {
                        let tags = tags_of(self.directory, self.resource)?;
                        one(&tags.iter().find(|tag| same(&tag.key))?.value)
                    }
                    _ => None,
                }
            }
        })
    }
}

/// The tags of the user, role or policy that an ARN names.
fn tags_of<'d>(directory: &'d Directory, arn: &str) -> Option<&'d [Tag]> {
    let resource = arn.splitn(6, ':').nth(5)?;
    let (kind, path) = resource.split_once('/')?;
    let name = path.rsplit('/').next()?;
    match kind {
        "user" => directory.user(name).map(|user| user.tags.as_slice()),
        "role" => directory.role(name).map(|role| role.tags.as_slice()),
        "policy" => {
            let mut policies = directory.managed_policies();
            policies.find(|policy| policy.arn == arn).map(|policy| policy.tags.as_slice())
        }
        _ => None,
    }
}

impl Gate {
    /// Admits a call, or says why not.
    pub(crate) async fn admit_query<O: QueryOperation>(
        &self,
        operation: O,
        admission: QueryAdmission<'_>,
    ) -> Result<Authorized<O>, QueryError> {
        let QueryAdmission { service, caller, context, form } = admission;
        if service == Service::Iam && !may_call_iam(caller.identity()) {
            return Err(QueryError::new(QueryCode::InvalidClientTokenId));
        }
        let account = caller.account().unwrap_or(&self.config.account);
        let directory = self.store.directory(account).await.map_err(error::of_store)?;
        let scene = Scene { caller, account, directory: &directory };
        let meanings = Meanings::default();
        let asking = Asking { store: &self.store, caller, context, meanings: &meanings };
        for permission in operation.permissions(&scene) {
            let QueryPermission { action, resource } = permission;
            let question = Question {
                action,
                resource: &resource,
                owner: account,
                policy: None,
                version: None,
            };
            let keys =
                KeysOf { operation: &operation, form, directory: &directory, resource: &resource };
            let decision = asking.decide(question, &keys);
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
