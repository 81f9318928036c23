//! Tags of identities.

use store::{EntityKind, Tag};

use super::entity::{
    change, directory, found, policy_arn, profile_name, role_name, same_tag, tags, user_name,
    write_tag,
};
use super::operation;
use super::page::Page;
use super::provider::url_in_arn;
use crate::query::answer::QueryReply;
use crate::query::error::QueryError;
use crate::query::form::Form;
use crate::query::operation::Brought;

fn tag_keys(form: &Form) -> Result<Vec<String>, QueryError> {
    Ok(form.list("TagKeys")?.into_iter().map(str::to_owned).collect())
}

/// Sets the given tags and keeps all others.
fn merge(known: &mut Vec<Tag>, new: Vec<Tag>) {
    known.retain(|tag| !new.iter().any(|other| same_tag(&other.key, &tag.key)));
    known.extend(new);
}

fn without(known: &mut Vec<Tag>, keys: &[String]) {
    known.retain(|tag| !keys.iter().any(|key| same_tag(key, &tag.key)));
}

fn listed(tags: &[Tag], page: &Page) -> QueryReply {
    let mut sorted: Vec<&Tag> = tags.iter().collect();
    sorted.sort_by(|one, other| one.key.cmp(&other.key));
    QueryReply::result(|xml| page.write(xml, "Tags", sorted, |tag| tag.key.clone(), write_tag))
}

/// Declares the three calls about tags of one kind of identity.
macro_rules! tag_operations {
    ($($tag:ident $tag_action:literal $untag:ident $untag_action:literal $list:ident $list_action:literal:
        $read:expr, $resource:ident, $change:ident, $find:ident, $kind:ident;)*) => {$(
        operation! {
            /// Sets the given tags and keeps all others.
            $tag($tag_action) { name: String = $read, tags: Vec<Tag> = tags }
            on |op, at| at.$resource(&op.name);
            brings |op| Brought::tags(&op.tags);
            |op, access| {
                let Self { name, tags } = op;
                change(&access, move |edit| {
                    edit.$change(&name, |found| {
                        merge(&mut found.tags, tags);
                        Ok(())
                    })
                })
                .await?;
                Ok(QueryReply::empty())
            }
        }

        operation! {
            /// Removes the tags with the given keys.
            $untag($untag_action) { name: String = $read, keys: Vec<String> = tag_keys }
            on |op, at| at.$resource(&op.name);
            brings |op| Brought::tag_keys(&op.keys);
            |op, access| {
                let Self { name, keys } = op;
                change(&access, move |edit| {
                    edit.$change(&name, |found| {
                        without(&mut found.tags, &keys);
                        Ok(())
                    })
                })
                .await?;
                Ok(QueryReply::empty())
            }
        }

        operation! {
            /// Lists the tags of the identity.
            $list($list_action) { name: String = $read, page: Page = Page::read }
            on |op, at| at.$resource(&op.name);
            |op, access| {
                let directory = directory(&access)?;
                let entity = found(directory.$find(&op.name), EntityKind::$kind, &op.name)?;
                Ok(listed(&entity.tags, &op.page))
            }
        }
    )*};
}

tag_operations! {
    TagUser "iam:TagUser" UntagUser "iam:UntagUser" ListUserTags "iam:ListUserTags":
        user_name, user, change_user, user, User;
    TagRole "iam:TagRole" UntagRole "iam:UntagRole" ListRoleTags "iam:ListRoleTags":
        role_name, role, change_role, role, Role;
    TagPolicy "iam:TagPolicy" UntagPolicy "iam:UntagPolicy" ListPolicyTags "iam:ListPolicyTags":
        policy_arn, policy, change_policy_at, managed_policy, Policy;
    TagInstanceProfile "iam:TagInstanceProfile" UntagInstanceProfile "iam:UntagInstanceProfile"
        ListInstanceProfileTags "iam:ListInstanceProfileTags":
        profile_name, profile, change_instance_profile, instance_profile, InstanceProfile;
    TagOpenIDConnectProvider "iam:TagOpenIDConnectProvider"
        UntagOpenIDConnectProvider "iam:UntagOpenIDConnectProvider"
        ListOpenIDConnectProviderTags "iam:ListOpenIDConnectProviderTags":
        url_in_arn, provider, change_oidc_provider, oidc_provider, OidcProvider;
}
