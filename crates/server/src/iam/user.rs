//! Users, their policies and boundaries.

use std::sync::Arc;

use iam::{AccountId, Policy, Principal};
use store::{EntityKind, Tag, User};

use super::entity::{
    account, attached_below, change, directory, encoded, found, identity_policy, inline,
    judged_user, new_name, optional_path, optional_user_name, path, policy_arn, policy_name, tags,
    time, user_name, write_attached, write_boundary, write_tags,
};
use super::page::Page;
use super::{operation, refusal};
use crate::query::answer::{QueryReply, QueryXml};
use crate::query::error::QueryError;
use crate::query::form::Form;
use crate::query::operation::Brought;

pub(super) fn write_user(xml: &mut QueryXml, account: &AccountId, user: &User) {
    xml.text("Path", &user.path);
    xml.text("UserName", &user.name);
    xml.text("UserId", &user.id);
    xml.text("Arn", &format!("arn:aws:iam::{account}:user{}{}", user.path, user.name));
    xml.text("CreateDate", &time(user.created_at));
}

fn write_whole(xml: &mut QueryXml, account: &AccountId, user: &User) {
    xml.element("User", |xml| {
        write_user(xml, account, user);
        write_boundary(xml, user.boundary.as_deref());
        write_tags(xml, &user.tags);
    });
}

#[expect(clippy::unnecessary_wraps, reason = "every reader of a parameter is one")]
pub(super) fn boundary(form: &Form) -> Result<Option<String>, QueryError> {
    Ok(form.get("PermissionsBoundary").map(str::to_owned))
}

operation! {
    /// `CreateUser`
    CreateUser("iam:CreateUser") {
        name: String = user_name,
        path: String = path,
        boundary: Option<String> = boundary,
        tags: Vec<Tag> = tags,
    }
    on |op, at| at.made("user", &op.path, &op.name);
    brings |op| Brought::gives_boundary(op.boundary.as_deref()).with_tags(&op.tags);
    |op, access| {
        let Self { name, path, boundary, tags } = op;
        let user = change(&access, move |edit| edit.create_user(&name, &path, boundary, tags)).await?;
        let account = account(&access)?;
        Ok(QueryReply::result(|xml| write_whole(xml, account, &user)))
    }
}

operation! {
    /// `GetUser`: the caller if no name is given.
    GetUser("iam:GetUser") { name: Option<String> = optional_user_name }
    on |op, at| at.user_or_self(op.name.as_deref());
    |op, access| {
        let account = account(&access)?;
        let Some(name) = judged_user(&access, op.name.as_deref()) else {
            let root = Principal::Root { account: account.clone() };
            return Ok(QueryReply::result(|xml| {
                xml.element("User", |xml| {
                    xml.text("UserId", account.as_str());
                    xml.optional("Arn", root.arn().as_deref());
                    xml.text("CreateDate", "1970-01-01T00:00:00Z");
                });
            }));
        };
        let directory = directory(&access)?;
        let user = found(directory.user(name), EntityKind::User, name)?;
        Ok(QueryReply::result(|xml| write_whole(xml, account, user)))
    }
}

operation! {
    /// `UpdateUser`: changes the name or path. The user keeps its id.
    UpdateUser("iam:UpdateUser") {
        name: String = user_name,
        new_name: Option<String> = |form| new_name(form, "NewUserName", 64),
        path: Option<String> = |form| optional_path(form, "NewPath"),
    }
    on |op, at| at.moved(at.user(&op.name), ("user", op.path.as_deref(), op.new_name.as_deref()));
    |op, access| {
        let Self { name, new_name, path } = op;
        change(&access, move |edit| edit.rename_user(&name, new_name.as_deref(), path.as_deref())).await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `DeleteUser`
    DeleteUser("iam:DeleteUser") { name: String = user_name }
    on |op, at| at.user(&op.name);
    |op, access| {
        change(&access, move |edit| edit.delete_user(&op.name)).await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `ListUsers`
    ListUsers("iam:ListUsers") {
        prefix: Option<String> = prefix,
        page: Page = Page::read,
    }
    on |op, at| at.made("user", op.prefix.as_deref().unwrap_or("/"), "");
    |op, access| {
        let account = account(&access)?;
        let directory = directory(&access)?;
        let prefix = op.prefix.as_deref().unwrap_or("/");
        let users = directory.users().filter(|user| user.path.starts_with(prefix));
        Ok(QueryReply::result(|xml| {
            let name = |user: &&Arc<User>| user.name.to_ascii_lowercase();
            op.page.write(xml, "Users", users, name, |xml, user| write_user(xml, account, user));
        }))
    }
}

/// Reads `PathPrefix`; `/` if none is given.
pub(super) fn prefix(form: &Form) -> Result<Option<String>, QueryError> {
    let prefix = form.get("PathPrefix").filter(|prefix| !prefix.is_empty());
    match prefix {
        Some(prefix) if !prefix.starts_with('/') => Err(QueryError::validation(
            "The specified value for pathPrefix is invalid. It must begin with / and contain only alphanumeric characters and/or / characters.",
        )),
        other => Ok(other.map(str::to_owned)),
    }
}

operation! {
    /// `PutUserPolicy`
    PutUserPolicy("iam:PutUserPolicy") {
        name: String = user_name,
        policy: String = policy_name,
        document: Arc<Policy> = identity_policy,
    }
    on |op, at| at.user(&op.name);
    brings |op| Brought::targets_boundary();
    |op, access| {
        let Self { name, policy, document } = op;
        let put = move |user: &mut User| {
            user.inline.insert(policy, document);
            Ok(())
        };
        change(&access, move |edit| edit.change_user(&name, put)).await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `GetUserPolicy`
    GetUserPolicy("iam:GetUserPolicy") {
        name: String = user_name,
        policy: String = policy_name,
    }
    on |op, at| at.user(&op.name);
    |op, access| {
        let directory = directory(&access)?;
        let user = found(directory.user(&op.name), EntityKind::User, &op.name)?;
        let policy = inline(&user.inline, "user", &op.policy)?;
        Ok(QueryReply::result(|xml| {
            xml.text("UserName", &user.name);
            xml.text("PolicyName", &op.policy);
            xml.text("PolicyDocument", &encoded(policy.text()));
        }))
    }
}

operation! {
    /// `DeleteUserPolicy`
    DeleteUserPolicy("iam:DeleteUserPolicy") {
        name: String = user_name,
        policy: String = policy_name,
    }
    on |op, at| at.user(&op.name);
    brings |op| Brought::targets_boundary();
    |op, access| {
        let Self { name, policy } = op;
        let wanted = policy.clone();
        let remove = move |user: &mut User| Ok(user.inline.remove(&policy).is_some());
        if change(&access, move |edit| edit.change_user(&name, remove)).await? {
            Ok(QueryReply::empty())
        } else {
            Err(refusal::no_inline_policy("user", &wanted))
        }
    }
}

operation! {
    /// `ListUserPolicies`
    ListUserPolicies("iam:ListUserPolicies") {
        name: String = user_name,
        page: Page = Page::read,
    }
    on |op, at| at.user(&op.name);
    |op, access| {
        let directory = directory(&access)?;
        let user = found(directory.user(&op.name), EntityKind::User, &op.name)?;
        Ok(QueryReply::result(|xml| op.page.write_names(xml, "PolicyNames", user.inline.keys())))
    }
}

operation! {
    /// `AttachUserPolicy`
    AttachUserPolicy("iam:AttachUserPolicy") {
        name: String = user_name,
        arn: String = policy_arn,
    }
    on |op, at| at.user(&op.name);
    brings |op| Brought::targets_boundary().with_policy(&op.arn);
    |op, access| {
        let Self { name, arn } = op;
        change(&access, move |edit| {
            edit.check_attachable(&arn)?;
            edit.change_user(&name, |user| {
                user.attached.insert(arn);
                Ok(())
            })
        })
        .await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `DetachUserPolicy`
    DetachUserPolicy("iam:DetachUserPolicy") {
        name: String = user_name,
        arn: String = policy_arn,
    }
    on |op, at| at.user(&op.name);
    brings |op| Brought::targets_boundary().with_policy(&op.arn);
    |op, access| {
        let Self { name, arn } = op;
        let wanted = arn.clone();
        let detach = move |user: &mut User| Ok(user.attached.remove(&arn));
        if change(&access, move |edit| edit.change_user(&name, detach)).await? {
            Ok(QueryReply::empty())
        } else {
            Err(refusal::not_attached(&wanted))
        }
    }
}

operation! {
    /// `ListAttachedUserPolicies`
    ListAttachedUserPolicies("iam:ListAttachedUserPolicies") {
        name: String = user_name,
        prefix: Option<String> = prefix,
        page: Page = Page::read,
    }
    on |op, at| at.user(&op.name);
    |op, access| {
        let directory = directory(&access)?;
        let user = found(directory.user(&op.name), EntityKind::User, &op.name)?;
        let attached = attached_below(&directory, &user.attached, op.prefix.as_deref());
        Ok(QueryReply::result(|xml| {
            op.page.write(xml, "AttachedPolicies", attached, |policy| policy.arn.clone(), |xml, policy| {
                write_attached(xml, &policy.arn);
            });
        }))
    }
}

operation! {
    /// `PutUserPermissionsBoundary`
    PutUserPermissionsBoundary("iam:PutUserPermissionsBoundary") {
        name: String = user_name,
        boundary: String = |form| Ok(form.required("PermissionsBoundary")?.to_owned()),
    }
    on |op, at| at.user(&op.name);
    brings |op| Brought::gives_boundary(Some(&op.boundary));
    |op, access| {
        let Self { name, boundary } = op;
        change(&access, move |edit| {
            edit.check_boundary(Some(&boundary))?;
            edit.change_user(&name, |user| {
                user.boundary = Some(boundary);
                Ok(())
            })
        })
        .await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `DeleteUserPermissionsBoundary`
    DeleteUserPermissionsBoundary("iam:DeleteUserPermissionsBoundary") { name: String = user_name }
    on |op, at| at.user(&op.name);
    brings |op| Brought::targets_boundary();
    |op, access| {
        let remove = |user: &mut User| {
            user.boundary = None;
            Ok(())
        };
        change(&access, move |edit| edit.change_user(&op.name, remove)).await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `ListGroupsForUser`
    ListGroupsForUser("iam:ListGroupsForUser") {
        name: String = user_name,
        page: Page = Page::read,
    }
    on |op, at| at.user(&op.name);
    |op, access| {
        let account = account(&access)?;
        let directory = directory(&access)?;
        let user = found(directory.user(&op.name), EntityKind::User, &op.name)?;
        Ok(QueryReply::result(|xml| {
            let name = |group: &&Arc<store::Group>| group.name.to_ascii_lowercase();
            op.page.write(xml, "Groups", directory.groups_of(user), name, |xml, group| {
                super::group::write_group(xml, account, group);
            });
        }))
    }
}
