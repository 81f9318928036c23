//! The trait of IAM and STS operations: how a call is read, which permissions it needs, and what it does.

use std::future::Future;

use iam::Values;
use store::Tag;

use super::answer::QueryReply;
use super::error::QueryError;
use super::form::Form;
use crate::gate::Authorized;

pub(crate) use crate::gate::{AccountView, QueryPermission, Target};

/// One operation. Beside a struct that implements this trait it needs a row in the table of actions.
pub(crate) trait QueryOperation: Sized + Send + Sync {
    /// The kinds of sessions that may call it. Long-term keys always may.
    const SESSIONS: Sessions = Sessions::OfRoles;

    /// Reads the parameters of the call. Nothing is looked up yet.
    fn read(form: &Form) -> Result<Self, QueryError>;

    /// Every permission that the call needs. There is no default.
    fn permissions(&self, at: &AccountView<'_>) -> Result<Vec<QueryPermission>, QueryError>;

    /// The values of the call that policies may ask for. A parameter that the call ignores has no condition
    /// key.
    fn brings(&self) -> Brought<'_> {
        Brought::default()
    }

    /// The value of a condition key that only this operation knows. The name is in lower case
    /// (`sts:externalid`).
    fn condition(&self, _key: &str) -> Option<Values<'_>> {
        None
    }

    /// Does what the call asks. Only [`Authorized`] lends the store.
    fn run(call: Authorized<Self>) -> impl Future<Output = Result<QueryReply, QueryError>> + Send;
}

/// Which sessions may call an operation (semantics 4.1.9). Sessions of users and roots have no second factor
/// here, so most operations are closed to them. Federated users may only ask who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sessions {
    None,
    OfRoles,
    ButFederated,
    All,
}

/// The values of a call for condition keys, as far as the call honours them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Brought<'o> {
    /// `aws:RequestTag/…`, `aws:TagKeys`
    pub(crate) tags: &'o [Tag],
    /// `aws:TagKeys` of a call that removes tags
    pub(crate) tag_keys: &'o [String],
    /// `iam:PolicyARN`
    pub(crate) policy_arn: Option<&'o str>,
    pub(crate) boundary: BoundaryValue<'o>,
}

/// The value of `iam:PermissionsBoundary`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum BoundaryValue<'o> {
    /// The condition key does not exist for this call.
    #[default]
    None,
    /// The boundary that the call gives the identity; `None`: it gives none.
    Given(Option<&'o str>),
    /// The boundary that the identity has now.
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
        Self { boundary: BoundaryValue::Targets, ..Self::default() }
    }

    /// A call that gives the identity this boundary.
    pub(crate) fn gives_boundary(boundary: Option<&'o str>) -> Self {
        Self { boundary: BoundaryValue::Given(boundary), ..Self::default() }
    }

    pub(crate) fn with_tags(self, tags: &'o [Tag]) -> Self {
        Self { tags, ..self }
    }

    pub(crate) fn with_policy(self, arn: &'o str) -> Self {
        Self { policy_arn: Some(arn), ..self }
    }
}
