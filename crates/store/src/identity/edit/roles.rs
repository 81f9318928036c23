//! Roles, and the instance profiles that carry them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{
    DirectoryEdit, Edited, check_profile, check_role, free, id, in_the_way, missing, within,
};
use crate::identity::directory::fold;
use crate::{BoundPolicy, EntityKind, Hindrance, IdentityError, InstanceProfile, Quota, Role, Tag};

/// A role to make.
#[derive(Clone, Debug)]
pub struct NewRole {
    /// The name, unique in the account whatever the case of its letters.
    pub name: String,
    /// The path of the name: `/`, or `/…/` as in `/team/blue/`.
    pub path: String,
    /// What its maker says that it is for.
    pub description: Option<String>,
    /// The longest session, in seconds.
    pub max_session_seconds: u32,
    /// The trust policy: who may assume the role.
    pub trust: BoundPolicy,
    /// The ARN of the policy that bounds what the role may do.
    pub boundary: Option<String>,
    /// At most 50 tags.
    pub tags: Vec<Tag>,
}

impl DirectoryEdit {
    /// Makes a role.
    pub fn create_role(&mut self, new: NewRole) -> Result<Arc<Role>, IdentityError> {
        let NewRole { name, path, description, max_session_seconds, trust, boundary, tags } = new;
        free(self.role(&name).is_some(), EntityKind::Role, &name)?;
        within(self.parts().roles.len() + 1, Quota::Roles, &name)?;
        self.check_boundary(boundary.as_deref())?;
        let role = Role {
            id: id::<17>("AROA")?,
            created_at: self.now,
            inline: BTreeMap::new(),
            attached: BTreeSet::new(),
            name: name.clone(),
            path,
            description,
            max_session_seconds,
            trust,
            tags,
            boundary,
        };
        check_role(&role)?;
        let role = Arc::new(role);
        self.put(EntityKind::Role, &name, |parts, folded| {
            Arc::make_mut(&mut parts.roles).insert(folded.into(), Arc::clone(&role));
        });
        Ok(role)
    }

    /// Removes a role that holds nothing any more.
    pub fn delete_role(&mut self, name: &str) -> Edited {
        let role = Arc::clone(self.role(name).ok_or_else(|| missing(EntityKind::Role, name))?);
        let folded = fold(name);
        let carried =
            self.instance_profiles().any(|profile| profile.role.as_ref() == Some(&folded));
        in_the_way(carried, Hindrance::InstanceProfiles)?;
        in_the_way(!role.inline.is_empty(), Hindrance::InlinePolicies)?;
        in_the_way(!role.attached.is_empty(), Hindrance::AttachedPolicies)?;
        self.delete_role_key(&role);
        self.put(EntityKind::Role, name, |parts, folded| {
            Arc::make_mut(&mut parts.roles).remove(folded.as_str());
        });
        Ok(())
    }

    /// Makes an instance profile.
    pub fn create_instance_profile(
        &mut self,
        name: &str,
        path: &str,
        tags: Vec<Tag>,
    ) -> Result<Arc<InstanceProfile>, IdentityError> {
        free(self.instance_profile(name).is_some(), EntityKind::InstanceProfile, name)?;
        within(self.parts().profiles.len() + 1, Quota::InstanceProfiles, name)?;
        let profile = InstanceProfile {
            name: name.to_owned(),
            path: path.to_owned(),
            id: id::<17>("AIPA")?,
            created_at: self.now,
            role: None,
            tags,
        };
        check_profile(&profile)?;
        let profile = Arc::new(profile);
        self.put(EntityKind::InstanceProfile, name, |parts, folded| {
            Arc::make_mut(&mut parts.profiles).insert(folded.into(), Arc::clone(&profile));
        });
        Ok(profile)
    }

    /// Lets an instance profile carry a role: one at most.
    pub fn add_role_to_profile(&mut self, profile: &str, role: &str) -> Edited {
        self.role(role).ok_or_else(|| missing(EntityKind::Role, role))?;
        let folded = fold(role);
        self.change_instance_profile(profile, |profile| {
            let count = profile.role.iter().len() + 1;
            within(count, Quota::RolesOfProfile, &profile.name)?;
            profile.role = Some(folded);
            Ok(())
        })
    }

    /// Takes the role out of an instance profile.
    pub fn remove_role_from_profile(&mut self, profile: &str, role: &str) -> Edited {
        let folded = fold(role);
        self.change_instance_profile(profile, |profile| {
            if profile.role.as_ref() != Some(&folded) {
                return Err(missing(EntityKind::Role, role));
            }
            profile.role = None;
            Ok(())
        })
    }

    /// Removes an instance profile that carries nothing.
    pub fn delete_instance_profile(&mut self, name: &str) -> Edited {
        let found = self.instance_profile(name);
        let profile = found.ok_or_else(|| missing(EntityKind::InstanceProfile, name))?;
        in_the_way(profile.role.is_some(), Hindrance::InstanceProfiles)?;
        self.put(EntityKind::InstanceProfile, name, |parts, folded| {
            Arc::make_mut(&mut parts.profiles).remove(folded.as_str());
        });
        Ok(())
    }
}
