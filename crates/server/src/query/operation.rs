//! What one call of IAM or STS is: how it is read, which permissions it needs, what it does.

use std::future::Future;

use iam::{AccountId, Values};
use store::Directory;

use super::answer::QueryReply;
use super::error::QueryError;
use super::form::Form;
use crate::gate::{Authorized, Caller};

/// One call, whole: a struct that implements this and a row of the table of actions.
pub(crate) trait QueryOperation: Sized + Send + Sync {
    /// Reads the call from its parameters. Nothing is looked up yet.
    fn read(form: &Form) -> Result<Self, QueryError>;

    /// Every permission the call needs; there is no default.
    fn permissions(&self, at: &Scene<'_>) -> Vec<QueryPermission>;

    /// The value of a condition key that only this operation knows, its name in lower case
    /// (`iam:policyarn`).
    fn condition(&self, _key: &str) -> Option<Values<'_>> {
        None
    }

    /// Does it. Only [`Authorized`] lends the store.
    fn run(call: Authorized<Self>) -> impl Future<Output = Result<QueryReply, QueryError>> + Send;
}

/// What a call can know before it is admitted: resources are named by paths that only the
/// directory knows.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) caller: &'a Caller,
    /// The account that the call is about: the caller's.
    pub(crate) account: &'a AccountId,
    /// The identities of that account.
    pub(crate) directory: &'a Directory,
}

/// One action on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryPermission {
    /// As policies spell it: `iam:CreateUser`.
    pub(crate) action: &'static str,
    /// The ARN; `*` for an action that is done to no resource.
    pub(crate) resource: String,
}
