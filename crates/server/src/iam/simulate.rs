//! `SimulatePrincipalPolicy` and `SimulateCustomPolicy`: what policies would decide about made-up requests.

use std::collections::HashMap;
use std::sync::Arc;

use iam::{
    AccessRequest, AccountId, Cause, Context, Decision, NamedPolicy, Policy, PolicyKind, PolicySet,
    Principal, TextPosition, Values, Work, fold_case,
};
use store::{AttachedPolicy, Directory, EntityKind};

use super::entity::{account, any_policy, directory, found, named};
use super::operation;
use crate::query::answer::{QueryReply, QueryXml};
use crate::query::error::{QueryCode, QueryError};
use crate::query::form::Form;
use crate::query::operation::Target;

/// The most pairs of action and resource that one call may ask about.
const QUESTIONS_MAX: usize = 1000;

/// The message for a call whose questions take too many steps to decide.
const TOO_MUCH_WORK: &str =
    "These policies and questions take more comparing than one call may: ask fewer at once.";

/// The questions of a call, and the policies that it brings.
#[derive(Debug)]
pub(super) struct Simulation {
    actions: Vec<String>,
    resources: Vec<String>,
    context: GivenKeys,
    extra: Vec<Arc<Policy>>,
    boundary: Option<Arc<Policy>>,
    resource_policy: Option<Arc<Policy>>,
}

/// The condition keys that the caller made up, and the budget of steps for all questions together.
#[derive(Debug, Default)]
struct GivenKeys {
    values: HashMap<String, Vec<String>>,
    work: Work,
}

impl Context for GivenKeys {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        match self.values.get(key)?.as_slice() {
            [one] => Some(Values::One(one.into())),
            many => Some(Values::Many(many.iter().map(Into::into).collect())),
        }
    }

    fn work(&self) -> Option<&Work> {
        Some(&self.work)
    }
}

fn policies(form: &Form, parameter: &str) -> Result<Vec<Arc<Policy>>, QueryError> {
    form.list(parameter)?.into_iter().map(any_policy).collect()
}

impl Simulation {
    fn read(form: &Form) -> Result<Self, QueryError> {
        let actions: Vec<String> =
            form.list("ActionNames")?.into_iter().map(str::to_owned).collect();
        if actions.is_empty() {
            form.required("ActionNames")?;
        }
        let mut resources: Vec<String> =
            form.list("ResourceArns")?.into_iter().map(str::to_owned).collect();
        if resources.is_empty() {
            resources.push("*".to_owned());
        }
        if actions.len().saturating_mul(resources.len()) > QUESTIONS_MAX {
            return Err(QueryError::new(QueryCode::InvalidInput));
        }
        let mut context = HashMap::new();
        let fields = ["ContextKeyName", "ContextKeyType", "ContextKeyValues.member"];
        for entry in form.structures("ContextEntries", &fields)? {
            let key = entry.get("ContextKeyName").unwrap_or_default();
            let values = entry.list("ContextKeyValues")?;
            context.insert(fold_case(key), values.into_iter().map(str::to_owned).collect());
        }
        let boundary = policies(form, "PermissionsBoundaryPolicyInputList")?.into_iter().next();
        Ok(Self {
            actions,
            resources,
            context: GivenKeys { values: context, work: Work::default() },
            extra: policies(form, "PolicyInputList")?,
            boundary,
            resource_policy: form.get("ResourcePolicy").map(any_policy).transpose()?,
        })
    }

    async fn answer(
        &self,
        principal: &Principal,
        owner: &AccountId,
        held: &[AttachedPolicy],
        boundary: Option<&AttachedPolicy>,
    ) -> Result<QueryReply, QueryError> {
        let mut identity = named(held);
        let input = |at: usize| format!("PolicyInputList.{}", at.saturating_add(1));
        let inputs: Vec<String> = (0..self.extra.len()).map(input).collect();
        let extra = inputs.iter().zip(&self.extra);
        identity.extend(extra.map(|(name, policy)| NamedPolicy { name, policy }));
        let given = self.boundary.as_deref();
        let boundary = match (given, boundary) {
            (Some(policy), _) => Some(NamedPolicy { name: "PermissionsBoundary", policy }),
            (None, Some(attached)) => {
                Some(NamedPolicy { name: &attached.name, policy: &attached.policy })
            }
            (None, None) => None,
        };
        let resource = self.resource_policy.as_deref();
        let resource = resource.map(|policy| NamedPolicy { name: "ResourcePolicy", policy });
        let policies = PolicySet { identity: &identity, boundary, session: None, resource };
        let decide = |action: &str, resource: &str| {
            let (resource_account, context) = (owner, &self.context);
            let request = AccessRequest { principal, action, resource, resource_account, context };
            iam::evaluate(&request, &policies)
        };
        let mut decided: Vec<(&str, Vec<(&str, Decision)>)> = Vec::new();
        for action in &self.actions {
            let mut of_action = Vec::new();
            for resource in &self.resources {
                of_action.push((resource.as_str(), decide(action, resource)));
                if self.context.work.is_spent() {
                    return Err(QueryError::with_message(QueryCode::InvalidInput, TOO_MUCH_WORK));
                }
                // There may be a thousand decisions, so other requests get a turn in between.
                tokio::task::yield_now().await;
            }
            decided.push((action, of_action));
        }
        let places = places(&policies);
        Ok(QueryReply::result(|xml| {
            xml.list("EvaluationResults", &decided, |xml, (action, of_action)| {
                write_result(xml, action, of_action, &places);
            });
            xml.plain("IsTruncated", false);
        }))
    }
}

/// Writes the decision about an action: for all resources together, and for each.
fn write_result(
    xml: &mut QueryXml,
    action: &str,
    decided: &[(&str, Decision)],
    places: &StatementPositions<'_>,
) {
    let worst =
        decided.iter().map(|(_, decision)| decision).max_by_key(|decision| match decision {
            Decision::Allow(_) => 0,
            Decision::ImplicitDeny(_) => 1,
            Decision::ExplicitDeny(_) => 2,
        });
    let Some(worst) = worst else { return };
    xml.text("EvalActionName", action);
    xml.text("EvalResourceName", if let [(only, _)] = decided { only } else { "*" });
    xml.text("EvalDecision", word(worst));
    write_matched(xml, worst, places);
    xml.element("MissingContextValues", |_| {});
    xml.list("ResourceSpecificResults", decided, |xml, (resource, decision)| {
        xml.text("EvalResourceName", resource);
        xml.text("EvalResourceDecision", word(decision));
        write_matched(xml, decision, places);
        xml.element("MissingContextValues", |_| {});
    });
}

fn word(decision: &Decision) -> &'static str {
    match decision {
        Decision::Allow(_) => "allowed",
        Decision::ExplicitDeny(_) => "explicitDeny",
        Decision::ImplicitDeny(_) => "implicitDeny",
    }
}

/// Where the statements of each policy stand in its text, by the name of the policy; `None` if several policies
/// have that name.
type StatementPositions<'p> = HashMap<&'p str, Option<Vec<(TextPosition, TextPosition)>>>;

/// Finds the statements of each policy. Each text is read only once, however many decisions follow.
fn places<'p>(policies: &PolicySet<'p>) -> StatementPositions<'p> {
    let PolicySet { identity, boundary, session: _, resource } = policies;
    let mut places = StatementPositions::new();
    for NamedPolicy { name, policy } in identity.iter().chain(boundary).chain(resource) {
        let place = places.entry(*name);
        place.and_modify(|known| *known = None).or_insert_with(|| Some(policy.statement_places()));
    }
    places
}

/// Where the statement that decided stands in its policy's text, if only one policy has that name.
fn place(cause: &Cause, places: &StatementPositions<'_>) -> Option<(TextPosition, TextPosition)> {
    places.get(cause.policy.as_str())?.as_ref()?.get(cause.statement).copied()
}

fn write_place(xml: &mut QueryXml, name: &str, place: TextPosition) {
    xml.element(name, |xml| {
        xml.plain("Line", place.line);
        xml.plain("Column", place.column);
    });
}

fn write_matched(xml: &mut QueryXml, decision: &Decision, places: &StatementPositions<'_>) {
    let cause = match decision {
        Decision::Allow(cause) => cause.as_ref(),
        Decision::ExplicitDeny(cause) => Some(cause),
        Decision::ImplicitDeny(_) => None,
    };
    xml.list("MatchedStatements", cause, |xml, cause| {
        xml.text("SourcePolicyId", &cause.policy);
        xml.text(
            "SourcePolicyType",
            match cause.kind {
                PolicyKind::Identity | PolicyKind::Session => "IAM Policy",
                PolicyKind::Boundary => "Permissions Boundary",
                PolicyKind::Resource => "Resource Policy",
            },
        );
        if let Some((begin, end)) = place(cause, places) {
            write_place(xml, "StartPosition", begin);
            write_place(xml, "EndPosition", end);
        }
    });
}

/// The identity whose policies are simulated.
struct SimulatedIdentity {
    principal: Principal,
    policies: Vec<AttachedPolicy>,
    boundary: Option<AttachedPolicy>,
}

/// Finds the identity that an ARN names. Path and spelling must be exact.
fn source(directory: &Directory, arn: &str) -> Result<SimulatedIdentity, QueryError> {
    let account = directory.account().clone();
    let invalid =
        || QueryError::with_message(QueryCode::InvalidInput, format!("Invalid Entity Arn: {arn}"));
    let resource = arn.splitn(6, ':').nth(5).ok_or_else(invalid)?;
    let (kind, rest) = resource.split_once('/').ok_or_else(invalid)?;
    let name = rest.rsplit('/').next().unwrap_or_default();
    let is_named = |path: &str, stored: &str| directory.arn(kind, path, stored) == arn;
    match kind {
        "user" => {
            let user = directory.user(name).filter(|user| is_named(&user.path, &user.name));
            let user = found(user, EntityKind::User, name)?;
            Ok(SimulatedIdentity {
                principal: Principal::User {
                    account,
                    path: user.path.clone(),
                    name: user.name.clone(),
                    id: user.id.clone(),
                },
                policies: directory.policies_of_user(user),
                boundary: directory.boundary(user.boundary.as_deref()),
            })
        }
        "role" => {
            let role = directory.role(name).filter(|role| is_named(&role.path, &role.name));
            let role = found(role, EntityKind::Role, name)?;
            Ok(SimulatedIdentity {
                principal: Principal::AssumedRole {
                    account,
                    path: role.path.clone(),
                    role: role.name.clone(),
                    role_id: role.id.clone(),
                    session: "simulation".to_owned(),
                },
                policies: directory.policies_of_role(role),
                boundary: directory.boundary(role.boundary.as_deref()),
            })
        }
        "group" => {
            let group = directory.group(name).filter(|group| is_named(&group.path, &group.name));
            let group = found(group, EntityKind::Group, name)?;
            Ok(SimulatedIdentity {
                principal: Principal::FederatedUser { account, name: group.name.clone() },
                policies: directory.policies_of_group(group),
                boundary: None,
            })
        }
        _ => Err(invalid()),
    }
}

operation! {
    /// `SimulatePrincipalPolicy`
    SimulatePrincipalPolicy("iam:SimulatePrincipalPolicy") {
        source: String = |form| Ok(form.required("PolicySourceArn")?.to_owned()),
        questions: Simulation = Simulation::read,
    }
    on |op, at| Target::new(op.source.clone());
    |op, access| {
        let directory = directory(&access)?;
        let SimulatedIdentity { principal, policies, boundary } = source(&directory, &op.source)?;
        op.questions.answer(&principal, account(&access)?, &policies, boundary.as_ref()).await
    }
}

operation! {
    /// `SimulateCustomPolicy`
    SimulateCustomPolicy("iam:SimulateCustomPolicy") { questions: Simulation = Simulation::read }
    on |op, at| Target::any();
    |op, access| {
        let account = account(&access)?;
        // An identity that does not exist, with only the given policies.
        let principal =
            Principal::FederatedUser { account: account.clone(), name: "simulation".to_owned() };
        op.questions.answer(&principal, account, &[], None).await
    }
}
