//! The answers of IAM about identities, and what `--json` prints of them.

use serde::{Deserialize, Serialize};

use crate::query::{Members, Page};

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase"))]
pub(crate) struct User {
    #[serde(rename(deserialize = "UserName"))]
    pub(crate) name: String,
    pub(crate) path: String,
    #[serde(rename(deserialize = "UserId"))]
    pub(crate) id: String,
    pub(crate) arn: String,
    #[serde(rename(deserialize = "CreateDate"))]
    pub(crate) created_at: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase"))]
pub(crate) struct Group {
    #[serde(rename(deserialize = "GroupName"))]
    pub(crate) name: String,
    pub(crate) path: String,
    #[serde(rename(deserialize = "GroupId"))]
    pub(crate) id: String,
    pub(crate) arn: String,
    #[serde(rename(deserialize = "CreateDate"))]
    pub(crate) created_at: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase"))]
pub(crate) struct Role {
    #[serde(rename(deserialize = "RoleName"))]
    pub(crate) name: String,
    pub(crate) path: String,
    #[serde(rename(deserialize = "RoleId"))]
    pub(crate) id: String,
    pub(crate) arn: String,
    #[serde(rename(deserialize = "CreateDate"))]
    pub(crate) created_at: String,
    pub(crate) description: Option<String>,
    #[serde(rename(deserialize = "MaxSessionDuration"))]
    pub(crate) max_session_seconds: Option<u32>,
    /// The trust policy, percent-encoded on the wire.
    #[serde(rename(deserialize = "AssumeRolePolicyDocument"), skip_serializing)]
    pub(crate) trust: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase"))]
pub(crate) struct Policy {
    #[serde(rename(deserialize = "PolicyName"))]
    pub(crate) name: String,
    pub(crate) path: String,
    #[serde(rename(deserialize = "PolicyId"))]
    pub(crate) id: String,
    pub(crate) arn: String,
    #[serde(rename(deserialize = "CreateDate"))]
    pub(crate) created_at: String,
    #[serde(rename(deserialize = "DefaultVersionId"))]
    pub(crate) default_version: String,
    #[serde(rename(deserialize = "AttachmentCount"))]
    pub(crate) attachments: Option<u64>,
    pub(crate) description: Option<String>,
}

/// A managed policy that is attached to an identity.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase"))]
pub(crate) struct Attached {
    #[serde(rename(deserialize = "PolicyName"))]
    pub(crate) name: String,
    #[serde(rename(deserialize = "PolicyArn"))]
    pub(crate) arn: String,
}

/// An access key without its secret.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase"))]
pub(crate) struct KeyMetadata {
    #[serde(rename(deserialize = "AccessKeyId"))]
    pub(crate) id: String,
    #[serde(rename(deserialize = "UserName"))]
    pub(crate) user: Option<String>,
    pub(crate) status: String,
    #[serde(rename(deserialize = "CreateDate"))]
    pub(crate) created_at: String,
}

/// An access key with its secret, which is shown only once.
#[derive(Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase"))]
pub(crate) struct NewKey {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    #[serde(rename(deserialize = "UserName"))]
    pub(crate) user: Option<String>,
    pub(crate) status: String,
}

/// When and where a key was last used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct KeyUse {
    pub(crate) user_name: Option<String>,
}

/// An inline policy; its document is percent-encoded.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Inline {
    pub(crate) policy_document: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PolicyVersion {
    pub(crate) version_id: String,
    pub(crate) is_default_version: bool,
    pub(crate) document: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InstanceProfile {
    pub(crate) instance_profile_name: String,
}

/// Declares results that contain one thing, with the element name that IAM gives it.
macro_rules! one {
    ($($name:ident { $member:literal: $item:ty })*) => {$(
        #[derive(Deserialize)]
        pub(crate) struct $name {
            #[serde(rename = $member)]
            pub(crate) item: $item,
        }
    )*};
}

one! {
    OneUser { "User": User }
    OneGroup { "Group": Group }
    OneRole { "Role": Role }
    OnePolicy { "Policy": Policy }
    OneKey { "AccessKey": NewKey }
    OneVersion { "PolicyVersion": PolicyVersion }
}

/// Declares results that contain a page of a list.
macro_rules! pages {
    ($($name:ident { $member:literal: $item:ty })*) => {$(
        #[derive(Deserialize)]
        pub(crate) struct $name {
            #[serde(rename = $member, default)]
            members: Members<$item>,
            #[serde(rename = "IsTruncated", default)]
            is_truncated: bool,
            #[serde(rename = "Marker")]
            marker: Option<String>,
        }

        impl Page for $name {
            type Item = $item;

            fn into_parts(self) -> (Vec<$item>, Option<String>) {
                (self.members.member, self.marker.filter(|_| self.is_truncated))
            }
        }
    )*};
}

pages! {
    Users { "Users": User }
    Groups { "Groups": Group }
    Roles { "Roles": Role }
    Policies { "Policies": Policy }
    AttachedPolicies { "AttachedPolicies": Attached }
    PolicyNames { "PolicyNames": String }
    Keys { "AccessKeyMetadata": KeyMetadata }
    PolicyVersions { "Versions": PolicyVersion }
    InstanceProfiles { "InstanceProfiles": InstanceProfile }
    EntityUsers { "PolicyUsers": EntityName }
    EntityGroups { "PolicyGroups": EntityName }
    EntityRoles { "PolicyRoles": EntityName }
}

/// The name of an identity to which a policy is attached. Each kind of identity has an element of its own.
#[derive(Debug, Deserialize)]
pub(crate) struct EntityName {
    #[serde(rename = "UserName", alias = "GroupName", alias = "RoleName")]
    pub(crate) name: String,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewKey({}, ..)", self.access_key_id)
    }
}
