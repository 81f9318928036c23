//! Instance profiles, which carry a role to a program.

use std::sync::Arc;

use iam::AccountId;
use store::{Directory, EntityKind, InstanceProfile, Role, Tag};

use super::entity::{
    account, change, directory, found, path, profile_name, role_name, tags, time, write_tags,
};
use super::operation;
use super::page::{Page, write_end};
use super::role::{shown_bytes, shown_trust, write_role};
use super::user::prefix;
use crate::gate::StoreAccess;
use crate::query::answer::{QueryReply, QueryXml};
use crate::query::error::QueryError;
use crate::query::operation::Brought;

/// The approximate length of a profile in an answer, without its role.
const PROFILE_BYTES: usize = 4096;

/// A profile and its role, with the role's trust policy as its owner may see it.
struct ProfileView<'d> {
    profile: &'d InstanceProfile,
    role: Option<(&'d Role, String)>,
}

async fn shown<'d>(
    access: &StoreAccess,
    directory: &'d Directory,
    profile: &'d InstanceProfile,
) -> Result<ProfileView<'d>, QueryError> {
    let role = profile.role.as_deref().and_then(|name| directory.role(name));
    let role = match role {
        Some(role) => Some((&**role, shown_trust(access, role).await?)),
        None => None,
    };
    Ok(ProfileView { profile, role })
}

fn write_profile(xml: &mut QueryXml, account: &AccountId, shown: &ProfileView<'_>) {
    let ProfileView { profile, role } = shown;
    xml.text("Path", &profile.path);
    xml.text("InstanceProfileName", &profile.name);
    xml.text("InstanceProfileId", &profile.id);
    let arn = format!("arn:aws:iam::{account}:instance-profile{}{}", profile.path, profile.name);
    xml.text("Arn", &arn);
    xml.text("CreateDate", &time(profile.created_at));
    xml.list("Roles", role, |xml, (role, trust)| write_role(xml, account, role, trust));
    write_tags(xml, &profile.tags);
}

operation! {
    /// `CreateInstanceProfile`
    CreateInstanceProfile("iam:CreateInstanceProfile") {
        name: String = profile_name,
        path: String = path,
        tags: Vec<Tag> = tags,
    }
    on |op, at| at.made("instance-profile", &op.path, &op.name);
    brings |op| Brought::tags(&op.tags);
    |op, access| {
        let Self { name, path, tags } = op;
        let profile =
            change(&access, move |edit| edit.create_instance_profile(&name, &path, tags)).await?;
        let account = account(&access)?;
        let shown = ProfileView { profile: &profile, role: None };
        Ok(QueryReply::result(|xml| {
            xml.element("InstanceProfile", |xml| write_profile(xml, account, &shown));
        }))
    }
}

operation! {
    /// `GetInstanceProfile`
    GetInstanceProfile("iam:GetInstanceProfile") { name: String = profile_name }
    on |op, at| at.profile(&op.name);
    |op, access| {
        let account = account(&access)?;
        let directory = directory(&access)?;
        let profile =
            found(directory.instance_profile(&op.name), EntityKind::InstanceProfile, &op.name)?;
        let shown = shown(&access, &directory, profile).await?;
        Ok(QueryReply::result(|xml| {
            xml.element("InstanceProfile", |xml| write_profile(xml, account, &shown));
        }))
    }
}

operation! {
    /// `DeleteInstanceProfile`
    DeleteInstanceProfile("iam:DeleteInstanceProfile") { name: String = profile_name }
    on |op, at| at.profile(&op.name);
    |op, access| {
        change(&access, move |edit| edit.delete_instance_profile(&op.name)).await?;
        Ok(QueryReply::empty())
    }
}

async fn list(
    access: &StoreAccess,
    page: &Page,
    wanted: impl Fn(&InstanceProfile) -> bool,
) -> Result<QueryReply, QueryError> {
    let account = account(access)?;
    let directory = directory(access)?;
    let wanted = directory.instance_profiles().filter(|profile| wanted(profile));
    let name = |profile: &&Arc<InstanceProfile>| profile.name.to_ascii_lowercase();
    let bytes = |profile: &&Arc<InstanceProfile>| {
        let role = profile.role.as_deref().and_then(|name| directory.role(name));
        role.map_or(PROFILE_BYTES, |role| PROFILE_BYTES + shown_bytes(role))
    };
    let (page, marker) = page.cut(wanted, name, bytes);
    let mut profiles = Vec::with_capacity(page.len());
    for profile in page {
        profiles.push(shown(access, &directory, profile).await?);
    }
    Ok(QueryReply::result(|xml| {
        xml.list("InstanceProfiles", profiles, |xml, shown| write_profile(xml, account, &shown));
        write_end(xml, marker.as_deref());
    }))
}

operation! {
    /// `ListInstanceProfiles`
    ListInstanceProfiles("iam:ListInstanceProfiles") {
        prefix: Option<String> = prefix,
        page: Page = Page::read,
    }
    on |op, at| at.made("instance-profile", op.prefix.as_deref().unwrap_or("/"), "");
    |op, access| {
        let prefix = op.prefix.as_deref().unwrap_or("/");
        list(&access, &op.page, |profile| profile.path.starts_with(prefix)).await
    }
}

operation! {
    /// `ListInstanceProfilesForRole`
    ListInstanceProfilesForRole("iam:ListInstanceProfilesForRole") {
        name: String = role_name,
        page: Page = Page::read,
    }
    on |op, at| at.role(&op.name);
    |op, access| {
        let directory = directory(&access)?;
        let role: &Arc<Role> = found(directory.role(&op.name), EntityKind::Role, &op.name)?;
        let name = role.name.to_ascii_lowercase();
        list(&access, &op.page, |profile| profile.role.as_ref() == Some(&name)).await
    }
}

operation! {
    /// `AddRoleToInstanceProfile`: a profile holds one role at most.
    AddRoleToInstanceProfile("iam:AddRoleToInstanceProfile") {
        profile: String = profile_name,
        role: String = role_name,
    }
    on |op, at| at.profile(&op.profile);
    |op, access| {
        change(&access, move |edit| edit.add_role_to_profile(&op.profile, &op.role)).await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `RemoveRoleFromInstanceProfile`
    RemoveRoleFromInstanceProfile("iam:RemoveRoleFromInstanceProfile") {
        profile: String = profile_name,
        role: String = role_name,
    }
    on |op, at| at.profile(&op.profile);
    |op, access| {
        change(&access, move |edit| edit.remove_role_from_profile(&op.profile, &op.role)).await?;
        Ok(QueryReply::empty())
    }
}
