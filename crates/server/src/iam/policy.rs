//! Managed policies and their versions.

use std::sync::Arc;

use iam::Policy;
use store::{
    Counts, Directory, EntityKind, ManagedPolicy, NewManagedPolicy, PolicyUses, PolicyVersion, Tag,
};

use super::entity::{
    change, directory, encoded, found, identity_policy, path, policy_arn, policy_description,
    policy_name, tags, time, version_number, write_tags,
};
use super::operation;
use super::page::Page;
use super::user::prefix;
use crate::query::answer::{QueryReply, QueryXml};
use crate::query::error::{QueryCode, QueryError};
use crate::query::form::Form;
use crate::query::operation::Brought;

fn write_policy(xml: &mut QueryXml, uses: &PolicyUses<'_>, policy: &ManagedPolicy) {
    xml.text("PolicyName", &policy.name);
    xml.text("PolicyId", &policy.id);
    xml.text("Arn", &policy.arn);
    xml.text("Path", &policy.path);
    xml.text("DefaultVersionId", &format!("v{}", policy.default_version));
    xml.plain("AttachmentCount", uses.attachments(&policy.arn));
    xml.plain("PermissionsBoundaryUsageCount", uses.bounded(&policy.arn));
    xml.plain("IsAttachable", true);
    xml.text("CreateDate", &time(policy.created_at));
    xml.text("UpdateDate", &time(policy.updated_at));
}

fn write_whole(directory: &Directory, policy: &ManagedPolicy) -> QueryReply {
    QueryReply::result(|xml| {
        xml.element("Policy", |xml| {
            write_policy(xml, &directory.policy_uses(), policy);
            xml.optional("Description", policy.description.as_deref());
            write_tags(xml, &policy.tags);
        });
    })
}

pub(super) fn write_version(
    xml: &mut QueryXml,
    policy: &ManagedPolicy,
    number: u32,
    version: &PolicyVersion,
) {
    xml.text("VersionId", &format!("v{number}"));
    xml.plain("IsDefaultVersion", number == policy.default_version);
    xml.text("CreateDate", &time(version.created_at));
}

fn get(directory: &Directory, arn: &str) -> Result<Arc<ManagedPolicy>, QueryError> {
    directory.managed_policy(arn).ok_or_else(|| {
        QueryError::with_message(QueryCode::NoSuchEntity, format!("Policy {arn} was not found."))
    })
}

operation! {
    /// `CreatePolicy`
    CreatePolicy("iam:CreatePolicy") {
        name: String = policy_name,
        path: String = path,
        description: Option<String> = policy_description,
        document: Arc<Policy> = identity_policy,
        tags: Vec<Tag> = tags,
    }
    on |op, at| at.made("policy", &op.path, &op.name);
    brings |op| Brought::tags(&op.tags);
    |op, access| {
        let Self { name, path, description, document, tags } = op;
        let new = NewManagedPolicy { name, path, description, document, tags };
        let policy = change(&access, move |edit| edit.create_policy(new)).await?;
        let directory = directory(&access)?;
        Ok(write_whole(&directory, &policy))
    }
}

operation! {
    /// `GetPolicy`
    GetPolicy("iam:GetPolicy") { arn: String = policy_arn }
    on |op, at| at.policy(&op.arn);
    |op, access| {
        let directory = directory(&access)?;
        let policy = get(&directory, &op.arn)?;
        Ok(write_whole(&directory, &policy))
    }
}

operation! {
    /// `DeletePolicy`
    DeletePolicy("iam:DeletePolicy") { arn: String = policy_arn }
    on |op, at| at.policy(&op.arn);
    |op, access| {
        change(&access, move |edit| edit.delete_policy(&op.arn)).await?;
        Ok(QueryReply::empty())
    }
}

/// Which policies a call lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PolicyScope {
    All,
    Aws,
    Local,
}

fn scope(form: &Form) -> Result<PolicyScope, QueryError> {
    match form.get("Scope") {
        None | Some("All") => Ok(PolicyScope::All),
        Some("AWS") => Ok(PolicyScope::Aws),
        Some("Local") => Ok(PolicyScope::Local),
        Some(other) => Err(QueryError::validation(format!(
            "1 validation error detected: Value '{other}' at 'scope' failed to satisfy constraint: Member must satisfy enum value set: [All, AWS, Local]"
        ))),
    }
}

operation! {
    /// `ListPolicies`
    ListPolicies("iam:ListPolicies") {
        scope: PolicyScope = scope,
        attached: bool = |form| Ok(form.get("OnlyAttached") == Some("true")),
        prefix: Option<String> = prefix,
        page: Page = Page::read,
    }
    on |op, at| at.made("policy", op.prefix.as_deref().unwrap_or("/"), "");
    |op, access| {
        let directory = directory(&access)?;
        let prefix = op.prefix.as_deref().unwrap_or("/");
        let uses = directory.policy_uses();
        let own = directory.managed_policies().filter(|_| op.scope != PolicyScope::Aws);
        let aws = Directory::aws_managed_policies().iter().filter(|_| op.scope != PolicyScope::Local);
        let mut policies: Vec<_> = own
            .chain(aws)
            .filter(|policy| policy.path.starts_with(prefix))
            .filter(|policy| !op.attached || uses.attachments(&policy.arn) > 0)
            .collect();
        policies.sort_by(|one, other| one.arn.cmp(&other.arn));
        Ok(QueryReply::result(|xml| {
            op.page.write(xml, "Policies", policies, |policy| policy.arn.clone(), |xml, policy| {
                write_policy(xml, &uses, policy);
            });
        }))
    }
}

operation! {
    /// `CreatePolicyVersion`
    CreatePolicyVersion("iam:CreatePolicyVersion") {
        arn: String = policy_arn,
        document: Arc<Policy> = identity_policy,
        counts: Counts = |form| Ok(match form.get("SetAsDefault") {
            Some("true") => Counts::FromNowOn,
            Some(_) | None => Counts::NotYet,
        }),
    }
    on |op, at| at.policy(&op.arn);
    |op, access| {
        let Self { arn, document, counts } = op;
        let (number, policy) = change(&access, move |edit| {
            let number = edit.create_policy_version(&arn, document, counts)?;
            Ok((number, edit.managed_policy(&arn)))
        })
        .await?;
        let policy = policy.ok_or_else(|| QueryError::new(QueryCode::InternalFailure))?;
        let version = policy.versions.get(&number);
        Ok(QueryReply::result(|xml| {
            xml.element("PolicyVersion", |xml| {
                if let Some(version) = version {
                    write_version(xml, &policy, number, version);
                }
            });
        }))
    }
}

operation! {
    /// `GetPolicyVersion`
    GetPolicyVersion("iam:GetPolicyVersion") {
        arn: String = policy_arn,
        number: u32 = version_number,
    }
    on |op, at| at.policy(&op.arn);
    |op, access| {
        let directory = directory(&access)?;
        let policy = get(&directory, &op.arn)?;
        let number = op.number;
        let named = format!("{} version v{number}", op.arn);
        let version = found(policy.versions.get(&number), EntityKind::PolicyVersion, &named)?;
        Ok(QueryReply::result(|xml| {
            xml.element("PolicyVersion", |xml| {
                xml.text("Document", &encoded(&version.text));
                write_version(xml, &policy, number, version);
            });
        }))
    }
}

operation! {
    /// `DeletePolicyVersion`
    DeletePolicyVersion("iam:DeletePolicyVersion") {
        arn: String = policy_arn,
        number: u32 = version_number,
    }
    on |op, at| at.policy(&op.arn);
    |op, access| {
        change(&access, move |edit| edit.delete_policy_version(&op.arn, op.number)).await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `ListPolicyVersions`
    ListPolicyVersions("iam:ListPolicyVersions") { arn: String = policy_arn }
    on |op, at| at.policy(&op.arn);
    |op, access| {
        let directory = directory(&access)?;
        let policy = get(&directory, &op.arn)?;
        Ok(QueryReply::result(|xml| {
            let newest_first = policy.versions.iter().rev();
            xml.list("Versions", newest_first, |xml, (number, version)| {
                write_version(xml, &policy, *number, version);
            });
            xml.plain("IsTruncated", false);
        }))
    }
}

operation! {
    /// `SetDefaultPolicyVersion`
    SetDefaultPolicyVersion("iam:SetDefaultPolicyVersion") {
        arn: String = policy_arn,
        number: u32 = version_number,
    }
    on |op, at| at.policy(&op.arn);
    |op, access| {
        change(&access, move |edit| edit.set_default_version(&op.arn, op.number)).await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `ListEntitiesForPolicy`
    ListEntitiesForPolicy("iam:ListEntitiesForPolicy") {
        arn: String = policy_arn,
        filter: Option<String> = |form| Ok(form.get("EntityFilter").map(str::to_owned)),
        bounds: bool = |form| Ok(form.get("PolicyUsageFilter") == Some("PermissionsBoundary")),
    }
    on |op, at| at.policy(&op.arn);
    |op, access| {
        let directory = directory(&access)?;
        get(&directory, &op.arn)?;
        let wanted = |kind: &str| op.filter.as_deref().is_none_or(|filter| filter == kind);
        let bounded = |boundary: &Option<String>| op.bounds && boundary.as_ref() == Some(&op.arn);
        let users = directory.users().filter(|user| {
            wanted("User") && (!op.bounds && user.attached.contains(&op.arn) || bounded(&user.boundary))
        });
        let groups = directory.groups().filter(|group| {
            wanted("Group") && !op.bounds && group.attached.contains(&op.arn)
        });
        let roles = directory.roles().filter(|role| {
            wanted("Role") && (!op.bounds && role.attached.contains(&op.arn) || bounded(&role.boundary))
        });
        Ok(QueryReply::result(|xml| {
            xml.list("PolicyGroups", groups, |xml, group| {
                xml.text("GroupName", &group.name);
                xml.text("GroupId", &group.id);
            });
            xml.list("PolicyUsers", users, |xml, user| {
                xml.text("UserName", &user.name);
                xml.text("UserId", &user.id);
            });
            xml.list("PolicyRoles", roles, |xml, role| {
                xml.text("RoleName", &role.name);
                xml.text("RoleId", &role.id);
            });
            xml.plain("IsTruncated", false);
        }))
    }
}
