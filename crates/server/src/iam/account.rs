//! Calls about an account as a whole.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use iam::{AccountId, Policy};
use store::{Directory, Group, KeyOwner, ManagedPolicy, PolicyUses, Quota, Role, User};

use super::entity::{
    account, directory, encoded, time, write_attached, write_boundary, write_inline_list,
    write_tags,
};
use super::group::write_group;
use super::operation;
use super::page::{Page, write_end};
use super::policy::write_version;
use super::role::{shown_trust, write_role};
use super::user::write_user;
use crate::query::answer::{QueryReply, QueryXml};
use crate::query::error::{QueryCode, QueryError};
use crate::query::operation::Target;

operation! {
    /// `GetAccountSummary`
    GetAccountSummary("iam:GetAccountSummary") {}
    on |op, at| Target::any();
    |op, access| {
        let directory = directory(&access)?;
        let root_keys = directory.keys().filter(|key| key.owner == KeyOwner::Root).count();
        let rows: [(&str, usize); 16] = [
            ("Users", directory.users().count()),
            ("UsersQuota", Quota::Users.max()),
            ("Groups", directory.groups().count()),
            ("GroupsQuota", Quota::Groups.max()),
            ("Roles", directory.roles().count()),
            ("RolesQuota", Quota::Roles.max()),
            ("Policies", directory.managed_policies().count()),
            ("PoliciesQuota", Quota::Policies.max()),
            ("InstanceProfiles", directory.instance_profiles().count()),
            ("InstanceProfilesQuota", Quota::InstanceProfiles.max()),
            ("Providers", directory.oidc_providers().count()),
            ("AccountAccessKeysPresent", root_keys.min(1)),
            ("AccessKeysPerUserQuota", Quota::AccessKeys.max()),
            ("GroupsPerUserQuota", Quota::GroupsOfUser.max()),
            ("VersionsPerPolicyQuota", Quota::PolicyVersions.max()),
            ("MFADevices", 0),
        ];
        Ok(QueryReply::result(|xml| {
            xml.element("SummaryMap", |xml| {
                for (key, value) in rows {
                    xml.element("entry", |xml| {
                        xml.text("key", key);
                        xml.plain("value", value);
                    });
                }
            });
        }))
    }
}

operation! {
    /// `ListAccountAliases`: always empty, since accounts have no aliases here.
    ListAccountAliases("iam:ListAccountAliases") {}
    on |op, at| Target::any();
    |op, access| {
        Ok(QueryReply::result(|xml| {
            xml.element("AccountAliases", |_| {});
            xml.plain("IsTruncated", false);
        }))
    }
}

operation! {
    /// `GetAccountPasswordPolicy`: there is none, since nobody has a password.
    GetAccountPasswordPolicy("iam:GetAccountPasswordPolicy") {}
    on |op, at| Target::any();
    |op, access| {
        Err(QueryError::with_message(
            QueryCode::NoSuchEntity,
            format!("The Password Policy with domain name {} cannot be found.", account(&access)?),
        ))
    }
}

/// One entry of the four lists, in the order in which the pages go through them.
enum Detail<'d> {
    User(&'d User),
    Group(&'d Group),
    Role(&'d Role),
    Policy(&'d ManagedPolicy),
}

/// The entries of one page, and what writing them needs.
struct Details<'d> {
    account: &'d AccountId,
    directory: &'d Directory,
    uses: PolicyUses<'d>,
    page: &'d [Detail<'d>],
    /// The trust policy of each role as its owner may see it, by the id of the role.
    trust: HashMap<&'d str, String>,
}

impl Detail<'_> {
    fn place(&self) -> String {
        match self {
            Self::User(user) => format!("1/{}", user.name.to_ascii_lowercase()),
            Self::Group(group) => format!("2/{}", group.name.to_ascii_lowercase()),
            Self::Role(role) => format!("3/{}", role.name.to_ascii_lowercase()),
            Self::Policy(policy) => format!("4/{}", policy.arn),
        }
    }

    /// The most bytes that the entry takes in the answer, where documents are percent-encoded.
    fn bytes(&self) -> usize {
        const BESIDE_DOCUMENTS: usize = 2048;
        let inline = |policies: &BTreeMap<String, Arc<Policy>>| -> usize {
            policies.iter().map(|(name, policy)| name.len() + policy.text().len()).sum()
        };
        let documents = match self {
            Self::User(user) => inline(&user.inline),
            Self::Group(group) => inline(&group.inline),
            Self::Role(role) => inline(&role.inline) + role.trust.document.text().len(),
            Self::Policy(policy) => {
                policy.versions.values().map(|version| version.text.len()).sum()
            }
        };
        documents.saturating_mul(3).saturating_add(BESIDE_DOCUMENTS)
    }
}

operation! {
    /// `GetAccountAuthorizationDetails`: all identities and their policies.
    GetAccountAuthorizationDetails("iam:GetAccountAuthorizationDetails") {
        filter: Vec<String> = |form| {
            Ok(form.list("Filter")?.into_iter().map(str::to_owned).collect())
        },
        page: Page = Page::read,
    }
    on |op, at| Target::any();
    |op, access| {
        let account = account(&access)?;
        let directory = directory(&access)?;
        let wanted = |kind: &str| op.filter.is_empty() || op.filter.iter().any(|f| f == kind);
        let uses = directory.policy_uses();
        let mut details = Vec::new();
        if wanted("User") {
            details.extend(directory.users().map(|user| Detail::User(user)));
        }
        if wanted("Group") {
            details.extend(directory.groups().map(|group| Detail::Group(group)));
        }
        if wanted("Role") {
            details.extend(directory.roles().map(|role| Detail::Role(role)));
        }
        if wanted("LocalManagedPolicy") {
            details.extend(directory.managed_policies().map(|policy| Detail::Policy(policy)));
        }
        if wanted("AWSManagedPolicy") {
            let aws = Directory::aws_managed_policies().iter();
            let used = aws.filter(|policy| uses.attachments(&policy.arn) > 0);
            details.extend(used.map(|policy| Detail::Policy(policy)));
        }
        let (page, marker) = op.page.cut(details, Detail::place, Detail::bytes);
        let mut trust = HashMap::new();
        for detail in &page {
            if let Detail::Role(role) = detail {
                trust.insert(role.id.as_str(), shown_trust(&access, role).await?);
            }
        }
        let details = Details { account, directory: &directory, uses, page: &page, trust };
        Ok(QueryReply::result(|xml| {
            write_details(xml, &details);
            write_end(xml, marker.as_deref());
        }))
    }
}

fn write_details(xml: &mut QueryXml, details: &Details<'_>) {
    let Details { account, directory, uses, page, trust } = details;
    let list = |xml: &mut QueryXml, name: &str, write: &dyn Fn(&mut QueryXml, &Detail<'_>)| {
        xml.element(name, |xml| page.iter().for_each(|detail| write(xml, detail)));
    };
    list(xml, "UserDetailList", &|xml, detail| {
        let Detail::User(user) = detail else { return };
        xml.element("member", |xml| {
            write_user(xml, account, user);
            write_inline_list(xml, "UserPolicyList", &user.inline);
            let groups = directory.groups_of(user);
            xml.texts("GroupList", groups.iter().map(|group| group.name.as_str()));
            xml.list("AttachedManagedPolicies", &user.attached, |xml, arn| {
                write_attached(xml, arn);
            });
            write_boundary(xml, user.boundary.as_deref());
            write_tags(xml, &user.tags);
        });
    });
    list(xml, "GroupDetailList", &|xml, detail| {
        let Detail::Group(group) = detail else { return };
        xml.element("member", |xml| {
            write_group(xml, account, group);
            write_inline_list(xml, "GroupPolicyList", &group.inline);
            xml.list("AttachedManagedPolicies", &group.attached, |xml, arn| {
                write_attached(xml, arn);
            });
        });
    });
    list(xml, "RoleDetailList", &|xml, detail| {
        let Detail::Role(role) = detail else { return };
        let trust = trust.get(role.id.as_str()).map_or("", String::as_str);
        xml.element("member", |xml| {
            write_role(xml, account, role, trust);
            write_inline_list(xml, "RolePolicyList", &role.inline);
            xml.list("AttachedManagedPolicies", &role.attached, |xml, arn| {
                write_attached(xml, arn);
            });
            xml.element("InstanceProfileList", |_| {});
            write_boundary(xml, role.boundary.as_deref());
            write_tags(xml, &role.tags);
        });
    });
    list(xml, "Policies", &|xml, detail| {
        let Detail::Policy(policy) = detail else { return };
        xml.element("member", |xml| write_policy_detail(xml, uses, policy));
    });
}

fn write_policy_detail(xml: &mut QueryXml, uses: &PolicyUses<'_>, policy: &ManagedPolicy) {
    xml.text("PolicyName", &policy.name);
    xml.text("PolicyId", &policy.id);
    xml.text("Arn", &policy.arn);
    xml.text("Path", &policy.path);
    xml.text("DefaultVersionId", &format!("v{}", policy.default_version));
    xml.plain("AttachmentCount", uses.attachments(&policy.arn));
    xml.plain("PermissionsBoundaryUsageCount", uses.bounded(&policy.arn));
    xml.plain("IsAttachable", true);
    xml.optional("Description", policy.description.as_deref());
    xml.text("CreateDate", &time(policy.created_at));
    xml.text("UpdateDate", &time(policy.updated_at));
    xml.list("PolicyVersionList", &policy.versions, |xml, (number, version)| {
        xml.text("Document", &encoded(&version.text));
        write_version(xml, policy, *number, version);
    });
}
