//! The decision: may this principal do this action to this resource.

use std::borrow::Cow;
use std::fmt;

use crate::pattern::Case;
use crate::policy::{Effect, Element, Named, Statement};
use crate::principal_element::Grip;
use crate::{AccountId, Policy, Principal};

/// One action on one resource, by somebody, under circumstances.
#[derive(Clone, Copy)]
pub struct AccessRequest<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// As policies spell it: `s3:GetObject`.
    pub action: &'a str,
    /// Its ARN; `*` for an action that is done to no resource.
    pub resource: &'a str,
    /// Who owns the resource; the caller's own account where nobody else could.
    pub resource_account: &'a AccountId,
    /// The circumstances.
    pub context: &'a dyn Context,
}

/// The values of condition keys. All are computed by the server: a key that it does not compute
/// is absent.
pub trait Context {
    /// The values of a key, its name in lower case (`aws:principaltag/team`); `None`: absent.
    fn values(&self, key: &str) -> Option<Values<'_>>;
}

/// The value of a condition key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values<'v> {
    /// A key that has one value.
    One(Cow<'v, str>),
    /// A key that has a set of values, such as `aws:TagKeys`.
    Many(Vec<Cow<'v, str>>),
}

/// A policy and the name it has where it is attached: its ARN, or the name of an inline one.
#[derive(Clone, Copy, Debug)]
pub struct NamedPolicy<'a> {
    /// What messages call it.
    pub name: &'a str,
    /// The document.
    pub policy: &'a Policy,
}

/// Every policy that concerns a request. Roots have no identity policies and may do everything
/// that no policy denies.
#[derive(Clone, Copy, Debug, Default)]
pub struct PolicySet<'a> {
    /// Of the user and its groups, or of the role.
    pub identity: &'a [NamedPolicy<'a>],
    /// The permissions boundary; `None`: there is none, and nothing is bounded.
    pub boundary: Option<NamedPolicy<'a>>,
    /// The session policies; `None`: the session was opened without, and nothing is restricted.
    /// An empty list allows nothing.
    pub session: Option<&'a [NamedPolicy<'a>]>,
    /// The policy of the resource.
    pub resource: Option<NamedPolicy<'a>>,
}

/// The answer, with its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may. No cause: the root of the account that owns the resource.
    Allow(Option<Cause>),
    /// A statement forbids it.
    ExplicitDeny(Cause),
    /// No policy of this kind allows it.
    ImplicitDeny(PolicyKind),
}

/// The statement that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Which kind of policy it stands in.
    pub kind: PolicyKind,
    /// That policy's name.
    pub policy: String,
    /// The statement's place in it, from 0.
    pub statement: usize,
    /// Its `Sid`.
    pub sid: Option<String>,
}

/// Kinds of policies, as messages name them (aws-semantics 5.5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// `identity-based policy`
    Identity,
    /// `resource-based policy`
    Resource,
    /// `permissions boundary`
    Boundary,
    /// `session policy`
    Session,
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity-based policy",
            Self::Resource => "resource-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
        })
    }
}

/// Decides. Total: it cannot fail, and nothing is skipped.
///
/// An explicit deny in any policy wins. Within one account the identity's policies or the
/// resource's must allow, across accounts both; a boundary and session policies only restrict
/// (aws-semantics 5.3).
pub fn evaluate(request: &AccessRequest<'_>, policies: &PolicySet<'_>) -> Decision {
    decide(request, policies, Resource::MayAllow)
}

/// Decides about a role's trust policy: unlike other resource policies it must itself allow, also
/// within one account.
pub fn evaluate_trust(request: &AccessRequest<'_>, policies: &PolicySet<'_>) -> Decision {
    decide(request, policies, Resource::MustAllow)
}

/// What a resource's policy is needed for within one account.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Resource {
    MayAllow,
    MustAllow,
}

fn decide(request: &AccessRequest<'_>, policies: &PolicySet<'_>, resource: Resource) -> Decision {
    let PolicySet { identity, boundary, session, resource: resource_policy } = *policies;
    let search = |kind, policy: &NamedPolicy<'_>, effect| find(request, kind, policy, effect);

    let denials = identity
        .iter()
        .map(|policy| (PolicyKind::Identity, policy))
        .chain(boundary.iter().map(|policy| (PolicyKind::Boundary, policy)))
        .chain(session.unwrap_or_default().iter().map(|policy| (PolicyKind::Session, policy)))
        .chain(resource_policy.iter().map(|policy| (PolicyKind::Resource, policy)));
    for (kind, policy) in denials {
        if let Some((cause, _)) = search(kind, policy, Effect::Deny) {
            return Decision::ExplicitDeny(cause);
        }
    }

    let granted = resource_policy
        .as_ref()
        .and_then(|policy| search(PolicyKind::Resource, policy, Effect::Allow));
    let own = request.principal.account();
    let same_account = own == Some(request.resource_account);
    let is_root = matches!(request.principal, Principal::Root { .. });
    if own.is_none() {
        return match granted {
            Some((cause, Grip::Loose | Grip::Direct)) => Decision::Allow(Some(cause)),
            Some((_, Grip::Account)) | None => Decision::ImplicitDeny(PolicyKind::Resource),
        };
    }
    let direct = matches!(granted, Some((_, Grip::Direct)));
    let loose = matches!(granted, Some((_, Grip::Loose)));
    let by_resource = granted.as_ref().map(|(cause, _)| cause.clone());
    if same_account && direct {
        return Decision::Allow(by_resource);
    }
    if (!same_account || resource == Resource::MustAllow) && granted.is_none() {
        return Decision::ImplicitDeny(PolicyKind::Resource);
    }

    let allowed = identity
        .iter()
        .find_map(|policy| search(PolicyKind::Identity, policy, Effect::Allow))
        .map(|(cause, _)| cause);
    let by_identity = is_root || allowed.is_some();
    if !(by_identity || same_account && loose) {
        return Decision::ImplicitDeny(PolicyKind::Identity);
    }
    let within = |kind, policies: &[NamedPolicy<'_>]| {
        policies.iter().any(|policy| search(kind, policy, Effect::Allow).is_some())
    };
    if boundary.is_some_and(|boundary| !within(PolicyKind::Boundary, &[boundary])) {
        return Decision::ImplicitDeny(PolicyKind::Boundary);
    }
    if session.is_some_and(|session| !within(PolicyKind::Session, session)) {
        return Decision::ImplicitDeny(PolicyKind::Session);
    }
    Decision::Allow(allowed.or(by_resource))
}

/// The first statement of that effect that concerns the request; of several that allow, the one
/// that names the principal most firmly.
fn find(
    request: &AccessRequest<'_>,
    kind: PolicyKind,
    named: &NamedPolicy<'_>,
    effect: Effect,
) -> Option<(Cause, Grip)> {
    let mut best: Option<(usize, &Statement, Grip)> = None;
    for (at, statement) in named.policy.statements.iter().enumerate() {
        if statement.effect != effect {
            continue;
        }
        let Some(grip) = concerns(request, kind, statement) else { continue };
        if best.is_none_or(|(_, _, known)| grip > known) {
            best = Some((at, statement, grip));
        }
        if effect == Effect::Deny || grip == Grip::Direct {
            break;
        }
    }
    let (statement, found, grip) = best?;
    let cause = Cause { kind, policy: named.name.to_owned(), statement, sid: found.sid.clone() };
    Some((cause, grip))
}

/// Whether a statement concerns the request, and how firmly it names the principal.
fn concerns(request: &AccessRequest<'_>, kind: PolicyKind, statement: &Statement) -> Option<Grip> {
    let Statement { sid: _, effect: _, principal, actions, resources, conditions } = statement;
    let grip = match (kind, principal) {
        (PolicyKind::Resource, Some(Element::These(element))) => element.grip(request.principal)?,
        (PolicyKind::Resource, Some(Element::AllBut(element))) => {
            if element.spares(request.principal) {
                return None;
            }
            Grip::Loose
        }
        // A resource's policy that names nobody concerns nobody.
        (PolicyKind::Resource, None) => return None,
        // Other policies are whose they are.
        (PolicyKind::Identity | PolicyKind::Boundary | PolicyKind::Session, _) => Grip::Direct,
    };
    let action =
        |named: &Named| named.pattern.matches(request.action, Case::Ignored, request.context);
    let resource =
        |named: &Named| named.pattern.matches(request.resource, Case::Matters, request.context);
    let fits = covers(actions.as_ref()?, action)
        && match resources {
            Some(element) => covers(element, resource),
            // A trust policy is about its own role.
            None => kind == PolicyKind::Resource,
        }
        && conditions.iter().all(|condition| condition.holds(request.context));
    fits.then_some(grip)
}

/// Whether an element covers what is asked. One with a variable that has no value covers nothing,
/// the `Not…` twin neither (aws-semantics 5.3.4).
fn covers(element: &Element<Vec<Named>>, matches: impl Fn(&Named) -> Option<bool>) -> bool {
    match element {
        Element::These(named) => named.iter().any(|named| matches(named) == Some(true)),
        Element::AllBut(named) => named.iter().all(|named| matches(named) == Some(false)),
    }
}

impl fmt::Debug for AccessRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessRequest")
            .field("principal", &self.principal)
            .field("action", &self.action)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}
