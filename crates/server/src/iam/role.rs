//! Roles: their trust policies, permissions and boundaries.

use std::sync::Arc;

use iam::{AccountId, Policy};
use store::{BoundPolicy, EntityKind, LINK_SIGNER, NewRole, Role, Tag};

use super::entity::{
    account, attached_below, change, directory, encoded, found, identity_policy, inline, path,
    policy_arn, policy_name, role_description, role_name, tags, time, trust_policy, write_attached,
    write_boundary, write_tags,
};
use super::page::{Page, write_end};
use super::user::{boundary, prefix};
use super::{operation, refusal};
use crate::gate::StoreAccess;
use crate::principals::{self, BindError};
use crate::query::answer::{QueryReply, QueryXml};
use crate::query::error::{self, QueryCode, QueryError};
use crate::query::form::Form;
use crate::query::operation::Brought;

/// The longest session that a role may allow, in seconds: from one hour to twelve. The default is one hour.
const SESSION_SECONDS_MIN: u32 = 3600;
const SESSION_SECONDS_MAX: u32 = 43_200;

pub(super) fn write_role(xml: &mut QueryXml, account: &AccountId, role: &Role, trust: &str) {
    xml.text("Path", &role.path);
    xml.text("RoleName", &role.name);
    xml.text("RoleId", &role.id);
    xml.text("Arn", &arn(account, role));
    xml.text("CreateDate", &time(role.created_at));
    xml.text("AssumeRolePolicyDocument", &presign::encode_component(trust.as_bytes()));
    xml.optional("Description", role.description.as_deref());
}

pub(super) fn arn(account: &AccountId, role: &Role) -> String {
    format!("arn:aws:iam::{account}:role{}{}", role.path, role.name)
}

/// The trust policy of a role as its owner may see it.
pub(super) async fn shown_trust(access: &StoreAccess, role: &Role) -> Result<String, QueryError> {
    let first = &access.context().config.account;
    principals::shown(access.store(), first, &role.trust).await.map_err(error::of_store)
}

async fn bound(access: &StoreAccess, document: Arc<Policy>) -> Result<BoundPolicy, QueryError> {
    let first = &access.context().config.account;
    let bound =
        principals::bind(access.store(), first, &document).await.map_err(|error| match error {
            BindError::Unknown { principal } => QueryError::with_message(
                QueryCode::MalformedPolicyDocument,
                format!("Invalid principal in policy: \"AWS\":\"{principal}\""),
            ),
            BindError::Store(error) => error::of_store(error),
        })?;
    Ok(BoundPolicy { document, bound })
}

/// Refuses to make the link signer, or to let somebody become it: whoever were that role could sign for every managed link.
fn refuse_link_signer(name: &str) -> Result<(), QueryError> {
    if !name.eq_ignore_ascii_case(LINK_SIGNER) {
        return Ok(());
    }
    Err(QueryError::with_message(
        QueryCode::AccessDenied,
        format!(
            "The role {LINK_SIGNER} is made by the server with the first managed link, and nobody can assume it. What it may do is changed by its policies."
        ),
    ))
}

fn max_session(form: &Form) -> Result<Option<u32>, QueryError> {
    let Some(text) = form.get("MaxSessionDuration") else { return Ok(None) };
    let bound = |what: &str, limit: u32| {
        QueryError::validation(format!(
            "1 validation error detected: Value '{text}' at 'maxSessionDuration' failed to satisfy constraint: Member must have value {what} than or equal to {limit}"
        ))
    };
    let seconds: u32 = text.parse().map_err(|_| bound("greater", SESSION_SECONDS_MIN))?;
    if seconds < SESSION_SECONDS_MIN {
        return Err(bound("greater", SESSION_SECONDS_MIN));
    }
    if seconds > SESSION_SECONDS_MAX {
        return Err(bound("less", SESSION_SECONDS_MAX));
    }
    Ok(Some(seconds))
}

/// The approximate length of a role in a list, where its trust policy is percent-encoded.
pub(super) fn shown_bytes(role: &Role) -> usize {
    const BESIDE_TRUST: usize = 4096;
    role.trust.document.text().len().saturating_mul(3).saturating_add(BESIDE_TRUST)
}

async fn write_whole(access: &StoreAccess, role: &Role) -> Result<QueryReply, QueryError> {
    let account = account(access)?;
    let trust = shown_trust(access, role).await?;
    let used = access.store().role_last_used(&role.id).await.map_err(error::of_store)?;
    Ok(QueryReply::result(|xml| {
        xml.element("Role", |xml| {
            write_role(xml, account, role, &trust);
            xml.plain("MaxSessionDuration", role.max_session_seconds);
            write_boundary(xml, role.boundary.as_deref());
            write_tags(xml, &role.tags);
            xml.element("RoleLastUsed", |xml| {
                if let Some(used) = &used {
                    xml.text("LastUsedDate", &time(used.at));
                    xml.text("Region", &used.region);
                }
            });
        });
    }))
}

operation! {
    /// `CreateRole`
    CreateRole("iam:CreateRole") {
        name: String = role_name,
        path: String = path,
        trust: Arc<Policy> = |form| trust_policy(form, "AssumeRolePolicyDocument"),
        description: Option<String> = role_description,
        max_session: Option<u32> = max_session,
        boundary: Option<String> = boundary,
        tags: Vec<Tag> = tags,
    }
    on |op, at| at.made("role", &op.path, &op.name);
    brings |op| Brought::gives_boundary(op.boundary.as_deref()).with_tags(&op.tags);
    |op, access| {
        let Self { name, path, trust, description, max_session, boundary, tags } = op;
        refuse_link_signer(&name)?;
        let trust = bound(&access, trust).await?;
        let max_session_seconds = max_session.unwrap_or(SESSION_SECONDS_MIN);
        let new = NewRole { name, path, description, max_session_seconds, trust, boundary, tags };
        let role = change(&access, move |edit| edit.create_role(new)).await?;
        // Unlike `GetRole`, this answer has neither the longest session nor the last use.
        let (account, trust) = (account(&access)?, shown_trust(&access, &role).await?);
        Ok(QueryReply::result(|xml| {
            xml.element("Role", |xml| {
                write_role(xml, account, &role, &trust);
                write_boundary(xml, role.boundary.as_deref());
                write_tags(xml, &role.tags);
            });
        }))
    }
}

operation! {
    /// `GetRole`
    GetRole("iam:GetRole") { name: String = role_name }
    on |op, at| at.role(&op.name);
    |op, access| {
        let directory = directory(&access)?;
        let role = found(directory.role(&op.name), EntityKind::Role, &op.name)?;
        write_whole(&access, role).await
    }
}

operation! {
    /// `UpdateRole`: as on AWS, what is not given is reset to the default of a new role.
    UpdateRole("iam:UpdateRole") {
        name: String = role_name,
        description: Option<String> = role_description,
        max_session: Option<u32> = max_session,
    }
    on |op, at| at.role(&op.name);
    |op, access| {
        let Self { name, description, max_session } = op;
        let update = move |role: &mut Role| {
            if description.is_some() {
                role.description = description;
            }
            if let Some(seconds) = max_session {
                role.max_session_seconds = seconds;
            }
            Ok(())
        };
        change(&access, move |edit| edit.change_role(&name, update)).await?;
        Ok(QueryReply::result(|_| {}))
    }
}

operation! {
    /// `UpdateRoleDescription`
    UpdateRoleDescription("iam:UpdateRoleDescription") {
        name: String = role_name,
        description: Option<String> = role_description,
    }
    on |op, at| at.role(&op.name);
    |op, access| {
        let Self { name, description } = op;
        let role = change(&access, move |edit| {
            edit.change_role(&name, |role| {
                role.description = description;
                Ok(role.clone())
            })
        })
        .await?;
        write_whole(&access, &role).await
    }
}

operation! {
    /// `DeleteRole`
    DeleteRole("iam:DeleteRole") { name: String = role_name }
    on |op, at| at.role(&op.name);
    |op, access| {
        change(&access, move |edit| edit.delete_role(&op.name)).await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `ListRoles`
    ListRoles("iam:ListRoles") { prefix: Option<String> = prefix, page: Page = Page::read }
    on |op, at| at.made("role", op.prefix.as_deref().unwrap_or("/"), "");
    |op, access| {
        let account = account(&access)?;
        let directory = directory(&access)?;
        let prefix = op.prefix.as_deref().unwrap_or("/");
        let wanted = directory.roles().filter(|role| role.path.starts_with(prefix));
        let name = |role: &&Arc<Role>| role.name.to_ascii_lowercase();
        let (page, marker) = op.page.cut(wanted, name, |role| shown_bytes(role));
        let mut roles = Vec::with_capacity(page.len());
        for role in page {
            roles.push((role, shown_trust(&access, role).await?));
        }
        Ok(QueryReply::result(|xml| {
            xml.list("Roles", roles, |xml, (role, trust)| {
                write_role(xml, account, role, &trust);
                xml.plain("MaxSessionDuration", role.max_session_seconds);
            });
            write_end(xml, marker.as_deref());
        }))
    }
}

operation! {
    /// `UpdateAssumeRolePolicy`
    UpdateAssumeRolePolicy("iam:UpdateAssumeRolePolicy") {
        name: String = role_name,
        trust: Arc<Policy> = |form| trust_policy(form, "PolicyDocument"),
    }
    on |op, at| at.role(&op.name);
    |op, access| {
        let Self { name, trust } = op;
        refuse_link_signer(&name)?;
        let trust = bound(&access, trust).await?;
        let update = move |role: &mut Role| {
            role.trust = trust;
            Ok(())
        };
        change(&access, move |edit| edit.change_role(&name, update)).await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `PutRolePolicy`
    PutRolePolicy("iam:PutRolePolicy") {
        name: String = role_name,
        policy: String = policy_name,
        document: Arc<Policy> = identity_policy,
    }
    on |op, at| at.role(&op.name);
    brings |op| Brought::targets_boundary();
    |op, access| {
        let Self { name, policy, document } = op;
        let put = move |role: &mut Role| {
            role.inline.insert(policy, document);
            Ok(())
        };
        change(&access, move |edit| edit.change_role(&name, put)).await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `GetRolePolicy`
    GetRolePolicy("iam:GetRolePolicy") { name: String = role_name, policy: String = policy_name }
    on |op, at| at.role(&op.name);
    |op, access| {
        let directory = directory(&access)?;
        let role = found(directory.role(&op.name), EntityKind::Role, &op.name)?;
        let policy = inline(&role.inline, "role", &op.policy)?;
        Ok(QueryReply::result(|xml| {
            xml.text("RoleName", &role.name);
            xml.text("PolicyName", &op.policy);
            xml.text("PolicyDocument", &encoded(policy.text()));
        }))
    }
}

operation! {
    /// `DeleteRolePolicy`
    DeleteRolePolicy("iam:DeleteRolePolicy") { name: String = role_name, policy: String = policy_name }
    on |op, at| at.role(&op.name);
    brings |op| Brought::targets_boundary();
    |op, access| {
        let Self { name, policy } = op;
        let wanted = policy.clone();
        let remove = move |role: &mut Role| Ok(role.inline.remove(&policy).is_some());
        if change(&access, move |edit| edit.change_role(&name, remove)).await? {
            Ok(QueryReply::empty())
        } else {
            Err(refusal::no_inline_policy("role", &wanted))
        }
    }
}

operation! {
    /// `ListRolePolicies`
    ListRolePolicies("iam:ListRolePolicies") { name: String = role_name, page: Page = Page::read }
    on |op, at| at.role(&op.name);
    |op, access| {
        let directory = directory(&access)?;
        let role = found(directory.role(&op.name), EntityKind::Role, &op.name)?;
        Ok(QueryReply::result(|xml| op.page.write_names(xml, "PolicyNames", role.inline.keys())))
    }
}

operation! {
    /// `AttachRolePolicy`
    AttachRolePolicy("iam:AttachRolePolicy") { name: String = role_name, arn: String = policy_arn }
    on |op, at| at.role(&op.name);
    brings |op| Brought::targets_boundary().with_policy(&op.arn);
    |op, access| {
        let Self { name, arn } = op;
        change(&access, move |edit| {
            edit.check_attachable(&arn)?;
            edit.change_role(&name, |role| {
                role.attached.insert(arn);
                Ok(())
            })
        })
        .await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `DetachRolePolicy`
    DetachRolePolicy("iam:DetachRolePolicy") { name: String = role_name, arn: String = policy_arn }
    on |op, at| at.role(&op.name);
    brings |op| Brought::targets_boundary().with_policy(&op.arn);
    |op, access| {
        let Self { name, arn } = op;
        let wanted = arn.clone();
        let detach = move |role: &mut Role| Ok(role.attached.remove(&arn));
        if change(&access, move |edit| edit.change_role(&name, detach)).await? {
            Ok(QueryReply::empty())
        } else {
            Err(refusal::not_attached(&wanted))
        }
    }
}

operation! {
    /// `ListAttachedRolePolicies`
    ListAttachedRolePolicies("iam:ListAttachedRolePolicies") {
        name: String = role_name,
        prefix: Option<String> = prefix,
        page: Page = Page::read,
    }
    on |op, at| at.role(&op.name);
    |op, access| {
        let directory = directory(&access)?;
        let role = found(directory.role(&op.name), EntityKind::Role, &op.name)?;
        let attached = attached_below(&directory, &role.attached, op.prefix.as_deref());
        Ok(QueryReply::result(|xml| {
            op.page.write(xml, "AttachedPolicies", attached, |policy| policy.arn.clone(), |xml, policy| {
                write_attached(xml, &policy.arn);
            });
        }))
    }
}

operation! {
    /// `PutRolePermissionsBoundary`
    PutRolePermissionsBoundary("iam:PutRolePermissionsBoundary") {
        name: String = role_name,
        boundary: String = |form| Ok(form.required("PermissionsBoundary")?.to_owned()),
    }
    on |op, at| at.role(&op.name);
    brings |op| Brought::gives_boundary(Some(&op.boundary));
    |op, access| {
        let Self { name, boundary } = op;
        change(&access, move |edit| {
            edit.check_boundary(Some(&boundary))?;
            edit.change_role(&name, |role| {
                role.boundary = Some(boundary);
                Ok(())
            })
        })
        .await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `DeleteRolePermissionsBoundary`
    DeleteRolePermissionsBoundary("iam:DeleteRolePermissionsBoundary") { name: String = role_name }
    on |op, at| at.role(&op.name);
    brings |op| Brought::targets_boundary();
    |op, access| {
        let remove = |role: &mut Role| {
            role.boundary = None;
            Ok(())
        };
        change(&access, move |edit| edit.change_role(&op.name, remove)).await?;
        Ok(QueryReply::empty())
    }
}
