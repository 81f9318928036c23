//! The decision: may this principal do this action to this resource.

use std::borrow::Cow;
use std::fmt;

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
pub fn evaluate(request: &AccessRequest<'_>, policies: &PolicySet<'_>) -> Decision {
    let _ = (request, policies);
    Decision::ImplicitDeny(PolicyKind::Identity)
}

/// Decides about a role's trust policy: unlike other resource policies it must itself allow, also
/// within one account.
pub fn evaluate_trust(request: &AccessRequest<'_>, policies: &PolicySet<'_>) -> Decision {
    let _ = (request, policies);
    Decision::ImplicitDeny(PolicyKind::Resource)
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
