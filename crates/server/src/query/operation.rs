//! What one call of IAM or STS is: how it is read, which permissions it needs, what it does.

use std::future::Future;

use iam::Values;
use store::Tag;

use super::answer::QueryReply;
use super::error::QueryError;
use super::form::Form;
use crate::gate::Authorized;

pub(crate) use crate::gate::{QueryPermission, Scene, Target};

/// One call, whole: a struct that implements this and a row of the table of actions.
pub(crate) trait QueryOperation: Sized + Send + Sync {
    /// The sessions that may call it, beside long-term keys.
    const SESSIONS: Sessions = Sessions::OfRoles;

    /// Reads the call from its parameters. Nothing is looked up yet.
    fn read(form: &Form) -> Result<Self, QueryError>;

    /// Every permission the call needs; there is no default.
    fn permissions(&self, at: &Scene<'_>) -> Result<Vec<QueryPermission>, QueryError>;

    /// What it brings that policies may ask for; what a call does not honour has no condition key.
    fn brings(&self) -> Brought<'_> {
        Brought::default()
    }

    /// The value of a condition key that only this operation knows, its name in lower case
    /// (`sts:externalid`).
    fn condition(&self, _key: &str) -> Option<Values<'_>> {
        None
    }

    /// Does it. Only [`Authorized`] lends the store.
    fn run(call: Authorized<Self>) -> impl Future<Output = Result<QueryReply, QueryError>> + Send;
}

/// Which sessions may call an operation (semantics 4.1.9): those of users and roots have no second
/// factor here, and federated users may know who they are, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sessions {
    None,
    OfRoles,
    ButFederated,
    All,
}

/// What a call brings, as far as it honours it, for the condition keys that stand for it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Brought<'o> {
    /// `aws:RequestTag/…`, `aws:TagKeys`
    pub(crate) tags: &'o [Tag],
    /// `aws:TagKeys`, of a call that takes tags away
    pub(crate) tag_keys: &'o [String],
    /// `iam:PolicyARN`
    pub(crate) policy_arn: Option<&'o str>,
    pub(crate) boundary: BoundaryAsked<'o>,
}

/// Which boundary `iam:PermissionsBoundary` is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum BoundaryAsked<'o> {
    /// The call has no such key.
    #[default]
    None,
    /// The one that the target is to have.
    Given(Option<&'o str>),
    /// The one that the target has.
    Targets,
}

impl<'o> Brought<'o> {
    pub(crate) fn tags(tags: &'o [Tag]) -> Self {
        Self { tags, ..Self::default() }
    }

    pub(crate) fn tag_keys(tag_keys: &'o [String]) -> Self {
        Self { tag_keys, ..Self::default() }
    }

    pub(crate) fn policy(arn: &'o str) -> Self {
        Self { policy_arn: Some(arn), ..Self::default() }
    }

    pub(crate) fn targets_boundary() -> Self {
        Self { boundary: BoundaryAsked::Targets, ..Self::default() }
    }

    /// The boundary that the target is to have.
    pub(crate) fn gives_boundary(boundary: Option<&'o str>) -> Self {
        Self { boundary: BoundaryAsked::Given(boundary), ..Self::default() }
    }

    pub(crate) fn with_tags(self, tags: &'o [Tag]) -> Self {
        Self { tags, ..self }
    }

    pub(crate) fn with_policy(self, arn: &'o str) -> Self {
        Self { policy_arn: Some(arn), ..self }
    }
}
