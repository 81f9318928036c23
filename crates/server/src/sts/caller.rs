//! `GetCallerIdentity` and `GetAccessKeyInfo`.

use super::parameters::{Faults, Needed, Rule};
use crate::gate::Authorized;
use crate::query::answer::QueryReply;
use crate::query::error::{self, QueryCode, QueryError};
use crate::query::form::Form;
use crate::query::operation::{AccountView, QueryOperation, QueryPermission, Sessions, Target};

/// An access key id. Ids of other stores are allowed too.
const KEY_ID: Rule = Rule { min: 3, max: 128, pattern: Some(("[\\w]*", "-")) };

/// `GetCallerIdentity`: needs no permission (semantics 4.1.8).
#[derive(Debug)]
pub(crate) struct GetCallerIdentity;

impl QueryOperation for GetCallerIdentity {
    const SESSIONS: Sessions = Sessions::All;

    fn read(_: &Form) -> Result<Self, QueryError> {
        Ok(Self)
    }

    fn permissions(&self, _: &AccountView<'_>) -> Result<Vec<QueryPermission>, QueryError> {
        Ok(Vec::new())
    }

    async fn run(call: Authorized<Self>) -> Result<QueryReply, QueryError> {
        let access = call.access();
        let account = access.account().map_err(|_| QueryError::new(QueryCode::AccessDenied))?;
        let principal = access.principal();
        Ok(QueryReply::result(|xml| {
            xml.optional("Arn", principal.arn().as_deref());
            xml.optional("UserId", principal.user_id().as_deref());
            xml.text("Account", account.as_str());
        }))
    }
}

/// `GetAccessKeyInfo`: the account that a key belongs to.
#[derive(Debug)]
pub(crate) struct GetAccessKeyInfo {
    id: String,
}

impl QueryOperation for GetAccessKeyInfo {
    fn read(form: &Form) -> Result<Self, QueryError> {
        let mut faults = Faults::default();
        let id = faults.text(form, "AccessKeyId", KEY_ID, Needed::Yes);
        faults.refuse()?;
        Ok(Self { id: id.unwrap_or_default() })
    }

    fn permissions(&self, _: &AccountView<'_>) -> Result<Vec<QueryPermission>, QueryError> {
        Ok(vec![QueryPermission { action: "sts:GetAccessKeyInfo", target: Target::any() }])
    }

    async fn run(call: Authorized<Self>) -> Result<QueryReply, QueryError> {
        let (Self { id }, access) = call.split();
        let key = access.store().access_key(&id).await.map_err(error::of_store)?;
        let session = access.caller().signed().filter(|caller| caller.access_key_id == id);
        let account = match (&key, session) {
            (Some(key), _) => key.account.clone(),
            (None, Some(caller)) => caller.identity.account.clone(),
            (None, None) => {
                let message = format!("The access key {id} is not known here.");
                return Err(QueryError::validation(message));
            }
        };
        Ok(QueryReply::result(|xml| xml.text("Account", account.as_str())))
    }
}
