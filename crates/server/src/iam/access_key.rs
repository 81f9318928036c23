//! Access keys of users.

use store::{EntityKind, GivenKey, KeyStatus, KeySummary};

use super::entity::{
    change, directory, found, judged_user, no_user_meant, optional_user_name, time,
};
use super::page::Page;
use super::{operation, refusal};
use crate::gate::StoreAccess;
use crate::given_key::given_key;
use crate::query::answer::QueryReply;
use crate::query::error::{self, QueryError};
use crate::query::form::Form;
use crate::query::operation::Target;

/// The name of the user that the call was admitted for: the one that it names, otherwise the caller.
fn whose(access: &StoreAccess, name: Option<&str>) -> Result<String, QueryError> {
    judged_user(access, name).map(str::to_owned).ok_or_else(no_user_meant)
}

fn key_id(form: &Form) -> Result<String, QueryError> {
    Ok(form.required("AccessKeyId")?.to_owned())
}

fn status_name(status: KeyStatus) -> &'static str {
    match status {
        KeyStatus::Active => "Active",
        KeyStatus::Inactive => "Inactive",
    }
}

/// Reads a key that was made elsewhere and is to be taken over. These parameters are Valet's own; AWS has none.
fn given(form: &Form) -> Result<Option<GivenKey>, QueryError> {
    match (form.get("AccessKeyId"), form.get("SecretAccessKey")) {
        (None, None) => Ok(None),
        (Some(id), Some(secret)) => given_key(id.to_owned(), secret)
            .map(Some)
            .map_err(|error| QueryError::validation(error.message().to_owned())),
        (Some(_), None) | (None, Some(_)) => Err(QueryError::validation(
            "AccessKeyId and SecretAccessKey are given together or not at all.",
        )),
    }
}

operation! {
    /// `CreateAccessKey`: the only answer that ever contains the secret.
    CreateAccessKey("iam:CreateAccessKey") {
        user: Option<String> = optional_user_name,
        given: Option<GivenKey> = given,
    }
    on |op, at| at.user_or_self(op.user.as_deref());
    |op, access| {
        let Self { user, given } = op;
        let user = whose(&access, user.as_deref())?;
        let (key, user) = change(&access, move |edit| {
            let key = match given {
                None => edit.create_key(&user)?,
                Some(given) => edit.create_given_key(&user, given)?,
            };
            let spelled = edit.user(&user).map_or(user.clone(), |user| user.name.clone());
            Ok((key, spelled))
        })
        .await?;
        Ok(QueryReply::result(|xml| {
            xml.element("AccessKey", |xml| {
                xml.text("UserName", &user);
                xml.text("AccessKeyId", &key.id);
                xml.text("Status", status_name(key.status));
                xml.text("SecretAccessKey", key.secret.expose());
                xml.text("CreateDate", &time(key.created_at));
            });
        }))
    }
}

operation! {
    /// `UpdateAccessKey`: makes a key active or inactive.
    UpdateAccessKey("iam:UpdateAccessKey") {
        user: Option<String> = optional_user_name,
        key: String = key_id,
        status: KeyStatus = |form| match form.required("Status")? {
            "Active" => Ok(KeyStatus::Active),
            "Inactive" => Ok(KeyStatus::Inactive),
            other => Err(QueryError::validation(format!(
                "1 validation error detected: Value '{other}' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [Active, Inactive]"
            ))),
        },
    }
    on |op, at| at.user_or_self(op.user.as_deref());
    |op, access| {
        let Self { user, key, status } = op;
        let user = whose(&access, user.as_deref())?;
        change(&access, move |edit| edit.set_key_status(&user, &key, status)).await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `DeleteAccessKey`
    DeleteAccessKey("iam:DeleteAccessKey") {
        user: Option<String> = optional_user_name,
        key: String = key_id,
    }
    on |op, at| at.user_or_self(op.user.as_deref());
    |op, access| {
        let Self { user, key } = op;
        let user = whose(&access, user.as_deref())?;
        change(&access, move |edit| edit.delete_key(&user, &key)).await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `ListAccessKeys`: the keys of the caller if no name is given. A root has keys as well.
    ListAccessKeys("iam:ListAccessKeys") {
        user: Option<String> = optional_user_name,
        page: Page = Page::read,
    }
    on |op, at| at.user_or_self(op.user.as_deref());
    |op, access| {
        let directory = directory(&access)?;
        let name = judged_user(&access, op.user.as_deref());
        let (name, keys): (Option<String>, Vec<&KeySummary>) = if let Some(name) = name {
                let user = found(directory.user(name), EntityKind::User, name)?;
                (Some(user.name.clone()), directory.keys_of(user))
            } else {
                let root = |key: &&KeySummary| key.owner == store::KeyOwner::Root;
                (None, directory.keys().filter(root).collect())
            };
        Ok(QueryReply::result(|xml| {
            op.page.write(xml, "AccessKeyMetadata", keys, |key| key.id.clone(), |xml, key| {
                xml.optional("UserName", name.as_deref());
                xml.text("AccessKeyId", &key.id);
                xml.text("Status", status_name(key.status));
                xml.text("CreateDate", &time(key.created_at));
            });
        }))
    }
}

operation! {
    /// `GetAccessKeyLastUsed`
    GetAccessKeyLastUsed("iam:GetAccessKeyLastUsed") { key: String = key_id }
    on |op, at| {
        let of = |key: &KeySummary| match &key.owner {
            store::KeyOwner::User { id } => {
                at.directory.user_by_id(id).map(|user| at.user(&user.name))
            }
            store::KeyOwner::Root | store::KeyOwner::Role { .. } => None,
        };
        at.directory.keys().find(|key| key.id == op.key).and_then(of).unwrap_or_else(Target::any)
    };
    |op, access| {
        let directory = directory(&access)?;
        let Some(key) = directory.keys().find(|key| key.id == op.key) else {
            return Err(refusal::no_such(EntityKind::AccessKey, &op.key));
        };
        let user = match &key.owner {
            store::KeyOwner::User { id } => directory.user_by_id(id).map(|user| user.name.clone()),
            store::KeyOwner::Root | store::KeyOwner::Role { .. } => None,
        };
        let used = access.store().key_last_used(&op.key).await.map_err(error::of_store)?;
        Ok(QueryReply::result(|xml| {
            xml.optional("UserName", user.as_deref());
            xml.element("AccessKeyLastUsed", |xml| {
                if let Some(used) = &used {
                    xml.text("LastUsedDate", &time(used.at));
                    xml.text("ServiceName", &used.service);
                    xml.text("Region", &used.region);
                } else {
                    xml.text("ServiceName", "N/A");
                    xml.text("Region", "N/A");
                }
            });
        }))
    }
}
