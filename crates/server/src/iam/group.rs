//! Groups of users, and their policies.

use std::sync::Arc;

use iam::{AccountId, Policy};
use store::{EntityKind, Group, User};

use super::entity::{
    account, attached_below, change, directory, encoded, found, group_name, identity_policy,
    inline, new_name, optional_path, path, policy_arn, policy_name, time, user_name,
    write_attached,
};
use super::page::Page;
use super::user::{prefix, write_user};
use super::{operation, refusal};
use crate::query::answer::{QueryReply, QueryXml};
use crate::query::operation::Brought;

pub(super) fn write_group(xml: &mut QueryXml, account: &AccountId, group: &Group) {
    xml.text("Path", &group.path);
    xml.text("GroupName", &group.name);
    xml.text("GroupId", &group.id);
    xml.text("Arn", &format!("arn:aws:iam::{account}:group{}{}", group.path, group.name));
    xml.text("CreateDate", &time(group.created_at));
}

operation! {
    /// `CreateGroup`
    CreateGroup("iam:CreateGroup") { name: String = group_name, path: String = path }
    on |op, at| at.made("group", &op.path, &op.name);
    |op, access| {
        let Self { name, path } = op;
        let group = change(&access, move |edit| edit.create_group(&name, &path)).await?;
        let account = account(&access)?;
        Ok(QueryReply::result(|xml| xml.element("Group", |xml| write_group(xml, account, &group))))
    }
}

operation! {
    /// `GetGroup`: the group and its members.
    GetGroup("iam:GetGroup") { name: String = group_name, page: Page = Page::read }
    on |op, at| at.group(&op.name);
    |op, access| {
        let account = account(&access)?;
        let directory = directory(&access)?;
        let group = found(directory.group(&op.name), EntityKind::Group, &op.name)?;
        Ok(QueryReply::result(|xml| {
            xml.element("Group", |xml| write_group(xml, account, group));
            let name = |user: &&Arc<User>| user.name.to_ascii_lowercase();
            op.page.write(xml, "Users", directory.members(group), name, |xml, user| {
                write_user(xml, account, user);
            });
        }))
    }
}

operation! {
    /// `UpdateGroup`
    UpdateGroup("iam:UpdateGroup") {
        name: String = group_name,
        new_name: Option<String> = |form| new_name(form, "NewGroupName", 128),
        path: Option<String> = |form| optional_path(form, "NewPath"),
    }
    on |op, at| at.moved(at.group(&op.name), ("group", op.path.as_deref(), op.new_name.as_deref()));
    |op, access| {
        let Self { name, new_name, path } = op;
        change(&access, move |edit| edit.rename_group(&name, new_name.as_deref(), path.as_deref())).await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `DeleteGroup`
    DeleteGroup("iam:DeleteGroup") { name: String = group_name }
    on |op, at| at.group(&op.name);
    |op, access| {
        change(&access, move |edit| edit.delete_group(&op.name)).await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `ListGroups`
    ListGroups("iam:ListGroups") { prefix: Option<String> = prefix, page: Page = Page::read }
    on |op, at| at.made("group", op.prefix.as_deref().unwrap_or("/"), "");
    |op, access| {
        let account = account(&access)?;
        let directory = directory(&access)?;
        let prefix = op.prefix.as_deref().unwrap_or("/");
        let groups = directory.groups().filter(|group| group.path.starts_with(prefix));
        Ok(QueryReply::result(|xml| {
            let name = |group: &&Arc<Group>| group.name.to_ascii_lowercase();
            op.page.write(xml, "Groups", groups, name, |xml, group| write_group(xml, account, group));
        }))
    }
}

operation! {
    /// `AddUserToGroup`
    AddUserToGroup("iam:AddUserToGroup") { name: String = group_name, user: String = user_name }
    on |op, at| at.group(&op.name);
    |op, access| {
        change(&access, move |edit| edit.add_to_group(&op.name, &op.user)).await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `RemoveUserFromGroup`
    RemoveUserFromGroup("iam:RemoveUserFromGroup") {
        name: String = group_name,
        user: String = user_name,
    }
    on |op, at| at.group(&op.name);
    |op, access| {
        change(&access, move |edit| edit.remove_from_group(&op.name, &op.user)).await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `PutGroupPolicy`
    PutGroupPolicy("iam:PutGroupPolicy") {
        name: String = group_name,
        policy: String = policy_name,
        document: Arc<Policy> = identity_policy,
    }
    on |op, at| at.group(&op.name);
    |op, access| {
        let Self { name, policy, document } = op;
        let put = move |group: &mut Group| {
            group.inline.insert(policy, document);
            Ok(())
        };
        change(&access, move |edit| edit.change_group(&name, put)).await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `GetGroupPolicy`
    GetGroupPolicy("iam:GetGroupPolicy") { name: String = group_name, policy: String = policy_name }
    on |op, at| at.group(&op.name);
    |op, access| {
        let directory = directory(&access)?;
        let group = found(directory.group(&op.name), EntityKind::Group, &op.name)?;
        let policy = inline(&group.inline, "group", &op.policy)?;
        Ok(QueryReply::result(|xml| {
            xml.text("GroupName", &group.name);
            xml.text("PolicyName", &op.policy);
            xml.text("PolicyDocument", &encoded(policy.text()));
        }))
    }
}

operation! {
    /// `DeleteGroupPolicy`
    DeleteGroupPolicy("iam:DeleteGroupPolicy") {
        name: String = group_name,
        policy: String = policy_name,
    }
    on |op, at| at.group(&op.name);
    |op, access| {
        let Self { name, policy } = op;
        let wanted = policy.clone();
        let remove = move |group: &mut Group| Ok(group.inline.remove(&policy).is_some());
        if change(&access, move |edit| edit.change_group(&name, remove)).await? {
            Ok(QueryReply::empty())
        } else {
            Err(refusal::no_inline_policy("group", &wanted))
        }
    }
}

operation! {
    /// `ListGroupPolicies`
    ListGroupPolicies("iam:ListGroupPolicies") { name: String = group_name, page: Page = Page::read }
    on |op, at| at.group(&op.name);
    |op, access| {
        let directory = directory(&access)?;
        let group = found(directory.group(&op.name), EntityKind::Group, &op.name)?;
        Ok(QueryReply::result(|xml| op.page.write_names(xml, "PolicyNames", group.inline.keys())))
    }
}

operation! {
    /// `AttachGroupPolicy`
    AttachGroupPolicy("iam:AttachGroupPolicy") { name: String = group_name, arn: String = policy_arn }
    on |op, at| at.group(&op.name);
    brings |op| Brought::policy(&op.arn);
    |op, access| {
        let Self { name, arn } = op;
        change(&access, move |edit| {
            edit.check_attachable(&arn)?;
            edit.change_group(&name, |group| {
                group.attached.insert(arn);
                Ok(())
            })
        })
        .await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `DetachGroupPolicy`
    DetachGroupPolicy("iam:DetachGroupPolicy") { name: String = group_name, arn: String = policy_arn }
    on |op, at| at.group(&op.name);
    brings |op| Brought::policy(&op.arn);
    |op, access| {
        let Self { name, arn } = op;
        let wanted = arn.clone();
        let detach = move |group: &mut Group| Ok(group.attached.remove(&arn));
        if change(&access, move |edit| edit.change_group(&name, detach)).await? {
            Ok(QueryReply::empty())
        } else {
            Err(refusal::not_attached(&wanted))
        }
    }
}

operation! {
    /// `ListAttachedGroupPolicies`
    ListAttachedGroupPolicies("iam:ListAttachedGroupPolicies") {
        name: String = group_name,
        prefix: Option<String> = prefix,
        page: Page = Page::read,
    }
    on |op, at| at.group(&op.name);
    |op, access| {
        let directory = directory(&access)?;
        let group = found(directory.group(&op.name), EntityKind::Group, &op.name)?;
        let attached = attached_below(&directory, &group.attached, op.prefix.as_deref());
        Ok(QueryReply::result(|xml| {
            op.page.write(xml, "AttachedPolicies", attached, |policy| policy.arn.clone(), |xml, policy| {
                write_attached(xml, &policy.arn);
            });
        }))
    }
}
