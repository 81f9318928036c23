//! The decision: may this principal do this action to this resource.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use crate::arn::{Arn, ArnPattern};
use crate::pattern::{Circumstance, Shared};
use crate::policy::{Effect, Element, List, Statement};
use crate::principal::{NamedPrincipal, Naming, is_exempt};
use crate::unknown::{Lean, Unknowns};
use crate::work::{Steps, VALUE_BYTES_MAX, Work};
use crate::{AccountId, Policy, Principal};

/// What reading and comparing a principal costs.
const PRINCIPAL_STEPS: usize = 64;

/// One action on one resource, by somebody, under circumstances.
#[derive(Clone, Copy)]
pub struct AccessRequest<'a> {
    /// The caller, as authentication found it.
    pub principal: &'a Principal,
    /// The action as policies spell it, for instance `s3:GetObject`.
    pub action: &'a str,
    /// The ARN of the resource; `*` for an action that is done to no resource.
    pub resource: &'a str,
    /// The account that owns the resource; the caller's own account where no other could own it.
    pub resource_account: &'a AccountId,
    /// The values of condition keys, which the server computes from the request.
    pub context: &'a dyn Context,
}

/// The values of condition keys. All are computed by the server: a key that it does not compute
/// is absent.
pub trait Context {
    /// The values of a key, its name in lower case (`aws:principaltag/team`); `None`: absent.
    fn values(&self, key: &str) -> Option<Values<'_>>;

    /// What the decisions of this request have left together; `None`: this one stands alone.
    fn work(&self) -> Option<&Work> {
        None
    }
}

/// The value of a condition key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values<'v> {
    /// A key that has one value.
    One(Cow<'v, str>),
    /// A key that has a set of values, such as `aws:TagKeys`.
    Many(Vec<Cow<'v, str>>),
    /// The values of several things whose names are one to a policy, such as tags `Class` and `class`: what
    /// allows must hold for each of them, what denies for one.
    Alike(Vec<Cow<'v, str>>),
    /// Nobody can know: the key is of a request that is not sent yet. It lets every `Deny` hold and no `Allow`, but
    /// where it is asked what could be ([`foresee`](crate::foresee)).
    Unknown,
}

/// A policy and the name it has where it is attached: its ARN, or the name of an inline one.
#[derive(Clone, Copy, Debug)]
pub struct NamedPolicy<'a> {
    /// The name by which a [`Cause`] tells of the policy.
    pub name: &'a str,
    /// The document of the policy, parsed.
    pub policy: &'a Policy,
}

/// Every policy that concerns a request. Roots have no identity policies and may do everything
/// that no policy denies.
#[derive(Clone, Copy, Debug, Default)]
pub struct PolicySet<'a> {
    /// The identity policies of the user and its groups, or of the role.
    pub identity: &'a [NamedPolicy<'a>],
    /// The permissions boundary; `None`: there is none, and nothing is bounded.
    pub boundary: Option<NamedPolicy<'a>>,
    /// The session policies; `None`: the session was opened without, and nothing is restricted.
    /// An empty list allows nothing.
    pub session: Option<&'a [NamedPolicy<'a>]>,
    /// The policy of the resource, for instance the bucket's; `None`: it has none.
    pub resource: Option<NamedPolicy<'a>>,
}

/// The answer, with its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The request is allowed, by the statement that is named. `None`: no statement had to allow it, because the
    /// caller is the root of the account that owns the resource.
    Allow(Option<Cause>),
    /// A statement with the effect `Deny` forbids the request. No other policy can make up for that.
    ExplicitDeny(Cause),
    /// The request is refused because no policy of this kind allows it.
    ImplicitDeny(PolicyKind),
}

/// The statement that decided, for logs and messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The kind of the policy in which the statement stands.
    pub kind: PolicyKind,
    /// The name of that policy: its ARN, or the name of an inline policy.
    pub policy: String,
    /// The number of the statement in that policy, counted from 0.
    pub statement: usize,
    /// The `Sid` of the statement, where it has one.
    pub sid: Option<String>,
}

/// Kinds of policies, as messages name them (semantics 5.5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// A policy of a user, group or role: `identity-based policy`.
    Identity,
    /// A policy of a bucket, or the trust policy of a role: `resource-based policy`.
    Resource,
    /// The limit of what identity policies can give: `permissions boundary`.
    Boundary,
    /// A policy that a session was opened with, which only restricts it: `session policy`.
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

/// Decides. Total: it cannot fail, and nothing is skipped. What takes more steps than a decision has is
/// refused (`work.rs`).
///
/// A statement that denies wins wherever it stands. Otherwise, where the caller's account owns the
/// resource, the caller's own policies or the resource's must allow; elsewhere both must. The
/// caller's own policies are what identity policies, boundary and session policies allow together.
/// A resource policy that names the caller itself, or everybody, is limited by none of them; one
/// that names the role of a session is limited by boundary and session policies; one that names only
/// the account leaves the decision to the caller's own policies (semantics 5.3). That `*` names
/// the caller itself is what AWS documents of it together with `aws:PrincipalArn` (IAM User Guide,
/// "AWS JSON policy elements: Principal", on role principals).
///
/// A session of `GetFederationToken` comes with the identity policies of the user who asked for it.
pub fn evaluate(request: &AccessRequest<'_>, policies: &PolicySet<'_>) -> Decision {
    evaluate_leaning(request, policies, Lean::Refusing)
}

/// The same, taking what is unknown for one way.
pub(crate) fn evaluate_leaning(
    request: &AccessRequest<'_>,
    policies: &PolicySet<'_>,
    lean: Lean,
) -> Decision {
    let request = Prepared::leaning(request, lean);
    if let Some(cause) = request.denial(policies) {
        return Decision::ExplicitDeny(cause);
    }
    let Some(account) = request.asked.principal.account() else {
        return request.of_stranger(policies);
    };
    let own = request.own_permission(policies);
    if account != request.asked.resource_account {
        return request.across_accounts(own, policies);
    }
    let own = match own {
        Ok(allowed) => return Decision::Allow(allowed),
        Err(missing) => missing,
    };
    match request.grant(policies) {
        Some((Naming::Caller, cause)) => Decision::Allow(Some(cause)),
        Some((Naming::Role, cause)) => match request.beyond_limits(policies) {
            None => Decision::Allow(Some(cause)),
            Some(limit) => Decision::ImplicitDeny(limit),
        },
        Some((Naming::Account, _)) | None => Decision::ImplicitDeny(own),
    }
}

/// Decides about a role's trust policy, given as the policy of the resource: unlike other resource
/// policies it must itself allow, also within one account. If it names only the account, the
/// caller's own policies must allow as well.
pub fn evaluate_trust(request: &AccessRequest<'_>, policies: &PolicySet<'_>) -> Decision {
    let request = Prepared::of(request);
    if let Some(cause) = request.denial(policies) {
        return Decision::ExplicitDeny(cause);
    }
    let Some(account) = request.asked.principal.account() else {
        return request.of_stranger(policies);
    };
    if account != request.asked.resource_account {
        return request.across_accounts(request.own_permission(policies), policies);
    }
    let denied = match request.grant(policies) {
        None => Some(PolicyKind::Resource),
        Some((Naming::Caller, cause)) => return Decision::Allow(Some(cause)),
        Some((Naming::Role, cause)) => match request.beyond_limits(policies) {
            None => return Decision::Allow(Some(cause)),
            limit => limit,
        },
        Some((Naming::Account, cause)) => match request.own_permission(policies) {
            Ok(_) => return Decision::Allow(Some(cause)),
            Err(missing) => Some(missing),
        },
    };
    Decision::ImplicitDeny(denied.unwrap_or(PolicyKind::Resource))
}

/// A statement that could apply to a request, and the unknown keys of which it asks.
pub(crate) struct Applying<'p> {
    pub(crate) kind: PolicyKind,
    pub(crate) statement: Statement<'p>,
    pub(crate) asked: BTreeSet<String>,
}

/// Those statements that could apply: on the values of what they ask for alone the decision can hang. `None`: there
/// are too few steps to tell.
pub(crate) fn applying<'p>(
    request: &AccessRequest<'_>,
    statements: impl Iterator<Item = (PolicyKind, Statement<'p>)>,
) -> Option<Vec<Applying<'p>>> {
    let request = Prepared::leaning(request, Lean::Applying);
    let mut applying = Vec::new();
    for (kind, statement) in statements {
        let applies = request.applies(kind, statement);
        let asked = request.unknowns.take();
        if request.steps.is_spent() {
            return None;
        }
        if applies {
            applying.push(Applying { kind, statement, asked });
        }
    }
    Some(applying)
}

/// A request, its resource's name taken apart once, and the steps that its decision has.
struct Prepared<'r> {
    asked: &'r AccessRequest<'r>,
    resource: Arn<'r>,
    steps: Steps,
    unknowns: Unknowns,
}

/// What a decision has used is gone for those that follow it. Where one needed more than it had, nothing
/// is left: what follows would be refused as dearly.
impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        if let Some(work) = self.asked.context.work() {
            work.spend(if self.steps.is_spent() { u64::MAX } else { self.steps.used() });
        }
    }
}

impl<'r> Prepared<'r> {
    fn of(asked: &'r AccessRequest<'r>) -> Self {
        Self::leaning(asked, Lean::Refusing)
    }

    fn leaning(asked: &'r AccessRequest<'r>, lean: Lean) -> Self {
        // An action that is done to no resource is done to all of its service: policies allow
        // `s3:ListAllMyBuckets` on `*` or on `arn:aws:s3:::*`, as AWS documents it.
        let service = asked.action.split_once(':').map_or("", |(service, _)| service);
        let everything =
            Arn { partition: "aws", service, region: "", account: "", resource: asked.resource };
        let steps = Steps::of(asked.context.work());
        if asked.action.len() > VALUE_BYTES_MAX || asked.resource.len() > VALUE_BYTES_MAX {
            steps.spend_all();
        }
        let resource = Arn::parse(asked.resource).unwrap_or(everything);
        Self { asked, resource, steps, unknowns: Unknowns::leaning(lean) }
    }

    fn circumstance(&self) -> Circumstance<'_> {
        let shared = Shared::Nothing;
        let unknowns = &self.unknowns;
        Circumstance { context: self.asked.context, steps: &self.steps, unknowns, shared }
    }

    /// The first statement that denies, whatever allows.
    fn denial(&self, policies: &PolicySet<'_>) -> Option<Cause> {
        let PolicySet { identity, boundary, session, resource } = *policies;
        self.first(PolicyKind::Identity, identity, Effect::Deny)
            .or_else(|| self.first(PolicyKind::Boundary, boundary.as_slice(), Effect::Deny))
            .or_else(|| self.first(PolicyKind::Session, session.unwrap_or_default(), Effect::Deny))
            .or_else(|| self.first(PolicyKind::Resource, resource.as_slice(), Effect::Deny))
    }

    /// What the caller's own policies allow together, or the first kind of them that does not, in
    /// the order in which AWS asks them.
    fn own_permission(&self, policies: &PolicySet<'_>) -> Result<Option<Cause>, PolicyKind> {
        let allowed = match self.asked.principal {
            Principal::Root { .. } => None,
            Principal::Anonymous
            | Principal::User { .. }
            | Principal::AssumedRole { .. }
            | Principal::FederatedUser { .. }
            | Principal::WebIdentity { .. }
            | Principal::Service { .. } => {
                let identity = PolicyKind::Identity;
                Some(self.first(identity, policies.identity, Effect::Allow).ok_or(identity)?)
            }
        };
        self.beyond_limits(policies).map_or(Ok(allowed), Err)
    }

    /// The kind of policy that limits the caller and does not allow this.
    fn beyond_limits(&self, policies: &PolicySet<'_>) -> Option<PolicyKind> {
        let denies = |kind, policies: &[NamedPolicy<'_>]| {
            !policies.iter().any(|policy| self.find(kind, policy, Effect::Allow).is_some())
        };
        if policies.boundary.is_some() && denies(PolicyKind::Boundary, policies.boundary.as_slice())
        {
            return Some(PolicyKind::Boundary);
        }
        let session = policies.session?;
        denies(PolicyKind::Session, session).then_some(PolicyKind::Session)
    }

    /// The closest grant of the resource's policy.
    fn grant(&self, policies: &PolicySet<'_>) -> Option<(Naming, Cause)> {
        let policy = policies.resource?;
        let kind = PolicyKind::Resource;
        let matching = policy.policy.body.statements().enumerate().filter(|(_, statement)| {
            statement.effect() == Effect::Allow && self.applies(kind, *statement)
        });
        let closest = matching
            .filter_map(|(place, statement)| Some((self.naming(statement)?, place, statement)))
            // The first of the closest ones: they run backwards, and `max_by_key` takes the last.
            .rev()
            .max_by_key(|(naming, ..)| *naming)?;
        let (naming, place, statement) = closest;
        Some((naming, cause(kind, &policy, place, statement)))
    }

    /// Of somebody who is in no account: what the resource's policy allows.
    fn of_stranger(&self, policies: &PolicySet<'_>) -> Decision {
        match self.grant(policies) {
            Some((_, cause)) => Decision::Allow(Some(cause)),
            None => Decision::ImplicitDeny(PolicyKind::Resource),
        }
    }

    fn across_accounts(
        &self,
        own: Result<Option<Cause>, PolicyKind>,
        policies: &PolicySet<'_>,
    ) -> Decision {
        match (own, self.grant(policies)) {
            (Ok(_), Some((_, cause))) => Decision::Allow(Some(cause)),
            (Ok(_), None) => Decision::ImplicitDeny(PolicyKind::Resource),
            (Err(missing), _) => Decision::ImplicitDeny(missing),
        }
    }

    fn first(
        &self,
        kind: PolicyKind,
        policies: &[NamedPolicy<'_>],
        effect: Effect,
    ) -> Option<Cause> {
        policies.iter().find_map(|policy| {
            let (place, statement) = self.find(kind, policy, effect)?;
            Some(cause(kind, policy, place, statement))
        })
    }

    fn find<'p>(
        &self,
        kind: PolicyKind,
        policy: &NamedPolicy<'p>,
        effect: Effect,
    ) -> Option<(usize, Statement<'p>)> {
        let statements = policy.policy.body.statements().enumerate();
        let mut of_effect = statements.filter(|(_, statement)| statement.effect() == effect);
        of_effect.find(|(_, statement)| self.applies(kind, *statement))
    }

    /// Whether a statement is about this request. Of what cannot be told, and of what there are no steps
    /// left to tell, a statement that denies is, and one that allows is not. The cheapest question comes
    /// first.
    fn applies(&self, kind: PolicyKind, statement: Statement<'_>) -> bool {
        let effect = statement.effect();
        let listed = |action: &str| {
            let mut entries = statement.actions().entries().iter();
            entries.any(|entry| entry.matches(action, &self.steps))
        };
        let action = match statement.actions() {
            Element::Only(_) => listed(self.asked.action),
            Element::AllBut(_) => !listed(self.asked.action),
        };
        let settle = |part: &dyn Fn() -> bool| self.unknowns.settle(effect, part);
        let applies = action
            && settle(&|| self.names_resource(kind, effect, statement.resources()))
            && self.names_principal(kind, statement)
            && statement
                .conditions()
                .all(|condition| settle(&|| condition.holds(self.circumstance(), effect)));
        if self.steps.is_spent() { effect == Effect::Deny } else { applies }
    }

    /// A variable without a value makes an entry match no resource, under `NotResource` as well
    /// (IAM User Guide, "Policy variables with no value"). One whose name several things share allows
    /// nothing, and denies whatever it may stand for.
    fn names_resource(
        &self,
        kind: PolicyKind,
        effect: Effect,
        resources: Option<Element<List<'_, ArnPattern<'_>>>>,
    ) -> bool {
        let at = match (effect, &resources) {
            (Effect::Deny, Some(Element::Only(_))) => {
                Circumstance { shared: Shared::Anything, ..self.circumstance() }
            }
            (Effect::Deny | Effect::Allow, _) => self.circumstance(),
        };
        let matches = |entry: ArnPattern<'_>| entry.matches(&self.resource, at);
        match resources {
            Some(Element::Only(listed)) => listed.iter().any(|entry| matches(entry) == Some(true)),
            Some(Element::AllBut(listed)) if effect == Effect::Allow => {
                listed.iter().all(|entry| matches(entry) == Some(false))
            }
            Some(Element::AllBut(listed)) => {
                listed.iter().all(|entry| matches(entry) != Some(true))
            }
            // Trust policies stand at their resource and name none.
            None => kind == PolicyKind::Resource || effect == Effect::Deny,
        }
    }

    fn names_principal(&self, kind: PolicyKind, statement: Statement<'_>) -> bool {
        match (kind, statement.principals()) {
            (PolicyKind::Resource, Some(_)) => self.naming(statement).is_some(),
            (PolicyKind::Identity | PolicyKind::Boundary | PolicyKind::Session, None) => true,
            // One too many or one too few: no policy is stored so, and none is obeyed to allow.
            (PolicyKind::Resource, None)
            | (PolicyKind::Identity | PolicyKind::Boundary | PolicyKind::Session, Some(_)) => {
                statement.effect() == Effect::Deny
            }
        }
    }

    /// How closely a statement of a resource's policy names the caller.
    fn naming(&self, statement: Statement<'_>) -> Option<Naming> {
        let principal = self.asked.principal;
        let entries = statement.principals()?;
        let paid = |_: &NamedPrincipal<'_>| self.steps.spend(PRINCIPAL_STEPS);
        match entries {
            Element::Only(listed) => {
                listed.iter().inspect(paid).filter_map(|entry| entry.names(principal)).max()
            }
            // Whoever is not listed is denied; nobody is allowed for not being listed.
            Element::AllBut(listed) => {
                let denied = statement.effect() == Effect::Deny
                    && !is_exempt(&listed.iter().inspect(paid), principal);
                denied.then_some(Naming::Caller)
            }
        }
    }
}

fn cause(
    kind: PolicyKind,
    policy: &NamedPolicy<'_>,
    statement: usize,
    read: Statement<'_>,
) -> Cause {
    let sid = read.sid().map(str::to_owned);
    Cause { kind, policy: policy.name.to_owned(), statement, sid }
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
