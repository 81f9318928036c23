//! Users.

use iam::Principal;

use crate::gate::Authorized;
use crate::query::answer::QueryReply;
use crate::query::error::{self, QueryCode, QueryError};
use crate::query::form::Form;
use crate::query::operation::{QueryOperation, QueryPermission, Scene};

/// `GetUser`: of the caller when no name is given.
#[derive(Debug)]
pub(crate) struct GetUser {
    name: Option<String>,
}

impl QueryOperation for GetUser {
    fn read(form: &Form) -> Result<Self, QueryError> {
        Ok(Self { name: form.get("UserName").map(str::to_owned) })
    }

    fn permissions(&self, at: &Scene<'_>) -> Vec<QueryPermission> {
        let name = self.name.as_deref().or_else(|| at.caller.principal().username());
        let path = name.and_then(|name| at.directory.user(name)).map(|user| user.path.clone());
        let path = path.unwrap_or_else(|| "/".to_owned());
        let resource =
            format!("arn:aws:iam::{}:user{path}{}", at.account, name.unwrap_or_default());
        vec![QueryPermission { action: "iam:GetUser", resource }]
    }

    async fn run(call: Authorized<Self>) -> Result<QueryReply, QueryError> {
        let (Self { name }, door) = call.split();
        let account = door.account().map_err(|_| QueryError::new(QueryCode::AccessDenied))?;
        let name = name.or_else(|| door.principal().username().map(str::to_owned));
        let Some(name) = name else {
            let root = Principal::Root { account: account.clone() };
            return Ok(QueryReply::result(|xml| {
                xml.element("User", |xml| {
                    xml.text("UserId", account.as_str());
                    xml.optional("Arn", root.arn().as_deref());
                });
            }));
        };
        let directory = door.store().directory(account).await.map_err(error::of_store)?;
        let user = directory.user(&name).ok_or_else(|| {
            QueryError::with_message(
                QueryCode::NoSuchEntity,
                format!("The user with name {name} cannot be found."),
            )
        })?;
        Ok(QueryReply::result(|xml| {
            xml.element("User", |xml| {
                xml.text("Path", &user.path);
                xml.text("UserName", &user.name);
                xml.text("UserId", &user.id);
                xml.text("Arn", &format!("arn:aws:iam::{account}:user{}{}", user.path, user.name));
            });
        }))
    }
}
