//! `GetCallerIdentity`.

use crate::gate::Authorized;
use crate::query::answer::QueryReply;
use crate::query::error::{QueryCode, QueryError};
use crate::query::form::Form;
use crate::query::operation::{QueryOperation, QueryPermission, Scene};

/// `GetCallerIdentity`: whoever can sign may know who it is (aws-semantics 4.1.8).
#[derive(Debug)]
pub(crate) struct GetCallerIdentity;

impl QueryOperation for GetCallerIdentity {
    fn read(_: &Form) -> Result<Self, QueryError> {
        Ok(Self)
    }

    fn permissions(&self, _: &Scene<'_>) -> Vec<QueryPermission> {
        Vec::new()
    }

    async fn run(call: Authorized<Self>) -> Result<QueryReply, QueryError> {
        let door = call.door();
        let account = door.account().map_err(|_| QueryError::new(QueryCode::AccessDenied))?;
        let principal = door.principal();
        Ok(QueryReply::result(|xml| {
            xml.optional("Arn", principal.arn().as_deref());
            xml.optional("UserId", principal.user_id().as_deref());
            xml.text("Account", account.as_str());
        }))
    }
}
