//! `SimulatePrincipalPolicy` and `SimulateCustomPolicy`: what policies would decide about made-up requests.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use iam::{
    AccessRequest, AccountId, Cause, Context, Decision, NamedPolicy, Policy, PolicyKind, PolicySet,
    TextPosition, Values, Work, fold_case,
};
use jiff::Timestamp;
use store::{AttachedPolicy, Directory, EntityKind};

use super::entity::{account, any_policy, directory, found, named};
use super::operation;
use crate::gate::{Identity, identity_key, iso_time};
use crate::query::answer::{QueryReply, QueryXml};
use crate::query::error::{QueryCode, QueryError};
use crate::query::form::Form;
use crate::query::operation::Target;

/// The name of a session, or of nobody in particular, that a simulation is about.
const SESSION: &str = "simulation";

/// The most pairs of action and resource that one call may ask about.
const QUESTIONS_MAX: usize = 1000;

/// The most bytes of missing keys that one decision names. Policies may ask for thousands of tags, and a call for a
/// thousand decisions.
const MISSING_BYTES_MAX: usize = 1024;

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

impl GivenKeys {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        match self.values.get(key)?.as_slice() {
            [one] => Some(Values::One(one.into())),
            many => Some(Values::Many(many.iter().map(Into::into).collect())),
        }
    }
}

/// The condition keys of a made-up request: those that the caller made up, and those that the gate knows of the
/// identity that would send the request.
struct SimulatedKeys<'s> {
    given: &'s GivenKeys,
    /// `None`: no identity that exists is asked about, so nothing is known of it.
    identity: Option<&'s Identity>,
    owner: &'s AccountId,
    now: Timestamp,
    missing: RefCell<MissingKeys>,
}

/// The keys that policies asked for, and that are neither given nor known: as many as fit into
/// [`MISSING_BYTES_MAX`].
#[derive(Default)]
struct MissingKeys {
    names: BTreeSet<String>,
    bytes: usize,
}

impl MissingKeys {
    fn note(&mut self, key: &str) {
        let bytes = self.bytes.saturating_add(key.len());
        if bytes <= MISSING_BYTES_MAX && self.names.insert(key.to_owned()) {
            self.bytes = bytes;
        }
    }
}

impl SimulatedKeys<'_> {
    fn known(&self, key: &str) -> Option<Values<'_>> {
        let one = |text: String| Some(Values::One(text.into()));
        match key {
            "aws:currenttime" => one(iso_time(self.now)),
            "aws:epochtime" => one(self.now.as_second().to_string()),
            "aws:resourceaccount" | "s3:resourceaccount" => one(self.owner.to_string()),
            _ => identity_key(self.identity?, key),
        }
    }
}

impl Context for SimulatedKeys<'_> {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        let found = self.given.values(key).or_else(|| self.known(key));
        if found.is_none() {
            self.missing.borrow_mut().note(key);
        }
        found
    }

    fn work(&self) -> Option<&Work> {
        Some(&self.given.work)
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

    /// Decides about every pair of action and resource, by the policies that the gate puts together for the identity
    /// and by those that the call supposes.
    async fn answer(
        &self,
        SimulatedIdentity { identity, exists, of_group }: &SimulatedIdentity,
        now: Timestamp,
    ) -> Result<QueryReply, QueryError> {
        let (principal, owner) = (&identity.principal, &identity.account);
        let input = |at: usize| format!("PolicyInputList.{}", at.saturating_add(1));
        let inputs: Vec<String> = (0..self.extra.len()).map(input).collect();
        let extra = inputs.iter().zip(&self.extra);
        let extra = extra.map(|(name, policy)| NamedPolicy { name, policy });
        let resource = self.resource_policy.as_deref();
        let resource = resource.map(|policy| NamedPolicy { name: "ResourcePolicy", policy });
        let policies =
            identity.policies(resource).supposing(named(of_group).into_iter().chain(extra));
        let policies = match self.boundary.as_deref() {
            Some(policy) => {
                policies.supposing_bounded_by(NamedPolicy { name: "PermissionsBoundary", policy })
            }
            None => policies,
        };
        let policies = policies.set();
        let decide = |action: &str, resource: &str| {
            let keys = SimulatedKeys {
                given: &self.context,
                identity: exists.then_some(identity),
                owner,
                now,
                missing: RefCell::default(),
            };
            let (resource_account, context) = (owner, &keys);
            let request = AccessRequest { principal, action, resource, resource_account, context };
            let decision = iam::evaluate(&request, &policies);
            SimulatedDecision { decision, missing: keys.missing.into_inner().names }
        };
        let mut decided: Vec<(&str, Vec<(&str, SimulatedDecision)>)> = Vec::new();
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

/// What is decided about one action on one resource.
struct SimulatedDecision {
    decision: Decision,
    /// The condition keys that policies asked for in vain.
    missing: BTreeSet<String>,
}

/// Writes the decision about an action: for all resources together, and for each.
fn write_result(
    xml: &mut QueryXml,
    action: &str,
    decided: &[(&str, SimulatedDecision)],
    places: &StatementPositions<'_>,
) {
    let decisions = decided.iter().map(|(_, SimulatedDecision { decision, .. })| decision);
    let worst = decisions.max_by_key(|decision| match decision {
        Decision::Allow(_) => 0,
        Decision::ImplicitDeny(_) => 1,
        Decision::ExplicitDeny(_) => 2,
    });
    let Some(worst) = worst else { return };
    xml.text("EvalActionName", action);
    xml.text("EvalResourceName", if let [(only, _)] = decided { only } else { "*" });
    xml.text("EvalDecision", word(worst));
    write_matched(xml, worst, places);
    let missing: BTreeSet<&str> =
        decided.iter().flat_map(|(_, of)| &of.missing).map(String::as_str).collect();
    xml.texts("MissingContextValues", missing);
    let each = decided.iter();
    xml.list("ResourceSpecificResults", each, |xml, (resource, of)| {
        let SimulatedDecision { decision, missing } = of;
        xml.text("EvalResourceName", resource);
        xml.text("EvalResourceDecision", word(decision));
        write_matched(xml, decision, places);
        xml.texts("MissingContextValues", missing.iter().map(String::as_str));
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

/// The identity whose policies are simulated, and the policies of a group, which is no identity.
struct SimulatedIdentity {
    identity: Identity,
    /// Whether there is such a user or role, of which condition keys are known.
    exists: bool,
    of_group: Vec<AttachedPolicy>,
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
    let signer = |id: &str| {
        // No cache keeps this signer, so the number of its moment does not matter.
        let signer = directory.signer(id, 0).map(Arc::new);
        let identity = signer.and_then(|signer| Identity::of_signer(signer, SESSION));
        let identity = identity.ok_or_else(|| QueryError::new(QueryCode::InternalFailure))?;
        Ok(SimulatedIdentity { identity, exists: true, of_group: Vec::new() })
    };
    match kind {
        "user" => {
            let user = directory.user(name).filter(|user| is_named(&user.path, &user.name));
            signer(&found(user, EntityKind::User, name)?.id)
        }
        "role" => {
            let role = directory.role(name).filter(|role| is_named(&role.path, &role.name));
            signer(&found(role, EntityKind::Role, name)?.id)
        }
        "group" => {
            let group = directory.group(name).filter(|group| is_named(&group.path, &group.name));
            let group = found(group, EntityKind::Group, name)?;
            Ok(SimulatedIdentity {
                identity: Identity::supposed(account, &group.name),
                exists: false,
                of_group: directory.policies_of_group(group),
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
        let simulated = source(&directory, &op.source)?;
        op.questions.answer(&simulated, access.now()).await
    }
}

operation! {
    /// `SimulateCustomPolicy`
    SimulateCustomPolicy("iam:SimulateCustomPolicy") { questions: Simulation = Simulation::read }
    on |op, at| Target::any();
    |op, access| {
        // Nobody in particular, with only the given policies.
        let identity = Identity::supposed(account(&access)?.clone(), SESSION);
        let simulated = SimulatedIdentity { identity, exists: false, of_group: Vec::new() };
        op.questions.answer(&simulated, access.now()).await
    }
}
